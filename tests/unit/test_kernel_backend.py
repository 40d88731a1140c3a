"""Which backend computes sequences, and what it says."""

import ctypes
import logging

import pytest
import torch

from neurornn import LeakyRate
from neurornn.kernel import backend, engine, leaky_native, leaky_torch, library
from neurornn.kernel.choice import _say_slower

built = library.level() >= 0


def test_the_best_is_chosen_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NEURORNN_BACKEND", raising=False)
    chosen = backend()
    assert chosen.name == ("native" if built else "torch")
    assert "built" in chosen.reason


@pytest.mark.parametrize("name", ["loop", "torch"])
def test_the_variable_forces_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEURORNN_BACKEND", name)
    assert backend().name == name
    assert "NEURORNN_BACKEND" in backend().reason
    assert engine(torch.zeros(1)) is (leaky_torch if name == "torch" else None)


def test_an_unknown_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEURORNN_BACKEND", "natve")
    wanted = r"neurornn.backend: `NEURORNN_BACKEND` must be loop, torch, native or triton; got 'natve'\. Did you mean"
    with pytest.raises(ValueError, match=wanted + " 'native'"):
        backend()


def test_without_the_library_native_is_refused_and_the_default_says_once_what_is_slower(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(library, "level", lambda: -1)
    monkeypatch.setenv("NEURORNN_BACKEND", "native")
    with pytest.raises(
        ValueError, match=r"neurornn\.backend: `NEURORNN_BACKEND` must be loop or torch where the library was not built"
    ):
        backend()
    monkeypatch.delenv("NEURORNN_BACKEND")
    _say_slower.cache_clear()
    cell = LeakyRate(2, 4, tau=50.0, dt=20.0)
    with caplog.at_level(logging.WARNING, logger="neurornn"):
        for _ in range(3):
            cell.rollout(torch.zeros(1, 2, 2), cell.initial(1))
    assert len(caplog.records) == 1
    assert "Install a C compiler" in caplog.text


@pytest.mark.skipif(not built, reason="the native library was not built here")
def test_each_kind_of_tensor_has_its_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NEURORNN_BACKEND", raising=False)
    single, double = torch.zeros(2), torch.zeros(2, dtype=torch.float64)
    assert engine(single, None) is leaky_native
    assert engine(double) is leaky_torch
    assert engine(single, double) is None
    assert engine(single.half()) is None
    assert engine(torch.zeros(2, device="meta")) is None
    with torch.autocast("cpu", torch.bfloat16):
        assert engine(single) is None


@pytest.mark.skipif(not built, reason="the native library was not built here")
def test_a_call_that_has_no_memory_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    class Short:
        def neurornn_leaky_forward(self, table: object, level: int) -> int:
            return 1

    monkeypatch.setattr(library, "library", Short)
    with pytest.raises(MemoryError, match="no memory for the work space of neurornn_leaky_forward"):
        library.call("neurornn_leaky_forward", library.Leaky())


def test_the_library_reads_nothing_as_what_it_is_not() -> None:
    for wrong in (torch.zeros(3, dtype=torch.float64), torch.zeros(3, 4).T):
        with pytest.raises(TypeError, match=r"kernel\.library: `x` must be a contiguous float32 tensor on the CPU"):
            library.pointers(library.Leaky(), ("x",), (wrong,))


def test_the_table_has_the_layout_of_the_header() -> None:
    n_sizes, n_choices, n_pointers = 22, 4, 32
    assert ctypes.sizeof(library.Leaky) == 8 * n_sizes + 4 * n_choices + 8 * n_pointers
