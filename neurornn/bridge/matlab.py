"""MATLAB files up to version 7: variables by name, each failure in one sentence."""

import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from neurornn import _check
from neurornn.errors import RecordingError


def load_mat(owner: str, path: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Return the named variables of a MATLAB file.

    Args:
        owner: who is reading, for the message.
        path: the `.mat` file.
        names: variables that must be there.

    Raises:
        RecordingError: if the file is damaged or a variable is missing; the message names the near one.
    """
    from scipy.io import loadmat, matlab

    damaged = (matlab.MatReadError, ValueError, TypeError, OSError, EOFError, IndexError, KeyError, zlib.error)
    try:
        found = loadmat(path)
    except NotImplementedError as error:
        fix = "Save it again in MATLAB with -v7."
        text = f"{owner}: `{path.name}` must be MATLAB version 7 or older; got version 7.3 (HDF5). {fix}"
        raise RecordingError(text) from error
    except damaged as error:
        text = f"{owner}: `{path.name}` must be a whole MATLAB file; got {error}. Delete it and fetch it again."
        raise RecordingError(text) from error
    variables = {name: value for name, value in found.items() if not name.startswith("__")}
    for name in names:
        if name not in variables:
            fix = _check.near(name, variables) if variables else "The file is empty."
            got = ", ".join(sorted(variables)) or "nothing"
            _check.fail(owner, path.name, f"a file with the variable '{name}'", got, fix, error=RecordingError)
    return {name: variables[name] for name in names}


def vector(owner: str, name: str, value: np.ndarray) -> np.ndarray:
    """Return a MATLAB row or column of finite numbers as a vector of floats.

    Raises:
        RecordingError: if it is empty, not numbers, or not finite.
    """
    if value.dtype.kind not in "iufb" or value.size == 0 or value.size != max(value.shape, default=0):
        got = f"{value.dtype} of shape {value.shape}"
        _check.fail(owner, name, "a row or column of numbers", got, error=RecordingError)
    return _check.finite(owner, name, value.ravel(), error=RecordingError)
