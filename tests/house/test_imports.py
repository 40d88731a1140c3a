"""What an import costs, in a process of its own."""

import subprocess
import sys

import pytest

from tests.house.source import ROOT

HEAVY = ("neo", "elephant", "brian2", "pynwb", "hdmf", "matplotlib", "sklearn", "h5py", "quantities")


def loaded(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter holds after `code`."""
    report = "\nimport sys\nprint('\\nloaded', *sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code + report], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split()[1:])


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert not loaded("import neurornn") & set(HEAVY)


def test_using_every_public_name_loads_nothing_heavy() -> None:
    names = loaded("import neurornn\nfor name in neurornn.__all__:\n    getattr(neurornn, name)")
    assert "torch" in names, "the names were not loaded, so this test says nothing"
    assert not names & set(HEAVY)


@pytest.mark.parametrize("name", ["h5py", "matplotlib", "quantities"])
def test_the_check_would_see_it(name: str) -> None:
    assert name in loaded(f"import neurornn, {name}")


def test_asking_a_command_for_help_loads_no_torch() -> None:
    if not (ROOT / "neurornn" / "cli.py").exists():
        pytest.skip("there is no neurornn/cli.py yet")
    code = (
        "import sys\nsys.argv = ['neurornn', '--help']\nfrom neurornn.__main__ import main\n"
        "try:\n    main()\nexcept SystemExit as done:\n    assert not done.code, done.code"
    )
    names = loaded(code)
    assert "neurornn" in names
    assert not names & {"torch", "pandas", "scipy", *HEAVY}
