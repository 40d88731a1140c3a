"""A rat's rest beside a network's: replay by the same code, and what the network's quiescence depends on."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from neurornn.fit import Fit
from neurornn.recording import Recording
from neurornn.statistics import PlaceBins, spatial_profile
from neurornn.study.base import AbstractStudy, Findings, Plan, needs_recording
from neurornn.study.probing import NoiseSweep, Targeted, noise_sweep, targeted
from neurornn.study.quiet_lesion import QuietLesion, quiet_lesion
from neurornn.study.replay import Replays, observed_session, replays, rest_of, whole_session
from neurornn.study.track import TrackStudy


@dataclass(frozen=True)
class RestStudy(AbstractStudy):
    """Ask of an animal's rest and of a network's quiescence by the same code whether the track is replayed there.

    1. A network learns to track position on the animal's own runs, as in `TrackStudy`. It never sees a neuron.
    2. It goes through the animal's whole session: driven on the runs, without input during the rest. Electrodes are
       put into it: Poisson spikes of as many units at the animal's rates.
    3. Candidate population events and their replay scores against shuffles of cells and of time bins: the animal, the
       network, and an untrained network, by the same code; and windows of the time scale of behaviour.
    4. The network's quiescence under growing noise, under a current towards one place, and without its most
       place-tuned units.

    Args:
        position: name of the position signal.
        min_speed: slower bins teach no rates by place, position units/s.
        dt: bin width on the runs, ms.
        bins: place bins along the track.
        shuffles: of each kind, for each event.
        windows: stretches of seconds, at most.
        factors: strengths of the noise in quiescence, over that of training.
        targets: places of targeted reactivation, as fractions of the track.
        strengths: of the current towards them.
        lesioned: how many of the most place-tuned units are silenced.
        controls: matched random sets beside them.
        quiet_trials: quiescent trials of each condition.
        quiet_steps: steps of each.

    References:
        Davidson, Kloosterman & Wilson (2009), doi:10.1016/j.neuron.2009.07.027; Grosmark & Buzsaki (2016),
        doi:10.1126/science.aad1935; Krishna et al. (2025), doi:10.48550/arXiv.2505.17003.
    """

    position: str = "linear"
    min_speed: float = 20.0
    dt: float = 250.0
    bins: int = 30
    shuffles: int = 200
    windows: int = 150
    factors: tuple[float, ...] = (0.0, 0.25, 0.5, 1.0, 1.4142, 2.0, 4.0, 8.0)
    targets: tuple[float, ...] = (0.25, 0.75)
    strengths: tuple[float, ...] = (0.0, 0.03, 0.1, 0.3, 1.0)
    lesioned: int = 10
    controls: int = 199
    quiet_trials: int = 50
    quiet_steps: int = 400

    @property
    def place(self) -> PlaceBins:
        """How position is read and cut, for all that is measured."""
        return PlaceBins(position=self.position, bins=self.bins, dt=self.dt, min_speed=self.min_speed)

    def run(self, plan: Plan) -> Findings:
        brain = needs_recording("RestStudy", plan)
        rest = rest_of(brain)
        track = TrackStudy(position=self.position, min_speed=self.min_speed, dt=self.dt, bins=self.bins)
        runs, held_out = track.runs(brain)
        plan.say(f"{brain}: {len(runs.trials)} runs, {(rest[1] - rest[0]) / 1000:.0f} s of rest")
        fit = track.trained(plan, runs, held_out)
        plan.say("events and replay in rest, brain beside model")
        scores = self._replays(plan, fit, brain, runs, rest)
        plan.say("noise, bias and lesion in quiescence")
        trials, steps, seed = self.quiet_trials, self.quiet_steps, plan.seed
        tuned = self._tuned(fit, runs, seed)
        sweep = noise_sweep(fit, self.factors, trials=trials, steps=steps, seed=seed)
        biased = targeted(fit, self.targets, self.strengths, trials=trials, steps=steps, seed=seed)
        hurt = quiet_lesion(fit, tuned, controls=self.controls, trials=trials, steps=steps, seed=seed)
        parts = {"replay": scores, "noise": sweep, "targeted": biased, "quiet lesion": hurt}
        found = _quantities(scores, sweep, biased, hurt)
        return Findings(found, fit, _headline(scores), parts, plan.notes, plan.title)

    def _replays(self, plan: Plan, fit: Fit, brain: Recording, runs: Recording, rest: tuple[float, float]) -> Replays:
        sources, learnt = {"brain": brain}, {"brain": runs}
        for name, one in (("model", fit), ("untrained", fit.untrained(plan.seed))):
            session = whole_session(one, runs, rest, factor=2**0.5, seed=plan.seed)
            sources[name] = observed_session(session, brain, self.place, runs, seed=plan.seed)
            learnt[name] = sources[name].with_trials(runs.trials)
        return replays(
            sources,
            learnt,
            self.place,
            rest=rest,
            n_windows=self.windows,
            n_shuffles=self.shuffles,
            seed=plan.seed,
        )

    def _tuned(self, fit: Fit, runs: Recording, seed: int) -> list[int]:
        """Return the units with the most spatial information on the runs."""
        table = spatial_profile(fit.record(runs, seed=seed), self.place, n_shifts=100, seed=seed).frame()
        bits = np.nan_to_num(table["bits_per_second"].to_numpy(dtype=float))
        return np.argsort(-bits, kind="stable")[: self.lesioned].tolist()


def _quantities(scores: Replays, sweep: NoiseSweep, biased: Targeted, hurt: QuietLesion) -> dict[str, float]:
    """Return every number that a gate may ask for."""
    named: dict[str, float] = {"rest_seconds": scores.rest / 1000}
    for row in _rows(scores.frame()):
        prefix = f"{row['source']}_{row['stretches']}"
        named[prefix] = float(row["n"])
        for name in ("scored", "score", "cells", "p_cells", "time", "p_time", "both"):
            named[f"{prefix}_{name}"] = float(row[name])
    for row in _rows(sweep.frame()):
        for name in ("js", "step", "moving", "variance"):
            named[f"noise_{row['factor']:.3g}_{name}"] = float(row[name])
    gains = []
    for target, strength in sorted({(row["target"], row["strength"]) for row in _rows(biased.frame())}):
        place, control = (biased.near(target, strength, pattern) for pattern in ("place", "shuffled units"))
        named[f"near_{target:g}_{strength:g}_place"] = place
        if strength > 0:
            named[f"near_{target:g}_{strength:g}_shuffled"] = control
            gains.append((strength, place - control))
    strongest = max(strength for strength, _ in gains)
    named["targeted_gain"] = float(np.mean([gain for strength, gain in gains if strength == strongest]))
    for kind, column in (("none", "intact"), ("place", "lesion"), ("random", "control")):
        named[f"lesion_js_{kind}"] = hurt.value("js from active", column)
    named["lesion_p"] = hurt.value("js from active", "p")
    return named


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [dict(zip(table.columns, row, strict=True)) for row in table.itertuples(index=False, name=None)]


def _headline(scores: Replays) -> pd.DataFrame:
    """Return what a reader wants to know first: how many events there are, and how many beat both shuffles."""
    rows = {}
    for row in _rows(scores.frame()):
        rows[f"{row['source']}, {row['stretches']}"] = {
            "found": f"{row['n']}",
            "scored": f"{row['scored']}",
            "beat the cell shuffle (5 % by chance)": f"{100 * row['cells']:.1f} % (p = {row['p_cells']:.2g})",
            "beat the time shuffle (5 % by chance)": f"{100 * row['time']:.1f} % (p = {row['p_time']:.2g})",
            "beat both": f"{100 * row['both']:.1f} %",
        }
    return pd.DataFrame(rows).T
