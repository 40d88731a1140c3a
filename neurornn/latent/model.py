"""The sequential latent model: a recurrent generator whose few factors explain the spikes of many units."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from neurornn import _check
from neurornn._types import generator, recorded
from neurornn.cell.gated import GRU
from neurornn.cell.intervention import Intervention
from neurornn.cell.stepping import Stepping
from neurornn.network import Network, Perturbs, combine

STEEPEST = 8.0
"""Log expected counts are held below this."""


class Inferred(NamedTuple):
    """What a latent model makes of some windows.

    `expected` counts (window, bin, out); `factors` (window, bin, factor); `inputs` (window, bin, input), inferred and
    empty without a controller; `kl`, summed, in nats; `activity` (window, bin, unit), what the generator sends.
    """

    expected: Tensor
    factors: Tensor
    inputs: Tensor
    kl: Tensor
    activity: Tensor


class SequentialLatent(nn.Module):
    r"""An autoencoder of spikes through a recurrent generator.

    $$ q(g_0) = N(\mu(e), \sigma^2(e)), \qquad g_t = \mathrm{GRU}(u_t, g_{t-1}), \qquad f_t = W g_t, \qquad
       n_t \sim \mathrm{Poisson}(e^{A f_t + b}) $$

    with $e$ the last states of two encoders that read the window forwards and backwards. Without a controller the
    generator runs by itself, $u_t = 0$: all of the window must follow from its first state. With one, an input is
    inferred at each bin from what the encoders have there and from the factors so far. The loss is the Poisson
    likelihood and the divergence of $q$ from a standard normal law.

    Held-out units are predicted from held-in ones alone: they are read by no encoder.

    Args:
        n_in: units that are read (held in).
        n_out: units that are predicted.
        n_encoder: size of each encoder.
        n_generator: size of the generator.
        n_factors: factors.
        n_controller: size of the controller; 0 for none.
        n_inputs: inferred inputs, with a controller.
        dt: bin width, ms.
        seed: of the initial weights.

    References:
        Pandarinath et al. (2018), doi:10.1038/s41592-018-0109-9.

    Example:
        >>> import torch
        >>> from neurornn import SequentialLatent
        >>> model = SequentialLatent(5, 7, n_factors=3)
        >>> model(torch.zeros(2, 20, 5)).expected.shape
        torch.Size([2, 20, 7])
    """

    settings: dict[str, Any]

    @recorded
    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        n_encoder: int = 32,
        n_generator: int = 48,
        n_factors: int = 8,
        n_controller: int = 0,
        n_inputs: int = 2,
        dt: float = 50.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        owner = "SequentialLatent"
        sizes = {"n_in": n_in, "n_out": n_out, "n_encoder": n_encoder, "n_generator": n_generator}
        for name, value in {**sizes, "n_factors": n_factors, "n_inputs": n_inputs}.items():
            _check.count(owner, name, value)
        self.n_in, self.n_out, self.n_generator = n_in, n_out, n_generator
        self.n_controller = _check.count(owner, "n_controller", n_controller, least=0)
        self.n_inputs = n_inputs if n_controller else 0
        seeds = iter(range(10 * seed, 10 * seed + 10))
        self.forth, self.back = (GRU(n_in, n_encoder, dt=dt, seed=next(seeds)) for _ in range(2))
        self.generator = GRU(max(self.n_inputs, 1), n_generator, dt=dt, seed=next(seeds))
        self.controller: GRU | None = None
        if n_controller:
            self.controller = GRU(2 * n_encoder + n_factors, n_controller, dt=dt, seed=next(seeds))
        stream = generator(seed + 7919)

        def linear(rows: int, columns: int, gain: float = 1.0) -> nn.Parameter:
            return nn.Parameter(torch.randn(rows, columns, generator=stream) * gain / math.sqrt(columns))

        self.to_start = linear(2 * n_generator, 2 * n_encoder, 0.5)
        self.to_inputs = linear(2 * self.n_inputs, n_controller, 0.5) if n_controller else None
        self.to_factors = linear(n_factors, n_generator)
        self.to_rates = linear(n_out, n_factors, 0.5)
        self.bias = nn.Parameter(torch.zeros(n_out))

    def forward(
        self,
        counts: Float[Tensor, "window bin in"],
        noise: torch.Generator | None = None,
        *,
        perturb: Sequence[Perturbs] = (),
    ) -> Inferred:
        """Return what the model makes of windows of counts of the held-in units.

        Args:
            counts: of the held-in units.
            noise: where the latent state is drawn from; its mean is taken where absent.
            perturb: what is done to the generator's units meanwhile, such as `Silence([3])`: factors, rates and the
                controller get what they send then. Times count from the start of a window. Encoders stay as they are.

        Raises:
            ValueError: if perturbations are stacked, or edit inputs that a controller infers.
        """
        act = self._act(perturb, *counts.shape[:2])
        n = len(counts)
        forth = _rolled(self.forth, counts, self.forth.initial(n)[0])
        back = _rolled(self.back, counts.flip(1), self.back.initial(n)[0]).flip(1)
        ends = torch.cat([forth[:, -1], back[:, 0]], dim=1)
        start, kl = _sampled(ends @ self.to_start.mT, noise)
        if self.controller is None:
            quiet = counts.new_zeros(n, counts.shape[1], 1)
            if act is None:
                states = _rolled(self.generator, quiet, start)
            else:
                states, _ = self.generator.rollout(act.seen(quiet), (start,), intervention=act)
            inputs = counts.new_zeros(n, counts.shape[1], 0)
        else:
            states, inputs, more = self._controlled(torch.cat([forth, back], dim=2), start, noise, act)
            kl = kl + more
        factors = states @ self.to_factors.mT
        expected = torch.exp((factors @ self.to_rates.mT + self.bias).clamp(max=STEEPEST))
        return Inferred(expected, factors, inputs, kl, states)

    def _act(self, perturb: Sequence[Perturbs], n_windows: int, n_bins: int) -> Intervention | None:
        """Return perturbations of the generator as one intervention, or refuse."""
        if not perturb:
            return None
        act = combine(perturb, Network(self.generator, 1), n_windows, n_bins)
        if act is not None and act.n_stack:
            _check.fail("SequentialLatent", "perturb", "one at a time", "a stack", "Call it for each.")
        if act is not None and act.edits and self.controller is not None:
            fix = "Perturb units or synapses of the generator."
            _check.fail("SequentialLatent", "perturb", "no edit of inputs that a controller infers", "an edit", fix)
        return act

    def _controlled(
        self, read: Tensor, start: Tensor, noise: torch.Generator | None, act: Intervention | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        assert self.controller is not None and self.to_inputs is not None
        control = self.controller.initial(len(read))
        run = Stepping(self.generator, (start,), act, read.shape[1])
        g = run.last
        states, inputs, kl = [], [], read.new_zeros(())
        for seen in read.unbind(1):
            c, control = self.controller.step(torch.cat([seen, g @ self.to_factors.mT], dim=1), control)
            u, more = _sampled(c @ self.to_inputs.mT, noise)
            g = run.step(u)
            states.append(g)
            inputs.append(u)
            kl = kl + more
        return torch.stack(states, dim=1), torch.stack(inputs, dim=1), kl


def _rolled(cell: GRU, x: Tensor, first: Tensor) -> Tensor:
    """Return what `cell.rollout` returns without an intervention, by torch's own loop: the same, and faster."""
    weights: tuple[Tensor, ...] = (cell.w_in, cell.w_rec, cell.b_in, cell.b_rec)
    return torch.gru(x, first[None], weights, True, 1, 0.0, False, False, True)[0]


def _sampled(both: Tensor, noise: torch.Generator | None) -> tuple[Tensor, Tensor]:
    """Return a draw from N(mean, sd^2) (its mean without a stream) and its divergence from N(0, 1), summed."""
    mean, log_sd = both.chunk(2, dim=1)
    log_sd = log_sd.clamp(-6.0, 3.0)
    kl = 0.5 * (mean.square() + (2 * log_sd).exp() - 2 * log_sd - 1).sum()
    if noise is None:
        return mean, kl
    return mean + log_sd.exp() * torch.randn(mean.shape, generator=noise), kl
