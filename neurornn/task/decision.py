"""Perceptual decision: watch noisy evidence, hold it, and say which side it came from."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from neurornn import _check
from neurornn.task.base import AbstractTask
from neurornn.task.draw import epochs, within
from neurornn.trials import Trials


@dataclass(frozen=True)
class EvidenceAccumulation(AbstractTask):
    r"""Say which of two streams of noisy evidence was the stronger, after a delay.

    A trial has four epochs: *fixation*, *stimulus*, *delay* and *response*. The fixation input is 1 until the response
    begins, so its end is the signal to go. During the stimulus the two evidence channels carry

    $$u_\pm = \tfrac12\,(1 \pm s\,c) + \frac{\sigma}{\sqrt{dt}}\,\xi_\pm, \qquad s = \pm 1$$

    with coherence $c$, side $s$ (right is +1) and white noise of $\sigma$ (in root ms, so that the evidence in a
    stimulus of $T$ ms does not depend on `dt`: the ideal observer is right with $\Phi(c\sqrt{T/2}/\sigma)$).
    Outputs: fixation (1 until the response), left and right (1 for the side during the response). Steps before the
    response count with weight `hold`; those of the response with 1.

    Inputs, in order: fixation, left, right. Conditions: `coherence`, `side` (-1 or 1), `signed_coherence`,
    `stimulus_ms` and `delay_ms`. A coherence of 0 has a side too, drawn by a coin: chance is 0.5.

    Args:
        dt: time step, ms.
        coherences: the strengths of evidence, each in [0, 1]; one is drawn for each trial.
        fixation: shortest and longest fixation, ms.
        stimulus: shortest and longest stimulus, ms.
        delay: shortest and longest delay, ms; 0 for none.
        response: length of the response, ms.
        noise: $\sigma$, of the evidence, root ms.
        hold: weight of the steps before the response.

    Raises:
        ValueError: if the numbers do not fit; the message says which.

    Example:
        >>> from neurornn import generator
        >>> from neurornn.task import EvidenceAccumulation
        >>> trials = EvidenceAccumulation().sample(50, generator=generator(0))
        >>> bool(trials.conditions["coherence"].between(0, 0.512).all())
        True

    References:
        K. H. Britten, M. N. Shadlen, W. T. Newsome and J. A. Movshon (1992), The analysis of visual motion: a
        comparison of neuronal and psychophysical performance, doi:10.1523/JNEUROSCI.12-12-04745.1992.
        As a task for recurrent networks: H. F. Song, G. R. Yang and X.-J. Wang (2016), Training excitatory-inhibitory
        recurrent neural networks for cognitive tasks, doi:10.1371/journal.pcbi.1004792.
    """

    dt: float = 20.0
    coherences: tuple[float, ...] = (0.0, 0.032, 0.064, 0.128, 0.256, 0.512)
    fixation: tuple[float, float] = (100.0, 300.0)
    stimulus: tuple[float, float] = (400.0, 1200.0)
    delay: tuple[float, float] = (100.0, 500.0)
    response: float = 300.0
    noise: float = 2.0
    hold: float = 0.2

    score_name: ClassVar[str] = "fraction of correct choices"
    higher_is_better: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check.positive("EvidenceAccumulation", "dt", self.dt)
        if not self.coherences or any(not 0 <= c <= 1 for c in self.coherences):
            _check.fail("EvidenceAccumulation", "coherences", "one or more numbers in [0, 1]", self.coherences)
        for name, least in (("fixation", self.dt), ("stimulus", self.dt), ("delay", 0.0)):
            shortest, longest = getattr(self, name)
            if not least <= shortest <= longest < float("inf"):
                must = f"(shortest, longest), at least {least:g} ms"
                _check.fail("EvidenceAccumulation", name, must, (shortest, longest))
        if not self.dt <= self.response < float("inf"):
            _check.fail("EvidenceAccumulation", "response", f"at least one step of {self.dt:g} ms", self.response)
        _check.not_negative("EvidenceAccumulation", "noise", self.noise)
        _check.fraction("EvidenceAccumulation", "hold", self.hold)

    @property
    def n_in(self) -> int:
        return 3

    @property
    def n_out(self) -> int:
        return 3

    def sample(self, n_trials: int, *, generator: torch.Generator) -> Trials:
        _check.count("EvidenceAccumulation.sample", "n_trials", n_trials)
        lengths = {"fixation": self.fixation, "stimulus": self.stimulus, "delay": self.delay}
        lengths["response"] = (self.response, self.response)
        edges = epochs(n_trials, lengths, dt=self.dt, generator=generator)
        on = within(edges)
        side = 2 * torch.randint(2, (n_trials,), generator=generator) - 1
        coherence = torch.tensor(self.coherences)[torch.randint(len(self.coherences), (n_trials,), generator=generator)]
        valid, response = torch.stack(list(on.values())).any(dim=0), on["response"]
        fixating = (valid & ~response).float()
        inputs = torch.stack([fixating, *self._evidence(side * coherence, on["stimulus"], generator)], dim=2)
        chosen = response & (side[:, None] > 0), response & (side[:, None] < 0)
        targets = torch.stack([fixating, chosen[1].float(), chosen[0].float()], dim=2)
        times = {f"{name}_ms": self.dt * edges[name].diff(dim=1)[:, 0].numpy() for name in ("stimulus", "delay")}
        signed = (side * coherence).double().numpy().round(6)
        conditions = {"coherence": np.abs(signed), "side": side.numpy(), "signed_coherence": signed, **times}
        return Trials(
            inputs=inputs,
            targets=targets,
            mask=response.float() + self.hold * fixating,
            dt=self.dt,
            valid=valid,
            epochs=edges,
            conditions=pd.DataFrame(conditions),
        )

    def score(self, trials: Trials, outputs: Float[Tensor, "*stack trial time out"]) -> Float[Tensor, "*stack trial"]:
        """Return 1 where the side with the larger mean output in the response is right, 0 where not, 0.5 at a draw."""
        side = torch.tensor(trials.conditions["side"].to_numpy()).to(outputs)
        balance = self.evidence(trials, outputs)
        return 0.5 * (1 + (balance.sign() * side))

    def evidence(
        self, trials: Trials, outputs: Float[Tensor, "*stack trial time out"]
    ) -> Float[Tensor, "*stack trial"]:
        """Return the mean of right minus left output over the response: its sign is the choice (right above 0)."""
        response = trials.epoch("response").to(outputs)
        return ((outputs[..., 2] - outputs[..., 1]) * response).sum(-1) / response.sum(-1)

    def _evidence(self, signed: Tensor, stimulus: Tensor, generator: torch.Generator) -> list[Tensor]:
        """Return the left and the right channel, `(trial, time)`."""
        noise = self.noise / self.dt**0.5 * torch.randn(2, *stimulus.shape, generator=generator)
        means = 0.5 * (1 - signed), 0.5 * (1 + signed)
        return [stimulus * (mean[:, None] + noise[i]) for i, mean in enumerate(means)]
