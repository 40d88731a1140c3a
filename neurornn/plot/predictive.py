"""Drawings of predictive coding: what sequences cost, what is foreseen, and which units do it."""

import numpy as np

from neurornn.plot.base import INK, MODEL, NULL, SECOND, THIRD, Figure, canvas, figures, finished, panel
from neurornn.study.economy import Economy
from neurornn.study.expecting import KINDS, UnitKinds
from neurornn.study.predictive import Foresight
from neurornn.study.sparing import Sparing

COLOURS = {
    "energy": MODEL,
    "shuffled": SECOND,
    "energy, out of order": SECOND,
    "without prediction units": THIRD,
    "without as many others": NULL,
    "without like others": NULL,
    "untrained": NULL,
    "post": THIRD,
    "post, weights": INK,
}
DASHED = {"shuffled", "without like others", "untrained"}
NAMES = {"energy": "intact", "energy, out of order": "out of order", "shuffled": "trained out of order"}
LESIONS = ("without prediction units", "without as many others", "without like others")
KIND_COLOURS = {"prediction": MODEL, "error": SECOND, "both": THIRD, "neither": NULL}


@figures.register
def _(economy: Economy) -> list[Figure]:
    known = list(dict.fromkeys(economy.table["condition"]))
    orders = [name for name in ("energy", "energy, out of order", "shuffled") if name in known]
    with canvas(9.6, 3.5) as drawing:
        left, middle, right = drawing.subplots(1, 3, width_ratios=[1.2, 1.2, 1])
        for axis, names in ((left, orders), (middle, ["energy", *(name for name in LESIONS if name in known)])):
            for name in names:
                curve = economy.curve(name)
                look = "--" if name in DASHED else "-"
                label = NAMES.get(name, name)
                axis.plot(np.arange(1, len(curve) + 1), curve, look, color=COLOURS[name], marker="o", ms=3, label=label)
            for guess, colour in (("dataset median", NULL), ("category median", INK)):
                axis.axhline(economy.guesses[guess], color=colour, lw=0.8, ls=":")
                axis.annotate(
                    guess,
                    (0.99, economy.guesses[guess]),
                    xycoords=("axes fraction", "data"),
                    fontsize=7,
                    ha="right",
                    va="bottom",
                )
            axis.set(xlabel="image of the sequence", ylabel="drive a unit", ylim=(0, None))
            axis.legend(fontsize=7, loc="lower left")
        conditions = [name for name in ("energy", "shuffled", "post", "post, weights", "untrained") if name in known]
        at = np.arange(len(conditions))
        for shift, paid, colour in ((-0.2, "action", SECOND), (0.2, "synapses", THIRD)):
            values = [economy.curve(name, paid)[-1] for name in conditions]
            right.bar(at + shift, values, 0.38, color=colour, label={"action": "action potentials"}.get(paid, paid))
        right.set_xticks(at, [NAMES.get(n, n) for n in conditions], rotation=35, ha="right", fontsize=7)
        right.set(ylabel="energy at the last image", yscale="log")
        right.legend(fontsize=7)
        for letter, axis, title in zip(
            "abc", (left, middle, right), ("What comes in order", "Lesions", "What is paid"), strict=True
        ):
            panel(axis, letter, title)
        first, last = economy.curve("energy")[[0, -1]]
        return [
            finished(
                drawing,
                title="Energy over a sequence.",
                caption="a: the mean drive falls where the next class is known. Dotted: what taking away the median of "
                "all images, or of the class, would leave. b: without the prediction units, and without as many "
                "others. c: action potentials and synaptic transmission, logarithmic.",
                alt=f"Energy falls from {first:.3f} at the first image to {last:.3f} at the last.",
            )
        ]


@figures.register
def _(foresight: Foresight) -> list[Figure]:
    table = foresight.frame()
    with canvas(8.4, 3.1) as drawing:
        left, right = drawing.subplots(1, 2)
        seen = table["seen"].to_numpy(dtype=float)
        for name, colour, label in (
            ("intact", MODEL, "intact"),
            ("lesioned", THIRD, "without prediction units"),
            ("shuffled", SECOND, "trained out of order"),
            ("untrained", NULL, "untrained"),
        ):
            if name in table:
                right_share = 100 * table[name].to_numpy(dtype=float)
                left.plot(seen, right_share, color=colour, marker="o", ms=3.5, label=label)
        left.set(xlabel="images seen", ylabel="next class told right (%)", ylim=(0, 140), yticks=range(0, 101, 20))
        left.legend(fontsize=7.5, loc="upper right", ncols=2)
        names = list(foresight.surprises)
        right.bar(
            range(len(names)), [foresight.surprises[n] for n in names], color=[COLOURS.get(n, NULL) for n in names]
        )
        right.axhline(1.0, color=INK, lw=0.8, ls="--")
        right.set_xticks(range(len(names)), [n.replace(", ", ",\n") for n in names], fontsize=8)
        right.set(ylabel="out of turn / in turn")
        panel(left, "a", "Foresight")
        panel(right, "b", "Cost of surprise")
        told = ", ".join(f"{name} {value:.2f}" for name, value in foresight.surprises.items())
        return [
            finished(
                drawing,
                title="What the network foresees.",
                caption="a: the next class, told from the internal drive after so many images. b: drive at the very "
                "same image when it is out of turn, over that when it is in turn; dashed: no difference.",
                alt=f"Curves of correct answers; cost of surprise: {told}.",
            )
        ]


@figures.register
def _(kinds: UnitKinds) -> list[Figure]:
    table = kinds.frame()
    known = table[np.isfinite(table["pixel_variance"])]
    side = round(len(known) ** 0.5)
    with canvas(7.6, 3.0) as drawing:
        left, right = drawing.subplots(1, 2, width_ratios=[1, 1.3])
        rng = np.random.default_rng(0)
        for place, kind in enumerate(KINDS):
            mine = known.loc[known["kind"] == kind, "pixel_variance"].to_numpy(dtype=float)
            right.plot(
                place + 0.25 * (rng.random(len(mine)) - 0.5), mine, "o", ms=3, color=KIND_COLOURS[kind], alpha=0.6
            )
            if len(mine):
                right.plot([place - 0.3, place + 0.3], [np.median(mine)] * 2, color=INK)
        right.set_xticks(range(len(KINDS)), [f"{kind}\n{(table['kind'] == kind).sum()} units" for kind in KINDS])
        right.set(ylabel="variance of the unit's pixel")
        panel(right, "b", "What drives them")
        if side * side == len(known):
            from matplotlib.colors import ListedColormap

            codes = np.array([KINDS.index(kind) for kind in known["kind"]]).reshape(side, side)
            left.imshow(codes, cmap=ListedColormap([KIND_COLOURS[kind] for kind in KINDS]), vmin=-0.5, vmax=3.5)
            left.set(xticks=[], yticks=[])
        else:
            left.axis("off")
        panel(left, "a", "Where they are")
        return [
            finished(
                drawing,
                title="Units that predict, units that err.",
                caption="a: the kind of each unit at the place of its pixel. b: how much that pixel varies over "
                "images; line: median. Colours as in b.",
                alt="A map of units by kind: "
                + ", ".join(f"{(table['kind'] == kind).sum()} {kind}" for kind in KINDS)
                + ".",
            )
        ]


@figures.register
def _(sparing: Sparing) -> list[Figure]:
    colours = {"in order": MODEL, "shuffled": SECOND, "untrained": NULL}
    with canvas(7.6, 3.0) as drawing:
        left, right = drawing.subplots(1, 2, width_ratios=[1.3, 1])
        for name, colour in colours.items():
            rate = sparing.curve(name)
            left.plot(np.arange(1, len(rate) + 1), rate, color=colour, marker="o", ms=3, label=name)
        left.set(xlabel="image of the sequence", ylabel="spikes of a unit (Hz)", ylim=(0, None))
        left.legend(fontsize=7.5)
        names = list(sparing.surprises)
        right.bar(range(len(names)), [sparing.surprises[n] for n in names], color=[colours[n] for n in names])
        right.axhline(1.0, color=INK, lw=0.8, ls="--")
        right.set_xticks(range(len(names)), names, fontsize=8)
        right.set(ylabel="spikes out of turn / in turn")
        panel(left, "a", "Spikes")
        panel(right, "b", "Cost of surprise")
        told = ", ".join(f"{name} {value:.2f}" for name, value in sparing.surprises.items())
        return [
            finished(
                drawing,
                title="A spiking network that spares spikes.",
                caption="a: spikes over a sequence of the network trained in order, of one trained on images in random "
                "order, and untrained. b: spikes at the very same image out of turn over in turn; dashed: no "
                "difference.",
                alt=f"Spikes over images; cost of surprise: {told}.",
            )
        ]
