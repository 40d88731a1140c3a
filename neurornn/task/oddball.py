"""The auditory oddball: one tone again and again, now and then another one, or none at all."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from neurornn import _check
from neurornn.recording import Recording
from neurornn.task.foresee import AbstractForeseen, coming
from neurornn.trials import Trials


class Role(IntEnum):
    """What a tone is in its sequence.

    - `STANDARD`: the tone that is repeated, after `lead` tones, not right after a deviant or an omission.
    - `DEVIANT`: the rare one.
    - `CONTROL`: a tone of a sequence in which all tones are equally rare (many standards), after `lead` tones.
    - `OMISSION`: where a standard was due and nothing came.
    - `OTHER`: the first `lead` tones, and those right after a deviant or an omission.
    """

    STANDARD = 0
    DEVIANT = 1
    CONTROL = 2
    OMISSION = 3
    OTHER = 4


@dataclass(frozen=True)
class Oddball(AbstractForeseen):
    r"""Hear sequences of tones at a steady pace; input channels are tuned to frequency, one beside the other.

    A sequence is either an **oddball**: a standard, and with the probability `deviant` another tone in its place
    (never within the first `lead` tones, never twice in a row); or it has **many standards**: every tone is drawn
    evenly from all, so that each is as rare as a deviant while nothing is regular. Which tone is standard and which
    deviant is drawn anew for every sequence, so that each tone is heard in every role. What tells a mismatch response
    from adaptation is the deviant beside the same tone among many standards.

    Channel $i$ of $n$ answers a tone at $c$ (in channels) with $e^{-(i - c)^2 / 2 w^2}$.

    Args:
        n_channels: input channels $n$.
        n_tones: frequencies, evenly over the channels.
        width: $w$, in channels.
        length: tones of a sequence.
        deviant: probability of a deviant in an oddball sequence.
        omission: probability that a standard is left out instead.
        many: share of the sequences with many standards.
        lead: tones after which deviants may come.
        tone: how long a tone lasts, ms.
        pace: time from one onset to the next, ms.
        noise: standard deviation of the noise on each channel and step.
        dt: time step, ms.

    Raises:
        ValueError: if numbers are out of range, or a tone or its pace is no whole number of steps.

    Example:
        >>> from neurornn import generator
        >>> from neurornn.task import Oddball, Role
        >>> trials = Oddball(many=0.0, deviant=1.0, lead=3).sample(1, generator=generator(0))
        >>> roles = trials.behaviour["role"][0, ::6, 0].int().tolist()
        >>> [Role(role).name for role in roles[3:6]]
        ['DEVIANT', 'OTHER', 'DEVIANT']

    References:
        N. Ulanovsky, L. Las and I. Nelken (2003), Processing of low-probability sounds by cortical neurons,
        doi:10.1038/nn1032. Many standards as the control of single neurons: G. G. Parras et al. (2017), Neurons along
        the auditory pathway exhibit a hierarchical organization of prediction error, doi:10.1038/s41467-017-02038-6.
    """

    n_channels: int = 16
    n_tones: int = 10
    width: float = 1.0
    length: int = 20
    deviant: float = 0.1
    omission: float = 0.0
    many: float = 0.2
    lead: int = 3
    tone: float = 50.0
    pace: float = 150.0
    noise: float = 0.0
    dt: float = 25.0

    def __post_init__(self) -> None:
        owner = "Oddball"
        for name, least in (("n_channels", 2), ("n_tones", 3), ("length", 2), ("lead", 1)):
            _check.count(owner, name, getattr(self, name), least=least)
        for name in ("width", "dt", "tone", "pace"):
            _check.positive(owner, name, getattr(self, name))
        for name in ("deviant", "omission", "many"):
            _check.fraction(owner, name, getattr(self, name))
        _check.not_negative(owner, "noise", self.noise)
        if self.deviant + self.omission > 1:
            _check.fail(owner, "omission", f"at most {1 - self.deviant:g}, what deviants leave", self.omission)
        if self.lead >= self.length:
            _check.fail(owner, "lead", f"below the {self.length} tones of a sequence", self.lead)
        if self.tone > self.pace:
            _check.fail(owner, "tone", f"at most `pace`, {self.pace:g} ms", self.tone)
        for name in ("tone", "pace"):
            steps = getattr(self, name) / self.dt
            if abs(steps - round(steps)) > 1e-6:
                _check.fail(owner, name, f"a whole number of steps of {self.dt:g} ms", getattr(self, name))

    @property
    def n_in(self) -> int:
        return self.n_channels

    def tuning(self) -> Float[Tensor, "tone in"]:
        """Return what each channel answers to each tone."""
        at = torch.linspace(0, self.n_channels - 1, self.n_tones)
        return torch.exp(-((torch.arange(self.n_channels) - at[:, None]) ** 2) / (2 * self.width**2))

    def sample(self, n_trials: int, *, generator: torch.Generator) -> Trials:
        _check.count("Oddball.sample", "n_trials", n_trials)
        shape = (n_trials, self.length)
        many = torch.rand(n_trials, generator=generator) < self.many
        standard = torch.randint(self.n_tones, (n_trials,), generator=generator)
        other = torch.randint(1, self.n_tones, (n_trials,), generator=generator)
        rare = (standard + other) % self.n_tones
        any_tone = torch.randint(self.n_tones, shape, generator=generator)
        roles = self._roles(many, torch.rand(shape, generator=generator))
        heard = torch.where(roles == Role.DEVIANT, rare[:, None], standard[:, None])
        heard = torch.where(many[:, None], any_tone, heard)
        inputs = self._sound(heard, roles)
        if self.noise:
            inputs = inputs + self.noise * torch.randn(inputs.shape, generator=generator)
        targets, mask = coming(inputs)
        k = round(self.pace / self.dt)
        conditions = {"many": many.numpy(), "standard": standard.numpy(), "deviant": rare.numpy()}
        return Trials(
            inputs=inputs,
            targets=targets,
            mask=mask,
            dt=self.dt,
            epochs={
                f"tone_{i + 1}": torch.tensor([[i * k, (i + 1) * k]]).expand(n_trials, 2) for i in range(self.length)
            },
            conditions=pd.DataFrame(conditions),
            behaviour={
                "role": roles.repeat_interleave(k, dim=1)[..., None].float(),
                "tone": heard.repeat_interleave(k, dim=1)[..., None].float(),
            },
        )

    def tones(self, recording: Recording) -> Recording:
        """Return a recording of this task with one trial a tone: `role` (its name), `tone` and `position` (from 1).

        The last step of a recording of many sequences may lie past the last tone; what is left out of `epochs` is left
        out here.
        """
        names = recording.epochs["name"].to_numpy()
        starts, stops = (recording.epochs[edge].to_numpy(float) for edge in ("start", "stop"))
        tones = np.flatnonzero([str(name).startswith("tone_") for name in names])
        order = tones[np.argsort(starts[tones], kind="stable")]
        middle = (starts[order] + stops[order]) / 2
        role, tone = (np.rint(recording.behaviour[name].at(middle)[:, 0]).astype(int) for name in ("role", "tone"))
        rows = {
            "start": starts[order],
            "stop": stops[order],
            "role": [Role(one).name.lower() for one in role],
            "tone": tone,
            "position": [int(str(name).removeprefix("tone_")) for name in names[order]],
        }
        return recording.with_trials(pd.DataFrame(rows))

    def _roles(self, many: Tensor, drawn: Tensor) -> Tensor:
        """Return the role of each tone; one that is rare is followed by one that is not."""
        roles = torch.full(drawn.shape, int(Role.OTHER))
        for i in range(self.lead, self.length):
            before = roles[:, i - 1]
            free = (before != Role.DEVIANT) & (before != Role.OMISSION)
            now = torch.where(drawn[:, i] < self.deviant + self.omission, int(Role.OMISSION), int(Role.STANDARD))
            now = torch.where(drawn[:, i] < self.deviant, int(Role.DEVIANT), now)
            roles[:, i] = torch.where(free, now, int(Role.OTHER))
            roles[:, i] = torch.where(many, int(Role.CONTROL), roles[:, i])
        return roles

    def _sound(self, heard: Tensor, roles: Tensor) -> Tensor:
        on = (torch.arange(round(self.pace / self.dt)) < round(self.tone / self.dt)).float()
        each = self.tuning()[heard] * (roles != Role.OMISSION)[..., None]  # (trial, tone, in)
        return (each[:, :, None] * on[:, None]).flatten(1, 2)
