"""Before training: is the network chaotic, how do gradients grow with the length of a trial, and what to do."""

import copy
import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from neurornn import _check
from neurornn._types import generator
from neurornn.dynamics.lyapunov import Lyapunov, lyapunov
from neurornn.dynamics.system import flat, parted
from neurornn.network import Network

FOLD = 100.0
"""How much gradients may grow along an unroll before their variance drowns them: the paper's losses break around it."""


@dataclass(frozen=True, eq=False)
class Chaos:
    """Whether gradients through a network can be trusted, and over how many steps.

    Args:
        spectrum: the largest Lyapunov exponents of the network, driven by the inputs.
        lengths: of unrolls, steps. Shape `(length,)`.
        gradients: norm of the gradient of the mean squared output at the last step of each unroll, by all parameters.
            Shape `(length,)`.
        memory: norm of the gradient of the same by the first state. Shape `(length,)`.
        duration: of the inputs, ms.
        methods: how this was made.
        references: DOIs.
    """

    spectrum: Lyapunov
    lengths: Int[np.ndarray, " length"]
    gradients: Float[np.ndarray, " length"]
    memory: Float[np.ndarray, " length"]
    duration: float
    methods: str
    references: tuple[str, ...] = ("10.48550/arXiv.2111.05803",)

    @property
    def chaotic(self) -> bool:
        """Whether the largest exponent is above 0 by twice its error."""
        return self.spectrum.largest > 2 * float(np.nan_to_num(self.spectrum.error[0]))

    @property
    def horizon(self) -> float:
        r"""After how many ms gradients have changed a hundredfold, $\ln 100 / |\lambda_1|$."""
        return math.log(FOLD) / max(abs(self.spectrum.largest), 1e-300)

    @property
    def growth(self) -> float:
        """How fast the gradient by the first state grows, 1/ms: the slope of its logarithm over the longer half."""
        late = slice(len(self.lengths) // 2, None)
        logs = np.log(np.maximum(self.memory[late], 1e-300))
        return float(np.polyfit(self.lengths[late] * self.spectrum.dt, logs, 1)[0])

    @property
    def advice(self) -> tuple[str, ...]:
        """What to do, the cheapest first; nothing where gradients reach over the whole trial unharmed."""
        if self.horizon >= self.duration:
            return ()
        steps = max(1, int(self.horizon / self.spectrum.dt))
        if self.chaotic:
            return (
                f"Start with trials of at most {steps} steps ({self.horizon:.0f} ms) and lengthen them as training "
                "tames the dynamics, or cut gradients off there.",
                "Start with weaker recurrent weights: Dense(gain=...) nearer to 1.",
                "Train with noise (Network(noise=...)), which smooths the loss over the trajectories that part.",
                "Keep clip on: the norm of the gradient is not to be trusted, its direction may be.",
                "Where nothing else helps, estimate gradients by evolution strategies instead of by time reversal.",
            )
        return (
            f"The memory of a start fades a hundredfold within {steps} steps ({self.horizon:.0f} ms), and gradients "
            "with it: use longer time constants (tau), stronger recurrent weights, or gated cells.",
            "Ask for the answer, or for hints of it, closer to what must be remembered, and move it away in a "
            "curriculum.",
        )

    def summary(self) -> str:
        """Return the finding in one paragraph."""
        state = "chaotic" if self.chaotic else "not chaotic"
        largest, error = 1e3 * self.spectrum.largest, 1e3 * float(self.spectrum.error[0])
        first = f"The network is {state}: largest exponent {largest:.3g} +- {error:.2g} per second."
        return " ".join((first, *self.advice))

    def frame(self) -> pd.DataFrame:
        """Return one row an unroll: `steps`, `time` (ms), `gradient`, `memory`."""
        times = self.lengths * self.spectrum.dt
        columns = {"steps": self.lengths, "time": times, "gradient": self.gradients, "memory": self.memory}
        return pd.DataFrame(columns)


def chaos(
    network: Network,
    inputs: Float[Tensor, "trial time in"],
    *,
    start: Float[Tensor, "trial start"] | None = None,
    n_exponents: int = 2,
    n_lengths: int = 12,
    seed: int = 0,
    progress: bool = True,
) -> Chaos:
    r"""Return whether a network is chaotic under its inputs, and how gradients grow with the length of the unroll.

    The gradient of what happens after $T$ steps holds products of $T$ Jacobians, which grow as $e^{\lambda_1 T}$: with
    a positive exponent its variance explodes, whatever the optimiser.

    Args:
        network: as it is, trained or not. It runs without noise.
        inputs: of some trials, as long as those of training.
        start: what the encoder is told, where there is one.
        n_exponents: how many exponents are computed.
        n_lengths: lengths of unrolls, from one step to the whole, evenly spaced in their logarithm.
        seed: of the tangent vectors.
        progress: whether to show a bar, where it takes more than some seconds.

    Raises:
        ValueError: if the trials are shorter than 10 steps, or inputs do not fit.

    References:
        Metz, Freeman, Schoenholz & Kachman (2021), doi:10.48550/arXiv.2111.05803.

    Example:
        >>> import torch
        >>> from neurornn import Dense, LeakyRate, Network, chaos
        >>> def network(gain):
        ...     wiring = Dense(60, gain=gain)
        ...     return Network(LeakyRate(1, 60, tau=20.0, dt=20.0, nonlinearity="tanh", wiring=wiring), 1)
        >>> [chaos(network(gain), torch.zeros(4, 100, 1)).chaotic for gain in (0.5, 4.0)]
        [False, True]
    """
    if inputs.ndim != 3 or inputs.shape[1] < 10:
        _check.fail("chaos", "inputs", "of shape (trial, time, in), 10 steps or more", inputs)
    n_steps = inputs.shape[1]
    whole = copy.deepcopy(network).double()
    given = inputs.to(whole.readout)
    first = None if start is None else start.to(whole.readout)
    with torch.no_grad():
        at_first = whole.initial(len(given), first)
        origin = flat(at_first)
        origin = origin + 1e-3 * torch.randn(origin.shape, generator=generator(seed)).to(origin)
    align = n_steps // 5
    spectrum = lyapunov(
        whole,
        given,
        start=origin,
        n_exponents=min(n_exponents, origin.shape[1]),
        transient=0,
        align=align,
        seed=seed,
        progress=progress,
    )
    lengths = np.unique(np.geomspace(1, n_steps, _check.count("chaos", "n_lengths", n_lengths, least=4)).round())
    free = [p for p in whole.parameters() if p.requires_grad]
    state = tuple(part.detach().requires_grad_() for part in parted(origin, at_first))
    norms = []
    for length in lengths.astype(int):
        run = whole(given[:, :length], state=state)
        grads = torch.autograd.grad(run.outputs[:, -1].square().mean(), [*free, *state], allow_unused=True)
        norms.append([_norm(part) for part in (grads[: len(free)], grads[len(free) :])])
    methods = (
        f"{spectrum.methods} Gradients in float64 of the mean squared output at the last of 1 to {n_steps} steps, over "
        f"{len(given)} trials, without noise."
    )
    by_parameters, by_start = np.array(norms).T
    return Chaos(spectrum, lengths.astype(int), by_parameters, by_start, n_steps * network.dt, methods)


def _norm(parts: tuple[Tensor | None, ...]) -> float:
    return math.sqrt(sum(float(one.square().sum()) for one in parts if one is not None))
