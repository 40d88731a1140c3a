"""Drawings of navigation: errors over time, one trial to look at, place maps, remapping."""

from typing import Any

import numpy as np

from neurornn.plot.base import BRAIN, INK, MODEL, NULL, SECOND, THIRD, Figure, canvas, figures, finished, panel
from neurornn.statistics import Dimensions
from neurornn.study.localising import Example, Localisation
from neurornn.study.placing import Placing
from neurornn.study.remapping import Recognition, Remappings

LINES = {
    "network": (MODEL, "-"),
    "network, no touch": (MODEL, ":"),
    "untrained, fitted readout": (NULL, ":"),
    "middle of the arena": (NULL, "-"),
    "path integration": (THIRD, "-"),
    "single hypothesis": (SECOND, "--"),
    "single hypothesis, told the arena": (SECOND, "--"),
    "particle filter": (INK, "-"),
    "particle filter, told the arena": (INK, "--"),
}


@figures.register
def _(found: Localisation) -> list[Figure]:
    return [_errors(found), *([_paths(found)] if found.examples else [])]


def _errors(found: Localisation) -> Figure:
    """Draw the error of every source over the trial."""
    with canvas(9.0, 3.6) as drawing:
        axis = drawing.subplots()
        steps = np.arange(1, len(found.times) + 1)
        for name, errors in found.errors.items():
            colour, style = LINES.get(name, (NULL, "--"))
            mean, sem = errors.mean(axis=0), errors.std(axis=0, ddof=1) / np.sqrt(len(errors))
            axis.plot(steps, mean, color=colour, ls=style, label=name, lw=2.2 if name == "network" else 1.4)
            if name in ("network", "particle filter"):
                axis.fill_between(steps, mean - 2 * sem, mean + 2 * sem, color=colour, alpha=0.15, lw=0)
        axis.set(xlabel="step of the trial", ylabel="position error (m)", ylim=(0, None), xlim=(1, steps[-1]))
        axis.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
        n = len(steps)
        shown = ", ".join(f"{name} {found.mean(name, n):.3f} m" for name in found.errors)
        return finished(
            drawing,
            title="How far off.",
            caption=f"Mean error over {len(found.errors['network'])} new trials, the same for all; bands: two standard "
            "errors. Path integration is told where the trial begins; the observers know the arena.",
            alt=f"Curves of position error over a trial. Errors at the last step: {shown}.",
        )


def _paths(found: Localisation) -> Figure:
    """Draw some trials in their arenas, with particles where they were kept."""
    steps = sorted(found.examples[0].clouds) or [len(found.times) - 1]
    shown = [(example, step) for example in found.examples for step in steps]
    columns = len(steps) if len(steps) > 1 else len(found.examples)
    rows = len(shown) // columns
    with canvas(9.0, 9.0 / columns * rows) as drawing:
        axes = drawing.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        for axis, (example, step) in zip(axes.ravel(), shown, strict=True):
            _trial(axis, example, step)
            axis.set_title(f"step {step + 1}")
        axes[0, 0].legend(fontsize=7, loc="upper left")
        cloud = "Dots: particles, the heavier the darker. " if found.examples[0].clouds else ""
        return finished(
            drawing,
            title="Some trials.",
            caption="The path up to that step (line, ring: now), and where network and particle filter think the "
            f"animal is (last ten steps). {cloud}".strip(),
            alt=f"{len(shown)} paths in polygons, with where the network and the particle filter think the animal is.",
        )


def _trial(axis: Any, example: Example, step: int) -> None:
    for (x0, y0), (x1, y1) in example.walls:
        axis.plot([x0, x1], [y0, y1], color=INK, lw=1.6, solid_capstyle="round")
    if step in example.clouds:
        particles, weights = example.clouds[step]
        shade = np.clip(weights / np.quantile(weights, 0.99), 0.05, 1.0)
        axis.scatter(*particles.T, s=3, color=BRAIN, alpha=0.5 * shade, lw=0, zorder=1)
    axis.plot(*example.position[: step + 1].T, color="#b8c0c8", lw=1.0, zorder=2)
    axis.plot(*example.position[step], "o", ms=8, mfc="none", color=INK, zorder=5)
    for name, found in example.found.items():
        colour, _ = LINES[name]
        recent = found[max(0, step - 9) : step + 1]
        axis.plot(*recent.T, color=colour, lw=1.0, alpha=0.8, zorder=3)
        axis.plot(*recent[-1], "o", ms=5, color=colour, label=name, zorder=4)
    axis.set_aspect("equal")
    axis.axis("off")


@figures.register
def _(tuned: Placing) -> list[Figure]:
    with canvas(9.2, 4.3) as drawing:
        top, bottom = drawing.subfigures(2, 1, height_ratios=[1.35, 1])
        axes = top.subplots(2, 8)
        for line, source, colour in zip(axes, ("trained", "untrained"), (MODEL, NULL), strict=True):
            profile = getattr(tuned, source)
            order = np.argsort(-np.nan_to_num(tuned.explained[source], nan=-1.0))
            for axis, unit in zip(line, order[:: max(1, len(order) // 8)], strict=False):
                heat(axis, profile.maps.maps[unit], profile.maps.edges)
                axis.set_title(f"{tuned.explained[source][unit]:.2f}", fontsize=7.5, color=colour, pad=2)
            line[0].text(-0.25, 0.5, source, transform=line[0].transAxes, rotation=90, va="center", color=colour)
        left, right = bottom.subplots(1, 2)
        bins = np.linspace(0, 1, 26)
        for source, colour in (("untrained", NULL), ("trained", MODEL)):
            left.hist(np.clip(tuned.explained[source], 0, 1), bins, color=colour, alpha=0.7, label=source)
            bits = getattr(tuned, source).table["bits_per_spike"].dropna()
            right.hist(bits, np.linspace(0, max(2.5, float(bits.max())), 26), color=colour, alpha=0.7, label=source)
        left.set(xlabel="variance explained by position", ylabel="units")
        right.set(xlabel="spatial information (bits/spike)")
        left.legend()
        panel(left, "", "How much position explains")
        panel(right, "", "Spatial information")
        return [
            finished(
                drawing,
                title="Place maps.",
                caption="Maps of every so many-th unit, ordered by how much of its variance position explains (the "
                "number), each scaled to its own range; below, all units. Activity rectified at 0 for maps and bits.",
                alt=f"Median variance explained: trained {np.nanmedian(tuned.explained['trained']):.2f}, untrained "
                f"{np.nanmedian(tuned.explained['untrained']):.2f}.",
            )
        ]


def heat(axis: Any, rates: np.ndarray, edges: tuple[np.ndarray, ...]) -> None:
    """Draw one map over the plane, scaled to its own range; white where nothing is known."""
    axis.pcolormesh(*edges, rates.T, rasterized=True)
    axis.set_aspect("equal")
    axis.axis("off")


@figures.register
def _(counted: Dimensions) -> list[Figure]:
    table = counted.table
    with canvas(5.5, 2.9) as drawing:
        axis = drawing.subplots()
        edges = table[["start", "stop"]].to_numpy(dtype=float) / 1000
        names = [f"{start:g} to {stop:g}" for start, stop in edges]
        axis.errorbar(names, table["dimensions"], table["error"], color=MODEL, marker="o", capsize=3)
        axis.set(xlabel="time since the trial began (s)", ylabel="participation ratio", ylim=(0, None))
        values = ", ".join(f"{value:.1f}" for value in table["dimensions"])
        return [
            finished(
                drawing,
                title="How many dimensions.",
                caption="Dimensions of the activity over trials in each window of the trial; bars: standard deviation "
                "over resampled trials.",
                alt=f"Bars of dimensionality in windows of a trial. Participation ratios: {values}.",
            )
        ]


@figures.register
def _(known: Recognition) -> list[Figure]:
    with canvas(5.5, 2.9) as drawing:
        axis = drawing.subplots()
        steps = np.arange(1, len(known.times) + 1)
        for name, right in known.right.items():
            axis.plot(steps, right, color=LINES[name][0], label=name)
        axis.axhline(known.chance, color=NULL, ls="--", label="chance")
        axis.set(xlabel="step of the trial", ylabel="arena named rightly", ylim=(0, 1.02), xlim=(1, steps[-1]))
        axis.legend()
        last = ", ".join(f"{name} {right[-1]:.2f}" for name, right in known.right.items())
        return [
            finished(
                drawing,
                title="Which arena.",
                caption="Share of new trials in which the arena that is held most probable is the right one.",
                alt=f"Curves over a trial of how often the arena is told. At the last step: {last}.",
            )
        ]


@figures.register
def _(maps: Remappings) -> list[Figure]:
    return [_correlations(maps), _two_arenas(maps)]


def _correlations(maps: Remappings) -> Figure:
    """Draw correlations within and between arenas, of maps and of population vectors, beside chance."""
    frame = maps.frame()
    networks = list(maps.pairs)
    with canvas(9.0, 3.0) as drawing:
        axes = drawing.subplots(1, 2, sharey=True)
        for axis, kind, title in zip(axes, ("map", "vector"), ("Place maps", "Population vectors"), strict=True):
            for i, network in enumerate(networks):
                rows = frame.iloc[np.flatnonzero(frame["network"].to_numpy() == network)]
                for j, (column, colour) in enumerate((("within", INK), ("between", MODEL), ("shuffled", NULL))):
                    values = rows[f"{kind}_{column}"].to_numpy()
                    at = i + 0.22 * (j - 1)
                    spread = np.linspace(-0.06, 0.06, len(values)) if len(values) > 1 else np.zeros(1)
                    label = {
                        "within": "within an arena",
                        "between": "between arenas",
                        "shuffled": "units dealt at random",
                    }
                    axis.plot(at + spread, values, ".", ms=4, color=colour, label=label[column] if i == 0 else None)
                    axis.plot([at - 0.09, at + 0.09], [values.mean()] * 2, color=colour, lw=2.5)
            axis.axhline(0, color=NULL, lw=0.6)
            axis.set_xticks(range(len(networks)), [name.replace(", ", ",\n") for name in networks])
            panel(axis, "", title)
        axes[0].set(ylabel="correlation")
        axes[0].legend(fontsize=7.5, loc="lower left")
        table = maps.summary()
        told = "; ".join(
            f"{name}: within {row.map_within:.2f}, between {row.map_between:.2f}" for name, row in table.iterrows()
        )
        return finished(
            drawing,
            title="Remapping.",
            caption="Correlations of halves of the trials within an arena and between two, one dot a pair of arenas; "
            "chance: units of one arena dealt at random to those of the other.",
            alt=f"Distributions of map correlations over units. {told}.",
        )


def _two_arenas(maps: Remappings, n_units: int = 10) -> Figure:
    """Draw the maps of some units of the trained network in the pair of arenas that differ most."""
    pairs = maps.pairs["trained"] if "trained" in maps.pairs else next(iter(maps.pairs.values()))
    (one, other), found = min(
        pairs.items(), key=lambda item: float(np.nanmean(item[1].table["between"].to_numpy(dtype=float)))
    )
    both = found.maps.mean(axis=1)  # (recording, unit, x, y), the mean of both halves
    order = np.argsort(found.table["between"].to_numpy(dtype=float))
    chosen = order[np.linspace(0, len(order) - 1, n_units).astype(int)]
    edges = tuple(np.arange(n + 1.0) for n in both.shape[2:])
    with canvas(9.2, 2.3) as drawing:
        axes = drawing.subplots(2, n_units)
        for column, unit in enumerate(chosen):
            for row in (0, 1):
                heat(axes[row, column], both[row, unit], edges)
            axes[0, column].set_title(f"{found.table['between'].iloc[unit]:.2f}", fontsize=7.5, pad=2)
        for row, number in zip((0, 1), (one, other), strict=True):
            axes[row, 0].text(
                -0.3, 0.5, f"arena {number}", transform=axes[row, 0].transAxes, rotation=90, va="center", fontsize=8
            )
        return finished(
            drawing,
            title="The same units in two arenas.",
            caption="Units ordered by how alike their maps are in the two arenas (the number), from those that remap "
            "most; each map scaled to its own range.",
            alt=f"Place maps of {n_units} units in arenas {one} and {other}; their correlations go from "
            f"{found.table['between'].iloc[chosen[0]]:.2f} to {found.table['between'].iloc[chosen[-1]]:.2f}.",
        )
