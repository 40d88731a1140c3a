"""What was done to make a fit, as sentences for a methods section, written from the recipe that the fit holds."""

import re
from collections.abc import Mapping
from typing import Any

SPELT = {"SquaredError": "mean squared error", "CrossEntropy": "cross-entropy"}
"""Terms of an objective that have a name of their own in the field."""


def account_of_training(recipe: Mapping[str, Any], n_steps: int, score: str, *, seed: int) -> str:
    """Return how a network was trained.

    Args:
        recipe: of the fit: `objective` and `training` as plain data.
        n_steps: steps that it took.
        score: what the task's score measures, with its unit.
        seed: of the training.
    """
    told: Mapping[str, Any] = recipe.get("training", {})
    if not n_steps or not told:
        return f"Untrained weights, seed {seed}."
    optimiser, schedule = told["optimiser"]["type"], told["schedule"]["type"]
    clip = f"gradients clipped at a norm of {told['clip']:g}" if told["clip"] else "gradients not clipped"
    way = "" if told["gradient"]["type"] == "BPTT" else f" by {told['gradient']['type']}"
    rate = f"learning rate {told['learning_rate']:g}{'' if schedule == 'Constant' else f', {schedule}'}"
    text = (
        f"Trained{way} for {n_steps:,} steps of {told['batch']} new trials each, {optimiser} ({rate}), {clip}, seed "
        f"{seed}. Minimised: {_terms(recipe['objective'])}."
    )
    curriculum: Mapping[str, Any] = told["curriculum"]
    if len(curriculum.get("order", ())) != 1:
        text += f" Curriculum: {curriculum['type']}."
    if not told["validate_every"]:
        return f"{text} The last weights were kept."
    kept = f"the best weights within {told['patience']} validations" if told["patience"] else "the last weights"
    return (
        f"{text} Score: {score}, averaged over {told['n_validation']:,} trials of one batch that was not trained on, "
        f"every {told['validate_every']} steps; {kept} were kept."
    )


def account_of_encoding(recipe: Mapping[str, Any], n_epochs: int, *, dt: float, seed: int) -> str:
    """Return how an encoding model was fitted."""
    told, split = recipe["fit"], recipe["split"]
    bins = (
        f"{split['train']:,} bins of {dt:g} ms for training, {split['validation']:,} for choosing weights, "
        f"{split['test']:,} for the scores alone"
    )
    kind = recipe["model"]["type"]
    if not n_epochs:
        return f"{kind}, solved in closed form by Poisson likelihood. {bins}."
    if "schedule" in told:
        course = told["schedule"]["type"]
    else:
        falls = "once" if told["drops"] == 1 else f"{told['drops']} times"
        course = f"cut to a third {falls}, each after {told['patience']} epochs without improvement"
    return (
        f"{kind}, fitted by Poisson likelihood for {n_epochs} epochs of chunks of {told['length']} bins, "
        f"{told['batch']} to a step of Adam (learning rate {told['learning_rate']:g}, {course}), seed {seed}. The "
        f"weights of the best validation were kept. {bins}."
    )


def _terms(objective: Mapping[str, Any]) -> str:
    weights: Mapping[str, float] = objective.get("weights", {})
    names = {name: _spelt(term["type"]) for name, term in objective["terms"].items()}
    weighed = {name: f"{weights[name]:g} x " for name in names if weights.get(name, 1.0) != 1.0}
    return " + ".join(weighed.get(name, "") + spelt for name, spelt in names.items())


def _spelt(kind: str) -> str:
    """Return the name of a term as words."""
    return SPELT.get(kind, re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind).lower())
