"""Balanced networks: whether a simulated one is asynchronous and irregular, and fires at the rate of theory."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from neurornn.bridge import simulated_brunel, simulated_cuba
from neurornn.recording import Recording
from neurornn.statistics import (
    Correlations,
    MeanField,
    SpikeTrains,
    brunel_stationary,
    correlations,
    spike_trains,
)
from neurornn.study.base import AbstractStudy, Findings, Plan


@dataclass(frozen=True, eq=False)
class BalancedState:
    """The state of a simulated network of excitation and inhibition.

    Args:
        recording: of its neurons, with the populations' rates (Hz) as behaviour.
        trains: firing statistics of every unit.
        correlations: of counts, pair by pair, beside those of units shifted in time.
        theory: the stationary state by theory; `None` where there is none in closed form.
        methods: how this was made.
        references: DOIs.
    """

    recording: Recording
    trains: SpikeTrains
    correlations: Correlations
    theory: MeanField | None
    methods: str
    references: tuple[str, ...]

    @property
    def rate(self) -> float:
        """Mean rate of all neurons, Hz: of every one that was simulated, also of those whose spikes were not kept."""
        shares = {"rate_excitatory": 0.8, "rate_inhibitory": 0.2}
        return sum(share * float(self.recording.behaviour[name].values.mean()) for name, share in shares.items())

    @property
    def swing(self) -> float:
        """Standard deviation of the excitatory population rate over 5 ms, as a share of its mean."""
        signal = self.recording.behaviour["rate_excitatory"]
        step = round(5.0 / float(np.median(np.diff(signal.times))))
        values = signal.values[: len(signal.values) // step * step, 0].reshape(-1, step).mean(axis=1)
        return float(values.std() / values.mean())

    def quantities(self) -> dict[str, float]:
        """Return every number that a gate may ask for."""
        table = {name: self.trains.table[name].to_numpy(float) for name in ("cv", "cv2", "fano")}
        found = {
            "rate": self.rate,
            "cv": _mean(table["cv"]),
            "cv2": _mean(table["cv2"]),
            "fano": _mean(table["fano"]),
            "correlation": float(self.correlations.values.mean()),
            "correlation_shifted": float(self.correlations.shifted.mean()),
            "correlation_spread": float(self.correlations.values.std()),
            "synchrony": self.correlations.synchrony,
            "swing": self.swing,
        }
        if self.theory is not None:
            found |= {
                "rate_theory": self.theory.rate,
                "rate_error": abs(self.rate / self.theory.rate - 1),
                "cv_theory": self.theory.cv,
                "cv_error": abs(found["cv"] / self.theory.cv - 1),
            }
        return found

    def frame(self) -> pd.DataFrame:
        """Return one row a quantity: the network, theory where it speaks, and units that know nothing of each other."""
        found, none = self.quantities(), float("nan")
        theory = (none, none) if self.theory is None else (self.theory.rate, self.theory.cv)
        rows = [
            ("mean rate (Hz)", found["rate"], theory[0], none),
            ("CV of inter-spike intervals", found["cv"], theory[1], 1.0),
            ("CV2", found["cv2"], none, 1.0),
            ("Fano factor", found["fano"], none, 1.0),
            ("mean correlation of counts", found["correlation"], none, found["correlation_shifted"]),
            ("synchrony", found["synchrony"], none, self.correlations.synchrony_shifted),
            ("swing of the population rate (share)", found["swing"], none, none),
        ]
        return pd.DataFrame(rows, columns=["quantity", "network", "theory", "Poisson or shifted"])


def _mean(values: np.ndarray) -> float:
    """Return the mean of what is known; NaN where nothing is, as in a silent network."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def balanced_state(
    recording: Recording,
    *,
    bin: float = 5.0,
    window: float = 100.0,
    min_spikes: int = 20,
    theory: MeanField | None = None,
    seed: int = 0,
) -> BalancedState:
    """Measure a recording of `simulated_brunel` or `simulated_cuba`.

    Args:
        recording: with the behaviour `rate_excitatory` and `rate_inhibitory`.
        bin: width of the bins of the correlations, ms.
        window: of the Fano factor, ms.
        min_spikes: neurons with fewer have no CV: that of a few intervals is too small, and of two mostly below 0.5.
        theory: the stationary state, where it is known.
        seed: of the shifts of the null.
    """
    trains = spike_trains(recording, window=window, min_spikes=min_spikes)
    pairs = correlations(recording, dt=bin, seed=seed)
    known = " Theory: self-consistent rate and CV of neurons in white noise." if theory is not None else ""
    methods = (
        f"Simulated by brian2 in steps of 0.1 ms after 500 ms of settling. {trains.methods} {pairs.methods} Synchrony: "
        f"variance of the summed count over the sum of the variances.{known}"
    )
    references = dict.fromkeys((*trains.references, *pairs.references))
    return BalancedState(recording, trains, pairs, theory, methods, tuple(references))


@dataclass(frozen=True)
class BrunelStudy(AbstractStudy):
    r"""Simulate Brunel's random network and hold its state against mean-field theory.

    The asynchronous irregular state: single neurons fire irregularly, pairs hardly correlate, the population rate is
    steady, and rate and CV are those that white noise of the self-consistent mean and variance would give. The CV of
    this state need not be 1: at $g = 5$, $\nu_{ext}/\nu_{thr} = 2$, the published example of the state (figure 8C, with
    10,000 and 2,500 neurons, 1,000 and 250 inputs, 0.1 mV and 1.5 ms), the mean input lies just above threshold, and
    theory gives 0.68. Neurons on Poisson inputs of the same rates have it; in the network, where each listens to others
    that fire as regularly as itself, the slow part of the noise is missing and they fire more regularly still. Stronger
    synapses and more inhibition keep the mean input below threshold, and only its fluctuations make neurons fire: with
    $J$ = 0.2 mV and $g$ = 8 theory gives 1.08.

    Args:
        n_excitatory: excitatory neurons; published: 10,000.
        inhibition: $g$.
        drive: $\nu_{ext}/\nu_{thr}$.
        weight: $J$ at 10,000 excitatory neurons, mV.
        duration: of the recording, ms.
        recorded: neurons of each kind whose spikes are kept.
        target: where brian2 runs.

    References:
        Brunel (2000), J. Comput. Neurosci. 8:183, doi:10.1023/A:1008925309027.
    """

    n_excitatory: int = 10_000
    inhibition: float = 5.0
    drive: float = 2.0
    weight: float = 0.1
    duration: float = 2000.0
    recorded: int = 500
    target: str = "cpp_standalone"

    def run(self, plan: Plan) -> Findings:
        plan.say(f"simulating {self.n_excitatory + self.n_excitatory // 4} neurons for {self.duration:g} ms")
        recording = simulated_brunel(
            plan.seed,
            n_excitatory=self.n_excitatory,
            inhibition=self.inhibition,
            drive=self.drive,
            weight=self.weight,
            duration=self.duration,
            recorded=self.recorded,
            target=self.target,
        )
        inputs = self.n_excitatory // 10
        jump = self.weight * 1000 / inputs
        theory = brunel_stationary(inputs=inputs, weight=jump, inhibition=self.inhibition, drive=self.drive)
        return _found(plan, balanced_state(recording, theory=theory, seed=plan.seed))


@dataclass(frozen=True)
class CubaStudy(AbstractStudy):
    """Simulate the current-based benchmark network and measure its state.

    Its leak pulls to -49 mV, above the threshold of -50 mV, so that a neuron without inputs would fire like a clock: a
    CV below 1 is to be expected. Neurons differ much, as they have 64 and 16 inputs in the mean and not each: the few
    that fire above 20 Hz are nearly clocks and those below 2 Hz nearly Poisson. The latter need a long recording to be
    counted. No published CV is known to us.

    Args:
        n_units: neurons; published: 4000.
        duration: of the recording, ms.
        target: where brian2 runs.

    References:
        Brette et al. (2007), J. Comput. Neurosci. 23:349, doi:10.1007/s10827-007-0038-6; Vogels & Abbott (2005),
        J. Neurosci. 25:10786, doi:10.1523/JNEUROSCI.3508-05.2005.
    """

    n_units: int = 4000
    duration: float = 10_000.0
    target: str = "cpp_standalone"

    def run(self, plan: Plan) -> Findings:
        plan.say(f"simulating {self.n_units} neurons for {self.duration:g} ms")
        recording = simulated_cuba(plan.seed, n_units=self.n_units, duration=self.duration, target=self.target)
        return _found(plan, balanced_state(recording, window=250.0, seed=plan.seed))


def _found(plan: Plan, state: BalancedState) -> Findings:
    return Findings(
        quantities=state.quantities(),
        headline=state.frame().set_index("quantity"),
        parts={"balanced": state},
        notes=plan.notes,
        title=plan.title,
    )
