"""Every card tells of its recipe as it stands: the same hash, the same gates, each judged by what its seeds gave."""

import json
from pathlib import Path

import numpy as np
import pytest

from neurornn.claim import Verdict
from neurornn.library import library
from neurornn.recipe import load_fit_recipe

CARDS = sorted(library("fits").glob("*/card*.json"))


def test_there_are_cards() -> None:
    assert len(CARDS) > 30


@pytest.mark.parametrize("path", CARDS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_card_is_of_its_recipe(path: Path) -> None:
    card = json.loads(path.read_text(encoding="utf-8"))
    recipe = load_fit_recipe(path.parent.name).sized(card["size"])
    again = f"the recipe has changed since; run: neurornn check {path.parent.name} --size {card['size']}"
    assert card["claim"] == path.parent.name
    assert [gate["quantity"] for gate in card["gates"]] == [gate.quantity for gate in recipe.gate], again
    assert [gate["needed"] for gate in card["gates"]] == [gate.needed() for gate in recipe.gate], again
    assert card["recipe"] == recipe.digest(), again


@pytest.mark.parametrize("path", CARDS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_card_judges_by_its_seeds(path: Path) -> None:
    card = json.loads(path.read_text(encoding="utf-8"))
    recipe = load_fit_recipe(path.parent.name).sized(card["size"])
    for told, gate in zip(card["gates"], recipe.gate, strict=True):
        given = [float(seed[gate.quantity]) for seed in card["quantities"]]
        assert np.array_equal([float(value) for value in told["values"]], given, equal_nan=True)
        assert told["pass"] == Verdict(gate, tuple(given)).holds
    assert card["pass"] == all(gate["pass"] for gate in card["gates"])
