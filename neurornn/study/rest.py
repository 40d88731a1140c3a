"""Rest: where an animal's hippocampus goes while it sits still, beside where a network goes without input."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from neurornn import _check
from neurornn.errors import RecordingError
from neurornn.recording import Recording
from neurornn.statistics import (
    Divergence,
    Overlap,
    PlaceBins,
    histogram_divergence,
    subspace_overlap,
)
from neurornn.statistics.decoding import place_centres, posterior
from neurornn.statistics.encoding import rate_histogram


@dataclass(frozen=True, eq=False)
class Rest:
    """Positions that an animal's population stands for at rest, beside those on its runs.

    Args:
        run: decoded positions on the runs, in bins held out of the decoder. Shape `(bin, 1)`, in `unit`.
        rest: decoded positions at rest. Shape `(bin, 1)`.
        divergence: of the rest from the run.
        shuffled: Jensen-Shannon divergence of each shuffle of the cells' identities. Shape `(shuffle,)`.
        uniform: Jensen-Shannon divergence of a uniform distribution from the run.
        overlap: of the population's main directions at rest with those on the runs.
        overlap_null: the first components' overlap when every unit's rest is shifted by itself. Shape `(shuffle,)`.
        extent: ends of the track, in `unit`.
        unit: unit of measure of the position.
        n_bins: bins of rest in all, before those with too few spikes were left out.
        methods: how this was made.
        references: DOIs.
    """

    run: Float[np.ndarray, "run_bin 1"]
    rest: Float[np.ndarray, "rest_bin 1"]
    divergence: Divergence
    shuffled: Float[np.ndarray, " shuffle"]
    uniform: float
    overlap: Overlap
    overlap_null: Float[np.ndarray, " shuffle"]
    extent: tuple[float, float]
    unit: str
    n_bins: int
    methods: str
    references: tuple[str, ...] = ("10.1152/jn.1998.79.2.1017", "10.1109/18.61115", "10.1038/ncomms13239")

    @property
    def p(self) -> float:
        """Share of the cell shuffles whose rest lies at least as close to the run."""
        return float((1 + np.sum(self.shuffled <= self.divergence.js)) / (1 + len(self.shuffled)))

    @property
    def checklist(self) -> dict[str, str]:
        """What this says to lines of the reviewer's checklist, by key."""
        n_cells, n_shifts = len(self.shuffled), len(self.overlap_null)
        return {"nulls": f"Of rest: {n_cells} shuffles of cells, {n_shifts} shifts of units, uniform positions."}

    def frame(self) -> pd.DataFrame:
        """Return one row a quantity, with its null."""
        first = len(self.overlap.one_in_other) - 1
        rows = [
            ("KL(rest || run), nats", self.divergence.kl, self.divergence.kl_uniform, "uniform"),
            ("JS(rest, run), nats", self.divergence.js, float(np.median(self.shuffled)), "cell identities shuffled"),
            ("JS(rest, run), nats", self.divergence.js, self.uniform, "uniform"),
            ("p of JS", self.p, float("nan"), "cell identities shuffled"),
            (
                f"rest variance in the first {first + 1} run components",
                float(self.overlap.one_in_other[first]),
                float(np.median(self.overlap_null)),
                "units shifted by themselves",
            ),
            ("bins of rest decoded", float(len(self.rest)), float(self.n_bins), "all bins of rest"),
        ]
        return pd.DataFrame(rows, columns=["quantity", "value", "null", "null is"])


def rest_profile(
    brain: Recording,
    runs: Recording,
    place: PlaceBins,
    decoded_run: Float[np.ndarray, "run_bin 1"],
    *,
    min_spikes: int = 3,
    n_shuffles: int = 200,
    n_components: int = 5,
    seed: int,
) -> Rest:
    """Decode an animal's rest with what its runs taught, and compare where the two go.

    Args:
        brain: the whole session, with an epoch `rest`.
        runs: the same recording with its runs as trials.
        place: how position is read and cut; `dt` is the bin of rest, too.
        decoded_run: positions decoded on the runs, held out.
        min_spikes: bins of rest with fewer spikes of all units are not decoded.
        n_shuffles: shuffles of the cells' identities, and of the units' times.
        n_components: components of the overlap.
        seed: of the shuffles.

    Raises:
        RecordingError: if there is no epoch `rest`, or too few spikes in it.
    """
    epochs = brain.epochs[brain.epochs["name"] == "rest"]
    if len(epochs) == 0:
        fix = "Add an epoch named rest, with start and stop in ms."
        _check.fail(
            "rest_profile",
            "epochs",
            "a table with one named rest",
            list(brain.epochs["name"]),
            fix,
            error=RecordingError,
        )
    move = place.movement(runs)
    edges = place.edges(move.position)
    model = rate_histogram(move, edges, smoothing=place.smoothing)
    stretches = pd.DataFrame({name: np.asarray(epochs[name], dtype=float) for name in ("start", "stop")})
    whole = brain.with_trials(stretches).binned(place.dt).values
    counts = whole[np.nansum(whole, axis=1) >= min_spikes]
    if len(counts) < 50:
        got = f"{len(counts)} of {len(whole)} bins"
        must = f"active: 50 bins of {place.dt:g} ms with {min_spikes} spikes or more"
        _check.fail("rest_profile", "rest", must, got, error=RecordingError)
    extent = ((float(edges[0][0]), float(edges[0][-1])),)
    centres = place_centres(edges)

    def read(these: np.ndarray) -> np.ndarray:
        return centres[posterior(these, model, dt=place.dt).argmax(axis=1)]

    rng = np.random.default_rng(seed)
    rest = read(counts)
    shuffled = [read(counts[:, rng.permutation(counts.shape[1])]) for _ in range(n_shuffles)]
    js = [histogram_divergence(one, decoded_run, extent=extent).js for one in shuffled]
    even = rng.uniform(*extent[0], size=(20_000, 1))
    active, quiet = np.sqrt(np.nan_to_num(move.binned.values)), np.sqrt(np.nan_to_num(counts))
    overlap = subspace_overlap(quiet, active, n_components=n_components, seed=seed)
    null = [
        subspace_overlap(_each_shifted(quiet, rng), active, n_components=n_components, seed=seed, n_draws=1)
        for _ in range(n_shuffles)
    ]
    methods = (
        f"Bayesian decoder with rates from the runs ({place.text}) applied to {place.dt:g} ms bins of rest with at "
        f"least {min_spikes} spikes; divergence from the distribution decoded on held-out bins of the runs: "
        f"{histogram_divergence(rest, decoded_run, extent=extent).methods} Nulls: {n_shuffles} shuffles of the cells' "
        f"identities; uniform. Overlap: {overlap.methods} Null: each unit's rest shifted in time by itself."
    )
    return Rest(
        run=decoded_run,
        rest=rest,
        divergence=histogram_divergence(rest, decoded_run, extent=extent),
        shuffled=np.array(js),
        uniform=histogram_divergence(even, decoded_run, extent=extent).js,
        overlap=overlap,
        overlap_null=np.array([one.one_in_other[-1] for one in null]),
        extent=extent[0],
        unit=move.unit,
        n_bins=len(whole),
        methods=methods,
    )


def _each_shifted(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    shifts = rng.integers(1, len(values), size=values.shape[1])
    rows = (np.arange(len(values))[:, None] + shifts) % len(values)
    return values[rows, np.arange(values.shape[1])]
