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
# # Is the network like the brain? Several networks beside one animal
#
# One score says little. A network that has learnt nothing predicts neurons, and so does the clock. This notebook sets
# three kinds of networks beside one (simulated) rat: those that learnt to know where the rat is, those that learnt
# something else from the same inputs, and those that learnt nothing; by a mapping, by geometry, by dynamics and by the
# distributions of single units, with every null beside them. The networks are the replicates.

# %%

import neurornn as nr
from neurornn.comparison import Nulls
from neurornn.study.agreement import Recall

# %%
rat = nr.simulated_track(0, run=300_000.0, rest=30_000.0)
rat = rat.with_trials(nr.laps(rat))
task = nr.TrackIntegration.from_recording(rat, duration=3000.0, contact=0.05, contact_noise=0.1, input_noise=0.1)


def learnt(what, seed):
    cell = nr.LeakyRate(what.n_in, 40, tau=200.0, dt=what.dt, nonlinearity="relu", wiring=nr.Dense(40, seed=seed))
    network = nr.Network(cell, what.n_out, n_start=what.n_start, noise=0.1, seed=seed)
    return nr.train(network, what, steps=60, batch=16, learning_rate=5e-3, seed=seed, progress=False)


networks = {
    "trained": [learnt(task, seed) for seed in range(3)],
    "other task": [learnt(Recall(task), seed) for seed in range(3)],
}
[round(float(fit.score(n_trials=32).mean()), 1) for fit in networks["trained"]]  # mean error, % of the track

# %% [markdown]
# ## One call, one table, one figure
#
# Each metric gets the nulls that mean something for it. Moving a network in time says nothing about how it moves, so a
# metric of dynamics has its states in a random order instead. Before geometry, dynamics and distributions, networks are
# *recorded in silico*: as many units as the rat has, through Poisson spikes at its rates.

# %%
metrics = [
    nr.RidgePredictivity(penalties=(0.01, 0.1, 1.0, 10.0, 100.0), ratios=(0.1, 1.0), n_inner=3),
    nr.DebiasedCKA(),
    nr.ModeSimilarity(n_delays=2, rank=4, length=8),
]
told = {"where": nr.Moving(10.0), "nulls": Nulls(n_shifts=100, n_surrogates=1)}
found = nr.compare_all(networks, {"rat": rat}, metrics, n_untrained=3, **told)
found.summary().round(3)

# %%
nr.figures(found)[0]

# %% [markdown]
# Three networks a kind cannot give a p below 0.05, whatever they do: take five or more before anything is claimed. And
# the green reference line of such figures, how well another animal does, needs another animal.
#
# ## What a reviewer will ask
#
# The lines of the checklist that a comparison can answer by itself, and those that it cannot.

# %%
from neurornn.comparison import CHECKLIST

for key, line in CHECKLIST.items():
    print(f"{line}: {found.checklist.get(key, '-- not answered --')}")

# %% [markdown]
# ## The same network, as rates and recorded
#
# Why the in-silico recording matters: the rat below *is* one of the networks, seen through spikes.

# %%
twin = networks["trained"][0].record(rat)
spikes = nr.in_silico(twin, rat, seed=1)
for metric, measure in ((nr.DimensionSimilarity(), "dimension"), (nr.UnitSimilarity(), "pairwise")):
    for way in (False, True):
        untrained = [networks["trained"][0].untrained(9).record(rat)]
        one = nr.compare(twin, spikes, metric, in_silico=way, untrained=untrained, min_spikes=5, **told)
        value = one.of("model", measure, direction="both").item()
        print(f"{measure:10s} {'recorded in silico' if way else 'as rates':20s} {value:.2f}")

# %% [markdown]
# ## Statistics of spikes, all units at once
#
# What elephant does one pair at a time. All pairs of the rat's units, and the rate of all others around each unit's
# spikes.

# %%
pairs = nr.cross_correlograms(rat, dt=5.0, max_lag=200.0)
pairs.frame().sort_values("excess", ascending=False).head(5).round(1)

# %%
nr.population_coupling(rat, dt=5.0, sigma=20.0).frame().describe().round(2)
