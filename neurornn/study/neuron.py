"""A neuron under current clamp, fitted by three models and in three ways, each scored on steps that it never saw."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from neurornn import _check
from neurornn.cell import LIF, AbstractSpiking, AdaptiveLIF, AdEx
from neurornn.recording import Recording
from neurornn.study.base import AbstractStudy, Findings, Plan, needs_recording
from neurornn.study.clamp import Clamp, clamp_sweeps
from neurornn.study.neuron_fit import Evolution, Found, Gradient, Refined
from neurornn.study.neuron_kinds import RANGES, population, ranges
from neurornn.study.neuron_passive import passive
from neurornn.study.neuron_score import Answer, answer, ceiling, irregularity, paced, slowing

MODELS: Mapping[str, type[AbstractSpiking]] = {"lif": LIF, "adaptive": AdaptiveLIF, "adex": AdEx}


@dataclass(frozen=True, eq=False)
class NeuronFit:
    """A neuron's constants, and how well they do on held-out steps.

    Args:
        kind: of neuron.
        found: what the optimiser found.
        held_out: what it did under the steps that were held out.
    """

    kind: type[AbstractSpiking]
    found: Found
    held_out: Answer

    @property
    def cell(self) -> AbstractSpiking:
        """The fitted neuron: a cell of one unit under an injected current (pA)."""
        return self.found.cell(self.kind, dt=self.held_out.clamp.dt)

    def quantities(self) -> dict[str, float]:
        """Return scores, constants and costs by name."""
        return {
            "fi_error": self.held_out.fi_error,
            "gamma": self.held_out.gamma,
            "rmse": self.held_out.rmse,
            "slowing": slowing(self.held_out.model),
            "loss": self.found.loss,
            "seconds": self.found.seconds,
            "runs": float(self.found.runs),
            **self.found.values,
        }

    @property
    def methods(self) -> str:
        """How this was made."""
        return (
            f"{self.kind.__name__} in steps of {self.held_out.clamp.dt:g} ms. Lowered, in {self.found.runs} runs: "
            f"potential before the first spike, number of spikes so far, van Rossum's distance, slowing. Scored on "
            f"{len(self.held_out.clamp)} held-out steps: rate during the step, coincidence factor within 4 ms, "
            f"potential away from spikes."
        )

    def frame(self) -> pd.DataFrame:
        """Return one row a quantity."""
        found = self.quantities()
        return pd.DataFrame({"quantity": list(found), "value": list(found.values())})


def fit_neuron(
    recording: Recording | Clamp,
    kind: type[AbstractSpiking],
    *,
    optimiser: Gradient | Evolution | Refined | None = None,
    refractory: float | None = None,
    dt: float = 0.25,
    seed: int = 0,
) -> NeuronFit:
    r"""Fit a model neuron to a current clamp, and score it on every second step, which it never saw.

    All optimisers look between the same bounds and lower the same loss: the potential before the first spike, the
    number of spikes so far, where single spikes are (van Rossum's distance), and by how much the last interval of a
    step is longer than its first. Resistance and time constant are looked for within a factor of three of what the
    silent steps tell, the resting potential within 8 mV, the reset within 8 mV of the lowest potential between spikes
    or just below threshold, and the rest within `neurornn.study.neuron_kinds.RANGES`.

    The refractory period matters more than its size suggests: held at 1 ms, a fast-spiking neuron's f-I curve, which
    bends, can be had of adaptation alone, and then the model adapts where the neuron does not.

    Args:
        recording: a current clamp, as `load_recording("current_clamp_regular")` gives, or its `clamp_sweeps`.
        kind: `LIF`, `AdaptiveLIF` or `AdEx`.
        optimiser: `Gradient()` where absent; `Evolution()` needs no gradient, and `Refined()` is one after the other.
        refractory: absolute refractory period, ms; fitted, too, where absent.
        dt: time step, ms; the recording is averaged into it.
        seed: of starts and search.

    Raises:
        ValueError: if the recording is no current clamp, or `kind` is not one of the three.

    Example:
        >>> import neurornn as nr
        >>> def of(name):
        ...     return nr.fit_neuron(nr.load_recording(name), nr.AdEx).held_out.fi_error  # Hz

    References:
        Jolivet et al. (2008), doi:10.1016/j.jneumeth.2007.11.006; Storn & Price (1997), doi:10.1023/A:1008202821328.
    """
    if kind not in RANGES:
        must = f"one of {', '.join(one.__name__ for one in RANGES)}"
        _check.fail("fit_neuron", "kind", must, getattr(kind, "__name__", kind))
    if refractory is not None:
        _check.positive("fit_neuron", "refractory", refractory)
    clamp = recording if isinstance(recording, Clamp) else clamp_sweeps(recording, dt=dt)
    seen, _ = clamp.halves()
    chosen = optimiser if optimiser is not None else Gradient()
    return _scored(kind, chosen.find(kind, seen, ranges(kind, passive(seen), refractory), seed=seed), clamp)


def _scored(kind: type[AbstractSpiking], found: Found, clamp: Clamp) -> NeuronFit:
    """Return what was found beside what it does on the steps that were held out."""
    _, unseen = clamp.halves()
    return NeuronFit(kind, found, answer(population(kind, found.alone(), dt=clamp.dt), unseen))


@dataclass(frozen=True, eq=False)
class NeuronFits:
    """Several models of one neuron, each by every optimiser.

    Args:
        clamp: all sweeps.
        fits: by name, such as "adex, gradient".
        gamma: the neuron's coincidence factor with itself, estimated.
        methods: how this was made.
        references: DOIs.
    """

    clamp: Clamp
    fits: Mapping[str, NeuronFit]
    gamma: float
    methods: str
    references: tuple[str, ...] = (
        "10.1016/j.jneumeth.2007.11.006",
        "10.1023/A:1008202821328",
        "10.1162/089976601300014321",
    )

    def frame(self) -> pd.DataFrame:
        """Return one row a fit: scores on held-out steps, what it cost, and its constants."""
        rows = {name: fit.quantities() for name, fit in self.fits.items()}
        return pd.DataFrame(rows).T.rename_axis("fit").reset_index()

    def summary(self) -> pd.DataFrame:
        """Return the scores and costs alone."""
        kept = ["fit", "fi_error", "gamma", "rmse", "slowing", "loss", "seconds", "tau", "resistance", "refractory"]
        return pd.DataFrame(self.frame()[kept])


@dataclass(frozen=True)
class NeuronStudy(AbstractStudy):
    """Fit LIF, AdaptiveLIF and AdEx to a real neuron by gradient and by search, and score them on held-out steps.

    Args:
        dt: time step, ms.
        around: what is kept before and after a step, ms.
        starts: of the gradient.
        gradient_steps: of the gradient.
        generations: of the search.
        size: candidates of a generation.
        refining: steps of the gradient after the search.
        published: rate in each step as it was measured before, Hz, in order of the current; none where absent.
        published_at: the steps of `published`, pA; the strongest ones where absent.

    References:
        Jolivet et al. (2008), doi:10.1016/j.jneumeth.2007.11.006; Storn & Price (1997), doi:10.1023/A:1008202821328;
        Brette & Gerstner (2005), doi:10.1152/jn.00686.2005; van Rossum (2001), doi:10.1162/089976601300014321.
    """

    dt: float = 0.25
    around: float = 10.0
    starts: int = 32
    gradient_steps: int = 12
    generations: int = 40
    size: int = 64
    refining: int = 6
    published: tuple[float, ...] = ()
    published_at: tuple[float, ...] = ()

    def run(self, plan: Plan) -> Findings:
        clamp = clamp_sweeps(needs_recording("NeuronStudy", plan), dt=self.dt, before=self.around, after=self.around)
        seen, unseen = clamp.halves()
        known = {"fi_known_error": self._known(clamp)} if self.published else {}
        gradient = Gradient(starts=self.starts, steps=self.gradient_steps)
        search = Evolution(size=self.size, generations=self.generations)
        refined = Refined(search, Gradient(starts=self.starts // 2, steps=self.refining, learning_rate=0.03))
        fits: dict[str, NeuronFit] = {}
        measured = passive(seen)
        for model, kind in MODELS.items():
            bounds = ranges(kind, measured)
            plan.say(f"{kind.__name__} by gradient")
            by_gradient = gradient.find(kind, seen, bounds, seed=plan.seed)
            plan.say(f"{kind.__name__} by search")
            by_search = search.find(kind, seen, bounds, seed=plan.seed)
            both = refined.after(by_search, kind, seen, bounds)
            for way, found in (("gradient", by_gradient), ("search", by_search), ("refined", both)):
                fits[f"{model}, {way}"] = _scored(kind, found, clamp)
        found = {
            f"{name.replace(', ', '_')}_{key}": value
            for name, fit in fits.items()
            for key, value in fit.quantities().items()
        }
        found |= known | {
            "neuron_slowing": slowing(unseen),
            "neuron_irregularity": irregularity(unseen),
            "neuron_gamma": ceiling(unseen, seed=plan.seed),
            "neuron_gamma_paced": paced(unseen),
        }
        if measured is not None:
            found |= {f"neuron_{name}": value for name, value in vars(measured).items()}
        methods = (
            f"Sweeps at {self.dt:g} ms; every second step, in order of the current, held out. Gradient: Adam along the "
            f"surrogate gradient from the best {self.starts} of {gradient.drawn} candidates, {self.gradient_steps} "
            f"steps. Search: differential evolution (scipy), {self.generations} generations of {self.size}. Refined: "
            f"{self.refining} steps of the gradient from the best of the search. All lower the same loss (potential "
            f"before the first spike, number of spikes so far, van Rossum's distance, slowing) within the same bounds, "
            f"which lie around what the silent steps tell of the membrane and the fitted spikes of how far the "
            f"potential falls after them; the refractory period is fitted, too. Held out: rate during the step, "
            f"coincidence factor within 4 ms, potential away from spikes; slowing: last against first interval of the "
            f"strongest held-out step. The neuron's own coincidence factor is estimated from how far an interval is "
            f"from its neighbours: no step was given twice. Were its own train slower by 2 % from its first spike on, "
            f"the factor would be {found['neuron_gamma_paced']:.2f}: under constant steps errors of the pace add up."
        )
        result = NeuronFits(clamp, fits, found["neuron_gamma"], methods)
        shown = result.summary().set_index("fit")
        return Findings(found, headline=shown, parts={"neuron": result}, notes=plan.notes, title=plan.title)

    def _known(self, clamp: Clamp) -> float:
        """Return how far the recording's rates are from those measured before, Hz."""
        order = np.argsort(clamp.steps, kind="stable")[-len(self.published) :]
        if self.published_at:
            order = np.array([int(np.abs(clamp.steps - one).argmin()) for one in self.published_at])
            if len(order) != len(self.published):
                _check.fail("NeuronStudy", "published_at", "one step a rate", len(order))
        return float(np.abs(clamp.rates()[order] - self.published).max())
