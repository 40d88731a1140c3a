"""Dynamics before and after a lesion, in one call: courses, fixed points and exponents, beside matched controls."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from neurornn import _check
from neurornn._types import generator
from neurornn.dynamics import FixedPoints, Lyapunov, Map, Search, as_map, fixed_points, lyapunov, visited_states
from neurornn.network import Network, Perturbs
from neurornn.perturb.against import AbstractBesideControls, against
from neurornn.perturb.base import AbstractPerturbation, Units, unit_tuple, within
from neurornn.perturb.experiment import Fitted, like_network, named, shared_noise
from neurornn.perturb.lesion import Silence
from neurornn.perturb.matching import Controls, check_controls, matched_controls, unit_features
from neurornn.perturb.schedule import Always
from neurornn.perturb.windows import windows
from neurornn.study.courses import Course, course, release_of, runs_of
from neurornn.trials import Trials

QUICK = Search(n_seeds=96, adam_steps=800)
"""A search for fixed points of many networks: a quarter of the seeds of a search for its own sake."""

STARTS = 8
"""Trials from whose ends the exponents start."""

PATHS = 4
"""Trials whose courses are kept for drawing."""


@dataclass(frozen=True, eq=False)
class LesionDynamics(AbstractBesideControls):
    """A network's dynamics before and after a lesion. Made by `lesion_dynamics`.

    Args:
        table: one row a quantity, as `against` makes it: `quantity`, `intact`, `lesion`, `control`, `low`, `high`, `z`,
            `p` and `controls`. Few controls have fixed points and exponents, and so these have no p.
        courses: one row a step: `time`, `distance`, `aligned`, `speed` and `intact_speed` (see `Course`), `noise` (the
            distance that another draw of the noise makes; NaN without noise), `control`, `control_low` and
            `control_high` (distances of the controls).
        points: fixed points of `intact`, `lesion` and `control 1` and so on.
        exponents: Lyapunov exponents of the same.
        held: when the perturbation held: one row a trial and interval; none where it holds all the while.
        plane: some trials of the spared units in the first two principal components of the intact course, of `intact`
            and of `lesion`. Shapes `(trial, time, 2)`.
        resting: stable fixed points in that plane. Shapes `(point, 2)`.
        units: which were lesioned.
        methods: how this was made.
        references: DOIs.
    """

    courses: pd.DataFrame
    points: Mapping[str, FixedPoints]
    exponents: Mapping[str, Lyapunov]
    held: pd.DataFrame
    plane: Mapping[str, Float[np.ndarray, "_trial time 2"]]
    resting: Mapping[str, Float[np.ndarray, "_point 2"]]
    units: tuple[int, ...]
    methods: str
    references: tuple[str, ...] = ("10.1007/BF02289451", "10.1162/NECO_a_00409", "10.1007/BF02128236", "10.1101/214262")

    @property
    def checklist(self) -> dict[str, str]:
        """What this says to lines of the reviewer's checklist, by key."""
        n = int(self.table["controls"].to_numpy(dtype=int).max())
        known = {
            "generalisation": "dynamics under a lesion: courses on the same trials and noise, fixed points, exponents."
        }
        return known | ({"nulls": f"{n} matched random sets of other units, same trials and noise."} if n else {})


def lesion_dynamics(
    fit: Fitted,
    units: Units,
    *,
    perturbation: Callable[[Sequence[int]], AbstractPerturbation] = Silence,
    controls: int = 199,
    matched_on: Sequence[str] = ("n", "rate", "variance", "out_norm"),
    overlap: bool = False,
    trials: int | Trials = 64,
    held: Float[Tensor, "condition in"] | None = None,
    search: Search | None = QUICK,
    n_exponents: int = 4,
    steps: int = 600,
    searched: int = 3,
    seed: int = 0,
    progress: bool = True,
) -> LesionDynamics:
    r"""Lesion units and ask what became of the dynamics: of the course of every trial, and of where it rests.

    An effect on the score says little about who takes part: what is redundant compensates, and a network at its ceiling
    hides much. The dynamics show more. Intact network, lesion and matched controls run through the same trials with the
    same noise, and the units that a lesion spares are held against the same units of the intact network: their distance
    step by step, also after the best rotation and shift (what is left is no mere change of coordinates), their speed
    and dimensions, and how long after a window the distance takes to halve. Then fixed points and Lyapunov exponents
    with the input held, while the perturbation holds: of the intact network, of the lesioned one, and of some controls.

    Args:
        fit: a network with its task; the network is not changed.
        units: the units to lesion.
        perturbation: what is done to them, made from them; epochs are looked up in the trials. For fixed points and
            exponents it holds all the while, whatever its window.
        controls: how many control sets of the courses; 0 for none (then there is no p), or 199 and above.
        matched_on: what they match the lesioned units in; see `matched_controls`.
        overlap: whether a lesion of more than half of the units is held against random ones of the whole network.
        trials: how many trials to draw, or the very trials.
        held: the input that is held, 0 where absent: fixed points are those of each row, exponents of the first.
        search: how fixed points are looked for; `None` for none.
        n_exponents: how many Lyapunov exponents, from the largest on; 0 for none.
        steps: that the exponents are measured over, after half as many that are left out.
        searched: how many of the controls get fixed points and exponents, too.
        seed: of trials, noise, controls and searches.
        progress: whether to show a bar.

    Returns:
        The table of numbers beside those of the controls, and all that they come from. Spiking cells have no fixed
        points, and their exponents are those of the surrogate.

    Raises:
        ValueError: if units are unknown, no controls can be drawn, or the perturbation changes with time or trial by
            itself, such as noise, while fixed points or exponents are asked for.

    Example:
        >>> def what_became(fit):
        ...     return lesion_dynamics(fit, range(6), controls=199, trials=32).frame()

    References:
        Sussillo & Barak (2013), doi:10.1162/NECO_a_00409; Benettin et al. (1980), doi:10.1007/BF02128236; Schönemann
        (1966), doi:10.1007/BF02289451; Gao et al. (2017), doi:10.1101/214262.
    """
    network = fit.network
    chosen = tuple(sorted(unit_tuple("lesion_dynamics", units)))
    within("lesion_dynamics", chosen, network.n_units)
    if not 0 < len(chosen) < network.n_units - 1:
        must = f"one or more, with two of {network.n_units} spared at least"
        _check.fail("lesion_dynamics", "units", must, f"{len(chosen)} units")
    check_controls("lesion_dynamics", controls)
    _check.count("lesion_dynamics", "searched", searched, least=0)
    _check.count("lesion_dynamics", "n_exponents", n_exponents, least=0)
    _check.count("lesion_dynamics", "steps", steps, least=2)
    given = trials if isinstance(trials, Trials) else fit.task.sample(trials, generator=generator(seed))
    if given.n_trials < 2:
        _check.fail("lesion_dynamics", "trials", "two or more, so that one half aligns the other", given.n_trials)
    with torch.no_grad():
        given = given.to(network.device)
        noise = shared_noise(network, given, seed + 1)
        inputs, start = given.inputs.to(network.readout), like_network(given.start, network)
        run = network(inputs, start=start, noise=noise)
        other = shared_noise(network, given, seed + 2)
        again = None if other is None else network(inputs, start=start, noise=other).activity.double().cpu().numpy()
    matched = Controls.none(chosen)
    if controls:
        features = unit_features(network, run, given.mask.cpu().numpy())
        matched = matched_controls(features, chosen, n_sets=controls, matched_on=matched_on, overlap=overlap, seed=seed)
    sets = [chosen, *(tuple(one) for one in matched.sets.tolist())]
    acts = [perturbation(one).during(given) for one in sets]
    assert given.valid is not None
    valid, release = given.valid.cpu().numpy(), release_of(acts[:1], given)
    intact, *hurt = runs_of(network, given, [(), *((act,) for act in acts)], noise)
    spared = [[u for u in range(network.n_units) if u not in set(one)] for one in sets]
    found = [course(intact, one, rest, valid, given.dt, release) for one, rest in zip(hurt, spared, strict=True)]
    loud = None if again is None else course(intact, again, spared[0], valid, given.dt)
    asked = {
        "intact": (),
        "lesion": (acts[0],),
        **{f"control {k + 1}": (a,) for k, a in enumerate(acts[1 : 1 + searched])},
    }
    points, exponents = {}, {}
    for name, act in tqdm(asked.items(), desc="dynamics", unit="network", disable=not progress):
        step, visited = _map(network, act), visited_states(network, given, noise=noise, perturb=act)
        if search is not None and not step.refusal:
            points[name] = fixed_points(step, visited[given.valid], held, search=search, progress=False)
        if n_exponents:
            first = None if held is None else held[:1, None]
            k = min(n_exponents, step.n_state)
            exponents[name] = lyapunov(
                step,
                first,
                n_exponents=k,
                steps=steps,
                transient=steps // 2,
                align=min(200, steps // 2),
                start=visited[:STARTS, -1],
                progress=False,
            )
    numbers = [one.numbers() for one in found]
    rows = [against(name, *_reference(name, found[0]), [one[name] for one in numbers[1:]]) for name in numbers[0]]
    rows += _resting_rows(points) + _exponent_rows(exponents)
    plane, resting = _plane(intact, hurt[0], spared[0], valid, points)
    return LesionDynamics(
        table=pd.DataFrame(rows),
        courses=_courses(found, loud, given.dt),
        points=points,
        exponents=exponents,
        held=windows(acts[:1], given.n_trials, given.n_steps, given.dt) if release is not None else pd.DataFrame(),
        plane=plane,
        resting=resting,
        units=chosen,
        methods=_methods(named(perturbation(chosen)), chosen, network, given, matched, points, exponents),
    )


def steady(one: Perturbs) -> Perturbs:
    """Return a perturbation as it holds all the while, whatever its schedule."""
    return replace(one, when=Always()) if hasattr(one, "when") else one  # type: ignore[type-var]


def _map(network: Network, act: Sequence[Perturbs]) -> Map:
    return as_map(network, surrogate=True, perturb=[steady(one) for one in act])


def _reference(name: str, lesion: Course) -> tuple[float, float]:
    return (1.0 if name.endswith("over intact") else 0.0 if "distance" in name else np.nan), lesion.numbers()[name]


def _resting_rows(points: Mapping[str, FixedPoints]) -> list[dict[str, object]]:
    if not points:
        return []

    def slowest(one: FixedPoints) -> float:
        taus = one.frame().loc[one.stable, "time_constant"].to_numpy(dtype=float)
        return float(taus.max()) if len(taus) else np.nan

    def moved(one: FixedPoints) -> float:
        """Return how far the stable points of the intact network lie from the nearest of these."""
        before = points["intact"]
        here, there = before.states[before.stable], one.states[one.stable]
        if not len(here) or not len(there):
            return np.nan
        return float(np.linalg.norm(here[:, None] - there[None], axis=2).min(axis=1).mean() / before.scale)

    told: dict[str, Callable[[FixedPoints], float]] = {
        "stable fixed points": lambda one: float(one.stable.sum()),
        "saddles and sources": lambda one: float((~one.stable).sum()),
        "slowest mode of a stable point (ms)": slowest,
        "shift of the stable points": moved,
    }
    others = [one for name, one in points.items() if name != "intact"]
    before = points["intact"]
    return [against(name, f(before), f(others[0]), [f(one) for one in others[1:]]) for name, f in told.items()]


def _exponent_rows(exponents: Mapping[str, Lyapunov]) -> list[dict[str, object]]:
    if not exponents:
        return []
    others = [one for name, one in exponents.items() if name != "intact"]
    n = len(exponents["intact"].exponents)
    told: dict[str, Callable[[Lyapunov], float]] = {
        "largest exponent (1/s)": lambda one: 1e3 * one.largest,
        f"mean of {n} exponents (1/s)": lambda one: 1e3 * float(one.exponents.mean()),
    }
    before = exponents["intact"]
    return [against(name, f(before), f(others[0]), [f(one) for one in others[1:]]) for name, f in told.items()]


def _courses(found: Sequence[Course], loud: Course | None, dt: float) -> pd.DataFrame:
    own, null = found[0], np.array([one.distance for one in found[1:]])
    n = len(own.distance)
    blank = np.full(n, np.nan)
    known = len(null) and np.isfinite(null).all(axis=0)
    low, high = (np.quantile(null, q, axis=0) if len(null) else blank for q in (0.025, 0.975))
    return pd.DataFrame(
        {
            "time": dt * (np.arange(n) + 1),
            "distance": own.distance,
            "aligned": own.aligned,
            "speed": own.speed,
            "intact_speed": own.intact_speed,
            "noise": blank if loud is None else loud.distance,
            "control": null.mean(axis=0) if len(null) else blank,
            "control_low": np.where(known, low, np.nan),
            "control_high": np.where(known, high, np.nan),
        }
    )


def _plane(
    intact: np.ndarray, hurt: np.ndarray, spared: list[int], valid: np.ndarray, points: Mapping[str, FixedPoints]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return some trials and stable points in the first two principal components of the intact course."""
    states = intact[..., spared][valid]
    middle = states.mean(axis=0)
    axes = np.linalg.svd(states - middle, full_matrices=False)[2][:2]

    def laid(sent: np.ndarray) -> np.ndarray:
        return (sent - middle) @ axes.T

    shown = np.where(valid[:PATHS, :, None], 0.0, np.nan)
    plane = {name: laid(run[:PATHS][..., spared]) + shown for name, run in (("intact", intact), ("lesion", hurt))}
    resting = {}
    for name in ("intact", "lesion") if points else ():
        one = points[name]
        assert one.system.sends is not None
        with torch.no_grad():
            sent = one.system.sends(torch.as_tensor(one.states[one.stable])).numpy()
        resting[name] = laid(sent[:, spared])
    return plane, resting


def _methods(
    done: str,
    units: tuple[int, ...],
    network: Network,
    trials: Trials,
    matched: Controls,
    points: Mapping[str, FixedPoints],
    exponents: Mapping[str, Lyapunov],
) -> str:
    text = (
        f"{done} of {len(units)} of {network.n_units} units; {trials.n_trials} trials, the same trials and noise in "
        f"every run. Of the units that are spared: root mean square distance from the intact course, 1 for two intact "
        f"states drawn at random, step by step; the same after an orthogonal alignment with shift fitted to the "
        f"other half of the trials; speed; participation ratio over trials and steps."
    )
    if len(matched.sets):
        text += f" Null: {len(matched.sets)} random sets {matched.how};"
        text += " p = (1 + controls as far from their mean) / (R + 1)."
    if points:
        text += f" Fixed points of the intact network, the lesioned one and {len(points) - 2} controls: "
        text += points["intact"].methods
    elif network.spiking:
        text += " No fixed points: spiking units reset."
    if exponents:
        text += f" Exponents of the same: {exponents['intact'].methods}"
    return text
