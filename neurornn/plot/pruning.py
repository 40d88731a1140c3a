"""Drawings of pruned networks."""

import numpy as np

from neurornn.plot.base import BRAIN, INK, MODEL, NULL, SECOND, Figure, canvas, figures, finished, panel
from neurornn.pruning import Pruned
from neurornn.pruning.rebuild import wiring_of
from neurornn.study.clusters import SCORES, SlowModes

COLOURS = dict(zip(SCORES, (MODEL, SECOND, NULL), strict=True))
WORDS = {"noise": "by noise and weight", "weight": "by weight", "uniform": "evenly"}


@figures.register
def _(found: SlowModes) -> list[Figure]:
    table = found.table
    asked = sorted(table["asked"].unique())
    with canvas(9.6, 3.2) as drawing:
        left, middle, right = drawing.subplots(1, 3)
        n_modes = len(table["mode"].unique())
        at_least = table[table["asked"] == asked[0]]
        dense = at_least.groupby("mode")["dense"].first()
        left.plot(range(n_modes), -dense, "o-", color=INK, ms=4, label="before")
        for shift, score in zip((-0.12, 0.0, 0.12), SCORES, strict=True):
            mine = at_least[at_least["score"] == score]
            left.plot(mine["mode"] + shift, -mine["sparse"], "o", color=COLOURS[score], ms=3, label=WORDS[score])
        left.set(yscale="log", xlabel="mode, from the slowest", ylabel="decay rate (leaks)", xticks=range(n_modes))
        left.legend(fontsize=7.5)
        panel(left, "a", f"Slow modes with {100 * asked[0]:.0f} % kept")
        for score in SCORES:
            middle.plot([100 * a for a in asked], [found.error(score, a) for a in asked], "o-", color=COLOURS[score])
        middle.set(xlabel="synapses kept (%)", ylabel="mean relative error", yscale="log")
        panel(middle, "b", "Error of their rates")
        bridge = (found.clusters[:, None] != found.clusters[None, :]) & (found.weights != 0)
        inside = (found.clusters[:, None] == found.clusters[None, :]) & (found.weights != 0)
        np.fill_diagonal(inside, False)
        for place, score in enumerate(SCORES):
            for shift, where, alpha in ((-0.2, inside, 0.45), (0.2, bridge, 1.0)):
                right.bar(place + shift, 100 * found.kept[score][where].mean(), 0.36, color=COLOURS[score], alpha=alpha)
        right.set(xticks=range(3), xticklabels=["noise", "weight", "evenly"])
        right.set(xlabel="inside (pale), bridges", ylabel="kept (%)")
        panel(right, "c", f"Kept, of {100 * asked[0]:.0f} % asked")
        return [
            finished(
                drawing,
                title="Slow modes of a clustered network, pruned.",
                caption=f"a: how fast the {n_modes} slowest modes decay, before and in every draw. b: how far their "
                "rates are off, mean over draws and modes. c: which synapses are kept: noise finds the bridges between "
                "clusters, on which the slow modes rest.",
                alt="Decay rates before and after pruning by three scores, their errors, and which synapses stay.",
            )
        ]


@figures.register
def _(pruned: Pruned) -> list[Figure]:
    with canvas(9.0, 3.2) as drawing:
        left, middle, right = drawing.subplots(1, 3, width_ratios=[1, 1, 1.1])
        left.imshow(pruned.mask, cmap="Greys", interpolation="none", aspect="equal")
        left.set(xlabel="from unit", ylabel="to unit")
        panel(left, "a", f"Kept: {100 * pruned.density:.1f} %")
        if pruned.keep is None:
            middle.text(0.5, 0.5, "nothing was drawn", ha="center", transform=middle.transAxes)
            middle.set_axis_off()
        else:
            drawn = pruned.keep[pruned.keep > 0]
            middle.hist(drawn, bins=np.linspace(0, 1, 31).tolist(), color=SECOND)
            middle.set(xlabel="probability of being kept", ylabel="synapses", yscale="log")
            panel(middle, "b", "Probabilities")
        values = np.linalg.eigvals(wiring_of(pruned.network)().detach().double().cpu().numpy())
        right.scatter(values.real, values.imag, s=8, color=BRAIN)
        right.axhline(0, color=NULL, lw=0.6)
        right.axvline(0, color=NULL, lw=0.6)
        right.set(xlabel="real part", ylabel="imaginary part", aspect="equal")
        panel(right, "c", "Eigenvalues left")
        counts = pruned.counts.set_index("synapses")
        return [
            finished(
                drawing,
                title="A pruned network.",
                caption=f"a: the recurrent synapses that were kept; {len(pruned.units)} of {len(pruned.mask)} units. "
                f"b: with what probability. c: eigenvalues of the recurrent weights, in the wiring's own unit. Of all "
                f"synapses with inputs and readout {100 * pruned.density_whole:.1f} % are left "
                f"({counts.loc['all', 'kept']:,} of {counts.loc['all', 'dense']:,}).",
                alt=f"{100 * pruned.density:.1f} % of the recurrent synapses are left.",
            )
        ]
