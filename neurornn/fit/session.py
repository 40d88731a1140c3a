"""A training between two steps: everything that the next step depends on, and nothing else."""

import copy
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from neurornn._types import generator
from neurornn.errors import FitError
from neurornn.fit.checkpoint import difference, read_checkpoint, write_checkpoint
from neurornn.network import Network


def stream(seed: int, purpose: int, device: torch.device | str = "cpu") -> torch.Generator:
    """Return the random stream of one purpose: the streams of one seed are independent of each other."""
    drawn = np.random.SeedSequence([seed, purpose]).generate_state(1, np.uint32)
    return generator(int(drawn[0]), device)


class Session:
    """The state of a training. What stands here is in the checkpoint; what is in the checkpoint stands here.

    Args:
        network: the network that is trained.
        optimiser: torch's optimiser of its parameters.
        terms: names of the terms of the loss.
        seed: of the streams for trials and for noise.
    """

    def __init__(self, network: Network, optimiser: torch.optim.Optimizer, terms: Sequence[str], *, seed: int) -> None:
        self.network = network
        self.optimiser = optimiser
        self.columns = ("step", "stage", "loss", *terms, "gradient", "score")
        self.step = 0
        self.waited = 0
        self.ended = False
        self.rows: list[list[float]] = []
        self.best: dict[str, Tensor] = {}
        self.best_score = math.nan
        self.streams = {"task": stream(seed, 0), "noise": stream(seed, 1, network.device)}

    @property
    def scores(self) -> list[float]:
        """The validation scores so far, in order."""
        at = self.columns.index("score")
        return [row[at] for row in self.rows if not math.isnan(row[at])]

    def note(self, looks: Sequence[tuple[int, list[float], float]], *, stage: int) -> None:
        """Add what `Watch.look` gave to the history."""
        self.rows += [[step, stage, sum(terms), *terms, norm, math.nan] for step, terms, norm in looks]

    def told(self) -> str:
        """Return the loss and the last score in a few words."""
        if not self.rows:
            return ""
        scores = self.scores[-1:]
        return f"loss {self.rows[-1][2]:.4g}" + (f", score {scores[0]:.4g}" if scores else "")

    def judge(self, score: float, higher_is_better: bool) -> None:
        """Keep the weights if they are the best so far; count the validations since."""
        self.rows[-1][self.columns.index("score")] = score
        better = score > self.best_score if higher_is_better else score < self.best_score
        if math.isnan(self.best_score) or better:
            self.best_score, self.waited = score, 0
            self.best = {name: tensor.clone() for name, tensor in self.network.state_dict().items()}
        else:
            self.waited += 1

    def forget_best(self) -> None:
        """Start judging anew: scores of another task do not compare."""
        self.best, self.best_score, self.waited = {}, math.nan, 0

    def history(self) -> pd.DataFrame:
        """Return the history as a table, one row a step."""
        table = pd.DataFrame(
            np.array(self.rows, dtype=float).reshape(-1, len(self.columns)), columns=list(self.columns)
        )
        return table.astype({"step": int, "stage": int})

    def save(self, path: Path, settings: Mapping[str, Any]) -> None:
        """Write everything to a checkpoint."""
        tensors = {f"network/{name}": tensor for name, tensor in self.network.state_dict().items()}
        tensors |= {f"best/{name}": tensor for name, tensor in self.best.items()}
        tensors |= {f"stream/{name}": one.get_state() for name, one in self.streams.items()}
        tensors |= optimiser_tensors(self.optimiser)
        tensors["history"] = torch.tensor(self.rows, dtype=torch.float64).reshape(-1, len(self.columns))
        tensors["best_score"] = torch.tensor(self.best_score, dtype=torch.float64)
        counts = {"step": self.step, "waited": self.waited, "ended": self.ended}
        write_checkpoint(path, tensors, {"settings": settings, **counts})

    def resume(self, path: Path, settings: Mapping[str, Any]) -> None:
        """Take up where a checkpoint left off.

        Raises:
            FitError: if the file is damaged, or belongs to a training with other settings.
        """
        tensors, metadata = read_checkpoint(path)
        if metadata["settings"] != settings:
            what = difference(settings, metadata["settings"])
            fix = "Give the same settings to resume it, or another `checkpoint` to start anew."
            raise FitError(f"{path}: belongs to another training: {what}. {fix}")
        device = self.network.device
        self.network.load_state_dict(under("network/", tensors, device))
        self.best = under("best/", tensors, device)
        for name, one in self.streams.items():
            one.set_state(tensors[f"stream/{name}"])
        load_optimiser(self.optimiser, tensors)
        self.rows = tensors["history"].tolist()
        self.best_score = float(tensors["best_score"])
        self.step, self.waited, self.ended = (metadata[name] for name in ("step", "waited", "ended"))

    def trained(self, *, best: bool) -> Network:
        """Return the network as it is, or with the best weights there were."""
        network = copy.deepcopy(self.network)
        if best and self.best:
            network.load_state_dict(self.best)
        return network


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return what an optimiser remembers, by names that `load_optimiser` reads."""
    state = optimiser.state_dict()["state"]
    return {f"optimiser/{n}/{k}": v for n, part in state.items() for k, v in part.items() if isinstance(v, Tensor)}


def load_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Give an optimiser back what it remembered."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in under("optimiser/", tensors, "cpu").items():
        number, key = name.split("/")
        state.setdefault(int(number), {})[key] = tensor
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})


def under(prefix: str, tensors: Mapping[str, Tensor], device: torch.device | str) -> dict[str, Tensor]:
    """Return the tensors whose name begins so, by the rest of their names."""
    return {name.removeprefix(prefix): t.to(device) for name, t in tensors.items() if name.startswith(prefix)}
