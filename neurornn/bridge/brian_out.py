"""Out to brian2: a network as equations, synapses and time-varying input with units, which brian2 steps as we do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from neurornn import _check
from neurornn.bridge.brian import from_brian2
from neurornn.bridge.brian_cells import SI, BrianCell, brian_cell, constants_of
from neurornn.bridge.brian_target import on_target
from neurornn.cell import AbstractCell, LeakyRate
from neurornn.network import Network
from neurornn.recording import Recording

OWNER = "to_brian2"


@dataclass(frozen=True, eq=False)
class BrianModel:
    """A network in brian2's words, ready to be built and run.

    Args:
        cell: equations, scheme, threshold and reset.
        constants: one value a unit of each constant, in the unit that `cell.constants` names. Shapes `(unit,)`.
        states: the first state of each unit, in the unit that `cell.states` names. Shapes `(unit,)`.
        weights: what each synapse adds, pA or mV (a plain number for rate units), rows post-synaptic. `(unit, unit)`.
        delays: of each synapse, ms, beyond the one step that all have; none where absent. `(unit, unit)`.
        drive: what inputs and biases add up to, pA (a plain number for rate units). Shape `(time, unit)`.
        dt: time step of the network, ms.
        refractory: how long a unit stays at its reset, ms.
    """

    cell: BrianCell
    constants: dict[str, np.ndarray]
    states: dict[str, np.ndarray]
    weights: Float[np.ndarray, "unit unit"]
    delays: Float[np.ndarray, "unit unit"] | None
    drive: Float[np.ndarray, "time unit"]
    dt: float
    refractory: float

    @property
    def n_units(self) -> int:
        """How many units there are."""
        return self.weights.shape[0]

    @property
    def duration(self) -> float:
        """How long the input lasts, ms."""
        return len(self.drive) * self.dt

    @property
    def equations(self) -> str:
        """The equations of a neuron, to read or to take into a model of your own."""
        return self.cell.equations

    def build(self, *, dt: float | None = None, record: bool | Sequence[int] = False) -> dict[str, Any]:
        """Return brian2's objects by name, on whatever target brian2 is set to: `network`, `neurons`, `monitors` ...

        The network holds them all and runs as any other: `built["network"].run(2 * brian2.second)`.

        Args:
            dt: another time step than the network's own, ms; refractoriness and delays keep their length.
            record: whether the potential (or the rate) of all units, or of these, is recorded.

        Raises:
            ValueError: if `dt` does not divide the network's own.
        """
        import brian2

        step = self._step(dt)
        tick = step * brian2.ms
        injected = brian2.TimedArray(self.drive * _unit(self._drive_unit), dt=self.dt * brian2.ms, name="injected*")
        spiking = {}
        if self.cell.threshold:
            spiking = {"threshold": self.cell.threshold, "reset": self.cell.reset or None}
            # brian2 counts the spike's own step: a refractory period of n steps freezes n - 1 after it.
            frozen = self.refractory + step if self.refractory else 0.0
            spiking["refractory"] = frozen * brian2.ms if frozen else False
        neurons = brian2.NeuronGroup(
            self.n_units,
            self.cell.equations,
            method=self.cell.method,
            dt=tick,
            name="neurons*",
            namespace={"injected": injected, "volt": brian2.volt},
            **spiking,
        )
        for values, units in ((self.constants, self.cell.constants), (self.states, self.cell.states)):
            for name, value in values.items():
                setattr(neurons, name, value * _unit(units[name]))
        built: dict[str, Any] = {"neurons": neurons, "injected": injected}
        if self.cell.before:
            neurons.run_regularly(self._before(step), dt=tick, when="before_groups", name="arrivals*")
        if self.cell.after:
            neurons.run_regularly(self.cell.after, dt=tick, when="after_groups", name="updates*")
        built["synapses"] = self._spikes(neurons, tick) if self.cell.threshold else self._sums(neurons, tick)
        built["monitors"] = self._monitors(neurons, tick, record)
        contained = [neurons, built["synapses"], *built["monitors"]]
        built["network"] = brian2.Network(*[one for one in contained if one is not None])
        return built

    def run(
        self,
        *,
        target: str = "numpy",
        dt: float | None = None,
        record: bool | Sequence[int] = True,
        duration: float | None = None,
    ) -> Recording:
        """Run it on one of brian2's targets and return what it did.

        Args:
            target: "numpy", "cython" or "cpp_standalone".
            dt: another time step than the network's own, ms.
            record: whether the potential (or the rate) of all units, or of these, is kept.
            duration: ms; as long as the input where absent.

        Returns:
            A recording. The spikes of step k lie at k dt, and sample k of the activity is the state after step k.

        Raises:
            ValueError: if there is no such target, or `dt` does not fit.
        """
        import brian2

        length = self.duration if duration is None else _check.positive(f"{OWNER}.run", "duration", duration)
        with on_target(target):
            built = self.build(dt=dt, record=record)
            built["network"].run(length * brian2.ms)
            return from_brian2(*built["monitors"], t_stop=length, source={"target": target})

    @property
    def _drive_unit(self) -> str:
        return "pA" if self.cell.threshold else ""

    def _step(self, dt: float | None) -> float:
        if dt is None:
            return self.dt
        step = _check.positive(OWNER, "dt", dt)
        parts = self.dt / step
        if round(parts) < 1 or abs(parts - round(parts)) > 1e-6:
            fix = f"Take {self.dt / max(1, round(parts)):g}."
            _check.fail(OWNER, "dt", f"the network's own, {self.dt:g} ms, or a whole part of it", dt, fix)
        return step

    def _before(self, step: float) -> str:
        """Return the statements at the start of a step, with refractoriness in steps of this length."""
        return self.cell.before.format(refractory=round(self.refractory / step), parts=round(self.dt / step))

    def _spikes(self, neurons: Any, tick: Any) -> Any:
        """Connect all weights that are not 0; a spike arrives after the resets of its step, so is felt in the next."""
        import brian2

        post, pre = np.nonzero(self.weights)
        if not len(post):
            return None
        unit = "pA" if self.cell.arrives == "current" else "mV"
        effect = f"{self.cell.arrives}_post += weight" + ("*released_pre" if "released : 1" in self.equations else "")
        synapses = brian2.Synapses(
            neurons, neurons, f"weight : {SI[unit]} (constant)", on_pre=effect, dt=tick, name="recurrent*"
        )
        synapses.connect(i=pre, j=post)
        synapses.weight = self.weights[post, pre] * _unit(unit)
        if self.delays is not None:
            synapses.delay = self.delays[post, pre] * brian2.ms
        synapses.pre.when = "after_resets"
        return synapses

    def _sums(self, neurons: Any, tick: Any) -> Any:
        """Connect rate units: each sums what the others send, before it steps."""
        import brian2

        post, pre = np.nonzero(self.weights)
        if not len(post):
            return None
        equations = "weight : 1 (constant)\nrecurrent_post = weight*r_pre : 1 (summed)"
        synapses = brian2.Synapses(neurons, neurons, equations, dt=tick, name="recurrent*")
        synapses.connect(i=pre, j=post)
        synapses.weight = self.weights[post, pre]
        return synapses

    def _monitors(self, neurons: Any, tick: Any, record: bool | Sequence[int]) -> list[Any]:
        import brian2

        monitors: list[Any] = [brian2.SpikeMonitor(neurons)] if self.cell.threshold else []
        if not isinstance(record, bool) or record:
            shown = "v" if self.cell.threshold else "r"
            # After the resets, so that sample k is the state after step k, as everywhere in this package.
            monitors.append(brian2.StateMonitor(neurons, shown, record=record, dt=tick, when="after_resets"))
        if not monitors:
            _check.fail(OWNER, "record", "true for rate units, which leave nothing else", record)
        return monitors


def to_brian2(
    network: Network | AbstractCell,
    *,
    inputs: Any,
    start: Float[Tensor, " start"] | None = None,
) -> BrianModel:
    r"""Return a network in brian2's words: the same equations, in the same order, by the same scheme.

    Run at the network's own step it fires every spike in the same step: brian2's `exact` integration is that of `LIF`
    and `AdaptiveLIF`, its `euler` that of all others, inputs are held over a step by a `TimedArray`, and a spike
    arrives after the resets of its step. In float64 (`network.double()`) potentials agree to rounding; a network in
    float32 is exported with its own weights and steps more exactly in brian2 than in torch.

    It is a function and no method of `Network`, so that networks know of no simulator and `import neurornn` loads none.

    What is not exported: noise (a run without a generator has none), and the readout, which reads what comes back:
    `network.read`. The names of the equations are those of the cell: `v` is the potential, `drive` what inputs and bias
    inject.

    Args:
        network: of `LIF`, `AdaptiveLIF`, `ExpIF`, `AdEx`, `Izhikevich` or `LeakyRate` units; or such a cell alone.
        inputs: of one trial: an array or tensor `(time, in)`; for injected currents also with a brian2 unit.
        start: what the encoder is told, where the network has one.

    Returns:
        A `BrianModel`: `run(target=...)` gives a `Recording`, `build()` brian2's own objects, `equations` the text.

    Raises:
        ValueError: if brian2 has no equations for the cell, or the inputs do not fit; the message says what to change.

    Example:
        >>> import numpy as np
        >>> import neurornn as nr
        >>> network = nr.Network(nr.LIF(1, 3, reset="hard", refractory=2.0, inject=True), n_out=1).double()
        >>> model = nr.to_brian2(network, inputs=np.full((200, 1), 300.0))  # 300 pA for 200 ms
        >>> model.run(target="numpy").frame()["n_spikes"].tolist()
        [12, 12, 12]

    References:
        Stimberg, Brette & Goodman (2019), eLife 8:e47314, doi:10.7554/eLife.47314.
    """
    cell = network.cell if isinstance(network, Network) else network
    told = brian_cell(cell)
    drive = torch.as_tensor(_inputs(cell, inputs), dtype=torch.float64)
    w_in, w_rec, bias, *_ = (one.detach().double() for one in cell.weights())
    drive = drive @ w_in.mT + (0.0 if getattr(cell, "spike_inputs", False) else bias)
    first = _first(network, start)
    constants = {name: value.numpy() for name, value in constants_of(cell, told).items()}
    _apart(constants)
    delays = getattr(cell, "delays", None)
    if delays is not None and getattr(cell, "short_term", None) is not None:
        must = "absent where synapses are delayed"
        fix = "brian2 reads what is released when a spike arrives: drop the delays, or the plasticity."
        _check.fail(OWNER, "short_term", must, cell.short_term, fix)
    return BrianModel(
        cell=told,
        constants=constants,
        states={name: first[name] for name in told.states},
        weights=w_rec.numpy(),
        delays=None if delays is None else delays.double().numpy() * cell.dt,
        drive=drive.numpy(),
        dt=cell.dt,
        refractory=getattr(cell, "refractory_steps", 0) * cell.dt,
    )


def _inputs(cell: AbstractCell, given: Any) -> np.ndarray:
    """Return the inputs of one trial as plain numbers, `(time, in)`."""
    import brian2

    if isinstance(given, brian2.Quantity) and not brian2.is_dimensionless(given):
        injected = getattr(cell, "injected", False)
        if not injected or not brian2.have_same_dimensions(given, brian2.amp):
            must = "a current, as in 200*brian2.pA" if injected else "plain numbers"
            fix = "" if injected else "Only cells made with inject=True take currents; others weigh their inputs."
            _check.fail(OWNER, "inputs", must, f"a quantity in {given.dim}", fix)
        given = np.asarray(given / brian2.pA)
    values = np.asarray(given.detach().cpu() if isinstance(given, Tensor) else given, dtype=float)
    if values.ndim == 3 and len(values) == 1:
        values = values[0]
    if values.ndim != 2 or values.shape[1] != cell.n_in or not len(values):
        fix = "brian2 runs one trial at a time: hand over inputs[0], inputs[1] ..." if values.ndim == 3 else ""
        _check.fail(OWNER, "inputs", f"of shape (time, {cell.n_in})", values, fix)
    return _check.finite(OWNER, "inputs", values)


def _first(network: Network | AbstractCell, start: Tensor | None) -> dict[str, np.ndarray]:
    """Return the first state by the names of the equations, one value a unit."""
    if isinstance(network, Network):
        cell, state = network.cell, network.initial(1, None if start is None else start[None])
    else:
        cell, state = network, network.initial(1)
    names = ("h",) if isinstance(cell, LeakyRate) else getattr(cell, "parts", ())
    found = {name: part[0].detach().double().numpy() for name, part in zip(names, state, strict=True)}
    return {"v" if name == "voltage" else name: value for name, value in found.items()}


def _apart(constants: dict[str, np.ndarray]) -> None:
    """Refuse a membrane and a synapse of one time constant, where brian2's exact solution divides 0 by 0."""
    if "tau_syn" not in constants or "tau" not in constants:
        return
    ratio = np.abs(constants["tau_syn"] / constants["tau"] - 1)
    if ratio.min() < 1e-6:
        at = int(ratio.argmin())
        fix = "brian2's exact solution divides by their difference: move one by 0.01 %."
        must = "apart from `tau` in every unit"
        _check.fail(OWNER, "tau_syn", must, f"{constants['tau_syn'][at]:g} ms in unit {at}", fix)


def _unit(name: str) -> Any:
    """Return brian2's unit of a name of ours; 1 for none."""
    import brian2

    whole: Any = 1.0
    for place, part in enumerate(name.split("/") if name else []):
        unit = getattr(brian2, part)
        whole = unit if place == 0 else whole / unit
    return whole
