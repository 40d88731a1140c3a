"""The linear-nonlinear model: one filter, from the spike-triggered average or by gradient, and a pointwise curve."""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from neurornn import _check
from neurornn._types import State, generator, recorded
from neurornn.encoding.base import AbstractEncodingModel, Batch, Link, windowed
from neurornn.encoding.front import drawn


class LinearNonlinear(AbstractEncodingModel):
    r"""One filter a unit, then a curve: $\lambda_t = \alpha \log(1 + e^{\beta\, k \cdot s + b})$.

    With `from_sta` the filter is the spike-triggered average (right for white, symmetric stimuli) and only the curve is
    learned; without it, filter and curve are learned together by gradient (right for natural ones, too).

    Args:
        n_units: units.
        shape: of one frame.
        lags: frames in a window.
        from_sta: whether the filter is the spike-triggered average.
        rank: the average is cut to this many products of a time course and an image, which leaves out most of its
            noise; 0 for all of it.
        delay: 1 to exclude the current frame, 0 to include it.
        l2: penalty on the sum of the squared filter.
        seed: of the initial filters, without `from_sta`.

    References:
        Chichilnisky (2001), doi:10.1080/713663221.

    Example:
        >>> from neurornn import LinearNonlinear
        >>> LinearNonlinear(2, (12, 12), lags=20).filters.shape
        torch.Size([2, 20, 12, 12])
    """

    @recorded
    def __init__(
        self,
        n_units: int,
        shape: tuple[int, ...],
        *,
        lags: int,
        from_sta: bool = True,
        rank: int = 0,
        delay: int = 1,
        l2: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.n_units = _check.count("LinearNonlinear", "n_units", n_units)
        self.lags = _check.count("LinearNonlinear", "lags", lags)
        self.delay = _check.count("LinearNonlinear", "delay", delay, least=0)
        self.l2 = _check.not_negative("LinearNonlinear", "l2", l2)
        self.from_sta = from_sta
        self.rank = _check.count("LinearNonlinear", "rank", rank, least=0)
        self.filters = drawn((n_units, lags, *shape), generator(seed))  # oldest frame first
        self.filters.requires_grad_(not from_sta)
        self.gain = nn.Parameter(torch.ones(n_units))
        self.bias = nn.Parameter(torch.zeros(n_units))
        self.link = Link("softplus", n_units)
        self.scale = nn.Parameter(torch.zeros(n_units))  # its exponential multiplies the curve

    def features(self, stimulus: Tensor, noise: torch.Generator | None = None) -> Tensor:
        return windowed(stimulus, self.filters)

    def begin(self, features: Tensor) -> State:
        return ()

    def step(self, feature: Tensor, past: Tensor, state: State) -> tuple[Tensor, State]:
        return self._curve(feature), state

    def respond(self, features: Tensor, past: Tensor) -> Tensor:
        return self._curve(features)

    def penalty(self) -> Tensor:
        return self.l2 * self.filters.square().sum()

    def start_at(self, counts: Tensor) -> None:
        with torch.no_grad():
            self.scale.copy_(counts.clamp_min(1e-6).log())
            self.bias.fill_(0.5413)  # log(e - 1): the curve starts at 1 in the middle

    def prepare(self, train: Iterable[Batch], validation: Iterable[Batch]) -> bool:
        if self.from_sta:
            sta = low_rank(spike_triggered_average(train, self.lags), self.rank)
            # A filter that gives a drive of about unit spread on a white stimulus.
            size = sta.flatten(1).norm(dim=1).clamp_min(1e-12)
            with torch.no_grad():
                self.filters.copy_(sta / size[:, None].reshape(-1, *[1] * (sta.ndim - 1)))
        return False

    def _curve(self, drive: Tensor) -> Tensor:
        return self.scale.exp() * self.link(self.gain * drive + self.bias)


def low_rank(filters: Float[Tensor, "unit lag *shape"], rank: int) -> Float[Tensor, "unit lag *shape"]:
    """Return the best sums of `rank` products of a time course and an image; the filters themselves at rank 0."""
    if rank == 0:
        return filters
    left, size, right = torch.linalg.svd(filters.flatten(2), full_matrices=False)
    return (left[..., :rank] * size[:, None, :rank] @ right[:, :rank]).reshape(filters.shape)


def spike_triggered_average(batches: Iterable[Batch], lags: int) -> Float[Tensor, "unit lag *shape"]:
    """Return the mean window before a spike less the mean window, in standard deviations of the stimulus.

    Args:
        batches: of models with this window.
        lags: frames in a window.

    Returns:
        Oldest frame first; 0 for a silent unit.
    """
    total: Tensor | None = None
    mean: Tensor | None = None
    n_spikes, n_shown = torch.zeros(()), torch.zeros(())
    for each in batches:
        windows = each.stimulus[:, -(each.counts.shape[1] + lags - 1) :].flatten(2).unfold(1, lags, 1)
        spikes = torch.einsum("tbpl,tbu->ulp", windows, each.counts)
        shown = torch.einsum("tbpl,tbu->ulp", windows, each.shown)
        total = spikes if total is None else total + spikes
        mean = shown if mean is None else mean + shown
        n_spikes, n_shown = n_spikes + each.counts.sum((0, 1)), n_shown + each.shown.sum((0, 1))
        shape = each.stimulus.shape[2:]
    assert total is not None and mean is not None, "there is at least one batch"
    average = total / n_spikes.clamp_min(1.0)[:, None, None] - mean / n_shown.clamp_min(1.0)[:, None, None]
    average = torch.where((n_spikes > 0)[:, None, None], average, torch.zeros(()))
    return average.reshape(*average.shape[:2], *shape)
