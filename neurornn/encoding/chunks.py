"""Bins cut into chunks of one length: what a model is trained and read out on, window by window from the file."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Int

from neurornn import _check
from neurornn.encoding.base import AbstractEncodingModel, Batch
from neurornn.encoding.evoked import Evoked, Moments
from neurornn.errors import RecordingError


@dataclass(frozen=True, eq=False)
class Split:
    """Contiguous stretches of bins for training, for stopping, and for the score, with a gap between them.

    Args:
        train: places of bins. Shape `(row,)`.
        validation: those on which training is judged.
        test: those that nothing has seen.
        gap: bins left out on each side of a border.
    """

    train: Int[np.ndarray, " _train"]
    validation: Int[np.ndarray, " _validation"]
    test: Int[np.ndarray, " _test"]
    gap: int

    @property
    def methods(self) -> str:
        """How the bins were split."""
        return (
            f"Contiguous stretches: {len(self.train)} bins to train, {len(self.validation)} to stop and choose by, "
            f"{len(self.test)} to score, {self.gap} bins left out at each border."
        )


def contiguous_split(evoked: Evoked, *, validation: float = 0.1, test: float = 0.2, gap: int = 0) -> Split:
    """Split the bins in order of time: first to train, then to validate, last to test.

    Bins are never shuffled: windows of the past overlap, so that shuffled bins are tested on what they were trained on.

    Args:
        evoked: what to split.
        validation: share of the bins before the test.
        test: share of all bins; 0 where the test is a set of its own.
        gap: bins left out before validation and test, 0 or above. The length of the model's window is a good choice.

    Raises:
        ValueError: if nothing is left to train on.

    Example:
        >>> import numpy as np
        >>> from neurornn import Evoked, contiguous_split
        >>> split = contiguous_split(Evoked(np.zeros((100, 1)), np.ones((1, 100, 1)), dt=1.0), gap=5)
        >>> len(split.train), len(split.validation), len(split.test)
        (72, 3, 15)
    """
    owner = "contiguous_split"
    for name, value in (("validation", validation), ("test", test)):
        _check.fraction(owner, name, value)
    gap = _check.count(owner, "gap", gap, least=0)
    last = evoked.n_bins - round(evoked.n_bins * test)
    middle = last - round(last * validation)
    parts = (np.arange(middle), np.arange(middle + gap, last), np.arange(last + gap, evoked.n_bins))
    if len(parts[0]) == 0 or (validation and len(parts[1]) == 0) or (test and len(parts[2]) == 0):
        got = f"{len(parts[0])}, {len(parts[1])} and {len(parts[2])} bins"
        _check.fail(owner, "gap", "short enough to leave bins to every part", got, "Take a smaller gap or share.")
    return Split(*parts, gap)


@dataclass(frozen=True, eq=False)
class Chunks:
    """Stretches of `length` bins each, and which of their bins count.

    Args:
        first: the first bin of each chunk. Shape `(chunk,)`.
        counted: which bins count: asked for, in this chunk alone, and with all of their window. Shape
            `(chunk, length)`.
        length: bins of a chunk.
    """

    first: Int[np.ndarray, " chunk"]
    counted: Bool[np.ndarray, "chunk length"]
    length: int


def usable(evoked: Evoked, model: AbstractEncodingModel) -> Bool[np.ndarray, " bin"]:
    """Return which bins have their whole window: inside their block, without a NaN frame, with a known past."""
    edges = np.flatnonzero(np.diff(evoked.block)) + 1
    began = np.zeros(evoked.n_bins, dtype=np.int64)
    began[edges] = edges
    within = np.arange(evoked.n_bins) - np.maximum.accumulate(began)
    reach = max(model.lags + model.delay - 1, model.past)
    bad = np.concatenate([[0], np.cumsum(evoked.missing)])
    bins = np.arange(evoked.n_bins)
    stop = np.clip(bins - model.delay + 1, 0, evoked.n_bins)
    start = np.clip(stop - model.lags, 0, evoked.n_bins)
    seen = bad[stop] == bad[start]
    if model.past:
        gone = np.concatenate([[0], np.cumsum(np.isnan(evoked.counts).any(axis=(0, 2)))])
        seen &= gone[bins] == gone[np.clip(bins - model.past, 0, None)]
    return (within >= reach) & seen


def chunks(evoked: Evoked, rows: Int[np.ndarray, " row"], model: AbstractEncodingModel, *, length: int) -> Chunks:
    """Cut the bins `rows` into chunks of `length`, of which each counts once.

    Raises:
        RecordingError: if no bin of them has a whole window.
    """
    wanted = np.zeros(evoked.n_bins, dtype=bool)
    wanted[rows] = True
    wanted &= usable(evoked, model)
    if not wanted.any():
        must = f"longer than the window, {model.lags} frames and {model.past} bins of history"
        got = f"{len(rows)} bins, none with a whole window"
        _check.fail("chunks", "rows", must, got, "Take a shorter window or longer blocks.", error=RecordingError)
    length = min(length, evoked.n_bins)
    starts, counted, at = [], [], 0
    while True:
        left = np.flatnonzero(wanted[at:])
        if len(left) == 0:
            break
        begin = at + left[0]
        first = min(begin, evoked.n_bins - length)
        mask = wanted[first : first + length] & (np.arange(first, first + length) >= begin)
        same = evoked.block[first : first + length] == evoked.block[begin]
        starts.append(first)
        counted.append(mask & same)
        last = np.flatnonzero(mask & same)[-1]
        at = first + last + 1
    return Chunks(np.array(starts), np.stack(counted), length)


def batch(
    evoked: Evoked, cut: Chunks, which: Int[np.ndarray, " some"], model: AbstractEncodingModel, moments: Moments
) -> Batch:
    """Read the chunks `which`: the frames that their windows need, and no others.

    A recurrent model warms up on the bins before a chunk; where the block starts later than that, on a mean stimulus.
    A model with spike history gets one sample a repeat, any other one sample with the repeats summed.
    """
    parts = [_one(evoked, int(cut.first[k]), cut.length, model, moments) for k in which]
    stimulus = torch.from_numpy(np.stack([part[0] for part in parts]))
    past = torch.from_numpy(np.stack([part[1] for part in parts]))  # (sample, repeat, bin, unit)
    counts = np.stack([evoked.counts[:, cut.first[k] : cut.first[k] + cut.length] for k in which])
    known = np.isfinite(counts) & cut.counted[which][:, None, :, None]
    counts = np.where(known, counts, 0.0)
    n_repeats = counts.shape[1]
    if model.past == 0:
        counts, shown = counts.sum(axis=1), known.sum(axis=1)
        past = past[:, 0]
    else:
        counts, shown = counts.reshape(-1, *counts.shape[2:]), known.reshape(-1, *known.shape[2:])
        past = past.flatten(0, 1)
        stimulus = stimulus.repeat_interleave(n_repeats, dim=0)
    return Batch(stimulus, past, *(torch.from_numpy(part.astype(np.float32)) for part in (counts, shown)))


def _one(
    evoked: Evoked, first: int, length: int, model: AbstractEncodingModel, moments: Moments
) -> tuple[np.ndarray, np.ndarray]:
    """Return standardised frames `(warm + length + lags - 1, *shape)` and counts `(repeat, warm + length - 1 + past)`.

    Frames of another block or before the first bin are the mean stimulus; counts there are none.
    """
    begin = first - model.warm - model.lags + 1 - model.delay
    stop = first + length - model.delay
    block_start = int(np.searchsorted(evoked.block[: first + 1] == evoked.block[first], True))
    block_start = max(block_start, 0)
    have = max(begin, min(block_start, first))
    frames = moments.applied(np.asarray(evoked.stimulus[have : max(stop, have)], dtype=np.float32))
    frames = np.nan_to_num(frames, copy=False)  # bins that see a NaN frame do not count
    lead = np.zeros((have - begin, *evoked.shape), dtype=np.float32)
    frames = np.concatenate([lead, frames])[: stop - begin]
    from_bin = first - model.warm - model.past
    have = max(from_bin, min(block_start, first))
    until = first + length - (1 if model.past else 0)
    counts = np.nan_to_num(evoked.counts[:, have:until]).astype(np.float32)
    lead = np.zeros((len(counts), have - from_bin, evoked.n_units), dtype=np.float32)
    return frames, np.concatenate([lead, counts], axis=1)
