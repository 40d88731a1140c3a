"""Place fields: the contiguous bins in which a unit fires well above nothing."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from scipy.ndimage import label

from neurornn import _check
from neurornn.statistics.place import RateMaps


@dataclass(frozen=True)
class FieldRule:
    """What counts as a place field.

    Args:
        threshold: a field is a contiguous set of bins above this fraction of the map's peak.
        min_peak: maps and fields with a lower peak have none, Hz. It applies to spikes; activity has no absolute scale.
        min_bins: smaller sets are no fields.
    """

    threshold: float = 0.2
    min_peak: float = 1.0
    min_bins: int = 2

    def __post_init__(self) -> None:
        _check.fraction("FieldRule", "threshold", self.threshold)
        _check.not_negative("FieldRule", "min_peak", self.min_peak, "It is in Hz.")
        _check.count("FieldRule", "min_bins", self.min_bins)

    @property
    def text(self) -> str:
        """The rule, for a methods section."""
        return (
            f"Fields: contiguous bins above {self.threshold:.0%} of the map's peak, at least {self.min_bins} bins, "
            f"peak at least {self.min_peak:g} Hz (spikes only)."
        )


def place_fields(maps: RateMaps, rule: FieldRule | None = None) -> pd.DataFrame:
    """Return one row for each place field of each unit, the highest first.

    Args:
        maps: rate maps along one axis or more. Bins touch along an axis, not across a corner.
        rule: what counts as a field; `FieldRule()` where absent.

    Returns:
        Columns `unit`, `field` (0 is the highest), `peak` (Hz or activity), `size` (position units to the power of the
        number of axes), `n_bins`, and the position of the peak (`x`, `y` ...).
    """
    rule = FieldRule() if rule is None else rule
    centres, steps = maps.centres, [edge[1] - edge[0] for edge in maps.edges]
    rows = []
    for unit, rates in zip(maps.units, maps.maps, strict=True):
        for k, inside in enumerate(_fields(rates, rule, counts=maps.rate_unit == "Hz")):
            at = _peak(rates, inside)
            where = {name: axis[i] for name, axis, i in zip("xyzuvw", centres, at, strict=False)}
            n_bins = int(inside.sum())
            size = n_bins * float(np.prod(steps))
            rows.append({"unit": unit, "field": k, "peak": rates[at], "size": size, "n_bins": n_bins, **where})
    names = ["unit", "field", "peak", "size", "n_bins", *"xyzuvw"[: len(centres)]]
    return pd.DataFrame(rows, columns=names)


def _fields(rates: Float[np.ndarray, "*bins"], rule: FieldRule, *, counts: bool) -> list[np.ndarray]:
    """Return the masks of the fields of one map, the highest peak first."""
    known = np.nan_to_num(rates, nan=-np.inf)
    peak, least = known.max(), rule.min_peak if counts else 0.0
    if not peak > 0 or peak < least:
        return []
    masks = parts_above(known, rule.threshold * peak)
    masks = [mask for mask in masks if mask.sum() >= rule.min_bins and known[mask].max() >= least]
    return sorted(masks, key=lambda mask: -known[mask].max())


def parts_above(rates: Float[np.ndarray, "*bins"], level: float) -> list[Bool[np.ndarray, "*bins"]]:
    """Return the contiguous parts of a map that lie above a level, as masks. Bins touch along an axis."""
    parts = np.zeros(rates.shape, dtype=np.int64)
    label(rates > level, output=parts)
    return [parts == i for i in range(1, int(parts.max(initial=0)) + 1)]


def _peak(rates: np.ndarray, inside: np.ndarray) -> tuple[int, ...]:
    """Return the index of the highest bin of a field."""
    at = np.unravel_index(int(np.argmax(np.where(inside, rates, -np.inf))), rates.shape)
    return tuple(int(i) for i in at)
