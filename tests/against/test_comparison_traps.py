"""Traps of comparisons, each with the number that a careless analysis gives, and what stands beside it here."""

import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, cross_val_predict

from neurornn import Recording
from neurornn.comparison import (
    DimensionSimilarity,
    Nulls,
    RidgePredictivity,
    compare,
    compare_all,
    decorrelation_lag,
    n_independent,
)
from neurornn.statistics.folds import blocked_folds

METRIC = RidgePredictivity(penalties=tuple(np.logspace(-4, 2, 7)), ratios=(1.0,), n_inner=3)

QUICK = RidgePredictivity(penalties=(1e-3, 0.1, 10.0), ratios=(1.0,), n_inner=2)


def walks(rng, n, n_units, tau):
    keep = np.exp(-1 / tau)
    burnt = lfilter([1.0], [1.0, -keep], rng.normal(size=(n + 5 * int(tau), n_units)), axis=0)
    return burnt[-n:]


def medians(values):
    return float(np.median(values))


def test_trap_slow_signals_agree_by_chance_and_the_effective_number_says_so():
    """tau = 100 of 1000 bins: independent walks, 0.96 by shuffled folds, far from 0 by blocks too; 10 samples tell."""
    shuffled, blocked, effective, p = [], [], [], []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        x, y = walks(rng, 1000, 128, 100.0), walks(rng, 1000, 12, 100.0)
        mixed = cross_val_predict(Ridge(alpha=1.0), x, y, cv=KFold(5, shuffle=True, random_state=0))
        shuffled += [np.corrcoef(mixed[:, k], y[:, k])[0, 1] for k in range(12)]
        folds = blocked_folds(np.arange(1000.0), 4, gap=50.0)
        blocked.append(medians(METRIC.held_out(x, y, folds)["r"]))
        effective += n_independent(y, np.arange(1000.0), dt=1.0).tolist()
        assert float(np.median(decorrelation_lag(y, np.arange(1000.0), dt=1.0))) > 30
        if seed > 1:
            continue
        brain, model = (Recording(0.0, 1e5, activity=one, dt=100.0) for one in (y, x[:, :16]))
        nulls = Nulls(n_shifts=100, least_shift=10_000.0, n_surrogates=1)
        still = Recording(0.0, 1e5, activity=walks(rng, 1000, 16, 100.0), dt=100.0)
        found = compare(model, brain, QUICK, dt=100.0, n_folds=4, gap=5000.0, nulls=nulls, untrained=[still])
        table = found.summary().set_index(["direction", "measure", "source"])
        p.append(table.loc[("model to brain", "r", "shifted"), "p"])
        assert found.n_effective < 40 and "independent bins of 1000" in found.checklist["effective"]
    assert medians(shuffled) > 0.9
    assert np.max(np.abs(blocked)) > 0.1  # blocks alone do not make it vanish: ten samples are too few
    assert medians(effective) < 20  # of 1000
    assert min(p) > 0.05  # and shifts, as slow themselves, do as well


def test_trap_more_features_win_without_knowing_more():
    """A model of more units that carry the same latents scores higher in sample, and no higher held out."""
    rng = np.random.default_rng(0)
    latent = walks(rng, 800, 4, 3.0)
    y = latent @ rng.normal(size=(4, 15)) + 3.0 * rng.normal(size=(800, 15))
    few, many = (
        np.concatenate([latent, rng.normal(size=(800, n))], axis=1) @ rng.normal(size=(n + 4, n + 4)) for n in (4, 400)
    )
    inside = [Ridge(alpha=1e-3).fit(x, y).score(x, y) for x in (few, many)]
    folds = blocked_folds(np.arange(800.0), 5, gap=10.0)
    outside = [medians(METRIC.held_out(x, y, folds)["r2"]) for x in (few, many)]
    assert inside[1] > inside[0] + 0.2
    assert outside[1] < outside[0]  # more to choose from is more to get wrong
    matched = [many[:, np.random.default_rng(k).choice(404, 8, replace=False)] for k in range(5)]
    at_equal_number = [medians(METRIC.held_out(x, y, folds)["r2"]) for x in matched]
    assert max(at_equal_number) < outside[0] + 0.02


def test_trap_a_larger_network_is_recorded_with_as_many_units():
    """Geometry and distributions see as many units of either network as the brain has; mappings beside as many."""
    rng = np.random.default_rng(1)
    y = walks(rng, 600, 10, 2.0)
    big = Recording(0.0, 6e4, activity=walks(rng, 600, 300, 2.0), dt=100.0)
    small = Recording(0.0, 6e4, activity=np.asarray(big.activity)[:, :10], dt=100.0)
    told = {"dt": 100.0, "gap": 1000.0, "untrained": [big]}
    brain = Recording(0.0, 6e4, activity=y, dt=100.0)
    nulls = Nulls(n_surrogates=1)
    raw, seen = (
        compare(big, brain, DimensionSimilarity(), in_silico=way, nulls=nulls, **told) for way in (False, True)
    )
    alike = compare(small, brain, DimensionSimilarity(), nulls=nulls, **(told | {"untrained": [small]}))
    of = [one.of("model", "dimension", direction="both").item() for one in (raw, seen, alike)]
    assert seen.n_model_units == 10 and of[0] < 0.2 and abs(of[1] - of[2]) < 0.15


class Lucky:
    """A network whose agreement with the brain is drawn, not learnt: training changed nothing."""

    def __init__(self, seed, drive):
        self.seed, self.drive = seed, drive

    def record(self, brain=None, *, seed=0):
        rng = np.random.default_rng(self.seed)
        share = abs(rng.normal(0.4, 0.25))
        values = share * self.drive @ rng.normal(size=(3, 8)) + rng.normal(size=(len(self.drive), 8))
        return Recording(0.0, 100.0 * len(self.drive), activity=values, dt=100.0)

    def untrained(self, seed):
        return Lucky(10_000 + seed, self.drive)


@pytest.fixture(scope="module")
def lottery():
    rng = np.random.default_rng(3)
    drive = walks(rng, 600, 3, 3.0)
    y = drive @ rng.normal(size=(3, 10)) + rng.normal(size=(600, 10))
    brain = Recording(0.0, 6e4, activity=y, dt=100.0)
    nulls = Nulls(n_shifts=100, least_shift=5000.0, n_surrogates=1)
    return compare_all(
        {"trained": [Lucky(k, drive) for k in range(8)]},
        {"a": brain},
        [METRIC],
        n_untrained=8,
        dt=100.0,
        gap=1000.0,
        nulls=nulls,
    )


def test_trap_the_best_of_several_seeds_beats_networks_like_itself(lottery):
    ours, theirs = (lottery.by_network(kind, "r") for kind in ("trained", "untrained"))
    assert ours.max() > theirs.mean() + 0.2  # the best seed looks like a finding
    rows = lottery.summary().set_index("kind")
    assert rows.loc["untrained", "p"] > 0.05  # all of the seeds say that it is none
    assert rows.loc["trained", "value"] == pytest.approx(ours.mean())
    low, high = rows.loc["trained", ["low", "high"]]
    assert low < theirs.mean() < high < ours.max() + 0.1
    assert lottery.checklist["seeds"].startswith("8 networks of the claim; 8 untrained")


def test_every_seed_is_in_the_table_and_none_can_be_left_out(lottery):
    table = pd.DataFrame(lottery.frame())
    trained = table[(table["kind"] == "trained") & (table["measure"] == "r")]
    assert trained.groupby("network")["unit"].nunique().tolist() == [10] * 8
