"""A neuron under current clamp, fitted by three models and two optimisers, each scored on steps that it never saw."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from neurornn import _check
from neurornn.cell import LIF, AbstractSpiking, AdaptiveLIF, AdEx
from neurornn.recording import Recording
from neurornn.study.base import AbstractStudy, Findings, Plan, needs_recording
from neurornn.study.clamp import Clamp, clamp_sweeps
from neurornn.study.neuron_fit import Evolution, Found, Gradient
from neurornn.study.neuron_kinds import RANGES
from neurornn.study.neuron_score import Answer, answer, slowing

MODELS: Mapping[str, type[AbstractSpiking]] = {"lif": LIF, "adaptive": AdaptiveLIF, "adex": AdEx}


@dataclass(frozen=True, eq=False)
class NeuronFit:
    """A neuron's constants, and how well they do on held-out steps.

    Args:
        kind: of neuron.
        found: what the optimiser found.
        held_out: what it did under the steps that were held out.
        refractory: absolute refractory period, ms.
    """

    kind: type[AbstractSpiking]
    found: Found
    held_out: Answer
    refractory: float

    @property
    def cell(self) -> AbstractSpiking:
        """The fitted neuron: a cell of one unit under an injected current (pA)."""
        return self.found.cell(self.kind, dt=self.held_out.clamp.dt, refractory=self.refractory)

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

    def frame(self) -> pd.DataFrame:
        """Return one row a quantity."""
        found = self.quantities()
        return pd.DataFrame({"quantity": list(found), "value": list(found.values())})


def fit_neuron(
    recording: Recording | Clamp,
    kind: type[AbstractSpiking],
    *,
    optimiser: Gradient | Evolution | None = None,
    refractory: float = 2.0,
    dt: float = 0.1,
    seed: int = 0,
) -> NeuronFit:
    r"""Fit a model neuron to a current clamp, and score it on every second step, which it never saw.

    Both optimisers look between the same bounds (`neurornn.study.neuron_kinds.RANGES`) and lower the same loss: the
    potential before the first spike, and the number of spikes so far at every 25 ms.

    Args:
        recording: a current clamp, as `load_recording("current_clamp_regular")` gives, or its `clamp_sweeps`.
        kind: `LIF`, `AdaptiveLIF` or `AdEx`.
        optimiser: `Gradient()` where absent; `Evolution()` needs no gradient.
        refractory: absolute refractory period, ms.
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
    clamp = recording if isinstance(recording, Clamp) else clamp_sweeps(recording, dt=dt)
    seen, unseen = clamp.halves()
    chosen = optimiser if optimiser is not None else Gradient()
    found = chosen.find(kind, seen, refractory=refractory, seed=seed)
    cell = found.cell(kind, dt=clamp.dt, refractory=refractory)
    return NeuronFit(kind, found, answer(cell, unseen), refractory)


@dataclass(frozen=True, eq=False)
class NeuronFits:
    """Several models of one neuron, each by both optimisers.

    Args:
        clamp: all sweeps.
        fits: by name, such as "adex, gradient".
        methods: how this was made.
        references: DOIs.
    """

    clamp: Clamp
    fits: Mapping[str, NeuronFit]
    methods: str
    references: tuple[str, ...] = ("10.1016/j.jneumeth.2007.11.006", "10.1023/A:1008202821328")

    def frame(self) -> pd.DataFrame:
        """Return one row a fit: scores on held-out steps, what it cost, and its constants."""
        rows = {name: fit.quantities() for name, fit in self.fits.items()}
        return pd.DataFrame(rows).T.rename_axis("fit").reset_index()

    def summary(self) -> pd.DataFrame:
        """Return the scores and costs alone."""
        kept = ["fit", "fi_error", "gamma", "rmse", "slowing", "loss", "seconds", "tau", "resistance"]
        return pd.DataFrame(self.frame()[kept])


@dataclass(frozen=True)
class NeuronStudy(AbstractStudy):
    """Fit LIF, AdaptiveLIF and AdEx to a real neuron by gradient and by search, and score them on held-out steps.

    Args:
        refractory: absolute refractory period, ms.
        dt: time step, ms.
        starts: of the gradient.
        gradient_steps: of the gradient.
        generations: of the search.
        size: candidates of a generation.
        published: rate in each step as it was measured before, Hz, in order of the current; none where absent.

    References:
        Jolivet et al. (2008), doi:10.1016/j.jneumeth.2007.11.006; Storn & Price (1997), doi:10.1023/A:1008202821328;
        Brette & Gerstner (2005), doi:10.1152/jn.00686.2005.
    """

    refractory: float = 2.0
    dt: float = 0.1
    starts: int = 32
    gradient_steps: int = 24
    generations: int = 32
    size: int = 64
    published: tuple[float, ...] = ()

    def run(self, plan: Plan) -> Findings:
        clamp = clamp_sweeps(needs_recording("NeuronStudy", plan), dt=self.dt)
        optimisers = {
            "gradient": Gradient(starts=self.starts, steps=self.gradient_steps),
            "search": Evolution(size=self.size, generations=self.generations),
        }
        fits: dict[str, NeuronFit] = {}
        for model, kind in MODELS.items():
            for way, optimiser in optimisers.items():
                plan.say(f"{kind.__name__} by {way}")
                fits[f"{model}, {way}"] = fit_neuron(
                    clamp, kind, optimiser=optimiser, refractory=self.refractory, seed=plan.seed
                )
        _, unseen = clamp.halves()
        found = {
            f"{name.replace(', ', '_')}_{key}": value
            for name, fit in fits.items()
            for key, value in fit.quantities().items()
        }
        found["neuron_slowing"] = slowing(unseen)
        if self.published:
            order = np.argsort(clamp.steps, kind="stable")[-len(self.published) :]
            found["fi_known_error"] = float(np.abs(clamp.rates()[order] - self.published).max())
        methods = (
            f"Sweeps at {self.dt:g} ms; every second step, in order of the current, held out. Gradient: Adam along the "
            f"surrogate gradient from {self.starts} starts, {self.gradient_steps} steps. Evolution: differential "
            f"evolution (scipy), {self.generations} generations of {self.size}. Both lower the same loss (potential "
            f"before the first spike, number of spikes so far) within the same bounds. Held out: rate during the step, "
            f"coincidence factor within 4 ms, potential away from spikes; slowing: last against first interval of the "
            f"strongest held-out step."
        )
        result = NeuronFits(clamp, fits, methods)
        shown = result.summary().set_index("fit")
        return Findings(found, headline=shown, parts={"neuron": result}, notes=plan.notes, title=plan.title)
