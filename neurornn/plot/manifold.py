"""Drawings of lines and rings of slow states, and of what joins memories."""

import numpy as np

from neurornn.dynamics import Connections, Continuum
from neurornn.plot.base import BRAIN, INK, MODEL, NULL, SECOND, Figure, canvas, figures, finished, panel


@figures.register
def _(found: Continuum) -> list[Figure]:
    ring = found.kind == "ring"
    at = np.degrees(found.position) if ring else found.position
    drift = np.degrees(found.drift) if ring else found.drift
    with canvas(9.6, 3.1) as drawing:
        left, middle, right = drawing.subplots(1, 3)
        _, _, rows = np.linalg.svd(found.states - found.states.mean(axis=0), full_matrices=False)
        where = (found.states - found.states.mean(axis=0)) @ rows[:2].T
        dots = left.scatter(*where.T, c=at, s=14, cmap="twilight" if ring else "viridis")
        drawing.colorbar(dots, ax=left, label="degrees" if ring else "position", shrink=0.8)
        left.set(xlabel="PC 1", ylabel="PC 2")
        panel(left, "a", f"A {found.kind} of slow states")
        middle.plot(at, drift, color=MODEL)
        middle.axhline(0, color=INK, lw=0.8, ls="--")
        middle.set(xlabel="degrees" if ring else "position", ylabel="degrees/s" if ring else "1/s")
        panel(middle, "b", "Drift along it")
        taus = found.time_constants
        for i in range(min(3, taus.shape[1])):
            colour = (MODEL, SECOND, NULL)[i]
            right.semilogy(at, np.clip(taus[:, i], 1e-1, 1e7), color=colour, label=f"mode {i + 1}")
        right.set(xlabel="degrees" if ring else "position", ylabel="time constant (ms)")
        right.legend(fontsize=7.5)
        panel(right, "c", "How long modes last")
        return [
            finished(
                drawing,
                title=f"A {found.kind} attractor?",
                caption=f"a: settled states in their first two components ({100 * found.share[:2].sum():.0f} % of the "
                f"variance). b: drift along the {found.kind} with the input held; {found.rests} stable resting places. "
                f"c: time constants of the slowest modes; overlap of the slowest with the tangent, median "
                f"{np.median(found.along):.2f}. {found.methods}",
                alt=f"{len(found.states)} slow states on a {found.kind}, their drift ({found.rests} places of rest), "
                f"and the time constants of the slowest modes.",
            )
        ]


@figures.register
def _(found: Connections) -> list[Figure]:
    n_saddles, _, _, n_state = found.paths.shape
    with canvas(5.4, 4.4) as drawing:
        axis = drawing.subplots()
        if n_saddles:
            states = found.paths.reshape(-1, n_state)
            middle = states.mean(axis=0)
            ends = found.paths[:, :, -1].reshape(-1, n_state)
            _, _, rows = np.linalg.svd(ends - middle, full_matrices=False)
            turn = rows[:2]
            for saddle, joins in zip(found.paths, found.joining, strict=True):
                for path in saddle:
                    axis.plot(*((path - middle) @ turn.T).T, color=SECOND if joins else NULL, lw=1)
                start = (saddle[0, 0] - middle) @ turn.T
                axis.scatter(*start, s=30, facecolor="white", edgecolor=MODEL, zorder=3)
            axis.scatter(*((ends - middle) @ turn.T).T, s=40, color=BRAIN, zorder=3)
        axis.set(xlabel="PC 1 of the ends", ylabel="PC 2 of the ends")
        return [
            finished(
                drawing,
                title="What joins the memories.",
                caption=f"From each saddle with one unstable direction (open), both ways down it, to where they end "
                f"(filled): {int(found.joining.sum())} of {n_saddles} stand between two different memories (blue).",
                alt=f"{int(found.joining.sum())} of {n_saddles} saddles join two stable points.",
            )
        ]
