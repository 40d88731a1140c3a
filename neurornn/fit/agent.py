"""Learning from rewards: a recurrent actor-critic, one loop on one page."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from neurornn import _check
from neurornn._types import generator
from neurornn.errors import Diverged
from neurornn.fit.build import outline
from neurornn.fit.checkpoint import digest
from neurornn.fit.episodes import Episodes, fits_world, play
from neurornn.fit.optimiser import Adam
from neurornn.fit.session import Session
from neurornn.fit.watch import clip_gradients
from neurornn.network import Network, Perturbs
from neurornn.world import AbstractWorld

TERMS = ("policy", "value", "entropy")


@dataclass(frozen=True)
class ActorCritic:
    r"""How rewards become gradients: advantage actor-critic with generalised advantage estimation.

    $$\delta_t = r_t + \gamma V_{t+1} - V_t, \qquad A_t = \delta_t + \gamma\lambda A_{t+1}$$
    $$L = -\langle A_t \log\pi(a_t) \rangle + c_v \langle (A_t + V_t - V_t^{(w)})^2 \rangle - c_e \langle H\rangle$$

    over all steps of all episodes, with the entropy $H$ of the choice; only $V^{(w)}$ has gradients. Past the end of an
    episode there is no value; where it was only cut by a limit of time, the value of what would come next stands in.

    Args:
        discount: $\gamma$, of a reward one step later, in [0, 1].
        trace: $\lambda$, in [0, 1]; 1 counts on the rewards themselves, 0 on the values.
        value_weight: $c_v$.
        entropy_weight: $c_e$, at the first step; it falls to 0 evenly until the last.

    Raises:
        ValueError: if a number is out of its range.

    References:
        V. Mnih et al. (2016), Asynchronous methods for deep reinforcement learning, doi:10.48550/arXiv.1602.01783. J.
        Schulman et al. (2016), High-dimensional continuous control using generalized advantage estimation,
        doi:10.48550/arXiv.1506.02438. J. X. Wang et al. (2018), doi:10.1038/s41593-018-0147-8.
    """

    discount: float = 0.9
    trace: float = 0.95
    value_weight: float = 0.25
    entropy_weight: float = 0.02

    def __post_init__(self) -> None:
        _check.fraction("ActorCritic", "discount", self.discount)
        _check.fraction("ActorCritic", "trace", self.trace)
        _check.not_negative("ActorCritic", "value_weight", self.value_weight)
        _check.not_negative("ActorCritic", "entropy_weight", self.entropy_weight)

    def advantages(self, episodes: Episodes) -> Float[Tensor, "trial time"]:
        """Return how much better each action turned out than the state was held for."""
        values = episodes.values.detach()
        following = torch.where(episodes.over, 0.0, values[:, 1:])
        surprise = (episodes.rewards + self.discount * following - values[:, :-1]) * episodes.alive
        # A step past the end of an episode hands nothing back to the one before.
        going_on = torch.zeros_like(surprise)
        going_on[:, :-1] = episodes.alive[:, 1:].to(surprise)
        whole, later = [], torch.zeros(len(values)).to(values)
        for now, on in zip(surprise.flip(1).unbind(1), going_on.flip(1).unbind(1), strict=True):
            later = now + self.discount * self.trace * on * later
            whole.append(later)
        return torch.stack(whole[::-1], dim=1)

    def terms(self, episodes: Episodes, explore: float) -> Float[Tensor, " term"]:
        """Return the weighted terms of the loss: policy, value, entropy.

        Args:
            episodes: with gradients.
            explore: what $c_e$ is multiplied with.
        """
        advantage, alive = self.advantages(episodes), episodes.alive.to(episodes.rewards)
        taken = episodes.preferences.gather(2, episodes.actions[..., None])[..., 0]
        entropy = -(episodes.preferences.exp() * episodes.preferences).sum(2)
        values = episodes.values[:, :-1]
        off = (advantage + values.detach() - values).square()
        sums = [-(advantage * taken), self.value_weight * off, -self.entropy_weight * explore * entropy]
        return torch.stack([(part * alive).sum() for part in sums]) / alive.sum()


@dataclass(frozen=True, eq=False)
class Agent:
    """A network that learnt from rewards, and its world. Made by `train_agent`.

    Args:
        network: the trained network.
        world: where it acts.
        history: one row an update: `loss`, its terms, `gradient` and `score` (mean reward of an episode).
        seed: of the training.
    """

    network: Network
    world: AbstractWorld
    history: pd.DataFrame
    seed: int

    def frame(self) -> pd.DataFrame:
        """Return the history: one row an update."""
        return self.history

    @torch.no_grad()
    def play(
        self, n_trials: int = 64, *, seed: int = 0, greedy: bool = False, perturb: Sequence[Perturbs] = ()
    ) -> Episodes:
        """Return new episodes, its weights as they are. Choices are drawn, or the likeliest ones where `greedy`.

        What is done to its units meanwhile is `perturb`; the same seed has the same worlds and noise with and without.
        """
        streams = (generator(seed), generator(seed + 1_000_003))
        told = {"generator": streams[0], "noise": streams[1], "greedy": greedy, "perturb": perturb}
        return play(self.network, self.world, n_trials, **told)

    def untrained(self, seed: int) -> "Agent":
        """Return the same with fresh initial weights: the null of every comparison."""
        return replace(self, network=self.network.untrained(seed), history=self.history.iloc[:0], seed=seed)


def train_agent(
    network: Network,
    world: AbstractWorld,
    *,
    steps: int,
    seed: int = 0,
    batch: int = 64,
    rule: ActorCritic | None = None,
    learning_rate: float = 5e-3,
    clip: float = 1.0,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 100,
    progress: bool = True,
) -> Agent:
    """Let a copy of `network` learn from the rewards of a world. The network that is passed in stays as it is.

    Every update plays a batch of whole episodes and goes back through all of their steps, so that what is to be
    remembered for long can be learnt. On the CPU.

    Args:
        network: with `world.n_in` inputs and heads `world.heads`.
        world: where it acts.
        steps: updates.
        seed: of worlds, choices and noise.
        batch: episodes of an update.
        rule: how rewards become gradients; `ActorCritic()` where absent.
        learning_rate: of Adam.
        clip: largest norm of the gradient; 0 for any.
        checkpoint: a file from which a training that was cut short goes on, and where its state is kept.
        checkpoint_every: updates between two writings of it.
        progress: whether to show a bar with the rewards.

    Raises:
        ValueError: if the network does not fit the world.
        Diverged: if the loss is not finite.

    Example:
        >>> from neurornn import LSTM, Network
        >>> from neurornn.fit import train_agent
        >>> from neurornn.world import TwoArmedBandit
        >>> world = TwoArmedBandit(pulls=5)
        >>> agent = train_agent(
        ...     Network(LSTM(world.n_in, 8, dt=world.dt), world.heads), world, steps=2, batch=4, progress=False
        ... )
        >>> agent.play(3).rewards.shape
        torch.Size([3, 5])
    """
    for name, value in (("steps", steps), ("batch", batch), ("checkpoint_every", checkpoint_every)):
        _check.count("train_agent", name, value)
    _check.positive("train_agent", "learning_rate", learning_rate)
    _check.not_negative("train_agent", "clip", clip)
    fits_world(network, world)
    rule = rule if rule is not None else ActorCritic()
    learner = copy.deepcopy(network).cpu().train()
    parameters = [p for p in learner.parameters() if p.requires_grad]
    session = Session(learner, Adam().build(parameters, learning_rate), TERMS, seed=seed)
    told = {"steps": steps, "seed": seed, "batch": batch, "learning_rate": learning_rate, "clip": clip}
    settings = {"network": outline(network), "world": outline(world), "rule": outline(rule), "training": told}
    settings["weights"] = digest(network.state_dict())
    path = Path(checkpoint) if checkpoint is not None else None
    if path is not None and path.exists():
        session.resume(path, settings)
    with tqdm(total=steps, initial=session.step, desc="train", unit="update", disable=not progress) as bar:
        while session.step < steps:
            streams = session.streams
            episodes = play(learner, world, batch, generator=streams["task"], noise=streams["noise"])
            terms = rule.terms(episodes, 1 - session.step / steps)
            session.optimiser.zero_grad()
            terms.sum().backward()
            norm = float(clip_gradients(parameters, clip).square().sum().sqrt())
            session.step += 1
            if not bool(torch.isfinite(terms).all()):
                raise Diverged(f"train_agent: the loss is {float(terms.detach().sum())} at update {session.step}.")
            session.optimiser.step()
            session.note([(session.step, terms.detach().tolist(), norm)], stage=0)
            session.rows[-1][session.columns.index("score")] = float(episodes.earned.mean())
            bar.update()
            bar.set_postfix_str(f"reward {float(episodes.earned.mean()):.3g}", refresh=False)
            if path is not None and (session.step % checkpoint_every == 0 or session.step == steps):
                session.save(path, settings)
    return Agent(session.trained(best=False), world, session.history(), seed)
