"""What is minimised: named terms, each with its weight, whose sum is the loss."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from neurornn import _check
from neurornn.energy import drives, traffic
from neurornn.network import Network, Run
from neurornn.trials import Trials


class AbstractTerm(ABC):
    """One number that says what is wrong with a run: a sum over something, divided by how much of it there was.

    Sum and count are kept apart so that several processes, each with a part of the batch, can add both up and arrive at
    the value of the whole batch, also where their masks count unequal numbers of steps.

    Attributes:
        needs_voltages: whether it looks at membrane potentials.
    """

    needs_voltages: ClassVar[bool] = False

    @abstractmethod
    def total(self, run: Run, trials: Trials, network: Network) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """Return the sum, and what to divide it by.

        Args:
            run: what the network did.
            trials: what it should have done.
            network: the network, for terms on its weights.
        """

    def __call__(self, run: Run, trials: Trials, network: Network) -> Float[Tensor, ""]:
        """Return the value of the term: its sum divided by its count."""
        total, count = self.total(run, trials, network)
        return total / count


@dataclass(frozen=True)
class SquaredError(AbstractTerm):
    r"""The mean squared error over the steps that count.

    $$\frac{\sum_{k,t} m_{kt}\,\lVert y_{kt} - \hat y_{kt}\rVert^2}{n_{out}\sum_{k,t} m_{kt}}$$

    with the trials' mask $m$.

    Args:
        heads: readout heads whose outputs count, by name; all of them where empty.

    Example:
        >>> import torch
        >>> from neurornn import LeakyRate, Network, Trials
        >>> from neurornn.fit import SquaredError
        >>> network = Network(LeakyRate(1, 4), n_out=1)
        >>> trials = Trials(torch.zeros(2, 5, 1), torch.ones(2, 5, 1), torch.ones(2, 5), dt=20.0)
        >>> SquaredError()(network(trials.inputs), trials, network).item()
        1.0
    """

    heads: tuple[str, ...] = ()

    def total(self, run: Run, trials: Trials, network: Network) -> tuple[Tensor, Tensor]:
        if not self.heads:
            error = (run.outputs - trials.targets).square().sum(-1)
            return (trials.mask * error).sum(), trials.mask.sum() * trials.targets.shape[-1]
        parts = _columns("SquaredError", self.heads, run)
        errors = [(run.outputs[..., part] - trials.targets[..., part]).square().sum(-1) for part in parts]
        size = sum(part.stop - part.start for part in parts)
        return (trials.mask * torch.stack(errors).sum(0)).sum(), trials.mask.sum() * size


@dataclass(frozen=True)
class CrossEntropy(AbstractTerm):
    r"""The cross-entropy between target probabilities and the softmax of each readout head, over the steps that count.

    $$-\frac{\sum_{k,t} m_{kt} \sum_{i} \hat p_{kti} \log \mathrm{softmax}(y_{kt})_i}{\sum_{k,t} m_{kt}}$$

    Targets are the probabilities $\hat p$: one-hot classes, or any distribution over the columns of the head, such as a
    normalised place code. Each head has its own softmax and their entropies add up. In nats.

    Args:
        heads: readout heads that count, by name; all of them where empty.
    """

    heads: tuple[str, ...] = ()

    def total(self, run: Run, trials: Trials, network: Network) -> tuple[Tensor, Tensor]:
        heads = _columns("CrossEntropy", self.heads, run)
        sizes = {head.stop - head.start for head in heads}
        size = min(sizes)
        # All heads in one go where they are alike: on a GPU many heads are many small kernels.
        if len(sizes) == 1 and size * len(heads) == run.outputs.shape[-1]:
            evidence = run.outputs.unflatten(-1, (-1, size))
            entropy = -(trials.targets.unflatten(-1, (-1, size)) * evidence.log_softmax(-1)).sum((-2, -1))
        else:
            each = [(trials.targets[..., head], run.outputs[..., head]) for head in heads]
            entropy = -torch.stack([(told * given.log_softmax(-1)).sum(-1) for told, given in each]).sum(0)
        return (trials.mask * entropy).sum(), trials.mask.sum()


def _columns(owner: str, heads: tuple[str, ...], run: Run) -> list[slice]:
    """Return the columns of the heads that count."""
    for name in heads:
        if name not in run.heads:
            _check.fail(owner, "heads", "readout heads of the network", name, _check.near(name, run.heads))
    return [run.heads[name] for name in heads or run.heads]


@dataclass(frozen=True)
class ActivityPenalty(AbstractTerm):
    r"""The mean size of the activity over units and steps of the trials: $\langle |r|^p \rangle$.

    Args:
        power: $p$: 2 keeps rates low, 1 makes them sparse.
    """

    power: int = 2

    def __post_init__(self) -> None:
        if self.power not in (1, 2):
            _check.fail("ActivityPenalty", "power", "1 or 2", self.power)

    def total(self, run: Run, trials: Trials, network: Network) -> tuple[Tensor, Tensor]:
        return _over_units(run.activity.abs() if self.power == 1 else run.activity.square(), trials)


@dataclass(frozen=True)
class WeightPenalty(AbstractTerm):
    r"""The sum of the squared recurrent weights, $\sum_{ij} W_{ij}^2$, as the wiring makes them."""

    def total(self, run: Run, trials: Trials, network: Network) -> tuple[Tensor, Tensor]:
        recurrent = network.cell.weights()[1]
        return recurrent.square().sum(), recurrent.new_ones(())


@dataclass(frozen=True)
class DrivePenalty(AbstractTerm):
    r"""The mean size of the drive over units and steps of the trials: $\langle |W r_{t-1} + W_{in} x_t + b| \rangle$.

    What comes in costs, be it excitation or inhibition; only where the two cancel is a unit at rest. `ActivityPenalty`
    instead lets inhibition go free, and is least where everything is silenced at once.

    References:
        A. Ali, N. Ahmad, E. de Groot, M. A. J. van Gerven and T. C. Kietzmann (2022), Predictive coding is a
        consequence of energy efficiency in recurrent neural networks, doi:10.1016/j.patter.2022.100639.
    """

    def total(self, run: Run, trials: Trials, network: Network) -> tuple[Tensor, Tensor]:
        return _over_units(drives(network, run.activity, trials).abs(), trials)


@dataclass(frozen=True)
class SynapsePenalty(AbstractTerm):
    r"""What activity sends through recurrent weights, $\langle \sum_j |W_{ij}|\,|r_j| \rangle$, over units and steps.

    The cost of synaptic transmission, whatever its sign. It holds for any cell, spiking ones included.
    """

    def total(self, run: Run, trials: Trials, network: Network) -> tuple[Tensor, Tensor]:
        return _over_units(traffic(network.cell.weights()[1], run.activity), trials)


@dataclass(frozen=True)
class SmoothnessPenalty(AbstractTerm):
    r"""How fast the activity changes: $\langle ((r_t - r_{t-1})/\Delta t)^2 \rangle$, with $\Delta t$ in ms.

    The mean is over units and over pairs of successive steps of a trial.
    """

    def total(self, run: Run, trials: Trials, network: Network) -> tuple[Tensor, Tensor]:
        speed = run.activity.diff(dim=-2) / run.dt
        assert trials.valid is not None
        both = (trials.valid[:, 1:] & trials.valid[:, :-1]).to(speed.dtype)
        return (both * speed.square().sum(-1)).sum(), both.sum() * run.activity.shape[-1]


def _over_units(size: Tensor, trials: Trials) -> tuple[Tensor, Tensor]:
    """Return the sum of `size`, `(trial, time, unit)`, over the steps of the trials, and how many values it holds."""
    assert trials.valid is not None
    valid = trials.valid.to(size.dtype)
    return (valid * size.sum(-1)).sum(), valid.sum() * size.shape[-1]


def _squared_error() -> dict[str, AbstractTerm]:
    return {"error": SquaredError()}


@dataclass(frozen=True)
class Objective:
    r"""Named terms and their weights. The loss is $\sum_i w_i L_i$, and each $w_i L_i$ is logged.

    Args:
        terms: the terms by the name under which each is logged.
        weights: weights by the same names; 1 where absent.

    Raises:
        ValueError: if there is no term, or a weight belongs to none.

    Example:
        >>> from neurornn.fit import ActivityPenalty, Objective, SquaredError
        >>> Objective({"error": SquaredError(), "rates": ActivityPenalty()}, {"rates": 1e-3}).names
        ('error', 'rates')
    """

    terms: Mapping[str, AbstractTerm] = field(default_factory=_squared_error)
    weights: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.terms:
            _check.fail("Objective", "terms", "at least one term", self.terms, "Use {'error': SquaredError()}.")
        for name, term in self.terms.items():
            if not isinstance(term, AbstractTerm):
                _check.fail("Objective", f"terms[{name!r}]", "a term", term, "Use SquaredError(), CrossEntropy() ...")
            if name in ("step", "loss", "gradient", "score", "stage"):
                _check.fail("Objective", "terms", "named unlike the columns of a history", name, "Choose another name.")
        for name, weight in self.weights.items():
            if name not in self.terms:
                _check.fail("Objective", "weights", "named as the terms are", name, _check.near(name, self.terms))
            _check.not_negative("Objective", f"weights[{name!r}]", weight)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the terms, in order."""
        return tuple(self.terms)

    @property
    def needs_voltages(self) -> bool:
        """Whether a term looks at membrane potentials."""
        return any(term.needs_voltages for term in self.terms.values())

    def totals(
        self, run: Run, trials: Trials, network: Network
    ) -> tuple[Float[Tensor, " term"], Float[Tensor, " term"]]:
        """Return the weighted sum of each term and what to divide it by."""
        pairs = [
            (self.weights.get(name, 1.0) * total, count)
            for name, term in self.terms.items()
            for total, count in [term.total(run, trials, network)]
        ]
        sums, counts = zip(*pairs, strict=True)
        return torch.stack(sums), torch.stack(counts).detach()

    def __call__(self, run: Run, trials: Trials, network: Network) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """Return the loss, and the weighted value of each term."""
        sums, counts = self.totals(run, trials, network)
        parts = sums / counts
        return parts.sum(), dict(zip(self.names, parts.unbind(), strict=True))
