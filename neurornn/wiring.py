"""Wiring: what the recurrent weights of a network may be.

A wiring is either free (`Dense`, `LowRank`, `Diagonal`) or wraps another one (`Sparse`, `Masked`, `Dale`,
`NoAutapses`), so that they compose: `Dale(Sparse(Dense(200), density=0.1))`. Calling it returns the weights, rows
post-synaptic.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from neurornn import _check
from neurornn._types import generator, recorded


class AbstractWiring(nn.Module, ABC):
    """A rule for the recurrent weights, with its free parameters.

    Attributes:
        n_units: number of units.
        settings: the constructor's arguments.
    """

    n_units: int
    settings: dict[str, Any]

    @abstractmethod
    def forward(self) -> Float[Tensor, "unit unit"]:
        """Return the effective weights: entry `[post, pre]`."""

    @abstractmethod
    def rescale(self, factor: Float[Tensor, "#unit #unit"]) -> None:
        """Multiply the weights by `factor` in place, as far as the rule allows. For initialisation only."""

    @abstractmethod
    def fill(self, weights: Float[Tensor, "unit unit"]) -> None:
        """Take these effective weights, such as another program's, exactly as they are.

        Args:
            weights: entry `[post, pre]`.

        Raises:
            ValueError: if the rule does not allow them; nothing is changed then.
        """


class Dense(AbstractWiring):
    r"""Every unit may talk to every unit: $W_{ij} \sim \mathcal N(0, g^2/N)$ at the start, then free.

    For large $N$ its spectral radius is $g$ (Girko's circular law).

    Args:
        n_units: number of units, $N$.
        gain: $g$.
        uniform: whether the initial weights are even between $\pm g/\sqrt N$ instead, as torch draws them: a third of
            the variance.
        seed: of the initial weights.

    Example:
        >>> from neurornn import Dense
        >>> Dense(5)().shape
        torch.Size([5, 5])
    """

    @recorded
    def __init__(self, n_units: int, *, gain: float = 1.0, uniform: bool = False, seed: int = 0) -> None:
        super().__init__()
        self.n_units = _check.count("Dense", "n_units", n_units)
        scale = _check.not_negative("Dense", "gain", gain) / self.n_units**0.5
        stream, shape = generator(seed), (n_units, n_units)
        drawn = 2 * torch.rand(shape, generator=stream) - 1 if uniform else torch.randn(shape, generator=stream)
        self.weight = nn.Parameter(scale * drawn)

    def forward(self) -> Tensor:
        return self.weight

    def rescale(self, factor: Tensor) -> None:
        with torch.no_grad():
            self.weight.mul_(factor)

    def fill(self, weights: Tensor) -> None:
        with torch.no_grad():
            self.weight.copy_(_fitting(self, weights))


class LowRank(AbstractWiring):
    r"""Weights of rank $R$: $W = \frac{1}{N} m n^\top$, the connectivity of low-dimensional dynamics.

    Args:
        n_units: number of units, $N$.
        rank: $R$.
        gain: standard deviation of the entries of $m$ and $n$ at the start.
        seed: of the initial vectors.

    References:
        Mastrogiuseppe & Ostojic (2018), doi:10.1016/j.neuron.2018.07.003.

    Example:
        >>> import torch
        >>> from neurornn import LowRank
        >>> int(torch.linalg.matrix_rank(LowRank(20, rank=2)()))
        2
    """

    @recorded
    def __init__(self, n_units: int, *, rank: int = 1, gain: float = 1.0, seed: int = 0) -> None:
        super().__init__()
        self.n_units = _check.count("LowRank", "n_units", n_units)
        if _check.count("LowRank", "rank", rank) > n_units:
            _check.fail("LowRank", "rank", f"at most the number of units, {n_units}", rank, "Use Dense.")
        stream = generator(seed)
        self.m = nn.Parameter(gain * torch.randn(n_units, rank, generator=stream))
        self.n = nn.Parameter(gain * torch.randn(n_units, rank, generator=stream))

    def forward(self) -> Tensor:
        return self.m @ self.n.T / self.n_units

    def rescale(self, factor: Tensor) -> None:
        rows = factor.shape[0] == 1
        if not rows:
            fix = "A rank is kept by no other."
            _check.fail("LowRank.rescale", "factor", "one number for each column", factor, fix)
        with torch.no_grad():
            self.n.mul_(factor.T)

    def fill(self, weights: Tensor) -> None:
        rank = self.m.shape[1]
        left, sizes, right = torch.linalg.svd(_fitting(self, weights).double())
        if float(sizes[rank:].sum()) > CLOSE * float(sizes.sum()):
            got = f"of rank {int((sizes > CLOSE * sizes[0]).sum())}"
            _check.fail("LowRank.fill", "weights", f"of rank {rank} or less", got, "Use Dense, or a higher rank.")
        scale = (self.n_units * sizes[:rank]).sqrt()
        with torch.no_grad():
            self.m.copy_(left[:, :rank] * scale)
            self.n.copy_(right[:rank].T * scale)


class Diagonal(AbstractWiring):
    r"""Units that talk only to themselves: $W = \mathrm{diag}(w)$, $w_i$ even between $\pm g$ at the start.

    The recurrence is element-wise, so that it can be learnt exactly online (`RTRL`).

    Args:
        n_units: number of units.
        gain: $g$.
        seed: of the initial weights.

    Example:
        >>> from neurornn import Diagonal
        >>> int((Diagonal(5)() != 0).sum())
        5
    """

    @recorded
    def __init__(self, n_units: int, *, gain: float = 1.0, seed: int = 0) -> None:
        super().__init__()
        self.n_units = _check.count("Diagonal", "n_units", n_units)
        drawn = 2 * torch.rand(self.n_units, generator=generator(seed)) - 1
        self.weight = nn.Parameter(_check.not_negative("Diagonal", "gain", gain) * drawn)

    def forward(self) -> Tensor:
        return torch.diag(self.weight)

    def rescale(self, factor: Tensor) -> None:
        with torch.no_grad():
            self.weight.mul_(factor.expand(self.n_units, self.n_units).diagonal())

    def fill(self, weights: Tensor) -> None:
        weights = _fitting(self, weights)
        _nothing_at("Diagonal", weights, ~torch.eye(self.n_units, dtype=torch.bool, device=weights.device))
        with torch.no_grad():
            self.weight.copy_(weights.diagonal())


class AbstractMasked(AbstractWiring):
    """Another wiring without some of its connections, which never come back.

    Attributes:
        inner: the wiring whose connections are cut.
        mask: 1 where a connection is kept.
    """

    inner: AbstractWiring
    mask: Tensor

    @abstractmethod
    def __init__(self, inner: AbstractWiring) -> None:
        super().__init__()
        self.inner = inner
        self.n_units = inner.n_units

    def forward(self) -> Tensor:
        return self.inner() * self.mask

    def rescale(self, factor: Tensor) -> None:
        self.inner.rescale(factor)

    def fill(self, weights: Tensor) -> None:
        weights = _fitting(self, weights)
        _nothing_at(type(self).__name__, weights, self.mask == 0)
        self.inner.fill(weights)


class Sparse(AbstractMasked):
    r"""Only a random fraction of the connections of another wiring: $W = M \odot W_0 / \sqrt{p}$.

    The mask is drawn once and survives learning: a missing connection never comes back. Each unit receives the same
    number of connections.

    Args:
        inner: the wiring whose connections are thinned.
        density: $p$, the fraction that is kept.
        seed: of the mask.

    Example:
        >>> from neurornn import Dense, Sparse
        >>> int((Sparse(Dense(10), density=0.2)() != 0).sum())
        20
    """

    @recorded
    def __init__(self, inner: AbstractWiring, *, density: float, seed: int = 0) -> None:
        super().__init__(inner)
        _check.fraction("Sparse", "density", density)
        kept = round(density * self.n_units)
        if kept == 0:
            fix = f"Use at least {1 / self.n_units:.2g}."
            _check.fail("Sparse", "density", "large enough for one connection a unit", density, fix)
        order = torch.rand(self.n_units, self.n_units, generator=generator(seed)).argsort(dim=1)
        self.register_buffer("mask", (order < kept).float())
        self.inner.rescale(torch.full((1, 1), (kept / self.n_units) ** -0.5))


class Masked(AbstractMasked):
    r"""Only given connections of another wiring: $W = M \odot W_0$.

    The mask survives learning: a missing connection never comes back. Weights that are kept are as they were; fresh
    ones (`Network.untrained`) have the same mask.

    Args:
        inner: the wiring whose connections are cut.
        mask: which are kept, rows post-synaptic; or its rows in hexadecimal, as recipes hold it. Shape `(unit, unit)`.

    Example:
        >>> import torch
        >>> from neurornn import Dense, Masked
        >>> ring = torch.eye(5).roll(1, dims=0).bool()
        >>> int((Masked(Dense(5), ring)() != 0).sum()), Masked(Dense(5), ring).settings["mask"]
        (5, ('08', '80', '40', '20', '10'))
    """

    @recorded
    def __init__(
        self, inner: AbstractWiring, mask: Bool[Tensor, "unit unit"] | Bool[np.ndarray, "unit unit"] | Sequence[str]
    ) -> None:
        super().__init__(inner)
        n = inner.n_units
        kept = np.asarray(_unpacked(mask, n) if isinstance(mask, Sequence) else mask, dtype=bool)
        if kept.shape != (n, n):
            _check.fail("Masked", "mask", f"of shape ({n}, {n})", kept)
        self.register_buffer("mask", torch.tensor(kept, dtype=torch.get_default_dtype()))
        self.settings["mask"] = tuple(row.tobytes().hex() for row in np.packbits(kept, axis=1))


class NoAutapses(AbstractMasked):
    """Another wiring without connections of a unit onto itself.

    Args:
        inner: the wiring whose diagonal is cut.
    """

    @recorded
    def __init__(self, inner: AbstractWiring) -> None:
        super().__init__(inner)
        self.register_buffer("mask", 1.0 - torch.eye(self.n_units))


class Dale(AbstractWiring):
    r"""Dale's law on another wiring: a unit excites all of its targets or inhibits all of them.

    $W_{ij} = s_j\,|W^0_{ij}|$ with $s_j = +1$ for the first units (excitatory) and $-1$ for the rest.

    At the start excitation and inhibition of every unit are balanced, $\sum_j W_{ij} = 0$: the few inhibitory columns
    are scaled up, row by row where the inner wiring allows it. Without that, the mean of the weights leaves one large
    outlier eigenvalue far outside the disc of the others, and the network is unstable or saturated from the first step.
    The spectral radius is then set to that of the inner wiring.

    Args:
        inner: the wiring whose magnitudes are used.
        excitatory: fraction of excitatory units, in (0, 1).

    References:
        Song, Yang & Wang (2016), doi:10.1371/journal.pcbi.1004792; Rajan & Abbott (2006),
        doi:10.1103/PhysRevLett.97.188104.

    Example:
        >>> from neurornn import Dale, Dense
        >>> weights = Dale(Dense(10), excitatory=0.8)()
        >>> bool((weights[:, :8] >= 0).all() and (weights[:, 8:] <= 0).all())
        True
    """

    signs: Tensor

    @recorded
    def __init__(self, inner: AbstractWiring, *, excitatory: float = 0.8) -> None:
        super().__init__()
        self.inner = inner
        self.n_units = inner.n_units
        n_exc = round(_check.fraction("Dale", "excitatory", excitatory) * self.n_units)
        if not 0 < n_exc < self.n_units:
            fix = f"Some units must excite and some inhibit; {self.n_units} units allow {1 / self.n_units:.2g} steps."
            _check.fail("Dale", "excitatory", "a fraction that leaves both kinds", excitatory, fix)
        signs = torch.ones(self.n_units)
        signs[n_exc:] = -1.0
        self.register_buffer("signs", signs)
        self._balance(n_exc)

    def _balance(self, n_exc: int) -> None:
        with torch.no_grad():
            target = _radius(self.inner())
            size = self.inner().abs()
            exc, inh = size[:, :n_exc].sum(1, keepdim=True), size[:, n_exc:].sum(1, keepdim=True)
            if isinstance(_free(self.inner), LowRank):
                exc, inh = exc.sum(0, keepdim=True), inh.sum(0, keepdim=True)
            factor = torch.ones(len(exc), self.n_units)
            factor[:, n_exc:] = torch.where(inh > 0, exc / inh.clamp(min=1e-12), 1.0)
            self.inner.rescale(factor)
            radius = _radius(self())
            if radius > 0:
                self.inner.rescale(torch.full((1, 1), target / radius))

    def forward(self) -> Tensor:
        return self.inner().abs() * self.signs

    def rescale(self, factor: Tensor) -> None:
        self.inner.rescale(factor)

    def fill(self, weights: Tensor) -> None:
        weights = _fitting(self, weights)
        wrong = (weights * self.signs < 0).any(dim=0).nonzero()[:, 0]
        if len(wrong):
            unit, n_exc = int(wrong[0]), int((self.signs > 0).sum())
            does = "inhibits" if unit < n_exc else "excites"
            got = f"{len(wrong)} units that do otherwise, the first of them unit {unit}, which {does}"
            must = f"at least 0 in the columns of the first {n_exc} units and at most 0 in the rest"
            fix = "Put excitatory units first, set `excitatory` to their share, or fill a wiring without Dale's law."
            _check.fail("Dale.fill", "weights", must, got, fix)
        self.inner.fill(weights.abs())


CLOSE = 1e-5
"""Below this, over the largest, a singular value is nothing."""


def _fitting(wiring: AbstractWiring, weights: Tensor) -> Tensor:
    """Return weights that are handed over, refused where there are not as many or not finite."""
    owner, n = f"{type(wiring).__name__}.fill", wiring.n_units
    weights = torch.as_tensor(weights).detach()
    if weights.shape != (n, n):
        _check.fail(owner, "weights", f"of shape ({n}, {n}), rows post-synaptic", weights)
    _check.finite(owner, "weights", weights.cpu().numpy())
    return weights.to(next(wiring.parameters()).device)


def _nothing_at(owner: str, weights: Tensor, empty: Tensor) -> None:
    """Refuse weights where the wiring has no connection."""
    there = ((weights != 0) & empty).nonzero()
    if len(there):
        post, pre = (int(one) for one in there[0])
        got = f"{len(there)} elsewhere, the first onto unit {post} from unit {pre}"
        fix = "Make the wiring after the weights, or fill Dense."
        _check.fail(f"{owner}.fill", "weights", "0 where the wiring has no connection", got, fix)


def _free(wiring: AbstractWiring) -> AbstractWiring:
    while isinstance(wiring, AbstractMasked | Dale):
        wiring = wiring.inner
    return wiring


def _unpacked(rows: Sequence[str], n: int) -> np.ndarray:
    """Return the mask whose rows were written in hexadecimal."""
    length = 2 * ((n + 7) // 8)
    try:
        packed = np.array([list(bytes.fromhex(row)) for row in rows if len(row) == length], dtype=np.uint8)
    except ValueError:
        packed = np.empty((0, 0), dtype=np.uint8)
    if len(packed) != n or len(rows) != n:
        _check.fail("Masked", "mask", f"{n} rows of {length} hexadecimal digits", list(rows))
    return np.unpackbits(packed, axis=1, count=n)


def _radius(weights: Tensor) -> float:
    return float(torch.linalg.eigvals(weights.double()).abs().max())
