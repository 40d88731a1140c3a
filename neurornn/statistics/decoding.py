"""Where the animal was, read from its spikes: a Bayesian decoder with a uniform prior."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from neurornn import _check
from neurornn.recording import Recording
from neurornn.statistics.encoding import RateHistogram, chosen, rate_histogram
from neurornn.statistics.folds import Folds, blocked_folds
from neurornn.statistics.movement import Movement
from neurornn.statistics.place import PlaceBins, place_code


def posterior(
    counts: Float[np.ndarray, "bin unit"], model: RateHistogram, *, dt: float
) -> Float[np.ndarray, "bin place"]:
    r"""Return the probability of each place given the counts in a bin, from independent Poisson units.

    $$ p(x \mid n) \propto \sum_d \prod_u \lambda_u(x,d)^{n_u} e^{-\lambda_u(x,d)}, \qquad \lambda = r\,dt $$

    with a uniform prior over places and directions; the directions are summed out.

    Args:
        counts: spike counts; units that are NaN in a bin are left out of it. Shape `(bin, unit)`.
        model: rates by place and direction, Hz.
        dt: bin width, ms.

    References:
        Zhang et al. (1998), J. Neurophysiol. 79:1017, doi:10.1152/jn.1998.79.2.1017.
    """
    seconds = _check.positive("posterior", "dt", dt) / 1000.0
    known = np.isfinite(counts)
    expected = (model.rates * seconds).reshape(len(model.rates), -1)  # (unit, direction * place)
    log = np.where(known, counts, 0.0) @ np.log(expected) - known.astype(float) @ expected
    log = np.exp(log - log.max(axis=1, keepdims=True))
    both = log.reshape(len(counts), *model.rates.shape[1:]).sum(axis=1)
    return both / both.sum(axis=1, keepdims=True)


@dataclass(frozen=True, eq=False)
class Decoding:
    """Decoded positions beside the true ones, in bins held out.

    Args:
        position: where the animal was. Shape `(bin, dimension)`, in `unit`.
        decoded: the most probable place. Shape `(bin, dimension)`.
        error: distance of the two. Shape `(bin,)`.
        times: bin centres. Shape `(bin,)`, ms.
        chance: median error of each shuffle (decoded positions against true ones of other bins). Shape `(shuffle,)`.
        confusion: share of the bins at a true place (row) decoded as each place; NaN rows where it never was.
        track: length of the range of positions (its diagonal for more axes than one).
        unit: unit of measure of the position.
        folds: how the bins were split.
        methods: how this was made.
        references: DOIs.
    """

    position: Float[np.ndarray, "bin dimension"]
    decoded: Float[np.ndarray, "bin dimension"]
    error: Float[np.ndarray, " bin"]
    times: Float[np.ndarray, " bin"]
    chance: Float[np.ndarray, " shuffle"]
    confusion: Float[np.ndarray, "place place"]
    track: float
    unit: str
    folds: Folds
    methods: str
    references: tuple[str, ...] = ("10.1152/jn.1998.79.2.1017",)

    @property
    def median(self) -> float:
        """Median error, in `unit`."""
        return float(np.median(self.error))

    @property
    def p(self) -> float:
        """Share of the shuffles that decode at least as well."""
        return float((1 + np.sum(self.chance <= self.median)) / (1 + len(self.chance)))

    def frame(self) -> pd.DataFrame:
        """Return one row: median and mean error, the median as a share of the track, chance and its p-value."""
        row = {
            "median_error": self.median,
            "mean_error": float(self.error.mean()),
            "median_share_of_track": self.median / self.track,
            "chance_median_error": float(np.median(self.chance)),
            "p": self.p,
            "n_bins": len(self.error),
            "unit": self.unit,
        }
        return pd.DataFrame([row])


def decode(
    recording: Recording,
    place: PlaceBins | None = None,
    *,
    n_folds: int = 5,
    gap: float = 0.0,
    floor: float = 0.05,
    by_direction: bool = True,
    n_shuffles: int = 200,
    seed: int = 0,
) -> Decoding:
    """Decode the position in each held-out bin from the spikes in it, with rates learnt on the other folds.

    A network is decoded by the same estimator once it has been observed (`observe`): Poisson spikes at matched rates.
    Compare recordings at equal numbers of units, rates and bins: more spikes always decode better.

    Args:
        recording: of spikes, with a position signal.
        place: how position is read, cut and smoothed.
        n_folds: contiguous blocks of the analysed bins.
        gap: training bins this close (ms) to a test bin are left out.
        floor: lower rates are raised to this, Hz.
        by_direction: whether the two directions of running have rates of their own (then summed out).
        n_shuffles: shuffles of the decoded positions against the true ones.
        seed: of the shuffles.

    Raises:
        ValueError: if the recording has no spikes.

    References:
        Zhang et al. (1998), J. Neurophysiol. 79:1017, doi:10.1152/jn.1998.79.2.1017.
    """
    place = PlaceBins() if place is None else place
    n_shuffles = _check.count("decode", "n_shuffles", n_shuffles)
    move = place.movement(recording)
    edges = place.edges(move.position)
    centres = place_centres(edges)
    folds = blocked_folds(move.binned.times, n_folds, gap=gap)
    best = np.empty(len(move.position), dtype=np.int64)
    for train, test in folds:
        model = rate_histogram(
            chosen(move, train), edges, smoothing=place.smoothing, floor=floor, by_direction=by_direction
        )
        best[test] = posterior(move.binned.values[test], model, dt=place.dt).argmax(axis=1)
    decoded = centres[best]
    error = np.linalg.norm(decoded - move.position, axis=1)
    rng = np.random.default_rng(seed)
    mixed = (rng.permutation(len(decoded)) for _ in range(n_shuffles))
    chance = np.array([np.median(np.linalg.norm(decoded[order] - move.position, axis=1)) for order in mixed])
    track = float(np.linalg.norm([edge[-1] - edge[0] for edge in edges]))
    methods = (
        f"Bayesian decoder (independent Poisson units, uniform prior over places"
        f"{' and directions, directions summed out' if by_direction else ''}; most probable place), {n_folds} "
        f"contiguous folds of {len(error)} bins, gap {gap:g} ms, rates floored at {floor:g} Hz: {place.text} Chance: "
        f"decoded against true positions in {n_shuffles} random orders."
    )
    table = confusion(move, edges, best)
    return Decoding(move.position, decoded, error, move.binned.times, chance, table, track, move.unit, folds, methods)


def place_centres(edges: tuple[np.ndarray, ...]) -> Float[np.ndarray, "place dimension"]:
    """Return the centre of every place, in flat order."""
    mesh = np.meshgrid(*[(edge[1:] + edge[:-1]) / 2 for edge in edges], indexing="ij")
    return np.stack([axis.ravel() for axis in mesh], axis=1)


def confusion(
    move: Movement, edges: tuple[np.ndarray, ...], decoded: Int[np.ndarray, " bin"]
) -> Float[np.ndarray, "place place"]:
    """Return the share of the bins at each true place (row) that were decoded as each place."""
    n = int(np.prod([len(edge) - 1 for edge in edges]))
    true = place_code(move.position, edges)
    inside = true >= 0
    pairs = np.bincount(true[inside] * n + decoded[inside], minlength=n * n).reshape(n, n).astype(float)
    total = pairs.sum(axis=1, keepdims=True)
    return np.divide(pairs, total, out=np.full(pairs.shape, np.nan), where=total > 0)
