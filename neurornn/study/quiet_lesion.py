"""Lesions while a network reactivates without input, beside matched controls."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float

from neurornn import _check
from neurornn._types import generator
from neurornn.perturb.against import AbstractBesideControls, against
from neurornn.perturb.base import AbstractPerturbation, Stack, Units, unit_tuple, within
from neurornn.perturb.experiment import Fitted, chunk_size, like_network, named
from neurornn.perturb.lesion import Silence
from neurornn.perturb.matching import Controls, check_controls, matched_controls, unit_features
from neurornn.reactivation import code_extent
from neurornn.statistics import histogram_divergence
from neurornn.task.code import AbstractCode, VonMises
from neurornn.trials import Trials


@dataclass(frozen=True, eq=False)
class QuietLesion(AbstractBesideControls):
    """Quiescence without some units. Made by `quiet_lesion`.

    Args:
        table: one row a quantity, as `against` makes it: `quantity`, `intact`, `lesion`, `control`, `low`, `high`, `z`,
            `p` and `controls`.
        runs: one row a run: `kind` (intact, lesion, control), `draw`, and one column a quantity.
        controls: the control sets and how well they match.
        units: which were lesioned.
        methods: how this was made.
        references: DOIs.
    """

    runs: pd.DataFrame
    controls: Controls
    units: tuple[int, ...]
    methods: str
    references: tuple[str, ...] = ("10.48550/arXiv.2505.17003", "10.2202/1544-6115.1585")

    @property
    def checklist(self) -> dict[str, str]:
        """What this says to lines of the reviewer's checklist, by key."""
        n = len(self.controls.sets)
        known = {"generalisation": "Lesion during reactivation without input, same starts, same noise."}
        return known | ({"nulls": f"Of the lesion in quiescence: {n} matched random sets of other units."} if n else {})


def quiet_lesion(
    fit: Fitted,
    units: Units,
    *,
    perturbation: Callable[[Sequence[int]], AbstractPerturbation] = Silence,
    controls: int = 199,
    matched_on: Sequence[str] = ("n", "rate", "variance", "out_norm"),
    overlap: bool = False,
    trials: int = 50,
    steps: int = 400,
    discard: int = 100,
    noise_factor: float = 2**0.5,
    seed: int = 0,
    chunk: int | None = None,
) -> QuietLesion:
    """Lesion units while a network reactivates, and hold what it visits against lesions of units that look like them.

    The network runs without input, as `reactivate` lets it, intact, without the units, and without each of the matched
    sets: all from the same starts and with the same noise. The lesion acts in quiescence alone; what is visited is held
    against the intact active run, and every path against that of the intact network in quiescence.

    Args:
        fit: a network, and its task with a code that positions can be decoded from.
        units: the units to lesion.
        perturbation: what is done to them, made from them; a window counts from the start of quiescence.
        controls: how many control sets; 0 for none (then there is no p), or 199 and above.
        matched_on: what they match the lesioned units in, in the active run; see `matched_controls`.
        overlap: whether a lesion of more than half of the units is held against random ones of the whole network.
        trials: how many active and quiescent trials.
        steps: length of a quiescent trial, in steps.
        discard: steps at its beginning that do not count, because they still hold the start.
        noise_factor: strength of the noise in quiescence over that of the network's own; see `reactivate`.
        seed: of trials, noise and controls.
        chunk: how many lesions run in one batched rollout; as many as is fastest in bounded memory where absent.

    Returns:
        Of each quantity, the intact network, the lesioned one and the controls: `js from active` (nats), `step` (of the
        world's longest side), `moving` (share of steps), `variance` over time (of the squared side) and `distance from
        the intact path` (root mean square, of the side).

    Raises:
        ValueError: if the task has no code, units are unknown, or no controls can be drawn.

    Example:
        >>> def without(fit, units):
        ...     return quiet_lesion(fit, units, trials=20).frame()

    References:
        Krishna et al. (2025), doi:10.48550/arXiv.2505.17003; Phipson & Smyth (2010), doi:10.2202/1544-6115.1585.
    """
    network, chosen = fit.network, tuple(sorted(unit_tuple("quiet_lesion", units)))
    within("quiet_lesion", chosen, network.n_units)
    if not chosen:
        _check.fail("quiet_lesion", "units", "one unit or more", "none")
    check_controls("quiet_lesion", controls)
    if _check.count("quiet_lesion", "discard", discard, least=0) > _check.count("quiet_lesion", "steps", steps) - 2:
        _check.fail("quiet_lesion", "discard", f"at most {steps - 2}, so that 2 of {steps} steps are left", discard)
    _check.not_negative("quiet_lesion", "noise_factor", noise_factor)
    code = getattr(fit.task, "code", None)
    if not isinstance(code, AbstractCode):
        fix = "Use a task whose outputs stand for a position, such as TrackIntegration."
        _check.fail("quiet_lesion", "task", "one with a `code` that decodes its outputs", type(fit.task).__name__, fix)
    drawn = fit.task.sample(_check.count("quiet_lesion", "trials", trials, least=2), generator=generator(seed))
    resting = network.noise.scaled(noise_factor)
    with torch.no_grad():
        drawn = drawn.to(network.device)
        start = like_network(drawn.start, network)
        active = network(drawn.inputs.to(network.readout), start=start, generator=generator(seed + 1))
        where = code.decode(active.outputs).double().cpu().numpy()[drawn.valid.cpu().numpy()]  # type: ignore[union-attr]
        shape = (trials, steps, network.n_units)
        silent, stream = resting == resting.scaled(0.0), generator(seed + 2)
        noise = None if silent else resting.on_demand(shape, dt=network.dt, generator=stream)
    matched = Controls.none(chosen)
    if controls:
        features = unit_features(network, active, drawn.mask.cpu().numpy())
        matched = matched_controls(features, chosen, n_sets=controls, matched_on=matched_on, overlap=overlap, seed=seed)
    quiet = torch.zeros(trials, steps, network.n_in).to(network.readout)
    members = [perturbation(one) for one in ((), chosen, *matched.sets.tolist())]
    like = Trials(quiet, quiet.new_zeros(trials, steps, network.n_out), quiet.new_ones(trials, steps), dt=network.dt)
    size = chunk if chunk is not None else chunk_size(network, like, members[1])
    paths: list[np.ndarray] = []
    with torch.no_grad():
        for first in range(0, len(members), size):
            stack = Stack(members[first : first + size])
            said = network.answers(quiet, start=start, noise=noise, perturb=[stack])[..., discard:, :]
            paths += [code.decode(one).double().cpu().numpy() for one in said]
    rows = [_visited(path, paths[0], where, code) for path in paths]
    runs = pd.DataFrame(rows)
    runs.insert(0, "kind", ["intact", "lesion", *("control",) * len(matched.sets)])
    runs.insert(1, "draw", [0, 0, *range(len(matched.sets))])
    null = rows[2:]
    table = [against(name, rows[0][name], rows[1][name], [one[name] for one in null]) for name in rows[0]]
    beside = (
        f" Null: {len(null)} random sets {matched.how}; two-sided p = (1 + controls as far) / (R + 1)." if null else ""
    )
    methods = (
        f"{named(perturbation(chosen))} of {len(chosen)} of {network.n_units} units in quiescence: {trials} trials of "
        f"{steps} steps without input ({discard} discarded), noise {noise_factor:.3g} times that of the network, the "
        f"same starts and noise in every run; JS in nats from the intact active run, histograms of 20 bins an axis."
        f"{beside}"
    )
    return QuietLesion(pd.DataFrame(table), runs, matched, chosen, methods)


def _visited(
    path: Float[np.ndarray, "trial time axis"],
    intact: Float[np.ndarray, "trial time axis"],
    active: Float[np.ndarray, "point axis"],
    code: AbstractCode,
) -> dict[str, float]:
    """Return what one run visits, by name."""
    extent, circular = code_extent(code), isinstance(code, VonMises)
    side = max(high - low for low, high in extent)

    def apart(change: np.ndarray) -> np.ndarray:
        return np.linalg.norm((change + math.pi) % (2 * math.pi) - math.pi if circular else change, axis=2)

    moved, away = apart(np.diff(path, axis=1)), apart(path - intact)
    laid = np.concatenate([np.cos(path), np.sin(path)], axis=2) if circular else path / side
    flat = path.reshape(-1, path.shape[2])
    return {
        "js from active": histogram_divergence(flat, active, extent=extent).js,
        "step": float(moved.mean()) / side,
        "moving": float(np.mean(moved > 1e-6 * side)),
        "variance": float(laid.var(axis=1).sum(axis=1).mean()),
        "distance from the intact path": float(np.sqrt(np.mean(away**2))) / side,
    }
