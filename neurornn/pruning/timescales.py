"""Time constants of a pruned network, chosen so that its Lyapunov spectrum is that of the network before."""

import contextlib
import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.stats import gamma

from neurornn import _check
from neurornn.pruning.spectrum import Spectrum, spectrum_distance

FIRST = 8
"""Random evaluations before the optimiser models anything."""
PENALTY = 10.0
"""What each 1/ms costs by which the largest exponent is above that of the network before, beside the distance."""


@dataclass(frozen=True, eq=False)
class Retimed:
    """The time constants found, and what they cost.

    Args:
        taus: of the kept units, ms. Shape `(unit,)`.
        before: distance of the spectra with the time constants as they were, 1/ms.
        after: with those found.
        largest: the largest exponent with those found, 1/ms.
        evaluations: how many spectra were computed.
    """

    taus: Float[np.ndarray, " unit"]
    before: float
    after: float
    largest: float
    evaluations: int


def retimed(
    taus: Float[np.ndarray, " unit"],
    spectrum: Callable[[Float[np.ndarray, " unit"]], Spectrum],
    dense: Spectrum,
    *,
    floor: float,
    evaluations: int,
    seed: int,
) -> Retimed:
    r"""Return time constants of a Gamma law whose spectrum lies nearest to that of the network before.

    Centre and coefficient of variation are found by Bayesian optimisation; each unit keeps its rank, and equal units
    stay equal, so that only their centre is looked for. A largest exponent above
    that of the network before costs most. The time constants as they were are among the candidates, so that the result
    never costs more.

    Args:
        taus: as they were, ms.
        spectrum: of the pruned network with given time constants.
        dense: of the network before.
        floor: the shortest that is possible, ms.
        evaluations: of `spectrum`, at most.
        seed: of the optimiser.

    Raises:
        ValueError: if the optimiser is not installed.
    """
    try:
        from bayes_opt import BayesianOptimization
    except ImportError as missing:
        fix = "Install it with pip install 'neurornn[prune]', or leave the step out: retime=False."
        must = "False where bayesian-optimization is not installed"
        _check.fail("LyapunovNoisePruning", "retime", must, missing.name, fix)
    rng = np.random.default_rng(seed)
    ranks = (np.lexsort((rng.random(len(taus)), taus)).argsort() + 0.5) / len(taus)
    top = float(dense.exponents[0])
    tried: list[tuple[float, float, float, np.ndarray]] = []

    def cost(candidate: np.ndarray) -> float:
        found = spectrum(candidate)
        apart = spectrum_distance(found.exponents, dense.exponents)
        largest = float(found.exponents[0])
        worth = apart + PENALTY * max(0.0, largest - top)
        tried.append((worth, apart, largest, candidate))
        return worth

    def of_law(log_centre: float, cv: float = 0.0) -> float:
        law = np.exp(log_centre) * (gamma.ppf(ranks, cv**-2, scale=cv**2) if cv else np.ones_like(ranks))
        return -cost(np.maximum(law, floor))

    cost(taus)
    middle = float(np.log(taus.mean()))
    bounds = {"log_centre": (middle - np.log(2), middle + np.log(2))}
    if not np.allclose(taus, taus[0]):
        bounds["cv"] = (0.05, 1.0)
    optimiser = BayesianOptimization(of_law, bounds, random_state=seed, verbose=0, allow_duplicate_points=True)
    rest = max(0, evaluations - 1)
    with contextlib.redirect_stdout(io.StringIO()):
        optimiser.maximize(init_points=min(FIRST, rest), n_iter=max(0, rest - FIRST))
    best = min(tried, key=lambda one: one[0])
    return Retimed(best[3], tried[0][1], best[1], best[2], len(tried))
