"""From a data recipe to verified local files, and from those to a recording or a set of images."""

import hashlib
import inspect
import os
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from neurornn import _check
from neurornn.bridge import IMAGE_READERS, READERS
from neurornn.bridge.hdf5 import read_hdf5
from neurornn.bridge.nwb import read_nwb
from neurornn.errors import RecipeError, SourceError, SourceMissing
from neurornn.library import find as find_recipe
from neurornn.library import names, read
from neurornn.recording import Recording
from neurornn.task.images import Images

FOLDER = "NEURORNN_DATA"
"""The environment variable that names a folder of recordings."""


class DataFile(BaseModel):
    """One file of a recording: its name, its origin, and what proves that it is the right one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Annotated[str, Field(pattern=r"^[\w.-]+$", description="name of the file in the recipe's folder")]
    url: Annotated[str, Field(pattern=r"^https?://")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    bytes: Annotated[int, Field(gt=0)]
    package: Annotated[str, Field(description="an installed package that ships the file, and where in it")] = ""


class DataRecipe(BaseModel):
    """What `data/NAME.toml` may hold: one published recording, or one set of images."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    description: str
    contents: str = ""
    origin: str
    doi: str = ""
    licence: str
    citation: str
    folder: Annotated[str, Field(pattern=r"^[\w.-]*$", description="folder of the files in folder or cache")] = ""
    reader: str
    options: dict[str, Any] = {}
    units: Annotated[dict[str, str], Field(description="units of measure, by name of what is measured")] = {}
    file: list[DataFile] = []


def load_data_recipe(name: str | Path) -> DataRecipe:
    """Return the data recipe `name`: a path, the user's own `./data/NAME.toml`, or the shipped one.

    Raises:
        RecipeError: if there is none, a key is wrong or missing, or the reader does not exist or lacks an option.
    """
    path = find_recipe("data", name)
    owner = f"Data recipe {path.stem}"
    try:
        recipe = DataRecipe.model_validate(read(path))
    except ValidationError as error:
        first = error.errors()[0]
        place, key = ".".join(str(part) for part in first["loc"]), str(first["loc"][-1])
        if first["type"] == "extra_forbidden":
            model = DataFile if len(first["loc"]) > 1 else DataRecipe
            fix = _check.near(key, model.model_fields)
            _check.fail(owner, place, "a key of a data recipe", key, fix, error=RecipeError)
        got = "nothing" if first["type"] == "missing" else first["input"]
        _check.fail(owner, place, f"valid ({first['msg']})", got, error=RecipeError)
    readers = {**READERS, **IMAGE_READERS}
    if recipe.reader not in readers:
        fix = _check.near(recipe.reader, readers)
        _check.fail(owner, "reader", "the name of a reader", recipe.reader, fix, error=RecipeError)
    known = [p.name for p in inspect.signature(readers[recipe.reader]).parameters.values() if p.name != "files"]
    for option in recipe.options:
        if option not in known:
            must = f"an option of the reader '{recipe.reader}'"
            fix = _check.near(option, known) if known else "It has none."
            _check.fail(owner, f"options.{option}", must, option, fix, error=RecipeError)
    return recipe


def load_recording(name: str | Path) -> Recording:
    """Return a recording by the name of its data recipe, or from an `.nwb` file or a saved `.h5` file.

    Args:
        name: of a recipe (`neurornn data list` shows them), the path of a recipe, or the path of a file.

    Returns:
        The recording; `source` says where it comes from, under which licence, and how to cite it.

    Raises:
        RecipeError: if there is no such recipe.
        SourceMissing: if a file can be had nowhere.
        SourceError: if a file is not the one that the recipe means.
        RecordingError: if a file is damaged or contradicts itself.

    Example:
        >>> from neurornn.source import load_recording
        >>> load_recording("simulated_track").source["simulated"]
        True
    """
    path = Path(name)
    readers = {".nwb": read_nwb, ".h5": read_hdf5}
    if path.suffix in readers:
        if not path.is_file():
            fix = "Check the path; it is taken from the folder you are in."
            _check.fail("load_recording", "name", "a file that exists", str(name), fix, error=SourceMissing)
        return readers[path.suffix](path)
    recipe = load_data_recipe(name)
    if recipe.reader in IMAGE_READERS:
        fix = f'Use load_images("{recipe.name}").'
        _check.fail("load_recording", "name", "that of a recording", f"images, {recipe.name}", fix, error=RecipeError)
    recording = READERS[recipe.reader](find(recipe), **recipe.options)
    about = recipe.model_dump(include={"name", "description", "origin", "doi", "licence", "citation", "reader"})
    hashes = {file.path: file.sha256 for file in recipe.file}
    return replace(recording, source={**recording.source, **about, "sha256": hashes})


def load_images(name: str | Path) -> Images:
    """Return a set of images by the name of its data recipe: its part to train on, which knows the part held out.

    Args:
        name: of a recipe (`mnist`, `cifar10`, or one of your own), or the path of a recipe.

    Raises:
        RecipeError: if there is no such recipe, or it is one of a recording.
        SourceMissing: if a file can be had nowhere; the message says how to fetch it.
        SourceError: if a file is not the one that the recipe means.
        RecordingError: if a file is damaged.

    Example:
        >>> from neurornn import ImageSequences, load_images
        >>> def task_of(name="mnist"):
        ...     return ImageSequences(images=load_images(name))
    """
    recipe = load_data_recipe(name)
    if recipe.reader not in IMAGE_READERS:
        fix = f'Use load_recording("{recipe.name}").'
        _check.fail(
            "load_images", "name", "that of a set of images", f"a recording, {recipe.name}", fix, error=RecipeError
        )
    return IMAGE_READERS[recipe.reader](find(recipe), **recipe.options)


def available() -> list[tuple[str, str, str]]:
    """Return one row for each data recipe: name, description, and where its files are now."""
    rows = []
    for name in names("data"):
        recipe = load_data_recipe(name)
        places = dict.fromkeys(place if path.is_file() else "" for place, path in _first_places(recipe))
        where = "needs no files" if not recipe.file else "to be downloaded" if "" in places else ", ".join(places)
        rows.append((name, recipe.description, where))
    return rows


def find(recipe: DataRecipe | str | Path) -> dict[str, Path]:
    """Return the recipe's files, by name, each checked against its sha256.

    Looked up in this order: the folder that `NEURORNN_DATA` names, the user's cache, an installed package that ships
    the file, its origin on the network (into the cache).

    Raises:
        SourceMissing: if a file can be had nowhere.
        SourceError: if a file has another checksum.
    """
    recipe = recipe if isinstance(recipe, DataRecipe) else load_data_recipe(recipe)
    found = {}
    for file in recipe.file:
        local = next((path for _, path in _places(recipe, file) if path.is_file()), None)
        found[file.path] = _verified(recipe, file, local) if local is not None else _download(recipe, file)
    return found


def fetch(recipe: DataRecipe | str | Path) -> dict[str, Path]:
    """Download the recipe's files into the user's cache (what is there and right stays) and return them by name.

    Raises:
        SourceMissing: if the origin does not answer.
        SourceError: if what is in the cache, or what came, has another checksum.
    """
    recipe = recipe if isinstance(recipe, DataRecipe) else load_data_recipe(recipe)
    fetched = {}
    for file in recipe.file:
        cached = cache_folder() / recipe.folder / file.path
        fetched[file.path] = _verified(recipe, file, cached) if cached.is_file() else _download(recipe, file)
    return fetched


def cache_folder() -> Path:
    """Return the folder of the user's cache in which downloaded recordings are kept."""
    import pooch

    return Path(pooch.os_cache("neurornn"))


def _places(recipe: DataRecipe, file: DataFile) -> Iterator[tuple[str, Path]]:
    given = os.environ.get(FOLDER)
    if given:
        yield f"${FOLDER}", Path(given) / recipe.folder / file.path
    yield "cache", cache_folder() / recipe.folder / file.path
    package, _, inside = file.package.partition("/")
    spec = find_spec(package) if package else None  # finds the folder without importing the package
    for folder in (spec.submodule_search_locations or []) if spec else []:
        yield f"package {package}", Path(folder) / inside


def _first_places(recipe: DataRecipe) -> Iterator[tuple[str, Path]]:
    for file in recipe.file:
        places = list(_places(recipe, file))
        yield next((place for place in places if place[1].is_file()), places[0])


def _verified(recipe: DataRecipe, file: DataFile, path: Path) -> Path:
    with path.open("rb") as stream:
        got = hashlib.file_digest(stream, "sha256").hexdigest()
    if got != file.sha256:
        fix = f"Delete it and fetch it again: neurornn data fetch {recipe.name}"
        _check.fail(str(path), "sha256", f"that of {recipe.name}, {file.sha256}", got, fix, error=SourceError)
    return path


def _download(recipe: DataRecipe, file: DataFile) -> Path:
    """Fetch one file into the cache, with a progress bar; it takes its place only once it is verified."""
    import pooch
    import requests

    target = cache_folder() / recipe.folder / file.path
    half = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        pooch.HTTPDownloader(progressbar=True, timeout=30)(file.url, str(half), None)
        _verified(recipe, file, half)
        os.replace(half, target)
    except SourceError:
        raise
    except (requests.exceptions.RequestException, OSError) as error:
        tried = [str(path) for _, path in _places(recipe, file)]
        text = (
            f"{recipe.name}: `{file.path}` must be in one of {', '.join(tried)}, or to be had from {file.url}; "
            f"got {type(error).__name__}. With a network: neurornn data fetch {recipe.name}. Without one, set {FOLDER} "
            f"to a folder that holds {recipe.folder}/{file.path}."
        )
        raise SourceMissing(text) from error
    finally:
        half.unlink(missing_ok=True)
    return target
