"""How a value of the world (a position, a heading) is written as the activity of outputs, and read back."""

import functools
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from enum import Enum

import torch
from jaxtyping import Float
from torch import Tensor

from neurornn import _check
from neurornn._types import generator

Extent = tuple[tuple[float, float], ...]
"""The borders of the world, one pair an axis, in the world's unit."""


class Layout(Enum):
    """Where the centres of place cells lie."""

    REGULAR = "regular"
    RANDOM = "random"


class AbstractCode(ABC):
    """A way to write a value as outputs. Codes are frozen dataclasses and hold for the world that `over` names.

    Attributes:
        n_out: number of outputs.
    """

    @property
    @abstractmethod
    def n_out(self) -> int:
        """Number of outputs."""

    @abstractmethod
    def over(self, extent: Extent) -> "AbstractCode":
        """Return the same code for a world with these borders: one pair an axis, in the world's unit."""

    @abstractmethod
    def encode(self, position: Float[Tensor, "*shape axis"]) -> Float[Tensor, "*shape out"]:
        """Return what the outputs should be at each position."""

    @abstractmethod
    def decode(self, outputs: Float[Tensor, "*shape out"]) -> Float[Tensor, "*shape axis"]:
        """Return the position that the outputs stand for, in the world's unit. Leading axes are kept."""


@dataclass(frozen=True)
class Cartesian(AbstractCode):
    r"""The position itself, one output an axis, scaled so that the world's longest side runs from -1 to 1.

    $$y_i = \frac{x_i - m_i}{s / 2}$$

    where $m$ is the middle of the world and $s$ its longest side.

    Args:
        extent: borders of the world, one pair an axis, in its unit.

    Raises:
        ValueError: if a border does not lie above its partner.

    Example:
        >>> import torch
        >>> from neurornn.task import Cartesian
        >>> Cartesian(((0.0, 100.0),)).encode(torch.tensor([[0.0], [75.0]]))
        tensor([[-1.0000],
                [ 0.5000]])
    """

    extent: Extent = ((0.0, 1.0),)

    def __post_init__(self) -> None:
        _checked("Cartesian", self.extent)

    @property
    def n_out(self) -> int:
        return len(self.extent)

    def over(self, extent: Extent) -> "Cartesian":
        return replace(self, extent=extent)

    def encode(self, position: Float[Tensor, "*shape axis"]) -> Float[Tensor, "*shape out"]:
        middle, half = self._scale(position)
        return (position - middle) / half

    def decode(self, outputs: Float[Tensor, "*shape out"]) -> Float[Tensor, "*shape axis"]:
        middle, half = self._scale(outputs)
        return outputs * half + middle

    def _scale(self, like: Tensor) -> tuple[Tensor, float]:
        borders = torch.tensor(self.extent).to(like)
        return borders.mean(dim=1), _longest(self.extent) / 2


@dataclass(frozen=True)
class PlaceCode(AbstractCode):
    r"""Place cells: Gaussian bumps about centres, normalised so that they sum to `total`.

    $$p_i(x) \propto e^{-|x - c_i|^2 / 2 w^2}, \qquad \sum_i p_i = total$$

    With `surround` $\rho > 0$ the code of variance $\rho w^2$ is subtracted and the difference shifted to 0 or above
    and normalised again: centre minus surround. On one axis `decode` returns the position whose code lies nearest to
    the outputs (least squares, among four positions a cell); on more, the mean centre of the `top` most active cells.

    Args:
        n_cells: number of place cells. A regular layout of two axes needs a square number.
        width: standard deviation $w$, as a fraction of the world's longest side.
        layout: centres on a regular grid that reaches the borders, or drawn evenly over the world.
        seed: of the random layout.
        surround: variance of the surround over that of the centre; 0 for no surround.
        top: how many cells `decode` averages on two axes.
        total: what the outputs sum to.
        extent: borders of the world, one pair an axis, in its unit.

    Raises:
        ValueError: if the numbers do not fit; the message says which.

    Example:
        >>> import torch
        >>> from neurornn.task import PlaceCode
        >>> code = PlaceCode(32, extent=((0.0, 100.0),))
        >>> code.decode(code.encode(torch.tensor([[40.0]]))).round()
        tensor([[40.]])

    References:
        B. Sorscher et al. (2019), A unified theory for the origin of grid cells through the lens of pattern formation,
        NeurIPS 32. A. Banino et al. (2018), doi:10.1038/s41586-018-0102-6.
    """

    n_cells: int = 32
    width: float = 0.05
    layout: Layout = Layout.REGULAR
    seed: int = 0
    surround: float = 0.0
    top: int = 3
    total: float = 1.0
    extent: Extent = ((0.0, 1.0),)

    def __post_init__(self) -> None:
        _check.count("PlaceCode", "n_cells", self.n_cells, least=2)
        _check.positive("PlaceCode", "width", self.width, "It is a fraction of the world's longest side.")
        _check.positive("PlaceCode", "total", self.total)
        _check.not_negative("PlaceCode", "surround", self.surround)
        if 0 < self.surround <= 1:
            _check.fail("PlaceCode", "surround", "above 1 (wider than the centre), or 0 for none", self.surround)
        if _check.count("PlaceCode", "top", self.top) > self.n_cells:
            _check.fail("PlaceCode", "top", f"at most the {self.n_cells} cells there are", self.top)
        _checked("PlaceCode", self.extent)
        if self.layout is Layout.REGULAR and self._per_axis ** len(self.extent) != self.n_cells:
            must = f"a whole number to the power of {len(self.extent)}"
            _check.fail("PlaceCode", "n_cells", must, self.n_cells, "Or use Layout.RANDOM.")

    @property
    def n_out(self) -> int:
        return self.n_cells

    @property
    def _per_axis(self) -> int:
        return round(self.n_cells ** (1 / len(self.extent)))

    def over(self, extent: Extent) -> "PlaceCode":
        return replace(self, extent=extent)

    @property
    def centres(self) -> Float[Tensor, "out axis"]:
        """Where the cells' fields lie, in the world's unit."""
        borders = torch.tensor(self.extent)
        low, side = borders[:, 0], borders[:, 1] - borders[:, 0]
        if self.layout is Layout.RANDOM:
            return low + side * torch.rand(self.n_cells, len(borders), generator=generator(self.seed))
        axes = [torch.linspace(*border, self._per_axis) for border in self.extent]
        return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(-1, len(borders))

    def encode(self, position: Float[Tensor, "*shape axis"]) -> Float[Tensor, "*shape out"]:
        centres = self.centres.to(position)
        # Axis by axis: a sum over a last axis of two would take most of the time.
        along = [(position[..., i, None] - centres[:, i]).square_() for i in range(len(self.extent))]  # (*shape, out)
        squared = functools.reduce(Tensor.add_, along)
        exponent = squared * (-0.5 / (self.width * _longest(self.extent)) ** 2)
        activity = exponent.softmax(-1)
        if self.surround:
            activity = activity - (exponent / self.surround).softmax(-1)
            activity = activity - activity.amin(-1, keepdim=True)
            activity = activity / activity.sum(-1, keepdim=True)
        return self.total * activity

    def decode(self, outputs: Float[Tensor, "*shape out"]) -> Float[Tensor, "*shape axis"]:
        if len(self.extent) == 1:
            return self._nearest(outputs)
        best = outputs.topk(self.top, dim=-1).indices
        return self.centres.to(outputs)[best].mean(-2)

    def _nearest(self, outputs: Tensor) -> Tensor:
        candidates = torch.linspace(*self.extent[0], 4 * self.n_cells + 1)[:, None].to(outputs)
        codes = self.encode(candidates)  # (candidate, out)
        offset = codes.square().sum(-1) / 2
        # In blocks, so that a thousand stacked runs do not make a table of every candidate at once.
        found = [(block @ codes.mT - offset).argmax(-1) for block in outputs.reshape(-1, self.n_cells).split(65_536)]
        return candidates[torch.cat(found)].reshape(*outputs.shape[:-1], 1)


@dataclass(frozen=True)
class VonMises(AbstractCode):
    r"""Head-direction cells: bumps on the circle, 1 at their preferred angle.

    $$p_i(\theta) = e^{\kappa (\cos(\theta - \mu_i) - 1)}$$

    `decode` returns the circular mean of the preferred angles of the `top` most active cells, in rad.

    Args:
        n_cells: number of cells; their preferred angles are evenly spaced from -pi, pi left out.
        concentration: $\kappa$; 1/width^2 for narrow bumps.
        top: how many cells `decode` averages.

    Raises:
        ValueError: if the numbers do not fit; the message says which.

    Example:
        >>> import math
        >>> import torch
        >>> from neurornn.task import VonMises
        >>> code = VonMises(64)
        >>> bool((code.decode(code.encode(torch.tensor([[3.0]]))) - 3.0).abs() < math.tau / 64)
        True

    References:
        A. Banino et al. (2018), Vector-based navigation using grid-like representations in artificial agents,
        doi:10.1038/s41586-018-0102-6.
    """

    n_cells: int = 32
    concentration: float = 3.65
    top: int = 3

    def __post_init__(self) -> None:
        _check.count("VonMises", "n_cells", self.n_cells, least=3)
        _check.positive("VonMises", "concentration", self.concentration)
        if _check.count("VonMises", "top", self.top) > self.n_cells:
            _check.fail("VonMises", "top", f"at most the {self.n_cells} cells there are", self.top)

    @property
    def n_out(self) -> int:
        return self.n_cells

    def over(self, extent: Extent) -> "VonMises":
        return self

    @property
    def angles(self) -> Float[Tensor, " out"]:
        """The preferred angles, rad."""
        return -math.pi + math.tau * torch.arange(self.n_cells) / self.n_cells

    def encode(self, position: Float[Tensor, "*shape axis"]) -> Float[Tensor, "*shape out"]:
        return (self.concentration * ((position - self.angles.to(position)).cos() - 1)).exp()

    def decode(self, outputs: Float[Tensor, "*shape out"]) -> Float[Tensor, "*shape axis"]:
        best = self.angles.to(outputs)[outputs.topk(self.top, dim=-1).indices]
        return torch.atan2(best.sin().sum(-1, keepdim=True), best.cos().sum(-1, keepdim=True))


def _longest(extent: Extent) -> float:
    return max(high - low for low, high in extent)


def _checked(owner: str, extent: Extent) -> None:
    if not extent or any(not (math.isfinite(low) and math.isfinite(high) and high > low) for low, high in extent):
        _check.fail(owner, "extent", "one (low, high) pair an axis, high above low", extent)
