"""Control lesions: random sets of other units that look like the lesioned ones."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from neurornn import _check
from neurornn.network import Network, Run

LARGE = 0.25
"""Standardised mean difference above which groups count as badly matched (Stuart 2010, doi:10.1214/09-STS313)."""

LEAST = 199
"""Control sets that a p needs: with 199 the smallest is 0.005."""

NEAREST = 5
"""Of how many near units a control is drawn at least, so that there are many different sets."""


@dataclass(frozen=True, eq=False)
class Controls:
    """Sets of units that a lesion is held against.

    Args:
        sets: distinct sets, without lesioned units unless they overlap. Shape `(control, units)`.
        features: what they were matched on, one row a unit.
        units: the lesioned units.
        asked: how many sets were asked for; fewer exist where the units allow no more.
        overlap: whether the sets were drawn from all units, lesioned ones too, and match in number alone.
    """

    sets: Int[np.ndarray, "control units"]
    features: pd.DataFrame
    units: tuple[int, ...]
    asked: int
    overlap: bool = False

    @classmethod
    def none(cls, units: Sequence[int]) -> "Controls":
        """Return no controls for `units`."""
        return cls(np.empty((0, len(units)), dtype=np.int64), pd.DataFrame(), tuple(units), 0)

    @property
    def how(self) -> str:
        """How they were drawn, in words."""
        names = ", ".join(["number", *self.features.columns])
        return "of the whole network" if self.overlap else f"matched on {names}"

    def frame(self) -> pd.DataFrame:
        """Return how well they match: for each feature the mean of the lesioned units and of the controls.

        `gap` is their difference in standard deviations over all units; above 0.25 it counts as large.
        """
        rows = []
        for name in self.features.columns:
            values = self.features[name].to_numpy()
            spread = values.std()
            lesioned = values[list(self.units)].mean() if self.units else np.nan
            means = values[self.sets].mean(axis=1) if self.sets.size else np.full(1, np.nan)
            gap = (lesioned - means.mean()) / spread if spread > 0 else 0.0
            rows.append({"feature": name, "lesion": lesioned, "control": means.mean(), "gap": gap})
        return pd.DataFrame(rows, columns=["feature", "lesion", "control", "gap"])


def check_controls(owner: str, controls: int) -> None:
    """Refuse a number of control sets that is neither 0 nor enough for a p."""
    if _check.count(owner, "controls", controls, least=0) and controls < LEAST:
        must, fix = f"0, or {LEAST} and above", f"With {LEAST}, the smallest p is {1 / (LEAST + 1):g}."
        _check.fail(owner, "controls", must, controls, fix)


def unit_features(network: Network, run: Run, counted: Float[np.ndarray, "trial time"]) -> pd.DataFrame:
    """Return what units can be matched on, one row a unit.

    `rate` and `variance` are the mean and the variance of the activity over the steps with a weight in `counted`;
    `out_norm` and `in_norm` are the norms of everything that a unit sends (recurrent and readout weights) and receives
    (recurrent and input weights, over all of its gates); `sign` is the sign of its summed recurrent output.
    """
    activity = run.activity.detach().cpu().numpy().astype(np.float64)[counted > 0]  # (step, unit)
    w_in, w_rec, *_ = (w.detach().cpu().double().numpy() for w in network.cell.weights())
    readout = network.readout.detach().cpu().numpy().astype(np.float64)
    n_units = network.n_units
    received = np.concatenate([w_in, w_rec], axis=1) ** 2
    return pd.DataFrame(
        {
            "rate": activity.mean(axis=0),
            "variance": activity.var(axis=0),
            "out_norm": np.sqrt((w_rec**2).sum(axis=0) + (readout**2).sum(axis=0)),
            "in_norm": np.sqrt(received.sum(axis=1).reshape(-1, n_units).sum(axis=0)),
            "sign": np.sign(w_rec.sum(axis=0)),
        }
    )


def matched_controls(
    features: pd.DataFrame,
    units: Sequence[int],
    *,
    n_sets: int,
    matched_on: Sequence[str],
    overlap: bool = False,
    seed: int = 0,
) -> Controls:
    """Draw distinct random sets of units that match the lesioned ones in number and in `matched_on`.

    Every feature is z-scored over all units. For each set, the lesioned units are taken in a random order, and each is
    given one unit, drawn uniformly from the `m` nearest (Euclidean) of the other units that the set does not hold yet.
    `m` is 5, or more where a small lesion would leave too few different sets: 2 n_sets^(1/k) for k lesioned units.
    Duplicate sets are dropped and drawn again; where 50 draws in a row bring nothing new, there are fewer sets.

    More than half of the units have no such controls. With `overlap` they are held against random sets of as many units
    drawn from the whole network, each as likely as any other: the null that it does not matter which units they are.

    Args:
        features: one row a unit, from `unit_features` or your own.
        units: the lesioned units.
        n_sets: how many sets.
        matched_on: columns of `features`; "n" (the number of units) is always matched and may be named.
        overlap: whether lesions of more than half of the units get controls from the whole network; others are not
            touched by it.
        seed: of the draws.

    Raises:
        ValueError: if a feature is unknown, or there are fewer other units than lesioned ones and no `overlap`.

    References:
        Stuart (2010), doi:10.1214/09-STS313.
    """
    names = [name for name in matched_on if name != "n"]
    for name in names:
        if name not in features.columns:
            fix = _check.near(name, ["n", *features.columns])
            _check.fail("matched_controls", "matched_on", "known features of units", name, fix)
    others = np.setdiff1d(np.arange(len(features)), np.asarray(units, dtype=int))
    if len(others) < len(units):
        if overlap:
            return _from_all(features.filter(items=[]), units, n_sets, np.random.default_rng(seed))
        must = f"at most half of {len(features)}, so that as many others are left for controls"
        fix = "Pass overlap=True for random sets of the whole network, or controls=0."
        _check.fail("matched_controls", "units", must, f"{len(units)} units", fix)
    chosen = features.filter(items=names)
    values = chosen.to_numpy(dtype=np.float64)
    spread = values.std(axis=0)
    z = (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    rng = np.random.default_rng(seed)
    size = len(units)
    m = max(NEAREST, math.ceil(2 * n_sets ** (1 / size))) if size and names else len(others)
    distance = np.linalg.norm(z[list(units)][:, None] - z[others][None], axis=2)  # (lesioned, other)
    order = np.argsort(distance + 1e-9 * rng.random(distance.shape), axis=1)  # ties in random order
    found: dict[tuple[int, ...], None] = {}
    idle = 0
    while size and len(found) < n_sets and idle < 50:
        one = _one_set(order, m, rng)
        idle = idle + 1 if one in found else 0
        found[one] = None
    sets = others[np.array(list(found), dtype=int).reshape(len(found), size)]
    return Controls(sets.astype(np.int64), chosen, tuple(int(u) for u in units), n_sets)


def _from_all(none: pd.DataFrame, units: Sequence[int], n_sets: int, rng: np.random.Generator) -> Controls:
    """Draw distinct sets of as many units from all of them, other than the lesioned set itself."""
    own = tuple(sorted(int(u) for u in units))
    found: dict[tuple[int, ...], None] = {}
    idle = 0
    while len(found) < n_sets and idle < 50:
        one = tuple(np.sort(rng.choice(len(none), len(own), replace=False)).tolist())
        idle = idle + 1 if one in found or one == own else 0
        if one != own:
            found[one] = None
    sets = np.array(list(found), dtype=np.int64).reshape(len(found), len(own))
    return Controls(sets, none, own, n_sets, overlap=True)


def _one_set(order: np.ndarray, m: int, rng: np.random.Generator) -> tuple[int, ...]:
    """Draw one set of places in `order`, whose rows list the others by their distance from each lesioned unit."""
    free = np.ones(order.shape[1], dtype=bool)
    for row in rng.permutation(len(order)):
        near = order[row][free[order[row]]][:m]
        free[rng.choice(near)] = False
    return tuple(np.flatnonzero(~free).tolist())
