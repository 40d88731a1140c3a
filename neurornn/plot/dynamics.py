"""Drawings of dynamics: spectra, gradients, modes, and the flow with its fixed points."""

from typing import Any

import numpy as np

from neurornn.dynamics import Chaos, FixedPoints, Lyapunov, Modes, Portrait
from neurornn.plot.base import BRAIN, INK, MODEL, NULL, SECOND, THIRD, Figure, canvas, figures, finished, panel

STABLE, SADDLE = BRAIN, MODEL


@figures.register
def _(spectrum: Lyapunov) -> list[Figure]:
    found = np.isfinite(spectrum.exponents)
    exponents, errors = 1e3 * spectrum.exponents[found], 1e3 * np.nan_to_num(spectrum.error[found])
    with canvas(9.0, 3.0) as drawing:
        left, right = drawing.subplots(1, 2, width_ratios=[1.2, 1])
        at = np.arange(1, len(exponents) + 1)
        left.errorbar(at, exponents, errors, color=MODEL, fmt="o", ms=3.5, lw=1, capsize=2)
        left.axhline(0, color=INK, lw=0.8, ls="--")
        left.set(xlabel="exponent", ylabel="1/s")
        panel(left, "a", f"Spectrum ({spectrum.tangent.split('(')[0]})")
        shown = np.flatnonzero(found)[:5]
        for i, colour in zip(shown, (MODEL, SECOND, THIRD, BRAIN, NULL), strict=False):
            right.plot(spectrum.times / 1e3, 1e3 * spectrum.running[:, i], color=colour, lw=1.2)
        right.axhline(0, color=INK, lw=0.8, ls="--")
        right.set(xlabel="measured for (s)", ylabel="1/s")
        panel(right, "b", "Convergence of the largest")
        dimension = spectrum.dimension
        told = "" if np.isnan(dimension) else f" Kaplan-Yorke dimension {dimension:.3g} of {spectrum.n_state}."
        return [
            finished(
                drawing,
                title="Lyapunov spectrum.",
                caption=f"a: exponents with errors from halves of the run; above 0 (dashed) neighbours part. b: what "
                f"had been measured up to each time.{told}",
                alt=f"Lyapunov exponents; the largest is {exponents[0] if len(exponents) else np.nan:.3g} per second.",
            )
        ]


@figures.register
def _(found: Chaos) -> list[Figure]:
    table = found.frame()
    with canvas(5.2, 3.2) as drawing:
        axis = drawing.subplots()
        axis.loglog(table["steps"], table["gradient"], color=MODEL, marker="o", ms=3.5, label="by parameters")
        axis.loglog(table["steps"], table["memory"], color=SECOND, marker="o", ms=3.5, label="by the first state")
        steps = found.horizon / found.spectrum.dt
        if 1 < steps < float(found.lengths[-1]):
            axis.axvline(steps, color=NULL, ls="--", lw=1, label="hundredfold")
        axis.set(xlabel="steps of the unroll", ylabel="norm of the gradient")
        axis.legend(fontsize=8)
        return [
            finished(
                drawing,
                title="Gradients before training.",
                caption=found.summary(),
                alt=f"Two lines of gradient norms over the steps unrolled. After {found.lengths[-1]} steps: by the "
                f"parameters {table['gradient'].iloc[-1]:.2g}, by the first state {table['memory'].iloc[-1]:.2g}.",
            )
        ]


@figures.register
def _(points: FixedPoints) -> list[Figure]:
    with canvas(9.4, 3.6) as drawing:
        left, right = drawing.subplots(1, 2, width_ratios=[1.15, 1])
        plane, share = _plane(points.states)
        slow = (points.slow_states - points.states.mean(axis=0)) @ plane.T if len(points.states) else np.empty((0, 2))
        where = (points.states - points.states.mean(axis=0)) @ plane.T if len(points.states) else np.empty((0, 2))
        if len(slow):
            left.scatter(*slow.T, s=10, color=NULL, label="slow, not fixed", zorder=1)
        _dots(left, where, points.index)
        left.set(xlabel=f"PC 1 ({100 * share[0]:.0f} %)", ylabel=f"PC 2 ({100 * share[1]:.0f} %)")
        _legend(left)
        panel(left, "a", "Where it rests")
        circle = np.exp(1j * np.linspace(0, 2 * np.pi, 200))
        right.plot(np.real(circle), np.imag(circle), color=INK, lw=0.8)
        for i in np.argsort(-points.index):
            values = points.eigenvalues[i]
            right.scatter(np.real(values), np.imag(values), s=6, color=_colour(int(points.index[i])), alpha=0.6)
        right.set(xlabel="real", ylabel="imaginary", aspect="equal")
        panel(right, "b", "Modes there")
        counts = ", ".join(f"{n} of index {index}" for index, n in points.counts.items()) or "none"
        return [
            finished(
                drawing,
                title="Fixed points.",
                caption=f"a: fixed points in their first two principal components ({counts}); the index counts "
                f"unstable directions. b: eigenvalues of the Jacobian at each; outside the circle modes grow. "
                + " ".join(points.notes),
                alt=f"States and fixed points in their first components. Fixed points: {counts}.",
            )
        ]


@figures.register
def _(view: Portrait) -> list[Figure]:
    with canvas(5.6, 4.4) as drawing:
        axis = drawing.subplots()
        size = np.linalg.norm(view.flow, axis=1)
        unit = view.flow / np.maximum(size[:, None], 1e-300)
        colours = np.log10(np.maximum(view.speed, 1e-12))
        arrows = axis.quiver(*view.places.T, *unit.T, colours, cmap="viridis", scale=30, width=0.004)
        drawing.colorbar(arrows, ax=axis, label="log10 speed (1/s)", shrink=0.8)
        for path in view.paths[:12]:
            axis.plot(*path.T, color=NULL, lw=0.6, alpha=0.7)
        if len(view.points):
            _dots(axis, view.points, view.index)
            _legend(axis)
        axis.set(xlabel=f"PC 1 ({100 * view.share[0]:.0f} %)", ylabel=f"PC 2 ({100 * view.share[1]:.0f} %)")
        return [
            finished(
                drawing,
                title="Flow.",
                caption=f"Direction (arrows) and speed (colour) of the state with the input held, some visited paths "
                f"(grey) and fixed points. {view.methods}",
                alt=f"Arrows of the flow in the plane of the first two principal components, with {len(view.points)} "
                f"fixed points and {min(len(view.paths), 12)} visited paths.",
            )
        ]


@figures.register
def _(found: Modes) -> list[Figure]:
    with canvas(9.0, 3.0) as drawing:
        left, middle, right = drawing.subplots(1, 3)
        circle = np.exp(1j * np.linspace(0, 2 * np.pi, 200))
        left.plot(np.real(circle), np.imag(circle), color=INK, lw=0.8)
        left.scatter(np.real(found.eigenvalues), np.imag(found.eigenvalues), s=10, color=MODEL)
        left.set(xlabel="real", ylabel="imaginary", aspect="equal")
        panel(left, "a", "Eigenvalues")
        taus = np.sort(np.asarray(found.frame()["time_constant"], dtype=float))[::-1]
        middle.semilogy(np.arange(1, len(taus) + 1), np.maximum(taus, 1e-3), color=SECOND, marker="o", ms=3)
        middle.set(xlabel="mode", ylabel="ms")
        panel(middle, "b", "Time constants")
        right.semilogy(np.arange(len(found.amplification)) * found.dt, found.amplification, color=THIRD)
        right.axhline(1, color=INK, lw=0.8, ls="--")
        right.set(xlabel="ms", ylabel="largest gain")
        panel(right, "c", "Perturbations")
        return [
            finished(
                drawing,
                title="Modes.",
                caption=f"a: eigenvalues of a step. b: after how long each mode has changed e-fold. c: the most that a "
                f"perturbation can have grown; above 1 (dashed) although all modes decay, the step is not normal "
                f"(departure {found.departure:.2f}).",
                alt=f"{len(taus)} eigenvalues beside the unit circle, their time constants (up to {taus[0]:.3g} ms), "
                f"and the largest gain of a perturbation, at most {float(np.max(found.amplification)):.3g}.",
            )
        ]


def _plane(states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first two principal directions in rows, and their shares; zeros where there are fewer."""
    plane, share = np.zeros((2, states.shape[1])), np.zeros(2)
    if len(states) > 1:
        _, values, rows = np.linalg.svd(states - states.mean(axis=0), full_matrices=False)
        n = min(2, len(rows))
        plane[:n] = rows[:n]
        share[:n] = values[:n] ** 2 / max(float(np.sum(values**2)), 1e-300)
    return plane, share


def _colour(index: int) -> str:
    return STABLE if index == 0 else (SADDLE, THIRD, SECOND)[min(index, 3) - 1]


def _dots(axis: Any, where: np.ndarray, index: np.ndarray) -> None:
    """Draw points, filled where stable, in the colour of their index."""
    for k in np.unique(index):
        label = "stable" if k == 0 else f"saddle, index {k}"
        face = _colour(int(k)) if k == 0 else "white"
        axis.scatter(*where[index == k].T, s=34, facecolor=face, edgecolor=_colour(int(k)), label=label, zorder=3)


def _legend(axis: Any) -> None:
    """Put the legend below the axis, where it hides nothing."""
    spacing = {"columnspacing": 0.8, "handletextpad": 0.2}
    axis.legend(fontsize=7.5, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncol=5, **spacing)
