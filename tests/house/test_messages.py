"""Every refusal is tested: what the library says when it refuses, against the `match=` texts of the tests.

The sentences all have one form, *Owner: `name` must be ...*, and are written where `_check` is called. So each call
with a literal owner and name needs a test whose expected text holds both; each other `raise` with a text needs a test
whose expected text shares a piece of it.
"""

import ast
import re
from collections.abc import Iterator
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


def expected() -> list[str]:
    """What the tests expect to read: texts of any test file that uses `match=`."""
    found = []
    for path in TESTS:
        if "house" in path.parts:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        matches = [
            k for node in ast.walk(tree) if isinstance(node, ast.Call) for k in node.keywords if k.arg == "match"
        ]
        if not matches:
            continue
        # A literal match, or one that comes from a table of the same file (parametrize, module constants).
        literal = [match for match in matches if any(True for _ in texts(match.value))]
        found += [plain("{}".join(texts(match.value))) for match in literal]
        if len(literal) < len(matches):
            found += [plain(text) for text in texts(tree) if len(text) > 12]
    return found


EXPECTED = expected()


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


def covered(owner: str | None, name: str | None, must: str) -> bool:
    """Whether some test expects this refusal."""
    if owner is not None and name is not None:
        return any(owner in text and f"`{name}`" in text for text in EXPECTED)
    if name is not None:
        return any(f"`{name}`" in text for text in EXPECTED)
    if owner is not None and not must:
        return any(owner in text for text in EXPECTED)
    words = must.split()
    pieces = [" ".join(words[i : i + 3]) for i in range(max(1, len(words) - 2))]
    return any(piece in text for piece in pieces for text in EXPECTED)


@pytest.mark.parametrize("path", [path for path in LIBRARY if any(refusals(path))], ids=short)
def test_every_refusal_is_tested(path: Path) -> None:
    missing = [
        f"line {line}: {owner or '(owner)'}: `{name or '(name)'}` must be {must or '...'}"
        for line, owner, name, must in refusals(path)
        if not covered(owner, name, must)
    ]
    assert not missing, f"{short(path)}: no test expects (match=) these:\n" + "\n".join(missing)


def test_the_counter_counts() -> None:
    assert sum(1 for path in LIBRARY for _ in refusals(path)) > 50
    assert len(EXPECTED) > 50
    assert not covered("NoSuchOwner", "nothing", "a number")
    assert covered("Recording.binned", "dt", "shorter than a trial")
