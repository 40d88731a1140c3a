"""Localising: how far off a network is at each step of a trial, beside observers that know the rules."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from neurornn import _check
from neurornn._types import generator
from neurornn.errors import RecipeError
from neurornn.fit.fit import Fit
from neurornn.observer import AbstractObserver, ParticleFilter
from neurornn.task import Navigation, StarArenas
from neurornn.trials import Trials

TOUCH = slice(2, 6)
"""The channels of the sensors that tell of a contact."""


@dataclass(frozen=True, eq=False)
class Example:
    """One trial, to look at.

    Args:
        walls: of its arena, each from one point to another. Shape `(wall, 2, 2)`, m.
        position: of the animal at the end of each step. Shape `(time, 2)`, m.
        found: where others think it is, by name. Shapes `(time, 2)`, m.
        clouds: particles and their weights at some steps, by step (from 0). Shapes `(particle, 2)`, `(particle,)`.
    """

    walls: Float[np.ndarray, "wall 2 2"]
    position: Float[np.ndarray, "time 2"]
    found: Mapping[str, Float[np.ndarray, "time 2"]]
    clouds: Mapping[int, tuple[Float[np.ndarray, "particle 2"], Float[np.ndarray, " particle"]]]


@dataclass(frozen=True, eq=False)
class Localisation:
    """Position errors over the time of a trial, on the same trials for all.

    Args:
        times: end of each step since the trial began. Shape `(time,)`, ms.
        errors: of each source at each step. Shapes `(trial, time)`, m.
        examples: some trials.
        methods: how this was made.
        references: DOIs.
    """

    times: Float[np.ndarray, " time"]
    errors: Mapping[str, Float[np.ndarray, "trial time"]]
    examples: tuple[Example, ...] = ()
    methods: str = (
        "Error: distance between the position that is answered and the animal's, in new trials, the same for all. The "
        "observers know the arena, the law of movement and the noise of the sensors, and see the network's inputs."
    )
    references: tuple[str, ...] = field(default=("10.48550/arXiv.1609.09059", "10.1049/ip-f-2.1993.0015"))

    @property
    def checklist(self) -> dict[str, str]:
        """What this says to lines of the reviewer's checklist, by key."""
        others = [name for name in self.errors if name != "network"]
        return {"nulls": f"On the same trials: {', '.join(others)}."}

    def mean(self, source: str, first: int, last: int = 0) -> float:
        """Return the mean error of a source over steps `first` to `last` (from 1, both included; one step if 0), m."""
        return float(self.errors[source][:, first - 1 : max(first, last)].mean())

    def frame(self) -> pd.DataFrame:
        """Return one row a source and step: mean error over trials and its standard error, m."""
        tables = [
            pd.DataFrame(
                {
                    "source": name,
                    "time": self.times,
                    "error": errors.mean(axis=0),
                    "sem": errors.std(axis=0, ddof=1) / np.sqrt(len(errors)),
                }
            )
            for name, errors in self.errors.items()
        ]
        return pd.concat(tables, ignore_index=True)

    def summary(self) -> pd.DataFrame:
        """Return the mean error at some steps, a row a source, m."""
        n = len(self.times)
        steps = sorted({1, min(5, n), min(10, n), min(20, n), min(40, n), min(60, n), min(100, n), n})
        rows = {name: [self.mean(name, step) for step in steps] for name in self.errors}
        return pd.DataFrame.from_dict(rows, orient="index", columns=[f"step {step}" for step in steps])


def localise(
    fit: Fit,
    task: Navigation,
    trials: Trials,
    observers: Mapping[str, AbstractObserver],
    *,
    seed: int,
    n_examples: int = 0,
    cloud_steps: tuple[int, ...] = (),
) -> Localisation:
    """Let a network, the same without touch, an untrained one and observers answer the same trials.

    Args:
        fit: the network.
        task: what the trials were drawn from.
        trials: the trials.
        observers: by name.
        seed: of noise, untrained weights and what observers draw.
        n_examples: how many of the first trials to keep for looking at.
        cloud_steps: steps (from 1) at which the particles of these trials are kept.
    """
    answers = {"network": answered(fit, task, trials)}
    blind = replace(trials, inputs=trials.inputs.clone())
    blind.inputs[..., TOUCH] = 0.0
    answers["network, no touch"] = answered(fit, task, blind)
    answers["untrained, fitted readout"] = _reservoir(fit.untrained(seed), task, trials, seed)
    answers["middle of the arena"] = task.walls(trials).centroid()[:, None].expand(-1, trials.n_steps, -1)
    for i, (name, observer) in enumerate(observers.items()):
        stream = generator(1000 * seed + 31 + i)
        answers[name] = observer.locate(task, trials, generator=stream).position
    position = trials.behaviour["position"]
    errors = {name: (found - position).norm(dim=-1).double().numpy() for name, found in answers.items()}
    shown = [name for name in ("network", "particle filter") if name in answers]
    clouds = _clouds(task, trials.select(slice(0, n_examples)), cloud_steps, seed) if n_examples and cloud_steps else {}
    walls = task.walls(trials)
    examples = tuple(
        Example(
            torch.stack([walls.starts[i], walls.ends[i]], dim=1).double().numpy(),
            position[i].double().numpy(),
            {name: answers[name][i].double().numpy() for name in shown},
            {step: (cloud[0][i], cloud[1][i]) for step, cloud in clouds.items()},
        )
        for i in range(n_examples)
    )
    return Localisation(task.dt * np.arange(1.0, trials.n_steps + 1), errors, examples)


@torch.no_grad()
def answered(fit: Fit, task: Navigation, trials: Trials) -> Float[Tensor, "trial time 2"]:
    """Return where a network says the animal is, m."""
    outputs = fit.network(trials.inputs, start=trials.start).outputs
    return task.code.decode(outputs[..., : task.code.n_out])


def asked(task: object, seed: int) -> Navigation:
    """Return the navigation task with arenas of this seed, or refuse another task."""
    if not isinstance(task, Navigation) or not isinstance(task.arenas, StarArenas):
        fix = 'Take [task] type = "Navigation" with [task.arenas] type = "StarArenas".'
        _check.fail(
            "navigation study", "task", "Navigation in random arenas", type(task).__name__, fix, error=RecipeError
        )
    return replace(task, arenas=replace(task.arenas, seed=task.arenas.seed + seed))


def with_arenas(task: Navigation, **changes: object) -> Navigation:
    """Return the task in other random arenas; its answers keep their meaning."""
    assert isinstance(task.arenas, StarArenas)
    return replace(task, arenas=replace(task.arenas, **changes))


@torch.no_grad()
def _reservoir(untrained: Fit, task: Navigation, trials: Trials, seed: int, n_trials: int = 300) -> Tensor:
    """Return what a least-squares readout of an untrained network's activity says: what training must beat."""
    drawn = task.sample(n_trials, generator=generator(1000 * seed + 17))

    def activity(of: Trials) -> Tensor:
        units = untrained.network(of.inputs, start=of.start).activity
        return torch.cat([units, torch.ones_like(units[..., :1])], dim=-1)

    weights = torch.linalg.lstsq(activity(drawn).flatten(0, 1), drawn.behaviour["position"].flatten(0, 1)).solution
    return activity(trials) @ weights


def _clouds(
    task: Navigation, trials: Trials, steps: tuple[int, ...], seed: int
) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Return particles and weights at some steps, `(trial, particle, 2)` and `(trial, particle)`."""
    kept = {}
    clouds = ParticleFilter(1000).clouds(task, trials, generator=generator(1000 * seed + 5))
    with torch.no_grad():
        for step, cloud in enumerate(clouds, start=1):
            if step in steps:
                kept[step - 1] = (cloud.position.numpy(), cloud.weights.numpy())
    return kept
