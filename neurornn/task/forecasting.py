"""Forecasting: see a series until now, say how it will go on."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from neurornn import _check
from neurornn.task.base import AbstractTask
from neurornn.task.chaos import Lorenz63
from neurornn.task.series import AbstractSeries
from neurornn.trials import Trials


@dataclass(frozen=True)
class Forecasting(AbstractTask):
    r"""See a series, one sample after another, and say what it will be some samples later.

    $$y_k \approx x_{k+h}$$

    with the true samples as input throughout (teacher forcing). Values are standardised: mean 0 and standard deviation
    1 over the part of the series to learn from, so that an error of 1 is that of a forecast that knows only the mean.
    A network that has learnt it can be let run free, its answers its own input: see `neurornn.dynamics.run_free`.

    A trial is a stretch from a random place of the series. A sample is shown for `hold` ms, and the answer counts at
    its last step, once `warm_up` is over.

    Conditions: `first`, the place of the first sample in the series.

    Args:
        series: what is forecast.
        horizon: $h$, samples.
        dt: time step, ms.
        hold: how long a sample is shown, ms: by this the time of the series becomes that of the network.
        duration: of a trial, ms.
        warm_up: stretch at the start whose answers do not count, ms.
        noise: standard deviation of noise on the inputs, in standard deviations of the series; it makes free runs
            stable, because they are fed errors, too.

    Raises:
        ValueError: if a sample is no whole number of steps, or the series is too short for a trial.

    Example:
        >>> from neurornn import generator
        >>> from neurornn.task import Forecasting, Lorenz63
        >>> Forecasting(Lorenz63(duration=50.0), horizon=5).sample(8, generator=generator(0))
        Trials(8 trials, 200 steps of 2 ms, 3 in, 3 out)

    References:
        P. R. Vlachas et al. (2020), Backpropagation algorithms and reservoir computing in recurrent neural networks for
        the forecasting of complex spatiotemporal dynamics, doi:10.1016/j.neunet.2020.02.016.
    """

    series: AbstractSeries = field(default_factory=Lorenz63)
    horizon: int = 1
    dt: float = 2.0
    hold: float = 2.0
    duration: float = 400.0
    warm_up: float = 100.0
    noise: float = 0.0

    score_name: ClassVar[str] = "root mean squared error of the forecast (standard deviations)"
    higher_is_better: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check.count("Forecasting", "horizon", self.horizon)
        _check.positive("Forecasting", "dt", self.dt)
        for name in ("warm_up", "noise"):
            _check.not_negative("Forecasting", name, getattr(self, name))
        if not 0 < self.hold < float("inf") or abs(self.hold / self.dt - self.steps_a_sample) > 1e-6:
            _check.fail("Forecasting", "hold", f"a whole number of steps of {self.dt:g} ms", self.hold)
        if self.n_samples <= self.warm_up_samples:
            must = f"longer than `warm_up`, by a sample of {self.hold:g} ms or more"
            _check.fail("Forecasting", "duration", must, self.duration)

    @property
    def steps_a_sample(self) -> int:
        """How many steps a sample is shown for."""
        return max(round(self.hold / self.dt), 1)

    @property
    def n_samples(self) -> int:
        """How many samples a trial shows."""
        return int(self.duration / self.hold + 1e-9)

    @property
    def warm_up_samples(self) -> int:
        """How many samples at the start have answers that do not count."""
        return int(np.ceil(self.warm_up / self.hold - 1e-9))

    @property
    def n_in(self) -> int:
        return self.series.n_channels

    @property
    def n_out(self) -> int:
        return self.series.n_channels

    @property
    def held_out(self) -> "Forecasting":
        """The same task on the part of the series that training never sees."""
        return replace(self, series=self.series.held_out)

    @property
    def lyapunov_time(self) -> float:
        """How long errors take to grow e-fold, ms of the network; NaN where the exponent is not known."""
        return self.hold / (self.series.exponent * self.series.step)

    def sample(self, n_trials: int, *, generator: torch.Generator) -> Trials:
        _check.count("Forecasting.sample", "n_trials", n_trials)
        places = self._room("Forecasting.sample")
        first = torch.randint(places, (n_trials,), generator=generator)
        trials = self.trials(first)
        if not self.noise:
            return trials
        drawn = torch.randn(n_trials, self.n_samples, self.n_in, generator=generator)
        return replace(trials, inputs=trials.inputs + self.noise * drawn.repeat_interleave(self.steps_a_sample, dim=1))

    def trials(self, first: Int[Tensor, " trial"]) -> Trials:
        """Return the trials that start at these very samples, without noise."""
        places = self._room("Forecasting.trials")
        if bool(((first < 0) | (first >= places)).any()):
            _check.fail("Forecasting.trials", "first", f"from 0 to {places - 1}", int(first.max()))
        at = first[:, None] + torch.arange(self.n_samples)
        values = torch.as_tensor(self.series.samples.standard, dtype=torch.get_default_dtype())
        k = self.steps_a_sample
        mask = torch.zeros(len(first), self.n_samples * k)
        mask[:, (self.warm_up_samples + 1) * k - 1 :: k] = 1.0
        return Trials(
            inputs=values[at].repeat_interleave(k, dim=1),
            targets=values[at + self.horizon].repeat_interleave(k, dim=1),
            mask=mask,
            dt=self.dt,
            conditions=pd.DataFrame({"first": first.numpy()}),
        )

    def score(self, trials: Trials, outputs: Float[Tensor, "*stack trial time out"]) -> Float[Tensor, "*stack trial"]:
        """Return the root of the mean squared error over the steps that count and the channels."""
        error = (outputs - trials.targets.to(outputs)).square().mean(-1)
        mask = trials.mask.to(outputs)
        return ((error * mask).sum(-1) / mask.sum(-1)).sqrt()

    def persistence(self, trials: Trials) -> Float[Tensor, " trial"]:
        """Return the score of who says that all stays as it is: what a forecast must beat."""
        return self.score(trials, trials.inputs)

    def _room(self, owner: str) -> int:
        """Return from how many places of the series a trial can start."""
        places = len(self.series.samples.values) - self.n_samples - self.horizon + 1
        if places < 1:
            must = f"at least {self.n_samples + self.horizon} samples long, a trial and its horizon"
            fix = "Take a longer series or a shorter `duration`."
            _check.fail(owner, "series", must, f"{len(self.series.samples.values)} samples", fix)
        return places
