"""Sequential latent models: what they find of known factors, what they do not read, and what they refuse."""

from pathlib import Path

import numpy as np
import pytest
import torch

from neurornn import GRU, LatentFit, SequentialLatent, fit_latent, generator
from neurornn.errors import Diverged, FitError
from neurornn.latent.fit import windows
from neurornn.statistics import bits_per_spike


def oscillating(n: int = 4000, units: int = 16, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Counts of units that follow one rotation, whose phase jumps now and then, and their true expectation."""
    rng = np.random.default_rng(seed)
    phase = np.cumsum(np.full(n, 2 * np.pi / 25)) + np.repeat(rng.uniform(0, 6, n // 100 + 1), 100)[:n]
    preferred = rng.uniform(0, 2 * np.pi, units)
    expected = 0.15 * np.exp(1.5 * np.cos(phase[:, None] - preferred))
    return rng.poisson(expected).astype(float), expected


def split(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    block = np.arange(n) // 100
    return block, block % 4 < 2, block % 4 == 2, block % 4 == 3


def test_it_finds_the_rates_of_units_it_has_not_read() -> None:
    counts, truth = oscillating(2400)
    held_in = np.arange(16) % 4 != 1
    block, train, validation, test = split(len(counts))
    model = SequentialLatent(12, 16, n_encoder=16, n_generator=16, n_factors=3)
    fit = fit_latent(
        model, counts, held_in, block, train, validation, window=20, epochs=16, batch=16, learning_rate=0.03,
        kl_epochs=5, progress=False,
    )  # fmt: skip
    expected, factors = fit.infer(counts, block, samples=2)
    null = counts[train].mean(axis=0)[~held_in]
    score = bits_per_spike(counts[test][:, ~held_in], expected[test][:, ~held_in] * 20, null * 20, dt=50.0)
    best = bits_per_spike(counts[test][:, ~held_in], truth[test][:, ~held_in] * 20, null * 20, dt=50.0)
    assert score.pooled > 0.5 * best.pooled
    assert factors.shape == (len(counts), 3)
    blind = counts.copy()
    blind[:, ~held_in] = 99.0  # what is held out is not read
    np.testing.assert_array_equal(fit.infer(blind, block, samples=2)[0], fit.infer(counts, block, samples=2)[0])


def test_a_controller_infers_inputs_and_its_gradients_flow() -> None:
    model = SequentialLatent(3, 4, n_controller=5, n_inputs=2, n_factors=2)
    counts = torch.poisson(torch.full((2, 8, 3), 0.5), generator=generator(0))
    found = model(counts, generator(1))
    assert found.inputs.shape == (2, 8, 2)
    (found.expected.sum() + found.kl).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())
    assert model(counts).expected.equal(model(counts).expected)
    assert not model(counts, generator(1)).expected.equal(model(counts, generator(2)).expected)


def test_the_divergence_is_that_of_two_normal_laws() -> None:
    from neurornn.latent.model import _sampled

    mean, log_sd = torch.tensor([[0.3, -1.0]]), torch.tensor([[0.2, -0.5]])
    kl = _sampled(torch.cat([mean, log_sd], dim=1), None)[1]
    posterior = torch.distributions.Normal(mean, log_sd.exp())
    prior = torch.distributions.Normal(torch.zeros(2), torch.ones(2))
    torch.testing.assert_close(kl, torch.distributions.kl_divergence(posterior, prior).sum())


def test_the_fast_pass_is_the_cell() -> None:
    from neurornn.latent.model import _rolled

    cell = GRU(3, 5, dt=10.0, seed=1)
    x, first = torch.randn(2, 7, 3, generator=generator(0)), torch.randn(2, 5, generator=generator(1))
    torch.testing.assert_close(_rolled(cell, x, first), cell.rollout(x, (first,))[0])


def test_windows_overlap_by_half_and_cross_no_border() -> None:
    block = np.repeat([0, 1, 2], [10, 3, 7])
    assert windows(block, 4).tolist() == [0, 2, 4, 6, 13, 15, 16]


def test_the_same_seed_gives_the_same_fit_and_it_is_read_back(tmp_path: Path) -> None:
    counts, _ = oscillating(600, 6)
    block, train, validation, _ = split(600)
    both = [
        fit_latent(
            SequentialLatent(6, 6, n_encoder=4, n_generator=4), counts, np.ones(6, dtype=bool), block, train,
            validation, window=20, epochs=2, progress=False,
        )
        for _ in range(2)
    ]  # fmt: skip
    assert both[0].history.equals(both[1].history)
    back = LatentFit.load(both[0].save(tmp_path))
    assert back.history.equals(both[0].history)
    for one, other in zip(back.infer(counts, block, samples=2), both[1].infer(counts, block, samples=2), strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(FitError, match="missing, or no latent model of neurornn"):
        LatentFit.load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"window": 0}, "fit_latent: `window` must be a whole number, 1 or above"),
        ({"dropout": 2.0}, r"fit_latent: `dropout` must be a number in \[0, 1\]"),
        ({"learning_rate": 0.0}, "fit_latent: `learning_rate` must be a finite number above 0"),
        ({"window": 300}, "fit_latent: `train` must be blocks that hold a window of 300 bins"),
        ({"model": SequentialLatent(5, 6)}, "fit_latent: `model` must be one for 6 held-in units of 6"),
        ({"learning_rate": 1e12, "epochs": 3}, "fit_latent: the loss is nan in epoch"),
    ],
)
def test_bad_input_is_one_sentence(change: dict, text: str) -> None:
    counts, _ = oscillating(600, 6)
    block, train, validation, _ = split(600)
    settings = {"model": SequentialLatent(6, 6, n_generator=4), "window": 20, "epochs": 1, "progress": False, **change}
    model = settings.pop("model")
    with pytest.raises((ValueError, Diverged), match=text):
        fit_latent(model, counts, np.ones(6, dtype=bool), block, train, validation, **settings)


def test_a_latent_model_has_sizes() -> None:
    with pytest.raises(ValueError, match="SequentialLatent: `n_controller` must be a whole number, 0 or above"):
        SequentialLatent(2, 2, n_controller=-1)


def test_a_refit_learns_from_the_validation_blocks_for_as_many_epochs_as_they_chose() -> None:
    counts, _ = oscillating(600, 6)
    block, train, validation, _ = split(600)
    model = SequentialLatent(6, 6, n_encoder=4, n_generator=4)
    settings = {"window": 20, "epochs": 3, "learning_rate": 0.05, "progress": False}
    every = np.ones(6, dtype=bool)
    chosen, anew = (
        fit_latent(model, counts, every, block, train, validation, refit=refit, **settings) for refit in (False, True)
    )
    assert anew.history.equals(chosen.history)
    n_epochs = int(chosen.history["validation"].idxmin()) + 1
    assert anew.recipe["fit"]["refit_epochs"] == n_epochs
    # By itself: the last weights of as many epochs on all of these blocks, judged by them so that nothing stops it.
    whole = train | validation
    alone = fit_latent(model, counts, every, block, whole, whole, **{**settings, "epochs": n_epochs})
    assert int(alone.history["validation"].idxmin()) + 1 == n_epochs
    for name, tensor in alone.model.state_dict().items():
        assert tensor.equal(anew.model.state_dict()[name]), name
    np.testing.assert_array_equal(anew.null, counts[whole].mean(axis=0))
    assert not anew.model.to_rates.equal(chosen.model.to_rates)
