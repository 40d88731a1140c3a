"""Several networks beside one animal: trained on its task, on another, or on none, by metrics of every family."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from neurornn import _check
from neurornn.comparison import (
    AbstractMetric,
    Comparisons,
    DebiasedCKA,
    ModeSimilarity,
    Moving,
    Nulls,
    RepresentationalSimilarity,
    RidgePredictivity,
    UnitSimilarity,
    chosen_delays,
    compare_all,
)
from neurornn.comparison.modes import whole_stretches
from neurornn.fit import Fit
from neurornn.recording import Recording
from neurornn.statistics import laps
from neurornn.study.base import AbstractStudy, Findings, Plan, needs_recording, place_of, taught
from neurornn.task import Recall, TrackIntegration
from neurornn.task.base import AbstractTask

PENALTIES = tuple(float(a) for a in np.logspace(-3, 3, 8))
"""Enough to choose from where hundreds of comparisons are made."""


@dataclass(frozen=True)
class AgreementStudy(AbstractStudy):
    """Train several networks on an animal's track, as many on another task with the same inputs, and compare them all.

    1. The animal's runs from end to end are its trials. The networks learn to track position from self-motion drawn as
       the animal moves; the others learn to give back the self-motion of half a second ago. No network sees a neuron.
    2. All are driven through the animal's own runs, and compared with its units by a mapping (ridge predictivity), two
       geometries (debiased CKA, crossnobis RSA over place and direction), dynamics (modes, with delays and rank chosen
       on the animal's units) and distributions of single units, networks recorded in silico where it matters.
    3. Beside untrained networks, behaviour, time, shifts and surrogates; intervals over networks.

    Args:
        networks: of each of the two trainings.
        untrained: networks.
        position: name of the position signal.
        min_speed: slower bins are left out, position units/s.
        dt: bin width, ms.
        lag: of the other task, ms.
        margin: time added before and after each run, ms.
        length: bins of the stretches for the dynamics.
        shifts: circular shifts.
        surrogates: of each kind, of each network.
        folder: where the trainings keep their state, so that a killed run goes on; nowhere where empty.

    References:
        Cloos et al. (2024), doi:10.48550/arXiv.2407.07059; Yamins et al. (2014), doi:10.1073/pnas.1403112111.
    """

    networks: int = 3
    untrained: int = 3
    position: str = "linear"
    min_speed: float = 20.0
    dt: float = 250.0
    lag: float = 500.0
    margin: float = 2000.0
    length: int = 12
    shifts: int = 100
    surrogates: int = 2
    folder: str = ""

    def __post_init__(self) -> None:
        for name in ("networks", "untrained"):
            _check.count("AgreementStudy", name, getattr(self, name), "They are the replicates.", least=2)
        _check.positive("AgreementStudy", "lag", self.lag)

    def run(self, plan: Plan) -> Findings:
        session = needs_recording("AgreementStudy", plan)
        runs = session.with_trials(laps(session, position=self.position, margin=self.margin))
        learnt = TrackIntegration.from_recording(
            runs.with_trials(laps(runs, position=self.position, margin=60_000.0)), signal=self.position
        )
        task = plan.task(length=learnt.length, origin=learnt.origin, unit=learnt.unit, speeds=learnt.speeds)
        with place_of(self.folder, plan) as place:
            tasks = {"trained": task, "other task": Recall(task, self.lag)}
            fits = {kind: self._trained(plan, one, place / kind.replace(" ", "_")) for kind, one in tasks.items()}
        plan.say("comparing all of them with the animal's units")
        found = compare_all(
            fits,
            {str(session.source.get("name", "recording")): runs},
            self._metrics(runs),
            n_untrained=self.untrained,
            dt=self.dt,
            behaviour=(self.position,),
            where=Moving(self.min_speed, self.position),
            nulls=Nulls(n_shifts=self.shifts, n_surrogates=self.surrogates),
            seed=1000 * plan.seed,
        )
        quantities = _quantities(found) | {"tracking": float(np.mean([_score(fit) for fit in fits["trained"]]))}
        note = "No network saw a neuron. Networks are the replicates; there is one animal."
        title, notes = plan.title, (*plan.notes, note)
        return Findings(quantities, fits["trained"][0], _headline(found), {"agreement": found}, notes, title)

    def _trained(self, plan: Plan, task: AbstractTask, place: Path) -> list[Fit]:
        place.mkdir(parents=True, exist_ok=True)
        fits = []
        for k in range(self.networks):
            plan.say(f"training network {k + 1} of {self.networks} on {type(task).__name__}")
            fits.append(taught(replace(plan, seed=1000 * plan.seed + k), task, place / f"{k}.safetensors"))
        return fits

    def _metrics(self, runs: Recording) -> Sequence[AbstractMetric]:
        binned = runs.binned(self.dt)
        keep = Moving(self.min_speed, self.position)(runs, self.dt) & np.isfinite(binned.values).all(axis=1)
        values = binned.values[keep]
        values = values[:, values.sum(axis=0) >= 50]
        pieces = whole_stretches(values, binned.times[keep], self.length, owner="AgreementStudy")
        delays, rank = chosen_delays(pieces, delays=(1, 2, 3), ranks=(2, 4, 6, 8))
        return (
            RidgePredictivity(penalties=PENALTIES, ratios=(0.1, 1.0, 10.0), n_inner=3),
            DebiasedCKA(),
            RepresentationalSimilarity(),
            ModeSimilarity(n_delays=delays, rank=rank, length=self.length),
            UnitSimilarity(),
        )


def _score(fit: Fit) -> float:
    return float(fit.score(n_trials=64).mean())


def _quantities(found: Comparisons) -> dict[str, float]:
    """Return the value of every kind by every metric, the claim's lead over each null, and what was counted."""
    named: dict[str, float] = {}
    for metric in found.metrics:
        measure, values = found.headline(metric), _values(found, metric)
        for kind, value in values.items():
            named[f"{measure}_{_word(kind)}"] = value
            if kind != found.claim:
                named[f"{measure}_over_{_word(kind)}"] = values[found.claim] - value
    lines = found.checklist
    return named | {
        "families": float(len(found.families)),
        "lines": float(len(lines)),
        "complete": float(found.complete),
        "networks": float(found.n_networks),
    }


def _values(found: Comparisons, metric: str) -> dict[str, float]:
    """Return the value of every kind by one metric."""
    rows = found.summary().to_dict("records")
    return {str(row["kind"]): float(row["value"]) for row in rows if row["metric"] == metric}


def _word(kind: str) -> str:
    return kind.replace(" ", "_").replace("-", "_").replace("+", "_")


def _headline(found: Comparisons) -> pd.DataFrame:
    kinds = [found.claim, "other task", "untrained", "behaviour", "shifted"]
    rows = {}
    for metric in found.metrics:
        mine = _values(found, metric)
        rows[f"{metric} ({found.headline(metric)})"] = {k: f"{mine[k]:.2f}" if k in mine else "" for k in kinds}
    return pd.DataFrame(rows).T
