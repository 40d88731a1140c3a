import numpy as np
import pytest

from neurornn.cell import LeakyRate
from neurornn.errors import RecipeError
from neurornn.network import Network
from neurornn.plot import figures
from neurornn.study import MultitaskStudy, Plan
from neurornn.task import FlipFlop, Multitask, VonMises
from neurornn.task.base import AbstractTask


def plan(task: AbstractTask, steps: int = 40) -> Plan:
    def network(given: AbstractTask, seed: int) -> Network:
        cell = LeakyRate(given.n_in, 24, tau=50.0, dt=given.dt, seed=seed)
        return Network(cell, given.n_out, noise=0.05, seed=seed)

    train = {"steps": steps, "batch": 16, "learning_rate": 5e-3}
    return Plan(network=network, task=lambda: task, train=train, title="Many tasks")


def test_study_gives_every_number_and_what_can_be_drawn() -> None:
    task = Multitask(("Go", "Anti"), pace=0.5, ring=VonMises(8, concentration=3.0))
    found = MultitaskStudy(controls=199, trials=16, tested=60, most=4).run(plan(task))
    numbers = found.quantities
    assert 0 <= numbers["worst"] <= numbers["mean"] <= 1 and numbers["clusters"] >= 2
    assert {"right_Go", "right_Anti", "interaction_p", "double_dissociations"} <= set(numbers)
    assert numbers["lesioned_clusters"] == numbers["clusters"] and not np.isnan(numbers["interaction_p"])
    assert found.parts["matrix"].harm.shape == (numbers["clusters"], 2)
    for part in found.parts.values():
        assert all(figure.svg for figure in figures(part))


def test_study_of_one_task_is_refused() -> None:
    for task in (FlipFlop(), Multitask(("Go",))):
        with pytest.raises(RecipeError, match=r'MultitaskStudy: `task` must be many tasks.*type = "Multitask"'):
            MultitaskStudy().run(plan(task))
