"""Leaky rate units: the discrete family of the field, its members chosen by parameters."""

import math
from collections.abc import Callable, Mapping
from enum import Enum

import torch
from torch import Tensor, nn
from torch.nn import functional

from neurornn import _check, kernel
from neurornn._types import State, generator, recorded
from neurornn.cell.alteration import Change
from neurornn.cell.base import AbstractCell, Intervention
from neurornn.cell.constant import ClampedTau, LogTau, Values, spread_out
from neurornn.cell.flat import flattened, whole
from neurornn.cell.law import Uniform
from neurornn.cell.member import member
from neurornn.cell.pieces import in_pieces
from neurornn.wiring import AbstractWiring, Dense, LowRank

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
        one_to_one: whether input channel $k$ drives unit $k$ alone, with a gain of 1 that is not trained, as a receptor
            drives its cell. Units beyond the channels have no input.
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
        tau: Values = 100.0,
        dt: float = 20.0,
        nonlinearity: str | Callable[[Tensor], Tensor] = "relu",
        form: Form | str = Form.RATE,
        noise_at: NoiseAt | str = NoiseAt.STATE,
        train_tau: bool = False,
        clamp_tau: bool = False,
        bias: bool | Uniform = True,
        bias_in: bool | Uniform = False,
        one_to_one: bool = False,
        wiring: AbstractWiring | None = None,
        uniform: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.n_in = _check.count("LeakyRate", "n_in", n_in)
        self.n_units = _check.count("LeakyRate", "n_units", n_units)
        self.dt = _check.positive("LeakyRate", "dt", dt)
        self.form = member("LeakyRate", "form", Form, form)
        self.noise_at = member("LeakyRate", "noise_at", NoiseAt, noise_at)
        self.nonlinearity = nonlinearity
        self.f = _function(nonlinearity)
        # Streams of their own: what is drawn here leaves the other weights of a seed as they are.
        taus = spread_out("LeakyRate", "tau", tau, self.n_units, seed=seed + 2)
        if bool((taus < self.dt).any()):
            must, got = f"at least `dt` = {self.dt:g} ms everywhere", f"{float(taus.min()):g} ms"
            _check.fail("LeakyRate", "tau", must, got, "Take a smaller `dt`, or longer time constants.")
        self.tau = (ClampedTau if clamp_tau else LogTau)(taus, self.dt, train_tau)
        self.wiring = wiring if wiring is not None else Dense(n_units, uniform=uniform, seed=seed + 1)
        if self.wiring.n_units != self.n_units:
            _check.fail("LeakyRate", "wiring", f"for {n_units} units", f"one for {self.wiring.n_units}")
        stream = generator(seed)
        shape = (n_units, n_in)
        if one_to_one and n_in > n_units:
            fix = "Take more units, or fewer channels."
            _check.fail("LeakyRate", "one_to_one", f"with a unit for each of {n_in} channels", f"{n_units} units", fix)
        drawn = 2 * torch.rand(shape, generator=stream) - 1 if uniform else torch.randn(shape, generator=stream)
        w_in = torch.eye(*shape) if one_to_one else drawn / math.sqrt(n_in)
        self.w_in = nn.Parameter(w_in, requires_grad=not one_to_one)
        self.bias = _bias(bias, n_units, seed + 3)
        self.bias_in = _bias(bias_in, n_units, seed + 4)

    constants = ("bias", "tau")

    def initial(self, n_trials: int) -> State:
        return (self.w_in.new_zeros(n_trials, self.n_units),)

    def retuned(self, weights: tuple[Tensor, ...], changes: Mapping[str, Change]) -> tuple[Tensor, ...]:
        w_in, w_rec, bias, leak = weights
        *_, bias, tau = super().retuned((w_in, w_rec, bias, self.dt / leak), changes)
        if float(tau.min()) < self.dt:
            fix = "Change it less, or take a smaller `dt`."
            _check.fail(
                "LeakyRate", "tau", f"at least `dt` = {self.dt:g} ms, however it is changed", float(tau.min()), fix
            )
        return w_in, w_rec, bias, self.dt / tau

    def activity(self, state: State) -> Tensor:
        return self.f(state[0]) if self.form is Form.CURRENT else state[0]

    def weights(self) -> tuple[Tensor, ...]:
        leak = self.dt / self.tau()
        own = [one for one in (self.bias, self.bias_in) if one is not None]
        bias = own[0] if len(own) == 1 else sum(own, torch.zeros_like(leak))
        return self.w_in, self.wiring(), bias, leak

    def drive(self, x: Tensor, sent: Tensor, weights: tuple[Tensor, ...] | None = None) -> Tensor:
        r"""Return what the synapses of each unit add up to, $u = W r + W_{in} x + b$, before current and noise.

        Args:
            x: input of a step. Shape `(*, in)`.
            sent: what the units sent at the end of the step before, $r$. Shape `(*, unit)`.
            weights: what `weights()` returned; computed anew where absent.
        """
        w_in, w_rec, bias, *_ = weights if weights is not None else self.weights()
        return sent @ w_rec.mT + x @ w_in.mT + bias

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
        u = self.drive(x, sent if sent is not None else self.activity(state), (w_in, w_rec, bias))
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

    def runs_whole(self) -> bool:
        gate = _GATES.get(self.f)
        engine = None if gate is None or type(self) is not LeakyRate else kernel.engine(*self.weights(), gate=gate)
        return engine is not None and engine.WHOLE

    def _sequence(
        self,
        x: Tensor,
        state: State,
        noise: Tensor | kernel.Noise | None,
        act: Intervention | None,
        read: kernel.Read | None,
        weights: tuple[Tensor, ...] | None = None,
    ) -> tuple[Tensor | None, Tensor, State]:
        act = None if act is None or act == Intervention() else act
        gate = _GATES.get(self.f)
        engine, acted, taken = None, None, None
        if gate is not None and type(self) is LeakyRate and whole(self.n_in, self.n_units, x, state, noise):
            taken = self.weights() if weights is None else weights
            tensors = [x, *state, *taken, *(one for one in (noise, *(read or ())) if isinstance(one, Tensor))]
            engine = kernel.engine(*tensors, gate=gate)
            if act is not None and engine is not None:
                if act.reweighs:
                    found = in_pieces(self, x, state, noise, act, read, weights)
                    return super()._sequence(x, state, noise, act, read, weights) if found is None else found
                acted = _as_kernel(act, self.activity(state), x, noise, engine, tensors)
        if gate is None or taken is None or engine is None or (act is not None and acted is None):
            return super()._sequence(x, state, noise, act, read, weights)
        if act is not None:
            sides, given = state[0].shape[:-1], (x, state[0].reshape(-1, self.n_units), noise)
        else:
            alone = x.ndim > 3 or state[0].ndim > 2 or not isinstance(noise, kernel.Noise)
            loud = kernel.numbers(noise, x) if alone else None
            flat = flattened(x, state, loud)
            sides, given = flat.sides, (flat.x, flat.state[0], flat.noise if alone else noise)
        w_in, w_rec, bias, leak = taken
        sent, last, outputs = kernel.leaky_sequence(
            engine,
            *given,
            w_in=w_in,
            w_rec=_factors(self.wiring, w_rec) if weights is None else w_rec,
            bias=bias,
            leak=leak,
            place=kernel.Place[self.form.name],
            gate=gate,
            noise_in_drive=self.noise_at is NoiseAt.DRIVE,
            read=read,
            act=acted,
        )
        outputs = None if outputs is None else outputs.reshape(*sides, *outputs.shape[-2:])
        sent = sent.reshape(*sides, *sent.shape[-2:]) if sent.ndim == 3 else sent
        return outputs, sent, (last.reshape(*sides, self.n_units),)


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


def _as_kernel(
    act: Intervention,
    activity: Tensor,
    x: Tensor,
    noise: Tensor | kernel.Noise | None,
    engine: kernel.Engine,
    tensors: list[Tensor],
) -> kernel.Act | None:
    """Return an intervention as the kernels know it, `None` where none does it: cuts, and runs that are trained."""
    trained = torch.is_grad_enabled() and any(one.requires_grad for one in tensors)
    if not engine.WHOLE or trained or not act.units_alone:
        return None
    first = act.sent(activity, -1)
    stacked = first.shape == activity.shape and activity.ndim <= 3 and activity.shape[-2] == len(x)
    if not stacked or x.ndim != 3 or (noise is not None and len(noise.shape) != 3):
        return None
    size = (len(activity) if activity.ndim == 3 else 1, *x.shape[:2], activity.shape[-1])
    parts = [_four(one) for one in (act.gain, act.offset, act.current)]
    given = [one for one in parts if one is not None]
    if any(n not in (1, most) for one in given for n, most in zip(one.shape, size, strict=True)):
        return None
    if any(one.dtype != x.dtype for one in given):
        return None
    return kernel.Act(*parts, first=first.reshape(-1, activity.shape[-1]))


def _four(part: Tensor | None) -> Tensor | None:
    return None if part is None else part.reshape((1,) * (4 - part.ndim) + part.shape)


def _function(nonlinearity: str | Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    if callable(nonlinearity):
        return nonlinearity
    if nonlinearity not in NONLINEARITIES:
        fix = _check.near(str(nonlinearity), NONLINEARITIES)
        _check.fail("LeakyRate", "nonlinearity", "a known name or a callable", nonlinearity, fix)
    return NONLINEARITIES[nonlinearity]
