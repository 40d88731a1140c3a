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
# # To brian2, and back
#
# [brian2](https://doi.org/10.7554/eLife.47314) is where many spiking models live: equations with units, synapses,
# plasticity. It does not train. Here a spiking network is trained, leaves for brian2 as equations, and comes back: every
# spike must fall in the same step, or the export means nothing. Then the other way: a network that was born in brian2
# becomes a `Recording`, and nothing that analyses it asks where it came from.
#
# The command `neurornn check brian2_parity` does the first part with five networks of 200 units of every cell, over 2 s,
# on all three of brian2's targets.

# %%
import logging

import brian2
import numpy as np
import torch

import neurornn as nr

logging.getLogger("py.warnings").setLevel("ERROR")  # brian2 would tell of deprecations in what it is made of
brian2.prefs.codegen.target = "numpy"  # no compiler needed; "cython" and "cpp_standalone" run faster

# %% [markdown]
# ## Train
#
# Sixty-four integrate-and-fire units with membranes of 20 ms accumulate noisy evidence. All times are ms, all potentials
# mV, all currents pA. Sixty steps of training are enough to see it learn, not to master it.

# %%
task = nr.EvidenceAccumulation(
    dt=2.0, fixation=(50.0, 50.0), stimulus=(150.0, 250.0), delay=(20.0, 40.0), response=60.0
)
cell = nr.LIF(task.n_in, 64, tau=nr.Gamma(20.0, 0.3, least=8.0), tau_syn=4.0, reset="hard", refractory=2.0, dt=task.dt)
network = nr.Network(cell, task.heads, readout=nr.LeakyIntegrator(20.0))
fit = nr.train(network, task, steps=60, batch=32, learning_rate=5e-3, progress=False)
{"before": fit.history["loss"].iloc[:5].mean(), "after": fit.history["loss"].iloc[-5:].mean()}

# %% [markdown]
# ## Leave
#
# `to_brian2` writes the network down in brian2's words. The constants are parameters of each neuron, with units; the
# inputs become one `TimedArray`.

# %%
trained = fit.network.double()  # in float64, so that nothing but rounding can differ
trials = task.sample(8, generator=nr.generator(1))
model = nr.to_brian2(trained, inputs=trials.inputs[0])
print(model.equations)

# %% [markdown]
# ## Come back
#
# Eight trials, here and there: spikes that fell in another step (none), and how far potentials are apart.

# %%
result = nr.parity([trained] * 8, list(trials.inputs.double()))
result.frame()[["cell", "target", "steps", "spikes", "mismatches", "trace_error"]]

# %%
nr.figures(result)[0]

# %% [markdown]
# What comes back is a `Recording`: it can be measured, compared, saved, or handed to neo and elephant.

# %%
there = model.run()
nr.spike_trains(there, window=50.0).frame().describe().loc[["mean", "min", "max"], ["n_spikes", "rate", "cv"]]

# %% [markdown]
# ## A finer step
#
# brian2 can take the same equations in steps of a tenth. The membranes are integrated exactly, but a spike waits for the
# end of its step and is felt in the next: the step is a delay, and a recurrent network trained with one of 2 ms is
# another network with one of 0.2 ms. Train in the step that you mean to use.

# %%
fine = model.run(dt=task.dt / 10, record=False)
{"spikes in steps of 2 ms": sum(map(len, there.spikes)), "of 0.2 ms": sum(map(len, fine.spikes))}

# %% [markdown]
# ## The objects themselves
#
# `build` gives brian2's own objects, to go on with in brian2: here the trained network with a current into one unit that
# training never saw.

# %%
built = model.build(record=[0])
built["neurons"].v_rest[0] = -45 * brian2.mV  # above its threshold: unit 0 now fires on its own
built["network"].run(200 * brian2.ms)
nr.from_brian2(*built["monitors"]).frame()["n_spikes"].iloc[:3].to_dict()

# %% [markdown]
# ## Born in brian2
#
# Any run of brian2 comes in by its monitors. This is the current-based benchmark network
# ([Brette et al. 2007](https://doi.org/10.1007/s10827-007-0038-6)) at a quarter of its size: four of five neurons excite,
# nothing comes from outside, and it keeps firing. (At the published size `neurornn check balanced_cuba` asks whether it
# is asynchronous and irregular; a small one is less so.)

# %%
balanced = nr.simulated_cuba(0, n_units=1000, duration=1000.0, target="numpy")
balanced

# %%
state = nr.balanced_state(balanced, min_spikes=5)  # a second is short: by default a CV needs 20 spikes
state.frame()

# %%
nr.figures(state)[0]

# %% [markdown]
# What was said, checked:

# %%
assert result.frame()["mismatches"].sum() == 0
assert result.frame()["spikes"].sum() > 100
assert result.frame()["trace_error"].max() < 1e-6
assert abs(state.quantities()["correlation_shifted"]) < 0.01
assert np.isfinite(state.quantities()["cv"]) and torch.is_tensor(trials.inputs)
