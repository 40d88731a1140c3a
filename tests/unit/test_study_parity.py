"""The parity study: networks side by side stay apart, and a difference is seen."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from neurornn import LIF, AbstractCell, BrianModel, Dense, Izhikevich, Network, figures, generator, parity, to_brian2
from neurornn.study import ParityStudy, Plan
from neurornn.study.brian_parity import _growth, _run, side_by_side


def network(seed: int) -> Network:
    return Network(LIF(1, 4, reset="hard", dt=0.5, seed=seed), n_out=1).double()


def test_networks_side_by_side_run_as_they_do_alone() -> None:
    inputs = torch.full((200, 1), 2.0, dtype=torch.float64)
    models = [to_brian2(network(seed), inputs=inputs) for seed in (0, 1)]
    alone = [model.run() for model in models]
    both = side_by_side(models).run()
    expected = np.concatenate([np.asarray(one.activity) for one in alone], axis=1)
    np.testing.assert_allclose(both.activity, expected, rtol=1e-12)


def test_a_difference_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check of the check: with a threshold a tenth of a mV lower in brian2, spikes fall in other steps."""
    inputs = torch.full((200, 1), 3.0, dtype=torch.float64)
    same = parity([network(0)], [inputs])
    assert same.table["mismatches"].tolist() == [0] and same.table["spikes"].iloc[0] > 5
    assert same.quantities()["trace_error"] < 1e-12

    def lower(network: Network, *, inputs: torch.Tensor) -> BrianModel:
        model = to_brian2(network, inputs=inputs)
        return replace(model, constants={**model.constants, "v_threshold": model.constants["v_threshold"] - 0.1})

    monkeypatch.setattr("neurornn.study.brian_parity.to_brian2", lower)
    assert parity([network(0)], [inputs]).table["mismatches"].iloc[0] > 0


def test_the_study_trains_and_compares() -> None:
    plan = Plan(network=lambda task, seed: pytest.fail("no network"), task=lambda **_: pytest.fail("no task"), train={})
    study = ParityStudy(
        networks=2, units=10, duration=50.0, train_steps=1, batch=4, cells=("LIF", "LeakyRate"), targets=("numpy",)
    )
    found = study.run(plan)
    assert found.quantities["mismatches"] == 0 and found.quantities["comparisons"] == 2
    assert found.parts["parity"].table["units"].tolist() == [20, 20]
    assert found.parts["parity"].training["seed"].tolist() == [0, 1, 0, 1]
    expected = {f"{name} LIF numpy" for name in ("steps", "spikes", "mismatches", "trace_error")}
    assert expected | {"lowest_score", "score LIF", "ulp_error LIF", "ulp_growth LIF"} <= set(found.quantities)
    (figure,) = figures(found.parts["parity"])
    assert "0 in another step" in figure.alt


def test_growth_is_the_rate_of_an_exponential() -> None:
    times = np.arange(4000) * 0.5
    apart = np.stack([1e-15 * np.exp(9.0 * times / 1000.0), 1e-16 + 0 * times], axis=1)
    assert _growth(apart, 0.5) == pytest.approx(9.0, rel=1e-3)
    assert _growth(np.where(times[:, None] < 100, apart, 0.0), 0.5) == float("-inf")


def test_rounding_is_forgotten_by_leaky_units_and_multiplied_by_izhikevich_ones() -> None:
    """Without brian2: an upstroke multiplies what came before it, and the recovery current remembers that."""
    levels = 1.0 + 0.8 * torch.randn(50, 2, generator=generator(3), dtype=torch.float64)

    def apart(cell: AbstractCell) -> np.ndarray:
        cell, inputs = cell.double(), levels.repeat_interleave(round(10.0 / cell.dt), 0)
        return np.abs(_run(cell, inputs, moved=True)[1] - _run(cell, inputs)[1])

    wiring = Dense(100, gain=2.0, seed=2)
    assert apart(LIF(2, 100, wiring=wiring, reset="hard", dt=0.5, seed=1)).max() < 1e-11  # mV
    assert apart(Izhikevich(2, 100, wiring=wiring, dt=0.2, seed=1)).max() > 1e-9
