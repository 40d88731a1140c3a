"""How weights are found that make units follow recorded rates: recursive least squares, and gradient descent."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from neurornn import _check
from neurornn.cell.rate import Form, LeakyRate
from neurornn.errors import Diverged
from neurornn.fit.activity import INVERSES, Scaled, states
from neurornn.fit.optimiser import AbstractSchedule, Constant
from neurornn.wiring import Dense


class AbstractConstraint(ABC):
    """How weights are found that make a network reproduce rates."""

    @abstractmethod
    def fit(
        self, cell: LeakyRate, train: Scaled, validation: Scaled, *, seed: int, progress: bool
    ) -> list[dict[str, float]]:
        """Change the weights of `cell`; return the course, one row a pass.

        Args:
            cell: the units; the first of them are the recorded ones.
            train: the training trials.
            validation: trials to stop by; may be none.
            seed: of the order of the trials.
            progress: whether to show a progress bar.
        """


@dataclass(frozen=True)
class FORCE(AbstractConstraint):
    r"""Recursive least squares while the network runs: its error is held small from the first step on.

    In the form with the nonlinearity on the state, $h_t = (1-a) h_{t-1} + a u_t$, $u_t = W z_{t-1}$ with
    $z = (r, x, 1)$, the drive that would have led to the recorded rate is
    $u^*_t = (f^{-1}(d_t) - (1-a) h_{t-1}) / a$, and after every step

    $$ k = \frac{P z}{1 + z^\top P z}, \qquad W \leftarrow W - (W z - u^*)\, k^\top, \qquad
       P \leftarrow P - k\, (P z)^\top $$

    with $P = I/\alpha$ at first, one for all units. The step is then taken with the new weights. All incoming weights
    of the recorded units are learned: recurrent, input and bias.

    Args:
        passes: how often the trials are gone through.
        alpha: $\alpha$: how stiff the weights are at first; a ridge penalty in effect.

    References:
        Sussillo & Abbott (2009), doi:10.1016/j.neuron.2009.07.018; Rajan, Harvey & Tank (2016),
        doi:10.1016/j.neuron.2016.02.009; Perich et al. (2020), doi:10.1101/2020.12.18.423348.
    """

    passes: int = 10
    alpha: float = 1.0

    def __post_init__(self) -> None:
        _check.count("FORCE", "passes", self.passes)
        _check.positive("FORCE", "alpha", self.alpha)

    def fit(
        self, cell: LeakyRate, train: Scaled, validation: Scaled, *, seed: int, progress: bool
    ) -> list[dict[str, float]]:
        name = str(cell.nonlinearity)
        if cell.form is not Form.CURRENT or name not in INVERSES:
            fix = "Take form='current' with tanh, sigmoid, softplus or identity; or Descent()."
            _check.fail("FORCE", "cell", "one whose drive follows from its rate", f"{cell.form.value}, {name}", fix)
        if type(cell.wiring) is not Dense or cell.bias is None or cell.bias_in is not None:
            fix = "Take Dense wiring and bias=True alone; or Descent()."
            got = f"{type(cell.wiring).__name__}, bias={cell.bias is not None}, bias_in={cell.bias_in is not None}"
            _check.fail("FORCE", "cell", "one of free weights and one bias", got, fix)
        (back, low, high), n = INVERSES[name], train.activity.shape[2]
        w_in, w_rec, bias, leak = (part.detach().double().numpy() for part in cell.weights())
        weights = np.concatenate([w_rec, w_in, bias[:, None]], axis=1)
        inverse = np.eye(weights.shape[1]) / self.alpha
        wanted = back(np.clip(train.activity, low, high))
        order, rows = np.random.default_rng(seed), []
        for at in tqdm(range(self.passes), desc="FORCE", unit="pass", disable=not progress):
            squares = count = 0.0
            for k in order.permutation(len(wanted)):
                h = train.state[k].astype(float)
                for t in range(1, wanted.shape[1]):
                    known = np.isfinite(wanted[k, t])
                    if not known.any():
                        break
                    z = np.concatenate([_forward(name, h), train.inputs[k, t], [1.0]])
                    u = weights @ z
                    target = (wanted[k, t] - (1 - leak[:n]) * h[:n]) / leak[:n]
                    error = np.where(known, u[:n] - target, 0.0)
                    gain = inverse @ z
                    gain /= 1.0 + z @ gain
                    # Before the update: what the network would have done by itself.
                    free = _forward(name, (1 - leak[:n]) * h[:n] + leak[:n] * u[:n])
                    squares += float(np.sum((free - train.activity[k, t])[known] ** 2))
                    count += float(known.sum())
                    weights[:n] -= np.outer(error, gain)
                    inverse -= np.outer(gain, z @ inverse)
                    h = (1 - leak) * h + leak * (weights @ z)
            if not np.isfinite(weights).all():
                raise Diverged(f"FORCE: the weights are not finite after pass {at + 1}. Take a larger `alpha`.")
            rows.append({"pass": at + 1.0, "loss": squares / max(count, 1.0)})
        _write(cell, weights)
        for row in rows:
            row["validation"] = math.nan
        if len(validation.state):
            rows[-1]["validation"] = _mean_square(cell, validation)
        return rows


@dataclass(frozen=True)
class Descent(AbstractConstraint):
    r"""Gradient descent through time on the squared error of stretches that the network runs by itself.

    $$ L = \langle (r_{it} - d_{it})^2 \rangle + \lambda \langle W_{ij}^2 \rangle $$

    Each stretch starts at the recorded rates of its first bin and is not corrected after it, so that what is learned is
    what is asked for: to go on alone. Where there are validation trials, the weights that predict them best are kept.

    Args:
        steps: gradient steps.
        length: bins to a stretch; long ones learn slow dynamics and are harder to descend.
        batch: stretches to a step.
        learning_rate: of Adam.
        schedule: the learning rate over the steps, as a factor; constant where absent.
        decay: $\lambda$.
        clip: largest norm of the gradient.
        every: steps between two looks at the validation trials.

    References:
        Valente, Pillow & Ostojic (2022), NeurIPS 35.
    """

    steps: int = 1000
    length: int = 50
    batch: int = 32
    learning_rate: float = 3e-3
    schedule: AbstractSchedule | None = None
    decay: float = 0.0
    clip: float = 1.0
    every: int = 50

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("length", 2), ("batch", 1), ("every", 1)):
            _check.count("Descent", name, getattr(self, name), least=least)
        for name in ("learning_rate", "clip"):
            _check.positive("Descent", name, getattr(self, name))
        _check.not_negative("Descent", "decay", self.decay)

    def fit(
        self, cell: LeakyRate, train: Scaled, validation: Scaled, *, seed: int, progress: bool
    ) -> list[dict[str, float]]:
        optimiser = torch.optim.Adam([p for p in cell.parameters() if p.requires_grad], lr=self.learning_rate)
        schedule, draw = self.schedule or Constant(), np.random.default_rng(seed)
        stretches, rows = _stretches(train.activity, self.length), []
        best: dict[str, Tensor] = {}
        lowest, total = math.inf, 0.0
        for step in tqdm(range(self.steps), desc="descent", unit="step", disable=not progress):
            for group in optimiser.param_groups:
                group["lr"] = self.learning_rate * schedule.factor(step, self.steps)
            some = stretches[draw.integers(len(stretches), size=self.batch)]
            loss = _stretch_loss(cell, train, some, self.length)
            optimiser.zero_grad()
            (loss + self.decay * cell.wiring().square().mean()).backward()
            nn.utils.clip_grad_norm_(cell.parameters(), self.clip)
            optimiser.step()
            total += float(loss.detach())
            if (step + 1) % self.every and step + 1 < self.steps:
                continue
            n = (step % self.every) + 1
            if not math.isfinite(total):
                raise Diverged(f"Descent: the loss is {total} by step {step + 1}. Take a smaller learning rate.")
            judged = _mean_square(cell, validation) if len(validation.state) else total / n
            rows.append({"pass": step + 1.0, "loss": total / n, "validation": judged})
            total = 0.0
            if judged < lowest:
                lowest, best = judged, {name: tensor.clone() for name, tensor in cell.state_dict().items()}
        cell.load_state_dict(best)
        return rows


def _forward(name: str, h: np.ndarray) -> np.ndarray:
    if name == "tanh":
        return np.tanh(h)
    if name == "sigmoid":
        return 1.0 / (1.0 + np.exp(-h))
    return np.logaddexp(0.0, h) if name == "softplus" else h


def _write(cell: LeakyRate, weights: np.ndarray) -> None:
    wiring, bias = cell.wiring, cell.bias
    assert isinstance(wiring, Dense) and bias is not None
    new = torch.from_numpy(weights).to(cell.w_in)
    with torch.no_grad():
        wiring.weight.copy_(new[:, : cell.n_units])
        cell.w_in.copy_(new[:, cell.n_units : -1])
        bias.copy_(new[:, -1])


def _stretches(activity: np.ndarray, length: int) -> np.ndarray:
    """Return (trial, first bin) of every stretch whose first bin is known for all units and that is not empty."""
    known = np.isfinite(activity)
    begin = np.argwhere(np.all(known[:, :-1], axis=2))
    last = activity.shape[1] - np.argmax(np.any(known[:, ::-1], axis=2), axis=1)  # bins of each trial
    whole = begin[begin[:, 1] + length <= last[begin[:, 0]]]
    return whole if len(whole) else begin[begin[:, 1] == 0]


def _stretch_loss(cell: LeakyRate, given: Scaled, some: np.ndarray, length: int) -> Tensor:
    n = given.activity.shape[2]
    length = min(length, given.activity.shape[1])
    at = np.minimum(some[:, 1:] + np.arange(length), given.activity.shape[1] - 1)
    wanted, inputs = given.activity[some[:, :1], at], given.inputs[some[:, :1], at]
    start = np.zeros((len(some), cell.n_units))
    start[:, :n] = states(cell, wanted[:, 0])
    return _squared(cell, inputs[:, 1:], start, wanted[:, 1:])


def _squared(cell: LeakyRate, inputs: np.ndarray, start: np.ndarray, wanted: np.ndarray) -> Tensor:
    x, first, aim = (torch.from_numpy(part).to(cell.w_in) for part in (inputs, start, wanted))
    activity, _ = cell.rollout(x, (first,))
    known = torch.isfinite(aim)
    off = torch.where(known, activity[..., : aim.shape[2]] - torch.nan_to_num(aim), torch.zeros(()).to(aim))
    return off.square().sum() / known.sum().clamp_min(1)


@torch.no_grad()
def _mean_square(cell: LeakyRate, given: Scaled) -> float:
    """Return the mean squared error of whole trials that the network runs by itself."""
    return float(_squared(cell, given.inputs[:, 1:], given.state, given.activity[:, 1:]))
