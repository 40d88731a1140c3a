"""Free runs: whose answers are fed back, when, and for how long a forecast is valid."""

import numpy as np
import pytest
import torch

import neurornn as nr
from neurornn.dynamics import FreeRun, run_free
from neurornn.task import Forecasting, Lorenz63, Series

WAVES = Series(np.sin(0.3 * np.arange(200.0))[:, None] + 2.0)


def multiplies(factor: float) -> nr.Network:
    """A network whose answer is its input times a factor."""
    cell = nr.LeakyRate(1, 1, tau=2.0, dt=2.0, nonlinearity="identity", one_to_one=True, bias=False, clamp_tau=True)
    network = nr.Network(cell, 1, readout_bias=False)
    with torch.no_grad():
        cell.wiring.weight.zero_()
        network.readout.fill_(factor)
    return network


@pytest.mark.parametrize("hold", [2.0, 6.0])
def test_answers_are_fed_back_a_horizon_later(hold: float) -> None:
    task = Forecasting(WAVES, horizon=3, hold=hold, duration=20 * hold, warm_up=5 * hold)
    trials = task.trials(torch.tensor([10, 40]))
    true = trials.inputs[:, :: task.steps_a_sample, 0].double().numpy()
    found = run_free(multiplies(0.5), task, trials)
    assert np.allclose(found.truth[..., 0], true[:, 5:])
    for j in range(15):
        last_seen = true[:, 5 - 3 + j % 3]
        np.testing.assert_allclose(found.answers[:, j, 0], 0.5 ** (j // 3 + 1) * last_seen, rtol=1e-5)


def test_a_spiking_network_goes_on_from_its_own_state_and_readout() -> None:
    task = Forecasting(Lorenz63(duration=20.0), horizon=4, hold=4.0, duration=80.0, warm_up=40.0)
    trials = task.sample(3, generator=nr.generator(1))
    cell = nr.LIF(3, 30, tau=nr.Gamma(20.0, 0.5, least=2.0), bias=nr.Uniform(50.0, 200.0), dt=2.0)
    network = nr.Network(cell, 3, readout=nr.LeakyIntegrator(30.0))
    found = run_free(network, task, trials)
    inputs = trials.inputs[:, : 10 * 2]
    answers = []
    for k in range(10):  # the whole trial anew for each sample
        with torch.no_grad():
            outputs = network(inputs).outputs[:, 1::2]
        answers.append(outputs[:, 10 + k - 4])
        inputs = torch.cat([inputs, answers[-1][:, None].repeat_interleave(2, dim=1)], dim=1)
    with torch.no_grad():
        assert float(network(inputs).activity.sum()) > 100
    np.testing.assert_allclose(found.answers, torch.stack(answers, dim=1).double().numpy(), rtol=1e-4, atol=1e-4)


def test_a_forecast_is_valid_until_its_error_first_exceeds_the_bound() -> None:
    error = np.array([[0.1, 0.4, 0.6, 0.1], [0.6, 0.1, 0.1, 0.1], [0.1, 0.1, 0.1, 0.1], [0.5, np.nan, 0.1, 0.1]])
    truth = np.zeros((4, 4, 2))
    answers = np.stack([error * np.sqrt(2), np.zeros((4, 4))], axis=-1)  # the root mean square over two channels
    found = FreeRun(answers, truth, hold=5.0, lyapunov_time=20.0, bound=0.5 + 1e-9)
    np.testing.assert_allclose(found.error, error)
    assert found.valid_time.tolist() == [10.0, 0.0, 20.0, 5.0]
    assert found.frame()["lyapunov_times"].tolist() == [0.5, 0.0, 1.0, 0.25]


def test_a_perfect_forecast_of_the_lorenz_system_is_valid_to_the_end() -> None:
    task = Forecasting(Lorenz63(duration=20.0), horizon=4, duration=100.0, warm_up=20.0)
    trials = task.sample(2, generator=nr.generator(0))
    truth = trials.inputs[:, 10:].double().numpy()
    found = FreeRun(truth, truth, task.hold, task.lyapunov_time, 0.5)
    np.testing.assert_allclose(found.valid_lyapunov_times, 40 * 0.02 * 0.9056)  # steps, units of time, exponent


def test_less_truth_than_the_horizon_is_refused() -> None:
    task = Forecasting(WAVES, horizon=3, duration=40.0, warm_up=10.0)
    trials = task.trials(torch.tensor([0]))
    with pytest.raises(ValueError, match="run_free: `after` must be from 6 ms, the horizon, to less than 40 ms"):
        run_free(multiplies(1.0), task, trials, after=4.0)
    with pytest.raises(ValueError, match="run_free: `after` must be from 6 ms"):
        run_free(multiplies(1.0), task, trials, after=40.0)
    with pytest.raises(ValueError, match="run_free: `bound` must be a finite number above 0"):
        run_free(multiplies(1.0), task, trials, bound=0.0)
