"""The graph of a network's connections: who lies between others, who is left alone, and how that is mended."""

import networkx
import numpy as np
from jaxtyping import Bool, Float, Int

BATCHES = 20
"""In how many goes connections come back: each is chosen for the mode that is the most localised then."""


def betweenness(weights: Float[np.ndarray, "unit unit"]) -> Float[np.ndarray, " unit"]:
    r"""Return each unit's betweenness on the directed graph with distances $1/|w|$.

    The part of the shortest paths between all other pairs that lead through it, $\sum \sigma_{st}(v)/\sigma_{st}$ over
    the number of pairs (Brandes 2001, doi:10.1080/0022250X.2001.9990249).

    Args:
        weights: rows post-synaptic; 0 where there is no connection. Those of units onto themselves do not count.
    """
    graph = networkx.DiGraph()
    graph.add_nodes_from(range(len(weights)))
    post, pre = np.nonzero(np.where(np.eye(len(weights), dtype=bool), 0.0, weights))
    lengths = 1 / np.abs(weights[post, pre])
    graph.add_weighted_edges_from(zip(pre.tolist(), post.tolist(), lengths.tolist(), strict=True))
    found = networkx.betweenness_centrality(graph, weight="weight")
    return np.array([found[unit] for unit in range(len(weights))])


def least_between(
    weights: Float[np.ndarray, "unit unit"], n_dropped: int, needed: Int[np.ndarray, " needed"], batches: int
) -> Int[np.ndarray, " kept"]:
    """Return the units that are left once those of lowest betweenness are gone, found anew after each batch.

    Args:
        weights: rows post-synaptic.
        n_dropped: how many go.
        needed: units that stay.
        batches: in how many goes.
    """
    units = np.arange(len(weights))
    for part in np.array_split(np.arange(n_dropped), min(batches, max(n_dropped, 1))):
        scores = betweenness(weights[np.ix_(units, units)])
        scores[np.isin(units, needed)] = np.inf
        units = np.sort(units[np.argsort(scores, kind="stable")[len(part) :]])
    return units


def mended(
    mask: Bool[np.ndarray, "unit unit"],
    scores: Float[np.ndarray, "unit unit"],
    possible: Bool[np.ndarray, "unit unit"],
) -> tuple[Bool[np.ndarray, "unit unit"], int, int]:
    """Return a mask in which all units hang together and none has lost all that it receives, or all that it sends.

    What comes back are connections that there were, those of highest score first. Then, how many came back for units
    that were left alone, and how many to join parts.

    Args:
        mask: what was kept between units, rows post-synaptic.
        scores: of all connections.
        possible: the connections that there were.
    """
    mask, alone, joins = mask.copy(), 0, 0
    worth = np.where(possible, scores, -np.inf)
    for axis in (1, 0):  # what a unit receives, what it sends
        for unit in np.flatnonzero(~mask.any(axis=axis) & possible.any(axis=axis)):
            place = int(np.argmax(worth[unit] if axis == 1 else worth[:, unit]))
            mask[(unit, place) if axis == 1 else (place, unit)] = True
            alone += 1
    while True:
        parts = parts_of(mask)
        across = np.where(possible & (parts[:, None] != parts[None, :]), scores, -np.inf)
        if parts.max() == 0 or not np.isfinite(across).any():
            return mask, alone, joins
        mask.flat[int(np.argmax(across))] = True
        joins += 1


def parts_of(mask: Bool[np.ndarray, "unit unit"]) -> Int[np.ndarray, " unit"]:
    """Return the number of the part of the graph, its directions aside, that each unit belongs to."""
    from scipy.sparse.csgraph import connected_components

    return np.asarray(connected_components(mask, directed=False)[1])


def localisation(weights: Float[np.ndarray, "unit unit"]) -> float:
    r"""Return the mean inverse participation ratio of the eigenvectors, $\sum_i |v_i|^4$ over $(\sum_i |v_i|^2)^2$.

    $1/N$ where every mode is spread over all units, 1 where each belongs to one unit alone.
    """
    sizes = np.abs(np.linalg.eig(weights)[1]) ** 2
    return float(np.mean((sizes**2).sum(axis=0) / sizes.sum(axis=0) ** 2))


def spread_out_modes(
    mask: Bool[np.ndarray, "unit unit"],
    weights: Float[np.ndarray, "unit unit"],
    possible: Bool[np.ndarray, "unit unit"],
    n_added: int,
) -> tuple[Bool[np.ndarray, "unit unit"], float, float]:
    r"""Return a mask with connections brought back that spread out its modes, and their localisation before and after.

    Perturbation theory at first order: a connection $w_{ij}$ mixes the most localised mode $r$ (with left vector $l$)
    with the others in proportion to $|l_i^* w_{ij} r_j|$, so those of largest $|w_{ij}|\,|r_j|\,(1 - |r_i|^2)$ carry it
    out of the units that it sits on. The most localised mode is found anew after each batch.

    Only units that are kept may be handed over: one without any connection is a mode of its own, the most localised
    that there can be, and nothing brings it back.

    Args:
        mask: what is there, rows post-synaptic.
        weights: as they are where the mask is, and as they would come back elsewhere.
        possible: the connections that there were.
        n_added: how many come back.
    """
    before = localisation(np.where(mask, weights, 0.0))
    mask = mask.copy()
    for part in np.array_split(np.arange(n_added), min(BATCHES, max(n_added, 1))):
        vectors = np.abs(np.linalg.eig(np.where(mask, weights, 0.0))[1]) ** 2
        vectors /= vectors.sum(axis=0)
        sits = vectors[:, int(np.argmax((vectors**2).sum(axis=0)))]
        gain = np.where(possible & ~mask, np.abs(weights) * np.sqrt(sits)[None, :] * (1 - sits)[:, None], -np.inf)
        order = np.argsort(-gain, axis=None, kind="stable")[: len(part)]
        mask.flat[order[np.isfinite(gain.flat[order])]] = True
    return mask, before, localisation(np.where(mask, weights, 0.0))
