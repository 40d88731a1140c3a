"""A network that forecasts, let run free: its own answers are its input, for as long as they stay with the truth."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from neurornn import _check
from neurornn.network import Network
from neurornn.task.forecasting import Forecasting
from neurornn.trials import Trials


@dataclass(frozen=True, eq=False)
class FreeRun:
    r"""What a network said of a series that it no longer saw.

    $$e_k = \sqrt{\tfrac1d \sum_i (y_{ki} - x_{ki})^2}$$

    over the $d$ standardised channels. A forecast is valid until $e$ first exceeds `bound`.

    Args:
        answers: from the first sample that was not seen. Shape `(trial, sample, channel)`.
        truth: what came. Shape as `answers`.
        hold: time of the network between two samples, ms.
        lyapunov_time: how long errors of the series take to grow e-fold, ms of the network; NaN where not known.
        bound: on the error.
    """

    answers: Float[np.ndarray, "trial sample channel"]
    truth: Float[np.ndarray, "trial sample channel"]
    hold: float
    lyapunov_time: float
    bound: float

    references = ("10.1016/j.neunet.2020.02.016",)

    @property
    def methods(self) -> str:
        """How this was made."""
        return (
            f"Free run of {len(self.truth)} trials over {self.truth.shape[1]} samples of {self.hold:g} ms, answers fed "
            f"back; valid until the root mean squared error over standardised channels exceeds {self.bound:g}."
        )

    @property
    def error(self) -> Float[np.ndarray, "trial sample"]:
        """The root mean squared error over channels."""
        return np.sqrt(np.square(self.answers - self.truth).mean(axis=-1))

    @property
    def valid_time(self) -> Float[np.ndarray, " trial"]:
        """How long each forecast was valid, ms; the length of the run for one that stayed so."""
        within = np.nan_to_num(self.error, nan=np.inf) <= self.bound
        return self.hold * np.cumprod(within, axis=1).sum(axis=1)

    @property
    def valid_lyapunov_times(self) -> Float[np.ndarray, " trial"]:
        """The valid time in Lyapunov times of the series; NaN where its exponent is not known."""
        return self.valid_time / self.lyapunov_time

    def frame(self) -> pd.DataFrame:
        """Return one row a trial: the valid time, in ms and in Lyapunov times."""
        columns = {"valid_time": self.valid_time, "lyapunov_times": self.valid_lyapunov_times}
        return pd.DataFrame(columns).rename_axis("trial")


def run_free(
    network: Network, task: Forecasting, trials: Trials, *, after: float | None = None, bound: float = 0.5
) -> FreeRun:
    """Show a network the first part of trials of a series, and let it go on by itself.

    The sample that it is shown at any time is the answer that it gave a horizon earlier: at first answers to true
    samples, then answers to answers. Without noise.

    Args:
        network: trained on `task`.
        task: what it forecasts.
        trials: of the task, without noise on the inputs.
        after: how long the truth is shown, ms; the task's warm-up where absent. At least the horizon.
        bound: on the error of a valid forecast, standard deviations.

    Raises:
        ValueError: if the truth is shown for less than the horizon, or nothing is left of the trials.

    Example:
        >>> from neurornn.dynamics import run_free
        >>> def horizon_of(fit, trials):  # of a fit on Forecasting(Lorenz63())
        ...     return run_free(fit.network, fit.task, trials).valid_lyapunov_times.mean()

    References:
        P. R. Vlachas et al. (2020), doi:10.1016/j.neunet.2020.02.016.
    """
    k, h = task.steps_a_sample, task.horizon
    seen = task.warm_up_samples if after is None else round(after / task.hold)
    n_samples = trials.n_steps // k
    if not h <= seen < n_samples:
        must = f"from {h * task.hold:g} ms, the horizon, to less than {n_samples * task.hold:g} ms, the trial"
        _check.fail("run_free", "after", must, seen * task.hold)
    _check.positive("run_free", "bound", bound)
    inputs = trials.inputs.to(network.readout)
    true = inputs[:, ::k]  # (trial, sample, channel)
    with torch.no_grad():
        answers = _answers(network, inputs[:, : seen * k], n_samples - seen, k, h)
    numbers = (part.double().cpu().numpy() for part in (answers, true[:, seen:]))
    return FreeRun(*numbers, hold=task.hold, lyapunov_time=task.lyapunov_time, bound=bound)


def _answers(network: Network, shown: Tensor, n_free: int, k: int, h: int) -> Tensor:
    """Return what the network says of each of `n_free` samples that it is not shown, `(trial, sample, channel)`."""
    run = network(shown)
    activity, state = [run.activity], run.state
    said = [run.outputs[:, k - 1 :: k][:, -h:]]  # of the next h samples
    while sum(part.shape[1] for part in said) < n_free:
        run = network(said[-1].repeat_interleave(k, dim=1), state=state)
        activity, state = [*activity, run.activity], run.state
        # The readout remembers: it is read from the first step of the trial on.
        said.append(network.read(torch.cat(activity, dim=1))[:, k - 1 :: k][:, -h:])
    return torch.cat(said, dim=1)[:, :n_free]
