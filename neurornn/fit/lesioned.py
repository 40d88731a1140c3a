"""Lesions of models that were fitted to recordings: what of the held-out data they no longer explain."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from neurornn import _check
from neurornn.cell.base import AbstractCell
from neurornn.encoding import StimulusNetwork
from neurornn.encoding.chunks import batch, chunks
from neurornn.fit.constrained_fit import ConstrainedFit
from neurornn.fit.encoding_fit import EncodingFit
from neurornn.fit.targets import RateTrials
from neurornn.latent import LatentFit
from neurornn.latent.fit import windows
from neurornn.network import Network, Run
from neurornn.perturb.base import AbstractPerturbation, Units
from neurornn.perturb.experiment import weigh
from neurornn.perturb.matching import unit_features
from neurornn.perturb.table import LesionTable
from neurornn.statistics.likelihood import poisson_log_likelihood

PARTS = 20
"""Blocks of the held-out bins, over which the interval of an effect is drawn."""


def lesion_encoding(
    fit: EncodingFit,
    units: Units,
    *,
    rows: Int[np.ndarray, " row"] | None = None,
    controls: int = 199,
    matched_on: Sequence[str] = ("n", "rate", "variance", "out_norm"),
    **settings: Any,
) -> LesionTable:
    """Lesion recurrent units of a fitted encoding model, and weigh the held-out bits per spike that it costs.

    Nothing is fitted again: the readout, the front end's own path and spike history stay as they are, and the recorded
    history is used.

    Args:
        fit: of a `StimulusNetwork` with a cell.
        units: its recurrent units.
        rows: which bins; the test bins of the fit where absent.
        controls: how many matched control sets; 0 for none, or 199 and above.
        matched_on: what they are matched in: activity in these bins, and weights. See `unit_features`.
        settings: of `weigh`: `perturbation`, `overlap`, `doses`, `draws`, `seed`.

    Raises:
        ValueError: if the model has no recurrent units.
    """
    model = fit.model
    if not isinstance(model, StimulusNetwork) or model.cell is None:
        model.unperturbable()
    evoked, asked = fit._asked(None, rows)
    good = np.isfinite(fit.predict(evoked, asked)).all(axis=(0, 2))
    asked = asked[good]
    counts = evoked.counts[:, asked]

    def scored(members: Sequence[AbstractPerturbation]) -> np.ndarray:
        return np.stack([_bits(counts, fit.predict(evoked, asked, perturb=[one]), fit.null, fit.dt) for one in members])

    with torch.no_grad():
        cut = chunks(evoked, asked, model, length=500)
        sent = []
        for k in range(len(cut.first)):
            each = batch(evoked, cut, np.array([k]), model, fit.moments)
            sent.append(model.sent(each.stimulus, each.past)[0, torch.as_tensor(cut.counted[k])])
        read = model.dense if model.dense is not None else model.readout
        features = _features(model.cell, read[:, : model.cell.n_units], torch.cat(sent))
    told = {"score_name": "bits per spike of held-out bins", "controls": controls, "matched_on": matched_on}
    return weigh(scored, units, model.cell.n_units, features, **told, **settings)


def lesion_latent(
    fit: LatentFit,
    units: Units,
    counts: Float[np.ndarray, "bin unit"],
    block: Int[np.ndarray, " bin"],
    test: Bool[np.ndarray, " bin"],
    *,
    samples: int = 4,
    controls: int = 199,
    matched_on: Sequence[str] = ("n", "rate", "variance", "out_norm"),
    **settings: Any,
) -> LesionTable:
    """Lesion units of the generator of a fitted latent model, and weigh the bits per spike of held-out units it costs.

    Encoders, factors and rates stay as they were fitted; every lesion sees the same draws of the latent state.

    Args:
        fit: the fitted model.
        units: units of its generator.
        counts: of all units, as `LatentFit.infer` takes them.
        block: a label of each bin.
        test: which bins count: whole blocks that neither taught nor chose.
        samples: draws of the latent state.
        controls: how many matched control sets; 0 for none, or 199 and above.
        matched_on: what they are matched in: activity in these bins, and weights. See `unit_features`.
        settings: of `weigh`: `perturbation`, `overlap`, `doses`, `draws`, `seed`.

    Raises:
        ValueError: if no test block holds a window.
    """
    generator, out = fit.model.generator, ~fit.held_in if not fit.held_in.all() else fit.held_in
    starts = windows(block, fit.window)
    starts = starts[test[starts]]
    if not len(starts):
        must = f"with a block that holds a window of {fit.window} bins"
        _check.fail("lesion_latent", "test", must, "none", "Take whole blocks, as in the fit.")
    seen, label = counts[test], block[test]

    def scored(members: Sequence[AbstractPerturbation]) -> np.ndarray:
        return np.stack([bits([one]) for one in members])

    def bits(perturb: Sequence[AbstractPerturbation]) -> np.ndarray:
        expected, _ = fit.infer(seen, label, samples=samples, perturb=perturb)
        known = np.isfinite(expected).all(axis=1)
        per_second = 1000.0 / fit.dt
        rates = expected[known][:, out] * per_second
        return _bits(seen[None, known][:, :, out], rates[None], fit.null[out] * per_second, fit.dt)

    with torch.no_grad():
        read = torch.from_numpy(np.stack([counts[k : k + fit.window, fit.held_in] for k in starts]).astype(np.float32))
        features = _features(generator, fit.model.to_factors, fit.model(read).activity.flatten(0, 1))
    told = {"score_name": "bits per spike of held-out units", "controls": controls, "matched_on": matched_on}
    return weigh(scored, units, generator.n_units, features, **told, **settings)


def lesion_constrained(
    fit: ConstrainedFit,
    units: Units,
    which: Sequence[int] | Int[np.ndarray, " some"] | None = None,
    *,
    controls: int = 199,
    matched_on: Sequence[str] = ("n", "rate", "variance", "out_norm"),
    **settings: Any,
) -> LesionTable:
    """Lesion units of a data-constrained network, and weigh the variance of the recorded rates that it costs.

    A lesioned neuron predicts silence of itself, too; to ask what it does for the others, cut what it sends:
    `perturbation=lambda units: Cut(units, incoming=False)`.

    Args:
        fit: the fitted network.
        units: its units, of which the first are the recorded neurons.
        which: trials of the fit; those that neither taught nor chose where absent.
        controls: how many matched control sets; 0 for none, or 199 and above.
        matched_on: what they are matched in: activity in these trials, and weights. See `unit_features`.
        settings: of `weigh`: `perturbation`, `overlap`, `doses`, `draws`, `seed`.
    """
    trials = fit._asked(fit.held_out if which is None else which)

    def shares(said: np.ndarray) -> np.ndarray:
        seen, said = trials.rates[:, 1:], said[:, 1:]
        known = np.isfinite(seen)
        left = np.where(known, (seen - said) ** 2, 0.0).sum(axis=(1, 2))
        whole = np.where(known, (seen - fit.null) ** 2, 0.0).sum()
        return 1 - len(seen) * left / whole

    def scored(members: Sequence[AbstractPerturbation]) -> np.ndarray:
        return np.stack([shares(fit.predict(trials, perturb=[one])) for one in members])

    told = {"score_name": "explained variance of held-out trials", "controls": controls, "matched_on": matched_on}
    return weigh(scored, units, fit.network.n_units, run_features(fit, trials), **told, **settings)


def run_features(fit: ConstrainedFit, trials: RateTrials) -> pd.DataFrame:
    """Return what units of a data-constrained network can be matched on, of its free run through some trials."""
    sent = torch.from_numpy(fit.run(trials))[torch.from_numpy(np.isfinite(trials.rates[:, 1:]).any(axis=2))]
    return _features(fit.network.cell, fit.network.readout, sent)


def _bits(counts: np.ndarray, rates: np.ndarray, null: np.ndarray, dt: float) -> np.ndarray:
    """Return bits per spike beyond the null rates, in parts whose mean is that of all bins `(repeat, bin, unit)`."""
    said = np.broadcast_to(rates, counts.shape)
    flat = np.broadcast_to(null, counts.shape[1:])
    gain = np.stack(
        [
            poisson_log_likelihood(seen, one, dt=dt) - poisson_log_likelihood(seen, flat, dt=dt)
            for seen, one in zip(counts, said, strict=True)
        ]
    )
    parts = [float(np.nansum(part)) for part in np.array_split(gain, min(PARTS, counts.shape[1]), axis=1)]
    return len(parts) * np.array(parts) / (np.log(2) * np.nansum(counts))


def _features(cell: AbstractCell, read: Tensor, sent: Float[Tensor, "step unit"]) -> pd.DataFrame:
    """Return what units can be matched on, of a cell with these readout weights and this activity."""
    shell = Network(cell, len(read))
    with torch.no_grad():
        shell.readout.copy_(read)
    blank = sent.new_zeros(1, len(sent), len(read))
    return unit_features(shell, Run(blank, sent[None], (), cell.dt, {}), np.ones((1, len(sent))))
