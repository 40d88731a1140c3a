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
# # What a stimulus makes a neuron do: models, their scores, and their ceilings
#
# A grasshopper hears a sound, and one of its receptor neurons fires. We ask how much of its firing a model can predict
# on seconds that the model has not seen: a linear filter, a filter that also knows the neuron's own last spikes, and a
# recurrent network. Then we turn to a simulated retina, whose truth is known, and ask what a score is worth.
#
# `neurornn fit grasshopper_receptor` and `neurornn fit retina_subunits` do this at full care; here every step is small.

# %%
import numpy as np
import pandas as pd

import neurornn as nr
from neurornn.bridge import SimulatedRetina
from neurornn.study.encoding import Decibels
from neurornn.study.lags import lag_report
from neurornn.study.retina import RetinaFits

receptor = nr.load_recording("grasshopper_receptor")
receptor

# %% [markdown]
# ## One clock for sound and spikes
#
# An `Evoked` is a stimulus and counts in the same bins. The sound's envelope is taken in dB. Before any model, we look
# whether the two clocks agree: spikes should follow the sound, and nothing should follow the spikes.

# %%
evoked = nr.Evoked.from_recording(receptor, "envelope", dt=1.0, transform=Decibels())
evoked

# %%
nr.figures(lag_report(evoked, most=50))[0]

# %% [markdown]
# ## Three models, one function
#
# The last fifth of the recording is held out; a stretch before it tells when to stop. Bins are never shuffled: windows
# of the past overlap, so that a shuffled test would be trained on.

# %%
split = nr.contiguous_split(evoked, gap=50)
front = nr.TemporalConv(1, channels=(8,), kernels=(30,), noise=0.1)
network = nr.StimulusNetwork(front, 1, cell=nr.GRU(9, 16, dt=1.0), past=20)
models = {"LNP": nr.GLM(1, (1,), lags=30), "GLM": nr.GLM(1, (1,), lags=30, past=20), "network": network}
fits = {
    name: nr.fit_encoding(model, evoked, split, epochs=40, batch=9, learning_rate=1e-2, progress=False)
    for name, model in models.items()
}
scores = {name: fit.score(free=20) for name, fit in fits.items()}
columns = ["bits_per_spike", "free_bits_per_spike", "deviance_r2", "mcfadden_r2", "cc"]
pd.concat({name: score.frame().reindex(columns=columns) for name, score in scores.items()}).round(2)

# %% [markdown]
# `bits_per_spike` is the gain over the neuron's mean rate in the training bins. The models with a history were told the
# neuron's real last spikes (*teacher-forced*); `free_bits_per_spike` is what is left when they hear only their own.
# **The two pseudo-R2 are of the same predictions**: say which one you report.
#
# This sound was played once. So there is no ceiling, and the table says so instead of inventing one:

# %%
scores["network"].ceiling.note

# %%
nr.figures(fits["GLM"])[0]

# %% [markdown]
# The filter looks 6 ms back, and a spike forbids the next one for some ms. That makes the neuron more regular than
# chance. Do the models fire as regularly by themselves?

# %%
from neurornn.fit import as_recording

trains = {"recording": evoked.counts[:, split.test], **{n: f.simulate(repeats=20) for n, f in fits.items()}}
pd.concat({name: nr.spike_trains(as_recording(counts, 1.0), window=100.0).frame() for name, counts in trains.items()})[
    ["rate", "cv", "fano"]
].round(2)

# %% [markdown]
# A Poisson neuron has a CV and a Fano factor near 1. The model that knows nothing of its own spikes is one; the others
# are not.

# %% [markdown]
# ## A retina whose truth is known
#
# Simulated ganglion cells pool three rectified subunits each. A short movie is shown ten times, so that we know how
# reliable they are: `cc_max` is the best correlation with the mean response that any model could have, and `cc_norm`
# what a model reaches of it.

# %%
retina = SimulatedRetina(shape=(8, 8), n_units=3, subunits=3, lags=12, threshold=1.0, rate=20.0, width=0.8, spread=1.8)
session = retina.session(train=240_000.0, test=20_000.0, repeats=10)
session.train, session.test

# %%
halves = nr.contiguous_split(session.train, test=0.0, gap=12)
ln = nr.LinearNonlinear(3, (8, 8), lags=12, rank=2)
cnn = nr.StimulusNetwork(nr.SpatialConv((8, 8), lags=12, channels=(8, 8), kernels=(5, 3), noise=0.05), 3)
found = {
    "ln": nr.fit_encoding(ln, session.train, halves, epochs=6, batch=8, length=500, learning_rate=0.03, progress=False),
    "cnn": nr.fit_encoding(
        cnn, session.train, halves, epochs=25, batch=1, length=500, learning_rate=5e-3, patience=4, progress=False
    ),
}
rows = np.arange(session.test.n_bins)
judged = {name: fit.score(session.test, rows) for name, fit in found.items()}
told = RetinaFits(found, judged, session.test_truth[12:])
told.summary().round(2)

# %%
pictures = nr.figures(told)
pictures[0]

# %%
pictures[1]

# %% [markdown]
# `truth_cc` is the correlation with the rate that the spikes were drawn from, which no experiment knows. `cc_norm`
# comes close to it from the repeats alone; `cc`, which is what is often reported, does not: it is held down by the noise
# of the mean over ten repeats.
#
# **What this does not show.** A model that predicts well need not work as the retina does: `neurornn fit
# retina_adaptation` trains a network with recurrence inside its maps and one without, and asks which of them adapts to
# contrast.
