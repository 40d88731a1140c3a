"""N-parity: whether the number of ones among the last N bits is odd."""

from dataclasses import dataclass

import torch
from torch import Tensor

from neurornn import _check
from neurornn.task.bits import AbstractBits


@dataclass(frozen=True)
class Parity(AbstractBits):
    r"""Say whether the number of ones among the last N bits, the present one included, is odd.

    $$\hat y_N = \Big(\sum_{k=0}^{N-1} x_{T-k}\Big) \bmod 2$$

    The bits of a stream are 1 with a probability that is drawn for each stream, evenly over a range of width `spread`
    about one half. With the full range the answers are not balanced: *even* has a prior of $1/2 + 1/(2(N+1))$ at even N
    (two thirds at N = 2) and one half at odd N. Heads, lengths and what counts: see `AbstractBits`.

    Args:
        ns: how many of the last bits each question is about.
        dt: time step, ms.
        hold: how long a bit is shown, ms.
        block: trials that share a length.
        shares: how often a trial asks about each N; see `AbstractBits`.
        spread: width of the range of the probability of a 1; 0 for fair bits.

    Raises:
        ValueError: if a number is out of range.

    Example:
        >>> from neurornn import generator
        >>> from neurornn.task import Parity
        >>> trials = Parity(ns=(2, 3)).sample(8, generator=generator(0))
        >>> trials.targets.shape[2]
        4

    References:
        S. Khajehabdollahi, R. Zeraati, E. Giannakakis, T. J. Schäfer, G. Martius and A. Levina (2024), Emergent
        mechanisms for long timescales depend on training curriculum and affect performance in memory tasks,
        doi:10.48550/arXiv.2309.12927.
    """

    spread: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _check.fraction("Parity", "spread", self.spread)

    def draw(self, n_trials: int, n_bits: int, *, generator: torch.Generator) -> Tensor:
        chance = 0.5 + self.spread * (torch.rand(n_trials, 1, generator=generator) - 0.5)
        return torch.rand(n_trials, n_bits, generator=generator) < chance

    def answers(self, bits: Tensor, at: Tensor) -> Tensor:
        ones = torch.nn.functional.pad(bits.long().cumsum(1), (1, 0))  # (trial, bit + 1): ones before each bit
        counts = [ones.gather(1, at + 1) - ones.gather(1, (at + 1 - n).clamp(min=0)) for n in self.ns]
        return torch.stack(counts, dim=2) % 2
