"""A training step as a CUDA graph: recorded once, and from then on started by one call instead of hundreds."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from neurornn.fit.objective import (
    ActivityPenalty,
    CrossEntropy,
    DrivePenalty,
    Objective,
    SmoothnessPenalty,
    SquaredError,
    SynapsePenalty,
    WeightPenalty,
)
from neurornn.kernel import Noise
from neurornn.network import Network
from neurornn.trials import Trials

Told = tuple[Tensor, Tensor]
"""What a step tells: the weighted terms of the loss, and the norm of each parameter's gradient."""

Take = Callable[[Trials, Any, Tensor | None], Told]
"""A whole training step of a batch, noise and scatter: it moves the weights."""

N_EAGER = 3
"""Steps of each size that are taken one operation after the other, before one is recorded."""
MOST = 8
"""Graphs that are kept: each holds the memory of its size."""
KNOWN = (
    *(SquaredError, CrossEntropy, ActivityPenalty, WeightPenalty, DrivePenalty, SynapsePenalty, SmoothnessPenalty),
)
"""Terms that look at nothing of the trials but the tensors that a graph is given anew."""


@dataclass
class _Graph:
    graph: torch.cuda.CUDAGraph
    given: list[Tensor | None]
    told: Told


class Graphed:
    """Takes training steps, after the first few of each size of batch by replaying a CUDA graph.

    A graph does the very same operations in the same order, so that weights and losses are those of the steps one by
    one. What cannot be recorded (an operation that waits for the GPU) is taken step by step from then on.

    Args:
        optimiser: torch's optimiser; its learning rate becomes a tensor, which a graph reads anew.
    """

    def __init__(self, optimiser: torch.optim.Optimizer) -> None:
        self.optimiser = optimiser
        self.side = torch.cuda.Stream()
        self.taken: dict[tuple[object, ...], int] = {}
        self.graphs: dict[tuple[object, ...], _Graph] = {}
        self.works = True
        for group in optimiser.param_groups:
            group["capturable"] = True
            group["lr"] = torch.tensor(group["lr"], device=group["params"][0].device)

    def __call__(
        self, kind: object, take: Take, trials: Trials, noise: Tensor | Noise | None, scatter: Tensor | None
    ) -> Told:
        """Take a step; `kind` tells steps apart that differ in more than their sizes."""
        if isinstance(noise, Noise):
            noise = noise.tensor(trials.inputs)
        given = [trials.inputs, trials.targets, trials.mask, trials.valid, trials.start, noise, scatter]
        key = (kind, *(None if one is None else (one.shape, one.dtype) for one in given))
        ready = self.graphs.get(key)
        if ready is None and self.works and self.taken.get(key, 0) >= N_EAGER and len(self.graphs) < MOST:
            ready = self._recorded(key, take, trials, given)
        if ready is None:
            self.taken[key] = self.taken.get(key, 0) + 1
            self.side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self.side):  # as a recording asks for
                terms, norms = take(trials, noise, scatter)
            torch.cuda.current_stream().wait_stream(self.side)
            return terms, norms
        for own, new in zip(ready.given, given, strict=True):
            if own is not None and new is not None:
                own.copy_(new, non_blocking=True)
        ready.graph.replay()
        terms, norms = ready.told
        return terms.clone(), norms.clone()

    def _recorded(
        self, key: tuple[object, ...], take: Take, trials: Trials, given: list[Tensor | None]
    ) -> _Graph | None:
        """Record a step; nothing is computed meanwhile. `None` where that cannot be done."""
        own = [None if one is None else one.detach().clone() for one in given]
        x, targets, mask, valid, start, noise, scatter = own
        assert x is not None and targets is not None and mask is not None
        still = replace(trials, inputs=x, targets=targets, mask=mask, valid=valid, start=start, epochs={}, behaviour={})
        graph = torch.cuda.CUDAGraph()
        self.optimiser.zero_grad()
        torch.cuda.synchronize()
        try:
            with torch.cuda.graph(graph):
                told = take(still, noise, scatter)
        except RuntimeError as reason:
            self.works = False
            self.optimiser.zero_grad()
            torch.cuda.synchronize()
            logging.getLogger("neurornn").warning(
                "train: this step cannot be recorded as a CUDA graph, and is taken operation by operation: %s",
                str(reason).splitlines()[0],
            )
            return None
        self.graphs[key] = _Graph(graph, own, told)
        return self.graphs[key]


def can_be_graphed(network: Network, objective: Objective, optimiser: torch.optim.Optimizer) -> bool:
    """Tell whether a graph gives the numbers of the steps one by one: where all that changes is in tensors.

    What others wrote may look at anything, and is left alone.
    """
    ours = (type(one).__module__.partition(".")[0] in ("neurornn", "torch") for one in network.modules())
    terms = (type(term) in KNOWN for term in objective.terms.values())
    return type(optimiser) is torch.optim.AdamW and all(terms) and all(ours)
