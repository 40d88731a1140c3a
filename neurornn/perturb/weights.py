"""Lesions of connections: cut for a run or a part of it, without touching the network's weights."""

from dataclasses import dataclass, field

import torch

from neurornn import _check
from neurornn.cell.base import Intervention
from neurornn.network import Network
from neurornn.perturb.base import AbstractPerturbation, Units, unit_tuple, within
from neurornn.perturb.held import held
from neurornn.perturb.schedule import AbstractWhen, Always, check_when


@dataclass(frozen=True)
class Cut(AbstractPerturbation):
    r"""Cut what units receive, what they send to other units, or both.

    A unit whose incoming connections (recurrent and from the inputs) are cut keeps its bias and its noise, and so its
    tonic activity: with softplus and a bias of 0 it still drives the others with $\log 2 = 0.69$. That is not silence.
    A unit whose outgoing connections are cut is silent for the other units, whose activity is that under `Silence`, but
    the readout still sees it; silence it to take it from the readout as well.

    Args:
        units: indices; none changes nothing.
        incoming: whether what they receive is cut.
        outgoing: whether what they send to units is cut.
        when: when it holds: in the steps of a window nothing arrives. Halfway up a ramp half of each weight is left.

    Raises:
        ValueError: if neither is cut.

    Example:
        >>> import torch
        >>> from neurornn import LeakyRate, Network
        >>> from neurornn.perturb import Cut
        >>> network = Network(LeakyRate(1, 4, nonlinearity="softplus", tau=20.0), 1)
        >>> round(network(torch.ones(1, 1, 1), perturb=[Cut([0])]).activity[0, 0, 0].item(), 2)
        0.69

    References:
        Yang et al. (2019), doi:10.1038/s41593-018-0310-2.
    """

    units: Units
    incoming: bool = True
    outgoing: bool = True
    when: AbstractWhen = field(default_factory=Always)

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", unit_tuple("Cut", self.units))
        check_when("Cut", self.when)
        if not (self.incoming or self.outgoing):
            _check.fail(
                "Cut", "incoming", "True where `outgoing` is False", False, "Cut one of the two sides at least."
            )

    def intervention(self, network: Network, n_trials: int, n_steps: int) -> Intervention:
        units = list(unit_tuple("Cut", self.units))
        within("Cut", units, network.n_units)
        if not units:
            return Intervention()
        synapses = torch.ones(network.n_units, network.n_units, dtype=network.readout.dtype, device=network.device)
        afferents = torch.ones(network.n_units, network.n_in, dtype=network.readout.dtype, device=network.device)
        if self.incoming:
            synapses[units] = 0.0
            afferents[units] = 0.0
        if self.outgoing:
            synapses[:, units] = 0.0
        lost = afferents if self.incoming else None
        return held(self.when, network, n_trials, n_steps, synapses=synapses, afferents=lost)


@dataclass(frozen=True)
class CutSynapses(AbstractPerturbation):
    """Cut every connection from some units onto some units.

    The spectral radius of what is left differs; compare with controls that cut as many connections.

    Args:
        pre: indices of the units that send.
        post: indices of the units that receive. An empty side changes nothing.
        when: when it holds; halfway up a ramp half of each weight is left.

    Example:
        >>> import torch
        >>> from neurornn import LeakyRate, Network
        >>> from neurornn.perturb import CutSynapses
        >>> network = Network(LeakyRate(1, 4), 1)
        >>> run = network(torch.ones(1, 5, 1), perturb=[CutSynapses(pre=[0, 1], post=[3])])
    """

    pre: Units
    post: Units
    when: AbstractWhen = field(default_factory=Always)

    def __post_init__(self) -> None:
        check_when("CutSynapses", self.when)
        object.__setattr__(self, "pre", unit_tuple("CutSynapses", self.pre, "pre"))
        object.__setattr__(self, "post", unit_tuple("CutSynapses", self.post, "post"))

    def intervention(self, network: Network, n_trials: int, n_steps: int) -> Intervention:
        pre, post = (list(unit_tuple("CutSynapses", side)) for side in (self.pre, self.post))
        within("CutSynapses", pre, network.n_units, "pre")
        within("CutSynapses", post, network.n_units, "post")
        if not pre or not post:
            return Intervention()
        synapses = torch.ones(network.n_units, network.n_units, dtype=network.readout.dtype, device=network.device)
        synapses[torch.tensor(post)[:, None], torch.tensor(pre)[None, :]] = 0.0
        return held(self.when, network, n_trials, n_steps, synapses=synapses)
