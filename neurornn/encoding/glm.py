"""Generalised linear models: Poisson regression with its standard table, and the GLM of a neuron with history."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from scipy.special import gammaln
from torch import Tensor, nn

from neurornn import _check
from neurornn._types import State, recorded
from neurornn.comparison.poisson import poisson_ridge
from neurornn.encoding.base import STEEPEST, AbstractEncodingModel, Batch, History, Link, windowed

WORST_CONDITION = 1e7
"""Of standardised regressors: beyond it, coefficients are what rounding makes of them."""


@dataclass(frozen=True, eq=False)
class Regression:
    """A Poisson regression of one unit, without a penalty.

    Args:
        names: of the coefficients; the intercept comes first.
        coefficients: of regressors as they were given. Shape `(coefficient,)`.
        errors: their standard errors, from the Fisher information. Shape `(coefficient,)`.
        log_likelihood: of all bins, in nats, with the term log n!.
        deviance: in nats.
        n_bins: bins.
    """

    names: tuple[str, ...]
    coefficients: Float[np.ndarray, " coefficient"]
    errors: Float[np.ndarray, " coefficient"]
    log_likelihood: float
    deviance: float
    n_bins: int

    @property
    def aic(self) -> float:
        """Akaike's criterion, 2k - 2 log L."""
        return 2.0 * len(self.coefficients) - 2.0 * self.log_likelihood

    def frame(self) -> pd.DataFrame:
        """Return one row a coefficient: its value, standard error and z."""
        table = {"value": self.coefficients, "error": self.errors, "z": self.coefficients / self.errors}
        return pd.DataFrame(table, index=pd.Index(self.names, name="coefficient"))

    def expected(self, x: Float[np.ndarray, "bin regressor"]) -> Float[np.ndarray, " bin"]:
        """Return the expected counts for other regressors."""
        return np.exp(self.coefficients[0] + x @ self.coefficients[1:])


def poisson_glm(
    x: Float[np.ndarray, "bin regressor"], counts: Float[np.ndarray, " bin"], *, names: tuple[str, ...] = ()
) -> Regression:
    r"""Return the Poisson regression of counts on regressors with a log link and no penalty: $n \sim e^{c + x w}$.

    Regressors are standardised inside and the coefficients brought back, so that a power of a position in cm is no
    trouble. It answers as `glm(family=Poisson)` of the statistics packages does.

    Args:
        x: regressors, without a column of ones. Shape `(bin, regressor)`.
        counts: shape `(bin,)`.
        names: of the regressors.

    Returns:
        Coefficients, their standard errors, likelihood and AIC.

    Raises:
        ValueError: if regressors are constant or collinear, or there is no spike.
        NotConverged: if Newton's method stops short. (A regressor that separates spikes from silence has no finite
            coefficient: it shows in a standard error many times its value.)

    Example:
        >>> import numpy as np
        >>> from neurornn.encoding import poisson_glm
        >>> told = poisson_glm(np.array([[0.0], [0.0], [1.0], [1.0]]), np.array([1.0, 1.0, 3.0, 5.0]))
        >>> np.exp(told.coefficients).round(6)  # rate 1, and four times as much where x is 1
        array([1., 4.])

    References:
        Truccolo et al. (2005), doi:10.1152/jn.00697.2004.
    """
    owner = "poisson_glm"
    names = names if names else tuple(f"x{k}" for k in range(x.shape[1]))
    mean, spread = x.mean(axis=0), x.std(axis=0)
    if np.any(spread <= 1e-12 * np.maximum(np.abs(mean), 1e-300)):
        still = names[int(np.argmin(spread))]
        _check.fail(owner, "x", "regressors that vary", f"`{still}` constant", "Leave it out: the intercept is there.")
    standard = (x - mean) / spread
    condition = float(np.linalg.cond(standard)) if x.shape[1] else 1.0
    if condition > WORST_CONDITION:
        fix = "Leave out regressors that others add up to, or use a model with a penalty."
        _check.fail(owner, "x", f"of a condition number under {WORST_CONDITION:g}", f"{condition:.2g}: collinear", fix)
    found = poisson_ridge(standard, counts[:, None], 0.0, tolerance=1e-10)[:, 0]
    slope = found[1:] / spread
    coefficients = np.concatenate([[found[0] - mean @ slope], slope])
    eta = coefficients[0] + x @ slope
    expected = np.exp(eta)
    likelihood = float(np.sum(counts * eta - expected - gammaln(counts + 1.0)))
    spikes = counts > 0
    deviance = 2.0 * float(np.sum(counts[spikes] * (np.log(counts[spikes]) - eta[spikes])) - np.sum(counts - expected))
    design = np.concatenate([np.ones((len(x), 1)), standard], axis=1)
    covariance = np.linalg.inv(design.T @ (design * expected[:, None]))
    back = np.zeros_like(covariance)
    back[0, 0], back[0, 1:] = 1.0, -mean / spread
    back[1:, 1:] = np.diag(1.0 / spread)
    errors = np.sqrt(np.diag(back @ covariance @ back.T))
    return Regression(("intercept", *names), coefficients, errors, likelihood, deviance, len(x))


class GLM(AbstractEncodingModel):
    r"""The generalised linear model of spiking: a stimulus filter, own history, and coupling between units.

    $$ \lambda_{it} = g\Big(b_i + \sum_{l} k_{il} \cdot s_{t-d-l} + \sum_{p} h_{iip}\, n_{i,t-p}
       + \sum_{j \ne i} \sum_p h_{ijp}\, n_{j,t-p}\Big) $$

    With the link "exp" and a window of at most 2000 numbers it is solved by Newton's method (the likelihood is concave:
    one answer, no learning rate); larger windows and other links are trained by gradient. Of several `ridges`, the one
    with the greatest likelihood in the validation bins is taken.

    Args:
        n_units: units.
        shape: of one frame: `(channel,)`, or `(height, width)`.
        lags: frames in a window.
        past: bins of history; without any it is a linear-nonlinear-Poisson model.
        coupled: whether units hear each other.
        delay: 1 to exclude the current frame, 0 to include it.
        link: "exp" or "softplus".
        ridges: penalties on standardised regressors to choose from, per bin.

    References:
        Truccolo et al. (2005), doi:10.1152/jn.00697.2004; Pillow et al. (2008), doi:10.1038/nature07140.

    Example:
        >>> from neurornn import GLM
        >>> sum(p.numel() for p in GLM(2, (1,), lags=30, past=20).parameters())  # 2 x (1 + 30 + 20)
        102
    """

    @recorded
    def __init__(
        self,
        n_units: int,
        shape: tuple[int, ...],
        *,
        lags: int,
        past: int = 0,
        coupled: bool = False,
        delay: int = 1,
        link: str = "exp",
        ridges: tuple[float, ...] = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2),
    ) -> None:
        super().__init__()
        self.n_units = _check.count("GLM", "n_units", n_units)
        self.lags = _check.count("GLM", "lags", lags)
        self.past = _check.count("GLM", "past", past, least=0)
        self.delay = _check.count("GLM", "delay", delay, least=0)
        if len(ridges) == 0 or min(ridges) <= 0:
            _check.fail("GLM", "ridges", "one or more numbers above 0", ridges)
        self.shape, self.ridges, self.coupled = tuple(shape), tuple(ridges), coupled
        self.filters = nn.Parameter(torch.zeros(n_units, lags, *self.shape))  # oldest frame first
        self.bias = nn.Parameter(torch.zeros(n_units))
        self.history = History(n_units, past, coupled=coupled) if past else None
        self.link = Link(link, n_units)

    @property
    def solvable(self) -> bool:
        """Whether Newton's method is used."""
        size = self.filters[0].numel() + self.past * (self.n_units if self.coupled else 1)
        return self.link.kind == "exp" and size <= 2000

    def features(self, stimulus: Tensor, noise: torch.Generator | None = None) -> Tensor:
        return windowed(stimulus, self.filters) + self.bias

    def begin(self, features: Tensor) -> State:
        return ()

    def step(self, feature: Tensor, past: Tensor, state: State) -> tuple[Tensor, State]:
        drive = feature if self.history is None else feature + self.history(past)[:, 0]
        return self.link(drive), state

    def respond(self, features: Tensor, past: Tensor) -> Tensor:
        return self.link(features if self.history is None else features + self.history(past))

    def start_at(self, counts: Tensor) -> None:
        with torch.no_grad():
            self.bias.copy_(self.link.inverse(counts))

    def prepare(self, train: Iterable[Batch], validation: Iterable[Batch]) -> bool:
        if not self.solvable:
            return False
        train, validation = list(train), list(validation)
        for unit in range(self.n_units):
            x, y = self._regression(train, unit)
            if y.sum() == 0:
                continue  # a silent neuron keeps the rate that `start_at` gave it
            mean, spread = x.mean(axis=0), x.std(axis=0)
            spread = np.where(spread > 1e-9, spread, np.inf)
            z = (x - mean) / spread
            tests = [self._regression(validation, unit)] if validation and len(self.ridges) > 1 else []
            best, chosen = -np.inf, z[:0]
            found = None
            for ridge in sorted(self.ridges, reverse=True):
                found = poisson_ridge(z, y[:, None], ridge, start=found, tolerance=1e-8)
                gain = -ridge
                for x_test, y_test in tests:
                    drive = np.clip(found[0] + (x_test - mean) / spread @ found[1:], -STEEPEST, STEEPEST)[:, 0]
                    gain = float(np.sum(y_test * drive - np.exp(drive)))
                if gain > best:
                    best, chosen = gain, found
            slope = chosen[1:, 0] / spread
            self._put(unit, np.concatenate([[chosen[0, 0] - mean @ slope], slope]))
        return True

    def _regression(self, batches: list[Batch], unit: int) -> tuple[np.ndarray, np.ndarray]:
        """Return regressors and counts of one unit over the bins that count; of several repeats, their mean."""
        parts = [self._design(each.stimulus, each.past, unit) for each in batches]
        x = np.concatenate(parts)
        counts = np.concatenate([each.counts[:, :, unit].flatten().numpy() for each in batches]).astype(np.float64)
        shown = np.concatenate([each.shown[:, :, unit].flatten().numpy() for each in batches])
        keep = shown > 0
        n = np.maximum(shown[keep], 1)
        return x[keep], counts[keep] / n

    def _design(self, stimulus: Tensor, past: Tensor, unit: int) -> Float[np.ndarray, "bin regressor"]:
        """Return the regressors of one unit, all samples end to end: its window, oldest frame first, then history."""
        windows = stimulus.flatten(2).unfold(1, self.lags, 1).transpose(2, 3).flatten(2).flatten(0, 1)
        if self.past == 0:
            return windows.numpy().astype(np.float64)
        own = past if self.coupled else past[:, :, unit : unit + 1]
        back = own.unfold(1, self.past, 1).flatten(2).flatten(0, 1)  # each unit's bins, oldest first
        return torch.cat([windows, back], dim=1).numpy().astype(np.float64)

    def _put(self, unit: int, coefficients: Float[np.ndarray, " coefficient"]) -> None:
        """Take the coefficients of one unit: intercept, window, history, as `_design` has them."""
        window = self.filters[unit].numel()
        with torch.no_grad():
            self.bias[unit] = float(coefficients[0])
            self.filters[unit] = torch.from_numpy(coefficients[1 : 1 + window]).reshape(self.filters[unit].shape)
            if self.history is not None:
                own = torch.from_numpy(coefficients[1 + window :])
                self.history.filters[unit] = own.reshape(self.history.filters[unit].shape)
