"""What a reviewer asks of a comparison with recordings: the lines, in order, each under a short key."""

from collections.abc import Mapping

CHECKLIST: Mapping[str, str] = {
    "split": "Split unit and gap",
    "choices": "Choices made inside the training data",
    "ceiling": "Ceiling: method and formula",
    "units": "Units kept and in all, and the threshold",
    "effective": "Effective number of samples",
    "nulls": "Nulls that were run",
    "seeds": "Number of networks and seeds",
    "interval": "Confidence interval and level of replication",
    "matched": "Matched units, time and bins",
    "families": "At least three families of metrics",
    "generalisation": "Perturbation or generalisation test",
    "manifest": "Code, seed and manifest",
}
"""The lines of the checklist by key. A result answers those that it can (`Comparison.checklist`); a key that it does
not hold is a line that nobody has filled. What code was run, only the page knows."""

FAMILIES = ("mapping", "geometry", "dynamics", "distribution")
"""What a metric asks: can one set of units be read from the other; are their states laid out alike; do they move alike;
are their units alike, one by one."""

ENOUGH_FAMILIES = ("mapping", "geometry", "dynamics")
"""A claim that a model is like a brain needs one metric of each: rankings of models change from one to the other."""
