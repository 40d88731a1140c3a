"""Drawings of lesions task by task, in combination, over networks and for good, and of stimulated trials."""

import textwrap
from typing import Any

import numpy as np
import pandas as pd

from neurornn.fit import Relearning
from neurornn.perturb import Contributions, LesionMatrix, LesionResults, UnitLesions, VarianceClusters
from neurornn.plot.base import INK, MODEL, NULL, SECOND, THIRD, Figure, canvas, figures, finished, panel, wrapped
from neurornn.study import QuietLesion, StimulationTest

SURE = 0.05
"""Level at which a cell is marked, and a bar is drawn in colour."""


@figures.register
def _(matrix: LesionMatrix) -> list[Figure]:
    harm, excess = matrix.harm, matrix.harm - matrix.control_harm
    names = [f"{name} ({len(units)})" for name, units in matrix.groups.items()]

    with canvas(9.0, 1.7 + 0.34 * len(names)) as drawing:
        left, right = drawing.subplots(1, 2, sharey=True)
        limit = max(float(np.abs(harm).max()), float(np.abs(excess).max()), 1e-9)
        for axis, values in ((left, harm), (right, excess)):
            image = axis.imshow(-values, cmap="RdBu", vmin=-limit, vmax=limit, aspect="auto")
            axis.set_xticks(range(len(matrix.tasks)), matrix.tasks, rotation=40, ha="right", fontsize=8)
            axis.spines[:].set_visible(False)
            for g, k in np.ndindex(*values.shape):
                dark = abs(values[g, k]) > 0.6 * limit
                axis.text(
                    k,
                    g,
                    f"{0.0 - round(float(values[g, k]), 2):+.2f}",
                    ha="center",
                    va="center",
                    fontsize=7,
                    color="w" if dark else INK,
                )
        for g, k in np.argwhere(matrix.p <= SURE):
            right.add_patch(_frame(int(k), int(g)))
        left.set_yticks(range(len(names)), names, fontsize=8)
        drawing.colorbar(image, ax=(left, right), label=wrapped("change of score"), shrink=0.9, pad=0.01)
        panel(left, "a", "Change by each lesion")
        panel(right, "b", "Beyond its controls")
        double = matrix.double()
        first = (
            "none"
            if double.empty
            else ", ".join(
                f"{row['group_a']} and {row['group_b']} in {row['task_i']} and {row['task_j']}"
                for row in _records(double.head(1))
            )
        )
        return [
            finished(
                drawing,
                title=f"{matrix.perturbation.split(',')[0]} of {len(names)} groups of units, task by task.",
                caption=f"a: change of the {matrix.score_name} (units of each group in brackets). b: the same less the "
                f"mean of {min(len(one) for one in matrix.control_scores)} matched random groups or more; framed: less "
                f"than one in twenty does as much harm. Interaction of group and task: p = "
                f"{matrix.interaction_p:.3g}. Double dissociations: {len(double)}; the surest: {first}.",
                alt=f"Two matrices of {len(names)} groups by {len(matrix.tasks)} tasks; largest harm {harm.max():.2f}, "
                f"beyond controls {excess.max():.2f}.",
            )
        ]


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table as they come."""
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _frame(column: int, row: int) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((column - 0.47, row - 0.47), 0.94, 0.94, fill=False, edgecolor=INK, lw=1.3)


@figures.register
def _(clusters: VarianceClusters) -> list[Figure]:
    active = np.flatnonzero(clusters.labels >= 0)
    order = active[np.argsort(clusters.labels[active], kind="stable")]
    with canvas(9.0, 3.2) as drawing:
        left, right = drawing.subplots(1, 2, width_ratios=[2.2, 1])
        image = left.imshow(clusters.normalised[order].T, aspect="auto", cmap="magma", vmin=0, vmax=1)
        left.set_yticks(range(len(clusters.tasks)), clusters.tasks, fontsize=8)
        for edge in np.flatnonzero(np.diff(clusters.labels[order])):
            left.axvline(edge + 0.5, color="w", lw=1.2)
        left.set_xlabel("unit, by cluster")
        drawing.colorbar(image, ax=left, label="variance / largest", pad=0.01)
        numbers = list(clusters.silhouettes)
        right.plot(numbers, [clusters.silhouettes[k] for k in numbers], "o-", color=SECOND, ms=3.5)
        right.axvline(clusters.n_clusters, color=MODEL, lw=1.2)
        right.set(xlabel="clusters", ylabel="mean silhouette")
        panel(left, "a", f"{len(active)} of {len(clusters.labels)} units, {clusters.n_clusters} clusters")
        panel(right, "b", "How many")
        return [
            finished(
                drawing,
                title="Units by the variance that each task drives.",
                caption="a: task variance of each active unit over its largest; white lines part clusters (k-means). "
                "b: the number of clusters with the best silhouette is taken.",
                alt=f"{len(active)} units in {clusters.n_clusters} clusters by {len(clusters.tasks)} tasks.",
            )
        ]


@figures.register
def _(found: Contributions) -> list[Figure]:
    table = found.frame()
    places = np.arange(len(table))
    with canvas(5.0, 3.0) as drawing:
        axis = drawing.subplots()
        axis.bar(
            places - 0.2, table["contribution"], 0.38, yerr=table["error"], color=MODEL, label="over all combinations"
        )
        axis.bar(places + 0.2, table["single_lesion"], 0.38, color=NULL, label="single lesion")
        axis.axhline(0, color=INK, lw=0.8)
        axis.set_xticks(places, table["group"], rotation=35, ha="right", fontsize=8)
        axis.set_ylabel(wrapped(f"share of {found.score_name}"))
        axis.margins(y=0.3)  # room for the legend
        axis.legend(loc="upper left")
        return [
            finished(
                drawing,
                title="What each group contributes.",
                caption="Shapley values over combinations of lesions (bars: standard errors of sampling), beside what "
                "the lesion of the group alone costs: redundant groups show in the first and not in the second.",
                alt=", ".join(f"{row['group']} {row['contribution']:.2f}" for row in _records(table)),
            )
        ]


@figures.register
def _(found: UnitLesions) -> list[Figure]:
    table = found.frame()
    with canvas(6.0, 2.8) as drawing:
        axis = drawing.subplots()
        sure = table["q"].to_numpy() <= SURE
        axis.bar(range(len(table)), table["harm"], width=1.0, color=np.where(sure, MODEL, NULL), lw=0)
        axis.axhline(0, color=INK, lw=0.8)
        axis.set(xlabel="unit, by harm", ylabel=wrapped(f"harm to {found.score_name}"))
        return [
            finished(
                drawing,
                title="Every unit lesioned for itself.",
                caption=f"In colour: false discovery rate across units at or below {SURE:g}, of this one network.",
                alt=f"{int(sure.sum())} of {len(table)} units matter; the largest harm is {table['harm'].max():.3g}.",
            )
        ]


@figures.register
def _(found: Relearning) -> list[Figure]:
    with canvas(5.0, 2.8) as drawing:
        axis = drawing.subplots()
        for name, colour in (("intact", SECOND), ("lesioned", MODEL)):
            part = found.table[found.table["network"] == name]
            axis.plot(part["step"], part["score"], "o-", ms=3, color=colour, label=name)
        axis.set(xlabel="training steps after the lesion", ylabel=wrapped(found.score_name))
        axis.legend()
        steps, last = found.steps_to_recover(), int(found.table["step"].to_numpy(dtype=int).max())
        told = f"Nine tenths of the acute effect are gone after {steps:g} steps."
        told = f"After {last} steps less than nine tenths of the acute effect are gone." if np.isnan(steps) else told
        return [
            finished(
                drawing,
                title="At once, and after learning around it.",
                caption="Held-out score of the lesioned network and of the intact one, both trained further on the "
                f"same trials. {told}",
                alt=f"Acute effect {found.acute:.3g}. {told}",
            )
        ]


@figures.register
def _(found: LesionResults) -> list[Figure]:
    across = found.across()
    single = found.per_model()
    names = [" / ".join(row) for row in across[["difficulty", "lesion", "measure"]].to_numpy().tolist()]
    with canvas(6.5, 1.2 + 0.34 * len(names)) as drawing:
        axis = drawing.subplots()
        for place, row in enumerate(_records(across)):
            axis.plot([row["low"], row["high"]], [place, place], color=INK, lw=2)
            axis.plot(row["effect"], place, "D", color=MODEL, ms=6)
            keys = ("difficulty", "lesion", "measure")
            own = single.loc[np.logical_and.reduce([single[key].to_numpy() == row[key] for key in keys])]
            axis.plot(own["effect"], [place + 0.16] * len(own), ".", color=THIRD, ms=5)
            axis.plot(own["control"], [place - 0.16] * len(own), ".", color=NULL, ms=5)
        axis.axvline(0, color=INK, lw=0.8)
        axis.set_yticks(range(len(names)), names, fontsize=8)
        axis.invert_yaxis()
        axis.set_xlabel("change from the intact network")
        return [
            finished(
                drawing,
                title="Lesions over networks.",
                caption="Diamonds: means over networks, with 95 % of a hierarchical bootstrap of networks and trials; "
                "dots: each network (orange) and the mean of its matched controls (grey).",
                alt="; ".join(f"{name} {value:.3g}" for name, value in zip(names, across["effect"], strict=True)),
            )
        ]


@figures.register
def _(found: StimulationTest) -> list[Figure]:
    table = found.frame()
    with canvas(1.6 + 1.25 * len(table), 3.0) as drawing:
        axis = drawing.subplots()
        places = np.arange(len(table))
        axis.bar(places - 0.2, table["without"], 0.38, color=NULL, label="held out, without stimulation")
        axis.bar(places + 0.2, table["explained"], 0.38, color=MODEL, label="stimulated")
        axis.axhline(0, color=INK, lw=0.8)
        names = [textwrap.fill(str(one), 14) for one in table["condition"]]
        axis.set_xticks(places, names, fontsize=8)
        axis.set(
            ylabel="explained variance",
            ylim=(min(0.0, max(-1.0, float(table["explained"].to_numpy(dtype=float).min()))), 1.05),
        )
        axis.legend(fontsize=8)
        return [
            finished(
                drawing,
                title="Trials with stimulation, from a fit to those without.",
                caption="Variance of the neurons about their training mean that each network explains; what is worse "
                "than -1 is cut off.",
                alt=", ".join(f"{row['condition']} {row['explained']:.2f}" for row in _records(table)),
            )
        ]


@figures.register
def _(found: QuietLesion) -> list[Figure]:
    runs = found.runs
    names = {
        "js from active": ("Where it goes", "JS from active (nats)"),
        "step": ("How far a step goes", "step (of the world)"),
        "distance from the intact path": ("How far it strays", "distance (of the world)"),
    }
    with canvas(9.0, 2.9) as drawing:
        axes = drawing.subplots(1, 3)
        for letter, axis, (name, (title, label)) in zip("abc", axes, names.items(), strict=True):
            null = runs.loc[runs["kind"] == "control", name]
            if len(null):
                axis.hist(null, bins=20, color=NULL, label="matched controls")
            axis.axvline(found.value(name), color=MODEL, lw=2, label="lesion")
            if name != "distance from the intact path":
                axis.axvline(found.value(name, "intact"), color=INK, lw=1, ls="--", label="intact")
            axis.set(xlabel=label, ylabel="sets")
            p = found.value(name, "p")
            panel(axis, letter, title if np.isnan(p) else f"{title}, p = {p:.2g}")
        axes[0].margins(y=0.35)  # room for the legend
        axes[0].legend(fontsize=7.5)
        told = ", ".join(f"{name} {found.value(name):.3g} ({found.value(name, 'control'):.3g})" for name in names)
        return [
            finished(
                drawing,
                title="Lesion in quiescence.",
                caption=f"{len(found.units)} units lesioned while the network runs without input, beside "
                f"{len(found.controls.sets)} matched sets, from the same starts and with the same noise.",
                alt=f"Three histograms over matched sets. Of the lesion, and the mean of its controls: {told}.",
            )
        ]
