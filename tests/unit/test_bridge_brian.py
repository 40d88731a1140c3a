"""In from brian2: units, silent neurons, subgroups and clocks; and what a monitor that cannot serve is told."""

from collections.abc import Iterator
from typing import Any

import brian2
import numpy as np
import pandas as pd
import pytest

from neurornn.bridge import from_brian2, from_neo, to_neo

MS, MV = brian2.ms, brian2.mV


@pytest.fixture(autouse=True)
def numpy_target() -> Iterator[None]:
    before = brian2.prefs.codegen.target
    brian2.prefs.codegen.target = "numpy"
    yield
    brian2.prefs.codegen.target = before


def neurons(n: int = 4, name: str = "exc*", drives: tuple[float, ...] = (0.0, 30.0, 0.0, 50.0)) -> Any:
    group = brian2.NeuronGroup(
        n,
        "dv/dt = (drive - v)/tau : volt\ndrive : volt\ncurrent = v/(100*Mohm) : amp",
        threshold="v > 10*mV",
        reset="v = 0*mV",
        method="exact",
        name=name,
        namespace={"tau": 10 * MS, "mV": MV, "Mohm": brian2.Mohm},
    )
    group.drive = np.array(drives) * MV
    return group


NETWORKS: list[Any] = []


def run(duration: float, *objects: Any) -> None:
    NETWORKS.append(brian2.Network(*objects))  # held, as a user's script holds it
    NETWORKS[-1].run(duration * MS)


def test_spikes_come_in_ms_and_silent_neurons_stay() -> None:
    """From 0 to 10 mV under 30 mV takes tau ln(3/2) = 4.05 ms: the closed form, not a frozen number."""
    group = neurons()
    monitor = brian2.SpikeMonitor(group)
    run(200.0, group, monitor)
    recording = from_brian2(monitor)
    assert (recording.t_start, recording.t_stop, recording.n_units) == (0.0, 200.0, 4)
    assert recording.spikes is not None
    assert [len(train) > 0 for train in recording.spikes] == [False, True, False, True]
    period = 10.0 * np.log(30.0 / 20.0)
    assert np.all(np.abs(np.diff(recording.spikes[1]) - period) <= 0.1 + 1e-9)
    np.testing.assert_allclose(recording.spikes[1], np.asarray(monitor.spike_trains()[1]) * 1000.0)
    assert from_neo(to_neo(recording)).frame()["n_spikes"].tolist() == recording.frame()["n_spikes"].tolist()


def test_variables_come_in_their_units() -> None:
    group = neurons()
    state = brian2.StateMonitor(group, ["v", "current"], record=[1, 3])
    spikes, rate = brian2.SpikeMonitor(group), brian2.PopulationRateMonitor(group)
    run(50.0, group, state, spikes, rate)
    recording = from_brian2(spikes, state, rate)
    assert (recording.unit, recording.dt) == ("mV", pytest.approx(0.1))
    activity = np.asarray(recording.activity)
    assert np.isnan(activity[:, [0, 2]]).all(), "neurons that were not recorded are NaN, not 0"
    np.testing.assert_allclose(activity[:, 1], np.asarray(state.v[0]) * 1e3)
    assert recording.behaviour["current"].unit == "pA"
    np.testing.assert_allclose(recording.behaviour["current"].values, activity[:, [1, 3]] * 10.0)  # 1 mV over 100 MOhm
    assert recording.behaviour["rate"].unit == "Hz"
    counted = recording.behaviour["rate"].values.mean() * 0.05 * 4
    assert counted == pytest.approx(sum(map(len, recording.spikes or ())))


def test_several_groups_and_subgroups_keep_their_names() -> None:
    exc, inh = neurons(name="the_exc"), neurons(name="the_inh")
    watched = [brian2.SpikeMonitor(exc[1:3]), brian2.SpikeMonitor(inh)]
    run(50.0, exc, inh, *watched)
    recording = from_brian2(*watched)
    assert recording.units.index.tolist() == ["the_exc.1", "the_exc.2", *(f"the_inh.{i}" for i in range(4))]
    assert recording.units["population"].tolist() == ["the_exc"] * 2 + ["the_inh"] * 4
    counts = recording.frame()["n_spikes"]
    assert counts["the_exc.1"] == counts["the_inh.1"] > 0 and counts["the_exc.2"] == 0


def test_trials_epochs_and_a_rate_alone() -> None:
    group = neurons()
    rate = brian2.PopulationRateMonitor(group)
    run(40.0, group, rate)
    trials = pd.DataFrame({"start": [0.0, 20.0], "stop": [20.0, 40.0], "side": ["left", "right"]})
    epochs = pd.DataFrame({"name": ["stimulus"], "start": [5.0], "stop": [15.0]})
    recording = from_brian2(rate, trials=trials, epochs=epochs, source={"seed": 3})
    assert recording.unit == "Hz" and recording.n_units == 1 and recording.spikes is None
    assert recording.trials["side"].tolist() == ["left", "right"] and len(recording.epochs) == 1
    assert recording.source == {"simulator": "brian2", "seed": 3}


def test_a_late_monitor_needs_its_start() -> None:
    group = neurons()
    net = brian2.Network(group)
    net.run(20 * MS)
    late = brian2.StateMonitor(group, "v", record=True)
    net.add(late)
    net.run(30 * MS)
    assert from_brian2(late, t_start=20 * MS).duration == pytest.approx(30.0)
    with pytest.raises(ValueError, match="from_brian2: `StateMonitor` must be sampled from 0 to 50 ms; got '20 to 50"):
        from_brian2(late)
    with pytest.raises(ValueError, match=r"from_brian2: `t_start` must be a time; got '20[.] mV'"):
        from_brian2(late, t_start=20 * MV)


def test_empty_monitors_are_refused() -> None:
    group = neurons(drives=(0.0,) * 4)
    spikes, state = brian2.SpikeMonitor(group), brian2.StateMonitor(group, "v", record=True)
    with pytest.raises(ValueError, match="from_brian2: `monitors` must be those of a run; got 'one that never ran'"):
        from_brian2(spikes)
    with pytest.raises(ValueError, match="from_brian2: `monitors` must be one monitor or more; got 'none'"):
        from_brian2()
    run(10.0, group, spikes)
    with pytest.raises(ValueError, match="from_brian2: `monitors` must be such that a neuron fired; got '0 spikes'"):
        from_brian2(spikes)
    with pytest.raises(ValueError, match="from_brian2: `StateMonitor` must be one that holds samples; got '0 of them'"):
        from_brian2(spikes, state, t_stop=10.0)
    counts = brian2.SpikeMonitor(group, record=False)
    with pytest.raises(ValueError, match="from_brian2: `SpikeMonitor` must be one that records times"):
        from_brian2(counts, t_stop=10.0)
    with pytest.raises(ValueError, match="from_brian2: `monitors` must be SpikeMonitors, StateMonitors or Population"):
        from_brian2(group)


def test_monitors_that_do_not_go_together_are_refused() -> None:
    exc, inh = neurons(name="one_exc"), neurons(name="one_inh")
    fine, coarse = brian2.StateMonitor(exc, "v", record=True), brian2.StateMonitor(inh, "v", record=True, dt=1 * MS)
    drive = brian2.StateMonitor(inh, "drive", record=True)
    part, whole = brian2.SpikeMonitor(exc[:2]), brian2.SpikeMonitor(exc)
    rates = brian2.PopulationRateMonitor(exc), brian2.PopulationRateMonitor(inh)
    run(10.0, exc, inh, fine, coarse, drive, part, whole, *rates)
    with pytest.raises(ValueError, match=r"from_brian2: `monitors` must be sampled on one clock; got 'every 0[.]1 ms"):
        from_brian2(fine, coarse)
    with pytest.raises(ValueError, match="from_brian2: `monitors` must be of groups that do not overlap"):
        from_brian2(part, whole)
    with pytest.raises(ValueError, match="from_brian2: `SpikeMonitor` must be given for every group, or for none"):
        from_brian2(whole, drive)
    with pytest.raises(ValueError, match="from_brian2: `StateMonitor` must be of one variable first"):
        from_brian2(fine, drive)
    with pytest.raises(ValueError, match="from_brian2: `monitors` must be those of one population"):
        from_brian2(*rates)
    other = neurons(name="one_other")
    late = brian2.StateMonitor(other, "v", record=True)
    run(20.0, other, late)
    with pytest.raises(ValueError, match="from_brian2: `monitors` must be of one network; got 'of 2'"):
        from_brian2(late, fine)


def test_another_run_since_does_not_move_the_end() -> None:
    """brian2's default clock is shared: it stands where the last network left it, not where this one did."""
    first, second = neurons(name="ran_first"), neurons(name="ran_second")
    monitor, network = brian2.SpikeMonitor(first), brian2.Network(first)
    network.add(monitor)
    network.run(50 * MS)
    run(10.0, second)
    assert from_brian2(monitor).t_stop == pytest.approx(50.0)
    monitor._network = "a network that is no more"
    with pytest.raises(ValueError, match="from_brian2: `t_stop` must be given where the network is gone or reset"):
        from_brian2(monitor)
    assert from_brian2(monitor, t_stop=50 * MS).t_stop == pytest.approx(50.0)
