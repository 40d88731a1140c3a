"""Lesions task by task, over networks and in combination, held against networks whose answer is known."""

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from neurornn._types import generator
from neurornn.cell import LeakyRate
from neurornn.network import Network
from neurornn.perturb import (
    LesionExperiment,
    Silence,
    contributions,
    lesion_matrix,
    reaction_time,
    task_variance,
    unit_lesions,
    variance_clusters,
)
from neurornn.statistics import fit_psychometric, shapley_values
from neurornn.task.base import AbstractTask
from neurornn.trials import Trials


@dataclass(frozen=True)
class TwoSums(AbstractTask):
    """Say the constant input on the output of the rule: how far off it is, is known in closed form."""

    dt: float = 10.0
    score_name: str = "one less mean distance"
    higher_is_better: bool = True
    scale: float = 1.0

    @property
    def n_in(self) -> int:
        return 1

    @property
    def n_out(self) -> int:
        return 2

    def sample(self, n_trials: int, *, generator: torch.Generator) -> Trials:
        value = (0.5 + torch.rand(n_trials, 1, 1, generator=generator)).expand(n_trials, 6, 1)
        rule = np.array(["left", "right"])[torch.arange(n_trials).numpy() % 2]
        conditions = pd.DataFrame({"rule": rule})
        return Trials(value, value.expand(-1, -1, 2), torch.ones(n_trials, 6), dt=self.dt, conditions=conditions)

    def score(self, trials: Trials, outputs: Tensor) -> Tensor:
        off = (outputs - trials.targets).abs().mean(dim=-2)  # (*stack, trial, out)
        own = torch.tensor((trials.conditions["rule"] == "right").to_numpy().astype(int))
        return 1 - self.scale * off[..., torch.arange(len(own)), own]


def summer(left: list[float], right: list[float]) -> SimpleNamespace:
    """Return units that repeat the input without memory, read out by both weights: a lesion takes its weights away."""
    n = len(left)
    network = Network(LeakyRate(1, n, tau=10.0, dt=10.0, nonlinearity="identity", clamp_tau=True), 2)
    with torch.no_grad():
        network.cell.get_parameter("wiring.weight").zero_()
        network.cell.get_parameter("w_in").fill_(1.0)
        network.readout.copy_(torch.tensor([left, right]))
    return SimpleNamespace(network=network.requires_grad_(False), task=TwoSums())


def halves(n: int = 40, each: float = 0.1) -> SimpleNamespace:
    """Return a network whose first 10 units make the left sum and the next 10 the right; the rest does nothing."""
    idle = [0.0] * (n - 20)
    return summer([each] * 10 + [0.0] * 10 + idle, [0.0] * 10 + [each] * 10 + idle)


def test_two_halves_dissociate_and_a_mixture_does_not() -> None:
    groups = {"a": range(5), "b": range(10, 15)}
    matrix = lesion_matrix(halves(), groups, controls=199, matched_on=("n",), trials=40)
    lost = 0.5 * float(TwoSums().sample(40, generator=generator(0)).inputs[::2, 0, 0].mean())
    assert matrix.tasks == ("left", "right") and matrix.trials == (20, 20)
    assert matrix.harm[0, 1] == pytest.approx(0, abs=1e-6) and matrix.harm[0, 0] == pytest.approx(lost, rel=1e-4)
    double = matrix.double()
    assert len(double) == 1 and double.loc[0, "p"] == 1 / 200
    assert double.loc[0, ["group_a", "group_b", "task_i", "task_j"]].tolist() == ["a", "b", "left", "right"]
    assert matrix.interaction_p == 1 / 200
    np.testing.assert_allclose(matrix.selectivity, matrix.harm.max(1), atol=1e-6)
    even = summer([0.05] * 40, [0.05] * 40)
    mixed = lesion_matrix(even, groups, controls=199, matched_on=("n",), trials=40)
    assert len(mixed.double()) == 0 and mixed.interaction_p > 0.1
    assert "Silence" in mixed.methods and len(mixed.frame()) == 4
    assert set(mixed.checklist) == {"nulls", "generalisation"} and "199" in mixed.checklist["nulls"]
    assert mixed.summary().set_index("quantity").loc["double dissociations", "value"] == 0.0


def test_a_large_group_is_held_against_sets_of_the_whole_network() -> None:
    """Of more than half of the units no matched others are left; its null is any set of as many."""
    groups = {"a": range(5), "most": range(10, 35)}
    with pytest.raises(ValueError, match=r"matched_controls: `units` must be at most half of 40, .* overlap=True"):
        lesion_matrix(halves(), groups, controls=199, trials=8)
    matrix = lesion_matrix(halves(), groups, controls=199, matched_on=("n",), overlap=True, trials=8)
    small, large = matrix.controls
    assert not small.overlap and large.overlap and large.sets.shape == (199, 25)
    assert np.isin(large.sets, np.arange(10, 35)).any() and not np.isin(small.sets, np.arange(5)).any()
    assert len({tuple(one) for one in large.sets.tolist()}) == 199 and list(range(10, 35)) not in large.sets.tolist()
    hit = np.bincount(large.sets.ravel(), minlength=40) / 199
    assert np.abs(hit - 25 / 40).max() < 5 * np.sqrt(25 / 40 * 15 / 40 / 199)
    assert "Of most, with more than half of the units, from all units." in matrix.methods
    assert "Of most" not in lesion_matrix(halves(), {"a": range(5), "b": range(5, 9)}, controls=199, trials=8).methods


def test_interaction_is_even_where_groups_are_drawn_at_random() -> None:
    rng = np.random.default_rng(0)
    fit = summer(rng.random(60).tolist(), rng.random(60).tolist())
    found = []
    for seed in range(12):
        units = rng.permutation(60)
        groups = {"a": units[:5], "b": units[5:10]}
        found.append(lesion_matrix(fit, groups, controls=199, matched_on=("n",), trials=8, seed=seed).interaction_p)
    assert abs(np.mean(found) - 0.5) < 3 / np.sqrt(12 * 12)


def test_unit_lesions_tell_who_matters() -> None:
    found = unit_lesions(halves(), trials=64)
    table = found.frame().set_index("unit")
    assert set(table.index[table["q"] < 0.05]) == set(range(20))
    assert table.loc[0, "harm"] == pytest.approx(0.05, rel=0.1) and table.loc[30, "harm"] == pytest.approx(0, abs=1e-7)
    one = unit_lesions(halves(), [3], trials=64)
    assert one.units == (3,) and one.harm.shape == (1, 64) and "999" in one.methods


def test_shapley_values_of_games_that_are_known() -> None:
    own = np.array([1.0, 2.0, 0.0, 4.0])
    additive = shapley_values(lambda who: who @ own, 4)
    np.testing.assert_allclose(additive.values, own)
    np.testing.assert_allclose(additive.last, own)
    redundant = shapley_values(lambda who: (who[:, 0] | who[:, 1]).astype(float), 3)
    np.testing.assert_allclose(redundant.values, [0.5, 0.5, 0.0])
    np.testing.assert_allclose(redundant.last, 0.0)
    glove = shapley_values(lambda who: (who[:, 0] & (who[:, 1] | who[:, 2])).astype(float), 3)
    np.testing.assert_allclose(glove.values, [2 / 3, 1 / 6, 1 / 6])
    many = np.arange(14.0)
    sampled = shapley_values(lambda who: who @ many, 14, orders=20)
    np.testing.assert_allclose(sampled.values, many)
    np.testing.assert_allclose(sampled.errors, 0.0, atol=1e-12)
    pairs = shapley_values(lambda who: (who[:, 0] | who[:, 1]).astype(float) + 3 * who[:, 5], 12, orders=400, seed=1)
    truth = np.zeros(12)
    truth[[0, 1, 5]] = 0.5, 0.5, 3.0
    assert (np.abs(pairs.values - truth) <= 4 * pairs.errors + 1e-9).all()
    assert pairs.values.sum() == pytest.approx(4.0)


def test_contributions_share_out_what_a_single_lesion_hides() -> None:
    found = contributions(halves(), {"a": range(5), "b": range(5, 10), "idle": [30, 31]}, trials=20).frame()
    table = found.set_index("group")
    assert table.loc["a", "contribution"] == pytest.approx(table.loc["a", "single_lesion"], rel=1e-4)
    assert table.loc["idle", "contribution"] == pytest.approx(0, abs=1e-6)
    assert "every combination" in contributions(halves(), {"a": [0]}, trials=4).methods


def test_networks_are_the_replicates() -> None:
    models = [halves(each=each) for each in (0.1, 0.11, 0.09, 0.1)]
    lesions = {"left": lambda fit: range(5), "idle": range(30, 35)}
    off = {"off": lambda task, trials, outputs: (outputs - trials.targets).abs().mean(dim=(-2, -1))}
    difficulties = {"easy": lambda task: TwoSums(scale=0.0), "hard": lambda task: task}
    experiment = LesionExperiment(
        models,
        lesions,
        measures=off,
        difficulties=difficulties,
        controls=199,
        matched_on=("n",),
        doses=(0.0, 0.5, 1.0),
        draws=3,
        trials=32,
    )
    found = experiment.run(progress=False)
    across = found.across().set_index(["difficulty", "lesion", "measure"])
    hard = across.loc[("hard", "left", "score")]
    single = found.per_model().set_index(["model", "difficulty", "lesion", "measure"])
    assert hard["effect"] == pytest.approx(-0.25, rel=0.2) and hard["models"] == 4
    assert hard["low"] < hard["effect"] < hard["high"] < 0
    assert single.loc[(0, "hard", "left", "score"), "effect"] == pytest.approx(-0.25, rel=0.25)
    assert hard["p"] < 0.05 and hard["q"] >= hard["p"]
    assert across.loc[("hard", "idle", "score"), "effect"] == pytest.approx(0, abs=1e-6)
    assert across.loc[("hard", "left", "off"), "effect"] > 0.2
    saturated = found.saturated().set_index("difficulty")
    assert saturated.loc["easy", "saturated"] and not saturated.loc["hard", "saturated"]
    curve = found.dose_response().set_index(["difficulty", "measure", "dose"])
    assert curve.loc[("hard", "score", 0.0), "effect"] == 0.0
    assert curve.loc[("hard", "score", 1.0), "effect"] < curve.loc[("hard", "score", 0.5), "effect"] < 0
    frame = found.frame()
    assert set(frame["kind"]) == {"intact", "lesion", "control", "dose"} and frame["model"].nunique() == 4
    assert "4 trained networks" in found.methods and len(found.references) == 3
    assert set(found.checklist) == {"seeds", "interval", "generalisation", "nulls"}


def test_all_units_gone_is_chance_and_none_gone_is_the_intact_run() -> None:
    experiment = LesionExperiment([halves()], {"none": [], "all": range(40)}, controls=0, trials=16)
    table = experiment.run(progress=False).per_model().set_index("lesion")
    assert table.loc["none", "effect"] == 0.0
    score = experiment.run(progress=False).frame().set_index(["kind", "lesion"])["value"]
    targets = TwoSums().sample(16, generator=generator(0)).targets[:, 0, 0].double().numpy()
    assert score[("lesion", "all")] == pytest.approx(1 - targets.mean(), rel=1e-5)
    assert np.isnan(table["p"]).all()


def test_trials_without_a_number_are_no_pairs() -> None:
    def late(task: AbstractTask, trials: Trials, outputs: Tensor) -> Tensor:
        end = outputs[..., -1, 0]
        return torch.where(end > 0.6, end, torch.nan)

    found = LesionExperiment([halves()], {"left": range(3)}, measures={"late": late}, controls=0, trials=64)
    pair = found.run(progress=False).differences["own", "left", "late"][0]
    both = np.isfinite(pair).all(axis=0)
    assert 0 < both.sum() < 64
    effect = found.run(progress=False).per_model().set_index("measure").loc["late", "effect"]
    assert effect == pytest.approx(float((pair[1] - pair[0])[both].mean()))


def test_units_are_clustered_by_what_drives_them() -> None:
    rng = np.random.default_rng(0)
    kinds = np.array([[1.0, 0.1, 0.1], [0.1, 1.0, 0.1], [0.1, 1.0, 1.0]])
    variance = np.repeat(kinds, 8, axis=0) * (1 + 0.05 * rng.standard_normal((24, 3)))
    whole = np.concatenate([variance, np.zeros((2, 3))])
    found = variance_clusters(whole, ("a", "b", "c"))
    assert found.n_clusters == 3 and found.labels[-2:].tolist() == [-1, -1]
    groups = {tuple(sorted(units)) for units in found.groups.values()}
    assert groups == {tuple(range(8)), tuple(range(8, 16)), tuple(range(16, 24))}
    assert variance_clusters(whole, ("a", "b", "c"), n_clusters=2).n_clusters == 2
    assert found.frame().shape == (26, 5) and found.normalised.max() == 1.0


def test_task_variance_is_the_variance_over_the_trials_of_a_task() -> None:
    fit = halves()
    trials = TwoSums().sample(30, generator=generator(0))
    variance, tasks = task_variance(fit.network, trials)
    assert tasks == ("left", "right")
    left = trials.inputs[::2, 0, 0].double().var(correction=0)
    np.testing.assert_allclose(variance[:, 0], float(left), rtol=1e-4)


def test_psychometric_curve_is_found_again() -> None:
    rng = np.random.default_rng(0)
    evidence = rng.choice(np.linspace(-1, 1, 9), 4000)
    chance = 0.05 + 0.85 * 0.5 * (1 + np.vectorize(lambda x: np.tanh(0.8 * x))((evidence - 0.1) / 0.3))
    first = rng.random(4000) < chance
    curve = fit_psychometric(evidence, first)
    assert curve.bias == pytest.approx(0.1, abs=0.05) and curve.low == pytest.approx(0.05, abs=0.03)
    assert curve.high == pytest.approx(0.1, abs=0.03)
    steep = fit_psychometric(evidence, evidence > 0.1)
    assert steep.spread < curve.spread and steep.log_likelihood > curve.log_likelihood
    assert curve(np.array([-9.0, 9.0])) == pytest.approx([curve.low, 1 - curve.high])


FIT = halves()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: lesion_matrix(FIT, {"a": [0]}), r"lesion_matrix: `groups` must be two or more; got '1 group'"),
        (lambda: lesion_matrix(FIT, {"a": [0], "b": []}), r"lesion_matrix: `groups\['b'\]` must be one unit or more"),
        (
            lambda: lesion_matrix(FIT, {"a": [0], "b": [1]}, controls=9),
            r"lesion_matrix: `controls` must be a whole number, 199 or above",
        ),
        (
            lambda: lesion_matrix(FIT, {"a": [0], "b": [1]}, by="rules", controls=199),
            r"lesion_matrix: `by` must be a column of the trials' conditions; got 'rules'\. Did you mean 'rule'",
        ),
        (
            lambda: lesion_matrix(
                FIT, {"a": [0], "b": [1]}, trials=TwoSums().sample(1, generator=generator(0)), controls=199
            ),
            r"lesion_matrix: `by` must be a column with two tasks or more; got \"1 task in 'rule'\"",
        ),
        (
            lambda: LesionExperiment([FIT], {"a": [0]}, controls=-1),
            r"LesionExperiment: `controls` must be a whole number, 0 or above; got -1",
        ),
        (
            lambda: LesionExperiment([FIT], {"a": [0]}, doses=(2.0,)),
            r"LesionExperiment: `doses` must be a number in \[0, 1\]; got 2.0",
        ),
        (
            lambda: variance_clusters(np.eye(6)[:, :6] + 1, tuple("abcdef"), most=1),
            r"variance_clusters: `most` must be a whole number, 2 or above; got 1",
        ),
        (
            lambda: shapley_values(lambda who: who[:, 0], 0),
            r"shapley_values: `n_players` must be a whole number, 1 or ab",
        ),
        (
            lambda: shapley_values(lambda who: who[:, 0], 12, orders=0),
            r"shapley_values: `orders` must be a whole number, 1 or above; got 0",
        ),
        (lambda: unit_lesions(FIT, [0], flips=0), r"unit_lesions: `flips` must be a whole number, 1 or above; got 0"),
        (
            lambda: variance_clusters(np.eye(6) + 1, tuple("abcdef"), n_clusters=9),
            r"variance_clusters: `n_clusters` must be 0, or from 2 to 3; got 9",
        ),
        (lambda: contributions(FIT, {}), r"contributions: `groups` must be one or more; got 'none'"),
        (
            lambda: contributions(FIT, {"a": [0, 1], "b": [1]}),
            r"contributions: `groups` must be without units in common; got 'unit 1 in two of them'",
        ),
        (lambda: unit_lesions(FIT, []), r"unit_lesions: `units` must be one unit or more; got 'none'"),
        (lambda: LesionExperiment([], {"a": [0]}), r"LesionExperiment: `models` must be one network or more"),
        (lambda: LesionExperiment([FIT], {}), r"LesionExperiment: `lesions` must be one or more; got 'none'"),
        (
            lambda: LesionExperiment([FIT], {"a": [0]}, measures={"score": lambda a, b, c: c}),
            r"LesionExperiment: `measures` must be named otherwise than the task's own; got 'score'",
        ),
        (
            lambda: LesionExperiment([FIT], {"a": [0]}, controls=9),
            r"LesionExperiment: `controls` must be 0, or 199 and above; got 9",
        ),
        (
            lambda: LesionExperiment([FIT], {"a": [0]}, measures={"t": reaction_time}, controls=0).run(progress=False),
            r"reaction_time: `task` must be one that tells reaction times; got 'TwoSums'",
        ),
        (
            lambda: variance_clusters(np.zeros((9, 2)), ("a", "b")),
            r"variance_clusters: `variance` must be above 0.001 in 6 units; got '0 such units'",
        ),
        (
            lambda: fit_psychometric(np.ones(4), np.ones(4, bool)),
            r"fit_psychometric: `evidence` must be of two values or more",
        ),
        (
            lambda: fit_psychometric(np.ones(4), np.ones(3, bool)),
            r"fit_psychometric: `first` must be given for the 4 trials",
        ),
    ],
)
def test_experiments_that_cannot_be(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_lesion_names_what_was_done() -> None:
    found = LesionExperiment([FIT], {"a": [0]}, perturbation=Silence, controls=0, trials=4).run(progress=False)
    assert found.perturbation.startswith("Silence")
