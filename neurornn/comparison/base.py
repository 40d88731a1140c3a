"""Compare a model with a brain: held-out scores, and what they must beat."""

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import pandas as pd

from neurornn import _check
from neurornn.comparison.alignment import Aligned, Where, aligned, recorded_alike
from neurornn.comparison.ceiling import Reliability
from neurornn.comparison.effective import decorrelation_lag, n_independent
from neurornn.comparison.job import LEAST_RELIABLE, Job, Memory, Progress, lap_reliability
from neurornn.comparison.metric import AbstractMetric, AbstractPredictivity
from neurornn.comparison.null import DEFAULT, Nulls, Records
from neurornn.comparison.result import Comparison, kind
from neurornn.comparison.ridge import RidgePredictivity
from neurornn.comparison.topology import FixedPointTopology
from neurornn.errors import RecordingError
from neurornn.recording import Recording
from neurornn.statistics.folds import Folds, blocked_folds, held_out_groups

NOTHING: Mapping[str, Sequence[Recording | Records]] = MappingProxyType({})
"""No networks beside the model and the untrained ones."""

GAP_TIMES = 3.0
"""The gap in autocorrelation times: three leave 5 % of an exponential correlation."""


def compare(
    model: Recording | Records,
    brain: Recording,
    metric: AbstractMetric | FixedPointTopology | None = None,
    *,
    dt: float = 250.0,
    n_folds: int = 5,
    gap: float | None = None,
    nulls: Nulls = DEFAULT,
    behaviour: tuple[str, ...] = ("linear",),
    conditions: Sequence[str] = (),
    across: Sequence[str] = (),
    untrained: Sequence[Recording] = (),
    n_untrained: int = 5,
    beside: Mapping[str, Sequence[Recording | Records]] = NOTHING,
    animals: Sequence[Recording] = (),
    where: Where | None = None,
    min_spikes: int = 50,
    in_silico: bool = True,
    seed: int = 0,
    progress: Progress | None = None,
    memory: Memory | None = None,
) -> Comparison:
    """Return how well a model's units tell a brain's units on held-out stretches of time, beside every null.

    Folds are contiguous blocks of time (of whole trials where there are enough of them), and training bins within `gap`
    of a test bin are left out. All sources of regressors go through the same folds.

    Args:
        model: a fit (anything with `record` and `untrained`), or a recording on the brain's clock with its trials, or
            one of other trials of the same `conditions`.
        brain: the recording.
        metric: how to score; `RidgePredictivity()` where absent. (Fixed points are those of networks: see
            `compare_fixed_points`.)
        dt: bin width, ms.
        n_folds: blocks.
        gap: ms. Three autocorrelation times where absent: the longer one of the behaviour's and of the units' median,
            measured on the training bins of each fold.
        nulls: sizes of the nulls.
        behaviour: position signals of the brain that the behaviour null is made of.
        conditions: columns of the brain's trials that tell conditions apart. Condition by time in trial then belongs to
            the behaviour null, and is what maps, ceiling and metrics of conditions are over. A model that ran trials
            of its own (another clock) is compared through them: in each bin stands its mean over its trials of the same
            condition, at the same share of the trial.
        across: columns of the brain's trials whose values are held out whole, one after the other: maps are learnt in
            all contexts but one and tested in that one. `n_folds` then says nothing.
        untrained: recordings of untrained networks, where `model` is a recording. Without them the comparison is not
            `complete`.
        n_untrained: how many untrained networks to make, where `model` can make them.
        beside: further networks, by kind (`{"other task": [...]}`), or recordings of them on the brain's clock. They
            are scored like the untrained ones.
        animals: recordings of other animals on the same clock with the same trials. How well they tell this brain, by
            the same metric and folds, is a ceiling that no model need pass.
        where: the bins to analyse: one value for each bin of `brain.binned(dt)`, or e.g. `Moving(20.0)`.
        min_spikes: units with fewer spikes in the analysed bins are set aside (and counted).
        in_silico: whether networks are taken as they would have been recorded, for every metric that is no mapping: as
            many units as the brain has, through Poisson spikes at its rates where it has spikes. Without it geometry
            and distributions also tell how many units there are and how noisy they were.
        seed: of everything random.
        progress: told of every part that is done.
        memory: scores that do not change with the model (untrained networks, behaviour, time), kept here and taken from
            here: for several calls that differ in nothing but the model.

    Returns:
        The scores in both directions (in one, for a symmetric metric), with nulls, ceiling and methods.

    Raises:
        RecordingError: if the recordings do not share clock and trials, or nothing is left to compare.
        ValueError: if the gap leaves a fold without training bins, or the session is too short for the shifts.

    Example:
        >>> import numpy as np
        >>> from neurornn import Recording
        >>> from neurornn.comparison import compare
        >>> rng = np.random.default_rng(0)
        >>> drive = rng.normal(size=(1000, 4))
        >>> brain = Recording(0.0, 1e5, activity=drive @ rng.normal(size=(4, 6)), dt=100.0)
        >>> model = Recording(0.0, 1e5, activity=drive, dt=100.0)
        >>> found = compare(model, brain, dt=100.0, gap=300.0)
        >>> bool(found.of("model", "r2").median() > 0.99)
        True
        >>> found.complete  # no untrained network, no behaviour
        False

    References:
        Yamins et al. (2014), PNAS 111:8619, doi:10.1073/pnas.1403112111.
    """
    metric = RidgePredictivity() if metric is None else metric
    if isinstance(metric, FixedPointTopology):
        fix = "A recording has no fixed points: fit a network to it (fit_rates), and call compare_fixed_points."
        _check.fail("compare", "metric", "one that reads activity", type(metric).__name__, fix)
    _check.positive("compare", "dt", dt)
    _check.count("compare", "n_untrained", n_untrained)
    _check.count("compare", "min_spikes", min_spikes)
    own = _recorded(model, brain, seed)
    data = aligned(
        own,
        brain,
        dt=dt,
        behaviour=behaviour,
        space=nulls.space,
        clock=nulls.clock,
        where=where,
        min_spikes=min_spikes,
        conditions=conditions,
    )
    fresh = list(untrained)
    if not isinstance(model, Recording):
        fresh += [model.untrained(seed + 1 + k).record(brain, seed=seed) for k in range(n_untrained)]
    networks = {f"untrained {k}": one for k, one in enumerate(fresh)}
    for name, several in beside.items():
        networks |= {f"{name} {k}": _recorded(one, brain, seed) for k, one in enumerate(several)}
    folds = _contexts(data, across, gap, metric) if across else _folds(data, n_folds, gap)
    shifts = nulls.shifts(len(data.times), dt, seed) if metric.paired else np.empty(0, dtype=np.int64)
    reliability = lap_reliability(data, seed=seed)
    others = {name: data.also(one, name) for name, one in networks.items()}
    herd = {f"animal {k}": data.animal(one, f"animal {k}") for k, one in enumerate(animals)}
    silico = in_silico and metric.family != "mapping"
    if silico:
        data, others, herd = recorded_alike(data, others, herd, seed=seed)
    job = Job(metric, data, folds, shifts, reliability, nulls, seed, progress, {} if memory is None else memory)
    job.run(others, herd)
    split = _split(metric, folds, across, measured=gap is None)
    missing = [] if fresh else ["untrained: the model is a recording, and no untrained recordings were given"]
    if data.space is None and not metric.of_units:
        missing.append("behaviour: the recording has no behaviour, and no conditions were named")
    return Comparison(
        scores=pd.concat(job.scores, ignore_index=True),
        shifts=job.shift_table(),
        units=_units(data, reliability),
        folds=folds,
        gap=folds.gap,
        dt=dt,
        n_bins=len(data.times),
        min_spikes=min_spikes,
        n_model_units=data.model.shape[1],
        reliability=reliability,
        ceiling=_ceiling(data, reliability, metric),
        missing=tuple(missing),
        seed=seed,
        metric=metric,
        split=split,
        across=tuple(across),
        in_silico=silico,
        methods=_methods(job, split, min_spikes=min_spikes, silico=silico),
        references=(*metric.references, "10.1111/ecog.02881", "10.2307/2983611", "10.3389/fncom.2016.00010"),
    )


def _folds(data: Aligned, n_folds: int, gap: float | None) -> Folds:
    """Return folds of whole trials where there are enough for inner folds too; the gap is measured if not given."""
    n_trials = len(np.unique(data.trial))
    enough = n_trials >= 2 * n_folds and n_trials - int(np.ceil(n_trials / n_folds)) >= 2 * n_folds
    groups = data.trial if enough else None
    if gap is None:
        without = blocked_folds(data.times, n_folds, groups=groups)
        gap = GAP_TIMES * max(_slowest(data, train) for train, _ in without)
    return blocked_folds(data.times, n_folds, gap=gap, groups=groups)


def _contexts(data: Aligned, across: Sequence[str], gap: float | None, metric: AbstractMetric) -> Folds:
    """Return one fold a context: its trials are tested, and all others learnt from, but for those within the gap."""
    if not metric.learns:
        fix = "Ask a mapping, such as RidgePredictivity(), what holds in another context."
        _check.fail("compare", "across", "absent where nothing is learnt", list(across), fix)
    for name in across:
        if name not in data.onto.trials.columns:
            fix = _check.near(name, data.onto.trials.columns)
            _check.fail("compare", "across", "columns of the brain's trials", name, fix, error=RecordingError)
    context = data.onto.trials.groupby(list(across), sort=True).ngroup().to_numpy()[data.trial]
    if len(np.unique(context)) < 2:
        must = "columns with two values or more in the analysed trials"
        _check.fail("compare", "across", must, list(across), error=RecordingError)
    return held_out_groups(data.times, context, trial=data.trial, gap=_gap(data, context) if gap is None else gap)


def _gap(data: Aligned, context: np.ndarray) -> float:
    return GAP_TIMES * max(_slowest(data, np.flatnonzero(context != value)) for value in np.unique(context))


def _slowest(data: Aligned, train: np.ndarray) -> float:
    """Return the autocorrelation time (ms) that the gap is made of, from training bins only."""
    units = decorrelation_lag(data.brain[train], data.times[train], dt=data.dt)
    signals = decorrelation_lag(data.signals[train], data.times[train], dt=data.dt)
    known = [float(np.median(units[np.isfinite(units)]))] if np.isfinite(units).any() else []
    return max([*known, *signals[np.isfinite(signals)].tolist(), 0.0])


def _units(data: Aligned, reliability: Reliability | None) -> pd.DataFrame:
    kept = data.units["kept"].to_numpy(bool)
    table = data.units.copy()
    found = {"n_effective": n_independent(data.brain, data.times, dt=data.dt)}
    if reliability is not None:
        found |= {"reliability": reliability.value, "low": reliability.low, "high": reliability.high}
    for name, values in found.items():
        table.loc[kept, name] = values
    return table


def _ceiling(data: Aligned, reliability: Reliability | None, metric: AbstractMetric) -> str:
    if reliability is None:
        return (
            "No ceiling: a ceiling needs repeats (at least 4 trials along one position in one dimension, or with "
            "conditions)."
        )
    again = (
        f"Repeat: the same animal in other trials past the same {data.label_text}, as a model of itself; single trials "
        "are noisy on both sides, so that a model without noise may pass it."
    )
    if not isinstance(metric, AbstractPredictivity):
        return again
    n = int(np.sum(reliability.value >= LEAST_RELIABLE))
    return (
        f"Ceiling: split-half reliability (Spearman-Brown) of each unit's mean over {data.label_text}, "
        f"{reliability.n_repeats} trials, {reliability.n_splits} random halves, jackknife interval; map_r2_of_ceiling "
        f"is r|r| / reliability of the held-out predicted map, map_cc_norm its covariance with the measured one over "
        f"sqrt(its variance x signal power of the trials), for the {n} of {len(reliability.value)} units with a "
        f"reliability of at least {LEAST_RELIABLE:g}. {again}"
    )


def _split(metric: AbstractMetric, folds: Folds, across: Sequence[str], *, measured: bool) -> str:
    if not metric.learns:
        return "All analysed bins at once: nothing is learnt, so that nothing is held out."
    what = "whole trials" if folds.groups is not None else "contiguous bins"
    what = f"all trials of one value of {' x '.join(across)}" if across else what
    origin = "three autocorrelation times, measured on training bins" if measured else "given"
    return f"{len(folds)} folds of {what}; training bins within {folds.gap:.0f} ms of a test bin left out, {origin}."


def _methods(job: Job, split: str, *, min_spikes: int, silico: bool) -> str:
    data = job.data
    kept, total = data.brain.shape[1], len(data.units)
    threshold = f"with at least {min_spikes} spikes" if data.counts else "that vary"
    back = "" if job.backward or job.metric.symmetric else " The model's units are no counts and were not predicted."
    alike = ""
    if silico:
        spikes = ", through Poisson spikes at the rates of the brain's units" if data.counts else ""
        alike = f" (networks recorded in silico: units drawn at random{spikes})"
    if data.apart:
        alike += (
            f" (other trials than the animal's: means over trials of the same {' x '.join(data.onto.conditions)} at "
            "the same share of the trial)"
        )
    counted = Counter(kind(name) for name in job.names)
    nulls = [f"{n} {WORDS.get(name, f'networks ({name})')}" for name, n in counted.items() if name not in PLAIN]
    if not job.metric.of_units:
        nulls.append("time of session and trial")
        nulls += ["position x direction and speed, or conditions"] if data.space is not None else []
    if len(job.shifts):
        nulls.append(f"{len(job.shifts)} circular shifts of {job.shifts.min() * data.dt / 1000:.1f} s or more")
    return (
        f"{kept} of {total} units ({threshold} in {len(data.times)} bins of {data.dt:g} ms) and {data.model.shape[1]} "
        f"model units{alike}. {split} {job.metric.sentence()} Nulls in the same folds: {'; '.join(nulls)}. "
        f"Intervals: bootstrap over units (2000 draws); p: one-sided Wilcoxon signed-rank over units (rank-sum where "
        f"the units are not the same), rank among shifts.{back} {_ceiling(data, job.reliability, job.metric)}"
    )


PLAIN = ("model", "behaviour", "time", "behaviour+model", "shifted")
"""Sources of which there is one."""

WORDS = {
    "untrained": "untrained networks",
    "other task": "networks trained on another task",
    "animal": "other animals (a ceiling)",
    "repeat": "draws of other trials of the same animal (a ceiling)",
    "phase-randomised": "phase-randomised copies of the model",
    "trial-shuffled": "copies with trials exchanged",
    "random features": "sets of random features with the model's spectra",
    "scrambled": "copies with bins in a random order",
}
"""What a methods section calls the nulls of which there are several."""


def _recorded(model: Recording | Records, brain: Recording, seed: int) -> Recording:
    return model if isinstance(model, Recording) else model.record(brain, seed=seed)
