"""Replay: whether the decoded position moves along the track in an animal's rest, and in a network's, by one code."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from scipy.stats import binomtest

from neurornn import _check
from neurornn._types import generator
from neurornn.errors import RecordingError
from neurornn.fit import Fit
from neurornn.recording import Recording
from neurornn.statistics import PlaceBins, PopulationEvents, Replay, observe, population_events, replay

LEVEL = 0.05
"""An event beats a shuffle where fewer of its draws score as high."""


@dataclass(frozen=True, eq=False)
class Replays:
    """Replay scores of several sources, in population events and in windows of the time scale of behaviour.

    Args:
        scores: by source and kind of stretch (`events`, `windows`).
        events: population events by source.
        rest: how long the rest is, ms.
        methods: how this was made.
        references: DOIs.
    """

    scores: Mapping[tuple[str, str], Replay]
    events: Mapping[str, PopulationEvents]
    rest: float
    methods: str
    references: tuple[str, ...] = (
        "10.1016/j.neuron.2009.07.027",
        "10.1152/jn.1998.79.2.1017",
        "10.1126/science.aad1935",
    )

    def frame(self) -> pd.DataFrame:
        """Return one row a source and kind of stretch.

        `cells`, `time` and `both` are the shares of scored stretches that beat the shuffle of cells, of time bins, and
        both; `p` is that of a binomial test that more than 5 % beat the shuffle of cells (time).
        """
        rows = []
        for (source, kind), found in self.scores.items():
            column = {name: np.asarray(found.table[name], dtype=float) for name in ("score", "p_cells", "p_time")}
            scored = np.isfinite(column["score"])
            score = np.abs(column["score"][scored])
            cells, time = (column[name][scored] < LEVEL for name in ("p_cells", "p_time"))
            rows.append(
                {
                    "source": source,
                    "stretches": kind,
                    "n": len(scored),
                    "scored": int(scored.sum()),
                    "score": float(np.median(score)) if len(score) else float("nan"),
                    "cells": _share(cells),
                    "p_cells": _p(cells),
                    "time": _share(time),
                    "p_time": _p(time),
                    "both": _share(cells & time),
                }
            )
        return pd.DataFrame(rows)

    def share(self, source: str, kind: str, null: str) -> float:
        """Return the share of scored stretches that beat a shuffle (`cells`, `time` or `both`)."""
        table = self.frame().set_index(["source", "stretches"])
        return float(np.asarray(table[null], dtype=float)[list(table.index).index((source, kind))])


def replays(
    sources: Mapping[str, Recording],
    runs: Mapping[str, Recording],
    place: PlaceBins,
    *,
    rest: tuple[float, float],
    window: float = 3000.0,
    step: float = 250.0,
    n_windows: int = 150,
    n_shuffles: int = 200,
    seed: int = 0,
) -> Replays:
    """Score replay in the rest of several recordings of spikes, with rates learnt on each one's own runs.

    Population events are short (50 to 750 ms), as an animal's replay is. A network in quiescence moves at the speed of
    behaviour, and what it replays would be missed there: hence windows of seconds, too, evenly spread over the rest.

    Args:
        sources: recordings of spikes on one clock, by name.
        runs: the same recordings with the runs as trials.
        place: how position is read and cut, along one axis.
        rest: start and stop of the rest, ms.
        window: length of the windows, ms.
        step: bins within them, ms.
        n_windows: how many, at most as many as fit.
        n_shuffles: of each kind.
        seed: of the shuffles.
    """
    starts = np.arange(rest[0], rest[1] - window + 1e-6, max(window, (rest[1] - rest[0]) / n_windows))
    windows = pd.DataFrame({"start": starts, "stop": starts + window})
    scores: dict[tuple[str, str], Replay] = {}
    events = {}
    for name, recording in sources.items():
        found = population_events(recording, start=rest[0], stop=rest[1])
        events[name] = found
        for kind, table, dt in (("events", found.table, 20.0), ("windows", windows, step)):
            scores[name, kind] = replay(
                recording, table, place, learnt=runs[name], dt=dt, n_shuffles=n_shuffles, seed=seed
            )
    first = next(iter(sources))
    methods = (
        f"{events[first].methods} {scores[first, 'events'].methods} Windows: {len(windows)} of {window:g} ms in bins "
        f"of {step:g} ms, evenly spread over the rest, scored alike. A share above {100 * LEVEL:g} % of a shuffle is "
        f"more than chance if its binomial p says so; stretches that overlap in what a slow network does are not "
        f"independent, and then p is too small."
    )
    return Replays(scores, events, rest[1] - rest[0], methods)


def rest_of(brain: Recording) -> tuple[float, float]:
    """Return start and stop of the longest epoch named `rest`, ms.

    Raises:
        RecordingError: if there is none.
    """
    epochs = brain.epochs[brain.epochs["name"] == "rest"]
    if len(epochs) == 0:
        fix = "Add an epoch named rest, with start and stop in ms."
        _check.fail(
            "replays", "epochs", "a table with one named rest", list(brain.epochs["name"]), fix, error=RecordingError
        )
    starts, stops = (np.asarray(epochs[name], dtype=float) for name in ("start", "stop"))
    longest = int(np.argmax(stops - starts))
    return float(starts[longest]), float(stops[longest])


def whole_session(fit: Fit, runs: Recording, rest: tuple[float, float], *, factor: float, seed: int) -> Recording:
    """Return what a network does in an animal's session: driven on its runs, without input while it rests.

    The quiescence is one rollout as long as the rest, from the start of a trial of the task, with `factor` times the
    network's noise.
    """
    model = fit.record(runs, seed=seed)
    assert model.activity is not None and model.dt is not None
    times = model.t_start + model.dt * np.arange(len(model.activity))
    first, last = np.searchsorted(times, rest)
    start = fit.task.sample(1, generator=generator(seed)).start
    with torch.no_grad():
        run = fit.network(
            torch.zeros(1, int(last - first), fit.network.n_in),
            start=start,
            generator=generator(seed + 1),
            noise=fit.network.noise.scaled(factor),
        )
    activity = np.array(model.activity, dtype=np.float64)
    free = np.isnan(activity[first:last]).all(axis=1)
    activity[first:last][free] = run.activity[0].double().numpy()[free]
    return replace(model, activity=activity)


def observed_session(
    session: Recording, brain: Recording, place: PlaceBins, runs: Recording, *, seed: int
) -> Recording:
    """Return Poisson spikes of a network's session: as many active units as the animal has, at its units' rates.

    The rates are those of the animal's runs and rest together, given to the units in random order; `place` and `runs`
    tell which units are active at all.
    """
    rng = np.random.default_rng(seed)
    within = session.with_trials(runs.trials)
    binned = within.binned(place.dt).values
    active = np.flatnonzero(np.nanmax(binned, axis=0, initial=0.0) > 1e-6)
    n_units = min(brain.n_units, len(active))
    chosen = np.sort(rng.choice(active, size=n_units, replace=False))
    rates = rng.permutation(brain.rates())[:n_units]
    return observe(session.select(list(session.units.index[chosen])), rates=rates, seed=seed)


def _share(hits: np.ndarray) -> float:
    return float(hits.mean()) if len(hits) else float("nan")


def _p(hits: np.ndarray) -> float:
    return (
        float(binomtest(int(hits.sum()), len(hits), LEVEL, alternative="greater").pvalue) if len(hits) else float("nan")
    )
