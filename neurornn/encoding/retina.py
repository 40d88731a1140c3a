"""The published convolutional models of the retina, layer for layer."""

from neurornn.encoding.network import StimulusNetwork
from neurornn.encoding.pixels import SpatialConv

PIXELS = (50, 50)
"""The frame that they were built for."""

LAGS = 40
"""Their window: 400 ms in frames of 10 ms."""


def nips_cnn(
    n_units: int, *, shape: tuple[int, int] = PIXELS, lags: int = LAGS, parametric: bool = False, seed: int = 0
) -> StimulusNetwork:
    """Return the three-layer network of 2016: 16 filters of 15 x 15, then 8 of 9 x 9, noise 0.1 before each rectifier.

    144,016 + 10,376 + 6,273 parameters a cell at 50 x 50 pixels and 40 frames.

    Args:
        n_units: ganglion cells.
        shape: of a frame, pixels.
        lags: frames in a window.
        parametric: whether the softplus has two learned parameters a cell, as in 2016.
        seed: of the initial weights.

    References:
        McIntosh et al. (2016), doi:10.48550/arXiv.1702.01825.
    """
    front = SpatialConv(shape, lags=lags, channels=(16, 8), kernels=(15, 9), noise=0.1, seed=seed)
    link = "parametric softplus" if parametric else "softplus"
    return StimulusNetwork(front, n_units, link=link, l2=1e-3, seed=seed)


def bn_cnn(
    n_units: int, *, shape: tuple[int, int] = PIXELS, lags: int = LAGS, noise: float = 0.05, seed: int = 0
) -> StimulusNetwork:
    """Return the normalised network: 8 filters of 15 x 15, 8 of 11 x 11, every unit normalised by itself, noise 0.05.

    The readout has no bias; it is normalised, too.

    Args:
        n_units: ganglion cells.
        shape: of a frame, pixels.
        lags: frames in a window.
        noise: before each rectifier.
        seed: of the initial weights.

    References:
        Maheswaranathan et al. (2023), doi:10.1016/j.neuron.2023.06.007.
    """
    front = SpatialConv(shape, lags=lags, channels=(8, 8), kernels=(15, 11), noise=noise, norm=True, seed=seed)
    return StimulusNetwork(front, n_units, readout_norm=True, l2=1e-2, seed=seed)


def stacked_bn_cnn(
    n_units: int, *, shape: tuple[int, int] = PIXELS, lags: int = LAGS, noise: float = 0.05, seed: int = 0
) -> StimulusNetwork:
    """Return the network of 2023: as `bn_cnn`, but each kernel a chain of linear 3 x 3 ones (7 for 15, 5 for 11).

    Scales of the normalisation are held positive.

    Args:
        n_units: ganglion cells.
        shape: of a frame, pixels.
        lags: frames in a window.
        noise: before each rectifier.
        seed: of the initial weights.

    References:
        Maheswaranathan et al. (2023), doi:10.1016/j.neuron.2023.06.007.
    """
    front = SpatialConv(
        shape, lags=lags, channels=(8, 8), kernels=(15, 11), noise=noise, norm=True, stacked=True, seed=seed
    )
    return StimulusNetwork(front, n_units, readout_norm=True, l2=1e-2, seed=seed)


def early_cnn(n_units: int, *, shape: tuple[int, int] = PIXELS, lags: int = LAGS, seed: int = 0) -> StimulusNetwork:
    """Return the first of them (2015): 8 filters of 13 x 13, pooling over 2 x 2, 16 dense units, parametric softplus.

    Args:
        n_units: ganglion cells.
        shape: of a frame, pixels.
        lags: frames in a window.
        seed: of the initial weights.

    References:
        McIntosh et al. (2016), doi:10.48550/arXiv.1702.01825.
    """
    front = SpatialConv(shape, lags=lags, channels=(8,), kernels=(13,), noise=0.0, pool=2, seed=seed)
    return StimulusNetwork(front, n_units, hidden=16, link="parametric softplus", l2=1e-2, seed=seed)
