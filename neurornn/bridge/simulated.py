"""A simulated session on a linear track, with known truth and the structure of a real one."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from neurornn import _check
from neurornn.bridge.track import along_track
from neurornn.recording import Recording, Signal

LENGTH = 430.0
"""Length of the simulated track, px."""

FRAME = 1000.0 / 60.0
"""Camera interval, ms."""

STEP = 5.0
"""The step on which firing rates are constant, ms."""

FLAT = 3
"""How many of the units fire without regard to place."""

ORIGIN = np.array([141.0, 141.0])
AXIS = np.array([0.8, 0.6])
"""Where the track starts in the picture (px), and its direction."""


def read_simulated_track(files: Mapping[str, Path], *, seed: int = 0, n_units: int = 31) -> Recording:
    """Return `simulated_track`; the reader of the data recipe of that name, which has no files."""
    return simulated_track(seed, n_units=n_units)


def simulated_track(
    seed: int, *, n_units: int = 31, run: float = 900_000.0, rest: float = 600_000.0, replay_rate: float = 0.3
) -> Recording:
    r"""Return a simulated session of runs on a linear track and the rest after it.

    The animal runs from end to end along $s(t) = L (10 u^3 - 15 u^4 + 6 u^5)$, $u \in [0, 1]$, pauses, and turns. A
    place unit fires as an inhomogeneous Poisson process with rate

    $$ \lambda(t) = b + p\, g_{d}\, e^{-(s(t) - c)^2 / 2 w^2} $$

    while the animal runs in direction $d$, and $b$ while it pauses. While it rests, events of 150 ms at `replay_rate`
    Hz sweep over the track, forwards or backwards, with the same fields at 5 times their rate; outside them the rate
    is $b$. Three units fire at $b$ throughout. The unit table holds the truth: `field_centre` (c) and `field_width`
    (w) in px, `field_peak` (p) and `background` (b) in Hz, `gain_out` and `gain_back` ($g_{+1}$, $g_{-1}$). The epochs
    named `replay` are the events.

    Args:
        seed: of all that is drawn.
        n_units: units, three of which fire without regard to place.
        run: how long the animal runs, ms.
        rest: how long it then rests, ms.
        replay_rate: events during rest, Hz.

    Returns:
        A recording with behaviour `position` (px), `linear` (px) and `speed` (px/s), and epochs `run`, `rest`,
        `replay`.

    Raises:
        ValueError: if a time or rate is not above 0, or there are fewer than four units.

    Example:
        >>> from neurornn.bridge import simulated_track
        >>> simulated_track(0, run=60_000.0, rest=30_000.0).n_units
        31
    """
    n_units = _check.count("simulated_track", "n_units", n_units, least=FLAT + 1)
    for name, value in {"run": run, "rest": rest, "replay_rate": replay_rate}.items():
        _check.positive("simulated_track", name, value)
    draw = np.random.default_rng(_check.count("simulated_track", "seed", seed, least=0))
    place, direction = _behaviour(draw, run)
    units = _fields(draw, n_units)
    position = _camera(draw, place, run, rest)
    events, replayed, course = _replay(draw, rest, run, replay_rate)
    rates = np.concatenate([_rates(units, place, direction, 1.0), _rates(units, replayed, course, 5.0)])
    track = along_track(position.times, position.values)
    return Recording(
        0.0,
        len(rates) * STEP,
        spikes=_spikes(draw, rates),
        units=units,
        epochs=_with_replays(track.epochs, events),
        behaviour={"position": position, "linear": track.linear, "speed": track.speed},
        source={
            "simulated": True,
            "seed": int(seed),
            "track_length": track.length,
            "laps": len(track.laps),
            "replay_events": len(events),
        },
    )


def _with_replays(epochs: pd.DataFrame, events: np.ndarray) -> pd.DataFrame:
    replays = pd.DataFrame({"name": "replay", "start": events, "stop": events + 150.0})
    return pd.concat([epochs, replays], ignore_index=True) if len(events) else epochs


def _behaviour(draw: np.random.Generator, run: float) -> tuple[np.ndarray, np.ndarray]:
    """Return place (px) and direction (+1, -1; 0 in pauses) on the grid of STEP."""
    places, directions, n_steps, side = [], [], int(run / STEP), 1
    while sum(map(len, places)) < n_steps:
        n_pause = 200 + int(draw.exponential(3000.0) / STEP)
        n_lap = int(draw.lognormal(np.log(4500.0), 0.25) / STEP)
        u = (np.arange(n_lap) + 0.5) / n_lap
        there = LENGTH * (10 * u**3 - 15 * u**4 + 6 * u**5)
        places += [np.full(n_pause, 0.0 if side > 0 else LENGTH), there if side > 0 else LENGTH - there]
        directions += [np.zeros(n_pause), np.full(n_lap, side)]
        side = -side
    return np.concatenate(places)[:n_steps], np.concatenate(directions)[:n_steps]


def _fields(draw: np.random.Generator, n_units: int) -> pd.DataFrame:
    n_place = n_units - FLAT
    preferred = draw.permutation(np.arange(n_place) % 2)
    other = draw.uniform(0.0, 1.0, n_place)
    none = np.full(FLAT, np.nan)
    return pd.DataFrame(
        {
            "field_centre": np.concatenate([draw.permutation((np.arange(n_place) + 0.5) / n_place) * LENGTH, none]),
            "field_width": np.concatenate([draw.uniform(20.0, 50.0, n_place), none]),
            "field_peak": np.concatenate([draw.uniform(6.0, 20.0, n_place), np.zeros(FLAT)]),
            "gain_out": np.concatenate([np.where(preferred == 1, 1.0, other), none]),
            "gain_back": np.concatenate([np.where(preferred == 0, 1.0, other), none]),
            "background": np.concatenate([draw.uniform(0.05, 0.2, n_place), draw.uniform(2.0, 6.0, FLAT)]),
        },
        index=pd.Index([f"u{i}" for i in range(1, n_units + 1)], name="unit"),
    )


def _camera(draw: np.random.Generator, place: np.ndarray, run: float, rest: float) -> Signal:
    """Return whole pixels at the camera's frames: the track, with jitter of 1 px, then one held pixel at rest."""
    times = np.arange(0.0, run + rest, FRAME)
    running = times < len(place) * STEP
    along = np.interp(times[running], (np.arange(len(place)) + 0.5) * STEP, place)
    pixels = np.full((len(times), 2), [522.0, 8.0])
    pixels[running] = np.rint(ORIGIN + along[:, None] * AXIS + draw.normal(0.0, 1.0, (len(along), 2)))
    return Signal(times, pixels, "px")


def _replay(
    draw: np.random.Generator, rest: float, start: float, rate: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return event times (ms), and place and direction during rest on the grid of STEP (direction 0 between)."""
    n_steps, n_event = int(rest / STEP), int(150.0 / STEP)
    place, direction = np.zeros(n_steps), np.zeros(n_steps)
    first = np.sort(draw.integers(0, max(n_steps - n_event, 1), draw.poisson(rate * rest / 1000.0)))
    apart = np.concatenate([[True], np.diff(first) >= 2 * n_event]) if len(first) else np.zeros(0, dtype=bool)
    for at in first[apart]:
        side = draw.choice([-1, 1])
        sweep = (np.arange(n_event) + 0.5) / n_event * LENGTH
        stop = min(at + n_event, n_steps)
        place[at:stop] = (sweep if side > 0 else LENGTH - sweep)[: stop - at]
        direction[at:stop] = side
    return int(start / STEP) * STEP + first[apart] * STEP, place, direction


def _rates(units: pd.DataFrame, place: np.ndarray, direction: np.ndarray, faster: float) -> np.ndarray:
    """Return firing rates, Hz. Shape (step, unit)."""
    column = {name: units[name].fillna(1.0).to_numpy() for name in units}
    distance = (place[:, None] - column["field_centre"]) / column["field_width"]
    gain = np.where(direction[:, None] > 0, column["gain_out"], column["gain_back"])
    field = faster * column["field_peak"] * gain * np.exp(-0.5 * distance**2)  # (step, unit)
    return column["background"] + np.where(direction[:, None] == 0, 0.0, field)


def _spikes(draw: np.random.Generator, rates: np.ndarray) -> list[np.ndarray]:
    """Return a Poisson process for each unit: a count in each step, spread evenly over it."""
    trains = []
    for rate in rates.T:
        counts = draw.poisson(rate * STEP / 1000.0)
        step = np.repeat(np.arange(len(rate)), counts)
        trains.append(np.sort((step + draw.uniform(size=len(step))) * STEP))
    return trains
