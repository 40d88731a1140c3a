"""Izhikevich's simple model, in physical units."""

import torch
from torch import Tensor, nn

from neurornn._types import recorded
from neurornn.cell.constant import Values
from neurornn.cell.exponential import check_peak, euler_arrival
from neurornn.cell.law import AbstractLaw
from neurornn.cell.spiking import AbstractSpiking, Reset
from neurornn.cell.surrogate import AbstractSurrogate, backward_as
from neurornn.cell.synapse import Delays, ShortTerm
from neurornn.wiring import AbstractWiring


class Izhikevich(AbstractSpiking):
    r"""Izhikevich's units: quadratic integrate-and-fire with a recovery current.

    $$C\,\dot v = k\,(v - v_{rest})(v - v_T) - u + i + I, \qquad \dot u = a\,[\,b\,(v - v_{rest}) - u\,]$$

    A spike is where $v$ passes $v_{peak}$; then $v \leftarrow v_r$ and $u \leftarrow u + d$. The scheme is forward
    Euler in every variable: with $g = i_{t-1} + p$ and $\tau_a = 1/a$,

    $$v^-_t = v_{t-1} + \tfrac{\Delta t}{C}\bigl[k\,(v_{t-1} - v_{rest})(v_{t-1} - v_T) - u_{t-1} + g + I\bigr], \qquad
      u_t = u_{t-1} + \tfrac{\Delta t}{\tau_a}\bigl[b\,(v_{t-1} - v_{rest}) - u_{t-1}\bigr] + d\,z_t$$

    and $i_t = (1 - \Delta t/\tau_s)\,g$; without a synaptic filter $v_{t-1} + p$ takes the place of $v_{t-1}$. The
    gradient of a spike is taken at the distance from $v_T$, and at most at it; backward, the parabola beyond $v_T$ is
    the straight line that touches it there.

    The defaults are the regular-spiking unit of the book. `adaptation` in the state is $u$, pA. A weight of 1 from an
    input is the rheobase with $u$ held at rest, $k\,(v_T - v_{rest})^2/4$.

    Args:
        n_in: number of input channels.
        n_units: number of units.
        capacitance: $C$, pF.
        k: $k$, nS/mV.
        tau_adapt: $1/a$, ms.
        coupling: $b$, nS.
        jump: $d$, pA.
        tau_syn: synaptic time constants, ms; a spike moves the potential at once where absent.
        v_rest: resting potential, mV.
        v_threshold: $v_T$, the instantaneous threshold, mV.
        v_peak: where a spike is told and cut, mV.
        v_reset: $v_r$ ($c$ in the book), mV.
        refractory: absolute refractory period, ms, a multiple of `dt`.
        detach_reset: whether the reset is taken as given backward.
        dt: time step, ms.
        surrogate: what stands for the derivative of a spike; `SuperSpike()` where absent.
        train: names of the constants that are trained: any of `capacitance`, `k`, `tau_adapt`, `coupling`, `jump`,
            `tau_syn`, `v_rest`, `v_threshold`, `v_peak`, `v_reset`.
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
        >>> from neurornn import Izhikevich
        >>> cell = Izhikevich(1, 1, inject=True)
        >>> spikes, _ = cell.rollout(torch.full((1, 2000, 1), 100.0), cell.initial(1))  # 100 pA for 1 s
        >>> int(spikes.sum())
        13

    References:
        Izhikevich (2003), doi:10.1109/TNN.2003.820440; Izhikevich (2007), doi:10.7551/mitpress/2526.001.0001.
    """

    capacitance: nn.Module
    k: nn.Module
    v_peak: nn.Module

    @recorded
    def __init__(
        self,
        n_in: int,
        n_units: int,
        *,
        capacitance: Values = 100.0,
        k: Values = 0.7,
        tau_adapt: Values = 100.0 / 3,
        coupling: Values = -2.0,
        jump: Values = 100.0,
        tau_syn: Values | None = 5.0,
        v_rest: Values = -60.0,
        v_threshold: Values = -40.0,
        v_peak: Values = 35.0,
        v_reset: Values = -50.0,
        refractory: float = 0.0,
        detach_reset: bool = True,
        dt: float = 0.5,
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
        self._begin(
            n_in,
            n_units,
            dt=dt,
            constants={
                "capacitance": ("positive", capacitance),
                "k": ("positive", k),
                "v_rest": ("potential", v_rest),
                "v_threshold": ("potential", v_threshold),
                "v_peak": ("potential", v_peak),
                "v_reset": ("potential", v_reset),
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
        return self.k() * (self.v_threshold() - self.v_rest()).square() / 4, self.capacitance()

    def _integrate(
        self, constants: dict[str, Tensor], now: dict[str, Tensor], arriving: Tensor, drive: Tensor
    ) -> Tensor:
        u = now["adaptation"]
        v, current = euler_arrival(self.dt, constants, now, arriving, drive)
        above = v - constants["v_rest"]
        now["adaptation"] = u + self.dt / constants["tau_adapt"] * (constants["coupling"] * above - u)
        beyond = v - constants["v_threshold"]
        parabola = constants["k"] * above * beyond
        if torch.is_grad_enabled():
            line = constants["k"] * (constants["v_threshold"] - constants["v_rest"]) * beyond
            parabola = backward_as(parabola, torch.where(beyond > 0, line, parabola))
        return v + self.dt / constants["capacitance"] * (parabola - u + current)

    def _distance(self, constants: dict[str, Tensor], now: dict[str, Tensor], reached: Tensor) -> tuple[Tensor, Tensor]:
        return reached - constants["v_peak"], reached - constants["v_threshold"]
