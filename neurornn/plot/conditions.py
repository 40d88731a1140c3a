"""Drawing of what a population tells of a task variable, within contexts and from one to the other."""

import numpy as np

from neurornn.plot.base import BRAIN, INK, NULL, SECOND, Figure, canvas, figures, finished
from neurornn.statistics import ConditionDecoding


@figures.register
def _(found: ConditionDecoding) -> list[Figure]:
    kinds = {"accuracy": ("held-out trials", BRAIN), "generalisation": (f"another {found.across}", SECOND)}
    kinds = kinds if found.across else {"accuracy": kinds["accuracy"]}
    kinds |= {"chance": ("labels exchanged", NULL)}
    with canvas(3.0 + 0.6 * len(kinds), 3.0) as drawing:
        axis = drawing.subplots()
        for place, (name, (_, colour)) in enumerate(kinds.items()):
            values = found.table[name].to_numpy(float)
            axis.bar(place, values.mean(), color=colour, width=0.6, alpha=0.85)
            spread = np.linspace(-0.18, 0.18, len(values)) if len(values) > 1 else np.zeros(1)
            axis.scatter(place + spread, values, s=10, color=INK, alpha=0.6, lw=0)
        axis.set_xticks(range(len(kinds)), [label for label, _ in kinds.values()], fontsize=8)
        axis.tick_params(axis="x", length=0)
        axis.set(ylim=(0, 1.05), ylabel="balanced accuracy")
        told = ", ".join(f"{label} {found.table[name].mean():.2f}" for name, (label, _) in kinds.items())
        return [
            finished(
                drawing,
                title=f"What the population tells of {found.variable}.",
                caption=f"{found.n_units} units, {found.n_trials} trials of each class; each dot a draw of units and "
                "trials.",
                alt=f"Bars of balanced accuracy in decoding {found.variable}: {told}.",
            )
        ]
