"""Fits of encoding models: what they find of known truth, how they stop and resume, what they refuse."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import PoissonRegressor

import neurornn.statistics.tables
from neurornn import GRU, Evoked, Recording, Signal, fit_encoding
from neurornn.encoding import (
    GLM,
    Filters,
    LinearNonlinear,
    Moments,
    StimulusNetwork,
    TemporalConv,
    contiguous_split,
    poisson_glm,
    score_rates,
)
from neurornn.errors import Diverged, FitError, NotConverged, RecordingError
from neurornn.fit import EncodingFit, OneCycle, as_recording
from neurornn.fit.encode import _Course
from neurornn.statistics import spike_trains


def heard(n: int = 6000, units: int = 2, repeats: int = 1, seed: int = 0) -> Evoked:
    """Two neurons that hear a white signal two and three bins ago, the second with the other sign."""
    rng = np.random.default_rng(seed)
    sound = rng.normal(size=(n, 1))
    drive = 0.8 * np.roll(sound, 2, axis=0) + 0.4 * np.roll(sound, 3, axis=0)
    rate = np.exp(np.concatenate([drive, -drive], axis=1)[:, :units] - 1.5)
    counts = rng.poisson(rate, size=(repeats, n, units)).astype(float)
    return Evoked(sound, counts, dt=10.0, units=pd.Index(["a", "b"][:units]))


def test_regression_is_that_of_scikit_learn_and_its_errors_are_right() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 3)) * [1.0, 10.0, 0.1] + [0.0, 50.0, 2.0]
    y = rng.poisson(np.exp(0.3 * x[:, 0] - 0.02 * x[:, 1] + 2.0 * x[:, 2] - 4.0)).astype(float)
    told = poisson_glm(x, y, names=("a", "b", "c"))
    other = PoissonRegressor(alpha=0.0, tol=1e-10, max_iter=10_000, solver="newton-cholesky").fit(x, y)
    np.testing.assert_allclose(told.coefficients, [other.intercept_, *other.coef_], rtol=1e-5)
    again = [
        poisson_glm(x, np.random.default_rng(k).poisson(told.expected(x)).astype(float)).coefficients for k in range(60)
    ]
    np.testing.assert_allclose(np.std(again, axis=0), told.errors, rtol=0.35)
    assert told.aic == pytest.approx(8 - 2 * told.log_likelihood)
    assert told.frame().loc["c", "z"] == pytest.approx(told.coefficients[3] / told.errors[3])


def test_regression_by_hand() -> None:
    # Rate 1 where x is 0 and 4 where it is 1: LL = sum(n log r - r - log n!).
    told = poisson_glm(np.array([[0.0], [0.0], [1.0], [1.0]]), np.array([1.0, 1.0, 3.0, 5.0]))
    assert told.log_likelihood == pytest.approx(-2 + 8 * np.log(4) - 8 - np.log(6) - np.log(120))
    assert told.deviance == pytest.approx(2 * (3 * np.log(3 / 4) + 5 * np.log(5 / 4)))
    assert told.errors[0] == pytest.approx(1 / np.sqrt(2))  # two spikes tell of the intercept


def test_a_glm_finds_the_truth_and_a_gradient_finds_the_same() -> None:
    evoked = heard()
    split = contiguous_split(evoked, gap=6)
    solved = fit_encoding(GLM(2, (1,), lags=5), evoked, split, progress=False)
    spread = evoked.stimulus.std()
    found = solved.model.filters.detach().numpy()[:, :, 0] / spread
    np.testing.assert_allclose(found[0], [0, 0, 0.4, 0.8, 0], atol=0.1)
    np.testing.assert_allclose(found[1], [0, 0, -0.4, -0.8, 0], atol=0.1)
    assert len(solved.history) == 0
    network = StimulusNetwork(Filters((1,), 2, lags=5, rectified=False), 2, link="exp")
    descended = fit_encoding(network, evoked, split, epochs=30, learning_rate=0.03, length=100, batch=8, progress=False)
    one, other = (fit.score().median("bits_per_spike") for fit in (solved, descended))
    assert one == pytest.approx(other, abs=0.02)
    assert one > 0.4


def test_history_and_coupling_are_found_and_free_running_is_told_apart() -> None:
    rng = np.random.default_rng(1)
    n, counts = 8000, np.zeros((8000, 2))
    sound = rng.normal(size=(n, 1))
    for t in range(2, n):
        silent = -3.0 * (counts[t - 1, 0] + counts[t - 2, 0])  # refractory
        excited = 1.0 * counts[t - 1, 0]  # the second hears the first
        counts[t, 0] = rng.poisson(np.exp(sound[t - 1, 0] - 1.0 + silent))
        counts[t, 1] = rng.poisson(np.exp(-1.5 + excited))
    evoked = Evoked(sound, counts[None], dt=1.0)
    fit = fit_encoding(GLM(2, (1,), lags=2, past=3, coupled=True), evoked, progress=False)
    filters = fit.model.history.filters.detach().numpy()  # (to, from, bin), newest last
    assert filters[0, 0, -1] < -1.5
    assert filters[0, 0, -2] < -1.5
    assert filters[1, 0, -1] == pytest.approx(1.0, abs=0.2)
    assert abs(filters[1, 0, 0]) < 0.2
    table = fit.score(free=50).frame()
    assert (table["bits_per_spike"] > table["free_bits_per_spike"]).all()
    assert "teacher-forced" in fit.score().methods
    alone = fit_encoding(GLM(2, (1,), lags=2), evoked, progress=False).score().frame()
    assert (table["bits_per_spike"] > alone["bits_per_spike"] + 0.05).all()


def test_what_a_model_fires_has_its_rate_and_its_refractoriness() -> None:
    rng = np.random.default_rng(2)
    counts = np.zeros(12_000)
    for t in range(5, len(counts)):
        counts[t] = rng.random() < 0.08 * (counts[t - 5 : t].sum() == 0)
    evoked = Evoked(rng.normal(size=(len(counts), 1)), counts[None, :, None], dt=1.0)
    fit = fit_encoding(GLM(1, (1,), lags=2, past=6), evoked, progress=False)
    fired = fit.simulate(repeats=10, seed=1)
    assert fired.mean() == pytest.approx(counts.mean(), rel=0.1)
    ours, theirs = (
        spike_trains(as_recording(each, 1.0), window=100.0).frame().iloc[0] for each in (fired, evoked.counts)
    )
    assert ours["cv"] == pytest.approx(theirs["cv"], abs=0.08)
    assert ours["fano"] == pytest.approx(theirs["fano"], abs=0.15)
    assert ours["fano"] < 0.7
    assert np.array_equal(fired, fit.simulate(repeats=10, seed=1))


def test_an_ln_model_from_the_sta() -> None:
    evoked = heard(units=1)
    fit = fit_encoding(LinearNonlinear(1, (1,), lags=5), evoked, epochs=15, learning_rate=0.05, progress=False)
    found = fit.model.filters.numpy()[0, :, 0]
    np.testing.assert_allclose(found, np.array([0, 0, 0.4, 0.8, 0]) / np.hypot(0.4, 0.8), atol=0.1)
    assert fit.score().median("bits_per_spike") > 0.35
    free = fit_encoding(
        LinearNonlinear(1, (1,), lags=5, from_sta=False), evoked, epochs=30, learning_rate=0.03, progress=False
    )
    assert free.score().median("bits_per_spike") > 0.35


def small() -> StimulusNetwork:
    front = TemporalConv(1, channels=(3,), kernels=(4,), noise=0.1)
    return StimulusNetwork(front, 2, cell=GRU(5, 4, dt=10.0), past=2, warm=10)


def test_a_fit_that_was_killed_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    evoked = heard(1500)
    settings = {"length": 50, "batch": 8, "seed": 3, "progress": False}
    whole = fit_encoding(small(), evoked, epochs=4, **settings)
    path = tmp_path / "half.safetensors"
    fit_encoding(small(), evoked, epochs=2, checkpoint=path, **settings)
    resumed = fit_encoding(small(), evoked, epochs=4, checkpoint=path, **settings)
    pd.testing.assert_frame_equal(whole.history, resumed.history)
    for name, tensor in whole.model.state_dict().items():
        assert tensor.equal(resumed.model.state_dict()[name]), name
    with pytest.raises(FitError, match=r"belongs to another training: `fit\.length` is 50 in the checkpoint, 60 asked"):
        fit_encoding(small(), evoked, epochs=4, checkpoint=path, **{**settings, "length": 60})


def test_a_fit_along_a_schedule_takes_every_epoch_and_goes_on_where_it_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evoked, cycle = heard(1500), OneCycle(peak=0.25)
    settings = {
        "epochs": 6, "length": 50, "batch": 8, "seed": 3, "schedule": cycle, "patience": 1, "learning_rate": 0.03,
        "progress": False,
    }  # fmt: skip
    whole = fit_encoding(small(), evoked, **settings)
    n_steps = int(np.ceil(1200 * 0.9 / 50 / 8))
    last_of_epoch = [0.03 * cycle.factor(step, 6 * n_steps) for step in range(n_steps - 1, 6 * n_steps, n_steps)]
    np.testing.assert_allclose(whole.history["learning_rate"], last_of_epoch)
    path, save = tmp_path / "half.safetensors", _Course.save

    def killed(self: _Course, path: Path, recipe: dict) -> None:
        save(self, path, recipe)
        if len(self.rows) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(_Course, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        fit_encoding(small(), evoked, checkpoint=path, **settings)
    monkeypatch.setattr(_Course, "save", save)
    resumed = fit_encoding(small(), evoked, checkpoint=path, **settings)
    pd.testing.assert_frame_equal(whole.history, resumed.history)
    for name, tensor in whole.model.state_dict().items():
        assert tensor.equal(resumed.model.state_dict()[name]), name
    assert EncodingFit.load(whole.save(tmp_path)).recipe["fit"]["schedule"]["type"] == "OneCycle"
    with pytest.raises(FitError, match=r"belongs to another training: `fit\.epochs` is 6 in the checkpoint, 9 asked"):
        fit_encoding(small(), evoked, checkpoint=path, **{**settings, "epochs": 9})


def test_early_stopping_puts_the_best_weights_back() -> None:
    evoked = heard(800, units=1)
    model = StimulusNetwork(Filters((1,), 20, lags=10), 1)
    split = contiguous_split(evoked, validation=0.3, gap=10)
    fit = fit_encoding(
        model, evoked, split, epochs=60, learning_rate=0.05, patience=3, drops=1, length=50, progress=False
    )
    from neurornn.fit.encode import Feed, judged

    feed = Feed(evoked, fit.model, fit.moments, 50, 16)
    now = judged(fit.model, feed.once(feed.cut(split.validation)))
    assert now == pytest.approx(fit.history["validation"].min(), rel=1e-6)
    assert len(fit.history) < 60
    assert fit.history["validation"].iloc[-1] > now
    assert fit.history["learning_rate"].nunique() == 2


def test_a_fit_is_saved_whole_and_read_back(tmp_path: Path) -> None:
    evoked = heard(1500)
    fit = fit_encoding(small(), evoked, epochs=1, length=50, progress=False)
    back = EncodingFit.load(fit.save(tmp_path / "fit"))
    assert back.units.tolist() == ["a", "b"]
    assert (back.dt, back.model.lags, back.model.past) == (10.0, 4, 2)
    other = heard(400, seed=9)
    np.testing.assert_array_equal(fit.predict(other), back.predict(other))
    pd.testing.assert_frame_equal(fit.history, back.history)
    np.testing.assert_allclose(back.null, fit.null)
    with pytest.raises(ValueError, match="EncodingFit: `evoked` must be given; got None"):
        back.predict()
    with pytest.raises(FitError, match="A fitted encoding model is a folder that holds"):
        EncodingFit.load(tmp_path)
    with pytest.raises(FitError, match="the weights are not those of this model"):
        EncodingFit.load(tmp_path / "fit", model=GLM(2, (1,), lags=4))


def test_training_statistics_are_applied_to_the_test() -> None:
    evoked = heard(1000, units=1)
    fit = fit_encoding(GLM(1, (1,), lags=3), evoked, progress=False)
    louder = Evoked(evoked.stimulus * 3 + 5, evoked.counts, dt=10.0)
    assert not np.allclose(fit.predict(louder)[0, 10:], fit.predict(evoked, np.arange(1000))[0, 10:])
    rows = fit.split.train
    assert fit.moments.mean[0] == pytest.approx(evoked.stimulus[rows].mean())
    assert fit.moments.spread[0] == pytest.approx(evoked.stimulus[rows].std())


def test_a_silent_neuron_is_kept_apart_and_never_a_giant() -> None:
    evoked = heard(2000)
    counts = evoked.counts.copy()
    counts[:, :, 1] = 0.0
    fit = fit_encoding(GLM(2, (1,), lags=5, past=2), Evoked(evoked.stimulus, counts, dt=10.0), progress=False)
    told = fit.score()
    assert told.kept.tolist() == [True, False]
    assert told.kept_text == "1 of 2 units kept"
    assert np.isnan(told.frame()["bits_per_spike"].iloc[1])
    assert np.nanmax(fit.predict()[:, :, 1]) < 0.1


def test_repeats_of_unequal_length_train_and_score_without_zeros() -> None:
    evoked = heard(3000, units=1, repeats=3)
    counts = evoked.counts.copy()
    counts[1:, 1500:] = np.nan
    cut = Evoked(evoked.stimulus, counts, dt=10.0)
    fit = fit_encoding(GLM(1, (1,), lags=5), cut, contiguous_split(cut, test=0.0), progress=False)
    assert fit.model.filters.detach()[0, 3, 0] == pytest.approx(0.8, abs=0.1)
    told = fit.score(cut, np.arange(3000))
    assert told.frame()["n_spikes"].item() == int(np.nansum(counts[:, 5:]))
    assert told.median("cc_norm") == pytest.approx(1.0, abs=0.1)


def test_nan_frames_are_left_out_and_nothing_else() -> None:
    evoked = heard(2000, units=1)
    frames = evoked.stimulus.copy()
    frames[500:520] = np.nan
    gap = Evoked(frames, evoked.counts, dt=10.0)
    fit = fit_encoding(GLM(1, (1,), lags=5), gap, progress=False)
    whole = fit.predict(gap, np.arange(2000))[0, :, 0]
    assert np.isnan(whole[501:525]).all()
    assert np.isfinite(whole[5:500]).all()
    assert np.isfinite(whole[525:]).all()
    assert fit.model.filters.detach()[0, 3, 0] == pytest.approx(0.8, abs=0.1)


def test_scores_are_written_as_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    rate = rng.gamma(1.0, 30.0, size=(400, 3))
    counts = rng.poisson(rate / 100, size=(8, 400, 3)).astype(float)
    counts[:, :, 2] = rng.poisson(0.3, size=(8, 400))  # noise alone
    told = score_rates(counts, rate[None], rate.mean(axis=0), dt=10.0)
    assert told.kept.tolist() == [True, True, False]
    monkeypatch.setattr(neurornn.statistics.tables, "find_spec", lambda name: None)
    paths = told.save(tmp_path)
    assert [path.name for path in paths] == ["scores.csv", "scores.json"]
    table = json.loads(paths[1].read_text())
    assert (table["kept"], table["total"]) == (2, 3)
    assert table["parquet"] == "not written: pyarrow is not installed"
    assert table["medians"]["cc_norm"] == pytest.approx(told.median("cc_norm"))
    assert pd.read_csv(paths[0]).shape == (3, told.frame().shape[1] + 1)
    with pytest.raises(ValueError, match=r"save_scores: `parquet` must be False without pyarrow; .* pip install"):
        told.save(tmp_path / "nowhere", parquet=True)
    assert not (tmp_path / "nowhere").exists()
    one = score_rates(counts[:1], rate[None], rate.mean(axis=0), dt=10.0)
    assert np.isnan(one.median("cc_max"))
    assert "shown once" in one.methods


def test_parquet_holds_the_same_table(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="Parquet needs the extra neurornn[parquet]")
    rate = np.random.default_rng(0).gamma(1.0, 30.0, size=(100, 2))
    counts = np.random.default_rng(1).poisson(rate / 100, size=(4, 100, 2)).astype(float)
    told = score_rates(counts, rate[None], rate.mean(axis=0), dt=10.0, units=pd.Index(["a", "b"]))
    *_, json_file, parquet = told.save(tmp_path, parquet=True)
    pd.testing.assert_frame_equal(pd.read_parquet(parquet), told.frame(), check_index_type=False)
    assert json.loads(json_file.read_text())["parquet"] == "scores.parquet"


def clock(spikes: list[float], stop: float = 100.0) -> Recording:
    signal = Signal(np.arange(0.0, stop, 1.0), np.arange(0.0, stop, 1.0)[:, None] % 7)
    return Recording(0.0, 200.0, spikes=[np.array(spikes)], behaviour={"sound": signal})


def test_a_recording_becomes_frames_and_counts() -> None:
    evoked = Evoked.from_recording(clock([3.5, 14.0]).between(0.0, 100.0), "sound", dt=10.0)
    assert evoked.counts[0, :2, 0].tolist() == [1.0, 1.0]
    assert evoked.stimulus[0, 0] == pytest.approx(np.mean(np.arange(10.0) % 7))
    fine = Evoked.from_recording(clock([3.5]).between(0.0, 100.0), "sound", dt=0.5)
    assert fine.stimulus[1, 0] == pytest.approx(0.75)


REFUSALS = [
    (lambda: Evoked.from_recording(clock([150.0]), "sound", dt=1.0), "1 spikes outside 0 to 100 ms"),
    (lambda: Evoked.from_recording(clock([1.0]), "sund", dt=1.0), "Evoked.from_recording: `signal` must be one of"),
    (
        lambda: Evoked.from_recording(Recording(0.0, 1.0, activity=np.zeros((1, 1)), dt=1.0), "x", dt=1.0),
        "Evoked.from_recording: `recording` must be of spikes",
    ),
    (lambda: Evoked.from_recording(clock([150.0]), "sound", dt=1.0), "Evoked.from_recording: `signal` must be there"),
    (
        lambda: Evoked(np.zeros((9, 1)), np.zeros((1, 10, 1)), 1.0),
        "Evoked: `stimulus` must be one frame for each of 10",
    ),
    (lambda: Evoked(np.zeros(10), np.zeros((1, 10, 1)), 1.0), r"Evoked: `stimulus` must be of shape \(bin, channel\)"),
    (lambda: Evoked(np.zeros((10, 1)), -np.ones((1, 10, 1)), 1.0), "Evoked: `counts` must be 0 or above"),
    (lambda: Evoked(np.zeros((2, 1)), np.ones((1, 2, 1)), 0.0), "Evoked: `dt` must be a finite number above 0"),
    (
        lambda: Evoked(np.zeros((2, 1)), np.ones((1, 2, 1)), 1.0, block=np.zeros(3, dtype=int)),
        "Evoked: `block` must be one label",
    ),
    (
        lambda: Evoked(np.zeros((2, 1)), np.ones((1, 2, 1)), 1.0, units=pd.Index(["a", "b"])),
        "Evoked: `units` must be one id",
    ),
    (
        lambda: Moments.of(Evoked(np.full((5, 1), np.nan), np.ones((1, 5, 1)), 1.0), np.arange(5)),
        "Moments: `stimulus` must be known in some bin",
    ),
    (
        lambda: Moments.of(Evoked(np.ones((5, 1)), np.ones((1, 5, 1)), 1.0), np.arange(5)),
        "Moments: `stimulus` must be one that varies; got 'channel 0 constant'",
    ),
    (
        lambda: poisson_glm(np.array([[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]]), np.ones(3)),
        r"poisson_glm: `x` must be of a condition number under 1e\+07; got .*: collinear'. Leave out",
    ),
    (
        lambda: poisson_glm(np.ones((3, 1)), np.ones(3)),
        "poisson_glm: `x` must be regressors that vary; got '`x0` const",
    ),
    (lambda: contiguous_split(heard(50), gap=40), "contiguous_split: `gap` must be short enough"),
    (lambda: contiguous_split(heard(50), gap=-1), "contiguous_split: `gap` must be a whole number, 0 or above"),
    (lambda: contiguous_split(heard(50), test=1.5), r"contiguous_split: `test` must be a number in \[0, 1\]"),
    (lambda: fit_encoding(GLM(3, (1,), lags=2), heard(99), progress=False), "fit_encoding: `model` must be one for 2"),
    (
        lambda: fit_encoding(GLM(2, (4,), lags=2), heard(99), progress=False),
        r"fit_encoding: `model` must be one for frames of shape \(1,\); got a model that cannot read them",
    ),
    (
        lambda: fit_encoding(GLM(1, (1,), lags=2), Evoked(np.arange(99.0)[:, None], np.zeros((1, 99, 1)), 1.0)),
        "fit_encoding: `evoked` must be with spikes in the training bins",
    ),
    (
        lambda: fit_encoding(GLM(2, (1,), lags=95), heard(100), contiguous_split(heard(100)), progress=False),
        "chunks: `rows` must be longer than the window, 95 frames",
    ),
    (
        lambda: fit_encoding(small(), heard(200), epochs=2, length=20, learning_rate=1e30, clip=0.0, progress=False),
        "fit_encoding: the loss is nan in epoch",
    ),
    (lambda: fit_encoding(small(), heard(99), learning_rate=0.0), "fit_encoding: `learning_rate` must be a finite"),
    (lambda: fit_encoding(small(), heard(99), clip=-1.0), "fit_encoding: `clip` must be a finite number, 0 or above"),
]


@pytest.mark.parametrize(("call", "text"), REFUSALS, ids=[text for _, text in REFUSALS])
def test_bad_input_is_one_sentence(call, text: str, as_users_run: None) -> None:
    with pytest.raises((RecordingError, ValueError, Diverged, NotConverged), match=text):
        call()


def test_a_fit_refuses_another_clock_and_gaps() -> None:
    fit = fit_encoding(GLM(2, (1,), lags=2), heard(900), progress=False)
    with pytest.raises(ValueError, match="EncodingFit: `evoked` must be in bins of 10 ms, as the fit; got '5 ms'"):
        fit.predict(Evoked(np.zeros((9, 1)), np.ones((1, 9, 2)), 5.0))
    with pytest.raises(ValueError, match=r"EncodingFit\.simulate: `rows` must be one stretch of bins"):
        fit.simulate(rows=np.array([10, 12]))


def test_torch_is_left_alone() -> None:
    before = torch.get_rng_state()
    fit_encoding(small(), heard(300), epochs=1, length=20, progress=False).simulate(repeats=2)
    assert before.equal(torch.get_rng_state())
