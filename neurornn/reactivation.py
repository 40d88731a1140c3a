"""Offline reactivation: what a network visits without input, held beside what it visits when it acts."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from neurornn import _check
from neurornn._types import generator
from neurornn.cell.base import Intervention
from neurornn.cell.noise import AbstractNoise
from neurornn.network import Network, Perturbs, combine
from neurornn.perturb.experiment import Fitted
from neurornn.statistics.drift import DriftField
from neurornn.statistics.subspace import subspace_overlap
from neurornn.statistics.visits import (
    POINTS,
    RESAMPLES,
    divergence_rows,
    drift_rows,
    entry,
    kernel_rows,
    mean_entry,
    movement_rows,
    out_of_order,
    thinned,
    visited,
)
from neurornn.task.code import AbstractCode, VonMises

MEMORY = 400e6
"""Bytes that one rollout may take; more trials than fit are run one block after the other."""

COMPONENTS = (2, 10)
"""Numbers of principal components for which overlaps are given."""

KEPT_PATHS = 12
"""Trials whose whole decoded paths are kept for drawing."""


@dataclass(frozen=True, eq=False)
class Rollout:
    """What a network did in one condition.

    Args:
        positions: decoded positions, NaN outside trials. Shape `(trial, time, axis)`.
        activity: what the units sent in the steps that count. Shape `(sample, unit)`.
        activity_variance: variance of the activity over time, summed over units, of each trial. Shape `(trial,)`.
    """

    positions: Float[np.ndarray, "trial time axis"]
    activity: Float[np.ndarray, "sample unit"]
    activity_variance: Float[np.ndarray, " trial"]


@dataclass(frozen=True, eq=False)
class Reactivation:
    """What a network visits in quiescence, beside its active runs and baselines.

    Conditions are `active`, `quiescent`, `no noise` (quiescence without noise), `untrained` (fresh networks of the same
    build in quiescence), `shuffled units` (the quiescent activity, handed to the readout by the wrong units), `uniform`
    (positions drawn evenly from the world), and those of `beside`.

    Args:
        table: what `frame` returns.
        positions: decoded positions of each condition, thinned evenly. Shapes `(point, axis)`, in the task's unit.
        paths: some whole decoded paths of each condition, NaN outside trials. Shapes `(trial, time, axis)`.
        overlap: shared variance of quiescent and active activity, one row a number of components.
        extent: borders of the world, one pair an axis.
        dt: time step of the paths, ms.
        methods: how this was made.
        fields: where the decoded position drifts from each place, beside the gradient of the log density of active
            positions: of `quiescent`, of the untrained network, and of quiescent positions in random order.
        references: DOIs.
    """

    table: pd.DataFrame
    positions: Mapping[str, Float[np.ndarray, "_point _axis"]]
    paths: Mapping[str, Float[np.ndarray, "_trial _time _axis"]]
    overlap: pd.DataFrame
    extent: tuple[tuple[float, float], ...]
    dt: float
    methods: str
    fields: Mapping[str, DriftField] = field(default_factory=dict)
    references: tuple[str, ...] = field(
        default=("10.48550/arXiv.2505.17003", "10.1109/18.61115", "10.1038/ncomms13239")
    )

    @property
    def checklist(self) -> dict[str, str]:
        """What this says to lines of the reviewer's checklist, by key."""
        names = dict.fromkeys(self.table["condition"])
        nulls = [
            name for name in ("no noise", "untrained", "shuffled units", "shuffled in time", "uniform") if name in names
        ]
        return {
            "nulls": f"Of reactivation: {', '.join(nulls)}; half of the active trials against the other half.",
            "interval": "Errors of divergences: resampled trials of one network; of untrained ones, over networks.",
        }

    def frame(self) -> pd.DataFrame:
        """Return one row a quantity and condition: `quantity`, `condition`, `value`, `error`."""
        return self.table

    def value(self, quantity: str, condition: str) -> float:
        """Return one number of the table.

        Raises:
            ValueError: if there is no such row; the message names the near one.
        """
        quantities, conditions = self.table["quantity"].tolist(), self.table["condition"].tolist()
        if quantity not in quantities:
            _check.fail("Reactivation", "quantity", "in the table", quantity, _check.near(quantity, set(quantities)))
        options = [c for q, c in zip(quantities, conditions, strict=True) if q == quantity]
        if condition not in options:
            must = f"a condition of {quantity!r}"
            _check.fail("Reactivation", "condition", must, condition, _check.near(condition, options))
        rows = (self.table["quantity"] == quantity) & (self.table["condition"] == condition)
        return float(self.table["value"].to_numpy(dtype=float)[rows.to_numpy()][0])


def reactivate(
    fit: Fitted,
    *,
    trials: int = 200,
    steps: int = 1000,
    noise_factor: float = 2**0.5,
    noise: AbstractNoise | None = None,
    discard: int = 200,
    perturb: Sequence[Perturbs] = (),
    beside: Mapping[str, Float[np.ndarray, "_point _axis"]] | None = None,
    untrained: int = 3,
    bins: int = 20,
    kernel_points: int = 0,
    seed: int = 0,
) -> Reactivation:
    r"""Run a network without input, and compare what it visits with what it visits when it acts.

    A network that is trained to track with noise of size $\sigma$ learns to undo the noise, a drift
    $\sigma^2 \nabla \log p(r)$ towards states that it visits often. Left without input,
    $dr = \sigma^2 \nabla \log p(r)\,dt + \tilde\sigma\,dB$ samples $p(r)$ itself for $\tilde\sigma = \sqrt 2\,\sigma$
    (Langevin), hence the default `noise_factor`. The argument needs noise with a mean of zero.

    Quiescent trials start where active trials start. Divergences are from histograms, which also take a network that
    stands still; their errors are the standard deviation over resampled trials (over networks for `untrained`). The
    entry of `active` is one half of the active trials held against the other: the floor. Read the step distance beside
    the divergence: noise alone can visit the right places in the wrong order.

    Args:
        fit: a network, and its task with a code that positions can be decoded from.
        trials: how many active and quiescent trials.
        steps: length of a quiescent trial, in steps.
        noise_factor: strength of the noise in quiescence over that of the network's own.
        noise: noise of quiescence, instead of that.
        discard: steps at the beginning of a quiescent trial that do not count, because they still hold the start.
        perturb: what is done to the trained network in quiescence, with and without noise; active runs are intact.
        beside: positions from elsewhere (an animal's decoded rest), in the task's unit, to hold on the same axes.
        untrained: how many untrained networks, 1 or more.
        bins: of the histograms, along each axis.
        kernel_points: from how many positions of each condition kernel densities are made, for divergences beside those
            of the histograms (see `kde_divergence`); 0 for none. Their error is that of the Monte Carlo draw alone.
        seed: of trials, noise, untrained networks, draws and resampling.

    Returns:
        The comparison.

    Raises:
        ValueError: if the task has no code, nothing is left after `discard`, or the perturbation is stacked.

    References:
        Krishna et al. (2025), Sufficient conditions for offline reactivation in recurrent neural networks,
        doi:10.48550/arXiv.2505.17003.
    """
    code = _code(fit.task)
    for name, size in (("trials", trials), ("untrained", untrained)):
        _check.count("reactivate", name, size, least=2 if name == "trials" else 1)
    _check.not_negative("reactivate", "noise_factor", noise_factor)
    if _check.count("reactivate", "discard", discard, least=0) > _check.count("reactivate", "steps", steps) - 2:
        _check.fail("reactivate", "discard", f"at most {steps - 2}, so that 2 of {steps} steps are left", discard)
    resting = noise if noise is not None else fit.network.noise.scaled(noise_factor)
    drawn = fit.task.sample(trials, generator=generator(seed))
    assert drawn.valid is not None
    starts, valid = drawn.start, drawn.valid.numpy()
    quiet, counted = (
        torch.zeros(trials, steps, drawn.inputs.shape[2]),
        np.tile(np.arange(steps) >= discard, (trials, 1)),
    )

    def silent(network: Network, noise: AbstractNoise | None, done: Sequence[Perturbs], place: int) -> Rollout:
        return _roll(network, code, quiet, starts, counted, noise, seed + place, done)

    own = fit.network.noise
    runs = {
        "active": _roll(fit.network, code, drawn.inputs, starts, valid, own, seed + 1),
        "quiescent": silent(fit.network, resting, perturb, 2),
        "no noise": silent(fit.network, None, perturb, 3),
    }
    overlaps = {"quiescent": (runs["quiescent"], runs["active"]), "no noise": (runs["no noise"], runs["active"])}
    for k in range(untrained):
        fresh = fit.network.untrained(seed + k)
        runs[f"untrained {k}"] = silent(fresh, resting, (), 4 + k)
        active = _roll(fresh, code, drawn.inputs, starts, valid, own, seed + 1)
        overlaps[f"untrained {k}"] = (runs[f"untrained {k}"], active)
    runs["shuffled units"] = _roll(fit.network, code, quiet, starts, counted, resting, seed + 2, perturb, shuffle=True)
    overlaps["shuffled units"] = (runs["shuffled units"], runs["active"])

    extent = code_extent(code)
    rng = np.random.default_rng(seed)
    clouds: dict[str, np.ndarray] = {name: thinned(run.positions) for name, run in runs.items()}
    low, side = np.array(extent).T[0], np.ptp(np.array(extent), axis=1)
    clouds["uniform"] = low + side * rng.random((*clouds["quiescent"].shape[:2], len(extent)))
    for name, points in (beside or {}).items():
        clouds[name] = _beside(name, points, clouds, len(extent))[None]
    rows = divergence_rows(clouds, ("active", *(beside or {})), extent=extent, bins=bins, rng=rng)
    moves = {name: run.positions for name, run in runs.items()}
    moves["shuffled in time"] = out_of_order(runs["active"].positions, rng)
    moves["uniform"] = low + side * rng.random((trials, steps, len(extent)))
    if kernel_points:
        rows += kernel_rows(clouds, "active", extent=extent, n_points=kernel_points, seed=seed)
    circular = isinstance(code, VonMises)
    rows += movement_rows(moves, side=float(side.max()), circular=circular)
    drifting = {name: runs[name].positions for name in ("quiescent", "untrained 0")}
    drifting["quiescent, shuffled in time"] = out_of_order(runs["quiescent"].positions, rng)
    drifts, fields = drift_rows(drifting, visited(clouds["active"]), extent=extent, circular=circular)
    rows += drifts
    rows += [mean_entry("activity variance over time", name, run.activity_variance) for name, run in runs.items()]
    shared, overlap = overlap_rows(overlaps, seed)
    return Reactivation(
        table=_over_networks(pd.DataFrame(rows + shared, columns=["quantity", "condition", "value", "error"])),
        positions={name: _few(cloud, rng) for name, cloud in _pooled(clouds).items()},
        paths={name: run.positions[:KEPT_PATHS] for name, run in runs.items() if not name.startswith("untrained")},
        overlap=overlap,
        extent=extent,
        dt=fit.network.dt,
        methods=_methods(trials, steps, discard, bins, untrained, resting, perturb),
        fields=fields,
    )


def code_extent(code: AbstractCode) -> tuple[tuple[float, float], ...]:
    """Return the borders of the world that `code` decodes into: one pair an axis, or -pi to pi on the circle."""
    return ((-math.pi, math.pi),) if isinstance(code, VonMises) else code.extent  # type: ignore[attr-defined]


def overlap_rows(
    pairs: Mapping[str, tuple[Rollout, Rollout]], seed: int
) -> tuple[list[dict[str, object]], pd.DataFrame]:
    """Return the shared variance of quiescent and active activity for each condition, and all of it for `quiescent`."""
    rows, whole = [], pd.DataFrame()
    for name, (quiet, active) in pairs.items():
        n_components = min(max(COMPONENTS), quiet.activity.shape[1])
        overlap = subspace_overlap(quiet.activity, active.activity, seed=seed, n_components=n_components)
        for k in (k for k in COMPONENTS if k <= n_components):
            rows.append(entry(f"overlap with active, {k} components", name, overlap.one_in_other[k - 1]))
            rows.append(entry(f"variance in {k} components", name, overlap.one_alone[k - 1]))
            if name == "quiescent":
                rows.append(entry(f"overlap with active, {k} components", "random directions", overlap.chance[k - 1]))
                rows.append(entry(f"variance in {k} components", "active", overlap.other_alone[k - 1]))
        if name == "quiescent":
            whole = overlap.frame()
    return rows, whole


def _roll(
    network: Network,
    code: AbstractCode,
    inputs: Tensor,
    start: Tensor | None,
    counted: Bool[np.ndarray, "trial time"],
    noise: AbstractNoise | None,
    seed: int,
    perturb: Sequence[Perturbs] = (),
    *,
    shuffle: bool = False,
) -> Rollout:
    """Run trials, as many at a time as memory allows, and keep what they visited in the steps that are `counted`."""
    n_trials, n_steps, _ = inputs.shape
    act = combine(perturb, network, n_trials, n_steps) or Intervention()
    if act.n_stack:
        _check.fail("reactivate", "perturb", "one lesion", f"a stack of {act.n_stack}", "Call it once for each.")
    size = max(1, int(MEMORY / (4 * n_steps * network.n_units * network.readout.element_size())))
    stream = generator(seed)
    order = (
        torch.randperm(network.n_units, generator=generator(seed + 17)) if shuffle else torch.arange(network.n_units)
    )
    positions, kept, variances = [], [], []
    thin = max(1, n_trials * n_steps // POINTS)
    with torch.no_grad():
        for first in range(0, n_trials, size):
            rows = slice(first, min(first + size, n_trials))
            run = network(
                inputs[rows].to(network.readout),
                start=None if start is None else start[rows].to(network.readout),
                generator=stream if noise is not None else None,
                noise=noise,
                perturb=act.part(rows),
            )
            activity = run.activity[..., order.to(network.device)]
            here = torch.as_tensor(counted[rows])
            found = code.decode(network.read(activity)).double().cpu()
            positions.append(torch.where(here[..., None], found, torch.nan).numpy())
            sent = activity.cpu()
            kept.append(sent[here][::thin].double().numpy())
            variances += [float(one[k].var(dim=0, correction=0).sum()) for one, k in zip(sent, here, strict=True)]
    return Rollout(np.concatenate(positions), np.concatenate(kept), np.array(variances))


def _code(task: object) -> AbstractCode:
    code = getattr(task, "code", None)
    if not isinstance(code, AbstractCode):
        fix = "Use a task whose outputs stand for a position, such as TrackIntegration."
        _check.fail("reactivate", "task", "one with a `code` that decodes its outputs", type(task).__name__, fix)
    return code


def _beside(name: str, points: np.ndarray, clouds: Mapping[str, np.ndarray], n_axes: int) -> np.ndarray:
    if name in clouds:
        _check.fail("reactivate", "beside", "named otherwise than the conditions", name, "Call it after its source.")
    if points.ndim != 2 or points.shape[1] != n_axes:
        _check.fail("reactivate", f"beside[{name!r}]", f"positions of shape (point, {n_axes})", points)
    return points


def _pooled(clouds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    pooled = {name: visited(cloud) for name, cloud in clouds.items() if not name.startswith("untrained ")}
    fresh = [visited(cloud) for name, cloud in clouds.items() if name.startswith("untrained ")]
    return {**pooled, "untrained": np.concatenate(fresh)}


def _few(points: np.ndarray, rng: np.random.Generator, most: int = 5000) -> np.ndarray:
    return points if len(points) <= most else points[np.sort(rng.choice(len(points), most, replace=False))]


def _over_networks(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with the untrained networks averaged, their error the standard deviation over networks."""
    fresh = table["condition"].str.startswith("untrained ").to_numpy(dtype=bool)
    grouped = table[fresh].groupby("quantity", sort=False)["value"]
    mean = pd.DataFrame({"value": grouped.mean(), "error": grouped.std(ddof=1)}).reset_index()
    mean.insert(1, "condition", "untrained")
    return pd.concat([pd.DataFrame(table[~fresh]), mean], ignore_index=True)


def _methods(
    trials: int, steps: int, discard: int, bins: int, untrained: int, noise: AbstractNoise, perturb: Sequence[Perturbs]
) -> str:
    done = f" under {', '.join(type(one).__name__ for one in perturb)}" if perturb else ""
    return (
        f"{trials} quiescent trials of {steps} steps without input{done}, from the starts of as many active trials, "
        f"with {noise!r}; the first {discard} steps do not count. Positions decoded with the task's code; KL and JS in "
        f"nats from histograms of {bins} bins an axis (KL with 0.5 added to each bin), errors from {RESAMPLES} "
        f"resamples of trials; the entry of active is half of its trials against the other half. Baselines: no noise, "
        f"{untrained} untrained networks (error: standard deviation over networks), units shuffled before the readout, "
        f"uniform positions, and for movement the active path in random order. Overlap: variance of quiescent "
        f"activity in the first components of active activity over that in its own; an untrained network is held "
        f"against its own active run. Drift: mean step of the decoded position by place, beside the gradient of the "
        f"logarithm of the active density; its null is the same positions in random order."
    )
