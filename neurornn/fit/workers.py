"""Several processes that train one network: each takes its part of the same batch."""

import atexit
import os
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from neurornn import _check


@dataclass(frozen=True)
class Workers:
    """The processes of a training, seen from one of them.

    Args:
        rank: which one this is; 0 keeps the history and writes the files.
        size: how many there are.
    """

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def part(self, n_trials: int) -> slice:
        """Return the rows of a batch of `n_trials` that are this process's."""
        if n_trials < self.size:
            _check.fail("train", "batch", f"at least one trial for each of {self.size} processes", n_trials)
        edges = [n_trials * rank // self.size for rank in range(self.size + 1)]
        return slice(edges[self.rank], edges[self.rank + 1])

    def sum(self, value: Tensor) -> Tensor:
        """Return the sum of `value` over the processes."""
        if self.size == 1:
            return value
        value = value.detach().clone()
        distributed.all_reduce(value)
        return value

    def agree(self, value: float, device: torch.device) -> float:
        """Return the first process's `value`, in every process, so that all decide alike."""
        if self.size == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64, device=device)
        distributed.broadcast(shared, src=0)
        return float(shared)

    def share(self, module: nn.Module, device: torch.device) -> nn.Module:
        """Return `module` so that its gradients are averaged over the processes."""
        if self.size == 1:
            return module
        return DistributedDataParallel(module, device_ids=[device] if device.type == "cuda" else None)


def workers(device: torch.device) -> Workers:
    """Return the processes that `torchrun` started, this one joined to the others; one process without it."""
    if not distributed.is_available():
        return Workers()
    if not distributed.is_initialized():
        started = {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"} <= os.environ.keys()
        if not started or int(os.environ["WORLD_SIZE"]) == 1:
            return Workers()
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
        atexit.register(_leave)
    return Workers(distributed.get_rank(), distributed.get_world_size())


def _leave() -> None:
    if distributed.is_initialized():
        distributed.destroy_process_group()


def chosen_device(device: torch.device | str) -> torch.device:
    """Return the device meant by a name: "auto" is this process's GPU where there is one, else the CPU."""
    if device != "auto":
        chosen = torch.device(device)
        if chosen.type == "cuda" and not torch.cuda.is_available():
            _check.fail("train", "device", "a device of this machine", str(device), "Use device='auto'.")
        return chosen
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device("cpu")
