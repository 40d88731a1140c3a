"""The real linear track: behaviour alone explains its units, a shifted copy of it does not."""

import numpy as np

from neurornn.comparison import Clock, Moving, RidgePredictivity, Space, aligned, shifted_scores
from neurornn.source import load_recording
from neurornn.statistics.folds import blocked_folds


def test_behaviour_explains_place_cells_and_time_and_shifts_do_not(recordings):
    rat = load_recording("rat_linear_track")
    data = aligned(
        rat,
        rat,
        dt=250.0,
        behaviour=("linear",),
        space=Space(),
        clock=Clock(),
        where=Moving(20.0),
        min_spikes=100,
    )
    folds = blocked_folds(data.times, 5, gap=5000.0)
    metric = RidgePredictivity()
    assert data.space is not None and len(data.times) > 1000
    behaviour = metric.held_out(data.space, data.brain, folds, dt=250.0)
    time = metric.held_out(data.clock, data.brain, folds, dt=250.0)
    assert np.median(behaviour["bits_per_spike"]) > 1.0
    assert np.median(behaviour["r2"]) > 0.1
    assert abs(np.median(time["r2"])) < 0.02
    shifted = shifted_scores(metric, data.space, data.brain, folds, np.arange(100, 1000, 90), dt=250.0)
    assert abs(np.median(shifted["r2"])) < 0.02
