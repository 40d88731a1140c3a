"""What every test may count on: a clean torch, and the real recordings where they are."""

import os
from collections.abc import Iterator
from pathlib import Path

import jaxtyping
import pytest
import torch


@pytest.fixture(autouse=True)
def torch_left_as_found() -> Iterator[None]:
    """Fail a test that changes torch's default dtype, thread count or global random stream."""
    before = torch.get_default_dtype(), torch.get_num_threads(), torch.get_rng_state()
    yield
    assert torch.get_default_dtype() == before[0], "the test left another default dtype behind"
    assert torch.get_num_threads() == before[1], "the test left another number of threads behind"
    assert torch.equal(torch.get_rng_state(), before[2]), "the test drew from torch's global stream"


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of real recordings; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("NEURORNN_DATA", ""))
    if not os.environ.get("NEURORNN_DATA") or not folder.is_dir():
        pytest.skip("no recordings: set NEURORNN_DATA to the folder that holds them")
    return folder


@pytest.fixture
def as_users_run() -> Iterator[None]:
    """Switch the run-time shape checks off, as they are outside the tests: the package's own messages must do."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
