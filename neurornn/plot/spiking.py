"""Drawings of spiking networks: rasters, rates, irregularity, and answers over the strength of evidence."""

from typing import Any

import numpy as np

from neurornn.plot.base import INK, MODEL, NULL, SECOND, THIRD, Figure, canvas, figures, finished, panel, wrapped
from neurornn.study.spiking import Answers, Firing

COLOURS = {"heterogeneous": MODEL, "homogeneous": SECOND, "untrained": NULL}
SHOWN = 3


@figures.register
def _(firing: Firing) -> list[Figure]:
    return [_raster(firing), _units(firing)]


def _raster(firing: Firing) -> Figure:
    recording = firing.recording
    assert recording.spikes is not None
    order = np.argsort(firing.table["rate"].to_numpy(float), kind="stable")
    trials = recording.trials.iloc[:SHOWN]
    stop = float(trials["stop"].iloc[-1])
    with canvas(9.0, 4.4) as drawing:
        top, bottom = drawing.subplots(2, 1, height_ratios=[3, 1.3], sharex=True)
        trains = [recording.spikes[i] for i in order]
        top.eventplot([train[train < stop] for train in trains], colors=INK, linelengths=0.9, linewidths=0.8)
        for edge in trials["stop"]:
            top.axvline(float(edge), color=NULL, lw=0.8)
        epochs = recording.epochs[recording.epochs["start"] < stop]
        shades = {"stimulus": SECOND, "sample": SECOND, "test": SECOND, "response": THIRD}
        for row in epochs.itertuples():
            if row.name in shades:
                top.axvspan(float(row.start), float(row.stop), color=shades[row.name], alpha=0.12, lw=0)  # type: ignore[arg-type]
        top.set(ylabel="unit, by rate", ylim=(-1, len(trains)), xlim=(0, stop))
        dt = float(trials["stop"].iloc[0] - trials["start"].iloc[0]) / len(firing.outputs)
        times = (np.arange(len(firing.outputs)) + 0.5) * dt
        for k, colour in zip(range(firing.outputs.shape[1]), (NULL, SECOND, MODEL, THIRD, INK), strict=False):
            bottom.plot(times, firing.outputs[:, k], color=colour)
            bottom.plot(times, firing.targets[:, k], color=colour, lw=0.8, ls="--")
        bottom.set(xlabel="ms", ylabel="outputs")
        panel(top, "a", f"Spikes in {len(trials)} trials")
        panel(bottom, "b", "Outputs in the first")
        n_spikes = sum(int((train < stop).sum()) for train in trains)
        return finished(
            drawing,
            title="What the units fire.",
            caption="a: spikes of every unit, the most active at the top; shaded: stimulus (blue) and response. b: "
            "each output, and what it should be (dashed).",
            alt=f"Raster of {len(trains)} units with {n_spikes} spikes in {stop:.0f} ms, and the outputs below it.",
        )


def _units(firing: Firing) -> Figure:
    rates, cv = (firing.table[name].to_numpy(float) for name in ("rate", "cv"))
    cv = cv[np.isfinite(cv)]
    with canvas(6.4, 2.6) as drawing:
        left, right = drawing.subplots(1, 2)
        left.hist(rates, bins=np.linspace(0, max(rates.max(), 1), 25), color=MODEL)
        left.axvspan(2, 30, color=NULL, alpha=0.2, lw=0)
        left.axvline(rates.mean(), color=INK, lw=1.2)
        left.set(xlabel="rate (Hz)", ylabel="units")
        right.hist(cv, bins=np.linspace(0, max(1.5, cv.max() if len(cv) else 1.5), 25), color=SECOND)
        right.axvline(1.0, color=INK, lw=0.8, ls="--")
        right.set(xlabel="CV of intervals", ylabel="units")
        panel(left, "a", "Rates")
        panel(right, "b", "Irregularity")
        return finished(
            drawing,
            title="How the units fire.",
            caption="a: mean rates (line: their mean; shaded: 2 to 30 Hz). b: CV of inter-spike intervals (dashed: a "
            "Poisson process).",
            alt=f"Two histograms over units. Mean rate {rates.mean():.1f} Hz.",
        )


@figures.register
def _(answers: Answers) -> list[Figure]:
    with canvas(8.0, 3.0) as drawing:
        left, right = drawing.subplots(1, 2)
        for name, colour in COLOURS.items():
            mine = answers.table[answers.table["network"] == name]
            if not len(mine):
                continue
            value, answer, n = (mine[column].to_numpy(float) for column in ("value", "answer", "n"))
            error = np.sqrt(np.maximum(answer * (1 - answer), 1e-9) / n)
            look: dict[str, Any] = {"color": colour, "marker": "o", "ms": 3.5, "capsize": 2}
            left.errorbar(value, answer, yerr=error, label=name, **look)
            if name in answers.histories:
                scored = answers.histories[name].dropna(subset=["score"])
                right.plot(scored["step"], scored["score"], color=colour, marker="o", ms=3)
        left.set(xlabel=answers.condition, ylabel=wrapped(answers.answer), ylim=(-0.03, 1.03))
        left.legend()
        right.set(xlabel="training step", ylabel="validation score", ylim=(None, 1.02))
        panel(left, "a", "Answers")
        panel(right, "b", "Learning")
        told = answers.table.groupby("network")["answer"].agg(["min", "max"])
        ranges = ", ".join(f"{name} {row['min']:.2f} to {row['max']:.2f}" for name, row in told.iterrows())
        return [
            finished(
                drawing,
                title="Answers.",
                caption="a: answers over the condition, with their standard errors, of the network with unequal time "
                "constants, of its twin with equal ones, and of an untrained network. b: scores on validation trials.",
                alt=f"Answers over {answers.condition}: {ranges}.",
            )
        ]
