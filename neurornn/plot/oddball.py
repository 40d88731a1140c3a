"""Drawings of the oddball: responses by role, how they fade over repetitions, and the indices of single units."""

from typing import Any

import numpy as np

from neurornn.plot.base import INK, MODEL, NULL, SECOND, THIRD, Figure, canvas, figures, finished, panel
from neurornn.statistics import Mismatch
from neurornn.study.oddball import ROLES, Deviance

COLOURS = {"energy": MODEL, "irregular": SECOND, "untrained": NULL}
ROLE_COLOURS = {"standard": NULL, "deviant": MODEL, "control": SECOND, "omission": THIRD}
NAMES = {"energy": "trained", "irregular": "trained on\nmany standards", "untrained": "untrained"}


@figures.register
def _(found: Mismatch) -> list[Figure]:
    with canvas(8.0, 3.0) as drawing:
        left, right = drawing.subplots(1, 2)
        _indices(left, found)
        panel(left, "a", "Single units")
        table = found.frame()
        if np.isfinite(table["control"].to_numpy(dtype=float)).any():
            right.scatter(table["repetition_suppression"], table["prediction_error"], s=14, color=MODEL, lw=0)
            right.set(
                xlabel="repetition suppression", ylabel="prediction error", xlim=(-1.05, 1.05), ylim=(-1.05, 1.05)
            )
            panel(right, "b", "What mismatch is made of")
        else:
            right.scatter(table["standard"], table["deviant"], s=14, color=MODEL, lw=0)
            top = float(np.nanmax(table[["standard", "deviant"]].to_numpy(), initial=0.0)) * 1.05 or 1.0
            right.plot([0, top], [0, top], color=NULL, lw=1)
            right.set(xlabel="response to the standard", ylabel="response to the deviant")
            panel(right, "b", "Responses")
        right.axhline(0, color=INK, lw=0.6)
        right.axvline(0, color=INK, lw=0.6)
        whole = found.population()
        return [
            finished(
                drawing,
                title="Mismatch of single units.",
                caption="a: the index (deviant - standard) / (deviant + standard) of each unit, beside shuffled roles. "
                "b: its two parts where there is a control, else the responses themselves.",
                alt=f"Histogram of the index of {len(table)} units beside shuffled roles; that of the population is "
                f"{whole['index']:.2f}.",
            )
        ]


def _indices(axis: Any, found: Mismatch) -> None:
    edges = np.linspace(-1, 1, 41)
    null = found.null[np.isfinite(found.null)]
    if len(null):
        weights = np.full(len(null), found.null.shape[1] / len(null))
        axis.hist(null, bins=edges, weights=weights, color=NULL, alpha=0.6, label="roles shuffled")
    known = found.frame()["index"].dropna().to_numpy()
    axis.hist(known, bins=edges, histtype="step", color=MODEL, lw=1.6, label="units")
    axis.axvline(0, color=INK, lw=0.6)
    axis.set(xlabel="index of adaptation", ylabel="units")
    axis.legend(fontsize=8)


@figures.register
def _(deviance: Deviance) -> list[Figure]:
    names = list(deviance.units)
    with canvas(9.8, 6.0) as drawing:
        top, bottom = drawing.subplots(2, 3)
        for axis, measure, letter, title in ((top[0], "rate", "a", "What units send"), (top[1], "drive", "b", "Drive")):
            for place, role in enumerate(ROLES):
                values = [deviance.response(name, measure, role) for name in names]
                at = np.arange(len(names)) + 0.2 * (place - 1.5)
                axis.bar(at, values, 0.19, color=ROLE_COLOURS[role], label=role)
            axis.set_xticks(range(len(names)), [NAMES[name] for name in names], fontsize=8)
            axis.set(ylabel=f"mean {measure} a unit")
            panel(axis, letter, title)
        top[0].set_ylim(0, 1.4 * top[0].get_ylim()[1])
        top[0].legend(fontsize=7.5, loc="upper left", ncols=2)
        for name in names:
            look: dict[str, Any] = {"color": COLOURS[name], "marker": "o", "ms": 3, "label": NAMES[name]}
            top[2].plot(deviance.repetitions.index, deviance.repetitions[name], **look)
            bottom[0].plot(deviance.distances.index, deviance.distances[name], **look)
        top[2].set(xlabel="position in the sequence", ylabel="mean rate, standards", ylim=(0, None))
        top[2].legend(fontsize=7.5)
        bottom[0].set(xlabel="tones from the standard", ylabel="mean rate, deviants", ylim=(0, None))
        _indices(bottom[1], deviance.units["energy"])
        bottom[2].bar(
            range(len(names)), [deviance.omissions[n] for n in names], color=[COLOURS[name] for name in names]
        )
        bottom[2].set_xticks(range(len(names)), [NAMES[name] for name in names], fontsize=8)
        bottom[2].set(ylabel="cosine with the missing tone", ylim=(min(0, *deviance.omissions.values()), 1))
        panel(top[2], "c", "Repetition")
        panel(bottom[0], "d", "Distance of the deviant")
        panel(bottom[1], "e", "Single units, trained")
        panel(bottom[2], "f", "A tone left out")
        whole = deviance.units["energy"].population()
        return [
            finished(
                drawing,
                title="The oddball.",
                caption="a, b: mean response by the role of the tone; control: the same tones among many standards. "
                "c: the standard over the sequence. d: deviants near to and far from it (the farthest lie at the ends, "
                "where fewer channels hear them). e: index of each unit, beside shuffled roles. f: the drive where a "
                "tone is missing, turned round, beside that tone.",
                alt=f"Index {whole['index']:.2f}, prediction error {whole['prediction_error']:.2f}, "
                f"repetition suppression {whole['repetition_suppression']:.2f} of the trained network.",
            )
        ]
