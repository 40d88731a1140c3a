"""Integrate-and-fire units whose threshold rises with every spike."""

import torch
from torch import Tensor, nn

from neurornn._types import recorded
from neurornn.cell.constant import Values
from neurornn.cell.law import AbstractLaw
from neurornn.cell.lif import check_reset, leak, membrane, passive
from neurornn.cell.member import member
from neurornn.cell.spiking import Reset
from neurornn.cell.surrogate import AbstractSurrogate
from neurornn.cell.synapse import Delays, ShortTerm
from neurornn.cell.whole import AbstractIntegrateAndFire, in_kernels
from neurornn.wiring import AbstractWiring


@in_kernels
class AdaptiveLIF(AbstractIntegrateAndFire):
    r"""Leaky integrate-and-fire units with an adaptive threshold.

    The membrane of `LIF`, and a threshold that every spike raises by $\beta_a$ mV:

    $$\tau_a\,\dot\vartheta = -\vartheta + \tau_a \beta_a \sum_k \delta(t - t_k), \qquad
      z_t = [v^-_t > v_{th} + \rho\,\vartheta_{t-1}], \qquad \vartheta_t = \rho\,\vartheta_{t-1} + \beta_a z_t$$

    with $\rho = e^{-\Delta t/\tau_a}$, which is exact. Its slow threshold is the memory of networks that hold something
    for a second with membranes of 20 ms. `adaptation` in the state is $\vartheta$, mV.

    Args:
        n_in: number of input channels.
        n_units: number of units.
        tau: membrane time constants, ms.
        tau_syn: synaptic time constants, ms; a spike moves the potential at once where absent.
        tau_adapt: $\tau_a$, ms.
        jump: $\beta_a$, mV, above 0.
        resistance: membrane resistance, MOhm.
        v_rest: resting potential, mV.
        v_threshold: threshold at rest, mV.
        v_reset: what the reset aims at, mV; a soft one takes off `v_threshold - v_reset`.
        refractory: absolute refractory period, ms, a multiple of `dt`.
        reset: what a spike does to the potential.
        detach_reset: whether the reset is taken as given backward.
        dt: time step, ms.
        surrogate: what stands for the derivative of a spike; `SuperSpike()` where absent.
        train: names of the constants that are trained, as in `LIF`, and `tau_adapt`, `jump`.
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
        >>> from neurornn import AdaptiveLIF, Gamma
        >>> AdaptiveLIF(2, 8, tau_adapt=Gamma(200.0, 0.5, least=20.0)).parts
        ('voltage', 'spikes', 'current', 'adaptation')

    References:
        Bellec et al. (2018), doi:10.48550/arXiv.1803.09574; Bellec et al. (2020), doi:10.1038/s41467-020-17236-y.
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
        tau_adapt: Values = 200.0,
        jump: Values = 2.0,
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
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.reset = member("AdaptiveLIF", "reset", Reset, reset)
        own = membrane(tau, resistance, v_rest, v_threshold, v_reset)
        self._begin(
            n_in,
            n_units,
            dt=dt,
            constants={**own, "tau_adapt": ("tau", tau_adapt), "jump": ("positive", jump)},
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
        check_reset(self)

    def _passive(self) -> tuple[Tensor, Tensor]:
        return passive(self.tau(), self.resistance(), self.v_threshold() - self.v_rest())

    def _integrate(
        self, constants: dict[str, Tensor], now: dict[str, Tensor], arriving: Tensor, drive: Tensor
    ) -> Tensor:
        now["adaptation"] = torch.exp(-self.dt / constants["tau_adapt"]) * now["adaptation"]
        return leak(self.dt, constants, now, arriving, drive)

    def _distance(self, constants: dict[str, Tensor], now: dict[str, Tensor], reached: Tensor) -> tuple[Tensor, Tensor]:
        above = reached - constants["v_threshold"] - now["adaptation"]
        return above, above
