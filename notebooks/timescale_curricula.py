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
# # Two ways to a longer memory
#
# A network can remember for long in two ways. Its units can be slow: each forgets what it heard only after a while. Or
# its units are fast, and hand what they know around among themselves. Which of the two training finds, say
# [Khajehabdollahi et al. (2024)](https://doi.org/10.48550/arXiv.2309.12927), depends on the order of the lessons.
#
# We give two networks the same start and the same task, and two orders of lessons. Then we ask both what they remember,
# how slow their units have become, and what happens without one of them.
#
# The command `neurornn fit timescales_parity` does this with larger networks, to longer memories, and on three seeds;
# here is one seed, small.

# %%
import json
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import neurornn as nr

# %% [markdown]
# ## The task
#
# A stream of bits comes in, one each ms, which is one step. When it ends, the network must say whether the number of
# ones among the last N bits was odd. Every one among them turns the answer over, so none may be forgotten: the larger
# N, the longer the memory. Where the stream ends is not known before; only the answer at its end counts.

# %%
first, last, chance = 2, 6, 0.5
one = nr.Parity(ns=(first,))
many = nr.Parity(ns=tuple(range(first, last + 1)))

trials = many.sample(128, generator=nr.generator(0))
print(trials)
trials.conditions.head(3)

# %% [markdown]
# ## The two curricula
#
# - **Single head**: one readout. It learns N = 2; once it is right in more than 98 % of fresh trials, it is asked for
#   N = 3 *instead*, and so on.
# - **Multi head**: a readout for each N. Once N = 2 is learnt, N = 3 is asked for *as well*, and so on.

# %%
curricula = {"single": nr.SingleHead(one, last), "multi": nr.MultiHead(many, last)}
for name, curriculum in curricula.items():
    print(name, [stage.task.ns for stage in curriculum.stages()])

# %% [markdown]
# ## The networks
#
# Both start from the same recurrent weights and the same time constants, drawn between 1 and 2 ms. The time constants
# are trained along with the weights, and none may fall below one step.


# %%
def untrained(task: nr.Parity, n_units: int = 64) -> nr.Network:
    cell = nr.LeakyRate(
        task.n_in,
        n_units,
        tau=nr.Uniform(1.0, 2.0),
        dt=task.dt,
        nonlinearity="leaky_relu",
        form=nr.Form.UPDATE,
        train_tau=True,
        clamp_tau=True,
        bias=nr.Uniform(-0.1, 0.1),
        bias_in=nr.Uniform(-1.0, 1.0),
        wiring=nr.NoAutapses(nr.Dense(n_units, uniform=True, seed=1)),
        uniform=True,
    )
    return nr.Network(cell, task.heads, scatter=nr.Uniform(0.0, 0.1), seed=5)


fits = {
    name: nr.train(
        untrained(task),
        task,
        steps=6000,
        batch=128,
        curriculum=curricula[name],
        objective=nr.Objective({"entropy": nr.CrossEntropy()}),
        optimiser=nr.SGD(momentum=0.1, nesterov=True),
        learning_rate=0.05,
        clip=2.0,
        validate_every=100,
        n_validation=512,
        progress=False,
    )
    for name, task in (("single", one), ("multi", many))
}

# %% [markdown]
# In the panel on the right the score of the multi-head network falls wherever a fresh head joins, for that one answers
# by chance at first; the score is the worse of the mean over its N and of the largest N. The single-head network falls
# likewise, because its one head is asked something new.

# %%
nr.figures(fits["single"])[0]

# %%
nr.figures(fits["multi"])[0]

# %% [markdown]
# How many steps had each taken when it passed N? (NaN: it did not.)


# %%
def passed(name: str) -> dict[int, int]:
    """Return the step at which each N was passed."""
    judged = fits[name].history.dropna(subset=["score"])
    steps, scores = judged["step"].tolist(), judged["score"].tolist()
    reached = [0] + [curricula[name].reached(scores[: i + 1]) for i in range(len(scores))]
    return {
        first + before: step for step, before, after in zip(steps, reached, reached[1:], strict=False) if after > before
    }


pd.DataFrame({name: passed(name) for name in fits}).rename_axis("N")

# %% [markdown]
# ## What is left of the smaller N?
#
# Both are asked about every N, at every step of long streams of fair bits. The single head is the only one its network
# has, so it answers whatever it is asked. Beside it stand chance, 50 %, and an untrained network.


# %%
@torch.no_grad()
def accuracy(fit: nr.Fit, n: int, perturb=()) -> np.ndarray:
    """Return the fraction of right answers about `n`, one for each perturbation."""
    question = nr.Parity(ns=(n,), spread=0.0)
    streams = question.stream(20, 400, generator=nr.generator(7))
    heads = fit.network.heads
    head = heads[f"head_{n - first}"] if len(heads) > 1 else heads["head_0"]
    scatter = fit.network.draw_scatter(20, nr.generator(8))
    run = fit.network(streams.inputs, scatter=scatter, perturb=perturb)
    return question.right(streams, run.outputs[..., head]).double().mean(dim=(-2, -1)).numpy()


networks = {**fits, "untrained": fits["multi"].untrained(seed=1)}
pd.DataFrame(
    {name: {n: round(100 * float(accuracy(fit, n)), 1) for n in many.ns} for name, fit in networks.items()}
).rename_axis("N")

# %% [markdown]
# ## How slow are the units?
#
# Two things are called a timescale, and they are not the same. The **time constant** is a property of a unit alone: how
# fast it would forget if nobody spoke to it. The **intrinsic timescale** is read from its activity in the network, as
# one does with a neuron: how fast the autocorrelation decays while random bits come in. The null of both is the network
# before training.


# %%
@torch.no_grad()
def slowness(network: nr.Network) -> dict[str, float]:
    taus = network.cell.tau().numpy()
    bits = nr.Parity(spread=0.0).stream(5, 1500, generator=nr.generator(9)).inputs
    activity = network(bits, scatter=network.draw_scatter(5, nr.generator(10))).activity[:, 500:]
    intrinsic = nr.intrinsic_timescales(activity.double().numpy(), dt=network.dt, max_lag=30.0).frame()["tau"]
    return {
        "time constant: mean": taus.mean(),
        "standard deviation": taus.std(),
        "longest": taus.max(),
        "intrinsic timescale: median": intrinsic.median(),
        "intrinsic timescale: upper tenth": intrinsic.quantile(0.9),
        "mean weight": float(network.cell.weights()[1].mean()),
    }


before = untrained(many)
pd.DataFrame(
    {"before training": slowness(before), **{name: slowness(fit.network) for name, fit in fits.items()}}
).round(4)

# %% [markdown]
# ## Without one unit
#
# The ten units with the shortest time constants, and the ten with the longest, are silenced one at a time, for the
# other units and the readout alike. What is left of the accuracy above chance, at the largest N (1: all of it)?


# %%
def without(fit: nr.Fit, n: int = last, n_units: int = 10) -> dict[str, float]:
    order = np.argsort(fit.network.cell.tau().detach().numpy(), kind="stable")
    chosen = [*order[:n_units].tolist(), *order[-n_units:].tolist()]
    each = accuracy(fit, n, [nr.Stack([nr.Silence([]), *(nr.Silence([unit]) for unit in chosen)])]) - chance
    left = each[1:] / each[0]
    return {
        "short: mean": left[:n_units].mean(),
        "short: worst": left[:n_units].min(),
        "long: mean": left[n_units:].mean(),
        "long: worst": left[n_units:].min(),
    }


pd.DataFrame({name: without(fit) for name, fit in fits.items()}).round(2)

# %% [markdown]
# ## What came out, and what did not
#
# At this size, in this one seed:
#
# - With a head for every N the network came to N = 6 in fewer steps; up to N = 3 there was no difference.
# - The single head forgot. Asked about a smaller N than its last it is at chance, one bit beside what it was taught.
#   The other network answers all of them.
# - Units with short time constants carry more than those with long ones, in both networks. The network with many heads
#   hardly misses any of the ten slowest.
# - The mean recurrent weight became more negative in both, and more so with a single head.
#
# **What does not hold here.** In the paper, time constants spread and grow with a single head, and shrink with many.
# Here their mean falls and their spread grows in *both*, about alike, and the longest stays where it was. Perhaps N = 6
# does not ask for slow units yet. The intrinsic timescales say no more: a median below one step of 1 ms is faster than
# the steps can show. And one seed is one seed: nothing here tells a small difference between the two networks from
# luck.
#
# ## What the larger runs say
#
# The card of `timescales_parity` holds the same comparison with 100 units, 120 epochs with a single head and as many as
# N = 18 takes with many, on three seeds. Each gate is a bound that the recipe asks for; the median over seeds must pass.


# %%
def gates(name: str) -> pd.DataFrame:
    card = json.loads((Path("..") / "fits" / name / "card.json").read_text())
    seeds = [f"seed {seed}" for seed in card["seeds"]]
    rows = {
        gate["quantity"]: {
            "needed": gate["needed"],
            **{seed: f"{value:.3g}" for seed, value in zip(seeds, gate["values"], strict=True)},
            "pass": gate["pass"],
        }
        for gate in card["gates"]
    }
    return pd.DataFrame(rows).T


gates("timescales_parity")

# %% [markdown]
# Every gate holds. With a single head time constants spread while it struggles: after 120 epochs, in which it came to N = 11, 11
# and 10, 1.25 to 1.53 times as wide as those of many heads, and the longest are 3 ms and more. Three other seeds that were
# stopped as soon as the single head had come to N = 10 had shown no difference in spread (1.01 to 1.05). At the paper's own
# size (`neurornn check timescales_parity --size shipped`, minutes on a GPU; its card is `card_shipped.json`) every gate
# holds by the median of three seeds, and the spread with a single head is about 0.98 of that with many at N = 11, as in
# the checkpoints that the authors ship. In the paper the two part beyond N = 16; nobody has gone there with this code
# (`--size full`).
#
# With another question about the last N bits, whether the present bit is the one of N - 1 bits ago, a single head takes
# at most 1.3 times as long, and in one seed no longer at all:

# %%
gates("timescales_dms")
