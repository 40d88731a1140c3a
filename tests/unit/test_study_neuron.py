"""Fitting a neuron: sweeps are cut where they lie, the loss knows its own truth, and the optimisers go down."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from neurornn import LIF, AdaptiveLIF, AdEx, Evolution, ExpIF, Gradient, Recording, Refined, Signal, figures, fit_neuron
from neurornn.errors import RecordingError
from neurornn.study import Clamp, NeuronFits, NeuronStudy, Plan, clamp_sweeps
from neurornn.study.neuron_fit import _clip
from neurornn.study.neuron_kinds import RANGES, Population, candidates, keep_within, population, ranges
from neurornn.study.neuron_loss import _pace, loss
from neurornn.study.neuron_passive import passive
from neurornn.study.neuron_score import Answer, answer, ceiling, irregularity, paced, slowing

TRUTH = {
    "tau": 20.0,
    "resistance": 150.0,
    "v_rest": -65.0,
    "v_threshold": -50.0,
    "v_reset": -60.0,
    "tau_adapt": 100.0,
    "jump": 4.0,
    "refractory": 2.0,
}
STEPS = np.array([-100.0, 50.0, 120.0, 150.0, 200.0, 250.0])


def values(**changed: float) -> dict[str, np.ndarray]:
    return {name: np.array([value]) for name, value in {**TRUTH, **changed}.items()}


@pytest.fixture(scope="module")
def clamp() -> Clamp:
    """An AdaptiveLIF unit of known constants under six steps of 200 ms, as if it were a neuron."""
    current = np.zeros((len(STEPS), 500))
    current[:, 40:440] = STEPS[:, None]
    blank = Clamp(current, np.full(current.shape, -65.0), (np.empty(0),) * 6, STEPS, 20.0, 220.0, 0.5)
    return answer(population(AdaptiveLIF, values(), dt=0.5), blank).model


def as_recording(clamp: Clamp, dt: float = 0.25) -> Recording:
    """The same sweeps, as a file would hold them: one second apart, sampled twice as finely."""
    n_fine = clamp.current.shape[1] * 2
    starts = np.arange(len(clamp)) * 1000.0
    activity = np.full((round(len(clamp) * 1000.0 / dt), 1), np.nan)
    index = (starts[:, None] / dt + np.arange(n_fine)).astype(int)
    activity[index.ravel(), 0] = np.repeat(clamp.potential, 2, axis=1).ravel()
    times = starts[:, None] + np.arange(n_fine) * dt
    trials = pd.DataFrame({"start": starts, "stop": starts + 250.0, "step": clamp.steps})
    trials["step_start"], trials["step_stop"] = starts + 20.0, starts + 220.0
    spikes = np.concatenate([train + start for train, start in zip(clamp.spikes, starts, strict=True)])
    current = Signal(times.ravel(), np.repeat(clamp.current, 2, axis=1).reshape(-1, 1), "pA")
    return Recording(
        0.0,
        len(clamp) * 1000.0,
        spikes=[spikes],
        activity=activity,
        dt=dt,
        unit="mV",
        trials=trials,
        behaviour={"current": current},
    )


def test_sweeps_are_cut_where_they_lie(clamp: Clamp) -> None:
    cut = clamp_sweeps(as_recording(clamp), dt=0.5, before=20.0, after=30.0)
    np.testing.assert_allclose(cut.current, clamp.current)
    np.testing.assert_allclose(cut.potential, clamp.potential)
    for one, other in zip(cut.spikes, clamp.spikes, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-9)
    np.testing.assert_allclose(cut.rates(), clamp.rates())
    seen, unseen = cut.halves()
    assert seen.steps.tolist() == [-100.0, 120.0, 200.0] and unseen.steps.tolist() == [50.0, 150.0, 250.0]


def test_the_truth_has_no_loss_and_a_perfect_score(clamp: Clamp) -> None:
    cell = population(AdaptiveLIF, values(), dt=0.5)
    with torch.no_grad():
        assert float(loss(cell, clamp)) == pytest.approx(0.0, abs=1e-12)
    own = answer(cell, clamp)
    assert (own.fi_error, own.rmse) == pytest.approx((0.0, 0.0), abs=1e-9)
    assert own.gamma == pytest.approx(1.0)
    assert slowing(clamp) > 0.2
    other = answer(population(AdaptiveLIF, values(jump=0.1), dt=0.5), clamp)
    assert other.fi_error > 5 and other.gamma < 0.5 and abs(slowing(other.model)) < 0.1


def test_the_gradient_below_threshold_is_the_finite_difference(clamp: Clamp) -> None:
    quiet = clamp.only(np.array([0, 1]))
    off = values(resistance=170.0, v_rest=-63.0, tau=25.0)
    cell = population(AdaptiveLIF, off, dt=0.5, trained=True)
    loss(cell, quiet).sum().backward()
    for name in ("resistance", "v_rest", "tau"):
        theta = getattr(cell.cell, name).theta
        step, found = 1e-5, []
        for sign in (1, -1):
            with torch.no_grad():
                theta += sign * step
                found.append(float(loss(cell, quiet)))
                theta -= sign * step
        assert float(theta.grad) == pytest.approx((found[0] - found[1]) / (2 * step), rel=1e-5), name


def test_the_loss_knows_how_a_train_slows(clamp: Clamp) -> None:
    """A clock with as many spikes is worse than the neuron's own train by its slowing, whatever their number."""
    trains = tuple(20.0 + np.cumsum(np.linspace(3.0, 4.6, 50)) for _ in clamp.spikes)  # slows by 0.21
    neuron = replace(clamp, spikes=trains)

    def pace(one: np.ndarray) -> float:
        fired = torch.zeros(500, 6, 1, dtype=torch.float64)
        fired[np.floor(one / 0.5).astype(int)] = 1.0
        return float(_pace(fired, neuron))

    clock = np.linspace(trains[0][0], trains[0][-1], 50)
    assert pace(trains[0]) < 0.05
    assert pace(clock) == pytest.approx((0.21 / 0.2) ** 2, rel=0.3)
    assert pace(np.empty(0)) > 0.5, "silence does not slow"
    quiet = replace(clamp, spikes=(np.array([30.0]),) * 6)
    assert float(_pace(torch.zeros(500, 6, 1, dtype=torch.float64), quiet)) == 0.0


def test_candidates_do_not_know_of_each_other(clamp: Clamp) -> None:
    shares = np.random.default_rng(0).random((len(RANGES[AdEx]), 8))
    several = candidates(ranges(AdEx), shares)
    assert np.all(several["v_reset"] < several["v_threshold"]) and np.all(several["v_rest"] < several["v_threshold"])
    with torch.no_grad():
        together = loss(population(AdEx, several, dt=0.5), clamp)
        alone = [loss(population(AdEx, {k: v[i : i + 1] for k, v in several.items()}, dt=0.5), clamp) for i in (0, 5)]
    np.testing.assert_allclose(together[[0, 5]], torch.cat(alone), rtol=1e-9)


def test_gradients_are_clipped_candidate_by_candidate() -> None:
    moved = [torch.nn.Parameter(torch.zeros(3)) for _ in range(2)]
    moved[0].grad, moved[1].grad = torch.tensor([3.0, 0.3, float("nan")]), torch.tensor([4.0, 0.4, 2.0])
    _clip(moved)
    assert moved[0].grad is not None and moved[1].grad is not None
    np.testing.assert_allclose(
        torch.stack([moved[0].grad, moved[1].grad]), [[0.6, 0.3, 0.0], [0.8, 0.4, 1.0]], rtol=1e-6
    )


@pytest.mark.parametrize(
    "optimiser",
    [
        Gradient(starts=8, steps=6, drawn=8),
        Evolution(size=8, generations=6),
        Refined(Evolution(size=8, generations=2), Gradient(starts=4, steps=4)),
    ],
)
def test_all_optimisers_go_down_and_are_repeated(optimiser: Gradient | Evolution | Refined, clamp: Clamp) -> None:
    one, same = (fit_neuron(clamp, LIF, optimiser=optimiser, seed=1) for _ in range(2))
    assert one.found.values == same.found.values
    assert one.found.history[-1] < one.found.history[0]
    assert one.found.loss == pytest.approx(one.found.history[-1])
    seen, _ = clamp.halves()
    with torch.no_grad():
        assert float(loss(population(LIF, one.found.alone(), dt=0.5), seen)) == pytest.approx(one.found.loss, rel=1e-6)
    assert isinstance(one.held_out, Answer) and set(one.frame()["quantity"]) >= {"fi_error", "gamma", "rmse", "tau"}
    assert len(figures(one)) == 1


def test_the_study_names_what_gates_ask_for(clamp: Clamp) -> None:
    plan = Plan(
        network=lambda task, seed: pytest.fail("no network"),
        task=lambda **_: pytest.fail("no task"),
        train={},
        recording=as_recording(clamp),
    )
    known = tuple(clamp.rates()[-2:])
    study = NeuronStudy(dt=0.5, starts=8, gradient_steps=1, generations=1, size=8, refining=1, published=known)
    with pytest.raises(ValueError, match="NeuronStudy: `published_at` must be one step a rate; got 1"):
        replace(study, published_at=(250.0,)).run(plan)
    found = study.run(plan)
    assert found.quantities["fi_known_error"] == pytest.approx(0.0)
    names = {
        f"{m}_{w}_{q}"
        for m in ("lif", "adaptive", "adex")
        for w in ("gradient", "search", "refined")
        for q in ("fi_error", "seconds")
    }
    assert names <= set(found.quantities)
    fits = found.parts["neuron"]
    assert isinstance(fits, NeuronFits) and len(fits.summary()) == 9
    assert len(figures(fits)) == 2


def test_what_is_no_current_clamp_is_refused(clamp: Clamp) -> None:
    whole = as_recording(clamp)
    with pytest.raises(RecordingError, match="clamp_sweeps: `recording` must be of one neuron's potential in mV, with"):
        clamp_sweeps(Recording(0.0, 10.0, spikes=[np.array([1.0])]))
    bare = whole.with_trials(whole.trials.drop(columns="step"))
    with pytest.raises(
        RecordingError, match="clamp_sweeps: `recording` must be with a current and its steps as trials"
    ):
        clamp_sweeps(bare)
    with pytest.raises(RecordingError, match=r"clamp_sweeps: `dt` must be a multiple of the sampling step, 0[.]25 ms"):
        clamp_sweeps(whole, dt=0.3)
    with pytest.raises(RecordingError, match="clamp_sweeps: `before, after` must be inside the sweep"):
        clamp_sweeps(whole, dt=0.5, before=50.0)
    with pytest.raises(RecordingError, match="clamp_sweeps: `trials` must be four sweeps with a step, or more; got 3"):
        clamp_sweeps(whole.with_trials(whole.trials[:3]), dt=0.5)


def test_impossible_fits_are_refused(clamp: Clamp) -> None:
    with pytest.raises(ValueError, match="fit_neuron: `kind` must be one of LIF, AdaptiveLIF, AdEx; got 'ExpIF'"):
        fit_neuron(clamp, ExpIF)
    with pytest.raises(ValueError, match="fit_neuron: `refractory` must be a finite number above 0; got 0"):
        fit_neuron(clamp, LIF, refractory=0.0)
    with pytest.raises(ValueError, match="fit_neuron: `drawn, size` must be a power of 2, 8 or above; got 10"):
        fit_neuron(clamp, LIF, optimiser=Gradient(drawn=10, starts=2))
    with pytest.raises(ValueError, match="Gradient: `steps` must be a whole number"):
        fit_neuron(clamp, LIF, optimiser=Gradient(starts=8, drawn=8, steps=0))
    with pytest.raises(ValueError, match="Evolution: `generations` must be a whole number"):
        fit_neuron(clamp, LIF, optimiser=Evolution(size=8, generations=0))


def test_silent_steps_tell_rest_resistance_and_time_constant(clamp: Clamp) -> None:
    quiet = passive(clamp.only(np.array([0, 1, 2])))
    assert quiet is not None and quiet.v_rest == pytest.approx(-65.0, abs=0.01)
    assert quiet.resistance == pytest.approx(150.0, rel=0.005)
    assert quiet.tau == pytest.approx(20.0, abs=0.5)
    assert passive(clamp.only(np.array([4, 5]))) is None  # it fires in both
    assert quiet.trough == pytest.approx(-60.0, abs=0.01), "the reset of an AdaptiveLIF is as low as it comes"
    near = ranges(LIF, quiet)
    assert "drop" not in near and near["v_reset"].low < -60.0 < near["v_reset"].high
    assert near["tau"].low < 20.0 < near["tau"].high and near["refractory"].high > near["refractory"].low
    assert ranges(LIF, quiet, refractory=2.0)["refractory"].at(np.array([0.3])) == pytest.approx(2.0)


def test_the_gradient_stays_within_the_bounds_of_the_search(clamp: Clamp) -> None:
    """However far a step of it goes; what is within is not moved."""
    bounds = ranges(AdEx, passive(clamp))
    cell = population(AdEx, candidates(bounds, np.full((len(bounds), 1), 0.5)), dt=0.5, trained=True)
    before = {name: getattr(cell.cell, name)().item() for name in ("tau", "jump", "v_threshold", "v_reset")}
    keep_within(cell, bounds)
    assert {name: getattr(cell.cell, name)().item() for name in before} == pytest.approx(before, rel=1e-6)
    with torch.no_grad():
        for name in ("tau", "resistance", "v_rest", "tau_adapt", "sharpness", "coupling", "jump", "v_threshold"):
            getattr(cell.cell, name).theta += -20.0
        cell.cell.v_reset.theta += 20.0
    keep_within(cell, bounds)
    found = {
        name: getattr(cell.cell, name)().item() for name in (*bounds.keys() - {"span", "refractory"}, "v_threshold")
    }
    for name in found.keys() & bounds.keys() - {"v_reset"}:
        assert found[name] == pytest.approx(bounds[name].low, abs=1e-6), name
    assert found["v_threshold"] == pytest.approx(found["v_rest"] + bounds["span"].low)
    assert found["v_reset"] == pytest.approx(found["v_threshold"] - 1.0)


def test_the_refractory_period_is_each_candidates_own(clamp: Clamp) -> None:
    """Several in one population do what each does alone, and what a cell of that period does."""
    several = population(AdaptiveLIF, {k: np.repeat(v, 2) for k, v in values().items()} | PERIODS, dt=0.5)
    together = torch.stack(list(sent for sent, _ in run(several, clamp)))
    for at, period in enumerate(PERIODS["refractory"]):
        cell = population(AdaptiveLIF, values(refractory=period), dt=0.5).cell
        assert cell.refractory_steps == round(period / 0.5)
        first = (torch.full((1, 1), -65.0).double(), *cell.initial(1)[1:])
        alone = [float(sent) for sent, _ in cell.steps(torch.as_tensor(clamp.current[-1:, :, None]), first)]
        assert together[:, -1, at].tolist() == alone
    assert together[:, -1, 0].sum() > together[:, -1, 1].sum()


PERIODS = {"refractory": np.array([1.0, 8.0])}


def run(several: Population, clamp: Clamp) -> list[tuple[torch.Tensor, torch.Tensor]]:
    with torch.no_grad():
        return list(several.steps(torch.as_tensor(clamp.current), torch.as_tensor(clamp.potential[:, 0])))


@pytest.mark.parametrize("sigma", [0.02, 0.1])
def test_irregularity_is_what_no_slow_change_explains(sigma: float, clamp: Clamp) -> None:
    """Intervals that grow steadily, each off by a share: the share is found, and the growth is not mistaken for it."""
    noise = np.random.default_rng(0).standard_normal((6, 400))
    trains = tuple(np.cumsum(np.exp(np.linspace(1.0, 3.0, 400) + sigma * one)) for one in noise)
    assert irregularity(replace(clamp, spikes=trains)) == pytest.approx(sigma, rel=0.1)
    assert irregularity(replace(clamp, spikes=(np.array([1.0, 2.0]),) * 6)) != irregularity(clamp)


def test_a_neuron_meets_itself_the_less_the_more_irregular_it_is(clamp: Clamp) -> None:
    clock = tuple(np.arange(10.0, 220.0, 20.0) for _ in clamp.spikes)
    assert ceiling(replace(clamp, spikes=clock)) == pytest.approx(1.0)
    shaken = tuple(train + np.random.default_rng(1).normal(0.0, 4.0, len(train)) for train in clock)
    assert 0.0 < ceiling(replace(clamp, spikes=shaken)) < 0.8
    assert np.isnan(ceiling(replace(clamp, spikes=(np.empty(0),) * 6)))


def test_errors_of_the_pace_add_up(clamp: Clamp) -> None:
    """A clock of 20 ms that is 2 % slow is 4 ms late after ten intervals, and has lost its partner at the eleventh."""
    clock = np.arange(5.0, 246.0, 20.0)  # 13 spikes in 250 ms
    one = replace(clamp, spikes=(clock,) * 6)
    chance = 2 * 4.0 * 13 / 250.0
    assert paced(one) == pytest.approx((11 - chance * 13) / 13 / (1 - chance))
    assert paced(one, share=0.0) == pytest.approx(1.0)


@pytest.mark.slow
def test_known_constants_are_found_again(clamp: Clamp) -> None:
    """By the search, from steps that hold them: a neuron that is one of ours has its constants back."""
    found = fit_neuron(clamp, AdaptiveLIF, optimiser=Evolution(size=64, generations=300), seed=0)
    assert found.held_out.fi_error < 2.0
    assert found.found.values["tau"] == pytest.approx(TRUTH["tau"], rel=0.1)
    assert found.found.values["resistance"] == pytest.approx(TRUTH["resistance"], rel=0.1)
