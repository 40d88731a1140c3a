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
# # Which synapses does a network need?
#
# Three answers that need no training and no task. First a linear network of clusters, in which noise finds the synapses
# that its slow modes rest on. Then an untrained spiking network, pruned by noise and Lyapunov exponents. Last, what
# either does to the spectrum. `neurornn check noise_prune_clusters` does the first with 600 units and five seeds.

# %%
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import neurornn as nr
from neurornn.pruning import Exponents, spectrum_of
from neurornn.study import ClusterStudy, Plan, PrunedBeside

# %% [markdown]
# ## Clusters joined by few bridges
#
# A synapse is kept with a probability in proportion to $|w_{ij}|\,(C_{ii} + C_{jj} - 2C_{ij})$: to its weight, and to how
# differently noise moves the two units that it joins. Units in one cluster move together; those at the two ends of a
# bridge do not. So bridges stay, and with them the slow modes. By weight alone, or evenly, they go like all others.

# %%
study = ClusterStudy(sizes=(160, 40, 40), bridges=0.02, densities=(0.5, 0.3), draws=2)
found = study.run(Plan(network=lambda task, seed: None, task=lambda: None, train={}, seed=0))
assert found.quantities["weight_over_noise_50"] > 1.5
found.headline

# %%
nr.figures(found.parts["modes"])[0]

# %% [markdown]
# ## An untrained spiking network
#
# 60 leaky integrate-and-fire units with unequal time constants. Lyapunov noise pruning draws synapses, drops the units of
# least betweenness, mends what was cut off, and chooses time constants anew. The wiring is sparse from the start: where
# all are neighbours of all, exponents of neighbourhoods are alike and say nothing.

# %%
cell = nr.LIF(2, 60, tau=nr.Gamma(20.0, 0.5, least=2.0), wiring=nr.Sparse(nr.Dense(60, seed=1), density=0.3, seed=1))
network = nr.Network(cell, 1)
pruned = nr.prune(network, nr.LyapunovNoisePruning(evaluations=10, steps=50), density=0.4, seed=1)
assert abs(pruned.density - 0.4) < 0.05 and pruned.network.n_units == 48
pruned.frame()

# %%
pruned.steps.round(4)

# %%
nr.figures(pruned)[0]

# %% [markdown]
# What was cut stays cut, whatever training does: the wiring is `Masked`. Densities with and without inputs and readout
# differ, so both are told.

# %%
print(type(pruned.network.cell.wiring).__name__, round(pruned.density, 3), round(pruned.density_whole, 3))

# %% [markdown]
# ## Spectra before and after
#
# The exact exponents of leaky integrate-and-fire potentials are $-1/\tau_i$, whatever the weights: comparing those says
# nothing of what was cut. So the step `retime` compares spectra through the surrogate of training, averaged over eight
# trials of noise, and moves the time constants to where the spectra lie near; a largest exponent above the one before costs most.
# So the distance may grow, and the largest exponent may stay above: ten candidates are few.

# %%
told = pruned.steps.set_index("quantity")["value"]
told[[name for name in told.index if "spectra" in name or "exponent" in name or "time constant" in name]].round(5)

# %%
print(spectrum_of(network, Exponents.LEAKS, torch.zeros(1, 1, 2)).label)

# %% [markdown]
# Rate networks have spectra that do depend on their weights: below the largest exponents of a random network of gain 1.5,
# and of what four methods leave of it at 30 %.

# %%
wiring = nr.Dense(40, gain=1.5, seed=3)
rate = nr.Network(nr.LeakyRate(1, 40, tau=50.0, dt=10.0, nonlinearity="tanh", wiring=wiring), 1)
methods = {
    "random": nr.RandomPruning(),
    "random, radius restored": nr.RandomPruning(rescale="radius"),
    "magnitude": nr.MagnitudePruning(),
    "noise, capped": nr.NoisePruning(),
}


def largest(network: nr.Network) -> np.ndarray:
    return nr.lyapunov(network, n_exponents=4, steps=200, transient=100, align=50, progress=False).exponents


dense = largest(rate)
rows = {"dense": [1.0, dense[0], 0.0]}
for name, method in methods.items():
    one = nr.prune(rate, method, density=0.3, seed=2)
    spectrum = largest(one.network)
    rows[name] = [one.density, spectrum[0], nr.spectrum_distance(spectrum, dense)]
pd.DataFrame(rows, index=["density", "largest exponent (1/ms)", "distance from dense (1/ms)"]).T.round(4)

# %% [markdown]
# One network and one draw: an illustration, not a comparison. Those are in `fits/`.

# %% [markdown]
# ## Beside a brain
#
# Does what is left tell a brain's neurons better or worse? `neurornn check pruning_brain` prunes a network that learnt to
# track position on a rat's track and never saw a neuron, and one each of whose units is one of the rat's neurons. Scores
# are held out; the black lines are the dense networks, the thin ones nulls. This is its card.

# %%
card = Path("../fits/pruning_brain/card.json")
beside = PrunedBeside.from_card(card) if card.exists() else None
nr.figures(beside)[0] if beside else None

# %%
apart = beside.against("random") if beside else pd.DataFrame(columns=["asked"])
apart[apart["asked"] == 0.2].round(3)

# %% [markdown]
# ## When it cannot be
#
# A refusal says what is wrong in one sentence.

# %%
try:
    nr.prune(rate, nr.RandomPruning(), density=30)
except ValueError as refusal:
    print(refusal)
