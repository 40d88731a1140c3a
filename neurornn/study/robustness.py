"""What a memory withstands: silenced units of short and long time constants, noise on weights and on time constants."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import nn

from neurornn import _check
from neurornn._types import generator
from neurornn.curriculum import Stage, Stages
from neurornn.fit import train
from neurornn.network import Network, Perturbs
from neurornn.perturb import Silence, Stack
from neurornn.study.growth import time_constants
from neurornn.task.bits import AbstractBits

WEIGHT_NOISE = (0.0, 0.01, 0.0215, 0.0464, 0.1, 0.215, 0.464, 1.0)
TAU_NOISE = (0.0, 0.001, 0.0046, 0.0215, 0.1, 0.215, 0.464, 1.0)
CHANCE = 0.5


@dataclass(frozen=True)
class Probe:
    """A network that is asked about one N at every step of long streams, after a warm-up.

    Args:
        network: the network.
        task: of the kind that it was trained on; its `ns` are not used.
        n: what it is asked about.
        head: the readout head that answers.
        streams: how many streams.
        bits: that count, of each.
        warm_up: bits before.
        seed: of streams and first states.
    """

    network: Network
    task: AbstractBits
    n: int
    head: str
    streams: int = 10
    bits: int = 1000
    warm_up: int = 100
    seed: int = 0

    @torch.no_grad()
    def accuracy(
        self, network: Network | None = None, *, perturb: Sequence[Perturbs] = ()
    ) -> Float[np.ndarray, "*stack"]:
        """Return the fraction of right answers; of another network of the same heads, or under perturbations."""
        network = self.network if network is None else network
        stream = generator(self.seed)
        trials = replace(self.task, ns=(self.n,)).stream(self.streams, self.warm_up + self.bits, generator=stream)
        trials.mask[:, : self.warm_up * self.task.steps_a_bit] = 0.0
        trials = trials.to(network.device)
        scatter = network.draw_scatter(self.streams, stream)
        run = network(trials.inputs.to(network.readout), scatter=scatter, perturb=perturb)
        right = replace(self.task, ns=(self.n,)).right(trials, run.outputs[..., network.heads[self.head]])
        return right.double().mean(dim=(-2, -1)).cpu().numpy()


def relative(accuracy: Any, intact: float) -> Any:
    """Return how much of what was above chance is left: 1 for all of it, 0 at chance."""
    return (accuracy - CHANCE) / (intact - CHANCE)


def ablation(probe: Probe, n_units: int) -> pd.DataFrame:
    """Silence the units with the shortest and with the longest time constants, one at a time.

    A silenced unit is silent for the other units and for whichever head is asked: the same for every curriculum.

    Args:
        probe: what is asked, of which network.
        n_units: how many short ones, and how many long ones.

    Returns:
        One row a unit: `group` ("short" or "long"), `unit`, `tau` (ms), `accuracy` and `relative`.

    Raises:
        ValueError: if there are not as many units of each kind.
    """
    taus = time_constants(probe.network)
    if 2 * _check.count("ablation", "n_units", n_units) > len(taus):
        _check.fail("ablation", "n_units", f"at most half of {len(taus)} units", n_units)
    order = np.argsort(taus, kind="stable")
    chosen = [int(unit) for unit in (*order[:n_units], *order[-n_units:])]
    accuracy = probe.accuracy(perturb=[Stack([Silence([]), *(Silence([unit]) for unit in chosen)])])
    table = pd.DataFrame({"group": ["short"] * n_units + ["long"] * n_units, "unit": chosen, "tau": taus[chosen]})
    return table.assign(accuracy=accuracy[1:], relative=relative(accuracy[1:], float(accuracy[0])))


def noisy_weights(network: Network, size: float, seed: int) -> Network:
    r"""Return a copy whose free recurrent weights have noise on them: $W + \epsilon\,\|W\|\,G/\|G\|$, $G$ normal.

    Args:
        network: the network, which is not changed.
        size: $\epsilon$.
        seed: of $G$.

    Example:
        >>> import torch
        >>> from neurornn import LeakyRate, Network
        >>> from neurornn.study.robustness import noisy_weights
        >>> network = Network(LeakyRate(1, 5), 1)
        >>> one, other = (n.cell.wiring.weight for n in (network, noisy_weights(network, 0.1, 0)))
        >>> round(float(((one - other).norm() / one.norm()).detach()), 3)
        0.1
    """
    changed = copy.deepcopy(network)
    wiring = changed.cell.wiring
    assert isinstance(wiring, nn.Module)
    stream = generator(seed)
    with torch.no_grad():
        for weights in wiring.parameters():
            noise = torch.randn(weights.shape, generator=stream).to(weights)
            weights += size * weights.norm() * noise / noise.norm()
    return changed


def noisy_taus(network: Network, size: float, seed: int) -> Network:
    r"""Return a copy whose time constants are longer: $\tau + \epsilon\,\|\tau\|\,|g|/\|g\|$, $g$ normal.

    Args:
        network: the network, of `LeakyRate` units with raw time constants (`clamp_tau`); it is not changed.
        size: $\epsilon$.
        seed: of $g$.

    Raises:
        ValueError: if its time constants are not kept as they are.
    """
    changed = copy.deepcopy(network)
    taus = time_constants(network)
    raw = getattr(changed.cell.tau, "raw", None)
    if not isinstance(raw, nn.Parameter):
        _check.fail("noisy_taus", "network", "of units with `clamp_tau`", "time constants on a logarithmic scale")
    noise = np.abs(np.random.default_rng(seed).standard_normal(len(taus)))
    longer = taus + size * np.linalg.norm(taus) * noise / np.linalg.norm(noise)
    with torch.no_grad():
        raw.copy_(torch.tensor(longer).to(raw))
    return changed


def noise_curve(
    probe: Probe, change: Callable[[Network, float, int], Network], sizes: Sequence[float], repeats: int
) -> pd.DataFrame:
    """Return how accuracy falls as more and more noise is put on a network.

    Args:
        probe: what is asked.
        change: makes the changed network from the network, a size and a seed.
        sizes: sizes of the noise; the first is the reference of the relative accuracy.
        repeats: draws of the noise for each size.

    Returns:
        One row a size and repeat: `size`, `repeat`, `accuracy`, `relative`.
    """
    rows = []
    for size in sizes:
        for repeat in range(repeats if size else 1):
            changed = change(probe.network, size, probe.seed + 31 * repeat)
            rows.append({"size": size, "repeat": repeat, "accuracy": float(probe.accuracy(changed))})
    table = pd.DataFrame(rows)
    return table.assign(relative=relative(table["accuracy"], float(table["accuracy"].iloc[0])))


def retraining(
    probe: Probe, whole: AbstractBits, ns: Sequence[int], *, epochs: int, epoch: int, settings: dict[str, Any]
) -> pd.DataFrame:
    """Train the probe's head on larger N, each from the same network, and say how well it learns them.

    Args:
        probe: the network that is trained on, a copy for each N, and the head that answers.
        whole: the task of all of the network's heads.
        ns: the larger N.
        epochs: of each training.
        epoch: steps of one.
        settings: further keyword arguments of `neurornn.fit.train`.

    Returns:
        One row an N: `n` and `accuracy` after training.
    """
    rows = []
    for n in ns:
        stage = Stages((Stage(replace(whole, ns=(n,)), (probe.head,)),))
        fit = train(
            probe.network, whole, steps=epochs * epoch, seed=probe.seed, curriculum=stage, progress=False, **settings
        )
        asked = replace(probe, network=fit.network, n=n)
        rows.append({"n": n, "accuracy": float(asked.accuracy())})
    return pd.DataFrame(rows)
