"""A familiar arena: whether a network finds itself as well as can be done, and what its units do meanwhile."""

from dataclasses import dataclass

import numpy as np

from neurornn._types import generator
from neurornn.observer import ParticleFilter, PathIntegration, SingleHypothesis
from neurornn.statistics import Dimensions, PlaceBins, dimensions
from neurornn.study.base import AbstractStudy, Findings, Plan, taught, workplace
from neurornn.study.localising import Localisation, asked, localise
from neurornn.study.placing import Placing, placing


@dataclass(frozen=True)
class FamiliarArenaStudy(AbstractStudy):
    """Train a network to find itself in one arena, and hold it against observers that know the rules.

    1. Its error over time, beside a particle filter, one hypothesis at a time, path integration from the true start,
       the middle of the arena, itself without touch, and an untrained network with a fitted readout. **Without touch it
       is still better than the middle**: an animal turns at walls, and that shows in its self-motion.
    2. Place tuning of its units once it has found itself, beside an untrained network. **Stability proves nothing**:
       maps of an untrained network are as stable.
    3. How many dimensions its activity has while it finds itself, and after.

    Args:
        trials: new trials of every comparison.
        particles: of the particle filter.
        late: the step (from 1) from which on a trial is late: errors are averaged, from here to the end.
        settled: the step from which on units are profiled.
        recorded: trials that units are recorded in.
        bins: place bins along each axis.
        shifts: circular shifts of the spatial statistics.
        windows: last step of each window in which dimensions are counted.
        examples: trials kept for the page.
        folder: where checkpoints are kept, so that a training that was cut short goes on; a temporary one where empty.

    References:
        I. Kanitscheider and I. Fiete (2017), Training recurrent networks to generate hypotheses about how the brain
        solves hard navigation problems, doi:10.48550/arXiv.1609.09059.
    """

    trials: int = 300
    particles: int = 1000
    late: int = 60
    settled: int = 41
    recorded: int = 400
    bins: int = 20
    shifts: int = 100
    windows: tuple[int, ...] = (3, 8, 16, 40, 100)
    examples: int = 2
    folder: str = ""

    def run(self, plan: Plan) -> Findings:
        task = asked(plan.task(), plan.seed)
        with workplace(self.folder, plan) as place:
            plan.say("training")
            fit = taught(plan, task, place / "main.safetensors")
        plan.say("localising, beside the observers")
        trials = task.sample(self.trials, generator=generator(plan.seed + 1_000_001))
        observers = {
            "particle filter": ParticleFilter(self.particles, progress=plan.progress),
            "single hypothesis": SingleHypothesis(),
            "path integration": PathIntegration(),
        }
        steps = (1, 10, 40) if trials.n_steps >= 40 else (1,)
        found = localise(fit, task, trials, observers, seed=plan.seed, n_examples=self.examples, cloud_steps=steps)
        plan.say("place tuning")
        bins = PlaceBins(
            "position", self.bins, task.arenas.extent, smoothing=1.0, dt=task.dt, smooth=0.0, min_occupancy=5 * task.dt
        )
        tuned, recording = placing(
            fit, bins, n_trials=self.recorded, first=self.settled, n_shifts=self.shifts, seed=plan.seed
        )
        plan.say("dimensions over the trial")
        edges = (0, *self.windows)
        stretches = [(a * task.dt, b * task.dt) for a, b in zip(edges, self.windows, strict=False)]
        counted = dimensions(recording, stretches, dt=task.dt, seed=plan.seed)
        quantities = self._quantities(found, tuned, counted)
        parts = {"localisation": found, "places": tuned, "dimensions": counted}
        return Findings(quantities, fit, found.summary().round(3), parts, plan.notes, plan.title)

    def _quantities(self, found: Localisation, tuned: Placing, counted: Dimensions) -> dict[str, float]:
        n = len(found.times)
        late = {name: found.mean(name, min(self.late, n), n) for name in found.errors}
        named = {f"late_{_word(name)}": value for name, value in late.items()}
        for name in ("particle filter", "single hypothesis", "middle of the arena"):
            named[f"late_over_{_word(name)}"] = late["network"] / late[name]
        named["late_over_path_integration"] = late["network"] / found.mean("path integration", n)
        for name in ("network", "path integration"):
            named[f"last_over_first_{_word(name)}"] = found.mean(name, n) / found.mean(name, 1)
        trained, untrained = tuned.explained["trained"], tuned.explained["untrained"]
        named |= {
            "place_r2": float(np.nanmedian(trained)),
            "place_r2_untrained": float(np.nanmedian(untrained)),
            "place_r2_ratio": float(np.nanmedian(trained) / np.nanmedian(untrained)),
            "place_units": 100 * float(np.mean(trained > 0.5)),
            "place_units_untrained": 100 * float(np.mean(untrained > 0.5)),
        }
        for name in ("bits_per_spike", "stability", "sparsity"):
            named[name] = float(np.nanmedian(tuned.trained.table[name].to_numpy(dtype=float)))
            named[f"{name}_untrained"] = float(np.nanmedian(tuned.untrained.table[name].to_numpy(dtype=float)))
        values = counted.table["dimensions"].to_numpy()
        named |= {f"dimensions_{k}": float(value) for k, value in enumerate(values, start=1)}
        named["dimensions_peak"] = 1.0 + int(np.argmax(values))
        named["dimensions_drop"] = 100 * float(1 - values[-1] / values.max())
        return named


def _word(name: str) -> str:
    return name.replace(",", "").replace(" ", "_")
