"""What is known without any network: where the animal was, how it moved, and what time it was, as regressors."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.interpolate import BSpline

from neurornn import _check
from neurornn.recording import Recording
from neurornn.statistics.movement import movement


def splines(values: Float[np.ndarray, " bin"], n: int, *, low: float, high: float) -> Float[np.ndarray, "bin spline"]:
    """Return `n` cubic B-splines, evenly spread over `[low, high]`, at the values; they add up to 1.

    Values outside are held at the border.

    Example:
        >>> import numpy as np
        >>> from neurornn.comparison import splines
        >>> splines(np.linspace(0, 1, 3), 6, low=0.0, high=1.0).sum(axis=1)
        array([1., 1., 1.])
    """
    n = _check.count("splines", "n", n, least=4)
    if not high > low:
        _check.fail("splines", "high", f"above low ({low:g})", high, "The values do not vary.")
    knots = np.concatenate([[low] * 3, np.linspace(low, high, n - 2), [high] * 3])
    return BSpline.design_matrix(np.clip(values, low, high), knots, 3).toarray()


@dataclass(frozen=True)
class Space:
    """Regressors of position x direction of movement, and of speed.

    One dimension: splines of the position, separately for the two directions. Two dimensions: products of splines along
    the two axes, and the sine and cosine of the heading. Both: splines of the speed. They follow any place field that
    is not much narrower than the track over `n_position`.

    Args:
        n_position: splines along a one-dimensional position.
        n_side: splines along each axis of a two-dimensional one.
        n_speed: splines of the speed, up to its 99th percentile.
    """

    n_position: int = 20
    n_side: int = 8
    n_speed: int = 5

    def __call__(
        self, position: Float[np.ndarray, "bin dimension"], velocity: Float[np.ndarray, "bin dimension"]
    ) -> Float[np.ndarray, "bin regressor"]:
        """Return the regressors; position in any unit, velocity in that unit/s.

        Raises:
            ValueError: if the position has neither one nor two dimensions.
        """
        speed = np.linalg.norm(velocity, axis=1)
        fast = float(np.quantile(speed, 0.99))
        parts = [splines(speed, self.n_speed, low=0.0, high=fast)] if fast > 0 else []
        along = [
            splines(x, self.n_position if position.shape[1] == 1 else self.n_side, low=x.min(), high=x.max())
            for x in position.T
        ]
        if len(along) == 1:
            forth = velocity[:, :1] > 0
            parts += [along[0] * forth, along[0] * ~forth]
        elif len(along) == 2:
            heading = velocity / np.maximum(speed, 1e-12)[:, None]
            parts += [(along[0][:, :, None] * along[1][:, None, :]).reshape(len(position), -1), heading]
        else:
            _check.fail("Space", "position", "of one or two dimensions", position)
        return np.concatenate(parts, axis=1)


@dataclass(frozen=True)
class Clock:
    """Regressors of time alone: slow cosines over the session, and splines of the time since the trial began.

    Args:
        n_session: cosines over the session, of 1/2, 1, 3/2 ... periods.
        n_trial: splines over the time within a trial, where there are several trials.
    """

    n_session: int = 10
    n_trial: int = 10

    def __call__(
        self, times: Float[np.ndarray, " bin"], since: Float[np.ndarray, " bin"], trial: Int[np.ndarray, " bin"]
    ) -> Float[np.ndarray, "bin regressor"]:
        """Return the regressors; `times` on the clock and `since` the start of the trial, ms."""
        phase = (times - times[0]) / max(times[-1] - times[0], 1e-12)
        parts = [np.cos(np.pi * phase[:, None] * np.arange(1, self.n_session + 1))]
        if len(np.unique(trial)) > 1 and np.ptp(since) > 0:
            parts.append(splines(since, self.n_trial, low=float(since.min()), high=float(since.max())))
        return np.concatenate(parts, axis=1)


@dataclass(frozen=True)
class Moving:
    """The bins in which the animal moved at least this fast: what `compare(where=...)` takes.

    Args:
        speed: threshold, in units of the position a second.
        position: name of the signal.

    Example:
        >>> from neurornn.comparison import Moving
        >>> Moving(20.0)
        Moving(speed=20.0, position='linear')
    """

    speed: float
    position: str = "linear"

    def __call__(self, brain: Recording, dt: float) -> Bool[np.ndarray, " bin"]:
        """Return one value for each bin of `brain.binned(dt)` (`dt` in ms)."""
        moving = movement(brain, position=self.position, dt=dt, min_speed=self.speed)
        return np.isin(brain.binned(dt).times, moving.binned.times)
