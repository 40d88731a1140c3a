"""How activity covaries under noise: from the linear model, or simulated."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from tqdm import tqdm

from neurornn import _check
from neurornn.cell import LeakyRate, NoiseAt
from neurornn.cell.spiking import AbstractSpiking
from neurornn.network import Network
from neurornn.pruning.linear import linear_model, noise_covariance, stabilised, time_constants_of

Told = list[tuple[str, str, float]]

BLOCK = 500
"""Steps that are simulated in one go."""


class AbstractCovariance(ABC):
    """A way to the covariance of a network's units under independent noise of unit strength."""

    @abstractmethod
    def of(self, network: Network, generator: torch.Generator) -> tuple[Float[np.ndarray, "unit unit"], Told]:
        """Return it, and what was done; of rate units in the unit of the state squared times ms."""


@dataclass(frozen=True)
class AnalyticCovariance(AbstractCovariance):
    r"""The covariance of the linear model about rest: $A C + C A^\top = -\sigma^2$ with $\sigma = 1$.

    Where $A$ is unstable its leak is raised by 0.5, 1, 2, 4 or 8 mean leaks, whichever first makes it stable; how far
    is reported. Only the scores see that.

    Raises:
        NotConverged: if the largest shift does not do.
    """

    def of(self, network: Network, generator: torch.Generator) -> tuple[np.ndarray, Told]:
        stable, shift, abscissa = stabilised(linear_model(network))
        told = [("covariance", "largest real part (1/ms)", abscissa), ("covariance", "leak shift (mean leaks)", shift)]
        return noise_covariance(stable), told


@dataclass(frozen=True)
class SimulatedCovariance(AbstractCovariance):
    r"""The covariance of the network itself, driven by noise alone: its inputs are 0.

    Every unit is handed white noise of its own. Spikes are filtered with an exponential; the activity of rate units is
    taken as it is.

    Args:
        level: the standard deviation that a unit of mean time constant would have without the others, in the cell's
            `span`: of rate units small enough for the slope at rest, of spiking units large enough to make them fire.
        frames: for each unit.
        trials: that are run side by side.
        tau: time constant of the filter of spikes, ms.
        progress: whether to show a bar, where it takes more than some seconds.

    Raises:
        ValueError: if no two units are active.
    """

    level: float = 0.5
    frames: int = 50
    trials: int = 32
    tau: float = 20.0
    progress: bool = True

    def __post_init__(self) -> None:
        _check.positive("SimulatedCovariance", "level", self.level)
        _check.positive("SimulatedCovariance", "tau", self.tau)
        _check.count("SimulatedCovariance", "frames", self.frames)
        _check.count("SimulatedCovariance", "trials", self.trials)

    def of(self, network: Network, generator: torch.Generator) -> tuple[np.ndarray, Told]:
        cell, taus = network.cell, time_constants_of(network)
        n, dt = network.n_units, network.dt
        diffusion = self.level * cell.span * math.sqrt(2 / taus.mean())  # per root ms
        gap = max(1, round(float(np.median(taus)) / dt))  # steps between frames
        burn = math.ceil(5 * self._longest(network, taus) / dt)
        n_frames = math.ceil(self.frames * n / self.trials)
        scale = self._per_step(network, diffusion)
        kept = math.exp(-dt / self.tau)
        state, filtered, frames = cell.initial(self.trials), 0.0, []
        total = burn + n_frames * gap
        bar = tqdm(total=total, desc="covariance", unit="step", disable=not self.progress, delay=5.0)
        with torch.no_grad(), bar:
            for first in range(0, total, BLOCK):
                n_steps = min(BLOCK, total - first)
                shape = (self.trials, n_steps, n)
                noise = torch.randn(shape, generator=generator).to(network.readout) * scale
                x = noise.new_zeros(self.trials, n_steps, network.n_in)
                activity, state = cell.rollout(x, state, noise)
                for t in range(n_steps):
                    if isinstance(cell, AbstractSpiking):
                        filtered = kept * filtered + activity[:, t]
                    if first + t >= burn and (first + t - burn) % gap == 0:
                        frames.append(filtered if isinstance(cell, AbstractSpiking) else activity[:, t])
                bar.update(n_steps)
        seen = torch.cat(frames).double().cpu().numpy()  # (frame, unit)
        if int((seen.std(axis=0) > 0).sum()) < 2:
            fix = "Raise `level`."
            _check.fail("SimulatedCovariance", "level", "high enough to make units active", self.level, fix)
        told = [
            ("covariance", "frames", float(len(seen))),
            ("covariance", "active units", float((seen.std(0) > 0).sum())),
        ]
        return np.cov(seen.T) / diffusion**2, told

    def _longest(self, network: Network, taus: np.ndarray) -> float:
        others = [getattr(network.cell, name)() for name in ("tau_syn", "tau_adapt") if hasattr(network.cell, name)]
        spiking = [self.tau] if network.spiking else []
        return max(float(taus.max()), *(float(one.detach().max()) for one in others), *spiking, 0.0)

    def _per_step(self, network: Network, diffusion: float) -> torch.Tensor:
        """Return the standard deviation of the noise that a step is handed, one a unit."""
        step = torch.full((network.n_units,), diffusion * math.sqrt(network.dt)).to(network.readout)
        cell = network.cell
        if isinstance(cell, LeakyRate) and cell.noise_at is NoiseAt.DRIVE:
            return step * cell.tau().detach() / network.dt  # which the leak filters
        return step
