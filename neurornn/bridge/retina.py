"""Retinal recordings in the published HDF5 layout: movies that stay in the file, cells named from 1."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from neurornn import _check
from neurornn.encoding.evoked import Evoked
from neurornn.errors import RecordingError

OWNER = "read_retina"
SIGMA = 10.0
"""Standard deviation of the Gaussian that the layout's `firing_rate_10ms` is smoothed with, ms."""


@dataclass(frozen=True, eq=False)
class RetinaSession:
    """One stimulus class of one retina: a long stimulus shown once, and a short one shown again and again.

    Args:
        train: the long stimulus, one repeat.
        test: the short one, with its repeats.
        train_truth: true rates, for a simulated retina. Shape `(bin, unit)`, Hz.
        test_truth: the same for the test.
    """

    train: Evoked
    test: Evoked
    train_truth: Float[np.ndarray, "_train unit"] | None = None
    test_truth: Float[np.ndarray, "_test unit"] | None = None


@dataclass(frozen=True)
class FileFrames:
    """The frames of a dataset in an HDF5 file, read as they are asked for.

    Args:
        path: the file.
        key: the dataset, of shape `(frame, height, width)`.
        shape: of the dataset.
    """

    path: Path
    key: str
    shape: tuple[int, ...]

    def __getitem__(self, which: slice) -> np.ndarray:
        """Return some frames."""
        import h5py

        with h5py.File(self.path, "r") as file:
            frames: Any = file[self.key]
            return np.asarray(frames[which])

    def __len__(self) -> int:
        return self.shape[0]


def read_retina(
    path: str | Path,
    *,
    cells: tuple[int, ...] = (),
    dt: float = 10.0,
    skip: int = 0,
    blocks: int = 1,
) -> RetinaSession:
    """Read one stimulus class of a retina: `whitenoise.h5`, `naturalscene.h5` ...

    The published layout: `train` and `test`, each with `stimulus` (frame, height, width), `time` (frame,) in s and
    `response/binned` (cell, frame); `test/repeats/cell01` (repeat, frame), or in newer files
    `test/repeats/binned` (repeat, cell, frame). Cells are named from 1 and numbered from 0; they are sorted by number,
    not by name. Repeats of unequal length are filled with NaN. The stimulus stays in the file.

    Args:
        path: the file.
        cells: which cells, numbered from 0; all where empty.
        dt: bin width, ms.
        skip: frames at the start of each training block that do not count, while the retina adapts.
        blocks: equal training blocks, where `time` does not show them as gaps. Windows never reach across a border.

    Raises:
        RecordingError: if a part is missing, parts differ in length, or the clock is not one of `dt`.

    References:
        Maheswaranathan et al. (2023), doi:10.1016/j.neuron.2023.06.007.
    """
    import h5py

    path = Path(path)
    try:
        with h5py.File(path, "r") as file:
            train = _part(file, path, "train", cells, dt)
            test = _part(file, path, "test", cells, dt)
    except (OSError, KeyError) as error:
        message = f"{OWNER}: `{path.name}` must be an HDF5 file of the published layout; got {error}. Fetch it again."
        raise RecordingError(message) from error
    block = train.block if train.block.max(initial=0) > 0 else np.arange(train.n_bins) * blocks // max(train.n_bins, 1)
    counts = train.counts.copy()
    if skip:
        first = np.flatnonzero(np.append(True, np.diff(block) > 0))
        for start in first:
            counts[:, start : start + skip] = np.nan
    train = Evoked(train.stimulus, counts, dt, block=block, units=train.units, source=train.source)
    return RetinaSession(train, test)


def write_retina(session: RetinaSession, path: str | Path) -> Path:
    """Write a session in the published layout, whole or not at all.

    Args:
        session: what to write; NaN counts (not shown) become 0 in `binned`, which the layout has no word for, and end
            the repeat in `repeats` where they are its tail.
        path: where.
    """
    import h5py

    path = Path(path)
    half = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with h5py.File(half, "w") as file:
            for name, one in (("train", session.train), ("test", session.test)):
                group = file.create_group(name)
                data = group.create_dataset("stimulus", (one.n_bins, *one.shape), dtype="f4", chunks=True)
                for first, piece in one.pieces():
                    data[first : first + len(piece)] = piece
                seconds = one.dt / 1000.0
                group["time"] = np.arange(one.n_bins) * seconds
                mean = np.nan_to_num(one.mean_counts).T
                group["response/binned"] = np.nan_to_num(one.counts[0]).T if len(one.counts) == 1 else mean
                group["response/firing_rate_10ms"] = smoothed_rate(mean, one.dt)
                for k, unit in enumerate(one.units):
                    key = f"cell{k + 1:02d}"
                    if name == "test":
                        group[f"repeats/{key}"] = np.nan_to_num(one.counts[:, :, k])
                    else:
                        bins = np.flatnonzero(np.nan_to_num(one.counts[0, :, k]))
                        times = np.repeat((bins + 0.5) * seconds, one.counts[0, bins, k].astype(int))
                        file[f"spikes/{key}"] = times
                        file[f"spikes/{key}"].attrs["unit"] = str(unit)
        os.replace(half, path)
    finally:
        half.unlink(missing_ok=True)
    return path


def smoothed_rate(counts: Float[np.ndarray, "cell bin"], dt: float) -> Float[np.ndarray, "cell bin"]:
    """Return counts as the layout's firing rates: a Gaussian of 10 ms, cut at 5 of its deviations, in Hz.

    These are rates, not counts: a Poisson loss on them is a pseudo-likelihood, so that models are fitted to counts.
    """
    reach = int(5 * SIGMA / dt)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * dt / SIGMA) ** 2)
    kernel /= kernel.sum()
    return np.stack([np.convolve(one, kernel, mode="same") for one in counts]) / (dt / 1000.0)


def _part(file: Any, path: Path, name: str, cells: tuple[int, ...], dt: float) -> Evoked:
    group = file[name]
    stimulus = group["stimulus"]
    times = np.asarray(group["time"], dtype=float) * 1000.0
    if len(times) != stimulus.shape[0]:
        got = f"{len(times)} times for {stimulus.shape[0]} frames"
        _check.fail(OWNER, f"{name}/time", "one for each frame", got, error=RecordingError)
    steps = np.diff(times)
    if len(steps) and (np.any(steps <= 0) or abs(float(np.median(steps)) - dt) > 0.1 * dt):
        got, fix = f"steps of {float(np.median(steps)):g} ms", "Give the right `dt`, or check the file's clock."
        _check.fail(OWNER, f"{name}/time", f"a clock of {dt:g} ms", got, fix, error=RecordingError)
    block = np.concatenate([[0], np.cumsum(steps > 1.5 * dt)]).astype(np.int64)
    repeats = group["repeats"] if name == "test" and "repeats" in group else None
    counts = _repeats(repeats, stimulus.shape[0]) if repeats is not None else None
    if counts is None:
        counts = np.asarray(group["response/binned"], dtype=float).T[None]
    if counts.shape[1] != stimulus.shape[0]:
        got = f"{counts.shape[1]} bins for {stimulus.shape[0]} frames"
        _check.fail(OWNER, f"{name}/response", "one bin for each frame", got, error=RecordingError)
    whole = counts[np.isfinite(counts)]
    if np.any(np.abs(whole - np.rint(whole)) > 1e-6):
        fix = "Rates in Hz have no Poisson likelihood: fit to `binned`."
        _check.fail(OWNER, f"{name}/response", "whole numbers of spikes", "fractions", fix, error=RecordingError)
    n_cells = counts.shape[2]
    chosen = cells if cells else tuple(range(n_cells))
    if max(chosen) >= n_cells:
        fix = "Cells are numbered from 0 here, and named from 1 in the file."
        _check.fail(OWNER, "cells", f"from 0 to {n_cells - 1}", max(chosen), fix, error=RecordingError)
    units = pd.Index([f"cell{k + 1:02d}" for k in chosen])
    frames = FileFrames(path, f"{name}/stimulus", tuple(stimulus.shape))
    source: dict[str, object] = {"name": f"{path.parent.name}/{path.stem}, {name}", "file": path.name}
    return Evoked(frames, counts[:, :, list(chosen)], dt, block=block, units=units, source=source)


def _repeats(group: Any, n_bins: int) -> np.ndarray | None:
    """Return counts `(repeat, bin, cell)`, repeats that end early filled with NaN; `None` where there are none."""
    named = sorted((key for key in group if re.fullmatch(r"cell\d+", key)), key=lambda key: int(key[4:]))
    if named:
        parts = [np.asarray(group[key], dtype=float) for key in named]
        found = np.full((max(len(part) for part in parts), n_bins, len(parts)), np.nan)
        for k, part in enumerate(parts):
            if part.shape[1] > n_bins:
                got = f"{part.shape[1]} bins for {n_bins} frames"
                _check.fail(OWNER, f"test/repeats/{named[k]}", "at most one bin a frame", got, error=RecordingError)
            found[: len(part), : part.shape[1], k] = part
        return found
    if "binned" in group:
        return np.asarray(group["binned"], dtype=float).transpose(0, 2, 1)
    return None


def read_open_retina(responses: str | Path, stimulus: np.ndarray | str | Path, *, name: str, dt: float) -> Evoked:
    """Read one session of open-retina's layout: an HDF5 file with `responses_NAME`, and a stimulus beside it.

    Args:
        responses: the file: `responses_NAME` of shape `(neuron, time)`, or `(repeat, neuron, time)`.
        stimulus: an array, or a `.npy` file that is mapped and not read, of shape `(channel, time, height, width)`.
        name: of the stimulus.
        dt: bin width, ms.

    Raises:
        RecordingError: if a part is missing, the stimulus has several channels, or lengths differ.
    """
    import h5py

    owner = "read_open_retina"
    path = Path(responses)
    key = f"responses_{name}"
    with h5py.File(path, "r") as file:
        if key not in file:
            fix = _check.near(key, list(file))
            _check.fail(owner, "name", "one of the file's stimuli", name, fix, error=RecordingError)
        values = np.asarray(file[key], dtype=float)
    movie = np.load(stimulus, mmap_mode="r") if not isinstance(stimulus, np.ndarray) else stimulus
    if movie.ndim != 4 or movie.shape[0] != 1:
        must = "of shape (1, time, height, width)"
        fix = "Choose one colour channel."
        _check.fail(owner, "stimulus", must, movie, fix, error=RecordingError)
    counts = (values[None] if values.ndim == 2 else values).transpose(0, 2, 1)
    return Evoked(movie[0], counts, dt, source={"name": f"{path.stem}, {name}"})
