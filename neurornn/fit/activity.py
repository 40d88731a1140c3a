"""Recorded rates as activities of a network's units, and the states that they stand for."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import logit

from neurornn.cell.rate import Form, LeakyRate
from neurornn.fit.targets import RateTrials

INVERSES: dict[str, tuple[Callable[[np.ndarray], np.ndarray], float, float]] = {
    "tanh": (np.arctanh, -0.999, 0.999),
    "sigmoid": (logit, 1e-3, 1 - 1e-3),
    "softplus": (lambda r: r + np.log(-np.expm1(-r)), 1e-3, math.inf),
    "identity": (np.array, -math.inf, math.inf),
}
"""Of each nonlinearity: its inverse, and the activities between which that is taken."""


@dataclass(frozen=True, eq=False)
class Scaled:
    """Rates as activities of the units, as a method sees them.

    Args:
        activity: NaN where unknown. Shape `(trial, bin, unit)`.
        inputs: shape `(trial, bin, channel)`; one channel of zeros where there is no input.
        state: of all units in the first bin, before the nonlinearity where the cell has it on the state. Shape
            `(trial, all units)`.
    """

    activity: Float[np.ndarray, "trial bin unit"]
    inputs: Float[np.ndarray, "trial bin channel"]
    state: Float[np.ndarray, "trial every"]

    def select(self, some: np.ndarray) -> "Scaled":
        """Return only these trials."""
        return Scaled(self.activity[some], self.inputs[some], self.state[some])


def scaled(cell: LeakyRate, trials: RateTrials, scale: Float[np.ndarray, " unit"]) -> Scaled:
    """Return rates as activities of a cell's first units, and the state that the first bin of each trial stands for."""
    activity = trials.rates / scale
    start = np.zeros((trials.n_trials, cell.n_units))
    start[:, : trials.n_units] = states(cell, activity[:, 0])
    inputs = trials.inputs if trials.n_inputs else np.zeros((*trials.rates.shape[:2], 1))
    return Scaled(activity, inputs, start)


def states(cell: LeakyRate, activity: Float[np.ndarray, "*row unit"]) -> Float[np.ndarray, "*row unit"]:
    """Return the state of units that are this active."""
    if cell.form is not Form.CURRENT or str(cell.nonlinearity) not in INVERSES:
        return activity  # a rectifier is its own inverse where it passes anything
    back, low, high = INVERSES[str(cell.nonlinearity)]
    return back(np.clip(activity, low, high))
