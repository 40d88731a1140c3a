"""Surrogates of a model's activity: each keeps one thing of it and destroys its relation to the recording."""

import numpy as np
from jaxtyping import Float, Int

from neurornn import _check


def phase_randomised(values: Float[np.ndarray, "bin unit"], *, seed: int) -> Float[np.ndarray, "bin unit"]:
    r"""Return activity with the power spectrum of every unit and the correlations between units, at other times.

    Every frequency $f$ is turned by one random phase, $\tilde x_u(f) = x_u(f)\,e^{i\varphi_f}$, the same for all units,
    so that all auto- and cross-correlations stay as they are. What two sets of units share through slow drifts alone
    survives this; what they share bin by bin does not. The values become nearly Gaussian.

    Args:
        values: shape `(bin, unit)`.
        seed: of the phases.

    Example:
        >>> import numpy as np
        >>> from neurornn.comparison import phase_randomised
        >>> x = np.random.default_rng(0).normal(size=(100, 3))
        >>> np.allclose(np.cov(phase_randomised(x, seed=0).T), np.cov(x.T))
        True

    References:
        Prichard & Theiler (1994), Phys. Rev. Lett. 73:951, doi:10.1103/PhysRevLett.73.951.
    """
    return values.mean(axis=0) + _turned(values - values.mean(axis=0), 1, seed)


def random_features(values: Float[np.ndarray, "bin unit"], *, seed: int) -> Float[np.ndarray, "bin unit"]:
    """Return random activity of as many units with the same spectra, in space and in time.

    Each principal component is phase-randomised on its own and the components are dealt to the units by a random
    rotation: variances of the components and their power spectra stay, and nothing else of the model does. A score that
    such features reach is one that dimension and timescale alone give.

    Args:
        values: shape `(bin, unit)`.
        seed: of phases and rotation.

    Example:
        >>> import numpy as np
        >>> from neurornn.comparison import random_features
        >>> x = np.random.default_rng(0).normal(size=(200, 2)) * [1.0, 3.0]
        >>> round(float(random_features(x, seed=0).var(axis=0).sum() / x.var(axis=0).sum()), 6)
        1.0
    """
    centred = values - values.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    components = centred @ axes
    dealt, upper = np.linalg.qr(np.random.default_rng(seed).normal(size=axes.shape))
    return values.mean(axis=0) + _turned(components, values.shape[1], seed) @ (dealt * np.sign(np.diag(upper))).T


def _turned(centred: np.ndarray, n_phases: int, seed: int) -> np.ndarray:
    """Turn each frequency by a random phase: one for all columns, or one a column; mean and last stay real."""
    found = np.fft.rfft(centred, axis=0)
    phases = np.random.default_rng(seed).uniform(0.0, 2 * np.pi, size=(len(found), n_phases))
    phases[0] = 0.0
    if len(centred) % 2 == 0:
        phases[-1] = 0.0
    return np.fft.irfft(found * np.exp(1j * phases), len(centred), axis=0)


def trial_shuffled(
    values: Float[np.ndarray, "bin unit"], trial: Int[np.ndarray, " bin"], *, seed: int
) -> Float[np.ndarray, "bin unit"]:
    """Return activity with whole trials exchanged: what each trial has in common with the others stays.

    A bin takes the activity of another trial at the same share of that trial's length. No trial keeps its own.

    Args:
        values: shape `(bin, unit)`.
        trial: trial of each bin, each trial in one piece. Shape `(bin,)`.
        seed: of the exchange.

    Raises:
        ValueError: if there is one trial only.

    Example:
        >>> import numpy as np
        >>> from neurornn.comparison import trial_shuffled
        >>> trial_shuffled(np.array([[1.0], [2.0], [7.0], [8.0]]), np.array([0, 0, 1, 1]), seed=0).ravel()
        array([7., 8., 1., 2.])
    """
    first = np.concatenate([[0], np.flatnonzero(np.diff(trial)) + 1])
    length = np.diff(np.append(first, len(trial)))
    if len(first) < 2:
        _check.fail("trial_shuffled", "trial", "of two trials or more", len(first), "Give the recording trials.")
    order = np.random.default_rng(seed).permutation(len(first))
    partner = np.empty(len(first), dtype=np.int64)
    partner[order] = np.roll(order, 1)  # one cycle through all: no trial is its own partner
    rows = [first[b] + np.arange(length[a]) * length[b] // length[a] for a, b in enumerate(partner)]
    return values[np.concatenate(rows)]


def scrambled(values: Float[np.ndarray, "bin unit"], *, seed: int) -> Float[np.ndarray, "bin unit"]:
    """Return the bins in a random order, the same for all units: every state stays, and no motion does.

    Example:
        >>> import numpy as np
        >>> from neurornn.comparison import scrambled
        >>> scrambled(np.arange(5.0)[:, None], seed=0).sum()
        np.float64(10.0)
    """
    return values[np.random.default_rng(seed).permutation(len(values))]
