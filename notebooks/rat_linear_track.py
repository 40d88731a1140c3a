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
# # A network that knows where it is, beside a rat that knows where it is
#
# A rat runs back and forth on a linear track while 31 units of its hippocampus are recorded. Then it rests.
# We train a recurrent network to do one thing only: to keep track of a position on that track from how it moves.
# It never sees a neuron. Then we ask in what it is like the rat's hippocampus, and in what it is not.
#
# The command `neurornn fit rat_linear_track` does all of this at full care; here every step is small, so that the
# notebook runs in a minute, and in plain words.

# %%
import numpy as np

import neurornn as nr

brain = nr.load_recording("rat_linear_track")
brain

# %% [markdown]
# ## The recording
#
# One clock, units with spikes, and what happened beside them. All times are ms, all rates Hz. The position was filmed
# (pixels); `linear` is the place along the track, and it is NaN where the rat was not on it: **NaN means not
# recorded, 0 means silent**.

# %%
brain.frame().head()

# %%
brain.epochs

# %% [markdown]
# The runs from one end to the other are our trials. The last ten are held out: the network will not learn from how
# the rat moved in them.

# %%
runs = brain.with_trials(nr.laps(brain, margin=2000.0))
training = list(range(len(runs.trials) - 10))
runs.trials.head()

# %% [markdown]
# ## What a reviewer asks first: is the reader right?
#
# With 250 ms bins in which the rat moved, five contiguous folds and rates by place and direction, an independent
# implementation found about 1.08 bits/spike for the population, and a median decoding error of about 6 % of the track.

# %%
place = nr.PlaceBins(min_speed=20.0)
print(f"{nr.encode(runs, place).population:.2f} bits/spike, held out")
decoding = nr.decode(runs, place)
print(
    f"median error {100 * decoding.median / decoding.track:.1f} % of the track, p = {decoding.p:.3f} against shuffles"
)

# %% [markdown]
# ## The task, with the rat's own way of moving
#
# `TrackIntegration` draws trajectories with the rat's speeds, rests and pauses (of the training runs alone). The network
# sees its velocity and heading, and whether it touches an end; it is told where it starts, and must say where it is.

# %%
task = nr.TrackIntegration.from_recording(
    runs, trials=training, code=nr.PlaceCode(32, width=0.06, total=4.0), contact=0.05, input_noise=0.1
)
task.sample(4, generator=nr.generator(0))

# %%
cell = nr.LeakyRate(task.n_in, 64, tau=200.0, dt=task.dt)
network = nr.Network(cell, task.n_out, n_start=task.n_start, noise=0.1)
fit = nr.train(
    network,
    task,
    steps=150,
    learning_rate=5e-3,
    schedule=nr.OneCycle(),
    validate_every=50,
    n_validation=64,
    progress=False,
)
nr.figures(fit)[0]

# %% [markdown]
# ## The network on the rat's own runs
#
# The same network is driven through what the rat did, and recorded on the rat's clock. From here on nothing asks whether
# a recording came from an animal or a network.

# %%
model = fit.record(runs)
model

# %%
ours = nr.spatial_profile(model, place, n_shifts=100).frame()
theirs = nr.spatial_profile(runs, place, n_shifts=100).frame()
for name, table in (("rat", theirs), ("network", ours)):
    tuned = np.mean(table["information_p"] < 0.05)
    print(f"{name}: {tuned:.0%} of units place-tuned, median {table['bits_per_spike'].median():.2f} bits/spike")

# %% [markdown]
# ## Does it predict the neurons?
#
# Ridge regression from the network's units to each neuron, on held-out blocks of time with a gap. A number alone says
# nothing: beside it stand an untrained network, the rat's behaviour, the time, and the model shifted against the brain.
# Read the bars from the left. If *behaviour* is as high as *model*, the network says nothing about the neurons that the
# position itself does not say.

# %%
found = nr.compare(fit, runs, where=nr.Moving(20.0), n_untrained=1)
found.summary().query("measure == 'r' and direction == 'model to brain'").round(3)

# %%
nr.figures(found)[0]

# %% [markdown]
# ## A lesion
#
# The units whose activity position explains best are silenced, on the same trials and with the same noise as the intact
# run. The null is not one random draw but 199 sets of other units, matched in rate and outgoing weights.

# %%
best = ours["position_r2"].sort_values(ascending=False).index[:6]
hurt = nr.lesion(fit, units=best.tolist(), controls=199, trials=16, draws=3)
nr.figures(hurt)[0]

# %% [markdown]
# ## Without input
#
# A network that tracks with noise learns to undo noise. Left alone, with its noise a little stronger, that same drift
# makes it wander among the states it knows. Where does it go, and in which directions of its activity?

# %%
quiet = nr.reactivate(fit, trials=40, steps=400)
nr.figures(quiet)[0]

# %% [markdown]
# ## One page for all of it

# %%
page = nr.report(fit, compare=found, lesion=hurt, reactivation=quiet)
print(f"{len(page.html) / 1e6:.1f} MB; page.save('report.html') writes it")
