"""Demixed principal components: directions that carry one experimental factor each, as far as there are any."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from neurornn import _check
from neurornn.statistics.averages import Averages


@dataclass(frozen=True, eq=False)
class DemixedPCA:
    r"""Demixed principal components, the most telling first.

    Args:
        decoders: what reads each component from the units, $d$. Shape `(component, unit)`.
        encoders: where it lies in the units, $f$, of unit length. Shape `(component, unit)`.
        marginals: what each component is about: "time", a factor, or "stimulus x choice".
        variance: part of the variance of the averages that each explains, with its decoder and encoder. Shape
            `(component,)`.
        shares: part of the variance of each component's own projection that every marginal has. One column a marginal.
        projections: $d \cdot x$ of the averages. Shape `(component, *factors, time)`.
        total: part of the variance of the averages that each marginal has altogether.
        methods: how this was made.
        references: DOIs.
    """

    decoders: Float[np.ndarray, "component unit"]
    encoders: Float[np.ndarray, "component unit"]
    marginals: tuple[str, ...]
    variance: Float[np.ndarray, " component"]
    shares: pd.DataFrame
    projections: Float[np.ndarray, "component *factors time"]
    total: Mapping[str, float]
    methods: str
    references: tuple[str, ...] = ("10.7554/eLife.10989",)

    def frame(self) -> pd.DataFrame:
        """Return one row a component: `marginal`, `variance`, and the share of every marginal in it."""
        table = pd.DataFrame({"marginal": self.marginals, "variance": self.variance})
        return pd.concat([table, self.shares.add_prefix("share ")], axis=1).rename_axis("component")

    def of(self, marginal: str) -> np.ndarray:
        """Return which components are about `marginal`.

        Raises:
            ValueError: if there is none; the message names the near one.
        """
        if marginal not in self.marginals:
            _check.fail("DemixedPCA.of", "marginal", "one of its own", marginal, _check.near(marginal, self.marginals))
        return np.flatnonzero(np.array(self.marginals) == marginal)


def demixed_pca(averages: Averages, *, n_components: int = 3, penalty: float = 1e-6) -> DemixedPCA:
    r"""Return directions in which the population tells one factor of the experiment and little else.

    The averages are split into parts that depend on time alone, on each factor (and its course in time), and on each
    combination of factors. For each part $X_\phi$ a decoder $D$ and an encoder $F$ of low rank minimise

    $$\lVert X_\phi - F D X \rVert^2 + \mathrm{tr}(D C D^\top) + \mu \lVert D \rVert^2$$

    with the noise $C$ of the averages: reduced-rank regression, solved in closed form. Unlike principal components they
    need not be at right angles.

    Args:
        averages: see `condition_averages`. A factor of one level tells nothing.
        n_components: of each part, at most.
        penalty: $\mu$, over the variance of the averages.

    Raises:
        ValueError: if there are more components than units, or a factor has one level.

    References:
        Kobak et al. (2016), doi:10.7554/eLife.10989.
    """
    owner = "demixed_pca"
    n_units, *sizes, n_times = averages.values.shape
    if _check.count(owner, "n_components", n_components) > n_units:
        _check.fail(owner, "n_components", f"at most the number of units, {n_units}", n_components)
    _check.not_negative(owner, "penalty", penalty)
    for name, size in zip(averages.factors, sizes, strict=True):
        if size < 2:
            _check.fail(owner, "averages", "of factors with two levels or more", f"one level of {name}")
    parts = marginalised(averages)
    x = sum(parts.values()).reshape(n_units, -1)  # type: ignore[union-attr]
    whole = float(np.sum(x**2))
    n_samples = x.shape[1]
    gram = x @ x.T + n_samples * averages.noise + penalty * whole * np.eye(n_units)
    found = []
    for name, part in parts.items():
        flat = part.reshape(n_units, -1)
        if np.sum(flat**2) < 1e-20 * whole:
            continue
        regression = np.linalg.solve(gram, x @ flat.T).T
        # The best maps of low rank keep the leading left directions of what regression predicts, noise included.
        values, directions = np.linalg.eigh(regression @ gram @ regression.T)
        for i in np.argsort(-values)[:n_components]:
            if values[i] > 1e-12 * whole:
                found.append((name, directions[:, i], directions[:, i] @ regression))
    rows = []
    for name, encoder, decoder in found:
        left = x - np.outer(encoder, decoder @ x)
        rows.append((1 - float(np.sum(left**2)) / whole, name, encoder, decoder))
    rows.sort(key=lambda row: -row[0])
    encoders, decoders = (np.array([row[i] for row in rows]) for i in (2, 3))
    shares = [
        {name: float(np.sum((decoder @ part.reshape(n_units, -1)) ** 2)) for name, part in parts.items()}
        for decoder in decoders
    ]
    table = pd.DataFrame(shares)
    methods = (
        f"Demixed principal components of {n_units} units over {', '.join(averages.factors)} and {n_times} times; "
        f"up to {n_components} of each part, penalty {penalty:g} of the variance and the noise of the averages. "
        f"Variance: one minus what is left of the averages."
    )
    return DemixedPCA(
        decoders=decoders,
        encoders=encoders,
        marginals=tuple(row[1] for row in rows),
        variance=np.array([row[0] for row in rows]),
        shares=table.div(table.sum(axis=1), axis=0),
        projections=np.tensordot(decoders, sum(parts.values()), axes=1),  # type: ignore[arg-type]
        total={name: float(np.sum(part**2)) / whole for name, part in parts.items()},
        methods=methods,
    )


def marginalised(averages: Averages) -> dict[str, np.ndarray]:
    """Return the parts of the averages that depend on time alone, on each factor, and on each combination.

    They sum to the averages less the mean of each unit and are at right angles to each other. Time goes with each: the
    part of a factor holds its course in time. Each of shape `(unit, *factors, time)`.
    """
    x = averages.values
    rest = x - x.mean(axis=tuple(range(1, x.ndim)), keepdims=True)
    places = range(1, 1 + len(averages.factors))
    parts: dict[str, np.ndarray] = {}
    for size in range(len(averages.factors) + 1):
        for kept in itertools.combinations(places, size):
            others = tuple(place for place in places if place not in kept)
            part = rest.mean(axis=others, keepdims=True) if others else rest.copy()
            for inner, smaller in [(set(k), parts[n]) for n, k in _known(parts, averages.factors).items()]:
                if inner < set(kept):
                    part = part - smaller.mean(axis=others, keepdims=True) if others else part - smaller
            name = " x ".join(averages.factors[place - 1] for place in kept) or "time"
            parts[name] = np.broadcast_to(part, x.shape).copy()
    return parts


def _known(parts: Mapping[str, np.ndarray], factors: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    """Return the axes that each part found so far depends on."""
    return {
        name: () if name == "time" else tuple(1 + factors.index(one) for one in name.split(" x ")) for name in parts
    }
