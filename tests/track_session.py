"""A simulated session on a track with known truth: runs from end to end, chosen rates by place, Poisson spikes."""

from collections.abc import Callable

import numpy as np

from neurornn.recording import Recording, Signal

LENGTH = 100.0
"""Length of the track, cm."""

KNOTS = np.concatenate([[0.0], np.cumsum(np.random.default_rng(7).uniform(3_000.0, 7_000.0, 200))])
"""When the animal turns, ms. Irregular: where behaviour repeats exactly, a circular shift by a period is no shift."""


def place_at(times: np.ndarray) -> np.ndarray:
    """Return where the animal is, cm: there and back, each run at its own constant speed."""
    return np.interp(times, KNOTS, LENGTH * (np.arange(len(KNOTS)) % 2))


def way_at(times: np.ndarray) -> np.ndarray:
    """Return the direction of running: +1 or -1."""
    return np.where(np.searchsorted(KNOTS, times, side="right") % 2 == 1, 1, -1)


def walk(duration: float, step: float = 20.0) -> Signal:
    """Return the position signal of a session of `duration` ms."""
    times = np.arange(0.0, duration + step, step)
    return Signal(times, place_at(times)[:, None], unit="cm")


def spiking(rates: list[Callable[[np.ndarray, np.ndarray], np.ndarray]], duration: float, seed: int) -> Recording:
    """Return Poisson units whose rate (Hz) is a function of place (cm) and direction (+1 or -1)."""
    rng = np.random.default_rng(seed)
    times = np.arange(0.5, duration, 1.0)
    way = way_at(times)
    trains = [times[rng.random(len(times)) < rate(place_at(times), way) / 1000.0] for rate in rates]
    return Recording(0.0, duration, spikes=trains, behaviour={"linear": walk(duration)})


def sampled(
    rates: list[Callable[[np.ndarray, np.ndarray], np.ndarray]], duration: float, dt: float = 50.0
) -> Recording:
    """Return units whose activity is exactly that function of place and direction."""
    times = np.arange(dt / 2, duration, dt)
    way = way_at(times)
    activity = np.stack([rate(place_at(times), way) for rate in rates], axis=1).astype(float)
    return Recording(0.0, duration, activity=activity, dt=dt, behaviour={"linear": walk(duration)})


def bump(centre: float, width: float = 8.0, peak: float = 20.0, floor: float = 0.1) -> Callable:
    """Return a Gaussian place field."""
    return lambda x, way: floor + peak * np.exp(-((x - centre) ** 2) / (2 * width**2))


def one_way(centre: float, width: float = 8.0, peak: float = 20.0) -> Callable:
    """Return a Gaussian place field of the runs towards larger positions only."""
    return lambda x, way: (way > 0) * peak * np.exp(-((x - centre) ** 2) / (2 * width**2))


def flat(rate: float) -> Callable:
    """Return the same rate everywhere."""
    return lambda x, way: np.full(len(x), rate)
