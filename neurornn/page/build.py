"""The page: one self-contained HTML file that shows results, how each number was made, and where it comes from."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from neurornn.fit import ConstrainedFit, EncodingFit, Fit
from neurornn.fit.checkpoint import write_whole
from neurornn.fit.provenance import versions
from neurornn.latent import LatentFit
from neurornn.page.checklist import lines, verdict
from neurornn.page.section import Section, numbers, section
from neurornn.page.table import file_link, table
from neurornn.page.words import marked

AnyFit = Fit | EncodingFit | LatentFit | ConstrainedFit
"""What a page may be about."""


@dataclass(frozen=True)
class Page:
    """A finished page.

    Args:
        html: the whole page. It asks no other host for anything.
    """

    html: str

    def save(self, path: str | Path) -> Path:
        """Write the page to `path`, whole or not at all, and return the path."""
        path = Path(path)
        write_whole(path, self.html.encode())
        return path


@dataclass(frozen=True)
class Reference:
    """One reference, and what it stands for on this page.

    Args:
        target: a DOI, or an address where there is none.
        cited: the classes, sections or recordings that it is cited for.
    """

    target: str
    cited: tuple[str, ...]

    @property
    def link(self) -> str:
        """Its address."""
        return f"https://doi.org/{self.target}" if self.target.startswith("10.") else self.target


def report(
    fit: AnyFit | None,
    *,
    title: str = "",
    notes: Sequence[str] = (),
    headline: pd.DataFrame | None = None,
    quantities: Mapping[str, float] | None = None,
    cited: Mapping[str, Sequence[str]] | None = None,
    recipe: str = "",
    **parts: Any,
) -> Page:
    """Return one self-contained page about a fit and what was measured of it.

    It holds a table of contents, a section for each result with its figures, methods and a table to download, the
    reviewer's checklist filled in from the results shown (lines that none of them fills say so), the references, and
    what is needed to make it again. It reads on a screen, on a phone, in the dark and in print.

    Args:
        fit: the trained network, or the fitted model of neurons; `None` for results without one.
        title: of the page; the task's name where absent.
        notes: sentences that stand across the top (a simulated recording, units left out ...).
        headline: the table at the top: what a reader wants to know first.
        quantities: every number of a study by name, shown as a last table.
        cited: DOIs beside those of the results, each with what it is cited for: those of a recipe, say.
        recipe: which recipe, size and hash the results were made by, for whoever makes them again.
        **parts: results (`compare=`, `lesion=`, `reactivation=` ...), drawn in this order.

    Raises:
        ValueError: if a part cannot be drawn, is a comparison without its nulls, or answers a line of the checklist
            that there is not.

    Example:
        >>> from neurornn import report
        >>> def page_of(fit, hurt, quiet):
        ...     return report(fit, lesion=hurt, reactivation=quiet).save("report.html")
    """
    training = {} if fit is None else {"training": fit}
    sections = [section(name, part) for name, part in {**training, **parts}.items()]
    checklist = lines(sections, _manifest(fit, recipe))
    house = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    house.filters["marked"] = marked
    html = house.from_string(_text("page.html.j2")).render(
        title=title or _named(fit),
        style=_text("page.css"),
        notes=notes,
        headline=table(headline) if headline is not None and len(headline) else None,
        sections=[*sections, *([numbers(quantities)] if quantities else [])],
        checklist=checklist,
        verdict=verdict(checklist),
        references=_references(sections, cited or {}),
        facts=_facts(fit, recipe),
        whole="" if fit is None else file_link(json.dumps(fit.recipe, indent=1, default=str), "application/json"),
    )
    return Page(html)


def _text(name: str) -> str:
    return (files("neurornn.page") / name).read_text(encoding="utf-8")


def _named(fit: AnyFit | None) -> str:
    if fit is None:
        return "Results"
    if isinstance(fit, EncodingFit):
        return f"{type(fit.model).__name__} of {len(fit.units)} neurons"
    if isinstance(fit, LatentFit):
        return f"Latent model of {fit.model.n_out} neurons"
    if isinstance(fit, ConstrainedFit):
        return f"Data-constrained network of {len(fit.units)} neurons"
    return f"{type(fit.network.cell).__name__} on {type(fit.task).__name__}"


def _references(sections: Sequence[Section], cited: Mapping[str, Sequence[str]]) -> list[Reference]:
    """Return every reference once: those of the sections in their order, then the others, with what cites them."""
    by: dict[str, dict[str, None]] = {}
    for one in sections:
        for doi in one.references:
            by.setdefault(doi, {})[one.title] = None
    for doi, users in cited.items():
        by.setdefault(doi, {}).update(dict.fromkeys(users))
    return [Reference(target, tuple(users)) for target, users in by.items()]


def _facts(fit: AnyFit | None, recipe: str) -> list[tuple[str, str]]:
    """Return what a reader needs to make the network again."""
    facts = [("recipe", recipe)] if recipe else []
    if fit is None:
        return [*facts, *versions().items()]
    parts = ("network", "task", "objective", "training", "model", "method", "fit", "split")
    facts.extend((part, _written(_without_task(fit.recipe[part]))) for part in parts if part in fit.recipe)
    facts.append(("seed", str(fit.seed)))
    git = getattr(fit, "git", None)
    if git is not None:
        facts.append(("commit", f"{git['commit']}{', with changes that were not committed' if git['dirty'] else ''}"))
    facts.extend((name, str(value)) for name, value in fit.versions.items())
    return facts


def _without_task(part: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a part of a recipe without a curriculum of one stage, which holds the task once more."""
    lone = len(part.get("curriculum", {}).get("order", ())) == 1
    return {name: value for name, value in part.items() if not (lone and name == "curriculum")}


def _written(value: Any) -> str:
    """Return plain data as TOML has it, long lists cut short: all of it can be downloaded."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {_written(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        shown = [_written(one) for one in value[:8]]
        return "[" + ", ".join(shown + ([f"... {len(value)} in all"] if len(value) > 8 else [])) + "]"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _manifest(fit: AnyFit | None, recipe: str) -> str:
    """Return code, seed and recipe in a sentence; nothing where no fit and no recipe says them."""
    if fit is None and not recipe:
        return ""
    told = dict(fit.versions if fit is not None else versions())
    parts = [f"neurornn {told['neurornn']}, torch {told['torch']}"]
    git = getattr(fit, "git", None)
    if git is not None:
        parts.append(f"commit {str(git['commit'])[:12]}{' with uncommitted changes' if git['dirty'] else ''}")
    if fit is not None:
        parts.append(f"seed {fit.seed}")
    return ", ".join([*parts, *([f"recipe {recipe}"] if recipe else [])]) + "."
