"""Lesions of what was fitted to recordings or learnt from rewards: the same units, gone, and what that costs."""

import copy
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import torch

from neurornn._types import generator
from neurornn.cell import GRU, LSTM, LeakyRate
from neurornn.encoding import GLM, Evoked, Filters, LinearNonlinear, StimulusNetwork, contiguous_split
from neurornn.fit import (
    ConstrainedFit,
    Descent,
    EncodingFit,
    RateTrials,
    fit_encoding,
    fit_rates,
    lesion_constrained,
    lesion_encoding,
    lesion_latent,
)
from neurornn.fit.episodes import play
from neurornn.latent import LatentFit, SequentialLatent, fit_latent
from neurornn.network import Network
from neurornn.perturb import Cut, Drop, During, Silence, Stack, Trigger, weigh
from neurornn.world import TwoArmedBandit

N = 12


@cache
def heard(past: int = 0) -> EncodingFit:
    """Return a recurrent network, hardly trained on two neurons that hear a sound two bins ago."""
    rng = np.random.default_rng(0)
    sound = rng.normal(size=(3000, 1))
    counts = rng.poisson(np.exp(0.8 * np.roll(sound, 2, axis=0) * [1, -1] - 1.5), size=(1, 3000, 2)).astype(float)
    evoked = Evoked(sound, counts, dt=10.0)
    front = Filters((1,), 3, lags=3)
    cell = GRU(3 + (2 if past else 0), N, dt=10.0, seed=1)
    model = StimulusNetwork(front, 2, cell=cell, past=past, link="exp", warm=20)
    split = contiguous_split(evoked, gap=30)
    return fit_encoding(model, evoked, split, epochs=4, learning_rate=0.02, length=100, batch=8, progress=False)


@cache
def latent(n_controller: int = 0) -> tuple[LatentFit, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    counts = rng.poisson(0.4 * np.exp(np.sin(np.arange(1200) / 4.0)[:, None] * rng.normal(size=8))).astype(float)
    block = np.arange(1200) // 100
    model = SequentialLatent(6, 8, n_encoder=8, n_generator=N, n_factors=3, n_controller=n_controller)
    told = {"window": 20, "epochs": 3, "batch": 16, "learning_rate": 0.03, "progress": False}
    held_in = np.arange(8) < 6
    return (
        fit_latent(model, counts, held_in, block, block % 4 < 2, block % 4 == 2, **told),
        counts,
        block,
        block % 4 == 3,
    )


@cache
def constrained() -> ConstrainedFit:
    rng = np.random.default_rng(0)
    trials = RateTrials(rng.gamma(2.0, 5.0, size=(8, 30, N)), dt=10.0, inputs=rng.normal(size=(8, 30, 2)))
    cell = LeakyRate(2, N, tau=40.0, dt=10.0, form="current", nonlinearity="sigmoid")
    return fit_rates(cell, trials, Descent(steps=3, every=1), train=range(5), progress=False)


def unread(model: StimulusNetwork, units: list[int]) -> StimulusNetwork:
    """Return a copy in which nobody hears some units."""
    deaf = copy.deepcopy(model)
    with torch.no_grad():
        deaf.readout[:, units] = 0.0
        assert deaf.cell is not None
        deaf.cell.get_parameter("w_rec")[:, units] = 0.0
    return deaf


@pytest.mark.parametrize("past", [0, 4])
def test_silent_units_of_an_encoding_model_are_unheard_ones_forced_and_free(past: int) -> None:
    fit = heard(past)
    deaf = EncodingFit(**{**vars(fit), "model": unread(fit.model, [1, 4])})
    act = [Silence([1, 4])]
    np.testing.assert_allclose(fit.predict(perturb=act), deaf.predict(), rtol=1e-5)
    assert fit.split is not None
    rows = fit.split.test[40:240]
    free = fit.simulate(rows=rows, repeats=3, seed=2, perturb=act)
    np.testing.assert_array_equal(free, deaf.simulate(rows=rows, repeats=3, seed=2))
    nothing = fit.simulate(rows=rows, repeats=3, seed=2, perturb=[Silence([])])
    np.testing.assert_array_equal(nothing, fit.simulate(rows=rows, repeats=3, seed=2))
    one, other = fit.score(perturb=act), deaf.score()
    assert one.median("bits_per_spike") == pytest.approx(other.median("bits_per_spike"), abs=1e-6)
    late = fit.simulate(rows=rows, repeats=3, seed=2, perturb=[Silence(range(N), During(1000.0, 9000.0))])
    before = (1000 - 10 * fit.model.warm) // 10
    np.testing.assert_array_equal(late[:, :before], nothing[:, :before])
    assert (late[:, before:] != nothing[:, before:]).any()


def test_a_lesion_of_an_encoding_model_costs_the_bits_that_it_no_longer_explains() -> None:
    fit = heard()
    table = lesion_encoding(fit, [1, 4], controls=199)
    told = fit.score(min_spikes=1).frame()["bits_per_spike"]
    assert fit.split is not None and fit.evoked is not None
    spikes = fit.evoked.counts[0, fit.split.test].sum(axis=0)
    assert table.intact.mean() == pytest.approx(float((told * spikes).sum() / spikes.sum()), rel=1e-6)
    hurt = fit.score(min_spikes=1, perturb=[Silence([1, 4])]).frame()["bits_per_spike"]
    assert table.lesion.mean() == pytest.approx(float((hurt * spikes).sum() / spikes.sum()), rel=1e-6)
    assert list(table.controls.features.columns) == ["rate", "variance", "out_norm"] and len(table.intact) == 20
    assert "bits per spike of held-out bins" in table.methods


@pytest.mark.parametrize("n_controller", [0, 5])
def test_a_latent_model_without_its_generator_says_the_same_in_every_bin(n_controller: int) -> None:
    fit, counts, block, test = latent(n_controller)
    expected, factors = fit.infer(counts, block, samples=2, perturb=[Silence(range(N))])
    np.testing.assert_allclose(factors, 0.0, atol=1e-7)
    np.testing.assert_allclose(
        expected, np.broadcast_to(fit.model.bias.detach().exp().numpy(), expected.shape), rtol=1e-5
    )
    plain = fit.infer(counts, block, samples=2)[0]
    np.testing.assert_allclose(fit.infer(counts, block, samples=2, perturb=[Silence([])])[0], plain, rtol=1e-5)
    table = lesion_latent(fit, [0, 1, 2], counts, block, test, samples=1, controls=0)
    assert table.effect != 0.0 and "bits per spike of held-out units" in table.methods
    deaf = copy.deepcopy(fit.model)
    with torch.no_grad():
        deaf.to_factors[:, [0, 1]] = 0.0
        deaf.generator.w_rec[:, [0, 1]] = 0.0
    seen = torch.from_numpy(counts[:20, :6].astype(np.float32))[None]
    hurt = fit.model(seen, perturb=[Silence([0, 1])])
    torch.testing.assert_close(hurt.expected, deaf(seen).expected, rtol=1e-5, atol=1e-6)


def test_a_silent_neuron_of_a_constrained_network_has_no_rate_and_a_cut_one_has() -> None:
    fit = constrained()
    said = fit.predict(fit.held_out, perturb=[Silence([3])])
    assert (said[:, 1:, 3] == 0).all() and (said[:, 1:, 4] > 0).all()
    whole = fit.score(fit.held_out).pvar
    table = lesion_constrained(fit, [3], controls=199, perturbation=lambda units: Cut(units, incoming=False))
    assert table.intact.mean() == pytest.approx(whole, rel=1e-6)
    assert table.lesion.mean() == pytest.approx(
        fit.score(fit.held_out, perturb=[Cut([3], incoming=False)]).pvar, rel=1e-6
    )
    assert len(table.controls.sets) == N - 1


def test_an_agent_without_units_acts_in_the_same_worlds() -> None:
    world = TwoArmedBandit(pulls=6)
    network = Network(LSTM(world.n_in, N, dt=world.dt), world.heads, noise=0.1)
    told = {"n_trials": 5}

    def played(*perturb: object) -> torch.Tensor:
        streams = {"generator": generator(0), "noise": generator(1)}
        return play(network, world, **told, **streams, perturb=perturb).activity  # type: ignore[arg-type]

    intact, hurt = played(), played(Silence([2, 3], During(2 * world.dt, 4 * world.dt)))
    assert torch.equal(intact, played(Silence([]))) and torch.equal(hurt[:, :2], intact[:, :2])
    assert bool((hurt[:, 2:4, [2, 3]] == 0).all()) and bool((hurt[:, 4:, [2, 3]] != 0).all())
    assert bool((played(Silence([2], Trigger([0], -9.0, 9.0 * world.dt)))[:, 1:, 2] == 0).all())


def test_weigh_counts_a_lesion_of_anything() -> None:
    worth = np.array([1.0, 0.5, *np.zeros(28)])

    def scored(members: list) -> np.ndarray:
        return np.array([[3 - worth[list(one.units)].sum(), 1 - worth[list(one.units)].sum()] for one in members])

    table = weigh(scored, [0, 1], 30, controls=199, doses=(0.0, 1.0), score_name="worth")
    assert table.effect == -1.5 and table.p == 1 / 200 and table.intact.tolist() == [3.0, 1.0]
    assert table.control_effects.tolist() == [0.0] * 199 and table.curve["effect"].tolist() == [0.0, -1.5]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: GLM(2, (1,), lags=5).perturbed(torch.zeros(1, 9, 1), torch.zeros(1, 5, 2), [Silence([0])]),
            r"GLM.perturbed: `perturb` must be absent for a model without recurrent units; got 'a perturbation'\. Fit",
        ),
        (
            lambda: lesion_encoding(EncodingFit(**{**vars(heard()), "model": LinearNonlinear(2, (1,), lags=3)}), [0]),
            r"LinearNonlinear.perturbed: `perturb` must be absent for a model without recurrent units",
        ),
        (
            lambda: heard().predict(perturb=[Silence([0], During(0.0, 10.0))]),
            r"EncodingFit.predict: `perturb` must be one that holds all the while; got 'Silence'\. A recording is pred",
        ),
        (
            lambda: heard().predict(perturb=[Silence([0])], noise=1),
            r"EncodingFit.predict: `noise` must be absent under a perturbation; got 1",
        ),
        (
            lambda: heard(4).simulate(rows=heard(4).split.test[40:80], perturb=[Drop([0])]),
            r"StimulusNetwork.stepping: `perturb` must be no edit of inputs that hold spikes; got 'an edit'",
        ),
        (
            lambda: latent()[0].infer(*latent()[1:3], perturb=[Silence([0], During(0.0, 10.0))]),
            r"LatentFit.infer: `perturb` must be one that holds all the while; got 'Silence'",
        ),
        (
            lambda: latent()[0].infer(*latent()[1:3], perturb=[Stack([Silence([0])])]),
            r"SequentialLatent: `perturb` must be one at a time; got 'a stack'",
        ),
        (
            lambda: latent(5)[0].infer(*latent(5)[1:3], perturb=[Drop([0])]),
            r"SequentialLatent: `perturb` must be no edit of inputs that a controller infers; got 'an edit'",
        ),
        (
            lambda: lesion_latent(latent()[0], [0], *latent()[1:3], np.zeros(1200, bool)),
            r"lesion_latent: `test` must be with a block that holds a window of 20 bins; got 'none'",
        ),
        (
            lambda: constrained().predict([0], perturb=[Stack([()])]),
            r"ConstrainedFit: `perturb` must be one perturbation at a time; got 'a stack'",
        ),
        (
            lambda: play(
                Network(LSTM(TwoArmedBandit().n_in, 4, dt=TwoArmedBandit().dt), TwoArmedBandit().heads),
                TwoArmedBandit(),
                2,
                generator=generator(0),
                perturb=[Drop([0])],
            ),
            r"play: `perturb` must be of units or synapses, one at a time; got 'a stack, or edited inputs'",
        ),
    ],
)
def test_lesions_that_cannot_be(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
