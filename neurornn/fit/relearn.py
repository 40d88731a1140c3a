"""A lesion for good: the effect at once, and how long a network takes to learn around it."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from tqdm import tqdm

from neurornn import _check
from neurornn._types import generator
from neurornn.fit.fit import Fit
from neurornn.fit.watch import clip_gradients
from neurornn.network import Network, Run
from neurornn.perturb.base import AbstractPerturbation
from neurornn.trials import Trials


@dataclass(frozen=True, eq=False)
class Relearning:
    """Scores of a lesioned network that goes on learning, beside those of the intact one that does, too.

    Args:
        table: one row a network and step: `network` (lesioned, intact), `step` (0: at once) and `score`.
        higher_is_better: whether a larger score is better.
        score_name: what the score measures.
        lesioned: the network as it has relearnt; it needs the lesion in every run.
    """

    table: pd.DataFrame
    higher_is_better: bool
    score_name: str
    lesioned: Network

    @property
    def methods(self) -> str:
        """What was done, in a sentence."""
        return (
            "The lesioned and the intact network both went on learning for as many steps, the lesion in every run; "
            f"{self.score_name} on the same held-out trials and noise at each look."
        )

    def frame(self) -> pd.DataFrame:
        """Return one row a network and step."""
        return self.table

    @property
    def acute(self) -> float:
        """Change of the score by the lesion at once."""
        first = self.table.loc[(self.table["step"] == 0).to_numpy(dtype=bool)]
        at_once = dict(zip(first["network"].tolist(), first["score"].tolist(), strict=True))
        return at_once["lesioned"] - at_once["intact"]

    def steps_to_recover(self, share: float = 0.9) -> float:
        """Return after how many steps so much of the acute effect is gone for the first time; NaN if it never is.

        Effects are differences from the intact network that was trained for as many steps, so that what training gives
        anyway is not taken for recovery. The score is looked at in intervals; the number is the first look.
        """
        _check.fraction("Relearning.steps_to_recover", "share", share)
        wide = self.table.pivot(index="step", columns="network", values="score")
        sign = 1.0 if self.higher_is_better else -1.0
        lost = sign * (wide["intact"] - wide["lesioned"])
        start = float(lost.iloc[0])
        if start <= 0:
            return 0.0
        back = lost.index[lost.to_numpy() <= (1 - share) * start]
        return float(back[0]) if len(back) else float("nan")


def relearn(
    fit: Fit,
    perturb: Sequence[AbstractPerturbation],
    *,
    steps: int,
    every: int = 25,
    batch: int = 64,
    learning_rate: float = 1e-3,
    trials: int = 256,
    seed: int = 0,
    progress: bool = True,
) -> Relearning:
    """Lesion a network for good and go on training it, beside the intact one, on the same trials.

    Both are trained with Adam from where the fit ended, on its task and objective, and scored on held-out trials. The
    acute effect tells what the network relied on; what is left after learning tells what cannot be done without. Of
    `fit.untrained(seed)` it is a lesion before training: what can be learnt without these units.

    Args:
        fit: the trained network; it stays as it is.
        perturb: the lesion, which holds in every run.
        steps: batches to train on.
        every: steps between two looks at the score.
        batch: trials a step.
        learning_rate: of Adam.
        trials: held-out trials of each look, the same each time.
        seed: of trials and noise.
        progress: whether to show a bar.

    References:
        Bredenberg, Savin & Kiani (2024), on what lesions of circuits that go on learning show.
    """
    for name, size in (("steps", steps), ("every", every), ("batch", batch), ("trials", trials)):
        _check.count("relearn", name, size)
    _check.positive("relearn", "learning_rate", learning_rate)
    networks = {"lesioned": copy.deepcopy(fit.network), "intact": copy.deepcopy(fit.network)}
    done = {"lesioned": tuple(perturb), "intact": ()}
    free = {name: [p for p in network.parameters() if p.requires_grad] for name, network in networks.items()}
    optimisers = {name: torch.optim.Adam(parameters, lr=learning_rate) for name, parameters in free.items()}
    held_out = fit.task.sample(trials, generator=generator(seed + 1))
    rows = []

    def look(step: int) -> None:
        for name, network in networks.items():
            with torch.no_grad():
                run = _run(network, held_out, done[name], generator(seed + 2))
                score = float(fit.task.score(held_out, run.outputs).float().nanmean())
            rows.append({"network": name, "step": step, "score": score})

    look(0)
    stream = generator(seed)
    for step in tqdm(range(1, steps + 1), desc="relearn", unit="step", disable=not progress):
        drawn = fit.task.sample(batch, generator=stream)
        for name, network in networks.items():
            run = _run(network, drawn, done[name], generator(seed + 10 + step))
            sums, counts = fit.objective.totals(run, drawn, network)
            optimisers[name].zero_grad()
            (sums / counts).sum().backward()
            clip_gradients(free[name], 1.0)
            optimisers[name].step()
        if step % every == 0 or step == steps:
            look(step)
    table = pd.DataFrame(rows)
    return Relearning(table, fit.task.higher_is_better, fit.task.score_name, networks["lesioned"])


def _run(network: Network, trials: Trials, perturb: Sequence[AbstractPerturbation], stream: torch.Generator) -> Run:
    acts = [one.during(trials) for one in perturb]
    start = None if trials.start is None else trials.start.to(network.readout)
    return network(trials.inputs.to(network.readout), start=start, generator=stream, perturb=acts)
