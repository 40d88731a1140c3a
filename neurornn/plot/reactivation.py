"""Drawings of reactivation: where a network goes without input, how, and in which direction it drifts."""

from typing import Any

import numpy as np

from neurornn.plot.base import BRAIN, INK, MODEL, NULL, SECOND, THIRD, Figure, canvas, figures, finished, panel
from neurornn.reactivation import Reactivation
from neurornn.statistics import DriftField

SHOWN = ("active", "quiescent", "no noise", "untrained")


@figures.register
def _(quiet: Reactivation) -> list[Figure]:
    first = _maps(quiet) if len(quiet.extent) == 2 else _line(quiet)
    fields = [_fields(quiet)] if quiet.fields else []
    return [first, *fields, _movement(quiet)]


@figures.register
def _(field: DriftField) -> list[Figure]:
    with canvas(4.5, 3.6) as drawing:
        axis = drawing.subplots()
        _arrows(axis, field, MODEL) if field.centres.shape[1] == 2 else _slope(axis, field, MODEL)
        return [
            finished(
                drawing,
                title="Drift.",
                caption=f"Mean step from each place; alignment with the score {field.alignment:.2f}. {field.methods}",
                alt=f"A field of mean steps of the decoded position; pull to the mean {field.pull:.2f}.",
            )
        ]


def _line(quiet: Reactivation) -> Figure:
    """Draw where a network goes along one axis, and some of its paths."""
    shown = [name for name in SHOWN if name in quiet.positions]
    others = [name for name in quiet.positions if name.startswith("animal")]
    with canvas(9.0, 3.3) as drawing:
        left, right = drawing.subplots(1, 2, width_ratios=[1.1, 1])
        for name, colour in zip([*shown, *others], [INK, MODEL, SECOND, NULL, BRAIN, THIRD], strict=False):
            low, high = quiet.extent[0]
            heights, edges = np.histogram(quiet.positions[name][:, 0], bins=30, range=(low, high), density=True)
            left.stairs(heights, edges, color=colour, lw=1.6 if name != "active" else 2.4, label=name)
        left.legend(fontsize=7.5)
        left.set(xlabel="decoded position", ylabel="density")
        panel(left, "a", "Where it goes")
        for path in quiet.paths["quiescent"][:3]:
            right.plot(np.arange(len(path)) * quiet.dt / 1000, path[:, 0], ".", ms=1.5, color=MODEL, alpha=0.8)
        right.set(xlabel="s", ylabel="decoded position", ylim=quiet.extent[0])
        panel(right, "b", "Paths without input")
        return finished(
            drawing,
            title="Without input.",
            caption="a: positions visited in quiescence beside those of active runs, of quiescence without noise, of "
            "untrained networks, and of the animal where there is one. b: decoded paths of three trials.",
            alt=f"Densities of decoded positions of {', '.join([*shown, *others])}, and three decoded paths. "
            f"JS divergence of quiescence from active runs: {quiet.value('JS from active', 'quiescent'):.3g} nats.",
        )


def _maps(quiet: Reactivation) -> Figure:
    """Draw where a network goes in the plane, one map a condition, with paths over it."""
    shown = [name for name in SHOWN if name in quiet.positions]
    with canvas(9.4, 2.9) as drawing:
        axes = drawing.subplots(1, len(shown), sharex=True, sharey=True)
        for letter, axis, name in zip("abcd", axes, shown, strict=False):
            points = quiet.positions[name]
            counts, x, y = np.histogram2d(points[:, 0], points[:, 1], bins=22, range=quiet.extent)
            axis.pcolormesh(x, y, counts.T / len(points), cmap="Greys", vmax=np.quantile(counts / len(points), 0.99))
            for path, colour in zip(quiet.paths.get(name, [])[:3], (MODEL, SECOND, THIRD), strict=False):
                axis.plot(path[:, 0], path[:, 1], lw=0.6, alpha=0.7, color=colour)
            axis.set(aspect="equal", xlim=quiet.extent[0], ylim=quiet.extent[1])
            panel(axis, letter, name)
        axes[0].set(xlabel="decoded x", ylabel="decoded y")
        return finished(
            drawing,
            title="Without input.",
            caption="Decoded positions (grey: share of the time) and three decoded paths of each condition. "
            "Quiescence is read beside the active runs, quiescence without noise, and untrained networks.",
            alt="Maps of decoded positions: " + ", ".join(shown) + ".",
        )


def _fields(quiet: Reactivation) -> Figure:
    """Draw the mean step from each place beside its nulls."""
    plane = len(quiet.extent) == 2
    with canvas(9.0, 3.3) as drawing:
        axes = drawing.subplots(1, len(quiet.fields), sharex=True, sharey=plane)
        for letter, axis, (name, field) in zip("abcd", np.atleast_1d(axes), quiet.fields.items(), strict=False):
            colour = MODEL if name == "quiescent" else NULL
            _arrows(axis, field, colour) if plane else _slope(axis, field, colour)
            name = "untrained" if name.startswith("untrained") else name.replace("quiescent, ", "")
            panel(axis, letter, f"{name}: {field.alignment:.2f}")
        return finished(
            drawing,
            title="Where it drifts.",
            caption="Mean step from each place (coloured; its size is that of each panel) beside the gradient of the "
            "log density of active positions (dark), which a denoising network should climb. Number: cosine between "
            "the two, weighted by visits. Any path drifts back to its mean: see the same positions in random order.",
            alt="Fields of mean steps: " + ", ".join(f"{k} {f.alignment:.2f}" for k, f in quiet.fields.items()) + ".",
        )


def _arrows(axis: Any, field: DriftField, colour: str) -> None:
    known = np.isfinite(field.drift).all(axis=1)
    at, cell = field.centres[known], (field.extent[0][1] - field.extent[0][0]) / field.bins
    for values, shade, width in ((field.score[known], INK, 0.003), (field.drift[known], colour, 0.007)):
        longest = float(np.nanquantile(np.linalg.norm(values, axis=1), 0.9)) if np.isfinite(values).any() else 0.0
        if longest > 0:
            scaled = values / longest * 1.4 * cell
            axis.quiver(*at.T, *scaled.T, color=shade, angles="xy", scale_units="xy", scale=1.0, width=width)
    axis.set(aspect="equal", xlim=field.extent[0], ylim=field.extent[1])


def _slope(axis: Any, field: DriftField, colour: str) -> None:
    at, drift, score = field.centres[:, 0], field.drift[:, 0], field.score[:, 0]
    axis.errorbar(at, drift, yerr=2 * field.error[:, 0], color=colour, lw=1.4, marker="o", ms=3)
    known = np.isfinite(drift) & np.isfinite(score)
    if known.any() and np.any(score[known] != 0):
        fitted = float(np.sum(drift[known] * score[known]) / np.sum(score[known] ** 2))
        axis.plot(at, fitted * score, color=INK, lw=1.0, ls="--")
    axis.axhline(0, color=INK, lw=0.6)
    axis.set(xlabel="decoded position", ylabel="mean step")


def _movement(quiet: Reactivation) -> Figure:
    """Draw step distances, and how many directions the activity takes."""
    table = quiet.frame()
    steps = table[table["quantity"] == "step distance"].set_index("condition")
    names = [n for n in ("active", "quiescent", "no noise", "untrained", "shuffled in time") if n in steps.index]
    with canvas(9.0, 3.1) as drawing:
        left, middle, right = drawing.subplots(1, 3, width_ratios=[1.2, 1, 1])
        values = [float(steps.loc[name, "value"]) for name in names]
        colours = {"active": INK, "quiescent": MODEL, "no noise": SECOND}
        left.barh(names[::-1], values[::-1], color=[colours.get(name, NULL) for name in names[::-1]])
        left.set(xlabel="distance of a step")
        panel(left, "a", "How far a step goes")
        middle.plot(quiet.overlap["k"], quiet.overlap["other_alone"], color=INK, marker="o", ms=3, label="active")
        middle.plot(quiet.overlap["k"], quiet.overlap["one_alone"], color=MODEL, marker="o", ms=3, label="quiescent")
        middle.set(xlabel="components of each", ylabel="share of the variance", ylim=(0, 1.05))
        middle.legend(fontsize=7.5)
        panel(middle, "b", "How many directions")
        overlap = quiet.overlap["one_in_other"]
        right.plot(quiet.overlap["k"], overlap, color=MODEL, marker="o", ms=3, label="quiescent in active")
        right.plot(quiet.overlap["k"], quiet.overlap["chance"], color=NULL, ls="--", label="random directions")
        right.set(xlabel="components", ylabel="shared variance", ylim=(0, 1.3))
        right.legend(fontsize=7.5, loc="upper left")
        panel(right, "c", "Same directions")
        return finished(
            drawing,
            title="How it moves.",
            caption="a: mean distance of a step of the decoded position. b: cumulative share of the variance in the "
            "principal components of each activity. c: how much of the quiescent variance lies in the main directions "
            "of the active runs.",
            alt="Step distances: " + ", ".join(f"{n} {v:.3g}" for n, v in zip(names, values, strict=True)) + ".",
        )
