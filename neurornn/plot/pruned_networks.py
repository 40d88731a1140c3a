"""Drawings of pruned networks side by side: what they forecast, how stable they are, what they cost."""

from typing import Any

import numpy as np

from neurornn.plot.base import INK, MODEL, NULL, SECOND, Figure, canvas, figures, finished, panel
from neurornn.study.pruning_table import EQUAL, PruningTable

SHOWN = {
    "error": ("error", False),
    "valid": ("valid forecast\n(Lyapunov times)", False),
    "off": ("largest exponent\noff dense (1/s)", True),
    "distance": ("spectrum\noff dense (1/s)", True),
    "operations": ("synaptic operations\nof a trial", True),
}
"""Label, and whether the axis is logarithmic."""


@figures.register
def _(found: PruningTable) -> list[Figure]:
    return [_side_by_side(found), *([_intervals(found)] if len(set(found.table["seed"])) > 1 else [])]


def _side_by_side(found: PruningTable) -> Figure:
    table = found.table
    shown = [one for one in SHOWN if np.isfinite(table[one].to_numpy(float)).any()]
    lines = {"dense": INK, "untrained": NULL}
    names = [name for name in dict.fromkeys(table["network"]) if name not in lines]
    equal = [name for name in names if name.endswith(EQUAL)]
    names = [name for name in names if name not in equal] + equal
    with canvas(9.0, 1.5 + 0.24 * len(names)) as drawing:
        axes = drawing.subplots(1, len(shown), sharey=True, squeeze=False)[0]
        for axis, measure, letter in zip(axes, shown, "abcdefg", strict=False):
            label, log = SHOWN[measure]
            for place, name in enumerate(names):
                values = found.of(name, measure)
                colour = MODEL if name == found.chosen else SECOND if name in equal else NULL
                axis.plot(values, np.full(len(values), place), "o", ms=3.5, color=colour, alpha=0.7)
                if np.isfinite(values).any():
                    axis.plot(np.nanmedian(values), place, "|", ms=11, mew=2, color=INK)
            for name, colour in lines.items():
                values = found.of(name, measure)
                # What an untrained network costs is not what it does.
                if np.isfinite(values).any() and not (name == "untrained" and measure == "operations"):
                    middle = float(np.nanmedian(values))
                    if middle > 0 or not log:
                        axis.axvline(middle, color=colour, lw=1.0, ls="-" if name == "dense" else "--")
            if log:
                _logarithmic(axis)
            axis.set_xlabel(found.unit.replace(" (", "\n(") if measure == "error" else label, fontsize=8)
            axis.tick_params(labelsize=8)
            panel(axis, letter, "")
        axes[0].set_yticks(range(len(names)), [_label(name) for name in names])
        axes[0].invert_yaxis()
        middles = {name: np.nanmedian(found.of(name, "error")) for name in ["dense", *names]}
        told = ", ".join(f"{_label(name)} {middle:.3g}" for name, middle in middles.items())
        return finished(
            drawing,
            title=f"Pruned networks at a density of {found.density:g}.",
            caption="Points: a network each (a seed); bars: medians; lines: the dense network (solid) and the "
            "untrained one (dashed). Off dense: how far from the dense network of the same time constants, trained.",
            alt=f"Medians of the {found.unit}: {told}.",
        )


def _intervals(found: PruningTable) -> Figure:
    claims = found.claims()
    ratios = claims[(claims["measure"] != "valid") & np.isfinite(claims["low"])]
    measures = list(dict.fromkeys(ratios["measure"]))
    others = list(dict.fromkeys(ratios["other"]))
    with canvas(9.0, 1.2 + 0.24 * len(others)) as drawing:
        axes = drawing.subplots(1, len(measures), sharey=True, squeeze=False)[0]
        for axis, measure, letter in zip(axes, measures, "abcdefg", strict=False):
            rows: Any = ratios[ratios["measure"] == measure]
            for _, row in rows.iterrows():
                place = others.index(row["other"])
                clear = row["high"] < 1 or row["low"] > 1
                axis.plot([row["low"], row["high"]], [place, place], color=MODEL if clear else NULL, lw=2)
                axis.plot(row["value"], place, "o", ms=4, color=INK)
            axis.axvline(1.0, color=INK, lw=0.8)
            _logarithmic(axis)
            axis.set_xlabel(f"{measure}, ratio", fontsize=8)
            axis.tick_params(labelsize=8)
            panel(axis, letter, "")
        axes[0].set_yticks(range(len(others)), [_label(name) for name in others])
        axes[0].invert_yaxis()
        named = zip(*(ratios[column].tolist() for column in ("measure", "other", "value")), strict=True)
        told = "; ".join(f"{measure} over {_label(other)} {value:.2f}" for measure, other, value in named)
        return finished(
            drawing,
            title=f"{_label(found.chosen)} over the others.",
            caption="Ratios within a seed, their geometric mean and 95 % interval over seeds (Student's t of the "
            "logarithm); left of the line it is the smaller, and the better; coloured where the interval leaves out 1.",
            alt=f"Ratios: {told}.",
        )


def _logarithmic(axis: Any) -> None:
    """Make the horizontal axis logarithmic, with plain numbers at it, also where it spans less than a decade."""
    from matplotlib.ticker import LogLocator, NullLocator

    axis.set_xscale("log")
    axis.margins(x=0.15)
    low, high = axis.get_xlim()
    axis.xaxis.set_major_locator(LogLocator(subs=(1.0,) if high / low > 50 else (1.0, 2.0, 5.0), numticks=6))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter("{x:g}")


def _label(name: str) -> str:
    return name.removesuffix(EQUAL).replace("_", " ") + (", equal τ" if name.endswith(EQUAL) else "")
