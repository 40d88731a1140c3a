"""The drawing is true: ARCHITECTURE.md lists the floors that the linter holds, in their order."""

import re
import tomllib

from tests.house.source import ROOT


def test_the_floors_are_those_that_the_linter_holds() -> None:
    told = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| ([^|]+) \|", told, flags=re.M)
    drawn = [set(re.findall(r"`(\w+)`", rooms)) for _, rooms in rows]
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    held = [set(re.findall(r"\w+", layer)) for layer in table["tool"]["importlinter"]["contracts"][0]["layers"]]
    assert drawn == held
    assert [int(number) for number, _ in rows] == list(range(len(rows) - 1, -1, -1))
