"""Time a training step side by side and write the table: `python -m benchmarks --help`."""

import argparse
import json
from pathlib import Path

import torch

from benchmarks import lif, memory, rate, reach
from benchmarks.timing import in_turns, machine, peak
from neurornn.kernel import backend, library

Row = dict[str, object]
GAINS = (0.35, 2.0)  # of the inputs of spiking units: about 2 % of them spike at a step, and about 20 %


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--threads", type=int, default=2, help="threads of every contestant")
    parser.add_argument("--rounds", type=int, default=11, help="rounds; every contestant runs once in each")
    parser.add_argument(
        "--cpu-time", action="store_true", help="processor time instead of wall time (with --threads 1)"
    )
    parser.add_argument("--tanh", action="store_true", help="tanh instead of ReLU")
    parser.add_argument("--noise", type=float, default=0.0, help="noise of the units; times this package alone")
    parser.add_argument("--level", type=int, help="run the portable (0), AVX2 (1) or AVX-512 (2) build, not the best")
    parser.add_argument("--shapes", type=int, nargs="*", help="which of the shapes, from 0")
    parser.add_argument("--lif", action="store_true", help="spiking units too where --shapes is given")
    parser.add_argument("--add", action="store_true", help="keep what the file holds of other shapes")
    parser.add_argument("--reach", action="store_true", help="low rank, stacked lesions and noise too")
    parser.add_argument("--no-memory", action="store_true", help="leave peak memory out")
    parser.add_argument("--statistics", action="store_true", help="statistics of spikes beside elephant, nothing else")
    parser.add_argument("--gpu", action="store_true", help="on a GPU, and nothing on the processor")
    parser.add_argument("--search", action="store_true", help="with --gpu: other sizes of the kernels' programs, too")
    parser.add_argument("--no-check", action="store_true", help="with --gpu: do not check the kernels first")
    parser.add_argument("--json", type=Path, help="where the numbers go; results.json or gpu.json of this folder")
    return parser.parse_args()


def show(name: str, medians: dict[str, float], gflop: float, best: float) -> list[Row]:
    """Print one shape's table, and return its rows."""
    print(f"\n{name}")
    print(f"{'':22s}{'ms':>9s}{'x plain loop':>14s}{'x nn.RNN':>10s}{'GFLOP/s':>9s}{'of peak':>9s}")
    rows: list[Row] = []
    for way, taken in medians.items():
        loop, rnn = medians["plain loop"] / taken, medians.get("torch.nn.RNN", float("nan")) / taken
        speed = gflop / taken * 1e3
        print(f"{way:22s}{taken:9.2f}{loop:14.2f}{rnn:10.2f}{speed:9.0f}{speed / best:9.0%}")
        rows.append({"shape": name, "way": way, "ms": taken, "gflops": speed, "peak_gflops": best})
    return rows


def show_statistics(path: Path, *, rounds: int, cpu_time: bool) -> None:
    """Time the statistics beside elephant and neo, print the ratios, and write them."""
    from benchmarks import statistics  # here, since it needs neo

    rows: list[Row] = []
    print(f"\n{'':42s}{'ours, ms':>10s}{'theirs, ms':>12s}{'ratio':>8s}")
    for name, (ours, theirs, times, words) in statistics.contestants().items():
        taken = in_turns({"ours": ours, "theirs": theirs}, rounds=rounds, cpu_time=cpu_time)
        whole = taken["theirs"] * times
        print(f"{name:42s}{taken['ours']:10.1f}{whole:12.0f}{whole / taken['ours']:8.1f}  ({words})")
        row: Row = {"task": name, "ours_ms": taken["ours"], "theirs_ms": whole, "ratio": whole / taken["ours"]}
        rows.append({**row, "theirs": words, "scaled": times})
    sizes = {"units": statistics.N_UNITS, "rate_hz": statistics.RATE, "seconds": statistics.SECONDS}
    settings = {"rounds": rounds, "cpu_time": cpu_time}
    told = {"machine": machine(), "settings": settings, "session": sizes, "rows": rows}
    path.write_text(json.dumps(told, indent=1) + "\n")
    print(f"\nwritten to {path}")


def main() -> None:
    asked = arguments()
    if asked.statistics:
        path = asked.json or Path(__file__).with_name("statistics.json")
        return show_statistics(path, rounds=asked.rounds, cpu_time=asked.cpu_time)
    path = asked.json or Path(__file__).with_name("gpu.json" if asked.gpu else "results.json")
    shapes = rate.SHAPES if asked.shapes is None else [rate.SHAPES[i] for i in asked.shapes]
    if asked.gpu:
        from benchmarks import gpu  # here, since it needs Triton

        spiking = lif.SHAPES if asked.shapes is None or asked.lif else ()
        return gpu.main(path, asked.rounds, list(shapes), list(spiking), asked.search, check_first=not asked.no_check)
    torch.set_num_threads(asked.threads)
    if asked.level is not None:
        chosen = min(asked.level, library.level())
        library.level = lambda: chosen  # type: ignore[assignment]
    print(f"{machine()}\n{backend().reason}; medians of {asked.rounds} rounds")
    rows: list[Row] = []
    for shape in shapes:
        best = peak(cpu_time=asked.cpu_time)
        steps = rate.contestants(shape, tanh=asked.tanh, noise=asked.noise)
        medians = in_turns(steps, rounds=asked.rounds, cpu_time=asked.cpu_time)
        rows += show(f"rate {shape}", medians, shape.gflop, best)
    for shape in lif.SHAPES if asked.shapes is None or asked.lif else ():
        for gain in GAINS:
            best = peak(cpu_time=asked.cpu_time)
            steps, spiking = lif.contestants(shape, gain=gain)
            medians = in_turns(steps, rounds=asked.rounds, cpu_time=asked.cpu_time)
            rows += show(f"spiking {shape}, {spiking:.1%} of units a step", medians, shape.gflop, best)
    more = reach.table(asked.rounds) if asked.reach and library.level() >= 0 else []
    peaks = {} if asked.no_memory else memory.table()
    unit = memory.SHAPE.trials * memory.SHAPE.steps * memory.SHAPE.units * 4 / 1e6
    print(f"\npeak memory of a step at {memory.SHAPE}; one array of all states is {unit:.0f} MB" if peaks else "")
    for way, megabytes in peaks.items():
        print(f"{way:22s}{megabytes:9.0f} MB, {megabytes / unit:4.1f} such arrays")
    if asked.add and path.is_file():
        before = json.loads(path.read_text(encoding="utf-8"))
        fresh = {row["shape"] for row in rows}
        rows = [row for row in before["rows"] if row["shape"] not in fresh] + rows
        more, peaks = more or before["more"], peaks or before["memory_mb"]
    settings = {key: str(value) for key, value in vars(asked).items() if key not in ("json", "add", "shapes", "lif")}
    path.write_text(
        json.dumps(
            {"machine": machine(), "settings": settings, "rows": rows, "more": more, "memory_mb": peaks}, indent=1
        )
        + "\n"
    )
    print(f"\nwritten to {path}")


if __name__ == "__main__":
    main()
