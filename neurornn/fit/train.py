"""Training: one loop, on one page."""

import copy
import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from neurornn import _check
from neurornn.cell import Newton
from neurornn.curriculum import AbstractCurriculum, Stage, Stages, check_stage
from neurornn.errors import FitError
from neurornn.fit.build import outline
from neurornn.fit.checkpoint import digest
from neurornn.fit.fit import Fit
from neurornn.fit.graphed import Graphed, Told, can_be_graphed
from neurornn.fit.objective import Objective
from neurornn.fit.online import BPTT, AbstractGradient
from neurornn.fit.optimiser import AbstractOptimiser, AbstractSchedule, Adam, Constant
from neurornn.fit.precision import Precision
from neurornn.fit.provenance import git_state, versions
from neurornn.fit.roll import Roll, only
from neurornn.fit.session import Session
from neurornn.fit.snapshot import write_snapshot
from neurornn.fit.thinning import AbstractThinning
from neurornn.fit.validate import Validation
from neurornn.fit.watch import Watch, clip_gradients
from neurornn.fit.workers import Workers, chosen_device, workers
from neurornn.kernel import Noise
from neurornn.network import Network
from neurornn.task.base import AbstractTask
from neurornn.trials import Trials

Given = tuple[Trials, Tensor | Noise | None, Tensor | None]
"""What a step is given: a batch, its noise, and what is added to first states."""


@dataclass(frozen=True)
class Plan:
    """What a training is told, checked: the parameters of `train`, by the same names."""

    steps: int
    seed: int
    batch: int
    objective: Objective
    learning_rate: float
    optimiser: AbstractOptimiser
    schedule: AbstractSchedule
    clip: float
    curriculum: AbstractCurriculum
    validate_every: int
    n_validation: int
    patience: int
    precision: Precision
    chunk: int
    gradient: AbstractGradient
    parallel: Newton | None
    thinning: AbstractThinning | None

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "n_validation"):
            _check.count("train", name, getattr(self, name))
        for name in ("seed", "validate_every", "patience", "chunk"):
            _check.count("train", name, getattr(self, name), least=0)
        _check.positive("train", "learning_rate", self.learning_rate)
        _check.not_negative("train", "clip", self.clip)
        if self.validate_every == 0 and (self.patience or self.curriculum.needs_scores()):
            why = "`patience`" if self.patience else "a curriculum that waits for scores"
            _check.fail("train", "validate_every", f"above 0 with {why}", 0, "Try validate_every=steps // 20.")
        if self.thinning is not None and self.patience:
            fix = "The best weights may be from before connections went."
            _check.fail("train", "patience", "0 with `thinning`", self.patience, fix)


def train(
    network: Network,
    task: AbstractTask,
    *,
    steps: int,
    seed: int = 0,
    batch: int = 64,
    objective: Objective | None = None,
    learning_rate: float = 1e-3,
    optimiser: AbstractOptimiser | None = None,
    schedule: AbstractSchedule | None = None,
    clip: float = 1.0,
    curriculum: AbstractCurriculum | None = None,
    validate_every: int = 0,
    n_validation: int = 256,
    patience: int = 0,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 100,
    snapshots: str | Path | None = None,
    minutes: float = 0.0,
    device: torch.device | str = "auto",
    precision: Precision = Precision.FLOAT32,
    chunk: int = 0,
    gradient: AbstractGradient | None = None,
    parallel: Newton | None = None,
    thinning: AbstractThinning | None = None,
    graphed: bool = True,
    progress: bool = True,
) -> Fit:
    """Train a copy of `network` on `task`. The network that is passed in stays as it is.

    Trials and noise come from two streams of `seed`, so that a training can be repeated: on a CPU bit for bit. Under
    `torchrun` every process takes its part of the same batches, and the losses are those of one process.

    Args:
        network: where to start from.
        task: what it shall do; without a curriculum, what it is trained on.
        steps: batches to train on, at most.
        seed: of trials, noise and validation.
        batch: trials a step, over all processes.
        objective: what is minimised; the squared error where absent.
        learning_rate: size of the steps, before the schedule's factor.
        optimiser: how gradients become steps; `Adam()` where absent.
        schedule: the learning rate over the training; `Constant()` where absent.
        clip: largest norm of the gradient over all parameters; 0 for any.
        curriculum: what is trained meanwhile, and when it changes; `task` from first to last where absent.
        validate_every: steps between two validations; 0 for none. They use one batch of their own, the same each time.
        n_validation: trials in it.
        patience: validations without a better score after which training stops; 0 for never. With it the best weights
            are returned, without it the last ones.
        checkpoint: a file from which a training that was cut short goes on, and where its state is kept.
        checkpoint_every: steps between two writings of it.
        snapshots: a folder for the weights at the end of each stage that was passed, which `neurornn.fit.snapshot`
            reads; none where absent.
        minutes: wall time after which training stops where it is, as a cluster's queue may ask for; with `checkpoint`
            the same call goes on from there. 0 for no such end.
        device: where to compute; "auto" is a GPU where there is one. The trained copy comes back to where `network` is.
        precision: in which numbers.
        chunk: steps of a stretch of time that is computed twice so as to spare memory in long trials; 0 for none.
        gradient: the way to the gradient; backpropagation through time, `BPTT()`, where absent.
        parallel: how to solve all steps of a trial together (see `Newton`, with look=False); one by one where absent.
        thinning: how connections are taken away meanwhile (`GradualMagnitude`); none are where absent.
        graphed: whether a GPU may record a step as a CUDA graph and replay it, which gives the same numbers in less
            time; steps that cannot be recorded are taken as ever, and so is everything on a CPU.
        progress: whether to show a bar with the loss and the time that is left.

    Returns:
        The trained network with everything that is needed to tell how it came about.

    Raises:
        ValueError: if task and network do not fit each other, or a setting is not possible.
        Diverged: if a loss, a gradient or a validation score is not finite.
        FitError: if `checkpoint` is damaged or belongs to another training.

    Example:
        >>> from neurornn import LeakyRate, Network
        >>> from neurornn.fit import train
        >>> def taught(task):
        ...     cell = LeakyRate(task.n_in, 32, tau=100.0, dt=task.dt)
        ...     return train(Network(cell, task.n_out, noise=0.05), task, steps=500, seed=0)
    """
    plan = Plan(
        steps=steps,
        seed=seed,
        batch=batch,
        objective=objective if objective is not None else Objective(),
        learning_rate=learning_rate,
        optimiser=optimiser if optimiser is not None else Adam(),
        schedule=schedule if schedule is not None else Constant(),
        clip=clip,
        curriculum=curriculum if curriculum is not None else Stages((Stage(task),)),
        validate_every=validate_every,
        n_validation=n_validation,
        patience=patience,
        precision=precision,
        chunk=chunk,
        gradient=gradient if gradient is not None else BPTT(),
        parallel=parallel,
        thinning=thinning,
    )
    _check.count("train", "checkpoint_every", checkpoint_every)
    ends = time.monotonic() + 60 * _check.not_negative("train", "minutes", minutes) if minutes else math.inf
    for stage in (Stage(task), *plan.curriculum.stages()):
        check_stage(stage, n_in=network.n_in, n_start=network.n_start, dt=network.dt, heads=network.heads)
    network = network if thinning is None else thinning.opened(network)
    place = chosen_device(device)
    team = workers(place)
    plan.gradient.check(network, needs_voltages=plan.objective.needs_voltages, processes=team.size)
    recipe = _recipe(network, task, plan)
    session = _session(network, plan, place)
    path, folder = (None if one is None else Path(one) for one in (checkpoint, snapshots))
    files = (path, folder)
    settings = recipe | {"weights": digest(network.state_dict()), "device": place.type, "processes": team.size}
    if path is not None and path.exists():
        session.resume(path, settings)
    if team.agree(float(session.step), place) != session.step:
        _check.fail("train", "checkpoint", "a file that all processes see", str(path), error=FitError)

    with plan.precision.products(), _bar(steps, session.step, shown=progress and team.first) as bar:
        keeper = _Keeper(*(files if team.first else (None, None)), checkpoint_every, settings)
        _loop(session, plan, team, bar, keeper, ends, graphed)
    return Fit(
        network=session.trained(best=patience > 0).to(network.device),
        task=task,
        objective=plan.objective,
        recipe=recipe,
        history=session.history(),
        seed=seed,
        versions=versions(),
        git=git_state(),
    )


@dataclass
class _Keeper:
    """Writes checkpoints, and tells what was written last."""

    path: Path | None
    folder: Path | None
    every: int
    settings: dict[str, Any]

    def keep(self, session: Session) -> None:
        if self.path is not None:
            session.save(self.path, self.settings)

    def passed(self, session: Session, stage: int) -> None:
        """Write the weights with which a stage was passed."""
        if self.folder is not None:
            write_snapshot(self.folder, stage, session.network)

    def __str__(self) -> str:
        if self.path is None or not self.path.exists():
            return "No checkpoint was written yet." if self.path is not None else ""
        return f"{self.path} holds the last good state."


def _loop(session: Session, plan: Plan, team: Workers, bar: tqdm, keeper: _Keeper, ends: float, graphed: bool) -> None:
    """Take steps until they are used up, patience ends, the curriculum does, or the clock says so."""
    network = session.network
    roll = Roll(network, plan.chunk, voltages=plan.objective.needs_voltages, parallel=plan.parallel)
    model = team.share(roll, network.device)
    named = {name: p for name, p in network.named_parameters() if p.requires_grad}
    # Looking at numbers makes a GPU wait for them; on a CPU they are there.
    every = 1 if network.device.type == "cpu" else 10
    watch = Watch(plan.objective.names, tuple(named), every=every)
    recorder = Graphed(session.optimiser) if graphed and _one_gpu(session, plan, team) else None
    validation = Validation(plan.n_validation, seed=plan.seed, precision=plan.precision)
    number = plan.curriculum.reached(session.scores)
    late = False
    while session.step < plan.steps and not session.ended and not late:
        stage = plan.curriculum.stage(number)
        assert stage is not None, "a curriculum that has ended has ended the session"
        _set_rate(session.optimiser, plan.learning_rate * plan.schedule.factor(session.step, plan.steps))
        given = _drawn(session, stage, plan, team)

        def take(trials: Trials, noise: Tensor | Noise | None, scatter: Tensor | None, stage: Stage = stage) -> Told:
            terms = _gradients(session, model, stage, plan, team, trials, noise, scatter)
            norms = clip_gradients(named.values(), plan.clip)
            session.optimiser.step()
            return terms, norms

        terms, norms = take(*given) if recorder is None else recorder(number, take, *given)
        step = session.step + 1
        judged = plan.validate_every > 0 and (step % plan.validate_every == 0 or step == plan.steps)
        late = ends < math.inf and team.agree(float(time.monotonic() > ends), network.device) > 0
        kept = step % keeper.every == 0 or step == plan.steps or late
        if watch.note(step, terms, norms) or judged or kept:
            session.note(watch.look(str(keeper)), stage=number)
            bar.set_postfix_str(session.told(), refresh=False)
        if plan.thinning is not None:
            plan.thinning.thin(network, step, plan.steps)
        session.step = step
        bar.update()
        if judged:
            score = team.agree(validation.score(network, stage, number), network.device)
            session.judge(score, stage.task.higher_is_better)
            before, number = number, _moved_on(session, plan, number)
            if number != before:
                keeper.passed(session, before)
        if kept or session.ended:
            keeper.keep(session)


def _one_gpu(session: Session, plan: Plan, team: Workers) -> bool:
    """Tell whether steps of this training do the same operations on one GPU, again and again."""
    plain = plan.thinning is None and plan.parallel is None and plan.chunk == 0 and type(plan.gradient) is BPTT
    there = session.network.device.type == "cuda" and team.size == 1
    return plain and there and can_be_graphed(session.network, plan.objective, session.optimiser)


def _set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    for group in optimiser.param_groups:
        if isinstance(group["lr"], Tensor):  # which a graph reads
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def _drawn(session: Session, stage: Stage, plan: Plan, team: Workers) -> Given:
    """Draw a batch, with noise and scatter: this process's part of it, where the network is."""
    network, streams = session.network, session.streams
    trials = stage.task.sample(plan.batch, generator=streams["task"])
    scatter = network.draw_scatter(trials.n_trials, streams["noise"])
    noise = network.draw_noise(trials.n_trials, trials.n_steps, streams["noise"])
    if team.size > 1:
        mine = team.part(trials.n_trials)
        trials = trials.select(mine)
        noise = None if noise is None else noise[mine]
        scatter = None if scatter is None else scatter[mine]
    if trials.inputs.device != network.device:
        trials = trials.to(network.device)
    return trials, noise, scatter


def _gradients(
    session: Session,
    model: nn.Module,
    stage: Stage,
    plan: Plan,
    team: Workers,
    trials: Trials,
    noise: Tensor | Noise | None,
    scatter: Tensor | None,
) -> Tensor:
    """Run a batch and leave the gradients in the parameters. Returns the weighted terms."""
    network = session.network
    with plan.precision.cast(network.device), torch.set_grad_enabled(plan.gradient.forward_graph):
        run = model(trials.inputs, trials.start, noise, scatter)
    run = plan.gradient.opened(run, network)
    sums, counts = plan.objective.totals(only(run, stage.heads), trials, network)
    counts = team.sum(counts)
    session.optimiser.zero_grad()
    # Gradients are averaged over the processes, so that each multiplies its share of the sum by their number.
    (team.size * (sums / counts).sum()).backward()
    plan.gradient.backward(network, run, trials.inputs.to(network.readout), noise, scatter)
    return team.sum(sums.detach()) / counts


def _moved_on(session: Session, plan: Plan, number: int) -> int:
    """Return the stage that the scores so far lead to; end the session where nothing is left to do."""
    after = plan.curriculum.reached(session.scores)
    if plan.curriculum.stage(after) is None or (after == number and 0 < plan.patience <= session.waited):
        session.ended = True
    elif after != number:
        session.forget_best()
    return after


def _session(network: Network, plan: Plan, place: torch.device) -> Session:
    trained = copy.deepcopy(network).to(place).train()
    free = [p for p in trained.parameters() if p.requires_grad]
    if not free:
        _check.fail("train", "network", "one with a parameter to train", network, "Set requires_grad on some.")
    optimiser = plan.optimiser.build(free, plan.learning_rate)
    return Session(trained, optimiser, plan.objective.names, seed=plan.seed)


def _recipe(network: Network, task: AbstractTask, plan: Plan) -> dict[str, Any]:
    """Return what was asked for as plain data."""
    told = {name: value for name, value in outline(plan).items() if name not in ("type", "objective")}
    return {"network": outline(network), "task": outline(task), "objective": outline(plan.objective), "training": told}


def _bar(steps: int, done: int, *, shown: bool) -> tqdm:
    # A log file is told twice a minute, a terminal as often as it can show.
    pause = 0.1 if sys.stderr.isatty() else 30.0
    return tqdm(total=steps, initial=done, desc="train", unit="step", disable=not shown, mininterval=pause)
