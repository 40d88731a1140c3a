"""A thousand lesions of single units in one call, beside loops over lesions: `python -m benchmarks.lesions`."""

import argparse
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from benchmarks.timing import Step, in_turns, machine
from neurornn import AbstractTask, LeakyRate, Network, Silence, Trials, generator
from neurornn.kernel import backend
from neurornn.perturb import Scale, paired_scores

UNITS, TRIALS, STEPS, LESIONS, BLOCK = 256, 64, 100, 1000, 64
SIZES = (1, 4, 16, 64)
PATH = Path(__file__).with_suffix(".json")


@dataclass(frozen=True)
class Given(AbstractTask):
    """Random inputs and targets, scored by the squared distance."""

    dt: float = 20.0
    score_name: ClassVar[str] = "mean squared distance"
    higher_is_better: ClassVar[bool] = False

    @property
    def n_in(self) -> int:
        return 3

    @property
    def n_out(self) -> int:
        return 3

    def sample(self, n_trials: int, *, generator: torch.Generator) -> Trials:
        inputs = torch.randn(n_trials, STEPS, 3, generator=generator)
        return Trials(inputs, inputs, torch.ones(n_trials, STEPS), dt=self.dt)

    def score(self, trials: Trials, outputs: Tensor) -> Tensor:
        return (outputs - trials.targets).square().mean((-2, -1))


def members(n: int) -> list[Silence | Scale]:
    """Return lesions of single units: each unit silenced, then scaled to a quarter, a half, three quarters."""
    gains = (0.0, 0.25, 0.5, 0.75)
    return [Scale([k % UNITS], gains[k // UNITS % len(gains)]) for k in range(n)]


def contestants(n: int, sizes: Sequence[int] = ()) -> dict[str, Step]:
    """Return ways to run `n` lesions: in one call, one by one by the same kernel, and one by one step by step."""
    network = Network(LeakyRate(3, UNITS, tau=100.0, dt=20.0), 3)
    task = Given()
    trials, every = task.sample(TRIALS, generator=generator(0)), members(n)

    def together() -> None:
        paired_scores(network, task, trials, every)

    def apart(acts: Sequence[Silence | Scale], way: str) -> Step:
        def run() -> None:
            before = os.environ.get("NEURORNN_BACKEND")
            os.environ["NEURORNN_BACKEND"] = way
            with torch.no_grad():
                for act in acts:
                    task.score(trials, network(trials.inputs, perturb=[act]).outputs)
            os.environ.pop("NEURORNN_BACKEND") if before is None else os.environ.update(NEURORNN_BACKEND=before)

        return run

    def in_stacks(size: int) -> Step:
        return lambda: paired_scores(network, task, trials, every, chunk=size)

    stacks = {f"one call, {size} at a time": in_stacks(size) for size in sizes}
    return stacks | {
        "one call": together,
        "loop, kernel": apart(every, backend().name),
        "loop, steps": apart(every, "loop"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lesions", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds; every contestant runs once in each")
    parser.add_argument("--whole", action="store_true", help="the thousand in one call too, once")
    parser.add_argument("--sizes", action="store_true", help="stacks of other sizes, too")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    taken = in_turns(contestants(BLOCK, SIZES if asked.sizes else ()), rounds=asked.rounds, cpu_time=True)
    found: dict[str, object] = {
        "machine": machine(),
        "what": f"{BLOCK} lesions of a network of {UNITS} units on {TRIALS} trials of {STEPS} steps, processor time of "
        f"one thread, medians of {asked.rounds} rounds, in turns",
        "ms_a_lesion": {name: ms / BLOCK for name, ms in taken.items()},
        "ratio_to_loop_by_the_kernel": taken["loop, kernel"] / taken["one call"],
        "ratio_to_loop_by_steps": taken["loop, steps"] / taken["one call"],
    }
    if asked.whole:
        begun, cpu = time.perf_counter(), time.process_time()
        contestants(LESIONS)["one call"]()
        found["thousand_in_one_call_s"] = {"processor": time.process_time() - cpu, "wall": time.perf_counter() - begun}
    PATH.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
