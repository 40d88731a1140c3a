"""A rollout with all steps solved together against the steps one by one: `python -m benchmarks.parallel`.

Leaky tanh units with recurrent weights of some gain, in training precision, forward and backward. Where the sweeps do
not come to rest there is no time to tell.
"""

import argparse
import json
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.timing import in_turns, machine
from neurornn import Dense, LeakyRate, Newton, generator
from neurornn.cell import in_parallel

UNITS = (2, 8, 32)
STEPS = (100, 1000)
GAINS = (0.5, 0.9, 1.2)
MEMORY = 1.5e9
"""Bytes of Jacobians beyond which the full method is left out."""
METHODS = {"full": Newton(look=False), "diagonal": Newton(diagonal=True, look=False, sweeps=200)}
Row = dict[str, object]


def measure(n: int, t: int, gain: float, trials: int, rounds: int, device: str, *, cpu_time: bool) -> Row:
    """Return the row of one size."""
    cell = LeakyRate(2, n, tau=100.0, dt=20.0, nonlinearity="tanh", wiring=Dense(n, gain=gain)).to(device)
    x = torch.randn(trials, t, 2, generator=generator(1)).to(device)
    state = cell.initial(trials)
    row: Row = {"units": n, "steps": t, "gain": gain, "trials": trials}

    def timed(activity: Tensor) -> None:
        activity.square().mean().backward()
        if device != "cpu":
            torch.cuda.synchronize()

    ways = {"loop": lambda: timed(cell.loop(x, state)[0]), "kernel": lambda: timed(cell.rollout(x, state)[0])}
    for name, how in METHODS.items():
        if name == "full" and 4.0 * trials * t * n * n > MEMORY / 4:
            row[f"{name} sweeps"] = None
            continue
        found = in_parallel(cell, x, state, how=how)
        row[f"{name} sweeps"] = found.sweeps if found.converged else None
        if found.converged:
            row[f"{name} error"] = float((found.activity - cell.rollout(x, state)[0]).detach().abs().max())
            ways[name] = lambda how=how: timed(in_parallel(cell, x, state, how=how).activity)
    medians = in_turns(ways, rounds=rounds, cpu_time=cpu_time)
    return row | {f"{name} ms": taken for name, taken in medians.items()}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parallel", description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--cpu-time", action="store_true", help="processor time instead of wall time (with --threads 1)"
    )
    parser.add_argument("--steps", type=int, nargs="*", default=STEPS)
    parser.add_argument("--json", type=Path, default=Path("benchmarks/parallel.json"))
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    print(machine())
    columns = ("units", "steps", "gain", "loop ms", "kernel ms", "full ms", "sweeps", "diagonal ms", "sweeps")
    print("".join(f"{name:>12s}" for name in columns))
    rows = []
    for t in asked.steps:
        for n in UNITS:
            for gain in GAINS:
                row = measure(n, t, gain, asked.trials, asked.rounds, asked.device, cpu_time=asked.cpu_time)
                rows.append(row)
                told = [row.get(f"{name} ms") for name in ("loop", "kernel", "full", "diagonal")]
                ms = ["-" if one is None else f"{one:.1f}" for one in told]
                sweeps = [str(row.get(f"{name} sweeps") or "-") for name in METHODS]
                shown = (str(n), str(t), f"{gain:g}", *ms[:3], sweeps[0], ms[3], sweeps[1])
                print("".join(f"{one:>12s}" for one in shown), flush=True)
    asked.json.write_text(
        json.dumps({"machine": machine(), "device": asked.device, "cpu_time": asked.cpu_time, "rows": rows}, indent=1)
        + "\n"
    )


if __name__ == "__main__":
    main()
