import math
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from neurornn.cell import GaussianNoise, LeakyRate
from neurornn.network import Network
from neurornn.perturb import Clamp, During, InTrials, Silence, Stack
from neurornn.reactivation import Reactivation, code_extent, reactivate
from neurornn.task.base import AbstractTask
from neurornn.task.code import AbstractCode, Cartesian, VonMises
from neurornn.trials import Trials

WALK = 0.3
"""Leak of the one-unit process below: its stationary variance is noise^2 / (1 - (1 - a)^2)."""


@dataclass(frozen=True)
class Stay(AbstractTask):
    """Start somewhere between -1 and 1 and be told nothing more."""

    code: AbstractCode = field(default_factory=lambda: Cartesian(((-1.0, 1.0),)))
    dt: float = 10.0
    score_name: str = "none"
    higher_is_better: bool = True
    n_steps: int = 40

    @property
    def n_in(self) -> int:
        return 1

    @property
    def n_out(self) -> int:
        return self.code.n_out

    @property
    def n_start(self) -> int:
        return self.code.n_out

    def sample(self, n_trials: int, *, generator: torch.Generator) -> Trials:
        start = 2 * torch.rand(n_trials, 1, generator=generator) - 1
        path = self.code.encode(start[:, None].expand(n_trials, self.n_steps, 1))
        return Trials(
            torch.ones(n_trials, self.n_steps, 1),
            path,
            torch.ones(n_trials, self.n_steps),
            dt=self.dt,
            start=path[:, 0],
        )

    def score(self, trials: Trials, outputs: Tensor) -> Tensor:
        return -(outputs - trials.targets).square().mean(dim=(-2, -1))


def leaky(noise: float = 0.1, leak: float = WALK, n_units: int = 1) -> Network:
    """Return units that leak to 0 and repeat nothing: an autoregressive process, read out from the first one."""
    cell = LeakyRate(1, n_units, tau=10.0 / leak, dt=10.0, nonlinearity="identity")
    network = Network(cell, 1, n_start=1, noise=noise)
    with torch.no_grad():
        for name in ("wiring.weight", "w_in"):
            cell.get_parameter(name).zero_()
        network.readout.zero_()[0, 0] = 1.0
        assert network.encoder is not None
        network.encoder.fill_(1.0)
    return network


def fit(network: Network, **task: object) -> SimpleNamespace:
    return SimpleNamespace(network=network, task=Stay(**task))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def quiet() -> Reactivation:
    return reactivate(fit(leaky(n_units=4)), trials=40, steps=400, discard=50, untrained=2, seed=1)


def test_quiescent_variance_is_that_of_the_process(quiet: Reactivation) -> None:
    sd = math.sqrt(2) * 0.1
    variance = sd**2 / (1 - (1 - WALK) ** 2)
    row = quiet.frame().set_index(["quantity", "condition"]).loc[("position variance over time", "quiescent")]
    assert abs(row["value"] - variance) < 4 * row["error"] + 0.02 * variance
    assert quiet.value("activity variance over time", "quiescent") == pytest.approx(4 * variance, rel=0.1)
    # Steps of an AR(1) are Gaussian with variance 2 (1 - rho) times its own.
    step = math.sqrt(2 / math.pi) * math.sqrt(2 * WALK * variance)
    assert quiet.value("step distance", "quiescent") == pytest.approx(step, rel=0.03)


def test_noise_factor_scales_the_noise() -> None:
    sizes = {}
    for factor in (1.0, 2.0):
        found = reactivate(fit(leaky()), trials=40, steps=400, noise_factor=factor, untrained=1)
        sizes[factor] = found.value("step distance", "quiescent")
    assert sizes[2.0] == pytest.approx(2 * sizes[1.0], rel=1e-4)
    other = reactivate(fit(leaky()), trials=40, steps=400, noise=GaussianNoise(0.2), untrained=1)
    assert other.value("step distance", "quiescent") == pytest.approx(sizes[2.0], rel=1e-4)


def test_without_noise_a_leaky_network_stands_still(quiet: Reactivation) -> None:
    assert quiet.value("moving steps", "no noise") < 0.01
    assert quiet.value("moving steps", "quiescent") > 0.99
    assert quiet.value("position variance over time", "no noise") < 1e-9


def test_baselines_stand_beside_every_number(quiet: Reactivation) -> None:
    frame = quiet.frame()
    assert list(frame.columns) == ["quantity", "condition", "value", "error"]
    assert not frame.duplicated(["quantity", "condition"]).any()
    asked = {
        "KL from active": {"active", "quiescent", "no noise", "untrained", "shuffled units", "uniform"},
        "JS from active": {"active", "quiescent", "no noise", "untrained", "shuffled units", "uniform"},
        "step distance": {
            "active", "quiescent", "no noise", "untrained", "shuffled units", "uniform", "shuffled in time",
        },
        "overlap with active, 2 components": {
            "quiescent", "no noise", "untrained", "shuffled units", "random directions",
        },
        "variance in 2 components": {"active", "quiescent", "no noise", "untrained", "shuffled units"},
    }  # fmt: skip
    for quantity, conditions in asked.items():
        assert set(frame.loc[frame["quantity"] == quantity, "condition"]) == conditions
    js = frame[frame["quantity"] == "JS from active"].set_index("condition")["value"]
    assert js.between(0, math.log(2)).all()
    assert js["active"] < js["uniform"]
    assert quiet.value("step distance", "shuffled in time") > quiet.value("step distance", "active")
    assert set(quiet.positions) == asked["JS from active"]
    assert quiet.paths["quiescent"].shape == (12, 400, 1)
    assert np.isnan(quiet.paths["quiescent"][:, :50]).all() and np.isfinite(quiet.paths["quiescent"][:, 50:]).all()
    assert all(np.isfinite(points).all() and len(points) <= 5000 for points in quiet.positions.values())
    assert list(quiet.overlap["k"]) == [1, 2, 3, 4]
    assert "untrained networks" in quiet.methods and "10.48550/arXiv.2505.17003" in quiet.references


def test_matching_strength_of_noise_samples_what_the_active_network_visits() -> None:
    """With the active noise and no input to speak of, quiescence is the active process itself."""
    same = reactivate(fit(leaky(), n_steps=400), trials=60, steps=400, discard=100, noise_factor=1.0, untrained=1)
    louder = reactivate(fit(leaky(), n_steps=400), trials=60, steps=400, discard=100, noise_factor=3.0, untrained=1)
    assert same.value("JS from active", "quiescent") < 0.02
    assert louder.value("JS from active", "quiescent") > 5 * same.value("JS from active", "quiescent")


def test_same_seed_same_table_and_network_untouched() -> None:
    network = leaky()
    before = [p.clone() for p in network.parameters()]
    tables = [reactivate(fit(network), trials=10, steps=60, discard=5, seed=s).frame()["value"] for s in (1, 1, 2)]
    assert tables[0].equals(tables[1]) and not tables[0].equals(tables[2])
    assert all(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))


def test_lesion_in_quiescence_only() -> None:
    settings = {"trials": 10, "steps": 60, "discard": 5, "untrained": 1}
    intact, hurt = (reactivate(fit(leaky()), perturb=p, **settings) for p in ((), [Silence([0])]))
    assert hurt.value("step distance", "quiescent") == 0.0
    assert hurt.value("step distance", "active") == intact.value("step distance", "active")
    assert "under Silence" in hurt.methods
    clamped = reactivate(fit(leaky()), perturb=[Clamp([0], 0.5)], **settings)
    np.testing.assert_allclose(clamped.positions["quiescent"], 0.5)


def test_blocks_of_trials_change_nothing_but_the_noise_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    half = InTrials(0.5, seed=2, when=During(0.0, 600.0))
    settings = {"trials": 10, "steps": 60, "discard": 5, "untrained": 1, "perturb": [Silence([0], half)]}
    whole = reactivate(fit(leaky()), **settings)
    monkeypatch.setattr("neurornn.reactivation.MEMORY", 4 * 60 * 4 * 3.0)
    blocks = reactivate(fit(leaky()), **settings)
    silent = half.chosen(10).numpy()
    for found in (whole, blocks):
        path = found.paths["quiescent"][:, 5:]
        assert np.array_equal((path == 0).all(axis=(1, 2)), silent)
    np.testing.assert_allclose(whole.paths["no noise"], blocks.paths["no noise"], rtol=1e-5, atol=1e-7)


def test_an_animal_stands_on_the_same_axes() -> None:
    rng = np.random.default_rng(0)
    rest = {"rat rest": rng.uniform(-1, 1, (2000, 1)), "rat still": np.zeros((500, 1))}
    found = reactivate(fit(leaky()), trials=20, steps=100, discard=10, untrained=1, beside=rest)
    assert found.value("JS from rat rest", "uniform") < 0.03
    assert found.value("JS from rat rest", "rat still") > 0.4
    assert found.value("JS from active", "rat rest") == pytest.approx(found.value("JS from rat rest", "active"))
    assert found.positions["rat rest"].shape == (2000, 1)


def test_headings_go_the_short_way_round() -> None:
    code = VonMises(16)
    assert code_extent(code) == ((-math.pi, math.pi),)
    network = Network(LeakyRate(1, 16, tau=30.0, dt=10.0, seed=1), 16, n_start=16, noise=0.3)
    found = reactivate(fit(network, code=code), trials=10, steps=60, discard=5, untrained=1)
    assert found.value("step distance", "uniform") == pytest.approx(math.pi / 2, rel=0.1)
    assert found.value("position variance over time", "uniform") == pytest.approx(1.0, abs=0.05)


def test_asking_for_what_is_not_in_the_table(quiet: Reactivation) -> None:
    with pytest.raises(
        ValueError, match=r"Reactivation: `quantity` must be in the table; got 'KL form active'\. Did you mean 'KL"
    ):
        quiet.value("KL form active", "quiescent")
    with pytest.raises(
        ValueError, match=r"Reactivation: `condition` must be a condition of 'KL from active'; got 'quiet'\. Did you"
    ):
        quiet.value("KL from active", "quiet")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"trials": 1}, r"reactivate: `trials` must be a whole number, 2 or above; got 1"),
        ({"untrained": 0}, r"reactivate: `untrained` must be a whole number, 1 or above; got 0"),
        ({"noise_factor": -1.0}, r"reactivate: `noise_factor` must be a finite number, 0 or above; got -1.0"),
        ({"discard": 59}, r"reactivate: `discard` must be at most 58, so that 2 of 60 steps are left; got 59"),
        ({"discard": -1}, r"reactivate: `discard` must be a whole number, 0 or above; got -1"),
        ({"steps": 0}, r"reactivate: `steps` must be a whole number, 1 or above; got 0"),
        (
            {"perturb": [Stack([Silence([0])])]},
            r"reactivate: `perturb` must be one lesion; got 'a stack of 1'\. Call it once",
        ),
        (
            {"beside": {"active": np.zeros((9, 1))}},
            r"reactivate: `beside` must be named otherwise than the conditions; got 'act",
        ),
        (
            {"beside": {"rat": np.zeros((9, 2))}},
            r"reactivate: `beside\['rat'\]` must be positions of shape \(point, 1\)",
        ),
    ],
)
def test_reactivations_that_cannot_be(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        reactivate(fit(leaky()), **{"trials": 4, "steps": 60, "discard": 5, "untrained": 1, **settings})


def test_task_without_a_code_is_refused() -> None:
    task = replace(Stay())
    object.__setattr__(task, "code", None)
    with pytest.raises(ValueError, match=r"reactivate: `task` must be one with a `code` that decodes .*; got 'Stay'"):
        reactivate(SimpleNamespace(network=leaky(), task=task), trials=4, steps=10, discard=0)
