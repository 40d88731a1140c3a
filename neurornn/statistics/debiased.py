"""Intrinsic timescales without the bias of short stretches, by simulation of what known ones come out as."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float
from scipy.signal import lfilter

from neurornn import _check
from neurornn.statistics.timescale import Timescales, intrinsic_timescales

GRID = 10
"""True timescales that are simulated, from a third of a bin to half of a stretch."""


def debiased_timescales(
    values: Float[np.ndarray, "stretch time unit"],
    *,
    dt: float,
    max_lag: float,
    n_simulated: int = 20,
    seed: int = 0,
) -> Timescales:
    r"""Return intrinsic timescales, each as long as makes simulated units come out as this unit did.

    `intrinsic_timescales` fits an exponential with offset, and reads 20 bins as about 7 in stretches of 50 bins. Here
    units of known timescale $\tau$, $x_{t+1} = e^{-\Delta t/\tau} x_t + \xi_t$ with white noise of the recorded share
    added, go through the same fit in as many stretches of the same length; the curve of their median estimate over
    $\tau$ is inverted. Estimates beyond what stretches of this length can show (where the curve goes flat) are NaN: a
    longer recording is needed, not a correction.

    Args:
        values: activity or counts. Shape `(stretch, time, unit)`.
        dt: step, ms.
        max_lag: the longest lag that is fitted, ms.
        n_simulated: simulated units of each known timescale.
        seed: of the simulation.

    Returns:
        As `intrinsic_timescales`, with `tau` corrected and the estimate itself as `tau_raw`.

    Raises:
        ValueError: if fewer than four lags fit.

    References:
        Zeraati et al. (2022), Nat. Comput. Sci. 2:193, doi:10.1038/s43588-022-00214-3.
    """
    _check.count("debiased_timescales", "n_simulated", n_simulated, least=5)
    raw = intrinsic_timescales(values, dt=dt, max_lag=max_lag)
    n_stretches, n_time, _ = values.shape
    estimates = raw.table["tau"].to_numpy(float)
    amplitude = raw.table["amplitude"].to_numpy(float)
    known = np.isfinite(estimates)
    share = float(np.clip(np.median(amplitude[known]), 0.05, 1.0)) if known.any() else 1.0
    taus = np.geomspace(0.33, n_time / 2, GRID)
    rng = np.random.default_rng(seed)
    curve = []
    for tau in taus:
        drawn = _autoregressive(tau, (n_stretches, n_time, n_simulated), share, rng)
        found = intrinsic_timescales(drawn, dt=dt, max_lag=max_lag).table["tau"].to_numpy(float)
        curve.append(float(np.median(found[np.isfinite(found)])) if np.isfinite(found).any() else np.nan)
    curve = np.array(curve)
    rises = np.isfinite(curve) & (curve >= np.fmax.accumulate(np.where(np.isfinite(curve), curve, -np.inf)))
    flat = np.flatnonzero(np.diff(np.log(curve[rises])) < 0.1 * np.diff(np.log(taus[rises])))
    stop = int(flat[0]) + 1 if len(flat) else int(rises.sum())
    seen, true = curve[rises][:stop], taus[rises][:stop] * dt
    corrected = np.exp(np.interp(np.log(estimates), np.log(seen), np.log(true), left=np.nan, right=np.nan))
    table = raw.table.rename(columns={"tau": "tau_raw"})
    table.insert(0, "tau", np.where(estimates < seen[0], estimates, corrected))
    methods = (
        f"{raw.methods} Corrected by simulation: {GRID} known timescales, {n_simulated} units each, in as many "
        f"stretches of the same length with {1 - share:.0%} of white noise; the curve of median estimates inverted, "
        f"and estimates above {seen[-1]:.3g} ms, where it is flat, left out."
    )
    return replace(raw, table=table, methods=methods)


def _autoregressive(tau: float, shape: tuple[int, int, int], share: float, rng: np.random.Generator) -> np.ndarray:
    """Return stationary series of variance 1, correlated over `tau` steps, of which `1 - share` is white."""
    keep = np.exp(-1.0 / tau)
    steps = np.sqrt(1 - keep**2) * rng.normal(size=shape)
    steps[:, 0] /= np.sqrt(1 - keep**2)
    slow = lfilter([1.0], [1.0, -keep], steps, axis=1)
    return np.sqrt(share) * slow + np.sqrt(1 - share) * rng.normal(size=shape)
