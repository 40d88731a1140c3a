"""Every refusal is tested: what the library says when it refuses, against the `match=` texts of the tests.

The sentences all have one form, *Owner: `name` must be ...*, and are written where `_check` is called. So each call
with a literal owner and name needs a test whose expected text holds both; each other `raise` with a text needs a test
whose expected text shares a piece of it.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.house.source import LIBRARY, TESTS, TREES, dotted, short

CHECKS = {"fail", "positive", "not_negative", "fraction", "count", "finite"}


def texts(node: ast.AST) -> Iterator[str]:
    """Every literal text in a piece of syntax, the constant parts of f-strings too."""
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value


def plain(pattern: str) -> str:
    """A regular expression as the text that it looks for: its escapes undone."""
    return re.sub(r"\\(.)", r"\1", pattern)


@dataclass(frozen=True)
class Expected:
    """What one test file expects to read, and the words that its parametrised texts are filled with."""

    texts: tuple[str, ...]
    words: frozenset[str]


def read(path: Path) -> Expected | None:
    """The expectations of one test file; `None` where it uses no `match=`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    matches = [
        k.value for node in ast.walk(tree) if isinstance(node, ast.Call) for k in node.keywords if k.arg == "match"
    ]
    if not matches:
        return None
    # A literal text, or one that comes from a table of the same file (parametrize, module constants).
    filled = [plain(whole(match)) for match in matches]
    if any(isinstance(match, ast.Name | ast.Attribute | ast.Subscript) for match in matches):
        tables = [node for node in ast.walk(tree) if isinstance(node, ast.Constant | ast.JoinedStr)]
        filled += [plain(text) for text in map(whole, tables) if len(text) > 8]
    words = {text for text in texts(tree) if text.isidentifier()}
    words |= {k.arg for node in ast.walk(tree) if isinstance(node, ast.Call) for k in node.keywords if k.arg}
    words |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return Expected(tuple(filled), frozenset(words))


def whole(node: ast.AST) -> str:
    """A literal text as it is written, with {} for what is filled in."""
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)  # type: ignore[misc]
    if isinstance(node, ast.BinOp):
        return whole(node.left) + whole(node.right)
    if isinstance(node, ast.Call):
        return "".join(whole(argument) for argument in node.args)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


EXPECTED = [found for path in TESTS if path.parent.name != "house" and (found := read(path))]


def refusals(path: Path) -> Iterator[tuple[int, str | None, str | None, str]]:
    """Each refusal of a file: line, owner, name (where literal), and its longest literal text."""
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Call) and dotted(node.func).startswith("_check."):
            if dotted(node.func).split(".")[1] not in CHECKS or len(node.args) < 2:
                continue
            owner, name = (a.value if isinstance(a, ast.Constant) else None for a in node.args[:2])
            must = max(texts(node.args[2]), key=len, default="") if len(node.args) > 2 else ""
            yield node.lineno, owner, name, must.strip()
        elif isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and path.name != "_check.py":
            said = [text for argument in node.exc.args for text in texts(argument)]
            if said:
                yield node.lineno, None, None, max(said, key=len).strip()


def named(word: str, text: str) -> bool:
    """Whether a word stands in a text as a word of its own."""
    return re.search(rf"(?<![\w.]){re.escape(word)}(?!\w)", text) is not None


def fits(file: Expected, owner: str | None, name: str | None) -> bool:
    """Whether a test file expects this owner and name: in one text, or in a text with a hole that it fills so."""
    for text in file.texts:
        told = owner is None or named(owner, text) or ("{}:" in text and owner in file.words)
        if told and (name is None or named(name, text) or ("`{}`" in text and name in file.words)):
            return True
    return False


def covered(owner: str | None, name: str | None, must: str) -> bool:
    """Whether some test expects this refusal."""
    if owner is not None or name is not None:
        return any(fits(file, owner, name) for file in EXPECTED)
    words = must.split()
    pieces = [" ".join(words[i : i + 3]) for i in range(max(1, len(words) - 2))]
    return any(piece in text for piece in pieces for file in EXPECTED for text in file.texts)


@pytest.mark.parametrize("path", [path for path in LIBRARY if any(refusals(path))], ids=short)
def test_every_refusal_is_tested(path: Path) -> None:
    missing = [
        f"line {line}: {owner or '(owner)'}: `{name or '(name)'}` must be {must or '...'}"
        if owner or name
        else f"line {line}: ... {must}"
        for line, owner, name, must in refusals(path)
        if not covered(owner, name, must)
    ]
    assert not missing, f"{short(path)}: no test expects (match=) these:\n" + "\n".join(missing)


def test_the_counter_counts() -> None:
    assert sum(1 for path in LIBRARY for _ in refusals(path)) > 50
    assert sum(len(file.texts) for file in EXPECTED) > 50
    assert not covered("NoSuchOwner", "nothing", "a number")
    assert covered("Recording.binned", "dt", "shorter than a trial")
