"""Gated cells: GRU and LSTM, with the same contract as every other cell."""

import math

import torch
from torch import Tensor, nn

from neurornn import _check
from neurornn._types import State, generator, recorded
from neurornn.cell.base import AbstractCell


class GRU(AbstractCell):
    r"""Gated recurrent units.

    $$z = \sigma(W_z x + U_z r' + b_z),\quad q = \sigma(W_q x + U_q r' + b_q),\quad
      n = \tanh(W_n x + b_n + q\,(U_n r' + c_n)),\quad h = (1-z)\,n + z\,h' + \xi$$

    where $r'$ is what the units sent and $h'$ what they remember (the same without an intervention). The gates are
    stacked in torch's order, $q, z, n$, so that weights can be exchanged with `torch.nn.GRU`. With a time constant the
    units are leaky, $h = h' + \frac{\Delta t}{\tau}(1-z)(n - h') + \xi$, which is the same at $\tau = \Delta t$.

    Args:
        n_in: number of input channels.
        n_units: number of units.
        dt: the time that a step stands for, ms. Without `tau` it enters no equation.
        tau: time constant of leaky units, ms, at least `dt`; units that are not leaky where absent.
        seed: of all initial weights, uniform in $\pm 1/\sqrt{N}$.

    Shapes:
        state `(h,)`, each `(trial, unit)`.

    Raises:
        ValueError: if the time constant is below `dt`.

    References:
        Cho et al. (2014), doi:10.3115/v1/D14-1179.

    Example:
        >>> import torch
        >>> from neurornn import GRU
        >>> cell = GRU(2, 8, dt=10.0)
        >>> cell.rollout(torch.zeros(3, 5, 2), cell.initial(3))[0].shape
        torch.Size([3, 5, 8])
    """

    w_in: nn.Parameter
    w_rec: nn.Parameter
    b_in: nn.Parameter
    b_rec: nn.Parameter

    @recorded
    def __init__(self, n_in: int, n_units: int, *, dt: float = 20.0, tau: float | None = None, seed: int = 0) -> None:
        super().__init__()
        _sizes(self, "GRU", n_in, n_units, dt)
        if tau is not None and _check.positive("GRU", "tau", tau) < dt:
            _check.fail("GRU", "tau", f"at least `dt` = {dt:g} ms", tau, "Take a smaller `dt`, or leave it out.")
        self.leak = None if tau is None else dt / tau
        _gates(self, 3, seed)

    def initial(self, n_trials: int) -> State:
        return (self.w_in.new_zeros(n_trials, self.n_units),)

    def activity(self, state: State) -> Tensor:
        return state[0]

    def weights(self) -> tuple[Tensor, ...]:
        return self.w_in, self.w_rec, self.b_in, self.b_rec

    def step(
        self,
        x: Tensor,
        state: State,
        noise: Tensor | None = None,
        *,
        sent: Tensor | None = None,
        current: Tensor | None = None,
        weights: tuple[Tensor, ...] | None = None,
    ) -> tuple[Tensor, State]:
        w_in, w_rec, b_in, b_rec = weights if weights is not None else self.weights()
        (h,) = state
        r = sent if sent is not None else h
        q_x, z_x, n_x = (x @ w_in.mT + b_in).chunk(3, dim=-1)
        q_r, z_r, n_r = (r @ w_rec.mT + b_rec).chunk(3, dim=-1)
        q, z = torch.sigmoid(q_x + q_r), torch.sigmoid(z_x + z_r)
        drive = n_x + q * n_r
        if current is not None:
            drive = drive + current
        new = torch.tanh(drive)
        h = (1 - z) * new + z * h if self.leak is None else h + self.leak * (1 - z) * (new - h)
        if noise is not None:
            h = h + noise
        return h, (h,)


class LSTM(AbstractCell):
    r"""Long short-term memory units.

    $$i, f, o = \sigma(W x + U r' + b),\quad g = \tanh(W_g x + U_g r' + b_g),\quad
      c = f c' + i g,\quad h = o \tanh(c) + \xi$$

    where $r'$ is what the units sent. An intervention acts on $h$, never on $c$. The gates are stacked in torch's
    order, $i, f, g, o$, so that weights can be exchanged with `torch.nn.LSTM`.

    Args:
        n_in: number of input channels.
        n_units: number of units.
        dt: the time that a step stands for, ms. It enters no equation.
        forget_bias: added to the forget gate's bias at the start, so that memory lasts from the first step.
        seed: of all initial weights, uniform in $\pm 1/\sqrt{N}$.

    Shapes:
        state `(h, c)`, each `(trial, unit)`.

    References:
        Hochreiter & Schmidhuber (1997), doi:10.1162/neco.1997.9.8.1735; Gers, Schmidhuber & Cummins (2000),
        doi:10.1162/089976600300015015.

    Example:
        >>> import torch
        >>> from neurornn import LSTM
        >>> cell = LSTM(2, 8, dt=10.0)
        >>> len(cell.rollout(torch.zeros(3, 5, 2), cell.initial(3))[1])
        2
    """

    w_in: nn.Parameter
    w_rec: nn.Parameter
    b_in: nn.Parameter
    b_rec: nn.Parameter

    @recorded
    def __init__(self, n_in: int, n_units: int, *, dt: float = 20.0, forget_bias: float = 1.0, seed: int = 0) -> None:
        super().__init__()
        _sizes(self, "LSTM", n_in, n_units, dt)
        _gates(self, 4, seed)
        with torch.no_grad():
            self.b_in[n_units : 2 * n_units] += forget_bias

    def initial(self, n_trials: int) -> State:
        return (self.w_in.new_zeros(n_trials, self.n_units), self.w_in.new_zeros(n_trials, self.n_units))

    def activity(self, state: State) -> Tensor:
        return state[0]

    def weights(self) -> tuple[Tensor, ...]:
        return self.w_in, self.w_rec, self.b_in, self.b_rec

    def step(
        self,
        x: Tensor,
        state: State,
        noise: Tensor | None = None,
        *,
        sent: Tensor | None = None,
        current: Tensor | None = None,
        weights: tuple[Tensor, ...] | None = None,
    ) -> tuple[Tensor, State]:
        w_in, w_rec, b_in, b_rec = weights if weights is not None else self.weights()
        h, c = state
        r = sent if sent is not None else h
        i, f, g, o = (x @ w_in.mT + b_in + r @ w_rec.mT + b_rec).chunk(4, dim=-1)
        if current is not None:
            g = g + current
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        if noise is not None:
            h = h + noise
        return h, (h, c)


def _sizes(cell: AbstractCell, owner: str, n_in: int, n_units: int, dt: float) -> None:
    cell.n_in = _check.count(owner, "n_in", n_in)
    cell.n_units = _check.count(owner, "n_units", n_units)
    cell.dt = _check.positive(owner, "dt", dt)


def _gates(cell: AbstractCell, n_gates: int, seed: int) -> None:
    """Give `cell` the weights of its gates, stacked along the rows."""
    stream = generator(seed)
    bound = 1 / math.sqrt(cell.n_units)
    shapes = {"w_in": (cell.n_in,), "w_rec": (cell.n_units,), "b_in": (), "b_rec": ()}
    for name, columns in shapes.items():
        drawn = torch.rand(n_gates * cell.n_units, *columns, generator=stream)
        cell.register_parameter(name, nn.Parameter(bound * (2 * drawn - 1)))
