"""Drawings of fitted neurons: potentials on held-out steps, and f-I curves."""

import numpy as np

from neurornn.plot.base import BRAIN, INK, MODEL, SECOND, THIRD, Figure, canvas, figures, finished, panel
from neurornn.study.neuron import NeuronFit, NeuronFits

COLOURS = {"lif": SECOND, "adaptive": THIRD, "adex": MODEL}

LINES = {"gradient": "-", "search": ":", "refined": "--"}
MARKERS = {"gradient": "o", "search": "s", "refined": "^"}


@figures.register
def _(fits: NeuronFits) -> list[Figure]:
    return [_potentials(fits), _rates(fits)]


@figures.register
def _(fit: NeuronFit) -> list[Figure]:
    return [_potentials(NeuronFits(fit.held_out.clamp, {f"{fit.kind.__name__}, fitted": fit}, float("nan"), ""))]


def _potentials(fits: NeuronFits) -> Figure:
    """Draw three held-out steps: below threshold, in the middle, and the strongest."""
    held_out = next(iter(fits.fits.values())).held_out.clamp
    firing = np.flatnonzero([len(train) > 0 for train in held_out.spikes])
    shown = sorted({0, int(firing[len(firing) // 2]), len(held_out) - 1} if len(firing) else {0})
    best = {name.split(", ")[0]: name for name in sorted(fits.fits, key=lambda n: -fits.fits[n].held_out.fi_error)}
    with canvas(9.4, 1.6 * len(best) + 0.6) as drawing:
        axes = drawing.subplots(len(best), len(shown), sharex=True, sharey="col", squeeze=False)
        times = (np.arange(held_out.current.shape[1]) + 0.5) * held_out.dt
        for row, (model, name) in zip(axes, best.items(), strict=True):
            answer = fits.fits[name].held_out
            for axis, sweep in zip(row, shown, strict=True):
                axis.plot(times, held_out.potential[sweep], color=BRAIN, lw=0.8)
                axis.plot(times, answer.model.potential[sweep], color=COLOURS.get(model, MODEL), lw=0.8, alpha=0.9)
                for spike in answer.model.spikes[sweep]:
                    axis.plot([spike, spike], [-10, 20], color=COLOURS.get(model, MODEL), lw=0.6, alpha=0.7)
            row[0].set_ylabel(f"{name}\nmV", fontsize=8)
        for axis, letter, sweep in zip(axes[0], "abc", shown, strict=False):
            panel(axis, letter, f"{held_out.steps[sweep]:g} pA")
        axes[-1][0].set_xlabel("ms")
        return finished(
            drawing,
            title="Steps that the fits never saw.",
            caption="The neuron (teal) and each model by the better of its optimisers. A model has no spike of its own "
            "shape: its spikes are told by lines from -10 to 20 mV.",
            alt=f"Potentials of the neuron and of {', '.join(best.values())} on held-out current steps of "
            f"{', '.join(f'{held_out.steps[sweep]:g}' for sweep in shown)} pA.",
        )


def _rates(fits: NeuronFits) -> Figure:
    with canvas(9.4, 3.3) as drawing:
        left, right = drawing.subplots(1, 2, width_ratios=[1.2, 1])
        order = np.argsort(fits.clamp.steps)
        left.plot(fits.clamp.steps[order], fits.clamp.rates()[order], "o-", color=BRAIN, ms=4, label="neuron")
        for name, fit in fits.fits.items():
            model, way = name.split(", ")
            style = LINES.get(way, "-")
            rates = fit.held_out.model.rates()
            left.plot(fit.held_out.clamp.steps, rates, style, color=COLOURS.get(model, MODEL), lw=1.3, label=name)
        left.set(xlabel="current (pA)", ylabel="rate during the step (Hz)")
        left.legend(fontsize=7)
        panel(left, "a", "f-I curve, models on held-out steps")
        names = list(fits.fits)
        for way, marker in MARKERS.items():
            chosen = [name for name in names if name.endswith(way)]
            if not chosen:
                continue
            seconds = [fits.fits[name].found.seconds for name in chosen]
            errors = [fits.fits[name].held_out.fi_error for name in chosen]
            colours = [COLOURS.get(name.split(", ")[0], MODEL) for name in chosen]
            right.scatter(seconds, errors, c=colours, marker=marker, s=40)
            for x, y, name in zip(seconds, errors, chosen, strict=True):
                right.annotate(name, (x, y), xytext=(5, 4), textcoords="offset points", fontsize=7, color=INK)
        right.set(xlabel="wall time of the fit (s)", ylabel="held-out error of the rate (Hz)", ylim=(0, None))
        right.margins(x=0.25)
        panel(right, "b", "What it cost")
        return finished(
            drawing,
            title="Rates and costs.",
            caption="a: rate during the step of the neuron and of every fit (solid: gradient, dotted: search, dashed: "
            "search, then gradient). b: held-out error of the rate over the wall time of the fit.",
            alt="f-I curves: " + ", ".join(f"{n} {f.held_out.fi_error:.1f} Hz" for n, f in fits.fits.items()) + ".",
        )
