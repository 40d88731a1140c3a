"""The parity study: networks side by side stay apart, and a difference is seen."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from neurornn import LIF, BrianModel, Network, figures, parity, to_brian2
from neurornn.study import ParityStudy, Plan
from neurornn.study.brian_parity import side_by_side


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
        networks=2, units=10, duration=50.0, train_steps=1, cells=("LIF", "LeakyRate"), targets=("numpy",)
    )
    found = study.run(plan)
    assert found.quantities["mismatches"] == 0 and found.quantities["comparisons"] == 2
    assert found.parts["parity"].table["units"].tolist() == [20, 20]
    (figure,) = figures(found.parts["parity"])
    assert "0 mismatches" in figure.alt
