"""Drawings of a race: which N each variant came to, over epochs."""

import math
from typing import Any

from neurornn.plot.base import INK, MODEL, NULL, SECOND, THIRD, Figure, canvas, figures, finished, panel
from neurornn.study.variants import Variants

COLOURS = (INK, MODEL, SECOND, THIRD, "#0b7a75", "#8a4fa3", NULL)
"""In each picture the first is what the others are held against."""


@figures.register
def _(variants: Variants) -> list[Figure]:
    n_rows = math.ceil(len(variants.groups) / 2)
    with canvas(9.0, 3.1 * n_rows) as drawing:
        axes = drawing.subplots(n_rows, 2, squeeze=False, sharex=True, sharey=True).ravel()
        longest = max(one.epochs for one in variants.growths.values())
        first = min(min(one.task.ns) for one in variants.growths.values())
        for letter, axis, (title, names) in zip("abcdef", axes, variants.groups.items(), strict=False):
            for place, (name, colour) in enumerate(zip(names, COLOURS, strict=False)):
                growth = variants.growths[name]
                passed = growth.table.iloc[1:-1]
                epochs = [0.0, *passed["epoch"], longest]
                reached = [float(first - 1), *passed["n"], float(growth.solved or first - 1)]
                # Lines that run together are told apart by a hair.
                level = [n + 0.07 * (place - len(names) / 2) for n in reached]
                look: dict[str, Any] = {"color": colour, "label": name, "lw": 2.2 if place == 0 else 1.5}
                axis.step(epochs, level, where="post", **look)
            axis.set(xlabel="epochs", ylabel="largest N passed", ylim=(first - 1.4, variants.last + 0.6))
            axis.yaxis.get_major_locator().set_params(integer=True)
            axis.legend(fontsize=7.5, loc="upper left", handlelength=1.2)
            panel(axis, letter, title)
        for axis in axes[len(variants.groups) :]:
            axis.set_axis_off()
        best = max(variants.growths.values(), key=lambda one: one.solved)
        return [
            finished(
                drawing,
                title="A race to a longer memory.",
                caption=f"The largest N that each had passed, over epochs; up to N = {variants.last} was there to come "
                "to. At the bottom none was passed. Thick: what the others are held against.",
                alt=f"Steps of the largest N passed over epochs for {len(variants.growths)} variants; the farthest "
                f"came to N = {best.solved}.",
            )
        ]
