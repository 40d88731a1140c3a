"""Lesions in quiescence, held against a network of which one unit is the position."""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from neurornn.cell import LeakyRate
from neurornn.network import Network
from neurornn.page.section import section
from neurornn.perturb import During, Silence
from neurornn.study import quiet_lesion
from neurornn.task.base import AbstractTask
from neurornn.task.code import AbstractCode, Cartesian
from neurornn.trials import Trials

N = 30


@dataclass(frozen=True)
class Drift(AbstractTask):
    """Start somewhere between -1 and 1 and be told nothing more."""

    code: AbstractCode | None = field(default_factory=lambda: Cartesian(((-1.0, 1.0),)))
    dt: float = 10.0
    score_name: str = "none"
    higher_is_better: bool = True

    @property
    def n_in(self) -> int:
        return 1

    @property
    def n_out(self) -> int:
        return 1

    def sample(self, n_trials: int, *, generator: torch.Generator) -> Trials:
        start = 2 * torch.rand(n_trials, 1, generator=generator) - 1
        path = start[:, None].expand(n_trials, 60, 1)
        return Trials(torch.zeros(n_trials, 60, 1), path, torch.ones(n_trials, 60), dt=self.dt, start=start)

    def score(self, trials: Trials, outputs: Tensor) -> Tensor:
        return -(outputs - trials.targets).square().mean(dim=(-2, -1))


def walker(noise: float = 0.1) -> SimpleNamespace:
    """Return units that leak to 0 each for itself; the first one is the position."""
    cell = LeakyRate(1, N, tau=50.0, dt=10.0, nonlinearity="identity")
    network = Network(cell, 1, n_start=1, noise=noise).requires_grad_(False)
    for name in ("wiring.weight", "w_in"):
        cell.get_parameter(name).zero_()
    network.readout.zero_()
    network.readout[0, 0] = 1.0
    assert network.encoder is not None
    network.encoder.fill_(1.0)
    return SimpleNamespace(network=network, task=Drift())


FEW = {"trials": 8, "steps": 60, "discard": 20}


def test_without_the_unit_that_is_the_position_it_stands_still() -> None:
    found = quiet_lesion(walker(), [0], **FEW, matched_on=("n",))
    assert found.value("step") == 0.0 and found.value("moving") == 0.0 and found.value("variance") == 0.0
    assert found.value("moving", "intact") == 1.0 and found.value("distance from the intact path", "intact") == 0.0
    table = found.frame().set_index("quantity")
    assert (table["controls"] == N - 1).all() and table["p"].isna().all()  # as many sets as there are others
    np.testing.assert_allclose(table["control"], table["intact"], atol=1e-6)  # nobody else is heard
    assert found.value("js from active") > found.value("js from active", "intact")
    assert len(found.runs) == N + 1 and "Silence of 1 of 30 units in quiescence" in found.methods
    shown = section("quiet lesion", found)
    assert shown.figures[0].svg and set(shown.checklist) == {"generalisation", "nulls"}


def test_matched_controls_give_a_p_and_share_starts_and_noise() -> None:
    found = quiet_lesion(walker(), [0, 5, 6], **FEW, matched_on=("n",))
    assert found.value("distance from the intact path", "p") == 1 / 200
    assert found.value("distance from the intact path", "control") == pytest.approx(0.0, abs=1e-6)
    window = quiet_lesion(
        walker(), [0], **FEW, controls=0, perturbation=lambda units: Silence(units, During(0.0, 150.0))
    )  # over before anything counts
    assert window.value("distance from the intact path") == 0.0 and np.isnan(window.value("step", "p"))
    assert set(window.checklist) == {"generalisation"}
    still = quiet_lesion(walker(), [3], **{**FEW, "steps": 600, "discard": 500}, controls=0, noise_factor=0.0)
    assert still.value("moving", "intact") == 0.0
    chunks = [quiet_lesion(walker(), [0, 1], **FEW, chunk=chunk).frame() for chunk in (1, 50)]
    np.testing.assert_allclose(chunks[0]["control"], chunks[1]["control"], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: quiet_lesion(walker(), []), r"quiet_lesion: `units` must be one unit or more; got 'none'"),
        (lambda: quiet_lesion(walker(), [N]), r"quiet_lesion: `units` must be below 30; got 30"),
        (lambda: quiet_lesion(walker(), [0], controls=9), r"quiet_lesion: `controls` must be 0, or 199 and above"),
        (lambda: quiet_lesion(walker(), [0], trials=1), r"quiet_lesion: `trials` must be a whole number, 2 or above"),
        (lambda: quiet_lesion(walker(), [0], steps=0), r"quiet_lesion: `steps` must be a whole number, 1 or above"),
        (
            lambda: quiet_lesion(walker(), [0], steps=50, discard=49),
            r"quiet_lesion: `discard` must be at most 48, so that 2 of 50 steps are left; got 49",
        ),
        (lambda: quiet_lesion(walker(), [0], noise_factor=-1.0), r"quiet_lesion: `noise_factor` must be a finite"),
        (
            lambda: quiet_lesion(SimpleNamespace(network=walker().network, task=Drift(code=None)), [0]),
            r"quiet_lesion: `task` must be one with a `code` that decodes its outputs; got 'Drift'",
        ),
        (
            lambda: quiet_lesion(walker(), [0], **FEW, controls=0).value("stepp"),
            r"QuietLesion: `quantity` must be in the table; got 'stepp'\. Did you mean 'step'",
        ),
    ],
)
def test_lesions_that_cannot_be(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
