"""What curricula of growing memory refuse, and the snapshots of their stages."""

from collections.abc import Callable
from pathlib import Path

import pytest

from neurornn import GRU, Network, Uniform
from neurornn.curriculum import Combined, Mixed, MultiHead, Naive, NoCurriculum, SingleHead, Sliding
from neurornn.errors import FitError
from neurornn.fit import snapshot
from neurornn.fit.snapshot import write_snapshot
from neurornn.task import Parity


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: SingleHead(Parity(), last=0), "SingleHead: `last` must be a whole number, 1 or above; got 0"),
        (lambda: MultiHead(Parity(), last=1), "MultiHead: `last` must be at least the task's smallest N, 2; got 1"),
        (lambda: MultiHead(Parity(), last=4, until=1.5), r"MultiHead: `until` must be a number in \[0, 1\]; got 1.5"),
        (lambda: Sliding(Parity(), last=9, window=0), "Sliding: `window` must be a whole number, 1 or above; got 0"),
        (lambda: Sliding(Parity(), last=9, step=0), "Sliding: `step` must be a whole number, 1 or above; got 0"),
        (
            lambda: Sliding(Parity(), last=5, window=5),
            "Sliding: `window` must be at most 4, to fit below `last`; got 5. Take a smaller window or a larger `last`",
        ),
        (lambda: NoCurriculum(Parity(), until=-0.1), r"NoCurriculum: `until` must be a number in \[0, 1\]; got -0.1"),
        (lambda: Naive(Parity(), last=1), "Naive: `last` must be at least the task's smallest N, 2; got 1"),
        (lambda: Mixed(Parity(), last=4, until=2.0), r"Mixed: `until` must be a number in \[0, 1\]; got 2.0"),
        (
            lambda: Combined(Parity(), last=4, mixed=1.0),
            r"Combined: `mixed` must be below 1; got 1.0. Use Mixed\(\) for no order at all.",
        ),
        (lambda: Parity(ns=(2, 3), shares=(1.0, -1.0)), "Parity: `shares` must be a finite number, 0 or above; got -1"),
        (lambda: Parity(ns=(2, 3), shares=(0.0, 0.0)), "Parity: `shares` must be one for each of 2 N, and one of them"),
        (lambda: Uniform(2.0, 1.0), r"Uniform: `high` must be at least `low`, and both finite; got \(2.0, 1.0\)"),
        (lambda: Uniform(0.0, float("inf")), r"Uniform: `high` must be at least `low`, and both finite; got \(0.0, in"),
    ],
)
def test_curricula_that_cannot_be(make: Callable[[], object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()


def test_a_stage_that_was_not_passed_has_no_snapshot(tmp_path: Path) -> None:
    network = Network(GRU(1, 3), 2)
    write_snapshot(tmp_path, 0, network)
    with pytest.raises(
        FitError, match=r"stage_0001.safetensors: missing: stage 1 was not passed, or no snapshots were"
    ):
        snapshot(tmp_path, 1, network)


def test_snapshots_that_are_damaged_or_of_another_network(tmp_path: Path) -> None:
    path = write_snapshot(tmp_path, 0, Network(GRU(1, 3), 2))
    with pytest.raises(
        FitError, match=r"stage_0000.safetensors: holds the weights of another network. Pass one of the same"
    ):
        snapshot(tmp_path, 0, Network(GRU(1, 4), 2))
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(FitError, match=r"stage_0000.safetensors: truncated or no safetensors file \("):
        snapshot(tmp_path, 0, Network(GRU(1, 3), 2))
