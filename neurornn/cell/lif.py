"""Leaky integrate-and-fire units, integrated exactly."""

import torch
from torch import Tensor, nn

from neurornn import _check
from neurornn._types import recorded
from neurornn.cell.constant import Values
from neurornn.cell.law import AbstractLaw
from neurornn.cell.member import member
from neurornn.cell.spiking import PICO, AbstractSpiking, Reset, synaptic_gain
from neurornn.cell.surrogate import AbstractSurrogate
from neurornn.cell.synapse import Delays, ShortTerm
from neurornn.cell.whole import AbstractIntegrateAndFire, in_kernels
from neurornn.wiring import AbstractWiring


@in_kernels
class LIF(AbstractIntegrateAndFire):
    r"""Leaky integrate-and-fire units.

    $$\tau\,\dot v = -(v - v_{rest}) + R\,(i + I), \qquad \tau_s\,\dot i = -i + \tau_s \sum_k W s\,\delta(t - t_k)$$

    with membrane potential $v$, synaptic current $i$ and injected current $I$. Over a step, with $\beta = e^{-\Delta
    t/\tau}$, $\alpha = e^{-\Delta t/\tau_s}$ and $I$ constant, this is exactly

    $$g = i_{t-1} + p,\qquad v^-_t = v_{rest} + \beta\,(v_{t-1} - v_{rest}) + R\gamma\,g + R(1-\beta)\,I,\qquad
      i_t = \alpha\,g,\qquad \gamma = \frac{\tau_s(\alpha-\beta)}{\tau_s-\tau}$$

    and without a synaptic filter (`tau_syn=None`)
    $v^-_t = v_{rest} + \beta\,(v_{t-1} + p - v_{rest}) + R(1-\beta)\,I$. Then

    $$z_t = [v^-_t > v_{th}],\qquad v_t = v^-_t - (v_{th}-v_r)\,z_t\ \text{(soft)},\qquad
      v_t = v^-_t + (v_r - v^-_t)\,z_t\ \text{(hard)}.$$

    `AbstractSpiking` says in which order all of it happens, and what the weights are in. From rest, with a constant
    current and a hard reset, the rate is $1/\bigl(t_{ref} + \tau\ln\frac{v_{rest} + RI - v_r}{v_{rest} + RI -
    v_{th}}\bigr)$.

    Without delays and short-term plasticity, and with a reset that is detached, it runs in the compiled kernels, many
    times faster than everything else. The textbook's unit is `reset="hard", refractory=2.0`.

    Args:
        n_in: number of input channels.
        n_units: number of units.
        tau: membrane time constants $\tau$, ms: one for all, one a unit, or the law they are drawn from. At least
            `dt / 2`, as the other time constants.
        tau_syn: synaptic time constants $\tau_s$, ms; a spike moves the potential at once where absent
            (`tau_syn = "none"` in a recipe).
        resistance: $R$, MOhm.
        v_rest: resting potential, mV.
        v_threshold: threshold, mV.
        v_reset: $v_r$, mV.
        refractory: absolute refractory period, ms, a multiple of `dt`.
        reset: what a spike does to the potential.
        detach_reset: whether the reset is taken as given backward: no gradient flows through $z_t$ in it.
        dt: time step, ms.
        surrogate: what stands for the derivative of a spike; `SuperSpike()` where absent.
        train: names of the constants that are trained: any of `tau`, `tau_syn`, `resistance`, `v_rest`,
            `v_threshold`, `v_reset`. What must stay positive is trained on a logarithmic scale.
        wiring: what the recurrent weights may be; `Dense` with gain 1 where absent.
        delay: of the recurrent synapses, ms, multiples of `dt`: one for all, one a pre-synaptic unit, one a synapse
            (rows post-synaptic), a law, or one for "excitatory" and "inhibitory" each (of a `Dale` wiring).
        short_term: short-term plasticity of the recurrent synapses; none where absent.
        bias: whether units have a trained current of their own, 0 pA at the start; or the law, in pA, it is drawn from.
        inject: whether inputs are currents in pA, one for all units or one a unit, with fixed weights of 1; then units
            are not connected unless a `wiring` says so.
        spike_inputs: whether inputs are spikes, so many a channel and step, that go through the synaptic filter as
            those of the units do; a weight of 1 is then the same charge for both. They take the loop, not the kernels.
        seed: of everything that is drawn.

    Shapes:
        state as `parts` names it, each `(trial, unit)`.

    Raises:
        ValueError: if a constant is not possible, or sizes differ.

    Example:
        >>> import torch
        >>> from neurornn import LIF
        >>> cell = LIF(1, 2, tau=[10.0, 20.0], reset="hard", refractory=2.0, dt=0.5, inject=True)
        >>> spikes, _ = cell.rollout(torch.full((1, 400, 1), 200.0), cell.initial(1))  # 200 pA for 200 ms
        >>> spikes.sum(1).tolist()
        [[12.0, 6.0]]

    References:
        Rotter & Diesmann (1999), doi:10.1007/s004220050570; Neftci, Mostafa & Zenke (2019),
        doi:10.1109/MSP.2019.2931595.
    """

    tau: nn.Module
    resistance: nn.Module

    @recorded
    def __init__(
        self,
        n_in: int,
        n_units: int,
        *,
        tau: Values = 20.0,
        tau_syn: Values | None = 5.0,
        resistance: Values = 100.0,
        v_rest: Values = -65.0,
        v_threshold: Values = -50.0,
        v_reset: Values = -65.0,
        refractory: float = 0.0,
        reset: Reset | str = Reset.SOFT,
        detach_reset: bool = True,
        dt: float = 1.0,
        surrogate: AbstractSurrogate | None = None,
        train: tuple[str, ...] | list[str] = (),
        wiring: AbstractWiring | None = None,
        delay: Delays = 0.0,
        short_term: ShortTerm | None = None,
        bias: bool | AbstractLaw = True,
        inject: bool = False,
        spike_inputs: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.reset = member("LIF", "reset", Reset, reset)
        if spike_inputs and (inject or tau_syn is None):
            must = "false where inputs are injected, or there is no synaptic filter"
            _check.fail("LIF", "spike_inputs", must, spike_inputs, "Give it `tau_syn`, and inputs that are weighed.")
        self.spike_inputs = spike_inputs
        self._begin(
            n_in,
            n_units,
            dt=dt,
            constants=membrane(tau, resistance, v_rest, v_threshold, v_reset),
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
        check_reset(self)

    def _passive(self) -> tuple[Tensor, Tensor]:
        return passive(self.tau(), self.resistance(), self.v_threshold() - self.v_rest())

    def _integrate(
        self, constants: dict[str, Tensor], now: dict[str, Tensor], arriving: Tensor, drive: Tensor
    ) -> Tensor:
        return leak(self.dt, constants, now, arriving, drive)

    def _distance(self, constants: dict[str, Tensor], now: dict[str, Tensor], reached: Tensor) -> tuple[Tensor, Tensor]:
        above = reached - constants["v_threshold"]
        return above, above


def membrane(
    tau: Values, resistance: Values, v_rest: Values, v_threshold: Values, v_reset: Values
) -> dict[str, tuple[str, Values]]:
    """Return the constants of a leaky membrane with a threshold, as `AbstractSpiking` takes them."""
    return {
        "tau": ("tau", tau),
        "resistance": ("positive", resistance),
        "v_rest": ("potential", v_rest),
        "v_threshold": ("potential", v_threshold),
        "v_reset": ("potential", v_reset),
    }


def passive(tau: Tensor, resistance: Tensor, span: Tensor) -> tuple[Tensor, Tensor]:
    """Return the current that holds a leaky membrane `span` mV above rest, pA, and its capacitance, pF."""
    return span / (PICO * resistance), tau / (PICO * resistance)


def leak(dt: float, constants: dict[str, Tensor], now: dict[str, Tensor], arriving: Tensor, drive: Tensor) -> Tensor:
    """Return the potential of a leaky membrane `dt` later, exactly, and bring the synaptic current there."""
    rest, tau = constants["v_rest"], constants["tau"]
    resistance = PICO * constants["resistance"]
    if "current" not in now:
        kept = torch.exp(-dt / tau)
        return rest + kept * (now["voltage"] + arriving - rest) + resistance * (1 - kept) * drive
    kept, kept_current, gain = synaptic_gain(dt, tau, constants["tau_syn"])
    current = now["current"] + arriving
    now["current"] = kept_current * current
    return rest + kept * (now["voltage"] - rest) + resistance * (gain * current + (1 - kept) * drive)


def check_reset(cell: AbstractSpiking) -> None:
    """Refuse a reset to where a unit would fire again at once."""
    gap = (cell.v_threshold() - cell.v_reset()).detach()
    if float(gap.min()) <= 0:
        at = int(gap.argmin())
        must = f"below `v_threshold` = {float(cell.v_threshold()[at]):g} mV"
        _check.fail(type(cell).__name__, "v_reset", must, float(cell.v_reset()[at]))
