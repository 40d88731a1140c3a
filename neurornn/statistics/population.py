"""How each unit goes with the population: the rate of all others around its spikes, and its coupling to them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from neurornn import _check
from neurornn.errors import RecordingError
from neurornn.recording import Recording
from neurornn.statistics.correlogram import ordered_spikes


@dataclass(frozen=True, eq=False)
class PopulationCoupling:
    """Spike-triggered population rates and population coupling.

    Args:
        rates: summed rate of all other units around a unit's spikes, above its mean over time. Shape `(unit, lag)`, Hz.
        lags: ms. Shape `(lag,)`.
        shifted: the same at lag 0 for each unit's spikes moved in time by itself. Shape `(unit,)`, Hz.
        units: ids.
        n_spikes: spikes that were used. Shape `(unit,)`.
        methods: how this was made.
        references: DOIs.
    """

    rates: Float[np.ndarray, "unit lag"]
    lags: Float[np.ndarray, " lag"]
    shifted: Float[np.ndarray, " unit"]
    units: tuple[object, ...]
    n_spikes: np.ndarray
    methods: str
    references: tuple[str, ...] = ("10.1038/nature14273",)

    @property
    def coupling(self) -> Float[np.ndarray, " unit"]:
        """Rate of the others at the moment of a spike, above its mean, Hz."""
        return self.rates[:, len(self.lags) // 2]

    def frame(self) -> pd.DataFrame:
        """Return one row a unit: `coupling` (Hz), that of shifted spikes, and `n_spikes`."""
        table = {"coupling": self.coupling, "shifted": self.shifted, "n_spikes": self.n_spikes}
        return pd.DataFrame(table, index=pd.Index(self.units, name="unit"))


def population_coupling(
    recording: Recording, *, dt: float = 1.0, max_lag: float = 100.0, sigma: float = 12.0, seed: int = 0
) -> PopulationCoupling:
    r"""Return the spike-triggered population rate of every unit, and its value at lag 0, the population coupling.

    $$ \mathrm{stPR}_i(\tau) = \frac{1}{n_i}\sum_{s} \sum_{j \ne i} \big(f_j(t_s + \tau) - \langle f_j \rangle\big) $$

    over the spikes $s$ of unit $i$ whose lags lie within their trial (trials of two lags or less do not count), with
    $f_j$ smoothed by a Gaussian of SD `sigma` (ms). It grows with the number and the rates of the *other* units:
    compare networks and animals at matched numbers and rates (`in_silico`).

    Args:
        recording: of spikes.
        dt: bin width, ms.
        max_lag: the longest lag, ms.
        sigma: of the smoothing, ms; none where 0.
        seed: of the shifts of the null.

    Raises:
        RecordingError: if there are no spikes, or fewer than two units.

    Example:
        >>> import numpy as np
        >>> from neurornn import Recording
        >>> from neurornn.statistics import population_coupling
        >>> rng = np.random.default_rng(0)
        >>> events = np.sort(rng.uniform(500.0, 9_500.0, 60))
        >>> alone = np.sort(rng.uniform(500.0, 9_500.0, 60))
        >>> found = population_coupling(Recording(0.0, 10_000.0, spikes=[events, events + 1.0, alone]))
        >>> bool(found.coupling[0] > 10 > abs(found.coupling[2]))
        True

    References:
        Okun et al. (2015), Nature 521:511, doi:10.1038/nature14273.
    """
    owner = "population_coupling"
    if recording.spikes is None:
        fix = "Turn activity into spikes with neurornn.statistics.observe."
        _check.fail(owner, "recording", "of spikes", "sampled activity", fix, error=RecordingError)
    if recording.n_units < 2:
        _check.fail(owner, "recording", "of two units or more", recording.n_units, error=RecordingError)
    _check.not_negative(owner, "sigma", sigma)
    dt = _check.positive(owner, "dt", dt)
    n_lags = int(_check.positive(owner, "max_lag", max_lag) / dt + 1e-9)
    bins, unit, lengths, starts = ordered_spikes(recording, dt, n_lags)
    pieces = [(int(a), int(a + n)) for a, n in zip(starts, lengths, strict=True) if n > 2 * n_lags]
    if not pieces:
        must = f"below half of the longest trial, {lengths.max() * dt:g} ms"
        _check.fail(owner, "max_lag", must, max_lag, "Take shorter lags, or the whole recording as one trial.")
    total = np.bincount(bins, minlength=int(starts[-1] + lengths[-1]))
    kernel = _gaussian(sigma / dt)
    reach = len(kernel) // 2
    # The sum of a smoothed rate is that of the counts, each weighted by how much of its kernel lies inside.
    whole = [np.convolve(np.ones(b - a), kernel) for a, b in pieces]
    n_units, rng, hz = recording.n_units, np.random.default_rng(seed), 1000.0 / dt
    rates, shifted = np.full((n_units, 2 * n_lags + 1), np.nan), np.full(n_units, np.nan)
    n_spikes = np.zeros(n_units, dtype=np.int64)
    for k in range(n_units):
        own = np.bincount(bins[unit == k], minlength=len(total))
        moved = _rotated(own, pieces, rng)
        sums, null, m, mean = np.zeros(2 * (n_lags + reach) + 1), 0.0, 0, 0.0
        for (a, b), inside in zip(pieces, whole, strict=True):
            others = np.pad((total[a:b] - own[a:b]).astype(float), reach, mode="edge")
            mean += float(others @ inside) / sum(b - a for a, b in pieces)
            weights, null_weights = own[a + n_lags : b - n_lags], moved[a + n_lags : b - n_lags]
            windows = np.lib.stride_tricks.sliding_window_view(others, len(sums))
            near = np.lib.stride_tricks.sliding_window_view(others[n_lags : len(others) - n_lags], len(kernel))
            at, null_at = np.flatnonzero(weights), np.flatnonzero(null_weights)
            sums += weights[at] @ windows[at]
            null += float(null_weights[null_at] @ near[null_at] @ kernel)
            n_spikes[k] += int(weights.sum())
            m += int(null_weights.sum())
        if n_spikes[k] > 0:
            rates[k] = hz * (np.convolve(sums, kernel, mode="valid") / n_spikes[k] - mean)
        if m > 0:
            shifted[k] = hz * (null / m - mean)
    methods = (
        f"Rate of all other units around the spikes of each, above its mean, in {dt:g} ms bins, smoothed by a Gaussian "
        f"of {sigma:g} ms, lags of up to {n_lags * dt:g} ms within trials; coupling: at lag 0; null: spikes of each "
        "unit rotated in time."
    )
    lags = np.arange(-n_lags, n_lags + 1) * dt
    return PopulationCoupling(rates, lags, shifted, tuple(recording.units.index), n_spikes, methods)


def _gaussian(width: float) -> Float[np.ndarray, " tap"]:
    """Return the taps of a Gaussian of this standard deviation, cut at four of them; one tap where it is 0."""
    if width == 0:
        return np.ones(1)
    radius = int(4.0 * width + 0.5)
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / width) ** 2)
    return taps / taps.sum()


def _rotated(own: np.ndarray, pieces: list[tuple[int, int]], rng: np.random.Generator) -> np.ndarray:
    """Return a unit's counts, rotated within each trial by a share of its length of its own."""
    moved, share = own.copy(), rng.uniform(0.1, 0.9)
    for a, b in pieces:
        moved[a:b] = np.roll(own[a:b], int(share * (b - a)))
    return moved
