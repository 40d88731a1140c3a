"""When perturbations held in each trial, as intervals: what an experimenter would write down as stimulation epochs."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from neurornn.network import Perturbs
from neurornn.perturb.base import Stack
from neurornn.perturb.schedule import AbstractWhen
from neurornn.perturb.trigger import Trigger


def windows(perturb: Sequence[Perturbs], n_trials: int, n_steps: int, dt: float) -> pd.DataFrame:
    """Return the intervals in which perturbations hold, ramps included.

    Whatever has no schedule holds in the whole trial. A closed loop is known only from
    the run, and is left out.

    Args:
        perturb: the perturbations, with their epochs looked up (`perturbation.during(trials)`); nothing stacked.
        n_trials: number of trials.
        n_steps: steps of a trial.
        dt: time step, ms.

    Returns:
        One row an interval: `name` (of the perturbation's class), `trial`, and `start` and `stop`, ms from the start of
        the trial.

    Example:
        >>> from neurornn.perturb import During, Silence, windows
        >>> windows([Silence([0], During(20.0, 50.0))], 1, 10, 10.0).values.tolist()
        [['Silence', 0, 20.0, 50.0]]
    """
    rows = []
    for one in perturb:
        when = getattr(one, "when", None)
        if isinstance(when, Trigger) or isinstance(one, Stack):
            continue
        if isinstance(when, AbstractWhen):
            holds = np.broadcast_to(when.strength(n_trials, n_steps, dt).numpy() > 0, (n_trials, n_steps))
        else:
            holds = np.ones((n_trials, n_steps), dtype=bool)
        padded = np.pad(holds.astype(np.int8), ((0, 0), (1, 1)))
        edges = np.diff(padded, axis=1)
        for trial, (edge,) in enumerate(zip(edges[:, None], strict=True)):
            begins, ends = np.flatnonzero(edge == 1), np.flatnonzero(edge == -1)
            rows += [(type(one).__name__, trial, a * dt, b * dt) for a, b in zip(begins, ends, strict=True)]
    return pd.DataFrame(rows, columns=["name", "trial", "start", "stop"])
