"""In from brian2: what its monitors hold becomes a `Recording`, every quantity in its unit, silent neurons kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from neurornn import _check
from neurornn.bridge.brian_units import magnitudes, milliseconds
from neurornn.errors import RecordingError
from neurornn.recording import Recording, Signal

OWNER = "from_brian2"
RAN = "Put the monitor into the Network that runs, and run it first."


@dataclass(frozen=True, eq=False)
class _Population:
    """Neurons that monitors watched: the group, and which of its members."""

    name: str
    first: int
    n_units: int

    def ids(self, alone: bool) -> list[object]:
        members = range(self.first, self.first + self.n_units)
        return list(members) if alone else [f"{self.name}.{i}" for i in members]


def from_brian2(
    *monitors: Any,
    t_start: Any = 0.0,
    t_stop: Any = None,
    trials: pd.DataFrame | None = None,
    epochs: pd.DataFrame | None = None,
    source: Mapping[str, object] | None = None,
) -> Recording:
    r"""Return what brian2's monitors hold of one run as a recording.

    Spikes are taken in seconds and become ms; every neuron of a monitored group is a unit, also one that never fired.
    The first variable of a `StateMonitor` becomes the activity of its neurons (NaN for those that it did not record),
    each further one a behaviour signal of that name. A `PopulationRateMonitor` becomes the behaviour `rate` (Hz), or
    the one unit of the recording where there is nothing else. Volts are told in mV, amperes in pA, siemens in nS,
    farads in pF, ohms in Mohm, times in ms and rates in Hz. Of several groups, units are called `group.index` and have
    the columns `population` and `index`; of one group, they are called by their index.

    Args:
        *monitors: of one network: any `SpikeMonitor`, `StateMonitor` and `PopulationRateMonitor`.
        t_start: when the monitors were switched on: a time with a brian2 unit, or plain ms.
        t_stop: when the run ended; where the clock of their network stands if absent.
        trials: one row a trial, with `start` and `stop` (ms) and any condition columns.
        epochs: named stretches: `name`, `start`, `stop` (ms).
        source: where it comes from; plain values.

    Raises:
        RecordingError: if a monitor is empty, does not hold what is needed, or is of another network or clock than
            the rest.

    Example:
        >>> import brian2
        >>> from neurornn.bridge import from_brian2
        >>> brian2.prefs.codegen.target = "numpy"
        >>> equations = "dv/dt = (drive - v)/tau : 1; drive : 1".replace("; ", "\n")
        >>> group = brian2.NeuronGroup(
        ...     3, equations, threshold="v > 1", reset="v = 0", method="exact", namespace={"tau": 10 * brian2.ms}
        ... )
        >>> group.drive = [0.0, 2.0, 0.0]
        >>> spikes = brian2.SpikeMonitor(group)
        >>> network = brian2.Network(group, spikes)
        >>> network.run(100 * brian2.ms)
        >>> from_brian2(spikes).frame()["n_spikes"].tolist()
        [0, 14, 0]
    """
    import brian2

    kinds = (brian2.SpikeMonitor, brian2.StateMonitor, brian2.PopulationRateMonitor)
    if not monitors:
        _check.fail(OWNER, "monitors", "one monitor or more", "none", error=RecordingError)
    for monitor in monitors:
        if not isinstance(monitor, kinds):
            must = "SpikeMonitors, StateMonitors or PopulationRateMonitors"
            _check.fail(OWNER, "monitors", must, type(monitor).__name__, error=RecordingError)
    spiking, states, rates = ([one for one in monitors if isinstance(one, kind)] for kind in kinds)
    start = milliseconds(OWNER, "t_start", t_start)
    stop = _ended(monitors) if t_stop is None else milliseconds(OWNER, "t_stop", t_stop)
    for monitor in spiking:
        _holds_spikes(monitor)
    if spiking and not states and not rates and not any(int(monitor.num_spikes) for monitor in spiking):
        fix = "A silent recording cannot be analysed: check threshold and drive, or hand over a StateMonitor, too."
        _check.fail(OWNER, "monitors", "such that a neuron fired", "0 spikes", fix, error=RecordingError)
    sampled = _one_grid([*states, *rates], start, stop)
    populations = _populations(spiking, states)
    alone = len(populations) == 1
    behaviour = _rates(rates)
    if not populations:
        if len(rates) > 1:
            fix = "Hand them over one by one, or with the SpikeMonitors of their groups."
            got = f"{len(rates)} PopulationRateMonitors alone"
            _check.fail(OWNER, "monitors", "those of one population", got, fix, error=RecordingError)
        name, _, _ = _key(rates[0])
        (only,) = behaviour.values()
        dt, _ = sampled
        return _recording(
            start, stop, None, only.values, dt, "Hz", pd.DataFrame(index=[name]), trials, epochs, {}, source
        )
    units = pd.DataFrame(index=pd.Index([name for one in populations.values() for name in one.ids(alone)]))
    if not alone:
        units["population"] = [one.name for one in populations.values() for _ in range(one.n_units)]
        units["index"] = [i for one in populations.values() for i in range(one.first, one.first + one.n_units)]
    activity, unit, more = _activity(states, populations, sampled)
    behaviour |= more
    spikes = _trains(spiking, populations) if spiking else None
    dt = sampled[0] if activity is not None else None
    return _recording(start, stop, spikes, activity, dt, unit, units, trials, epochs, behaviour, source)


def _recording(
    start: float,
    stop: float,
    spikes: list[np.ndarray] | None,
    activity: np.ndarray | None,
    dt: float | None,
    unit: str,
    units: pd.DataFrame,
    trials: pd.DataFrame | None,
    epochs: pd.DataFrame | None,
    behaviour: Mapping[str, Signal],
    source: Mapping[str, object] | None,
) -> Recording:
    return Recording(
        start,
        stop,
        spikes=spikes,
        activity=activity,
        dt=dt,
        unit=unit,
        units=units,
        trials=trials if trials is not None else pd.DataFrame(),
        epochs=epochs if epochs is not None else pd.DataFrame(),
        behaviour=behaviour,
        source={"simulator": "brian2", **(source or {})},
    )


def _ended(monitors: Sequence[Any]) -> float:
    """Return where the clock of the network that the monitors ran in stands, ms.

    It is the network that is asked: brian2's default clock is one for all networks, and another may have run since.
    """
    import brian2

    names = {one._network for one in monitors}
    if None in names:
        _check.fail(OWNER, "monitors", "those of a run", "one that never ran", RAN, error=RecordingError)
    if len(names) > 1:
        fix = "Make a recording of each."
        _check.fail(OWNER, "monitors", "of one network", f"of {len(names)}", fix, error=RecordingError)
    running = [net for each in brian2.Network.__instances__() if (net := each()) is not None and net.id in names]
    end = float(running[0].t / brian2.ms) if running else 0.0
    if end <= 0:
        fix = "Give t_stop, as in from_brian2(monitor, t_stop=2*brian2.second)."
        _check.fail(OWNER, "t_stop", "given where the network is gone or reset", None, fix, error=RecordingError)
    return end


def _holds_spikes(monitor: Any) -> None:
    if not monitor.record:
        fix = "Make it SpikeMonitor(group, record=True); counts alone have no times."
        _check.fail(OWNER, "SpikeMonitor", "one that records times", "record=False", fix, error=RecordingError)


def _one_grid(monitors: Sequence[Any], start: float, stop: float) -> tuple[float, int]:
    """Return the sampling step (ms) and the number of samples that all sampling monitors share."""
    import brian2

    grids = set()
    for one in monitors:
        times = np.asarray(one.t / brian2.ms, dtype=float)
        kind = type(one).__name__
        if len(times) == 0:
            _check.fail(OWNER, kind, "one that holds samples", "0 of them", RAN, error=RecordingError)
        dt = float(one.clock.dt / brian2.ms)
        grids.add((round(dt, 9), len(times)))
        if abs(times[0] - start) > dt / 2 or abs(times[-1] + dt - stop) > dt / 2:
            got = f"{times[0]:g} to {times[-1] + dt:g} ms"
            fix = "Set t_start and t_stop to when it was switched on and off, or run it throughout."
            _check.fail(OWNER, kind, f"sampled from {start:g} to {stop:g} ms", got, fix, error=RecordingError)
    if len(grids) > 1:
        got = " and ".join(f"every {dt:g} ms" for dt, _ in sorted(grids))
        fix = "Give the monitors one dt, or make a recording of each."
        _check.fail(OWNER, "monitors", "sampled on one clock", got, fix, error=RecordingError)
    return grids.pop() if grids else (0.0, 0)


def _key(monitor: Any) -> tuple[str, int, int]:
    """Return the group a monitor watches, its first member and how many; a subgroup is told by its parent."""
    group = monitor.source
    first = int(getattr(group, "start", 0))
    parent = getattr(group, "source", group) if hasattr(group, "start") else group
    return str(parent.name), first, len(group)


def _populations(*kinds: Sequence[Any]) -> dict[tuple[str, int, int], _Population]:
    found = {_key(one): _Population(*_key(one)) for monitors in kinds for one in monitors}
    members = [(name, i) for name, first, n in found for i in range(first, first + n)]
    twice = any(len({_key(one) for one in monitors}) < len(monitors) for monitors in kinds)
    if twice or len(set(members)) < len(members):
        fix = "Watch each neuron with one SpikeMonitor and one StateMonitor, of the same group or subgroup."
        got = ", ".join(f"{name}[{first}:{first + n}]" for monitors in kinds for name, first, n in map(_key, monitors))
        _check.fail(OWNER, "monitors", "of groups that do not overlap", got, fix, error=RecordingError)
    return found


def _trains(spiking: Sequence[Any], populations: Mapping[tuple[str, int, int], _Population]) -> list[np.ndarray]:
    """Return the spike times (ms) of every unit. Neurons of a group without a SpikeMonitor cannot be told silent."""
    import brian2

    by_group = {_key(one): one for one in spiking}
    trains = []
    for key, population in populations.items():
        if key not in by_group:
            fix = "Add a SpikeMonitor of the same group; without one its neurons would look silent."
            must = "given for every group, or for none"
            _check.fail(OWNER, "SpikeMonitor", must, f"none of {population.name}", fix, error=RecordingError)
        monitor = by_group[key]
        # Quantities are divided by their unit: handed on as they are, brian2's seconds would be read as ms.
        times, index = np.asarray(monitor.t / brian2.ms, dtype=float), np.asarray(monitor.i)
        order = np.argsort(index, kind="stable")
        cuts = np.cumsum(np.bincount(index, minlength=population.n_units))[:-1]
        trains += np.split(times[order], cuts)
    return trains


def _activity(
    states: Sequence[Any], populations: Mapping[tuple[str, int, int], _Population], grid: tuple[float, int]
) -> tuple[np.ndarray | None, str, dict[str, Signal]]:
    """Return the activity of all units, its unit, and every further variable as a signal."""
    if not states:
        return None, "", {}
    _, n_samples = grid
    first = {one.record_variables[0] for one in states}
    if len(first) > 1:
        fix = "List the same variable first in every StateMonitor."
        _check.fail(OWNER, "StateMonitor", "of one variable first", sorted(first), fix, error=RecordingError)
    name = first.pop()
    places, at = {}, 0
    for key, population in populations.items():
        places[key] = at
        at += population.n_units
    activity, unit = np.full((n_samples, at), np.nan), ""
    more: dict[str, Signal] = {}
    for one in states:
        key = _key(one)
        values, unit = magnitudes(getattr(one, name))
        activity[:, places[key] + np.asarray(one.record, dtype=int)] = values.T
        for other in one.record_variables[1:]:
            values, told = magnitudes(getattr(one, other))
            label = other if len(states) == 1 else f"{other}_{populations[key].name}"
            more[label] = Signal(_times(one), values.T, told)
    return activity, unit, more


def _rates(rates: Sequence[Any]) -> dict[str, Signal]:
    """Return each population's rate under its name, with the range of its members where names alone do not tell."""
    keys = [_key(one) for one in rates]
    distinct = len({name for name, _, _ in keys}) == len(keys)
    found = {}
    for one, (name, first, n) in zip(rates, keys, strict=True):
        values, told = magnitudes(one.rate)
        label = "rate" if len(rates) == 1 else f"rate_{name}" if distinct else f"rate_{name}[{first}:{first + n}]"
        found[label] = Signal(_times(one), values[:, None], told)
    return found


def _times(monitor: Any) -> np.ndarray:
    import brian2

    return np.asarray(monitor.t / brian2.ms, dtype=float)
