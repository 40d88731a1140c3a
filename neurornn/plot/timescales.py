"""Drawings of how memory grows under two curricula, and what it withstands."""

from typing import Any

import numpy as np

from neurornn.plot.base import INK, MODEL, NULL, SECOND, Figure, canvas, figures, finished, panel
from neurornn.study.memory import Curricula, Memories, Tolerance

COLOURS = {"single": SECOND, "multi": MODEL, "untrained": NULL}
NAMES = {"single": "single-head", "multi": "multi-head", "untrained": "untrained"}
PANELS = (
    ("tau_mean", "ms", "Time constants: mean"),
    ("tau_sd", "ms", "their standard deviation"),
    ("tau_max", "ms", "the longest"),
    ("weight_mean", "mean weight", "Recurrent weights"),
    ("step_radius", "spectral radius", "One step, linearised"),
)


@figures.register
def _(curricula: Curricula) -> list[Figure]:
    return [_growth(curricula), _recall(curricula)]


def _growth(curricula: Curricula) -> Figure:
    with canvas(9.0, 5.0) as drawing:
        axes = drawing.subplots(2, 3).ravel()
        for name, growth in curricula.growths.items():
            passed = growth.table.iloc[1:-1]
            look: dict[str, Any] = {"color": COLOURS[name], "marker": "o", "ms": 3.5, "label": NAMES[name]}
            axes[0].plot(passed["n"], passed["epoch"], **look)
            for axis, (column, _, _) in zip(axes[1:], PANELS, strict=True):
                axis.plot(passed["n"], passed[column], **look)
        start = next(iter(curricula.growths.values())).table.iloc[0]
        for axis, (column, label, _) in zip(axes[1:], PANELS, strict=True):
            axis.axhline(float(start[column]), color=NULL, lw=1, ls="--")
            axis.set(xlabel="N", ylabel=label)
            axis.xaxis.get_major_locator().set_params(integer=True)
        axes[5].axhline(1.0, color=INK, lw=0.6)
        axes[0].set(xlabel="N", ylabel="epochs", ylim=(0, None))
        axes[0].xaxis.get_major_locator().set_params(integer=True)
        axes[0].legend()
        for letter, axis, title in zip("abcdef", axes, ("Epochs to N", *(one[2] for one in PANELS)), strict=True):
            panel(axis, letter, title)
        solved = ", ".join(f"{NAMES[name]} N = {growth.solved}" for name, growth in curricula.growths.items())
        return finished(
            drawing,
            title="Two ways to a longer memory.",
            caption="Each dot: the network when it had passed N. Dashed: before training.",
            alt=f"Six curves over N for both curricula. Largest N solved: {solved}.",
        )


def _recall(curricula: Curricula) -> Figure:
    told = []
    with canvas(6.0, 2.6) as drawing:
        axis = drawing.subplots()
        for name in curricula.growths:
            mine = curricula.recall[curricula.recall["curriculum"] == name]
            axis.plot(mine["n"], 100 * mine["accuracy"], color=COLOURS[name], marker="o", ms=4, label=NAMES[name])
            if len(mine):
                told.append(f"{NAMES[name]} {100 * mine['accuracy'].min():.0f} to {100 * mine['accuracy'].max():.0f} %")
        axis.axhline(50, color=NULL, lw=1, ls="--")
        axis.set(xlabel="N that it is asked about", ylabel="right answers (%)", ylim=(35, 103))
        axis.legend()
        return finished(
            drawing,
            title="What is left of the smaller N.",
            caption="Fair bits, when each had passed its last N. The only head of the one is asked about every N. "
            "Dashed: chance.",
            alt=f"Right answers over the N that is asked about: {'; '.join(told)}. Chance is 50 %.",
        )


@figures.register
def _(tolerance: Tolerance) -> list[Figure]:
    told = []
    with canvas(9.0, 3.0) as drawing:
        axes = drawing.subplots(1, 3)
        rng = np.random.default_rng(0)
        for place, (name, group) in enumerate((n, g) for n in ("single", "multi") for g in ("short", "long")):
            units = tolerance.ablated
            left = np.asarray(units[(units["curriculum"] == name) & (units["group"] == group)]["relative"])
            axes[0].scatter(
                place + rng.uniform(-0.15, 0.15, len(left)), left, s=14, color=COLOURS[name], alpha=0.7, lw=0
            )
            axes[0].hlines(left.mean(), place - 0.3, place + 0.3, color=INK, lw=1.6)
            told.append(f"{NAMES[name]}, {group} time constants {left.mean():.2f}")
        axes[0].set_xticks(range(4), ["single\nshort", "single\nlong", "multi\nshort", "multi\nlong"], fontsize=8)
        for axis, on in zip(axes[1:], ("weights", "time constants"), strict=True):
            for name in ("single", "multi"):
                mine = tolerance.noise[(tolerance.noise["curriculum"] == name) & (tolerance.noise["on"] == on)]
                each, left = (np.asarray(mine[column]) for column in ("size", "relative"))
                sizes = np.unique(each[each > 0])
                axis.plot(
                    sizes,
                    [left[each == size].mean() for size in sizes],
                    color=COLOURS[name],
                    marker="o",
                    ms=3.5,
                    label=NAMES[name],
                )
            axis.set(xscale="log", xlabel="noise (of the norm)")
        for letter, axis, title in zip("abc", axes, ("One unit silenced", "Weights", "Time constants"), strict=True):
            axis.axhline(0, color=NULL, lw=1, ls="--")
            axis.set(ylim=(-0.15, 1.1), ylabel="of the accuracy above chance")
            panel(axis, letter, title)
        axes[1].legend()
        return [
            finished(
                drawing,
                title=f"What the memory withstands, at N = {tolerance.n}.",
                caption="1: as intact; 0: chance. a: each dot a silenced unit, of those with the shortest and the "
                "longest time constants; line: mean. b, c: mean over draws.",
                alt="Accuracy above chance, relative to the intact network. One unit silenced, means: "
                + "; ".join(told)
                + ". Two curves over noise on weights and on time constants fall from 1 towards 0.",
            )
        ]


@figures.register
def _(memories: Memories) -> list[Figure]:
    with canvas(9.0, 3.0) as drawing:
        left, middle, right = drawing.subplots(1, 3, width_ratios=[1.2, 1.2, 0.8])
        for name, found in memories.decays.items():
            label = NAMES[name] + (f", N = {memories.n[name]}" if name in memories.n else "")
            known = found.autocorrelation[:, np.isfinite(found.autocorrelation).all(axis=0)]
            left.plot(found.lags, known.mean(axis=1), color=COLOURS[name], label=label)
            taus = np.sort(found.table["tau"].to_numpy(dtype=float))
            taus = taus[np.isfinite(taus)]
            middle.plot(np.maximum(taus, 0.1), np.arange(1, len(taus) + 1) / len(taus), color=COLOURS[name])
        left.axhline(0, color=NULL, lw=0.8)
        left.set(xlabel="lag (ms)", ylabel="autocorrelation, mean over units")
        left.legend()
        middle.set(xscale="log", xlabel="timescale (ms)", ylabel="fraction of units")
        names = list(memories.dimensions)
        right.bar(range(len(names)), [memories.dimensions[name] for name in names], color=[COLOURS[n] for n in names])
        right.set_xticks(range(len(names)), [NAMES[name].replace("-", "-\n") for name in names], fontsize=8)
        right.set_ylabel("components for 90 %")
        for letter, axis, title in zip(
            "abc", (left, middle, right), ("Decay", "Timescales", "Dimensions"), strict=True
        ):
            panel(axis, letter, title)
        return [
            finished(
                drawing,
                title="Timescales of the network.",
                caption="a: how activity forgets, driven by random bits. b: the timescale of each unit, cumulated "
                "(those below 0.1 ms at 0.1). c: principal components that hold 90 % of the variance.",
                alt="How activity forgets, and how many dimensions it has. "
                + "; ".join(
                    f"{NAMES[name]}: median timescale {float(np.nanmedian(found.table['tau'])):.2g} ms, "
                    f"{memories.dimensions[name]:.3g} components"
                    for name, found in memories.decays.items()
                )
                + ".",
            )
        ]
