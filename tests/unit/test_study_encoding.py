"""Studies of encoding and latent models, small: what they report, that pages can show it, and what they refuse."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neurornn import (
    GLM,
    Evoked,
    LinearNonlinear,
    Recording,
    Signal,
    SpatialConv,
    StimulusNetwork,
    TemporalConv,
    figures,
    load_recording,
    report,
    simulated_track,
)
from neurornn.bridge import SimulatedRetina, write_retina
from neurornn.claim import run_recipe
from neurornn.encoding import Lateral
from neurornn.encoding.ln import low_rank
from neurornn.errors import RecordingError, SourceMissing
from neurornn.study import (
    AdaptationStudy,
    EncodingStudy,
    Findings,
    LatentStudy,
    NoiseStudy,
    PlaceCellStudy,
    Plan,
    SalamanderStudy,
    SubunitStudy,
)
from neurornn.study.lags import lag_report
from neurornn.study.retina_noise import clocked


def planned(recording: Recording | None = None, seed: int = 0) -> Plan:
    return Plan(
        network=lambda task, seed: None, task=lambda: None, train={}, recording=recording, seed=seed, title="A title"
    )


def shown(findings: Findings) -> str:
    """The page, as `neurornn fit` writes it."""
    return report(
        findings.fit, title=findings.title, notes=findings.notes, headline=findings.headline, **findings.parts
    ).html


def receptor(length: float = 8000.0) -> Recording:
    """A neuron that hears the level of a sound three ms ago, and rests after each spike."""
    rng = np.random.default_rng(0)
    level = np.repeat(rng.normal(size=int(length / 4)), 4)
    counts = np.zeros(len(level))
    for t in range(8, len(counts)):
        counts[t] = rng.random() < np.exp(0.8 * level[t - 3] - 2.5) * (counts[t - 4 : t].sum() == 0)
    spikes = np.flatnonzero(counts) + 0.5
    sound = Signal(np.arange(0.0, length, 1.0) + 0.5, 10 ** (level / 20)[:, None])
    return Recording(0.0, length, spikes=[spikes], behaviour={"envelope": sound}, source={"name": "simulated"})


def test_models_of_a_receptor_side_by_side() -> None:
    front = TemporalConv(1, channels=(3,), kernels=(8,))
    study = EncodingStudy(
        models={
            "lnp": GLM(1, (1,), lags=8),
            "glm": GLM(1, (1,), lags=8, past=6),
            "net": StimulusNetwork(front, 1, past=6),
        },
        decibels=True,
        free=5,
        fit={"epochs": 1, "length": 100},
    )
    findings = study.run(planned(receptor()))
    found = findings.quantities
    assert found["glm_bits_per_spike"] > found["lnp_bits_per_spike"] > 0.05
    assert found["lag"] == pytest.approx(3.0, abs=2.0)
    assert found["recording_cv"] < 1.0
    assert found["glm_cv"] < found["lnp_cv"]
    assert found["last_over_best_other"] == pytest.approx(
        found["net_bits_per_spike"] - max(found["glm_bits_per_spike"], found["lnp_bits_per_spike"])
    )
    page = shown(findings)
    for text in ("What models predict of the neuron", "teacher-forced", "1 of 1 units kept", "Lag of the stimulus"):
        assert text in page


def test_the_lag_report_sees_a_clock_that_is_wrong() -> None:
    rng = np.random.default_rng(0)
    frames = rng.normal(size=(4000, 3, 3))
    drive = np.roll(frames[:, 1, 1], 5)
    good = Evoked(frames, rng.poisson(np.exp(drive - 1))[None, :, None].astype(float), dt=10.0)
    told = lag_report(good, most=20)
    assert told.best == 50.0
    assert told.frame()["of_the_future"].item() < 1.5 * told.frame()["null"].item()
    late = Evoked(np.roll(frames, 8, axis=0), good.counts, dt=10.0)
    assert lag_report(late, most=20).best == -30.0
    assert figures(told)


def test_a_study_of_encoding_models_needs_some() -> None:
    for kind in (EncodingStudy, SubunitStudy, AdaptationStudy, NoiseStudy, SalamanderStudy):
        with pytest.raises(ValueError, match=rf"{kind.__name__}: `models` must be at least one model"):
            kind()
    with pytest.raises(RecordingError, match=r"AdaptationStudy: `session\.contrasts` must be a low and a high one"):
        AdaptationStudy(models={"lateral": GLM(1, (2, 2), lags=2)})
    with pytest.raises(ValueError, match="NoiseStudy: `passes` must be a whole number, 3 or above"):
        NoiseStudy(models={"cnn": GLM(1, (2, 2), lags=2)}, passes=1)


RETINA = {"shape": (6, 6), "n_units": 2, "subunits": 2, "lags": 8, "spread": 1.0, "rate": 20.0}
SESSION = {"train": 30_000.0, "test": 6000.0, "repeats": 5}
QUICK = {"epochs": 2, "batch": 2, "length": 300, "learning_rate": 0.01}


def cnn(**more: object) -> StimulusNetwork:
    return StimulusNetwork(SpatialConv((6, 6), lags=8, channels=(3,), kernels=(3,), **more), 2)


def test_subunits_of_a_small_retina() -> None:
    models = {"ln": LinearNonlinear(2, (6, 6), lags=8, rank=1), "cnn": cnn()}
    own = {"ln": {"epochs": 4, "learning_rate": 0.05}}
    findings = SubunitStudy(models=models, retina=RETINA, session=SESSION, fit=QUICK, own=own).run(planned())
    found = findings.quantities
    assert found["half_ln_cc_norm"] > 0.4
    assert found["full_ln_cc_size"] < 0.2
    assert set(findings.parts) == {"half-wave", "full-wave"}
    page = shown(findings)
    assert "SIMULATED DATA" in page
    assert "Models against the ceiling" in page


def test_adaptation_of_a_small_retina() -> None:
    retina = {**RETINA, "adaptation": 0.8, "threshold": 0.0}
    models = {"lateral": cnn(maps=(Lateral(3, warm=50),)), "feedforward": cnn()}
    study = AdaptationStudy(
        models=models,
        retina=retina,
        session={**SESSION, "contrasts": [0.2, 1.0], "period": 3000.0},
        cycles=6,
        fit=QUICK,
    )
    findings = study.run(planned())
    assert 0.15 < findings.quantities["teacher_index"] < 0.6
    assert abs(findings.quantities["feedforward_index"]) < 0.2
    assert findings.parts["adaptation"].share("teacher") == 1.0
    assert "Share of the retina" in shown(findings)


def test_variability_of_a_small_retina() -> None:
    study = NoiseStudy(
        models={"cnn": cnn(noise=0.3)}, retina={**RETINA, "noise": 0.3}, session=SESSION, passes=20, fit=QUICK
    )
    findings = study.run(planned())
    assert findings.quantities["latent_slope"] < 0.5
    assert findings.quantities["clocked_slope"] < 0.9
    assert findings.quantities["poisson_slope"] == pytest.approx(1.0, abs=0.1)
    assert "Variance against mean" in shown(findings)


def test_a_clock_counts_what_its_rate_says() -> None:
    expected = np.full((200, 400, 1), 0.13)
    counts = clocked(expected, np.random.default_rng(0))
    assert counts.mean() == pytest.approx(0.13, rel=0.02)
    assert counts.reshape(200, 20, 20).sum(axis=2).var() < 0.3  # 2.6 for a Poisson process


def test_low_rank_filters() -> None:
    import torch

    one = torch.einsum("ul,up->ulp", torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[1.0, -1.0]]))[..., None]
    torch.testing.assert_close(low_rank(one, 1), one)
    assert low_rank(one, 0) is one


def test_a_simulated_place_cell_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    times = np.arange(0.0, 120_000.0, 1.0)
    place = 50 - 50 * np.cos(times / 4000 * np.pi)
    rate = 20 * np.exp(-0.5 * ((place - 60) / 8) ** 2)
    spikes = times[rng.random(len(times)) < rate / 1000] + 0.4
    flat = np.sort(rng.uniform(0, 119_999, 300))
    recordings = [
        Recording(0.0, 120_001.0, spikes=[each], behaviour={"linear": Signal(times, place[:, None], "cm")})
        for each in (spikes, flat)
    ]
    monkeypatch.setattr("neurornn.study.place_cell.load_recording", lambda name: recordings[1])
    findings = PlaceCellStudy().run(planned(recordings[0]))
    found = findings.quantities
    assert found["field_centre"] == pytest.approx(60, abs=1.0)
    assert found["field_width"] == pytest.approx(8, abs=0.8)
    assert found["field_peak"] == pytest.approx(20, rel=0.15)
    assert found["control_bits"] < 0.02
    assert found["bits_position_squared"] > 1.0
    assert "Rate over position" in shown(findings)
    with pytest.raises(RecordingError, match="PlaceCellStudy: `recording` must be of spikes, with a signal x"):
        PlaceCellStudy(position="x").regressions(recordings[0])


def test_published_numbers_of_the_place_cell(recordings: Path) -> None:
    told = PlaceCellStudy().regressions(load_recording("rat_place_cell"))
    np.testing.assert_allclose(told.fits["position"].coefficients, [-7.43888719, 0.01294342], atol=1e-6)
    aic = [fit.aic for fit in told.fits.values()]
    assert aic[0] - aic[1] == pytest.approx(636.0145, abs=1e-3)
    assert aic[1] - aic[2] == pytest.approx(233.8806, abs=1e-3)


def test_published_numbers_of_the_receptor(recordings: Path) -> None:
    """Linear models of both sounds, and the lag of the neuron, as an independent implementation measured them."""
    models = {"lnp": GLM(1, (1,), lags=30), "glm": GLM(1, (1,), lags=30, past=20)}
    study = EncodingStudy(models=models, decibels=True, free=5, more=("grasshopper_receptor_2",))
    found = study.run(planned(load_recording("grasshopper_receptor"))).quantities
    for name, value in {"lnp": (0.95, 0.52), "glm": (1.78, 1.13)}.items():
        assert found[f"{name}_bits_per_spike"] == pytest.approx(value[0], abs=0.06)
        assert found[f"{name}_bits_per_spike_2"] == pytest.approx(value[1], abs=0.06)
    assert (found["lag"], found["lag_2"]) == (6.0, 7.0)


def test_a_latent_model_beside_its_baselines() -> None:
    session = simulated_track(0, run=240_000.0, rest=10_000.0)
    study = LatentStudy(
        block=8000.0, gap=200.0, dt=100.0, model={"n_encoder": 4, "n_generator": 6},
        fit={"window": 20, "epochs": 2, "batch": 64},
    )  # fmt: skip
    findings = study.run(planned(session))
    found = findings.quantities
    assert found["position_bits"] > 0.2
    assert found["over_position"] == pytest.approx(found["latent_bits"] - found["position_bits"])
    result = findings.parts["co-smoothing"]
    assert len(result.frame()) == found["n_held_out"]
    assert "Held-out units in held-out blocks" in shown(findings)
    findings.fit.save(Path("latent"))
    with pytest.raises(RecordingError, match="LatentStudy: `epoch` must be one of the recording's; got 'sleep'"):
        LatentStudy(epoch="sleep").run(planned(session))
    still = Recording(0.0, 10.0, activity=np.zeros((10, 1)), dt=1.0)
    with pytest.raises(RecordingError, match="LatentStudy: `recording` must be of spikes"):
        LatentStudy().run(planned(still))


def test_the_salamander_is_read_where_it_is_and_asked_for_where_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEURORNN_DATA", str(tmp_path))
    monkeypatch.setattr("neurornn.study.salamander.cache_folder", lambda: tmp_path / "cache")
    with pytest.raises(
        SourceMissing, match=r"SalamanderStudy: `.*whitenoise\.h5` must be in one of .* set NEURORNN_DATA"
    ):
        run_recipe("retina_salamander", progress=False)
    folder = tmp_path / "ganglion_cell_data" / "15-10-07"
    folder.mkdir(parents=True)
    for seed, name in enumerate(("whitenoise", "naturalscene")):
        write_retina(SimulatedRetina(**RETINA).session(**SESSION, seed=seed), folder / f"{name}.h5")
    study = SalamanderStudy(models={"cnn": cnn()}, cells=(0, 1), skip=50, blocks=2, fit=QUICK)
    findings = study.run(planned())
    assert len(findings.quantities) == 4
    assert all(np.isfinite(value) for value in findings.quantities.values())
    assert "Trained on white noise" in shown(findings)
    assert isinstance(findings.headline, pd.DataFrame)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
