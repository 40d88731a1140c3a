"""Dynamical similarity (DSA): whether two populations move alike, whatever their units show of it."""

import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from neurornn import _check
from neurornn._types import generator
from neurornn.comparison.metric import AbstractMetric
from neurornn.comparison.modes import whole_stretches
from neurornn.statistics.folds import Folds


@dataclass(frozen=True)
class DynamicSimilarity(AbstractMetric):
    r"""The cosine between the linear dynamics of two populations, in the frames in which they agree best.

    Each population is embedded with delays and reduced to `rank` components; dynamic mode decomposition gives its step
    $A$, and the score is $\max_C \mathrm{tr}(A^\top C B C^\top) / (|A||B|)$ over rotations $C$, found by descent. 1 for
    the same motion seen through other units, also where the geometry differs, for which other metrics are made.

    Nothing is held out. Populations that only share a timescale score high: read it beside the untrained network,
    random features and scrambled bins. It needs as many components and delays for both, chosen beforehand by how well
    they predict (`chosen_delays`).

    Needs the extra `dsa` (`pip install neurornn[dsa]`).

    Args:
        n_delays: copies of the activity, each a bin later.
        rank: components that are kept; at most `n_delays` times the smaller number of units.
        length: bins of the stretches into which the record is cut.
        iterations: of the descent.
        learning_rate: of it.
        penalty: ridge penalty of the decomposition.
        seed: of the descent's starts.

    References:
        Ostrow et al. (2023), doi:10.48550/arXiv.2306.10168.
    """

    family = "dynamics"
    measures = ("dsa",)
    columnwise = False
    symmetric = True
    paired = False
    learns = False
    references = ("10.48550/arXiv.2306.10168",)

    n_delays: int = 5
    rank: int = 10
    length: int = 100
    iterations: int = 500
    learning_rate: float = 1e-2
    penalty: float = 1e-8
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("n_delays", 1), ("rank", 1), ("length", 2), ("iterations", 1)):
            _check.count("DynamicSimilarity", name, getattr(self, name), least=least)
        _check.count("DynamicSimilarity", "seed", self.seed, least=0)
        _check.positive("DynamicSimilarity", "learning_rate", self.learning_rate)
        _check.not_negative("DynamicSimilarity", "penalty", self.penalty)
        if self.length <= self.n_delays + 1:
            must = f"above the number of delays, {self.n_delays}, by two or more"
            _check.fail("DynamicSimilarity", "length", must, self.length)

    def held_out(
        self,
        x: Float[np.ndarray, "bin source"],
        y: Float[np.ndarray, "bin target"],
        folds: Folds,
        *,
        dt: float | None = None,
        bands: tuple[int, ...] = (),
        labels: Int[np.ndarray, " bin"] | None = None,
    ) -> Mapping[str, Float[np.ndarray, " _score"]]:
        return {
            "dsa": np.array(
                [
                    self.between(
                        *(whole_stretches(part, folds.times, self.length, owner="DynamicSimilarity") for part in (x, y))
                    )
                ]
            )
        }

    def between(self, x: Float[np.ndarray, "trial time source"], y: Float[np.ndarray, "_trial _time target"]) -> float:
        """Return the similarity of two sets of trajectories: other trials, times and units than each other's.

        Raises:
            ValueError: if there are fewer units than `rank` asks for, or the extra is not installed.
        """
        self._enough(x, y)
        dsa = _library()
        with _apart(self.seed):
            angle = dsa.DSA(
                x,
                y,
                dmd_class=dsa.DMD,
                score_method="angular",
                iters=self.iterations,
                lr=self.learning_rate,
                n_delays=self.n_delays,
                rank=self.rank,
                lamb=self.penalty,
            ).fit_score()
        return math.cos(float(angle))

    def driven(
        self,
        x: Float[np.ndarray, "trial time source"],
        x_inputs: Float[np.ndarray, "trial time in"],
        y: Float[np.ndarray, "_trial _time target"],
        y_inputs: Float[np.ndarray, "_trial _time in"],
    ) -> float:
        """Return the similarity of two driven populations, what their inputs do taken apart from how they move.

        By subspace identification with inputs (InputDSA). The inputs must be known and vary.
        """
        self._enough(x, y)
        dsa = _library()
        with _apart(self.seed):
            angle = dsa.InputDSA(
                x,
                x_inputs,
                y,
                y_inputs,
                dmd_config=dsa.SubspaceDMDcConfig(n_delays=self.n_delays, rank=self.rank, lamb=self.penalty),
                simdist_config=dsa.SimilarityTransformDistConfig(
                    score_method="angular", iters=self.iterations, lr=self.learning_rate
                ),
            ).fit_score()
        return math.cos(float(np.asarray(angle).reshape(-1)[0]))

    def sentence(self) -> str:
        return (
            f"Dynamical similarity analysis: cosine of dynamic mode decompositions of rank {self.rank} with "
            f"{self.n_delays} delays, maximised over rotations, over all analysed bins."
        )

    def _enough(self, x: np.ndarray, y: np.ndarray) -> None:
        most = self.n_delays * min(x.shape[-1], y.shape[-1])
        if self.rank > most:
            must = f"at most {most}, delays times the smaller number of units"
            _check.fail("DynamicSimilarity", "rank", must, self.rank, "Use more delays, or a smaller rank.")


def _library() -> Any:
    try:
        return import_module("DSA")  # an extra: type checkers need not find it
    except ModuleNotFoundError as missing:
        fix = "Run pip install neurornn[dsa]."
        _check.fail("DynamicSimilarity", "dsa-metric", "installed", f"no module {missing.name!r}", fix)


@contextmanager
def _apart(seed: int) -> Iterator[None]:
    """Give the library, which draws from torch's global stream, one of its own; leave its warnings out."""
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings(action="ignore"):
        torch.set_rng_state(generator(seed).get_state())
        yield
