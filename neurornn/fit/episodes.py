"""Episodes: a network that acts in a world, step by step, and what it leaves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from neurornn import _check
from neurornn.cell.stepping import Stepping
from neurornn.errors import Diverged
from neurornn.fit.record import end_to_end
from neurornn.kernel import numbers
from neurornn.network import Network, Perturbs, combine
from neurornn.recording import Recording
from neurornn.trials import Trials
from neurornn.world import AbstractWorld


@dataclass(frozen=True, eq=False)
class Episodes:
    """What a network did in a batch of episodes, and what came of it.

    Args:
        inputs: what it saw. Shape `(trial, time, in)`.
        actions: what it did. Shape `(trial, time)`.
        preferences: logarithms of the probabilities of all actions. Shape `(trial, time, action)`.
        values: what it held the state for, with that after the last step. Shape `(trial, time + 1)`.
        rewards: what it earned. Shape `(trial, time)`.
        alive: which steps belong to the episode. Shape `(trial, time)`.
        over: at which steps an episode came to its own end. Shape `(trial, time)`.
        activity: what the units sent. Shape `(trial, time, unit)`.
        behaviour: what the world says beside. Shapes `(trial, time, dimension)`.
        dt: time step, ms.
    """

    inputs: Float[Tensor, "trial time in"]
    actions: Int[Tensor, "trial time"]
    preferences: Float[Tensor, "trial time action"]
    values: Float[Tensor, "trial _time"]
    rewards: Float[Tensor, "trial time"]
    alive: Bool[Tensor, "trial time"]
    over: Bool[Tensor, "trial time"]
    activity: Float[Tensor, "trial time unit"]
    behaviour: Mapping[str, Float[Tensor, "trial time _dimension"]]
    dt: float

    @property
    def earned(self) -> Float[Tensor, " trial"]:
        """The sum of rewards of each episode."""
        return (self.rewards * self.alive).sum(dim=1)

    @property
    def lengths(self) -> Int[Tensor, " trial"]:
        """Steps of each episode."""
        return self.alive.sum(dim=1)

    def frame(self) -> pd.DataFrame:
        """Return one row a step of each episode: action, reward, value and behaviour."""
        trial, step = torch.nonzero(self.alive, as_tuple=True)
        table = {"trial": trial, "step": step + 1, "action": self.actions[self.alive]}
        table |= {"reward": self.rewards[self.alive], "value": self.values[:, :-1][self.alive]}
        for name, values in self.behaviour.items():
            parts = values[self.alive].unbind(1)
            names = [name] if len(parts) == 1 else [f"{name}_{axis}" for axis in "xyzuvw"[: len(parts)]]
            table |= dict(zip(names, parts, strict=True))
        return pd.DataFrame({name: column.numpy() for name, column in table.items()})

    def recording(self, **source: object) -> Recording:
        """Return the activity as a recording, episodes laid end to end, with actions, rewards and behaviour."""
        signals = {"action": self.actions[..., None], "reward": self.rewards[..., None], **self.behaviour}
        trials = Trials(
            self.inputs,
            self.preferences,
            self.alive.to(self.rewards),
            dt=self.dt,
            valid=self.alive,
            conditions=pd.DataFrame({"earned": self.earned.numpy()}),
            behaviour={name: values.to(self.rewards) for name, values in signals.items()},
        )
        return end_to_end(self.activity, trials, dict(source))


def play(
    network: Network,
    world: AbstractWorld,
    n_trials: int,
    *,
    generator: torch.Generator,
    noise: torch.Generator | None = None,
    greedy: bool = False,
    perturb: Sequence[Perturbs] = (),
) -> Episodes:
    """Let a network act in a world until all episodes have ended. Gradients are kept where they are on.

    Args:
        network: with `world.n_in` inputs and the heads `world.heads`.
        world: where it acts.
        n_trials: episodes side by side.
        generator: of the world and of the choices.
        noise: of the units' own noise; none where absent.
        greedy: whether the likeliest action is taken instead of one drawn.
        perturb: what is done to its units meanwhile; times count from the start of each episode.

    Raises:
        ValueError: if the network does not fit the world, or a perturbation is stacked or needs the inputs beforehand.
        Diverged: if the network's answers are not finite.
    """
    fits_world(network, world)
    turn = world.begin(_check.count("play", "n_trials", n_trials), generator=generator)
    drawn = None if noise is None else network.draw_noise(n_trials, world.n_steps + 1, noise)
    drawn = numbers(drawn, network.readout)
    act = combine(perturb, network, n_trials, world.n_steps + 1)
    if act is not None and (act.n_stack or act.edits):
        fix = "Play once for each, and lesion units or synapses: what is seen follows from what is done."
        _check.fail("play", "perturb", "of units or synapses, one at a time", "a stack, or edited inputs", fix)
    run = Stepping(network.cell, network.initial(n_trials), act, world.n_steps + 1)
    action, alive = torch.zeros(n_trials, world.n_actions), torch.ones(n_trials, dtype=torch.bool)
    kept: dict[str, list[Tensor]] = {name: [] for name in ("x", "a", "p", "v", "r", "alive", "over", "h")}
    shown: list[Mapping[str, Tensor]] = []
    for step in range(world.n_steps + 1):
        x = torch.cat([turn.observation, action, turn.reward[:, None]], dim=1).to(network.readout)
        loud = None if drawn is None else drawn[:, step]
        activity = run.step(x, loud)
        outputs = network.read(activity[:, None])[:, 0]
        kept["v"].append(outputs[:, network.heads["value"]][:, 0])
        if step == world.n_steps or not bool(alive.any()):
            break
        preferences = outputs[:, network.heads["action"]].log_softmax(dim=1)
        with torch.no_grad():
            odds = preferences.exp()
            if not bool(torch.isfinite(odds).all()):
                fix = "Lower the learning rate, or see whether the world's rewards are finite."
                raise Diverged(f"play: the preferences are not finite at step {step + 1}. {fix}")
            chosen = odds.argmax(1) if greedy else torch.multinomial(odds.cpu(), 1, generator=generator)[:, 0]
        before, turn = alive, world.act(turn.state, chosen, generator=generator)
        action = torch.nn.functional.one_hot(chosen, world.n_actions).to(x)
        alive = before & ~turn.over & ~turn.cut
        news = (x, chosen, preferences, turn.reward, before, turn.over & before, activity)
        for name, value in zip(("x", "a", "p", "r", "alive", "over", "h"), news, strict=True):
            kept[name].append(value)
        shown.append(turn.behaviour)  # where a choice led belongs to the step in which it was made
    whole = {name: torch.stack(parts, dim=1) for name, parts in kept.items()}
    behaviour = {name: torch.stack([each[name] for each in shown], dim=1) for name in (shown[0] if shown else {})}
    return Episodes(
        whole["x"],
        whole["a"],
        whole["p"],
        whole["v"],
        whole["r"],
        whole["alive"],
        whole["over"],
        whole["h"],
        behaviour,
        world.dt,
    )


def fits_world(network: Network, world: AbstractWorld) -> None:
    """Refuse a network whose inputs, heads or time step are not those of the world."""
    sizes = {name: head.stop - head.start for name, head in network.heads.items()}
    given, needed = (network.n_in, network.dt, sizes), (world.n_in, world.dt, world.heads)
    for name, has, must in zip(("n_in", "dt", "heads"), given, needed, strict=True):
        if has != must:
            fix = "Build it as Network(LSTM(world.n_in, 48, dt=world.dt), world.heads)."
            _check.fail("play", "network", f"one with {name} = {must}", f"{name} = {has}", fix)
    if network.n_start:
        _check.fail("play", "network", "one that is told nothing at the start", f"n_start = {network.n_start}")
