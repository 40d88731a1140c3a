"""Connections that go during training: when, which, how many, and that they never come back."""

import numpy as np
import pytest
import torch

import neurornn as nr
from neurornn.fit import GradualMagnitude, train
from neurornn.wiring import Masked
from tests.tolerances import EXACT

N = 30
TASK = nr.FlipFlop(duration=400.0)


def network(**settings: object) -> nr.Network:
    return nr.Network(nr.LeakyRate(3, N, tau=40.0, nonlinearity="tanh", **settings), 3)  # type: ignore[arg-type]


def between(one: nr.Network) -> int:
    weights = one.cell.wiring().detach()
    return int((weights != 0).sum() - (weights.diagonal() != 0).sum())


def test_the_density_follows_its_cubic_law() -> None:
    rule = GradualMagnitude(density=0.2, start=0.1, stop=0.6)
    assert [rule.due(step, 100) for step in (0, 10)] == [1.0, 1.0]
    assert rule.due(35, 100) == pytest.approx(0.2 + 0.8 * 0.5**3)
    assert rule.due(60, 100) == rule.due(100, 100) == 0.2


def test_what_goes_is_what_is_smallest_and_autapses_stay() -> None:
    rule = GradualMagnitude(density=0.3, every=1)
    opened = rule.opened(network())
    before = opened.cell.wiring().detach().clone()
    rule.thin(opened, 100, 100)
    off = ~torch.eye(N, dtype=torch.bool)
    kept, n_kept = opened.cell.wiring().detach() != 0, round(0.3 * N * (N - 1))
    least = before.abs()[off].sort(descending=True).values[n_kept - 1]
    assert torch.equal(kept & off, (before.abs() >= least) & off)
    assert bool(kept.diagonal().all())


def test_a_training_ends_at_the_density_and_nothing_comes_back() -> None:
    seen: list[int] = []

    class Told(GradualMagnitude):
        def thin(self, network: nr.Network, step: int, steps: int) -> None:
            before = network.cell.wiring.mask.clone()  # type: ignore[union-attr]
            super().thin(network, step, steps)
            assert bool((network.cell.wiring.mask <= before).all())  # type: ignore[union-attr]
            seen.append(between(network))

    start = network()
    fit = train(start, TASK, steps=20, batch=8, thinning=Told(density=0.1, stop=0.5, every=2), progress=False)
    assert isinstance(fit.network.cell.wiring, Masked) and not isinstance(start.cell.wiring, Masked)
    assert seen[0] == N * (N - 1) and seen[-1] == between(fit.network) == round(0.1 * N * (N - 1))
    assert seen == sorted(seen, reverse=True) and seen[9] == seen[-1]


def test_before_the_first_cut_it_is_the_plain_training() -> None:
    plain = train(network(), TASK, steps=3, batch=8, progress=False)
    late = train(network(), TASK, steps=3, batch=8, thinning=GradualMagnitude(start=0.9, stop=1.0), progress=False)
    torch.testing.assert_close(
        torch.tensor(late.history["loss"].to_numpy()), torch.tensor(plain.history["loss"].to_numpy()), **EXACT
    )


def test_a_training_that_was_cut_short_ends_with_the_same_connections(tmp_path: object) -> None:
    told = {"steps": 20, "batch": 8, "progress": False, "thinning": GradualMagnitude(every=1)}
    whole = train(network(), TASK, **told)  # type: ignore[arg-type]
    path = tmp_path / "half.ckpt"  # type: ignore[operator]
    train(network(), TASK, **told, checkpoint=path, checkpoint_every=1, minutes=1e-9)  # type: ignore[arg-type]
    resumed = train(network(), TASK, **told, checkpoint=path)  # type: ignore[arg-type]
    for name, value in whole.network.state_dict().items():
        torch.testing.assert_close(resumed.network.state_dict()[name], value, **EXACT)


def test_a_fit_with_its_mask_can_be_saved_and_read(tmp_path: object) -> None:
    rule = GradualMagnitude(density=0.2)
    fit = train(network(), TASK, steps=10, batch=8, thinning=rule, progress=False)
    again = nr.Fit.load(fit.save(tmp_path / "fit"))  # type: ignore[operator]
    assert np.array_equal(again.network.cell.wiring().detach(), fit.network.cell.wiring().detach())
    assert again.recipe["training"]["thinning"] == {"type": "GradualMagnitude", **vars(rule)}


def test_rules_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match=r"GradualMagnitude: `density` must be in \(0, 1\]; got 0.0"):
        GradualMagnitude(density=0.0)
    with pytest.raises(ValueError, match=r"GradualMagnitude: `stop` must be above `start`, 0.7; got 0.6"):
        GradualMagnitude(start=0.7)
    with pytest.raises(ValueError, match="GradualMagnitude: `every` must be a whole number, 1 or above; got 0"):
        GradualMagnitude(every=0)
    with pytest.raises(ValueError, match=r"GradualMagnitude: `density` must be a number in \[0, 1\]; got 2.0"):
        GradualMagnitude(density=2.0)
    with pytest.raises(ValueError, match=r"train: `patience` must be 0 with `thinning`; got 2. The best weights"):
        train(network(), TASK, steps=2, validate_every=1, patience=2, thinning=GradualMagnitude())
