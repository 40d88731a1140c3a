"""Integrate-and-fire units with an exponential upstroke, without and with adaptation."""

import torch
from torch import Tensor, nn

from neurornn import _check
from neurornn._types import recorded
from neurornn.cell.constant import Values
from neurornn.cell.law import AbstractLaw
from neurornn.cell.lif import membrane, passive
from neurornn.cell.spiking import PICO, AbstractSpiking, Reset
from neurornn.cell.surrogate import AbstractSurrogate, backward_as
from neurornn.cell.synapse import Delays, ShortTerm
from neurornn.wiring import AbstractWiring


class ExpIF(AbstractSpiking):
    r"""Exponential integrate-and-fire units.

    $$\tau\,\dot v = -(v - v_{rest}) + \Delta_T\,e^{(v - v_T)/\Delta_T} + R\,(i + I), \qquad
      \tau_s\,\dot i = -i + \tau_s\sum_k W s\,\delta(t-t_k)$$

    A spike is where $v$ passes $v_{peak}$; it is then set to $v_r$. The scheme is forward Euler in every variable, of
    first order in `dt`: with $g = i_{t-1} + p$,

    $$v^-_t = v_{t-1} + \tfrac{\Delta t}{\tau}\bigl[-(v_{t-1} - v_{rest}) + \Delta_T\,e^{(\min(v_{t-1}, v_{peak}) -
      v_T)/\Delta_T} + R\,(g + I)\bigr], \qquad i_t = (1 - \tfrac{\Delta t}{\tau_s})\,g$$

    and without a synaptic filter $v_{t-1} + p$ takes the place of $v_{t-1}$ and $I$ that of $g + I$. The gradient of a
    spike is taken at the distance from $v_T$, where the upstroke begins, and at most at it; backward, the upstroke
    beyond $v_T$ is the straight line $\Delta_T + v - v_T$. Take `dt` well below $\tau\Delta_T/(v_{peak} - v_T)$.

    Args:
        n_in: number of input channels.
        n_units: number of units.
        tau: membrane time constants $\tau$, ms.
        tau_syn: synaptic time constants $\tau_s$, ms; a spike moves the potential at once where absent.
        resistance: $R$, MOhm.
        sharpness: $\Delta_T$, mV.
        v_rest: resting potential, mV.
        v_threshold: $v_T$, where the upstroke begins, mV.
        v_peak: where a spike is told and cut, mV; $v_T + 5\Delta_T$ where absent.
        v_reset: $v_r$, mV.
        refractory: absolute refractory period, ms, a multiple of `dt`.
        detach_reset: whether the reset is taken as given backward.
        dt: time step, ms.
        surrogate: what stands for the derivative of a spike; `SuperSpike()` where absent.
        train: names of the constants that are trained: any of `tau`, `tau_syn`, `resistance`, `sharpness`, `v_rest`,
            `v_threshold`, `v_peak`, `v_reset`.
        wiring: what the recurrent weights may be; `Dense` with gain 1 where absent.
        delay: of the recurrent synapses, ms; as in `LIF`.
        short_term: short-term plasticity of the recurrent synapses; none where absent.
        bias: whether units have a trained current of their own, or its law, pA.
        inject: whether inputs are currents in pA, as in `LIF`.
        seed: of everything that is drawn.

    Shapes:
        state as `parts` names it, each `(trial, unit)`.

    Raises:
        ValueError: if a constant is not possible, or sizes differ.

    Example:
        >>> from neurornn import ExpIF
        >>> ExpIF(1, 4, sharpness=1.5).v_peak().tolist()
        [-42.5, -42.5, -42.5, -42.5]

    References:
        Fourcaud-Trocmé, Hansel, van Vreeswijk & Brunel (2003), doi:10.1523/JNEUROSCI.23-37-11628.2003.
    """

    tau: nn.Module
    resistance: nn.Module
    v_peak: nn.Module

    @recorded
    def __init__(
        self,
        n_in: int,
        n_units: int,
        *,
        tau: Values = 20.0,
        tau_syn: Values | None = 5.0,
        resistance: Values = 100.0,
        sharpness: Values = 2.0,
        v_rest: Values = -65.0,
        v_threshold: Values = -50.0,
        v_peak: Values | None = None,
        v_reset: Values = -65.0,
        refractory: float = 0.0,
        detach_reset: bool = True,
        dt: float = 0.1,
        surrogate: AbstractSurrogate | None = None,
        train: tuple[str, ...] | list[str] = (),
        wiring: AbstractWiring | None = None,
        delay: Delays = 0.0,
        short_term: ShortTerm | None = None,
        bias: bool | AbstractLaw = True,
        inject: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.reset = Reset.HARD
        own = membrane(tau, resistance, v_rest, v_threshold, v_reset)
        self._begin(
            n_in,
            n_units,
            dt=dt,
            constants={
                **own,
                "sharpness": ("positive", sharpness),
                "v_peak": ("potential", peak(self, v_peak, own, sharpness)),
            },
            tau_syn=tau_syn,
            refractory=refractory,
            wiring=wiring,
            delay=delay,
            short_term=short_term,
            bias=bias,
            inject=inject,
            surrogate=surrogate,
            detach_reset=detach_reset,
            train=train,
            seed=seed,
        )
        check_peak(self, self.v_peak)

    def _passive(self) -> tuple[Tensor, Tensor]:
        return passive(self.tau(), self.resistance(), self.v_threshold() - self.v_rest())

    def _integrate(
        self, constants: dict[str, Tensor], now: dict[str, Tensor], arriving: Tensor, drive: Tensor
    ) -> Tensor:
        return upstroke(self.dt, constants, now, arriving, drive)

    def _distance(self, constants: dict[str, Tensor], now: dict[str, Tensor], reached: Tensor) -> tuple[Tensor, Tensor]:
        return reached - constants["v_peak"], reached - constants["v_threshold"]


class AdEx(AbstractSpiking):
    r"""Adaptive exponential integrate-and-fire units.

    $$\tau\,\dot v = -(v - v_{rest}) + \Delta_T\,e^{(v - v_T)/\Delta_T} + R\,(i + I - w), \qquad
      \tau_w\,\dot w = a\,(v - v_{rest}) - w$$

    with the adaptation current $w$ (pA), which a spike raises by $b$. The scheme is forward Euler in every variable:
    that of `ExpIF` with $-w_{t-1}$ added to the current, and

    $$w_t = w_{t-1} + \tfrac{\Delta t}{\tau_w}\bigl[a\,(v_{t-1} - v_{rest}) - w_{t-1}\bigr] + b\,z_t.$$

    The defaults are the regular-spiking unit of the paper (281 pF, 30 nS). `adaptation` in the state is $w$, pA.

    Args:
        n_in: number of input channels.
        n_units: number of units.
        tau: membrane time constants $\tau = C/g_L$, ms.
        tau_syn: synaptic time constants, ms; a spike moves the potential at once where absent.
        tau_adapt: $\tau_w$, ms.
        coupling: $a$, nS.
        jump: $b$, pA.
        resistance: $R = 1/g_L$, MOhm.
        sharpness: $\Delta_T$, mV.
        v_rest: resting potential, mV.
        v_threshold: $v_T$, where the upstroke begins, mV.
        v_peak: where a spike is told and cut, mV; $v_T + 5\Delta_T$ where absent.
        v_reset: $v_r$, mV.
        refractory: absolute refractory period, ms, a multiple of `dt`.
        detach_reset: whether the reset is taken as given backward.
        dt: time step, ms.
        surrogate: what stands for the derivative of a spike; `SuperSpike()` where absent.
        train: names of the constants that are trained, as in `ExpIF`, and `tau_adapt`, `coupling`, `jump`.
        wiring: what the recurrent weights may be; `Dense` with gain 1 where absent.
        delay: of the recurrent synapses, ms; as in `LIF`.
        short_term: short-term plasticity of the recurrent synapses; none where absent.
        bias: whether units have a trained current of their own, or its law, pA.
        inject: whether inputs are currents in pA, as in `LIF`.
        seed: of everything that is drawn.

    Shapes:
        state as `parts` names it, each `(trial, unit)`.

    Raises:
        ValueError: if a constant is not possible, or sizes differ.

    Example:
        >>> import torch
        >>> from neurornn import AdEx
        >>> cell = AdEx(1, 1, inject=True)
        >>> spikes, _ = cell.rollout(torch.full((1, 5000, 1), 800.0), cell.initial(1))  # 800 pA for 500 ms
        >>> 5 < int(spikes.sum()) < 50
        True

    References:
        Brette & Gerstner (2005), doi:10.1152/jn.00686.2005.
    """

    tau: nn.Module
    resistance: nn.Module
    v_peak: nn.Module

    @recorded
    def __init__(
        self,
        n_in: int,
        n_units: int,
        *,
        tau: Values = 9.367,
        tau_syn: Values | None = 5.0,
        tau_adapt: Values = 144.0,
        coupling: Values = 4.0,
        jump: Values = 80.5,
        resistance: Values = 33.33,
        sharpness: Values = 2.0,
        v_rest: Values = -70.6,
        v_threshold: Values = -50.4,
        v_peak: Values | None = None,
        v_reset: Values = -70.6,
        refractory: float = 0.0,
        detach_reset: bool = True,
        dt: float = 0.1,
        surrogate: AbstractSurrogate | None = None,
        train: tuple[str, ...] | list[str] = (),
        wiring: AbstractWiring | None = None,
        delay: Delays = 0.0,
        short_term: ShortTerm | None = None,
        bias: bool | AbstractLaw = True,
        inject: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.reset = Reset.HARD
        own = membrane(tau, resistance, v_rest, v_threshold, v_reset)
        self._begin(
            n_in,
            n_units,
            dt=dt,
            constants={
                **own,
                "sharpness": ("positive", sharpness),
                "v_peak": ("potential", peak(self, v_peak, own, sharpness)),
                "tau_adapt": ("tau", tau_adapt),
                "coupling": ("potential", coupling),
                "jump": ("potential", jump),
            },
            tau_syn=tau_syn,
            refractory=refractory,
            wiring=wiring,
            delay=delay,
            short_term=short_term,
            bias=bias,
            inject=inject,
            surrogate=surrogate,
            detach_reset=detach_reset,
            train=train,
            seed=seed,
            adapts=True,
        )
        check_peak(self, self.v_peak)

    def _passive(self) -> tuple[Tensor, Tensor]:
        return passive(self.tau(), self.resistance(), self.v_threshold() - self.v_rest())

    def _integrate(
        self, constants: dict[str, Tensor], now: dict[str, Tensor], arriving: Tensor, drive: Tensor
    ) -> Tensor:
        w, v = now["adaptation"], now["voltage"]
        if "current" not in now:
            v = v + arriving
        pull = constants["coupling"] * (v - constants["v_rest"]) - w
        reached = upstroke(self.dt, constants, now, arriving, drive - w)
        now["adaptation"] = w + self.dt / constants["tau_adapt"] * pull
        return reached

    def _distance(self, constants: dict[str, Tensor], now: dict[str, Tensor], reached: Tensor) -> tuple[Tensor, Tensor]:
        return reached - constants["v_peak"], reached - constants["v_threshold"]


def upstroke(
    dt: float, constants: dict[str, Tensor], now: dict[str, Tensor], arriving: Tensor, drive: Tensor
) -> Tensor:
    """Return the potential of an exponential membrane an Euler step later, and bring the synaptic current there."""
    rest, threshold, sharpness = constants["v_rest"], constants["v_threshold"], constants["sharpness"]
    v, injected = euler_arrival(dt, constants, now, arriving, drive)
    rise = _rise((torch.minimum(v, constants["v_peak"]) - threshold) / sharpness, sharpness)
    return v + dt / constants["tau"] * (rest - v + rise + PICO * constants["resistance"] * injected)


def _rise(beyond: Tensor, sharpness: Tensor) -> Tensor:
    """Return what draws the potential up, mV, `beyond` times the sharpness above threshold."""
    exact = sharpness * torch.exp(beyond)
    if not torch.is_grad_enabled():
        return exact
    return backward_as(exact, sharpness * torch.where(beyond > 0, 1 + beyond, torch.exp(beyond.clamp(max=0))))


def euler_arrival(
    dt: float, constants: dict[str, Tensor], now: dict[str, Tensor], arriving: Tensor, drive: Tensor
) -> tuple[Tensor, Tensor]:
    """Return potential and current at the start of an Euler step, and bring the synaptic current to its end."""
    if "current" not in now:
        return now["voltage"] + arriving, drive
    current = now["current"] + arriving
    now["current"] = (1 - dt / constants["tau_syn"]) * current
    return now["voltage"], drive + current


def peak(cell: AbstractSpiking, given: Values | None, own: dict[str, tuple[str, Values]], sharpness: Values) -> Values:
    """Return where spikes are cut: as given, or five times the sharpness above threshold."""
    if given is not None:
        return given
    threshold = own["v_threshold"][1]
    if isinstance(threshold, int | float) and isinstance(sharpness, int | float):
        return threshold + 5 * sharpness
    fix = "Name it: its default is `v_threshold + 5 * sharpness`, of single numbers."
    _check.fail(type(cell).__name__, "v_peak", "given where threshold or sharpness differ between units", None, fix)


def check_peak(cell: AbstractSpiking, v_peak: nn.Module) -> None:
    """Refuse a peak below threshold, and a reset above it."""
    for name, low in (("v_threshold", cell.v_threshold()), ("v_reset", cell.v_reset())):
        gap = (v_peak() - low).detach()
        if float(gap.min()) <= 0:
            at = int(gap.argmin())
            must = f"above `{name}` = {float(low[at]):g} mV"
            _check.fail(type(cell).__name__, "v_peak", must, float(v_peak()[at]))
