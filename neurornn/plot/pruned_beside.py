"""Drawing of what pruned networks tell of a brain, by density and way of pruning."""

from typing import Any

import numpy as np

from neurornn.plot.base import BRAIN, INK, MODEL, NULL, SECOND, Figure, canvas, figures, finished, panel
from neurornn.study.pruned_beside import STAGES, PrunedBeside

COLOURS = {
    "random": NULL,
    "magnitude": SECOND,
    "activity": "#8d6bb8",
    "noise": MODEL,
    "noise_capped": "#c2a13b",
    "lyapunov": BRAIN,
}
OTHERS = ("#7a5230", "#444444")
"""For ways of pruning of one's own."""
LINES = {"cut": "--", "retrained": "-"}
PANELS = (
    ("track", "tracking", "tracking error (% of the track)", "Tracks the animal"),
    ("track", "score", "held-out r, median unit", "Tells the neurons"),
    ("neurons", "score", "explained variance, held out", "Is the neurons"),
)
SHOWN = {"track": ("untrained", "behaviour", "shifted"), "neurons": ("inputs alone", "mean course")}
"""Nulls that are drawn; those far below are left to the table."""


@figures.register
def _(found: PrunedBeside) -> list[Figure]:
    spare = iter(OTHERS)
    colours = {name: COLOURS.get(name) or next(spare, INK) for name in found.pruned}
    seeds = len(set(found.table["seed"]))
    with canvas(10.0, 3.9) as drawing:
        axes = drawing.subplots(1, 3)
        for axis, (kind, column, label, title), letter in zip(axes, PANELS, "abc", strict=True):
            for stage in STAGES:
                for name, colour in colours.items():
                    _course(axis, found, (kind, stage, name, column), colour)
                dense = float(np.median(found.of(kind, stage, "dense", 1.0, column)))
                axis.axhline(dense, color=INK, lw=1.2, ls=LINES[stage])
            if column == "score":
                _nulls(axis, found, kind)
            axis.set(xscale="log", xlabel="synapses left (%)", ylabel=label)
            axis.set_xticks([100 * one for one in found.densities], [f"{100 * one:g}" for one in found.densities])
            axis.minorticks_off()
            if column == "score":
                axis.set_ylim(bottom=max(-0.1, axis.get_ylim()[0]))
            axis.invert_xaxis()
            panel(axis, letter, title)
        handles = [axes[0].plot([], [], color=colour, label=name)[0] for name, colour in colours.items()]
        handles += [axes[0].plot([], [], color=INK, label="dense")[0]]
        handles += [axes[0].plot([], [], color=INK, ls=ls, lw=1, label=stage)[0] for stage, ls in LINES.items()]
        drawing.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=8)
        least = found.densities[len(found.densities) // 2]
        told = ", ".join(
            f"{name} {np.median(found.of('track', 'retrained', name, least)):.2f}" for name in ("dense", *found.pruned)
        )
        what = f"medians of {seeds} seeds, with their range" if seeds > 1 else "one seed"
        return [
            finished(
                drawing,
                title="What pruned networks tell of the neurons.",
                caption=f"a, b: a network that learnt to track position, and never saw a neuron. c: a network each of "
                f"whose units is a neuron, in laps held out. Dashed: as pruning left them; solid: trained some more, "
                f"the dense one (black) alike. Thin lines: nulls. What diverged has no point; below -0.1 nothing is "
                f"drawn. {what.capitalize()}.",
                alt=f"Held-out r with {least:.0%} of the synapses left, retrained: {told}.",
            )
        ]


def _course(axis: Any, found: PrunedBeside, asked: tuple[str, str, str, str], colour: str) -> None:
    """Draw a measure over density: the median over seeds, and where there are several their range."""
    kind, stage, name, column = asked
    values = np.array([found.of(kind, stage, name, density, column) for density in found.densities])
    there = np.isfinite(values).any(axis=1)  # what diverged has no point
    if not there.any():
        return
    values, percent = values[there], 100 * np.array(found.densities)[there]
    axis.plot(percent, np.nanmedian(values, axis=1), "o", ls=LINES[stage], ms=3, color=colour)
    if values.shape[1] > 1 and stage == "retrained":
        axis.fill_between(percent, np.nanmin(values, axis=1), np.nanmax(values, axis=1), color=colour, alpha=0.12, lw=0)


def _nulls(axis: Any, found: PrunedBeside, kind: str) -> None:
    known = {name: value for name, value in found.nulls.get(kind, {}).items() if name in SHOWN[kind]}
    for name, value in known.items():
        axis.axhline(value, color=NULL, lw=0.8, ls=":")
        axis.annotate(
            name, (1.0, value), xycoords=("axes fraction", "data"), fontsize=7, color=INK, ha="right", va="bottom"
        )
