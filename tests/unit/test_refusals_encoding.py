"""What encoding models refuse to be built of, each in one sentence that names the owner and the value."""

import numpy as np
import pytest

from neurornn import GRU, ConvGRU
from neurornn.encoding import GLM, Filters, Lateral, LinearNonlinear, SpatialConv, StimulusNetwork, TemporalConv
from neurornn.encoding.base import Link
from neurornn.statistics.scores import poisson_deviance

FRONT = Filters((2,), 3, lags=2)
WHOLE, COUNT, POSITIVE, AT_LEAST = "a whole number, 1 or above", "a whole number, 0 or above", "above 0", "0 or above"

REFUSALS = [
    (lambda: Link("relu", 1), "Link: `kind` must be one of exp, softplus, parametric softplus; got 'relu'"),
    (lambda: GLM(0, (1,), lags=2), f"GLM: `n_units` must be {WHOLE}"),
    (lambda: GLM(1, (1,), lags=0), f"GLM: `lags` must be {WHOLE}"),
    (lambda: GLM(1, (1,), lags=2, past=-1), f"GLM: `past` must be {COUNT}"),
    (lambda: GLM(1, (1,), lags=2, delay=-1), f"GLM: `delay` must be {COUNT}"),
    (lambda: GLM(1, (1,), lags=2, ridges=(0.0,)), "GLM: `ridges` must be one or more numbers above 0"),
    (lambda: LinearNonlinear(0, (1,), lags=2), f"LinearNonlinear: `n_units` must be {WHOLE}"),
    (lambda: LinearNonlinear(1, (1,), lags=0), f"LinearNonlinear: `lags` must be {WHOLE}"),
    (lambda: LinearNonlinear(1, (1,), lags=2, delay=-1), f"LinearNonlinear: `delay` must be {COUNT}"),
    (lambda: LinearNonlinear(1, (1,), lags=2, l2=-1.0), "LinearNonlinear: `l2` must be a finite number, 0 or above"),
    (lambda: LinearNonlinear(1, (1,), lags=2, rank=-1), f"LinearNonlinear: `rank` must be {COUNT}"),
    (lambda: Filters((1,), 0, lags=2), f"Filters: `n_filters` must be {WHOLE}"),
    (lambda: Filters((1,), 1, lags=0), f"Filters: `lags` must be {WHOLE}"),
    (lambda: Filters((1,), 1, lags=2, noise=-1.0), "Filters: `noise` must be a finite number, 0 or above"),
    (lambda: TemporalConv(1, channels=(2, 2)), "TemporalConv: `kernels` must be one for each of 2 layers"),
    (lambda: TemporalConv(1, channels=(0,)), f"TemporalConv: `channels` must be {WHOLE}"),
    (lambda: TemporalConv(1, noise=-1.0), "TemporalConv: `noise` must be a finite number, 0 or above"),
    (lambda: Lateral(0), f"Lateral: `n_channels` must be {WHOLE}"),
    (lambda: Lateral(1, dt=0.0), "Lateral: `dt` must be a finite number above 0"),
    (lambda: Lateral(1, kernel=0), f"Lateral: `kernel` must be {WHOLE}"),
    (lambda: Lateral(1, kernel=2), "Lateral: `kernel` must be odd; got 2"),
    (lambda: Lateral(1, tau=(0.0, 1.0)), "Lateral: `tau` must be a finite number above 0"),
    (lambda: Lateral(1, tau=(5.0, 100.0)), "Lateral: `tau` must be at least `dt` = 10 ms; got 5.0"),
    (lambda: Lateral(1, warm=-1), f"Lateral: `warm` must be {COUNT}"),
    (lambda: ConvGRU(0), f"ConvGRU: `n_channels` must be {WHOLE}"),
    (lambda: ConvGRU(1, kernel=0), f"ConvGRU: `kernel` must be {WHOLE}"),
    (lambda: ConvGRU(1, kernel=4), "ConvGRU: `kernel` must be odd; got 4"),
    (lambda: ConvGRU(1, warm=-1), f"ConvGRU: `warm` must be {COUNT}"),
    (
        lambda: SpatialConv((9, 9), lags=2, channels=(1, 1), kernels=(3,)),
        "SpatialConv: `kernels` must be one for each of 2 layers",
    ),
    (
        lambda: SpatialConv((9, 9), lags=2, channels=(1,), kernels=(3,), maps=(None, None)),
        "SpatialConv: `maps` must be one, or None, for each of 1 layers; got 2",
    ),
    (
        lambda: SpatialConv((9, 9), lags=2, channels=(1,), kernels=(4,), stacked=True),
        "SpatialConv: `kernels` must be odd, 3 or above, where they are stacked",
    ),
    (
        lambda: SpatialConv((9, 9), lags=2, channels=(1,), kernels=(10,)),
        "SpatialConv: `kernels` must be small enough for the frame; got .* from the frame, 9 x 9",
    ),
    (lambda: SpatialConv((9, 9), lags=0, channels=(1,), kernels=(3,)), f"SpatialConv: `lags` must be {WHOLE}"),
    (lambda: SpatialConv((9, 9), lags=2, channels=(1,), kernels=(3,), pool=0), f"SpatialConv: `pool` must be {WHOLE}"),
    (
        lambda: SpatialConv((9, 9), lags=2, channels=(1,), kernels=(3,), noise=-1.0),
        "SpatialConv: `noise` must be a finite number, 0 or above",
    ),
    (lambda: StimulusNetwork(FRONT, 0), f"StimulusNetwork: `n_units` must be {WHOLE}"),
    (lambda: StimulusNetwork(FRONT, 1, past=-1), f"StimulusNetwork: `past` must be {COUNT}"),
    (lambda: StimulusNetwork(FRONT, 1, delay=-1), f"StimulusNetwork: `delay` must be {COUNT}"),
    (lambda: StimulusNetwork(FRONT, 1, l2=-1.0), "StimulusNetwork: `l2` must be a finite number, 0 or above"),
    (lambda: StimulusNetwork(FRONT, 1, cell=GRU(3, 2), warm=-1), f"StimulusNetwork: `warm` must be {COUNT}"),
    (lambda: StimulusNetwork(FRONT, 1, hidden=-1), f"StimulusNetwork: `hidden` must be {COUNT}"),
    (
        lambda: StimulusNetwork(FRONT, 1, cell=GRU(3, 2), past=4),
        "StimulusNetwork: `cell.n_in` must be 4; got 3. The front end gives 3 features, history one for each neuron",
    ),
    (
        lambda: poisson_deviance(np.ones((1, 1)), np.ones((1, 1)), dt=0.0),
        "poisson_deviance: `dt` must be a finite number above 0",
    ),
]


@pytest.mark.parametrize(("call", "text"), REFUSALS, ids=[text for _, text in REFUSALS])
def test_it_is_refused_in_one_sentence(call, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        call()
