"""Drawings of how long units remember themselves, beside recorded neurons."""

import numpy as np

from neurornn.plot.base import BRAIN, INK, MODEL, NULL, SECOND, THIRD, Figure, canvas, figures, finished, panel
from neurornn.study.clocks import KNOWN, Clocks

SHOWN = (0.1, 100.0)
"""Timescales that are shown as they are, bins: beyond, a fit over some tens of bins says no more than long."""

COLOURS = {"untrained": NULL, "single": SECOND, "multi": MODEL, "known": INK}


@figures.register
def _(clocks: Clocks) -> list[Figure]:
    sources = list(dict.fromkeys(clocks.table["source"]))
    own = iter((BRAIN, THIRD, "#8a4fa3", "#4c956c"))
    colours = {source: COLOURS.get(source) or next(own, INK) for source in sources}
    with canvas(9.0, 3.4) as drawing:
        left, right = drawing.subplots(1, 2, width_ratios=[1.7, 1.0])
        for source in sources:
            taus = np.sort(clocks.taus(source))
            if len(taus) > 3:
                part = np.arange(1, len(taus) + 1) / len(taus)
                look = {"color": colours[source], "ls": "--" if source == "known" else "-"}
                left.step(np.clip(taus, *SHOWN), part, where="post", label=source, **look)
            else:  # a few neurons are marks, not a distribution
                for tau in taus:
                    left.plot(np.clip(tau, *SHOWN), 0.5, "v", color=colours[source], ms=8, label=source)
        left.axvline(KNOWN, color=INK, lw=0.6, ls=":")
        left.set(xscale="log", xlabel="intrinsic timescale (bins)", ylabel="fraction of units", ylim=(0, 1.02))
        left.legend(fontsize=8)
        whose, remembers = (np.asarray(clocks.table[name]) for name in ("source", "remembers"))
        kept = [100 * float(np.mean(remembers[whose == one])) for one in sources]
        right.barh(range(len(sources)), kept, color=[colours[one] for one in sources])
        right.set_yticks(range(len(sources)), sources, fontsize=8)
        right.invert_yaxis()
        right.axvline(5, color=INK, lw=0.8, ls=":")
        right.set(xlabel="units that remember themselves (%)", xlim=(0, 100))
        panel(left, "a", "How long")
        panel(right, "b", "How many")
        return [
            finished(
                drawing,
                title="Intrinsic timescales, brain beside networks.",
                caption="a: units whose counts go together beyond chance; single neurons as marks; "
                f"those beyond {SHOWN[1]:g} bins at {SHOWN[1]:g}. Dashed: a simulated "
                f"population whose timescale is {KNOWN:g} bins (dotted). b: their share; dotted: chance. One step of a "
                "network stands for one bin.",
                alt="Cumulative distributions of intrinsic timescales, and the share of units that remember: "
                + ", ".join(f"{one} {share:.0f} %" for one, share in zip(sources, kept, strict=True))
                + ".",
            )
        ]
