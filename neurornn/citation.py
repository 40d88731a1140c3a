"""Citations: the references of exactly what a fit recipe uses, from the DOIs in the docstrings of those classes."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from neurornn.fit.build import TYPES
from neurornn.library import find, read
from neurornn.recipe import load_fit_recipe
from neurornn.study import STUDIES

DOI = re.compile(r"doi:(10\.\d{4,9}/\S*[^\s.,;])")


def references(name: str | Path) -> list[str]:
    """Return the references of a fit recipe, each with what it is cited for.

    Args:
        name: of the recipe, or a path.

    Returns:
        Lines such as `https://doi.org/10.1371/journal.pcbi.1004792  (LeakyRate)`, without repeats: the claim's own
        papers, those of every class that the recipe names, and the recording's.

    Raises:
        RecipeError: if there is no such recipe.
    """
    return [f"{_link(doi)}  ({', '.join(users)})" for doi, users in cited(name).items()]


def cited(name: str | Path) -> dict[str, tuple[str, ...]]:
    """Return the DOIs of a fit recipe (or addresses, where there is none), each with what it is cited for.

    Args:
        name: of the recipe, or a path.

    Raises:
        RecipeError: if there is no such recipe.
    """
    recipe = load_fit_recipe(name)
    found: dict[str, list[str]] = {}
    for doi in recipe.about.doi:
        found.setdefault(doi, []).append(Path(name).stem)
    for kind in dict.fromkeys(_types(recipe.model_dump())):
        known = {**TYPES, **STUDIES}.get(kind)
        for ancestor in known.__mro__ if known is not None else ():
            for doi in DOI.findall(ancestor.__doc__ or ""):
                found.setdefault(doi, []).append(kind)
    if recipe.recording is not None and not Path(recipe.recording.name).suffix:
        data = read(find("data", recipe.recording.name))
        origin = data.get("doi") or data.get("origin", "")
        if origin:
            found.setdefault(str(origin), []).append(recipe.recording.name)
    return {doi: tuple(dict.fromkeys(users)) for doi, users in found.items()}


def _types(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("type"), str):
            yield value["type"]
        for part in value.values():
            yield from _types(part)
    elif isinstance(value, list):
        for part in value:
            yield from _types(part)


def _link(doi: str) -> str:
    return f"https://doi.org/{doi}" if doi.startswith("10.") else doi
