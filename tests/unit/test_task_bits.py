"""Streams of bits: the answers are those of a plain count, and the priors are those of the formula."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neurornn import BitMatch, Parity, generator, load_task
from tests.tolerances import CHANCE, EXACT

BOTH = [Parity, BitMatch]
some = settings(max_examples=15, deadline=None)


def plain(kind: type, bits: list[int], n: int) -> int:
    """The right answer, bit by bit."""
    if kind is Parity:
        return sum(bits[-n:]) % 2
    return int(bits[-1] == bits[len(bits) - n])


@some
@given(seed=st.integers(0, 2**31), ns=st.sets(st.integers(1, 9), min_size=1, max_size=3), fine=st.sampled_from([1, 3]))
@pytest.mark.parametrize("kind", BOTH)
def test_the_answers_are_those_of_a_plain_count(kind: type, seed: int, ns: set[int], fine: int) -> None:
    task = kind(ns=tuple(ns), dt=1.0 / fine, block=3)
    trials = task.sample(7, generator=generator(seed))
    for k in range(7):
        valid = trials.valid[k].sum().item()
        bits = trials.inputs[k, :valid:fine, 0].int().tolist()
        assert trials.mask[k].nonzero().flatten().tolist() == [valid - 1]
        for place, n in enumerate(ns):
            answer = trials.targets[k, valid - 1, 2 * place : 2 * place + 2]
            assert answer.tolist() == [float(plain(kind, bits, n) == 0), float(plain(kind, bits, n) == 1)]
            assert trials.conditions[f"answer_{n}"][k] == plain(kind, bits, n)


@pytest.mark.parametrize("kind", BOTH)
def test_in_a_stream_every_step_is_answered(kind: type) -> None:
    task = kind(ns=(2, 5))
    trials = task.stream(2, 30, generator=generator(0))
    bits = trials.inputs[1, :, 0].int().tolist()
    assert trials.mask[1].tolist() == [0.0] * 4 + [1.0] * 26
    for t in range(4, 30):
        assert trials.targets[1, t, 1::2].int().tolist() == [plain(kind, bits[: t + 1], n) for n in (2, 5)]
    torch.testing.assert_close(task.score(trials, trials.targets), torch.ones(2), **EXACT)


@pytest.mark.parametrize("n", [2, 3, 4, 10])
def test_even_answers_of_parity_have_their_prior(n: int) -> None:
    n_trials = 40_000
    trials = Parity(ns=(n,), block=400).sample(n_trials, generator=generator(n))
    prior = 0.5 + 1 / (2 * (n + 1)) if n % 2 == 0 else 0.5
    error = (prior * (1 - prior) / n_trials) ** 0.5
    assert abs((trials.conditions[f"answer_{n}"] == 0).mean() - prior) < CHANCE * error
    fair = Parity(ns=(n,), block=400, spread=0.0).sample(n_trials, generator=generator(n))
    assert abs(fair.conditions[f"answer_{n}"].mean() - 0.5) < CHANCE * 0.5 / n_trials**0.5


def test_match_is_balanced_and_its_delay_is_one_less() -> None:
    trials = BitMatch(ns=(4,), block=100).sample(20_000, generator=generator(0))
    assert abs(trials.conditions["answer_4"].mean() - 0.5) < CHANCE * 0.5 / 20_000**0.5
    # Of all delays only that of three bits tells the answer.
    last = trials.valid.sum(1) - 1
    rows = torch.arange(20_000)
    for delay in range(1, 6):
        same = trials.inputs[rows, last, 0] == trials.inputs[rows, last - delay, 0]
        agreement = float((same.numpy() == trials.conditions["answer_4"].to_numpy()).mean())
        assert agreement == 1.0 if delay == 3 else abs(agreement - 0.5) < 0.02


def test_a_minibatch_has_one_length_and_a_batch_of_many_all_of_them() -> None:
    stream = generator(3)
    assert bool(Parity(ns=(2, 7)).sample(128, generator=stream).valid.all())
    lengths = Parity(ns=(2, 7), block=1).sample(5000, generator=stream).valid.sum(1)
    assert set(lengths.tolist()) == set(range(7 + 2, 4 * 7 + 2))
    assert abs(float(lengths.float().mean()) - (2.5 * 7 + 1.5)) < CHANCE * float(lengths.float().std()) / 5000**0.5


def test_the_overall_score_is_the_worse_of_mean_and_largest() -> None:
    task = Parity(ns=(2, 5, 3))
    trials = task.sample(200, generator=generator(0))
    wrong = trials.targets.clone()
    wrong[:, :, 2:4] = trials.targets[:, :, [3, 2]]
    assert task.overall(trials, wrong) == 0.0 and task.overall(trials, trials.targets) == 1.0
    wrong = trials.targets.clone()
    wrong[:, :, :2] = trials.targets[:, :, [1, 0]]
    assert task.overall(trials, wrong) == pytest.approx(2 / 3)
    np.testing.assert_allclose(task.score(trials, wrong), 2 / 3, rtol=1e-6)


def test_the_heads_are_those_of_the_questions() -> None:
    assert Parity(ns=(2, 3, 4)).heads == {"head_0": 2, "head_1": 2, "head_2": 2}
    assert load_task("parity").ns == (2,) and load_task("bit_match").ns == (2,)


@pytest.mark.parametrize("kind", BOTH)
def test_impossible_streams_are_refused(kind: type) -> None:
    owner = kind.__name__
    with pytest.raises(ValueError, match=rf"{owner}: `ns` must be at least one N, and each once; got \(\)"):
        kind(ns=())
    with pytest.raises(ValueError, match=rf"{owner}: `ns` must be at least one N, and each once; got \(2, 2\)"):
        kind(ns=(2, 2))
    with pytest.raises(ValueError, match=f"{owner}: `ns` must be a whole number, 1 or above; got 0"):
        kind(ns=(0,))
    with pytest.raises(ValueError, match=f"{owner}: `hold` must be a whole number of steps of 0.4 ms; got 1.0"):
        kind(dt=0.4)
    with pytest.raises(ValueError, match=f"{owner}: `dt` must be a finite number above 0"):
        kind(dt=0.0)
    with pytest.raises(ValueError, match=f"{owner}: `block` must be a whole number"):
        kind(block=0)
    with pytest.raises(ValueError, match=rf"{owner}.stream: `n_bits` must be at least 4; got 3"):
        kind(ns=(4,)).stream(1, 3, generator=generator(0))


def test_the_spread_is_a_fraction() -> None:
    with pytest.raises(ValueError, match=r"Parity: `spread` must be a number in \[0, 1\]; got 2"):
        Parity(spread=2.0)
