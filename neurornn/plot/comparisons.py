"""Drawing of several networks beside several recordings: one panel a metric, every null in it."""

import re
from typing import Any

import numpy as np

from neurornn import _check
from neurornn.comparison import Comparisons
from neurornn.plot.base import BRAIN, INK, MODEL, NULL, SECOND, THIRD, Figure, canvas, figures, finished, panel

ORDER = ("behaviour+model", "animal", "repeat", "behaviour", "time", "shifted", "phase-randomised", "trial-shuffled")
WORDS = {
    "animal": "other animal",
    "repeat": "other trials",
    "behaviour+model": "behaviour + network",
    "phase-randomised": "random phases",
}
WIDTH = 3.0
"""Of a panel, inches."""


@figures.register
def _(comparisons: Comparisons) -> list[Figure]:
    if not comparisons.complete:
        fix = "Give fits, or recordings of untrained networks, and recordings with behaviour or conditions."
        _check.fail("figures", "comparisons", "complete, with all its nulls", "; ".join(comparisons.missing), fix)
    table = comparisons.summary()
    metrics = comparisons.metrics
    n_columns = min(3, len(metrics))
    n_rows = -(-len(metrics) // n_columns)
    with canvas(max(WIDTH * n_columns, 4.5), 3.1 * n_rows) as drawing:
        axes = np.atleast_1d(drawing.subplots(n_rows, n_columns)).reshape(-1)
        for letter, axis, metric in zip("abcdefghijkl", axes, metrics, strict=False):
            mine = table[table["metric"] == metric].set_index("kind")
            _bars(axis, comparisons, metric, mine)
            panel(axis, letter, f"{_spaced(metric)}")
        for axis in axes[len(metrics) :]:
            axis.set_axis_off()
        values = zip(table["metric"], table["kind"], table["value"], strict=True)
        said = ", ".join(f"{_spaced(metric)} {name} {value:.2f}" for metric, name, value in values)
        return [
            finished(
                drawing,
                title=f"{comparisons.n_networks} networks beside {', '.join(comparisons.brains)}.",
                caption="Each dot a network (the mean over recordings of the median over units); bars: means, with "
                f"95 % hierarchical bootstrap intervals over {comparisons.level}. Families: "
                f"{', '.join(comparisons.families)}. Red: the claim; blue: networks of other kinds, among them the "
                "untrained; green: from animal to animal, and the same animal in other trials; "
                "grey: nulls without a network, or of surrogates of each. "
                "Stars: the claim is above, p < 0.05, corrected for the number of metrics by Holm.",
                alt=f"Bars of every kind of network and null, by metric: {said}.",
            )
        ]


def _bars(axis: Any, comparisons: Comparisons, metric: str, table: Any) -> None:
    measure = comparisons.headline(metric)
    last = [name for name in table.index if name in ORDER or name in ("random features", "scrambled")]
    names = [comparisons.claim, *[name for name in table.index if name not in (comparisons.claim, *last)]]
    names += [name for name in (*ORDER, "random features", "scrambled") if name in last]
    top = float(np.nanmax(table["high"].fillna(table["value"])))
    for place, name in enumerate(names):
        row = table.loc[name]
        colour = _colour(name, comparisons.claim, last)
        axis.bar(place, row["value"], color=colour, width=0.72, alpha=0.85)
        axis.vlines(place, row["low"], row["high"], color=INK, lw=1.2)
        each = comparisons.by_network(name, measure)
        if len(each) > 1:
            axis.scatter(place + np.linspace(-0.2, 0.2, len(each)), each, s=11, color=INK, alpha=0.6, lw=0, zorder=3)
        if row["p_holm"] < 0.05:
            axis.text(place, max(row["high"], row["value"], 0) + 0.02 * top, "*", ha="center", color=INK)
    axis.set_xticks(
        range(len(names)),
        [WORDS.get(name, name) for name in names],
        rotation=50,
        ha="right",
        rotation_mode="anchor",
        fontsize=8,
    )
    axis.tick_params(axis="x", length=0, pad=1)
    axis.axhline(0, color=INK, lw=0.8)
    axis.set_ylabel({"r": "held-out correlation"}.get(measure, measure.replace("_", " ")))


def _colour(name: str, claim: str, last: list[str]) -> str:
    if name == claim:
        return MODEL
    if name not in last:
        return SECOND
    return {"animal": BRAIN, "repeat": BRAIN, "behaviour+model": THIRD}.get(name, NULL)


def _spaced(name: str) -> str:
    """Return a class's name as words: `RidgePredictivity` is `Ridge predictivity`."""
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z]*", name)
    return " ".join([parts[0], *(part if part.isupper() else part.lower() for part in parts[1:])])
