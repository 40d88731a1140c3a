"""A fit comes back from its folder as it went in, and a damaged folder is refused by name."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hold_pulse import HoldPulse
from safetensors.torch import load, save

from neurornn import GRU, LIF, Dale, Dense, LeakyRate, Network, generator
from neurornn.errors import FitError
from neurornn.fit import CrossEntropy, Fit, Objective, train
from neurornn.fit.checkpoint import digest, read_checkpoint, write_checkpoint, write_whole
from neurornn.fit.fit import _checksum
from neurornn.fit.provenance import git_state, versions

TASK = HoldPulse()


@pytest.fixture(scope="module")
def fit() -> Fit:
    network = Network(LeakyRate(2, 6, tau=60.0, dt=20.0), 1, noise=0.1)
    return train(network, TASK, steps=4, batch=4, validate_every=2, n_validation=8, progress=False, seed=5)


@pytest.fixture
def folder(fit: Fit, tmp_path: Path) -> Path:
    return fit.save(tmp_path / "kept")


def test_saved_and_loaded_it_is_the_same(fit: Fit, folder: Path):
    again = Fit.load(folder, task=TASK)
    assert digest(again.network.state_dict()) == digest(fit.network.state_dict())
    pd.testing.assert_frame_equal(again.frame(), fit.frame(), check_exact=True)
    assert (again.seed, again.versions, again.git, again.recipe) == (fit.seed, fit.versions, fit.git, fit.recipe)
    assert again.objective == fit.objective
    np.testing.assert_array_equal(again.record(seed=2).activity, fit.record(seed=2).activity)
    assert sorted(p.name for p in folder.iterdir()) == ["fit.json", "weights.safetensors"]


def test_saved_again_it_replaces_the_old_one(fit: Fit, folder: Path):
    other = fit.untrained(3)
    other.save(folder)
    assert digest(Fit.load(folder, task=TASK).network.state_dict()) == digest(other.network.state_dict())


def test_the_recipe_is_plain_and_complete(fit: Fit):
    assert json.loads(json.dumps(fit.recipe)) == fit.recipe
    assert set(fit.recipe) == {"network", "task", "objective", "training"}
    assert fit.recipe["training"]["optimiser"]["type"] == "Adam"
    assert fit.recipe["task"] == {"type": "HoldPulse", "dt": 20.0, "n_steps": 10, "shortest": 8}


def test_untrained_is_another_network_of_the_same_build(fit: Fit):
    null = fit.untrained(0)
    assert null.network.settings.keys() == fit.network.settings.keys() and len(null.history) == 0
    assert not torch.equal(null.network.cell.w_in, fit.network.cell.w_in)
    assert digest(null.network.state_dict()) != digest(fit.untrained(1).network.state_dict())
    assert "untrained" in repr(null) and "4 steps, seed 5" in repr(fit)


def test_score_is_one_number_a_trial_and_repeats(fit: Fit):
    scores = fit.score(30, seed=1)
    assert scores.name == "fraction correct" and len(scores) == 30
    pd.testing.assert_series_equal(scores, fit.score(30, seed=1))
    assert not scores.equals(fit.score(30, seed=2))


def test_a_missing_file_is_named(folder: Path):
    with pytest.raises(FitError, match=r"nowhere.fit.json: missing. A fit is a folder that holds weights.safetensors"):
        Fit.load(folder / "nowhere")
    (folder / "weights.safetensors").unlink()
    with pytest.raises(FitError, match=r"weights.safetensors: missing"):
        Fit.load(folder)


@pytest.mark.parametrize("cut", [0, 20, 1000])
def test_truncated_files_are_refused(folder: Path, cut: int):
    path = folder / "weights.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[: min(cut, len(whole) - 1)])
    with pytest.raises(FitError, match=r"weights.safetensors: truncated or changed: its checksum is not the one in"):
        Fit.load(folder, task=TASK)
    path.write_bytes(whole)
    table = folder / "fit.json"
    table.write_bytes(table.read_bytes()[:cut])
    with pytest.raises(FitError, match=r"fit.json: truncated or no JSON .* Put back a copy"):
        Fit.load(folder, task=TASK)


def test_changed_files_are_refused(folder: Path):
    path, table = folder / "weights.safetensors", folder / "fit.json"
    whole = bytearray(path.read_bytes())
    whole[-3] ^= 1
    path.write_bytes(bytes(whole))
    with pytest.raises(FitError, match=r"weights.safetensors: truncated or changed"):
        Fit.load(folder, task=TASK)
    table.write_text(table.read_text().replace('"seed": 5', '"seed": 6'))
    with pytest.raises(FitError, match=r"fit.json: its content does not match its checksum.* Put back a copy"):
        Fit.load(folder, task=TASK)
    table.write_text("[1, 2]")
    with pytest.raises(FitError, match=r"fit.json: its content does not match its checksum.* Put back a copy"):
        Fit.load(folder, task=TASK)


def _forge(folder: Path, *, weights: bytes | None = None, **changes) -> None:
    """Change a fit and its checksums alike, as no accident does."""
    table = json.loads((folder / "fit.json").read_text())
    del table["sha256"]
    if weights is not None:
        (folder / "weights.safetensors").write_bytes(weights)
        changes["weights_sha256"] = hashlib.sha256(weights).hexdigest()
    table |= changes
    (folder / "fit.json").write_text(json.dumps(table | {"sha256": _checksum(table)}))


def test_signs_that_break_dales_law_are_refused(tmp_path: Path):
    network = Network(LIF(2, 5, tau_syn=None, wiring=Dale(Dense(5)), dt=20.0), n_out=1)
    kept = train(network, TASK, steps=1, batch=2, progress=False).save(tmp_path / "dale")
    tensors = load((kept / "weights.safetensors").read_bytes())
    assert Fit.load(kept, task=TASK).network.n_units == 5
    tensors["cell.wiring.signs"][2] = -1.0
    _forge(kept, weights=save(tensors))
    with pytest.raises(
        FitError, match=r"`cell.wiring.signs` breaks Dale's law: its signs are not those of the network"
    ):
        Fit.load(kept, task=TASK)


def test_weights_that_do_not_fit_are_named(folder: Path):
    tensors = load((folder / "weights.safetensors").read_bytes())
    _forge(folder, weights=save({**tensors, "readout": torch.zeros(1, 7)}))
    with pytest.raises(FitError, match=r"the weight `readout` is of shape \(1, 7\), the network's \(1, 6\)"):
        Fit.load(folder, task=TASK)
    _forge(folder, weights=save({k: v for k, v in tensors.items() if k != "cell.w_in"}))
    with pytest.raises(FitError, match=r"the weight `cell.w_in` of the network is missing"):
        Fit.load(folder, task=TASK)
    _forge(folder, weights=save({**tensors, "more": torch.zeros(1)}))
    with pytest.raises(FitError, match=r"holds a weight `more` that the network has not"):
        Fit.load(folder, task=TASK)
    _forge(folder, weights=b"nothing of the kind")
    with pytest.raises(FitError, match=r"weights.safetensors: no safetensors file"):
        Fit.load(folder, task=TASK)
    _forge(folder, weights=save(tensors), format=99)
    with pytest.raises(
        FitError,
        match=r"fit.json: written in format 99, which this version does not read\. Use the version of neurornn",
    ):
        Fit.load(folder, task=TASK)


def test_what_a_file_cannot_hold_is_passed(fit: Fit, tmp_path: Path):
    network = Network(LeakyRate(2, 6, dt=20.0, nonlinearity=torch.sin), 1)
    fit = train(network, TASK, steps=1, batch=2, progress=False)
    fit.save(tmp_path)
    with pytest.raises(FitError, match=r"the network cannot be built: No type .* Fit.load\(folder, network=...\)"):
        Fit.load(tmp_path, task=TASK)
    with pytest.raises(FitError, match=r"the task cannot be built: No type called 'HoldPulse'.* task=...\)"):
        Fit.load(tmp_path, network=network)
    again = Fit.load(tmp_path, network=network, task=TASK)
    assert digest(again.network.state_dict()) == digest(fit.network.state_dict()) != digest(network.state_dict())


# Checkpoints as files


def test_a_checkpoint_comes_back(tmp_path: Path):
    tensors = {"a": torch.randn(3, 2, generator=generator(0)), "b": generator(1).get_state(), "c": torch.tensor(2.0)}
    path = tmp_path / "deep" / "run"
    write_checkpoint(path, tensors, {"step": 3})
    again, metadata = read_checkpoint(path)
    assert metadata == {"step": 3} and all(torch.equal(again[name], t) for name, t in tensors.items())


@pytest.mark.parametrize("keep", [0.0, 0.01, 0.5, 0.999])
def test_a_truncated_checkpoint_is_refused(tmp_path: Path, keep: float):
    path = tmp_path / "run"
    settings = {"steps": 2, "batch": 2, "progress": False, "checkpoint": path}
    network = Network(GRU(2, 3), 1)
    train(network, TASK, **settings)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole))])
    with pytest.raises(FitError, match=r"run: truncated or no safetensors file .* Delete it to start anew"):
        train(network, TASK, **settings)


def test_a_changed_checkpoint_is_refused(tmp_path: Path):
    path = tmp_path / "run"
    write_checkpoint(path, {"a": torch.zeros(100)}, {"step": 3})
    whole = path.read_bytes()
    for changed in (whole[:-1] + b"\x01", whole.replace(b'\\"step\\": 3', b'\\"step\\": 4')):
        assert changed != whole
        path.write_bytes(changed)
        with pytest.raises(FitError, match=r"run: its content does not match its checksum.* or put back a copy"):
            read_checkpoint(path)
    path.write_bytes(save({"a": torch.zeros(1)}))
    with pytest.raises(FitError, match=r"run: a safetensors file, but no checkpoint of neurornn"):
        read_checkpoint(path)
    write_checkpoint(path, {"a": torch.zeros(1)}, {"format": 7})
    with pytest.raises(
        FitError, match=r"run: written in another format than 1\. Use the version of neurornn that wrote it"
    ):
        read_checkpoint(path)


def test_a_crash_while_writing_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "run"
    write_whole(path, b"old")

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    for name in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(f"neurornn.fit.checkpoint.os.{name}", crash)
            with pytest.raises(KeyboardInterrupt):
                write_whole(path, b"new")
        assert path.read_bytes() == b"old"
    write_whole(path, b"new")
    assert path.read_bytes() == b"new" and [p.name for p in tmp_path.iterdir()] == ["run"]


# Provenance


def test_versions_and_git_are_those_of_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert versions()["torch"] == torch.__version__ and {"python", "neurornn", "numpy"} <= versions().keys()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_state() is None
    monkeypatch.setenv("PATH", "")
    assert git_state() is None


def test_the_cross_entropy_of_a_plain_fit_is_kept(tmp_path: Path):
    objective = Objective({"choice": CrossEntropy()})
    train(Network(GRU(2, 3), 1), TASK, steps=1, batch=2, objective=objective, progress=False).save(tmp_path)
    assert Fit.load(tmp_path, task=TASK).objective == objective
