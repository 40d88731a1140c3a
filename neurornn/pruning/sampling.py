"""From scores of synapses to probabilities, a draw, and a diagonal that makes up for it."""

import math

import numpy as np
import torch
from jaxtyping import Bool, Float

from neurornn._types import generator as stream


def resistance_scores(
    sizes: Float[np.ndarray, "unit unit"],
    weights: Float[np.ndarray, "unit unit"],
    covariance: Float[np.ndarray, "unit unit"],
) -> Float[np.ndarray, "unit unit"]:
    r"""Return $q_{ij} = m_{ij}\,(C_{ii} + C_{jj} - 2\,\mathrm{sgn}(w_{ij})\,C_{ij})$, and 0 on the diagonal.

    Args:
        sizes: $m$, 0 or above, 1/ms.
        weights: $w$, whose signs count.
        covariance: $C$.
    """
    variance = np.diag(covariance)
    between = variance[:, None] + variance[None, :] - 2 * np.sign(weights) * covariance
    scores = sizes * np.clip(between, 0.0, None)
    np.fill_diagonal(scores, 0.0)
    return np.where(weights != 0, scores, 0.0)


def scale_of(n_units: int, epsilon: float) -> float:
    r"""Return the factor of the theory, $K = 8 \ln N/(\varepsilon^2\sigma^2)$ with $\sigma = 1$."""
    return 8 * math.log(n_units) / epsilon**2


def filled(scores: Float[np.ndarray, " connection"], expected: float) -> float:
    r"""Return the factor $K$ at which $\sum \min(1, K q)$ is what is expected; infinite for too few scores."""
    some = np.sort(scores[scores > 0])[::-1]
    if len(some) <= expected:
        return math.inf
    rest = np.cumsum(some[::-1])[::-1]  # of the scores from each place on
    factors = (expected - np.arange(len(some))) / rest
    # The first place from which on no probability is above 1.
    return float(factors[np.flatnonzero(factors * some <= 1 + 1e-12)[0]])


def probabilities(scores: Float[np.ndarray, "unit unit"], factor: float) -> Float[np.ndarray, "unit unit"]:
    """Return $p = min(1, K q)$."""
    if math.isinf(factor):
        return (scores > 0).astype(float)
    return np.minimum(1.0, factor * scores)


def shuffled(
    keep: Float[np.ndarray, "unit unit"], between: Bool[np.ndarray, "unit unit"], generator: torch.Generator
) -> Float[np.ndarray, "unit unit"]:
    """Return the same probabilities, handed to the connections in random order."""
    mixed, values = keep.copy(), keep[between]
    mixed[between] = values[torch.randperm(len(values), generator=generator).numpy()]
    return mixed


def drawn(
    keep: Float[np.ndarray, "unit unit"], generator: torch.Generator, *, mirrored: bool
) -> Bool[np.ndarray, "unit unit"]:
    """Return which are kept, each on its own; `mirrored` draws one triangle for both."""
    numbers = torch.rand(keep.shape, generator=generator, dtype=torch.float64).numpy()
    if mirrored:
        numbers = np.triu(numbers, 1) + np.triu(numbers, 1).T
    return (numbers < keep) & ~np.eye(len(keep), dtype=bool)


def matched(
    sparse: Float[np.ndarray, "unit unit"], dense: Float[np.ndarray, "unit unit"]
) -> Float[np.ndarray, "unit unit"]:
    r"""Return sparse weights whose diagonal makes up for what each row gained or lost.

    $$a_{ii} \leftarrow a_{ii} - \sum_{j \ne i} (|a^{sparse}_{ij}| - |a_{ij}|)$$
    """
    off = ~np.eye(len(dense), dtype=bool)
    gained = np.abs(np.where(off, sparse, 0.0)).sum(axis=1) - np.abs(np.where(off, dense, 0.0)).sum(axis=1)
    return sparse - np.diag(gained)


def fresh(generator: torch.Generator) -> torch.Generator:
    """Return a stream of its own, so that what is drawn from it leaves the draws after it as they are."""
    return stream(int(torch.randint(2**31, (1,), generator=generator)))
