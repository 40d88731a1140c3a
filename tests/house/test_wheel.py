"""What is shipped: one top-level name, the recipes inside it, and a source archive that can test itself."""

import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.house.source import ROOT

CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
COLLECTIONS = ("tasks", "data", "fits")
LEFT_BEHIND = shutil.ignore_patterns(
    ".git",
    ".venv",
    "build",
    "dist",
    "runs",
    "*.egg-info",
    "__pycache__",
    ".*_cache",
    ".hypothesis",
    "*.so",
    "report.html",
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source archive, built from a copy without anything that is not tracked."""
    folder = tmp_path_factory.mktemp("build")
    shutil.copytree(ROOT, folder / "copy", ignore=LEFT_BEHIND)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(folder / "copy")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return folder


def names(archive: Path) -> list[str]:
    if archive.suffix == ".whl":
        return zipfile.ZipFile(archive).namelist()
    return [name.partition("/")[2] for name in tarfile.open(archive).getnames()]


@pytest.fixture(scope="module")
def wheel(built: Path) -> list[str]:
    return names(next(built.glob("*.whl")))


@pytest.fixture(scope="module")
def archive(built: Path) -> list[str]:
    return names(next(built.glob("*.tar.gz")))


def test_the_wheel_has_one_top_level_name(wheel: list[str]) -> None:
    version = CONFIG["project"]["version"]
    tops = {name.split("/")[0] for name in wheel}
    assert tops == {"neurornn", f"neurornn-{version}.dist-info"}


def test_the_wheel_holds_every_module_and_recipe(built: Path, wheel: list[str]) -> None:
    copy = built / "copy"
    modules = {path.relative_to(copy).as_posix() for path in (copy / "neurornn").rglob("*.py")}
    assert not modules - set(wheel)
    assert {"neurornn/py.typed", "neurornn/__init__.pyi"} <= set(wheel)
    recipes = {f"neurornn/recipes/{kind}/{path.name}" for kind in COLLECTIONS for path in (copy / kind).glob("*.toml")}
    assert recipes, "there are no recipes to look for"
    assert not recipes - set(wheel)
    templates = {path.relative_to(copy).as_posix() for path in (copy / "neurornn").rglob("*.j2")}
    assert not templates - set(wheel)


def test_the_wheel_holds_nothing_else(wheel: list[str]) -> None:
    assert not [name for name in wheel if "test" in name or name.endswith((".pyc", ".c", ".h", ".ipynb"))]
    assert not [name for name in wheel if name.startswith("neurornn/recipes") and name.endswith(".py")]


def test_the_source_archive_can_test_itself(built: Path, archive: list[str]) -> None:
    copy = built / "copy"
    wanted = {
        "LICENSE",
        "README.md",
        "Makefile",
        "CONTRIBUTING.md",
        "CITATION.cff",
        ".ci/run",
        "constraints/cpu-ci.txt",
    }
    assert not wanted - set(archive)
    tests = {path.relative_to(copy).as_posix() for path in (copy / "tests").rglob("*.py")}
    assert not tests - set(archive)
    recipes = {path.relative_to(copy).as_posix() for kind in COLLECTIONS for path in (copy / kind).glob("*.toml")}
    assert not recipes - set(archive)


def test_the_packages_are_the_folders() -> None:
    """pyproject lists every subpackage; a folder that is forgotten there would be missing from the wheel."""
    here = {
        path.parent.relative_to(ROOT).as_posix().replace("/", ".") for path in (ROOT / "neurornn").rglob("__init__.py")
    }
    listed = set(CONFIG["tool"]["setuptools"]["packages"])
    assert listed == here | {f"neurornn.recipes.{kind}" for kind in COLLECTIONS}
    folders = CONFIG["tool"]["setuptools"]["package-dir"]
    assert folders == {f"neurornn.recipes.{kind}": kind for kind in COLLECTIONS}
    assert not [path for kind in COLLECTIONS for path in (ROOT / kind).rglob("*.py")], "recipes hold no code"


def test_modules_lie_in_packages() -> None:
    bare = [path for path in (ROOT / "neurornn").rglob("*.py") if not (path.parent / "__init__.py").exists()]
    assert not bare
