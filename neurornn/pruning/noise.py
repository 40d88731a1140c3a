"""Noise pruning: synapses are kept by how differently noise moves the two units that they join."""

from dataclasses import dataclass, field
from enum import Enum

import numpy as np
import torch

from neurornn import _check
from neurornn.cell.member import member
from neurornn.network import Network
from neurornn.pruning.base import AbstractPruning, Choice, Connected, count_of
from neurornn.pruning.covariance import AbstractCovariance, AnalyticCovariance
from neurornn.pruning.linear import is_symmetric, slope_at_rest, time_constants_of
from neurornn.pruning.rebuild import signs_of, wiring_of, without_autapses
from neurornn.pruning.rescale import Rescale, rescaling, survivors
from neurornn.pruning.sampling import (
    drawn,
    filled,
    fresh,
    matched,
    probabilities,
    resistance_scores,
    scale_of,
    shuffled,
)

DOMINATED = 0.5
"""Excitation dominates where the sum of all weights is more than this part of the sum of their sizes."""


class Score(Enum):
    r"""What the probability of a synapse is proportional to.

    - `NOISE`: $|w_{ij}|\,(C_{ii} + C_{jj} - 2\,\mathrm{sgn}(w_{ij})\,C_{ij})$.
    - `WEIGHT`: $|w_{ij}|$: the control without the covariance.
    - `UNIFORM`: nothing: the control that keeps all with one probability.
    """

    NOISE = "noise"
    WEIGHT = "weight"
    UNIFORM = "uniform"


class SelfWeights(Enum):
    """What happens to the connections of units onto themselves.

    - `ORIGINAL`: they stay.
    - `MATCHED`: they make up for what the absolute weights of their row gained or lost, so that a unit's leak still
      outweighs what it receives.
    - `AUTO`: matched where excitation dominates and the wiring has room for it (no Dale's law, autapses allowed), else
      original.
    """

    ORIGINAL = "original"
    MATCHED = "matched"
    AUTO = "auto"


@dataclass(frozen=True)
class NoisePruning(AbstractPruning):
    r"""Keep each synapse with a probability that two units' covariance under noise and its weight say.

    $$p_{ij} = \min\bigl(1, K\,|a_{ij}|\,(C_{ii} + C_{jj} - 2\,\mathrm{sgn}(w_{ij})\,C_{ij})\bigr), \qquad
      a_{ij} \leftarrow a_{ij}/p_{ij}$$

    of the linear network $\dot x = A x + \sigma\xi$. What is local to the synapse decides, and for symmetric and
    diagonally dominant $A$ slow modes survive: with $K = 8 \ln N/(\varepsilon^2\sigma^2)$ and the matched diagonal,
    $(1-\varepsilon)\,x^\top A x \le x^\top A_{sparse}\,x \le (1+\varepsilon)\,x^\top A x$ with high probability. **Of
    fewer than about a thousand units that $K$ prunes almost nothing**: ask for a density.

    As every weight keeps its expectation with `rescale="full"`, whatever the score, the score itself matters little
    there; capped it matters more.

    Args:
        covariance: where $C$ comes from: `AnalyticCovariance()` or `SimulatedCovariance()`.
        score: "noise", or its controls "weight" and "uniform".
        diagonal: "original", "matched" or "auto".
        rescale: what survivors are multiplied by: "none", "full", "capped" or "radius".
        cap: the quantile of $1/p$ at which "capped" caps.
        epsilon: $\varepsilon$, in place of a density; 0 to ask for a density.
        shuffled: whether the probabilities are handed to the connections in random order: the control that keeps their
            distribution.

    Raises:
        ValueError: if a setting is unknown, or the diagonal cannot be matched under the network's wiring.
        NotConverged: if the network is so unstable that no covariance is to be had.

    References:
        Moore & Chaudhuri (2020), Using noise to probe recurrent neural network structure and prune synapses,
        doi:10.48550/arXiv.2011.07334; Spielman & Srivastava (2011), doi:10.1137/080734029.

    Example:
        >>> from neurornn import LeakyRate, Network, NoisePruning, prune
        >>> pruned = prune(Network(LeakyRate(1, 60, nonlinearity="tanh"), 1), NoisePruning(), density=0.2, seed=1)
        >>> abs(pruned.density - 0.2) < 0.02
        True
    """

    covariance: AbstractCovariance = field(default_factory=AnalyticCovariance)
    score: Score | str = Score.NOISE
    diagonal: SelfWeights | str = SelfWeights.AUTO
    rescale: Rescale | str = Rescale.CAPPED
    cap: float = 0.5
    epsilon: float = 0.0
    shuffled: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "score", member("NoisePruning", "score", Score, self.score))
        object.__setattr__(self, "diagonal", member("NoisePruning", "diagonal", SelfWeights, self.diagonal))
        object.__setattr__(self, "rescale", rescaling("NoisePruning", self.rescale, tuple(Rescale)))
        _check.fraction("NoisePruning", "cap", self.cap)
        if not 0 <= self.epsilon < 1:
            _check.fail("NoisePruning", "epsilon", "in [0, 1)", self.epsilon, "0 asks for a density.")
        theory = isinstance(self.covariance, AnalyticCovariance) and self.score is Score.NOISE
        if self.epsilon and not theory:
            fix = "Leave it out, and ask for a density."
            must = "0 but for the analytic covariance and score='noise'"
            _check.fail("NoisePruning", "epsilon", must, self.epsilon, fix)

    def choose(self, network: Network, density: float, generator: torch.Generator) -> Choice:
        dense = Connected.of(network)
        n_kept = count_of("NoisePruning", density, len(dense.places))
        sizes = np.abs(dense.weights) * slope_at_rest(network) / time_constants_of(network)[:, None]
        steps = []
        if self.score is Score.NOISE:
            covariance, steps = self.covariance.of(network, fresh(generator))
            scores = resistance_scores(sizes, dense.weights, covariance)
        else:
            scores = np.where(dense.between, sizes if self.score is Score.WEIGHT else 1.0, 0.0)
        if self.epsilon:
            factor = scale_of(network.n_units, self.epsilon)
        else:
            factor = filled(scores[dense.between], float(n_kept))
        keep = probabilities(scores, factor)
        steps += [("probabilities", "K", factor), ("probabilities", "expected to stay", float(keep.sum()))]
        mixed = fresh(generator)
        if self.shuffled:
            keep = shuffled(keep, dense.between, mixed)
        mask = drawn(keep, generator, mirrored=is_symmetric(dense.weights, keep))
        how = {"rescale": Rescale(self.rescale), "cap": self.cap, "diagonal": SelfWeights(self.diagonal)}
        return finished(network, dense, mask, keep, steps, **how)


def finished(
    network: Network,
    dense: Connected,
    between: np.ndarray,
    keep: np.ndarray,
    steps: list[tuple[str, str, float]],
    *,
    rescale: Rescale,
    cap: float,
    diagonal: SelfWeights,
    back: np.ndarray | None = None,
) -> Choice:
    """Return the choice of the connections `between` units, rescaled, with its diagonal.

    All were drawn but those in `back`.
    """
    itself = np.eye(len(between), dtype=bool)
    mask = between | (itself & (dense.weights != 0))
    weights, factor = survivors(dense.weights, mask, keep, rescale, cap, back)
    match = matches(network, dense.weights, diagonal)
    if match:
        weights = matched(weights, dense.weights)
        mask = between | (itself & (weights != 0))
    told = [("rescale", "largest factor", factor), ("diagonal", "matched", float(match))]
    return Choice(weights, mask, keep=keep, steps=[*steps, *told])


def matches(network: Network, weights: np.ndarray, rule: SelfWeights) -> bool:
    """Return whether the diagonal is matched, or refuse to match what the wiring forbids."""
    wiring = wiring_of(network)
    free = signs_of(wiring) is None and not without_autapses(wiring)
    if rule is not SelfWeights.AUTO:
        return rule is SelfWeights.MATCHED
    off = np.where(np.eye(len(weights), dtype=bool), 0.0, weights)
    return free and bool(off.sum() > DOMINATED * np.abs(off).sum())
