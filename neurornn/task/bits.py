"""Tasks on a stream of bits: something about the last N of them must be told when it ends."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from neurornn import _check
from neurornn.task.base import AbstractTask
from neurornn.trials import Trials

SHORTEST, LONGEST = (1, 2), (4, 1)
"""Lengths run from 1 N + 2 to 4 N + 1 bits, N the longest memory asked for (Khajehabdollahi et al., their code)."""


@dataclass(frozen=True)
class AbstractBits(AbstractTask):
    """A stream of bits, one value a step, and one question about its end for each N in `ns`, each with its own head.

    Only the last step counts. Its two outputs of a head are the evidence for 0 and for 1. How long a stream is is drawn
    once for `block` trials together, evenly from $N_{max} + 2$ to $4 N_{max} + 1$ bits: a minibatch of `block` trials
    has one length and no padding, and a larger batch (for validation) is many such minibatches, padded.

    Steps are those of a discrete network: with the default `dt` of 1 ms a bit lasts one step, and a time constant in ms
    is one in steps. A smaller `dt` shows the same bits for several steps each.

    Args:
        ns: how many of the last bits each question is about.
        dt: time step, ms.
        hold: how long a bit is shown, ms.
        block: trials that share a length.
        shares: how often a trial asks about each N, in any unit, where it asks about one of them only; every trial asks
            about all of them where absent.

    Raises:
        ValueError: if an N is below 1 or there twice, a bit is no whole number of steps, or the shares do not fit.
    """

    ns: tuple[int, ...] = (2,)
    dt: float = 1.0
    hold: float = 1.0
    block: int = 128
    shares: tuple[float, ...] = ()

    score_name: ClassVar[str] = "fraction of correct answers"
    higher_is_better: ClassVar[bool] = True

    def __post_init__(self) -> None:
        owner = type(self).__name__
        _check.positive(owner, "dt", self.dt)
        _check.count(owner, "block", self.block)
        object.__setattr__(self, "ns", tuple(self.ns))
        if not self.ns or len(set(self.ns)) < len(self.ns):
            _check.fail(owner, "ns", "at least one N, and each once", self.ns, "Use ns=(2, 3, 4).")
        for n in self.ns:
            _check.count(owner, "ns", n)
        if not 0 < self.hold < float("inf") or abs(self.hold / self.dt - self.steps_a_bit) > 1e-6:
            _check.fail(owner, "hold", f"a whole number of steps of {self.dt:g} ms", self.hold)
        object.__setattr__(self, "shares", tuple(self.shares))
        for share in self.shares:
            _check.not_negative(owner, "shares", share)
        if self.shares and (len(self.shares) != len(self.ns) or sum(self.shares) == 0):
            _check.fail(owner, "shares", f"one for each of {len(self.ns)} N, and one of them above 0", self.shares)

    @property
    def steps_a_bit(self) -> int:
        """How many steps a bit is shown for."""
        return max(round(self.hold / self.dt), 1)

    @property
    def n_in(self) -> int:
        return 1

    @property
    def n_out(self) -> int:
        return 2 * len(self.ns)

    @property
    def heads(self) -> dict[str, int]:
        return {head(place): 2 for place in range(len(self.ns))}

    @property
    def level(self) -> int:
        """The N that it is all about: the largest, or the one that is asked most often where one is."""
        most = max(self.shares, default=0.0)
        return max(n for n, share in zip(self.ns, self.shares or (most,) * len(self.ns), strict=True) if share == most)

    @abstractmethod
    def draw(self, n_trials: int, n_bits: int, *, generator: torch.Generator) -> Bool[Tensor, "trial bit"]:
        """Return the bits of `n_trials` streams."""

    @abstractmethod
    def answers(self, bits: Bool[Tensor, "trial bit"], at: Int[Tensor, "trial at"]) -> Int[Tensor, "trial at n"]:
        """Return the right answers, 0 or 1, for each of `ns` at the bits numbered `at`, itself the last one seen."""

    def sample(self, n_trials: int, *, generator: torch.Generator) -> Trials:
        _check.count(f"{type(self).__name__}.sample", "n_trials", n_trials)
        least, most = (a * max(self.ns) + b for a, b in (SHORTEST, LONGEST))
        n_blocks = -(-n_trials // self.block)
        lengths = torch.randint(least, most + 1, (n_blocks,), generator=generator)
        each = lengths.repeat_interleave(self.block)[:n_trials]
        bits = self.draw(n_trials, int(lengths.max()), generator=generator)
        asked = None
        if self.shares:
            asked = torch.multinomial(torch.tensor(self.shares), n_trials, replacement=True, generator=generator)
        return self._trials(bits, each, asked)

    def stream(self, n_trials: int, n_bits: int, *, generator: torch.Generator) -> Trials:
        """Draw long streams in which every step counts from the one on at which `max(ns)` bits were seen.

        Args:
            n_trials: how many.
            n_bits: bits of each.
            generator: where the numbers come from.
        """
        if _check.count(f"{type(self).__name__}.stream", "n_bits", n_bits) < max(self.ns):
            _check.fail(f"{type(self).__name__}.stream", "n_bits", f"at least {max(self.ns)}", n_bits)
        bits = self.draw(n_trials, n_bits, generator=generator)
        whole = self._trials(bits, torch.full((n_trials,), n_bits))
        at = torch.arange(max(self.ns) - 1, n_bits).expand(n_trials, -1)
        last = (at + 1) * self.steps_a_bit - 1
        rows = torch.arange(n_trials)[:, None]
        right = torch.nn.functional.one_hot(self.answers(bits, at), 2).float().flatten(2)
        whole.mask[rows, last] = 1.0
        whole.targets[rows, last] = right
        return whole

    def _trials(self, bits: Tensor, lengths: Tensor, asked: Tensor | None = None) -> Trials:
        """Return streams of these lengths (bits) as trials of which the last step counts; `asked` is one N of each."""
        n_trials, n_bits = bits.shape
        k = self.steps_a_bit
        valid = torch.arange(n_bits * k) < k * lengths[:, None]
        right = self.answers(bits, lengths[:, None] - 1)[:, 0]  # (trial, n)
        rows, last = torch.arange(n_trials), k * lengths - 1
        targets = torch.zeros(n_trials, n_bits * k, self.n_out)
        wanted = torch.nn.functional.one_hot(right, 2).float()
        if asked is not None:  # what is not asked has no answer: no probability anywhere
            wanted *= torch.nn.functional.one_hot(asked, len(self.ns))[..., None]
        targets[rows, last] = wanted.flatten(1)
        mask = torch.zeros(n_trials, n_bits * k)
        mask[rows, last] = 1.0
        told = torch.cat([lengths[:, None], right], dim=1).numpy()  # a table of one block is made ten times as fast
        return Trials(
            inputs=(bits.repeat_interleave(k, dim=1) & valid)[..., None].float(),
            targets=targets,
            mask=mask,
            dt=self.dt,
            valid=valid,
            conditions=pd.DataFrame(told, columns=["bits", *(f"answer_{n}" for n in self.ns)]),
        )

    def right(self, trials: Trials, outputs: Float[Tensor, "*stack trial time out"]) -> Float[Tensor, "*stack trial n"]:
        """Return the fraction of right answers for each N, over the steps that count; a draw is half right.

        NaN for what a trial does not ask about.
        """
        zero, one = trials.targets[..., ::2].to(outputs), trials.targets[..., 1::2].to(outputs)
        counted = trials.mask.to(outputs)[..., None] * (zero + one)
        sign = (outputs[..., 1::2] - outputs[..., ::2]).sign()
        hits = 0.5 * (1 + sign * (2 * one - 1))
        return (counted * hits).sum(-2) / counted.sum(-2)

    def score(self, trials: Trials, outputs: Float[Tensor, "*stack trial time out"]) -> Float[Tensor, "*stack trial"]:
        """Return the fraction of right answers, the mean over all N that were asked."""
        return self.right(trials, outputs).nanmean(-1)

    def overall(self, trials: Trials, outputs: Float[Tensor, "trial time out"]) -> float:
        """Return the mean over all N or that of the largest N, whichever is worse: a curriculum waits for both.

        Where one N is asked more often than others, it alone counts.
        """
        each = self.right(trials, outputs).double().nanmean(0)
        due = each[self.ns.index(self.level)]
        return float(due if len(set(self.shares)) > 1 else torch.minimum(each.nanmean(), due))


def head(place: int) -> str:
    """Return the name of the readout head at `place`, counted from 0."""
    return f"head_{place}"
