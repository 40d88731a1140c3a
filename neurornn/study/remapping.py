"""Several arenas: whether a network tells them apart, and whether its units remap between them."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float

from neurornn import _check
from neurornn._types import generator
from neurornn.errors import RecipeError
from neurornn.fit import Fit
from neurornn.observer import AbstractObserver, ParticleFilter, PathIntegration
from neurornn.recording import Recording
from neurornn.statistics import PlaceBins, Remapping, remapping
from neurornn.study.base import AbstractStudy, Findings, Plan, taught, workplace
from neurornn.study.localising import Localisation, asked, localise, with_arenas
from neurornn.study.placing import since
from neurornn.task import Navigation


@dataclass(frozen=True, eq=False)
class Recognition:
    """How often the right arena is named, at each step of a trial.

    Args:
        times: end of each step since the trial began. Shape `(time,)`, ms.
        right: share of trials, by source. Shapes `(time,)`.
        chance: of guessing.
    """

    times: Float[np.ndarray, " time"]
    right: Mapping[str, Float[np.ndarray, " time"]]
    chance: float

    methods = "Recognition: share of new trials in which the most probable arena is the right one, at each step."
    references = ("10.48550/arXiv.1609.09059",)

    def frame(self) -> pd.DataFrame:
        """Return one row a step, a column a source."""
        return pd.DataFrame({"time": self.times, **self.right, "chance": self.chance})


@dataclass(frozen=True, eq=False)
class Remappings:
    """Remapping between every two arenas, of networks that were trained and one that was not.

    Args:
        pairs: by network, then by the numbers of two arenas.
    """

    pairs: Mapping[str, Mapping[tuple[int, int], Remapping]]

    @property
    def methods(self) -> str:
        """How this was made."""
        return self._any.methods

    @property
    def references(self) -> tuple[str, ...]:
        """DOIs of the methods."""
        return self._any.references

    @property
    def _any(self) -> Remapping:
        return next(iter(next(iter(self.pairs.values())).values()))

    def frame(self) -> pd.DataFrame:
        """Return one row a network and pair of arenas: mean correlations within and between, beside chance."""
        rows = []
        for network, pairs in self.pairs.items():
            for (one, other), found in pairs.items():
                table = found.summary()
                row = {"network": network, "one": one, "other": other}
                for name, label in (("map", "map"), ("population vector", "vector")):
                    row |= {
                        f"{label}_{column}": table.loc[name, column] for column in ("within", "between", "shuffled")
                    }
                rows.append(row | {"rate_overlap": table.loc["rate overlap", "between"]})
        return pd.DataFrame(rows)

    def summary(self) -> pd.DataFrame:
        """Return the mean over pairs of arenas, a row a network."""
        frame = self.frame().drop(columns=["one", "other"])
        return pd.DataFrame(frame.groupby("network", sort=False).mean())


@dataclass(frozen=True)
class RemappingStudy(AbstractStudy):
    """Train a network to say where it is and in which of several arenas, and ask whether its units remap.

    One control is a network trained in as many arenas that resemble each other. Between these there is hardly any
    remapping: one readout of x and y for all arenas forces a common code of position, and only a demand to tell arenas
    apart that differ works against it. The other is an untrained network: **its maps change, too**, because arenas that
    differ are walked through differently. What training adds is the difference to it.

    Args:
        trials: new trials of every comparison.
        particles: of the particle filter that is told the arena; the one that is not has as many for each arena.
        guessed: trials of that other one, which takes long.
        settled: the step (from 1) from which on units are recorded.
        recorded: trials that units are recorded in.
        bins: place bins along each axis.
        shuffles: random dealings of units.
        probes: steps at which recognition is reported.
        alike: smallest and largest radius of the arenas of the control, m.
        control_steps: training steps of the control.
        examples: trials kept for the page.
        folder: where checkpoints are kept, so that a training that was cut short goes on; a temporary one where empty.

    References:
        I. Kanitscheider and I. Fiete (2017), Training recurrent networks to generate hypotheses about how the brain
        solves hard navigation problems, doi:10.48550/arXiv.1609.09059.
    """

    trials: int = 300
    particles: int = 1000
    guessed: int = 100
    settled: int = 41
    recorded: int = 1200
    bins: int = 20
    shuffles: int = 100
    probes: tuple[int, ...] = (1, 10, 25, 50, 100, 150)
    alike: tuple[float, float] = (0.6, 1.0)
    control_steps: int = 700
    examples: int = 2
    folder: str = ""

    def run(self, plan: Plan) -> Findings:
        task = asked(plan.task(), plan.seed)
        if not task.identify:
            fix = "Set identify = true in [task]."
            _check.fail(
                "RemappingStudy", "task", "one that asks which arena it is", "identify = false", fix, error=RecipeError
            )
        control = with_arenas(task, radii=self.alike)
        fits = {}
        with workplace(self.folder, plan) as place:
            for name, home, steps in (("main", task, 0), ("similar", control, self.control_steps)):
                plan.say(f"training, {name}")
                fits[name] = taught(plan, home, place / f"{name}.safetensors", steps=steps)
        plan.say("localising and recognising, beside particle filters")
        found, known = self._answers(plan, fits["main"], task)
        _, known_alike = self._answers(plan, fits["similar"], control, observers=False)
        plan.say("remapping between every two arenas")
        maps = Remappings(
            {
                "trained": self._maps(fits["main"], plan.seed),
                "trained, similar arenas": self._maps(fits["similar"], plan.seed),
                "untrained": self._maps(fits["main"].untrained(plan.seed), plan.seed),
            }
        )
        quantities = self._quantities(found, known, known_alike, maps)
        parts = {"localisation": found, "recognition": known, "remapping": maps}
        return Findings(quantities, fits["main"], maps.summary().round(3), parts, plan.notes, plan.title)

    def _answers(
        self, plan: Plan, fit: Fit, task: Navigation, *, observers: bool = True
    ) -> tuple[Localisation, Recognition]:
        trials = task.sample(self.trials, generator=generator(plan.seed + 1_000_001))
        told: dict[str, AbstractObserver] = {"path integration": PathIntegration()}
        if observers:
            told["particle filter, told the arena"] = ParticleFilter(self.particles, progress=plan.progress)
        found = localise(fit, task, trials, told, seed=plan.seed, n_examples=self.examples if observers else 0)
        with torch.no_grad():
            right = {"network": task.recognised(trials, fit.network(trials.inputs, start=trials.start).outputs)}
        errors = dict(found.errors)
        if observers:
            n_particles = self.particles * task.arenas.n_arenas
            untold = ParticleFilter(n_particles, told_arena=False, progress=plan.progress)
            some = trials.select(slice(0, self.guessed))
            guess = untold.locate(task, some, generator=generator(1000 * plan.seed + 41))
            right["particle filter"] = guess.recognised(some)
            errors["particle filter"] = guess.errors(some).double().numpy()
        shares = {name: share.double().mean(dim=0).numpy() for name, share in right.items()}
        whole = Localisation(found.times, errors, found.examples)
        return whole, Recognition(found.times, shares, 1 / task.arenas.n_arenas)

    def _maps(self, fit: Fit, seed: int) -> dict[tuple[int, int], Remapping]:
        """Return the remapping between every two arenas."""
        task = fit.task
        assert isinstance(task, Navigation)
        recording = since(fit.record(n_trials=self.recorded, seed=seed + 71), self.settled)
        place = PlaceBins(
            "position", self.bins, task.arenas.extent, smoothing=1.0, dt=task.dt, smooth=0.0, min_occupancy=3 * task.dt
        )
        rooms = [in_arena(recording, number) for number in range(task.arenas.n_arenas)]
        pairs = itertools.combinations(range(len(rooms)), 2)
        return {(i, j): remapping(rooms[i], rooms[j], place, n_shuffles=self.shuffles, seed=seed) for i, j in pairs}

    def _quantities(
        self, found: Localisation, known: Recognition, known_alike: Recognition, maps: Remappings
    ) -> dict[str, float]:
        n = len(found.times)
        probes = [step for step in self.probes if step <= n]
        at = {f"recognised_{step}": float(known.right["network"][step - 1]) for step in probes}
        optimum = {
            f"recognised_{step}_particle_filter": float(known.right["particle filter"][step - 1]) for step in probes
        }
        named = {**at, **optimum, "chance": known.chance}
        last = min(10, n)
        named["recognised"] = float(known.right["network"][-last:].mean())
        named["recognised_particle_filter"] = float(known.right["particle filter"][-last:].mean())
        named["recognised_similar"] = float(known_alike.right["network"][-last:].mean())
        named["recognition_rises"] = float(np.min(np.diff(list(at.values())))) if len(at) > 1 else float("nan")
        for name in ("network", "network, no touch", "particle filter", "particle filter, told the arena"):
            named[f"error_{name.replace(',', '').replace(' ', '_')}"] = found.mean(name, n - last + 1, n)
        summary = maps.summary()
        for network in summary.index:
            row = dict(zip(summary.columns, summary.loc[[network]].to_numpy(dtype=float)[0], strict=True))
            prefix = {"trained": "", "untrained": "_untrained"}.get(str(network), "_similar")
            for column in (
                "map_within",
                "map_between",
                "map_shuffled",
                "vector_within",
                "vector_between",
                "rate_overlap",
            ):
                named[f"{column}{prefix}"] = row[column]
            named[f"vector_gap{prefix}"] = row["vector_within"] - row["vector_between"]
        return named


def in_arena(recording: Recording, number: int) -> Recording:
    """Return the recording with only the trials in one arena."""
    inside = recording.trials["arena"].to_numpy() == number
    return recording.with_trials(recording.trials.iloc[np.flatnonzero(inside)])
