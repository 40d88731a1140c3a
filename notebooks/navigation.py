# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Where am I?
#
# An animal is set down in the dark, somewhere in a room that it knows. It feels its own steps, badly, and now and then
# it touches a wall. All walls feel alike. To find out where it is it must hold several places possible at once, and
# rule them out one by one: [Kanitscheider and Fiete (2017)](https://doi.org/10.48550/arXiv.1609.09059) showed that a
# recurrent network learns to do that.
#
# We build the task, look at what can be done at best, train a small network, and ask what its units say. Then the loop
# is closed: the same kind of network acts, and learns from rewards.
#
# The commands `neurornn fit navigation_familiar`, `navigation_novel` and `navigation_remapping` do this with larger
# networks, longer training and all controls.

# %%
import numpy as np
import pandas as pd

import neurornn as nr
from neurornn.fit import ActorCritic, OneCycle, train_agent
from neurornn.observer import ParticleFilter, PathIntegration, SingleHypothesis
from neurornn.plot import figures
from neurornn.statistics import PlaceBins, dimensions
from neurornn.study.localising import localise
from neurornn.study.placing import placing
from neurornn.world import TwoArmedBandit

# %% [markdown]
# ## The task
#
# A polygon of two metres, a random walk of 7 cm a step, and seven input channels: the felt step (30 % noise on its
# length, 0.4 rad on its direction), whether a wall is touched, how near it is, and at which angle.

# %%
task = nr.Navigation(nr.StarArenas(1, seed=4), duration=30_000.0)
trials = task.sample(100, generator=nr.generator(0))
print(trials)
print(f"a wall is touched in {100 * trials.behaviour['contact'].mean():.0f} % of steps")

# %% [markdown]
# ## What can be done
#
# Path integration adds up the felt steps. It is told where the trial begins, and drifts. One hypothesis at a time is
# corrected at every touch by the wall that fits best, rightly or wrongly. A particle filter keeps hundreds of
# hypotheses; that nothing was touched is evidence, too.

# %%
observers = {
    "particle filter": ParticleFilter(200),
    "single hypothesis": SingleHypothesis(),
    "path integration": PathIntegration(),
}
errors = {
    name: observer.locate(task, trials, generator=nr.generator(1)).errors(trials).mean(0)
    for name, observer in observers.items()
}
pd.DataFrame({name: error[[0, 9, 29, 59]].numpy().round(2) for name, error in errors.items()}, index=[1, 10, 30, 60])

# %% [markdown]
# ## A network
#
# It is told nothing but the inputs, and is asked for x and y at every step.

# %%
network = nr.Network(nr.LSTM(task.n_in, 64, dt=task.dt), task.heads)
fit = nr.train(
    network, task, steps=250, batch=64, learning_rate=5e-3, schedule=OneCycle(peak=0.1), seed=0, progress=False
)
found = localise(fit, task, trials, observers, seed=0, n_examples=2, cloud_steps=(1, 10, 40))
found.summary().round(2)

# %%
assert found.mean("network", 50, 60) < found.mean("middle of the arena", 50, 60) / 1.8
errors_drawn, paths_drawn = figures(found)
errors_drawn

# %% [markdown]
# The network starts where it must, in the middle of what is possible, and closes in. Dotted in its colour is the same
# network that feels no wall: it is still better than staying in the middle, because an animal turns where a wall is,
# and that shows in its steps. A control that lacks this line claims too much.

# %%
paths_drawn

# %% [markdown]
# ## What its units say
#
# Place maps, once the animal has found itself. Beside them an untrained network: it has maps, too, and they are as
# stable. What training changes is how much of a unit's activity the position explains.

# %%
bins = PlaceBins("position", 16, task.arenas.extent, smoothing=1.0, dt=task.dt, smooth=0.0, min_occupancy=2000.0)
tuned, recording = placing(fit, bins, n_trials=100, first=21, n_shifts=100, seed=0)
assert np.nanmedian(tuned.explained["trained"]) > np.nanmedian(tuned.explained["untrained"])
figures(tuned)[0]

# %% [markdown]
# And how many dimensions has its activity, over the time of a trial? A network that was trained for longer has most of
# them while it is still finding out, and fewer once there is only x and y to know: `navigation_familiar` holds that on
# three seeds. This small one has not settled by the end of the trial, and its curve still rises.

# %%
windows = [(0.0, 1500.0), (1500.0, 4000.0), (4000.0, 8000.0), (8000.0, 20_000.0), (20_000.0, 30_000.0)]
figures(dimensions(recording, windows, dt=task.dt))[0]

# %% [markdown]
# ## Closing the loop
#
# A network can also act. Here are two arms, one pays nine times out of ten and the other once, and which is which is
# drawn anew for every episode. The network sees its last choice and what it earned. Its weights are learnt over many
# episodes; within an episode they are fixed, and what it learns there is in its activity
# ([Wang et al. 2018](https://doi.org/10.1038/s41593-018-0147-8)).

# %%
world = TwoArmedBandit(pulls=20, odds=0.9)
agent = train_agent(
    nr.Network(nr.LSTM(world.n_in, 24, dt=world.dt), world.heads),
    world,
    steps=200,
    rule=ActorCritic(discount=0.5),
    learning_rate=1e-2,
    progress=False,
)
better = {
    name: one.play(300, seed=1).behaviour["better"][..., 0].mean(0)
    for name, one in (("trained", agent), ("untrained", agent.untrained(1)))
}
assert better["trained"][0] < 0.6 < 0.85 < better["trained"][-5:].mean()
pd.DataFrame(
    {name: share[[0, 1, 2, 4, 9, 19]].numpy().round(2) for name, share in better.items()}, index=[1, 2, 3, 5, 10, 20]
)

# %% [markdown]
# The share of better choices by pull: nobody knows before the first. What it leaves behind is a recording like any
# other, and all that this package measures of an animal can be measured of it.

# %%
acted = agent.play(50, seed=2).recording(name="bandit")
print(acted)

# %% [markdown]
# Any environment of gymnasium is a world as well, `GymWorld(lambda: gymnasium.make("CartPole-v1"))`, and our worlds and
# tasks are environments for others: `to_gym(world)`.
