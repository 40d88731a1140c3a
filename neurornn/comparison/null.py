"""The nulls of every comparison: what a score must beat before it says anything about the network."""

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from neurornn import _check
from neurornn.comparison.metric import AbstractMetric
from neurornn.comparison.regressors import Clock, Space
from neurornn.comparison.surrogates import phase_randomised, random_features, scrambled, trial_shuffled
from neurornn.recording import Recording
from neurornn.statistics.folds import Folds

COLUMNS = 2048
"""Targets of shifted copies that are scored at once."""


@runtime_checkable
class Records(Protocol):
    """A model that can be driven through an animal's trials, and made anew without training."""

    def record(self, brain: Recording | None = None, *, seed: int = 0) -> Recording:
        """Return the model's activity on the clock of `brain`."""
        ...

    def untrained(self, seed: int) -> "Records":
        """Return the same model with fresh initial weights."""
        ...


@dataclass(frozen=True)
class Nulls:
    """The nulls that stand beside a score. None can be turned off; these are their sizes.

    * untrained: the same network before any training, at `n_untrained` initialisations (an argument of `compare`).
    * other task: networks that were trained on something else, where they are given.
    * behaviour: position x direction and speed as regressors, without any network.
    * time: time of the session and of the trial as regressors.
    * shifted: the model against the brain's activity moved along the session, which keeps both autocorrelations.
    * phase-randomised: the model's own spectra and correlations, at other times.
    * trial-shuffled: the model in other trials than the brain's, where there are trials.
    * random features: as many random units with the same spectra in space and time.
    * behaviour+model: both sets of regressors, each weighted on its own; what it gains over `behaviour` is what the
      network knows beyond it.

    A metric that does not ask which bin stands beside which (dynamics, distributions of units) is the same for a model
    that is moved in time; beside it stands `scrambled`, the model's states in a random order. One of single units has
    no regressors to stand in for a population, and needs no random features.

    Args:
        n_shifts: circular shifts, 100 or above (fewer are drawn only where the session has fewer).
        least_shift: the smallest shift, in analysed time, ms.
        n_surrogates: draws of each of the four surrogates.
        space: the behaviour regressors.
        clock: the time regressors.
    """

    n_shifts: int = 200
    least_shift: float = 20_000.0
    n_surrogates: int = 3
    space: Space = field(default_factory=Space)
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        _check.count("Nulls", "n_shifts", self.n_shifts, "Fewer give no usable p.", least=100)
        _check.count("Nulls", "n_surrogates", self.n_surrogates)
        _check.positive("Nulls", "least_shift", self.least_shift, "It is in ms.")

    def shifts(self, n_bins: int, dt: float, seed: int) -> Int[np.ndarray, " shift"]:
        """Return distinct shifts in bins of `dt` ms, none nearer to 0 (on the circle) than `least_shift`.

        Raises:
            ValueError: if the session is too short for any.
        """
        least = int(np.ceil(self.least_shift / dt))
        possible = np.arange(least, n_bins - least + 1)
        if len(possible) == 0:
            fix = "Take a smaller `least_shift` (several autocorrelation times at least), or a longer recording."
            must = f"at most half of the analysed time, {n_bins * dt / 2:g} ms"
            _check.fail("Nulls", "least_shift", must, self.least_shift, fix)
        n = min(self.n_shifts, len(possible))
        return np.sort(np.random.default_rng(seed).choice(possible, size=n, replace=False))

    def surrogates(
        self,
        metric: AbstractMetric,
        model: Float[np.ndarray, "bin source"],
        trial: Int[np.ndarray, " bin"],
        *,
        seed: int,
    ) -> dict[str, Float[np.ndarray, "bin source"]]:
        """Return the model's surrogates that this metric can tell from it, by name.

        Args:
            metric: what is scored.
            model: activity of the model's units. Shape `(bin, source)`.
            trial: trial of each bin. Shape `(bin,)`.
            seed: of all of them.
        """
        found: dict[str, np.ndarray] = {}
        for k in range(self.n_surrogates):
            draw = seed + 7919 * (k + 1)  # far from the seeds of networks
            if metric.paired:
                found[f"phase-randomised {k}"] = phase_randomised(model, seed=draw)
                if len(np.unique(trial)) > 1:
                    found[f"trial-shuffled {k}"] = trial_shuffled(model, trial, seed=draw)
            else:
                found[f"scrambled {k}"] = scrambled(model, seed=draw)
            if not metric.of_units:
                found[f"random features {k}"] = random_features(model, seed=draw)
        return dict(sorted(found.items()))


DEFAULT = Nulls()
"""Two hundred shifts of 20 s or more, three surrogates of each kind, and the usual bases."""


def shifted_scores(
    metric: AbstractMetric,
    x: Float[np.ndarray, "bin source"],
    y: Float[np.ndarray, "bin target"],
    folds: Folds,
    shifts: Int[np.ndarray, " shift"],
    *,
    dt: float | None = None,
    labels: Int[np.ndarray, " bin"] | None = None,
) -> dict[str, Float[np.ndarray, "shift _score"]]:
    """Return the scores of `x` against `y` moved along the bins, for each shift.

    The targets move and the regressors stay, so that one decomposition of the regressors serves all shifts. Labels stay
    too: a condition is then another stretch of the recording.

    Args:
        metric: what is scored.
        x: activity of the source units. Shape `(bin, source)`.
        y: activity of the target units. Shape `(bin, target)`.
        folds: as for the score itself.
        shifts: in bins. Shape `(shift,)`.
        dt: bin width where `y` are spike counts, ms.
        labels: the condition of each bin. Shape `(bin,)`.

    Returns:
        For each measure, shape `(shift, target)`, or `(shift, 1)` for a metric of whole populations.
    """
    if not metric.columnwise:
        found = [metric.held_out(x, np.roll(y, k, axis=0), folds, dt=dt, labels=labels) for k in shifts]
        return {name: np.stack([one[name] for one in found]) for name in found[0]}
    at_once = max(1, COLUMNS // y.shape[1])
    parts = []
    for first in range(0, len(shifts), at_once):
        some = shifts[first : first + at_once]
        moved = np.concatenate([np.roll(y, k, axis=0) for k in some], axis=1)
        scores = metric.held_out(x, moved, folds, dt=dt, labels=labels)
        parts.append({name: values.reshape(len(some), y.shape[1]) for name, values in scores.items()})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
