"""How things are timed: in turns, in one run, medians; and what the machine could do at best."""

import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

Step = Callable[[], object]


def in_turns(steps: dict[str, Step], *, rounds: int, cpu_time: bool) -> dict[str, float]:
    """Return each step's median, ms. The steps take turns, so that a noisy neighbour disturbs all alike.

    In its turn a step is run twice and timed the second time, as within a training: what another one leaves behind,
    cold caches and threads that still spin, is not its own.
    """
    clock = time.process_time if cpu_time else time.perf_counter
    for step in steps.values():
        step()
        step()
    taken: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            step()
            start = clock()
            step()
            taken[name].append(1e3 * (clock() - start))
    return {name: statistics.median(times) for name, times in taken.items()}


def peak(*, cpu_time: bool, size: int = 2048, repeats: int = 7) -> float:
    """Return the best GFLOP/s of torch's product of two large float32 matrices, at the present number of threads."""
    clock = time.process_time if cpu_time else time.perf_counter
    a, b = torch.randn(size, size), torch.randn(size, size)
    best = 0.0
    for _ in range(repeats):
        start = clock()
        torch.mm(a, b)
        best = max(best, 2 * size**3 / (clock() - start) / 1e9)
    return best


def machine() -> dict[str, object]:
    """Return what the numbers were measured on."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
    return {
        "processor": model or platform.processor() or platform.machine(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }
