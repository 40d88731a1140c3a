"""Fitting a sequential latent model, and what comes of it: rates of units that it has not read, and factors."""

import copy
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from tqdm import tqdm

from neurornn import _check
from neurornn._types import generator
from neurornn.errors import Diverged, FitError
from neurornn.latent.model import SequentialLatent
from neurornn.network import Perturbs
from neurornn.perturb.schedule import Always

FILE = "latent.safetensors"


@dataclass(frozen=True, eq=False)
class LatentFit:
    """A fitted sequential latent model. Made by `fit_latent`.

    Args:
        model: with its best weights.
        held_in: which units are read. Shape `(unit,)`.
        window: bins to a window.
        dt: bin width, ms.
        null: mean count of each unit in the training bins. Shape `(unit,)`.
        history: one row an epoch: `epoch`, `loss`, `kl`, `validation`.
        recipe: what was asked for, as plain data.
        seed: of the fit.
        versions: of what the numbers depend on.
    """

    model: SequentialLatent
    held_in: Bool[np.ndarray, " unit"]
    window: int
    dt: float
    null: Float[np.ndarray, " unit"]
    history: pd.DataFrame
    recipe: Mapping[str, Any]
    seed: int
    versions: Mapping[str, str]

    @property
    def methods(self) -> str:
        """How it was fitted, in a few sentences."""
        told = self.recipe["fit"]
        return (
            f"Fitted by Poisson likelihood for {len(self.history)} epochs of windows of {told['window']} bins of "
            f"{self.dt:g} ms, {told['batch']} to a step of Adam (learning rate {told['learning_rate']:g}); "
            f"{100 * told['dropout']:g} % of the counts that are read hidden from the encoders and predicted instead, "
            f"KL weighted by {told['kl']:g}, seed {self.seed}. The weights that best predict, in blocks kept for it, "
            f"units that no encoder reads were kept."
        )

    @property
    def checklist(self) -> dict[str, str]:
        """What this says to lines of the reviewer's checklist, by key."""
        return {"seeds": f"1 fit, seed {self.seed}."}

    def frame(self) -> pd.DataFrame:
        """Return the history: one row an epoch."""
        return self.history

    @torch.no_grad()
    def infer(
        self,
        counts: Float[np.ndarray, "bin unit"],
        block: Int[np.ndarray, " bin"],
        *,
        samples: int = 32,
        seed: int = 0,
        perturb: Sequence[Perturbs] = (),
    ) -> tuple[Float[np.ndarray, "bin unit"], Float[np.ndarray, "bin factor"]]:
        """Return expected counts of all units and the factors, from the counts of the held-in units alone.

        Windows overlap by half and are blended; none reaches across the border of two blocks. The latent state is drawn
        `samples` times, and rates are averaged over the draws.

        Args:
            counts: of all units; those of held-out units are not read.
            block: a label of each bin.
            samples: draws of the latent state.
            seed: of the draws.
            perturb: what is done to the generator's units all the while, such as `Silence([3])`: windows overlap, so
                that none of its own would have a meaning.

        Returns:
            Shapes `(bin, unit)` and `(bin, factor)`; NaN in blocks shorter than a window.
        """
        for one in perturb:
            if getattr(one, "when", Always()) != Always():
                fix = "Inferred in windows that overlap; call the model itself for a window of its own."
                _check.fail("LatentFit.infer", "perturb", "one that holds all the while", type(one).__name__, fix)
        stream = generator(seed)
        total = np.zeros((len(counts), self.model.n_out))
        factors = np.zeros((len(counts), self.model.to_factors.shape[0]))
        weight = np.zeros(len(counts))
        ramp = 1.0 - np.abs((np.arange(self.window) + 0.5) / self.window * 2 - 1) * 0.98
        starts = windows(block, self.window)
        for first in range(0, len(starts), 64):
            some = starts[first : first + 64]
            seen = torch.from_numpy(_cut(counts[:, self.held_in], some, self.window))
            draws = [self.model(seen, stream, perturb=perturb) for _ in range(samples)]
            expected = torch.stack([draw.expected for draw in draws]).mean(0).numpy()
            found = torch.stack([draw.factors for draw in draws]).mean(0).numpy()
            for k, start in enumerate(some):
                at = slice(start, start + self.window)
                total[at] += ramp[:, None] * expected[k]
                factors[at] += ramp[:, None] * found[k]
                weight[at] += ramp
        weight = np.where(weight > 0, weight, np.nan)[:, None]
        return total / weight, factors / weight

    def save(self, folder: str | Path) -> Path:
        """Write weights, units, bins and the course of the fit to one file in `folder`, whole or not at all."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {f"model/{name}": tensor.contiguous() for name, tensor in self.model.state_dict().items()}
        tensors |= {"held_in": torch.from_numpy(self.held_in), "null": torch.from_numpy(self.null)}
        tensors["history"] = torch.from_numpy(np.ascontiguousarray(self.history.to_numpy(dtype=float)))
        told = {"recipe": self.recipe, "window": self.window, "dt": self.dt, "seed": self.seed}
        text = json.dumps({**told, "columns": list(self.history.columns), "versions": dict(self.versions)})
        half = folder / f".{FILE}.part"
        save_file(tensors, half, metadata={"neurornn": text})
        os.replace(half, folder / FILE)
        return folder

    @classmethod
    def load(cls, folder: str | Path) -> "LatentFit":
        """Read a fit back.

        Raises:
            FitError: if the file is missing or damaged.
        """
        path = Path(folder) / FILE
        try:
            with safe_open(path, framework="pt") as file:
                told = json.loads((file.metadata() or {})["neurornn"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}
        except (SafetensorError, OSError, KeyError) as error:
            text = f"{path}: missing, or no latent model of neurornn ({error}). Save it again."
            raise FitError(text) from error
        settings = {name: value for name, value in told["recipe"]["model"].items() if name != "type"}
        model = SequentialLatent(**settings)
        model.load_state_dict({n.removeprefix("model/"): t for n, t in tensors.items() if n.startswith("model/")})
        history = pd.DataFrame(tensors["history"].numpy(), columns=told["columns"]).astype({"epoch": int})
        return cls(
            model=model.eval(),
            held_in=tensors["held_in"].numpy(),
            window=told["window"],
            dt=told["dt"],
            null=tensors["null"].numpy(),
            history=history,
            recipe=told["recipe"],
            seed=told["seed"],
            versions=told["versions"],
        )


def windows(block: Int[np.ndarray, " bin"], length: int) -> Int[np.ndarray, " window"]:
    """Return the first bins of windows of `length` that overlap by half and cover each block; none crosses a border."""
    edges = np.flatnonzero(np.diff(block)) + 1
    found: list[int] = []
    for first, stop in zip([0, *edges], [*edges, len(block)], strict=True):
        if stop - first < length:
            continue
        found += list(range(first, stop - length, max(length // 2, 1)))
        found.append(stop - length)
    return np.array(sorted(set(found)), dtype=np.int64)


def fit_latent(
    model: SequentialLatent,
    counts: Float[np.ndarray, "bin unit"],
    held_in: Bool[np.ndarray, " unit"],
    block: Int[np.ndarray, " bin"],
    train: Bool[np.ndarray, " bin"],
    validation: Bool[np.ndarray, " bin"],
    *,
    window: int = 40,
    epochs: int = 200,
    batch: int = 32,
    learning_rate: float = 5e-3,
    dropout: float = 0.25,
    kl: float = 0.1,
    kl_epochs: int = 40,
    l2: float = 1e-4,
    patience: int = 25,
    refit: bool = False,
    seed: int = 0,
    progress: bool = True,
    versions: Mapping[str, str] | None = None,
) -> LatentFit:
    r"""Fit a sequential latent model to spike counts.

    $$ L = \langle \lambda - n \log \lambda \rangle + \kappa\, \mathrm{KL}/N + \text{penalty} $$

    A share of the held-in counts is hidden from the encoders in each batch and predicted instead (coordinated dropout),
    so that the model cannot learn to copy single spikes. Training stops where held-out units are no longer predicted
    better in the validation blocks, from the held-in ones, and the best weights are put back. With `refit` the
    validation blocks only choose the number of epochs: the model is then fitted anew to both, for as many.

    Args:
        model: what is fitted; it is copied.
        counts: whole numbers, of all units. Shape `(bin, unit)`.
        held_in: which units the encoders read.
        block: a label of each bin; windows never reach across a border.
        train: which bins train: whole blocks.
        validation: which bins judge: whole blocks.
        window: bins to a window.
        epochs: most times that the training windows are gone through.
        batch: windows to a step.
        learning_rate: of Adam.
        dropout: share of the held-in counts that is hidden.
        kl: $\kappa$ at its full strength.
        kl_epochs: epochs over which it rises.
        l2: penalty on the generator's recurrent weights.
        patience: epochs without improvement.
        refit: whether the model is fitted anew to training and validation blocks together, where data are scarce.
        seed: of order, dropout and latent draws.
        progress: whether to show a progress bar.
        versions: of what the numbers depend on, to be kept with the fit.

    Raises:
        ValueError: if sizes do not fit, or no window fits into the training or validation blocks.
        Diverged: if the loss is not finite.
    """
    owner = "fit_latent"
    for name, value in {"window": window, "epochs": epochs, "batch": batch, "patience": patience}.items():
        _check.count(owner, name, value)
    _check.positive(owner, "learning_rate", learning_rate)
    _check.fraction(owner, "dropout", dropout)
    if (int(held_in.sum()), counts.shape[1]) != (model.n_in, model.n_out):
        must = f"one for {int(held_in.sum())} held-in units of {counts.shape[1]}"
        _check.fail(owner, "model", must, f"{model.n_in} of {model.n_out}")
    starts = windows(block, window)
    parts = {"train": starts[train[starts]], "validation": starts[validation[starts]]}
    for name, some in parts.items():
        if len(some) == 0:
            fix = "Take a shorter window or longer blocks."
            _check.fail(owner, name, f"blocks that hold a window of {window} bins", "none", fix)
    plan = _Plan(window, epochs, batch, learning_rate, dropout, kl, kl_epochs, l2, patience, seed)
    null = counts[train].mean(axis=0)
    teach, judge = parts["train"], parts["validation"]
    fitted, rows, best_epoch = _descend(model, counts, held_in, teach, judge, null, plan, progress)
    asked: dict[str, Any] = {name: value for name, value in vars(plan).items() if name != "seed"}
    if refit:
        both = np.union1d(teach, judge)
        null = counts[train | validation].mean(axis=0)
        again = replace(plan, epochs=best_epoch)
        fitted, _, _ = _descend(model, counts, held_in, both, None, null, again, progress)
        asked |= {"refit": True, "refit_epochs": best_epoch}
    history = pd.DataFrame(rows, columns=["epoch", "loss", "kl", "validation"]).astype({"epoch": int})
    recipe = {"model": {"type": "SequentialLatent", **model.settings}, "fit": asked}
    told = dict(versions or {})
    return LatentFit(fitted.eval(), held_in, window, model.forth.dt, null, history, recipe, seed, told)


@dataclass(frozen=True)
class _Plan:
    """What a fit is told, checked: the parameters of `fit_latent` by the same names."""

    window: int
    epochs: int
    batch: int
    learning_rate: float
    dropout: float
    kl: float
    kl_epochs: int
    l2: float
    patience: int
    seed: int


def _descend(
    model: SequentialLatent,
    counts: np.ndarray,
    held_in: np.ndarray,
    starts: np.ndarray,
    judging: np.ndarray | None,
    null: np.ndarray,
    plan: _Plan,
    progress: bool,
) -> tuple[SequentialLatent, list[list[float]], int]:
    """Return a fitted copy, the course, and the epoch whose weights it has: the best one, or without judges the last.

    Raises:
        Diverged: if the loss is not finite.
    """
    model = copy.deepcopy(model)
    with torch.no_grad():
        model.bias.copy_(torch.from_numpy(np.log(np.maximum(null, 1e-4)).astype(np.float32)))
    optimiser = torch.optim.Adam(model.parameters(), lr=plan.learning_rate)
    stream = generator(plan.seed)
    inside = torch.from_numpy(np.flatnonzero(held_in))
    best: dict[str, Tensor] = {}
    rows: list[list[float]] = []
    lowest, waited, best_epoch = math.inf, 0, plan.epochs
    bar = tqdm(range(plan.epochs), desc="latent", unit="epoch", disable=not progress)
    for epoch in bar:
        strength = plan.kl * min(1.0, (epoch + 1) / max(plan.kl_epochs, 1))
        total = divergence = 0.0
        for seen in _batches(counts, starts, plan.window, plan.batch, stream):
            read = seen[:, :, inside]
            hidden = torch.rand(read.shape, generator=stream) < plan.dropout
            found = model(torch.where(hidden, 0.0, read / max(1.0 - plan.dropout, 1e-6)), stream)
            loss = found.expected - seen * torch.log(found.expected)
            counted = torch.ones_like(loss)
            if plan.dropout:
                counted[:, :, inside] = hidden.to(loss)
            cost = (loss * counted).sum() / counted.sum()
            whole = cost + strength * found.kl / loss.numel() + plan.l2 * model.generator.w_rec.square().sum()
            optimiser.zero_grad()
            whole.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimiser.step()
            total, divergence = total + float(cost.detach()), divergence + float(found.kl.detach()) / loss.numel()
        if not math.isfinite(total):
            raise Diverged(f"fit_latent: the loss is {total} in epoch {epoch + 1}. Take a smaller learning rate.")
        n_batches = math.ceil(len(starts) / plan.batch)
        if judging is None:
            continue
        score = _co_loss(model, counts, held_in, judging, plan.window)
        rows.append([float(epoch + 1), total / n_batches, divergence / n_batches, score])
        if score < lowest:
            lowest, waited, best_epoch = score, 0, epoch + 1
            best = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        else:
            waited += 1
        bar.set_postfix_str(f"validation {score:.4g}", refresh=False)
        if waited >= plan.patience:
            break
    bar.close()
    if best:
        model.load_state_dict(best)
    return model, rows, best_epoch


def _cut(counts: np.ndarray, starts: np.ndarray, window: int) -> np.ndarray:
    return np.stack([counts[start : start + window] for start in starts]).astype(np.float32)


def _batches(
    counts: np.ndarray, starts: np.ndarray, window: int, size: int, stream: torch.Generator
) -> Iterator[Tensor]:
    order = torch.randperm(len(starts), generator=stream).numpy()
    for first in range(0, len(order), size):
        yield torch.from_numpy(_cut(counts, starts[order[first : first + size]], window))


@torch.no_grad()
def _co_loss(
    model: SequentialLatent, counts: np.ndarray, held_in: np.ndarray, starts: np.ndarray, window: int
) -> float:
    """Return the mean Poisson loss of the held-out units, from the held-in ones; of all units where none is out."""
    seen = torch.from_numpy(_cut(counts, starts, window))
    out = torch.from_numpy(~held_in if not held_in.all() else held_in)
    expected = model(seen[:, :, torch.from_numpy(held_in)]).expected[:, :, out]
    return float((expected - seen[:, :, out] * torch.log(expected)).mean())
