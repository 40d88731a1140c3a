"""Sequential latent models: a recurrent generator whose few factors explain the spikes of many units."""

import copy
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from tqdm import tqdm

from neurornn import _check
from neurornn._types import generator, recorded
from neurornn.cell.gated import GRU
from neurornn.errors import Diverged

STEEPEST = 8.0
"""Log expected counts are held below this."""


class Inferred(NamedTuple):
    """What a latent model makes of some windows.

    `expected` counts (window, bin, out); `factors` (window, bin, factor); `inputs` (window, bin, input), inferred and
    empty without a controller; `kl`, summed, in nats.
    """

    expected: Tensor
    factors: Tensor
    inputs: Tensor
    kl: Tensor


class SequentialLatent(nn.Module):
    r"""An autoencoder of spikes through a recurrent generator.

    $$ q(g_0) = N(\mu(e), \sigma^2(e)), \qquad g_t = \mathrm{GRU}(u_t, g_{t-1}), \qquad f_t = W g_t, \qquad
       n_t \sim \mathrm{Poisson}(e^{A f_t + b}) $$

    with $e$ the last states of two encoders that read the window forwards and backwards. Without a controller the
    generator runs by itself, $u_t = 0$: all of the window must follow from its first state. With one, an input is
    inferred at each bin from what the encoders have there and from the factors so far. The loss is the Poisson
    likelihood and the divergence of $q$ from a standard normal law.

    Held-out units are predicted from held-in ones alone: they are read by no encoder.

    Args:
        n_in: units that are read (held in).
        n_out: units that are predicted.
        n_encoder: size of each encoder.
        n_generator: size of the generator.
        n_factors: factors.
        n_controller: size of the controller; 0 for none.
        n_inputs: inferred inputs, with a controller.
        dt: bin width, ms.
        seed: of the initial weights.

    References:
        Pandarinath et al. (2018), doi:10.1038/s41592-018-0109-9.

    Example:
        >>> import torch
        >>> from neurornn import SequentialLatent
        >>> model = SequentialLatent(5, 7, n_factors=3)
        >>> model(torch.zeros(2, 20, 5)).expected.shape
        torch.Size([2, 20, 7])
    """

    settings: dict[str, Any]

    @recorded
    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        n_encoder: int = 32,
        n_generator: int = 48,
        n_factors: int = 8,
        n_controller: int = 0,
        n_inputs: int = 2,
        dt: float = 50.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        owner = "SequentialLatent"
        sizes = {"n_in": n_in, "n_out": n_out, "n_encoder": n_encoder, "n_generator": n_generator}
        for name, value in {**sizes, "n_factors": n_factors, "n_inputs": n_inputs}.items():
            _check.count(owner, name, value)
        self.n_in, self.n_out, self.n_generator = n_in, n_out, n_generator
        self.n_controller = _check.count(owner, "n_controller", n_controller, least=0)
        self.n_inputs = n_inputs if n_controller else 0
        seeds = iter(range(10 * seed, 10 * seed + 10))
        self.forth, self.back = (GRU(n_in, n_encoder, dt=dt, seed=next(seeds)) for _ in range(2))
        self.generator = GRU(max(self.n_inputs, 1), n_generator, dt=dt, seed=next(seeds))
        self.controller: GRU | None = None
        if n_controller:
            self.controller = GRU(2 * n_encoder + n_factors, n_controller, dt=dt, seed=next(seeds))
        stream = generator(seed + 7919)

        def linear(rows: int, columns: int, gain: float = 1.0) -> nn.Parameter:
            return nn.Parameter(torch.randn(rows, columns, generator=stream) * gain / math.sqrt(columns))

        self.to_start = linear(2 * n_generator, 2 * n_encoder, 0.5)
        self.to_inputs = linear(2 * self.n_inputs, n_controller, 0.5) if n_controller else None
        self.to_factors = linear(n_factors, n_generator)
        self.to_rates = linear(n_out, n_factors, 0.5)
        self.bias = nn.Parameter(torch.zeros(n_out))

    def forward(self, counts: Float[Tensor, "window bin in"], noise: torch.Generator | None = None) -> Inferred:
        """Return what the model makes of windows of counts of the held-in units.

        Args:
            counts: of the held-in units.
            noise: where the latent state is drawn from; its mean is taken where absent.
        """
        n = len(counts)
        forth, _ = self.forth.rollout(counts, self.forth.initial(n))
        back, _ = self.back.rollout(counts.flip(1), self.back.initial(n))
        back = back.flip(1)
        ends = torch.cat([forth[:, -1], back[:, 0]], dim=1)
        start, kl = _sampled(ends @ self.to_start.mT, noise)
        if self.controller is None:
            quiet = counts.new_zeros(n, counts.shape[1], 1)
            states, _ = self.generator.rollout(quiet, (start,))
            inputs = counts.new_zeros(n, counts.shape[1], 0)
        else:
            states, inputs, more = self._controlled(torch.cat([forth, back], dim=2), start, noise)
            kl = kl + more
        factors = states @ self.to_factors.mT
        expected = torch.exp((factors @ self.to_rates.mT + self.bias).clamp(max=STEEPEST))
        return Inferred(expected, factors, inputs, kl)

    def _controlled(self, read: Tensor, start: Tensor, noise: torch.Generator | None) -> tuple[Tensor, Tensor, Tensor]:
        assert self.controller is not None and self.to_inputs is not None
        control = self.controller.initial(len(read))
        g = start
        states, inputs, kl = [], [], read.new_zeros(())
        for seen in read.unbind(1):
            c, control = self.controller.step(torch.cat([seen, g @ self.to_factors.mT], dim=1), control)
            u, more = _sampled(c @ self.to_inputs.mT, noise)
            g, _ = self.generator.step(u, (g,))
            states.append(g)
            inputs.append(u)
            kl = kl + more
        return torch.stack(states, dim=1), torch.stack(inputs, dim=1), kl


def _sampled(both: Tensor, noise: torch.Generator | None) -> tuple[Tensor, Tensor]:
    """Return a draw from N(mean, sd^2) (its mean without a stream) and its divergence from N(0, 1), summed."""
    mean, log_sd = both.chunk(2, dim=1)
    log_sd = log_sd.clamp(-6.0, 3.0)
    kl = 0.5 * (mean.square() + (2 * log_sd).exp() - 2 * log_sd - 1).sum()
    if noise is None:
        return mean, kl
    return mean + log_sd.exp() * torch.randn(mean.shape, generator=noise), kl


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

    def frame(self) -> pd.DataFrame:
        """Return the history: one row an epoch."""
        return self.history

    @torch.no_grad()
    def infer(
        self, counts: Float[np.ndarray, "bin unit"], block: Int[np.ndarray, " bin"], *, samples: int = 32, seed: int = 0
    ) -> tuple[Float[np.ndarray, "bin unit"], Float[np.ndarray, "bin factor"]]:
        """Return expected counts of all units and the factors, from the counts of the held-in units alone.

        Windows overlap by half and are blended; none reaches across the border of two blocks. The latent state is drawn
        `samples` times, and rates are averaged over the draws.

        Args:
            counts: of all units; those of held-out units are not read.
            block: a label of each bin.
            samples: draws of the latent state.
            seed: of the draws.

        Returns:
            Shapes `(bin, unit)` and `(bin, factor)`; NaN in blocks shorter than a window.
        """
        stream = generator(seed)
        total = np.zeros((len(counts), self.model.n_out))
        factors = np.zeros((len(counts), self.model.to_factors.shape[0]))
        weight = np.zeros(len(counts))
        ramp = 1.0 - np.abs((np.arange(self.window) + 0.5) / self.window * 2 - 1) * 0.98
        starts = windows(block, self.window)
        for first in range(0, len(starts), 64):
            some = starts[first : first + 64]
            seen = torch.from_numpy(_cut(counts[:, self.held_in], some, self.window))
            draws = [self.model(seen, stream) for _ in range(samples)]
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
        """Write weights and everything else that is needed to use them to `folder`."""
        from safetensors.torch import save_file

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {name: tensor.contiguous() for name, tensor in self.model.state_dict().items()}
        tensors |= {"held_in": torch.from_numpy(self.held_in), "null": torch.from_numpy(self.null)}
        told = {"recipe": self.recipe, "window": self.window, "dt": self.dt, "seed": self.seed}
        save_file(tensors, folder / "latent.safetensors", metadata={"neurornn": json.dumps({**told, **self.versions})})
        return folder


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
    seed: int = 0,
    progress: bool = True,
    versions: Mapping[str, str] | None = None,
) -> LatentFit:
    r"""Fit a sequential latent model to spike counts.

    $$ L = \langle \lambda - n \log \lambda \rangle + \kappa\, \mathrm{KL}/N + \text{penalty} $$

    A share of the held-in counts is hidden from the encoders in each batch and predicted instead (coordinated dropout),
    so that the model cannot learn to copy single spikes. Training stops where held-out units are no longer predicted
    better in the validation blocks, from the held-in ones, and the best weights are put back.

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
    model = copy.deepcopy(model)
    with torch.no_grad():
        model.bias.copy_(torch.from_numpy(np.log(np.maximum(counts[train].mean(axis=0), 1e-4)).astype(np.float32)))
    optimiser = torch.optim.Adam(model.parameters(), lr=learning_rate)
    stream = generator(seed)
    inside = torch.from_numpy(np.flatnonzero(held_in))
    best: dict[str, Tensor] = {}
    rows: list[list[float]] = []
    lowest, waited = math.inf, 0
    bar = tqdm(range(epochs), desc="latent", unit="epoch", disable=not progress)
    for epoch in bar:
        strength = kl * min(1.0, (epoch + 1) / max(kl_epochs, 1))
        total = divergence = 0.0
        for seen in _batches(counts, parts["train"], window, batch, stream):
            read = seen[:, :, inside]
            hidden = torch.rand(read.shape, generator=stream) < dropout
            found = model(torch.where(hidden, 0.0, read / max(1.0 - dropout, 1e-6)), stream)
            loss = found.expected - seen * torch.log(found.expected)
            counted = torch.ones_like(loss)
            if dropout:
                counted[:, :, inside] = hidden.to(loss)
            cost = (loss * counted).sum() / counted.sum()
            whole = cost + strength * found.kl / loss.numel() + l2 * model.generator.w_rec.square().sum()
            optimiser.zero_grad()
            whole.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimiser.step()
            total, divergence = total + float(cost.detach()), divergence + float(found.kl.detach()) / loss.numel()
        if not math.isfinite(total):
            raise Diverged(f"fit_latent: the loss is {total} in epoch {epoch + 1}. Take a smaller learning rate.")
        score = _co_loss(model, counts, held_in, parts["validation"], window)
        n_batches = math.ceil(len(parts["train"]) / batch)
        rows.append([float(epoch + 1), total / n_batches, divergence / n_batches, score])
        if score < lowest:
            lowest, waited = score, 0
            best = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        else:
            waited += 1
        bar.set_postfix_str(f"validation {score:.4g}", refresh=False)
        if waited >= patience:
            break
    bar.close()
    model.load_state_dict(best)
    asked = {"window": window, "learning_rate": learning_rate, "dropout": dropout, "kl": kl, "batch": batch}
    history = pd.DataFrame(rows, columns=["epoch", "loss", "kl", "validation"]).astype({"epoch": int})
    recipe = {"model": {"type": "SequentialLatent", **model.settings}, "fit": asked}
    null = counts[train].mean(axis=0)
    return LatentFit(model.eval(), held_in, window, model.forth.dt, null, history, recipe, seed, dict(versions or {}))


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
