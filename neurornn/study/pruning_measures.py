"""What a pruned network is judged by: its answers, free forecasts, Lyapunov spectrum, and what its spikes cost."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy.stats import wasserstein_distance
from torch import Tensor

from neurornn._types import generator
from neurornn.cell.spiking import AbstractSpiking
from neurornn.dynamics import FreeRun, lyapunov, run_free
from neurornn.dynamics.system import flat
from neurornn.energy import synaptic_operations
from neurornn.fit.checkpoint import digest, write_whole
from neurornn.network import Network
from neurornn.task import AbstractTask, Forecasting, ImageRows
from neurornn.trials import Trials

SECOND = 1000.0
"""ms."""
DYNAMIC = ("voltage", "current", "adaptation")
"""Parts of a spiking cell's state that carry anything from step to step but by counting."""


@dataclass(frozen=True, eq=False)
class Exam:
    """Trials that no training saw, the same for all networks.

    Args:
        task: whose they are.
        trials: on which answers are scored, and spikes counted.
        free: on which forecasts run free; `None` for tasks that are no forecasts.
        drive: what drives networks while their spectra are measured: trials end to end. Shape `(1, time, in)`.
        lead: steps of `drive` that are left out at its start, to come to the attractor.
    """

    task: AbstractTask
    trials: Trials
    free: Trials | None
    drive: Float[Tensor, "1 time in"]
    lead: int = 100

    @classmethod
    def of(cls, task: AbstractTask, *, trials: int, spectrum_steps: int, seed: int) -> "Exam":
        """Draw it for a task, from the part that training never sees where the task has one."""
        held = task.held_out if isinstance(task, Forecasting | ImageRows) else task
        stream = generator(seed)
        drawn = held.sample(trials, generator=stream)
        n_drive = -(-(spectrum_steps + cls.lead) // drawn.n_steps)
        n_drive = n_drive if spectrum_steps else 1
        drive = held.sample(n_drive, generator=stream).inputs.flatten(0, 1)[None, : spectrum_steps + cls.lead]
        free = held.sample(trials, generator=stream) if isinstance(held, Forecasting) and not held.noise else None
        return cls(held, drawn, free, drive)

    @property
    def tensors(self) -> dict[str, Tensor]:
        """All that is shown, by name: what tells two exams apart."""
        free = {} if self.free is None else {"free": self.free.inputs}
        return {"inputs": self.trials.inputs, "targets": self.trials.targets, "drive": self.drive, **free}


@dataclass(frozen=True, eq=False)
class Grade:
    """How a network did in an exam.

    Args:
        error: of its answers: the root mean squared error in standard deviations, or the fraction told wrong.
        score: the task's own mean score.
        rate: mean rate of its units, Hz; NaN for rate units.
        operations: synaptic operations of a trial, mean over trials; NaN for rate units.
        free: its free forecasts, of forecasting tasks.
    """

    error: float
    score: float
    rate: float
    operations: float
    free: FreeRun | None

    @property
    def valid(self) -> float:
        """Mean valid time of its free forecasts, Lyapunov times (ms where the exponent is not known)."""
        if self.free is None:
            return float("nan")
        times = self.free.valid_lyapunov_times if np.isfinite(self.free.lyapunov_time) else self.free.valid_time
        return float(times.mean())


def graded(network: Network, exam: Exam) -> Grade:
    """Return how a network does, without noise."""
    with torch.no_grad():
        run = network(exam.trials.inputs.to(network.readout), start=exam.trials.start)
        score = float(exam.task.score(exam.trials, run.outputs).double().mean())
    rate = operations = float("nan")
    if run.spikes is not None:
        rate = float(run.spikes.double().mean()) * SECOND / network.dt
        operations = float(synaptic_operations(network, run.spikes).double().mean())
    free = None
    if exam.free is not None and isinstance(exam.task, Forecasting):
        free = run_free(network, exam.task, exam.free)
    error = 1 - score if exam.task.higher_is_better else score
    return Grade(error, score, rate, operations, free)


@dataclass(frozen=True, eq=False)
class Spectrum:
    """A Lyapunov spectrum of a driven network.

    Args:
        exponents: that are finite, largest first, 1/s.
        error: of the largest, 1/s.
        methods: how it was measured.
    """

    exponents: Sequence[float]
    error: float
    methods: str

    @property
    def largest(self) -> float:
        """The largest exponent, 1/s."""
        return self.exponents[0]

    def distance(self, other: "Spectrum") -> float:
        """Return the Wasserstein-1 distance of the two sets of exponents, 1/s."""
        return float(wasserstein_distance(self.exponents, other.exponents))


def spectrum(network: Network, exam: Exam, *, seed: int = 0) -> Spectrum:
    """Return the spectrum of a network that is driven as in the exam; of spiking units with the surrogate's slope.

    Units of the smaller network alone count: those that were dropped have no exponents any more.
    """
    cell = network.cell
    parts = sum(part in DYNAMIC for part in cell.parts) if isinstance(cell, AbstractSpiking) else 1
    found = lyapunov(
        network,
        exam.drive.double(),
        n_exponents=parts * network.n_units,
        transient=exam.lead // 2,
        align=exam.lead - exam.lead // 2,
        start=flat(network.initial(1)),
        surrogate=True,
        seed=seed,
        progress=False,
    )
    finite = found.exponents[np.isfinite(found.exponents)]
    return Spectrum((SECOND * finite).tolist(), SECOND * float(found.error[0]), found.methods)


def answers(grade: Grade) -> dict[str, float]:
    """Return a grade as plain numbers by name."""
    return {name: float(getattr(grade, name)) for name in ("error", "score", "valid", "operations", "rate")}


def examined(networks: Mapping[str, Network], exam: Exam, seed: int, path: Path) -> dict[str, Any]:
    """Return what a network does after training, and its spectra, as plain data.

    What was measured before is read from `path`, if it is of the same networks and the same exam.

    Args:
        networks: after training (`late`) and, where it is looked at, before (`early`).
        exam: that it sits.
        seed: of the spectra.
        path: where it is kept.
    """
    given = {name: one.state_dict() for name, one in networks.items()} | {"exam": exam.tensors}
    key = {name: digest(one) for name, one in given.items()} | {"seed": seed}
    if path.exists():
        known = json.loads(path.read_text(encoding="utf-8"))
        if known["key"] == key:
            return known
    found: dict[str, Any] = {"key": key, "answers": answers(graded(networks["late"], exam))}
    if exam.drive.shape[1] > exam.lead:
        found |= {name: asdict(spectrum(one, exam, seed=seed)) for name, one in networks.items()}
    write_whole(path, json.dumps(found).encode())
    return found
