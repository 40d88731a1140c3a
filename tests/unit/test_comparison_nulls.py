"""The nulls: what each surrogate keeps and what it destroys, which metric gets which, and conditions as regressors."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter

from neurornn import Recording
from neurornn.comparison import (
    DebiasedCKA,
    DimensionSimilarity,
    ModeSimilarity,
    Nulls,
    RepresentationalSimilarity,
    RidgePredictivity,
    UnitSimilarity,
    compare,
    debiased_cka,
    phase_randomised,
    random_features,
    scrambled,
    trial_shuffled,
)
from neurornn.errors import RecordingError
from neurornn.plot import figures
from neurornn.statistics import in_silico
from neurornn.statistics.folds import blocked_folds
from tests.tolerances import FLOAT64

FEW = RidgePredictivity(penalties=(0.001, 0.1, 10.0, 1000.0), n_inner=2)


def activity(n=401, seed=0):
    rng = np.random.default_rng(seed)
    slow = lfilter([1.0], [1.0, -0.9], rng.normal(size=(n, 3)), axis=0)
    return slow @ rng.normal(size=(3, 5)) + 4.0


@pytest.mark.parametrize("n", [400, 401])
def test_random_phases_keep_spectra_and_correlations_and_lose_the_time(n):
    x = activity(n)
    found = phase_randomised(x, seed=1)
    np.testing.assert_allclose(np.cov(found.T), np.cov(x.T), rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(np.abs(np.fft.rfft(found, axis=0)), np.abs(np.fft.rfft(x, axis=0)), atol=1e-8)
    np.testing.assert_allclose(found.mean(axis=0), x.mean(axis=0), **FLOAT64)
    assert abs(debiased_cka(found, x)) < 0.2 < debiased_cka(x, x)


def test_random_features_keep_the_spectrum_in_space_and_in_time():
    x = activity()
    found = random_features(x, seed=1)
    ours, theirs = (np.sort(np.linalg.eigvalsh(np.cov(one.T))) for one in (found, x))
    np.testing.assert_allclose(ours.sum(), theirs.sum(), **FLOAT64)
    assert np.corrcoef(ours, theirs)[0, 1] > 0.9  # drawn anew, as a sample of the same spectrum
    power = [np.sum(np.abs(np.fft.rfft(one - one.mean(axis=0), axis=0)) ** 2, axis=1) for one in (found, x)]
    np.testing.assert_allclose(*power, rtol=1e-8, atol=1e-8)
    assert abs(debiased_cka(found, x)) < 0.2


def test_exchanged_trials_keep_what_trials_share():
    within = np.tile(np.arange(20.0), 6)
    trial = np.repeat(np.arange(6), 20)
    own = np.repeat(np.random.default_rng(0).normal(size=6), 20)
    found = trial_shuffled(np.stack([within, own], axis=1), trial, seed=0)
    np.testing.assert_allclose(found[:, 0], within, **FLOAT64)
    assert not np.any(np.isclose(found[:, 1], own)) and set(found[:, 1]) == set(own)
    uneven = trial_shuffled(np.arange(5.0)[:, None], np.array([0, 0, 0, 0, 1]), seed=0)
    assert uneven.ravel().tolist() == [4.0, 4.0, 4.0, 4.0, 0.0]
    with pytest.raises(ValueError, match="trial_shuffled: `trial` must be of two trials or more; got 1"):
        trial_shuffled(within[:, None], np.zeros(120, dtype=int), seed=0)


def test_scrambled_bins_are_the_same_states():
    x = activity()
    found = scrambled(x, seed=0)
    assert not np.array_equal(found, x)
    np.testing.assert_array_equal(found[np.lexsort(found.T)], x[np.lexsort(x.T)])


def test_each_metric_gets_the_nulls_that_it_can_tell_from_the_model():
    x, trial = activity(), np.repeat(np.arange(2), [200, 201])
    nulls = Nulls(n_surrogates=1)
    paired = nulls.surrogates(FEW, x, trial, seed=0)
    assert list(paired) == ["phase-randomised 0", "random features 0", "trial-shuffled 0"]
    assert list(nulls.surrogates(FEW, x, np.zeros(401, dtype=int), seed=0)) == list(paired)[:2]
    assert list(nulls.surrogates(ModeSimilarity(), x, trial, seed=0)) == ["random features 0", "scrambled 0"]
    with pytest.raises(ValueError, match="Nulls: `n_surrogates` must be a whole number"):
        Nulls(n_surrogates=0)


def choices(seed, n_trials=40, n_units=10, own=0.0):
    """A task of two choices and two contexts: units answer to both, and to something of their own in each trial."""
    task, rng = np.random.default_rng(0), np.random.default_rng(seed)
    side, context = (task.integers(0, 2, n_trials) for _ in range(2))
    starts = 1000.0 * np.arange(n_trials)
    trials = pd.DataFrame({"start": starts, "stop": starts + 1000.0, "side": side, "context": context})
    shared = np.repeat(task.normal(size=(n_trials, 3)), 20, axis=0)
    time = np.tile(np.linspace(0, 1, 20), n_trials)
    latent = np.stack([np.repeat(side, 20) * time, np.repeat(context, 20) * (1 - time), time], axis=1)
    mix = rng.normal(size=(3, n_units))
    values = latent @ mix + own * shared @ rng.normal(size=(3, n_units)) + 0.3 * rng.normal(size=(len(time), n_units))
    return Recording(0.0, 1000.0 * n_trials, activity=values, dt=50.0, trials=trials)


def judged(model, brain, metric=FEW, **told):
    nulls = Nulls(n_shifts=100, least_shift=2000.0, n_surrogates=2)
    noise = replace(model, activity=np.random.default_rng(9).normal(size=model.activity.shape))
    settings = {"untrained": [noise], "conditions": ["side", "context"], "gap": 0.0, "dt": 50.0, "nulls": nulls}
    return compare(model, brain, metric, **(settings | told))


def test_conditions_stand_in_for_behaviour_and_make_a_ceiling():
    found = judged(choices(1), choices(2))
    assert found.complete and found.reliability is not None
    assert "side x context and tenth of the trial" in found.ceiling
    median = found.scores.groupby("source")["score"].median()
    # The model knows the conditions and no more: it tells no more than they do.
    assert found.of("model", "r2").median() > 0.3
    assert found.of("behaviour", "r2").median() > found.of("model", "r2").median() - 0.05
    # Trials come round with a period, which random features keep: they tell the time in the trial a little.
    assert max(median["phase-randomised 0"], median["random features 1"]) < found.of("model", "r2").median() - 0.1
    with pytest.raises(RecordingError, match=r"compare: `conditions` must be columns.*Did you mean 'side'"):
        judged(choices(1), choices(2), conditions=["sude"])


def test_a_model_that_knows_single_trials_beats_its_own_trials_exchanged():
    found = judged(choices(1, own=1.0), choices(2, own=1.0))
    model, mixed = (found.of(source, "r2").median() for source in ("model", "trial-shuffled"))
    assert model > mixed + 0.2
    assert model > found.of("behaviour", "r2").median() + 0.2
    assert "copies with trials exchanged" in found.methods and "phase-randomised copies" in found.methods


def test_networks_of_another_task_stand_beside_the_model():
    other = choices(3)
    found = judged(choices(1), choices(2), DebiasedCKA(), beside={"other task": [other, replace(other)]})
    assert {"other task 0", "other task 1"} <= set(found.scores["source"])
    assert "2 networks trained on another task" in found.methods
    assert "other task" in found.checklist["nulls"]


def test_representations_of_conditions_are_compared():
    found = judged(choices(1), choices(2), RepresentationalSimilarity())
    assert found.of("model", "rsa", direction="both").item() > 0.6
    assert found.of("untrained", "rsa", direction="both").item() < 0.3
    assert found.checklist["split"].startswith("All analysed bins at once")


def test_a_metric_of_motion_has_no_shifts():
    found = judged(choices(1), choices(2), ModeSimilarity(n_delays=2, rank=4, length=20))
    assert len(found.shifts) == 0 and "shifted" not in set(found.scores["source"])
    assert {"scrambled 0", "random features 1", "behaviour", "time"} <= set(found.scores["source"])
    (drawn,) = figures(found)
    assert "scrambled" in drawn.alt and drawn.share < 1
    assert "circular" not in found.methods and "circular" not in found.checklist["nulls"]
    assert not found.summary().empty


def spiking(rates, seed=0, dt=100.0):
    """Poisson spikes of units at these rates, Hz, for each bin of `dt` ms."""
    rng = np.random.default_rng(seed)
    spikes = []
    for column in rates.T:
        n = rng.poisson(column * dt / 1000.0)
        spikes.append(np.sort((np.repeat(np.arange(len(n)), n) + rng.random(n.sum())) * dt))
    return Recording(0.0, len(rates) * dt, spikes=spikes)


def walk(seed, n_bins=2000, n_units=40):
    """A network of slow rates, positive."""
    rng = np.random.default_rng(seed)
    slow = lfilter([1.0], [1.0, -0.9], rng.normal(size=(n_bins, 4)), axis=0)
    values = np.exp(0.3 * slow @ rng.normal(size=(4, n_units)))
    return Recording(0.0, n_bins * 100.0, activity=values, dt=100.0)


def test_a_network_recorded_in_silico_is_matched_in_units_and_rates():
    network = walk(0)
    brain = spiking(np.full((2000, 12), 1.0) * np.linspace(2, 20, 12))
    seen = in_silico(network, brain, seed=0)
    assert seen.n_units == 12 and seen.spikes is not None and seen.source["observed_seed"] >= 0
    np.testing.assert_allclose(np.sort(seen.rates()), np.sort(brain.rates()), rtol=0.15)
    again = in_silico(network, brain, seed=0)
    np.testing.assert_array_equal(seen.spikes[0], again.spikes[0])
    assert in_silico(network, brain, seed=0, n_units=30).n_units == 30
    thinned = in_silico(spiking(np.full((2000, 20), 30.0)), brain, seed=0)
    np.testing.assert_allclose(np.sort(thinned.rates()), np.sort(brain.rates()), rtol=0.2)
    with pytest.raises(RecordingError, match="in_silico: `model` must be of 12 active units or more; got 4"):
        in_silico(walk(0, n_units=4), brain, seed=0)
    with pytest.raises(RecordingError, match="in_silico: `brain` must be of spikes"):
        in_silico(network, network, seed=0)
    with pytest.raises(ValueError, match="in_silico: `n_units` must be a whole number, 0 or above"):
        in_silico(network, brain, seed=0, n_units=-1)


def test_trap_rates_beside_spikes_look_unlike_what_they_are():
    """The same network twice, as rates and recorded: dimensions and correlations agree only once both are seen."""
    network = walk(0)
    brain = in_silico(network, spiking(np.full((2000, 25), 4.0)), seed=5)
    told = {"untrained": [walk(7)], "dt": 100.0, "gap": 0.0, "nulls": Nulls(n_surrogates=1), "min_spikes": 10}
    for metric, measure in ((DimensionSimilarity(), "dimension"), (UnitSimilarity(), "pairwise")):
        raw, matched = (compare(network, brain, metric, in_silico=way, **told) for way in (False, True))
        before, after = (one.of("model", measure, direction="both").item() for one in (raw, matched))
        assert before < after - 0.15 and after > 0.75, (measure, before, after)
        assert matched.n_model_units == 25 and "recorded in silico" in matched.methods
        assert "rates, through spikes" in matched.checklist["matched"] and "matched" not in raw.checklist
        assert matched.complete and {"scrambled 0", "untrained 0", "model"} == set(matched.scores["source"])


def test_without_spikes_only_units_are_matched():
    found = judged(choices(1, n_units=30), choices(2), DebiasedCKA())
    assert found.n_model_units == found.n_units == 10 and "matched" in found.checklist
    assert "Poisson" not in found.methods


def test_unit_statistics_are_those_of_the_units():
    counts = np.random.default_rng(0).poisson(3.0, size=(4000, 40)).astype(float)
    found = UnitSimilarity()._statistics(counts, np.arange(4000.0))
    assert abs(np.median(found["fano"]) - 1) < 0.05 and np.max(np.abs(found["coupling"])) < 0.1
    np.testing.assert_allclose(found["pairwise"], np.corrcoef(counts.T)[np.triu_indices(40, 1)], atol=1e-9)
    sampled = UnitSimilarity()._statistics(counts + 0.5, np.arange(4000.0))
    assert np.isnan(sampled["fano"]).all()
    few = UnitSimilarity().held_out(counts[:, :3], counts, blocked_folds(np.arange(4000.0), 2))
    assert np.isnan(few["timescale"]).all()
    with pytest.raises(ValueError, match="UnitSimilarity: `least` must be a whole number, 2 or above"):
        UnitSimilarity(least=1)
