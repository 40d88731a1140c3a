"""Peak memory of a training step, each way in a process of its own: `python -m benchmarks.memory WAY`."""

import resource
import subprocess
import sys
from pathlib import Path

import torch

from benchmarks.rate import Shape, contestants

SHAPE = Shape(64, 1000, 256, 3, 3)
WAYS = ("plain loop", "torch function", "native", "torch.nn.RNN", "torch.nn.GRU")


def resident() -> float:
    """Return the memory of this process at present, MB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * resource.getpagesize() / 1e6


def peak() -> float:
    """Return the most memory that this process ever had, MB."""
    # Not getrusage: its peak outlives exec, so that a child would be charged with what its parent once had.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6


def measure(way: str) -> float:
    """Return the peak of a training step net of what the process had before, MB."""
    for step in (contestants(Shape(2, 2, 4, 3, 3), tanh=False, noise=0.0)[way],) * 2:
        step()  # what libraries load on first use is not the step's
    steps = contestants(SHAPE, tanh=False, noise=0.0)
    before = resident()
    steps[way]()
    return peak() - before


def table() -> dict[str, float]:
    """Return the peak of every way, MB, measured in fresh processes."""
    found = {}
    for way in WAYS:
        command = [sys.executable, "-m", "benchmarks.memory", way, str(torch.get_num_threads())]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            found[way] = float(done.stdout.split()[-1])
    return found


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    print(measure(sys.argv[1]))
