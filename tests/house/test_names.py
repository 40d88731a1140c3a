"""Public names: documented to the last argument, and abstract or final."""

import doctest
import importlib
import inspect
import re
from pathlib import Path
from types import ModuleType

import pytest

import neurornn
from tests.house.source import LIBRARY, module, short

PUBLIC = sorted(name for name in neurornn.__all__ if not name.startswith("_"))
MODULES = [path for path in LIBRARY if path.name != "__main__.py"]


def documented(text: str) -> set[str]:
    """Names under `Args:` (or `Attributes:`) of a docstring."""
    found: set[str] = set()
    for heading in ("Args", "Attributes"):
        block = re.search(rf"^{heading}:\n((?:[ ]+.*\n|\n)*)", inspect.cleandoc(text) + "\n", re.MULTILINE)
        if block:
            lines = re.findall(r"^ {4}([\w*`][\w, *`]*):", block[1], re.MULTILINE)
            found |= {name.strip(" *`") for line in lines for name in line.split(",")}
    return found


def parameters(thing: object) -> list[str]:
    """What a caller may pass."""
    try:
        form = inspect.signature(thing)  # type: ignore[arg-type]
    except ValueError:
        return []
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p.name for p in form.parameters.values() if p.name != "self" and p.kind not in kinds]


def test_the_public_names_are_there() -> None:
    assert len(PUBLIC) > 20
    assert not [name for name in PUBLIC if not hasattr(neurornn, name)]


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_is_documented(name: str) -> None:
    thing = getattr(neurornn, name)
    if not (inspect.isclass(thing) or inspect.isroutine(thing)):
        return
    text = vars(thing).get("__doc__") if inspect.isclass(thing) else thing.__doc__
    assert text and text.strip(), f"{name} has no docstring"
    assert not text.startswith(f"{name}("), f"{name} has only the signature that dataclasses write"
    if documented(text):
        missing = [p for p in parameters(thing) if p not in documented(text)]
        assert not missing, f"{name}: `Args` does not say what {', '.join(missing)} is"


@pytest.mark.parametrize("name", PUBLIC)
def test_public_methods_are_documented_or_inherit_the_text(name: str) -> None:
    thing = getattr(neurornn, name)
    if not inspect.isclass(thing):
        return
    for method, value in vars(thing).items():
        function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        if method.startswith("_") or not inspect.isfunction(function) or function.__module__ != thing.__module__:
            continue
        assert inspect.getdoc(getattr(thing, method)), f"{name}.{method} has no docstring, nor has what it implements"


def test_the_check_sees_a_missing_argument() -> None:
    assert documented(
        "One line.\n\nArgs:\n    a: first,\n        and more: of it.\n    b, c: two.\n\nReturns:\n    d: no.\n"
    ) == {
        "a",
        "b",
        "c",
    }


def imported(path: Path) -> ModuleType:
    """The module; a test of one that needs Triton, which few platforms have, is skipped where that is absent."""
    try:
        return importlib.import_module(module(path))
    except ModuleNotFoundError as missing:
        if missing.name != "triton":
            raise
        pytest.skip("triton is not installed here")


@pytest.mark.parametrize("path", MODULES, ids=short)
def test_the_examples_of_a_module_run(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    results = doctest.testmod(imported(path), optionflags=doctest.ELLIPSIS)
    assert results.failed == 0


def grounded(kind: type) -> bool:
    """Whether a class may be inherited from: abstract by name or nature, an error, or a protocol."""
    return (
        kind.__name__.lstrip("_").startswith("Abstract")
        or inspect.isabstract(kind)
        or issubclass(kind, BaseException)
        or getattr(kind, "_is_protocol", False)
    )


@pytest.mark.parametrize("path", MODULES, ids=short)
def test_a_class_is_abstract_or_final(path: Path) -> None:
    loaded = imported(path)
    for kind in vars(loaded).values():
        if not inspect.isclass(kind) or kind.__module__ != loaded.__name__:
            continue
        for base in kind.__bases__:
            if base.__module__.startswith("neurornn"):
                assert grounded(base), f"{kind.__name__} inherits from {base.__name__}, which is concrete: wrap it"
        if kind.__name__.startswith("Abstract"):
            assert inspect.isabstract(kind), f"{kind.__name__} is abstract by name only"
