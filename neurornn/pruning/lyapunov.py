"""Lyapunov noise pruning: synapses by noise and exponents, units by betweenness, then edges and time constants."""

from dataclasses import dataclass, field
from enum import Enum

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from neurornn import _check
from neurornn.cell.member import member
from neurornn.network import Network
from neurornn.pruning.base import AbstractPruning, Choice, Connected, count_of
from neurornn.pruning.covariance import AbstractCovariance, AnalyticCovariance, Told
from neurornn.pruning.graph import least_between, mended, spread_out_modes
from neurornn.pruning.linear import slope_at_rest, time_constants_of
from neurornn.pruning.noise import SelfWeights, finished
from neurornn.pruning.rebuild import needed_units, remade
from neurornn.pruning.rescale import Rescale, rescaling
from neurornn.pruning.sampling import drawn, filled, fresh, probabilities, resistance_scores
from neurornn.pruning.spectrum import Exponents, Spectrum, driving, neighbourhood_exponents, spectrum_of
from neurornn.pruning.timescales import retimed

MOST = 50
"""Evaluations of a spectrum, at most."""


class Size(Enum):
    r"""What multiplies the difference that noise makes, $C_{ii} + C_{jj} - 2\,\mathrm{sgn}(w_{ij})\,C_{ij}$.

    - `WEIGHT`: $|w_{ij}|$, as noise pruning does.
    - `EXPONENT`: $|l_{ij}|$, the exponents of the neighbourhood.
    - `BOTH`: $|w_{ij}\,l_{ij}|$.
    - `EVEN`: not even that difference: all synapses alike, the step left out.
    """

    WEIGHT = "weight"
    EXPONENT = "exponent"
    BOTH = "both"
    EVEN = "even"


@dataclass(frozen=True, eq=False)
class LyapunovNoisePruning(AbstractPruning):
    r"""Prune an untrained network of many time constants before any task: Lyapunov noise pruning.

    1. Each synapse is kept with $p_{ij} = \min(1, K\,m_{ij}\,(C_{ii} + C_{jj} - 2\,\mathrm{sgn}(w_{ij})\,C_{ij}))$;
       $C$ is the covariance under noise and $m$ holds the Lyapunov exponents of the synapse's neighbourhood,
       $l_{ij} = 1/\mathrm{mean}\{1/|\lambda_k| : k \in N(i) \cup N(j)\}$. Survivors are divided by $p_{ij}$, capped.
    2. Units of least betweenness centrality go.
    3. No unit is left without inputs or without targets, and all hang together; connections come back, to the density
       that was asked for, where they spread out localised modes. They come back with the weights that they had.
    4. Time constants are chosen anew (a Gamma law, by Bayesian optimisation) so that the Lyapunov spectrum is that of
       the network before and its largest exponent no larger. Equal ones stay equal.

    The paper leaves several of these points open (which exponents belong to a unit, what a harmonic mean of both signs
    is, when to stop): they are settings here, each step can be left out, and `Pruned.steps` says what each did.
    **Where every unit is a neighbour of every other, as in a `Dense` wiring, $l_{ij}$ is the same for all synapses and
    says nothing**: start from a sparse one. The exact exponents of a spiking network are those of its leaks, whatever
    its weights; through a surrogate they depend on its slope.

    Args:
        covariance: where $C$ comes from.
        size: $m$: "weight", "exponent", "both", or "even" to leave step 1's scores out.
        exponents: of units, for step 1: "leaks" (exact) or "measured" (of spiking units through their surrogate).
        units: part of the units that goes in step 2; 0 to leave it out.
        batches: in how many goes, betweenness being found anew after each.
        repair: whether step 3 mends what was cut off.
        delocalise: whether connections come back where they spread out modes; else those of highest score do.
        retime: whether to take step 4. It needs the extra `prune`.
        compared: whose spectra it compares: "measured" or "leaks". The leaks of a spiking network know no weights: they
            leave time constants nearly as they were, whatever pruning did.
        evaluations: spectra that it may compute, at most 50.
        n_exponents: the largest exponents that are compared, where they are measured; 0 for all.
        inputs: what drives the network while exponents are measured; white noise on all inputs where absent. Shape
            `(trial, time, in)`.
        level: of that noise: what it moves a unit by, in its span.
        steps: that a spectrum is measured over.
        diagonal: "original", "matched" or "auto", as in `NoisePruning`.
        rescale: what survivors are multiplied by: "none", "full", "capped" or "radius".
        cap: the quantile of $1/p$ at which "capped" caps.

    Raises:
        ValueError: if a setting is unknown, or so much is cut that no two units are left.
        NotConverged: if the network is so unstable that no covariance is to be had.

    References:
        Chakraborty, Kang, Kumar & Mukhopadhyay (2024), Sparse spiking neural network: exploiting heterogeneity in
        timescales for pruning recurrent SNN, doi:10.48550/arXiv.2403.03409; Moore & Chaudhuri (2020),
        doi:10.48550/arXiv.2011.07334; Brandes (2001), doi:10.1080/0022250X.2001.9990249.

    Example:
        >>> from neurornn import LIF, Dense, Gamma, LyapunovNoisePruning, Network, Sparse, prune
        >>> cell = LIF(1, 60, tau=Gamma(20.0, 0.5, least=2.0), wiring=Sparse(Dense(60), density=0.3))
        >>> pruned = prune(Network(cell, 1), LyapunovNoisePruning(retime=False), density=0.4, seed=1)
        >>> pruned.network.n_units, round(pruned.density, 2)
        (48, 0.4)
    """

    covariance: AbstractCovariance = field(default_factory=AnalyticCovariance)
    size: Size | str = Size.BOTH
    exponents: Exponents | str = Exponents.LEAKS
    units: float = 0.2
    batches: int = 5
    repair: bool = True
    delocalise: bool = True
    retime: bool = True
    compared: Exponents | str = Exponents.MEASURED
    evaluations: int = 20
    n_exponents: int = 20
    inputs: Float[Tensor, "trial time in"] | None = field(default=None, repr=False)
    level: float = 0.5
    steps: int = 200
    diagonal: SelfWeights | str = SelfWeights.AUTO
    rescale: Rescale | str = Rescale.CAPPED
    cap: float = 0.5

    def __post_init__(self) -> None:
        owner = "LyapunovNoisePruning"
        object.__setattr__(self, "size", member(owner, "size", Size, self.size))
        object.__setattr__(self, "exponents", member(owner, "exponents", Exponents, self.exponents))
        object.__setattr__(self, "compared", member(owner, "compared", Exponents, self.compared))
        object.__setattr__(self, "diagonal", member(owner, "diagonal", SelfWeights, self.diagonal))
        object.__setattr__(self, "rescale", rescaling(owner, self.rescale, tuple(Rescale)))
        _check.fraction("LyapunovNoisePruning", "cap", self.cap)
        _check.fraction("LyapunovNoisePruning", "units", self.units)
        _check.count("LyapunovNoisePruning", "batches", self.batches)
        _check.count("LyapunovNoisePruning", "n_exponents", self.n_exponents, least=0)
        _check.count("LyapunovNoisePruning", "steps", self.steps, least=8)
        _check.positive("LyapunovNoisePruning", "level", self.level)
        if _check.count("LyapunovNoisePruning", "evaluations", self.evaluations) > MOST:
            _check.fail("LyapunovNoisePruning", "evaluations", f"at most {MOST}", self.evaluations)

    def choose(self, network: Network, density: float, generator: torch.Generator) -> Choice:
        dense = Connected.of(network)
        n_kept = count_of("LyapunovNoisePruning", density, len(dense.places))
        streams = [fresh(generator) for _ in range(3)]
        inputs = (
            self.inputs
            if self.inputs is not None
            else driving(network, self.level, self.steps, streams[0].initial_seed())
        )
        kind = Exponents(self.exponents)
        whole = spectrum_of(network, kind, inputs.double())
        scores, steps = self._scores(network, dense, whole, streams[1])
        factor = filled(scores[dense.between], float(n_kept))
        keep = probabilities(scores, factor)
        mask = drawn(keep, generator, mirrored=False)
        steps += [("probabilities", "K", factor), ("probabilities", "drawn", float(mask.sum()))]
        units = self._units(network, dense, mask, steps)
        mask, possible = _only(mask, units), _only(dense.between, units)
        survived = mask.copy()
        if len(units) < 2 or not possible.any():
            fix = "Let fewer units go."
            _check.fail("LyapunovNoisePruning", "units", "small enough to leave two connected ones", self.units, fix)
        how = {"rescale": Rescale(self.rescale), "cap": self.cap, "diagonal": SelfWeights(self.diagonal)}
        alone = finished(network, dense, survived, keep, [], **how).weights
        mask = self._edges(np.where(survived, alone, dense.weights), mask, scores, possible, units, n_kept, steps)
        choice = finished(network, dense, mask, keep, steps, back=mask & ~survived, **how)
        steps = list(choice.steps)
        taus = None
        if self.retime:
            compared = Exponents(self.compared)
            if compared is not kind:
                whole = spectrum_of(network, compared, inputs.double(), n_exponents=self.n_exponents)
            taus = self._taus(network, choice, units, whole, inputs, steps, streams[2])
        return Choice(choice.weights, _only(choice.mask, units, itself=True), units, keep, taus, steps)

    def _scores(
        self, network: Network, dense: Connected, whole: Spectrum, generator: torch.Generator
    ) -> tuple[np.ndarray, Told]:
        """Return what the probabilities are proportional to."""
        near = neighbourhood_exponents(whole.units, dense.weights)
        spread = float(near[dense.between].std() / near[dense.between].mean())
        steps: Told = [
            (f"exponents {whole.label}", "largest (1/ms)", float(whole.exponents[0])),
            (f"exponents {whole.label}", "spread of l over synapses (CV)", spread),
        ]
        if self.size is Size.EVEN:
            return dense.between.astype(float), steps
        sizes = np.abs(dense.weights) * slope_at_rest(network) / time_constants_of(network)[:, None]
        if self.size is not Size.WEIGHT:
            sizes = near if self.size is Size.EXPONENT else sizes * near
        covariance, told = self.covariance.of(network, generator)
        return resistance_scores(sizes, dense.weights, covariance), steps + told

    def _units(self, network: Network, dense: Connected, mask: np.ndarray, steps: Told) -> np.ndarray:
        """Return the units that are left after those of least betweenness are gone."""
        needed = np.array(needed_units(network), dtype=int)
        n_dropped = min(round(self.units * network.n_units), network.n_units - len(needed))
        if not n_dropped:
            return np.arange(network.n_units)
        units = least_between(np.where(mask, dense.weights, 0.0), n_dropped, needed, self.batches)
        gone = np.setdiff1d(np.arange(network.n_units), units)
        with torch.no_grad():
            driven = (network.cell.weights()[0] != 0).any(dim=1).cpu().numpy()
            read = (network.readout != 0).any(dim=0).cpu().numpy()
        steps += [
            ("units", "dropped", float(len(gone))),
            ("units", "of them driven by inputs", float(driven[gone].sum())),
            ("units", "of them read out", float(read[gone].sum())),
            ("units", "kept because an input drives them alone", float(len(needed))),
        ]
        return units

    def _edges(
        self,
        weights: np.ndarray,
        mask: np.ndarray,
        scores: np.ndarray,
        possible: np.ndarray,
        units: np.ndarray,
        n_kept: int,
        steps: Told,
    ) -> np.ndarray:
        """Return the mask with what must come back, and as many more as the density asks for.

        `weights` are those of survivors, and elsewhere those with which connections come back.
        """
        square = np.ix_(units, units)
        if self.repair:
            inner, alone, joins = mended(mask[square], scores[square], possible[square])
            mask[square] = inner
            steps += [
                ("repair", "back for units left alone", float(alone)),
                ("repair", "back to join parts", float(joins)),
            ]
        lacking = min(n_kept - int(mask.sum()), int((possible & ~mask).sum()))
        if lacking > 0 and self.delocalise:
            inner, before, after = spread_out_modes(mask[square], weights[square], possible[square], lacking)
            mask[square] = inner
            steps += [("delocalise", "localisation before", before), ("delocalise", "localisation after", after)]
        elif lacking > 0:
            worth = np.where(possible & ~mask, scores, -np.inf)
            mask.flat[np.argsort(-worth, axis=None, kind="stable")[:lacking]] = True
        steps.append(("density", "connections brought back to reach it", float(max(lacking, 0))))
        return mask

    def _taus(
        self,
        network: Network,
        choice: Choice,
        units: np.ndarray,
        whole: Spectrum,
        inputs: Tensor,
        steps: Told,
        generator: torch.Generator,
    ) -> np.ndarray:
        """Return time constants with which the spectrum is nearest to `whole`, the one before."""
        kind, compared = Exponents(self.compared), whole
        if kind is Exponents.MEASURED and self.n_exponents:
            compared = Spectrum(whole.exponents[: self.n_exponents], whole.units, whole.label)

        def spectrum(taus: np.ndarray) -> Spectrum:
            pruned = remade(network, units, choice.weights, choice.mask, taus)
            return spectrum_of(pruned, kind, inputs.double(), n_exponents=self.n_exponents)

        found = retimed(
            time_constants_of(network)[units],
            spectrum,
            compared,
            floor=network.dt,
            evaluations=self.evaluations,
            seed=generator.initial_seed() % 2**31,
        )
        steps += [
            ("retime", "distance of the spectra before (1/ms)", found.before),
            ("retime", "distance of the spectra after (1/ms)", found.after),
            ("retime", "largest exponent of the network before (1/ms)", float(compared.exponents[0])),
            ("retime", "largest exponent after (1/ms)", found.largest),
            ("retime", "mean time constant (ms)", float(found.taus.mean())),
            ("retime", "spectra computed", float(found.evaluations)),
        ]
        return found.taus


def _only(mask: np.ndarray, units: np.ndarray, *, itself: bool = False) -> np.ndarray:
    """Return what of a mask lies among `units`."""
    left = np.zeros_like(mask)
    left[np.ix_(units, units)] = mask[np.ix_(units, units)]
    return left if itself else left & ~np.eye(len(mask), dtype=bool)
