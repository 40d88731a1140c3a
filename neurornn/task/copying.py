"""Working memory for sequences: see items one after the other, hold them, and give them back in their order."""

from dataclasses import dataclass
from typing import ClassVar

import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from neurornn import _check
from neurornn.task.base import AbstractTask
from neurornn.task.draw import epochs, within
from neurornn.trials import Trials


@dataclass(frozen=True)
class DelayedCopy(AbstractTask):
    r"""Give back a sequence of items after a delay.

    A trial has four epochs: *fixation*, *sample*, *delay* and *response*. In the sample `length` items, each drawn
    evenly from `n_items` (an item may come twice), are shown for `item` ms each on a channel of their own, with white
    noise of $\sigma/\sqrt{dt}$ a step on all of them. The fixation input is 1 until the response begins. Outputs:
    fixation (1 until the response), then one an item, 1 while that item is due: the response has a slot of `item` ms
    for each. Steps before the response count with weight `hold`.

    Inputs, in order: fixation, then the items. Conditions: `item_1` ... (from 0) and `delay_ms`. Chance is 1 in
    `n_items`.

    Args:
        dt: time step, ms.
        n_items: how many items there are.
        length: how many are shown.
        item: how long each is shown, and is due, ms.
        fixation: shortest and longest fixation, ms.
        delay: shortest and longest delay, ms; 0 for none.
        noise: $\sigma$, of the items, root ms.
        hold: weight of the steps before the response.

    Raises:
        ValueError: if the numbers do not fit; the message says which.

    Example:
        >>> from neurornn import DelayedCopy, generator
        >>> trials = DelayedCopy(dt=10.0, length=2).sample(5, generator=generator(0))
        >>> list(trials.conditions.columns)
        ['item_1', 'item_2', 'delay_ms']

    References:
        Graves, Wayne & Danihelka (2014), doi:10.48550/arXiv.1410.5401, whose copy task this is, with a delay and in
        continuous time.
    """

    dt: float = 20.0
    n_items: int = 4
    length: int = 2
    item: float = 200.0
    fixation: tuple[float, float] = (50.0, 50.0)
    delay: tuple[float, float] = (200.0, 600.0)
    noise: float = 0.5
    hold: float = 0.2

    score_name: ClassVar[str] = "fraction of items given back"
    higher_is_better: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check.positive("DelayedCopy", "dt", self.dt)
        _check.count("DelayedCopy", "n_items", self.n_items, least=2)
        _check.count("DelayedCopy", "length", self.length)
        if not self.dt <= self.item < float("inf"):
            _check.fail("DelayedCopy", "item", f"at least one step of {self.dt:g} ms", self.item)
        for name in ("fixation", "delay"):
            shortest, longest = getattr(self, name)
            if not 0 <= shortest <= longest < float("inf"):
                _check.fail("DelayedCopy", name, "(shortest, longest), 0 ms or above", (shortest, longest))
        _check.not_negative("DelayedCopy", "noise", self.noise)
        _check.fraction("DelayedCopy", "hold", self.hold)

    @property
    def n_in(self) -> int:
        return 1 + self.n_items

    @property
    def n_out(self) -> int:
        return 1 + self.n_items

    def sample(self, n_trials: int, *, generator: torch.Generator) -> Trials:
        _check.count("DelayedCopy.sample", "n_trials", n_trials)
        row = round(self.item / self.dt) * self.dt * self.length
        lengths = {"fixation": self.fixation, "sample": (row, row), "delay": self.delay, "response": (row, row)}
        edges = epochs(n_trials, lengths, dt=self.dt, generator=generator)
        on = within(edges)
        items = torch.randint(self.n_items, (n_trials, self.length), generator=generator)
        valid = torch.stack(list(on.values())).any(dim=0)
        fixating = (valid & ~on["response"]).float()
        shown, due = (self._laid(items, edges[name], on[name]) for name in ("sample", "response"))
        noise = self.noise / self.dt**0.5 * torch.randn(shown.shape, generator=generator)
        conditions = {f"item_{k + 1}": items[:, k].numpy() for k in range(self.length)}
        return Trials(
            inputs=torch.cat([fixating[..., None], shown + noise * on["sample"][..., None]], dim=2),
            targets=torch.cat([fixating[..., None], due], dim=2),
            mask=on["response"].float() + self.hold * fixating,
            dt=self.dt,
            valid=valid,
            epochs=edges,
            conditions=pd.DataFrame(
                {**conditions, "delay_ms": self.dt * edges["delay"].diff(dim=1)[:, 0].numpy()},
            ),
        )

    def score(self, trials: Trials, outputs: Float[Tensor, "*stack trial time out"]) -> Float[Tensor, "*stack trial"]:
        """Return the fraction of items whose output has the largest mean in its slot."""
        names = [f"item_{k + 1}" for k in range(self.length)]
        items = torch.tensor(trials.conditions[names].to_numpy()).to(outputs.device)  # (trial, slot)
        response = trials.epoch("response").to(outputs)
        slots = torch.stack([self._slot(k, trials.epochs["response"], response) for k in range(self.length)])
        means = torch.einsum("...btk,sbt->...bsk", outputs[..., 1:], slots.to(outputs))
        return (means.argmax(-1) == items).to(outputs.dtype).mean(-1)

    def _slot(self, k: int, edges: Int[Tensor, "trial 2"], on: Tensor) -> Tensor:
        """Return which steps of an epoch belong to its item `k`, 0 or 1. Shape `(trial, time)`."""
        steps = torch.arange(on.shape[1], device=on.device) - edges[:, :1].to(on.device)
        return ((steps // round(self.item / self.dt) == k) & (on > 0)).to(torch.get_default_dtype())

    def _laid(self, items: Tensor, edges: Int[Tensor, "trial 2"], on: Tensor) -> Tensor:
        """Return the items one after the other in an epoch, one-hot. Shape `(trial, time, item)`."""
        whole = torch.zeros(*on.shape, self.n_items)
        for k in range(self.length):
            chosen = torch.nn.functional.one_hot(items[:, k], self.n_items)
            whole += self._slot(k, edges, on)[..., None] * chosen[:, None]
        return whole
