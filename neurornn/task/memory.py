"""Working memory: see a direction, hold it, and say whether the next one is the same."""

import math
from dataclasses import dataclass, field
from typing import ClassVar

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from neurornn import _check
from neurornn.task.base import AbstractTask
from neurornn.task.code import VonMises
from neurornn.task.draw import epochs, within
from neurornn.trials import Trials


@dataclass(frozen=True)
class DelayedMatch(AbstractTask):
    r"""Say whether two directions, with a delay between them, are the same.

    A trial has five epochs: *fixation*, *sample*, *delay*, *test* and *response*. The fixation input is 1 until the
    response begins, so its end is the signal to go. Sample and test show one of `n_directions` evenly spaced directions
    as a bump of activity on the ring of input channels, with white noise of $\sigma/\sqrt{dt}$ a step. In half of the
    trials both are the same; otherwise the test is any of the others. Outputs: fixation (1 until the response), match
    and non-match (1 for the right one during the response). Steps before the response count with weight `hold`.

    Inputs, in order: fixation, then the ring. Conditions: `sample` and `test` (rad), `match` (0 or 1), `delay_ms`.

    Args:
        dt: time step, ms.
        n_directions: how many directions there are.
        ring: the input channels of the directions.
        fixation: shortest and longest fixation, ms.
        sample_time: length of the sample and of the test, ms.
        delay: shortest and longest delay, ms; 0 for none.
        response: length of the response, ms.
        noise: $\sigma$, of the ring, root ms.
        hold: weight of the steps before the response.

    Raises:
        ValueError: if the numbers do not fit; the message says which.

    Example:
        >>> from neurornn import generator
        >>> from neurornn.task import DelayedMatch
        >>> DelayedMatch(delay=(500.0, 500.0)).sample(8, generator=generator(0)).targets.shape[2]
        3

    References:
        E. K. Miller, C. A. Erickson and R. Desimone (1996), Neural mechanisms of visual working memory in prefrontal
        cortex of the macaque, doi:10.1523/JNEUROSCI.16-16-05154.1996.
    """

    dt: float = 20.0
    n_directions: int = 8
    ring: VonMises = field(default_factory=lambda: VonMises(16))
    fixation: tuple[float, float] = (100.0, 300.0)
    sample_time: float = 300.0
    delay: tuple[float, float] = (300.0, 1000.0)
    response: float = 300.0
    noise: float = 0.5
    hold: float = 0.2

    score_name: ClassVar[str] = "fraction of correct choices"
    higher_is_better: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check.positive("DelayedMatch", "dt", self.dt)
        _check.count("DelayedMatch", "n_directions", self.n_directions, least=2)
        for name in ("sample_time", "response"):
            if not self.dt <= getattr(self, name) < float("inf"):
                _check.fail("DelayedMatch", name, f"at least one step of {self.dt:g} ms", getattr(self, name))
        for name, least in (("fixation", self.dt), ("delay", 0.0)):
            shortest, longest = getattr(self, name)
            if not least <= shortest <= longest < float("inf"):
                must = f"(shortest, longest), at least {least:g} ms"
                _check.fail("DelayedMatch", name, must, (shortest, longest))
        _check.not_negative("DelayedMatch", "noise", self.noise)
        _check.fraction("DelayedMatch", "hold", self.hold)

    @property
    def n_in(self) -> int:
        return 1 + self.ring.n_out

    @property
    def n_out(self) -> int:
        return 3

    def sample(self, n_trials: int, *, generator: torch.Generator) -> Trials:
        _check.count("DelayedMatch.sample", "n_trials", n_trials)
        shown = (self.sample_time, self.sample_time)
        lengths = {"fixation": self.fixation, "sample": shown, "delay": self.delay, "test": shown}
        lengths["response"] = (self.response, self.response)
        edges = epochs(n_trials, lengths, dt=self.dt, generator=generator)
        on = within(edges)
        first = torch.randint(self.n_directions, (n_trials,), generator=generator)
        other = torch.randint(1, self.n_directions, (n_trials,), generator=generator)
        match = torch.randint(2, (n_trials,), generator=generator).bool()
        second = torch.where(match, first, (first + other) % self.n_directions)
        angles = [math.tau * chosen / self.n_directions - math.pi for chosen in (first, second)]
        valid = torch.stack(list(on.values())).any(dim=0)
        fixating = (valid & ~on["response"]).float()
        bumps = [
            on[name][..., None] * self.ring.encode(angle[:, None, None])
            for name, angle in zip(("sample", "test"), angles, strict=True)
        ]
        noise = self.noise / self.dt**0.5 * torch.randn(bumps[0].shape, generator=generator)
        ring = sum(bumps) + noise * (on["sample"] | on["test"])[..., None]
        right = on["response"] & match[:, None], on["response"] & ~match[:, None]
        conditions = {
            "sample": angles[0].double().numpy(),
            "test": angles[1].double().numpy(),
            "match": match.long().numpy(),
            "delay_ms": self.dt * edges["delay"].diff(dim=1)[:, 0].numpy(),
        }
        return Trials(
            inputs=torch.cat([fixating[..., None], ring], dim=2),
            targets=torch.stack([fixating, right[0].float(), right[1].float()], dim=2),
            mask=on["response"].float() + self.hold * fixating,
            dt=self.dt,
            valid=valid,
            epochs=edges,
            conditions=pd.DataFrame(conditions),
        )

    def score(self, trials: Trials, outputs: Float[Tensor, "*stack trial time out"]) -> Float[Tensor, "*stack trial"]:
        """Return 1 where the larger mean output in the response, match or non-match, is right; 0.5 at a draw."""
        match = torch.tensor(trials.conditions["match"].to_numpy()).to(outputs)
        response = trials.epoch("response").to(outputs)
        balance = ((outputs[..., 1] - outputs[..., 2]) * response).sum(-1)
        return 0.5 * (1 + balance.sign() * (2 * match - 1))
