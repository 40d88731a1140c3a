"""The README's Python runs as it stands."""

import os
import re
from pathlib import Path

import pytest

from tests.house.source import ROOT


def blocks(text: str) -> list[str]:
    """The Python blocks of a page of Markdown."""
    return re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_the_blocks_of_a_page_are_found() -> None:
    assert blocks("a\n```python\nx = 1\n```\n```bash\nls\n```\n```python\ny = x\n```\n") == ["x = 1\n", "y = x\n"]


def test_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recordings: Path) -> None:
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    code = blocks(page)
    assert code, "the README shows no Python"
    assert os.environ["NEURORNN_DATA"] == str(recordings)
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "readme"}
    for i, block in enumerate(code):
        exec(compile(block, f"README.md, block {i + 1}", "exec"), namespace)
