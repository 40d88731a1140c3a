"""Novel arenas: whether a network that knows many arenas can map a new one while it keeps track of itself there."""

from dataclasses import dataclass

from neurornn import _check
from neurornn._types import generator
from neurornn.errors import RecipeError
from neurornn.fit import Fit
from neurornn.observer import AbstractObserver, ParticleFilter, PathIntegration, SingleHypothesis
from neurornn.study.base import AbstractStudy, Findings, Plan, taught, workplace
from neurornn.study.localising import Localisation, asked, localise, with_arenas
from neurornn.task import Navigation, Start


@dataclass(frozen=True)
class NovelArenaStudy(AbstractStudy):
    """Train a network in many arenas and one in a single arena, and set both down in arenas they have never been to.

    Each trial starts in the middle of its arena, so that dead reckoning is possible, and drifts. Whoever knows nothing
    of the walls can do no better; whoever learns within the trial where they are stops drifting. Observers are *told*
    the novel arena: the particle filter is what could be done with a map, not what can be done without.

    Args:
        trials: trials of every comparison; of novel arenas, as many arenas.
        particles: of the particle filter.
        last: how many steps at the end of a trial are averaged.
        specialist_steps: training steps of the network that knows one arena.
        examples: trials kept for the page.
        folder: where checkpoints are kept, so that a training that was cut short goes on; a temporary one where empty.

    References:
        I. Kanitscheider and I. Fiete (2017), Training recurrent networks to generate hypotheses about how the brain
        solves hard navigation problems, doi:10.48550/arXiv.1609.09059.
    """

    trials: int = 300
    particles: int = 1000
    last: int = 10
    specialist_steps: int = 700
    examples: int = 2
    folder: str = ""

    def run(self, plan: Plan) -> Findings:
        task = asked(plan.task(), plan.seed)
        if task.arenas.n_arenas < 2 or task.start is Start.UNKNOWN:
            must, fix = "one of many arenas with a known start", 'Set start = "origin" and [task.arenas] n = 400.'
            got = f"{task.arenas.n_arenas} arenas, start {task.start.value}"
            _check.fail("NovelArenaStudy", "task", must, got, fix, error=RecipeError)
        single = with_arenas(task, n=1)
        novel = with_arenas(task, n=0)
        fits = {}
        with workplace(self.folder, plan) as place:
            for name, home, steps in (("main", task, 0), ("specialist", single, self.specialist_steps)):
                plan.say(f"training, {name}")
                fits[name] = taught(plan, home, place / f"{name}.safetensors", steps=steps)
        found = {
            "novel": self._found(plan, fits["main"], novel, full=True),
            "trained": self._found(plan, fits["main"], task),
            "specialist, own": self._found(plan, fits["specialist"], single),
            "specialist, novel": self._found(plan, fits["specialist"], novel),
        }
        plan.say("done")
        parts = {name.replace(", ", "_"): one for name, one in found.items()}
        return Findings(
            self._quantities(found), fits["main"], found["novel"].summary().round(3), parts, plan.notes, plan.title
        )

    def _found(self, plan: Plan, fit: Fit, task: Navigation, *, full: bool = False) -> Localisation:
        where = "novel arenas" if task.arenas.n_arenas == 0 else "arenas it was trained in"
        plan.say(f"localising in {where}")
        trials = task.sample(self.trials, generator=generator(plan.seed + 1_000_001))
        observers: dict[str, AbstractObserver] = {"path integration": PathIntegration()}
        if full:
            observers["single hypothesis, told the arena"] = SingleHypothesis()
            observers["particle filter"] = ParticleFilter(self.particles, progress=plan.progress)
        return localise(
            fit, task, trials, observers, seed=plan.seed, n_examples=self.examples if full else 0, cloud_steps=()
        )

    def _quantities(self, found: dict[str, Localisation]) -> dict[str, float]:
        n = len(found["novel"].times)
        first = max(1, n - self.last + 1)
        last = {name: one.mean("network", first, n) for name, one in found.items()}
        novel = found["novel"]
        return {
            "trained_error": last["trained"],
            "novel_error": last["novel"],
            "novel_over_trained": last["novel"] / last["trained"],
            "novel_over_path_integration": last["novel"] / novel.mean("path integration", first, n),
            "novel_over_particle_filter": last["novel"] / novel.mean("particle filter", first, n),
            "novel_no_touch": novel.mean("network, no touch", first, n),
            "novel_untrained": novel.mean("untrained, fitted readout", first, n),
            "path_integration_error": novel.mean("path integration", first, n),
            "particle_filter_error": novel.mean("particle filter", first, n),
            "single_hypothesis_error": novel.mean("single hypothesis, told the arena", first, n),
            "specialist_own_error": last["specialist, own"],
            "specialist_novel_error": last["specialist, novel"],
            "specialist_novel_over_own": last["specialist, novel"] / last["specialist, own"],
        }
