"""Growing memory in a spiking network: what is trained, what the controls hold fixed, and what is refused."""

import numpy as np
import pytest

from neurornn import LIF, CrossEntropy, LeakyIntegrator, LeakyRate, Network, Objective, Parity, Uniform
from neurornn.errors import RecipeError
from neurornn.fit import Adam
from neurornn.plot import figures
from neurornn.study import Plan, SpikingMemoryStudy
from neurornn.study.growth import time_constants

STUDY = SpikingMemoryStudy(last=3, epochs=2)


def a_plan(train: tuple[str, ...] = ("tau",), kind: type = LIF) -> Plan:
    def network(task, seed):
        if kind is LeakyRate:
            return Network(LeakyRate(1, 6, tau=5.0, dt=1.0), task.heads)
        cell = LIF(1, 16, tau=Uniform(5.0, 40.0), dt=1.0, train=train, bias=Uniform(0.0, 300.0), seed=seed)
        return Network(cell, task.heads, readout=LeakyIntegrator(20.0))

    settings = {
        "batch": 8,
        "objective": Objective({"entropy": CrossEntropy()}),
        "optimiser": Adam(),
        "learning_rate": 1e-2,
        "validate_every": 3,
        "n_validation": 16,
    }
    return Plan(network, lambda: Parity(block=8, dt=1.0, hold=4.0), settings)


def test_membranes_are_trained_and_the_controls_keep_theirs() -> None:
    found = STUDY.run(a_plan())
    growths = found.parts["variants"].growths
    assert list(growths) == ["multi", "single", "multi, fixed taus", "multi, one tau"]
    start = time_constants(growths["multi"].untrained)
    for name, one in growths.items():
        before, after = time_constants(one.untrained), time_constants(one.fit.network)
        if name in ("multi", "single"):
            assert np.array_equal(before, start) and not np.allclose(after, before)
        else:
            np.testing.assert_allclose(after, before)
        one_tau = name.endswith("one tau")
        np.testing.assert_allclose(before, np.full(16, start.mean()) if one_tau else start, rtol=1e-5)
        # In pA they differ where the capacitance does; in units of their own they are the same.
        weights = [network.cell.wiring().detach() for network in (one.untrained, growths["multi"].untrained)]
        assert bool((weights[0] == weights[1]).all()), "all start from the same synapses"
        slugged = {"multi, fixed taus": "multi_fixed_taus", "multi, one tau": "multi_one_tau"}.get(name, name)
        assert 0 <= found.quantities[f"{slugged}_silent"] <= 1 and found.quantities[f"{slugged}_rate"] >= 0
    assert found.quantities["multi_one_tau_behind"] == growths["multi"].solved - growths["multi, one tau"].solved
    assert figures(found.parts["variants"])[0].svg


def test_what_the_study_cannot_use_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"SpikingMemoryStudy: `network.cell` must be spiking, with trained membrane"):
        STUDY.run(a_plan(train=()))
    with pytest.raises(RecipeError, match=r"SpikingMemoryStudy: `network.cell` must be spiking, .*; got 'LeakyRate'"):
        STUDY.run(a_plan(kind=LeakyRate))
    with pytest.raises(ValueError, match="SpikingMemoryStudy: `epochs` must be a whole number, 1 or above; got 0"):
        SpikingMemoryStudy(epochs=0)
