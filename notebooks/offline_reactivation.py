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
# # Where a network goes when nothing comes in
#
# An animal that rests sometimes runs, in its hippocampus, through places where it has been. Must that be learnt? A
# theory says that it comes for free ([Krishna et al. 2025](https://doi.org/10.48550/arXiv.2505.17003)): a network that
# tracks its position *with noise* must learn to undo the noise, which is a drift towards states that it visits often.
# Take the input away and leave the noise: drift and noise together make it wander among the states it knows.
#
# We train networks to track a position in a box, run them without input, and hold what they visit beside what they
# visit when they act. What is not beside its null says nothing, so beside it stand the same network without noise, an
# untrained one, one trained without noise, and one whose animal kept to the middle.
#
# The command `neurornn fit reactivation_position` does this with larger networks, longer training and three seeds.

# %%
import json
import math
from dataclasses import replace
from pathlib import Path

import pandas as pd

import neurornn as nr

# %% [markdown]
# ## The task
#
# An animal darts about a box of 2.2 m. The network is told where it starts, and then only by how much it moved at each
# step (in m); it must answer with the activity of 64 place cells, from which a position is read.

# %%
task = nr.ArenaIntegration(
    box=(2.2, 2.2),
    dt=20.0,
    duration=1000.0,
    motion=nr.Darting(scale=0.8168, turning=11.52, reach=0.03),
    code=nr.PlaceCode(64, width=0.12, layout=nr.Layout.RANDOM),
    speed_scale=50.0,
)
task.sample(8, generator=nr.generator(0))

# %% [markdown]
# The second animal is drawn to the middle of its box at each step.

# %%
middle = replace(task, motion=replace(task.motion, pull=0.05))
for name, animal in {"free": task, "drawn to the middle": middle}.items():
    position = animal.sample(200, generator=nr.generator(1)).behaviour["position"]
    from_middle = (position - 1.1).norm(dim=-1).mean()
    print(f"{name}: {from_middle:.2f} m from the middle, on average")

# %% [markdown]
# ## Training
#
# Three networks from the same initial weights: with noise, with noise on the animal of the middle, and without noise.
# Noise is Gaussian with a mean of zero, which the theory needs.

# %%
SIGMA = 0.01


def untrained(noise: float) -> nr.Network:
    cell = nr.LeakyRate(task.n_in, 64, tau=100.0, dt=task.dt, nonlinearity="relu", bias=False, uniform=True)
    return nr.Network(cell, task.n_out, n_start=task.n_start, noise=noise, readout_bias=False, encoder_bias=False)


conditions = {"noise": (task, SIGMA), "noise, middle": (middle, SIGMA), "no noise in training": (task, 0.0)}
fits = {
    name: nr.train(
        untrained(noise),
        learnt,
        steps=1000,
        batch=32,
        learning_rate=3e-3,
        schedule=nr.OneCycle(),
        validate_every=100,
        n_validation=128,
        progress=False,
    )
    for name, (learnt, noise) in conditions.items()
}
nr.figures(fits["noise"])[0]

# %% [markdown]
# The error of new trials, m, beside an untrained network and an animal's position guessed to be always the middle.

# %%
rows = {}
for name, fit in fits.items():
    position = fit.task.sample(256, generator=nr.generator(2)).behaviour["position"]
    rows[name] = {
        "network": fit.score(256, seed=2).mean(),
        "untrained": fit.untrained(0).score(256, seed=2).mean(),
        "always the middle": float((position - 1.1).norm(dim=-1).mean()),
    }
pd.DataFrame(rows).T.round(3)

# %% [markdown]
# ## Without input
#
# For states to be visited as often as when the network acts, the theory asks for noise of $\sqrt 2$ times the strength
# of training. Each network gets the same, from the places where active trials start.

# %%
quiets = {
    name: nr.reactivate(fit, trials=80, steps=400, discard=0, noise=nr.GaussianNoise(math.sqrt(2) * SIGMA))
    for name, fit in fits.items()
}
maps, _, movement = nr.figures(quiets["noise"])
maps

# %%
nr.figures(quiets["noise, middle"])[0]

# %% [markdown]
# ### Where it goes
#
# The Jensen-Shannon divergence (nats; 0 is the same, 0.69 is apart altogether) of the places visited from those of
# active runs. *Active* is one half of the active trials held against the other: with 40 short trials in each, two
# halves of the same thing are as far apart as that. *No noise* is the same network without noise; it starts where
# active trials start, and standing there is already closer than *uniform*, going everywhere alike. *Shuffled units* is
# the quiescent activity, handed to the readout by the wrong units.

# %%
order = ["active", "quiescent", "no noise", "untrained", "shuffled units", "uniform"]


def shown(quantity: str, columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame(
        {name: {column: quiet.value(quantity, column) for column in columns} for name, quiet in quiets.items()}
    ).T.round(3)


shown("JS from active", order)

# %% [markdown]
# ### How it moves
#
# How far the decoded position goes in a step, m, and the share of steps in which it moves at all. Noise alone can visit
# the right places in the wrong order; so do the active positions *shuffled in time*.

# %%
shown("step distance", ["active", "quiescent", "no noise", "untrained", "shuffled in time"])

# %%
shown("moving steps", ["active", "quiescent", "no noise", "untrained", "shuffled in time"])

# %%
movement

# %% [markdown]
# ### Does it drift as the theory says?
#
# The drift should climb the density of active positions. But any path in a box drifts back to its mean: the null is the
# same positions in random order. The number is the cosine between drift and gradient.

# %%
shown("drift along the score", ["quiescent", "quiescent, shuffled in time", "untrained"])

# %% [markdown]
# ## What came out, and what did not
#
# At this size, in this one seed:
#
# - Without noise nearly nothing moves. With noise the network wanders, mostly in the main directions of its active
#   activity (panel c: far above random directions).
# - The steps of the network that was trained with noise are of the order of those of active runs, and less than a tenth
#   of those of an untrained one. This is not what noise does by itself: the network that was trained without noise gets
#   the same noise, and jumps about twice as far.
# - The network whose animal kept to the middle visits, without input, places closer to its own active runs than those
#   of an untrained network, of itself without noise, or of going everywhere.
#
# **What does not hold here.** Where a network goes does not tell training with noise from training without: the last
# row of the divergences is nearly as close to its active runs as the first. And the drift: it climbs the density of
# active positions a little more than its null does, but so it does after training without noise, and for the animal of
# the middle it climbs less than its null. That is no evidence for the drift that the theory speaks of. One seed, small
# networks, a position read from 64 cells: the squares on the maps are the few places that three of them can name.
#
# ## What the larger runs say
#
# The card of `reactivation_position` holds the same with 96 units, 128 place cells and half as many steps again, on
# three seeds. Each gate is a bound that the recipe asks for; the median over seeds must pass.

# %%
card = json.loads((Path("..") / "fits" / "reactivation_position" / "card.json").read_text())
seeds = [f"seed {seed}" for seed in card["seeds"]]
pd.DataFrame(
    {
        gate["quantity"]: {
            "needed": gate["needed"],
            **{seed: f"{value:.3g}" for seed, value in zip(seeds, gate["values"], strict=True)},
            "pass": gate["pass"],
        }
        for gate in card["gates"]
    }
).T

# %% [markdown]
# All pass, and the claim is no larger than they are. One seed of three falls short of the gate about longer jumps of a
# network trained without noise, `noiseless_step_ratio`. And these numbers of the same card are *not* gated, because
# they do not bear out what one would like to say:

# %%
names = [
    "kl_over_uniform",
    "js",
    "noiseless_js",
    "biased_js",
    "biased_js_untrained",
    "drift_along_score",
    "drift_along_score_shuffled",
]
pd.DataFrame(
    {seed: {name: found[name] for name in names} for seed, found in zip(seeds, card["quantities"], strict=True)}
).round(2)

# %% [markdown]
# Going everywhere alike is as close to the places of the free animal as quiescence is, or closer (`kl_over_uniform`, 1
# or above, from kernel densities): an animal that goes nearly everywhere is a poor test of *where*. Training without
# noise ends about as close to them as training with it. An untrained network is as close to the animal of the middle as
# the trained one in one seed of three. And the drift climbs the active density more than its null in one seed of three.
