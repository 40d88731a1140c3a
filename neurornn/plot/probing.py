"""Drawings of replay in rest, and of what quiescence depends on, each beside its null."""

from typing import Any

import numpy as np

from neurornn.plot.base import BRAIN, INK, MODEL, NULL, SECOND, THIRD, Figure, canvas, figures, finished, panel
from neurornn.statistics import Replay
from neurornn.study.probing import NoiseSweep, Targeted
from neurornn.study.replay import LEVEL, Replays

COLOURS = {"brain": BRAIN, "model": MODEL}
EXAMPLES = 4


@figures.register
def _(scores: Replays) -> list[Figure]:
    return [_shares(scores), *_posteriors(scores)]


def _shares(scores: Replays) -> Figure:
    """Draw the shares of events that beat each shuffle, and the scores themselves."""
    table = scores.frame()
    with canvas(9.4, 3.4) as drawing:
        left, *others = drawing.subplots(1, 3, width_ratios=[1.4, 1, 1])
        names = [f"{source}\n{kind}" for source, kind in scores.scores]
        at = np.arange(len(names))
        for shift, null, colour in ((-0.2, "cells", SECOND), (0.2, "time", THIRD)):
            left.bar(
                at + shift, 100 * np.asarray(table[null], dtype=float), 0.38, color=colour, label=f"{null} shuffled"
            )
        left.axhline(100 * LEVEL, color=INK, lw=0.8, ls="--")
        left.set_xticks(at, names, fontsize=7, rotation=30)
        left.set(ylabel="% that beat it")
        left.legend(fontsize=7.5)
        panel(left, "a", "Beyond shuffles?")
        for letter, axis, kind in zip("bc", others, ("events", "windows"), strict=True):
            for (source, this), found in scores.scores.items():
                if this == kind:
                    _cumulative(axis, found, source)
            axis.set(xlabel="size of the score", ylabel="share of the stretches", xlim=(0, 1), ylim=(0, 1))
            axis.legend(fontsize=7.5, loc="lower right")
            panel(axis, letter, f"In {kind}")
        text = "; ".join(
            f"{row[0]} {row[1]} {100 * row[2]:.0f} %" for row in _each(table, "source", "stretches", "cells")
        )
        return finished(
            drawing,
            title="Replay in rest.",
            caption="a: share of the stretches whose score beats 95 % of shuffles (dashed: chance). b, c: sizes of "
            "the scores (weighted correlation of time and decoded place); curves to the right are more like replay.",
            alt=f"Shares that beat the cell shuffle: {text}.",
        )


def _cumulative(axis: Any, found: Replay, source: str) -> None:
    score = np.sort(np.abs(np.asarray(found.frame()["score"], dtype=float)))
    score = score[np.isfinite(score)]
    if len(score):
        axis.step(score, np.arange(1, len(score) + 1) / len(score), color=COLOURS.get(source, NULL), label=source)


def _posteriors(scores: Replays) -> list[Figure]:
    """Draw the events of the animal and the network that score highest."""
    shown = [(source, found) for (source, kind), found in scores.scores.items() if kind == "events"][:2]
    with canvas(9.0, 3.6) as drawing:
        axes = np.atleast_2d(drawing.subplots(len(shown), EXAMPLES, sharey=True))
        for row, (source, found) in zip(axes, shown, strict=True):
            score = np.abs(np.nan_to_num(np.asarray(found.frame()["score"], dtype=float)))
            best = np.argsort(-score, kind="stable")[:EXAMPLES]
            for axis, event in zip(row, best, strict=False):
                low, high = float(found.centres[0]), float(found.centres[-1])
                decoded = found.posteriors[event].T
                axis.imshow(decoded, aspect="auto", origin="lower", extent=(0, decoded.shape[1], low, high))
                panel(axis, "", f"{source} {score[event]:.2f}")
            row[0].set(ylabel=f"place ({found.unit})")
        axes[-1, 0].set(xlabel="bins of 20 ms")
        return [
            finished(
                drawing,
                title="The events that score highest.",
                caption="Decoded probability of each place in each bin of an event; number: size of the score. The "
                "best of many events look like replay by chance, too: the shares above tell.",
                alt=f"Maps of decoded place over time for the {EXAMPLES} events that score highest, of "
                + " and of ".join(source for source, _ in shown)
                + ".",
            )
        ]


@figures.register
def _(sweep: NoiseSweep) -> list[Figure]:
    table = sweep.frame()
    with canvas(9.0, 2.9) as drawing:
        axes = drawing.subplots(1, 3)
        labels = {"js": "JS from active (nats)", "step": "step (of the world)", "variance": "variance over time"}
        for letter, axis, (name, label) in zip("abc", axes, labels.items(), strict=True):
            axis.plot(table["factor"], table[name], color=MODEL, marker="o", ms=3.5)
            axis.axvline(2**0.5, color=NULL, ls="--", lw=1)
            axis.set(xlabel="noise over that of training", ylabel=label)
            panel(axis, letter, label.split(" (")[0])
        return [
            finished(
                drawing,
                title="How much noise quiescence needs.",
                caption="Quiescence at growing noise; dashed: the square root of 2, at which theory has it sample what "
                "the network visits when it acts.",
                alt="Divergence from active runs over the noise: "
                + ", ".join(f"{js:.3g} nats at {k:.3g}" for k, js in zip(table["factor"], table["js"], strict=True))
                + "; beside it the step and the variance of quiescence.",
            )
        ]


@figures.register
def _(biased: Targeted) -> list[Figure]:
    table = biased.frame()
    targets = sorted(set(table["target"]))
    with canvas(3.2 * len(targets) + 1, 3.0) as drawing:
        axes = np.atleast_1d(drawing.subplots(1, len(targets), sharey=True))
        for letter, axis, target in zip("abcdef", axes, targets, strict=False):
            strengths = sorted(set(table["strength"]))
            for pattern, colour in (("place", MODEL), ("shuffled units", NULL)):
                start = biased.near(target, 0.0, "place")
                near = [biased.near(target, one, pattern) if one else start for one in strengths]
                axis.plot(range(len(strengths)), near, color=colour, marker="o", ms=3.5, label=pattern)
            axis.set_xticks(range(len(strengths)), [f"{one:g}" for one in strengths])
            axis.set(xlabel="strength of the current", ylim=(0, 1.02))
            panel(axis, letter, f"Towards {target:g} of the track")
        axes[0].set(ylabel="share of the time near it")
        most = max(table["strength"])
        told = [
            f"{biased.near(one, most, 'place'):.2f} and {biased.near(one, most, 'shuffled units'):.2f} at {one:g}"
            for one in targets
        ]
        axes[0].legend(fontsize=8)
        return [
            finished(
                drawing,
                title="Targeted reactivation.",
                caption="Share of the time near a place under a constant current in the pattern of that place, beside "
                "the same current to the units in random order.",
                alt="Share of the time near a target at the strongest current, and with its units shuffled: "
                + "; ".join(told)
                + ".",
            )
        ]


def _each(table: Any, *names: str) -> list[tuple[Any, ...]]:
    return list(zip(*(table[name] for name in names), strict=True))
