"""A batch through a network during training, whole or in stretches of time that spare memory."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from neurornn.cell import Newton
from neurornn.network import Network, Run
from neurornn.trials import Trials


class Roll(nn.Module):
    """A network that runs in stretches of `chunk` steps, each computed a second time on the way back.

    Only the states between the stretches are stored, so that memory grows with `chunk + steps / chunk` rather than with
    the steps. The run is the same bit for bit; gradients are the same up to the order of sums.

    Args:
        network: the network.
        chunk: steps a stretch; 0 runs the trial whole.
        voltages: whether membrane potentials are kept.
        parallel: how steps are solved together; one by one where absent.
    """

    def __init__(self, network: Network, chunk: int, *, voltages: bool = False, parallel: Newton | None = None) -> None:
        super().__init__()
        self.network = network
        self.chunk = chunk
        self.how = {"voltages": voltages, "parallel": parallel}

    def forward(self, inputs: Tensor, start: Tensor | None, noise: Tensor | None, scatter: Tensor | None = None) -> Run:
        """Run a batch of `(trial, time, in)`; start, noise and scatter as `Network.forward` takes them."""
        inputs = inputs.to(self.network.readout)
        start = None if start is None else start.to(self.network.readout)
        if 0 < self.chunk < inputs.shape[1]:
            run = self._in_stretches(inputs, start, noise, scatter)
        else:
            run = self.network(inputs, start=start, noise=noise, scatter=scatter, **self.how)
        # Losses are sums over many steps: they are made in the precision of the weights.
        return replace(run, outputs=run.outputs.to(self.network.readout))

    def _in_stretches(self, inputs: Tensor, start: Tensor | None, noise: Tensor | None, scatter: Tensor | None) -> Run:
        state = self.network.initial(len(inputs), start, scatter=scatter)
        noises = noise.split(self.chunk, dim=1) if noise is not None else None
        runs: list[Run] = []
        for i, part in enumerate(inputs.split(self.chunk, dim=1)):
            loud = None if noises is None else noises[i]
            run = checkpoint(self._stretch, part, state, loud, use_reentrant=False, preserve_rng_state=False)
            assert isinstance(run, Run)
            state = run.state
            runs.append(run)
        activity = torch.cat([run.activity for run in runs], dim=-2)
        spikes, voltages = (_joined([getattr(run, name) for run in runs]) for name in ("spikes", "voltages"))
        outputs = self.network.read(activity, voltages)
        return replace(runs[-1], outputs=outputs, activity=activity, spikes=spikes, voltages=voltages)

    def _stretch(self, inputs: Tensor, state: tuple[Tensor, ...], noise: Tensor | None) -> Run:
        return self.network(inputs, state=state, noise=noise, **self.how)


def _joined(parts: Sequence[Tensor | None]) -> Tensor | None:
    there = [part for part in parts if part is not None]
    return torch.cat(there, dim=-2) if there else None


def draw_noise(network: Network, n_trials: int, n_steps: int, stream: torch.Generator) -> Tensor | None:
    """Return the network's own noise for a whole batch, `(trial, time, unit)`; `None` where it has none."""
    if network.noise == network.noise.scaled(0.0):
        return None
    shape = (n_trials, n_steps, network.n_units)
    return network.noise.draw(shape, dt=network.dt, generator=stream).to(network.readout)


def only(run: Run, heads: Sequence[str]) -> Run:
    """Return the run as if the network had only these readout heads, in this order; all of them where none is named."""
    if not heads:
        return run
    places: dict[str, slice] = {}
    at = 0
    for name in heads:
        size = run.heads[name].stop - run.heads[name].start
        places[name] = slice(at, at + size)
        at += size
    columns = [run.heads[name] for name in heads]
    if all(one.stop == other.start for one, other in pairwise(columns)):
        outputs = run.outputs[..., columns[0].start : columns[-1].stop]
    else:
        outputs = torch.cat([run.outputs[..., each] for each in columns], dim=-1)
    return replace(run, outputs=outputs, heads=places)


@torch.no_grad()
def answer(network: Network, trials: Trials, *, heads: Sequence[str] = (), noise: torch.Generator | None = None) -> Run:
    """Return what the network does in `trials`, without gradients; noise is drawn where a stream is given."""
    trials = trials if trials.inputs.device == network.device else trials.to(network.device)
    scatter = None if noise is None else network.draw_scatter(trials.n_trials, noise)
    drawn = None if noise is None else draw_noise(network, trials.n_trials, trials.n_steps, noise)
    return only(Roll(network, 0)(trials.inputs, trials.start, drawn, scatter), heads)
