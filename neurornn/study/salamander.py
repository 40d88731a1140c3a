"""The salamander's retina as published: networks trained on one class of stimuli and tested on both."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neurornn import _check
from neurornn.bridge import RetinaSession, read_retina
from neurornn.bridge.retina import smoothed_rate
from neurornn.encoding import AbstractEncodingModel
from neurornn.encoding.score import EncodingScores
from neurornn.errors import SourceMissing
from neurornn.fit import EncodingFit
from neurornn.source import FOLDER, cache_folder
from neurornn.statistics.repeats import mean_response
from neurornn.statistics.scores import known_correlation
from neurornn.study.base import AbstractStudy, Findings, Plan
from neurornn.study.retina import RetinaFits, fit_retina

DEPOSIT = "https://purl.stanford.edu/rk663dm5577"
"""Where the recordings are published: `neural_code_data.zip`, which holds the folder `ganglion_cell_data`."""


@dataclass(frozen=True)
class SalamanderStudy(AbstractStudy):
    """Train on white noise and on natural scenes, and test each network on both.

    The recordings are not fetched: the deposit is large, and its archive has no address for a single file. Unpack it
    into the folder that `NEURORNN_DATA` names, so that it holds `ganglion_cell_data/15-10-07/whitenoise.h5`.

    Args:
        models: by name; `cnn` is what gates ask for.
        retina: which of them.
        cells: numbered from 0.
        stimuli: classes, each a file.
        skip: frames at the start of each training block that do not count.
        blocks: training blocks.
        fit: arguments of `fit_encoding`.
        own: further ones of single models, by name.

    References:
        McIntosh et al. (2016), doi:10.48550/arXiv.1702.01825; Maheswaranathan et al. (2023),
        doi:10.1016/j.neuron.2023.06.007.
    """

    models: dict[str, AbstractEncodingModel] = field(default_factory=dict)
    retina: str = "15-10-07"
    cells: tuple[int, ...] = (0, 1, 2, 3, 4)
    stimuli: tuple[str, ...] = ("whitenoise", "naturalscene")
    skip: int = 6000
    blocks: int = 6
    fit: dict[str, Any] = field(default_factory=dict)
    own: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.models:
            _check.fail("SalamanderStudy", "models", "at least one model", self.models, "Add [study.models.cnn].")

    def run(self, plan: Plan) -> Findings:
        paths = {stimulus: self.path(stimulus) for stimulus in self.stimuli}
        sessions = {
            stimulus: read_retina(path, cells=self.cells, skip=self.skip, blocks=self.blocks)
            for stimulus, path in paths.items()
        }
        quantities: dict[str, float] = {}
        parts: dict[str, RetinaFits] = {}
        rows = []
        shown: EncodingFit | None = None
        for trained, session in sessions.items():
            plan.say(f"training on {trained}")
            found = fit_retina(session, self.models, plan, fit=self.fit, own=self.own, min_explainable=0.0)
            parts[trained] = found
            for name, fit in found.fits.items():
                shown = fit if shown is None else shown
                for tested, other in sessions.items():
                    r = self.correlation(fit, other, found.scores[name] if tested == trained else None)
                    quantities[f"{name}_{trained}_{tested}"] = float(np.nanmean(r))
                    rows.append({"model": name, "trained": trained, "tested": tested, "r": float(np.nanmean(r))})
        assert shown is not None
        headline = pd.DataFrame(rows).set_index(["model", "trained", "tested"])
        return Findings(quantities, shown, headline, parts, plan.notes, plan.title)

    def path(self, stimulus: str) -> Path:
        """Return the file of a class of stimuli, or say how to get it."""
        inside = Path("ganglion_cell_data") / self.retina / f"{stimulus}.h5"
        roots = [Path(os.environ[FOLDER])] if os.environ.get(FOLDER) else []
        tried = [root / inside for root in (*roots, cache_folder())]
        for path in tried:
            if path.is_file():
                return path
        raise SourceMissing(
            f"SalamanderStudy: `{inside}` must be in one of {', '.join(map(str, tried))}. Download "
            f"neural_code_data.zip from {DEPOSIT}, unpack it, and set {FOLDER} to the "
            "folder that holds ganglion_cell_data."
        )

    def correlation(self, fit: EncodingFit, session: RetinaSession, scores: EncodingScores | None) -> np.ndarray:
        """Return the correlation with the mean response over repeats, smoothed by 10 ms as published."""
        rows = np.arange(session.test.n_bins)
        rates = fit.predict(session.test, rows)[0] if scores is None else scores.rates
        mean = np.nan_to_num(mean_response(session.test.counts))
        smooth = smoothed_rate(mean.T, session.test.dt).T[len(mean) - len(rates) :]
        return known_correlation(smooth, rates)
