"""The psychometric curve: bias, threshold and lapses of choices, by maximum likelihood."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import minimize
from scipy.special import ndtr

from neurornn import _check

LAPSES = 0.4
"""The largest rate of lapses on either side that is fitted."""


@dataclass(frozen=True)
class Psychometric:
    r"""A fitted curve, $P(\text{first} \mid x) = \lambda_- + (1 - \lambda_- - \lambda_+)\,\Phi\bigl((x - b)/s\bigr)$.

    Args:
        bias: $b$, the evidence at which both choices are alike but for lapses.
        spread: $s$, in the unit of the evidence; the slope at the bias is about $0.4 / s$.
        low: $\lambda_-$, choices of the first however strong the evidence for the second.
        high: $\lambda_+$, the reverse.
        log_likelihood: of the choices, nats.
    """

    bias: float
    spread: float
    low: float
    high: float
    log_likelihood: float

    def __call__(self, evidence: Float[np.ndarray, " trial"]) -> Float[np.ndarray, " trial"]:
        """Return the probability of the first choice at each evidence."""
        return self.low + (1 - self.low - self.high) * ndtr((evidence - self.bias) / self.spread)


def fit_psychometric(evidence: Float[np.ndarray, " trial"], first: Bool[np.ndarray, " _trial"]) -> Psychometric:
    """Fit the curve to single choices, from several starts.

    Args:
        evidence: signed evidence for the first choice, in any unit.
        first: whether the first was chosen.

    Raises:
        ValueError: if the evidence does not differ between trials, or trials and choices differ in number.

    References:
        F. A. Wichmann and N. J. Hill (2001), The psychometric function: I. Fitting, sampling, and goodness of fit,
        doi:10.3758/BF03194544.
    """
    x, chosen = np.asarray(evidence, dtype=float), np.asarray(first, dtype=bool)
    if len(x) != len(chosen):
        _check.fail("fit_psychometric", "first", f"given for the {len(x)} trials", f"{len(chosen)} choices")
    scale = float(x.std()) if len(x) else 0.0
    if scale == 0:
        fix = "Take trials of several strengths."
        _check.fail("fit_psychometric", "evidence", "of two values or more", f"{len(np.unique(x))} value", fix)

    def curve(theta: np.ndarray) -> Psychometric:
        low, high = LAPSES / (1 + np.exp(-theta[2:]))
        return Psychometric(theta[0] * scale, float(np.exp(theta[1])) * scale, float(low), float(high), 0.0)

    def loss(theta: np.ndarray) -> float:
        p = np.clip(curve(theta)(x), 1e-9, 1 - 1e-9)
        return -float(np.where(chosen, np.log(p), np.log1p(-p)).sum())

    starts = [np.array([bias, spread, -4.0, -4.0]) for bias in (-0.5, 0.0, 0.5) for spread in (-1.5, 0.0, 1.0)]
    limits = [(-5.0, 5.0), (-6.0, 4.0), (-9.0, 9.0), (-9.0, 9.0)]
    found = [minimize(loss, start, method="L-BFGS-B", bounds=limits) for start in starts]
    best = min(found, key=lambda one: one.fun)
    fitted = curve(best.x)
    return Psychometric(fitted.bias, fitted.spread, fitted.low, fitted.high, -float(best.fun))
