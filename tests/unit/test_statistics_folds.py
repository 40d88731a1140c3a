"""Folds: every bin is tested once, and nothing near a test bin trains."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurornn.statistics.folds import blocked_folds


@settings(max_examples=25, deadline=None)
@given(n=st.integers(20, 200), n_folds=st.integers(2, 6), gap=st.floats(0, 200), seed=st.integers(0, 99))
def test_each_bin_is_tested_once_and_training_keeps_its_distance(n, n_folds, gap, seed):
    times = np.cumsum(np.random.default_rng(seed).exponential(100.0, n) + 1.0)
    folds = blocked_folds(times, n_folds, gap=min(gap, (times[-1] - times[0]) / 50))
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(n))
    for train, test in folds:
        distance = np.abs(times[train][:, None] - times[test]).min(axis=1)
        assert distance.min() > folds.gap
        assert np.array_equal(test, np.arange(test[0], test[-1] + 1))
        left = np.setdiff1d(np.arange(n), np.concatenate([train, test]))
        assert all(np.abs(times[k] - times[test]).min() <= folds.gap for k in left)


def test_a_pause_counts_towards_the_gap():
    times = np.array([0.0, 1.0, 2.0, 1000.0, 1001.0, 1002.0])
    (train, _), _ = blocked_folds(times, 2, gap=500.0)
    assert train.tolist() == [3, 4, 5]


def test_bins_at_one_time_on_both_sides_need_a_gap():
    (train, _), _ = blocked_folds(np.zeros(4), 2)
    assert train.tolist() == [2, 3]


def test_groups_stay_whole_also_inside():
    groups = np.repeat(np.arange(12), 5)
    folds = blocked_folds(np.arange(60.0), 3, gap=1.0, groups=groups)
    for k, (train, test) in enumerate(folds):
        assert not set(groups[train]) & set(groups[test])
        for inner_train, inner_test in folds.inner(k, 2):
            assert not set(groups[inner_train]) & set(groups[inner_test])
            assert not set(inner_train) & set(test)
            assert not set(inner_test) & set(test)


def test_inner_folds_never_see_the_outer_test_bins():
    folds = blocked_folds(np.arange(100.0), 5, gap=2.0)
    for k in range(len(folds)):
        train, test = folds[k]
        inner = folds.inner(k, 4)
        assert sorted(np.concatenate([t for _, t in inner])) == sorted(train)
        for inner_train, inner_test in inner:
            assert not (set(inner_train) | set(inner_test)) & set(test)
            assert np.abs(inner_train[:, None] - inner_test).min() > 2


def test_the_table_counts_every_bin():
    table = blocked_folds(np.arange(50.0), 5, gap=3.0).frame()
    assert (table[["n_train", "n_test", "n_left_out"]].sum(axis=1) == 50).all()
    assert table["n_left_out"].tolist() == [3, 6, 6, 6, 3]


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"n_folds": 1}, "blocked_folds: `n_folds` must be a whole number, 2 or above"),
        ({"n_folds": 11}, "blocked_folds: `n_folds` must be at most the number of bins, 10"),
        ({"gap": -1.0}, "blocked_folds: `gap` must be a finite number, 0 or above"),
        ({"gap": 100.0}, "blocked_folds: `gap` must be short enough to leave training bins"),
        ({"groups": np.arange(3)}, "blocked_folds: `groups` must be one label for each of 10 bins"),
        ({"groups": np.arange(10) % 2}, "blocked_folds: `groups` must be each in one piece"),
        ({"groups": np.zeros(10)}, "blocked_folds: `n_folds` must be at most the number of groups, 1"),
    ],
)
def test_what_cannot_be_split_is_refused(settings_, message):
    with pytest.raises(ValueError, match=message):
        blocked_folds(np.arange(10.0), **settings_)


def test_times_must_not_go_back():
    with pytest.raises(ValueError, match="blocked_folds: `times` must be in order; got 'a step back at bin 2'"):
        blocked_folds(np.array([0.0, 2.0, 1.0, 3.0]), 2)
