"""Recipes: TOML files that bind parameters. They are data; anything that needs an `if` is a class of the library."""

import copy
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from neurornn import _check
from neurornn.errors import RecipeError
from neurornn.library import find, read

Model = TypeVar("Model", bound=BaseModel)


class _AbstractStrict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class About(_AbstractStrict):
    """What a recipe is: its title, the claim it tests, and where that comes from."""

    title: str
    claim: str = ""
    doi: list[str] = []
    notes: str = ""


class Gate(_AbstractStrict):
    """One thing that must come out of a claim: a quantity, its bound, and where the bound comes from."""

    quantity: str
    at_least: float | None = None
    at_most: float | None = None
    because: Annotated[str, Field(min_length=1)]

    @model_validator(mode="after")
    def _bounded(self) -> "Gate":
        if self.at_least is None and self.at_most is None:
            raise ValueError("a gate needs `at_least`, `at_most` or both")
        return self

    def holds(self, value: float) -> bool:
        """Return whether `value` meets the bounds. NaN never does."""
        low = -float("inf") if self.at_least is None else self.at_least
        high = float("inf") if self.at_most is None else self.at_most
        return bool(low <= value <= high)

    def needed(self) -> str:
        """Return the bounds as a reader writes them."""
        if self.at_least is None:
            return f"<= {self.at_most:g}"
        if self.at_most is None:
            return f">= {self.at_least:g}"
        return f"{self.at_least:g} to {self.at_most:g}"


class Named(_AbstractStrict):
    """A recording, by the name of its data recipe or a path; and what stands in where it can be had nowhere."""

    name: str
    otherwise: str = ""


class FitRecipe(_AbstractStrict):
    """What `fits/NAME.toml` may hold."""

    about: About
    study: dict[str, Any]
    task: dict[str, Any] = {}
    network: dict[str, Any] = {}
    train: dict[str, Any] = {}
    recording: Named | None = None
    seed: int = 0
    gate: list[Gate] = []
    size: dict[str, dict[str, Any]] = {}

    def sized(self, size: str) -> "FitRecipe":
        """Return the recipe with the settings of `size` laid over it: "small", "full", or one of its own."""
        known = list(dict.fromkeys(["small", "full", *self.size]))
        if size not in known:
            _check.fail("FitRecipe", "size", " or ".join(known), size, error=RecipeError)
        table = _merged(self.model_dump(), self.size.get(size, {}))
        return parse(table, FitRecipe, f"size {size}")

    def digest(self) -> str:
        """Return a hash of everything that is run and judged: not of the words about it, nor of its other sizes."""
        text = json.dumps(self.model_dump(mode="json", exclude={"about", "size"}), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


class TaskRecipe(_AbstractStrict):
    """What `tasks/NAME.toml` may hold."""

    about: About
    task: dict[str, Any]


def parse(table: Mapping[str, Any], model: type[Model], name: str) -> Model:
    """Return `table` as a `model`, or say in one sentence which key is wrong and which was meant."""
    try:
        return model.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        key = str(first["loc"][-1]) if first["loc"] else ""
        if first["type"] == "extra_forbidden":
            fix = _check.near(key, model.model_fields) if len(first["loc"]) == 1 else "Remove it, or mend its name."
            _check.fail(f"Recipe {name}", place, "a key that recipes have", key, fix, error=RecipeError)
        _check.fail(f"Recipe {name}", place or "content", "valid", first["msg"], error=RecipeError)


def load_fit_recipe(name: str | Path) -> FitRecipe:
    """Return the fit recipe `name`."""
    path = find("fits", name)
    return parse(read(path), FitRecipe, path.stem)


def load_task(name: str | Path) -> Any:
    """Return the task of the task recipe `name`: `tasks/NAME.toml`, a path, or a file of your own.

    Raises:
        RecipeError: if there is no such recipe, or it asks for something that does not exist.

    Example:
        >>> from neurornn import load_task
        >>> load_task("perceptual_decision").n_out
        3
    """
    from neurornn.fit.build import build

    path = find("tasks", name)
    return build(parse(read(path), TaskRecipe, path.stem).task)


def _merged(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    whole = copy.deepcopy(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(whole.get(key), dict)
        whole[key] = _merged(whole[key], value) if both else copy.deepcopy(value)
    return whole
