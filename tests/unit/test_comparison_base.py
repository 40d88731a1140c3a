"""Compare: what it computes, what it counts, what it refuses."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from neurornn import Recording, Signal
from neurornn.comparison import (
    CHECKLIST,
    DebiasedCKA,
    Moving,
    Nulls,
    PoissonPredictivity,
    RidgePredictivity,
    compare,
)
from neurornn.errors import RecordingError

DT = 250.0
LAP = 8_000.0


def track(n_laps=30):
    """Laps of a track of 100 cm, to and fro, as trials with pauses between them."""
    starts = np.arange(n_laps) * (LAP + 2_000.0)
    trials = pd.DataFrame({"start": starts, "stop": starts + LAP})
    times = np.arange(0.0, n_laps * (LAP + 2_000.0), 50.0)
    lap, within = np.divmod(times, LAP + 2_000.0)
    run = np.clip(within / LAP, 0, 1)
    place = 100 * np.where(lap % 2 == 0, run, 1 - run)
    return trials, Signal(times, place[:, None], "cm"), times, place


def session(n_units=8, *, seed=0, n_laps=30, counts=True, gain=1.0):
    """A recording whose units have a field on the track; the last unit is nearly silent."""
    rng = np.random.default_rng(seed)
    trials, signal, times, place = track(n_laps)
    centres = np.linspace(5, 95, n_units)
    rate = 0.5 + 15 * gain * np.exp(-0.5 * ((place[:, None] - centres) / 12) ** 2)
    stop = float(times[-1] + 50.0)
    if not counts:
        values = rate + rng.normal(size=rate.shape)
        return Recording(0.0, stop, activity=values, dt=50.0, trials=trials, behaviour={"linear": signal})
    rate[:, -1] = 0.02
    spikes = []
    for column in rate.T:
        n = rng.poisson(column * 0.05)
        spikes.append(np.sort(np.repeat(times, n) + rng.uniform(0, 50.0, n.sum())))
    return Recording(0.0, stop, spikes=spikes, trials=trials, behaviour={"linear": signal})


def noise(seed, n_laps=30, n_units=10):
    """An untrained network: activity that knows nothing."""
    base = session(counts=False, n_laps=n_laps)
    values = np.random.default_rng(seed).normal(size=(len(base.activity), n_units))
    return replace(base, activity=values, units=pd.DataFrame())


class Model:
    """A fit, as far as a comparison asks: it records and can be made anew."""

    def __init__(self, trained=True, seed=0):
        self.trained, self.seed, self.asked = trained, seed, []

    def record(self, brain=None, *, seed=0):
        return session(counts=False, n_units=12) if self.trained else noise(self.seed)

    def untrained(self, seed):
        self.asked.append(seed)
        return Model(False, seed)


FEW = RidgePredictivity(penalties=(0.001, 0.1, 10.0, 1000.0), ratios=(0.1, 1.0, 10.0), n_inner=2)


def quick(model, brain, metric=FEW, *, nulls=None, **settings):
    """A comparison with few penalties and the fewest shifts."""
    return compare(model, brain, metric, nulls=nulls or Nulls(n_shifts=100, n_surrogates=2), **settings)


@pytest.fixture(scope="module")
def brain():
    return session()


@pytest.fixture(scope="module")
def found(brain):
    return quick(Model(), brain, n_untrained=3, seed=4)


def test_a_model_that_knows_the_place_beats_every_null_but_behaviour(found):
    table = found.summary()
    ours = table[(table["direction"] == "model to brain") & (table["measure"] == "bits_per_spike")].set_index("source")
    assert ours.loc["model", "median"] > 0.3
    for null in ("untrained", "time", "shifted"):
        assert ours.loc[null, "median"] < 0.5 * ours.loc["model", "median"], null
        assert ours.loc[null, "p"] < 0.05, null
    assert ours.loc["behaviour", "median"] > 0.8 * ours.loc["model", "median"]
    assert ours.loc["model", "low"] <= ours.loc["model", "median"] <= ours.loc["model", "high"]
    assert np.isnan(ours.loc["model", "p"])


def test_every_null_is_there_in_both_directions(found):
    assert found.complete and found.missing == ()
    there = found.scores[found.scores["direction"] == "model to brain"]["source"].unique()
    expected = {"model", "untrained 0", "untrained 1", "untrained 2", "behaviour", "time", "shifted"}
    surrogates = {f"{name} {k}" for name in ("phase-randomised", "trial-shuffled", "random features") for k in (0, 1)}
    assert set(there) == expected | surrogates | {"behaviour+model", "repeat 0", "repeat 1"}
    back = found.scores[found.scores["direction"] == "brain to model"]
    assert set(back["source"].unique()) == expected
    assert set(back["measure"]) == {"r2", "r"}  # sampled activity has no likelihood
    assert len(found.shifts) == 100 * (3 + 2) and found.shifts["shift"].min() >= 20_000.0


def test_units_with_few_spikes_are_set_aside_and_counted(found):
    assert (found.n_units, found.n_units_total) == (7, 8)
    assert found.units["why_not"].tolist() == [""] * 7 + ["fewer than 50 spikes"]
    assert np.isnan(found.units["n_effective"].iloc[-1])
    assert 0 < found.n_effective < found.n_bins
    assert "7 of 8 units (with at least 50 spikes" in found.methods


def test_the_ceiling_stands_beside_the_maps(found):
    reliable = found.units.loc[found.units["kept"], "reliability"]
    assert reliable.min() > 0.8
    score, raw = found.of("model", "map_r2_of_ceiling"), found.of("model", "map_r2")
    np.testing.assert_allclose(score, raw / reliable)
    assert "jackknife" in found.ceiling and found.reliability.n_repeats == 30


def test_folds_hold_out_whole_laps_with_a_measured_gap(found):
    assert found.folds.groups is not None and found.gap > DT
    assert "three autocorrelation times" in found.methods and "whole trials" in found.methods


def test_the_same_seed_gives_the_same_numbers(brain, found):
    again = quick(Model(), brain, n_untrained=3, seed=4)
    pd.testing.assert_frame_equal(found.frame(), again.frame())


def test_untrained_networks_are_made_from_seeds_of_their_own(brain):
    model = Model()
    told = []
    quick(model, brain, n_untrained=2, seed=7, progress=lambda what, done, total: told.append((what, done, total)))
    assert model.asked == [8, 9]
    assert told[-1][0] == "done" and told[-1][1] == told[-1][2] == len(told) - 1


def test_a_bare_recording_is_incomplete_until_untrained_ones_are_given(brain):
    bare = quick(session(counts=False), brain)
    assert not bare.complete and "untrained" in bare.missing[0] and "incomplete" in repr(bare)
    assert quick(session(counts=False), brain, untrained=[noise(1)]).complete


def test_a_recording_without_behaviour_is_incomplete(brain):
    found = quick(session(counts=False), replace(brain, behaviour={}), untrained=[noise(1)])
    assert found.missing == ("behaviour: the recording has no behaviour, and no conditions were named",)
    assert found.ceiling.startswith("No ceiling") and found.reliability is None


def test_the_median_in_words(found):
    text = str(found)
    assert "Comparison(7 of 8 units" in text and "bits_per_spike" in text and "complete" in text


def test_the_checklist_holds_what_is_known_and_leaves_the_rest_open(brain, found):
    lines = found.checklist
    assert set(CHECKLIST) - set(lines) == {"families", "generalisation", "manifest"}
    assert "5 folds of whole trials" in lines["split"] and "penalty" in lines["choices"]
    assert lines["units"].startswith("7 of 8 units; threshold: at least 50 spikes")
    assert "3 untrained" in lines["seeds"] and "100 circular shifts" in lines["nulls"]
    bare = quick(session(counts=False), replace(brain, behaviour={})).checklist
    assert set(lines) - set(bare) == {"ceiling", "nulls"}


def test_of_takes_one_initialisation_or_all(found):
    each = [found.of(f"untrained {k}", "r2") for k in range(3)]
    np.testing.assert_allclose(found.of("untrained", "r2"), np.mean(each, axis=0))
    with pytest.raises(
        KeyError, match=r"Comparison.of: `source` must be a source with this measure.*Did you mean 'model'"
    ):
        found.of("modle", "r2")


def test_a_metric_of_whole_populations(brain):
    found = quick(Model(), brain, DebiasedCKA(), n_untrained=2)
    table = found.summary().set_index("source")
    assert set(table["direction"]) == {"both"} and set(found.scores["unit"]) == {"all"}
    assert table.loc["model", "median"] > table.loc["shifted", "high"] and table.loc["shifted", "p"] < 0.05


def test_a_metric_of_counts_goes_one_way_to_sampled_activity(brain):
    metric = PoissonPredictivity(n_components=4, penalties=(0.1,), n_inner=2)
    found = quick(session(counts=False), brain, metric)
    assert set(found.scores["direction"]) == {"model to brain"}
    assert "no counts" in found.methods


def test_only_the_bins_asked_for(brain):
    keep = np.zeros(len(brain.binned(DT).times), dtype=bool)
    keep[:700] = True
    found = quick(session(counts=False), brain, where=keep)
    assert found.n_bins <= 700
    slow = quick(session(counts=False), brain, where=Moving(1.0))
    assert slow.n_bins <= len(keep)


def test_trained_on_the_brain_itself_it_is_perfect(brain):
    found = quick(brain, brain, untrained=[session(seed=5, gain=0.0)])
    assert found.of("model", "r2").min() > 0.99
    back = found.scores[found.scores["direction"] == "brain to model"]
    assert "bits_per_spike" in set(back["measure"])  # a model that spikes has a likelihood too


def test_an_untrained_network_of_another_kind_is_refused(brain):
    with pytest.raises(
        RecordingError, match="compare: `untrained 0` must be spikes, as the model is; got 'sampled activity'"
    ):
        quick(brain, brain, untrained=[noise(0)])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dt": -1.0}, "compare: `dt` must be a finite number above 0"),
        ({"n_untrained": 0}, "compare: `n_untrained` must be a whole number"),
        ({"min_spikes": 0}, "compare: `min_spikes` must be a whole number"),
        (
            {"min_spikes": 10**6},
            "compare: `brain` must be a recording with units to compare; got '8 fewer than 1000000 spikes'",
        ),
        ({"behaviour": ("linaer",)}, "compare: `behaviour` must be names of signals.*Did you mean 'linear'"),
        ({"where": np.ones(3, dtype=bool)}, "compare: `where` must be one value for each of 960 bins"),
        (
            {"where": lambda brain, dt: np.zeros(960, dtype=bool)},
            "compare: `model` must be recorded where the brain is; got 'no bin in common'",
        ),
        ({"gap": 1e7}, "blocked_folds: `gap` must be short enough.*Take a smaller gap"),
        ({"nulls": Nulls(least_shift=1e6)}, "Nulls: `least_shift` must be at most half of the analysed time"),
        ({"untrained": [noise(0, n_laps=20)]}, "compare: `untrained 0` must be on the brain's clock, with its trials"),
    ],
)
def test_what_cannot_be_compared_is_refused(brain, settings, message):
    with pytest.raises(ValueError, match=message):
        quick(session(counts=False), brain, **settings)


def test_a_model_on_another_clock_is_refused(brain):
    with pytest.raises(RecordingError, match="compare: `model` must be on the brain's clock, with its trials"):
        quick(session(counts=False, n_laps=20), brain)


def test_a_dead_model_is_refused(brain):
    model = session(counts=False)
    with pytest.raises(RecordingError, match="compare: `model` must be active; got 'no unit that varies'"):
        quick(replace(model, activity=np.zeros_like(model.activity)), brain)


def test_an_untrained_recording_with_holes_is_refused(brain):
    hole = noise(0)
    activity = hole.activity.copy()
    activity[:100] = np.nan
    with pytest.raises(RecordingError, match="compare: `untrained 0` must be recorded in every bin"):
        quick(session(counts=False), brain, untrained=[replace(hole, activity=activity)])


def test_units_recorded_for_a_part_are_set_aside(brain):
    units = pd.DataFrame({"t_stop": [brain.t_stop] * 7 + [brain.t_stop / 2]})
    spikes = [s[s < stop] for s, stop in zip(brain.spikes, units["t_stop"], strict=True)]
    found = quick(session(counts=False), replace(brain, spikes=spikes, units=units))
    assert found.units["why_not"].iloc[-1] == "not recorded throughout"


def test_fewer_shifts_than_a_hundred_are_refused():
    with pytest.raises(ValueError, match="Nulls: `n_shifts` must be a whole number, 100 or above"):
        Nulls(n_shifts=50)
    with pytest.raises(ValueError, match="Nulls: `least_shift` must be"):
        Nulls(least_shift=0.0)
