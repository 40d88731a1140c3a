"""What quiescence depends on: the noise, and a bias towards one place."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float

from neurornn import _check
from neurornn._types import generator
from neurornn.fit import Fit
from neurornn.network import Perturbs
from neurornn.perturb import Current
from neurornn.reactivation import code_extent
from neurornn.statistics import histogram_divergence

Paths = Float[np.ndarray, "_trial _time axis"]


@dataclass(frozen=True, eq=False)
class NoiseSweep:
    """Quiescence at growing noise: `factor`, `js` from the active run, `step`, `moving`, `variance` over time.

    Args:
        table: one row a condition and strength.
        methods: how this was made.
        references: DOIs.
    """

    table: pd.DataFrame
    methods: str
    references: tuple[str, ...] = ("10.48550/arXiv.2505.17003",)

    def frame(self) -> pd.DataFrame:
        """Return one row a condition and strength."""
        return self.table


@dataclass(frozen=True, eq=False)
class Targeted:
    """Quiescence under a bias towards a place: `target`, `strength`, `pattern`, `near` (share of the time), `mean`.

    Args:
        table: one row a condition and strength.
        methods: how this was made.
        references: DOIs.
    """

    table: pd.DataFrame
    methods: str
    references: tuple[str, ...] = ("10.48550/arXiv.2505.17003",)

    def frame(self) -> pd.DataFrame:
        """Return one row a condition and strength."""
        return self.table

    def near(self, target: float, strength: float, pattern: str) -> float:
        """Return the share of the time near a target under a current; over its orders where there are several."""
        found = [np.asarray(self.table[name]) for name in ("target", "strength", "pattern", "near")]
        rows = (found[0] == target) & (found[1] == strength) & (found[2] == pattern)
        return float(found[3][rows].mean()) if rows.any() else float("nan")


def quiet_paths(
    fit: Fit,
    *,
    factor: float = 2**0.5,
    perturb: Sequence[Perturbs] = (),
    trials: int = 50,
    steps: int = 400,
    discard: int = 100,
    seed: int = 0,
) -> Paths:
    """Return decoded positions of quiescent trials, the first `discard` steps left out."""
    drawn = fit.task.sample(trials, generator=generator(seed))
    with torch.no_grad():
        run = fit.network(
            torch.zeros(trials, steps, fit.network.n_in),
            start=drawn.start,
            generator=generator(seed + 1) if factor > 0 else None,
            noise=fit.network.noise.scaled(factor),
            perturb=perturb,
        )
    return fit.task.code.decode(run.outputs[:, discard:]).double().numpy()  # type: ignore[attr-defined]


def active_paths(fit: Fit, *, trials: int, seed: int) -> tuple[Paths, np.ndarray]:
    """Return decoded positions and activity, `(sample, unit)`, of active trials."""
    drawn = fit.task.sample(trials, generator=generator(seed))
    with torch.no_grad():
        run = fit.network(drawn.inputs, start=drawn.start, generator=generator(seed + 1))
    positions = fit.task.code.decode(run.outputs).double().numpy()  # type: ignore[attr-defined]
    return positions, run.activity.flatten(0, 1).double().numpy()


def noise_sweep(
    fit: Fit, factors: Sequence[float], *, trials: int = 50, steps: int = 400, discard: int = 100, seed: int = 0
) -> NoiseSweep:
    """Return how quiescence changes with the strength of its noise, over that of the network's own."""
    quiet = partial(quiet_paths, fit, trials=trials, steps=steps, discard=discard, seed=seed)
    active, _ = active_paths(fit, trials=trials, seed=seed)
    rows = []
    for factor in factors:
        path = quiet(factor=_check.not_negative("noise_sweep", "factor", factor))
        rows.append({"factor": float(factor), **_summary(fit, path, active)})
    methods = (
        f"{trials} quiescent trials of {steps} steps ({discard} discarded) at each strength of the noise, over that of "
        f"training; JS in nats from the decoded positions of as many active trials, histograms of 20 bins."
    )
    return NoiseSweep(pd.DataFrame(rows), methods)


def targeted(
    fit: Fit,
    targets: Sequence[float],
    strengths: Sequence[float],
    *,
    width: float = 0.1,
    draws: int = 5,
    trials: int = 50,
    steps: int = 400,
    discard: int = 100,
    seed: int = 0,
) -> Targeted:
    r"""Return how a current towards the population's pattern of a place moves quiescence there.

    $$I_u = s\,(\langle r_u \mid x \approx x^* \rangle - \langle r_u \rangle)$$

    The means are over active trials. The control is the same current to the wrong units: in random order.

    Args:
        fit: a network that tracks position along one axis.
        targets: places $x^*$, as fractions of the world.
        strengths: $s$.
        width: half the width of what counts as the place, as a fraction of the world.
        draws: random orders of the control.
        trials: quiescent trials of each.
        steps: of each trial.
        discard: steps left out at its beginning.
        seed: of trials, noise and orders.
    """
    low, high = code_extent(fit.task.code)[0]  # type: ignore[attr-defined]
    quiet = partial(quiet_paths, fit, trials=trials, steps=steps, discard=discard, seed=seed)
    positions, activity = active_paths(fit, trials=trials, seed=seed)
    place = (positions.reshape(-1) - low) / (high - low)
    units, rng, rows = list(range(fit.network.n_units)), np.random.default_rng(seed), []
    for target in targets:
        here = np.abs(place - target) <= width
        if not here.any():
            _check.fail("targeted", "targets", "places that active trials visit", target)
        pattern = activity[here].mean(axis=0) - activity.mean(axis=0)
        for strength in strengths:
            orders = [("place", pattern), *(("shuffled units", rng.permutation(pattern)) for _ in range(draws))]
            for name, amount in orders[: None if strength else 1]:
                path = quiet(perturb=[Current(units, list(strength * amount))])
                at = (path.reshape(-1) - low) / (high - low)
                near = float(np.mean(np.abs(at - target) <= width))
                row = {"target": target, "strength": strength, "pattern": name, "near": near, "mean": float(at.mean())}
                rows.append(row)
    methods = (
        f"Current of each unit: strength times its mean activity within {width:g} of the target (fraction of the "
        f"world) minus its mean over {trials} active trials, throughout {trials} quiescent trials of {steps} steps "
        f"({discard} discarded). Control: the same current to the units in {draws} random orders."
    )
    return Targeted(pd.DataFrame(rows), methods)


def _summary(fit: Fit, path: Paths, active: Paths) -> dict[str, float]:
    extent = code_extent(fit.task.code)  # type: ignore[attr-defined]
    side = max(high - low for low, high in extent)
    distance = np.linalg.norm(np.diff(path, axis=1), axis=2)
    flat = [cloud.reshape(-1, cloud.shape[2]) for cloud in (path, active)]
    return {
        "js": histogram_divergence(*flat, extent=extent).js,
        "step": float(distance.mean()) / side,
        "moving": float(np.mean(distance > 1e-6 * side)),
        "variance": float(path.var(axis=1).sum(axis=1).mean()) / side**2,
    }
