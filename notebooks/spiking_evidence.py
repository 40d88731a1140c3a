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
# # A spiking network that weighs evidence
#
# Integrate-and-fire units in ms, mV and pA, trained by surrogate gradients on a perceptual decision. First one unit
# under a current clamp, beside its closed form; then a recurrent network of 60 with unequal time constants, its spikes,
# its rates and its psychometric curve. `neurornn check spiking_evidence` does it with 100 units and three seeds.

# %%
import math

import numpy as np
import torch

import neurornn as nr
from neurornn.study import Plan, SpikingStudy

# %% [markdown]
# ## One unit
#
# With `inject=True` the inputs are currents in pA, and units are not connected: here eleven of them, each with a current
# of its own. With a hard reset to rest the rate is $1/(t_{ref} + \tau \ln \frac{RI}{RI - \Theta})$ with
# $\Theta = 15$ mV, from a current of 150 pA on.

# %%
currents = torch.linspace(100.0, 600.0, 11)
cell = nr.LIF(11, 11, tau=20.0, resistance=100.0, refractory=2.0, reset="hard", dt=0.1, inject=True)
spikes, _ = cell.rollout(currents.expand(1, 5000, 11), cell.initial(1))  # 500 ms
counted = 2 * spikes[0].sum(0)

for current, rate in zip(currents.tolist(), counted.tolist(), strict=True):
    driven = 0.1 * current  # mV
    exact = 1000 / (2.0 + 20.0 * math.log(driven / (driven - 15.0))) if driven > 15 else 0.0
    print(f"{current:4.0f} pA  {rate:5.1f} Hz  closed form {exact:5.1f}")

# %% [markdown]
# ## The task and the network
#
# Two noisy streams, one a little stronger. The network must hold the answer and give it when the fixation input ends.
# Weights are learnt as plain numbers about 1 and seen in pA; membrane and synaptic time constants differ from unit to
# unit. The output units are membranes that do not fire.

# %%
task = nr.EvidenceAccumulation(
    dt=4.0,
    coherences=(0.256, 0.512),
    noise=1.0,
    fixation=(40.0, 80.0),
    stimulus=(200.0, 400.0),
    delay=(40.0, 80.0),
    response=100.0,
)


def spiking(task: nr.AbstractTask, seed: int) -> nr.Network:
    cell = nr.LIF(
        task.n_in,
        60,
        tau=nr.Gamma(20.0, 0.577, least=4.0),
        tau_syn=nr.LogNormal(10.0, 0.5, least=4.0),
        bias=nr.Uniform(0.0, 120.0),
        wiring=nr.Dense(60, gain=0.5, seed=seed + 1),
        dt=task.dt,
        seed=seed,
    )
    noise = nr.GaussianNoise(0.3, per_sqrt_ms=True)
    return nr.Network(cell, task.n_out, readout=nr.LeakyIntegrator(30.0), noise=noise, seed=seed)


network = spiking(task, 0)
for name, weight, unit in zip(("input", "recurrent"), network.cell.weights(), ("pA", "pA"), strict=False):
    print(f"{name} weights: standard deviation {float(weight.std()):.0f} {unit}")

# %% [markdown]
# ## Training
#
# The loss is the squared error of the outputs and a term that keeps the rate of every unit between 2 and 20 Hz. The
# study trains this network and a twin with equal time constants, counts answers on new trials (also with weaker evidence
# than was trained), and records spikes.

# %%
objective = nr.Objective(
    {"error": nr.SquaredError(), "rates": nr.RatePenalty(2.0, 20.0)},
    {"rates": 1e-3},
)
plan = Plan(
    network=spiking,
    task=lambda **known: task,
    train={
        "steps": 250,
        "batch": 32,
        "learning_rate": 5e-3,
        "schedule": nr.Cosine(),
        "objective": objective,
        "validate_every": 50,
        "n_validation": 128,
    },
)
found = SpikingStudy(trials=600, recorded=32, asked=(0.0, 0.064, 0.128, 0.256, 0.512)).run(plan)
found.headline

# %% [markdown]
# Learning, and answers over the evidence: the steeper, the better; chance is a half.

# %%
nr.figures(found.parts["answers"])[0]

# %% [markdown]
# ## Spikes
#
# A recording of a spiking network has spike times in ms, one train a unit, empty ones of silent units included, so that
# everything that reads an animal's spikes reads it.

# %%
recording = found.parts["firing"].recording
print(recording)
raster, units = nr.figures(found.parts["firing"])
raster

# %%
units

# %% [markdown]
# Potentials come where they are asked for, and only then: the compiled kernels do not keep them.

# %%
loud = found.fit.record(n_trials=1, voltages=True)
v = np.asarray(loud.activity)
print(f"{v.shape[0]} samples of {v.shape[1]} units, {v.min():.0f} to {v.max():.0f} {loud.unit}")

# %% [markdown]
# ## What this does not show
#
# One seed, one small task: whether unequal time constants help is a question for many of both. And a surrogate gradient
# is a way to learn, not a claim about how the brain learns; `EProp()` is one whose credit is local to the synapse, at
# the price of what units owe to each other.
