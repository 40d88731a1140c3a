"""Fixed points of several networks beside those of a reference: what replicates, and what untrained networks have."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from jaxtyping import Float
from torch import Tensor

from neurornn import _check
from neurornn.comparison.checklist import CHECKLIST
from neurornn.comparison.hierarchy import hierarchical_bootstrap, holm_within, regrouping_p
from neurornn.comparison.topology import FixedPointTopology, Topology
from neurornn.network import Network
from neurornn.trials import Trials

CEILING = "reference"
"""The kind of the references beside each other: what no network need pass."""


@dataclass(frozen=True, eq=False)
class TopologyComparison:
    """How alike the fixed points of networks of several kinds are to those of reference networks.

    Args:
        scores: tidy, one row for each `kind`, `network`, `reference` and `measure`, with its `score`. The kind
            `reference` holds the references beside each other.
        points: one row a network: `kind`, `network`, how many points it has (`n`), how many are `stable`, how many are
            joined (`edges`), and what its search said of missing ones (`note`).
        claim: the kind that is held against the others.
        metric: how it was scored.
        n_conditions: held inputs.
        seed: of the bootstrap.
    """

    scores: pd.DataFrame
    points: pd.DataFrame
    claim: str
    metric: FixedPointTopology
    n_conditions: int
    seed: int

    @property
    def complete(self) -> bool:
        """Whether untrained networks stand beside the claim. What is not complete is not drawn."""
        return not self.missing

    @property
    def missing(self) -> tuple[str, ...]:
        """Nulls that are not there, each with its reason."""
        absent = "untrained" not in set(self.scores["kind"])
        return ("untrained: no untrained networks were given",) if absent else ()

    @property
    def family(self) -> str:
        """What kind of question was asked: one of `FAMILIES`."""
        return self.metric.family

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of networks, the claim first, the references beside each other last."""
        return tuple(dict.fromkeys(self.scores["kind"]))

    @property
    def references(self) -> tuple[str, ...]:
        """DOIs of everything that was used."""
        return (*self.metric.references, "10.48550/arXiv.2007.07797")

    def frame(self) -> pd.DataFrame:
        """Return `scores`."""
        return self.scores

    def table(self, kind: str, measure: str) -> Float[np.ndarray, "network reference"]:
        """Return networks x references of one kind.

        Raises:
            KeyError: if there is no such kind or measure.
        """
        kinds, measures = (self.scores[name].to_numpy(str) for name in ("kind", "measure"))
        mine = (kinds == kind) & (measures == measure)
        if not mine.any():
            fix = _check.near(kind, set(self.kinds))
            got = f"{kind}, {measure}"
            _check.fail("TopologyComparison", "kind", "one with this measure", got, fix, error=KeyError)
        wide = pd.DataFrame(self.scores[mine]).pivot_table(
            index="network", columns="reference", values="score", dropna=False
        )
        return wide.to_numpy(float)

    def by_network(self, kind: str, measure: str) -> Float[np.ndarray, " network"]:
        """Return one score a network: the median over the references that it has one with."""
        rows = [row[np.isfinite(row)] for row in self.table(kind, measure)]
        return np.array([np.median(row) if len(row) else np.nan for row in rows])

    def summary(self) -> pd.DataFrame:
        """Return one row for each measure and kind: value, interval, p, and p corrected.

        `low` and `high`: hierarchical bootstrap over networks (and references, where there are several). `p`: that of
        *the claim is above this kind*, by regrouping of networks; none for the references beside each other, which are
        a ceiling. `p_holm` corrects each kind for the number of measures.
        """
        return self._summary.copy()

    @cached_property
    def _summary(self) -> pd.DataFrame:
        rows = []
        for measure in self.metric.measures:
            ours = self.by_network(self.claim, measure)
            for kind in self.kinds:
                theirs = self.by_network(kind, measure)
                # References beside each other have no score with themselves: one number a network.
                table = theirs[:, None] if kind == CEILING else self.table(kind, measure)
                found = hierarchical_bootstrap([table], seed=self.seed)
                judged = kind not in (self.claim, CEILING)
                rows.append(
                    {
                        "measure": measure,
                        "kind": kind,
                        "value": found.median,
                        "low": found.low,
                        "high": found.high,
                        "n_networks": len(theirs),
                        "p": regrouping_p(ours, theirs, seed=self.seed) if judged else float("nan"),
                    }
                )
        table = pd.DataFrame(rows)
        return table.assign(p_holm=holm_within(table["kind"].to_numpy(str), table["p"].to_numpy(float)))

    @property
    def _counts(self) -> dict[str, int]:
        """How many networks of each kind there are."""
        return dict(Counter(self.points["kind"].to_numpy(str).tolist()))

    @property
    def methods(self) -> str:
        """What was done, in plain sentences."""
        counts = self._counts
        networks = ", ".join(f"{n} {kind}" for kind, n in counts.items())
        incomplete = int(np.count_nonzero(self.points["note"].to_numpy(str) != ""))
        told = f" The search of {incomplete} networks says that it is not complete." if incomplete else ""
        how = self.metric.search
        held = f"{self.n_conditions} held input{'s' if self.n_conditions > 1 else ''}"
        return (
            f"Networks: {networks}. {self.metric.sentence()} {held}, {how.n_seeds} seeds each, the same trials for "
            f"all.{told} Intervals: 95 % hierarchical bootstrap over networks and references; p: regrouping of "
            "networks, corrected for the number of measures by Holm."
        )

    @property
    def checklist(self) -> dict[str, str]:
        """What this answers of the reviewer's checklist, by the keys of `CHECKLIST`."""
        counts = self._counts
        nulls = [kind for kind in counts if kind not in (self.claim, CEILING)]
        known = {
            "choices": "Of fixed points: state spaces are turned by trajectories, not by the points.",
            "seeds": ", ".join(f"{n} {kind} networks" for kind, n in counts.items()) + ".",
            "interval": "Of fixed points: networks are the replicates; p corrected for the number of measures by Holm.",
            "matched": "Fixed points: the same trials, held inputs and search for every network.",
        }
        if self.complete:
            known["nulls"] = f"Of fixed points: {', '.join(nulls)} networks."
        if CEILING in self.kinds:
            known["ceiling"] = f"Of fixed points: {counts[CEILING]} reference networks beside each other."
        return {key: known[key] for key in CHECKLIST if key in known}

    def __repr__(self) -> str:
        state = "complete" if self.complete else f"incomplete ({'; '.join(self.missing)})"
        return f"TopologyComparison({', '.join(self.kinds)}, {self.n_conditions} held inputs, {state})"


def compare_fixed_points(
    networks: Mapping[str, Sequence[Network]],
    reference: Sequence[Network],
    trials: Trials,
    *,
    inputs: Float[Tensor, "condition in"] | None = None,
    metric: FixedPointTopology | None = None,
    reference_trials: Trials | None = None,
    reference_inputs: Float[Tensor, "condition in"] | None = None,
    seed: int = 0,
    progress: bool = True,
) -> TopologyComparison:
    """Return how alike the fixed points of networks are to those of reference networks, beside untrained ones.

    A recording has no fixed points. What stands for an animal is a network that was fitted to its activity
    (`fit_rates(...).network`); fit several, so that they tell how far two of them agree: the ceiling.

    Args:
        networks: by kind; the first kind is the claim, and without a kind called `untrained` the result is not
            `complete`.
        reference: one or more networks that the others are held against.
        trials: whose states seed the search, and by which one state space is turned onto the other.
        inputs: what is held; 0 where absent.
        metric: how to score; `FixedPointTopology()` where absent.
        reference_trials: trials of the references, where they have inputs of their own; the arrangement of points is
            then not compared.
        reference_inputs: what is held in them; as many as in the others.
        seed: of the bootstrap.
        progress: whether to show a bar, where it takes more than some seconds.

    Raises:
        ValueError: if there is no network or no reference, one is no network, or sizes do not fit.

    Example:
        >>> import torch
        >>> from neurornn import GRU, Network, Trials
        >>> from neurornn.comparison import FixedPointTopology, compare_fixed_points
        >>> from neurornn.dynamics import Search
        >>> trials = Trials(torch.zeros(4, 20, 1), torch.zeros(4, 20, 1), torch.ones(4, 20), dt=20.0)
        >>> nets = [Network(GRU(1, 4), 1) for _ in range(3)]
        >>> metric = FixedPointTopology(search=Search(n_seeds=12, adam_steps=50))
        >>> found = compare_fixed_points({"trained": nets[:1], "untrained": nets[1:]}, nets[:1], trials, metric=metric)
        >>> found.table("trained", "topology").tolist(), found.complete
        ([[1.0]], True)

    References:
        Maheswaranathan et al. (2019), doi:10.48550/arXiv.1907.08549.
    """
    owner = "compare_fixed_points"
    if not networks or not all(len(several) for several in networks.values()):
        got = {name: len(several) for name, several in networks.items()}
        _check.fail(owner, "networks", "one or more of every kind", got)
    claim = next(iter(networks))
    if claim == "untrained" or CEILING in networks:
        fix = "Name the trained networks first, and hand over the references as `reference`."
        _check.fail(owner, "networks", "with the claim first, and none called reference", list(networks), fix)
    if not len(reference):
        _check.fail(owner, "reference", "one network or more", "none")
    how = FixedPointTopology() if metric is None else metric
    fitted = {
        kind: [how.fit(one, trials, inputs, progress=progress) for one in some] for kind, some in networks.items()
    }
    own = trials if reference_trials is None else reference_trials
    held = inputs if reference_trials is None and reference_inputs is None else reference_inputs
    targets = [how.fit(one, own, held, progress=progress) for one in reference]
    rows = [
        {"kind": kind, "network": k, "reference": j, "measure": measure, "score": score}
        for kind, some in fitted.items()
        for k, one in enumerate(some)
        for j, target in enumerate(targets)
        for measure, score in how.score(one, target).items()
    ]
    rows += [
        {"kind": CEILING, "network": k, "reference": j, "measure": measure, "score": score}
        for k, one in enumerate(targets)
        for j, target in enumerate(targets)
        if j != k
        for measure, score in how.score(one, target).items()
    ]
    points = [_told(kind, k, one) for kind, some in (*fitted.items(), (CEILING, targets)) for k, one in enumerate(some)]
    return TopologyComparison(pd.DataFrame(rows), pd.DataFrame(points), claim, how, len(targets[0].points.inputs), seed)


def _told(kind: str, network: int, one: Topology) -> dict[str, object]:
    index = one.points.index
    counts = {"n": len(index), "stable": int((index == 0).sum()), "edges": len(one.edges)}
    return {"kind": kind, "network": network, **counts, "note": " ".join(one.points.notes)}
