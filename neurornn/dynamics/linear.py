"""The motion near a state, linearised: its modes, how long they last, and how far from normal they are."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Complex, Float
from torch import Tensor

from neurornn import _check
from neurornn.cell import AbstractCell
from neurornn.dynamics.fixed import periods, time_constants
from neurornn.dynamics.system import Map, as_map
from neurornn.network import Network


@dataclass(frozen=True, eq=False)
class Modes:
    r"""The modes of a step about a state: $x_t - x^* \approx \sum_a r_a \lambda_a^t\, l_a \cdot (x_0 - x^*)$.

    Args:
        eigenvalues: largest modulus first. Shape `(mode,)`.
        right: the pattern of each mode, of unit length. Shape `(state, mode)`.
        left: what excites it, $L = R^{-1}$. Shape `(mode, state)`.
        jacobian: shape `(state, state)`.
        inputs: how much each input excites each mode, $L\,\partial F/\partial u$. Shape `(mode, in)`.
        amplification: the largest gain of a perturbation after 0, 1, 2 ... steps, $\lVert J^t \rVert_2$. Shape
            `(step,)`.
        dt: of a step, ms.
    """

    eigenvalues: Complex[np.ndarray, " mode"]
    right: Complex[np.ndarray, "state mode"]
    left: Complex[np.ndarray, "mode state"]
    jacobian: Float[np.ndarray, "state state"]
    inputs: Complex[np.ndarray, "mode in"]
    amplification: Float[np.ndarray, " step"]
    dt: float

    @property
    def departure(self) -> float:
        r"""Henrici's departure from normality, $\sqrt{\lVert J\rVert_F^2 - \sum |\lambda|^2} / \lVert J\rVert_F$.

        0 for a normal step, whose modes are at right angles; near 1 for a feed-forward chain.
        """
        whole = float(np.sum(self.jacobian**2))
        rest = max(0.0, whole - float(np.sum(np.abs(self.eigenvalues) ** 2)))
        return (rest / whole) ** 0.5 if whole else 0.0

    @property
    def condition(self) -> float:
        """The condition number of the modes: 1 where they are at right angles, infinite where two coincide."""
        return float(np.linalg.cond(self.right))

    @property
    def transient(self) -> float:
        """The most that a perturbation can grow before it decays (or at all, within the steps looked at)."""
        return float(self.amplification.max())

    @property
    def methods(self) -> str:
        """How this was made."""
        return (
            f"Eigenvalues and eigenvectors of the exact Jacobian of one step of {self.dt:g} ms, {len(self.jacobian)} "
            f"states; time constant: dt / |ln |eigenvalue||; gain: spectral norm of the power of the Jacobian, over "
            f"{len(self.amplification) - 1} steps; departure from normality after Henrici."
        )

    def frame(self) -> pd.DataFrame:
        """Return one row a mode: `real`, `imaginary`, `modulus`, `time_constant` and `period` (ms), and inputs."""
        table = pd.DataFrame(
            {
                "real": np.real(self.eigenvalues),
                "imaginary": np.imag(self.eigenvalues),
                "modulus": np.abs(self.eigenvalues),
                "time_constant": time_constants(self.eigenvalues, self.dt),
                "period": periods(self.eigenvalues, self.dt),
            }
        ).rename_axis("mode")
        for i, column in enumerate(np.abs(self.inputs).T):
            table[f"in_{i}"] = column
        return table


def modes(
    system: Network | AbstractCell | Map,
    state: Float[Tensor, " state"] | Float[np.ndarray, " state"],
    inputs: Float[Tensor, " in"] | Float[np.ndarray, " in"] | None = None,
    *,
    n_steps: int = 200,
) -> Modes:
    r"""Return the modes of a system's step about a state, a fixed point for example.

    $$J = \partial F/\partial x = R \Lambda L, \qquad \tau_a = \Delta t / |\ln |\lambda_a||$$

    Args:
        system: a network or cell, without its noise, or a map.
        state: flat.
        inputs: what is held; 0 where absent.
        n_steps: steps over which the amplification of perturbations is followed.

    Raises:
        ValueError: if sizes do not fit.

    References:
        Trefethen & Embree (2005), Spectra and Pseudospectra, Princeton.

    Example:
        >>> import torch
        >>> from neurornn import Map, modes
        >>> chain = torch.tensor([[0.5, 4.0], [0.0, 0.4]], dtype=torch.float64)
        >>> found = modes(Map(lambda x: x @ chain.T, 2), torch.zeros(2))
        >>> found.eigenvalues.real.round(3).tolist(), round(found.transient, 2), round(found.departure, 2)
        ([0.5, 0.4], 4.05, 0.99)
    """
    step = as_map(system)
    if step.refusal:
        _check.fail("modes", "system", "a step without jumps", step.name, step.refusal)
    x = torch.as_tensor(state, dtype=torch.float64)[None]
    if x.shape != (1, step.n_state):
        _check.fail("modes", "state", f"of shape ({step.n_state},)", state)
    u = None if inputs is None else torch.as_tensor(inputs, dtype=torch.float64)[None]
    if u is not None and u.shape != (1, step.n_in):
        _check.fail("modes", "inputs", f"of shape ({step.n_in},)", inputs)
    _check.count("modes", "n_steps", n_steps)
    jacobian = step.jacobian(x, u)[0].cpu().numpy()
    values, right = np.linalg.eig(jacobian)
    order = np.argsort(-np.abs(values), kind="stable")
    values, right = values[order].astype(complex), right[:, order].astype(complex)
    left = np.linalg.pinv(right)
    by_input = step.input_jacobian(x, u)[0].cpu().numpy() if step.n_in else np.empty((step.n_state, 0))
    power, gains = np.eye(step.n_state), [1.0]
    for _ in range(n_steps):
        power = jacobian @ power
        gains.append(float(np.linalg.norm(power, 2)))
        if not 1e-12 < gains[-1] < 1e12:
            break
    return Modes(values, right, left, jacobian, left @ by_input, np.array(gains), step.dt)


def linear_error(
    system: Network | AbstractCell | Map,
    around: Float[Tensor, "point state"] | Float[np.ndarray, "point state"],
    states: Float[Tensor, "sample state"],
    inputs: Float[Tensor, "sample in"] | None = None,
    held: Float[Tensor, " in"] | None = None,
) -> float:
    r"""Return which part of a network's motion is missed by the steps linearised about the nearest of some states.

    $$\frac{\sum \lVert F(x, u) - F(x^*, u^*) - J (x - x^*) - J_u (u - u^*) \rVert^2}
           {\sum \lVert F(x, u) - x \rVert^2}$$

    0 where the network is linear; small where what its modes say is what it does. Above 1 the linear step is worse than
    saying that nothing moves.

    Args:
        system: a network or cell, without its noise, or a map.
        around: $x^*$, flat: fixed points, or the states of a continuum.
        states: $x$, flat.
        inputs: $u$ of each; 0 where absent.
        held: $u^*$, the input that `around` belongs to; 0 where absent.

    Raises:
        ValueError: if sizes do not fit.

    References:
        Maheswaranathan et al. (2019), doi:10.48550/arXiv.1906.10720.

    Example:
        >>> import torch
        >>> from neurornn import Map
        >>> from neurornn.dynamics import linear_error
        >>> x = torch.linspace(-1, 1, 21, dtype=torch.float64)[:, None]
        >>> weak = Map(lambda s: torch.tanh(0.5 * s), 1)
        >>> linear_error(weak, torch.zeros(1, 1), 0.1 * x) < 1e-5 < linear_error(weak, torch.zeros(1, 1), 3 * x)
        True
    """
    step = as_map(system)
    if step.refusal:
        _check.fail("linear_error", "system", "a step without jumps", step.name, step.refusal)
    centres, x = (torch.as_tensor(part, dtype=torch.float64) for part in (around, states))
    for name, part in (("around", centres), ("states", x)):
        if part.ndim != 2 or part.shape[1] != step.n_state or not len(part):
            _check.fail("linear_error", name, f"of shape (sample, {step.n_state})", part)
    u = x.new_zeros(len(x), step.n_in) if inputs is None else inputs.double()
    rest = x.new_zeros(1, step.n_in) if held is None else held.double()[None]
    if u.shape != (len(x), step.n_in) or rest.shape != (1, step.n_in):
        _check.fail("linear_error", "inputs", f"of shape ({len(x)}, {step.n_in}), and `held` of ({step.n_in},)", u)
    missed = moved = 0.0
    nearest = torch.cdist(x, centres).argmin(dim=1)
    with torch.no_grad():
        for place in nearest.unique().tolist():
            here, centre = nearest == place, centres[place : place + 1]
            told = step(centre, rest) + (x[here] - centre) @ step.jacobian(centre, rest)[0].T
            if step.n_in:
                told = told + (u[here] - rest) @ step.input_jacobian(centre, rest)[0].T
            after = step(x[here], u[here])
            missed += float((after - told).square().sum())
            moved += float((after - x[here]).square().sum())
    return missed / moved if moved else float("nan")
