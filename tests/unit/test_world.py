"""Closed loops: worlds keep their rules, an actor-critic learns them, and gymnasium's own checkers are content."""

import math
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from neurornn import LSTM, LeakyRate, Navigation, Network, generator
from neurornn.errors import Diverged, FitError
from neurornn.fit import ActorCritic, Episodes, train_agent
from neurornn.fit.episodes import play
from neurornn.task import Arena, GivenArenas, HeadDirection
from neurornn.world import GoalFinding, TwoArmedBandit

gymnasium = pytest.importorskip("gymnasium", reason="no gymnasium (extra gym)")


def learner(world, n_units=24, **more):
    return Network(LSTM(world.n_in, n_units, dt=world.dt), world.heads, **more)


def test_the_better_arm_pays_as_often_as_it_should():
    world, stream = TwoArmedBandit(odds=0.8), generator(0)
    turn = world.begin(4000, generator=stream)
    paid = [world.act(turn.state, torch.full((4000,), arm), generator=stream) for arm in (0, 1)]
    for one in paid:
        right = one.behaviour["better"][:, 0] > 0
        assert one.reward[right].mean().item() == pytest.approx(0.8, abs=3 * 0.4 / math.sqrt(2000))
        assert one.reward[~right].mean().item() == pytest.approx(0.2, abs=3 * 0.4 / math.sqrt(2000))
    assert not turn.over.any()


def test_a_goal_ends_the_episode_or_moves_the_animal():
    box = GivenArenas((Arena(((-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0))),))
    stream = generator(0)
    fixed = GoalFinding(box, goal=(0.5, 0.0), radius=3.0)
    turn = fixed.act(fixed.begin(5, generator=stream).state, torch.zeros(5, dtype=torch.long), generator=stream)
    assert turn.over.all() and turn.reward.tolist() == pytest.approx([0.98] * 5)
    hidden = GoalFinding(box, goal=(), radius=3.0, limit=2)
    turn = hidden.begin(5, generator=stream)
    for step in range(2):
        turn = hidden.act(turn.state, torch.zeros(5, dtype=torch.long), generator=stream)
        assert not turn.over.any() and bool(turn.cut.all()) == (step == 1)
    walled = GoalFinding(box, stride=5.0)
    before = walled.begin(5, generator=stream)
    after = walled.act(before.state, torch.ones(5, dtype=torch.long), generator=stream)
    assert after.behaviour["position"].equal(before.behaviour["position"])  # the step leads through a wall


def episodes(rewards, values, alive, over):
    rewards = torch.tensor(rewards)
    n_trials, n_steps = rewards.shape
    blank = torch.zeros(n_trials, n_steps, 2)
    return Episodes(
        blank,
        torch.zeros(n_trials, n_steps, dtype=torch.long),
        blank.log_softmax(2),
        torch.tensor(values),
        rewards,
        torch.tensor(alive),
        torch.tensor(over),
        blank,
        {},
        1.0,
    )


def test_advantages_are_the_discounted_sums_that_they_stand_for():
    """With a trace of 1 an advantage is the discounted reward to come, with what is held of the state after a cut."""
    rewards, values = [[1.0, 2.0, 4.0], [1.0, 2.0, 9.0]], [[0.5, 0.1, 0.2, 7.0], [0.5, 0.1, 3.0, 3.0]]
    alive, over = [[True] * 3, [True, True, False]], [[False, False, True], [False] * 3]
    found = ActorCritic(discount=0.5, trace=1.0).advantages(episodes(rewards, values, alive, over))
    ended = [1 + 0.5 * 2 + 0.25 * 4 - 0.5, 2 + 0.5 * 4 - 0.1, 4 - 0.2]
    cut = [1 + 0.5 * 2 + 0.25 * 3.0 - 0.5, 2 + 0.5 * 3.0 - 0.1, 0.0]
    torch.testing.assert_close(found, torch.tensor([ended, cut]))
    one_step = ActorCritic(discount=0.5, trace=0.0).advantages(episodes(rewards, values, alive, over))
    torch.testing.assert_close(one_step[0], torch.tensor([1 + 0.05 - 0.5, 2 + 0.1 - 0.1, 4 - 0.2]))


def test_the_policy_gradient_is_that_of_the_expected_reward():
    """A bandit of one pull without memory: the mean gradient is that of sum_a pi(a) Q(a), known in closed form."""
    world = TwoArmedBandit(pulls=1, odds=0.9)
    network = learner(world, 4).double()
    stream = generator(3)
    rule = ActorCritic(value_weight=0.0, entropy_weight=0.0)
    n = 20_000
    found = play(network, world, n, generator=stream)
    rule.terms(found, 1.0).sum().backward()
    gradient = network.readout.grad[:2].clone()
    # Both arms pay 1/2 on average: nothing is to be gained, whatever the value that is subtracted.
    assert gradient.abs().max() < 5 / math.sqrt(n)
    better = found.behaviour["better"][:, 0, 0]
    assert better.mean().item() == pytest.approx(0.5, abs=0.02)


def test_meta_learning_a_bandit():
    world = TwoArmedBandit(pulls=12, odds=0.9)
    agent = train_agent(
        learner(world), world, steps=110, rule=ActorCritic(discount=0.5), learning_rate=1e-2, progress=False
    )
    found, blank = agent.play(300, seed=7), agent.untrained(1).play(300, seed=7)
    better = found.behaviour["better"][..., 0]
    assert better[:, 0].mean() == pytest.approx(0.5, abs=0.1)  # nobody knows before the first pull
    assert better[:, -5:].mean() > 0.85  # and with the same weights everybody does after some
    assert blank.behaviour["better"][:, -5:].mean() < 0.65
    assert found.earned.mean() > blank.earned.mean() + 2


def test_finding_a_goal():
    world = GoalFinding()
    agent = train_agent(learner(world, 32), world, steps=40, progress=False)
    found, blank = agent.play(200, seed=7), agent.untrained(1).play(200, seed=7)
    assert found.over.any(1).float().mean() > 0.9
    assert found.lengths.float().mean() < 0.6 * blank.lengths.float().mean()


def test_episodes_are_a_recording_that_statistics_read():
    world = GoalFinding(limit=12)
    found = train_agent(learner(world, 8), world, steps=1, batch=4, progress=False).play(6)
    recording = found.recording(name="goal")
    assert recording.n_units == 8 and len(recording.trials) == 6
    assert recording.duration == pytest.approx(float(found.lengths.sum()) * world.dt)
    np.testing.assert_allclose(recording.trials["earned"], found.earned, rtol=1e-6)
    position = recording.behaviour["position"].values
    np.testing.assert_allclose(position[: found.lengths[0]], found.behaviour["position"][0, : found.lengths[0]])
    frame = found.frame()
    assert len(frame) == int(found.lengths.sum()) and {"action", "reward", "value", "position_x"} <= set(frame)


def test_an_interrupted_training_goes_on_bit_for_bit(tmp_path):
    world = TwoArmedBandit(pulls=5)
    told = {"batch": 4, "progress": False, "seed": 3}
    whole = train_agent(learner(world, 8, noise=0.1), world, steps=6, **told)
    kept = tmp_path / "agent.safetensors"

    class Stop(Exception):
        pass

    class Interrupted(TwoArmedBandit):
        pass

    import neurornn.fit.agent as room

    real, count = room.play, iter(range(100))

    def failing(*args, **more):
        if next(count) == 4:
            raise Stop
        return real(*args, **more)

    room.play = failing
    try:
        with pytest.raises(Stop):
            train_agent(learner(world, 8, noise=0.1), world, steps=6, checkpoint=kept, checkpoint_every=2, **told)
    finally:
        room.play = real
    resumed = train_agent(learner(world, 8, noise=0.1), world, steps=6, checkpoint=kept, checkpoint_every=2, **told)
    for name, weight in whole.network.state_dict().items():
        assert weight.equal(resumed.network.state_dict()[name])
    assert whole.history.equals(resumed.history)
    with pytest.raises(FitError, match="belongs to another training"):
        train_agent(learner(world, 8, noise=0.1), world, steps=7, checkpoint=kept, **told)


@pytest.mark.parametrize(
    "make",
    [
        TwoArmedBandit,
        GoalFinding,
        lambda: GoalFinding(goal=()),
        lambda: Navigation(duration=5000.0),
        lambda: HeadDirection(duration=200.0),
    ],
)
def test_gymnasiums_checker_is_content(make):
    from gymnasium.utils.env_checker import check_env

    from neurornn.bridge.gym import to_gym

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Observations and answers have no bounds, and say so; and the environment is not in the registry.
        for harmless in ("infinity", "spec is None", "unbounded", "symmetric and normalized"):
            warnings.filterwarnings("ignore", message=f".*{harmless}.*")
        check_env(to_gym(make()), skip_render_check=True)


def test_an_exported_task_pays_for_the_right_answer():
    from neurornn.bridge.gym import to_gym

    task = HeadDirection(duration=400.0)
    env = to_gym(task)
    seen, info = env.reset(seed=4)
    assert seen.shape == (task.n_in + task.n_start,) and seen[task.n_in :].any()
    rewards, over, target = [], False, info["target"]
    while not over:
        seen, reward, over, _, info = env.step(target)
        rewards.append(reward)
        target = env.unwrapped._trial.targets[0, min(len(rewards), 19)].numpy()
        assert not seen[task.n_in :].any()
    assert len(rewards) == 20 and max(map(abs, rewards)) == 0
    env.reset(seed=4)
    assert env.step(np.zeros(task.n_out))[1] < -0.01


def test_a_foreign_environment_is_a_world():
    from neurornn.bridge.gym import GymWorld

    world = GymWorld(lambda: gymnasium.make("CartPole-v1"), limit=60)
    one, two = (play(learner(world, 8), world, 5, generator=generator(1)) for _ in range(2))
    assert one.actions.equal(two.actions) and one.rewards.equal(two.rewards)
    assert torch.equal(one.earned, one.lengths.to(one.earned))  # a reward of 1 for each step upright
    agent = train_agent(learner(world, 8), world, steps=2, batch=4, rule=ActorCritic(discount=0.97), progress=False)
    assert (agent.play(3, seed=2, greedy=True).lengths > 5).all()


def test_our_world_survives_the_round_trip():
    from neurornn.bridge.gym import GymWorld, to_gym

    world = GymWorld(lambda: to_gym(TwoArmedBandit(pulls=7, odds=1.0)), limit=20)
    found = play(learner(world, 8), world, 6, generator=generator(2))
    assert (found.lengths == 7).all() and found.over[:, -1].all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TwoArmedBandit(pulls=0), "TwoArmedBandit: `pulls` must be a whole number, 1 or above"),
        (lambda: TwoArmedBandit(odds=0.2), r"TwoArmedBandit: `odds` must be in \[0.5, 1\], or 0 to draw them"),
        (lambda: TwoArmedBandit(dt=0.0), "TwoArmedBandit: `dt` must be a finite number above 0"),
        (lambda: GoalFinding(radius=0.0), "GoalFinding: `radius` must be a finite number above 0"),
        (lambda: GoalFinding(cost=-1.0), "GoalFinding: `cost` must be a finite number, 0 or above"),
        (lambda: GoalFinding(limit=0), "GoalFinding: `limit` must be a whole number, 1 or above"),
        (lambda: GoalFinding(directions=1), "GoalFinding: `directions` must be a whole number, 2 or above"),
        (lambda: GoalFinding(goal=(1.0,)), r"GoalFinding: `goal` must be x and y \(m\), or empty"),
        (lambda: GoalFinding(goal=(5.0, 5.0)), r"GoalFinding: `goal` must be inside every arena \(m\)"),
        (lambda: ActorCritic(discount=2.0), r"ActorCritic: `discount` must be a number in \[0, 1\]"),
        (lambda: ActorCritic(trace=2.0), r"ActorCritic: `trace` must be a number in \[0, 1\]"),
        (lambda: ActorCritic(value_weight=-1.0), "ActorCritic: `value_weight` must be a finite number, 0 or above"),
        (lambda: ActorCritic(entropy_weight=-1.0), "ActorCritic: `entropy_weight` must be a finite number, 0 or above"),
    ],
)
def test_impossible_worlds_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_networks_that_do_not_fit_are_refused():
    world = TwoArmedBandit()
    stream = generator(0)
    with pytest.raises(ValueError, match="play: `network` must be one with n_in = 4"):
        play(Network(LeakyRate(2, 4, dt=1000.0, tau=2000.0), world.heads), world, 2, generator=stream)
    with pytest.raises(ValueError, match="play: `network` must be one with heads ="):
        play(Network(LSTM(4, 4, dt=1000.0), 2), world, 2, generator=stream)
    told = Network(LSTM(4, 4, dt=1000.0), world.heads, n_start=2)
    with pytest.raises(ValueError, match="play: `network` must be one that is told nothing at the start"):
        play(told, world, 2, generator=stream)
    with pytest.raises(ValueError, match="play: `n_trials` must be a whole number, 1 or above"):
        play(learner(world), world, 0, generator=stream)
    with pytest.raises(ValueError, match="train_agent: `learning_rate` must be a finite number above 0"):
        train_agent(learner(world), world, steps=1, learning_rate=0.0)
    with pytest.raises(ValueError, match="train_agent: `clip` must be a finite number, 0 or above"):
        train_agent(learner(world), world, steps=1, clip=-1.0)
    with pytest.raises(ValueError, match="train_agent: `steps` must be a whole number"):
        train_agent(learner(world), world, steps=0)


def test_rewards_that_are_no_numbers_stop_the_training():
    class Broken(TwoArmedBandit):
        def act(self, state, action, *, generator):
            turn = super().act(state, action, generator=generator)
            return replace(turn, reward=turn.reward * float("nan"))

    for pulls, message in (
        (1, "train_agent: the loss is nan at update 1"),
        (3, "play: the preferences are not finite"),
    ):
        world = Broken(pulls=pulls)
        with pytest.raises(Diverged, match=message):
            train_agent(learner(world, 4), world, steps=2, batch=2, progress=False)


def test_without_gymnasium_the_extra_is_named(monkeypatch):
    from neurornn.bridge.gym import to_gym

    monkeypatch.setitem(sys.modules, "gymnasium", None)
    with pytest.raises(ImportError, match=r"to_gym needs gymnasium. Install it: pip install 'neurornn\[gym\]'."):
        to_gym(TwoArmedBandit())


def test_environments_without_a_choice_are_refused():
    from neurornn.bridge.gym import GymWorld, to_gym

    with pytest.raises(ValueError, match="GymWorld: `make` must be an environment with a choice of actions"):
        GymWorld(lambda: gymnasium.make("Pendulum-v1"))
    listing = gymnasium.make("CartPole-v1").unwrapped
    listing.observation_space = gymnasium.spaces.Sequence(gymnasium.spaces.Discrete(2))
    with pytest.raises(ValueError, match="GymWorld: `make` must be an environment with flat observations"):
        GymWorld(lambda: listing)
    with pytest.raises(ValueError, match="GymWorld: `limit` must be a whole number, 1 or above"):
        GymWorld(lambda: gymnasium.make("CartPole-v1"), limit=0)
    with pytest.raises(ValueError, match="GymWorld: `dt` must be a finite number above 0"):
        GymWorld(lambda: gymnasium.make("CartPole-v1"), dt=0.0)
    with pytest.raises(ValueError, match="to_gym: `thing` must be a world or a task"):
        to_gym(3)
