"""The published retina layout: lazy movies, cells by number, blocks, repeats; and the simulated retina behind it."""

import subprocess
import sys
import textwrap
from pathlib import Path

import h5py
import numpy as np
import pytest

from neurornn import fit_encoding
from neurornn.bridge import RetinaSession, SimulatedRetina, read_open_retina, read_retina, write_retina
from neurornn.bridge.retina import smoothed_rate
from neurornn.encoding import GLM, contiguous_split
from neurornn.errors import RecordingError
from neurornn.statistics.repeats import mean_response, variability
from neurornn.statistics.scores import known_correlation

SMALL = SimulatedRetina(shape=(6, 5), n_units=11, subunits=2, lags=8)


@pytest.fixture(scope="module")
def session() -> RetinaSession:
    return SMALL.session(train=20_000.0, test=3000.0, repeats=4)


@pytest.fixture(scope="module")
def written(session: RetinaSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_retina(session, tmp_path_factory.mktemp("15-10-07", numbered=False) / "whitenoise.h5")


def test_a_session_comes_back_from_its_file(session: RetinaSession, written: Path) -> None:
    back = read_retina(written)
    np.testing.assert_array_equal(back.train.stimulus[5:9], session.train.stimulus[5:9])
    np.testing.assert_array_equal(back.test.counts, np.nan_to_num(session.test.counts))
    assert back.train.units.tolist() == [f"cell{k:02d}" for k in range(1, 12)]
    assert back.test.source["name"] == "15-10-07/whitenoise, test"
    chosen = read_retina(written, cells=(0, 9))
    assert chosen.train.units.tolist() == ["cell01", "cell10"]
    np.testing.assert_array_equal(chosen.test.counts[:, :, 1], back.test.counts[:, :, 9])


def test_cells_are_sorted_by_number_and_not_by_name(written: Path, tmp_path: Path) -> None:
    path = tmp_path / "plain.h5"
    path.write_bytes(written.read_bytes())
    with h5py.File(path, "a") as file:
        for k in range(11):
            file.move(f"test/repeats/cell{k + 1:02d}", f"test/repeats/cell{k + 1}")
    np.testing.assert_array_equal(read_retina(path).test.counts, read_retina(written).test.counts)


def test_blocks_and_the_adaptation_skip(written: Path) -> None:
    split = read_retina(written, blocks=4, skip=100).train
    assert np.unique(split.block, return_counts=True)[1].tolist() == [500] * 4
    gone = np.isnan(split.counts[0, :, 0])
    assert np.flatnonzero(gone).tolist() == [500 * b + k for b in range(4) for k in range(100)]


def test_blocks_show_as_gaps_of_the_clock(written: Path, tmp_path: Path) -> None:
    path = tmp_path / "gaps.h5"
    path.write_bytes(written.read_bytes())
    with h5py.File(path, "a") as file:
        times = file["train/time"][()]
        times[700:] += 30.0
        file["train/time"][...] = times
    assert np.flatnonzero(np.diff(read_retina(path).train.block)).tolist() == [699]


def test_repeats_of_unequal_length_are_filled_with_nan(written: Path, tmp_path: Path) -> None:
    path = tmp_path / "short.h5"
    path.write_bytes(written.read_bytes())
    with h5py.File(path, "a") as file:
        for k in range(11):
            key = f"test/repeats/cell{k + 1:02d}"
            short = file[key][:, :250] if k == 3 else file[key][()]
            del file[key]
            file[key] = short
    counts = read_retina(path).test.counts
    assert np.isnan(counts[:, 250:, 3]).all()
    assert np.isfinite(counts[:, :, 4]).all()


def test_a_newer_file_holds_all_cells_in_one_array(session: RetinaSession, written: Path, tmp_path: Path) -> None:
    path = tmp_path / "newer.h5"
    path.write_bytes(written.read_bytes())
    with h5py.File(path, "a") as file:
        del file["test/repeats"]
        file["test/repeats/binned"] = np.nan_to_num(session.test.counts).transpose(0, 2, 1)
    np.testing.assert_array_equal(read_retina(path).test.counts, read_retina(written).test.counts)


def damaged(written: Path, tmp_path: Path, change) -> Path:
    path = tmp_path / "damaged.h5"
    path.write_bytes(written.read_bytes())
    with h5py.File(path, "a") as file:
        change(file)
    return path


def replaced(file: h5py.File, key: str, value: np.ndarray) -> None:
    del file[key]
    file[key] = value


def lost(file: h5py.File) -> None:
    del file["train"]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lost, "read_retina: `damaged.h5` must be an HDF5 file of the published layout"),
        (lambda f: replaced(f, "train/time", f["train/time"][5:]), "`train/time` must be one for each frame"),
        (lambda f: replaced(f, "train/time", f["train/time"][()] * 1000), "`train/time` must be a clock of 10 ms"),
        (
            lambda f: replaced(f, "train/response/binned", f["train/response/binned"][:, 5:]),
            "`train/response` must be one bin for each frame",
        ),
        (
            lambda f: replaced(f, "train/response/binned", f["train/response/firing_rate_10ms"][()]),
            "`train/response` must be whole numbers of spikes",
        ),
        (
            lambda f: replaced(f, "test/repeats/cell02", np.zeros((4, 900))),
            "`test/repeats/cell02` must be at most one bin a frame",
        ),
    ],
)
def test_a_damaged_file_is_refused(change, text: str, written: Path, tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=text):
        read_retina(damaged(written, tmp_path, change))


def test_cells_are_numbered_from_zero(written: Path) -> None:
    with pytest.raises(RecordingError, match=r"read_retina: `cells` must be from 0 to 10; got 11\. Cells are numbered"):
        read_retina(written, cells=(11,))


def test_open_retina_sessions(tmp_path: Path) -> None:
    movie = np.random.default_rng(0).normal(size=(1, 30, 4, 5)).astype(np.float32)
    np.save(tmp_path / "movie.npy", movie)
    with h5py.File(tmp_path / "session.h5", "w") as file:
        file["responses_noise"] = np.arange(60.0).reshape(2, 30)
    evoked = read_open_retina(tmp_path / "session.h5", tmp_path / "movie.npy", name="noise", dt=10.0)
    assert evoked.shape == (4, 5)
    assert evoked.counts[0, 3].tolist() == [3.0, 33.0]
    np.testing.assert_array_equal(evoked.stimulus[2:4], movie[0, 2:4])
    with pytest.raises(RecordingError, match="read_open_retina: `name` must be one of the file's stimuli; got 'nois'"):
        read_open_retina(tmp_path / "session.h5", movie, name="nois", dt=10.0)
    with pytest.raises(RecordingError, match=r"read_open_retina: `stimulus` must be of shape \(1, time, height"):
        read_open_retina(tmp_path / "session.h5", movie[0], name="noise", dt=10.0)


def test_smoothed_rates_are_the_published_ones() -> None:
    counts = np.zeros((1, 101))
    counts[0, 50] = 1
    rate = smoothed_rate(counts, 10.0)[0]
    kernel = np.exp(-0.5 * np.arange(-5, 6) ** 2.0)
    np.testing.assert_allclose(rate[45:56], 100 * kernel / kernel.sum())
    assert rate.sum() * 0.01 == pytest.approx(1.0)


def test_the_simulated_truth_is_what_its_spikes_follow(session: RetinaSession) -> None:
    counts = session.test.counts[:, SMALL.lags :]
    mean = mean_response(counts) / 0.01
    assert known_correlation(mean, session.test_truth[SMALL.lags :]).mean() > 0.6
    assert session.train_truth.mean(axis=0) == pytest.approx(SMALL.rate)
    assert variability(counts).fano.mean() == pytest.approx(1.0, abs=0.1)
    again = SMALL.session(train=20_000.0, test=3000.0, repeats=4)
    np.testing.assert_array_equal(again.train.counts, session.train.counts)


def test_full_wave_cells_answer_to_both_signs_and_half_wave_ones_do_not() -> None:
    draw = np.random.default_rng(0)
    movie = SMALL.movie(draw, 3000.0, (1.0,), 1000.0)
    full = SimulatedRetina(shape=(6, 5), n_units=2, subunits=2, lags=8, full_wave=True)
    np.testing.assert_allclose(full.rates(movie), full.rates(-movie))
    half = known_correlation(SMALL.rates(movie)[0, 8:], SMALL.rates(-movie)[0, 8:])
    assert half.max() < 0.1


def test_contrast_adaptation_halves_the_answer_to_a_lasting_contrast() -> None:
    retina = SimulatedRetina(shape=(6, 5), n_units=3, subunits=2, lags=8, adaptation=0.8, threshold=0.0)
    plain = SimulatedRetina(shape=(6, 5), n_units=3, subunits=2, lags=8, threshold=0.0)
    movie = retina.movie(np.random.default_rng(0), 240_000.0, (0.2, 1.0), 6000.0)
    early, late = [], []
    for each in (retina, plain):
        cycles = each.rates(movie)[0].reshape(-1, 1200, 3).mean(axis=(0, 2))
        early.append(cycles[600:650].mean())
        late.append(cycles[1000:1200].mean())
    assert early[0] / late[0] > 1.6
    assert early[1] / late[1] == pytest.approx(1.0, abs=0.1)


def test_latent_noise_of_the_retina_differs_from_repeat_to_repeat() -> None:
    noisy = SimulatedRetina(shape=(6, 5), n_units=2, subunits=2, lags=8, noise=0.5)
    movie = noisy.movie(np.random.default_rng(0), 2000.0, (1.0,), 1000.0)
    rates = noisy.rates(movie, draw=np.random.default_rng(1), repeats=3)
    assert rates.std(axis=0).mean() > 0
    assert noisy.rates(movie, repeats=3).std(axis=0).max() < 1e-12


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"n_units": 0}, "SimulatedRetina: `n_units` must be a whole number, 1 or above"),
        ({"memory": 0.0}, "SimulatedRetina: `memory` must be a finite number above 0"),
        ({"noise": -1.0}, "SimulatedRetina: `noise` must be a finite number, 0 or above"),
        ({"adaptation": 2.0}, r"SimulatedRetina: `adaptation` must be a number in \[0, 1\]"),
    ],
)
def test_a_retina_that_cannot_be_is_refused(settings: dict, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        SimulatedRetina(**settings)


def test_a_session_needs_a_seed() -> None:
    with pytest.raises(ValueError, match=r"SimulatedRetina\.session: `seed` must be a whole number, 0 or above"):
        SMALL.session(seed=-1)


def test_a_model_is_fitted_from_the_file(written: Path) -> None:
    evoked = read_retina(written, cells=(0, 1)).train
    fit = fit_encoding(GLM(2, (6, 5), lags=8, ridges=(1e-2,)), evoked, contiguous_split(evoked, gap=8), progress=False)
    assert np.isfinite(fit.score().median("bits_per_spike"))


HOUR = """
    import resource, sys
    from pathlib import Path
    import h5py, numpy as np
    path = Path(sys.argv[1])
    n = 360_000
    with h5py.File(path, "w") as file:
        for name, bins in (("train", n), ("test", 6000)):
            group = file.create_group(name)
            data = group.create_dataset("stimulus", (bins, 50, 50), dtype="u1", chunks=(500, 50, 50))
            data[:500] = np.random.default_rng(0).integers(0, 255, (500, 50, 50), dtype=np.uint8)
            group["time"] = np.arange(bins) * 0.01
            group["response/binned"] = np.random.default_rng(1).poisson(0.05, (5, bins)).astype(float)
    import torch
    from neurornn.bridge import read_retina
    from neurornn.encoding import nips_cnn
    from neurornn.encoding.chunks import batch, chunks
    from neurornn.encoding.evoked import Moments
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    evoked = read_retina(path, blocks=6, skip=6000).train
    model = nips_cnn(5)
    moments = Moments.of(evoked, np.arange(300_000))
    cut = chunks(evoked, np.arange(300_000), model, length=500)
    for k in range(4):
        each = batch(evoked, cut, np.array([k, -1 - k]), model, moments)
        assert each.stimulus.shape == (2, 539, 50, 50)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print((after - before) / 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read as Linux counts it, in kB")
def test_an_hour_of_movie_is_never_read_whole(tmp_path: Path) -> None:
    """360,000 frames of 50 x 50: 3.6 GB as float32, 144 GB as windows; what is held is a few batches."""
    command = [sys.executable, "-c", textwrap.dedent(HOUR), str(tmp_path / "hour.h5")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 400.0, f"{done.stdout.strip()} MB more at the peak"
