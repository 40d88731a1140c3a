"""What every training promises: it repeats, it resumes after a kill, several processes are one."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hold_pulse import HoldPulse
from tolerances import FLOAT32, FLOAT64

from neurornn import GRU, LSTM, Dale, Dense, LeakyRate, Network, Trials, generator
from neurornn.curriculum import Stage, Stages
from neurornn.errors import FitError
from neurornn.fit import SGD, ActivityPenalty, Cosine, Fit, Objective, Precision, SquaredError, WeightPenalty, train
from neurornn.fit.checkpoint import digest
from neurornn.fit.roll import Roll
from neurornn.fit.watch import clip_gradients

TASK = HoldPulse()
BOTH = Objective({"error": SquaredError(), "rates": ActivityPenalty(), "weights": WeightPenalty()}, {"weights": 1e-3})


def a_network(seed: int = 0) -> Network:
    return Network(LeakyRate(2, 12, tau=60.0, dt=20.0, wiring=Dale(Dense(12)), seed=seed), 1, noise=0.1, seed=seed)


def taught(network: Network | None = None, **settings) -> Fit:
    settings = {"steps": 12, "batch": 8, "n_validation": 16, "progress": False} | settings
    return train(network if network is not None else a_network(), TASK, **settings)


def same(one: Fit, other: Fit) -> bool:
    pd.testing.assert_frame_equal(one.history, other.history, check_exact=True)
    return digest(one.network.state_dict()) == digest(other.network.state_dict())


@pytest.mark.parametrize("cell", [LeakyRate(2, 8), GRU(2, 8), LSTM(2, 8)], ids=lambda c: type(c).__name__)
def test_one_seed_gives_the_same_bits_and_another_does_not(cell):
    network = Network(cell, 1, noise=0.1)
    before = digest(network.state_dict())
    one, again, other = (taught(network, seed=s, validate_every=5) for s in (3, 3, 4))
    assert same(one, again)
    assert digest(one.network.state_dict()) != digest(other.network.state_dict())
    assert digest(network.state_dict()) == before, "the network that was passed in has changed"


def test_it_learns():
    fit = taught(steps=150, learning_rate=1e-2, batch=32)
    assert fit.score(200).mean() > 0.95 > taught(steps=1).score(200).mean()


def test_the_history_adds_up():
    fit = taught(objective=BOTH, validate_every=4, steps=10)
    assert list(fit.history) == ["step", "stage", "loss", "error", "rates", "weights", "gradient", "score"]
    np.testing.assert_allclose(fit.history["loss"], fit.history[["error", "rates", "weights"]].sum(axis=1), **FLOAT64)
    assert list(fit.history["step"]) == list(range(1, 11))
    assert list(fit.history["step"][fit.history["score"].notna()]) == [4, 8, 10]


def test_validation_changes_no_bit_of_training():
    assert digest(taught().network.state_dict()) == digest(taught(validate_every=3).network.state_dict())


@pytest.mark.parametrize("chunk", [1, 3, 10, 50])
@pytest.mark.parametrize("cell", [LeakyRate(2, 6), GRU(2, 6), LSTM(2, 6)], ids=lambda c: type(c).__name__)
def test_stretches_give_the_same_run_and_gradients(cell, chunk: int):
    network = Network(cell, 1, noise=0.1).double()
    trials = TASK.sample(4, generator=generator(0))
    noise = 0.1 * torch.randn(4, 10, 6, generator=generator(1), dtype=torch.float64)
    found = []
    for size in (0, chunk):
        network.zero_grad()
        run = Roll(network, size)(trials.inputs, None, noise)
        BOTH(run, trials, network)[0].backward()
        found.append((run, [p.grad.clone() for p in network.parameters() if p.grad is not None]))
    (whole, expected), (parts, gradients) = found
    assert torch.equal(whole.outputs, parts.outputs) and torch.equal(whole.state[0], parts.state[0])
    for a, b in zip(expected, gradients, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), **FLOAT64)


def test_clipping_is_torch_s():
    stream = generator(0)
    ours, theirs = ([torch.nn.Parameter(torch.zeros(n)) for n in (3, 50)] for _ in range(2))
    for a, b in zip(ours, theirs, strict=True):
        a.grad = torch.randn(a.shape, generator=stream)
        b.grad = a.grad.clone()
    norms = clip_gradients(ours, 0.5)
    total = torch.nn.utils.clip_grad_norm_(theirs, 0.5)
    np.testing.assert_allclose(torch.linalg.vector_norm(norms).item(), total.item(), **FLOAT32)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), **FLOAT32)
    clip_gradients(ours, 100.0)
    np.testing.assert_allclose(ours[0].grad.numpy(), theirs[0].grad.numpy(), **FLOAT32)


def test_a_clipped_step_is_no_longer_than_its_clip():
    settings = {"steps": 1, "learning_rate": 1.0, "optimiser": SGD()}
    vector = torch.nn.utils.parameters_to_vector
    before = vector(a_network().parameters())
    ended = {clip: vector(taught(clip=clip, **settings).network.parameters()) for clip in (0.0, 1e-2)}
    moved = {clip: (after - before).norm().item() for clip, after in ended.items()}
    np.testing.assert_allclose(moved[1e-2], 1e-2, rtol=1e-3)
    np.testing.assert_allclose(moved[0.0], taught(clip=0.0, **settings).history["gradient"][0], rtol=1e-3)


def test_the_schedule_sets_the_learning_rate():
    # With SGD and no clipping, a learning rate that is 0 from the second step on makes one step.
    one = taught(steps=1, optimiser=SGD(), clip=0.0)
    stopped = taught(steps=2, optimiser=SGD(), clip=0.0, schedule=Cosine())
    assert digest(one.network.state_dict()) == digest(stopped.network.state_dict())


def test_early_stopping_brings_back_the_best():
    # Steps this large make the network worse after it was good.
    settings = {"steps": 60, "learning_rate": 0.1, "clip": 0.0, "validate_every": 2, "optimiser": SGD(momentum=0.9)}
    fit = taught(patience=4, **settings)
    scores = fit.history.set_index("step")["score"].dropna()
    best = int(scores.idxmax())
    assert len(fit.history) < 60 and fit.history["step"].iloc[-1] == best + 8
    assert digest(fit.network.state_dict()) == digest(taught(**(settings | {"steps": best})).network.state_dict())


@pytest.mark.parametrize("precision", [Precision.TF32, Precision.BF16])
def test_coarser_numbers_train_nearly_the_same_and_leave_torch_as_it_was(precision: Precision):
    before = torch.get_float32_matmul_precision()
    exact, coarse = taught(), taught(precision=precision)
    # bfloat16 keeps 8 bits: 1 part in 256 of each product.
    np.testing.assert_allclose(coarse.history["loss"], exact.history["loss"], rtol=0.02)
    assert torch.get_float32_matmul_precision() == before
    assert all(p.dtype == torch.float32 for p in coarse.network.parameters())


# Resuming


class Killed(Exception):
    """Stands for a kill between two steps."""


@dataclass(frozen=True)
class Dies(HoldPulse):
    """Stops the process, so to say, at the n-th batch."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "left", [10**9])

    def sample(self, n_trials: int, *, generator: torch.Generator) -> Trials:
        left: list[int] = self.left  # type: ignore[attr-defined]
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        return super().sample(n_trials, generator=generator)


CURRICULUM = Stages((Stage(HoldPulse(shortest=10), until=0.5), Stage(HoldPulse(shortest=9), until=0.6), Stage(TASK)))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"objective": BOTH, "schedule": Cosine(), "validate_every": 4, "patience": 3},
        {"optimiser": SGD(momentum=0.9), "learning_rate": 0.05, "chunk": 4},
        {"optimiser": SGD(momentum=0.9), "learning_rate": 0.05, "validate_every": 2, "curriculum": CURRICULUM},
    ],
    ids=["plain", "validated", "momentum", "curriculum"],
)
def test_stopped_anywhere_and_resumed_it_ends_on_the_same_bits(tmp_path: Path, settings: dict):
    settings = {"steps": 12, "batch": 4, "n_validation": 8, "progress": False} | settings
    whole = train(a_network(), Dies(), **settings)
    task = Dies()
    settings |= {"checkpoint": tmp_path / "run.safetensors", "checkpoint_every": 3}
    if "curriculum" in settings:
        last = settings["curriculum"].order[-1]
        settings["curriculum"] = Stages((*settings["curriculum"].order[:-1], replace(last, task=task)))
        whole = train(a_network(), Dies(), **{**settings, "checkpoint": None})
        assert whole.history["stage"].max() == 2
    ended = None
    for _ in range(8):
        task.left[0] = 5  # type: ignore[attr-defined]
        try:
            ended = train(a_network(), task, **settings)
            break
        except Killed:
            continue
    assert ended is not None and same(whole, ended)
    assert same(whole, train(a_network(), task, **settings)), "an ended run, asked for again, is not the same"


SCRIPT = """
import os, sys
sys.path[:0] = [{root!r}, {tests!r}]
from hold_pulse import HoldPulse
from neurornn import LeakyRate, Network
from neurornn.fit import train

for line in sys.stdin:  # each line starts one process, which costs no new import
    child = os.fork()
    if child == 0:
        network = Network(LeakyRate(2, 12, tau=60.0, dt=20.0), 1, noise=0.1)
        train(network, HoldPulse(), steps=60, batch=8, n_validation=16, validate_every=20, progress=False,
              checkpoint={path!r}, checkpoint_every=1).save({folder!r})
        os._exit(0)
    print(child, flush=True)
    print(os.waitpid(child, 0)[1], flush=True)
"""


def _changed(path: Path, before: int, seconds: float) -> int:
    """Wait until a file is another than `before`; return which it is."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        now = path.stat().st_mtime_ns if path.exists() else 0
        if now != before:
            return now
        time.sleep(0.001)
    return before


def test_killed_at_any_moment_and_resumed_it_ends_on_the_same_bits(tmp_path: Path):
    tests = Path(__file__).parents[1]
    path, folder = tmp_path / "run.safetensors", tmp_path / "fit"
    text = SCRIPT.format(root=str(tests.parent), tests=str(tests), path=str(path), folder=str(folder))
    moments, kills, seen = random.Random(0), 0, 0
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", text], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin is not None and server.stdout is not None
        for _ in range(60):
            print(file=server.stdin, flush=True)
            child = int(server.stdout.readline())
            # With a checkpoint at every step, many of these moments lie inside a write; some before the first one.
            seen = _changed(path, seen, 20.0) if moments.random() < 0.8 else seen
            if kills < 6:
                time.sleep(moments.uniform(0.0, 0.03))
                os.kill(child, signal.SIGKILL)
            status = int(server.stdout.readline())
            if status == 0:
                break
            assert status == signal.SIGKILL
            kills += 1
        server.stdin.close()
    assert kills == 6 and folder.exists()
    network = Network(LeakyRate(2, 12, tau=60.0, dt=20.0), 1, noise=0.1)
    settings = {"steps": 60, "batch": 8, "n_validation": 16, "validate_every": 20, "progress": False}
    whole = train(network, TASK, **settings)
    assert same(whole, Fit.load(folder, task=TASK))
    assert not list(tmp_path.glob("**/.*.part")), "a temporary file was left behind"


def test_out_of_time_it_stops_and_goes_on_from_there(tmp_path: Path):
    whole, path = taught(validate_every=4), tmp_path / "checkpoint"
    # No step is as quick as that: each call takes one.
    cut = [taught(validate_every=4, checkpoint=path, minutes=1e-9) for _ in range(3)]
    assert [len(fit.history) for fit in cut] == [1, 2, 3]
    assert same(taught(validate_every=4, checkpoint=path), whole)
    with pytest.raises(ValueError, match="train: `minutes` must be a finite number, 0 or above; got -1"):
        taught(minutes=-1.0)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"batch": 4}, "`training.batch` is 8 in the checkpoint, 4 asked for"),
        ({"seed": 1}, "`training.seed` is 0 in the checkpoint, 1 asked for"),
        ({"learning_rate": 0.1}, "`training.learning_rate` is 0.001 in the checkpoint"),
        ({"objective": BOTH}, "`objective.terms.rates` is 'nothing' in the checkpoint"),
        ({"network": a_network(1)}, r"`network.cell.seed` is 0 in the checkpoint, 1 asked for"),
        ({"schedule": Cosine()}, "`training.schedule.floor` is 'nothing' in the checkpoint"),
    ],
)
def test_another_training_is_not_resumed(tmp_path: Path, change: dict, says: str):
    path = tmp_path / "run.safetensors"
    taught(steps=2, checkpoint=path)
    with pytest.raises(FitError, match=f"belongs to another training: {says}.* or another `checkpoint` to start anew"):
        taught(**({"steps": 2, "checkpoint": path} | change))


def test_a_network_with_other_weights_is_not_resumed(tmp_path: Path):
    path = tmp_path / "run.safetensors"
    taught(steps=2, checkpoint=path)
    network = a_network()
    with torch.no_grad():
        network.readout[0, 0] += 1.0
    with pytest.raises(FitError, match=r"`weights` is '[0-9a-f]+' in the checkpoint"):
        taught(network, steps=2, checkpoint=path)


# Several processes

WORKER = """
import os, sys
sys.path[:0] = [{root!r}, {tests!r}]
from hold_pulse import HoldPulse
from neurornn import LeakyRate, Network
from neurornn.fit import ActivityPenalty, Objective, SquaredError, WeightPenalty, train

terms = {{"error": SquaredError(), "rates": ActivityPenalty(), "weights": WeightPenalty()}}
children = []
for rank in range(2):
    children.append(os.fork())
    if children[-1] == 0:
        os.environ["RANK"] = str(rank)
        for chunk in (0, 4):
            network = Network(LeakyRate(2, 12, tau=60.0, dt=20.0), 1, noise=0.1)
            folder = {folder!r} + f"/{{chunk}}"
            train(network, HoldPulse(), steps=20, batch=7, n_validation=16, validate_every=5, progress=False, clip=0.5,
                  objective=Objective(terms, {{"weights": 1e-3}}), learning_rate=1e-2, chunk=chunk, device="cpu",
                  checkpoint=folder + "/run").save(folder + f"/{{rank}}")
        os._exit(0)
sys.exit(max(os.waitpid(child, 0)[1] for child in children) != 0)
"""


def _port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def test_two_processes_are_one(tmp_path: Path):
    tests = Path(__file__).parents[1]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_port()), "WORLD_SIZE": "2", "GLOO_SOCKET_IFNAME": "lo"}
    text = WORKER.format(root=str(tests.parent), tests=str(tests), folder=str(tmp_path))
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | shared
    done = subprocess.run(
        [sys.executable, "-c", text], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    network = Network(LeakyRate(2, 12, tau=60.0, dt=20.0), 1, noise=0.1)
    settings = {"steps": 20, "batch": 7, "n_validation": 16, "validate_every": 5, "objective": BOTH, "progress": False}
    alone = train(network, TASK, clip=0.5, learning_rate=1e-2, **settings)
    for chunk in (0, 4):
        first, second = (Fit.load(tmp_path / str(chunk) / str(rank), task=TASK) for rank in range(2))
        assert digest(first.network.state_dict()) == digest(second.network.state_dict())
        # Sums in another order, through 20 steps of Adam.
        np.testing.assert_allclose(first.history, alone.history, rtol=1e-4, atol=1e-6)
        assert (tmp_path / str(chunk) / "run").exists()


def test_the_bar_shows_loss_and_time_left(capsys: pytest.CaptureFixture[str]):
    taught(steps=3, progress=True)
    assert "train" in capsys.readouterr().err
    taught(steps=3)
    assert capsys.readouterr().err == ""
