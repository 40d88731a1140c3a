"""Parity: trained networks and their exports to brian2, spike by spike and potential by potential."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from neurornn._types import generator
from neurornn.bridge import BrianModel, to_brian2
from neurornn.cell import LIF, AbstractCell, AdaptiveLIF, AdEx, ExpIF, Gamma, Izhikevich, LeakyRate, Uniform
from neurornn.fit import Fit, train
from neurornn.network import Network
from neurornn.readout import LeakyIntegrator
from neurornn.study.base import AbstractStudy, Findings, Plan
from neurornn.task import EvidenceAccumulation

TAU, TAU_SYN = Gamma(20.0, 0.3, least=5.0), Gamma(4.0, 0.3, least=1.0)

CELLS: Mapping[str, Callable[[int, int, int], AbstractCell]] = {
    "LIF": lambda n_in, n, seed: LIF(n_in, n, tau=TAU, tau_syn=TAU_SYN, dt=0.5, seed=seed),
    "LIF, hard reset, refractory, delays": lambda n_in, n, seed: LIF(
        n_in, n, tau=TAU, tau_syn=TAU_SYN, reset="hard", refractory=2.0, delay=Uniform(0.0, 3.0), dt=0.5, seed=seed
    ),
    "AdaptiveLIF": lambda n_in, n, seed: AdaptiveLIF(
        n_in,
        n,
        tau=TAU,
        tau_syn=TAU_SYN,
        tau_adapt=Gamma(200.0, 0.3, least=50.0),
        reset="hard",
        refractory=2.0,
        dt=0.5,
        seed=seed,
    ),
    "ExpIF": lambda n_in, n, seed: ExpIF(n_in, n, tau=TAU, tau_syn=TAU_SYN, refractory=1.0, dt=0.2, seed=seed),
    "AdEx": lambda n_in, n, seed: AdEx(n_in, n, tau_syn=TAU_SYN, refractory=1.0, dt=0.2, seed=seed),
    "Izhikevich": lambda n_in, n, seed: Izhikevich(n_in, n, tau_syn=TAU_SYN, dt=0.2, seed=seed),
    "LeakyRate": lambda n_in, n, seed: LeakyRate(n_in, n, tau=Uniform(50.0, 150.0), dt=5.0, seed=seed),
}
"""The cells that are compared, each for a number of inputs, of units, and a seed."""


@dataclass(frozen=True, eq=False)
class Parity:
    """What came out of running networks here and in brian2.

    Args:
        table: one row a cell and target: `cell`, `target`, `seed`, `networks`, `units`, `steps`, `rate` (Hz), `spikes`,
            `mismatches` (steps of units that fired in one and not in the other), `trace_error` (largest difference of
            potentials, over their largest size), and seconds of each run. Beside them, what rounding does here alone:
            `ulp_error` is the largest difference that comes of moving every potential by one ulp, up or down, after
            every step, and `ulp_growth` the rate at which the differences grow over the run, 1/s.
        training: one row a network: `cell`, `seed`, `before` and `after` (score of the untrained and of the trained).
        example: potential of one unit here and in brian2. Shape `(time, 2)`, mV.
        dt: sampling step of the example, ms.
        of: what the example is of.
        methods: how this was made.
        references: DOIs.
    """

    table: pd.DataFrame
    training: pd.DataFrame
    example: Float[np.ndarray, "time 2"]
    dt: float
    of: str
    methods: str
    references: tuple[str, ...] = ("10.7554/eLife.47314",)

    def frame(self) -> pd.DataFrame:
        """Return one row a cell and target."""
        return self.table

    def quantities(self) -> dict[str, float]:
        """Return every number that a gate may ask for."""
        rows = self.table.to_dict("records")
        spiking = [row for row in rows if row["cell"] != "LeakyRate"]
        return {
            "spikes": float(sum(row["spikes"] for row in rows)),
            "fewest_spikes": float(min((row["spikes"] for row in spiking), default=0)),
            "mismatches": float(sum(row["mismatches"] for row in rows)),
            "trace_error": float(max(row["trace_error"] for row in rows)),
            "lowest_rate": float(min((row["rate"] for row in spiking), default=0.0)),
            "highest_rate": float(max((row["rate"] for row in spiking), default=0.0)),
            "comparisons": float(len(rows)),
            **{
                f"{name} {row['cell']} {row['target']}": float(row[name])
                for row in rows
                for name in ("steps", "spikes", "mismatches", "trace_error")
            },
            **{f"{name} {row['cell']}": float(row[name]) for row in rows for name in ("ulp_error", "ulp_growth")},
            **self._learnt(),
        }

    def _learnt(self) -> dict[str, float]:
        """Return the mean score of each cell's networks after training, and the least of all spiking ones."""
        rows = self.training.to_dict("records")
        spiking = [float(row["after"]) for row in rows if row["cell"] != "LeakyRate"]
        if not rows:
            return {}
        return {
            "lowest_score": min(spiking or [float(row["after"]) for row in rows]),
            **{f"score {cell}": score for cell, score in self.scores().items()},
        }

    def scores(self) -> dict[str, float]:
        """Return the mean score of each cell's networks after training."""
        found: dict[str, list[float]] = {}
        for row in self.training.to_dict("records"):
            found.setdefault(row["cell"], []).append(float(row["after"]))
        return {cell: float(np.mean(scores)) for cell, scores in found.items()}


def parity(
    networks: Sequence[Network],
    inputs: Sequence[Float[Tensor, "time in"]],
    *,
    targets: Sequence[str] = ("numpy",),
    name: str = "",
    seed: int = 0,
) -> Parity:
    """Run networks of one kind here and in brian2, and compare every spike and every potential.

    Args:
        networks: of one kind of cell; in float64 (`network.double()`), or rounding alone will move spikes.
        inputs: of one trial for each network, all of one length.
        targets: of brian2.
        name: of the cell, for the table; its class where absent.
        seed: that the networks came of, for the table.

    Raises:
        ValueError: if a network cannot be exported.

    Example:
        >>> import torch
        >>> import neurornn as nr
        >>> network = nr.Network(nr.LIF(1, 5, inject=True), n_out=1).double()
        >>> nr.parity([network], [torch.full((100, 1), 250.0).double()]).table["mismatches"].tolist()
        [0]
    """
    name = name or type(networks[0].cell).__name__
    begun = time.perf_counter()
    runs = [_run(network.cell, x) for network, x in zip(networks, inputs, strict=True)]
    here = time.perf_counter() - begun
    moved = [_run(network.cell, x, moved=True)[1] for network, x in zip(networks, inputs, strict=True)]
    spikes, traces = (np.concatenate(parts, axis=1) for parts in zip(*runs, strict=True))
    model = side_by_side([to_brian2(one, inputs=x) for one, x in zip(networks, inputs, strict=True)])
    size, rounding = np.abs(traces).max(), np.abs(np.concatenate(moved, axis=1) - traces)
    rows, activity = [], traces
    for target in targets:
        begun = time.perf_counter()
        recording = model.run(target=target)
        theirs = np.zeros_like(spikes)
        for unit, train_ in enumerate(recording.spikes or ()):
            np.add.at(theirs[:, unit], np.rint(train_ / model.dt).astype(int), 1)
        activity = np.asarray(recording.activity)
        rows.append(
            {
                "cell": name,
                "target": target,
                "seed": seed,
                "networks": len(networks),
                "units": spikes.shape[1],
                "steps": len(spikes),
                "rate": float(spikes.mean() * 1000.0 / model.dt),
                "spikes": int(spikes.sum()),
                "mismatches": int(np.count_nonzero(theirs != spikes)),
                "trace_error": float(np.abs(activity - traces).max() / size),
                "ulp_error": float(rounding.max() / size),
                "ulp_growth": _growth(rounding, model.dt),
                "seconds_here": here,
                "seconds_brian2": time.perf_counter() - begun,
            }
        )
    busiest = int(spikes.sum(axis=0).argmax())
    example = np.stack([traces[:, busiest], activity[:, busiest]], axis=1)[: round(300.0 / model.dt)]
    methods = (
        f"{len(networks)} networks of each cell ({spikes.shape[1]} units in all), run for {model.duration:g} ms here "
        f"and in brian2 with the same step. Seconds in brian2 hold compilation."
    )
    return Parity(
        pd.DataFrame(rows), pd.DataFrame(), example, model.dt, f"{name} unit, brian2 on {targets[-1]}", methods
    )


@dataclass(frozen=True)
class ParityStudy(AbstractStudy):
    """Train networks of every cell, export them to brian2, and compare spike by spike in float64.

    Both sides compute the same, but sum in another order, so that they differ by rounding. Networks of LIF units forget
    that at once. In networks of Izhikevich units it is multiplied, whoever computes them: an upstroke multiplies what
    came before it some hundredfold, and the recovery current remembers that beyond the reset. Moving potentials by one
    ulp of float64 shows it without brian2 (`ulp_error`).

    The networks learn to tell which of two inputs was the stronger, in trials of 40 ms. Those of one cell run side by
    side in brian2, as one that is not connected across. Their inputs there are redrawn every 10 ms. Seeds are counted
    up from that of the plan.

    Args:
        networks: of each cell.
        units: of each network.
        duration: ms.
        train_steps: of each network.
        batch: trials of a training step.
        learning_rate: of the training.
        cells: which cells; all where absent.
        targets: of brian2.

    References:
        Stimberg, Brette & Goodman (2019), eLife 8:e47314, doi:10.7554/eLife.47314.
    """

    networks: int = 5
    units: int = 200
    duration: float = 2000.0
    train_steps: int = 30
    batch: int = 16
    learning_rate: float = 1e-2
    cells: tuple[str, ...] = ()
    targets: tuple[str, ...] = ("numpy", "cython", "cpp_standalone")

    def run(self, plan: Plan) -> Findings:
        found, training = [], []
        for name in self.cells or CELLS:
            plan.say(f"{name}: training {self.networks} networks")
            seeds = [plan.seed * 100 + k for k in range(self.networks)]
            fits = [self._fit(name, seed) for seed in seeds]
            for seed, fit in zip(seeds, fits, strict=True):
                before, after = (float(one.score().mean()) for one in (fit.untrained(0), fit))
                training.append({"cell": name, "seed": seed, "before": before, "after": after})
            plan.say(f"{name}: here and in brian2 on {', '.join(self.targets)}")
            trained = [fit.network.double() for fit in fits]
            inputs = [self._inputs(one, seed) for one, seed in zip(trained, seeds, strict=True)]
            found.append(parity(trained, inputs, targets=self.targets, name=name, seed=plan.seed))
        spiking = [one for one in found if one.table["spikes"].sum()]
        whole = replace(
            (spiking or found)[-1],
            table=pd.concat([one.table for one in found], ignore_index=True),
            training=pd.DataFrame(training),
            methods=f"Networks trained for {self.train_steps} steps of {self.batch} trials to tell the stronger of two "
            f"inputs. {found[0].methods}",
        )
        columns = ["seed", "score", "steps", "rate", "spikes", "mismatches", "trace_error", "ulp_error", "ulp_growth"]
        shown = whole.table.assign(score=whole.table["cell"].map(whole.scores())).set_index(["cell", "target"])[columns]
        return Findings(whole.quantities(), headline=shown, parts={"parity": whole}, notes=plan.notes, title=plan.title)

    def _fit(self, name: str, seed: int) -> Fit:
        task = EvidenceAccumulation(
            dt=CELLS[name](1, 2, 0).dt,
            coherences=(0.5, 1.0),
            fixation=(5.0, 5.0),
            stimulus=(20.0, 20.0),
            delay=(5.0, 5.0),
            response=10.0,
            noise=0.5,
        )
        cell = CELLS[name](task.n_in, self.units, seed)
        network = Network(cell, task.heads, readout=LeakyIntegrator(10.0), seed=seed)
        told = {"steps": self.train_steps, "batch": self.batch, "learning_rate": self.learning_rate}
        return train(network, task, seed=seed, progress=False, **told)

    def _inputs(self, network: Network, seed: int) -> torch.Tensor:
        every, blocks = round(10.0 / network.dt), round(self.duration / 10.0)
        mean, spread = (0.2, 1.0) if isinstance(network.cell, LeakyRate) else (1.0, 0.8)
        levels = torch.randn(blocks, network.n_in, generator=generator(seed + 50), dtype=torch.float64)
        return (mean + spread * levels).repeat_interleave(every, 0)


def _run(cell: AbstractCell, inputs: torch.Tensor, *, moved: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return spikes (none for rate units) and potentials (or rates) of every step. Shapes `(time, unit)`.

    Args:
        cell: to be run.
        inputs: of each step.
        moved: whether the first part of the state is moved after every step by one ulp, up or down by a coin.
    """
    rates = isinstance(cell, LeakyRate)
    shape = (len(inputs), cell.n_units)
    spikes, traces = np.zeros(shape, dtype=np.int8), np.empty(shape)
    state, coin = cell.initial(1), generator(0)
    with torch.no_grad():
        weights = cell.weights()
        for t, x in enumerate(inputs):
            sent, state = cell.step(x[None], state, weights=weights)
            traces[t] = sent[0] if rates else state[0][0]
            if not rates:
                spikes[t] = sent[0]
            if moved:
                first, *rest = state
                away = torch.where(torch.rand(first.shape, generator=coin) < 0.5, -torch.inf, torch.inf)
                state = (torch.nextafter(first, away.to(first)), *rest)
    return spikes, traces


def _growth(apart: np.ndarray, dt: float, *, every: float = 50.0) -> float:
    """Return the rate at which differences grow, 1/s: the slope of the logarithm of their largest in each 50 ms.

    Minus infinity where they are gone before the run has lasted three times as long.
    """
    width = max(round(every / dt), 1)
    n = len(apart) // width
    largest = apart[: n * width].reshape(n, -1).max(axis=1)
    there = np.flatnonzero(largest > 0)
    if len(there) < 3 or largest[-1] == 0:
        return float("-inf")
    return float(np.polyfit(there * width * dt / 1000.0, np.log(largest[there]), 1)[0])


def side_by_side(models: Sequence[BrianModel]) -> BrianModel:
    """Return several exported networks of one kind as one, without a synapse between them."""
    from scipy.linalg import block_diag

    first = models[0]
    return replace(
        first,
        constants={name: np.concatenate([one.constants[name] for one in models]) for name in first.constants},
        states={name: np.concatenate([one.states[name] for one in models]) for name in first.states},
        weights=block_diag(*(one.weights for one in models)),
        delays=None if first.delays is None else block_diag(*(one.delays for one in models)),
        drive=np.concatenate([one.drive for one in models], axis=1),
    )
