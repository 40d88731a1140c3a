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
# # How a network moves, and where it comes to rest
#
# A trained network is a box until one asks what it does with a state. Do neighbouring states part or meet? Where does
# it stay when nothing comes in? What moves it from one such place to the next? This notebook asks a random network, one
# that remembers three bits, and one that adds up evidence.
#
# Everything works on a `Network`, on a cell, or on a map of your own, in float64 and without its noise.

# %%
import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch

import neurornn as nr
from neurornn.dynamics import EXPONENTS, lorenz63, mean_field_map

# %% [markdown]
# ## Do neighbours part? Lyapunov exponents
#
# Lorenz's weather first, whose exponents are known. The errors come from the two halves of the run. The largest
# exponents need a while to settle: the starts must reach the attractor (`transient`) and the vectors must turn to where
# they belong (`align`).

# %%
weather = nr.lyapunov(
    lorenz63(dt=0.02),
    start=5 * torch.randn(200, 3, generator=nr.generator(0)),
    steps=300,
    transient=1500,
    align=400,
    progress=False,
)
weather.frame()[["exponent", "error"]].assign(known=EXPONENTS["lorenz63"]).round(3)

# %% [markdown]
# Random networks of tanh units become chaotic as their weights grow. Mean-field theory says how chaotic infinitely many
# units are, in steps of the map $x' = J \tanh(x)$; 200 units are a little short of it, and far off near the onset.


# %%
def random_cell(gain: float, n: int = 200, seed: int = 0) -> nr.LeakyRate:
    wiring = nr.Dense(n, gain=gain, seed=seed)
    return nr.LeakyRate(1, n, tau=1.0, dt=1.0, clamp_tau=True, nonlinearity="tanh", form="current", wiring=wiring)


rows = {}
for gain in (0.8, 1.5, 2.0, 3.0):
    told = {"n_exponents": 1, "n_trials": 8, "steps": 150, "transient": 150, "align": 50, "progress": False}
    found = [nr.lyapunov(random_cell(gain, seed=seed), **told).largest for seed in range(2)]
    rows[gain] = {"theory": mean_field_map(gain).largest, "seed 0": found[0], "seed 1": found[1]}
pd.DataFrame(rows).T.rename_axis("gain").round(3)

# %% [markdown]
# All exponents of one of them: most directions shrink, a few grow.

# %%
spectrum = nr.lyapunov(random_cell(3.0, n=60), steps=400, transient=200, align=100, progress=False)
nr.figures(spectrum)[0]

# %% [markdown]
# ### Before training
#
# A positive exponent spoils gradients over long trials: they grow as fast as neighbours part. `chaos` says so before an
# hour is lost, and what to do.

# %%
wild = nr.Network(nr.LeakyRate(1, 60, tau=20.0, nonlinearity="tanh", wiring=nr.Dense(60, gain=3.0)), 1)
warned = nr.chaos(wild, 0.1 * torch.randn(4, 120, 1, generator=nr.generator(0)))
nr.figures(warned)[0]

# %% [markdown]
# ## Where does it stay? Fixed points
#
# A network learns to hold the sign of the last pulse of each of three bits.

# %%
task = nr.FlipFlop(n_bits=3, dt=20.0, duration=960.0)
cell = nr.LeakyRate(task.n_in, 48, tau=40.0, dt=task.dt, nonlinearity="tanh")
network = nr.Network(cell, task.n_out, noise=0.05)
settings = {"batch": 64, "schedule": nr.OneCycle(), "progress": False}
memory = nr.train(network, task, steps=600, learning_rate=3e-3, **settings)
trials = task.sample(32, generator=nr.generator(1))
print(f"bits that are right: {memory.score(256).mean():.4f}")

# %% [markdown]
# `fixed_points` descends from states that the network visits, from such states with noise, and from points between them,
# and ends with Newton's method. A point where the search only became slow is kept apart: it is none.

# %%
points = nr.fixed_points(memory.network, trials, search=nr.Search(n_seeds=300), progress=False)
print(points.counts, "indices sum to", points.index_sums[0], *points.notes)
nr.figures(points)[0]

# %% [markdown]
# A stable point for each pattern of bits, and saddles between them, as on the corners, edges, faces and in the middle of
# a cube. Over all fixed points of a step that keeps a bounded set the indices must sum to one: a check that none was
# missed, which can fail.

# %%
table = points.frame()
table.groupby("index")[["time_constant", "distance"]].agg(["count", "median"]).round(2)

# %% [markdown]
# From each saddle with one unstable direction the network rolls down both ways. If it is the border between two memories,
# both ways end in one.

# %%
joined = nr.connections(points)
print(f"{int(joined.joining.sum())} of {len(joined.saddles)} saddles join two memories")
nr.figures(joined)[0]

# %% [markdown]
# The flow in the plane in which the network moves most, with nothing coming in:

# %%
view = nr.portrait(memory.network, nr.visited_states(memory.network, trials), points=points)
nr.figures(view)[0]

# %% [markdown]
# ## A line of rest: adding up evidence
#
# Say which of two noisy streams was the stronger. What must be held is no bit but a sum.

# %%
choice = nr.EvidenceAccumulation(fixation=(100.0, 100.0), delay=(0.0, 0.0))
cell = nr.LeakyRate(3, 48, tau=100.0, dt=choice.dt, nonlinearity="tanh", wiring=nr.Dense(48, gain=0.8))
adding = nr.train(nr.Network(cell, 3, noise=0.02), choice, steps=700, learning_rate=2e-3, **settings)
print(f"right: {adding.score(1024).mean():.3f}")

# %% [markdown]
# With the mean stimulus held, visited states settle onto whatever is slow.

# %%
shown = choice.sample(64, generator=nr.generator(2))
states = nr.visited_states(adding.network, shown)[shown.epoch("stimulus")]
line = nr.continuum(adding.network, states, torch.tensor([1.0, 0.5, 0.5]), settle=800.0)
nr.figures(line)[0]

# %% [markdown]
# One mode lasts far longer than the rest, and it lies along the line. The left eigenvector of that mode says what an input
# deposits: evidence for the two sides moves the state opposite ways, and the fixation light hardly at all.

# %%
line.frame()[["in_0", "in_1", "in_2"]].describe().loc[["mean", "std"]].round(3)

# %% [markdown]
# A line can break. These are the fixed points that the search finds with the stimulus held; where it is only slow, it says
# so.

# %%
held = torch.tensor([[1.0, 0.5, 0.5]])
rest = nr.fixed_points(adding.network, states, held, search=nr.Search(n_seeds=90, noise=0.1), progress=False)
print(f"{len(rest.states)} fixed points, {len(rest.slow_states)} slow points")
rest.frame()[["index", "marginal", "modulus", "time_constant", "distance"]].round(3)

# %% [markdown]
# ## The same questions, of any recording
#
# Activity averaged over conditions can come from an animal as well. Demixed components tell what the population carries
# of each factor of the experiment; `jpca` asks whether it turns.

# %%
easy = replace(choice, coherences=(0.128, 0.512), stimulus=(800.0, 800.0))
recorded = replace(adding, task=easy).record(n_trials=200, seed=3)
averages = nr.condition_averages(recorded, ["side", "coherence"], dt=20.0, duration=900.0)
told = nr.demixed_pca(averages, n_components=1)
told.frame()[["marginal", "variance"]].round(3)

# %%
flat = averages.values.reshape(len(averages.units), -1, len(averages.times)).transpose(1, 2, 0)
turns = nr.jpca(flat, dt=averages.dt, seed=0, n_components=2)
print(f"rotations explain {turns.r2:.2f} of the motion, any linear motion {turns.r2_linear:.2f}; p = {turns.p:.2f}")

# %% [markdown]
# This network does not turn: it moves along a line.
#
# ## All steps at once
#
# Where neighbours meet, the steps of a trial can be solved together by Newton's method. It gives the same run, and says
# whether it came to rest; a chaotic network it refuses.

# %%
run = adding.network(shown.inputs, parallel=nr.Newton())
plain = adding.network(shown.inputs)
print(f"{run.solved.sweeps} sweeps, furthest apart {float((run.outputs - plain.outputs).detach().abs().max()):.1e}")

# %% [markdown]
# On a processor that is slower than the steps one by one, as `benchmarks/parallel.json` shows; it is meant for few units
# and long trials on a GPU.
#
# ## What the larger runs say
#
# The cards of the three claims, on three seeds. The median over seeds must pass.

# %%
rows = []
for name in ("flipflop_fixed_points", "line_attractor", "ring_attractor"):
    card = json.loads((Path("..") / "fits" / name / "card.json").read_text())
    for gate in card["gates"]:
        seeds = {f"seed {seed}": f"{value:.3g}" for seed, value in zip(card["seeds"], gate["values"], strict=True)}
        rows.append({"claim": name, "gate": gate["quantity"], "needed": gate["needed"], **seeds, "pass": gate["pass"]})
pd.DataFrame(rows).set_index(["claim", "gate"])
