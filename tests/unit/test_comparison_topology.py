"""Fixed points of networks beside those of references: what is counted, what replicates, and what is refused."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch

from neurornn import GRU, LeakyRate, Network, Recording, Trials
from neurornn._types import generator
from neurornn.comparison import CHECKLIST, FixedPointTopology, compare, compare_fixed_points
from neurornn.dynamics import Search
from neurornn.plot import figures

METRIC = FixedPointTopology(search=Search(n_seeds=60, adam_steps=300))
TRIALS = Trials(torch.randn(6, 30, 1, generator=generator(0)), torch.zeros(6, 30, 1), torch.ones(6, 30), dt=20.0)


def network(gain, seed=0, n=6):
    """Recurrent weights of one direction: two memories for a gain above 1, one point below it."""
    net = Network(LeakyRate(1, n, tau=40.0, dt=20.0, nonlinearity="tanh"), 1)
    along = torch.randn(n, generator=generator(seed)).sign() / n**0.5
    with torch.no_grad():
        net.cell.bias.zero_()
        net.cell.wiring.weight.copy_(gain * torch.outer(along, along))
        net.cell.w_in.copy_(along[:, None])
    return net


def permuted(net, order):
    found = copy.deepcopy(net)
    with torch.no_grad():
        found.cell.wiring.weight.copy_(net.cell.wiring.weight[order][:, order])
        found.cell.w_in.copy_(net.cell.w_in[order])
        found.cell.bias.copy_(net.cell.bias[order])
    return found


def judged(networks, reference, **told):
    return compare_fixed_points(networks, reference, TRIALS, metric=METRIC, progress=False, **told)


@pytest.fixture(scope="module")
def found():
    networks = {"trained": [network(2.0, k) for k in range(3)], "untrained": [network(0.5, 10 + k) for k in range(3)]}
    return judged(networks, [network(2.2, 20 + k, n=8) for k in range(2)])


def test_a_network_with_its_units_in_another_order_is_the_same():
    net = network(2.0)
    found = judged({"trained": [permuted(net, [3, 1, 5, 0, 2, 4])]}, [net]).scores
    np.testing.assert_allclose(found["score"], 1.0, atol=1e-6)


def test_two_memories_are_told_from_one_resting_state(found):
    points = found.points.groupby("kind", sort=False)[["n", "stable", "edges"]].mean()
    assert points.to_numpy().tolist() == [[3, 2, 2], [1, 1, 0], [3, 2, 2]]
    rows = found.summary().set_index(["measure", "kind"])
    for measure in METRIC.measures:
        assert rows.loc[(measure, "trained"), "value"] > rows.loc[(measure, "untrained"), "value"] + 0.2, measure
    assert rows.loc[("topology", "trained"), "value"] == 1.0 and rows.loc[("topology", "reference"), "value"] == 1.0
    untrained = rows.xs("untrained", level="kind")
    np.testing.assert_allclose(untrained["p"], 0.05)  # three and three: no less is possible
    np.testing.assert_allclose(untrained["p_holm"], 0.15)
    assert rows.xs("trained", level="kind")["p"].isna().all()
    assert rows.loc[("arrangement", "reference"), "n_networks"] == 2


def test_what_it_answers_a_reviewer_and_draws(found):
    lines = found.checklist
    assert set(lines) <= set(CHECKLIST) and {"nulls", "seeds", "ceiling", "matched"} <= set(lines)
    assert "3 untrained" in lines["seeds"] and found.complete and "3 trained" in found.methods and found.references
    (drawn,) = figures(found)
    assert "untrained" in drawn.alt and "topology trained 1.00" in drawn.alt
    assert isinstance(found.frame(), pd.DataFrame) and "complete" in repr(found)
    with pytest.raises(KeyError, match=r"TopologyComparison: `kind` must be one with this measure.*Did you mean"):
        found.table("traned", "topology")


def test_without_untrained_networks_nothing_is_drawn():
    bare = judged({"trained": [network(2.0)]}, [network(2.0, 5)])
    assert not bare.complete and "nulls" not in bare.checklist and "ceiling" not in bare.checklist
    with pytest.raises(ValueError, match="figures: `found` must be complete, with all its nulls; got 'untrained"):
        figures(bare)


def test_references_with_trials_of_their_own_are_not_laid_onto_the_networks():
    own = Trials(torch.randn(6, 30, 1, generator=generator(5)), TRIALS.targets, TRIALS.mask, dt=20.0)
    networks = {"trained": [network(2.0)], "untrained": [network(0.5)]}
    found = judged(networks, [network(2.0, 5)], reference_trials=own)
    assert found.summary().set_index(["measure", "kind"]).loc[("topology", "trained"), "value"] == 1.0
    assert np.isnan(found.by_network("trained", "arrangement")).all()
    assert "other trials" not in figures(found)[0].alt  # what is not known is not told


def test_a_recording_has_no_fixed_points():
    recording = Recording(0.0, 100.0, activity=np.ones((10, 2)), dt=10.0)
    with pytest.raises(ValueError, match=r"compare: `metric` must be one that reads activity.* call compare_fixed_poi"):
        compare(recording, recording, METRIC)
    with pytest.raises(ValueError, match=r"FixedPointTopology: `system` must be a network.* A recording has no fixed"):
        METRIC.fit(recording, TRIALS)


@pytest.mark.parametrize(
    ("kinds", "n_references", "message"),
    [
        ({}, 1, "compare_fixed_points: `networks` must be one or more of every kind"),
        ({"trained": 0}, 1, "compare_fixed_points: `networks` must be one or more of every kind"),
        ({"untrained": 1}, 1, "compare_fixed_points: `networks` must be with the claim first"),
        ({"trained": 1}, 0, "compare_fixed_points: `reference` must be one network or more"),
    ],
)
def test_what_cannot_be_compared_is_refused(kinds, n_references, message):
    networks = {kind: [network(2.0)] * n for kind, n in kinds.items()}
    with pytest.raises(ValueError, match=message):
        judged(networks, [network(2.0)] * n_references)


def test_settings_that_are_refused():
    with pytest.raises(ValueError, match="FixedPointTopology: `rounds` must be a whole number, 0 or above"):
        FixedPointTopology(rounds=-1)
    with pytest.raises(ValueError, match="FixedPointTopology: `cutoff` must be a finite number above 0"):
        FixedPointTopology(cutoff=0.0)
    one, two = (METRIC.fit(network(0.5), TRIALS, torch.zeros(n, 1)) for n in (1, 2))
    with pytest.raises(ValueError, match="FixedPointTopology: `other` must be under as many held inputs as the first"):
        METRIC.score(one, two)
    gated = Network(GRU(1, 3), 1)
    assert METRIC.score(METRIC.fit(gated, TRIALS), METRIC.fit(gated, TRIALS))["topology"] == 1.0
