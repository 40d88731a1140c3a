"""Drawings of balanced networks: a raster, and how rates, irregularity and correlations are spread over neurons."""

from typing import Any

import numpy as np

from neurornn.plot.base import BRAIN, INK, MODEL, NULL, SECOND, Figure, canvas, figures, finished, panel
from neurornn.recording import Recording
from neurornn.study.balanced import BalancedState

SHOWN = 60
"""Excitatory neurons in the raster, and a quarter as many inhibitory ones."""


@figures.register
def _(state: BalancedState) -> list[Figure]:
    found = state.quantities()
    with canvas(9.4, 5.4) as drawing:
        rows = drawing.subplot_mosaic([["raster"] * 4, ["rate"] * 4, [*"abcd"]], height_ratios=[1.5, 0.7, 1.3])
        _raster(rows["raster"], rows["rate"], state.recording)
        panel(rows["raster"], "a", "Some of the neurons, and the rate of all")
        table, theory = state.trains.table, state.theory
        _spread(rows["a"], table["rate"], "rate (Hz)", None if theory is None else theory.rate)
        panel(rows["a"], "b", "Rates")
        _spread(rows["b"], table["cv"], "CV of intervals", None if theory is None else theory.cv)
        panel(rows["b"], "c", "Irregularity")
        _spread(rows["c"], table["fano"], "Fano factor", None)
        panel(rows["c"], "d", "Counts")
        low, high = np.quantile(state.correlations.values, [0.001, 0.999])
        edges = np.linspace(float(low), float(high), 50)
        for values, colour, label in (
            (state.correlations.shifted, NULL, "shifted"),
            (state.correlations.values, MODEL, "network"),
        ):
            heights, _ = np.histogram(values, edges, density=True)
            rows["d"].stairs(heights, edges, color=colour, label=label)
        rows["d"].legend(fontsize=7.5)
        rows["d"].set(xlabel="correlation of a pair", yticks=[])
        panel(rows["d"], "e", "Correlations")
        return [
            finished(
                drawing,
                title="A balanced network.",
                caption="a: spikes of excitatory (teal) and inhibitory (red) neurons over the last part of the "
                "recording, and the rate of the whole excitatory population. b, c, d: spread over neurons; dark line: "
                "mean, dashed: theory where there is one. e: correlation of counts of every pair, beside the same "
                "units shifted in time.",
                alt=f"Raster and histograms: rate {found['rate']:.3g} Hz, CV {found['cv']:.2f}, "
                f"mean correlation {found['correlation']:.4f}.",
            )
        ]


def _raster(axis: Any, below: Any, recording: Recording) -> None:
    assert recording.spikes is not None
    start = max(recording.t_start, recording.t_stop - 400.0)
    row = 0
    for name, colour, shown in (("excitatory", BRAIN, SHOWN), ("inhibitory", MODEL, SHOWN // 4)):
        places = np.flatnonzero(recording.units["population"] == name)[:shown]
        trains = [recording.spikes[place] for place in places]
        inside = [(train[train >= start] - start) for train in trains]
        axis.eventplot(inside, lineoffsets=np.arange(row, row + len(places)), colors=colour, lw=1.2, linelengths=0.9)
        row += len(places)
    axis.set(xlim=(0, recording.t_stop - start), ylim=(-1, row), yticks=[], xticklabels=[], ylabel="neurons")
    signal = recording.behaviour["rate_excitatory"].between(start, recording.t_stop)
    step = max(1, round(1.0 / float(np.median(np.diff(signal.times)))))
    n = len(signal.times) // step
    values = signal.values[: n * step, 0].reshape(n, step).mean(axis=1)
    below.fill_between(signal.times[: n * step : step] - start, values, step="post", color=SECOND, lw=0)
    below.set(xlim=(0, recording.t_stop - start), xlabel="ms", ylabel="Hz", ylim=(0, None))


def _spread(axis: Any, values: Any, label: str, theory: float | None) -> None:
    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values)]
    axis.hist(values, bins=40, range=(0.0, float(np.quantile(values, 0.995))), color=NULL)
    axis.axvline(values.mean(), color=INK, lw=1.4)
    if theory is not None:
        axis.axvline(theory, color=MODEL, lw=1.4, ls="--")
    axis.set(xlabel=label, yticks=[])
