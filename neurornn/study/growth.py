"""One curriculum run to its end: how fast it came to each N, and what the network was like there."""

from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn

from neurornn import _check
from neurornn.cell import AbstractSpiking, LeakyRate
from neurornn.curriculum.growing import AbstractGrowing
from neurornn.fit import Fit, snapshot, train
from neurornn.network import Network
from neurornn.task.bits import AbstractBits

STATISTICS = ("tau_mean", "tau_sd", "tau_max", "weight_mean", "weight_sd", "radius", "step_radius")


@dataclass(frozen=True, eq=False)
class Growth:
    """What a curriculum of growing memory made of a network.

    Args:
        name: of the curriculum.
        fit: as it was at the end of training.
        task: of all heads together.
        untrained: before.
        networks: as they were when each N was passed, by the N that the stage was about (the largest, for most).
        table: one row a stage that was passed, in order: `n`, `epoch` at which it was passed, `epochs` that it took,
            `score`, and the columns of `network_statistics` (NaN for units that have none); the first row is the
            untrained network (`n` 0), the last one the end of training (`n` of the stage that was then trained).
        heads: the readout heads of each stage by its largest N.
        ns: what they were asked, in the same order.
    """

    name: str
    fit: Fit
    task: AbstractBits
    untrained: Network
    networks: Mapping[int, Network]
    table: pd.DataFrame
    heads: Mapping[int, tuple[str, ...]]
    ns: Mapping[int, tuple[int, ...]]

    def frame(self) -> pd.DataFrame:
        """Return one row a stage that was passed, between the start and the end."""
        return self.table

    @property
    def solved(self) -> int:
        """The largest N that was passed; 0 for none."""
        return max(self.networks, default=0)

    @property
    def epochs(self) -> float:
        """How many epochs the training lasted."""
        return float(self.table["epoch"].iloc[-1])

    def at(self, n: int, column: str) -> float:
        """Return a column of the table when `n` was passed; NaN where it was not, infinity for its `epoch`."""
        rows = self.table.iloc[1:-1]
        found = rows.loc[rows["n"] == n, column]
        if len(found):
            return float(found.iloc[0])
        return float("inf") if column == "epoch" else float("nan")


def grow(
    network: Network,
    curriculum: AbstractGrowing,
    *,
    name: str,
    task: AbstractBits,
    epochs: int,
    epoch: int,
    folder: Path,
    settings: Mapping[str, Any],
    seed: int,
    progress: bool = False,
) -> Growth:
    """Train through a curriculum and look at the network wherever it passed a stage.

    Args:
        network: the untrained network.
        curriculum: the curriculum.
        name: what to call it.
        task: asks for as many N as the network has heads.
        epochs: after which training stops.
        epoch: training steps of one epoch, after which the curriculum judges.
        folder: for the checkpoint and the snapshots; a training that was cut short there goes on.
        settings: further keyword arguments of `neurornn.fit.train`.
        seed: of the training.
        progress: whether to show a bar.
    """
    fit = train(
        network,
        task,
        steps=epochs * epoch,
        seed=seed,
        curriculum=curriculum,
        validate_every=epoch,
        checkpoint=folder / "training.safetensors",
        checkpoint_every=epoch,
        snapshots=folder,
        progress=progress,
        **settings,
    )
    stages = curriculum.stages()
    tasks = [stage.task for stage in stages]
    largest = [one.level for one in tasks if isinstance(one, AbstractBits)]
    history = fit.history
    judged = history.dropna(subset=["score"])
    scores = dict(zip(judged["step"].tolist(), judged["score"].tolist(), strict=True))
    passed = _passed(curriculum, scores)
    networks: dict[int, Network] = {}
    rows: list[dict[str, float]] = [{"n": 0, "epoch": 0.0, "epochs": 0.0, "score": np.nan, **_statistics(network)}]
    for number, step in enumerate(passed):
        then = snapshot(folder, number, network)
        networks[largest[number]] = then
        at = {"n": largest[number], "epoch": step / epoch, "epochs": step / epoch - rows[-1]["epoch"]}
        rows.append({**at, "score": scores[step], **_statistics(then)})
    last = {"n": largest[min(len(passed), len(stages) - 1)], "epoch": len(history) / epoch}
    last |= {"epochs": last["epoch"] - rows[-1]["epoch"], "score": list(scores.values())[-1] if scores else np.nan}
    rows.append({**last, **_statistics(fit.network)})
    heads = {n: stage.heads for n, stage in zip(largest, stages, strict=True)}
    ns = {n: one.ns for n, one in zip(largest, tasks, strict=True) if isinstance(one, AbstractBits)}
    return Growth(name, fit, task, network, networks, pd.DataFrame(rows), heads, ns)


def grow_all(trainings: Mapping[str, partial[Growth]], *, workers: int = 1) -> dict[str, Growth]:
    """Run trainings by name, one after the other or side by side, each in a process of its own.

    Side by side they share the processors, or one GPU, which a small network leaves idle most of the time.

    Args:
        trainings: `functools.partial(grow, ...)` by name.
        workers: how many at a time.
    """
    if workers == 1:
        return {name: training() for name, training in trainings.items()}
    threads = max(1, torch.get_num_threads() // workers)
    context = get_context("spawn")
    with ProcessPoolExecutor(workers, context, torch.set_num_threads, (threads,)) as pool:
        waiting = {name: pool.submit(training) for name, training in trainings.items()}
        return {name: one.result() for name, one in waiting.items()}


def _passed(curriculum: AbstractGrowing, scores: Mapping[int, float]) -> list[int]:
    """Return the step at which each stage was passed, for those that were."""
    reached = [curriculum.reached(list(scores.values())[:i]) for i in range(len(scores) + 1)]
    return [step for step, before, after in zip(scores, reached[:-1], reached[1:], strict=True) if after > before]


def _statistics(network: Network) -> dict[str, float]:
    if isinstance(network.cell, LeakyRate):
        return network_statistics(network)
    found: dict[str, float] = {name: float("nan") for name in STATISTICS}
    if isinstance(network.cell, AbstractSpiking):  # weights in pA have no radius that says how activity decays
        taus = time_constants(network)
        found |= {"tau_mean": float(taus.mean()), "tau_sd": float(taus.std()), "tau_max": float(taus.max())}
    return found


def network_statistics(network: Network) -> dict[str, float]:
    r"""Return time constants, recurrent weights and spectral radii of leaky rate units.

    `tau_mean`, `tau_sd` and `tau_max` (ms) over units; `weight_mean` and `weight_sd` of the weights between different
    units; `radius` of the weights, and `step_radius` of the linear part of one step,
    $J = \mathrm{diag}(1 - \Delta t/\tau) + \mathrm{diag}(\Delta t/\tau)\,W$.

    Args:
        network: of `LeakyRate` units.

    Raises:
        ValueError: if its units are not `LeakyRate`.

    Example:
        >>> from neurornn import LeakyRate, Network
        >>> from neurornn.study.growth import network_statistics
        >>> network_statistics(Network(LeakyRate(1, 5, tau=40.0), 1))["tau_mean"]
        40.0
    """
    if not isinstance(network.cell, LeakyRate):
        kind = type(network.cell).__name__
        _check.fail("network_statistics", "network", "of LeakyRate units", kind, "Others have another step.")
    taus = time_constants(network)
    with torch.no_grad():
        weights: Tensor = network.cell.weights()[1].detach().double().cpu()
    leak = torch.tensor(network.dt / taus)
    step = torch.diag(1 - leak) + leak[:, None] * weights
    between = weights[~torch.eye(len(weights), dtype=torch.bool)]
    radii = [float(torch.linalg.eigvals(matrix).abs().max()) for matrix in (weights, step)]
    values = (taus.mean(), taus.std(), taus.max(), between.mean(), between.std(), *radii)
    return dict(zip(STATISTICS, map(float, values), strict=True))


def time_constants(network: Network) -> Float[np.ndarray, " unit"]:
    """Return the time constant of each unit, ms: of its rate, or of its membrane.

    Raises:
        ValueError: if the units have none.
    """
    tau = getattr(network.cell, "tau", None)
    if not isinstance(tau, nn.Module):
        fix = "Gated units have no time constants of their own."
        kind = type(network.cell).__name__
        _check.fail("time_constants", "network", "of LeakyRate or spiking units", kind, fix)
    return tau().detach().double().cpu().numpy()
