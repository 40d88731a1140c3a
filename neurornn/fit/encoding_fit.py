"""A fitted encoding model, with all that is needed to use it on another stimulus and to tell how it came about."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int

from neurornn import _check
from neurornn._types import generator
from neurornn.encoding.base import AbstractEncodingModel
from neurornn.encoding.chunks import Split, batch, chunks, usable
from neurornn.encoding.evoked import Evoked, Moments
from neurornn.encoding.score import EncodingScores, score_rates
from neurornn.errors import FitError, RecipeError
from neurornn.fit.account import account_of_encoding
from neurornn.fit.build import build
from neurornn.fit.checkpoint import read_checkpoint, write_checkpoint
from neurornn.network import Perturbs
from neurornn.perturb.schedule import Always
from neurornn.recording import Recording

FILE = "encoding.safetensors"


@dataclass(frozen=True, eq=False)
class EncodingFit:
    """A fitted encoding model. Made by `fit_encoding`, or read back by `EncodingFit.load`.

    Args:
        model: the fitted model.
        evoked: what it was fitted to; `None` for one that was read back.
        split: which of its bins trained, judged and were left.
        moments: mean and spread of the training stimulus.
        units: ids of the units.
        dt: bin width, ms.
        null: mean rate of each unit in the training bins: the null of every bits/spike. Shape `(unit,)`, Hz.
        largest: greatest count of each unit in a training bin: no bin of a simulation holds more. Shape `(unit,)`.
        history: one row an epoch: `epoch`, `loss`, `validation`, `learning_rate`; empty for what was solved.
        recipe: model and fit as plain data.
        seed: of the fit.
        versions: of Python and the packages that the numbers depend on.
        git: `commit` and `dirty` of the folder it was run in; `None` outside a git tree.
    """

    model: AbstractEncodingModel
    evoked: Evoked | None
    split: Split | None
    moments: Moments
    units: pd.Index
    dt: float
    null: Float[np.ndarray, " unit"]
    largest: Float[np.ndarray, " unit"]
    history: pd.DataFrame
    recipe: Mapping[str, Any]
    seed: int
    versions: Mapping[str, str]
    git: Mapping[str, str | bool] | None = field(default=None)

    def __repr__(self) -> str:
        how = f"{len(self.history)} epochs, seed {self.seed}" if len(self.history) else "solved"
        return f"EncodingFit({type(self.model).__name__} of {len(self.units)} units: {how})"

    @property
    def methods(self) -> str:
        """How it was fitted, in a few sentences."""
        return account_of_encoding(self.recipe, len(self.history), dt=self.dt, seed=self.seed)

    @property
    def checklist(self) -> dict[str, str]:
        """What this says to lines of the reviewer's checklist, by key."""
        return {"seeds": f"1 fit, seed {self.seed}."}

    def frame(self) -> pd.DataFrame:
        """Return the history: one row an epoch."""
        return self.history

    @torch.no_grad()
    def predict(
        self,
        evoked: Evoked | None = None,
        rows: Int[np.ndarray, " row"] | None = None,
        *,
        noise: int | None = None,
        length: int = 500,
        perturb: Sequence[Perturbs] = (),
    ) -> Float[np.ndarray, "repeat row unit"]:
        """Return the expected rates, spike history being the recorded one (teacher-forced).

        Args:
            evoked: another stimulus; that of the fit where absent.
            rows: which bins; the test bins of the fit, or all of another stimulus, where absent.
            noise: seed of latent noise; none is added where absent.
            length: bins to a chunk: less where memory is short.
            perturb: what is done to the model's recurrent units all the while, such as `Silence([3])`.

        Returns:
            Hz; NaN where a bin has no whole window. One repeat, or one for each of the recorded where the model has a
            history of its own.
        """
        _all_the_while("EncodingFit.predict", perturb)
        if perturb and noise is not None:
            _check.fail("EncodingFit.predict", "noise", "absent under a perturbation", noise)
        evoked, rows = self._asked(evoked, rows)
        found = np.full((len(evoked.counts) if self.model.past else 1, evoked.n_bins, self.model.n_units), np.nan)
        cut = chunks(evoked, rows, self.model, length=length)
        stream = None if noise is None else generator(noise)
        for k in range(len(cut.first)):
            each = batch(evoked, cut, np.array([k]), self.model, self.moments)
            if perturb:
                expected = self.model.perturbed(each.stimulus, each.past, perturb).numpy()
            else:
                expected = self.model(each.stimulus, each.past, noise=stream).numpy()
            at = cut.first[k] + np.flatnonzero(cut.counted[k])
            found[:, at] = expected[:, cut.counted[k]]
        return found[:, rows] / (self.dt / 1000.0)

    def simulate(
        self,
        evoked: Evoked | None = None,
        rows: Int[np.ndarray, " row"] | None = None,
        *,
        repeats: int = 20,
        seed: int = 0,
        latent: bool = False,
        perturb: Sequence[Perturbs] = (),
    ) -> Float[np.ndarray, "repeat row unit"]:
        """Return counts that the model fires by itself: its spike history is what it fired (free-running).

        Args:
            evoked: another stimulus; that of the fit where absent.
            rows: which bins, one stretch without a gap; the test bins where absent.
            repeats: how often the stimulus is shown.
            seed: of spikes and latent noise.
            latent: whether latent noise is drawn, anew in each repeat.
            perturb: what is done to the model's recurrent units; times count from the first bin of the warm-up.

        Returns:
            Poisson counts of the rate in each bin, held at the greatest count of a training bin: a model with
            history may otherwise excite itself without bound.

        Raises:
            ValueError: if the bins are not one stretch in which every bin has its whole window.
        """
        return self._free(*self._asked(evoked, rows), repeats, seed, latent, perturb)[0]

    @torch.no_grad()
    def _free(
        self,
        evoked: Evoked,
        rows: np.ndarray,
        repeats: int,
        seed: int,
        latent: bool,
        perturb: Sequence[Perturbs] = (),
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the counts of a free-running model, and what it expected in each bin of each repeat."""
        rows = rows[usable(evoked, self.model)[rows]]
        if len(rows) == 0 or np.any(np.diff(rows) != 1):
            fix = "Simulate stretch by stretch."
            _check.fail("EncodingFit.simulate", "rows", "one stretch of bins with a whole window", rows, fix)
        cut = chunks(evoked, rows, self.model, length=len(rows))
        each = batch(evoked, cut, np.array([0]), self.model, self.moments)
        stream, most = generator(seed), torch.from_numpy(self.largest.astype(np.float32))
        stimulus = each.stimulus[:1].expand(repeats, *each.stimulus.shape[1:])
        features = self.model.features(stimulus if latent else stimulus[:1], stream if latent else None)
        features = features.expand(repeats, *features.shape[1:])
        n_past, warm = self.model.past, self.model.warm
        past = each.past[:1, :n_past].expand(repeats, -1, -1).clone()
        state, step = self.model.begin(features), self.model.stepping(features, perturb)
        counts, means = [], []
        for t, feature in enumerate(features.unbind(1)):
            expected, state = step(feature, past, state)
            expected = torch.minimum(expected, most)
            if t < warm and n_past:  # up to the first bin, the units' own past is known
                fired = each.past[:1, n_past + t].expand(repeats, -1)
            else:
                fired = torch.minimum(torch.poisson(expected, generator=stream), most)
            if n_past:
                past = torch.cat([past[:, 1:], fired[:, None]], dim=1)
            if t >= warm:
                counts.append(fired)
                means.append(expected)
        fired, expected = (torch.stack(part, dim=1).numpy().astype(np.float64) for part in (counts, means))
        return fired, expected

    def score(
        self,
        evoked: Evoked | None = None,
        rows: Int[np.ndarray, " row"] | None = None,
        *,
        free: int = 0,
        seed: int = 0,
        min_spikes: int = 20,
        min_explainable: float = 0.15,
        perturb: Sequence[Perturbs] = (),
    ) -> EncodingScores:
        """Return the score of every unit, against its mean rate in the training bins.

        Args:
            evoked: another stimulus; that of the fit where absent.
            rows: which bins; the test bins, or all of another stimulus, where absent.
            free: repeats of a free-running simulation whose mean rate is scored beside the teacher-forced one, where
                the model has a history; 0 for none.
            seed: of the simulation.
            min_spikes: units with fewer spikes in these bins are set aside.
            min_explainable: units with a smaller explainable share of variance are set aside, where there are repeats.
            perturb: what is done to the model's recurrent units all the while.
        """
        evoked, rows = self._asked(evoked, rows)
        rates = self.predict(evoked, rows, perturb=perturb)
        good = np.isfinite(rates).all(axis=(0, 2))
        fired = None
        if free and self.model.past:
            # The mean of what was expected, not of what was fired: the same rate, without the Poisson noise.
            fired = self._free(evoked, rows[good], free, seed, False, perturb)[1].mean(axis=0) / (self.dt / 1000.0)
        return score_rates(
            evoked.counts[:, rows[good]],
            rates[:, good],
            self.null,
            dt=self.dt,
            units=self.units,
            free=fired,
            history=self.model.past > 0,
            min_spikes=min_spikes,
            min_explainable=min_explainable,
        )

    def save(self, folder: str | Path) -> Path:
        """Write the fit to `folder`: weights, normalisation, bins, unit ids and course in one file, without code."""
        folder = Path(folder)
        tensors = {f"model/{name}": tensor for name, tensor in self.model.state_dict().items()}
        tensors["moments"] = torch.from_numpy(np.stack([self.moments.mean, self.moments.spread]))
        tensors |= {"null": torch.from_numpy(self.null), "largest": torch.from_numpy(self.largest)}
        tensors["history"] = torch.from_numpy(self.history.to_numpy(dtype=float))
        units = self.units.tolist()
        told = {
            "recipe": self.recipe,
            "units": units,
            "dt": self.dt,
            "lags": self.model.lags,
            "delay": self.model.delay,
            "past": self.model.past,
            "columns": list(self.history.columns),
            "seed": self.seed,
            "versions": dict(self.versions),
            "git": None if self.git is None else dict(self.git),
        }
        write_checkpoint(folder / FILE, tensors, json.loads(json.dumps(told)))
        return folder

    @classmethod
    def load(cls, folder: str | Path, *, model: AbstractEncodingModel | None = None) -> "EncodingFit":
        """Read a fit back.

        Args:
            folder: where it was saved.
            model: a model of the same build, where it is a class of your own.

        Raises:
            FitError: if the file is missing, damaged, or does not fit the model.
        """
        path = Path(folder) / FILE
        if not path.is_file():
            raise FitError(f"{path}: missing. A fitted encoding model is a folder that holds {FILE}.")
        tensors, told = read_checkpoint(path)
        if model is None:
            try:
                model = build(told["recipe"]["model"])
            except RecipeError as error:
                fix = "Pass it: EncodingFit.load(folder, model=...)."
                raise FitError(f"{path}: the model cannot be built: {error} {fix}") from error
        assert isinstance(model, AbstractEncodingModel)
        weights = {name.removeprefix("model/"): t for name, t in tensors.items() if name.startswith("model/")}
        try:
            model.load_state_dict(weights)
        except RuntimeError as error:
            what = str(error).splitlines()[-1].strip()
            raise FitError(f"{path}: the weights are not those of this model: {what}") from error
        history = pd.DataFrame(tensors["history"].numpy(), columns=told["columns"])
        return cls(
            model=model.eval(),
            evoked=None,
            split=None,
            moments=Moments(*tensors["moments"].numpy()),
            units=pd.Index(told["units"]),
            dt=told["dt"],
            null=tensors["null"].numpy(),
            largest=tensors["largest"].numpy(),
            history=history.astype({"epoch": int}),
            recipe=told["recipe"],
            seed=told["seed"],
            versions=told["versions"],
            git=told["git"],
        )

    def without_data(self) -> "EncodingFit":
        """Return the fit without the recording that it was fitted to."""
        return replace(self, evoked=None, split=None)

    def _asked(self, evoked: Evoked | None, rows: np.ndarray | None) -> tuple[Evoked, np.ndarray]:
        own = evoked is None or evoked is self.evoked
        evoked = self.evoked if evoked is None else evoked
        if evoked is None:
            fix = "A fit that was read back carries no recording."
            _check.fail("EncodingFit", "evoked", "given", None, fix)
        if not np.isclose(evoked.dt, self.dt):
            _check.fail("EncodingFit", "evoked", f"in bins of {self.dt:g} ms, as the fit", f"{evoked.dt:g} ms")
        if rows is None:
            rows = self.split.test if own and self.split is not None else np.arange(evoked.n_bins)
        return evoked, np.asarray(rows)


def as_recording(
    counts: Float[np.ndarray, "repeat bin unit"], dt: float, *, units: pd.Index | None = None, seed: int = 0
) -> Recording:
    """Return counts as a recording of spikes, repeats end to end as its trials; spikes lie at random within their bin.

    Args:
        counts: whole numbers. Shape `(repeat, bin, unit)`.
        dt: bin width, ms.
        units: ids of the units.
        seed: of the places within bins.
    """
    rng = np.random.default_rng(seed)
    n_repeats, n_bins, n_units = counts.shape
    flat = np.rint(counts.reshape(-1, n_units)).astype(np.int64)
    spikes = []
    for train in flat.T:
        bins = np.repeat(np.arange(len(train)), train)
        spikes.append(np.sort((bins + rng.uniform(0.0, 1.0, len(bins))) * dt))
    start = np.arange(n_repeats) * n_bins * dt
    trials = pd.DataFrame({"start": start, "stop": start + n_bins * dt})
    table = pd.DataFrame(index=units) if units is not None else pd.DataFrame()
    return Recording(0.0, float(n_repeats * n_bins * dt), spikes=spikes, units=table, trials=trials)


def _all_the_while(owner: str, perturb: Sequence[Perturbs]) -> None:
    """Refuse windows where time is cut into chunks."""
    for one in perturb:
        if getattr(one, "when", Always()) != Always():
            fix = "A recording is predicted in chunks; for a window, simulate one stretch."
            _check.fail(owner, "perturb", "one that holds all the while", type(one).__name__, fix)
