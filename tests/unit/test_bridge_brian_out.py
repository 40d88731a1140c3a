"""The export to brian2: what is built, what it is told in, and what cannot be exported."""

import brian2
import numpy as np
import pytest
import torch

from neurornn import GRU, LIF, BrianModel, LeakyRate, Network, ShortTerm, to_brian2
from neurornn.bridge.brian_target import on_target


def clamped() -> LIF:
    return LIF(1, 3, reset="hard", refractory=2.0, inject=True).double()


def test_currents_may_come_with_their_unit() -> None:
    plain = to_brian2(clamped(), inputs=np.full((50, 1), 300.0))
    told = to_brian2(clamped(), inputs=np.full((50, 1), 0.3) * brian2.nA)
    np.testing.assert_allclose(plain.drive, told.drive)
    assert plain.duration == 50.0 and "resistance*(current + drive)" in plain.equations


def test_the_objects_can_be_taken_into_a_model_of_ones_own() -> None:
    model = to_brian2(clamped(), inputs=np.full((50, 1), 300.0))
    with on_target("numpy"):
        built = model.build()
        own = brian2.PopulationRateMonitor(built["neurons"])
        built["network"].add(own)
        built["network"].run(50 * brian2.ms)
        assert brian2.have_same_dimensions(built["neurons"].tau, brian2.second)
        assert brian2.have_same_dimensions(built["synapses"].weight, brian2.amp)
        assert float(built["neurons"].v_threshold[0] / brian2.mV) == pytest.approx(-50.0)
        assert len(own.t) == 50


def test_what_cannot_be_exported_is_refused() -> None:
    inputs = np.zeros((10, 1))
    with pytest.raises(
        ValueError, match=r"to_brian2: `cell` must be one of LIF, AdaptiveLIF, .* got 'GRU'. A network of"
    ):
        to_brian2(GRU(1, 3), inputs=inputs)
    with pytest.raises(ValueError, match="to_brian2: `nonlinearity` must be one that is named"):
        to_brian2(LeakyRate(1, 3, nonlinearity=torch.sin), inputs=inputs)
    alike = LIF(1, 3, tau=[20.0, 5.0, 10.0], tau_syn=5.0)
    with pytest.raises(
        ValueError, match="to_brian2: `tau_syn` must be apart from `tau` in every unit; got '5 ms in unit 1'"
    ):
        to_brian2(alike, inputs=inputs)
    both = LIF(1, 3, delay=2.0, short_term=ShortTerm(0.5, 100.0))
    with pytest.raises(ValueError, match="to_brian2: `short_term` must be absent where synapses are delayed"):
        to_brian2(both, inputs=inputs)


def test_inputs_that_do_not_fit_are_refused() -> None:
    for wrong in (np.zeros((10, 2)), np.zeros(10), np.zeros((2, 10, 1)), np.zeros((0, 1))):
        with pytest.raises(ValueError, match=r"to_brian2: `inputs` must be of shape \(time, 1\); got"):
            to_brian2(clamped(), inputs=wrong)
    with pytest.raises(ValueError, match="to_brian2: `inputs` must be finite everywhere; got '1 of 10"):
        to_brian2(clamped(), inputs=np.r_[np.nan, np.zeros(9)][:, None])
    with pytest.raises(ValueError, match=r"to_brian2: `inputs` must be a current, as in 200\*brian2.pA"):
        to_brian2(clamped(), inputs=np.zeros((10, 1)) * brian2.mV)
    with pytest.raises(
        ValueError, match=r"to_brian2: `inputs` must be plain numbers; .* Only cells made with inject=True"
    ):
        to_brian2(LIF(1, 3), inputs=np.zeros((10, 1)) * brian2.pA)
    told = Network(LIF(1, 3), n_out=1, n_start=2)
    with pytest.raises(ValueError, match="Network: `start` must be given, with 2 columns"):
        to_brian2(told, inputs=np.zeros((10, 1)))


def test_runs_that_cannot_be_are_refused() -> None:
    model = to_brian2(clamped(), inputs=np.zeros((10, 1)))
    assert isinstance(model, BrianModel)
    with pytest.raises(
        ValueError, match=r"to_brian2: `dt` must be the network's own, 1 ms, or a whole part of it; got 0[.]3"
    ):
        model.run(dt=0.3)
    with pytest.raises(ValueError, match="to_brian2: `dt` must be a finite number above 0"):
        model.run(dt=-1.0)
    with pytest.raises(ValueError, match=r"to_brian2.run: `duration` must be a finite number above 0"):
        model.run(duration=0.0)
    with pytest.raises(ValueError, match="brian2: `target` must be one of its targets; got 'cpp'"):
        model.run(target="cpp")
    rates = to_brian2(LeakyRate(1, 3), inputs=np.zeros((10, 1)))
    with pytest.raises(ValueError, match="to_brian2: `record` must be true for rate units, which leave nothing else"):
        rates.run(record=False)
