"""The nulls: what each surrogate keeps and what it destroys, which metric gets which, and conditions as regressors."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter

from neurornn import Recording
from neurornn.comparison import (
    DebiasedCKA,
    ModeSimilarity,
    Nulls,
    RepresentationalSimilarity,
    RidgePredictivity,
    compare,
    debiased_cka,
    phase_randomised,
    random_features,
    scrambled,
    trial_shuffled,
)
from neurornn.errors import RecordingError
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
    found = judged(choices(1), choices(2), DebiasedCKA(), other_task=[other, replace(other)])
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
    assert "circular" not in found.methods and "circular" not in found.checklist["nulls"]
    assert not found.summary().empty
