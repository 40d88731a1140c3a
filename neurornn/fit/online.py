r"""How gradients are found: backward through time, or forward with what each synapse remembers.

The state $h_j$ of a unit follows $h_j^t = F(h_j^{t-1}, u_j^t)$ with a drive $u_j = \sum_i W_{ji}\,x_i$. Forward, every
synapse carries an eligibility vector

$$\epsilon_{ji}^t = \frac{\partial h_j^t}{\partial h_j^{t-1}}\,\epsilon_{ji}^{t-1}
  + \frac{\partial h_j^t}{\partial u_j^t}\,x_i^t,\qquad
  \Delta_{ji} = \sum_t L_j^t\,\frac{\partial r_j^t}{\partial h_j^t}\,\epsilon_{ji}^t$$

with the learning signal $L_j^t = \partial E/\partial r_j^t$, what the loss has to say of what the unit sends, through
the readout alone. What a unit owes to others that it drives is left out, so that nothing is propagated back in time;
where units drive only themselves nothing is left out, and the gradient is exact.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from neurornn import _check
from neurornn.cell import AbstractCell, AbstractSpiking, LeakyRate
from neurornn.kernel import Noise, numbers
from neurornn.network import Network, Run
from neurornn.wiring import Diagonal


class AbstractGradient(ABC):
    """A way to the gradient of a loss."""

    @abstractmethod
    def check(self, network: Network, *, needs_voltages: bool, processes: int) -> None:
        """Refuse a network, an objective or a number of processes that it cannot do, before any training."""

    @abstractmethod
    def opened(self, run: Run, network: Network) -> Run:
        """Return the run as the loss shall see it: with a graph for `backward` to go by."""

    @property
    def forward_graph(self) -> bool:
        """Whether the network is run with a graph of its own."""
        return True

    @abstractmethod
    def backward(
        self, network: Network, seen: Run, inputs: Tensor, noise: Tensor | Noise | None, scatter: Tensor | None
    ) -> None:
        """Add what is not there yet to the gradients, after the loss of `seen` has been propagated."""


@dataclass(frozen=True)
class BPTT(AbstractGradient):
    """Backpropagation through time: exact, with memory that grows with the length of trials."""

    def check(self, network: Network, *, needs_voltages: bool, processes: int) -> None:
        pass

    def opened(self, run: Run, network: Network) -> Run:
        return run

    def backward(
        self, network: Network, seen: Run, inputs: Tensor, noise: Tensor | Noise | None, scatter: Tensor | None
    ) -> None:
        pass


class _AbstractForward(AbstractGradient):
    """What both forward ways share: run without a graph, then carry eligibilities along."""

    @property
    def forward_graph(self) -> bool:
        return False

    def check(self, network: Network, *, needs_voltages: bool, processes: int) -> None:
        owner, cell = type(self).__name__, network.cell
        if network.n_start:
            fix = "Train with BPTT(), or let trials begin at rest."
            _check.fail(owner, "network", "without an encoder of the first state", f"n_start={network.n_start}", fix)
        if needs_voltages or network.reading.needs_voltages:
            _check.fail(owner, "objective", "one of what units send", "one of potentials", "Train with BPTT().")
        if processes > 1:
            _check.fail(owner, "train", "run in one process", f"{processes} processes", "Train with BPTT().")
        if isinstance(cell, AbstractSpiking) and cell.short_term is not None:
            _check.fail(owner, "network", "without short-term plasticity", cell.short_term, "Train with BPTT().")
        if isinstance(cell, AbstractSpiking) and cell.spike_inputs:
            _check.fail(owner, "network", "one whose inputs are currents", "spike_inputs=True", "Train with BPTT().")

    def opened(self, run: Run, network: Network) -> Run:
        sent = run.activity.detach().requires_grad_()
        spikes = sent if run.spikes is not None else None
        return replace(run, outputs=network.read(sent), activity=sent, spikes=spikes)


@dataclass(frozen=True)
class EProp(_AbstractForward):
    r"""E-prop: eligibility traces forward, symmetric learning signals from the readout.

    For spiking cells. A weight learns from $L_j^t$ and its own eligibility, with the surrogate for
    $\partial z/\partial v$; the gradient through spikes of other units is left out. The result is the gradient of
    backpropagation through time in which spikes are taken as given wherever they go through recurrent weights. The
    constants that the cell trains (time constants ...) learn in the same way.

    The cost is that of trials x units x (units + inputs) numbers a step, far more than backpropagation needs; but for
    what units send, the memory does not grow with time. Take small batches.

    Example:
        >>> from neurornn import AdaptiveLIF, EProp, EvidenceAccumulation, Network, train
        >>> task = EvidenceAccumulation(dt=10.0)
        >>> network = Network(AdaptiveLIF(task.n_in, 8, dt=10.0), task.n_out)
        >>> fit = train(network, task, steps=1, batch=2, gradient=EProp(), progress=False)

    References:
        Bellec et al. (2020), doi:10.1038/s41467-020-17236-y.
    """

    def check(self, network: Network, *, needs_voltages: bool, processes: int) -> None:
        if not network.spiking:
            fix = "Use RTRL() for rate units with Diagonal wiring, or BPTT()."
            _check.fail("EProp", "network", "of spiking units", type(network.cell).__name__, fix)
        super().check(network, needs_voltages=needs_voltages, processes=processes)

    def backward(
        self, network: Network, seen: Run, inputs: Tensor, noise: Tensor | Noise | None, scatter: Tensor | None
    ) -> None:
        _accumulate(network, seen, inputs, noise, scatter, own=False)


@dataclass(frozen=True)
class RTRL(_AbstractForward):
    r"""Real-time recurrent learning, exact, for units that drive only themselves (`Diagonal` wiring).

    In general it needs a sensitivity of every unit to every weight; where the recurrence is element-wise those of other
    units are 0, and it costs trials x units x inputs numbers a step. For `LeakyRate` and spiking cells. It equals
    backpropagation through time to rounding.

    References:
        Williams & Zipser (1989), doi:10.1162/neco.1989.1.2.270; Zucchet, Meier, Schug, Mujika & Sacramento (2023),
        doi:10.48550/arXiv.2305.15947.
    """

    def check(self, network: Network, *, needs_voltages: bool, processes: int) -> None:
        cell = network.cell
        if not isinstance(cell, LeakyRate | AbstractSpiking):
            _check.fail("RTRL", "network", "of LeakyRate or spiking units", type(cell).__name__, "Use BPTT().")
        if not isinstance(cell.wiring, Diagonal):
            fix = "Take wiring=Diagonal(n_units), or train with BPTT()."
            _check.fail("RTRL", "network", "one whose units drive only themselves", type(cell.wiring).__name__, fix)
        if isinstance(cell, AbstractSpiking) and cell.delays is not None:
            _check.fail("RTRL", "network", "without delays", "delayed synapses", "Use BPTT().")
        super().check(network, needs_voltages=needs_voltages, processes=processes)

    def backward(
        self, network: Network, seen: Run, inputs: Tensor, noise: Tensor | Noise | None, scatter: Tensor | None
    ) -> None:
        _accumulate(network, seen, inputs, noise, scatter, own=True)


INNER = ("voltage", "current", "adaptation")
"""The parts of a spiking unit's state that remember, and have a gradient."""


def _accumulate(
    network: Network, seen: Run, inputs: Tensor, noise: Tensor | Noise | None, scatter: Tensor | None, *, own: bool
) -> None:
    """Run the network again, carry the eligibilities along and add the gradients of all weights of the cell.

    With `own`, what a unit sends to itself is part of its recurrence; without, everything sent is taken as given.
    """
    cell, signal = network.cell, seen.activity.grad
    assert signal is not None, "the loss has been propagated to what units send"
    n_trials, noise = len(inputs), numbers(noise, inputs)
    physical = cell.weights()
    constants = [one for one in physical[3:] if one.ndim == 1]
    fixed = [one.detach() for one in physical]
    found = [torch.zeros_like(one) for one in fixed]
    places = _Places(cell, own)
    state = tuple(part.detach() for part in network.initial(n_trials, scatter=scatter))
    # One eligibility a remembering part: of inputs and bias, of recurrent synapses, of each trained constant.
    learnt = [k for k, one in enumerate(constants) if one.requires_grad]
    widths = (cell.n_in + 1, 1 if own else cell.n_units, *(1 for _ in learnt))
    traces = [[signal.new_zeros(n_trials, cell.n_units, width) for width in widths] for _ in places.inner]
    line = [torch.zeros_like(state[0])] * (1 + places.longest)
    for t in range(inputs.shape[1]):
        x, xi = inputs[:, t], None if noise is None else noise[:, t]
        sent = cell.activity(state)
        line = [sent, *line[:-1]]
        leaves, outs, after = _opened_step(cell, places, state, fixed, x, xi, sent, own=own)
        into = torch.cat([x, x.new_ones(n_trials, 1)], dim=1)[:, None, :]
        came = [into, sent[:, :, None] if own else places.arriving(line), *(into[..., -1:] for _ in learnt)]
        partials = [_partials(out, leaves) for out in outs]
        *of_parts, of_sent = [_split(one, places, state, learnt) for one in partials]
        for kind, (width, pre) in enumerate(zip(widths, came, strict=True)):
            mine = [part[kind] for part in traces]
            _add(found, kind, of_sent.toward(kind, signal[:, t], mine, pre.expand(-1, -1, width)), own, learnt)
            for part, new in zip(traces, [one.moved(kind, mine, pre) for one in of_parts], strict=True):
                part[kind] = new
        state = after
    pairs = [(one, grad) for one, grad in zip(physical, found, strict=True) if one.requires_grad]
    torch.autograd.backward([one for one, _ in pairs], [grad for _, grad in pairs])


@dataclass(frozen=True, eq=False)
class _Along:
    """How one number of each unit depends on its state before, and on what came in. Shapes `(trial, unit)`."""

    along: list[Tensor]
    into: list[Tensor]

    def moved(self, kind: int, traces: list[Tensor], pre: Tensor) -> Tensor:
        """Return the eligibility of the number, from those of the state before. Shape `(trial, unit, pre)`."""
        new = self.into[kind][..., None] * pre
        for gain, trace in zip(self.along, traces, strict=True):
            new = new + gain[..., None] * trace
        return new

    def toward(self, kind: int, signal: Tensor, traces: list[Tensor], pre: Tensor) -> Tensor:
        """Return the gradient that a signal to the number sends to each weight, over trials. Shape `(unit, pre)`."""
        every = [(self.into[kind], pre.expand(-1, signal.shape[1], -1)), *zip(self.along, traces, strict=True)]
        return torch.stack([torch.einsum("bn,bni->ni", signal * gain, one) for gain, one in every]).sum(0)


class _Places:
    """Where in a cell's state the remembering parts are, and where spikes arrive."""

    def __init__(self, cell: AbstractCell, own: bool) -> None:
        self.cell = cell
        self.spiking = isinstance(cell, AbstractSpiking)
        names = cell.parts if isinstance(cell, AbstractSpiking) else ("voltage",)
        wanted = (*INNER, "spikes") if own else INNER
        self.inner = [k for k, name in enumerate(names) if name in wanted]
        self.names = names
        self.filtered = "current" in names
        self.delays = cell.delays if isinstance(cell, AbstractSpiking) else None
        self.longest = 0 if self.delays is None else int(self.delays.max())

    @property
    def arrival(self) -> int:
        """Which of `inner` a spike that arrives adds to."""
        return self.inner.index(self.names.index("current" if self.filtered else "voltage"))

    def frozen(self, state: tuple[Tensor, ...]) -> Tensor | None:
        """Return which units are refractory and lose what arrives."""
        if self.filtered or "refractory" not in self.names:
            return None
        return state[self.names.index("refractory")] > 0

    def arriving(self, line: list[Tensor]) -> Tensor:
        """Return what reaches each synapse of what was sent. Shape `(trial, unit, unit)`, or 1 in the middle."""
        if self.delays is None:
            return line[0][:, None, :]
        lag = self.delays.long()
        return torch.stack(line)[lag, :, torch.arange(len(lag), device=lag.device)].permute(2, 0, 1)


def _opened_step(
    cell: AbstractCell,
    places: _Places,
    state: tuple[Tensor, ...],
    fixed: list[Tensor],
    x: Tensor,
    xi: Tensor | None,
    sent: Tensor,
    *,
    own: bool,
) -> tuple[list[Tensor], list[Tensor], tuple[Tensor, ...]]:
    """Take one step with a graph; return its leaves (state, drive, constants), what depends on them, and the state."""
    n_trials = len(x)
    with torch.enable_grad():
        opened = [part.detach().requires_grad_() if k in places.inner else part for k, part in enumerate(state)]
        current = torch.zeros_like(sent).requires_grad_()
        each = [
            one.expand(n_trials, -1).detach().requires_grad_() if one.ndim == 1 and k > 2 else one
            for k, one in enumerate(fixed)
        ]
        given = None if own else sent
        activity, after = cell.step(x, tuple(opened), xi, sent=given, current=current, weights=tuple(each))
        leaves = [
            *(opened[k] for k in places.inner),
            current,
            *(one for k, one in enumerate(each) if k > 2 and one.requires_grad),
        ]
    outs = [*(after[k] for k in places.inner), activity]
    return leaves, outs, tuple(part.detach() for part in after)


def _partials(out: Tensor, leaves: list[Tensor]) -> list[Tensor]:
    """Return the derivative of `out` by each leaf, which units share with nobody, so that one sweep gives all."""
    if not out.requires_grad:
        return [torch.zeros_like(out) for _ in leaves]
    got = torch.autograd.grad(out.sum(), leaves, retain_graph=True, allow_unused=True)
    return [torch.zeros_like(out) if one is None else one for one in got]


def _split(partials: list[Tensor], places: _Places, state: tuple[Tensor, ...], learnt: list[int]) -> _Along:
    along, drive, constants = (
        partials[: len(places.inner)],
        partials[len(places.inner)],
        partials[len(places.inner) + 1 :],
    )
    arrived = along[places.arrival] if places.spiking else drive
    frozen = places.frozen(state)
    if frozen is not None:
        arrived = arrived.masked_fill(frozen, 0.0)
    return _Along(along, [drive, arrived, *(constants[k] for k in learnt)])


def _add(found: list[Tensor], kind: int, got: Tensor, own: bool, learnt: list[int]) -> None:
    if kind == 0:
        found[0] += got[:, :-1]
        found[2] += got[:, -1]
    elif kind == 1:
        found[1] += torch.diag(got[:, 0]) if own else got
    else:
        found[3 + learnt[kind - 2]] += got[:, 0]
