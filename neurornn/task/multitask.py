"""Many tasks for one network: a fixation point, two rings of stimuli, and an input that says which rule holds."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import ClassVar

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from neurornn import _check
from neurornn.task.base import AbstractTask
from neurornn.task.choice import Choice, Heed
from neurornn.task.code import VonMises
from neurornn.task.rule import EPOCHS, AbstractRule, Shown
from neurornn.task.saccade import Go, Saccade
from neurornn.task.same import Same
from neurornn.trials import Trials

RULES: Mapping[str, AbstractRule] = MappingProxyType(
    {
        "Go": Saccade(),
        "RT Go": Saccade(Go.ONSET),
        "Dly Go": Saccade(Go.MEMORY),
        "Anti": Saccade(anti=True),
        "RT Anti": Saccade(Go.ONSET, anti=True),
        "Dly Anti": Saccade(Go.MEMORY, anti=True),
        "DM 1": Choice(),
        "DM 2": Choice(Heed.SECOND),
        "Ctx DM 1": Choice(Heed.FIRST_OF_BOTH),
        "Ctx DM 2": Choice(Heed.SECOND_OF_BOTH),
        "MultSen DM": Choice(Heed.SUM),
        "Dly DM 1": Choice(delayed=True),
        "Dly DM 2": Choice(Heed.SECOND, delayed=True),
        "Ctx Dly DM 1": Choice(Heed.FIRST_OF_BOTH, delayed=True),
        "Ctx Dly DM 2": Choice(Heed.SECOND_OF_BOTH, delayed=True),
        "MultSen Dly DM": Choice(Heed.SUM, delayed=True),
        "DMS": Same(),
        "DNMS": Same(differs=True),
        "DMC": Same(category=True),
        "DNMC": Same(category=True, differs=True),
    }
)
"""The twenty tasks of Yang et al. (2019), by their names there."""

PEAK = 0.8
"""Activity of an input channel at its preferred angle, of a stimulus of strength 1 (published code)."""

TOLERANCE = 0.2 * math.pi
"""How far a response may be off, rad (published code)."""

GRACE = 100.0
"""Time from a response's beginning in which nothing counts, and the first of a trial in which nothing does, ms."""


@dataclass(frozen=True)
class Multitask(AbstractTask):
    r"""Do one of many tasks in each trial; an input says which.

    Inputs, in order: fixation, the ring of the first modality, that of the second, one channel a rule (1 throughout).
    Both rings carry white noise of $\sigma/\sqrt{dt}$ a step. Outputs: fixation (1 until a response is due, then 0),
    and a ring with a bump in the direction of the response. Steps before the response count with weight 1, those from
    100 ms after its beginning with `urgency`; the first 100 ms count for nothing. Trials of a batch are of all rules in
    equal numbers, in random order.

    An answer is right if at the last step the fixation output is below 0.5 and the population vector of the ring within
    0.2 pi of the direction; or, where no response is asked for, if the fixation output is above 0.5. A network that
    looks anywhere is right in 0.2 of the trials.

    Conditions: `rule`, `direction` (rad), `answers` (whether a response is asked for), `evidence` (see `Shown`),
    `coherence` (its size) and `delay_ms`.

    Args:
        rules: names of the tasks, from `RULES`.
        dt: time step, ms.
        ring: the cells of each ring.
        noise: $\sigma$, of the rings, root ms. The published 0.01, which is scaled by the time constant of its units
            (100 ms), is 0.14 here.
        pace: what all times are multiplied with; 1 for the published ones.
        urgency: weight of the steps of the response.

    Raises:
        ValueError: if a rule is unknown, or the numbers do not fit; the message says which.

    Example:
        >>> from neurornn import generator
        >>> from neurornn.task import Multitask
        >>> task = Multitask(("Go", "Dly Anti", "DMS"))
        >>> trials = task.sample(9, generator=generator(0))
        >>> sorted(set(trials.conditions["rule"])), task.n_in, task.n_out
        (['DMS', 'Dly Anti', 'Go'], 68, 33)

    References:
        G. R. Yang, M. R. Joglekar, H. F. Song, W. T. Newsome and X.-J. Wang (2019), Task representations in neural
        networks trained to perform many cognitive tasks, doi:10.1038/s41593-018-0310-2.
    """

    rules: tuple[str, ...] = tuple(RULES)
    dt: float = 20.0
    ring: VonMises = field(default_factory=lambda: VonMises(32, concentration=6.5))
    noise: float = 0.14
    pace: float = 1.0
    urgency: float = 5.0

    score_name: ClassVar[str] = "fraction of trials done right"
    higher_is_better: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if isinstance(self.rules, str) or not self.rules:
            _check.fail("Multitask", "rules", "one name or more", self.rules, 'Write ("Go",) for a single one.')
        for name in self.rules:
            if name not in RULES:
                _check.fail("Multitask", "rules", "names of known tasks", name, _check.near(name, RULES))
        if len(set(self.rules)) < len(self.rules):
            _check.fail("Multitask", "rules", "distinct", self.rules)
        for name in ("dt", "pace", "urgency"):
            _check.positive("Multitask", name, getattr(self, name))
        if self.dt > self.pace * GRACE:
            fix = "Take shorter steps, or a slower pace."
            _check.fail("Multitask", "dt", f"at most {self.pace * GRACE:g} ms at this pace", self.dt, fix)
        _check.not_negative("Multitask", "noise", self.noise)

    @property
    def n_in(self) -> int:
        return 1 + 2 * self.ring.n_out + len(self.rules)

    @property
    def n_out(self) -> int:
        return 1 + self.ring.n_out

    def sample(self, n_trials: int, *, generator: torch.Generator) -> Trials:
        _check.count("Multitask.sample", "n_trials", n_trials)
        rule = torch.randperm(n_trials + len(self.rules), generator=generator)[:n_trials] % len(self.rules)
        shown = self._shown(rule, generator)
        lengths = (self.pace * shown.lengths / self.dt).round().long()
        stop = lengths.cumsum(dim=1)
        start = stop - lengths
        steps = torch.arange(int(stop.max()))
        on = (steps >= start[..., None]) & (steps < stop[..., None])  # (trial, epoch, time)
        valid, response = on.any(dim=1), on[:, -1]
        fixating = valid & ~(response & shown.released[:, None])
        inputs = torch.cat([fixating[..., None].float(), self._rings(shown, on, valid, generator)], dim=2)
        told = torch.nn.functional.one_hot(rule, len(self.rules))[:, None] * valid[..., None]
        moving = response & shown.answers[:, None]
        bump = self.ring.encode(shown.direction[:, None, None]) * moving[..., None]
        grace = round(self.pace * GRACE / self.dt)
        counted = (steps >= grace) & valid & ~response
        late = response & (steps >= start[:, -1:] + grace)
        return Trials(
            inputs=torch.cat([inputs, told.float()], dim=2),
            targets=torch.cat([(valid & ~moving)[..., None].float(), bump], dim=2),
            mask=counted.float() + self.urgency * late.float(),
            dt=self.dt,
            valid=valid,
            epochs={name: torch.stack([start[:, i], stop[:, i]], dim=1) for i, name in enumerate(EPOCHS)},
            conditions=self._conditions(rule, shown, lengths),
        )

    def score(self, trials: Trials, outputs: Float[Tensor, "*stack trial time out"]) -> Float[Tensor, "*stack trial"]:
        """Return 1 for each trial that is done right, 0 for the others."""
        last = (trials.epochs["response"][:, 1] - 1).to(outputs.device)
        end = outputs[..., torch.arange(len(last), device=outputs.device), last, :]
        direction = self._column(trials, "direction", outputs)
        moved = end[..., 0] < 0.5
        off = torch.remainder(self._angle(end[..., 1:]) - direction + math.pi, math.tau) - math.pi
        right = torch.where(self._column(trials, "answers", outputs) > 0.5, moved & (off.abs() < TOLERANCE), ~moved)
        return right.to(outputs)

    def reaction_time(
        self, trials: Trials, outputs: Float[Tensor, "*stack trial time out"]
    ) -> Float[Tensor, "*stack trial"]:
        """Return when the fixation output first falls below 0.5 after the response is due, ms; NaN where it does not.

        NaN, too, where no response is asked for.
        """
        moved = (outputs[..., 0] < 0.5) & trials.epoch("response").to(outputs.device)
        first = moved.to(torch.uint8).argmax(-1) - trials.epochs["response"][:, 0].to(outputs.device)
        known = moved.any(-1) & (self._column(trials, "answers", outputs) > 0.5)
        return torch.where(known, (first + 1) * self.dt, torch.nan).to(outputs)

    def chose_first(
        self, trials: Trials, outputs: Float[Tensor, "*stack trial time out"]
    ) -> Float[Tensor, "*stack trial"]:
        """Return 1 where the response is nearer to the first item than to the second, for psychometric curves."""
        last = (trials.epochs["response"][:, 1] - 1).to(outputs.device)
        angle = self._angle(outputs[..., torch.arange(len(last), device=outputs.device), last, 1:])
        near = [torch.cos(angle - self._column(trials, name, outputs)) for name in ("first", "second")]
        return (near[0] > near[1]).to(outputs)

    def _angle(self, ring: Tensor) -> Tensor:
        """Return the direction of the population vector, rad."""
        angles = self.ring.angles.to(ring)
        return torch.atan2((ring * angles.sin()).sum(-1), (ring * angles.cos()).sum(-1))

    def _column(self, trials: Trials, name: str, like: Tensor) -> Tensor:
        return torch.tensor(trials.conditions[name].to_numpy(dtype=float)).to(like)

    def _shown(self, rule: Int[Tensor, " trial"], generator: torch.Generator) -> Shown:
        """Return what all trials show, each by its rule."""
        places = [(rule == i).nonzero()[:, 0] for i in range(len(self.rules))]
        parts = [
            RULES[name].draw(len(place), generator=generator) for name, place in zip(self.rules, places, strict=True)
        ]
        order = torch.cat(places).argsort()
        return Shown(**{f.name: torch.cat([getattr(part, f.name) for part in parts])[order] for f in fields(Shown)})

    def _rings(self, shown: Shown, on: Tensor, valid: Tensor, generator: torch.Generator) -> Tensor:
        """Return both rings, `(trial, time, 2 rings)`."""
        seen = torch.einsum("nie,net->nit", shown.on.float(), on.float())  # (trial, item, time)
        bumps = PEAK * self.ring.encode(shown.angles[..., None])  # (trial, item, cell)
        noise = self.noise / self.dt**0.5 * torch.randn(*valid.shape, 2 * self.ring.n_out, generator=generator)
        rings = [torch.einsum("nit,nic->ntc", seen, bumps * shown.strengths[:, :, m, None]) for m in range(2)]
        return (torch.cat(rings, dim=2) + noise) * valid[..., None]

    def _conditions(self, rule: Tensor, shown: Shown, lengths: Tensor) -> pd.DataFrame:
        evidence = shown.evidence.double().numpy().round(6)
        return pd.DataFrame(
            {
                "rule": np.array(self.rules)[rule.numpy()],
                "direction": shown.direction.double().numpy(),
                "answers": shown.answers.numpy(),
                "first": shown.angles[:, 0].double().numpy(),
                "second": shown.angles[:, 1].double().numpy(),
                "evidence": evidence,
                "coherence": np.abs(evidence),
                "delay_ms": self.dt * lengths[:, EPOCHS.index("delay")].numpy(),
            }
        )
