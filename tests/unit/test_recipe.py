"""Recipes are strict: a wrong key, table or bound is one sentence that names it."""

from pathlib import Path

import pytest

from neurornn.errors import RecipeError
from neurornn.library import find, names, read
from neurornn.recipe import FitRecipe, Gate, load_fit_recipe, load_task, parse

WHOLE = """
[about]
title = "a title"
[study]
type = "TrackStudy"
[task]
type = "TrackIntegration"
[network.cell]
type = "LeakyRate"
n_units = 4
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text)
    return path


def test_a_recipe_by_path_is_read(tmp_path: Path) -> None:
    assert load_fit_recipe(written(tmp_path, WHOLE)).about.title == "a title"


def test_a_users_own_recipe_comes_before_the_shipped_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fits").mkdir()
    written(tmp_path / "fits", WHOLE).rename(tmp_path / "fits" / "rat_linear_track.toml")
    monkeypatch.chdir(tmp_path)
    assert load_fit_recipe("rat_linear_track").about.title == "a title"
    assert find("fits", "rat_linear_track").parent == Path("fits")
    assert "rat_linear_track" in names("fits")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (WHOLE + "[gates]\n", "`gates` must be a key that recipes have; got 'gates'. Did you mean 'gate'?"),
        (WHOLE.replace('title = "a title"', 'titel = "a"'), "`about.title` must be valid|`about.titel` must be a key"),
        (WHOLE + '[[gate]]\nquantity = "x"\nbecause = "y"\n', "a gate needs `at_least`, `at_most` or both"),
        (WHOLE + '[[gate]]\nquantity = "x"\nat_least = 1.0\nbecause = ""\n', "`gate.0.because` must be valid"),
        (WHOLE.replace("[study]", "[stduy]"), "`study` must be valid|`stduy` must be a key that recipes have"),
    ],
)
def test_a_wrong_recipe_is_refused(tmp_path: Path, text: str, match: str) -> None:
    with pytest.raises(RecipeError, match=match.replace("[", r"\[").replace("?", r"\?")):
        load_fit_recipe(written(tmp_path, text))


def test_broken_toml_names_file_and_place(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"recipe: `mine.toml` must be a TOML file; got .*line 1, column 7"):
        read(written(tmp_path, "[about\n"))


def test_an_unknown_recipe_names_the_near_one() -> None:
    with pytest.raises(RecipeError, match=r"`name` must be a path, or one of the fits; .*mean 'rat_linear_track'\?"):
        load_fit_recipe("rat_linear_trak")
    with pytest.raises(RecipeError, match=r"`name` must be a path, or one of the tasks"):
        load_task("no such task at all")


def test_an_unknown_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="FitRecipe: `size` must be small or full; got 'huge'"):
        load_fit_recipe(written(tmp_path, WHOLE)).sized("huge")


def test_a_size_lays_its_settings_over_the_rest(tmp_path: Path) -> None:
    text = WHOLE + "[train]\nsteps = 3\nbatch = 8\n[size.full.train]\nsteps = 30\n"
    recipe = load_fit_recipe(written(tmp_path, text))
    assert recipe.sized("small").train == {"steps": 3, "batch": 8}
    assert recipe.sized("full").train == {"steps": 30, "batch": 8}
    assert recipe.sized("small").digest() != recipe.sized("full").digest()
    told = recipe.model_copy(update={"about": recipe.about.model_copy(update={"notes": "other words"}), "size": {}})
    assert told.digest() == recipe.digest(), "words and other sizes do not make another claim"


def test_gates_hold_at_their_bounds_and_never_for_nan() -> None:
    gate = Gate(quantity="x", at_least=1.0, at_most=2.0, because="y")
    assert [gate.holds(value) for value in (0.9, 1.0, 2.0, 2.1, float("nan"))] == [False, True, True, False, False]
    assert gate.needed() == "1 to 2"
    assert Gate(quantity="x", at_most=2.0, because="y").needed() == "<= 2"
    assert Gate(quantity="x", at_least=2.0, because="y").needed() == ">= 2"


def test_a_table_that_is_no_recipe_is_refused() -> None:
    with pytest.raises(RecipeError, match="Recipe here: `about` must be valid"):
        parse({}, FitRecipe, "here")
