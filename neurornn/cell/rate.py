"""Leaky rate units: the discrete family of the field, its members chosen by parameters."""

import math
from collections.abc import Callable, Sequence
from enum import Enum
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from neurornn import _check, kernel
from neurornn._types import State, generator, recorded
from neurornn.cell.base import AbstractCell, Intervention
from neurornn.cell.law import Uniform
from neurornn.wiring import AbstractWiring, Dense, LowRank

E = TypeVar("E", bound=Enum)

NONLINEARITIES: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "leaky_relu": functional.leaky_relu,
    "tanh": torch.tanh,
    "softplus": functional.softplus,
    "sigmoid": torch.sigmoid,
    "identity": torch.positive,
}
"""The nonlinearities that a recipe may name. In Python, any callable will do."""


class Form(Enum):
    r"""Where the nonlinearity sits.

    With $a = \Delta t/\tau$ and drive $u = W r_{t-1} + W_{in} x_t + b$:

    - `RATE`: on the drive. $h_t = (1-a)\,h_{t-1} + a\,f(u)$, $r = h$.
    - `CURRENT`: on the state. $h_t = (1-a)\,h_{t-1} + a\,u$, $r = f(h)$.
    - `UPDATE`: around the whole update. $h_t = f((1-a)\,h_{t-1} + a\,u)$, $r = h$.
    """

    RATE = "rate"
    CURRENT = "current"
    UPDATE = "update"


class NoiseAt(Enum):
    r"""Where the noise $\xi_t$ that a step is handed enters.

    - `STATE`: after the leak, $h_t \mathrel{+}= \xi_t$ (in the form `UPDATE` inside the nonlinearity's argument).
    - `DRIVE`: into the drive, $u \mathrel{+}= \xi_t$, so that the leak filters it.
    """

    STATE = "state"
    DRIVE = "drive"


class LogTau(nn.Module):
    r"""Time constants that stay above `dt` whatever the optimiser does: $\tau = \Delta t + e^{\theta}$.

    The parameter lives on a logarithmic scale, its gradient never dies, and the leak $a = \Delta t/\tau$ stays in
    $(0, 1)$.
    """

    def __init__(self, tau: Tensor, dt: float, trainable: bool) -> None:
        super().__init__()
        self.dt = dt
        self.theta = nn.Parameter(torch.log((tau - dt).clamp(min=1e-3 * dt)), requires_grad=trainable)

    def forward(self) -> Tensor:
        """Return the time constants, ms. Shape `(unit,)`."""
        return self.dt + torch.exp(self.theta)


class ClampedTau(nn.Module):
    r"""Time constants optimised as they are and clamped at `dt`: $\tau_{eff} = \max(\tau, \Delta t)$.

    Below `dt` the gradient is exactly zero, so a time constant that gets there stays there. Some published networks
    were trained so; `LogTau` is the stable choice.
    """

    def __init__(self, tau: Tensor, dt: float, trainable: bool) -> None:
        super().__init__()
        self.dt = dt
        self.raw = nn.Parameter(tau.clone(), requires_grad=trainable)

    def forward(self) -> Tensor:
        """Return the time constants, ms. Shape `(unit,)`."""
        return self.raw.clamp(min=self.dt)


class LeakyRate(AbstractCell):
    r"""Leaky rate units.

    $$h_t = (1-a)\,h_{t-1} + a\,f(W r_{t-1} + W_{in} x_t + b) + \xi_t, \qquad r_t = h_t, \qquad a = \Delta t/\tau$$

    in the default form; `Form` lists the others and `NoiseAt` where the noise $\xi$ enters.

    Args:
        n_in: number of input channels.
        n_units: number of units.
        tau: time constants, ms: one for all, one a unit, or the law they are drawn from. At least `dt`.
        dt: time step, ms.
        nonlinearity: $f$: a name ("relu", "leaky_relu", "tanh", "softplus", "sigmoid", "identity") or any callable.
        form: where the nonlinearity sits.
        noise_at: where the noise enters.
        train_tau: whether the time constants are trained.
        clamp_tau: whether they are optimised raw and clamped at `dt` (`ClampedTau`) rather than on a logarithmic scale
            (`LogTau`).
        bias: whether units have a bias $b$, 0 at the start; or the law that it is drawn from.
        bias_in: whether the inputs bring a bias of their own, as in torch's recurrent layers, or its law. Both add up,
            so that together they learn twice as fast as one.
        wiring: what the recurrent weights may be; `Dense` with gain 1 where absent.
        uniform: whether the initial weights (without a `wiring`, the recurrent ones, too) are even between
            $\pm 1/\sqrt{\text{fan-in}}$, as torch draws them, instead of normal with that standard deviation.
        seed: of all initial weights.

    Shapes:
        state `(h,)`, each `(trial, unit)`.

    Raises:
        ValueError: if a time constant is below `dt`, or sizes differ.

    Example:
        >>> import torch
        >>> from neurornn import LeakyRate
        >>> cell = LeakyRate(2, 16, tau=50.0, dt=10.0)
        >>> activity, state = cell.rollout(torch.zeros(4, 20, 2), cell.initial(4))
        >>> activity.shape
        torch.Size([4, 20, 16])

    References:
        Song, Yang & Wang (2016), doi:10.1371/journal.pcbi.1004792.
    """

    @recorded
    def __init__(
        self,
        n_in: int,
        n_units: int,
        *,
        tau: float | Sequence[float] | Uniform = 100.0,
        dt: float = 20.0,
        nonlinearity: str | Callable[[Tensor], Tensor] = "relu",
        form: Form | str = Form.RATE,
        noise_at: NoiseAt | str = NoiseAt.STATE,
        train_tau: bool = False,
        clamp_tau: bool = False,
        bias: bool | Uniform = True,
        bias_in: bool | Uniform = False,
        wiring: AbstractWiring | None = None,
        uniform: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.n_in = _check.count("LeakyRate", "n_in", n_in)
        self.n_units = _check.count("LeakyRate", "n_units", n_units)
        self.dt = _check.positive("LeakyRate", "dt", dt)
        self.form = _member("form", Form, form)
        self.noise_at = _member("noise_at", NoiseAt, noise_at)
        self.nonlinearity = nonlinearity
        self.f = _function(nonlinearity)
        # Streams of their own: what is drawn here leaves the other weights of a seed as they are.
        if isinstance(tau, Uniform):
            tau = tau.draw((self.n_units,), generator=generator(seed + 2)).tolist()
        if not _fits(tau, self.n_units):
            _check.fail("LeakyRate", "tau", f"one number or {n_units} of them", tau)
        taus = torch.as_tensor(tau, dtype=torch.get_default_dtype()).expand(self.n_units).clone()
        if bool((taus < self.dt).any()) or not bool(torch.isfinite(taus).all()):
            must, got = f"at least `dt` = {self.dt:g} ms everywhere", f"{float(taus.min()):g} ms"
            _check.fail("LeakyRate", "tau", must, got, "Take a smaller `dt`, or longer time constants.")
        self.tau = (ClampedTau if clamp_tau else LogTau)(taus, self.dt, train_tau)
        self.wiring = wiring if wiring is not None else Dense(n_units, uniform=uniform, seed=seed + 1)
        if self.wiring.n_units != self.n_units:
            _check.fail("LeakyRate", "wiring", f"for {n_units} units", f"one for {self.wiring.n_units}")
        stream = generator(seed)
        shape = (n_units, n_in)
        drawn = 2 * torch.rand(shape, generator=stream) - 1 if uniform else torch.randn(shape, generator=stream)
        self.w_in = nn.Parameter(drawn / math.sqrt(n_in))
        self.bias = _bias(bias, n_units, seed + 3)
        self.bias_in = _bias(bias_in, n_units, seed + 4)

    def initial(self, n_trials: int) -> State:
        return (self.w_in.new_zeros(n_trials, self.n_units),)

    def activity(self, state: State) -> Tensor:
        return self.f(state[0]) if self.form is Form.CURRENT else state[0]

    def weights(self) -> tuple[Tensor, ...]:
        leak = self.dt / self.tau()
        own = [one for one in (self.bias, self.bias_in) if one is not None]
        bias = own[0] if len(own) == 1 else sum(own, torch.zeros_like(leak))
        return self.w_in, self.wiring(), bias, leak

    def step(
        self,
        x: Tensor,
        state: State,
        noise: Tensor | None = None,
        *,
        sent: Tensor | None = None,
        current: Tensor | None = None,
        weights: tuple[Tensor, ...] | None = None,
    ) -> tuple[Tensor, State]:
        w_in, w_rec, bias, leak = weights if weights is not None else self.weights()
        (h,) = state
        r = sent if sent is not None else self.activity(state)
        u = r @ w_rec.mT + x @ w_in.mT + bias
        if current is not None:
            u = u + current
        if noise is not None and self.noise_at is NoiseAt.DRIVE:
            u = u + noise
        drive = self.f(u) if self.form is Form.RATE else u
        h = (1 - leak) * h + leak * drive
        if noise is not None and self.noise_at is NoiseAt.STATE:
            h = h + noise
        if self.form is Form.UPDATE:
            h = self.f(h)
        return self.activity((h,)), (h,)

    def rollout(
        self,
        x: Tensor,
        state: State,
        noise: Tensor | None = None,
        *,
        intervention: Intervention | None = None,
    ) -> tuple[Tensor, State]:
        given = [x, *state] if noise is None else [x, *state, noise]
        gate = _GATES.get(self.f)
        acts = intervention is not None and intervention != Intervention()
        if acts or gate is None or type(self) is not LeakyRate or not _whole(self, given):
            return self.loop(x, state, noise, intervention=intervention)
        w_in, w_rec, bias, leak = self.weights()
        engine = kernel.engine(*given, w_in, w_rec, bias, leak, gate=gate)
        if engine is None:
            return self.loop(x, state, noise)
        sides = torch.broadcast_shapes(state[0].shape[:-1], *(one.shape[:-2] for one in (x, *given[2:])))
        n_trials = math.prod(sides)
        flat = [one.expand(*sides, *one.shape[-2:]).reshape(n_trials, *one.shape[-2:]) for one in (x, *given[2:])]
        sent, last = kernel.leaky_sequence(
            engine,
            flat[0],
            state[0].expand(*sides, self.n_units).reshape(n_trials, self.n_units),
            flat[1] if noise is not None else None,
            w_in=w_in,
            w_rec=_factors(self.wiring, w_rec),
            bias=bias,
            leak=leak,
            place=kernel.Place[self.form.name],
            gate=gate,
            noise_in_drive=self.noise_at is NoiseAt.DRIVE,
        )
        return sent.reshape(*sides, *sent.shape[-2:]), (last.reshape(*sides, self.n_units),)


_GATES = {
    torch.relu: kernel.Gate.RELU,
    functional.relu: kernel.Gate.RELU,
    torch.tanh: kernel.Gate.TANH,
    functional.leaky_relu: kernel.Gate.LEAKY,
}


def _factors(wiring: AbstractWiring, weights: Tensor) -> Tensor | tuple[Tensor, Tensor]:
    """Return the two factors of weights of low rank where that is less work: for large networks of small rank."""
    if type(wiring) is not LowRank or wiring.n_units < 256 or 16 * wiring.n.shape[1] > wiring.n_units:
        return weights
    return wiring.m / wiring.n_units, wiring.n


def _bias(told: bool | Uniform, n_units: int, seed: int) -> nn.Parameter | None:
    law = told if isinstance(told, Uniform) else Uniform(0.0, 0.0)
    return nn.Parameter(law.draw((n_units,), generator=generator(seed))) if told else None


def _whole(cell: LeakyRate, given: list[Tensor]) -> bool:
    """Tell whether input, state and noise have the sizes of the cell; what does not is the loop's to refuse."""
    x, h, *noise = given
    return (
        x.shape[-1] == cell.n_in
        and h.shape[-1] == cell.n_units
        and all(one.shape[-2:] == (x.shape[-2], cell.n_units) for one in noise)
    )


def _fits(tau: float | Sequence[float], n_units: int) -> bool:
    shape = torch.as_tensor(tau).shape
    return shape in (torch.Size([]), torch.Size([1]), torch.Size([n_units]))


def _function(nonlinearity: str | Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    if callable(nonlinearity):
        return nonlinearity
    if nonlinearity not in NONLINEARITIES:
        fix = _check.near(str(nonlinearity), NONLINEARITIES)
        _check.fail("LeakyRate", "nonlinearity", "a known name or a callable", nonlinearity, fix)
    return NONLINEARITIES[nonlinearity]


def _member(name: str, kind: type[E], value: "E | str") -> E:
    if isinstance(value, kind):
        return value
    if value not in {member.value for member in kind}:
        fix = _check.near(str(value), [member.value for member in kind])
        _check.fail("LeakyRate", name, f"a member of {kind.__name__}", value, fix)
    return kind(value)
