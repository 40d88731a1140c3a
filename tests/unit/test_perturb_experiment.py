from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from neurornn._types import generator
from neurornn.cell import GRU, LeakyRate
from neurornn.network import Network
from neurornn.perturb import (
    AbstractPerturbation,
    Cut,
    During,
    Epoch,
    Silence,
    Stack,
    Trigger,
    lesion,
    matched_controls,
    paired_scores,
    shared_noise,
    unit_features,
)
from neurornn.perturb.experiment import chunk_size, dose_sets
from neurornn.task.base import AbstractTask
from neurornn.trials import Trials
from tests.tolerances import FLOAT32


@dataclass(frozen=True)
class Copy(AbstractTask):
    """Say the constant input, step by step: the answer of a network is known in closed form."""

    dt: float = 10.0
    score_name: str = "mean distance"
    higher_is_better: bool = False
    broken: bool = False

    @property
    def n_in(self) -> int:
        return 1

    @property
    def n_out(self) -> int:
        return 1

    def sample(self, n_trials: int, *, generator: torch.Generator) -> Trials:
        value = 1 + torch.rand(n_trials, 1, 1, generator=generator).expand(n_trials, 6, 1)
        epochs = {"late": torch.tensor([[3, 6]]).expand(n_trials, 2)}
        return Trials(value, value, torch.ones(n_trials, 6), dt=self.dt, epochs=epochs)

    def score(self, trials: Trials, outputs: Tensor) -> Tensor:
        distance = (outputs - trials.targets).abs().mean(dim=(-2, -1))
        distance = distance / (0.0 if self.broken else 1.0)
        return -distance if self.higher_is_better else distance


def copier(weights: list[float], noise: float = 0.0) -> Network:
    """Return units that repeat the input without memory, read out with `weights`: silencing takes their weight away."""
    n = len(weights)
    network = Network(LeakyRate(1, n, tau=10.0, dt=10.0, nonlinearity="identity", clamp_tau=True), 1, noise=noise)
    with torch.no_grad():
        network.cell.get_parameter("wiring.weight").zero_()
        network.cell.get_parameter("w_in").fill_(1.0)
        network.readout.copy_(torch.tensor([weights]))
    return network


def fit(network: Network, **task: bool) -> SimpleNamespace:
    return SimpleNamespace(network=network, task=Copy(**task))


def test_effect_is_the_weight_that_was_lost() -> None:
    network = copier([0.4, 0.3, 0.2, 0.1] + [0.0] * 8)
    table = lesion(fit(network), [0, 2], controls=0, doses=(), trials=32, seed=3)
    value = Copy().sample(32, generator=generator(3)).targets[:, 0, 0].double().numpy()
    np.testing.assert_allclose(table.intact, 0.0, atol=1e-6)
    np.testing.assert_allclose(table.lesion, 0.6 * value, rtol=1e-5)
    assert table.effect == pytest.approx(0.6 * value.mean(), rel=1e-5)
    low, high = table.interval
    spread = 0.6 * value.std() / np.sqrt(32)
    assert low < table.effect < high
    assert high - low == pytest.approx(2 * 1.96 * spread, rel=0.15)
    assert np.isnan(table.p) and np.isnan(table.z)


@pytest.mark.parametrize("higher", [False, True])
def test_p_counts_the_controls_that_do_as_much_harm(higher: bool) -> None:
    network = copier([0.5, 0.5] + [0.0] * 30)
    table = lesion(fit(network, higher_is_better=higher), [0, 1], controls=199, matched_on=("n",), doses=(), trials=4)
    assert len(table.control_scores) == 199
    assert table.p == 1 / 200
    assert np.sign(table.effect) == (-1 if higher else 1)
    harmless = lesion(
        fit(network, higher_is_better=higher), [5, 6], controls=199, matched_on=("n",), doses=(), trials=4
    )
    assert harmless.p == 1.0
    worst = lesion(fit(copier([1 / 20] * 20), higher_is_better=higher), [0, 1], controls=199, doses=(), trials=4)
    assert worst.p > 0.1


def test_p_is_even_over_random_lesions() -> None:
    """Under the null, a lesion of random units is one more control: its p is uniform."""
    rng = np.random.default_rng(0)
    network = copier(rng.random(40).tolist())
    found = []
    for seed in range(20):
        units = rng.choice(40, 4, replace=False)
        found.append(lesion(fit(network), units, controls=199, matched_on=("n",), doses=(), trials=2, seed=seed).p)
    assert abs(np.mean(found) - 0.5) < 3 / np.sqrt(12 * 20)
    assert 0.05 < np.std(found) < 0.45


def test_even_units_have_a_straight_dose_response() -> None:
    table = lesion(fit(copier([0.02] * 50)), [0], controls=0, trials=8)
    assert table.area == pytest.approx(0.5, abs=1e-4)
    assert table.half_dose == pytest.approx(0.5, abs=1e-4)
    curve = table.curve.set_index("dose")
    assert curve.loc[0.0, "effect"] == 0.0
    assert list(curve.index) == [0.0, 0.02, 0.04, 0.1, 0.2, 0.4, 0.8, 1.0]
    assert curve.loc[0.2, "n"] == 20 and curve.loc[0.0, "n"] == 1
    np.testing.assert_allclose(curve["effect"], curve.index * curve.loc[1.0, "effect"], rtol=1e-4, atol=1e-7)


def test_one_unit_alone_has_a_half_dose_at_once() -> None:
    table = lesion(fit(copier([1.0])), [0], controls=0, trials=4, doses=(0.0, 1.0))
    assert table.half_dose == pytest.approx(0.5)
    assert np.isnan(lesion(fit(copier([1.0])), [0], controls=0, trials=4, doses=(0.0,)).half_dose)
    harmless = lesion(fit(copier([0.0, 0.0])), [0], controls=0, trials=4)
    assert np.isnan(harmless.half_dose) and np.isnan(harmless.area)


def test_nothing_lesioned_changes_nothing_and_everything_leaves_the_readout_bias() -> None:
    network = copier([0.1] * 10, noise=0.3)
    nothing = lesion(fit(network), [], controls=199, doses=(), trials=8)
    assert np.array_equal(nothing.intact, nothing.lesion) and nothing.effect == 0.0
    everything = lesion(fit(network), range(10), controls=0, doses=(), trials=8)
    targets = Copy().sample(8, generator=generator(0)).targets[:, 0, 0].double().numpy()
    np.testing.assert_allclose(everything.lesion, targets, rtol=1e-6)


def test_all_runs_share_trials_and_noise() -> None:
    network = copier([0.1] * 10, noise=0.5)
    trials = Copy().sample(5, generator=generator(1))
    noise = shared_noise(network, trials, 4)
    scores = paired_scores(network, Copy(), trials, [Silence([]), Silence([3]), Silence([])], noise=noise)
    np.testing.assert_allclose(scores[0], scores[2], **FLOAT32)
    assert np.abs(scores[0] - scores[1]).min() > 1e-3
    again = lesion(fit(network), [3], controls=0, trials=5, seed=2)
    assert np.array_equal(again.intact, lesion(fit(network), [3], controls=0, trials=5, seed=2).intact)
    assert not np.array_equal(again.intact, lesion(fit(network), [3], controls=0, trials=5, seed=3).intact)


def test_chunks_change_nothing() -> None:
    network = Network(GRU(1, 12), 1, noise=0.1)
    one, many = (lesion(fit(network), [0, 1], controls=199, trials=6, chunk=chunk) for chunk in (1, 64))
    np.testing.assert_allclose(one.frame()["effect"], many.frame()["effect"], rtol=1e-4, atol=1e-6)
    trials = Copy().sample(200, generator=generator(0))
    size = chunk_size(network, trials)
    assert size >= 1 and size * 4 * 200 * 6 * 12 * 4 < 5e8


def test_network_is_left_as_it_was() -> None:
    network = Network(GRU(1, 12), 1, noise=0.1)
    before = [p.clone() for p in network.parameters()]
    lesion(fit(network), [0, 1], controls=199, trials=4)
    assert all(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))
    assert all(p.grad is None for p in network.parameters())


def test_other_perturbations_and_windows() -> None:
    network = copier([0.25] * 4)
    late = lesion(fit(network), [0], perturbation=lambda u: Silence(u, Epoch("late")), controls=0, trials=8)
    always = lesion(fit(network), [0], controls=0, trials=8)
    assert late.effect == pytest.approx(always.effect / 2, rel=1e-5)
    assert "Epoch" in late.methods
    cut = lesion(fit(network), [0], perturbation=Cut, controls=0, trials=8)
    assert cut.effect == pytest.approx(always.effect, rel=1e-5)
    given = Copy().sample(3, generator=generator(9))
    assert len(lesion(fit(network), [0], controls=0, trials=given).intact) == 3


def test_table_is_tidy() -> None:
    table = lesion(fit(copier([0.05] * 20)), [0, 1], controls=199, doses=(0.0, 0.5), draws=3, trials=4)
    frame = table.frame()
    columns = ["kind", "draw", "dose", "n_units", "units", "score", "effect"]
    assert list(frame.columns) == columns
    counts = {"control": len(table.controls.sets), "dose": 4, "intact": 1, "lesion": 1}
    assert frame["kind"].value_counts().to_dict() == counts
    assert frame.set_index("kind").loc["lesion", "units"] == (0, 1)
    assert frame.set_index("kind").loc["lesion", "dose"] == 0.1
    assert table.summary().set_index("quantity").loc["effect", "value"] == table.effect
    assert "Silence" in table.methods and "199" in table.methods + str(len(table.controls.sets))
    assert "10.2202/1544-6115.1585" in table.references


def test_controls_match_in_what_was_asked() -> None:
    rng = np.random.default_rng(1)
    features = pd.DataFrame({"rate": rng.gamma(2.0, size=200), "out_norm": rng.normal(size=200)})
    units = np.argsort(features["rate"])[-40:-20].tolist()
    loose = matched_controls(features, units, n_sets=199, matched_on=("n",), seed=0).frame()
    tight = matched_controls(features, units, n_sets=199, matched_on=("n", "rate"), seed=0)
    assert len(loose) == 0
    gap = abs(float(tight.frame().set_index("feature").loc["rate", "gap"]))
    random = matched_controls(features, units, n_sets=199, matched_on=("n",), seed=0).sets
    apart = abs(features["rate"].to_numpy()[random].mean() - features["rate"][units].mean()) / features["rate"].std()
    assert gap < 0.25 * apart
    assert tight.sets.shape == (199, 20)
    assert not np.isin(tight.sets, units).any()
    assert all(len(set(one)) == 20 for one in tight.sets.tolist())
    assert len({tuple(one) for one in tight.sets.tolist()}) == 199


def test_single_unit_has_as_many_controls_as_there_are_others() -> None:
    table = lesion(fit(copier([0.05] * 20)), [0], controls=199, doses=(), trials=2)
    assert sorted(table.controls.sets[:, 0].tolist()) == list(range(1, 20))
    assert "No more than 19 of the 199" in table.methods
    assert table.p >= 1 / 20


def test_most_units_are_held_against_any_set_of_as_many() -> None:
    table = lesion(fit(copier([0.05] * 20)), range(12), controls=199, overlap=True, doses=(), trials=2)
    assert table.controls.overlap and table.p > 0.1  # all units are alike
    assert "199 distinct random sets of as many units of the whole network" in table.methods


def test_features_of_units_are_those_of_their_weights_and_activity() -> None:
    network = Network(GRU(1, 5), 2)
    trials = Copy().sample(3, generator=generator(0))
    with torch.no_grad():
        run = network(trials.inputs)
    features = unit_features(network, run, trials.mask.double().numpy())
    w_in, w_rec = network.cell.get_parameter("w_in").detach(), network.cell.get_parameter("w_rec").detach()
    sent = torch.cat([w_rec, network.readout.detach()])[:, 2]
    received = torch.cat([w_in, w_rec], dim=1)[[2, 7, 12]]
    assert features["out_norm"][2] == pytest.approx(float(sent.norm()), rel=1e-5)
    assert features["in_norm"][2] == pytest.approx(float(received.norm()), rel=1e-5)
    assert features["rate"][2] == pytest.approx(float(run.activity[..., 2].mean()), rel=1e-5)
    assert features["variance"][2] == pytest.approx(float(run.activity[..., 2].var(correction=0)), rel=1e-4)


def test_dose_sets_hold_their_share_of_units() -> None:
    sets = dose_sets(50, (0.0, 0.1, 1.0), 4, seed=0)
    assert sets["n_units"].tolist() == [0, 5, 5, 5, 5, 50]
    assert all(len(set(units)) == n for units, n in zip(sets["units"], sets["n_units"], strict=True))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"units": [20]}, r"lesion: `units` must be below 20; got 20"),
        ({"controls": 50}, r"lesion: `controls` must be 0, or 199 and above; got 50"),
        ({"controls": -1}, r"lesion: `controls` must be a whole number, 0 or above; got -1"),
        ({"doses": (0.5, 1.5)}, r"lesion: `doses` must be a number in \[0, 1\]; got 1.5"),
        ({"draws": 0}, r"lesion: `draws` must be a whole number, 1 or above; got 0"),
        ({"chunk": 0}, r"lesion: `chunk` must be a whole number, 1 or above; got 0"),
        ({"trials": 0}, r"lesion: `trials` must be a whole number, 1 or above; got 0"),
        (
            {"matched_on": ("n", "rat")},
            r"matched_controls: `matched_on` must be known features .* got 'rat'\. Did you mean 'rate'",
        ),
        (
            {"units": range(11)},
            r"matched_controls: `units` must be at most half of 20, .*; got '11 units'\. Pass overlap=True for random ",
        ),
    ],
)
def test_experiments_that_cannot_be(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        lesion(fit(copier([0.05] * 20)), **{"units": [0], "controls": 199, **settings})


def test_score_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match=r"lesion: `score` must be finite for every trial; got '.* scores NaN or inf"):
        lesion(fit(copier([0.05] * 20), broken=True), [0], controls=0, trials=4)


@pytest.mark.parametrize("kind", [Silence, Cut, lambda units: Silence(units, During(20.0, 60.0))])
def test_answers_alone_are_the_outputs_of_whole_runs(kind: Callable[[list[int]], AbstractPerturbation]) -> None:
    network = Network(LeakyRate(2, 12, tau=40.0, dt=10.0, nonlinearity="tanh", seed=1), 3, n_start=1, noise=0.1)
    trials, start = torch.randn(4, 9, 2, generator=generator(0)), torch.randn(4, 1, generator=generator(1))
    with torch.no_grad():
        noise = network.draw_noise(4, 9, generator(2))
        for act in ([], [kind([])], [kind([1, 3])], [Stack([(), kind([1]), kind([2, 5])])]):
            whole = network(trials, start=start, noise=noise, perturb=act).outputs
            alone = network.answers(trials, start=start, noise=noise, perturb=act)
            torch.testing.assert_close(alone, whole, rtol=1e-5, atol=1e-6)
    assert network.answers(trials, start=start, perturb=[kind([1])]).requires_grad


def test_many_lesions_of_what_a_kernel_knows_run_side_by_side() -> None:
    trials = Copy().sample(4, generator=generator(0))
    network = Network(LeakyRate(1, 12), 2)
    fast = network.cell.runs_whole()
    assert chunk_size(network, trials, Silence([1])) == (32 if fast else 1302)
    assert chunk_size(network, trials, Silence([1], Trigger([0], 1.0, 10.0))) > 32
    assert not Network(GRU(1, 12), 2).cell.runs_whole()
