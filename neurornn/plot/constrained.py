"""Drawings of data-constrained networks: the course of the fit, and neurons beside the network in held-out laps."""

import numpy as np

from neurornn.fit import ConstrainedFit
from neurornn.plot.base import BRAIN, INK, MODEL, NULL, SECOND, Figure, canvas, figures, finished, panel, wrapped
from neurornn.study.constrained import Constrained

LAPS = 4
"""Held-out trials that are shown."""


@figures.register
def _(fit: ConstrainedFit) -> list[Figure]:
    history = fit.frame()
    if len(history) == 0:
        return []
    with canvas(6.0, 2.5) as drawing:
        axis = drawing.subplots()
        axis.plot(history["pass"], history["loss"], color=MODEL, label="training trials")
        if np.isfinite(history["validation"].to_numpy(dtype=float)).any():
            axis.plot(history["pass"], history["validation"], "o-", ms=3, color=SECOND, label="judging trials, alone")
        axis.set(xlabel="pass or step", ylabel="squared error (activity)", ylim=(0, None))
        axis.legend()
        told = f"{history['loss'].iloc[0]:.3g} at first, {history['loss'].iloc[-1]:.3g} at last"
        return [
            finished(
                drawing,
                title="Course of the fit.",
                caption="Mean squared error in units of activity; judging trials are run from their first bin on.",
                alt=f"Training error over {len(history)} passes or looks: {told}.",
            )
        ]


@figures.register
def _(found: Constrained) -> list[Figure]:
    name = list(found.fits)[-1]
    shown = range(min(LAPS, found.recorded.n_trials))
    seen = [np.isfinite(found.recorded.rates[k]).all(axis=1) for k in shown]
    real = np.concatenate([found.recorded.rates[k][rows] for k, rows in zip(shown, seen, strict=True)])
    made = np.concatenate([found.predicted[name][k][rows] for k, rows in zip(shown, seen, strict=True)])
    scale = found.fits[name].scale
    order = np.argsort(real.argmax(axis=0))
    borders = np.cumsum([rows.sum() for rows in seen])[:-1] * found.recorded.dt / 1000.0
    with canvas(9.0, 5.4) as drawing:
        grid = drawing.add_gridspec(2, 2, width_ratios=[2.2, 1])
        axes = [drawing.add_subplot(grid[k, 0]) for k in range(2)]
        for axis, rates, title in zip(axes, (real, made), ("recorded", f"network ({name})"), strict=True):
            end = len(rates) * found.recorded.dt / 1000.0
            scaled = (rates / scale)[:, order].T
            image = axis.imshow(
                scaled, aspect="auto", vmin=0, vmax=0.8, extent=(0, end, len(order), 0), interpolation="nearest"
            )
            for border in borders:
                axis.axvline(border, color="white", lw=1.2)
            panel(axis, "ab"[axes.index(axis)], f"{len(shown)} held-out laps, {title}")
            axis.set(ylabel="neuron, by its peak", yticks=[])
        axes[0].set_xticklabels([])
        axes[1].set(xlabel="time in laps, end to end (s)")
        drawing.colorbar(image, ax=axes, label="activity of the unit", shrink=0.6, pad=0.02)
        pairs = drawing.add_subplot(grid[0, 1])
        frame = found.frame()
        x, y = frame["inputs alone"].to_numpy(dtype=float), frame[name].to_numpy(dtype=float)
        both = np.concatenate([x, y])
        low, high = max(float(np.nanmin(both)), -1.0), 1.0
        pairs.plot([low, high], [low, high], color=INK, lw=0.7)
        pairs.scatter(np.maximum(x, low), np.maximum(y, low), s=18, color=BRAIN)
        pairs.set(xlabel="inputs alone, pVar", ylabel="network, pVar")
        panel(pairs, "c", "Each neuron")
        bars = drawing.add_subplot(grid[1, 1])
        names = [*found.fits, "inputs alone", *(one for one in found.scores if one not in found.predicted)]
        values = [found.scores[one].pvar for one in names]
        colours = [MODEL if one in found.fits else SECOND if one == "inputs alone" else NULL for one in names]
        bars.barh(range(len(names)), np.maximum(values, -1.0), color=colours)
        for row, value in enumerate(values):
            bars.text(max(value, 0.0) + 0.02, row, f"{value:.2f}", va="center", fontsize=8)
        bars.axvline(0, color=INK, lw=0.6)
        bars.set_yticks(range(len(names)), [wrapped(one) for one in names])
        bars.invert_yaxis()
        bars.set(xlim=(-1.0, 1.1), xlabel="pVar (below -1: cut)")
        panel(bars, "d", "All neurons")
        told = ", ".join(f"{one} {value:.2f}" for one, value in zip(names, values, strict=True))
        return [
            finished(
                drawing,
                title="Held-out laps, the network running by itself.",
                caption="The network knows the rates of each lap's first bin, and its inputs. Grey: nulls.",
                alt=f"Rates of {len(order)} neurons, recorded and of the network. Explained variance: {told}.",
            )
        ]
