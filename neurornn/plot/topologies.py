"""Drawing of the fixed points of networks beside those of references: how many, and how alike."""

from typing import Any

import numpy as np

from neurornn import _check
from neurornn.comparison import TopologyComparison
from neurornn.comparison.topologies import CEILING
from neurornn.plot.base import BRAIN, INK, MODEL, NULL, SECOND, Figure, canvas, figures, finished, panel

WORDS = {
    "topology": ("Graph of points", "shared neighbourhoods"),
    "arrangement": ("Where they lie", "1 - distance, spreads"),
    "time_constants": ("How slow they are", "ratio of time constants"),
}


@figures.register
def _(found: TopologyComparison) -> list[Figure]:
    if not found.complete:
        fix = "Give networks of the kind `untrained`, too."
        _check.fail("figures", "found", "complete, with all its nulls", "; ".join(found.missing), fix)
    table = found.summary()
    with canvas(9.0, 3.0) as drawing:
        axes = drawing.subplots(1, 1 + len(WORDS))
        _counts(axes[0], found)
        panel(axes[0], "a", "How many")
        for letter, axis, (measure, (title, label)) in zip("bcd", axes[1:], WORDS.items(), strict=True):
            _alike(axis, found, table[table["measure"] == measure].set_index("kind"), measure)
            axis.set_ylabel(label)
            panel(axis, letter, title)
        values = zip(table["measure"], table["kind"], table["value"], strict=True)
        said = ", ".join(f"{measure.replace('_', ' ')} {kind} {value:.2f}" for measure, kind, value in values)
        return [
            finished(
                drawing,
                title="Fixed points beside those of the reference.",
                caption="a: points of each network (a dot each); filled: stable. b-d: how alike they are to the "
                "reference's; each dot a network, bars: means with 95 % hierarchical bootstrap intervals. Red: the "
                "claim; green: references beside each other, a ceiling; grey: untrained; blue: other kinds. Stars: the "
                "claim is above, p < 0.05, corrected for the number of measures by Holm.",
                alt=f"Fixed points of {', '.join(found.kinds)} beside those of the reference: {said}.",
            )
        ]


def _counts(axis: Any, found: TopologyComparison) -> None:
    kinds = list(dict.fromkeys(found.points["kind"]))
    for place, kind in enumerate(kinds):
        mine = found.points[found.points["kind"] == kind]
        spread = np.linspace(-0.12, 0.12, len(mine)) if len(mine) > 1 else np.zeros(1)
        axis.scatter(place - 0.17 + spread, mine["stable"], s=16, color=_colour(kind, found.claim), lw=0)
        axis.scatter(place + 0.17 + spread, mine["n"], s=16, facecolor="none", edgecolor=_colour(kind, found.claim))
    _names(axis, kinds)
    axis.set_ylim(0, 1.15 * max(1, int(found.points["n"].to_numpy(int).max())))
    axis.set_ylabel("fixed points: stable, all")


def _alike(axis: Any, found: TopologyComparison, table: Any, measure: str) -> None:
    known = [kind for kind in found.kinds if np.isfinite(table.loc[kind, "value"])]
    for place, kind in enumerate(known):
        row = table.loc[kind]
        axis.bar(place, row["value"], color=_colour(kind, found.claim), width=0.72, alpha=0.85)
        axis.vlines(place, row["low"], row["high"], color=INK, lw=1.2)
        each = found.by_network(kind, measure)
        if len(each) > 1:
            axis.scatter(place + np.linspace(-0.2, 0.2, len(each)), each, s=11, color=INK, alpha=0.6, lw=0, zorder=3)
        if row["p_holm"] < 0.05:
            axis.text(place, max(row["high"], row["value"]) + 0.03, "*", ha="center", color=INK)
    _names(axis, known)
    axis.set_ylim(0, 1.12)
    if not known:
        axis.text(
            0.5, 0.5, "other trials:\nnot compared", ha="center", va="center", transform=axis.transAxes, color=INK
        )
        axis.set_yticks([])


def _names(axis: Any, kinds: list[str]) -> None:
    told = {"ha": "right", "rotation_mode": "anchor", "fontsize": 8}
    axis.set_xticks(range(len(kinds)), kinds, rotation=40, **told)
    axis.tick_params(axis="x", length=0, pad=1)
    axis.set_xlim(-0.6, max(len(kinds), 1) - 0.4)


def _colour(kind: str, claim: str) -> str:
    return {claim: MODEL, CEILING: BRAIN, "untrained": NULL}.get(kind, SECOND)
