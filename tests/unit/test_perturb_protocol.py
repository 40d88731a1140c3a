"""Stimulation as an experiment: windows as epochs, held-out stimulated trials, relearning, dynamics under a lesion."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from neurornn._types import generator
from neurornn.bridge.neo import from_neo, to_neo
from neurornn.cell import GRU, LeakyRate
from neurornn.dynamics.system import as_map
from neurornn.encoding import StimulusNetwork, TemporalConv
from neurornn.fit import Fit, Objective, relearn
from neurornn.network import Network
from neurornn.perturb import (
    Current,
    Cut,
    During,
    Epoch,
    OnTrials,
    RemoveSubspace,
    Retune,
    Rotate,
    ShuffleBeyond,
    Silence,
    Stack,
    Trigger,
    windows,
)
from neurornn.recording import Recording
from neurornn.study import stimulation_test
from tests.wander import Wander


def untrained(n: int = 16, seed: int = 0) -> Fit:
    network = Network(LeakyRate(2, n, tau=30.0, dt=10.0, nonlinearity="tanh", seed=seed), 1, seed=seed)
    return Fit(network, Wander(), Objective(), {}, pd.DataFrame(), seed, {})


def test_windows_are_what_the_schedule_says() -> None:
    trials = Wander().sample(3, generator=generator(0))
    acts = [
        Silence([0], Epoch("late")).during(trials),
        Current([1], 1.0, OnTrials([2], During(20.0, 60.0, ramp=10.0))),
        Cut([2]),
        Silence([3], Trigger([0], 1.0, 10.0)),
    ]
    table = windows(acts, 3, 30, 10.0)
    assert table[table["name"] == "Silence"][["start", "stop"]].drop_duplicates().values.tolist() == [[100.0, 300.0]]
    assert table[table["name"] == "Current"].values.tolist() == [["Current", 2, 20.0, 60.0]]
    assert len(table[table["name"] == "Cut"]) == 3
    assert windows([Stack([()])], 1, 3, 1.0).empty


def test_stimulation_comes_out_as_epochs_in_neo() -> None:
    pytest.importorskip("neo")
    record = untrained().record(n_trials=3, perturb=[Silence([0], Epoch("late"))])
    held = record.epochs[record.epochs["name"] == "Silence"]
    assert held["start"].tolist() == [100.0, 400.0, 700.0] and held["stop"].tolist() == [300.0, 600.0, 900.0]
    segment = to_neo(record).segments[0]
    epochs = next(one for one in segment.epochs if one.name == "epochs")
    assert list(epochs.labels).count("Silence") == 3
    back = from_neo(to_neo(record))
    assert (back.epochs["name"] == "Silence").sum() == 3
    assert record.activity is not None
    late = (np.arange(90) % 30) >= 10
    assert (record.activity[late, 0] == 0).all() and (record.activity[~late, 0] != 0).any()


def animal(hit: np.ndarray) -> tuple[Recording, Fit]:
    """Return what another, like network does in trials some of which are stimulated, and that network as a fit."""
    fit = untrained()
    times = np.arange(len(hit)) * 400.0
    trials = pd.DataFrame({"start": times, "stop": times + 300.0, "stimulated": hit})
    empty = Recording(0.0, float(times[-1] + 400.0), spikes=[np.array([])], trials=trials)
    act = Current(range(8), 2.0, OnTrials(np.flatnonzero(hit).tolist(), Epoch("late")))
    simulated = fit.record(empty, perturb=[act])
    assert simulated.activity is not None
    mixed = simulated.activity @ np.random.default_rng(0).standard_normal((16, 5))
    return replace(simulated, activity=mixed, units=pd.DataFrame()), fit


def test_stimulated_trials_are_foreseen_by_the_right_model_alone() -> None:
    hit = np.arange(24) % 3 == 0
    brain, fit = animal(hit)
    found = stimulation_test(fit, brain, [Current(range(8), 2.0, Epoch("late"))], bin=10.0)
    assert found.explained("perturbed") > 0.99
    assert found.explained("not perturbed") < 0.8
    table = found.frame().set_index("condition")
    assert (table["without"].drop("untrained, perturbed") > 0.99).all()
    assert table.loc["perturbed", "low"] > 0 and found.neurons.shape == (5, 3)
    wrong = stimulation_test(fit, brain, [Current(range(8, 16), 2.0, Epoch("late"))], bin=10.0)
    assert wrong.explained("perturbed") < found.explained("perturbed") - 0.1
    assert "16 trials without stimulation" in found.methods


def test_a_lesioned_network_learns_around_its_lesion() -> None:
    found = relearn(
        untrained(), [Silence(range(4), Epoch("late"))], steps=40, every=10, learning_rate=1e-2, progress=False
    )
    table = found.frame().pivot(index="step", columns="network", values="score")
    assert table["lesioned"].iloc[-1] < 0.5 * table["lesioned"].iloc[0]
    assert found.acute == pytest.approx(table["lesioned"].iloc[0] - table["intact"].iloc[0])
    harmless = relearn(untrained(), [Silence([])], steps=2, every=1, progress=False)
    assert harmless.acute == 0.0 and harmless.steps_to_recover() == 0.0
    rows = [("intact", 0, 0.0), ("lesioned", 0, 1.0), ("intact", 5, 0.0), ("lesioned", 5, 0.5)]
    rows += [("intact", 9, 0.0), ("lesioned", 9, 0.05)]
    told = replace(found, table=pd.DataFrame(rows, columns=["network", "step", "score"]))
    assert told.steps_to_recover() == 9.0 and told.steps_to_recover(0.5) == 5.0
    assert np.isnan(told.steps_to_recover(0.99))
    fit = untrained()
    before = [p.clone() for p in fit.network.parameters()]
    relearn(fit, [Silence([1])], steps=1, progress=False)
    assert all(torch.equal(a, b) for a, b in zip(before, fit.network.parameters(), strict=True))


@pytest.mark.parametrize(
    "act",
    [
        Silence([1, 4]),
        Current([2], 0.5),
        Cut([3]),
        Retune([0], "tau", 2.0),
        RemoveSubspace(np.ones((1, 16))),
        Rotate(np.roll(np.eye(16), 1, axis=0)),
    ],
    ids=lambda act: type(act).__name__,
)
def test_the_map_of_a_lesioned_network_steps_as_its_runs_do(act: Silence) -> None:
    fit = untrained()
    step = as_map(fit.network, perturb=[act])
    inputs = torch.randn(1, 6, 2, generator=generator(0))
    state = torch.randn(1, 16, generator=generator(1))
    run = fit.network(inputs, state=(state,), perturb=[act])
    x = state.double()
    for t in range(6):
        x = step(x, inputs[:, t].double())
    torch.testing.assert_close(x.float(), run.state[0], rtol=1e-5, atol=1e-6)
    assert step.sends is not None
    torch.testing.assert_close(step.sends(x).float(), run.activity[:, -1], rtol=1e-5, atol=1e-6)


def test_units_of_a_fitted_model_are_lesioned_as_those_of_a_network() -> None:
    front = TemporalConv(1, channels=(4,), kernels=(5,))
    model = StimulusNetwork(front, 2, cell=GRU(4, 6, dt=1.0), warm=3, seed=1)
    frames = torch.randn(2, 40 + model.lags - 1, 1, generator=generator(0))
    past = torch.zeros(2, 40, 2)
    plain = model(frames, past)
    assert torch.equal(model.perturbed(frames, past, [Silence([])]), plain)
    hurt = model.perturbed(frames, past, [Silence([2])])
    assert hurt.shape == plain.shape and not torch.allclose(hurt, plain)
    with torch.no_grad():
        rows = [2 + gate * 6 for gate in range(3)]
        model.readout[:, 2] = 0.0
        model.cell.get_parameter("w_rec")[:, 2] = 0.0
        assert rows
    torch.testing.assert_close(model(frames, past), hurt)


TEST = animal(np.arange(12) % 3 == 0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: OnTrials([5]).strength(3, 2, 1.0),
            r"OnTrials: `trials` must be below 3, as the run has so many; got 5",
        ),
        (
            lambda: stimulation_test(TEST[1], TEST[0], [], stimulated="opto"),
            r"`stimulated` must be a column of the recording's trials, or the name",
        ),
        (
            lambda: stimulation_test(TEST[1], TEST[0], [Current([0], 1.0)]).explained("hurt"),
            r"StimulationTest: `condition` must be of the test; got 'hurt'\. ",
        ),
        (
            lambda: stimulation_test(TEST[1], animal(np.zeros(6, bool))[0], []),
            r"stimulation_test: `stimulated` must be true in some trials; got 'none of them'",
        ),
        (
            lambda: stimulation_test(TEST[1], animal(np.ones(6, bool))[0], []),
            r"`stimulated` must be such that 4 trials or more are without it; got '0 of 6 without'",
        ),
        (
            lambda: stimulation_test(TEST[1], TEST[0], [ShuffleBeyond([0], 20.0)]),
            r"stimulation_test: `perturb` must be of perturbations with a schedule; got 'ShuffleBeyond'",
        ),
        (lambda: relearn(untrained(), [], steps=0), r"relearn: `steps` must be a whole number, 1 or above; got 0"),
        (
            lambda: relearn(untrained(), [], steps=1, learning_rate=0.0),
            r"relearn: `learning_rate` must be a finite number above 0; got 0.0",
        ),
        (
            lambda: relearn(untrained(), [], steps=1, progress=False).steps_to_recover(2.0),
            r"Relearning.steps_to_recover: `share` must be a number in \[0, 1\]; got 2.0",
        ),
        (lambda: as_map(GRU(1, 2), perturb=[Silence([0])]), r"as_map: `perturb` must be absent for a cell"),
        (
            lambda: as_map(untrained().network, perturb=[Silence([0], During(0.0, 10.0))]),
            r"as_map: `perturb` must be the same in every trial and at every step; got 'one that changes'",
        ),
        (
            lambda: StimulusNetwork(TemporalConv(1, channels=(4,), kernels=(5,)), 2).perturbed(
                torch.zeros(1, 9, 1), torch.zeros(1, 5, 2), [Silence([0])]
            ),
            r"StimulusNetwork.perturbed: `cell` must be there, for its units to be perturbed; got None",
        ),
        (
            lambda: StimulusNetwork(TemporalConv(1, channels=(4,), kernels=(5,)), 2, cell=GRU(4, 3), warm=0).perturbed(
                torch.zeros(1, 9, 1), torch.zeros(1, 5, 2), [Stack([()])]
            ),
            r"StimulusNetwork.perturbed: `perturb` must be one at a time; got 'a stack'",
        ),
    ],
)
def test_protocols_that_cannot_be(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
