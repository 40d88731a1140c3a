"""Several networks with several recordings: one table, what replicates, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import permutation_test

from neurornn import Recording
from neurornn.comparison import (
    CHECKLIST,
    DebiasedCKA,
    ModeSimilarity,
    Nulls,
    RidgePredictivity,
    compare_all,
    hierarchical_bootstrap,
    holm,
    regrouping_p,
    sign_flip_p,
)
from neurornn.errors import RecordingError
from neurornn.plot import figures

N_BINS, DT = 800, 100.0
TRIALS = pd.DataFrame({"start": 2000.0 * np.arange(40), "stop": 2000.0 * np.arange(1, 41), "side": np.arange(40) % 2})
DRIVE = np.random.default_rng(0).normal(size=(N_BINS, 6)) + (np.arange(N_BINS) // 20 % 2)[:, None]
DRIVE = np.apply_along_axis(lambda x: np.convolve(x, np.ones(4) / 2, mode="same"), 0, DRIVE)


def activity(seed, share=1.0, n_units=12):
    """Units that follow the drive, and noise of their own."""
    rng = np.random.default_rng(seed)
    values = share * DRIVE @ rng.normal(size=(6, n_units)) + rng.normal(size=(N_BINS, n_units))
    return Recording(0.0, N_BINS * DT, activity=values, dt=DT, trials=TRIALS)


class Net:
    """A fit, as far as a comparison asks."""

    def __init__(self, seed, share):
        self.seed, self.share = seed, share

    def record(self, brain=None, *, seed=0):
        return activity(self.seed, self.share)

    def untrained(self, seed):
        return Net(1000 + seed, 0.0)


METRICS = [
    RidgePredictivity(penalties=(0.01, 1.0, 100.0), ratios=(1.0,), n_inner=2),
    DebiasedCKA(),
    ModeSimilarity(n_delays=2, rank=4, length=20),
]
TOLD = {
    "conditions": ["side"],
    "dt": DT,
    "gap": 0.0,
    "nulls": Nulls(n_shifts=100, least_shift=5000.0, n_surrogates=1),
}


@pytest.fixture(scope="module")
def found():
    networks = {"trained": [Net(k, 1.0) for k in range(3)], "other task": [Net(20 + k, 0.3) for k in range(3)]}
    brains = {"rat A": activity(100, n_units=8), "rat B": activity(101, n_units=9)}
    return compare_all(networks, brains, METRICS, n_untrained=3, **TOLD)


def test_one_table_holds_every_network_brain_metric_and_null(found):
    table = found.frame()
    assert set(table["brain"]) == {"rat A", "rat B"} and found.n_networks == 3
    assert set(table["family"]) == {"mapping", "geometry", "dynamics"}
    ridge = table[(table["metric"] == "RidgePredictivity") & (table["measure"] == "r")]
    networks = ridge.groupby("kind")["network"].nunique()
    assert networks[["trained", "other task", "untrained"]].tolist() == [3, 3, 3]
    assert networks[["shifted", "phase-randomised", "random features", "behaviour+model"]].tolist() == [3, 3, 3, 3]
    assert networks[["behaviour", "time", "animal"]].tolist() == [1, 1, 1]
    assert not table.duplicated(["metric", "measure", "brain", "kind", "network", "unit"]).any()
    assert found.complete and len(found.each) == 2 * 3 * 3


def test_the_summary_says_what_replicates_and_corrects_for_how_often_it_asked(found):
    rows = found.summary()
    ridge = rows[rows["metric"] == "RidgePredictivity"].set_index("kind")
    assert ridge.loc["trained", "value"] > ridge.loc["other task", "value"] > ridge.loc["untrained", "value"]
    assert ridge.loc["untrained", "p"] == pytest.approx(0.05)  # three and three: no less is possible
    assert ridge.loc["time", "p"] == pytest.approx(1 / 8) and ridge.loc["shifted", "p"] < 0.02
    assert ridge.loc["animal", "value"] > 0.3 and ridge.loc["animal", "n_networks"] == 0
    assert np.isnan(ridge.loc["trained", "p"])
    assert (ridge["low"] <= ridge["value"]).all() and (ridge["value"] <= ridge["high"]).all()
    untrained = rows[rows["kind"] == "untrained"]
    assert untrained["p_holm"].tolist() == pytest.approx([0.15] * 3)  # three metrics are three chances
    assert rows.loc[rows["kind"].isin(["trained", "animal"]), "p"].isna().all()
    assert "3 networks, 2 animals" in found.level and "hierarchical" in found.methods
    np.testing.assert_allclose(found.value("trained", "r"), ridge.loc["trained", "value"])


def test_the_checklist_of_three_families(found):
    lines = found.checklist
    assert set(CHECKLIST) - set(lines) == {"generalisation", "manifest"}
    assert "dynamics" in lines["families"] and lines["seeds"].startswith(
        "3 networks of the claim; 3 untrained, 3 other"
    )
    assert "animals" in lines["interval"]
    alone = compare_all({"trained": [Net(0, 1.0)]}, {"a": activity(100)}, METRICS[1:2], n_untrained=1, **TOLD)
    assert "families" not in alone.checklist and "one animal" in alone.level
    assert "animal" not in set(alone.scores["kind"])


def test_several_comparisons_are_one_figure(found):
    (drawn,) = figures(found)
    assert "Ridge predictivity" in drawn.alt and "trained" in drawn.alt and "untrained" in drawn.caption


def test_without_its_nulls_nothing_is_drawn():
    bare = compare_all({"trained": [activity(0)]}, {"a": activity(100)}, METRICS[1:2], **TOLD)
    assert not bare.complete and "incomplete" in repr(bare)
    with pytest.raises(ValueError, match="figures: `comparisons` must be complete, with all its nulls"):
        figures(bare)
    with pytest.raises(ValueError, match="figures: `comparison` must be complete, with all its nulls"):
        figures(next(iter(bare.each.values())))


def test_the_untrained_may_be_recordings():
    networks = {"trained": [activity(0), activity(1)], "untrained": [activity(5, 0.0), activity(6, 0.0)]}
    told = []
    found = compare_all(
        networks, {"a": activity(100)}, METRICS[1:2], progress=lambda what, done, total: told.append(what), **TOLD
    )
    assert found.complete and found.scores.groupby("kind")["network"].nunique()["untrained"] == 2
    assert told[0].startswith("a, DebiasedCKA, network 0: model")
    with pytest.raises(KeyError, match=r"Comparisons: `kind` must be one with this measure.*Did you mean 'trained'"):
        found.tables("traned", "cka")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"networks": {}}, "compare_all: `networks` must be one or more of every kind"),
        ({"networks": {"trained": []}}, "compare_all: `networks` must be one or more of every kind"),
        ({"networks": {"untrained": [Net(0, 0.0)]}}, "compare_all: `networks` must be with the claim first"),
        ({"brains": {}}, "compare_all: `brains` must be one recording or more"),
        ({"metrics": []}, "compare_all: `metrics` must be one or more, each of its own kind"),
        ({"metrics": [DebiasedCKA(), DebiasedCKA()]}, "compare_all: `metrics` must be one or more, each of its own"),
        ({"n_untrained": 0}, "compare_all: `n_untrained` must be a whole number"),
        ({"networks": {"trained": [activity(0)]}}, "compare_all: `networks` must be fits, where there are several"),
    ],
)
def test_what_cannot_be_compared_is_refused(change, message):
    asked = {"networks": {"trained": [Net(0, 1.0)]}, "brains": {"a": activity(100), "b": activity(101)}}
    with pytest.raises((ValueError, RecordingError), match=message):
        compare_all(**({**asked, "metrics": METRICS[1:2]} | change))


def test_pseudo_replication_makes_intervals_too_narrow():
    """Units of an animal share its offset: an interval over units alone covers the truth far too seldom."""
    rng = np.random.default_rng(0)
    inside = np.zeros(2)
    for k in range(60):
        animals = rng.normal(size=8)
        tables = [rng.normal(offset, 0.5, size=(1, 50)) for offset in animals]
        whole = hierarchical_bootstrap(tables, seed=k, n_draws=300)
        pooled = hierarchical_bootstrap([np.concatenate(tables, axis=1)], seed=k, n_draws=300)
        inside += [whole.low < 0 < whole.high, pooled.low < 0 < pooled.high]
    assert inside[0] / 60 > 0.8 and inside[1] / 60 < 0.5


def test_the_bootstrap_of_one_thing_has_no_interval():
    assert np.isnan(hierarchical_bootstrap([np.array([[0.3]])], seed=0).low)
    assert np.isnan(hierarchical_bootstrap([np.array([[np.nan]])], seed=0).median)
    with pytest.raises(ValueError, match="hierarchical_bootstrap: `n_draws` must be a whole number"):
        hierarchical_bootstrap([np.ones((2, 2))], seed=0, n_draws=0)
    with pytest.raises(ValueError, match=r"hierarchical_bootstrap: `level` must be a number in \[0, 1\]"):
        hierarchical_bootstrap([np.ones((2, 2))], seed=0, level=2.0)


def test_regrouping_is_scipys():
    rng = np.random.default_rng(0)
    for _ in range(3):
        a, b = rng.normal(0.5, 1, size=5), rng.normal(size=4)
        theirs = permutation_test((a, b), lambda x, y: x.mean() - y.mean(), alternative="greater", n_resamples=np.inf)
        assert regrouping_p(a, b, seed=0) == pytest.approx(float(theirs.pvalue))
    assert np.isnan(regrouping_p(a[:0], b, seed=0))
    many = regrouping_p(rng.normal(1.0, 1.0, 30), rng.normal(0.0, 1.0, 30), seed=0)
    assert 0 < many < 0.01


def test_signs_are_scipys():
    rng = np.random.default_rng(1)
    difference = rng.normal(0.4, 1, size=8)
    theirs = permutation_test(
        (difference,), np.mean, permutation_type="samples", alternative="greater", n_resamples=np.inf
    )
    assert sign_flip_p(difference, seed=0) == pytest.approx(float(theirs.pvalue))
    assert sign_flip_p(np.ones(3), seed=0) == pytest.approx(1 / 8) and np.isnan(sign_flip_p(np.array([]), seed=0))
    assert sign_flip_p(np.ones(40), seed=0) < 1e-3


def test_one_network_has_a_p_too():
    """One change of places, or one sign, is all that there is to try."""
    assert regrouping_p(np.array([5.0]), np.array([1.0, 2.0, 3.0]), seed=0) == 0.25
    assert regrouping_p(np.array([4.0, 5.0, 6.0]), np.array([1.0]), seed=0) == 0.25
    assert regrouping_p(np.array([2.0]), np.array([1.0]), seed=0) == 0.5
    assert regrouping_p(np.array([1.0]), np.array([2.0, 3.0]), seed=0) == 1.0
    assert sign_flip_p(np.array([0.2]), seed=0) == 0.5 and sign_flip_p(np.array([-0.2]), seed=0) == 1.0
    alone = compare_all({"trained": [Net(0, 1.0)]}, {"a": activity(100)}, METRICS[1:2], n_untrained=1, **TOLD)
    rows = alone.summary().set_index("kind")
    assert rows.loc["untrained", "p"] == rows.loc["time", "p"] == 0.5


def test_holm_leaves_what_is_not_known():
    p = np.array([0.01, np.nan, 0.02, 0.9])
    np.testing.assert_allclose(holm(p), [0.03, np.nan, 0.04, 0.9])
    assert holm(np.array([np.nan])).shape == (1,)
