"""Series and what is said of them: the cut, the standardisation, the targets, the scores."""

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

import neurornn as nr
from neurornn.dynamics.known import EXPONENTS, lorenz63, rossler
from neurornn.task import Forecasting, Lorenz63, Rossler, Series
from neurornn.task.chaos import AbstractFlow
from tests.tolerances import EXACT

FLOWS: dict[str, AbstractFlow] = {"lorenz63": Lorenz63(duration=40.0), "rossler": Rossler(duration=300.0)}
COUNTED = np.arange(40.0)[:, None] * np.array([1.0, -2.0])


def counted(**more: object) -> Forecasting:
    """A straight line: what comes next is known exactly."""
    return Forecasting(Series(COUNTED), hold=2.0, duration=20.0, warm_up=4.0, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", FLOWS)
def test_an_orbit_is_that_of_an_implicit_method(name: str) -> None:
    flow = FLOWS[name]
    values = flow.samples.values
    times = flow.step * np.arange(20)
    told = {"method": "Radau", "rtol": 1e-10, "atol": 1e-10, "t_eval": times}
    other = solve_ivp(lambda _, state: flow.field(state.tolist()), (0.0, times[-1]), values[100], **told)
    np.testing.assert_allclose(values[100:120], other.y.T, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("name", "make"), [("lorenz63", lorenz63), ("rossler", rossler)])
def test_an_orbit_is_that_of_the_map_whose_exponents_are_known(name: str, make: object) -> None:
    flow = FLOWS[name]
    start = torch.tensor(flow.samples.values[:1])
    fine = make(dt=flow.step / 20)  # type: ignore[operator]
    after = fine.trajectory(start, 20)[0, -1].numpy()
    np.testing.assert_allclose(after, flow.samples.values[1], rtol=1e-5, atol=1e-6)
    assert flow.exponent == EXPONENTS[name][0]


def test_other_parameters_have_no_known_exponent() -> None:
    assert np.isnan(Lorenz63(rho=35.0, duration=10.0).exponent) and np.isnan(Rossler(c=9.0).exponent)
    assert np.isnan(Forecasting(Lorenz63(rho=35.0, duration=40.0)).lyapunov_time)


def test_a_stable_orbit_comes_to_its_fixed_point() -> None:
    still = Lorenz63(rho=10.0, duration=1.0).samples.values
    place = np.sqrt(8 / 3 * 9.0)
    np.testing.assert_allclose(np.abs(still[-1]), [place, place, 9.0], atol=1e-4)


def test_a_lyapunov_time_is_counted_on_the_clock_of_the_network() -> None:
    task = Forecasting(Lorenz63(step=0.05, duration=40.0), dt=1.0, hold=5.0)
    assert task.lyapunov_time == pytest.approx(5.0 / (0.9056 * 0.05))


def test_the_part_held_out_is_another_orbit_in_the_units_of_the_first() -> None:
    flow = FLOWS["lorenz63"]
    held = flow.held_out
    assert held.held_out == held and not np.allclose(held.samples.values[:5], flow.samples.values[:5])
    assert np.array_equal(held.samples.mean, flow.samples.mean) and np.array_equal(held.samples.sd, flow.samples.sd)
    np.testing.assert_allclose(flow.samples.standard.mean(axis=0), 0.0, atol=1e-9)
    np.testing.assert_allclose(flow.samples.standard.std(axis=0), 1.0, rtol=1e-9)


def test_what_comes_last_is_held_out_as_one_block() -> None:
    series = Series(COUNTED, held=0.25, step=3.0, exponent=0.2, name="line")
    held = series.held_out
    assert np.array_equal(np.concatenate([series.samples.values, held.samples.values]), COUNTED)
    assert np.array_equal(held.samples.sd, series.samples.sd) and held.exponent == 0.2 and held.step == 3.0
    assert held.held_out.settings == held.settings == {"name": "line", "part": "test", "step": 3.0, "held": 0.25}


def test_targets_are_the_samples_to_come_and_no_trial_crosses_the_cut() -> None:
    task = counted(horizon=3)
    trials = task.sample(200, generator=nr.generator(0))
    first = trials.conditions["first"].to_numpy()
    assert first.min() == 0 and first.max() == 30 - 10 - 3  # the last target is the last sample to learn from
    sd, mean = task.series.samples.sd, task.series.samples.mean
    seen = trials.inputs.double().numpy() * sd + mean
    said = trials.targets.double().numpy() * sd + mean
    np.testing.assert_allclose(seen[:, :, 0], first[:, None] + np.arange(10), atol=1e-4)
    np.testing.assert_allclose(said - seen, np.broadcast_to([3.0, -6.0], said.shape), atol=1e-3)


def test_a_held_sample_is_answered_at_its_last_step() -> None:
    task = counted(dt=0.5)
    trials = task.trials(torch.tensor([4]))
    assert trials.n_steps == 40 and task.steps_a_sample == 4
    assert torch.equal(trials.inputs[0, 0], trials.inputs[0, 3]) and trials.inputs[0, 3, 0] != trials.inputs[0, 4, 0]
    assert torch.nonzero(trials.mask[0]).flatten().tolist() == list(range(11, 40, 4))


def test_the_score_is_the_root_of_the_mean_square() -> None:
    task = counted()
    trials = task.trials(torch.tensor([0, 1]))
    off = trials.targets + torch.tensor([3.0, 4.0])
    torch.testing.assert_close(task.score(trials, off), torch.full((2,), (25 / 2) ** 0.5))
    step = 1.0 / float(task.series.samples.sd[0])  # of a line, who says that all stays is one sample behind
    torch.testing.assert_close(task.persistence(trials), torch.full((2,), step))


def test_noise_is_on_inputs_alone_and_of_its_size() -> None:
    noisy = Forecasting(FLOWS["lorenz63"], noise=0.5, dt=1.0)
    one, other = (noisy.sample(200, generator=nr.generator(3)) for _ in range(2))
    clean = noisy.trials(torch.tensor(one.conditions["first"].to_numpy()))
    torch.testing.assert_close(one.targets, clean.targets, **EXACT)
    torch.testing.assert_close(one.inputs, other.inputs, **EXACT)
    added = one.inputs - clean.inputs
    assert float(added.std()) == pytest.approx(0.5, rel=0.02)
    assert float((added[:, 0] - added[:, 1]).abs().max()) < 1e-6  # one draw a sample, however many steps it is shown


def test_a_recording_is_a_series_of_its_regions() -> None:
    brain = nr.load_recording("resting_bold")
    series = Series.from_recording(brain, units=("LPCC", "RPCC"), held=0.2)
    assert series.samples.values.shape == (200, 2) and series.step == 1.89
    column = list(brain.units.index).index("RPCC")
    assert brain.activity is not None
    assert np.array_equal(series.held_out.samples.values[:, 1], brain.activity[200:, column])
    task = Forecasting(Series.from_recording(brain), hold=10.0, duration=400.0)
    assert 0.3 < float(task.held_out.persistence(task.held_out.sample(20, generator=nr.generator(0))).mean()) < 1.5


REFUSED = {
    "no samples": (lambda: Series(np.zeros(5)), r"Series: `values` must be of shape \(sample, channel\)"),
    "a gap": (
        lambda: Series(np.array([[1.0], [np.nan], [2.0]])),
        "Series: `values` must be finite everywhere; got '1",
    ),
    "a constant": (
        lambda: Series(np.ones((9, 1))),
        "Series: `values` must be varying in every channel; got",
    ),
    "all held": (
        lambda: Series(COUNTED, held=1.0),
        "Series: `held` must be such that both parts have 2 samples",
    ),
    "a third part": (lambda: Series(COUNTED, part="dev"), "Series: `part` must be train or test; got 'dev'"),
    "no region": (
        lambda: Series.from_recording(nr.load_recording("resting_bold"), units=("LPC",)),
        "Series.from_recording: `units` must be units of the recording; got 'LPC'. Did you mean 'LPCC'",
    ),
    "spikes": (
        lambda: Series.from_recording(nr.Recording(0.0, 9.0, spikes=[np.array([1.0])])),
        "Series.from_recording: `recording` must be one with sampled activity; got 'spikes alone'. Bin its spikes",
    ),
    "a short orbit": (lambda: Lorenz63(duration=0.01), "Lorenz63: `duration` must be two steps of 0.02 or more"),
    "an explosion": (
        lambda: Rossler(a=5.0, duration=10.0).samples,
        "Rossler: `field` must be one whose orbits stay within 10000; got .*Some parameters have no attractor",
    ),
    "a step of nothing": (lambda: Series(COUNTED, step=0.0), "Series: `step` must be a finite number above 0"),
    "more than all": (lambda: Series(COUNTED, held=2.0), r"Series: `held` must be a number in \[0, 1\]; got 2.0"),
    "the past": (lambda: Forecasting(horizon=0), "Forecasting: `horizon` must be a whole number, 1 or above; got 0"),
    "no time": (lambda: Forecasting(dt=0.0), "Forecasting: `dt` must be a finite number above 0; got 0.0"),
    "less than no noise": (lambda: Forecasting(noise=-1.0), "Forecasting: `noise` must be a finite number, 0 or above"),
    "no trials": (
        lambda: Forecasting(FLOWS["lorenz63"]).sample(0, generator=nr.generator(0)),
        "Forecasting.sample: `n_trials` must be a whole number, 1 or above; got 0",
    ),
    "half a step": (
        lambda: Forecasting(hold=3.0),
        "Forecasting: `hold` must be a whole number of steps of 2 ms; got",
    ),
    "only warm-up": (
        lambda: Forecasting(warm_up=400.0),
        "Forecasting: `duration` must be longer than `warm_up`",
    ),
    "no place": (
        lambda: counted(horizon=2).trials(torch.tensor([30])),
        "Forecasting.trials: `first` must be from 0 to 18",
    ),
    "a short series": (
        lambda: counted(horizon=25).sample(1, generator=nr.generator(0)),
        "Forecasting.sample: `series` must be at least 35 samples long, a trial and its horizon; got '30 samples'",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_forecast_is_refused(case: str) -> None:
    make, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        make()
