"""A sequential latent model of a recording: units that it has not read, in blocks of time that it has not seen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter1d

from neurornn import _check
from neurornn.comparison import PoissonPredictivity
from neurornn.errors import RecordingError
from neurornn.fit.provenance import versions
from neurornn.latent import LatentFit, SequentialLatent, fit_latent
from neurornn.recording import Recording
from neurornn.statistics import BitsPerSpike, PlaceBins, bits_per_spike, blocked_folds
from neurornn.statistics.encoding import chosen, rate_histogram
from neurornn.statistics.movement import Movement
from neurornn.statistics.tables import save_scores
from neurornn.study.base import AbstractStudy, Findings, Plan, in_epoch, needs_recording


@dataclass(frozen=True, eq=False)
class CoSmoothing:
    """Held-out units in held-out blocks, predicted by several models.

    Args:
        fit: the latent model.
        bits: gain of each model over the training mean, of the held-out units.
        rates: predictions in the test blocks, by model. Shapes `(bin, unit)`, Hz; held-out units alone.
        counts: what was recorded there. Shape `(bin, unit)`.
        factors: of the latent model there. Shape `(bin, factor)`.
        times: of the test bins. Shape `(bin,)`, ms.
        position: of the animal there. Shape `(bin,)`.
        units: ids of the held-out units.
        dt: bin width, ms.
        methods: how this was made.
        references: DOIs.
    """

    fit: LatentFit
    bits: Mapping[str, BitsPerSpike]
    rates: Mapping[str, np.ndarray]
    counts: np.ndarray
    factors: np.ndarray
    times: np.ndarray
    position: np.ndarray
    units: pd.Index
    dt: float
    methods: str
    references: tuple[str, ...] = ("10.1038/s41592-018-0109-9", "10.48550/arXiv.2109.04463")

    @property
    def checklist(self) -> dict[str, str]:
        """What this says to lines of the reviewer's checklist, by key."""
        others = [name for name in self.bits if name != "latent"]
        return {
            "split": "Units that no encoder reads, in blocks of time that neither trained nor chose the model.",
            "nulls": f"The mean rate of the training bins; {', '.join(others)} on the same bins.",
            "matched": f"All models on the same {len(self.counts)} held-out bins of {self.dt:g} ms.",
        }

    def frame(self) -> pd.DataFrame:
        """Return one row a held-out unit: its spikes and the bits/spike of each model."""
        first = next(iter(self.bits.values()))
        table = {"n_spikes": first.n_spikes, **{name: bits.units for name, bits in self.bits.items()}}
        return pd.DataFrame(table, index=pd.Index(self.units, name="unit"))

    def write_tables(self, folder: str | Path, name: str) -> list[Path]:
        """Write the table of the units as CSV, JSON and Parquet: see `save_scores`."""
        return save_scores(self.frame(), folder, name, methods=self.methods)

    def summary(self) -> pd.DataFrame:
        """Return the pooled gain of each model, and its median over units."""
        frame = self.frame()
        rows = {
            name: {"pooled bits/spike": bits.pooled_all, "median over units": float(np.nanmedian(frame[name]))}
            for name, bits in self.bits.items()
        }
        return pd.DataFrame(rows).T.rename_axis("model")


@dataclass(frozen=True)
class LatentStudy(AbstractStudy):
    """Predict held-out units in held-out blocks by a latent model, by position, and by the smoothed population.

    1. The session is cut into contiguous blocks; of every five, one tests and one judges, with a gap around each.
    2. The latent model reads the held-in units; it is fitted to all units in the training blocks.
    3. In the test blocks it predicts the held-out units from the held-in ones (co-smoothing).
    4. Beside it: place x direction histograms of the held-out units, and Poisson regression on the held-in units'
       smoothed counts. Both learn from the training and judging blocks.

    Args:
        position: name of the position signal.
        dt: bin width, ms.
        epoch: name of the stretch that is analysed; all of the session where empty.
        block: length of a block, ms.
        gap: left out at the borders of a block, ms.
        every: every n-th unit is held out.
        min_spikes: units with fewer spikes in the stretch are left out altogether.
        smoothing: widths of the Gaussians of the population baseline, ms.
        min_speed: for the direction of running, position units/s: slower bins still count.
        model: settings of `SequentialLatent`.
        fit: arguments of `fit_latent`.

    References:
        Pandarinath et al. (2018), doi:10.1038/s41592-018-0109-9; Pei et al. (2021), doi:10.48550/arXiv.2109.04463.
    """

    position: str = "linear"
    dt: float = 50.0
    epoch: str = "run"
    block: float = 40_000.0
    gap: float = 1000.0
    every: int = 3
    min_spikes: int = 100
    smoothing: tuple[float, ...] = (60.0, 150.0, 400.0)
    min_speed: float = 0.0
    model: dict[str, Any] = field(default_factory=dict)
    fit: dict[str, Any] = field(default_factory=dict)

    def run(self, plan: Plan) -> Findings:
        whole = needs_recording("LatentStudy", plan)
        recording, n_recorded = self._stretch(whole), whole.n_units
        plan.say(f"{recording}")
        place = PlaceBins(position=self.position, dt=self.dt, min_speed=self.min_speed, bins=30)
        move = place.movement(recording)
        counts = move.binned.values
        held_in = np.arange(counts.shape[1]) % self.every != self.every // 2
        block, train, validation, test = self._blocks(move.binned.times)
        n_out = int((~held_in).sum())
        plan.say(f"{counts.shape[1]} units, {n_out} held out; {int(test.sum())} of {len(test)} bins test")
        made = SequentialLatent(int(held_in.sum()), counts.shape[1], dt=self.dt, seed=plan.seed, **self.model)
        fit = fit_latent(
            made, counts, held_in, block, train, validation,
            seed=plan.seed, progress=plan.progress, versions=versions(), **self.fit,
        )  # fmt: skip
        plan.say("held-out units in held-out blocks, beside position and the smoothed population")
        expected, factors = fit.infer(counts, block, seed=plan.seed)
        rows = np.flatnonzero(test & np.isfinite(expected).all(axis=1))
        known = np.flatnonzero(train | validation)
        hertz = 1000.0 / self.dt
        rates = {
            "latent": expected[rows][:, ~held_in] * hertz,
            "position": self._position(move, known, rows, place)[:, ~held_in],
            "population": self._population(counts, move.binned.times, held_in, known, rows),
        }
        null = counts[known][:, ~held_in].mean(axis=0) * hertz
        seen = counts[rows][:, ~held_in]
        bits = {name: bits_per_spike(seen, rate, null, dt=self.dt, min_spikes=20) for name, rate in rates.items()}
        units = recording.units.index[~held_in]
        result = CoSmoothing(
            fit, bits, rates, seen, factors[rows], move.binned.times[rows], move.position[rows, 0], units, self.dt,
            self._methods(counts.shape[1], n_out, len(rows), len(known)),
        )  # fmt: skip
        quantities = {f"{name}_bits": each.pooled_all for name, each in bits.items()}
        quantities["over_position"] = quantities["latent_bits"] - quantities["position_bits"]
        quantities["over_population"] = quantities["latent_bits"] - quantities["population_bits"]
        quantities["n_held_out"], quantities["epochs"] = float(n_out), float(len(fit.history))
        note = (
            f"{counts.shape[1]} of {n_recorded} units have {self.min_spikes} spikes in this stretch; {n_out} of them "
            "were read by no encoder."
        )
        return Findings(quantities, fit, result.summary(), {"co-smoothing": result}, (*plan.notes, note), plan.title)

    def _stretch(self, recording: Recording) -> Recording:
        if recording.spikes is None:
            _check.fail("LatentStudy", "recording", "of spikes", "sampled activity", error=RecordingError)
        recording = in_epoch("LatentStudy", recording, self.epoch)
        assert recording.spikes is not None
        enough = [len(train) >= self.min_spikes for train in recording.spikes]
        return recording.select(list(recording.units.index[enough]))

    def _blocks(self, times: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return a label of each bin, and which bins train, judge and test."""
        since = times - times[0]
        number = (since // self.block).astype(int)
        within = since - number * self.block
        edge = (within < self.gap) | (within > self.block - self.gap)
        role = number % 5
        # A new block wherever bins were left out, and at every border.
        pause = np.append(False, np.diff(times) > 1.5 * self.dt)
        label = np.cumsum(np.append(False, np.diff(number) > 0) | pause)
        block = np.where(edge, -1 - label, label)
        return block.astype(np.int64), ~edge & (role != 2) & (role != 4), ~edge & (role == 4), ~edge & (role == 2)

    def _position(self, move: Movement, known: np.ndarray, rows: np.ndarray, place: PlaceBins) -> np.ndarray:
        learnt = rate_histogram(chosen(move, known), place.edges(move.position), smoothing=place.smoothing)
        return learnt.predict(chosen(move, rows))

    def _population(
        self, counts: np.ndarray, times: np.ndarray, held_in: np.ndarray, known: np.ndarray, rows: np.ndarray
    ) -> np.ndarray:
        smooth = [gaussian_filter1d(counts[:, held_in], width / self.dt, axis=0) for width in self.smoothing]
        x = np.concatenate(smooth, axis=1)
        inner = blocked_folds(times[known], 4, gap=self.gap)
        learnt = PoissonPredictivity(n_components=x.shape[1]).fit(
            x[known], counts[known][:, ~held_in], inner, dt=self.dt
        )
        return learnt.rates(x[rows]) * 1000.0 / self.dt

    def _methods(self, n_units: int, n_out: int, n_rows: int, n_known: int) -> str:
        widths = ", ".join(f"{width:g}" for width in self.smoothing)
        own = "the training blocks, and the judging ones stop it"
        if self.fit.get("refit"):
            own = "both, too, for as many epochs as the judging blocks chose when it had learned from the others"
        return (
            f"Bins of {self.dt:g} ms in contiguous blocks of {self.block / 1000:g} s; of every five blocks one tests, "
            f"one judges and three train, with {self.gap:g} ms left out on both sides of a border. {n_out} of "
            f"{n_units} units are held out: in {n_rows} test bins they are predicted from the others alone. Position: "
            f"histograms of place and direction; population: Poisson regression on the held-in counts smoothed by "
            f"{widths} ms; both learn from {n_known} bins (training and judging blocks). The latent model learns from "
            f"{own}. bits/spike are against each unit's mean rate there."
        )
