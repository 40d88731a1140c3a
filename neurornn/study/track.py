"""The main job: a network that tracks position on an animal's own track, beside the animal's units."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool

from neurornn import _check
from neurornn.compare import RidgePredictivity, UnitDistributions, compare
from neurornn.compare.comparison import Comparison
from neurornn.errors import RecordingError
from neurornn.fit import Fit, train
from neurornn.perturb import LesionTable, lesion
from neurornn.reactivate import Reactivation, reactivate
from neurornn.recording import Recording
from neurornn.statistics import PlaceBins, laps
from neurornn.study.base import AbstractStudy, Findings, Plan, needs_recording
from neurornn.study.beside import Beside, Decodings, decodings, profiles
from neurornn.study.rest import Rest, rest_profile
from neurornn.study.tracking import Tracking, track_animal
from neurornn.task import TrackIntegration


@dataclass(frozen=True)
class TrackStudy(AbstractStudy):
    """Train a network on an animal's own way of moving along a track, and ask in what it is like the animal's units.

    1. The animal's runs from end to end are its trials; contiguous blocks of them are held out.
    2. The network learns to track position from self-motion on trajectories drawn with the speeds, pauses and rests of
       the other runs. It never sees a neuron.
    3. It is driven through the animal's own runs and recorded on the animal's clock: place maps, spatial information,
       intervals and decoding, the same code for the animal, the network and an untrained network.
    4. Held-out predictivity of each unit, with all nulls.
    5. Its most place-tuned units are silenced, against matched controls.
    6. It runs without input, beside the animal's rest.

    Args:
        position: name of the position signal.
        min_speed: slower bins are left out, position units/s.
        dt: bin width, ms.
        bins: place bins along the track.
        blocks: how many contiguous blocks of runs are held out, spread over the session.
        block: runs in each.
        margin: time added before and after each run, ms.
        shifts: circular shifts of the spatial statistics.
        lesioned: how many of the most place-tuned units are silenced.
        controls: matched control lesions.
        untrained: untrained networks in the comparison.
        quiet_trials: quiescent rollouts.
        quiet_steps: steps of each.

    References:
        Skaggs et al. (1996), doi:10.1002/(SICI)1098-1063(1996)6:2<149::AID-HIPO6>3.0.CO;2-K; Zhang et al. (1998),
        doi:10.1152/jn.1998.79.2.1017; Yamins et al. (2014), doi:10.1073/pnas.1403112111; Krishna et al. (2024),
        doi:10.48550/arXiv.2505.17003.
    """

    position: str = "linear"
    min_speed: float = 20.0
    dt: float = 250.0
    bins: int = 30
    blocks: int = 3
    block: int = 4
    margin: float = 2000.0
    shifts: int = 200
    lesioned: int = 10
    controls: int = 999
    untrained: int = 5
    quiet_trials: int = 200
    quiet_steps: int = 1000

    @property
    def place(self) -> PlaceBins:
        """How position is read and cut, for all that is measured."""
        return PlaceBins(position=self.position, bins=self.bins, dt=self.dt, min_speed=self.min_speed)

    def run(self, plan: Plan) -> Findings:
        session = needs_recording("TrackStudy", plan)
        runs, held_out = self._runs(session)
        plan.say(f"{session}: {len(runs.trials)} runs, {int(held_out.sum())} held out")
        fit = self._train(plan, runs, held_out)
        plan.say("driving the network through the animal's runs")
        model = fit.record(runs, seed=plan.seed)
        untrained = fit.untrained(plan.seed).record(runs, seed=plan.seed)
        tracking = track_animal(fit, runs, held_out, seed=plan.seed)
        plan.say("place maps and single units, brain beside model")
        beside = profiles(runs, model, untrained, self.place, n_shifts=self.shifts, seed=plan.seed)
        decoding = decodings(runs, model, untrained, self.place, seed=plan.seed)
        plan.say("comparing with the neurons, beside the nulls")
        comparison = self._compare(plan, fit, runs)
        plan.say("lesions and their controls")
        hurt = self._lesion(plan, fit, beside)
        plan.say("reactivation without input, beside the animal's rest")
        quiet = reactivate(fit, trials=self.quiet_trials, steps=self.quiet_steps, seed=plan.seed)
        rest = rest_profile(session, runs, self.place, decoding.decoded["brain"].decoded, seed=plan.seed)
        quantities = _quantities(session, tracking, beside, decoding, comparison, hurt, quiet, rest)
        parts = {
            "tracking": tracking,
            "beside": beside,
            "decoding": decoding,
            "compare": comparison,
            "lesion": hurt,
            "reactivation": quiet,
            "rest": rest,
        }
        note = (
            f"Held out of the network's training: the movement of {int(held_out.sum())} of {len(held_out)} runs, in "
            f"{self.blocks} contiguous blocks. No network saw a neuron; neurons are predicted on held-out blocks of time."
        )
        return Findings(quantities, fit, parts, (*plan.notes, note))

    def _runs(self, session: Recording) -> tuple[Recording, Bool[np.ndarray, " trial"]]:
        """Return the recording with its runs as trials, and which of them are held out; or refuse it."""
        owner = "TrackStudy"
        if session.spikes is None or sum(map(len, session.spikes)) == 0:
            must, got = "with spikes", "no spike in any unit"
            _check.fail(owner, "recording", must, got, "Check the reader and the file.", error=RecordingError)
        runs = session.with_trials(laps(session, position=self.position, margin=self.margin))
        least = self.blocks * (self.block + 2)
        if len(runs.trials) < least:
            got, fix = f"{len(runs.trials)} runs", "Hold out fewer or smaller blocks."
            must = f"of {least} runs or more, for {self.blocks} blocks of {self.block}"
            _check.fail(owner, "recording", must, got, fix, error=RecordingError)
        if not np.any(session.epochs["name"] == "rest"):
            got, fix = list(session.epochs["name"].unique()), "Name the rest after the runs: an epoch `rest`, in ms."
            _check.fail(owner, "epochs", "with one named rest", got, fix, error=RecordingError)
        held_out = np.zeros(len(runs.trials), dtype=bool)
        for middle in (np.arange(self.blocks) + 0.5) * len(runs.trials) / self.blocks:
            first = int(middle - self.block / 2)
            held_out[first : first + self.block] = True
        return runs, held_out

    def _train(self, plan: Plan, runs: Recording, held_out: np.ndarray) -> Fit:
        # Runs that follow one another, from turn to turn, so that rests at the ends are learnt from, too.
        whole = runs.with_trials(laps(runs, position=self.position, margin=60_000.0))
        learnt = TrackIntegration.from_recording(
            whole, trials=np.flatnonzero(~held_out).tolist(), signal=self.position
        )
        task = plan.task(length=learnt.length, origin=learnt.origin, unit=learnt.unit, speeds=learnt.speeds)
        plan.say(f"training on {type(task).__name__}, {task.length:.0f} {learnt.unit} of track")
        return train(plan.network(task, plan.seed), task, seed=plan.seed, progress=plan.progress, **plan.train)

    def _compare(self, plan: Plan, fit: Fit, runs: Recording) -> Comparison:
        from neurornn.compare import Moving

        return compare(
            fit,
            runs,
            RidgePredictivity(),
            dt=self.dt,
            behaviour=(self.position,),
            where=Moving(self.min_speed),
            n_untrained=self.untrained,
            seed=plan.seed,
        )

    def _lesion(self, plan: Plan, fit: Fit, beside: Beside) -> LesionTable:
        """Silence the units with the most spatial information among those that pass their shifts."""
        table = beside.model.frame()
        tuned = table[(table["bits_per_spike_p"] < 0.05) & (table["rate"] > 0)]
        best = tuned.sort_values("bits_per_second", ascending=False).index[: self.lesioned]
        return lesion(fit, [int(unit) for unit in best], controls=self.controls, seed=plan.seed)


def _quantities(
    session: Recording,
    tracking: Tracking,
    beside: Beside,
    decoding: Decodings,
    comparison: Comparison,
    hurt: LesionTable,
    quiet: Reactivation,
    rest: Rest,
) -> dict[str, float]:
    """Every number that a gate may ask for."""
    assert session.spikes is not None
    runs = tracking.frame()
    ours = runs[runs["held_out"]]
    named = {
        "n_units": float(session.n_units),
        "n_spikes": float(sum(map(len, session.spikes))),
        "tracking_error": float(ours["network"].median()),
        "tracking_error_untrained": float(ours["untrained"].median()),
        "tracking_error_standing_still": float(ours["standing_still"].median()),
    }
    for source, row in decoding.frame().iterrows():
        named[f"{source}_bits_per_spike"] = float(row["population_bits_per_spike"])
        named[f"{source}_decoding_error"] = 100 * float(row["median_share_of_track"])
        named[f"{source}_decoding_chance"] = 100 * float(row["chance_median_error"] / row["median_error"]) * float(
            row["median_share_of_track"]
        )
    for source in ("brain", "model", "untrained"):
        frame = getattr(beside, source).frame()
        named[f"{source}_spatial_information"] = float(frame["bits_per_spike"].median())
        named[f"{source}_place_tuned"] = float((frame["bits_per_spike_p"] < 0.05).mean())
    for source in ("model", "untrained", "behaviour", "time", "shifted"):
        named[f"predictivity_{source}"] = float(comparison.of(source, "r").median())
    named["lesion_effect"], named["lesion_p"] = hurt.effect, hurt.p
    named["rest_js"], named["rest_js_uniform"], named["rest_p"] = rest.divergence.js, rest.uniform, rest.p
    return named
