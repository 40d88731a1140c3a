"""Drawings of a network's dynamics before and after a lesion."""

from typing import Any

import numpy as np

from neurornn.plot.base import INK, MODEL, NULL, SECOND, Figure, canvas, figures, finished, panel
from neurornn.study.lesion_dynamics import LesionDynamics


@figures.register
def _(found: LesionDynamics) -> list[Figure]:
    with canvas(9.0, 5.6) as drawing:
        (far, speed), (plane, spectrum) = drawing.subplots(2, 2)
        _distances(far, found)
        table = found.courses
        _shaded(speed, found)
        speed.plot(table["time"], table["intact_speed"], color=SECOND, label="intact")
        speed.plot(table["time"], table["speed"], color=MODEL, label="lesioned")
        speed.set(xlabel="time in trial (ms)", ylabel="speed (1/s)", ylim=(0, None))
        speed.legend(fontsize=8)
        panel(speed, "b", "How fast they move")
        _paths(plane, found)
        _exponents(spectrum, found)
        counts = ", ".join(
            f"{name} {int(one.stable.sum())} stable of {len(one.states)}" for name, one in found.points.items()
        )
        resting = f" Fixed points: {counts}." if counts else ""
        value = found.value("distance from the intact course")
        beside = found.value("distance from the intact course", "control")
        return [
            finished(
                drawing,
                title="Dynamics before and after the lesion.",
                caption="Of the units that the lesion spares. a: distance from their course in the intact network, on "
                "the same trials and noise; 1 is as far as two of its states drawn at random; grey: mean and middle "
                "95 % of matched controls. b: speed, in the same unit. c: some trials in the first two principal "
                "components of the intact network, from the dot on; rings: stable fixed points with the input held. d: "
                f"Lyapunov exponents with the input held; above 0 neighbours part.{resting}",
                alt=f"Four panels. Mean distance {value:.2f}, of controls {beside:.2f}.{resting}",
            )
        ]


def _distances(axis: Any, found: LesionDynamics) -> None:
    table = found.courses
    time = table["time"]
    _shaded(axis, found)
    if np.isfinite(table["control"].to_numpy(dtype=float)).any():
        axis.fill_between(time, table["control_low"], table["control_high"], color=NULL, alpha=0.35, lw=0)
        axis.plot(time, table["control"], color=NULL, label="controls")
    axis.plot(time, table["distance"], color=MODEL, label="lesion")
    axis.plot(time, table["aligned"], color=MODEL, ls="--", lw=1.2, label="lesion, aligned")
    if np.isfinite(table["noise"].to_numpy(dtype=float)).any():
        axis.plot(time, table["noise"], color=INK, ls=":", lw=1.2, label="other noise")
    axis.set(xlabel="time in trial (ms)", ylabel="distance", ylim=(0, None))
    axis.legend(fontsize=8)
    panel(axis, "a", "How far they stray")


def _paths(axis: Any, found: LesionDynamics) -> None:
    for name, colour in (("intact", SECOND), ("lesion", MODEL)):
        for path in found.plane[name]:
            axis.plot(*path.T, color=colour, lw=0.9, alpha=0.75)
            axis.plot(*path[0], ".", color=colour, ms=5)
        axis.plot([], [], color=colour, lw=1.2, label="lesioned" if name == "lesion" else name)
        if name in found.resting and len(found.resting[name]):
            where = found.resting[name].T
            axis.scatter(*where, s=42, facecolor="white", edgecolor=colour, lw=1.6, zorder=3)
    axis.set(xlabel="component 1", ylabel="component 2")
    axis.legend(fontsize=8)
    panel(axis, "c", "Where they go and rest")


def _exponents(axis: Any, found: LesionDynamics) -> None:
    for name, one in found.exponents.items():
        colour, label = {"intact": (SECOND, "intact"), "lesion": (MODEL, "lesioned")}.get(name, (NULL, ""))
        label = label or ("controls" if name == "control 1" else "")
        place = np.arange(1, len(one.exponents) + 1)
        axis.plot(place, 1e3 * one.exponents, "o-", color=colour, ms=4, lw=1, label=label, zorder=1 + (colour != NULL))
    axis.axhline(0, color=INK, lw=0.8, ls="--")
    axis.set(xlabel="exponent", ylabel="1/s")
    axis.margins(y=0.2)
    if found.exponents:
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.legend(fontsize=8)
    else:
        axis.text(0.5, 0.5, "not asked for", transform=axis.transAxes, ha="center", color=INK)
    panel(axis, "d", "Do neighbours part?")


def _shaded(axis: Any, found: LesionDynamics) -> None:
    """Shade when the perturbation held, where that is the same in every trial."""
    if found.held.empty:
        return
    edges = found.held[["start", "stop"]].to_numpy(dtype=float)
    if len(edges) == len(set(found.held["trial"])) and (edges == edges[0]).all():
        axis.axvspan(*edges[0], color=NULL, alpha=0.18, lw=0)
