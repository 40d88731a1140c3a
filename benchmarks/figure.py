"""The README's figure of the speeds, drawn from what was measured: `python -m benchmarks.figure`."""

import json
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent
COLOURS = {
    "torch.nn.RNN": "#9a9a9a",
    "torch function": "#8ab6d6",
    "native, AVX2 only": "#5f9ac9",
    "native, AVX-512 only": "#2f6ea6",
    "native": "#0b3c68",
}
WAYS = tuple(COLOURS)
OTHER = "#c9a27e"


def short(shape: str) -> str:
    """Return `rate (64, 100, 256; 3 in, 3 out)` as what fits below a group of bars."""
    kind, _, rest = shape.partition(" (")
    sizes, _, after = rest.partition(";")
    share = after.partition("), ")[2].replace(" of units a step", "")
    return f"{'spiking, ' + share if kind == 'spiking' else kind}\n({sizes})"


def speeds(rows: list[dict], shape: str) -> dict[str, float]:
    """Return how many times as fast as the plain loop each way was."""
    taken = {row["way"]: row["ms"] for row in rows if row["shape"] == shape}
    return {way: taken["plain loop"] / ms for way, ms in taken.items() if way != "plain loop"}


def draw(rows: list[dict], title: str, to: Path) -> None:
    shapes = sorted(
        dict.fromkeys(row["shape"] for row in rows), key=lambda shape: shape.split()[0]
    )  # of a kind together
    figure, axes = plt.subplots(figsize=(11, 3.6), layout="constrained")
    labelled: set[str] = set()
    for place, shape in enumerate(shapes):
        found = speeds(rows, shape)
        ways = [way for way in WAYS if way in found]
        others = [way for way in found if way not in WAYS and way != "torch.nn.GRU"]
        for i, way in enumerate([*others, *ways]):
            name = way if way in COLOURS else "other packages"
            at = place + 0.8 * (i - (len(found) - 1) / 2) / max(len(found), 5)
            label = None if name in labelled else name
            axes.bar(
                at, found[way] - 1, 0.72 / max(len(found), 5), bottom=1, color=COLOURS.get(way, OTHER), label=label
            )
            labelled.add(name)
            if way == "native":
                axes.annotate(f"{found[way]:.1f}", (at, found[way]), ha="center", va="bottom", fontsize=8)
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set_xticks(range(len(shapes)), [short(shape) for shape in shapes], fontsize=6.5)
    axes.set_yscale("log")
    axes.set_yticks([0.2, 0.5, 1, 2, 5, 10, 20], ["0.2", "0.5", "1", "2", "5", "10", "20"])
    axes.set_ylabel("times the plain loop's speed")
    axes.set_title(title, fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, ncols=3)
    figure.savefig(to, metadata={"Date": None})


def main() -> None:
    for name, what in (("results", "two threads, wall time"), ("one_thread", "one thread, processor time")):
        path = HERE / f"{name}.json"
        if path.is_file():
            found = json.loads(path.read_text(encoding="utf-8"))
            draw(found["rows"], f"A training step (trials, steps, units), {what}", HERE / f"{name}.svg")


if __name__ == "__main__":
    main()
