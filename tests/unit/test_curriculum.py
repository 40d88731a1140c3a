"""A curriculum moves on when a score says so, trains the heads it names and no other."""

from dataclasses import dataclass, replace

import pytest
import torch
from hold_pulse import HoldPulse

from neurornn import GRU, Network
from neurornn.curriculum import Stage, Stages
from neurornn.fit import train

EASY, HARD = HoldPulse(shortest=10), HoldPulse(shortest=7)


@dataclass(frozen=True)
class Wrong(HoldPulse):
    """The fraction of wrong answers: less is better."""

    higher_is_better = False

    def score(self, trials, outputs):
        return 1.0 - super().score(trials, outputs)


def test_stages_are_left_when_passed_and_never_come_back():
    stages = Stages((Stage(EASY, until=0.7), Stage(HARD, until=0.8)))
    assert [stages.reached(scores) for scores in ([], [0.6], [0.6, 0.7], [0.7, 0.7], [0.7, 0.9], [0.9] * 5)] == [
        0,
        0,
        1,
        1,
        2,
        2,
    ]
    assert stages.stage(1) == Stage(HARD, until=0.8) and stages.stage(2) is None
    assert stages.needs_scores() and not Stages((Stage(EASY),)).needs_scores()


def test_where_less_is_better_a_score_passes_from_above():
    assert Stage(Wrong(), until=0.2).passed(0.1) and not Stage(Wrong(), until=0.2).passed(0.3)
    assert not Stage(Wrong()).passed(0.0)


def test_training_walks_through_the_stages_and_ends_after_the_last():
    order = (Stage(EASY, until=0.0), Stage(HARD, until=0.0), Stage(EASY, until=0.0))
    fit = train(
        Network(GRU(2, 4), 1), EASY, steps=20, batch=2, curriculum=Stages(order), validate_every=2, progress=False
    )
    assert fit.history["stage"].tolist() == [0, 0, 1, 1, 2, 2]


def test_patience_starts_anew_with_each_stage():
    order = (Stage(Wrong(), until=-1.0),)
    settings = {"steps": 50, "batch": 2, "validate_every": 1, "n_validation": 4, "learning_rate": 1e-12}
    fit = train(Network(GRU(2, 4), 1), EASY, curriculum=Stages(order), patience=3, progress=False, **settings)
    assert len(fit.history) == 4


def test_only_the_heads_of_a_stage_learn():
    network = Network(GRU(2, 4), {"old": 1, "new": 1, "later": 1})

    @dataclass(frozen=True)
    class Three(HoldPulse):
        @property
        def n_out(self) -> int:
            return 3

        def sample(self, n_trials, *, generator):
            trials = super().sample(n_trials, generator=generator)
            return replace(trials, targets=trials.targets.expand(-1, -1, 3).clone())

    curriculum = Stages((Stage(EASY, heads=("new",)),))
    fit = train(network, Three(), steps=3, batch=4, curriculum=curriculum, progress=False)
    moved = (fit.network.readout != network.readout).any(dim=1)
    assert moved.tolist() == [False, True, False]
    assert not torch.equal(fit.network.cell.w_rec, network.cell.w_rec)
    with pytest.raises(
        ValueError, match=r"Stage: `heads` must be readout heads of the network; got 'nwe'. Did you mean"
    ):
        train(network, Three(), steps=1, curriculum=Stages((Stage(EASY, heads=("nwe",)),)), progress=False)
    with pytest.raises(ValueError, match="HoldPulse: `n_out` must be 2, as the network has; got 1"):
        train(network, Three(), steps=1, curriculum=Stages((Stage(EASY, heads=("new", "old")),)), progress=False)


def test_wrong_orders_are_refused():
    with pytest.raises(ValueError, match=r"Stages: `order` must be at least one stage; got \(\)"):
        Stages(())
    with pytest.raises(ValueError, match=r"Stages: `order\[0\].until` must be a score, except in the last stage"):
        Stages((Stage(EASY), Stage(HARD)))
