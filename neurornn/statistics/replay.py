"""Replay: whether the positions decoded within an event move along the track, beyond what shuffles do."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from jaxtyping import Float

from neurornn import _check
from neurornn.recording import Recording
from neurornn.statistics.decoding import place_centres, posterior
from neurornn.statistics.encoding import RateHistogram, rate_histogram
from neurornn.statistics.place import PlaceBins


@dataclass(frozen=True, eq=False)
class Replay:
    """A score for each event, beside two shuffles.

    Args:
        table: one row an event: `start`, `stop` (ms), `n_bins`, `score` (signed weighted correlation; NaN where fewer
            than `min_bins` bins hold a spike), `p_cells` and `p_time` (for the size of the score).
        posteriors: the decoded probability of each place in each bin of each event. Shapes `(bin, place)`.
        centres: positions of the places.
        unit: unit of measure of the position.
        methods: how this was made.
        references: DOIs.
    """

    table: pd.DataFrame
    posteriors: tuple[Float[np.ndarray, "_bin place"], ...]
    centres: Float[np.ndarray, " place"]
    unit: str
    methods: str
    references: tuple[str, ...] = (
        "10.1016/j.neuron.2009.07.027",
        "10.1152/jn.1998.79.2.1017",
        "10.1126/science.aad1935",
    )

    def frame(self) -> pd.DataFrame:
        """Return one row an event."""
        return self.table


def weighted_correlation(
    probability: Float[np.ndarray, "*stack bin place"], centres: Float[np.ndarray, " place"]
) -> np.ndarray:
    r"""Return the correlation of time and place under the decoded probability, for each of a stack of events.

    $$ \rho = \frac{\sum_{tx} p_{tx}(t - \bar t)(x - \bar x)}
                   {\sqrt{\sum_{tx} p_{tx}(t - \bar t)^2 \sum_{tx} p_{tx}(x - \bar x)^2}} $$

    1 where the decoded place moves steadily towards larger positions, -1 back; bins of all zeros have no weight. NaN
    where time or place does not vary.

    Example:
        >>> import numpy as np
        >>> from neurornn.statistics.replay import weighted_correlation
        >>> round(float(weighted_correlation(np.eye(5), np.arange(5.0))), 6)
        1.0
    """
    weight = probability / np.maximum(probability.sum(axis=(-2, -1), keepdims=True), 1e-300)
    time = np.arange(probability.shape[-2], dtype=float)
    by_time, by_place = weight.sum(axis=-1), weight.sum(axis=-2)
    t = time - (by_time @ time)[..., None]
    x = centres - (by_place @ centres)[..., None]
    both = np.einsum("...tx,...t,...x->...", weight, t, x)
    size = np.asarray(np.sqrt(np.sum(by_time * t * t, axis=-1) * np.sum(by_place * x * x, axis=-1)))
    return np.asarray(np.divide(both, size, out=np.full(size.shape, np.nan), where=size > 1e-12))


def replay(
    recording: Recording,
    events: pd.DataFrame,
    place: PlaceBins | None = None,
    *,
    learnt: Recording | None = None,
    dt: float = 20.0,
    n_shuffles: int = 200,
    min_bins: int = 3,
    min_peak: float = 1.0,
    floor: float = 0.05,
    seed: int = 0,
) -> Replay:
    """Decode the position within each event and score how steadily it moves, against two shuffles.

    Rates by place are learnt from the running of `learnt` (both directions together). Each bin of an event is decoded
    with a uniform prior; bins without a spike are left out. The cell shuffle gives each unit another unit's rates; the
    time shuffle puts the bins of the event in another order. **A biased or sparse code makes scores large under one
    shuffle alone**: an event counts where it beats both.

    Args:
        recording: of spikes, that holds the events.
        events: with `start` and `stop`, ms (see `population_events`).
        place: how position is read and cut, along one axis.
        learnt: the recording with the running; `recording` itself where absent.
        dt: bins within an event, ms.
        n_shuffles: of each kind.
        min_bins: events with fewer bins that hold a spike have no score.
        min_peak: units whose rate by place peaks lower are not used, Hz.
        floor: lower rates are raised to this, Hz.
        seed: of the shuffles.

    Raises:
        ValueError: if the position has more axes than one, or fewer than two units have a place.

    References:
        Davidson, Kloosterman & Wilson (2009), Neuron 63:497, doi:10.1016/j.neuron.2009.07.027.
        Grosmark & Buzsaki (2016), Science 351:1440, doi:10.1126/science.aad1935.
    """
    owner = "replay"
    place = PlaceBins() if place is None else place
    n_shuffles = _check.count(owner, "n_shuffles", n_shuffles)
    min_bins = _check.count(owner, "min_bins", min_bins, least=2)
    move = place.movement(recording if learnt is None else learnt)
    if move.position.shape[1] != 1:
        _check.fail(owner, "position", "along one axis", f"{move.position.shape[1]} axes", "Project it on the track.")
    edges = place.edges(move.position)
    model = rate_histogram(move, edges, smoothing=place.smoothing, floor=floor, by_direction=False)
    use = model.rates.max(axis=(1, 2)) >= min_peak
    if use.sum() < 2:
        _check.fail(
            owner, "min_peak", "reached by two units or more", min_peak, "No place can be decoded from one unit."
        )
    model = RateHistogram(model.rates[use], edges, model.mean[use])
    centres = place_centres(edges)[:, 0]
    rng = np.random.default_rng(seed)
    kept = recording.select(recording.units.index[use])
    rows, decoded = [], []
    for begin, end in events[["start", "stop"]].to_numpy(float):
        counts = _counts(kept, begin, end, dt)
        probability = posterior(counts, model, dt=dt) * (np.nansum(counts, axis=1) > 0)[:, None]
        decoded.append(probability)
        rows.append(
            (begin, end, len(counts), *_scored(counts, probability, model, centres, dt, n_shuffles, min_bins, rng))
        )
    table = pd.DataFrame(rows, columns=["start", "stop", "n_bins", "score", "p_cells", "p_time"])
    methods = (
        f"Rates by place of {int(use.sum())} units peaking at {min_peak:g} Hz or above, learnt from "
        f"{len(move.position)} {place.text} Bayesian decoding in {dt:g} ms bins of each event, uniform prior, empty "
        f"bins left out; score: weighted correlation of time and place; p from {n_shuffles} shuffles of cell identity "
        f"and of the order of bins."
    )
    return Replay(table, tuple(decoded), centres, move.unit, methods)


def _counts(recording: Recording, begin: float, end: float, dt: float) -> np.ndarray:
    """Return the spike counts in whole bins from the start of an event; the last bin may reach beyond its end."""
    assert recording.spikes is not None
    edges = begin + dt * np.arange(max(int(np.ceil((end - begin) / dt - 1e-9)), 1) + 1)
    places = np.stack([np.searchsorted(train, edges) for train in recording.spikes], axis=1)
    return np.diff(places, axis=0).astype(float)


def _scored(
    counts: np.ndarray,
    probability: np.ndarray,
    model: RateHistogram,
    centres: np.ndarray,
    dt: float,
    n_shuffles: int,
    min_bins: int,
    rng: np.random.Generator,
) -> tuple[float, float, float]:
    """Return an event's score and the share of each kind of shuffle that scores at least as large."""
    filled = np.flatnonzero(probability.sum(axis=1) > 0)
    score = float(weighted_correlation(probability, centres)) if len(filled) >= min_bins else np.nan
    if not np.isfinite(score):
        return np.nan, np.nan, np.nan
    orders = np.tile(probability, (n_shuffles, 1, 1))
    for row in orders:
        row[filled] = row[rng.permutation(filled)]
    by_time = weighted_correlation(orders, centres)
    others = []
    for _ in range(n_shuffles):
        mixed = replace(model, rates=model.rates[rng.permutation(len(model.rates))])
        others.append(posterior(counts[filled], mixed, dt=dt))
    spread = np.zeros((n_shuffles, *probability.shape))
    spread[:, filled] = np.stack(others)
    by_cell = weighted_correlation(spread, centres)
    high = [1 + int(np.sum(np.abs(null[np.isfinite(null)]) >= abs(score))) for null in (by_cell, by_time)]
    return score, high[0] / (1 + n_shuffles), high[1] / (1 + n_shuffles)
