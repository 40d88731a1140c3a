"""Data-constrained networks: a known network comes back from its rates; what is predicted alone; what is refused."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from neurornn import (
    FORCE,
    ConstrainedFit,
    Dense,
    Descent,
    LeakyRate,
    OneCycle,
    RateTrials,
    Recording,
    Signal,
    Silence,
    fit_rates,
)
from neurornn.errors import Diverged, FitError, RecordingError
from neurornn.fit.constrained_fit import score_trials

N, HZ = 10, 40.0
STEEP = Descent(steps=5, learning_rate=1e30, every=1)


def cell(seed: int, *, gain: float = 1.0, n: int = N, **settings: object) -> LeakyRate:
    made = {"tau": 40.0, "dt": 10.0, "form": "current", "nonlinearity": "sigmoid", **settings}
    return LeakyRate(2, n, wiring=Dense(n, gain=gain, seed=seed), seed=seed, **made)


def known(trials: int = 12, bins: int = 60, *, gain: float = 4.0, **settings: object) -> tuple[LeakyRate, RateTrials]:
    """A network that is known, and what it does with inputs that change every 80 ms."""
    teacher, rng = cell(0, gain=gain, **settings), np.random.default_rng(0)
    inputs = np.repeat(rng.normal(size=(trials, bins // 6, 2)), 6, axis=1)
    start = torch.from_numpy(rng.normal(size=(trials, N))).float()
    with torch.no_grad():
        later, _ = teacher.rollout(torch.from_numpy(inputs[:, 1:]).float(), (start,))
        rates = torch.cat([teacher.f(start)[:, None], later], dim=1).double().numpy() * HZ
    return teacher, RateTrials(rates, dt=10.0, inputs=inputs)


@pytest.mark.parametrize(("nonlinearity", "gain"), [("sigmoid", 4.0), ("softplus", 0.6)])
def test_force_finds_the_weights_of_a_known_network(nonlinearity: str, gain: float) -> None:
    teacher, trials = known(nonlinearity=nonlinearity, gain=gain)
    fit = fit_rates(
        cell(5, nonlinearity=nonlinearity),
        trials,
        FORCE(passes=6, alpha=1e-4),
        train=range(10),
        scale=HZ,
        progress=False,
    )
    assert fit.score(fit.held_out).pvar > 0.999
    for one, other in ((fit.network.cell.wiring(), teacher.wiring()), (fit.network.cell.w_in, teacher.w_in)):
        assert np.corrcoef(one.detach().numpy().ravel(), other.detach().numpy().ravel())[0, 1] > 0.98
    assert fit.history["loss"].iloc[-1] < 0.5 * fit.history["loss"].iloc[0]
    nulls = fit.baselines(fit.held_out)
    assert max(null.pvar for null in nulls.values()) < 0.5


def test_it_predicts_what_a_lesion_does_to_the_known_network() -> None:
    teacher, trials = known()
    fit = fit_rates(cell(5), trials, FORCE(passes=6, alpha=1e-4), train=range(10), scale=HZ, progress=False)
    inputs = torch.from_numpy(trials.inputs[10:, 1:]).float()
    state = (torch.zeros(2, N),)
    done = fit.network(inputs, state=state, perturb=[Silence([3])]).activity[..., :N]
    truth, whole = fit.network, fit.network(inputs, state=state).activity
    truth.cell.load_state_dict(teacher.state_dict())
    happened = truth(inputs, state=state, perturb=[Silence([3])]).activity
    others = [unit for unit in range(N) if unit != 3]
    left = (done - happened)[..., others].square().sum()
    assert left < 0.02 * (whole - happened)[..., others].square().sum()


def test_the_two_methods_go_to_the_same_place_and_one_may_start_from_the_other() -> None:
    _, trials = known()
    short = fit_rates(cell(5), trials, FORCE(passes=1, alpha=10.0), train=range(8), scale=HZ, progress=False)
    how = Descent(steps=100, length=20, batch=8, learning_rate=0.01, schedule=OneCycle(), every=25)
    on = fit_rates(short.network.cell, trials, how, train=range(8), validation=[8, 9], scale=HZ, progress=False)
    assert on.score([10, 11]).pvar > short.score([10, 11]).pvar
    assert on.history["validation"].min() == pytest.approx(
        float(np.nanmean((on.predict([8, 9]) - trials.rates[8:10])[:, 1:] ** 2)) / HZ**2, rel=1e-4
    )  # the weights that are kept are those that predicted the validation trials best


def test_hidden_units_do_what_neurons_alone_cannot() -> None:
    # Two stages of 40 ms, of which the second is recorded: it follows its input with a delay that no one unit has.
    inputs = np.repeat(np.random.default_rng(0).choice([-1.0, 1.0], size=(10, 12, 1)), 5, axis=1)
    stages = np.zeros((10, 60, 2))
    for t in range(1, 60):
        stages[:, t, 0] = 0.75 * stages[:, t - 1, 0] + 0.25 * inputs[:, t, 0]
        stages[:, t, 1] = 0.75 * stages[:, t - 1, 1] + 0.25 * stages[:, t - 1, 0]
    seen = RateTrials(10.0 * (1.0 + stages[..., 1:]), 10.0, inputs)
    how = Descent(steps=120, length=60, batch=6, learning_rate=0.06, schedule=OneCycle(), every=50)
    alone, helped = (
        fit_rates(
            LeakyRate(1, n, tau=40.0, dt=10.0, form="current", nonlinearity="identity", seed=1), seen, how,
            train=range(8), scale=10.0, progress=False,
        )
        for n in (1, 3)
    )  # fmt: skip
    assert helped.network.n_units == 3
    assert helped.predict([9]).shape == (1, 60, 1)
    assert 1 - helped.score([8, 9]).pvar < 0.3 * (1 - alone.score([8, 9]).pvar)


def test_the_network_is_run_by_itself_from_the_first_bin() -> None:
    _, trials = known()
    fit = fit_rates(cell(5), trials, FORCE(passes=2), train=range(10), scale=HZ, progress=False)
    cut = replace(trials, rates=np.where(np.arange(60)[:, None] == 0, trials.rates, 7.0))
    np.testing.assert_array_equal(fit.predict(cut)[:, 1:], fit.predict(trials)[:, 1:])
    made = fit.network.cell
    h = torch.logit(torch.from_numpy(trials.rates[:1, 0] / HZ).float().clamp(1e-3, 1 - 1e-3))
    for t in range(1, 4):
        _, (h,) = made.step(torch.from_numpy(trials.inputs[:1, t]).float(), (h,))
    np.testing.assert_allclose(fit.predict([0])[0, 3], HZ * torch.sigmoid(h)[0].detach().numpy(), rtol=1e-4)


def test_force_by_hand() -> None:
    # One unit, identity, a = 1: u* is the rate itself, z = (r, 0, 1); P = I/alpha. One step from r = 1 to d = 3.
    one = LeakyRate(1, 1, tau=10.0, dt=10.0, form="current", nonlinearity="identity")
    with torch.no_grad():
        one.wiring.weight.fill_(0.5)
    trials = RateTrials(np.array([[[1.0], [3.0]]]), dt=10.0)
    fit = fit_rates(one, trials, FORCE(passes=1, alpha=2.0), train=[0], scale=1.0, progress=False)
    # k = (z/alpha)/(1 + z.z/alpha) with z.z = 2: 1/4 on the unit and on the bias. Error 0.5 - 3.
    assert fit.network.cell.wiring().item() == pytest.approx(0.5 + 2.5 / 4, rel=1e-3)
    assert fit.network.cell.bias.item() == pytest.approx(2.5 / 4, rel=1e-3)
    assert fit.history["loss"].item() == pytest.approx(2.5**2, rel=1e-3)


def test_explained_variance_by_hand() -> None:
    seen = np.array([[[9.0, 1.0], [0.0, 1.0], [2.0, np.nan]], [[9.0, 1.0], [4.0, 3.0], [np.nan, np.nan]]])
    said = np.array([[[0.0, 0.0], [1.0, 1.0], [2.0, 5.0]], [[0.0, 0.0], [3.0, 2.0], [8.0, 8.0]]])
    found = score_trials(seen, said, np.array([2.0, 2.0]), pd.Index(["a", "b"]))
    # a: squares 1, 0, 1 against 4, 0, 4; b: 0, 1 against 1, 1. The first bins do not count.
    np.testing.assert_allclose(found.units, [0.75, 0.5])
    assert found.pvar == pytest.approx(1 - 3 / 10)
    assert found.frame()["n_bins"].tolist() == [3, 2]
    assert found.frame().loc["a", "correlation"] == pytest.approx(np.corrcoef([0, 2, 4], [1, 2, 3])[0, 1])


def test_rates_of_a_recording_trial_by_trial() -> None:
    rng = np.random.default_rng(0)
    spikes = [np.sort(rng.uniform(0, 10_000, 400)), np.sort(rng.uniform(0, 10_000, 100))]
    times = np.arange(0.0, 10_000.0, 20.0)
    trials = pd.DataFrame({"start": [0.0, 4000.0], "stop": [3000.0, 9000.0]})
    walk = Signal(times, np.stack([times, -times], axis=1))
    session = Recording(0.0, 10_000.0, spikes=spikes, trials=trials, behaviour={"walk": walk})
    made = RateTrials.from_recording(session, dt=100.0, smoothing=0.0, inputs=["walk"])
    assert made.rates.shape == (2, 50, 2)
    assert np.isnan(made.rates[0, 30:]).all()
    inside = sum(int(((train >= 4000) & (train < 9000)).sum()) for train in spikes)
    assert made.rates[1].sum() / 10 == pytest.approx(inside)
    np.testing.assert_allclose(made.inputs[1, :3, 1], [-4050.0, -4150.0, -4250.0])
    assert made.names == ("walk 0", "walk 1")
    smooth = RateTrials.from_recording(session, dt=100.0, smoothing=300.0)
    assert np.nanstd(smooth.rates) < np.nanstd(made.rates)
    flat = Recording(0.0, 3000.0, activity=np.full((300, 1), 2.0), dt=10.0)
    np.testing.assert_allclose(RateTrials.from_recording(flat, dt=100.0, smoothing=200.0).rates, 2.0)


def test_a_fit_is_saved_and_read_back(tmp_path: Path) -> None:
    _, trials = known()
    fit = fit_rates(cell(5), trials, FORCE(passes=2), train=range(10), progress=False)
    back = ConstrainedFit.load(fit.save(tmp_path))
    assert repr(back) == repr(fit) == "ConstrainedFit(10 units for 10 neurons: FORCE, seed 0)"
    assert back.score(trials).pvar == fit.score(trials).pvar
    assert back.history.equals(fit.frame())
    again = fit_rates(cell(5), trials, FORCE(passes=2), train=range(10), progress=False)
    assert again.network.cell.wiring().equal(fit.network.cell.wiring())
    with pytest.raises(ValueError, match=r"ConstrainedFit: `which` must be RateTrials; got \[0\]"):
        back.score([0])
    with pytest.raises(ValueError, match="ConstrainedFit: `which` must be one trial or more"):
        fit.score([])
    with pytest.raises(ValueError, match="ConstrainedFit: `which` must be of 10 units in bins of 10 ms, as the fit"):
        fit.score(RateTrials(trials.rates[..., :3], 10.0, trials.inputs))
    with pytest.raises(ValueError, match=r"ConstrainedFit\.held_out: `trials` must be known"):
        _ = back.held_out
    with pytest.raises(FitError, match=r"missing\. A data-constrained network is a folder that holds"):
        ConstrainedFit.load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"train": []}, r"fit_rates: `train` must be trials, numbered 0 to 11; got \[\]"),
        ({"train": [0, 40]}, r"fit_rates: `train` must be trials, numbered 0 to 11; got \[0, 40\]"),
        ({"validation": [0]}, "fit_rates: `validation` must be other trials than those that teach; got 'trial 0"),
        ({"cell": cell(0, n=4)}, "fit_rates: `cell` must be of 10 units or more, one for each neuron"),
        ({"cell": LeakyRate(1, N, dt=10.0)}, r"fit_rates: `cell\.n_in` must be 2"),
        ({"cell": cell(0, dt=20.0)}, r"fit_rates: `cell\.dt` must be 10 ms, as the rates; got '20 ms'"),
        ({"cell": cell(0, nonlinearity="relu")}, "FORCE: `cell` must be one whose drive follows from its rate"),
        ({"cell": cell(0, bias=False)}, "FORCE: `cell` must be one of free weights and one bias"),
        ({"peak": 0.0}, "fit_rates: `peak` must be a finite number above 0"),
        ({"scale": -1.0}, "fit_rates: `scale` must be a finite number above 0"),
        ({"method": STEEP, "cell": cell(1, nonlinearity="softplus")}, "Descent: the loss is"),
        ({"silent": True}, r"fit_rates: `trials` must be of units that fire in the training trials; got 'silent.*2"),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence(change: dict, text: str) -> None:
    _, trials = known()
    if change.pop("silent", False):
        trials = replace(trials, rates=trials.rates * (np.arange(N) != 2))
    settings = {"cell": cell(1), "method": FORCE(passes=1), "train": [0, 1], **change}
    one, method = settings.pop("cell"), settings.pop("method")
    with pytest.raises((ValueError, Diverged), match=text):
        fit_rates(one, trials, method, progress=False, **settings)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda: RateTrials(np.ones((1, 1, 2)), 10.0),
            "RateTrials: `rates` must be of one trial, two bins and one unit",
        ),
        (lambda: RateTrials(-np.ones((1, 3, 2)), 10.0), r"RateTrials: `rates` must be 0 or above; got -1\.0"),
        (lambda: RateTrials(np.full((1, 3, 2), np.nan), 10.0), "RateTrials: `rates` must be known in the first bin"),
        (lambda: RateTrials(np.ones((1, 3, 2)), 10.0, np.ones((1, 4, 1))), "`inputs` must be of 1 trials of 3 bins"),
        (lambda: RateTrials(np.ones((1, 3, 2)), 10.0, np.full((1, 3, 1), np.nan)), "`inputs` must be known wherever"),
        (lambda: RateTrials(np.ones((1, 3, 2)), 10.0, units=pd.Index(["a"])), "`units` must be one id for each of 2"),
        (lambda: FORCE(alpha=0.0), "FORCE: `alpha` must be a finite number above 0"),
        (lambda: FORCE(passes=0), "FORCE: `passes` must be a whole number, 1 or above"),
        (lambda: Descent(decay=-1.0), "Descent: `decay` must be a finite number, 0 or above"),
        (lambda: Descent(length=1), "Descent: `length` must be a whole number, 2 or above"),
    ],
)
def test_targets_and_methods_are_checked(make: Callable[[], object], text: str) -> None:
    with pytest.raises((ValueError, RecordingError), match=text):
        make()


def test_a_recording_is_checked_before_it_is_cut() -> None:
    session = Recording(0.0, 1000.0, spikes=[np.array([5.0])])
    with pytest.raises(RecordingError, match=r"RateTrials\.from_recording: `inputs` must be signals of the recording"):
        RateTrials.from_recording(session, dt=10.0, smoothing=0.0, inputs=["walk"])
    with pytest.raises(RecordingError, match=r"`recording` must be of trials with two bins or more; got '1 bins"):
        RateTrials.from_recording(session, dt=600.0, smoothing=0.0)
