"""A data-constrained network: what it predicts of trials when it runs by itself, and how well."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int

from neurornn import _check
from neurornn.cell.rate import LeakyRate
from neurornn.errors import FitError
from neurornn.fit.activity import scaled
from neurornn.fit.build import build
from neurornn.fit.checkpoint import read_checkpoint, write_checkpoint
from neurornn.fit.targets import RateTrials
from neurornn.network import Network, Perturbs, Run
from neurornn.statistics.scores import known_correlation

FILE = "constrained.safetensors"


@dataclass(frozen=True, eq=False)
class RateScores:
    r"""How much of recorded rates a prediction explains, of all units and of each.

    $$ \text{pVar} = 1 - \frac{\sum_{kti} (d_{kti} - r_{kti})^2}{\sum_{kti} (d_{kti} - \bar d_i)^2} $$

    over all bins but the first of each trial, which the network was told; $\bar d_i$ is the unit's mean in the
    **training** trials, so that 0 is what that constant explains and below 0 is worse.

    Args:
        pvar: of all units together: units of high rates weigh most.
        units: of each unit; NaN where it does not vary. Shape `(unit,)`.
        correlation: Pearson's, of each unit; NaN where a trace is constant. Shape `(unit,)`.
        n_bins: known bins of each unit. Shape `(unit,)`.
        ids: of the units.
    """

    pvar: float
    units: Float[np.ndarray, " unit"]
    correlation: Float[np.ndarray, " unit"]
    n_bins: Int[np.ndarray, " unit"]
    ids: pd.Index

    def frame(self) -> pd.DataFrame:
        """Return one row a unit."""
        table = {"pvar": self.units, "correlation": self.correlation, "n_bins": self.n_bins}
        return pd.DataFrame(table, index=pd.Index(self.ids, name="unit"))


def score_trials(
    rates: Float[np.ndarray, "trial bin unit"],
    predicted: Float[np.ndarray, "trial bin unit"],
    null: Float[np.ndarray, " unit"],
    ids: pd.Index,
) -> RateScores:
    """Return how much of `rates` a prediction explains, over all known bins but the first of each trial.

    Args:
        rates: what was recorded, NaN where nothing was. Hz.
        predicted: in the same bins, Hz.
        null: a constant for each unit, Hz: what it explains is 0.
        ids: of the units.

    Example:
        >>> import numpy as np, pandas as pd
        >>> from neurornn.fit.constrained_fit import score_trials
        >>> seen = np.array([[[9.0], [0.0], [2.0]]])
        >>> score_trials(seen, np.array([[[0.0], [0.5], [1.5]]]), np.array([1.0]), pd.Index(["a"])).pvar
        0.75
    """
    seen, said = rates[:, 1:].reshape(-1, rates.shape[2]), predicted[:, 1:].reshape(-1, rates.shape[2])
    known = np.isfinite(seen)
    left = np.where(known, (seen - said) ** 2, 0.0).sum(axis=0)
    whole = np.where(known, (seen - null) ** 2, 0.0).sum(axis=0)
    each = 1.0 - np.divide(left, whole, out=np.full(len(whole), np.nan), where=whole > 0)
    pooled = 1.0 - float(left.sum() / whole.sum()) if whole.sum() > 0 else float("nan")
    return RateScores(pooled, each, known_correlation(seen, said), known.sum(axis=0), ids)


@dataclass(frozen=True, eq=False)
class ConstrainedFit:
    """A network whose first units are recorded neurons. Made by `fit_rates`, or read back by `ConstrainedFit.load`.

    Args:
        network: its outputs are the neurons' rates, Hz.
        trials: what it was fitted to; `None` for one that was read back.
        train: which trials taught. Shape `(trial,)`.
        validation: which trials chose. Shape `(trial,)`.
        scale: rate of each neuron at an activity of 1. Shape `(unit,)`, Hz.
        null: mean rate of each neuron in the training trials: the null of every score. Shape `(unit,)`, Hz.
        units: ids of the neurons.
        history: one row a pass or look: `pass`, `loss`, `validation` (mean squared errors in units of activity).
        recipe: network and method as plain data.
        seed: of the fit.
        versions: of Python and the packages that the numbers depend on.
        git: `commit` and `dirty` of the folder it was run in; `None` outside a git tree.
    """

    network: Network
    trials: RateTrials | None
    train: Int[np.ndarray, " trial"]
    validation: Int[np.ndarray, " judge"]
    scale: Float[np.ndarray, " unit"]
    null: Float[np.ndarray, " unit"]
    units: pd.Index
    history: pd.DataFrame
    recipe: Mapping[str, Any]
    seed: int
    versions: Mapping[str, str]
    git: Mapping[str, str | bool] | None = None

    def __repr__(self) -> str:
        how = self.recipe["method"]["type"]
        return f"ConstrainedFit({self.network.n_units} units for {len(self.units)} neurons: {how}, seed {self.seed})"

    @property
    def methods(self) -> str:
        """How it was fitted, in a sentence."""
        return (
            f"{self.network.n_units} units, the first {len(self.units)} of them recorded neurons, fitted by "
            f"{self.recipe['method']['type']} to {len(self.train)} trials; {len(self.validation)} others chose the "
            f"weights; seed {self.seed}."
        )

    @property
    def checklist(self) -> dict[str, str]:
        """What this says to lines of the reviewer's checklist, by key."""
        return {"seeds": f"1 fit, seed {self.seed}."}

    def frame(self) -> pd.DataFrame:
        """Return the history."""
        return self.history

    @property
    def held_out(self) -> Int[np.ndarray, " trial"]:
        """The trials that neither taught nor chose."""
        if self.trials is None:
            _check.fail("ConstrainedFit.held_out", "trials", "known", None, "A fit that was read back carries none.")
        return np.setdiff1d(np.arange(self.trials.n_trials), np.concatenate([self.train, self.validation]))

    @torch.no_grad()
    def predict(
        self,
        which: Sequence[int] | Int[np.ndarray, " some"] | RateTrials,
        *,
        network: Network | None = None,
        perturb: Sequence[Perturbs] = (),
    ) -> Float[np.ndarray, "some bin unit"]:
        """Return what the network does by itself (free-running) from the recorded rates of each trial's first bin.

        Args:
            which: trials of the fit, or other trials of the same neurons.
            network: another network in its place: an untrained one, say.
            perturb: what is done to the network meanwhile, whose step `k` makes bin `k + 1`; nothing stacked.

        Returns:
            Hz; the first bin of each trial is the recorded one.
        """
        trials = self._asked(which)
        later = self._ran(trials, self.network if network is None else network, perturb).outputs.double().numpy()
        if later.ndim != 3:
            _check.fail("ConstrainedFit", "perturb", "one perturbation at a time", "a stack", "Predict one by one.")
        return np.concatenate([trials.rates[:, :1], later], axis=1)

    def run(self, which: Sequence[int] | Int[np.ndarray, " some"] | RateTrials) -> Float[np.ndarray, "some bin unit"]:
        """Return the activity of all units in the free-running network, from the second bin of each trial on."""
        return self._ran(self._asked(which), self.network, ()).activity.double().numpy()

    @torch.no_grad()
    def _ran(self, trials: RateTrials, network: Network, perturb: Sequence[Perturbs]) -> Run:
        cell = network.cell
        assert isinstance(cell, LeakyRate)
        given = scaled(cell, trials, self.scale)
        inputs, state = (torch.from_numpy(part).to(network.readout) for part in (given.inputs[:, 1:], given.state))
        return network(inputs, state=(state,), perturb=perturb)

    def score(
        self,
        which: Sequence[int] | Int[np.ndarray, " some"] | RateTrials,
        *,
        network: Network | None = None,
        perturb: Sequence[Perturbs] = (),
    ) -> RateScores:
        """Return how much of some trials' rates the free-running network explains.

        Args:
            which: trials of the fit, or other trials of the same neurons.
            network: another network in its place.
            perturb: what is done to it meanwhile.
        """
        trials = self._asked(which)
        said = self.predict(trials, network=network, perturb=perturb)
        return score_trials(trials.rates, said, self.null, self.units)

    def baselines(self, which: Sequence[int] | Int[np.ndarray, " some"] | RateTrials) -> dict[str, RateScores]:
        """Return what simpler predictions explain of the same trials: the nulls to be named beside `score`.

        `untrained`: the same network with fresh weights. `persistence`: the rates of the first bin, held. `other
        trial`: the network with the start and inputs of the next trial. `mean course`: the mean over the training
        trials, bin by bin.
        """
        trials = self._asked(which)
        last = np.roll(np.arange(trials.n_trials), -1)
        said = {
            "untrained": self.predict(trials, network=self.untrained(self.seed)),
            "persistence": np.broadcast_to(trials.rates[:, :1], trials.rates.shape),
        }
        if trials.n_trials > 1:
            said["other trial"] = self.predict(trials.select(last))
        if self.trials is not None:
            said["mean course"] = np.broadcast_to(self._course(trials.rates.shape[1]), trials.rates.shape)
        return {name: score_trials(trials.rates, one, self.null, self.units) for name, one in said.items()}

    def untrained(self, seed: int) -> Network:
        """Return the same network with fresh weights, read out in the same rates."""
        made = self.network.untrained(seed)
        with torch.no_grad():
            made.readout.copy_(self.network.readout)
        return made

    def _course(self, n_bins: int) -> np.ndarray:
        """Return the mean of the training trials bin by bin; the training mean where none lasts so long."""
        assert self.trials is not None
        taught = self.trials.rates[self.train][:, :n_bins]
        n = np.isfinite(taught).sum(axis=0)
        mean = np.divide(np.nansum(taught, axis=0), n, out=np.zeros(n.shape), where=n > 0)
        course = np.broadcast_to(self.null, (n_bins, len(self.null))).copy()
        course[: len(mean)] = np.where(n > 0, mean, self.null)
        return course

    def save(self, folder: str | Path) -> Path:
        """Write weights, scales, unit ids and course to one file in `folder`, without code."""
        folder = Path(folder)
        tensors = {f"network/{name}": tensor for name, tensor in self.network.state_dict().items()}
        tensors |= {"scale": torch.from_numpy(self.scale), "null": torch.from_numpy(self.null)}
        tensors["history"] = torch.from_numpy(self.history.to_numpy(dtype=float))
        told = {"recipe": self.recipe, "units": self.units.tolist(), "columns": list(self.history.columns)}
        told |= {"train": self.train.tolist(), "validation": self.validation.tolist()}
        told |= {"seed": self.seed, "versions": dict(self.versions), "git": self.git and dict(self.git)}
        write_checkpoint(folder / FILE, tensors, json.loads(json.dumps(told)))
        return folder

    @classmethod
    def load(cls, folder: str | Path) -> "ConstrainedFit":
        """Read a fit back.

        Raises:
            FitError: if the file is missing or damaged.
        """
        path = Path(folder) / FILE
        if not path.is_file():
            raise FitError(f"{path}: missing. A data-constrained network is a folder that holds {FILE}.")
        tensors, told = read_checkpoint(path)
        network = build(told["recipe"]["network"])
        network.load_state_dict({n.removeprefix("network/"): t for n, t in tensors.items() if n.startswith("network/")})
        history = pd.DataFrame(tensors["history"].numpy(), columns=told["columns"]).astype({"pass": int})
        return cls(
            network=network.eval(),
            trials=None,
            train=np.asarray(told["train"], dtype=np.int64),
            validation=np.asarray(told["validation"], dtype=np.int64),
            scale=tensors["scale"].numpy(),
            null=tensors["null"].numpy(),
            units=pd.Index(told["units"]),
            history=history,
            recipe=told["recipe"],
            seed=told["seed"],
            versions=told["versions"],
            git=told["git"],
        )

    def _asked(self, which: Any) -> RateTrials:
        if isinstance(which, RateTrials):
            if which.n_units != len(self.units) or not np.isclose(which.dt, self.network.dt):
                must = f"of {len(self.units)} units in bins of {self.network.dt:g} ms, as the fit"
                got = f"{which.n_units} units in bins of {which.dt:g} ms"
                _check.fail("ConstrainedFit", "which", must, got)
            return which
        if self.trials is None:
            fix = "A fit that was read back carries no recording: pass RateTrials."
            _check.fail("ConstrainedFit", "which", "RateTrials", list(which)[:8], fix)
        if len(which) == 0:
            _check.fail("ConstrainedFit", "which", "one trial or more", list(which))
        return self.trials.select(which)
