"""N-delayed match to sample: whether the present bit is the same as that N-1 steps ago."""

from dataclasses import dataclass

import torch
from torch import Tensor

from neurornn.task.bits import AbstractBits


@dataclass(frozen=True)
class BitMatch(AbstractBits):
    r"""Say whether the last bit is the same as the first of the last N, which came N - 1 bits before it.

    $$\hat y_N = [\,x_T = x_{T-N+1}\,]$$

    So the delay is N - 1 bits, not N. Bits are fair, so that match and non-match are balanced. Heads, lengths and what
    counts: see `AbstractBits`.

    Args:
        ns: each question is about the first of this many last bits.
        dt: time step, ms.
        hold: how long a bit is shown, ms.
        block: trials that share a length.
        shares: how often a trial asks about each N; see `AbstractBits`.

    Raises:
        ValueError: if a number is out of range.

    Example:
        >>> from neurornn import generator
        >>> from neurornn.task import BitMatch
        >>> trials = BitMatch(ns=(3,)).sample(1, generator=generator(0))
        >>> last = trials.inputs[0, -3:, 0]
        >>> bool(trials.targets[0, -1, 1] == (last[0] == last[2]))
        True

    References:
        S. Khajehabdollahi, R. Zeraati, E. Giannakakis, T. J. Schäfer, G. Martius and A. Levina (2024), Emergent
        mechanisms for long timescales depend on training curriculum and affect performance in memory tasks,
        doi:10.48550/arXiv.2309.12927.
    """

    def draw(self, n_trials: int, n_bits: int, *, generator: torch.Generator) -> Tensor:
        return torch.rand(n_trials, n_bits, generator=generator) < 0.5

    def answers(self, bits: Tensor, at: Tensor) -> Tensor:
        now = bits.gather(1, at)
        then = [bits.gather(1, (at + 1 - n).clamp(min=0)) for n in self.ns]
        return torch.stack([(now == one).long() for one in then], dim=2)
