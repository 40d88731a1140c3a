"""Parts of pages that tests put together: a small fit and its lesion, and a result of the tests' own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import pandas as pd

from neurornn.cell import LeakyRate
from neurornn.fit import Fit, train
from neurornn.network import Network
from neurornn.perturb import LesionTable, lesion
from neurornn.plot import Figure, figures
from neurornn.plot.base import canvas, finished
from neurornn.task import DelayedMatch

HOSTILE = """</style><script>console.error("ran")</script><img src="http://example.com/x.png">"""
"""A text that would run, and ask another host, if a page took it for HTML."""


@dataclass(frozen=True, eq=False)
class Told:
    """A result that says what a test wants it to say."""

    checklist: Mapping[str, str] = field(default_factory=dict)
    families: tuple[str, ...] = ()
    methods: str = "Measured by `numpy` in one go."
    references: tuple[str, ...] = ("10.1038/s41593-018-0310-2",)
    n_rows: int = 50

    def frame(self) -> pd.DataFrame:
        values = np.random.default_rng(0).normal(size=(self.n_rows, 12))
        return pd.DataFrame(values, columns=[f"a rather long name of column {k}" for k in range(12)])


@figures.register
def _(told: Told) -> list[Figure]:
    with canvas(9.0, 2.0) as drawing:
        axis = drawing.subplots()
        axis.plot(told.frame().iloc[:, 0])
        alt = f"A line over {told.n_rows} rows that goes nowhere in particular."
        return [finished(drawing, title="A line.", caption=f"Caption with {HOSTILE}", alt=alt)]


@cache
def a_fit() -> Fit:
    """Return a small network, hardly trained."""
    task = DelayedMatch()
    network = Network(LeakyRate(task.n_in, 24, tau=50.0, dt=task.dt), task.n_out)
    return train(network, task, steps=3, batch=4, progress=False)


@cache
def a_lesion() -> LesionTable:
    """Return a lesion of it beside its controls."""
    return lesion(a_fit(), units=[0, 1], controls=199, trials=4, doses=(0.0, 0.5, 1.0), draws=2)
