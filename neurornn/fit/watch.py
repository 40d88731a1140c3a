"""What a training keeps an eye on: losses and gradients, and that they are finite."""

from collections.abc import Iterable, Sequence
from typing import NoReturn

import torch
from jaxtyping import Float
from torch import Tensor, nn

from neurornn.errors import Diverged


@torch.no_grad()
def clip_gradients(parameters: Iterable[nn.Parameter], clip: float) -> Float[Tensor, " parameter"]:
    """Scale all gradients so that their common norm is at most `clip`; 0 leaves them as they are.

    Returns:
        The norm of each parameter's gradient before.
    """
    gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters]
    # On a GPU one kernel for all parameters.
    norms = torch.stack(torch._foreach_norm(gradients))  # type: ignore[attr-defined]
    if clip:
        factor = (clip / torch.linalg.vector_norm(norms)).clamp(max=1.0)
        torch._foreach_mul_(gradients, factor)  # type: ignore[attr-defined]
    return norms


class Watch:
    """Collects losses and gradient norms on their device, and looks at them from time to time.

    Looking makes a GPU wait, so it is done every `every` steps; the step that first went wrong is found all the same.

    Args:
        terms: names of the terms.
        parameters: names of the parameters.
        every: steps between two looks.
    """

    def __init__(self, terms: Sequence[str], parameters: Sequence[str], *, every: int) -> None:
        self.terms = tuple(terms)
        self.parameters = tuple(parameters)
        self.every = every
        self._steps: list[int] = []
        self._values: list[Tensor] = []

    def note(self, step: int, terms: Float[Tensor, " term"], norms: Float[Tensor, " parameter"]) -> bool:
        """Keep what step `step` gave; return whether it is time to look."""
        self._steps.append(step)
        self._values.append(torch.cat([terms.detach(), norms]))
        return len(self._steps) >= self.every

    def look(self, kept: str = "") -> list[tuple[int, list[float], float]]:
        """Return step, terms and gradient norm of each step since the last look.

        Args:
            kept: what to tell about the last good checkpoint if the training diverged.

        Raises:
            Diverged: if a loss or gradient is not finite; the message names the step, the term and the gradients.
        """
        if not self._steps:
            return []
        values = torch.stack(self._values).double().cpu()
        steps, self._steps, self._values = self._steps, [], []
        good = torch.isfinite(values).all(dim=1)
        if not bool(good.all()):
            bad = int(torch.nonzero(~good)[0])
            self._stop(steps[bad], values[bad], kept)
        n_terms = len(self.terms)
        norms = torch.linalg.vector_norm(values[:, n_terms:], dim=1).tolist()
        return list(zip(steps, values[:, :n_terms].tolist(), norms, strict=True))

    def _stop(self, step: int, values: Tensor, kept: str) -> NoReturn:
        terms, norms = values[: len(self.terms)], values[len(self.terms) :]
        bad = [f"{name} = {float(v):g}" for name, v in zip(self.terms, terms, strict=True) if not torch.isfinite(v)]
        what = "loss term " + ", ".join(bad) if bad else "the gradient"
        # NaN first, then the largest.
        order = torch.nan_to_num(norms, nan=torch.inf, posinf=1e300).argsort(descending=True, stable=True)[:3]
        largest = ", ".join(f"{self.parameters[i]} ({float(norms[i]):.3g})" for i in order.tolist())
        fix = "Lower `learning_rate` or `clip`, or start with weaker recurrent weights."
        rest = f"{kept} {fix}".strip()
        raise Diverged(f"train: {what} is not finite at step {step}; largest gradients: {largest}. {rest}")
