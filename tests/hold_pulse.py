"""A small task of the tests' own: hold the sign of a pulse through a delay."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from neurornn.recording import Recording
from neurornn.task.base import AbstractTask
from neurornn.trials import Trials


@dataclass(frozen=True)
class HoldPulse(AbstractTask):
    """A pulse of either sign; after a delay its sign is asked for. Trials differ in length."""

    dt: float = 20.0
    n_steps: int = 10
    shortest: int = 8
    score_name = "fraction correct"
    higher_is_better = True

    @property
    def n_in(self) -> int:
        return 2

    @property
    def n_out(self) -> int:
        return 1

    def sample(self, n_trials: int, *, generator: torch.Generator) -> Trials:
        sign = 2.0 * torch.randint(2, (n_trials,), generator=generator) - 1.0
        lengths = torch.randint(self.shortest, self.n_steps + 1, (n_trials,), generator=generator)
        return self.trials(sign, lengths)

    def trials(self, sign: Tensor, lengths: Tensor) -> Trials:
        valid = torch.arange(self.n_steps) < lengths[:, None]
        inputs = torch.zeros(len(sign), self.n_steps, 2)
        inputs[:, 1, 0] = sign
        inputs[:, :, 1] = (torch.arange(self.n_steps) >= 4).float()
        mask = (valid & (torch.arange(self.n_steps) >= 4)).float()
        targets = sign[:, None, None].expand(-1, self.n_steps, 1).clone()
        edges = torch.stack([torch.full_like(lengths, 4), lengths], dim=1)
        place = torch.arange(self.n_steps).float().expand(len(sign), -1)[..., None]
        return Trials(
            inputs,
            targets,
            mask,
            dt=self.dt,
            valid=valid,
            epochs={"answer": edges},
            conditions=pd.DataFrame({"sign": sign.numpy()}),
            behaviour={"position": place},
        )

    def score(self, trials: Trials, outputs: Tensor) -> Tensor:
        right = ((outputs[..., 0] > 0) == (trials.targets[..., 0] > 0)).float()
        return (right * trials.mask).sum(-1) / trials.mask.sum(-1)

    def follow(self, recording: Recording) -> Trials:
        lengths = np.floor((recording.trials["stop"] - recording.trials["start"]) / self.dt + 1e-9).astype(int)
        sign = torch.tensor(recording.trials["sign"].to_numpy(), dtype=torch.float32)
        return HoldPulse(self.dt, int(lengths.max()), 0).trials(sign, torch.tensor(lengths.to_numpy()))
