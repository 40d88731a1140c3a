"""The commands. Each loads what it needs when it runs, so that `--help` answers at once."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from neurornn.errors import NeurornnError

app = typer.Typer(
    help="Train recurrent networks on the tasks that animals do, and compare them with recordings.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
data = typer.Typer(help="The recordings that recipes name.", no_args_is_help=True)
app.add_typer(data, name="data")
out = Console(soft_wrap=True)
err = Console(stderr=True, soft_wrap=True)

Size = Annotated[str, typer.Option(help="small (minutes), full (the size of the paper), or another of the recipe")]
Minutes = Annotated[float, typer.Option(help="wall time after which each training stops where it is; 0 for no end")]
Seed = Annotated[int | None, typer.Option(help="instead of the recipe's own")]
Folder = Annotated[
    Path, typer.Argument(help="a folder that `neurornn fit` wrote, or a saved fit", exists=True, file_okay=False)
]
Out = Annotated[Path | None, typer.Option(help="where to write")]


@app.command("list")
def list_() -> None:
    """List the tasks, recordings and fits that can be named, your own and the shipped ones."""
    from neurornn.library import find, measured, names, read

    for kind, what in (
        ("fits", "fit NAME, check NAME"),
        ("tasks", "in Python: load_task(NAME)"),
        ("data", "data show NAME"),
    ):
        table = Table(title=f"{kind}  ({what})", title_justify="left", box=None, pad_edge=False)
        table.add_column("name", style="bold", no_wrap=True)
        table.add_column("title")
        if kind == "fits":
            table.add_column("gates that held", no_wrap=True)
        for name in names(kind):  # type: ignore[arg-type]
            path = find(kind, name)  # type: ignore[arg-type]
            recipe = read(path)
            about = recipe.get("about", recipe)
            cells = [measured(path)] if kind == "fits" else []
            table.add_row(name, str(about.get("title", about.get("description", ""))), *cells)
        out.print(table)
        out.print()


@app.command()
def fit(
    name: Annotated[str, typer.Argument(help="a fit recipe: its name, or a path")],
    size: Size = "small",
    seed: Seed = None,
    minutes: Minutes = 0.0,
    out_dir: Annotated[Path | None, typer.Option("--out", help="folder to write; runs/NAME where absent")] = None,
) -> None:
    """Run a fit recipe: train, measure, and write fit, tables and report.html."""
    from neurornn.citation import cited
    from neurornn.claim import card_of, run_recipe
    from neurornn.library import find
    from neurornn.page.kept import write_run
    from neurornn.recipe import load_fit_recipe

    file, digest = find("fits", name), load_fit_recipe(name).sized(size).digest()
    folder = out_dir if out_dir is not None else Path("runs") / file.stem
    findings = run_recipe(name, size=size, seed=seed, minutes=minutes, say=_say)
    told = f"{file.stem}, size {size}, hash {digest}"
    path = write_run(folder, findings, recipe=told, cited=cited(name), card=card_of(file, size, digest))
    for note in findings.notes:
        out.print(f"[yellow]{note}[/yellow]")
    _show(findings.quantities)
    out.print(f"report: [bold]{path}[/bold]")


@app.command()
def check(
    name: Annotated[str, typer.Argument(help="a fit recipe: its name, or a path")],
    size: Size = "small",
    seeds: Annotated[int, typer.Option(help="how many fresh seeds; gates are judged by the median")] = 1,
    workers: Annotated[int, typer.Option(help="how many seeds run side by side")] = 1,
    minutes: Minutes = 0.0,
    json_file: Annotated[Path | None, typer.Option("--json", help="where the card goes; fits/NAME if absent")] = None,
    anew: Annotated[bool, typer.Option("--anew", help="run again the seeds that an interrupted check kept")] = False,
) -> None:
    """Re-run a claim and judge its gates. Exits 0 only if every gate holds.

    Seeds that are done are kept beside the card until all are, so that an interrupted check goes on where it was.
    """
    from neurornn.claim import card_path, check, write_card
    from neurornn.library import find

    target = json_file if json_file is not None else card_path(find("fits", name), size)
    unfinished = target.with_suffix(".unfinished")
    if anew:
        unfinished.unlink(missing_ok=True)
    card = check(name, size=size, seeds=seeds, workers=workers, minutes=minutes, unfinished=unfinished, say=_say)
    table = Table(title=f"{card.name}, size {card.size}", title_justify="left", box=None, pad_edge=False)
    frame = card.frame()
    shown = [column for column in frame.columns if column != "because"]
    for column in shown:
        table.add_column(str(column), no_wrap=True, justify="left" if column in ("gate", "needed") else "right")
    for row in frame.to_dict("records"):
        cells = [f"{row[c]:.4g}" if isinstance(row[c], float) else str(row[c]) for c in shown]
        table.add_row(*cells, style="" if row["pass"] else "red")
    out.print(table)
    for row in frame.to_dict("records"):
        out.print(f"[dim]{row['gate']}: {row['because']}[/dim]", highlight=False)
    out.print(f"card: {write_card(card, find('fits', name), target)}")
    if not card.holds:
        err.print("[red]Not every gate holds.[/red]")
        raise typer.Exit(1)


@app.command()
def compare(
    folder: Folder,
    recording: Annotated[str, typer.Argument(help="a recording: its name, or a path (.nwb, .h5)")],
    to: Out = None,
) -> None:
    """Compare a saved fit with a recording, driven through the animal's own behaviour. Nulls are always shown."""
    from neurornn.comparison import RidgePredictivity
    from neurornn.comparison import compare as compare_
    from neurornn.page.kept import keep, load_network
    from neurornn.source import load_recording
    from neurornn.statistics import laps

    brain = load_recording(recording)
    brain = brain.with_trials(laps(brain)) if "linear" in brain.behaviour else brain
    result = compare_(load_network(folder), brain, RidgePredictivity())
    _table(result.summary())
    _write(result.frame(), to)
    _kept(folder, keep(folder, f"compare: {Path(recording).stem}", result))


@app.command()
def lesion(
    folder: Folder,
    units: Annotated[str, typer.Option(help="the units to silence: 0,1,2 or 0-9")],
    controls: Annotated[int, typer.Option(help="matched random controls")] = 999,
    seed: Annotated[int, typer.Option(help="of trials, noise and controls")] = 0,
    to: Out = None,
) -> None:
    """Silence units of a saved fit, beside matched random controls on the same trials and noise."""
    from neurornn.page.kept import keep, load_network
    from neurornn.perturb import lesion as lesion_

    result = lesion_(load_network(folder), units=_units(units), controls=controls, seed=seed)
    _table(result.summary())
    _write(result.frame(), to)
    _kept(folder, keep(folder, f"lesion: {units}", result))


@app.command()
def reactivate(
    folder: Folder,
    trials: Annotated[int, typer.Option(help="quiescent trials")] = 200,
    steps: Annotated[int, typer.Option(help="steps of each")] = 1000,
    seed: Annotated[int, typer.Option(help="of starts and noise")] = 0,
    to: Out = None,
) -> None:
    """Let a saved fit run without input, and compare where it goes with where it went when active."""
    from neurornn.page.kept import keep, load_network
    from neurornn.reactivation import reactivate as reactivate_

    result = reactivate_(load_network(folder), trials=trials, steps=steps, seed=seed)
    _table(result.frame())
    _write(result.frame(), to)
    _kept(folder, keep(folder, f"reactivation: {trials} trials", result))


@app.command()
def report(
    folder: Folder,
    to: Annotated[Path | None, typer.Option(help="the page; report.html in the folder where absent")] = None,
) -> None:
    """Write one self-contained page about a saved fit, with the results of every command that was run on it."""
    from neurornn.page.kept import page_of

    path = page_of(folder).save(to if to is not None else folder / "report.html")
    out.print(f"report: [bold]{path}[/bold]")


@app.command()
def cite(
    name: Annotated[str, typer.Argument(help="a fit recipe: its name, or a path")],
) -> None:
    """Print the references of exactly what a fit recipe uses."""
    from neurornn.citation import references

    for reference in references(name):
        out.print(reference)


@data.command("list")
def data_list() -> None:
    """List the recordings and say where each would be read from."""
    from neurornn.source import available

    table = Table(box=None, pad_edge=False)
    for column in ("name", "description", "found"):
        table.add_column(column)
    for row in available():
        table.add_row(*(str(cell) for cell in row))
    out.print(table)


@data.command("fetch")
def data_fetch(name: Annotated[str, typer.Argument(help="a recording")]) -> None:
    """Download a recording from its origin, check it, and keep it in the cache."""
    from neurornn.source import fetch

    for path in fetch(name).values():
        out.print(str(path))


@data.command("show")
def data_show(name: Annotated[str, typer.Argument(help="a recording: its name, or a path")]) -> None:
    """Read a recording, or a set of images, and say what is in it."""
    from neurornn.bridge import IMAGE_READERS
    from neurornn.source import load_data_recipe, load_images, load_recording

    if not Path(name).suffix and load_data_recipe(name).reader in IMAGE_READERS:
        images = load_images(name)
        for part, one in (("train", images), ("held out", images.held_out)):
            out.print(f"{name}, {part}: {one.pictures.counts.tolist()} images a class, {one.n_pixels} pixels")
        return
    recording = load_recording(name)
    out.print(repr(recording))
    for key, value in recording.source.items():
        out.print(f"  {key}: {value}")
    _table(recording.frame())


def main() -> None:
    """Run the command; an error that is raised on purpose is one red sentence, not a traceback."""
    try:
        app()
    except NeurornnError as error:
        err.print(f"[red]{type(error).__name__}[/red]: {error}", highlight=False)
        sys.exit(2)


def _say(line: str) -> None:
    out.print(f"[dim]·[/dim] {line}", highlight=False)


def _show(quantities: Mapping[str, float]) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("quantity")
    table.add_column("value", justify="right")
    for name, value in quantities.items():
        table.add_row(name, f"{value:.4g}")
    out.print(table)


def _table(frame: object) -> None:
    out.print(frame.to_string(max_rows=60))  # type: ignore[attr-defined]


def _write(frame: object, to: Path | None) -> None:
    if to is None:
        return
    if to.suffix == ".json":
        to.write_text(json.dumps(json.loads(frame.to_json(orient="records")), indent=2))  # type: ignore[attr-defined]
    else:
        frame.to_csv(to)  # type: ignore[attr-defined]
    out.print(f"table: {to}")


def _kept(folder: Path, path: Path) -> None:
    out.print(f"kept: {path}; `neurornn report {folder}` shows it", highlight=False)


def _units(text: str) -> list[int]:
    units: list[int] = []
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if not first.isdigit() or (last and not last.isdigit()):
            raise typer.BadParameter(f"`units` must be whole numbers like 0,1,2 or 0-9; got {text!r}.")
        units.extend(range(int(first), int(last or first) + 1))
    return units
