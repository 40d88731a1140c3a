"""Networks whose units are recorded neurons: weights found such that the network reproduces their rates."""

import copy
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Int

from neurornn import _check
from neurornn.cell.rate import LeakyRate
from neurornn.errors import RecordingError
from neurornn.fit.activity import scaled
from neurornn.fit.build import outline
from neurornn.fit.constrained_fit import ConstrainedFit
from neurornn.fit.constraint import FORCE, AbstractConstraint
from neurornn.fit.provenance import git_state, versions
from neurornn.fit.targets import RateTrials
from neurornn.network import Network


def fit_rates(
    cell: LeakyRate,
    trials: RateTrials,
    method: AbstractConstraint | None = None,
    *,
    train: Sequence[int] | Int[np.ndarray, " teach"],
    validation: Sequence[int] | Int[np.ndarray, " judge"] = (),
    peak: float = 0.8,
    scale: float | None = None,
    seed: int = 0,
    progress: bool = True,
) -> ConstrainedFit:
    r"""Find the weights of a network each of whose first units is a recorded neuron (a data-constrained network).

    Rates are divided by each unit's greatest training rate, so that it is `peak` in units of the network's activity.
    The network starts each trial at the recorded rates of the first bin; from there on it runs by itself, with the
    inputs. Further units than there are neurons are hidden: nothing constrains them but what they do for the others.
    The network that comes of it is like any other: it may be lesioned, driven and searched for fixed points, and its
    outputs are rates in Hz.

    Args:
        cell: the units; it is copied. `n_units` is the number of neurons or more, `dt` that of the rates, `n_in` the
            number of inputs (1 where there are none).
        trials: the recorded rates.
        method: `FORCE()` where absent, or `Descent()`.
        train: which trials teach.
        validation: which trials choose (`Descent`); none may be.
        peak: activity at the greatest rate.
        scale: rate at an activity of 1, Hz, the same for all neurons, in place of `peak`: where it is known.
        seed: of the order of the trials.
        progress: whether to show a progress bar.

    Returns:
        The fit: `fit.score(held_out)` says what it predicts of trials that it has not seen, running by itself.

    Raises:
        ValueError: if sizes or clocks differ, a trial is in both lists, or a unit never fires in the training trials.
        Diverged: if weights or loss are not finite.

    Example:
        >>> import numpy as np
        >>> from neurornn import FORCE, LeakyRate, RateTrials, fit_rates
        >>> wave = 10 + 5 * np.sin(np.arange(60)[None, :, None] / 6 + np.array([[[0.0]], [[2.0]]]) + np.arange(3.0))
        >>> cell = LeakyRate(1, 3, tau=40.0, dt=20.0, form="current", nonlinearity="tanh")
        >>> fit = fit_rates(cell, RateTrials(wave, dt=20.0), FORCE(passes=50), train=[0], progress=False)
        >>> bool(fit.score([1]).pvar > 0.5)
        True

    References:
        Rajan, Harvey & Tank (2016), doi:10.1016/j.neuron.2016.02.009; Perich et al. (2020),
        doi:10.1101/2020.12.18.423348.
    """
    owner = "fit_rates"
    teach, judge = (_trials(owner, name, some, trials) for name, some in (("train", train), ("validation", validation)))
    _fits(owner, cell, trials, teach, judge)
    _check.positive(owner, "peak", peak)
    greatest = np.nanmax(trials.rates[teach], axis=(0, 1))
    if np.any(~(greatest > 0)):
        silent = trials.units[~(greatest > 0)].tolist()
        fix = "Leave them out: RateTrials of the other units."
        _check.fail(owner, "trials", "of units that fire in the training trials", f"silent units {silent}", fix)
    unit = greatest / peak if scale is None else np.full(trials.n_units, _check.positive(owner, "scale", scale))
    network = Network(copy.deepcopy(cell), trials.n_units, readout_bias=False, seed=seed)
    with torch.no_grad():
        gain = torch.from_numpy(unit).to(network.readout)
        network.readout.zero_()[:, : trials.n_units] = torch.diag(gain)
    network.readout.requires_grad_(False)
    made = network.cell
    assert isinstance(made, LeakyRate)
    all_of_it = scaled(made, trials, unit)
    how = method if method is not None else FORCE()
    rows = how.fit(made, all_of_it.select(teach), all_of_it.select(judge), seed=seed, progress=progress)
    recipe: dict[str, Any] = {"network": outline(network), "method": outline(how)}
    recipe["scale"] = unit.tolist()
    return ConstrainedFit(
        network=network.eval(),
        trials=trials,
        train=teach,
        validation=judge,
        scale=unit,
        null=np.nanmean(trials.rates[teach], axis=(0, 1)),
        units=trials.units,
        history=pd.DataFrame(rows).astype({"pass": int}),
        recipe=recipe,
        seed=seed,
        versions=versions(),
        git=git_state(),
    )


def _trials(owner: str, name: str, some: Sequence[int] | np.ndarray, trials: RateTrials) -> np.ndarray:
    found = np.asarray(some, dtype=np.int64)
    if (name == "train" and len(found) == 0) or np.any((found < 0) | (found >= trials.n_trials)):
        _check.fail(owner, name, f"trials, numbered 0 to {trials.n_trials - 1}", list(some)[:8])
    return found


def _fits(owner: str, cell: LeakyRate, trials: RateTrials, teach: np.ndarray, judge: np.ndarray) -> None:
    both = np.intersect1d(teach, judge)
    if len(both):
        _check.fail(owner, "validation", "other trials than those that teach", f"trial {both[0]} in both")
    if cell.n_units < trials.n_units:
        must = f"of {trials.n_units} units or more, one for each neuron"
        _check.fail(owner, "cell", must, f"{cell.n_units} units")
    if cell.n_in != max(trials.n_inputs, 1):
        fix = "Without inputs it has one channel, of zeros." if trials.n_inputs == 0 else ""
        _check.fail(owner, "cell.n_in", str(max(trials.n_inputs, 1)), cell.n_in, fix)
    if not math.isclose(cell.dt, trials.dt):
        _check.fail(owner, "cell.dt", f"{trials.dt:g} ms, as the rates", f"{cell.dt:g} ms", error=RecordingError)
