"""Constants of a population, one value a unit: fixed, or trained in a form that keeps them possible."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from neurornn import _check
from neurornn._types import generator
from neurornn.cell.law import AbstractLaw

Values = float | Sequence[float] | AbstractLaw
"""One value for all units, one a unit, or the law that they are drawn from."""


class LogTau(nn.Module):
    r"""Time constants that stay above a floor whatever the optimiser does: $\tau = \tau_0 + e^{\theta}$.

    The parameter lives on a logarithmic scale and its gradient never dies. With the time step as the floor the leak
    $\Delta t/\tau$ of a rate unit stays in $(0, 1)$.

    Args:
        tau: where they start, ms. Shape `(unit,)`.
        floor: $\tau_0$, ms.
        trainable: whether they are trained.
    """

    def __init__(self, tau: Tensor, floor: float, trainable: bool) -> None:
        super().__init__()
        self.floor = floor
        self.theta = nn.Parameter(torch.log((tau - floor).clamp(min=1e-3 * floor)), requires_grad=trainable)

    def forward(self) -> Tensor:
        """Return the time constants, ms. Shape `(unit,)`."""
        return self.floor + torch.exp(self.theta)

    @torch.no_grad()
    def fill(self, tau: Tensor) -> None:
        """Set them, ms, all above the floor. Shape `(unit,)`."""
        self.theta.copy_(torch.log(tau - self.floor))


class ClampedTau(nn.Module):
    r"""Time constants optimised as they are and clamped at a floor: $\tau_{eff} = \max(\tau, \tau_0)$.

    Below the floor the gradient is exactly zero, so a time constant that gets there stays there. Some published
    networks were trained so; `LogTau` is the stable choice.

    Args:
        tau: where they start, ms. Shape `(unit,)`.
        floor: $\tau_0$, ms.
        trainable: whether they are trained.
    """

    def __init__(self, tau: Tensor, floor: float, trainable: bool) -> None:
        super().__init__()
        self.floor = floor
        self.raw = nn.Parameter(tau.clone(), requires_grad=trainable)

    def forward(self) -> Tensor:
        """Return the time constants, ms. Shape `(unit,)`."""
        return self.raw.clamp(min=self.floor)


class Fixed(nn.Module):
    """Constants that no training moves, to the last bit what they were given as."""

    value: Tensor

    def __init__(self, value: Tensor) -> None:
        super().__init__()
        self.register_buffer("value", value.clone())

    def forward(self) -> Tensor:
        """Return them. Shape `(unit,)`."""
        return self.value


class Scaled(nn.Module):
    r"""Positive constants, trained on a logarithmic scale: $c = c_0 e^\theta$ with $\theta = 0$ at the start."""

    start: Tensor

    def __init__(self, value: Tensor) -> None:
        super().__init__()
        self.register_buffer("start", value.clone())
        self.theta = nn.Parameter(torch.zeros_like(value))

    def forward(self) -> Tensor:
        """Return them. Shape `(unit,)`."""
        return self.start * torch.exp(self.theta)

    @torch.no_grad()
    def fill(self, value: Tensor) -> None:
        """Set them, all above 0. Shape `(unit,)`."""
        self.theta.copy_(torch.log(value / self.start))


class Shifted(nn.Module):
    r"""Constants of either sign, trained in steps of a natural size: $c = c_0 + s\,\theta$, at first $\theta = 0$."""

    start: Tensor

    def __init__(self, value: Tensor, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.register_buffer("start", value.clone())
        self.theta = nn.Parameter(torch.zeros_like(value))

    def forward(self) -> Tensor:
        """Return them. Shape `(unit,)`."""
        return self.start + self.scale * self.theta

    @torch.no_grad()
    def fill(self, value: Tensor) -> None:
        """Set them. Shape `(unit,)`."""
        self.theta.copy_((value - self.start) / self.scale)


def spread_out(owner: str, name: str, given: Values, n_units: int, *, seed: int) -> Tensor:
    """Return one value a unit of what was given. Shape `(unit,)`."""
    if isinstance(given, AbstractLaw):
        return given.draw((n_units,), generator=generator(seed))
    values = torch.as_tensor(given, dtype=torch.get_default_dtype())
    if values.shape not in (torch.Size([]), torch.Size([1]), torch.Size([n_units])):
        _check.fail(owner, name, f"one number or {n_units} of them", given)
    if not bool(torch.isfinite(values).all()):
        _check.fail(owner, name, "finite everywhere", given)
    return values.expand(n_units).clone()


def time_constants(owner: str, name: str, taus: Tensor, dt: float, *, trainable: bool) -> nn.Module:
    """Return time constants of units that are integrated exactly: any that are not far below the time step."""
    shortest = float(taus.min())
    if shortest < dt / 2:
        fix = "Take a smaller `dt`, or longer time constants."
        _check.fail(owner, name, f"at least half of `dt`, {dt / 2:g} ms, everywhere", f"{shortest:g} ms", fix)
    return LogTau(taus, dt / 2 * (1 - 1e-3), trainable) if trainable else Fixed(taus)


def positives(owner: str, name: str, values: Tensor, *, trainable: bool) -> nn.Module:
    """Return constants that are above zero."""
    if float(values.min()) <= 0:
        _check.fail(owner, name, "above 0 everywhere", float(values.min()))
    return Scaled(values) if trainable else Fixed(values)


def potentials(values: Tensor, *, trainable: bool, scale: float = 10.0) -> nn.Module:
    """Return potentials, mV, or other constants of either sign."""
    return Shifted(values, scale) if trainable else Fixed(values)


def whole_steps(owner: str, name: str, milliseconds: float, dt: float) -> int:
    """Return a stretch of time as a number of steps, or refuse one that is not whole."""
    steps = _check.not_negative(owner, name, milliseconds) / dt
    if abs(steps - round(steps)) > 1e-6 * max(steps, 1.0):
        near = f"{math.floor(steps) * dt:g} or {math.ceil(steps) * dt:g}"
        _check.fail(owner, name, f"a multiple of `dt` = {dt:g} ms", milliseconds, f"Take {near}, or another `dt`.")
    return round(steps)
