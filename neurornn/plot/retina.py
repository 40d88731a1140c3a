"""Drawings of retina models: responses, adaptation to contrast, and how variable they are."""

import numpy as np

from neurornn.plot.base import BRAIN, INK, MODEL, NULL, SECOND, THIRD, Figure, canvas, figures, finished, panel
from neurornn.plot.encoding import against_ceiling, response_figure
from neurornn.study.retina import RetinaFits
from neurornn.study.retina_adaptation import Adaptation
from neurornn.study.retina_noise import NoiseProbe

ORDER = (SECOND, MODEL, THIRD, NULL)


@figures.register
def _(found: RetinaFits) -> list[Figure]:
    colours: dict[str, str] = dict(zip(found.scores, ORDER, strict=False))
    return [response_figure(dict(found.scores), found.truth), *against_ceiling(found.scores, colours)]


@figures.register
def _(found: Adaptation) -> list[Figure]:
    smooth = np.ones(10) / 10
    with canvas(9.0, 2.9) as drawing:
        left, right = drawing.subplots(1, 2, width_ratios=[2.2, 1])
        names = [name for name in found.rates if name != "teacher"]
        colours = {"teacher": BRAIN, **dict(zip(names, (MODEL, SECOND, THIRD, NULL), strict=False))}
        for name, rate in found.rates.items():
            label = "retina" if name == "teacher" else name
            line = np.convolve(rate, smooth, mode="same")[5:-5]
            left.plot(found.times[5:-5] / 1000, line, color=colours[name], lw=1.2, label=label)
        left.axvline(0, color=INK, lw=0.8)
        for start, stop in (found.early, found.late):
            left.axvspan(start / 1000, stop / 1000, color=NULL, alpha=0.18, lw=0)
        left.set(xlabel="time from the step to high contrast (s)", ylabel="mean rate (Hz)")
        left.legend()
        panel(left, "a", "Mean over cycles")
        shown = list(found.index)
        for place, name in enumerate(shown):
            values = found.index[name]
            right.plot(np.full(len(values), place), values, "o", color=colours[name], alpha=0.6)
            right.hlines(np.mean(values), place - 0.3, place + 0.3, color=INK, lw=1.6)
        right.axhline(0, color=INK, lw=0.6)
        right.set_xticks(range(len(shown)), ["retina" if name == "teacher" else name for name in shown])
        right.tick_params(axis="x", labelsize=8)
        right.set(ylabel="adaptation index")
        panel(right, "b", "Each unit, and the mean")
        told = ", ".join(f"{name} {found.share(name):.2f}" for name in names)
        return [
            finished(
                drawing,
                title="Contrast adaptation.",
                caption="Mean rate around the step from low to high contrast, smoothed over 10 bins; grey: the two "
                "stretches that the index compares.",
                alt=f"Mean rates around a step of contrast. Share of the retina's index: {told}.",
            )
        ]


@figures.register
def _(found: NoiseProbe) -> list[Figure]:
    colours = {"latent": SECOND, "clocked": MODEL, "poisson": NULL, "retina": BRAIN}
    with canvas(9.0, 2.8) as drawing:
        axes = drawing.subplots(1, len(found.sources), sharex=True, sharey=True)
        top = max(float(np.nanquantile(each.mean, 0.999)) for each in found.sources.values())
        for axis, (name, each) in zip(axes, found.sources.items(), strict=True):
            axis.plot(each.mean.ravel(), each.variance.ravel(), ".", ms=2, color=colours.get(name, INK), alpha=0.3)
            axis.plot([0, top], [0, top], color=INK, lw=0.8, ls="--")
            slope = float(np.nanmedian(each.slope))
            axis.plot([0, top], [0, slope * top], color=INK, lw=1.4)
            axis.set(xlabel="mean count", xlim=(0, top), ylim=(0, 1.3 * top))
            panel(axis, "", f"{name}: {slope:.2f}")
        axes[0].set_ylabel("variance")
        told = ", ".join(f"{name} {np.nanmedian(each.slope):.2f}" for name, each in found.sources.items())
        return [
            finished(
                drawing,
                title="Variance against mean.",
                caption=f"Each point: a window of {found.window:g} ms; dashed: Poisson, a slope of 1; line: the slope.",
                alt=f"Scatters of variance over mean. Slopes: {told}.",
            )
        ]
