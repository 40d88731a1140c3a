"""Where brian2 runs: its three targets, chosen for a stretch of code, with brian2's own settings left as they were."""

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from neurornn import _check

TARGETS = ("numpy", "cython", "cpp_standalone")
"""numpy needs no compiler; cython compiles a new model once, cpp_standalone each script, which then runs fastest."""


@contextmanager
def on_target(target: str, *, seed: int = 0) -> Iterator[None]:
    """Let brian2 run on `target` inside, its random streams begun from `seed`; what follows finds brian2 as it was.

    What monitors hold of a standalone run lies in files that are gone afterwards: read it inside.

    Args:
        target: "numpy", "cython" or "cpp_standalone".
        seed: of what brian2 draws.

    Raises:
        ValueError: if there is no such target.
    """
    import brian2
    import numpy as np
    from brian2.devices import reset_device

    if target not in TARGETS:
        _check.fail("brian2", "target", "one of its targets", target, _check.near(str(target), TARGETS))
    _check.count("brian2", "seed", seed, least=0)
    before = brian2.prefs.codegen.target, np.random.get_state()
    with tempfile.TemporaryDirectory(prefix="neurornn-brian2-") as folder, warnings.catch_warnings():
        # brian2 calls pyparsing by names that are on their way out, and its log tells the user of each.
        warnings.simplefilter("ignore", DeprecationWarning)
        if target == "cpp_standalone":
            brian2.set_device("cpp_standalone", directory=str(Path(folder) / "run"), build_on_run=True)
        else:
            brian2.prefs.codegen.target = target
        try:
            brian2.seed(seed)
            yield
        finally:
            if target == "cpp_standalone":
                brian2.device.reinit()
                reset_device()
            brian2.prefs.codegen.target = before[0]
            np.random.set_state(before[1])  # brian2's numpy target draws from numpy's global stream
