"""The main job: a network that tracks position on an animal's own track, beside the animal's units."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool
from tqdm import tqdm

from neurornn import _check
from neurornn.comparison import Moving, RidgePredictivity, compare
from neurornn.comparison.result import Comparison
from neurornn.errors import NotConverged, RecordingError
from neurornn.fit import Fit, train
from neurornn.perturb import LesionTable, lesion
from neurornn.reactivation import Reactivation, reactivate
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
        lesion_trials: trials of each lesion.
        untrained: untrained networks in the comparison.
        quiet_trials: quiescent rollouts.
        quiet_steps: steps of each.

    References:
        Skaggs et al. (1996), doi:10.1002/(SICI)1098-1063(1996)6:2<149::AID-HIPO6>3.0.CO;2-K; Zhang et al. (1998),
        doi:10.1152/jn.1998.79.2.1017; Yamins et al. (2014), doi:10.1073/pnas.1403112111; Krishna et al. (2025),
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
    controls: int = 199
    lesion_trials: int = 64
    untrained: int = 5
    quiet_trials: int = 200
    quiet_steps: int = 1000

    @property
    def place(self) -> PlaceBins:
        """How position is read and cut, for all that is measured."""
        return PlaceBins(position=self.position, bins=self.bins, dt=self.dt, min_speed=self.min_speed)

    def run(self, plan: Plan) -> Findings:
        session = needs_recording("TrackStudy", plan)
        runs, held_out = self.runs(session)
        plan.say(f"{session}: {len(runs.trials)} runs, {int(held_out.sum())} held out")
        fit = self.trained(plan, runs, held_out)
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
        rest = rest_profile(session, runs, self.place, decoding.decoded["brain"].decoded, seed=plan.seed)
        animal = {"animal at rest": rest.rest, "animal on runs": rest.run}
        quiet = reactivate(fit, trials=self.quiet_trials, steps=self.quiet_steps, beside=animal, seed=plan.seed)
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
            f"{self.blocks} contiguous blocks. No network saw a neuron; neurons are predicted on held-out blocks of "
            f"time."
        )
        headline = _headline(session, quantities)
        return Findings(quantities, fit, headline, parts, (*plan.notes, note), plan.title)

    def runs(self, session: Recording) -> tuple[Recording, Bool[np.ndarray, " trial"]]:
        """Return the recording with its runs as trials, and which of them are held out; or refuse it."""
        owner = "TrackStudy"
        if session.spikes is None or sum(map(len, session.spikes)) == 0:
            must, got = "one with spikes", "no spike in any unit"
            _check.fail(owner, "recording", must, got, "Check the reader and the file.", error=RecordingError)
        runs = session.with_trials(laps(session, position=self.position, margin=self.margin))
        least = self.blocks * (self.block + 2)
        if len(runs.trials) < least:
            got, fix = f"{len(runs.trials)} runs", "Hold out fewer or smaller blocks."
            must = f"of {least} runs or more, for {self.blocks} blocks of {self.block}"
            _check.fail(owner, "recording", must, got, fix, error=RecordingError)
        if not np.any(session.epochs["name"] == "rest"):
            got, fix = list(session.epochs["name"].unique()), "Name the rest after the runs: an epoch `rest`, in ms."
            _check.fail(owner, "epochs", "a table with one named rest", got, fix, error=RecordingError)
        held_out = np.zeros(len(runs.trials), dtype=bool)
        for middle in (np.arange(self.blocks) + 0.5) * len(runs.trials) / self.blocks:
            first = int(middle - self.block / 2)
            held_out[first : first + self.block] = True
        return runs, held_out

    def trained(self, plan: Plan, runs: Recording, held_out: np.ndarray) -> Fit:
        """Return a network that learnt to track position from the runs that are not held out."""
        # Runs that follow one another, from turn to turn, so that rests at the ends are learnt from, too.
        whole = runs.with_trials(laps(runs, position=self.position, margin=60_000.0))
        learnt = TrackIntegration.from_recording(whole, trials=np.flatnonzero(~held_out).tolist(), signal=self.position)
        task = plan.task(length=learnt.length, origin=learnt.origin, unit=learnt.unit, speeds=learnt.speeds)
        plan.say(f"training on {type(task).__name__}, {learnt.length:.0f} {learnt.unit} of track")
        return train(plan.network(task, plan.seed), task, seed=plan.seed, progress=plan.progress, **plan.train)

    def _compare(self, plan: Plan, fit: Fit, runs: Recording) -> Comparison:
        bar = tqdm(desc="compare", unit="part", disable=not plan.progress)

        def told(what: str, done: int, total: int) -> None:
            bar.total, bar.n = total, done
            bar.set_postfix_str(what)

        found = compare(
            fit,
            runs,
            RidgePredictivity(),
            dt=self.dt,
            behaviour=(self.position,),
            where=Moving(self.min_speed),
            n_untrained=self.untrained,
            seed=plan.seed,
            progress=told,
        )
        bar.close()
        return found

    def _lesion(self, plan: Plan, fit: Fit, beside: Beside) -> LesionTable:
        """Silence the units whose activity position explains best, among those that pass their shifts."""
        table = beside.model.frame()
        column = {name: table[name].to_numpy(dtype=float) for name in ("information_p", "position_r2")}
        tuned = np.flatnonzero((column["information_p"] < 0.05) & np.isfinite(column["position_r2"]))
        if len(tuned) == 0:
            got, fix = "none among the network's", "Train longer, or with a task that needs position."
            _check.fail("TrackStudy", "network", "one with place-tuned units", got, fix, error=NotConverged)
        best = tuned[np.argsort(-column["position_r2"][tuned], kind="stable")][: self.lesioned]
        return lesion(fit, best.tolist(), controls=self.controls, trials=self.lesion_trials, seed=plan.seed)


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
    """Return every number that a gate may ask for."""
    assert session.spikes is not None
    runs = tracking.frame()
    held_out = runs["held_out"].to_numpy(dtype=bool)
    named = {
        "n_units": float(session.n_units),
        "n_spikes": float(sum(map(len, session.spikes))),
        "tracking_error": _median(runs["network"], held_out),
        "tracking_error_untrained": _median(runs["untrained"], held_out),
        "tracking_error_standing_still": _median(runs["standing_still"], held_out),
    }
    for source, one in decoding.decoded.items():
        named[f"{source}_bits_per_spike"] = decoding.encoded[source].population
        named[f"{source}_decoding_error"] = 100 * one.median / one.track
        named[f"{source}_decoding_chance"] = 100 * float(np.median(one.chance)) / one.track
    for source, profile in (("brain", beside.brain), ("model", beside.model), ("untrained", beside.untrained)):
        frame = profile.frame()
        named[f"{source}_spatial_information"] = _median(frame["bits_per_spike"])
        named[f"{source}_place_tuned"] = float(np.mean(frame["information_p"].to_numpy(dtype=float) < 0.05))
    for source in ("model", "untrained", "behaviour", "time", "shifted"):
        named[f"predictivity_{source}"] = _median(comparison.of(source, "r"))
    named["lesion_effect"], named["lesion_p"] = hurt.effect, hurt.p
    named["lesion_controls"] = float(hurt.control_effects.mean())
    named["rest_js"], named["rest_js_uniform"], named["rest_p"] = rest.divergence.js, rest.uniform, rest.p
    named["rest_js_shuffled"] = float(np.median(rest.shuffled))
    for name, condition in (
        ("", "quiescent"),
        ("_no_noise", "no noise"),
        ("_untrained", "untrained"),
        ("_uniform", "uniform"),
    ):
        named[f"quiet_js{name}"] = quiet.value("JS from active", condition)
    return named


def _median(values: Any, where: Bool[np.ndarray, " row"] | slice = slice(None)) -> float:
    return float(np.nanmedian(np.asarray(values, dtype=float)[where]))


def _headline(session: Recording, found: dict[str, float]) -> pd.DataFrame:
    """Return what a reader wants to know first: the animal, the network, and what neither must be mistaken for."""

    def row(rat: str, model: str, untrained: str, chance: str) -> dict[str, str]:
        return {"rat": rat, "network": model, "untrained network": untrained, "null": chance}

    def each(name: str, form: str, chance: str) -> dict[str, str]:
        rat, model, untrained = (form.format(found[f"{source}_{name}"]) for source in ("brain", "model", "untrained"))
        return row(rat, model, untrained, chance)

    def share(name: str) -> str:
        return f"{100 * found[name]:.0f} %"

    dash = ""
    rows = {
        "recorded": row(f"{session.n_units} units, {found['n_spikes']:,.0f} spikes", dash, dash, dash),
        "position error on held-out runs, of the track": row(
            dash,
            f"{found['tracking_error']:.1f} %",
            f"{found['tracking_error_untrained']:.1f} %",
            f"{found['tracking_error_standing_still']:.1f} % (standing still)",
        ),
        "place-tuned units (p < 0.05 of circular shifts)": row(
            share("brain_place_tuned"), share("model_place_tuned"), share("untrained_place_tuned"), "5 %"
        ),
        "spatial information, median (bits/spike)": each("spatial_information", "{:.2f}", "see below"),
        "population, held out (bits/spike)": each("bits_per_spike", "{:.2f}", "0 (mean rate)"),
        "position decoded from spikes, median error": each(
            "decoding_error", "{:.1f} %", f"{found['brain_decoding_chance']:.0f} % (shuffled)"
        ),
        "held-out correlation with the rat's units, median": row(
            dash,
            f"{found['predictivity_model']:.2f}",
            f"{found['predictivity_untrained']:.2f}",
            f"{found['predictivity_behaviour']:.2f} behaviour, {found['predictivity_time']:.2f} time, "
            f"{found['predictivity_shifted']:.2f} shifted",
        ),
        "silencing its most place-tuned units: change of the error": row(
            dash,
            f"{found['lesion_effect']:+.1f} % of the track",
            dash,
            f"{found['lesion_controls']:+.1f} % matched controls, p = {found['lesion_p']:.2g}",
        ),
        "without input, divergence from its own runs (JS, nats)": row(
            f"{found['rest_js']:.3f}",
            f"{found['quiet_js']:.3f}",
            f"{found['quiet_js_untrained']:.3f}",
            f"{found['rest_js_shuffled']:.3f} rat's cells shuffled, {found['quiet_js_uniform']:.3f} uniform",
        ),
    }
    return pd.DataFrame(rows).T
