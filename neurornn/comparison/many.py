"""Compare several networks with several recordings by several metrics: one table, its nulls, and what replicates."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from neurornn import _check
from neurornn.comparison.base import compare
from neurornn.comparison.comparisons import Comparisons, tidy
from neurornn.comparison.job import Memory, Progress
from neurornn.comparison.metric import AbstractMetric
from neurornn.comparison.null import Records
from neurornn.errors import RecordingError
from neurornn.recording import Recording


def compare_all(
    networks: Mapping[str, Sequence[Records | Recording]],
    brains: Mapping[str, Recording],
    metrics: Sequence[AbstractMetric],
    *,
    n_untrained: int = 3,
    seed: int = 0,
    progress: Progress | None = None,
    **told: Any,
) -> Comparisons:
    """Return how well several networks of several kinds agree with several recordings, by every metric.

    The first kind is the claim. Its networks are the replicates: each is compared with every recording (see `compare`),
    beside its own surrogates, the untrained networks, the networks of the other kinds, behaviour and time. Recordings
    on one clock with the same trials, or with the same `conditions`, also tell each other: a ceiling from animal to
    animal.

    Args:
        networks: fits, or recordings of networks on the clock of the (one) brain, by kind: `{"trained": [...], "other
            task": [...]}`. Untrained ones are made from the first fit, unless a kind is called `untrained`.
        brains: recordings, by name.
        metrics: one or more; a claim that a network is like a brain needs one of mapping, one of geometry and one of
            dynamics.
        n_untrained: how many untrained networks to make.
        seed: of everything random.
        progress: told of every part of every comparison that is done.
        **told: further settings of `compare`, the same for all.

    Raises:
        ValueError: if there is no network, no brain or no metric, or two metrics of one name.
        RecordingError: if networks are recordings and there are several brains.

    Example:
        >>> import numpy as np
        >>> from neurornn import Recording
        >>> from neurornn.comparison import DebiasedCKA, compare_all
        >>> rng = np.random.default_rng(0)
        >>> drive = rng.normal(size=(1000, 8))
        >>> brain = Recording(0.0, 1e5, activity=drive @ rng.normal(size=(8, 6)), dt=100.0)
        >>> nets = [Recording(0.0, 1e5, activity=drive @ rng.normal(size=(8, 6)), dt=100.0) for _ in range(3)]
        >>> noise = [Recording(0.0, 1e5, activity=rng.normal(size=(1000, 6)), dt=100.0)]
        >>> found = compare_all({"trained": nets, "untrained": noise}, {"a": brain}, [DebiasedCKA()], dt=100.0, gap=0.0)
        >>> bool(found.value("trained", "cka") > found.value("untrained", "cka"))
        True

    References:
        Cloos et al. (2024), doi:10.48550/arXiv.2407.07059.
    """
    _asked(networks, brains, metrics)
    claim = next(iter(networks))
    made = _untrained(networks, n_untrained, seed)
    each: dict[tuple[str, str, int], Any] = {}
    rows = []
    for brain_name, brain in brains.items():
        recorded = {name: [_recorded(one, brain, seed) for one in several] for name, several in networks.items()}
        fresh = [_recorded(one, brain, seed) for one in made] or recorded.pop("untrained", [])
        beside = {name: several for name, several in recorded.items() if name != claim}
        columns = tuple(told.get("conditions", ()))
        herd = [other for name, other in brains.items() if name != brain_name and _alike(other, brain, columns)]
        for metric in metrics:
            memory: Memory = {}
            for k, one in enumerate(recorded[claim]):
                settings = {"untrained": fresh, "beside": beside, "animals": herd, "seed": seed, "memory": memory}
                found = compare(one, brain, metric, progress=_told(progress, brain_name, metric, k), **settings, **told)
                each[brain_name, metric.name, k] = found
                rows.append(tidy(found, brain_name, claim, k))
    table = pd.concat(rows, ignore_index=True)
    keys = [name for name in table.columns if name != "score"]
    scores = table.groupby(keys, sort=False, dropna=False, as_index=False).mean()
    return Comparisons(pd.DataFrame(scores), each, claim, seed)


def _asked(
    networks: Mapping[str, Sequence[Records | Recording]],
    brains: Mapping[str, Recording],
    metrics: Sequence[AbstractMetric],
) -> None:
    owner = "compare_all"
    if not networks or not all(len(several) for several in networks.values()):
        got = {name: len(several) for name, several in networks.items()}
        _check.fail(owner, "networks", "one or more of every kind", got)
    if next(iter(networks)) == "untrained":
        _check.fail(owner, "networks", "with the claim first", list(networks), "Name the trained networks first.")
    if not brains:
        _check.fail(owner, "brains", "one recording or more, by name", list(brains))
    names = [metric.name for metric in metrics]
    if not names or len(set(names)) < len(names):
        _check.fail(owner, "metrics", "one or more, each of its own kind", names, "Compare twice for two settings.")
    bare = any(isinstance(one, Recording) for several in networks.values() for one in several)
    if bare and len(brains) > 1:
        fix = "Give fits, which are driven through each animal's trials, or compare with one brain at a time."
        must, got = "fits, where there are several brains", f"recordings, and {len(brains)} brains"
        _check.fail(owner, "networks", must, got, fix, error=RecordingError)


def _untrained(networks: Mapping[str, Sequence[Records | Recording]], n: int, seed: int) -> list[Records]:
    _check.count("compare_all", "n_untrained", n)
    first = next(iter(networks.values()))[0]
    if "untrained" in networks or isinstance(first, Recording):
        return []
    return [first.untrained(seed + 1 + k) for k in range(n)]


def _recorded(one: Records | Recording, brain: Recording, seed: int) -> Recording:
    return one if isinstance(one, Recording) else one.record(brain, seed=seed)


def _alike(one: Recording, other: Recording, conditions: tuple[str, ...]) -> bool:
    """Tell whether one animal can stand in the other's bins: on one clock, or by conditions that both have."""
    if conditions and all(name in one.trials.columns for name in conditions):
        return True
    if one.t_start != other.t_start or one.t_stop != other.t_stop or len(one.trials) != len(other.trials):
        return False
    return all(np.array_equal(one.trials[edge], other.trials[edge]) for edge in ("start", "stop"))


def _told(progress: Progress | None, brain: str, metric: AbstractMetric, k: int) -> Progress | None:
    if progress is None:
        return None
    return lambda what, done, total: progress(f"{brain}, {metric.name}, network {k}: {what}", done, total)
