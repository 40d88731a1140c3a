"""Drawings of latent models: the course of the fit, held-out units, and factors over the animal's position."""

import numpy as np

from neurornn.latent import LatentFit
from neurornn.plot.base import BRAIN, INK, MODEL, NULL, SECOND, Figure, canvas, figures, finished, panel
from neurornn.study.latent import CoSmoothing

COLOURS = {"latent": MODEL, "position": SECOND, "population": NULL}


@figures.register
def _(fit: LatentFit) -> list[Figure]:
    history = fit.frame()
    if len(history) == 0:
        return []
    with canvas(6.0, 2.5) as drawing:
        axis = drawing.subplots()
        axis.plot(history["epoch"], history["validation"], color=SECOND)
        best = int(history["validation"].to_numpy().argmin())
        axis.axvline(history["epoch"].iloc[best], color=INK, lw=0.8, ls="--")
        axis.set(xlabel="epoch", ylabel="Poisson loss, held-out units")
        return [
            finished(
                drawing,
                title="Course of the fit.",
                caption="Loss of the units that no encoder reads, in the judging blocks; dashed: the weights kept.",
                alt=f"Validation loss over {len(history)} epochs; the best at epoch {best + 1}.",
            )
        ]


@figures.register
def _(found: CoSmoothing) -> list[Figure]:
    frame = found.frame()
    names = list(found.bits)
    with canvas(9.0, 5.0) as drawing:
        grid = drawing.add_gridspec(2, 2, width_ratios=[2.3, 1])
        run = _longest(found.times, found.dt)[: int(20_000 / found.dt)]
        at = (found.times[run] - found.times[run[0]]) / 1000.0
        rates = drawing.add_subplot(grid[0, 0])
        unit = int(np.argmax(np.nan_to_num(frame["latent"].to_numpy(dtype=float) * np.sqrt(frame["n_spikes"]))))
        for name in names:
            rates.plot(at, found.rates[name][run, unit], color=COLOURS.get(name, INK), lw=1.2, label=name)
        spikes = at[found.counts[run, unit] > 0]
        rates.plot(spikes, np.full(len(spikes), -0.05 * rates.get_ylim()[1]), "|", color=BRAIN, ms=7)
        rates.set(ylabel="rate (Hz)", xticklabels=[])
        rates.legend(ncol=3)
        panel(rates, "a", f"Held-out unit {frame.index[unit]}: its spikes, and what was predicted")
        factors = drawing.add_subplot(grid[1, 0], sharex=rates)
        size = found.factors[run].std(axis=0)
        for k in np.argsort(-size)[:5]:
            factors.plot(at, found.factors[run, k] / max(size[k], 1e-9), lw=0.9, alpha=0.9)
        place = found.position[run]
        spread = max(float(np.ptp(found.position)), 1e-9)
        factors.plot(at, 4 * (place - np.mean(found.position)) / spread, color=INK, lw=1.6, alpha=0.4)
        factors.set(xlabel="time (s)", ylabel="factor (s.d.)")
        panel(factors, "b", "The five largest factors; thick: the animal's position")
        bars = drawing.add_subplot(grid[:, 1])
        rng = np.random.default_rng(0)
        for place_at, name in enumerate(names):
            values = frame[name].to_numpy(dtype=float)
            bars.scatter(place_at + rng.uniform(-0.15, 0.15, len(values)), values, s=14, color=COLOURS.get(name, INK))
            pooled = found.bits[name].pooled_all
            bars.hlines(pooled, place_at - 0.3, place_at + 0.3, color=INK, lw=1.8)
            bars.text(place_at, pooled, f" {pooled:.2f}", va="bottom", fontsize=8)
        bars.axhline(0, color=INK, lw=0.6)
        bars.set_xticks(range(len(names)), names)
        bars.tick_params(axis="x", labelsize=8)
        bars.set(ylabel="bits/spike, held-out units and blocks")
        panel(bars, "c", "Each unit; line: all spikes")
        told = ", ".join(f"{name} {found.bits[name].pooled_all:.2f}" for name in names)
        return [
            finished(
                drawing,
                title="Held-out units in held-out blocks.",
                caption="Left: a stretch of a test block. Right: gain over each unit's mean rate.",
                alt=f"Predicted rates, factors and scores. Pooled bits/spike: {told}.",
            )
        ]


def _longest(times: np.ndarray, dt: float) -> np.ndarray:
    """Return the places of the longest stretch of bins without a pause."""
    cuts = np.flatnonzero(np.diff(times) > 1.5 * dt) + 1
    return max(np.split(np.arange(len(times)), cuts), key=len)
