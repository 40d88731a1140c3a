"""What every metric must do, whichever it is: add it to METRICS and it is tested."""

import itertools

import numpy as np
import pytest
import torch
from scipy.signal import lfilter
from scipy.stats import ortho_group

from neurornn import Map
from neurornn.comparison import (
    FAMILIES,
    CanonicalCorrelation,
    DebiasedCKA,
    DimensionSimilarity,
    FixedPointTopology,
    ModeSimilarity,
    PLSPredictivity,
    PoissonPredictivity,
    ProcrustesSimilarity,
    RepresentationalSimilarity,
    RidgePredictivity,
    UnitSimilarity,
    shifted_scores,
)
from neurornn.dynamics import Search
from neurornn.statistics.folds import blocked_folds
from tests.tolerances import FLOAT64

METRICS = [
    pytest.param(RidgePredictivity(), "r", id="ridge"),
    pytest.param(PoissonPredictivity(n_components=8, penalties=(1e-3, 0.03, 0.3, 3.0)), "r", id="poisson"),
    pytest.param(PLSPredictivity(n_components=8), "r", id="pls"),
    pytest.param(DebiasedCKA(), "cka", id="cka"),
    pytest.param(CanonicalCorrelation(), "cca", id="svcca"),
    pytest.param(CanonicalCorrelation(variance=1.0), "cca", id="cca"),
    pytest.param(ProcrustesSimilarity(), "procrustes", id="procrustes"),
    pytest.param(RepresentationalSimilarity(), "rsa", id="rsa"),
    pytest.param(RepresentationalSimilarity(whiten=False), "rsa_rank", id="rsa-rank"),
    pytest.param(UnitSimilarity(), "timescale", id="units"),
    pytest.param(DimensionSimilarity(), "dimension", id="dimension"),
    pytest.param(ModeSimilarity(n_delays=1, rank=6, length=50), "modes", id="modes"),
]
N = 600
DT = 100.0
LABELS = np.arange(N) // 10 % 5
"""Five conditions that come round every 50 bins; they lie apart in every set of walks."""


def walks(seed, n_units, tau=5.0):
    """AR(1) activity with a correlation time of `tau` bins, around a mean in each condition."""
    rng = np.random.default_rng(seed)
    keep = np.exp(-1 / tau)
    drift = np.sqrt(1 - keep**2) * lfilter([1.0], [1.0, -keep], rng.normal(size=(N, n_units)), axis=0)
    return drift + 0.4 * rng.normal(size=(5, n_units))[LABELS]


def pair(metric, x, seed=0):
    """Activity and a target of it that this metric can score: the activity itself, or counts at high rates."""
    if not metric.counts_only:
        return x, None
    return np.random.default_rng(seed).poisson(np.exp(0.4 * x + 6.0)).astype(float), DT


@pytest.fixture
def folds():
    return blocked_folds(np.arange(N) * DT, 4, gap=15 * DT)


def scored(metric, measure, x, y, folds, dt=None):
    return metric.held_out(x, y, folds, dt=dt, labels=LABELS)[measure]


@pytest.mark.parametrize(("metric", "measure"), METRICS)
def test_a_rotated_copy_scores_one(metric, measure, folds):
    """Rotated as a population; a metric of single units is held to their order alone."""
    x = walks(0, 6)
    y, dt = pair(metric, x)
    turned = x[:, ::-1] if metric.of_units else x @ ortho_group.rvs(6, random_state=1)
    assert np.all(scored(metric, measure, turned, y, folds, dt) > 0.97)


@pytest.mark.parametrize(("metric", "measure"), METRICS)
def test_a_noisy_copy_scores_high_and_less_than_a_clean_one(metric, measure, folds):
    x = walks(0, 6)
    y, dt = pair(metric, x)
    noisy = x + 0.7 * np.random.default_rng(5).normal(size=x.shape)
    clean, less = (np.median(scored(metric, measure, one, y, folds, dt)) for one in (x, noisy))
    assert less < clean and (less > 0.5 or metric.of_units)  # few units differ by large steps


@pytest.mark.parametrize(("metric", "measure"), METRICS)
def test_independent_activity_scores_about_nothing(metric, measure, folds):
    if not metric.paired:
        pytest.skip("independent activity may move alike")
    y, dt = pair(metric, walks(1, 6))
    scores = [np.median(scored(metric, measure, walks(50 + k, 6), y, folds, dt)) for k in range(12)]
    assert abs(np.mean(scores)) < 0.12


@pytest.mark.parametrize(("metric", "measure"), METRICS)
def test_bins_in_another_order_score_no_better_than_the_shifts(metric, measure, folds):
    x = walks(0, 6)
    y, dt = pair(metric, x)
    order = np.random.default_rng(3).permutation(N)
    itself, mixed = (np.median(scored(metric, measure, one, y, folds, dt)) for one in (x, x[order]))
    if not metric.paired:
        moved = scored(metric, measure, np.roll(x, 100, axis=0), y, folds, dt)
        assert abs(np.median(moved) - itself) < (0.2 if metric.of_units else 0.05)  # six units: steps of a sixth
        assert mixed == pytest.approx(itself) if measure == "dimension" else mixed < itself - 0.3
        return
    assert mixed < 0.3
    null = shifted_scores(metric, x, y, folds, np.array([160, 310, 460]), dt=dt, labels=LABELS)[measure]
    assert null.shape[0] == 3 and np.median(null) < 0.4 < itself


@pytest.mark.parametrize(("metric", "measure"), METRICS)
def test_the_order_of_units_does_not_matter(metric, measure, folds):
    x = walks(0, 6) + 0.5 * walks(9, 6)
    y, dt = pair(metric, walks(0, 6))
    swap = np.array([3, 1, 5, 0, 2, 4])
    once = scored(metric, measure, x, y, folds, dt)
    again = scored(metric, measure, x[:, swap], y[:, swap], folds, dt)
    np.testing.assert_allclose(again, once[swap] if metric.columnwise else once, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("metric", "measure"), METRICS)
def test_the_scale_of_all_units_does_not_matter(metric, measure, folds):
    x = walks(0, 6) + 0.5 * walks(9, 6)
    y, dt = pair(metric, walks(0, 6))
    once, again = (scored(metric, measure, scale * x + 2.0, y, folds, dt) for scale in (1.0, 50.0))
    np.testing.assert_allclose(again, once, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("metric", "measure"), METRICS)
def test_symmetric_where_claimed(metric, measure, folds):
    if not metric.symmetric:
        pytest.skip("not claimed to be symmetric")
    x, y = walks(0, 8), walks(0, 8)[:, :6] + 0.5 * walks(4, 6)
    there, back = scored(metric, measure, x, y, folds), scored(metric, measure, y, x, folds)
    np.testing.assert_allclose(there, back, **FLOAT64)


@pytest.mark.parametrize(("metric", "measure"), METRICS)
def test_columns_are_scored_on_their_own_where_claimed(metric, measure, folds):
    x = walks(0, 6)
    y, dt = pair(metric, walks(0, 6) + walks(8, 6))
    whole = scored(metric, measure, x, y, folds, dt)
    assert whole.shape == ((6,) if metric.columnwise else (1,))
    if metric.columnwise:
        alone = scored(metric, measure, x, y[:, 2:3].copy(), folds, dt)
        np.testing.assert_allclose(alone, whole[2:3], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("metric", "measure"), METRICS)
def test_it_says_what_it_does(metric, measure, folds):
    assert metric.sentence().endswith(".") and metric.choices().endswith(".") and metric.family in FAMILIES
    assert metric.references and measure in metric.measures
    y, dt = pair(metric, walks(0, 6))
    assert set(metric.held_out(walks(0, 6), y, folds, dt=dt, labels=LABELS)) <= set(metric.measures)


TOPOLOGY = FixedPointTopology(search=Search(n_seeds=240, adam_steps=300))
VISITED = torch.as_tensor(np.random.default_rng(0).normal(size=(60, 4)))
SYSTEMS = {
    # gains of four tanh units that do not touch each other, turned into another frame: 3^k points for k above 1
    "one point": [0.5, 0.5, 0.5, 0.5],
    "one bit": [2.0, 0.5, 0.5, 0.5],
    "one slow bit": [1.2, 0.5, 0.5, 0.5],
    "two bits": [2.0, 2.0, 0.5, 0.5],
    "two uneven bits": [3.0, 1.5, 0.5, 0.5],
}


def system(gains, frame=None, seed=0):
    """A memory of bits seen from a frame of its own, and where its states lie there: the same paths in every frame."""
    turn = torch.as_tensor(ortho_group.rvs(4, random_state=seed)) if frame is None else torch.as_tensor(frame)
    gain = torch.tensor(gains, dtype=torch.float64)
    step = Map(lambda x: torch.tanh(gain * (x @ turn)) @ turn.T, 4, dt=10.0, bounded=True)
    return TOPOLOGY.fit(step, VISITED @ turn.T)


@pytest.fixture(scope="module")
def memories():
    return {name: system(gains, seed=k) for k, (name, gains) in enumerate(SYSTEMS.items())}


@pytest.mark.parametrize("frame", ["permuted", "turned"])
@pytest.mark.parametrize("name", list(SYSTEMS))
def test_fixed_points_are_the_same_in_another_frame(memories, name, frame):
    swap = np.eye(4)[[2, 0, 3, 1]] if frame == "permuted" else None
    found = TOPOLOGY.score(memories[name], system(SYSTEMS[name], frame=swap, seed=11))
    for measure in TOPOLOGY.measures:
        assert found[measure] == pytest.approx(1.0, abs=1e-6), measure


def test_fixed_points_of_another_number_kind_or_pace_are_told_apart(memories):
    def score(one, other):
        return TOPOLOGY.score(memories[one], memories[other])

    bit, slow, none, two = "one bit", "one slow bit", "one point", "two bits"
    assert score(bit, none)["topology"] < 0.2 and score(bit, none)["arrangement"] < 0.5
    assert score(bit, two)["topology"] < 0.5 and score(two, none)["topology"] <= score(bit, none)["topology"]
    paced = score(bit, slow)
    assert paced["topology"] == 1.0  # the same graph: as many, of the same kinds, joined alike
    assert paced["arrangement"] < 0.95 and paced["time_constants"] < 0.7  # but elsewhere, and slower


def test_fixed_points_of_two_bits_are_joined_as_the_edges_of_a_square(memories):
    two = memories["two bits"]
    assert sorted(two.kinds) == [(0, 0)] * 4 + [(0, 1)] * 4 + [(0, 2)]
    saddles = [sorted(int(rest) for s, rest in two.edges if s == saddle) for saddle in np.unique(two.edges[:, 0])]
    around = {tuple(ends) for ends in saddles}
    assert len(two.edges) == 8 and len(around) == 4 and all(a != b for a, b in around)
    assert all(sum(rest in ends for ends in around) == 2 for rest in np.unique(two.edges[:, 1]))  # a cycle of four


def test_one_less_the_topology_is_a_distance(memories):
    names = list(SYSTEMS)
    far = {(a, b): 1 - TOPOLOGY.score(memories[a], memories[b])["topology"] for a in names for b in names}
    for a, b, c in itertools.product(names, repeat=3):
        assert far[a, b] == far[b, a] and far[a, a] == 0.0 <= far[a, b] <= 1.0
        assert far[a, c] <= far[a, b] + far[b, c] + 1e-12
    there, back = (TOPOLOGY.score(memories[a], memories[b]) for a, b in (names[1:3], names[2:0:-1]))
    for measure in TOPOLOGY.measures:
        assert there[measure] == pytest.approx(back[measure], abs=1e-9)


def test_where_points_lie_is_read_from_the_same_paths_only(memories):
    other = TOPOLOGY.fit(Map(lambda x: torch.tanh(2 * x), 4), VISITED[:50])
    assert np.isnan(TOPOLOGY.score(memories["one bit"], other)["arrangement"])
    assert TOPOLOGY.family in FAMILIES and TOPOLOGY.sentence().endswith(".") and TOPOLOGY.references
