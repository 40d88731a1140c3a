"""What an encoding model is: from what was shown, and what the units did before, to what they are expected to do."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, NamedTuple, NoReturn

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from neurornn import _check
from neurornn._types import State
from neurornn.network import Perturbs

STEEPEST = 20.0
"""Log-rates are held within this of 0."""


class Batch(NamedTuple):
    """Some chunks of a recording, as a model takes them.

    `stimulus` (sample, frame, *shape) standardised; `past` (sample, bin, unit) counts; `counts` (sample, bin, unit)
    summed over repeats; `shown` (sample, bin, unit), how many repeats these are of, 0 for what does not count.
    """

    stimulus: Tensor
    past: Tensor
    counts: Tensor
    shown: Tensor


class AbstractEncodingModel(nn.Module, ABC):
    r"""Expected counts of each unit, bin by bin.

    $$ \lambda_t = g(\eta_t), \qquad \eta_t = F(s_{t-d-L+1}, \dots, s_{t-d};\; n_{t-P}, \dots, n_{t-1}) $$

    with frames $s$, a delay $d$ of 1 bin (the current frame is excluded: strictly causal) or 0, a window of $L$ frames
    and a history of $P$ bins of counts $n$. What the stimulus drives (`features`) is worked out for all bins at once;
    only what depends on the units' own spikes takes a step a bin.

    Attributes:
        n_units: units that are predicted.
        lags: frames in a window, $L$.
        delay: bins between the last frame of a window and the bin that it predicts, $d$.
        past: bins of spike history, $P$; 0 for none.
        warm: bins before the first that counts, on which a recurrent model finds its state.
        settings: the constructor's arguments, from which the model can be rebuilt.
    """

    n_units: int
    lags: int
    delay: int = 1
    past: int = 0
    warm: int = 0
    settings: dict[str, Any]

    @abstractmethod
    def features(
        self, stimulus: Float[Tensor, "sample frame *shape"], noise: torch.Generator | None = None
    ) -> Float[Tensor, "sample bin feature"]:
        """Return what the stimulus drives, for the last `frame - lags + 1` bins.

        Args:
            stimulus: standardised frames.
            noise: where latent noise is drawn from; none is added where absent.
        """

    @abstractmethod
    def begin(self, features: Float[Tensor, "sample bin feature"]) -> State:
        """Return the state before the first bin."""

    @abstractmethod
    def step(
        self,
        feature: Float[Tensor, "sample feature"],
        past: Float[Tensor, "sample past unit"],
        state: State,
    ) -> tuple[Float[Tensor, "sample unit"], State]:
        """Return the expected counts of one bin, and the state after it.

        Args:
            feature: of this bin.
            past: counts of the `past` bins before it, oldest first.
            state: before it.
        """

    @abstractmethod
    def respond(
        self, features: Float[Tensor, "sample bin feature"], past: Float[Tensor, "sample earlier unit"]
    ) -> Float[Tensor, "sample bin unit"]:
        """Return the expected counts of all bins at once, given the counts that the units fired (teacher-forced).

        Args:
            features: of each bin.
            past: counts from `past` bins before the first bin up to the one before the last.
        """

    def forward(
        self,
        stimulus: Float[Tensor, "sample frame *shape"],
        past: Float[Tensor, "sample earlier unit"],
        *,
        noise: torch.Generator | None = None,
    ) -> Float[Tensor, "sample bin unit"]:
        """Return the expected counts of the bins after the warm-up.

        Args:
            stimulus: standardised frames: `warm + bin + lags - 1` of them.
            past: counts of the bins before each; read only where the model has a history.
            noise: where latent noise is drawn from; none is added where absent.
        """
        return self.respond(self.features(stimulus, noise), past)[:, self.warm :]

    def perturbed(
        self,
        stimulus: Float[Tensor, "sample frame *shape"],
        past: Float[Tensor, "sample earlier unit"],
        perturb: Sequence[Perturbs],
    ) -> Float[Tensor, "sample bin unit"]:
        """Return what `forward` returns while something is done to the recurrent units, such as `Silence([3])`.

        Raises:
            ValueError: if the model has no recurrent units.
        """
        self.unperturbable()

    def stepping(
        self, features: Float[Tensor, "sample bin feature"], perturb: Sequence[Perturbs]
    ) -> Callable[[Tensor, Tensor, State], tuple[Tensor, State]]:
        """Return what takes the place of `step` in a run through `features` while something is done to the units.

        Raises:
            ValueError: if the model has no recurrent units.
        """
        if not perturb:
            return self.step
        self.unperturbable()

    def unperturbable(self) -> NoReturn:
        """Refuse a perturbation of what has no recurrent units."""
        fix = "Fit a StimulusNetwork with cell=GRU(...); of other models, change the stimulus."
        owner = f"{type(self).__name__}.perturbed"
        _check.fail(owner, "perturb", "absent for a model without recurrent units", "a perturbation", fix)

    def penalty(self) -> Float[Tensor, ""]:
        """Return what is added to the loss for the weights alone."""
        return torch.zeros(())

    def prepare(self, train: Iterable[Batch], validation: Iterable[Batch]) -> bool:
        """Set what has a closed form, before any gradient step; nothing by default.

        Args:
            train: the training bins, once through each time it is iterated.
            validation: those to choose a penalty by; none where empty.

        Returns:
            Whether nothing is left to train.
        """
        return False

    def start_at(self, counts: Float[Tensor, " unit"]) -> None:
        """Let the untrained model predict about these mean counts; a model that cannot starts as it is."""


def windowed(stimulus: Float[Tensor, "sample frame *shape"], filters: Float[Tensor, "filter lag *shape"]) -> Tensor:
    """Return what filters, oldest frame first, give on the window of each bin. Shape `(sample, bin, filter)`."""
    flat, kernels = stimulus.flatten(2).transpose(1, 2), filters.flatten(2).transpose(1, 2)
    return functional.conv1d(flat, kernels).transpose(1, 2)


class Link(nn.Module):
    r"""What turns a drive into expected counts: never below 0.

    Args:
        kind: "exp" ($e^\eta$), "softplus" ($\log(1 + e^\eta)$), or "parametric softplus"
            ($\alpha \log(1 + e^{\beta\eta})$ with $\alpha$ and $\beta$ learned for each unit, 0.2 and 5 at first).
        n_units: units.
    """

    kinds: ClassVar[tuple[str, ...]] = ("exp", "softplus", "parametric softplus")

    def __init__(self, kind: str, n_units: int) -> None:
        super().__init__()
        if kind not in self.kinds:
            _check.fail("Link", "kind", f"one of {', '.join(self.kinds)}", kind, _check.near(kind, self.kinds))
        self.kind = kind
        own = kind == "parametric softplus"
        self.alpha = nn.Parameter(torch.full((n_units,), 0.2)) if own else None
        self.beta = nn.Parameter(torch.full((n_units,), 5.0)) if own else None

    def forward(self, drive: Float[Tensor, "*sample unit"]) -> Float[Tensor, "*sample unit"]:
        """Return the expected counts."""
        if self.kind == "exp":
            return torch.exp(drive.clamp(-STEEPEST, STEEPEST))
        if self.alpha is None or self.beta is None:
            return functional.softplus(drive)
        return self.alpha * functional.softplus(self.beta * drive)

    def inverse(self, counts: Float[Tensor, " unit"]) -> Float[Tensor, " unit"]:
        """Return the drive at which the expected counts are `counts`: where a bias starts."""
        counts = counts.clamp_min(1e-6)
        if self.kind == "exp":
            return counts.log()
        if self.alpha is None or self.beta is None:
            return counts.expm1().log()
        return (counts / self.alpha.detach()).expm1().log() / self.beta.detach()


class History(nn.Module):
    r"""Filters on the units' own past counts: $\sum_{p=1}^{P} h_{ij,p}\, n_{j,t-p}$, from unit $j$ to unit $i$.

    Args:
        n_units: units.
        past: bins, $P$.
        coupled: whether units also hear each other; each hears itself alone where not.
    """

    def __init__(self, n_units: int, past: int, *, coupled: bool = False) -> None:
        super().__init__()
        self.coupled = coupled
        self.filters = nn.Parameter(torch.zeros(n_units, n_units if coupled else 1, past))  # newest bin last

    def forward(self, past: Float[Tensor, "sample earlier unit"]) -> Float[Tensor, "sample bin unit"]:
        """Return the drive of each bin; `past` counts start `P` bins before the first and end before the last."""
        groups = 1 if self.coupled else self.filters.shape[0]
        return functional.conv1d(past.transpose(1, 2), self.filters, groups=groups).transpose(1, 2)
