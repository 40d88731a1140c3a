"""Series of values that go on: what can be forecast. Any arrays of your own, or the signals of a recording."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from neurornn import _check
from neurornn._types import recorded
from neurornn.recording import Recording


class Samples(NamedTuple):
    """A stretch of a series.

    Args:
        values: in the series' own unit. Shape `(sample, channel)`.
        mean: of each channel over the part to learn from, whichever part this is. Shape `(channel,)`.
        sd: the standard deviation of each channel over that part. Shape `(channel,)`.
    """

    values: Float[np.ndarray, "sample channel"]
    mean: Float[np.ndarray, " channel"]
    sd: Float[np.ndarray, " channel"]

    @property
    def standard(self) -> Float[np.ndarray, "sample channel"]:
        """The values with mean 0 and standard deviation 1 over the part to learn from."""
        return (self.values - self.mean) / self.sd


class AbstractSeries(ABC):
    """A series of values at even distances: a part to learn from, and a part that is held out.

    Attributes:
        step: time between two samples, in the series' own unit of time.
        exponent: its largest Lyapunov exponent, per that unit; NaN where it is not known.
    """

    step: float

    @property
    def exponent(self) -> float:
        """The largest Lyapunov exponent, per unit of the series' own time; NaN where it is not known."""
        return float("nan")

    @property
    @abstractmethod
    def samples(self) -> Samples:
        """The samples of this part."""

    @property
    @abstractmethod
    def held_out(self) -> "AbstractSeries":
        """The same series, its part that training never sees."""

    @property
    def n_channels(self) -> int:
        """Number of values of a sample."""
        return self.samples.values.shape[1]


class Series(AbstractSeries):
    """A series of your own, cut once: what comes last is held out, as one block.

    Neighbouring samples are alike, so that samples drawn here and there would be known from their neighbours.

    Args:
        values: the samples, in time. Shape `(sample, channel)`.
        step: time between two of them, in a unit of your own.
        held: fraction at the end that is held out.
        exponent: the largest Lyapunov exponent, per unit of that time, where it is known.
        name: what the series is called.
        part: which of the two this is: "train" or "test".

    Raises:
        ValueError: if values are missing or a channel is constant, or a part has fewer than 2 samples.

    Example:
        >>> import numpy as np
        >>> from neurornn.task import Series
        >>> series = Series(np.arange(100.0)[:, None], step=2.0, held=0.25)
        >>> len(series.samples.values), len(series.held_out.samples.values)
        (75, 25)
    """

    @recorded
    def __init__(
        self,
        values: np.ndarray,
        *,
        step: float = 1.0,
        held: float = 0.25,
        exponent: float = float("nan"),
        name: str = "series",
        part: str = "train",
    ) -> None:
        self.step = _check.positive("Series", "step", step)
        _check.fraction("Series", "held", held)
        if np.ndim(values) != 2:
            _check.fail("Series", "values", "of shape (sample, channel)", np.asarray(values), "One column a channel.")
        values = _check.finite("Series", "values", values, "Leave out what is missing.")
        n_train = len(values) - round(held * len(values))
        if min(n_train, len(values) - n_train) < 2:
            _check.fail("Series", "held", "such that both parts have 2 samples or more", held, "Try 0.25.")
        if part not in ("train", "test"):
            _check.fail("Series", "part", "train or test", part)
        mean, sd = values[:n_train].mean(axis=0), values[:n_train].std(axis=0)
        if not np.all(sd > 0):
            fix = "A constant needs no forecast: leave it out."
            _check.fail("Series", "values", "varying in every channel", f"channel {int(sd.argmin())}", fix)
        self._all, self._exponent = values, exponent
        self._samples = Samples(values[:n_train] if part == "train" else values[n_train:], mean, sd)
        # What a fit is told of it: never the values.
        self.settings: dict[str, Any] = {"name": name, "part": part, "step": step, "held": held}

    @classmethod
    def from_recording(
        cls, recording: Recording, *, units: Sequence[str] = (), held: float = 0.25, part: str = "train"
    ) -> "Series":
        """Return the activity of a recording as a series whose unit of time is a second.

        Args:
            recording: with activity that was sampled without a gap.
            units: ids of the units that are taken; all where empty.
            held: fraction at the end that is held out.
            part: which part this is.

        Raises:
            ValueError: if the recording has only spikes, or a unit is not in it.
        """
        owner = "Series.from_recording"
        if recording.activity is None or recording.dt is None:
            fix = "Bin its spikes first: Series(recording.binned(100.0).values, step=0.1)."
            _check.fail(owner, "recording", "one with sampled activity", "spikes alone", fix)
        known = [str(one) for one in recording.units.index]
        for one in units:
            if one not in known:
                _check.fail(owner, "units", "units of the recording", one, _check.near(one, known))
        columns = [known.index(one) for one in units] if units else slice(None)
        name = str(recording.source.get("name", "recording"))
        return cls(recording.activity[:, columns], step=recording.dt / 1000.0, held=held, name=name, part=part)

    @property
    def exponent(self) -> float:
        return self._exponent

    @property
    def samples(self) -> Samples:
        return self._samples

    @property
    def held_out(self) -> "Series":
        told = {**self.settings, "part": "test"}
        return Series(self._all, exponent=self._exponent, **told)
