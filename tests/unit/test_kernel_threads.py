"""Threads of the native kernels: torch's own where they can be had, and the same numbers whoever does the work."""

import ctypes
import multiprocessing
import threading
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from neurornn import LIF, LeakyRate, generator
from neurornn.kernel import library

pytestmark = pytest.mark.skipif(library.level() < 0, reason="the native library was not built here")

Cell = Callable[[], LeakyRate | LIF]
CELLS = pytest.mark.parametrize("make", [lambda: LeakyRate(3, 40, tau=50.0, dt=20.0), lambda: LIF(3, 40, dt=1.0)])
ENTRY = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
WORK = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


@pytest.fixture(autouse=True)
def three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def run_once(make: Cell, seed: int = 0) -> tuple[Tensor, Tensor]:
    """What the units send, and the gradient of their input weights."""
    cell = make()
    x = 3 * torch.randn(30, 25, 3, generator=generator(seed))
    sent, _ = cell.rollout(x, cell.initial(30))
    sent.square().mean().backward()
    assert cell.w_in.grad is not None
    return sent.detach(), cell.w_in.grad


@pytest.fixture
def team() -> Iterator[list[int]]:
    """A team that has one thread only, whatever was asked for; the list says how many were."""
    asked: list[int] = []

    def entry(work: int, share: int, threads: int, flags: int) -> None:
        assert flags == 0
        asked.append(threads)
        WORK(work)(share)

    kept = ENTRY(entry)
    found = library.library()
    assert found is not None
    found.neurornn_team(kept)
    yield asked
    found.neurornn_team(library.team())


@CELLS
def test_a_smaller_team_does_all_shares(make: Cell, team: list[int]) -> None:
    sent, grad = run_once(make)
    assert team == [3, 3]
    found = library.library()
    assert found is not None
    found.neurornn_team(None)  # threads of one call
    for one, other in zip(run_once(make), (sent, grad), strict=True):
        assert torch.equal(one, other)
    assert team == [3, 3]


def test_torchs_own_threads_are_found() -> None:
    if "ATen parallel backend: OpenMP" not in torch.__config__.parallel_info():
        pytest.skip("this torch was built without OpenMP")
    assert library.team() is not None


@CELLS
def test_torchs_threads_give_the_same_numbers(make: Cell) -> None:
    wanted = run_once(make)
    found = library.library()
    assert found is not None
    found.neurornn_team(None)
    try:
        got = run_once(make)
    finally:
        found.neurornn_team(library.team())
    for one, other in zip(got, wanted, strict=True):
        assert torch.equal(one, other)


@CELLS
def test_python_threads_do_not_meet(make: Cell) -> None:
    wanted = [run_once(make, seed) for seed in range(4)]
    got: dict[int, list[tuple[Tensor, Tensor]]] = {}

    def work(seed: int) -> None:
        torch.set_num_threads(3)  # torch remembers it for each thread
        got[seed] = [run_once(make, seed) for _ in range(10)]

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed, runs in got.items():
        assert all(torch.equal(one, other) for run in runs for one, other in zip(run, wanted[seed], strict=True))
    assert len(got) == 4


def _child(queue, make: Cell) -> None:
    queue.put([one.sum().item() for one in run_once(make)])


@CELLS
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # the point of the test
def test_a_fork_goes_on(make: Cell) -> None:
    wanted = [one.sum().item() for one in run_once(make)]
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    child = context.Process(target=_child, args=(queue, make), daemon=True)
    child.start()
    child.join(60)
    assert child.exitcode == 0
    assert queue.get() == pytest.approx(wanted, rel=1e-5)
