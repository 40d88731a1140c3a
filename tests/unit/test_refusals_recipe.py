"""What recipes refuse: sizes that are none, gates without a bound."""

import pytest

from neurornn.errors import RecipeError
from neurornn.recipe import FitRecipe, parse

WHOLE = {"about": {"title": "t"}, "study": {"type": "s"}, "task": {"type": "t"}, "network": {"cell": {"type": "GRU"}}}


def test_a_size_is_small_or_full() -> None:
    recipe = parse(WHOLE, FitRecipe, "mine")
    assert recipe.sized("small") == recipe.sized("full") == recipe
    with pytest.raises(RecipeError, match="FitRecipe: `size` must be small or full; got 'smal'"):
        recipe.sized("smal")


def test_a_gate_needs_a_bound() -> None:
    gate = {"quantity": "score", "because": "of chance"}
    with pytest.raises(RecipeError, match="a gate needs `at_least`, `at_most` or both"):
        parse({**WHOLE, "gate": [gate]}, FitRecipe, "mine")
    assert parse({**WHOLE, "gate": [{**gate, "at_least": 0.5}]}, FitRecipe, "mine").gate[0].holds(0.5)
