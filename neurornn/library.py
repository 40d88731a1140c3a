"""The library of recipes: which TOML file a name means, the user's own before the shipped one."""

import json
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from neurornn import _check
from neurornn.errors import RecipeError

Kind = Literal["tasks", "data", "fits"]


def find(kind: Kind, name: str | Path) -> Path:
    """Return the file of a recipe: a path as given, the user's own `./KIND/NAME.toml`, or the shipped copy.

    Raises:
        RecipeError: if there is none; the message names the near one.
    """
    given = Path(name)
    if given.suffix == ".toml" and given.is_file():
        return given
    own = Path(kind) / f"{name}.toml"
    if own.is_file():
        return own
    shipped = library(kind) / f"{name}.toml"
    if shipped.is_file():
        return shipped
    fix = _check.near(str(name), names(kind)) if names(kind) else f"There are no {kind} here."
    _check.fail("recipe", "name", f"a path, or one of the {kind}", str(name), fix, error=RecipeError)


def library(kind: Kind) -> Path:
    """Return the folder of the shipped recipes of a kind."""
    packaged = Path(str(files("neurornn"))) / "recipes" / kind
    return packaged if packaged.is_dir() else Path(str(files("neurornn"))).parent / kind


def names(kind: Kind) -> list[str]:
    """Return the names of all recipes of a kind: the user's own, then the shipped ones."""
    own = {path.stem for path in Path(kind).glob("*.toml")} if Path(kind).is_dir() else set()
    return sorted(own | {path.stem for path in library(kind).glob("*.toml")})


def read(path: Path) -> dict[str, Any]:
    """Return the tables of a TOML file.

    Raises:
        RecipeError: if it is not TOML; the message names file and place.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        _check.fail("recipe", path.name, "a TOML file", str(error), "Mend that line.", error=RecipeError)


def measured(recipe: Path) -> str:
    """Return what the card beside a fit recipe says, gates that held and seeds; nothing where there is none.

    Example:
        >>> from neurornn.library import find, measured
        >>> measured(find("fits", "flipflop_fixed_points"))
        '6 of 6, 3 seeds'
    """
    file = recipe.parent / recipe.stem / "card.json"
    if not file.is_file():
        return ""
    card = json.loads(file.read_text(encoding="utf-8"))
    held, seeds = sum(gate["pass"] for gate in card["gates"]), len(card["seeds"])
    return f"{held} of {len(card['gates'])}, {seeds} seed{'' if seeds == 1 else 's'}"
