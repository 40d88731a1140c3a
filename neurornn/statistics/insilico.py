"""The in-silico recording: a network as it would have been recorded, with as many units and as many spikes."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int

from neurornn import _check
from neurornn.errors import RecordingError
from neurornn.recording import Recording
from neurornn.statistics.nonnegative import AbstractNonNegative, Rectify
from neurornn.statistics.observe import observe


def in_silico(
    model: Recording, brain: Recording, *, seed: int, n_units: int = 0, rule: AbstractNonNegative | None = None
) -> Recording:
    """Return what an electrode would have seen of a network, had it stood where the animal's units were recorded.

    As many units are drawn as the animal has, from those that are active; the mean rates of the animal's units are
    dealt out to them; and each is seen through Poisson spikes (`observe`). A network that spikes is thinned to the
    rates instead; its units that fire less than they were dealt stay as they are. Clock, trials and behaviour are the
    model's: make it with `fit.record(brain)`, so that trials, durations and bins are the animal's, too.

    Do this before anything is said of distributions, geometry or dimension: the number of units, the number of trials,
    the rate and the noise of spikes change all of them.

    Args:
        model: of sampled activity or of spikes.
        brain: of spikes.
        seed: of units, deal and spikes.
        n_units: how many units; as many as the brain has where 0.
        rule: what is done with activity below 0; `Rectify()` where absent.

    Raises:
        RecordingError: if the brain has no spikes, or the model has fewer active units than are asked for.

    Example:
        >>> import numpy as np
        >>> from neurornn import Recording
        >>> from neurornn.statistics import in_silico
        >>> brain = Recording(0.0, 10_000.0, spikes=[np.arange(0.0, 10_000.0, 100.0), np.arange(0.0, 10_000.0, 500.0)])
        >>> network = Recording(0.0, 10_000.0, activity=np.random.default_rng(0).random((1000, 20)), dt=10.0)
        >>> seen = in_silico(network, brain, seed=0)
        >>> seen.n_units, bool(7.0 < max(seen.rates()) < 13.0)
        (2, True)
    """
    owner = "in_silico"
    if brain.spikes is None:
        fix = "Subsample the units alone: there are no spikes whose noise could be matched."
        _check.fail(owner, "brain", "of spikes", "sampled activity", fix, error=RecordingError)
    rule = Rectify() if rule is None else rule
    rng = np.random.default_rng(seed)
    n_units = _check.count(owner, "n_units", n_units, least=0) or brain.n_units
    if model.spikes is None:
        values = rule(np.asarray(model.activity, dtype=np.float64))
        active = np.flatnonzero(np.nanmax(values, axis=0, initial=0.0) > 0)
    else:
        active = np.flatnonzero([len(train) > 0 for train in model.spikes])
    if len(active) < n_units:
        fix = "Give a smaller `n_units`, and the brain as many."
        _check.fail(owner, "model", f"of {n_units} active units or more", len(active), fix, error=RecordingError)
    chosen = np.sort(rng.choice(active, n_units, replace=False))
    wanted = dealt(np.asarray(brain.rates(), dtype=np.float64), n_units, rng)
    part = model.select(units=model.units.index[chosen].tolist())
    if part.spikes is None:
        return observe(part, rates=wanted, seed=int(rng.integers(2**31)), rule=rule)
    keep = np.minimum(wanted / np.maximum(np.asarray(part.rates()), 1e-12), 1.0)
    spikes = [train[rng.random(len(train)) < p] for train, p in zip(part.spikes, keep, strict=True)]
    source: dict[str, object] = {**part.source, "observed": "thinned to the rates of the brain", "observed_seed": seed}
    return replace(part, spikes=spikes, activity=None, dt=None, source=source)


def seen_counts(
    values: Float[np.ndarray, "bin source"],
    counts: Float[np.ndarray, "_bin target"],
    *,
    seed: int,
    spikes: bool = False,
    rule: AbstractNonNegative | None = None,
) -> tuple[Float[np.ndarray, "bin seen"], Int[np.ndarray, " seen"]]:
    """Return the in-silico recording of binned activity, and which units were drawn.

    The same as `in_silico` where both sides are in bins already: as many units as are recorded (all, where the model
    has fewer), with Poisson counts at the recorded means, or thinned ones where the model spikes.

    Args:
        values: activity, or spike counts, of the model's units. Shape `(bin, source)`.
        counts: spike counts of the recorded units. Shape `(bin, target)`.
        seed: of units, deal and spikes.
        spikes: whether `values` are spike counts.
        rule: what is done with activity below 0; `Rectify()` where absent.
    """
    rng = np.random.default_rng(seed)
    rates = values if spikes else (Rectify() if rule is None else rule)(values)
    active = np.flatnonzero(rates.std(axis=0) > 0)
    chosen = np.sort(rng.choice(active, min(counts.shape[1], len(active)), replace=False))
    means, wanted = rates[:, chosen].mean(axis=0), dealt(counts.mean(axis=0), len(chosen), rng)
    if spikes:
        return rng.binomial(rates[:, chosen].astype(np.int64), np.minimum(wanted / means, 1.0)).astype(float), chosen
    return rng.poisson(rates[:, chosen] * wanted / means).astype(float), chosen


def dealt(rates: Float[np.ndarray, " _unit"], n: int, rng: np.random.Generator) -> Float[np.ndarray, " _n"]:
    """Return `n` of the rates in a random order; all of them before any comes twice."""
    rounds = [rng.permutation(rates) for _ in range(-(-n // len(rates)))]
    return np.concatenate(rounds)[:n]
