"""Ceilings inside a comparison, models with trials of their own, and contexts that were held out whole."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from neurornn import Recording
from neurornn.comparison import DebiasedCKA, ModeSimilarity, Nulls, RidgePredictivity, compare, compare_all
from neurornn.comparison.repeat import other_trials
from neurornn.errors import RecordingError
from neurornn.plot import figures
from neurornn.statistics import decode_conditions
from neurornn.statistics.folds import held_out_groups

FEW = RidgePredictivity(penalties=(0.001, 0.1, 10.0, 1000.0), ratios=(1.0,), n_inner=2)
NULLS = Nulls(n_shifts=100, least_shift=2000.0, n_surrogates=2)
MIX = np.random.default_rng(77).normal(size=(3, 12))


def choices(seed, n_trials=48, noise=1.0, n_units=12, length=1000.0, mixed=False):
    """Trials of two sides in two contexts; units follow both, and noise of their own trial by trial."""
    rng = np.random.default_rng(seed)
    side, context = rng.permutation(np.arange(n_trials) % 2), np.arange(n_trials) // 2 % 2
    starts = length * np.arange(n_trials)
    trials = pd.DataFrame({"start": starts, "stop": starts + length, "side": side, "context": context})
    n = int(length / 50)
    time = np.tile((np.arange(n) + 0.5) / n, n_trials)
    sign = np.repeat((2 * side - 1) * (np.where(context == 1, -1, 1) if mixed else 1), n)
    latent = np.stack([sign * time, np.repeat(context, n) * (1 - time), time], axis=1)
    mix = MIX if n_units == 12 else np.random.default_rng(seed).normal(size=(3, n_units))
    values = latent @ mix + noise * rng.normal(size=(len(time), n_units))
    return Recording(0.0, length * n_trials, activity=values, dt=50.0, trials=trials)


def judged(model, brain, metric=FEW, **told):
    still = replace(model, activity=np.random.default_rng(9).normal(size=model.activity.shape))
    settings = {"untrained": [still], "conditions": ["side", "context"], "gap": 0.0, "dt": 100.0, "nulls": NULLS}
    return compare(model, brain, metric, **(settings | told))


@pytest.fixture(scope="module")
def apart():
    """A network without noise that ran other trials, longer and in another order, than the animal."""
    return judged(choices(5, n_trials=20, noise=0.0, length=2000.0), choices(1))


def test_a_model_of_other_trials_is_compared_by_conditions_with_its_ceiling(apart):
    assert apart.complete and "other trials than the animal's" in apart.methods
    table = apart.summary()
    ours = table[table["direction"] == "model to brain"].set_index(["measure", "source"])["median"]
    # It knows the conditions and nothing else: of what repeats can tell, all; of single trials, as much as they do.
    assert ours["map_cc_norm", "model"] > 0.95 and ours["map_r2_of_ceiling", "model"] > 0.9
    assert ours["map_cc_norm", "untrained"] < ours["map_cc_norm", "model"] - 0.3
    assert ours["r", "model"] > ours["r", "repeat"] > ours["r", "shifted"] + 0.1
    assert abs(ours["r", "model"] - ours["r", "behaviour"]) < 0.05
    assert "map_cc_norm" in apart.checklist["ceiling"] and "Repeat: the same animal" in apart.ceiling
    assert "repeat" not in apart.checklist["nulls"] and np.isnan(table.set_index("source").loc["repeat", "p"]).all()
    assert "10.3389/fncom.2016.00010" in apart.references
    (drawn,) = figures(apart)
    assert "repeat" in drawn.alt


def test_every_family_has_the_repeats_as_its_ceiling():
    model, brain = choices(5, n_trials=20, noise=0.3, length=2000.0), choices(1, noise=0.3)
    for metric in (DebiasedCKA(), ModeSimilarity(n_delays=2, rank=3, length=20)):
        found = judged(model, brain, metric)
        value = {source: found.of(source, metric.headline, direction="both").item() for source in ("model", "repeat")}
        assert value["repeat"] > 0.7 and found.checklist["ceiling"].startswith("Repeat"), metric.name
        assert "map_" not in found.ceiling  # what a map has does not concern it
    assert value["model"] > 0.6


def test_the_normalised_correlation_does_not_depend_on_the_noise():
    model = choices(5, n_trials=20, noise=0.0)
    cc, raw = [], []
    for noise in (0.3, 2.0):
        found = judged(model, choices(1, noise=noise))
        cc.append(found.of("model", "map_cc_norm").median())
        raw.append(found.of("model", "r").median())
    assert raw[0] - raw[1] > 0.3
    assert np.ptp(cc) < 0.1 and min(cc) > 0.9


def test_animals_with_trials_of_their_own_are_each_others_ceiling():
    brains = {"a": choices(1, n_trials=32), "b": choices(2, n_trials=24, length=1500.0)}

    class Net:
        def record(self, brain=None, *, seed=0):
            return choices(3, n_trials=len(brain.trials), length=float(brain.trials["stop"][0]))

        def untrained(self, seed):
            return Still()

    class Still(Net):
        def record(self, brain=None, *, seed=0):
            one = super().record(brain)
            return replace(one, activity=np.random.default_rng(seed).normal(size=one.activity.shape))

    told = {"conditions": ["side", "context"], "dt": 100.0, "gap": 0.0, "nulls": NULLS}
    found = compare_all({"trained": [Net()]}, brains, [FEW], n_untrained=1, **told)
    assert {"animal", "repeat"} <= set(found.scores["kind"]) and found.value("animal", "r") > 0.2
    assert "From animal to animal: 1 others" in found.checklist["ceiling"]
    rows = found.summary().set_index("kind")
    assert rows.loc["repeat", "n_networks"] == 0 and np.isnan(rows.loc["repeat", "p"])


def test_what_holds_in_another_context_is_told_to_the_reviewer():
    alike, mixed = (
        judged(choices(3, noise=0.2), choices(3, noise=0.2, mixed=m, n_units=9), across=["context"])
        for m in (False, True)
    )
    assert len(alike.folds) == 2 and "all trials of one value of context" in alike.split
    assert alike.of("model", "r").median() > 0.5 > mixed.of("model", "r").median()
    line = alike.checklist["generalisation"]
    assert line.startswith("Maps were learnt in all values of context but one") and "(2 values): r 0." in line
    assert "generalisation" not in judged(choices(3), choices(4)).checklist
    for k, (train, test) in enumerate(alike.folds):
        context = alike.folds.groups[test] // 2 % 2
        assert set(context) == {k} and set(alike.folds.groups[train] // 2 % 2) == {1 - k}


def test_decoding_across_contexts_is_told_to_the_reviewer_and_drawn():
    found = decode_conditions(choices(3, noise=0.5), "side", across="context", n_draws=3)
    assert found.checklist["generalisation"].startswith("Decoding side: learnt in all context but one")
    (drawn,) = figures(found)
    assert "another context" in drawn.alt and "labels exchanged" in drawn.alt
    plain = decode_conditions(choices(3, noise=0.5), "side", n_draws=1)
    assert "generalisation" not in plain.checklist and "another" not in figures(plain)[0].alt


def test_groups_that_come_in_pieces_are_held_out_whole_with_a_gap():
    times, context = np.arange(12.0), np.repeat([0, 1, 0, 1], 3)
    folds = held_out_groups(times, context, trial=np.repeat(np.arange(4), 3), gap=1.0)
    assert [(train.tolist(), test.tolist()) for train, test in folds] == [
        ([4, 10, 11], [0, 1, 2, 6, 7, 8]),
        ([0, 1, 7], [3, 4, 5, 9, 10, 11]),
    ]
    with pytest.raises(ValueError, match="held_out_groups: `gap` must be short enough to leave training bins"):
        held_out_groups(times, context, trial=context, gap=9.0)


def test_a_trial_is_repeated_by_one_of_the_same_condition():
    labels, trial = np.tile([0, 1, 2, 5, 6, 7], 4), np.repeat(np.arange(8), 3)
    rows = other_trials(labels, trial, seed=0)
    np.testing.assert_array_equal(labels[rows], labels)
    assert not np.any(trial[rows] == trial) and np.all(np.diff(trial[rows].reshape(8, 3), axis=1) == 0)
    lonely = other_trials(np.array([0, 1, 9, 9]), np.array([0, 0, 1, 1]), seed=0)  # no label is shared: as far
    assert lonely.tolist() == [2, 3, 0, 1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"across": ["contxt"]}, r"compare: `across` must be columns of the brain's trials.*Did you mean 'context'"),
        ({"across": ["stop"], "gap": 1e9}, "held_out_groups: `gap` must be short enough"),
        ({"metric": DebiasedCKA(), "across": ["side"]}, "compare: `across` must be absent where nothing is learnt"),
        ({"across": ["one"]}, "compare: `across` must be columns with two values or more"),
    ],
)
def test_contexts_that_cannot_be_held_out_are_refused(settings, message):
    brain = choices(1)
    brain = replace(brain, trials=brain.trials.assign(one=1))
    with pytest.raises((ValueError, RecordingError), match=message):
        judged(choices(2), brain, **settings)


def test_other_trials_without_conditions_in_common_are_refused():
    model, brain = choices(5, n_trials=20), choices(1)
    with pytest.raises(RecordingError, match=r"compare: `model` must be on the brain's clock.* name `conditions` that"):
        judged(model, brain, conditions=[])
    bare = replace(model, trials=model.trials.drop(columns="side"))
    with pytest.raises(RecordingError, match=r"compare: `model` must be on the brain's clock.*without side"):
        judged(bare, brain)
    other = replace(model, trials=model.trials.assign(side=7))
    with pytest.raises(RecordingError, match="compare: `model` must be of conditions that the brain has; got"):
        judged(other, brain)
