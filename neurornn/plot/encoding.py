"""Drawings of encoding models: course and filters, rasters beside predictions, models against ceilings, lags."""

from typing import Any

import numpy as np

from neurornn.encoding import GLM, EncodingScores, LinearNonlinear, StimulusNetwork, TemporalConv
from neurornn.encoding.front import Filters
from neurornn.encoding.pixels import Chain, SpatialConv
from neurornn.fit import EncodingFit
from neurornn.plot.base import BRAIN, INK, MODEL, NULL, SECOND, THIRD, Figure, canvas, figures, finished, panel
from neurornn.study.encoding import Encodings
from neurornn.study.lags import LagReport
from neurornn.study.place_cell import PlaceRegressions

COLOURS = (NULL, SECOND, MODEL, THIRD)
"""Models in the order of a study: the last but one or the third is usually the network."""


@figures.register
def _(fit: EncodingFit) -> list[Figure]:
    drawn = []
    history = fit.frame()
    if len(history):
        with canvas(6.0, 2.5) as drawing:
            axis = drawing.subplots()
            axis.plot(history["epoch"], history["loss"], color=MODEL, label="training")
            axis.plot(history["epoch"], history["validation"], color=SECOND, label="validation")
            best = int(history["validation"].to_numpy().argmin())
            axis.axvline(history["epoch"].iloc[best], color=INK, lw=0.8, ls="--")
            axis.set(xlabel="epoch", ylabel="Poisson loss")
            axis.legend()
            value = history["validation"].iloc[best]
            drawn.append(
                finished(
                    drawing,
                    title="Course of the fit.",
                    caption="Poisson loss of each epoch; dashed: the epoch whose weights were kept.",
                    alt=f"Training and validation loss over {len(history)} epochs; the best, {value:.3g}, at epoch "
                    f"{best + 1}.",
                )
            )
    filters = _filters(fit)
    if filters is not None:
        drawn.append(filters)
    return drawn


def _filters(fit: EncodingFit) -> Figure | None:
    """Draw what the model looks for in the stimulus, and what its own spikes do to it."""
    model = fit.model
    weights, name = _weights(model)
    if weights is None:
        return None
    history = model.history if isinstance(model, GLM | StimulusNetwork) else None
    shown = weights[:8]
    with canvas(9.0, 2.6) as drawing:
        axes = drawing.subplots(1, 1 + (history is not None), squeeze=False)[0]
        before = -(np.arange(shown.shape[1], 0, -1) - 1 + model.delay) * fit.dt
        for k, one in enumerate(shown):
            pixels = one.reshape(len(one), -1)
            loud = pixels[:, int(np.abs(pixels).max(axis=0).argmax())]
            axes[0].plot(before, loud, color=COLOURS[k % 4], alpha=0.9, lw=1.2)
        axes[0].axhline(0, color=INK, lw=0.6)
        axes[0].set(xlabel="time before the bin (ms)", ylabel="weight")
        panel(axes[0], "a", name if shown.shape[2:] == (1,) else f"{name}, at the strongest pixel")
        if history is not None:
            own = history.filters.detach().numpy()
            for unit in range(min(len(own), 8)):
                line = own[unit, unit if history.coupled else 0]
                axes[1].plot(-np.arange(len(line), 0, -1) * fit.dt, line, color=COLOURS[unit % 4], lw=1.2)
            axes[1].axhline(0, color=INK, lw=0.6)
            axes[1].set(xlabel="time before the bin (ms)", ylabel="weight of a spike")
            panel(axes[1], "b", "Own spikes")
        return finished(
            drawing,
            title="What the model looks for.",
            caption=f"{name} of the standardised stimulus over its window (at most 8); right, where the model has a "
            "history: what an own spike adds to the drive.",
            alt=f"{name} of the model: {len(shown)} curves of weight from {before[0]:g} to {before[-1]:g} ms.",
        )


def _weights(model: Any) -> tuple[np.ndarray | None, str]:
    if isinstance(model, GLM | LinearNonlinear):
        return model.filters.detach().numpy(), "Stimulus filters"
    front = getattr(model, "front", None)
    if isinstance(front, Filters):
        return front.weight.detach().numpy(), "Subunit filters"
    if isinstance(front, TemporalConv):
        return front.weights[0].detach().numpy().transpose(0, 2, 1), "First-layer filters"
    chain = front.layers[0] if isinstance(front, SpatialConv) else None
    if isinstance(chain, Chain) and len(chain.weights) == 1:
        return chain.weights[0].detach().numpy(), "First-layer filters"
    return None, ""


@figures.register
def _(found: Encodings) -> list[Figure]:
    colours: dict[str, str] = dict(zip(found.scores, COLOURS, strict=False))
    first = next(iter(found.scores.values()))
    unit = int(np.argmax(first.table["n_spikes"].to_numpy()))
    shown = min(int(400 / first.dt), len(first.psth))
    at = np.arange(shown) * first.dt
    with canvas(9.0, 5.4) as drawing:
        grid = drawing.add_gridspec(3, 3, height_ratios=[1.1, 1.2, 1.3])
        raster = drawing.add_subplot(grid[0, :])
        offset = len(found.rows) - len(first.psth)
        rows = [("recording", found.evoked.counts[:, found.rows[offset:], unit], BRAIN)]
        rows += [(name, found.samples[name][:4, :, unit], colours.get(name, INK)) for name in found.samples]
        ticks, level = [], 0
        for name, counts, colour in rows:
            for one in counts:
                raster.vlines(at[one[:shown] > 0], level + 0.1, level + 0.9, color=colour, lw=0.9)
                level += 1
            ticks.append((level - len(counts) / 2, name))
        raster.set_yticks([place for place, _ in ticks], [name for _, name in ticks])
        raster.set(xlim=(0, shown * first.dt), ylim=(level, 0))
        raster.tick_params(labelbottom=False)
        panel(raster, "a", f"Held-out spikes of unit {first.table.index[unit]}, and spikes of each model on its own")
        rate = drawing.add_subplot(grid[1, :], sharex=raster)
        spikes = at[found.evoked.counts[0, found.rows[offset:], unit][:shown] > 0]
        for name, scores in found.scores.items():
            rate.plot(at, scores.rates[:shown, unit], color=colours.get(name, INK), lw=1.0, label=name)
        rate.plot(spikes, np.full(len(spikes), -0.04 * rate.get_ylim()[1]), "|", color=BRAIN, ms=6)
        rate.set(xlabel="time (ms)", ylabel="rate (Hz)")
        rate.legend(loc="upper right", ncol=3)
        panel(rate, "b", "Predicted rates, given the recorded spikes so far")
        left, middle, right = (drawing.add_subplot(grid[2, k]) for k in range(3))
        names = list(found.scores)
        values = [found.scores[name].median("bits_per_spike") for name in names]
        left.barh(range(len(names)), values, color=[colours.get(name, INK) for name in names], height=0.6)
        left.set_yticks(range(len(names)), names)
        left.invert_yaxis()
        left.axvline(0, color=INK, lw=0.8)
        left.set(xlabel="bits/spike, held out")
        panel(left, "c", "Over the mean rate (0)")
        _intervals(middle, found, unit, colours)
        table = found.trains.groupby("source", sort=False)[["cv", "fano"]].median()
        for name, row in table.iterrows():
            colour = BRAIN if name == "recording" else colours.get(str(name), INK)
            right.plot(row["cv"], row["fano"], "o", color=colour, ms=6, label=str(name))
        right.legend(loc="lower right", fontsize=7, handletextpad=0.1, borderpad=0.2)
        right.axhline(1, color=NULL, lw=0.8, ls="--")
        right.axvline(1, color=NULL, lw=0.8, ls="--")
        top = max(1.15, float(np.nanmax(table.to_numpy())) * 1.1)
        right.set(xlabel="CV of intervals", ylabel="Fano factor", xlim=(0, top), ylim=(0, top))
        panel(right, "e", "Dashed: Poisson")
        told = ", ".join(f"{name} {value:.2f}" for name, value in zip(names, values, strict=True))
        return [
            finished(
                drawing,
                title="What each model predicts, and what it fires.",
                caption="Held-out bins. Rates are given the recorded spikes up to the bin (teacher-forced); rasters, "
                "intervals and Fano factors of the models are of their own spikes (free-running).",
                alt=f"Rasters and predicted rates over {shown * first.dt:g} ms. Bits/spike: {told}.",
            ),
            *against_ceiling(found.scores, colours),
        ]


def _intervals(axis: Any, found: Encodings, unit: int, colours: dict[str, str]) -> None:
    edges = np.arange(0.5, 41.5)
    rows = {"recording": found.evoked.counts[:, :, unit], **{n: s[:, :, unit] for n, s in found.samples.items()}}
    for name, counts in rows.items():
        gaps = np.concatenate([np.diff(np.flatnonzero(np.nan_to_num(one) > 0)) for one in counts])
        share = np.histogram(gaps, edges)[0] / max(len(gaps), 1)
        colour = BRAIN if name == "recording" else colours.get(name, INK)
        axis.step(edges[:-1] * found.evoked.dt, share, where="post", color=colour, lw=1.6 if name == "recording" else 1)
    axis.set(xlabel="interval (ms)", ylabel="share")
    panel(axis, "d", "Intervals")


def against_ceiling(scores: Any, colours: dict[str, str]) -> list[Figure]:
    """Return the scatter of every unit's correlation against its ceiling; nothing where there is none."""
    if not any(np.isfinite(each.ceiling.value).any() for each in scores.values()):
        return []
    with canvas(4.2, 3.4) as drawing:
        axis = drawing.subplots()
        told = []
        for name, each in scores.items():
            table, kept = each.table, each.kept
            colour = colours.get(name, INK)
            best = table["cc_max"].to_numpy(dtype=float)
            low, high = (table[f"cc_max_{side}"].to_numpy(dtype=float) for side in ("low", "high"))
            reach = np.nan_to_num(np.abs(np.stack([best - low, high - best])))
            for which, alpha in ((kept, 0.9), (~kept, 0.25)):
                axis.errorbar(
                    best[which], table["cc"].to_numpy(dtype=float)[which], xerr=reach[:, which], fmt="o", ms=5,
                    color=colour, alpha=alpha, lw=0.8, label=name if which is kept else None,
                )  # fmt: skip
            told.append(f"{name} {each.median('cc_norm'):.2f} of the ceiling, {each.kept_text}")
        axis.plot([0, 1], [0, 1], color=INK, lw=0.8, ls="--")
        axis.axhline(0, color=INK, lw=0.6)
        axis.set(xlabel="ceiling (best possible correlation)", ylabel="correlation with the mean response")
        axis.set(xlim=(0, 1))
        axis.legend()
        return [
            finished(
                drawing,
                title="Models against the ceiling.",
                caption="Each unit: what the model reaches over the best that any could, with its 95 % interval over "
                "repeats; dashed: the ceiling. Faint: units set aside as unreliable.",
                alt=f"Scatter of correlation against ceiling. Medians: {'; '.join(told)}.",
            )
        ]


@figures.register
def _(scores: EncodingScores) -> list[Figure]:
    return [response_figure({"model": scores}, None), *against_ceiling({"model": scores}, {"model": MODEL})]


def response_figure(scores: dict[str, EncodingScores], truth: np.ndarray | None, *, length: float = 4000.0) -> Figure:
    """Return raster, mean response and predictions of the most reliable unit."""
    first = next(iter(scores.values()))
    unit = int(np.nan_to_num(first.ceiling.value, nan=0.0).argmax())
    shown = min(int(length / first.dt), len(first.psth))
    at = np.arange(shown) * first.dt / 1000.0
    with canvas(9.0, 3.6) as drawing:
        raster, axis = drawing.subplots(2, 1, sharex=True, height_ratios=[1, 1.6])
        for k, one in enumerate(first.counts[:, :shown, unit]):
            raster.vlines(at[np.nan_to_num(one) > 0], k, k + 0.8, color=BRAIN, lw=0.8)
        raster.set(ylabel="repeat", ylim=(len(first.counts), 0))
        panel(raster, "a", f"Unit {first.table.index[unit]}")
        axis.fill_between(at, first.psth[:shown, unit], color=BRAIN, alpha=0.25, lw=0, label="mean over repeats")
        if truth is not None:
            axis.plot(at, truth[:shown, unit], color=INK, lw=0.8, ls="--", label="true rate")
        for (name, each), colour in zip(scores.items(), (SECOND, MODEL, THIRD, NULL), strict=False):
            axis.plot(at, each.rates[:shown, unit], color=colour, lw=1.1, label=name)
        axis.set(xlabel="time (s)", ylabel="rate (Hz)", xlim=(0, at[-1] + first.dt / 1000.0))
        axis.legend(ncol=4, loc="upper right")
        told = ", ".join(f"{name} {each.table['cc'].iloc[unit]:.2f}" for name, each in scores.items())
        return finished(
            drawing,
            title="Responses and predictions.",
            caption="Above: spikes of every repeat. Below: their mean rate, and what each model predicts.",
            alt=f"Raster and rates over {shown * first.dt / 1000:g} s. Correlations: {told}.",
        )


@figures.register
def _(report: LagReport) -> list[Figure]:
    with canvas(4.6, 2.6) as drawing:
        axis = drawing.subplots()
        for k in range(min(report.power.shape[1], 20)):
            axis.plot(report.lags, report.power[:, k], color=MODEL, lw=1.0, alpha=0.7)
        axis.axhline(float(np.nanmedian(report.noise)), color=NULL, lw=1, ls="--", label="chance")
        axis.axvline(0, color=INK, lw=0.8)
        axis.set(xlabel="stimulus before the spike (ms)", ylabel="correlation")
        axis.legend()
        return [
            finished(
                drawing,
                title="Do the clocks agree?",
                caption="Correlation of spikes with the stimulus at each lag. Left of the line the stimulus comes "
                "after the spike: nothing may rise above chance there.",
                alt=f"Correlation over lags; the median unit follows the stimulus by {report.best:g} ms.",
            )
        ]


@figures.register
def _(found: PlaceRegressions) -> list[Figure]:
    edges = np.linspace(found.position.min(), found.position.max(), 41)
    at = np.clip(np.searchsorted(edges, found.position, side="right") - 1, 0, 39)
    seconds = np.bincount(at, minlength=40) * found.dt / 1000.0
    spikes = np.bincount(at, weights=found.counts, minlength=40)
    middle = (edges[1:] + edges[:-1]) / 2
    with canvas(6.4, 2.7) as drawing:
        axis = drawing.subplots()
        rate = np.divide(spikes, seconds, out=np.zeros(40), where=seconds > 0)
        axis.bar(middle, rate, width=edges[1] - edges[0], color=BRAIN, alpha=0.35, label="recorded")
        columns = np.stack([middle, middle**2], axis=1)
        for (name, fit), colour in zip(list(found.fits.items())[:2], (NULL, MODEL), strict=True):
            k = len(fit.coefficients) - 1
            axis.plot(middle, fit.expected(columns[:, :k]) * 1000.0 / found.dt, color=colour, label=name)
        for forward, style in ((1.0, "-"), (0.0, ":")):
            full = np.column_stack([columns, np.full(40, forward)])
            last = found.fits["direction"].expected(full) * 1000.0 / found.dt
            axis.plot(middle, last, color=SECOND, ls=style, label=f"direction ({'forth' if forward else 'back'})")
        axis.set(xlabel="position", ylabel="rate (Hz)")
        axis.legend()
        told = ", ".join(f"{name} {bits:.2f}" for name, bits in found.bits.items())
        return [
            finished(
                drawing,
                title="Rate over position.",
                caption="Bars: spikes over time spent; lines: the regressions, the last for the two directions.",
                alt=f"Rate over position with fitted curves. Held-out bits/spike: {told}.",
            )
        ]
