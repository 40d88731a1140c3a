"""Drawings of parity: one potential run twice, and how far apart all of them are."""

import numpy as np

from neurornn.plot.base import BRAIN, INK, MODEL, SECOND, THIRD, Figure, canvas, figures, finished, panel
from neurornn.study.brian_parity import Parity


@figures.register
def _(parity: Parity) -> list[Figure]:
    table = parity.table
    targets, cells = list(dict.fromkeys(table["target"])), list(dict.fromkeys(table["cell"]))
    with canvas(9.4, 3.4) as drawing:
        left, right = drawing.subplots(1, 2, width_ratios=[1.2, 1])
        times = (np.arange(len(parity.example)) + 1) * parity.dt
        left.plot(times, parity.example[:, 0], color=MODEL, lw=2.6, alpha=0.5, label="neurornn")
        left.plot(times, parity.example[:, 1], color=INK, lw=0.8, ls="--", label="brian2")
        left.set(xlabel="ms", ylabel="mV")
        left.margins(y=0.15)
        left.legend(fontsize=7.5, loc="upper right", ncol=2)
        panel(left, "a", parity.of)
        rows = {(row["cell"], row["target"]): row for row in table.to_dict("records")}
        for shift, (target, colour) in enumerate(zip(targets, (SECOND, THIRD, BRAIN), strict=False)):
            errors = [max(rows[cell, target]["trace_error"], 1e-17) for cell in cells]
            right.plot(errors, np.arange(len(cells)) + 0.2 * (shift - 1), "o", ms=5, color=colour, label=target)
        rounding = [max(rows[cell, targets[0]]["ulp_error"], 1e-17) for cell in cells]
        right.plot(rounding, np.arange(len(cells)), "|", ms=13, mew=1.6, color=INK, label="one ulp, here")
        right.axvline(1e-6, color=INK, lw=0.8, ls=":")
        labels = []
        for cell in cells:
            wrong = max(rows[cell, target]["mismatches"] for target in targets)
            labels.append(f"{cell}\n{wrong} of {rows[cell, targets[0]]['spikes']:,} spikes")
        right.set(xscale="log", xlabel="largest relative difference of potentials", xlim=(1e-17, 1e-4))
        right.set_yticks(range(len(cells)), labels, fontsize=7)
        right.set_ylim(len(cells) - 0.4, -0.6)
        right.legend(fontsize=7.5, loc="upper right", bbox_to_anchor=(1.0, -0.2), ncol=4, columnspacing=1.0)
        panel(right, "b", "All of them")
        return [
            finished(
                drawing,
                title="Here and in brian2.",
                caption="a: the potential of one unit, run here and in brian2. b: the largest difference of potentials "
                "over all units and steps; dotted: what is asked for; bar: what moving potentials by one ulp after "
                "every step comes to, without brian2. Below each cell, spikes that fell in another step, of all.",
                alt=f"Spikes here and in brian2: {table['mismatches'].sum()} in another step; the largest "
                f"difference of a potential is {table['trace_error'].max():.1e}.",
            )
        ]
