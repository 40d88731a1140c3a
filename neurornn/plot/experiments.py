"""Drawings of comparisons, lesions and an animal's rest, each beside its nulls."""

from typing import Any

import numpy as np

from neurornn import _check
from neurornn.comparison.result import BOTH, TO_BRAIN, Comparison
from neurornn.perturb import LesionTable
from neurornn.plot.base import BRAIN, INK, MODEL, NULL, SECOND, THIRD, Figure, canvas, figures, finished, panel, wrapped
from neurornn.study.rest import Rest

BARS = ("model", "behaviour+model", "animal", "repeat", "behaviour", "time", "other task", "untrained", "shifted")
BARS += ("phase-randomised", "trial-shuffled", "random features", "scrambled")
COLOURS = {"model": MODEL, "behaviour+model": THIRD, "animal": BRAIN, "repeat": BRAIN}


@figures.register
def _(comparison: Comparison) -> list[Figure]:
    if not comparison.complete:
        fix = "Give the fit itself, or recordings of untrained networks, and a recording with behaviour."
        _check.fail("figures", "comparison", "complete, with all its nulls", "; ".join(comparison.missing), fix)
    measure = comparison.metric.headline
    way = BOTH if comparison.metric.symmetric else TO_BRAIN
    table = comparison.summary()
    mine = table[(table["direction"] == way) & (table["measure"] == measure)].set_index("source")
    each = comparison.metric.columnwise
    label = {"r": "held-out correlation"}.get(measure, measure.replace("_", " "))
    with canvas(9.0 if each else 4.5, 3.6) as drawing:
        axes = np.atleast_1d(drawing.subplots(1, 3 if each else 1, width_ratios=[1.25, 1, 1] if each else [1]))
        _bars(axes[0], comparison, mine, measure, way)
        axes[0].set_ylabel(label)
        for axis, null in zip(axes[1:], ("untrained", "behaviour"), strict=False):
            _against(axis, comparison, measure, null)
        titles = ("Beside its nulls", "Training", "Beyond behaviour")
        for letter, axis, title in zip("abc" if each else " ", axes, titles, strict=False):
            panel(axis, letter.strip(), title)
        text = ", ".join(f"{name} {mine['median'][name]:.2f}" for name in BARS if name in mine.index)
        what = "Bars: medians over units with 95 % bootstrap intervals (for shifts, the middle 95 %). b, c: each dot a "
        what = f"{what}neuron. " if each else "One number for the two populations; for shifts, the middle 95 %. "
        return [
            finished(
                drawing,
                title="Held-out predictivity of each neuron." if each else f"{type(comparison.metric).__name__}.",
                caption=f"{comparison.n_units} of {comparison.n_units_total} units (threshold: {comparison.threshold}) "
                f"in {comparison.n_bins} bins of {comparison.dt:g} ms (about {comparison.n_effective:.0f} "
                f"independent); gap {comparison.gap / 1000:.1f} s. {what}{comparison.ceiling}",
                alt=f"Bars of {label}: {text}." + (" Two scatter plots of neurons." if each else ""),
            )
        ]


def _bars(axis: Any, comparison: Comparison, table: Any, measure: str, way: str) -> None:
    names = [name for name in (*BARS, *table.index) if name in table.index]
    names = list(dict.fromkeys(names))
    rng = np.random.default_rng(0)
    for place, name in enumerate(names):
        row = table.loc[name]
        axis.bar(place, row["median"], color=COLOURS.get(name, NULL), width=0.7, alpha=0.85)
        axis.vlines(place, row["low"], row["high"], color=INK, lw=1.4)
        values = comparison.of(name, measure, direction=way).to_numpy(float)
        if len(values) > 1:
            axis.scatter(place + rng.uniform(-0.2, 0.2, len(values)), values, s=6, color=INK, alpha=0.4, lw=0)
    axis.set_xticks(range(len(names)), names, rotation=50, ha="right", rotation_mode="anchor", fontsize=8)
    axis.tick_params(axis="x", pad=1)
    axis.axhline(0, color=INK, lw=0.8)


def _against(axis: Any, comparison: Comparison, measure: str, null: str) -> None:
    model, other = comparison.of("model", measure), comparison.of(null, measure)
    low = float(min(model.min(), other.min(), 0.0)) - 0.05
    high = float(max(model.max(), other.max())) + 0.05
    axis.plot([low, high], [low, high], color=NULL, lw=1)
    axis.scatter(other.reindex(model.index), model, s=16, color=MODEL, alpha=0.8, lw=0)
    axis.set(xlim=(low, high), ylim=(low, high), xlabel=null, ylabel="network", aspect="equal")


@figures.register
def _(hurt: LesionTable) -> list[Figure]:
    curve = hurt.curve
    with canvas(9.0, 3.0) as drawing:
        left, right = drawing.subplots(1, 2, width_ratios=[1.2, 1])
        n_controls = len(hurt.control_effects)
        if n_controls:
            left.hist(hurt.control_effects, bins=40, color=NULL, label=f"{n_controls} matched controls")
        left.axvline(hurt.effect, color=MODEL, lw=2, label=f"these {len(hurt.units)} units")
        left.axvspan(*hurt.interval, color=MODEL, alpha=0.15, lw=0)
        left.axvline(0, color=INK, lw=0.8)
        left.set(xlabel=f"change of {hurt.score_name}", ylabel="controls")
        left.legend(loc="best")
        panel(left, "a", f"z = {hurt.z:.1f}, p = {hurt.p:.3g}" if n_controls else "Without controls")
        if len(curve):
            right.fill_between(
                curve["dose"],
                curve["effect"] - curve["sd"],
                curve["effect"] + curve["sd"],
                color=SECOND,
                alpha=0.2,
                lw=0,
            )
            right.plot(curve["dose"], curve["effect"], color=SECOND, marker="o", ms=3.5)
            right.plot(len(hurt.units) / hurt.n_units, hurt.effect, "D", color=MODEL, ms=6)
            right.axhline(0, color=INK, lw=0.8)
            right.set(xlabel="fraction of units silenced at random", ylabel=wrapped(f"change of {hurt.score_name}"))
            half = f"half effect at {hurt.half_dose:.2f}" if np.isfinite(hurt.half_dose) else "no harm at full dose"
            panel(right, "b", f"Dose: {half}")
        return [
            finished(
                drawing,
                title=f"{hurt.perturbation.split(',')[0]} of {len(hurt.units)} units.",
                caption="a: the effect (shaded: 95 % bootstrap over trials) beside that of matched random sets on "
                "the same trials and "
                "the same noise. b: random sets of growing size (mean and standard deviation); diamond: these units.",
                alt=_beside_controls(hurt),
            )
        ]


def _beside_controls(hurt: LesionTable) -> str:
    low, high = hurt.interval
    text = f"The lesion changes the {hurt.score_name} by {hurt.effect:.3g} ({low:.3g} to {high:.3g})"
    if not len(hurt.control_effects):
        return f"{text}; no controls were run."
    mean = float(hurt.control_effects.mean())
    return f"{text}, {len(hurt.control_effects)} matched controls by {mean:.3g} on average; p = {hurt.p:.3g}."


@figures.register
def _(rest: Rest) -> list[Figure]:
    with canvas(9.0, 3.0) as drawing:
        left, middle, right = drawing.subplots(1, 3)
        for values, colour, name in ((rest.run, INK, "runs (held out)"), (rest.rest, BRAIN, "rest")):
            heights, edges = np.histogram(values[:, 0], bins=30, range=rest.extent, density=True)
            left.stairs(heights, edges, color=colour, lw=1.8, label=name)
        left.set(xlabel=f"decoded position ({rest.unit})", ylabel="density")
        left.legend(fontsize=8)
        panel(left, "a", "Where the rat's units point")
        middle.hist(rest.shuffled, bins=30, color=NULL, label="cells shuffled")
        middle.axvline(rest.divergence.js, color=BRAIN, lw=2, label="rest")
        middle.axvline(rest.uniform, color=INK, ls="--", lw=1, label="uniform")
        middle.set(xlabel="JS divergence from the runs (nats)", ylabel="shuffles")
        middle.legend(fontsize=8)
        panel(middle, "b", f"p = {rest.p:.3g}")
        right.hist(rest.overlap_null, bins=30, color=NULL, label="units shifted")
        k = len(rest.overlap.one_in_other)
        right.axvline(rest.overlap.one_in_other[-1], color=BRAIN, lw=2, label="rest")
        right.set(xlabel=wrapped(f"rest variance in {k} components of the runs"), ylabel="shuffles")
        right.legend(fontsize=8)
        panel(right, "c", "Shared directions")
        return [
            finished(
                drawing,
                title="The animal at rest.",
                caption=f"a: positions decoded from {len(rest.rest)} of {rest.n_bins} bins of rest beside those on "
                "the runs; few spikes point to where the units fire least. b: their divergence beside that of shuffled "
                "cell identities. c: the population's directions at rest and on the runs.",
                alt=f"JS divergence of rest from runs {rest.divergence.js:.3f} nats, median of shuffles "
                f"{float(np.median(rest.shuffled)):.3f}, uniform {rest.uniform:.3f}.",
            )
        ]
