"""What files may be called, how long they may be, and what may not stand in them."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.house.source import LIBRARY, ROOT, TESTS, TREES, dotted, short

VAGUE = {"utils", "util", "helpers", "helper", "common", "misc"}
FORBIDDEN = {
    "eval": "recipes bind parameters; they are never executed",
    "exec": "recipes bind parameters; they are never executed",
    "torch.manual_seed": "randomness comes through neurornn.generator",
    "torch.random.manual_seed": "randomness comes through neurornn.generator",
    "torch.seed": "randomness comes through neurornn.generator",
    "torch.cuda.manual_seed": "randomness comes through neurornn.generator",
    "torch.cuda.manual_seed_all": "randomness comes through neurornn.generator",
    "np.random.seed": "randomness comes through np.random.default_rng(seed)",
    "numpy.random.seed": "randomness comes through np.random.default_rng(seed)",
    "random.seed": "randomness comes through np.random.default_rng(seed)",
}
UNSAFE = {"pickle", "dill", "cloudpickle", "marshal", "shelve", "joblib"}


def offences(tree: ast.AST) -> list[tuple[int, str]]:
    """Forbidden calls and imports of one file, with their lines."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = dotted(node.func)
            if name in FORBIDDEN:
                found.append((node.lineno, f"{name}: {FORBIDDEN[name]}"))
            safe = any(k.arg == "weights_only" and getattr(k.value, "value", None) is True for k in node.keywords)
            if name == "torch.load" and not safe:
                found.append((node.lineno, "torch.load: only with weights_only=True"))
            if name.split(".")[0] in ("np", "numpy") and name.endswith(".load"):
                unpickled = any(k.arg == "allow_pickle" and getattr(k.value, "value", None) for k in node.keywords)
                if unpickled:
                    found.append((node.lineno, "numpy.load: never with allow_pickle"))
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module or ""]
        found += [(node.lineno, f"{n}: it runs what it reads") for n in names if n.split(".")[0] in UNSAFE]
        if isinstance(node, ast.ExceptHandler):
            silent = all(isinstance(line, ast.Pass) for line in node.body)
            if node.type is None or silent:
                found.append((node.lineno, "except: names what it expects, and does something about it"))
    return found


@pytest.mark.parametrize("path", LIBRARY, ids=short)
def test_nothing_forbidden_in_the_library(path: Path) -> None:
    assert not offences(TREES[path]), short(path)


@pytest.mark.parametrize(
    "text",
    [
        "eval('1')",
        "exec('1')",
        "import torch\ntorch.manual_seed(0)",
        "np.random.seed(0)",
        "import pickle",
        "from pickle import load",
        "torch.load(f)",
        "torch.load(f, weights_only=False)",
        "np.load(f, allow_pickle=True)",
        "try:\n    f()\nexcept ValueError:\n    pass",
        "try:\n    f()\nexcept:\n    raise",
    ],
)
def test_the_search_finds_what_it_forbids(text: str) -> None:
    assert offences(ast.parse(text))
    assert not offences(ast.parse("torch.load(f, weights_only=True)\nmodel.eval()\ntorch.Generator().manual_seed(1)"))


@pytest.mark.parametrize("path", [*LIBRARY, *TESTS], ids=short)
def test_files_are_short_and_named_for_one_idea(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 400, f"{short(path)} has {len(lines)} lines: split it by idea"
    vague = VAGUE & {part.lstrip("_") for part in path.relative_to(ROOT).with_suffix("").parts}
    assert not vague, f"{short(path)}: '{vague.pop()}' says nothing; name it for what it does"


@pytest.mark.parametrize("path", [p for p in LIBRARY if p.read_text(encoding="utf-8").strip()], ids=short)
def test_the_first_line_says_what_the_file_is(path: Path) -> None:
    text = ast.get_docstring(TREES[path])
    assert text and len(text.splitlines()[0]) > 10, short(path)


def test_imports_go_down_only() -> None:
    command = [
        sys.executable,
        "-c",
        "import sys; from importlinter.cli import lint_imports_command as c; sys.exit(c())",
    ]
    done = subprocess.run([*command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_linters_have_one_version() -> None:
    """Those of pre-commit are those of the extra `dev`."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    wanted = dict(
        line.split("==") for line in tomllib.loads(text)["project"]["optional-dependencies"]["dev"] if "==" in line
    )
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8").split("- repo: ")
    found = 0
    for tool in ("ruff", "codespell", "toml-sort"):
        for block in hooks:
            if f"/{tool}" in block.splitlines()[0]:
                assert f"rev: v{wanted[tool]}" in block, tool
                found += 1
    assert found == 3


def test_every_pinned_tool_is_pinned_alike_in_the_constraints() -> None:
    text = (ROOT / "constraints" / "cpu-ci.txt").read_text(encoding="utf-8")
    pins = {
        line.split("==")[0]: line.split("==")[1].split(";")[0]
        for line in text.splitlines()
        if "==" in line and line[0] != "#"
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for wanted in project["optional-dependencies"]["dev"]:
        name, _, version = wanted.partition("==")
        if version:
            assert pins[name.split("[")[0]] == version, name
    names = [w.split(";")[0].split(">")[0].split("[")[0].strip() for w in project["dependencies"]]
    assert not [name for name in names if name.lower() not in pins], "every dependency is pinned for CI"
    assert "+" not in "".join(pins.values()), "a local label would tie the pin to one build"
