"""What a metric is: something that says, on held-out bins, how much one set of units tells of another."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int

from neurornn.statistics.folds import Folds, blocked_folds
from neurornn.statistics.likelihood import bits_per_spike


class AbstractMetric(ABC):
    """A way to compare two sets of units that were active at the same time.

    `family` is what kind of question it asks (see `FAMILIES`). `columnwise` says whether each target unit is scored on
    its own (scores of shape `(target,)`) or the two sets as wholes (scores of shape `(1,)`); `symmetric`, whether
    exchanging the sets changes nothing; `paired`, whether it matters which bin of one stands beside which bin of the
    other (where it does not, moving one set in time is no null); `learns`, whether something is learnt that must be
    held out; `of_units`, whether it is about single units, so that regressors of behaviour and time cannot stand in for
    a population; `counts_only`, whether the targets must be spike counts.
    """

    family: ClassVar[str]
    measures: ClassVar[tuple[str, ...]]
    columnwise: ClassVar[bool]
    symmetric: ClassVar[bool]
    paired: ClassVar[bool] = True
    learns: ClassVar[bool] = True
    of_units: ClassVar[bool] = False
    counts_only: ClassVar[bool] = False
    references: ClassVar[tuple[str, ...]]

    @property
    def name(self) -> str:
        """What it is called in tables."""
        return type(self).__name__

    @property
    def headline(self) -> str:
        """The measure that stands for the others in a table of several metrics."""
        return self.measures[0]

    @abstractmethod
    def held_out(
        self,
        x: Float[np.ndarray, "bin source"],
        y: Float[np.ndarray, "bin target"],
        folds: Folds,
        *,
        dt: float | None = None,
        bands: tuple[int, ...] = (),
        labels: Int[np.ndarray, " bin"] | None = None,
    ) -> Mapping[str, Float[np.ndarray, " _score"]]:
        """Return every measure of how well `x` tells `y`, from bins that were not learnt from.

        Args:
            x: activity of the source units. Shape `(bin, source)`.
            y: activity of the target units, spike counts if `dt` is given. Shape `(bin, target)`.
            folds: which bins are learnt from and which are tested.
            dt: bin width where `y` are spike counts, ms; `None` where it is sampled activity, which has no likelihood.
            bands: how many of the source columns belong to each kind of regressor, where there are several; each kind
                may then be weighted on its own.
            labels: the condition of each bin, -1 where it has none; only metrics of conditions read them.
                Shape `(bin,)`.

        Returns:
            For each of `measures` (without bits/spike where there are no counts), shape `(target,)` if `columnwise`,
            else `(1,)`.
        """

    @abstractmethod
    def sentence(self) -> str:
        """Return how it scores, as one or two plain sentences for a methods section."""

    def choices(self) -> str:
        """Return what was chosen inside the training data, and how."""
        return "Nothing is learnt, so that nothing is held out or chosen." if not self.learns else "Nothing is chosen."


class AbstractMap(ABC):
    """What was learnt from training bins: how to get from source units to target units."""

    @abstractmethod
    def predict(self, x: Float[np.ndarray, "bin source"]) -> Float[np.ndarray, "bin target"]:
        """Return the expected targets, in their own unit (spike counts stay counts)."""

    @abstractmethod
    def rates(self, x: Float[np.ndarray, "bin source"]) -> Float[np.ndarray, "bin target"]:
        """Return the expected targets as something a Poisson likelihood can take: never below 0."""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Predictions of every bin, each from a map that has not seen it, beside what a constant would have said.

    Args:
        y: the targets, rows of the test bins only. Shape `(bin, target)`.
        predicted: what the map said. Shape `(bin, target)`.
        rates: the same for the likelihood. Shape `(bin, target)`.
        null: mean of the training bins of the same fold. Shape `(bin, target)`.
        fold: which fold each row was tested in. Shape `(bin,)`.
        index: which bin each row is. Shape `(bin,)`.
    """

    y: Float[np.ndarray, "bin target"]
    predicted: Float[np.ndarray, "bin target"]
    rates: Float[np.ndarray, "bin target"]
    null: Float[np.ndarray, "bin target"]
    fold: np.ndarray
    index: np.ndarray

    def r2(self) -> Float[np.ndarray, " target"]:
        """Return 1 - squared error / squared error of the training mean; below 0 is worse than a constant."""
        error = np.sum((self.y - self.predicted) ** 2, axis=0)
        total = np.sum((self.y - self.null) ** 2, axis=0)
        return 1.0 - np.divide(error, total, out=np.full(len(total), np.nan), where=total > 0)

    def r(self) -> Float[np.ndarray, " target"]:
        """Return Pearson's correlation, of deviations from the means of each test block, pooled over the blocks.

        The mean of a block is taken out because what a constant predicts *rises* where the left-out block is low: over
        whole sessions, that alone makes a correlation of -1.
        """
        products, spread_y, spread_p = (np.zeros(self.y.shape[1]) for _ in range(3))
        for k in np.unique(self.fold):
            rows = self.fold == k
            y = self.y[rows] - self.y[rows].mean(axis=0)
            p = self.predicted[rows] - self.predicted[rows].mean(axis=0)
            products += np.einsum("bt,bt->t", y, p)
            spread_y += np.einsum("bt,bt->t", y, y)
            spread_p += np.einsum("bt,bt->t", p, p)
        scale = np.sqrt(spread_y * spread_p)
        flat = np.where(spread_y > 0, 0.0, np.nan)  # a constant prediction tells nothing: 0, not missing
        return np.divide(products, scale, out=flat, where=scale > 1e-12 * spread_y)

    def bits(self, dt: float, *, floor: float) -> Float[np.ndarray, " target"]:
        """Return bits/spike over the training mean (see `bits_per_spike`), with rates of at least `floor` Hz."""
        hz = 1000.0 / dt
        return bits_per_spike(self.y, self.rates * hz, self.null * hz, dt=dt, floor=floor, min_spikes=1).units


class AbstractPredictivity(AbstractMetric):
    """A metric that learns a map on some bins and asks what it says of others."""

    family = "mapping"
    measures = ("r2", "r", "bits_per_spike")
    columnwise = True
    symmetric = False
    n_inner: int
    floor: float

    @property
    def headline(self) -> str:
        return "r"

    @abstractmethod
    def fit(
        self,
        x: Float[np.ndarray, "bin source"],
        y: Float[np.ndarray, "bin target"],
        inner: Folds,
        *,
        dt: float | None = None,
        bands: tuple[int, ...] = (),
    ) -> AbstractMap:
        """Return the map from `x` to `y`, with every choice made by the `inner` folds of these same bins."""

    def predicted(
        self,
        x: Float[np.ndarray, "bin source"],
        y: Float[np.ndarray, "bin target"],
        folds: Folds,
        *,
        dt: float | None = None,
        bands: tuple[int, ...] = (),
    ) -> HeldOut:
        """Return the prediction of every bin by the map of the fold that holds it out."""
        parts = []
        for k, (train, test) in enumerate(folds):
            groups = None if folds.groups is None else folds.groups[train]
            inner = blocked_folds(folds.times[train], self.n_inner, gap=folds.gap, groups=groups)
            found = self.fit(x[train], y[train], inner, dt=dt, bands=bands)
            null = np.broadcast_to(y[train].mean(axis=0), (len(test), y.shape[1]))
            said = found.predict(x[test])
            rates = said if dt is None else found.rates(x[test])
            parts.append((y[test], said, rates, null, np.full(len(test), k), test))
        return HeldOut(*(np.concatenate(part) for part in zip(*parts, strict=True)))

    def held_out(
        self,
        x: Float[np.ndarray, "bin source"],
        y: Float[np.ndarray, "bin target"],
        folds: Folds,
        *,
        dt: float | None = None,
        bands: tuple[int, ...] = (),
        labels: Int[np.ndarray, " bin"] | None = None,
    ) -> Mapping[str, Float[np.ndarray, " _score"]]:
        return self.scores(self.predicted(x, y, folds, dt=dt, bands=bands), dt)

    def scores(self, told: HeldOut, dt: float | None) -> dict[str, np.ndarray]:
        """Return the measures of held-out predictions; bits/spike only where there are counts."""
        scores = {"r2": told.r2(), "r": told.r()}
        return scores if dt is None else scores | {"bits_per_spike": told.bits(dt, floor=self.floor)}
