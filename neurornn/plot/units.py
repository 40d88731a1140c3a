"""Drawings of single units and populations: place maps, their statistics, and decoding, brain beside model."""

from typing import Any

import numpy as np

from neurornn.plot.base import BRAIN, INK, MODEL, NULL, Figure, canvas, figures, finished
from neurornn.statistics import SpatialProfile
from neurornn.study.beside import Beside, Decodings

COLOURS = {"brain": BRAIN, "model": MODEL, "untrained": NULL}
NULLS = {"bits_per_spike": "information"}
NAMES = {"brain": "rat", "model": "network", "untrained": "untrained"}


@figures.register
def _(beside: Beside) -> list[Figure]:
    return [_maps(beside), _every_map(beside.brain, "rat"), _every_map(beside.model, "network"), _statistics(beside)]


def _maps(beside: Beside) -> Figure:
    told = []
    with canvas(9.0, 4.4) as drawing:
        axes = drawing.subplots(2, 3)
        for column, source in enumerate(COLOURS):
            profile: SpatialProfile = getattr(beside, source)
            order = _order(profile)
            for row, (maps, arrow) in enumerate(((profile.forth, "→"), (profile.back, "←"))):
                axis = axes[row, column]
                _heat(axis, _scaled(maps.maps[order], profile), maps)
                if row == 0:
                    n_tuned = int(np.sum(profile.table["information_p"].to_numpy(dtype=float) < 0.05))
                    axis.set_title(f"{NAMES[source]}: {n_tuned} of {len(order)} tuned", color=COLOURS[source])
                    told.append(f"{NAMES[source]} {n_tuned} of {len(order)}")
                if column == 0:
                    axis.set_ylabel(f"unit   (runs {arrow})")
                if row == 1:
                    axis.set_xlabel(f"position ({maps.unit})")
        return finished(
            drawing,
            title="Place maps.",
            caption="One row a unit, each scaled to its own maximum over both directions and sorted by where it "
            "fires most; "
            "top: runs towards larger positions, bottom: back. Place-tuned: p < 0.05 against circular shifts.",
            alt="Heat maps of firing over position. Place-tuned units: " + "; ".join(told) + ".",
        )


def _every_map(profile: SpatialProfile, name: str) -> Figure:
    """Draw the maps of every unit, small, those of both directions over each other."""
    # Activity that is no rate has no bits per second: its units are sorted by how much of it position explains.
    key = (
        "bits_per_second"
        if np.isfinite(profile.table["bits_per_second"].to_numpy(dtype=float)).any()
        else "position_r2"
    )
    order = np.argsort(-np.nan_to_num(profile.table[key].to_numpy(dtype=float)), kind="stable")[:64]
    columns = 8
    rows = int(np.ceil(len(order) / columns))
    with canvas(9.0, 0.78 * rows + 0.4) as drawing:
        axes = np.atleast_2d(drawing.subplots(rows, columns, sharex=True))
        for axis, unit in zip(axes.ravel(), order, strict=False):
            for maps, colour in ((profile.forth, BRAIN if name == "rat" else MODEL), (profile.back, "#7b8794")):
                axis.plot(maps.centres[0], maps.maps[unit], color=colour, lw=1.1)
            row = profile.table.iloc[unit]
            star = "*" if row["information_p"] < 0.05 else ""
            bits = f"{row['bits_per_spike']:.2f}" if np.isfinite(row["bits_per_spike"]) else "silent"
            axis.set_title(
                f"{profile.table.index[unit]}  {bits}{star}",
                fontsize=6.5,
                fontweight="normal",
                pad=1,
            )
            axis.set(yticks=[0], xticks=[])
            axis.tick_params(labelsize=0, length=0)
            axis.set_ylim(0, None)
        for axis in axes.ravel()[len(order) :]:
            axis.axis("off")
        by = "bits/s" if key == "bits_per_second" else "how much of it position explains"
        cut = f" The first {len(order)} of {len(profile.table)}." if len(order) < len(profile.table) else ""
        return finished(
            drawing,
            title=f"Every unit of the {name}.",
            caption="Rate over position, from 0 up (colour: towards larger positions, grey: back); number: unit and "
            "bits/spike, "
            f"* p < 0.05 against circular shifts. Sorted by {by}.{cut}",
            alt=f"{len(order)} small curves of the rate over position, one a unit of the {name}; with a star, that is "
            f"place-tuned, {int(np.sum(profile.table['information_p'].to_numpy(dtype=float)[order] < 0.05))}.",
        )


def _statistics(beside: Beside) -> Figure:
    frame = beside.frame()
    shown = {
        "bits_per_spike": "spatial information\n(bits/spike)",
        "field_size": "field size\n(position units)",
        "n_fields": "fields",
        "stability": "stability\n(split-half r)",
        "direction_index": "direction\nindex",
        "position_r2": "position R²",
    }
    with canvas(9.0, 4.8) as drawing:
        axes = drawing.subplots(2, 5).ravel()
        for axis, (name, label) in zip(axes, shown.items(), strict=False):
            values = [frame.loc[frame["source"] == source, name].dropna().to_numpy() for source in COLOURS]
            nulls = [
                frame.loc[frame["source"] == source, f"{NULLS.get(name, name)}_null95"].median()
                if f"{NULLS.get(name, name)}_null95" in frame
                else np.nan
                for source in COLOURS
            ]
            _swarm(axis, values, nulls, label)
        for axis, (name, label) in zip(
            axes[len(shown) :],
            {"rate": "rate (Hz)", "cv": "CV", "cv2": "CV2", "fano": "Fano factor"}.items(),
            strict=True,
        ):
            values = [beside.trains[source].frame()[name].dropna().to_numpy() for source in COLOURS]
            _swarm(axis, values, [np.nan] * 3, label)
        medians = beside.summary()
        return finished(
            drawing,
            title="The same statistics of both.",
            caption="A dot a unit, a bar the median; dashed: median over units of the 95th percentile of circular "
            "shifts. Rates "
            "and intervals of the networks are those of Poisson spikes at the animal's mean rates, so that CV2 and "
            "Fano show "
            "what rate modulation alone gives.",
            alt="Ten strips of dots comparing the rat, the network and an untrained network. Median spatial "
            "information "
            f"{medians.loc['bits_per_spike', 'brain']:.2f}, {medians.loc['bits_per_spike', 'model']:.2f} and "
            f"{medians.loc['bits_per_spike', 'untrained']:.2f} bits/spike.",
        )


@figures.register
def _(decodings: Decodings) -> list[Figure]:
    with canvas(9.0, 3.1) as drawing:
        axes = drawing.subplots(1, 4, width_ratios=[1, 1, 1, 1.1])
        for axis, (source, decoding) in zip(axes, decodings.decoded.items(), strict=False):
            side = (0, decoding.track)
            axis.imshow(decoding.confusion.T, origin="lower", aspect="equal", vmin=0, vmax=0.35, extent=(*side, *side))
            share = 100 * decoding.median / decoding.track
            axis.set_title(f"{NAMES[source]}: {share:.1f} %", color=COLOURS[source])
            axis.set_xlabel(f"true ({decoding.unit})")
            if axis is axes[0]:
                axis.set_ylabel(f"decoded ({decoding.unit})")
            else:
                axis.set_yticklabels([])
        for source, decoding in decodings.decoded.items():
            error = 100 * np.sort(decoding.error) / decoding.track
            share = np.arange(1, len(error) + 1) / len(error)
            axes[3].plot(error, share, color=COLOURS[source], label=NAMES[source])
        chance = 100 * np.median(decodings.decoded["brain"].chance) / decodings.decoded["brain"].track
        axes[3].axvline(chance, color=INK, ls="--", lw=1, label="chance (median)")
        axes[3].set(xlabel="error (% of the track)", ylabel="share of bins", xlim=(0, 100), ylim=(0, 1))
        axes[3].legend(loc="lower right", fontsize=8)
        table = decodings.frame()
        shares = ", ".join(f"{NAMES[str(s)]} {100 * r['median_share_of_track']:.1f} %" for s, r in table.iterrows())
        return [
            finished(
                drawing,
                title="What the populations say.",
                caption="Where the decoder puts the animal, for each true position, on held-out stretches; median "
                "errors in the "
                "titles. Right: distribution of the errors, dashed: median error of shuffles.",
                alt=f"Confusion matrices of decoded against true position. Median errors: {shares}.",
            )
        ]


def _order(profile: SpatialProfile) -> np.ndarray:
    both = np.nan_to_num(np.stack([profile.forth.maps, profile.back.maps]).max(axis=0))
    return np.argsort(both.argmax(axis=1), kind="stable")


def _scaled(maps: np.ndarray, profile: SpatialProfile) -> np.ndarray:
    order = _order(profile)
    peak = np.fmax(np.nanmax(profile.forth.maps, axis=1), np.nanmax(profile.back.maps, axis=1))[order]
    return np.divide(maps, peak[:, None], out=np.zeros_like(maps), where=peak[:, None] > 0)


def _heat(axis: Any, maps: np.ndarray, shown: Any) -> None:
    edges = shown.edges[0]
    axis.imshow(
        maps, aspect="auto", vmin=0, vmax=1, extent=(edges[0], edges[-1], len(maps), 0), interpolation="nearest"
    )


def _swarm(axis: Any, values: list[np.ndarray], nulls: list[float], label: str) -> None:
    rng = np.random.default_rng(0)
    for place, (source, these, null) in enumerate(zip(COLOURS, values, nulls, strict=True)):
        axis.scatter(place + rng.uniform(-0.25, 0.25, len(these)), these, s=7, color=COLOURS[source], alpha=0.5, lw=0)
        if len(these):
            axis.hlines(np.median(these), place - 0.35, place + 0.35, color=INK, lw=1.6, zorder=3)
        if np.isfinite(null):
            axis.hlines(null, place - 0.4, place + 0.4, color=INK, lw=0.9, ls=(0, (2, 1.5)), zorder=3)
    axis.set_xticks(range(3), ["rat", "net", "untr."])
    axis.tick_params(axis="x", labelsize=8)
    axis.set_title(label, fontsize=8.5, fontweight="normal", loc="center")
