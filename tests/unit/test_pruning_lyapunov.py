"""Lyapunov noise pruning, step by step, against what each of them must come to."""

import numpy as np
import pytest
import torch

import neurornn as nr
from neurornn.pruning.graph import betweenness, least_between, localisation, mended, parts_of, spread_out_modes
from neurornn.pruning.spectrum import (
    Exponents,
    Spectrum,
    by_unit,
    driving,
    measured,
    neighbourhood_exponents,
    spectrum_of,
)
from neurornn.pruning.timescales import retimed


def chain(n: int) -> np.ndarray:
    """Unit 0 to 1 to 2 ...: rows post-synaptic."""
    return np.eye(n, k=-1)


def sparse_lif(n: int = 20, seed: int = 0) -> nr.Network:
    wiring = nr.Sparse(nr.Dense(n, seed=seed), density=0.3, seed=seed)
    return nr.Network(nr.LIF(2, n, tau=nr.Gamma(20.0, 0.5, least=2.0), wiring=wiring, seed=seed), 1)


def test_the_middle_of_a_chain_lies_between_most() -> None:
    """In a directed chain of n, unit k lies on k (n - 1 - k) of the (n - 1)(n - 2) ordered pairs of others."""
    n = 6
    expected = [k * (n - 1 - k) / ((n - 1) * (n - 2)) for k in range(n)]
    np.testing.assert_allclose(betweenness(chain(n)), expected)


def test_strong_connections_are_short_ones() -> None:
    weights = np.zeros((4, 4))
    weights[1, 0] = weights[3, 1] = -5.0  # 0 to 1 to 3: two strides of 0.2
    weights[2, 0] = weights[3, 2] = 0.5  # 0 to 2 to 3: two of 2
    np.testing.assert_allclose(betweenness(weights), [0, 1 / 6, 0, 0])


def test_units_that_are_needed_stay() -> None:
    kept = least_between(chain(6) + chain(6).T, 2, np.array([0]), batches=2)
    assert kept.tolist() == [0, 1, 2, 3] or kept.tolist() == [0, 2, 3, 4]
    assert 0 in kept


def test_mending_joins_what_was_cut_with_the_best_there_was() -> None:
    possible = ~np.eye(6, dtype=bool)
    mask = np.zeros((6, 6), dtype=bool)
    for a, b in ((0, 1), (1, 2), (2, 0), (3, 4), (4, 3)):
        mask[b, a] = True
    scores = np.zeros((6, 6))
    scores[5, 2], scores[4, 5], scores[3, 0] = 3.0, 2.0, 1.0
    made, alone, joins = mended(mask, scores, possible)
    assert made[5, 2] and made[4, 5] and (alone, joins) == (2, 0), "unit 5 is joined to both parts"
    assert parts_of(made).max() == 0 and made[mask].all()
    made, alone, joins = mended(mask[:5, :5], scores[:5, :5], possible[:5, :5])
    assert made[3, 0] and (alone, joins) == (0, 1)


def test_modes_on_few_units_are_spread_out() -> None:
    """Two islands, of which one has a much faster mode: connections between them must come back first."""
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(20, 20)) / 4
    same = np.repeat([0, 1], 10)[:, None] == np.repeat([0, 1], 10)[None, :]
    made, before, after = spread_out_modes(same.copy(), weights, ~np.eye(20, dtype=bool), 40)
    assert made.sum() == same.sum() + 40 and made[same].all()
    assert after < 0.9 * before
    assert localisation(np.diag(np.arange(1.0, 5.0))) == 1.0
    ring = np.eye(8).take(np.arange(-1, 7), axis=0)
    np.testing.assert_allclose(localisation(ring), 1 / 8)


def test_shares_hand_exponents_of_directions_to_units() -> None:
    """Two units that do not talk: each direction lies along one of them, and so does its exponent."""
    cell = nr.LeakyRate(1, 2, tau=[40.0, 160.0], dt=10.0, nonlinearity="identity", wiring=nr.Dense(2, gain=0.0))
    found = nr.lyapunov(cell, steps=80, transient=0, align=200, start=torch.ones(1, 2), progress=False)
    np.testing.assert_allclose(found.shares.sum(axis=0), 1)
    np.testing.assert_allclose(found.shares.sum(axis=1), 1)
    np.testing.assert_allclose(by_unit(found, 2), np.log(1 - 10 / np.array([40.0, 160.0])) / 10, rtol=1e-4)


def test_a_neighbourhood_has_the_inverse_of_its_mean_time_constant() -> None:
    taus = np.array([10.0, 20.0, 30.0, 40.0, 50.0])
    weights = np.zeros((5, 5))
    weights[1, 0] = weights[2, 1] = weights[4, 3] = -1.0
    found = neighbourhood_exponents(-1 / taus, weights)
    # The neighbours of 0 and 1 together are 0, 1 and 2; those of 3 and 4 are each other.
    np.testing.assert_allclose([found[1, 0], found[4, 3]], [1 / 20.0, 1 / 45.0])
    full = neighbourhood_exponents(-1 / taus, np.ones((5, 5)))
    np.testing.assert_allclose(full[~np.eye(5, dtype=bool)], 1 / 30.0, err_msg="all alike where all are neighbours")


def test_the_surrogate_spectrum_depends_on_the_surrogate_and_says_so() -> None:
    made = {}
    for slope in (0.2, 5.0):
        network = nr.Network(nr.LIF(1, 5, surrogate=nr.SuperSpike(slope), seed=1), 1)
        inputs = driving(network, 1.0, 30, 1)
        made[slope] = measured(network, inputs)
        assert f"slope={slope}" in spectrum_of(network, Exponents.MEASURED, inputs).label
    finite = [one.exponents[np.isfinite(one.exponents)].min() for one in made.values()]
    assert abs(finite[0] - finite[1]) > 0.05


def test_time_constants_come_back_to_the_spectrum_that_they_were_taken_from() -> None:
    """Of a spectrum of leaks alone the answer is known: the Gamma law of the network before."""
    rng = np.random.default_rng(1)
    law = rng.gamma(4.0, 5.0, size=400)

    def spectrum(taus: np.ndarray) -> Spectrum:
        return Spectrum(np.sort(-1 / taus)[::-1], -1 / taus, "leaks")

    dense = spectrum(np.maximum(law, 1.0))
    found = retimed(np.linspace(19.0, 21.0, 400), spectrum, dense, floor=1.0, evaluations=20, seed=0)
    assert found.evaluations == 20 and found.after < 0.35 * found.before
    assert abs(found.taus.mean() - law.mean()) < 5.0
    assert found.largest <= dense.exponents[0] + 0.1 * abs(dense.exponents[0])


def test_equal_time_constants_stay_equal() -> None:
    """The control of equal ones would be none if this step made them unequal; their centre is still looked for."""

    def spectrum(taus: np.ndarray) -> Spectrum:
        return Spectrum(np.sort(-1 / taus)[::-1], -1 / taus, "leaks")

    found = retimed(np.full(50, 20.0), spectrum, spectrum(np.full(60, 30.0)), floor=1.0, evaluations=15, seed=0)
    np.testing.assert_allclose(found.taus, found.taus[0])
    assert abs(found.taus[0] - 30.0) < 3.0 and found.after < 0.3 * found.before


def test_time_constants_make_up_for_weights_where_measured_spectra_are_compared() -> None:
    """Leaks know no weights, so that comparing them moves nothing here: all units are still there."""
    wiring = nr.Sparse(nr.Dense(30, gain=0.9, seed=1), density=0.4, seed=1)
    cell = nr.LeakyRate(1, 30, tau=nr.Gamma(60.0, 0.5, least=20.0), nonlinearity="tanh", dt=10.0, wiring=wiring)
    how = {"units": 0.0, "delocalise": False, "evaluations": 8, "steps": 40, "n_exponents": 10, "rescale": "none"}
    found = {}
    for compared in ("leaks", "measured"):
        pruned = nr.prune(nr.Network(cell, 1), nr.LyapunovNoisePruning(compared=compared, **how), density=0.2, seed=1)
        told = pruned.steps.set_index("quantity")["value"]
        before, after = (told[f"distance of the spectra {when} (1/ms)"] for when in ("before", "after"))
        found[compared] = before, after
    assert found["leaks"] == (0.0, 0.0)
    assert found["measured"][1] < 0.8 * found["measured"][0]


def test_connections_come_back_to_the_units_that_are_left_with_the_weights_they_had() -> None:
    """Dropped units have modes of their own, the most localised of all: they must not draw connections anywhere."""
    network = sparse_lif(60, seed=2)
    dense = network.cell.wiring().detach().double().numpy()
    how = nr.LyapunovNoisePruning(units=0.3, retime=False, rescale="full")
    pruned = nr.prune(network, how, density=0.4, seed=3)
    square = np.ix_(pruned.units, pruned.units)
    now = pruned.network.cell.wiring().detach().double().numpy()
    mask, w, keep = pruned.mask[square], dense[square], pruned.keep[square]
    factor = np.divide(now, w, out=np.ones_like(w), where=mask)
    between = mask & ~np.eye(len(mask), dtype=bool)
    back = between & np.isclose(factor, 1) & (keep < 0.99)
    told = pruned.steps.set_index("quantity")["value"]
    assert back.sum() == told["connections brought back to reach it"] > 30
    np.testing.assert_allclose(factor[between & ~back], 1 / keep[between & ~back], rtol=1e-5)
    # What it says of localisation is of the units that are left, and better than bringing back any others.
    np.testing.assert_allclose(told["localisation after"], localisation(np.where(between, now, 0.0)), rtol=1e-4)
    possible = (w != 0) & ~np.eye(len(w), dtype=bool) & ~(between & ~back)
    drawn = np.random.default_rng(0)
    others = []
    for _ in range(20):
        one = np.where(between & ~back, now, 0.0)
        chosen = drawn.choice(np.flatnonzero(possible), int(back.sum()), replace=False)
        one.flat[chosen] = w.flat[chosen]
        others.append(localisation(one))
    assert told["localisation after"] < np.mean(others) < told["localisation before"]


@pytest.mark.parametrize("exponents", ["leaks", "measured"])
def test_every_step_is_told_and_can_be_left_out(exponents: str) -> None:
    network = sparse_lif()
    few = {"exponents": exponents, "compared": exponents, "steps": 10, "n_exponents": 3}
    whole = nr.prune(network, nr.LyapunovNoisePruning(evaluations=3, **few), density=0.3, seed=1)
    assert set(whole.steps["step"]) >= {"covariance", "units", "repair", "delocalise", "retime", "rescale"}
    assert len(whole.units) == 16
    told = whole.steps.set_index("quantity")["value"]
    assert told["of them driven by inputs"] == 4 and told["spectra computed"] == 3
    assert told["distance of the spectra after (1/ms)"] <= told["distance of the spectra before (1/ms)"] + 1e-12
    bare = nr.LyapunovNoisePruning(units=0.0, repair=False, delocalise=False, retime=False, size="even", **few)
    left = nr.prune(network, bare, density=0.3, seed=1)
    assert not {"units", "repair", "delocalise", "retime", "covariance"} & set(left.steps["step"])
    assert len(left.units) == 20


@pytest.mark.parametrize("size", ["weight", "exponent", "both", "even"])
def test_all_hang_together_at_the_density_that_was_asked_for(size: str) -> None:
    network = sparse_lif(40, seed=3)
    pruned = nr.prune(network, nr.LyapunovNoisePruning(size=size, retime=False), density=0.25, seed=2)
    inner = pruned.mask[np.ix_(pruned.units, pruned.units)] & ~np.eye(len(pruned.units), dtype=bool)
    assert parts_of(inner).max() == 0 and inner.any(axis=0).all() and inner.any(axis=1).all()
    assert abs(pruned.density - 0.25) < 0.03


def test_a_synapse_in_a_slow_neighbourhood_goes_first() -> None:
    """Two groups that differ in their time constants alone: the exponents of the fast one are larger."""
    wiring = nr.Dense(40, seed=1)
    with torch.no_grad():
        wiring.weight[:20, 20:] = 0.0
        wiring.weight[20:, :20] = 0.0
    cell = nr.LeakyRate(1, 40, tau=[40.0] * 20 + [400.0] * 20, dt=10.0, nonlinearity="tanh", wiring=wiring)
    kept = {}
    for size in ("exponent", "even"):
        how = nr.LyapunovNoisePruning(size=size, units=0.0, repair=False, delocalise=False, retime=False)
        mask = nr.prune(nr.Network(cell, 1), how, density=0.4, seed=1).mask
        kept[size] = mask[:20, :20].mean() - mask[20:, 20:].mean()
    assert abs(kept["even"]) < 0.1
    # The covariance grows with the time constant as much as the exponent falls: q is then even between the groups.
    assert abs(kept["exponent"]) < 0.15
