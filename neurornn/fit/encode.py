"""Fitting encoding models to recordings: one function for all of them, from a GLM to a recurrent network."""

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from neurornn import _check
from neurornn.encoding.base import AbstractEncodingModel, Batch
from neurornn.encoding.chunks import Chunks, Split, batch, chunks, contiguous_split
from neurornn.encoding.evoked import Evoked, Moments
from neurornn.errors import Diverged, FitError, RecordingError
from neurornn.fit.build import outline
from neurornn.fit.checkpoint import difference, read_checkpoint, write_checkpoint
from neurornn.fit.encoding_fit import EncodingFit
from neurornn.fit.optimiser import AbstractSchedule
from neurornn.fit.provenance import git_state, versions
from neurornn.fit.session import load_optimiser, optimiser_tensors, stream, under

COLUMNS = ("epoch", "loss", "validation", "learning_rate")


@dataclass(frozen=True)
class _Plan:
    """What a fit is told, checked: the parameters of `fit_encoding` by the same names."""

    epochs: int
    batch: int
    length: int
    learning_rate: float
    patience: int
    drops: int
    clip: float
    seed: int
    schedule: AbstractSchedule | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "length", "patience"):
            _check.count("fit_encoding", name, getattr(self, name))
        for name in ("drops", "seed"):
            _check.count("fit_encoding", name, getattr(self, name), least=0)
        _check.positive("fit_encoding", "learning_rate", self.learning_rate)
        _check.not_negative("fit_encoding", "clip", self.clip)

    def told(self) -> dict[str, Any]:
        """Return the plan as plain data; a schedule that is absent leaves no trace."""
        told = {name: value for name, value in vars(self).items() if value is not None}
        return told if self.schedule is None else {**told, "schedule": outline(self.schedule)}


def fit_encoding(
    model: AbstractEncodingModel,
    evoked: Evoked,
    split: Split | None = None,
    *,
    epochs: int = 100,
    batch: int = 16,
    length: int = 200,
    learning_rate: float = 1e-3,
    patience: int = 8,
    drops: int = 2,
    clip: float = 5.0,
    schedule: AbstractSchedule | None = None,
    seed: int = 0,
    progress: bool = True,
    checkpoint: str | Path | None = None,
) -> EncodingFit:
    r"""Fit an encoding model to what a stimulus evoked, by Poisson likelihood, and keep the best weights.

    $$ L = \frac{1}{\sum_{tu} R_{tu}} \sum_{tu} \left[ R_{tu} \lambda_{tu} - n_{tu} \log \lambda_{tu} \right]
           + \text{penalty} $$

    with counts $n$ summed over the $R$ repeats that showed a bin. The stimulus is brought to mean 0 and spread 1 by its
    training bins, and every later stimulus by the same numbers. What has a closed form is solved (a GLM by Newton's
    method, the filter of an LN model as the spike-triggered average). The rest takes gradient steps (Adam) on chunks of
    contiguous bins in random order; after each epoch the validation bins judge. Where they have not improved for
    `patience` epochs, the best weights are put back and the learning rate falls to a third, `drops` times; then the fit
    ends, with the best weights. With a `schedule` the learning rate follows it through all epochs instead, and the best
    weights are kept: a convolutional network learns in a fifth of the epochs under `OneCycle`.

    Args:
        model: what is fitted. It is copied.
        evoked: stimulus and counts.
        split: which bins train, judge and are left for the score; contiguous parts of 72, 8 and 20 % where absent, with
            a gap as long as the model's window.
        epochs: most times that the training bins are gone through.
        batch: chunks to a step.
        length: bins to a chunk. For movies a chunk is what must fit into memory; a recurrent model also learns from
            `warm` bins before it.
        learning_rate: of Adam.
        patience: epochs without improvement.
        drops: how often the learning rate falls before the fit ends.
        clip: largest norm of the gradient; 0 for none.
        schedule: the learning rate over all epochs, as a factor; `patience` and `drops` then have no say.
        seed: of the order of the chunks and of latent noise.
        progress: whether to show a progress bar.
        checkpoint: a file that is rewritten after each epoch; a fit that was killed goes on from it, to the same bits.

    Returns:
        The fit: model, normalisation, units, bins, and the course of the fit.

    Raises:
        ValueError: if the model is for another number of units or another stimulus, or no unit has a spike.
        Diverged: if the loss is not finite.
        FitError: if the checkpoint belongs to another fit.

    Example:
        >>> import numpy as np
        >>> from neurornn import GLM, Evoked, fit_encoding
        >>> rng = np.random.default_rng(0)
        >>> sound = rng.normal(size=(4000, 1))
        >>> heard = rng.poisson(np.exp(np.roll(sound, 2) - 2.0))[None].astype(float)
        >>> fit = fit_encoding(GLM(1, (1,), lags=5), Evoked(sound, heard, dt=1.0), progress=False)
        >>> bool(fit.score().frame()["bits_per_spike"].item() > 0.4)
        True
    """
    plan = _Plan(epochs, batch, length, learning_rate, patience, drops, clip, seed, schedule)
    split = contiguous_split(evoked, gap=model.lags + model.past) if split is None else split
    _fits(model, evoked, split)
    model = copy.deepcopy(model)
    moments = Moments.of(evoked, split.train)
    feed = Feed(evoked, model, moments, plan.length, plan.batch)
    train = feed.cut(split.train)
    validation = feed.cut(split.validation) if len(split.validation) else None
    means = np.nanmean(evoked.mean_counts[split.train], axis=0)
    model.start_at(torch.from_numpy(means.astype(np.float32)))
    recipe = {"model": outline(model), "fit": plan.told(), "bins": {"dt": evoked.dt, "n": evoked.n_bins}}
    recipe["split"] = {name: len(getattr(split, name)) for name in ("train", "validation", "test")}
    model.eval()
    rows: list[list[float]] = []
    path = Path(checkpoint) if checkpoint is not None else None
    with torch.no_grad():
        done = model.prepare(feed.once(train), feed.once(validation) if validation is not None else [])
    if not done:
        rows = _descend(model, feed, train, validation, plan, path, recipe, progress)
    history = pd.DataFrame(np.array(rows, dtype=float).reshape(-1, len(COLUMNS)), columns=list(COLUMNS))
    return EncodingFit(
        model=model.eval(),
        evoked=evoked,
        split=split,
        moments=moments,
        units=evoked.units,
        dt=evoked.dt,
        null=means / (evoked.dt / 1000.0),
        largest=np.nanmax(evoked.counts[:, split.train], axis=(0, 1)),
        history=history.astype({"epoch": int}),
        recipe=recipe,
        seed=seed,
        versions=versions(),
        git=git_state(),
    )


@dataclass(frozen=True)
class Feed:
    """Reads batches of one recording for one model.

    Args:
        evoked: what is read.
        model: what it is read for.
        moments: what it is standardised by.
        length: bins to a chunk.
        size: chunks to a batch.
    """

    evoked: Evoked
    model: AbstractEncodingModel
    moments: Moments
    length: int
    size: int

    def cut(self, rows: np.ndarray) -> Chunks:
        """Return the bins `rows` in chunks."""
        return chunks(self.evoked, rows, self.model, length=self.length)

    def once(self, cut: Chunks, order: np.ndarray | None = None) -> Iterator[Batch]:
        """Give every chunk once, in this order."""
        order = np.arange(len(cut.first)) if order is None else order
        for first in range(0, len(order), self.size):
            yield batch(self.evoked, cut, order[first : first + self.size], self.model, self.moments)


def poisson_loss(expected: Float[Tensor, "*shape"], each: Batch) -> tuple[Tensor, Tensor]:
    """Return the summed Poisson loss (without log n!) and over how many bins, units and repeats it is summed."""
    loss = each.shown * expected - each.counts * torch.log(expected + 1e-9)
    return torch.where(each.shown > 0, loss, torch.zeros(())).sum(), each.shown.sum()


def judged(model: AbstractEncodingModel, batches: Iterator[Batch]) -> float:
    """Return the mean Poisson loss over all batches, without latent noise."""
    model.eval()
    total = count = 0.0
    with torch.no_grad():
        for each in batches:
            loss, n = poisson_loss(model(each.stimulus, each.past), each)
            total, count = total + float(loss), count + float(n)
    return total / count


def _descend(
    model: AbstractEncodingModel,
    feed: Feed,
    train: Chunks,
    validation: Chunks | None,
    plan: _Plan,
    path: Path | None,
    recipe: dict[str, Any],
    progress: bool,
) -> list[list[float]]:
    """Take gradient steps until validation stops improving; leave the best weights in the model."""
    optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=plan.learning_rate)
    course = _Course(model, optimiser, plan)
    if path is not None and path.exists():
        course.resume(path, recipe)
    bar = tqdm(total=plan.epochs, initial=len(course.rows), desc="fit", unit="epoch", disable=not progress)
    while len(course.rows) < plan.epochs and not course.ended:
        model.train()
        order = torch.randperm(len(train.first), generator=course.order).numpy()
        total = count = 0.0
        n_steps = math.ceil(len(order) / feed.size)
        for step, each in enumerate(feed.once(train, order), len(course.rows) * n_steps):
            course.schedule(step, plan.epochs * n_steps)
            loss, n = poisson_loss(model(each.stimulus, each.past, noise=course.noise), each)
            optimiser.zero_grad()
            (loss / n.clamp_min(1.0) + model.penalty()).backward()
            if plan.clip:
                torch.nn.utils.clip_grad_norm_(model.parameters(), plan.clip)
            optimiser.step()
            total, count = total + float(loss.detach()), count + float(n)
        loss_now = total / max(count, 1.0)
        if not math.isfinite(loss_now):
            at = f"epoch {len(course.rows) + 1}"
            raise Diverged(f"fit_encoding: the loss is {loss_now} in {at}. Take a smaller learning rate, or clip more.")
        score = judged(model, feed.once(validation)) if validation is not None else loss_now
        course.judge(loss_now, score)
        bar.update()
        bar.set_postfix_str(f"loss {loss_now:.4g}, validation {score:.4g}", refresh=False)
        if path is not None:
            course.save(path, recipe)
    bar.close()
    if course.best:
        model.load_state_dict(course.best)
    return course.rows


class _Course:
    """A fit between two epochs: everything that the next one depends on."""

    def __init__(self, model: AbstractEncodingModel, optimiser: torch.optim.Optimizer, plan: _Plan) -> None:
        self.model, self.optimiser, self.plan = model, optimiser, plan
        self.rows: list[list[float]] = []
        self.best: dict[str, Tensor] = {}
        self.best_score = math.inf
        self.waited = self.dropped = 0
        self.ended = False
        self.order, self.noise = stream(plan.seed, 0), stream(plan.seed, 1)

    def schedule(self, step: int, steps: int) -> None:
        """Set the learning rate of a step, where it follows a schedule."""
        if self.plan.schedule is not None:
            for group in self.optimiser.param_groups:
                group["lr"] = self.plan.learning_rate * self.plan.schedule.factor(step, steps)

    def judge(self, loss: float, score: float) -> None:
        """Note an epoch; keep the best weights, or lower the learning rate, or end."""
        rate = self.optimiser.param_groups[0]["lr"]
        self.rows.append([float(len(self.rows) + 1), loss, score, float(rate)])
        if score < self.best_score:
            self.best_score, self.waited = score, 0
            self.best = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
            return
        self.waited += 1
        if self.plan.schedule is None and self.waited >= self.plan.patience:
            self.ended = self.dropped >= self.plan.drops
            self.dropped, self.waited = self.dropped + 1, 0
            self.model.load_state_dict(self.best)
            for group in self.optimiser.param_groups:
                group["lr"] = rate / 3.0

    def save(self, path: Path, recipe: dict[str, Any]) -> None:
        tensors = {f"model/{name}": tensor for name, tensor in self.model.state_dict().items()}
        tensors |= {f"best/{name}": tensor for name, tensor in self.best.items()}
        tensors |= optimiser_tensors(self.optimiser)
        tensors |= {"order": self.order.get_state(), "noise": self.noise.get_state()}
        tensors["history"] = torch.tensor(self.rows, dtype=torch.float64)
        counts = {"waited": self.waited, "dropped": self.dropped, "ended": self.ended, "best_score": self.best_score}
        rate = self.optimiser.param_groups[0]["lr"]
        write_checkpoint(path, tensors, {"settings": recipe, "rate": rate, **counts})

    def resume(self, path: Path, recipe: dict[str, Any]) -> None:
        """Take up where a checkpoint left off; refuse one of another fit."""
        tensors, told = read_checkpoint(path)
        asked = {**recipe, "fit": {**recipe["fit"]}}
        if self.plan.schedule is None:  # more epochs only go on; along a schedule they are another fit
            asked["fit"]["epochs"] = told["settings"]["fit"]["epochs"]
        if told["settings"] != asked:
            what = difference(asked, told["settings"])
            fix = "Give the same settings to resume it, or another `checkpoint` to start anew."
            raise FitError(f"{path}: belongs to another training: {what}. {fix}")
        self.model.load_state_dict(under("model/", tensors, "cpu"))
        self.best = under("best/", tensors, "cpu")
        load_optimiser(self.optimiser, tensors)
        for group in self.optimiser.param_groups:
            group["lr"] = told["rate"]
        self.order.set_state(tensors["order"])
        self.noise.set_state(tensors["noise"])
        self.rows = tensors["history"].tolist()
        for name in ("waited", "dropped", "ended", "best_score"):
            setattr(self, name, told[name])


def _fits(model: AbstractEncodingModel, evoked: Evoked, split: Split) -> None:
    owner = "fit_encoding"
    if model.n_units != evoked.n_units:
        _check.fail(owner, "model", f"one for {evoked.n_units} units", f"{model.n_units} units")
    with torch.no_grad():
        try:
            was = model.training
            model.eval().features(torch.zeros(1, model.lags, *evoked.shape))
            model.train(was)
        except (RuntimeError, IndexError) as error:
            got, fix = f"a model that cannot read them ({str(error).splitlines()[0]})", "Build it for this `shape`."
            text = f"{owner}: `model` must be one for frames of shape {evoked.shape}; got {got}. {fix}"
            raise RecordingError(text) from error
    spikes = np.nansum(evoked.counts[:, split.train], axis=(0, 1))
    if spikes.sum() == 0:
        fix = "Check the clock, or take longer training bins."
        _check.fail(owner, "evoked", "with spikes in the training bins", "no spike", fix, error=RecordingError)
