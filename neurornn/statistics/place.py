"""Rate maps: mean activity at each position, for spikes and for sampled activity alike."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from scipy.ndimage import gaussian_filter
from scipy.sparse import csr_array

from neurornn import _check
from neurornn.recording import Recording
from neurornn.statistics.movement import Movement, movement
from neurornn.statistics.nonnegative import AbstractNonNegative, Rectify


@dataclass(frozen=True)
class PlaceBins:
    """How position is read, cut into bins and smoothed: one object, so that model and brain get the same.

    Args:
        position: name of the position signal.
        bins: how many bins along each axis of the position.
        extent: `(low, high)` of each axis; the range of the analysed positions where empty. Give it to compare maps of
            two recordings.
        smoothing: standard deviation of the Gaussian on summed activity and on occupancy, each by itself, in bins.
        dt: bin width in time, ms.
        min_speed: slower bins are left out, position units/s.
        smooth: standard deviation of the Gaussian on the position signal, ms.
        min_occupancy: bins visited for less are NaN in the maps, ms.
        rule: what is done with activity below 0 (spike counts are never below 0).

    Example:
        >>> from neurornn.statistics import PlaceBins
        >>> PlaceBins(bins=30, min_speed=20.0).smoothing
        1.5
    """

    position: str = "linear"
    bins: int | tuple[int, ...] = 30
    extent: tuple[tuple[float, float], ...] = ()
    smoothing: float = 1.5
    dt: float = 250.0
    min_speed: float = 0.0
    smooth: float = 250.0
    min_occupancy: float = 250.0
    rule: AbstractNonNegative = field(default_factory=Rectify)

    def __post_init__(self) -> None:
        for n in self.bins if isinstance(self.bins, tuple) else (self.bins,):
            _check.count("PlaceBins", "bins", n, least=2)
        for low, high in self.extent:
            if not high > low:
                _check.fail("PlaceBins", "extent", "`(low, high)` of each axis", (low, high))
        _check.not_negative("PlaceBins", "smoothing", self.smoothing, "It is in bins.")
        _check.not_negative("PlaceBins", "min_occupancy", self.min_occupancy, "It is in ms.")

    def movement(self, recording: Recording) -> Movement:
        """Return the bins of `recording` that count, with the position in each."""
        return movement(recording, position=self.position, dt=self.dt, min_speed=self.min_speed, smooth=self.smooth)

    def edges(self, position: Float[np.ndarray, "bin dimension"]) -> tuple[np.ndarray, ...]:
        """Return the bin edges along each axis.

        Raises:
            ValueError: if `bins` or `extent` name another number of axes, or the position never changes.
        """
        n_axes = position.shape[1]
        bins = self.bins if isinstance(self.bins, tuple) else (self.bins,) * n_axes
        extent = self.extent or tuple(zip(position.min(axis=0), position.max(axis=0), strict=True))
        for name, value in (("bins", bins), ("extent", extent)):
            if len(value) != n_axes:
                _check.fail("PlaceBins", name, f"given for each of {n_axes} axes of the position", value)
        for low, high in extent:
            if not high > low:
                _check.fail("PlaceBins", "position", "different somewhere", f"{low:g} throughout", "Was it tracked?")
        return tuple(np.linspace(low, high, n + 1) for (low, high), n in zip(extent, bins, strict=True))

    @property
    def text(self) -> str:
        """How position is read, for a methods section."""
        bins = "x".join(map(str, self.bins)) if isinstance(self.bins, tuple) else str(self.bins)
        speed = f", speed >= {self.min_speed:g} position units/s" if self.min_speed else ""
        return (
            f"{self.dt:g} ms bins{speed}; position smoothed with a Gaussian of {self.smooth:g} ms, in {bins} bins; "
            f"summed activity and occupancy each smoothed with a Gaussian of {self.smoothing:g} bins; bins visited for "
            f"less than {self.min_occupancy:g} ms left out; sampled activity {self.rule.text}."
        )


def place_code(position: Float[np.ndarray, "bin dimension"], edges: tuple[np.ndarray, ...]) -> Int[np.ndarray, " bin"]:
    """Return the flat index of the place bin of each position, -1 outside the edges; the last edge is inside."""
    shape = tuple(len(edge) - 1 for edge in edges)
    steps = [np.searchsorted(edge, x, side="right") - 1 for edge, x in zip(edges, position.T, strict=True)]
    steps = [np.where(x == edge[-1], n - 1, i) for i, x, edge, n in zip(steps, position.T, edges, shape, strict=True)]
    inside = np.all([(i >= 0) & (i < n) for i, n in zip(steps, shape, strict=True)], axis=0)
    flat = np.ravel_multi_index([np.where(inside, i, 0) for i in steps], shape)
    return np.where(inside, flat, -1).astype(np.int64)


def tally(
    code: Int[np.ndarray, " bin"], values: Float[np.ndarray, "bin unit"], n_codes: int
) -> Float[np.ndarray, "unit code"]:
    """Return the sum of `values` over the bins of each code; codes below 0 count nowhere."""
    keep = np.flatnonzero(code >= 0)
    chosen = csr_array((np.ones(len(keep)), (code[keep], keep)), shape=(n_codes, len(code)))
    return np.ascontiguousarray((chosen @ values).T)


def smoothed_ratio(
    total: Float[np.ndarray, "*rows"], occupancy: Float[np.ndarray, "*rows"], n_axes: int, smoothing: float
) -> Float[np.ndarray, "*rows"]:
    """Return smoothed `total` over smoothed `occupancy` along the last `n_axes` axes; NaN where nothing is near."""
    if smoothing > 0:
        sigma = (0.0,) * (total.ndim - n_axes) + (smoothing,) * n_axes
        total = gaussian_filter(total, sigma, mode="constant")
        occupancy = gaussian_filter(occupancy, sigma, mode="constant")
    return np.divide(total, occupancy, out=np.full(total.shape, np.nan), where=occupancy > 1e-12)


@dataclass(frozen=True, eq=False)
class RateMaps:
    """Mean activity of every unit at every position.

    Args:
        maps: Hz for spikes, activity otherwise; NaN where the bin was visited too briefly. Shape `(unit, *bins)`.
        occupancy: time spent in each bin, unsmoothed. Shape `(*bins)`, ms.
        edges: bin edges along each axis, in `unit`.
        units: ids of the units.
        unit: unit of measure of the position.
        rate_unit: "Hz" for spikes, the recording's own unit otherwise.
        direction: the direction of running: +1, -1, or 0 for both.
        methods: how this was made.
        references: DOIs.
    """

    maps: Float[np.ndarray, "unit *bins"]
    occupancy: Float[np.ndarray, "*bins"]
    edges: tuple[np.ndarray, ...]
    units: pd.Index
    unit: str
    rate_unit: str
    direction: int
    methods: str
    references: tuple[str, ...] = ("10.1016/0006-8993(71)90358-1",)

    @property
    def centres(self) -> tuple[np.ndarray, ...]:
        """Centres of the bins along each axis."""
        return tuple((edge[1:] + edge[:-1]) / 2 for edge in self.edges)

    def frame(self) -> pd.DataFrame:
        """Return one row for each unit and bin: position (x, y ...), rate and occupancy (ms)."""
        mesh = np.meshgrid(*self.centres, indexing="ij")
        n_units, n_bins = len(self.maps), self.occupancy.size
        columns = {name: np.tile(axis.ravel(), n_units) for name, axis in zip("xyzuvw", mesh, strict=False)}
        table = {"unit": np.repeat(self.units.to_numpy(), n_bins), **columns, "rate": self.maps.reshape(-1)}
        return pd.DataFrame({**table, "occupancy": np.tile(self.occupancy.ravel(), n_units)})


def rate_maps(recording: Recording, place: PlaceBins | None = None, *, direction: int = 0) -> RateMaps:
    r"""Return the mean activity of every unit at every position.

    $$ r_i = \frac{G * \sum_{t \in i} a_t}{G * T_i} $$

    with $T_i$ the time spent in bin $i$ and $G$ a Gaussian, on numerator and denominator separately.

    Args:
        recording: spikes (then Hz) or sampled activity (then its own unit), with a position signal.
        place: how position is read and cut; `PlaceBins()` where absent.
        direction: +1 or -1 for the runs towards larger or smaller positions only; 0 for all.

    Example:
        >>> import numpy as np
        >>> from neurornn import Recording, Signal
        >>> from neurornn.statistics import PlaceBins, rate_maps
        >>> times = np.arange(0.0, 100_000.0, 100.0)
        >>> x = 50 - 50 * np.cos(times / 5_000 * np.pi)
        >>> activity = (x[:, None] > 50) * 2.0
        >>> signal = Signal(times + 50.0, x[:, None], unit="cm")
        >>> session = Recording(0.0, 100_000.0, activity=activity, dt=100.0, behaviour={"linear": signal})
        >>> rate_maps(session, PlaceBins(bins=4, smoothing=0.0, dt=100.0, smooth=0.0)).maps.round(1)
        array([[0., 0., 2., 2.]])

    References:
        O'Keefe & Dostrovsky (1971), Brain Res. 34:171, doi:10.1016/0006-8993(71)90358-1.
    """
    place = PlaceBins() if place is None else place
    if direction not in (-1, 0, 1):
        _check.fail("rate_maps", "direction", "+1, -1 or 0 (both)", direction)
    move = place.movement(recording)
    edges = place.edges(move.position)
    if direction:
        move = move.where(move.direction == direction)
    values = rates_of(move, place)
    code = place_code(move.position, edges)
    shape = tuple(len(edge) - 1 for edge in edges)
    maps, _ = mapped(code, values, shape, place)
    occupancy = np.bincount(code[code >= 0], minlength=int(np.prod(shape))).reshape(shape) * place.dt
    which = {0: "", 1: " Runs towards larger positions only.", -1: " Runs towards smaller positions only."}[direction]
    unit = "Hz" if move.binned.counts else recording.unit
    return RateMaps(
        maps, occupancy, edges, recording.units.index, move.unit, unit, direction, f"Rate maps: {place.text}{which}"
    )


def mapped(
    code: Int[np.ndarray, " bin"], values: Float[np.ndarray, "bin unit"], shape: tuple[int, ...], place: PlaceBins
) -> tuple[Float[np.ndarray, "unit *bins"], Float[np.ndarray, "unit *bins"]]:
    """Return the smoothed map of every unit, NaN where visited too briefly, and how many bins of time each place has.

    Args:
        code: flat index of the place in each bin of time, -1 for none. It may run over several sheets of places, the
            first axis of `shape`, which are not smoothed into each other.
        values: activity in each bin of time.
        shape: of the places; one axis more than the position has, where there are several sheets.
        place: how maps are smoothed, and what is too brief.
    """
    n_axes = len(place.extent) or len(shape)
    total, seen = (part.reshape(-1, *shape) for part in tallies(code, values, int(np.prod(shape))))
    maps = smoothed_ratio(total, seen, n_axes, place.smoothing)
    return np.where(seen * place.dt >= max(place.min_occupancy, 1e-9), maps, np.nan), seen


def rates_of(move: Movement, place: PlaceBins) -> Float[np.ndarray, "bin unit"]:
    """Return rates (Hz) of spikes, or activity after the rule for what lies below 0; NaN where not recorded."""
    return move.binned.rates if move.binned.counts else place.rule(move.binned.rates)


def tallies(
    code: Int[np.ndarray, " bin"], values: Float[np.ndarray, "bin unit"], n_codes: int
) -> tuple[Float[np.ndarray, "unit code"], Float[np.ndarray, "unit code"]]:
    """Return the summed values and the number of recorded bins, for each unit and code."""
    known = np.isfinite(values)
    if known.all():
        seen = np.bincount(code[code >= 0], minlength=n_codes).astype(float)
        return tally(code, values, n_codes), np.broadcast_to(seen, (values.shape[1], n_codes)).copy()
    return tally(code, np.where(known, values, 0.0), n_codes), tally(code, known.astype(float), n_codes)
