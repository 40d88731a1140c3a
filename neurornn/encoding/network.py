"""Networks that a stimulus drives: a front end, recurrent units, and a readout for each recorded neuron."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from neurornn import _check
from neurornn._types import State, generator, recorded
from neurornn.cell.base import AbstractCell, Intervention
from neurornn.cell.stepping import Stepping
from neurornn.encoding.base import AbstractEncodingModel, History, Link
from neurornn.encoding.front import AbstractFront, drawn
from neurornn.encoding.pixels import UnitNorm
from neurornn.network import Network, Perturbs, combine


class StimulusNetwork(AbstractEncodingModel):
    r"""A front end, recurrent units if there are any, and a readout, for any stimulus that has a front end.

    $$ f_t = F(\text{window}),\quad r_t = \mathrm{cell}([f_t, n_{t-1}], r_{t-1}),\quad
       \lambda_t = g(R r_t + S f_t + h \star n + b) $$

    Without a cell it is a feed-forward network (an LN cascade, a CNN); with one, what it remembers is learned. Spike
    history reaches both the cell (the last bin's counts) and the output (a linear filter of `past` bins).

    Args:
        front: what is made of the window.
        n_units: recorded neurons.
        cell: recurrent units, whose `n_in` is the front's features and, with history, one for each neuron.
        past: bins of spike history; 0 for none.
        coupled: whether neurons hear each other's history; each hears itself alone where not. A cell hears all.
        hidden: size of a rectified dense layer before the readout; 0 for none.
        link: "softplus", "parametric softplus" or "exp".
        readout_norm: whether the readout has batch normalisation instead of a bias.
        delay: 1 to exclude the current frame, 0 to include it.
        warm: bins on which the cell finds its state.
        l2: penalty on the sum of the squared weights (not of biases), as Keras has it.
        seed: of the initial weights.

    Raises:
        ValueError: if the cell does not fit the front end.

    References:
        Batty et al. (2017), ICLR; Maheswaranathan et al. (2023), doi:10.1016/j.neuron.2023.06.007.

    Example:
        >>> import torch
        >>> from neurornn import GRU, StimulusNetwork, TemporalConv
        >>> front = TemporalConv(1, channels=(8,), kernels=(30,))
        >>> model = StimulusNetwork(front, 1, cell=GRU(9, 16, dt=1.0), past=20)
        >>> model(torch.zeros(2, 129 + model.warm, 1), torch.zeros(2, 119 + model.warm, 1)).shape
        torch.Size([2, 100, 1])
    """

    @recorded
    def __init__(
        self,
        front: AbstractFront,
        n_units: int,
        *,
        cell: AbstractCell | None = None,
        past: int = 0,
        coupled: bool = False,
        hidden: int = 0,
        link: str = "softplus",
        readout_norm: bool = False,
        delay: int = 1,
        warm: int = 50,
        l2: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        owner = "StimulusNetwork"
        self.front, self.cell = front, cell
        self.n_units = _check.count(owner, "n_units", n_units)
        self.past = _check.count(owner, "past", past, least=0)
        self.delay = _check.count(owner, "delay", delay, least=0)
        self.l2 = _check.not_negative(owner, "l2", l2)
        self.lags = front.lags
        self.warm = front.warm + (_check.count(owner, "warm", warm, least=0) if cell is not None else 0)
        n_in = front.n_features + (n_units if past else 0)
        if cell is not None and cell.n_in != n_in:
            fix = f"The front end gives {front.n_features} features{', history one for each neuron' if past else ''}."
            _check.fail(owner, "cell.n_in", str(n_in), cell.n_in, fix)
        stream = generator(seed)
        n_read = front.n_features + (cell.n_units if cell is not None else 0)
        self.dense = drawn((hidden, n_read), stream) if _check.count(owner, "hidden", hidden, least=0) else None
        self.dense_bias = nn.Parameter(torch.zeros(hidden)) if hidden else None
        self.readout = drawn((n_units, hidden or n_read), stream)
        self.readout_bias = None if readout_norm else nn.Parameter(torch.zeros(n_units))
        self.norm = UnitNorm(n_units) if readout_norm else None
        self.history = History(n_units, past, coupled=coupled) if past else None
        self.link = Link(link, n_units)

    def features(self, stimulus: Tensor, noise: torch.Generator | None = None) -> Tensor:
        return self.front(stimulus, noise)

    def begin(self, features: Tensor) -> State:
        return () if self.cell is None else self.cell.initial(len(features))

    def step(self, feature: Tensor, past: Tensor, state: State) -> tuple[Tensor, State]:
        heard = feature
        if self.cell is not None:
            x = torch.cat([feature, past[:, -1]], dim=1) if self.past else feature
            activity, state = self.cell.step(x, state)
            heard = torch.cat([activity, feature], dim=1)
        drive = self._read(heard[:, None])
        if self.history is not None:
            drive = drive + self.history(past)
        return self.link(drive)[:, 0], state

    def respond(self, features: Tensor, past: Tensor) -> Tensor:
        return self._respond(features, past, ())

    def perturbed(self, stimulus: Tensor, past: Tensor, perturb: Sequence[Perturbs]) -> Tensor:
        """Return what `forward` returns while something is done to the recurrent units, such as `Silence([3])`.

        Units, inputs and times are those of the cell, whose inputs are the features and then the history; times count
        from the first bin that the cell sees. The front end's own path to the readout is not touched.

        Args:
            stimulus: as `forward` takes it.
            past: as `forward` takes them.
            perturb: what is done; nothing stacked.

        Raises:
            ValueError: if the model has no cell, or perturbations are stacked.
        """
        if self.cell is None:
            self._act(perturb, 1, 1)
        return self._respond(self.features(stimulus), past, perturb)[:, self.warm :]

    def _respond(self, features: Tensor, past: Tensor, perturb: Sequence[Perturbs]) -> Tensor:
        heard = features
        if self.cell is not None:
            x = torch.cat([features, past[:, self.past - 1 :]], dim=2) if self.past else features
            act = self._act(perturb, *x.shape[:2])
            x = x if act is None else act.seen(x)
            activity, _ = self.cell.rollout(x, self.cell.initial(len(x)), intervention=act)
            heard = torch.cat([activity, features], dim=2)
        drive = self._read(heard)
        if self.history is not None:
            drive = drive + self.history(past)
        return self.link(drive)

    def stepping(
        self, features: Tensor, perturb: Sequence[Perturbs]
    ) -> Callable[[Tensor, Tensor, State], tuple[Tensor, State]]:
        n_samples, n_bins = features.shape[:2]
        act = self._act(perturb, n_samples, n_bins)
        if act is None or self.cell is None:
            return self.step
        if act.edits and self.past:
            fix = "Perturb units or synapses, or drop frames of the stimulus."
            _check.fail("StimulusNetwork.stepping", "perturb", "no edit of inputs that hold spikes", "an edit", fix)
        seen = act.seen(features) if not self.past else features
        run = Stepping(self.cell, self.begin(features), act, n_bins)

        def step(feature: Tensor, past: Tensor, state: State) -> tuple[Tensor, State]:
            x = torch.cat([feature, past[:, -1]], dim=1) if self.past else seen[:, run.t]
            drive = self._read(torch.cat([run.step(x), feature], dim=1)[:, None])
            if self.history is not None:
                drive = drive + self.history(past)
            return self.link(drive)[:, 0], run.state

        return step

    def sent(self, stimulus: Tensor, past: Tensor) -> Tensor:
        """Return what the recurrent units send in the bins after the warm-up. Shape `(sample, bin, unit)`.

        Raises:
            ValueError: if the model has no cell.
        """
        if self.cell is None:
            self.unperturbable()
        features = self.features(stimulus)
        x = torch.cat([features, past[:, self.past - 1 :]], dim=2) if self.past else features
        return self.cell.rollout(x, self.cell.initial(len(x)))[0][:, self.warm :]

    def _act(self, perturb: Sequence[Perturbs], n_samples: int, n_bins: int) -> Intervention | None:
        """Return perturbations of the recurrent units as one intervention, or refuse."""
        if not perturb:
            return None
        if self.cell is None:
            fix = "Build it with cell=GRU(...)."
            _check.fail("StimulusNetwork.perturbed", "cell", "there, for its units to be perturbed", None, fix)
        act = combine(perturb, Network(self.cell, 1), n_samples, n_bins)
        if act is not None and act.n_stack:
            _check.fail("StimulusNetwork.perturbed", "perturb", "one at a time", "a stack", "Call it for each.")
        return act

    def penalty(self) -> Tensor:
        if self.l2 == 0.0:
            return torch.zeros(())
        heavy = [p.square().sum() for p in self.parameters() if p.ndim > 1]
        return self.l2 * torch.stack(heavy).sum()

    def start_at(self, counts: Tensor) -> None:
        if self.readout_bias is not None:
            with torch.no_grad():
                self.readout_bias.copy_(self.link.inverse(counts))

    def _read(self, heard: Tensor) -> Tensor:
        if self.dense is not None and self.dense_bias is not None:
            heard = torch.relu(heard @ self.dense.mT + self.dense_bias)
        drive = heard @ self.readout.mT
        if self.readout_bias is not None:
            return drive + self.readout_bias
        assert self.norm is not None
        return self.norm(drive)
