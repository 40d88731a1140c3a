"""Poisson regression against statsmodels: coefficients, errors, likelihood, deviance, AIC, and the two pseudo-R2."""

import numpy as np
import pytest

from neurornn.encoding import poisson_glm
from neurornn.statistics.scores import deviance_r2, mcfadden_r2

statsmodels = pytest.importorskip("statsmodels.api", reason="statsmodels is not installed: pip install statsmodels")


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_regression_is_that_of_statsmodels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(3000, 4)) * [1.0, 5.0, 0.2, 1.0] + [0.0, 20.0, 1.0, -2.0]
    y = rng.poisson(np.exp(0.4 * x[:, 0] - 0.03 * x[:, 1] + 1.5 * x[:, 2] - 3.0)).astype(float)
    ours = poisson_glm(x, y)
    theirs = statsmodels.GLM(y, statsmodels.add_constant(x), family=statsmodels.families.Poisson()).fit(tol=1e-12)
    np.testing.assert_allclose(ours.coefficients, theirs.params, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(ours.errors, theirs.bse, rtol=1e-5)
    assert ours.log_likelihood == pytest.approx(theirs.llf, rel=1e-9)
    assert ours.deviance == pytest.approx(theirs.deviance, rel=1e-9)
    assert ours.aic == pytest.approx(theirs.aic, rel=1e-9)
    rates, null = ours.expected(x)[:, None], np.array([y.mean()])
    scores = [score(y[:, None], rates, null, dt=1000.0).item() for score in (mcfadden_r2, deviance_r2)]
    # Theirs: 1 - LL/LL0 with the log-likelihood of the constant, and 1 - deviance/null deviance.
    assert scores[0] == pytest.approx(1 - theirs.llf / theirs.llnull, rel=1e-6)
    assert scores[1] == pytest.approx(1 - theirs.deviance / theirs.null_deviance, rel=1e-6)
