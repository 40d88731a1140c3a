"""The commands, as a user types them."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from neurornn import GRU, DelayedMatch, Network
from neurornn.cli import app, main
from neurornn.fit import train
from neurornn.library import names

run = CliRunner()


def test_list_names_every_recipe() -> None:
    told = run.invoke(app, ["list"])
    assert told.exit_code == 0
    for kind in ("fits", "tasks", "data"):
        assert all(name in told.output for name in names(kind))  # type: ignore[arg-type]


def test_cite_prints_links_of_what_is_used() -> None:
    told = run.invoke(app, ["cite", "rat_linear_track"])
    assert told.exit_code == 0
    assert "https://doi.org/10.48550/arXiv.1803.07770" in told.output
    assert "(LeakyRate)" in told.output and "(rat_linear_track)" in told.output
    old = "https://doi.org/10.1002/(SICI)1098-1063(1996)6:2<149::AID-HIPO6>3.0.CO;2-K  (TrackStudy)"
    assert old in told.output, "DOIs may hold brackets and semicolons"


def test_data_list_and_show() -> None:
    assert "simulated_track" in run.invoke(app, ["data", "list"]).output
    shown = run.invoke(app, ["data", "show", "simulated_track"])
    assert "31 units" in shown.output


def test_help_loads_no_torch() -> None:
    code = "import sys; from neurornn.cli import app; print('torch' in sys.modules, 'numpy' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["False", "False"]


def test_an_error_is_one_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["neurornn", "fit", "rat_linear_trak"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    told = capsys.readouterr().err
    assert "Did you mean 'rat_linear_track'?" in told and "Traceback" not in told


def test_units_are_read_as_lists_and_ranges(tmp_path: Path) -> None:
    task = DelayedMatch()
    fit = train(Network(GRU(task.n_in, 8, dt=task.dt), task.n_out), task, steps=1, batch=2, progress=False)
    assert "units" in run.invoke(app, ["lesion", str(fit.save(tmp_path / "fit")), "--units", "a"]).output
    told = run.invoke(app, ["lesion", str(tmp_path / "nowhere"), "--units", "1"], env={"COLUMNS": "300"})
    assert told.exit_code == 2 and "does not exist" in told.output
