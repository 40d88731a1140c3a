"""Lyapunov spectra in pruning: of one network, by unit, and how far two lie apart."""

from dataclasses import dataclass
from enum import Enum

import numpy as np
import torch
from jaxtyping import Float
from scipy.stats import wasserstein_distance
from torch import Tensor

from neurornn._types import generator
from neurornn.dynamics import Lyapunov, lyapunov
from neurornn.network import Network
from neurornn.pruning.linear import time_constants_of

TRANSIENT, ALIGN = 50, 50
"""Steps before a spectrum is measured: to come to the attractor, and for directions to turn."""

TRIALS = 8
"""Trials of white noise that a spectrum is averaged over: of one alone the largest exponent is known within 10/s."""


class Exponents(Enum):
    r"""Which Lyapunov exponents are meant.

    - `LEAKS`: those of the potentials as they exactly are in a spiking network, $-1/\tau_i$ whatever the weights (and
      of rate units without their synapses). They belong to units.
    - `MEASURED`: of the step along a driven trajectory by the QR method, of spiking units through their surrogate. They
      belong to directions; a unit's is their mean, weighted by how much of each direction lies along the unit.
    """

    LEAKS = "leaks"
    MEASURED = "measured"


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The exponents of a network, those that are compared and those of its units.

    Args:
        exponents: largest first, 1/ms. Shape `(exponent,)`.
        units: an exponent for each unit, 1/ms. Shape `(unit,)`.
        label: exact, or through which surrogate.
    """

    exponents: Float[np.ndarray, " exponent"]
    units: Float[np.ndarray, " unit"]
    label: str


def spectrum_of(
    network: Network, kind: Exponents, inputs: Float[Tensor, "trial time in"], *, n_exponents: int = 0
) -> Spectrum:
    """Return the exponents of a network.

    Args:
        network: what they are of.
        kind: which exponents.
        inputs: what drives it, where they are measured.
        n_exponents: how many are measured; 0 for all.
    """
    if kind is Exponents.LEAKS:
        own = -1 / time_constants_of(network)
        return Spectrum(np.sort(own)[::-1], own, "of leaks, exact")
    found = measured(network, inputs, n_exponents=n_exponents)
    return Spectrum(found.exponents, by_unit(found, network.n_units), f"measured, {found.tangent} tangent")


def measured(network: Network, inputs: Float[Tensor, "trial time in"], *, n_exponents: int = 0) -> Lyapunov:
    """Return the measured spectrum of a driven network, through the surrogate of spiking units."""
    n = min(n_exponents, len(network.cell.initial(1)) * network.n_units)
    state = torch.cat([part.double() for part in network.cell.initial(len(inputs))], dim=-1)
    return lyapunov(
        network,
        inputs,
        n_exponents=n,
        transient=TRANSIENT,
        align=ALIGN,
        start=state,
        surrogate=network.spiking,
        progress=False,
    )


def by_unit(found: Lyapunov, n_units: int) -> Float[np.ndarray, " unit"]:
    """Return an exponent for each unit: the mean over directions, weighted by how much of each lies along the unit."""
    alive = np.isfinite(found.exponents)
    shares = found.shares.reshape(-1, n_units, found.shares.shape[1]).sum(axis=0)[:, alive]
    return shares @ found.exponents[alive] / np.maximum(shares.sum(axis=1), 1e-12)


def driving(network: Network, level: float, steps: int, seed: int) -> Float[Tensor, "trial time in"]:
    """Return white noise on all inputs, strong enough to move a unit by `level` of its span: some trials of `steps`."""
    tau = float(time_constants_of(network).mean())
    size = level * (2 * tau / network.dt) ** 0.5
    shape = (TRIALS, TRANSIENT + ALIGN + steps, network.n_in)
    return size * torch.randn(shape, generator=generator(seed), dtype=torch.float64)


def spectrum_distance(one: Float[np.ndarray, " exponent"], other: Float[np.ndarray, " another"]) -> float:
    """Return how far two sorted spectra lie apart: their Wasserstein-1 distance, 1/ms.

    Exponents of minus infinity (of what only counts) are left out.

    Example:
        >>> import numpy as np
        >>> from neurornn import spectrum_distance
        >>> spectrum_distance(np.array([0.0, -1.0]), np.array([0.5, -0.5]))
        0.5
    """
    return float(wasserstein_distance(one[np.isfinite(one)], other[np.isfinite(other)]))


def neighbourhood_exponents(
    units: Float[np.ndarray, " unit"], weights: Float[np.ndarray, "unit unit"]
) -> Float[np.ndarray, "unit unit"]:
    r"""Return $l_{ij}$: the harmonic mean of $|\lambda_k|$ over the neighbours of the two units that a synapse joins.

    $$l_{ij} = 1 \Big/ \operatorname{mean}\bigl\{1/|\lambda_k| : k \in N(i) \cup N(j)\bigr\}$$

    with $N(i)$ all units that $i$ sends to or receives from. Sizes are taken because a harmonic mean of numbers of
    both signs means nothing. With $\lambda_k = -1/\tau_k$ it is one over their mean time constant.

    Args:
        units: exponents of the units, 1/ms.
        weights: rows post-synaptic.
    """
    near = (weights != 0) & ~np.eye(len(weights), dtype=bool)
    near = (near | near.T).astype(float)
    times = 1 / np.maximum(np.abs(units), 1e-6)
    total, number = near @ times, near.sum(axis=1)
    shared_number = near @ near
    shared_total = (near * times) @ near
    both = number[:, None] + number[None, :] - shared_number
    return both / np.maximum(total[:, None] + total[None, :] - shared_total, 1e-12)
