"""What spiking cells share: synapses, delays, thresholds, resets and refractoriness, in physical units."""

import math
from abc import abstractmethod
from collections.abc import Mapping
from enum import Enum

import torch
from torch import Tensor, nn

from neurornn import _check
from neurornn._types import State, generator
from neurornn.cell.alteration import Change
from neurornn.cell.base import AbstractCell
from neurornn.cell.constant import Fixed, Values, positives, potentials, spread_out, time_constants, whole_steps
from neurornn.cell.law import AbstractLaw
from neurornn.cell.surrogate import AbstractSurrogate, SuperSpike, spike
from neurornn.cell.synapse import Delays, ShortTerm, delay_steps
from neurornn.wiring import AbstractWiring, Dense

PICO = 1e-3
"""MOhm times pA is 1e-3 mV, and ms divided by MOhm is 1e3 pF."""


class Reset(Enum):
    r"""What a spike does to the membrane potential.

    With $\Delta = v_{th} - v_r$:

    - `HARD`: $v \leftarrow v_r$.
    - `SOFT`: $v \leftarrow v - \Delta$, so that what was above threshold is kept.
    - `NONE`: nothing.

    Backward, $z_t$ in it is taken as given (detached) or not (attached), $h$ being the surrogate derivative
    $\partial z_t/\partial v^-_t$:

    | $\partial v_t/\partial v^-_t$ | detached | attached |
    | --- | --- | --- |
    | `HARD` | $1 - z_t$ | $1 - z_t + (v_r - v^-_t)\,h$ |
    | `SOFT` | $1$ | $1 - \Delta\,h$ |
    """

    HARD = "hard"
    SOFT = "soft"
    NONE = "none"


class AbstractSpiking(AbstractCell):
    r"""A population of spiking units in ms, mV, pA and MOhm.

    **A step.** The state of time $t-1$ becomes that of $t$ in this order, for all spiking cells:

    1. *Release.* What units sent at the end of the last step, $s_{t-1}$, goes through short-term plasticity, if any.
    2. *Arrival.* $p = \sum_d W^{(d)} s_{t-1-d}$, where $W^{(d)}$ are the synapses with a delay of $d$ steps. A delay of
       0 is the least there is: the spike of one step is felt in the next.
    3. *Drive.* $I = W_{in} x_t + b$ and the current of an intervention, pA, held over the step. It is injected: it goes
       through no synapse. Where inputs are spikes (`spike_inputs`), $W_{in} x_t$ is part of the arrivals instead.
    4. *Membrane.* With a synaptic filter the arrivals raise the synaptic current, $g = i_{t-1} + p$ (pA), which decays
       with $\tau_s$ from then on; without one they move the potential itself, $v_{t-1} + p$ (mV). Then the cell's own
       equation over `dt`, then the noise of the step, mV. In a refractory step the potential stays where it is, and
       arrivals without a filter are lost.
    5. *Spike.* $z_t = 1$ where the potential is above threshold and the unit is not refractory.
    6. *Reset* of those units, and their adaptation's jump. The state holds the potential after it. The next
       `refractory / dt` steps are refractory.

    **Weights and units.** Weights are learnt as plain numbers about 1. A weight of 1 from an input is the current that
    holds a unit just at its threshold, $\Theta/R$ (so inputs are numbers about 1, too), and a recurrent weight of 1 is
    the charge that takes it from rest to threshold at once: $\Theta$ mV without a filter, a jump of $\Theta C/\tau_s$
    pA with one, $C = \tau/R$. `weights()` gives them in pA and mV. $\Theta = v_{th} - v_{rest}$ and the rest are those
    that the cell was made with, so training a constant changes no weight.

    Attributes:
        parts: names of the parts of the state, in order: `voltage` (mV), `spikes` (0 or 1), then, where there are any,
            `current` (synaptic, pA), `adaptation`, `refractory` (steps left), `utilisation` and `resources`, and
            `sent 1` ... (what was released 1 ... steps before).
        span: from rest to threshold, mV, the mean over units.
        wiring: the recurrent weights, in units of their own.
        delays: of each synapse, whole steps, rows post-synaptic; absent without delays.
        refractory_steps: length of the absolute refractory period, in steps.
        spike_inputs: whether inputs are spikes that arrive at synapses, and not currents.
    """

    parts: tuple[str, ...]
    span: float
    wiring: AbstractWiring
    w_in: Tensor
    unit_in: Tensor
    unit_rec: Tensor
    delays: Tensor | None
    refractory_steps: int
    spike_inputs: bool = False
    reset: Reset
    v_rest: nn.Module
    v_threshold: nn.Module
    v_reset: nn.Module
    tau_syn: nn.Module

    def initial(self, n_trials: int) -> State:
        like = self.unit_in
        state = {name: like.new_zeros(n_trials, self.n_units) for name in self.parts}
        state["voltage"] = self.v_rest().detach().to(like).expand(n_trials, self.n_units).clone()
        if "resources" in state:
            state["resources"] = torch.ones_like(state["resources"])
        return tuple(state.values())

    def activity(self, state: State) -> Tensor:
        return state[1]

    def weights(self) -> tuple[Tensor, ...]:
        """Return the weights in physical units, and all constants, one a unit; see `AbstractSpiking`.

        Last come, where there are any, how much of the short-term plasticity is left, and the delays.
        """
        own = [getattr(self, name)() for name in self._own]
        own += [] if self.short_term is None else [torch.ones_like(self.unit_in)]
        unit_in = self.unit_rec if self.spike_inputs else self.unit_in
        w_in = self.w_in if self.injected else self.w_in * unit_in[:, None]
        bias = self.bias * self.unit_in if self.bias is not None else torch.zeros_like(self.unit_in)
        delays = () if self.delays is None else (self.delays,)
        return (w_in, self.wiring() * self.unit_rec[:, None], bias, *own, *delays)

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
        w_in, w_rec, bias, *rest = weights if weights is not None else self.weights()
        constants = dict(zip(self._own, rest, strict=False))
        now = dict(zip(self.parts, state, strict=True))
        arriving = self._arriving(now, w_rec, rest, sent if sent is not None else now["spikes"])
        if self.spike_inputs:
            arriving, drive = arriving + x @ w_in.mT, bias
        else:
            drive = x @ w_in.mT + bias
        if current is not None:
            drive = drive + current
        frozen = now["refractory"] > 0 if self.refractory_steps else None
        if frozen is not None and "current" not in now:
            arriving = arriving.masked_fill(frozen, 0.0)
        before = now["voltage"]
        reached = self._integrate(constants, now, arriving, drive)
        if noise is not None:
            reached = reached + noise
        if frozen is not None:
            reached = torch.where(frozen, before, reached)
        above, near = self._distance(constants, now, reached)
        fired = spike(above, near, self.surrogate, self.span)
        if frozen is not None:
            fired = fired.masked_fill(frozen, 0.0)
            left = (now["refractory"] - 1).clamp(min=0)
            now["refractory"] = left.masked_fill((above > 0) & ~frozen, float(self.refractory_steps))
        now["voltage"] = self._after(constants, reached, fired.detach() if self.detach_reset else fired)
        if "adaptation" in now:
            now["adaptation"] = now["adaptation"] + constants["jump"] * fired
        now["spikes"] = fired
        return fired, tuple(now[name] for name in self.parts)

    def retuned(self, weights: tuple[Tensor, ...], changes: Mapping[str, Change]) -> tuple[Tensor, ...]:
        if "delay" not in changes:
            return super().retuned(weights, changes)
        *rest, delays = super().retuned(weights, {name: pair for name, pair in changes.items() if name != "delay"})
        scale, shift = changes["delay"]
        steps = (scale * delays + shift / self.dt).round()  # of what a unit sends: by columns
        if float(steps.min()) < 0 or float(steps.max()) > self._longest:
            must = f"from 0 to the longest delay of the cell, {self._longest * self.dt:g} ms, however it is changed"
            worst = float(steps.min() if float(steps.min()) < 0 else steps.max()) * self.dt
            _check.fail(type(self).__name__, "delay", must, worst)
        return (*rest, steps)

    @abstractmethod
    def _integrate(
        self, constants: dict[str, Tensor], now: dict[str, Tensor], arriving: Tensor, drive: Tensor
    ) -> Tensor:
        """Return the potential `dt` later, before the threshold; bring current and adaptation in `now` there, too."""

    @abstractmethod
    def _distance(self, constants: dict[str, Tensor], now: dict[str, Tensor], reached: Tensor) -> tuple[Tensor, Tensor]:
        """Return how far `reached` is above what makes a spike, and above where its gradient is taken, mV."""

    @abstractmethod
    def _passive(self) -> tuple[Tensor, Tensor]:
        """Return the current that holds each unit at threshold, pA, and its capacitance, pF."""

    def _after(self, constants: dict[str, Tensor], reached: Tensor, fired: Tensor) -> Tensor:
        """Return the potential after the reset."""
        if self.reset is Reset.HARD:
            return reached + fired * (constants["v_reset"] - reached)
        if self.reset is Reset.SOFT:
            return reached - fired * (constants["v_threshold"] - constants["v_reset"])
        return reached

    def _arriving(self, now: dict[str, Tensor], w_rec: Tensor, rest: list[Tensor], sent: Tensor) -> Tensor:
        """Return what arrives at each unit now, in the unit of the weights; move short-term states and delay lines."""
        if self.short_term is not None:
            parts = now["utilisation"], now["resources"]
            fresh, plastic = self.short_term.use * sent, rest[len(self._own)]
            sent, now["utilisation"], now["resources"] = self.short_term.release(sent, *parts, self.dt)
            sent = fresh + plastic * (sent - fresh)
        if self.delays is None:
            return sent @ w_rec.mT
        line = [sent, *(now[f"sent {lag}"] for lag in range(1, self._longest + 1))]
        whole = rest[-1].round()
        arriving = torch.zeros_like(sent)
        for lag in self._lags if rest[-1] is self.delays else range(self._longest + 1):
            arriving = arriving + line[lag] @ (w_rec * (whole == lag)).mT
        for lag in range(1, self._longest + 1):
            now[f"sent {lag}"] = line[lag - 1]
        return arriving

    def _begin(
        self,
        n_in: int,
        n_units: int,
        *,
        dt: float,
        constants: dict[str, tuple[str, Values]],
        tau_syn: Values | None,
        refractory: float,
        wiring: AbstractWiring | None,
        delay: Delays,
        short_term: ShortTerm | None,
        bias: bool | AbstractLaw,
        inject: bool,
        surrogate: AbstractSurrogate | None,
        detach_reset: bool,
        train: tuple[str, ...] | list[str],
        seed: int,
        adapts: bool = False,
    ) -> None:
        """Build everything; `constants` are the cell's own, by name, each a `tau`, a `positive` or a `potential`."""
        owner = type(self).__name__
        self.n_in = _check.count(owner, "n_in", n_in)
        self.n_units = _check.count(owner, "n_units", n_units)
        self.dt = _check.positive(owner, "dt", dt)
        if tau_syn is not None:
            constants = {**constants, "tau_syn": ("tau", tau_syn)}
        self._own = tuple(constants)
        self.constants = ("bias", *self._own)
        for name in train:
            if name not in constants:
                _check.fail(owner, "train", "names of constants of the cell", name, _check.near(name, constants))
        for place, (name, (kind, given)) in enumerate(constants.items()):
            values = spread_out(owner, name, given, self.n_units, seed=seed + 10 + place)
            setattr(self, name, _constant(owner, name, kind, values, self.dt, name in train))
        self.refractory_steps = whole_steps(owner, "refractory", refractory, self.dt)
        self.surrogate = surrogate if surrogate is not None else SuperSpike()
        self.detach_reset = detach_reset
        self._potentials(owner)
        self._wired(owner, wiring, delay, short_term, inject, seed)
        synaptic = {"plasticity": short_term is not None, "delay": self.delays is not None}
        self.constants += tuple(name for name, there in synaptic.items() if there)
        self._driven(owner, bias, inject, seed)
        optional = {
            "current": tau_syn is not None,
            "adaptation": adapts,
            "refractory": self.refractory_steps > 0,
            "utilisation": short_term is not None,
            "resources": short_term is not None,
        }
        line = tuple(f"sent {lag}" for lag in range(1, self._longest + 1))
        self.parts = ("voltage", "spikes", *(name for name, there in optional.items() if there), *line)

    def _potentials(self, owner: str) -> None:
        rest, threshold = self.v_rest().detach(), self.v_threshold().detach()
        if bool((threshold <= rest).any()):
            at = int((threshold - rest).argmin())
            must = f"above `v_rest` = {float(rest[at]):g} mV"
            _check.fail(owner, "v_threshold", must, float(threshold[at]))
        self.span = float((threshold - rest).mean())
        rheobase, capacitance = self._passive()
        charge = threshold - rest  # mV
        if "tau_syn" in self._own:
            charge = charge * capacitance / self.tau_syn().detach()  # pA
        self.register_buffer("unit_in", rheobase.detach().clone())
        self.register_buffer("unit_rec", charge.detach().clone())

    def _wired(
        self,
        owner: str,
        wiring: AbstractWiring | None,
        delay: Delays,
        short_term: ShortTerm | None,
        inject: bool,
        seed: int,
    ) -> None:
        gain = 0.0 if inject else 1.0  # units under a current clamp are not connected unless somebody says so
        self.wiring = wiring if wiring is not None else Dense(self.n_units, gain=gain, seed=seed + 1)
        if self.wiring.n_units != self.n_units:
            _check.fail(owner, "wiring", f"for {self.n_units} units", f"one for {self.wiring.n_units}")
        delays = delay_steps(owner, delay, self.wiring, self.dt, seed=seed + 2)
        self.register_buffer("delays", delays)
        self._lags = () if delays is None else tuple(int(one) for one in torch.unique(delays))
        self._longest = max(self._lags, default=0)
        self.short_term = short_term

    def _driven(self, owner: str, bias: bool | AbstractLaw, inject: bool, seed: int) -> None:
        self.injected = inject
        self.bias = None
        if inject:
            if self.n_in not in (1, self.n_units):
                must = f"1 or {self.n_units}, one a unit, where inputs are injected"
                _check.fail(owner, "n_in", must, self.n_in)
            into = torch.ones(self.n_units, 1) if self.n_in == 1 else torch.eye(self.n_units)
            self.register_buffer("w_in", into)
            return
        drawn = torch.randn(self.n_units, self.n_in, generator=generator(seed))
        self.w_in = nn.Parameter(drawn / math.sqrt(self.n_in))
        if isinstance(bias, AbstractLaw):
            self.bias = nn.Parameter(bias.draw((self.n_units,), generator=generator(seed + 3)) / self.unit_in)
        elif bias:
            self.bias = nn.Parameter(torch.zeros(self.n_units))


def _constant(owner: str, name: str, kind: str, values: Tensor, dt: float, trained: bool) -> nn.Module:
    if kind == "tau":
        return time_constants(owner, name, values, dt, trainable=trained)
    if kind == "positive":
        return positives(owner, name, values, trainable=trained)
    return potentials(values, trainable=trained) if trained else Fixed(values)


def synaptic_gain(dt: float, tau: Tensor, tau_syn: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    r"""Return what is left of a potential, of a synaptic current, and how far that current moves the potential.

    With $\beta = e^{-\Delta t/\tau}$ and $\alpha = e^{-\Delta t/\tau_s}$ the last is, for a unit of resistance 1,

    $$\gamma = \frac{1}{\tau}\int_0^{\Delta t} e^{-(\Delta t - s)/\tau} e^{-s/\tau_s}\,ds
             = \frac{\tau_s(\alpha - \beta)}{\tau_s - \tau}
             = \frac{\Delta t}{\tau}\,\beta\,\frac{e^\delta - 1}{\delta},\qquad
      \delta = \frac{\Delta t}{\tau} - \frac{\Delta t}{\tau_s}.$$

    The last form is stable where both time constants are alike.
    """
    kept, kept_current = torch.exp(-dt / tau), torch.exp(-dt / tau_syn)
    delta = dt / tau - dt / tau_syn
    alike = delta.abs() < 1e-4
    safe = torch.where(alike, torch.ones_like(delta), delta)
    ratio = torch.where(alike, 1 + delta / 2 + delta.square() / 6, torch.expm1(safe) / safe)
    return kept, kept_current, dt / tau * kept * ratio
