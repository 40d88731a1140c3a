"""Balanced networks at small size: structure, seeds, state and use; the published size is a claim of its own."""

import brian2
import numpy as np
import pytest

from neurornn import Nulls, RidgePredictivity, compare, figures, report
from neurornn.bridge import simulated_brunel, simulated_cuba, to_neo
from neurornn.bridge.brian_target import on_target
from neurornn.recording import Recording
from neurornn.statistics import siegert_cv, siegert_rate, spike_trains
from neurornn.study import BalancedState, BrunelStudy, CubaStudy, Plan, balanced_state


def cuba(seed: int) -> Recording:
    return simulated_cuba(seed, n_units=400, duration=500.0, target="numpy")


@pytest.fixture(scope="module")
def small() -> Recording:
    return cuba(0)


def test_populations_rates_and_seeds(small: Recording) -> None:
    assert small.units["population"].value_counts().to_dict() == {"excitatory": 320, "inhibitory": 80}
    assert (small.t_start, small.t_stop) == (500.0, 1000.0)
    spikes = sum(map(len, (small.spikes or ())[:320]))
    assert small.behaviour["rate_excitatory"].values.mean() == pytest.approx(spikes / 320 / 0.5, rel=0.02)
    same, other = (simulated_cuba(seed, n_units=400, duration=100.0, target="numpy") for seed in (0, 1))
    first = small.between(500.0, 600.0)
    for one, two in zip(first.spikes or (), same.spikes or (), strict=True):
        np.testing.assert_array_equal(one, two)
    assert sum(map(len, other.spikes or ())) != sum(map(len, first.spikes or ()))


def test_brian2_and_numpy_are_left_as_they_were() -> None:
    before = np.random.get_state()[1].copy(), brian2.prefs.codegen.target
    simulated_brunel(0, n_excitatory=80, duration=5.0, target="numpy")
    np.testing.assert_array_equal(np.random.get_state()[1], before[0])
    assert brian2.prefs.codegen.target == before[1]


def test_brunel_keeps_a_part_and_the_rates_of_all() -> None:
    recording = simulated_brunel(1, n_excitatory=200, duration=50.0, recorded=30, target="numpy")
    assert recording.units["population"].value_counts().to_dict() == {"excitatory": 30, "inhibitory": 30}
    assert set(recording.behaviour) == {"rate_excitatory", "rate_inhibitory"}
    assert recording.source["weight"] == pytest.approx(0.1 * 1000 / 20)
    strong = simulated_brunel(1, n_excitatory=200, weight=0.2, duration=5.0, recorded=1, target="numpy")
    assert strong.source["weight"] == pytest.approx(0.2 * 1000 / 20)


def test_neurons_in_poisson_input_fire_as_siegert_says() -> None:
    """Not a network: neurons with the inputs that Brunel's have by theory. Jumps are 0.1 mV, not white noise: 8 %."""
    from neurornn.bridge import from_brian2

    with on_target("numpy", seed=5):
        group = brian2.NeuronGroup(
            400,
            "dv/dt = -v/(20*ms) : volt (unless refractory)",
            threshold="v > 20*mV",
            reset="v = 10*mV",
            refractory=2 * brian2.ms,
            method="exact",
            namespace={"ms": brian2.ms, "mV": brian2.mV},
        )
        group.v = "rand()*20*mV"
        rate = 37.95 * brian2.Hz
        inputs = [
            brian2.PoissonInput(group, "v", 1000, rate + 20 * brian2.Hz, 0.1 * brian2.mV),
            brian2.PoissonInput(group, "v", 250, rate, -0.5 * brian2.mV),
        ]
        monitor = brian2.SpikeMonitor(group)
        network = brian2.Network(group, *inputs, monitor)
        network.run(1500 * brian2.ms)
        found = spike_trains(from_brian2(monitor).between(500.0, 1500.0)).frame().mean()
    mean = 1000 * 0.1 * 0.02 * (20.0 + 37.95 * (1 - 5.0 / 4))
    spread = np.sqrt(1000 * 0.1**2 * 0.02 * (20.0 + 37.95 * (1 + 25.0 / 4)))
    assert found["rate"] == pytest.approx(siegert_rate(mean, spread), rel=0.08)
    assert found["cv"] == pytest.approx(siegert_cv(mean, spread), rel=0.08)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of elephant's calls into quantities
def test_the_state_is_measured_as_elephant_measures_it(small: Recording) -> None:
    from elephant.statistics import cv, isi

    state = balanced_state(small, min_spikes=3)
    trains = to_neo(small).segments[0].spiketrains
    known = [float(cv(isi(train))) for train in trains if len(train) >= 3]
    assert state.quantities()["cv"] == pytest.approx(np.mean(known))
    assert state.rate == pytest.approx(small.rates().mean(), rel=0.02)
    enough = [float(cv(isi(train))) for train in trains if len(train) >= 5]
    assert balanced_state(small, min_spikes=5).quantities()["cv"] == pytest.approx(np.mean(enough))
    assert len(enough) < len(known)
    (figure,) = figures(state)
    assert "mean correlation" in figure.alt
    assert "A balanced network" in report(None, balanced=state).html


def test_studies_find_what_gates_ask_for() -> None:
    plan = Plan(network=lambda task, seed: pytest.fail("no network"), task=lambda **_: pytest.fail("no task"), train={})
    brunel = BrunelStudy(n_excitatory=400, duration=200.0, target="numpy").run(plan)
    assert brunel.fit is None and isinstance(brunel.parts["balanced"], BalancedState)
    assert {"rate_error", "cv", "correlation", "swing", "cv_error"} <= set(brunel.quantities)
    cuba = CubaStudy(n_units=400, duration=300.0, target="numpy").run(plan)
    assert {"rate", "cv", "correlation"} <= set(cuba.quantities) and "rate_error" not in cuba.quantities


def test_a_simulated_network_can_stand_beside_a_recording(small: Recording) -> None:
    """Two populations of one network, as model and brain: the inhibitory neurons predict the excitatory ones."""
    kinds = {name: small.units.index[small.units["population"] == name] for name in ("excitatory", "inhibitory")}
    brain, model = small.select(kinds["excitatory"]), small.select(kinds["inhibitory"])
    nulls = Nulls(n_shifts=100, least_shift=50.0)
    result = compare(model, brain, RidgePredictivity(), dt=10.0, n_folds=2, nulls=nulls, behaviour=(), min_spikes=5)
    assert np.isfinite(result.frame().select_dtypes("number").to_numpy()).any()


def test_impossible_networks_are_refused() -> None:
    with pytest.raises(ValueError, match="simulated_brunel: `n_excitatory` must be a multiple of 40; got 100"):
        simulated_brunel(0, n_excitatory=100)
    with pytest.raises(ValueError, match="simulated_brunel: `drive` must be a finite number above 0"):
        simulated_brunel(0, drive=-1.0)
    with pytest.raises(ValueError, match="simulated_brunel: `weight` must be a finite number above 0"):
        simulated_brunel(0, weight=0.0)
    with pytest.raises(ValueError, match="simulated_cuba: `n_units` must be a multiple of 5; got 401"):
        simulated_cuba(0, n_units=401)
    with pytest.raises(ValueError, match="simulated_cuba: `duration` must be a finite number above 0"):
        simulated_cuba(0, duration=0.0)
    with pytest.raises(ValueError, match="simulated_cuba: `n_units` must be a whole number, 200 or above"):
        simulated_cuba(0, n_units=100)
    with pytest.raises(ValueError, match=r"brian2: `target` must be one of its targets; got 'nmpy'. Did you mean"):
        simulated_cuba(0, target="nmpy")
    with pytest.raises(ValueError, match="brian2: `seed` must be a whole number, 0 or above"):
        simulated_cuba(-1, target="numpy")
    with pytest.raises(ValueError, match="simulated_brunel: `n_excitatory` must be a whole number"):
        simulated_brunel(0, n_excitatory=0)
