"""Drawings of how a network was trained and how well it tracks."""

import numpy as np

from neurornn.fit.fit import Fit
from neurornn.plot.base import INK, MODEL, NULL, SECOND, Figure, canvas, figures, finished, panel, wrapped
from neurornn.study.tracking import Tracking


@figures.register
def _(fit: Fit) -> list[Figure]:
    history = fit.frame()
    if len(history) == 0:
        return []
    scored = history.dropna(subset=["score"])
    with canvas(9.0, 2.7) as drawing:
        left, right = drawing.subplots(1, 2)
        left.plot(history["step"], history["loss"], color=MODEL, lw=0.5, alpha=0.35)
        smooth = history["loss"].rolling(max(len(history) // 50, 1), center=True, min_periods=1).median()
        left.plot(history["step"], smooth, color=MODEL)
        left.set(xlabel="step", ylabel="loss", yscale="log")
        panel(left, "a", "What was minimised")
        if len(scored):
            right.plot(scored["step"], scored["score"], color=SECOND, marker="o", ms=3)
            right.set(xlabel="step", ylabel=wrapped(fit.task.score_name), ylim=(0, None))
            panel(right, "b", "What was wanted, on fresh trials")
        else:
            right.plot(history["step"], history["gradient"], color=NULL, lw=0.8)
            right.set(xlabel="step", ylabel="gradient norm", yscale="log")
            panel(right, "b", "Gradient before clipping")
        first, last = (f"{float(history['loss'].iloc[k]):.3g}" for k in (0, -1))
        other, ends = "the norm of the gradient before it was clipped", ""
        if len(scored):
            other, ends = (
                "the score on trials that were not trained on",
                f", the score ends at {scored['score'].iloc[-1]:.3g}",
            )
        return [
            finished(
                drawing,
                title="Training.",
                caption=f"a: loss of each of {len(history)} steps (thin) and its running median. b: {other}.",
                alt=f"Two curves over {len(history)} training steps. The loss goes from {first} to {last}{ends}.",
            )
        ]


@figures.register
def _(tracking: Tracking) -> list[Figure]:
    frame = tracking.frame()
    medians = tracking.summary().loc["held out"]
    with canvas(9.0, 4.6) as drawing:
        grid = drawing.add_gridspec(2, 4, width_ratios=[1, 1, 1, 1.15])
        held = np.flatnonzero(tracking.held_out)
        ranked = held[np.argsort(frame["network"].to_numpy()[held])]
        shown = ranked[np.linspace(0, len(ranked) - 1, 6).astype(int)]
        for place, run in enumerate(shown):
            axis = drawing.add_subplot(grid[place // 3, place % 3])
            known = np.isfinite(tracking.position[run])
            seconds = tracking.times[known] / 1000
            axis.plot(seconds, tracking.position[run, known], color=INK, lw=2.2, alpha=0.35, label="rat")
            axis.plot(seconds, tracking.untrained[run, known], color=NULL, lw=0.8, label="untrained")
            axis.plot(seconds, tracking.decoded[run, known], color=MODEL, lw=1.2, label="network")
            axis.set(ylim=(-0.03 * tracking.length, 1.03 * tracking.length))
            axis.set_title(f"run {run}: {frame['network'].iloc[run]:.1f} %", fontsize=9, fontweight="normal")
            if place % 3 == 0:
                axis.set_ylabel(f"position ({tracking.unit})")
            else:
                axis.set_yticklabels([])
            if place >= 3:
                axis.set_xlabel("s")
        drawing.axes[0].legend(loc="best", fontsize=7.5, handlelength=1.2)
        axis = drawing.add_subplot(grid[:, 3])
        columns = {"network": MODEL, "untrained": NULL, "standing_still": NULL}
        rng = np.random.default_rng(0)
        for place, (name, colour) in enumerate(columns.items()):
            for part, marker, alpha in ((~tracking.held_out, "o", 0.35), (tracking.held_out, "D", 0.9)):
                values = frame[name].to_numpy()[part]
                axis.scatter(
                    place + rng.uniform(-0.18, 0.18, len(values)),
                    values,
                    s=12,
                    color=colour,
                    alpha=alpha,
                    marker=marker,
                    lw=0,
                )
            axis.hlines(medians[name], place - 0.3, place + 0.3, color=INK, lw=1.6)
        axis.set_xticks(range(3), ["network", "untrained", "standing\nstill"])
        axis.set(ylabel="error (% of the track)", ylim=(0, None))
        axis.set_title("every run", fontsize=9, fontweight="normal")
        return [
            finished(
                drawing,
                title="Where the animal was, and where the network has it.",
                caption="Six held-out runs, from the best to the worst: the animal's position, and what the "
                "network's outputs stand for. Right: every run (diamonds: held out; line: their median) beside the "
                "nulls.",
                alt="Position over time in six held-out runs. Median errors, % of the track: "
                + ", ".join(f"{name} {error:.1f}" for name, error in medians.items()),
            )
        ]
