"""Results kept in a folder beside a fit, so that each command adds to one page: data alone, no code in any file."""

import hashlib
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import TypeAdapter, ValidationError

from neurornn import _check
from neurornn.comparison.checklist import CHECKLIST
from neurornn.errors import FitError
from neurornn.fit import ConstrainedFit, EncodingFit, Fit
from neurornn.fit.checkpoint import write_whole
from neurornn.fit.constrained_fit import FILE as CONSTRAINED
from neurornn.fit.encoding_fit import FILE as ENCODING
from neurornn.fit.fit import TABLE
from neurornn.latent import LatentFit
from neurornn.latent.fit import FILE as LATENT
from neurornn.page.build import AnyFit, Page, report
from neurornn.page.section import Section, gates, section
from neurornn.page.table import cell, heading
from neurornn.study import Findings

FORMAT = 1
RESULTS, ABOUT = "results", "page.json"
LOADERS: Mapping[str, Any] = {
    TABLE: Fit,
    ENCODING: EncodingFit,
    LATENT: LatentFit,
    CONSTRAINED: ConstrainedFit,
}
"""What a folder holds, by the file that tells."""


@dataclass(frozen=True)
class About:
    """What a page says beside its sections.

    Args:
        title: of the page.
        notes: sentences across the top.
        headline: the table at the top, as CSV; nothing where empty.
        quantities: every number of a study, by name.
        cited: DOIs of the recipe, each with what it is cited for.
        recipe: which recipe, size and hash.
        order: names of the sections that come first.
    """

    title: str = ""
    notes: tuple[str, ...] = ()
    headline: str = ""
    quantities: Mapping[str, float] = field(default_factory=dict)
    cited: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    recipe: str = ""
    order: tuple[str, ...] = ()


@dataclass(frozen=True)
class _File:
    """A section as it lies on disk: `of` is what it was measured of."""

    format: int
    of: str
    section: Section


def write_run(
    folder: Path,
    findings: Findings,
    *,
    recipe: str = "",
    cited: Mapping[str, Sequence[str]] | None = None,
    card: Mapping[str, Any] | None = None,
) -> Path:
    """Write all that a study found into a folder: the fit, a table and a section a result, and the page.

    Args:
        folder: where to; it is made.
        findings: of the study.
        recipe: which recipe, size and hash.
        cited: DOIs of the recipe, each with what it is cited for.
        card: of the claim, plain data, where there is one of this recipe and size.

    Returns:
        The page, `folder/report.html`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if findings.fit is not None:
        findings.fit.save(folder / "fit")
    headline = findings.headline
    about = About(
        findings.title,
        tuple(findings.notes),
        _told(headline) if len(headline) else "",
        {name: float(value) for name, value in findings.quantities.items()},
        {doi: tuple(users) for doi, users in (cited or {}).items()},
        recipe,
        (*findings.parts, "claim"),
    )
    write_whole(folder / ABOUT, json.dumps(asdict(about), indent=1).encode())
    findings.frame().to_csv(folder / "quantities.csv", index=False)
    for name, result in findings.parts.items():
        if hasattr(result, "write_tables"):
            result.write_tables(folder, name)
        else:
            result.frame().to_csv(folder / f"{name}.csv")
        keep(folder, name, result)
    if card is not None:
        keep(folder, "claim", gates(card))
    return page_of(folder, fit=findings.fit).save(folder / "report.html")


def keep(folder: Path, name: str, result: Any) -> Path:
    """Keep a result in the folder of what it was measured of, in place of one of the same name, and return its file."""
    root = _root(folder)
    one = section(name, result)
    path = root / RESULTS / f"{one.anchor}.json"
    write_whole(path, json.dumps(asdict(_File(FORMAT, _of(root), one))).encode())
    return path


def page_of(folder: Path, *, fit: AnyFit | None = None) -> Page:
    """Return the page of a folder: its fit, and every result that was measured of this fit.

    Args:
        folder: as `neurornn fit` wrote it, or a saved fit.
        fit: the fit itself, where it is at hand; that of the folder where absent.

    Raises:
        FitError: if the folder holds neither a fit nor results, or a file of it is damaged.
    """
    root = _root(folder)
    here = fit_folder(root)
    results = sorted((root / RESULTS).glob("*.json"))
    if here is None and not results:
        raise FitError(
            f"{folder}: holds no fit and no results. Run `neurornn fit NAME --out {folder}`, or give the folder that a "
            f"fit was saved in."
        )
    fit = fit if fit is not None or here is None else load_fit(here)
    about, of = _about(root), _of(root)
    files = {one.section.name: one for one in map(_read, results)}
    first = [name for name in about.order if name in files]
    ordered = [files[name] for name in [*first, *(name for name in files if name not in first)]]
    strangers = [one.section.title for one in ordered if one.of != of]
    notes = list(about.notes)
    if strangers:
        notes.append(f"Left out, as they were measured of another fit: {', '.join(strangers)}. Measure them again.")
    if not any(one.of == of for one in ordered):
        notes.append(
            f"Nothing was measured of this fit yet. `neurornn compare {folder} RECORDING`, `neurornn lesion {folder} "
            f"--units 0-9` and `neurornn reactivate {folder}` each add a section to this page."
        )
    headline = pd.read_csv(io.StringIO(about.headline), dtype=str, keep_default_na=False) if about.headline else None
    headline = None if headline is None else headline.set_index(headline.columns[0]).rename_axis(None)
    return report(
        fit,
        title=about.title,
        notes=notes,
        headline=headline,
        quantities=about.quantities,
        cited=about.cited,
        recipe=about.recipe,
        **{one.section.name: one.section for one in ordered if one.of == of},
    )


def fit_folder(folder: Path) -> Path | None:
    """Return where the fit of a folder lies: in it, or in `fit` in it; `None` where there is none."""
    return next(
        (place for place in (folder, folder / "fit") if any((place / name).is_file() for name in LOADERS)), None
    )


def load_fit(folder: Path) -> AnyFit:
    """Read back whatever fit a folder holds.

    Raises:
        FitError: if there is none, or it is damaged.
    """
    here = fit_folder(folder)
    if here is None:
        raise FitError(f"{folder}: holds no fit. Give a folder that `neurornn fit` wrote, or that a fit was saved in.")
    return next(kind for name, kind in LOADERS.items() if (here / name).is_file()).load(here)


def load_network(folder: Path) -> Fit:
    """Read back the trained network of a folder.

    Raises:
        FitError: if it holds none, or a model of another kind.
    """
    fit = load_fit(folder)
    if not isinstance(fit, Fit):
        raise FitError(f"{folder}: holds a {type(fit).__name__}, not a trained network. Give the folder of one.")
    return fit


def _told(headline: pd.DataFrame) -> str:
    """Return the table at the top as CSV of what is read: one line of names, numbers rounded."""
    names = [heading(name) for name in headline.columns]
    return headline.map(cell).set_axis(names, axis=1).to_csv()


def _root(folder: Path) -> Path:
    """Return the folder that holds results: `neurornn fit` keeps its fit in `fit` below it."""
    within = folder.name == "fit" and (folder.parent / ABOUT).is_file()
    return folder.parent if within else folder


def _of(root: Path) -> str:
    """Return what tells this fit, or this run without one, from any other."""
    here = fit_folder(root)
    files = (
        [root / ABOUT]
        if here is None
        else [here / name for name in ("weights.safetensors", ENCODING, LATENT, CONSTRAINED)]
    )
    found = hashlib.sha256()
    for path in files:
        found.update(path.read_bytes() if path.is_file() else b"")
    return found.hexdigest()


def _about(root: Path) -> About:
    path = root / ABOUT
    return _parsed(path, About) if path.is_file() else About()


def _read(path: Path) -> _File:
    one: _File = _parsed(path, _File)
    if one.format != FORMAT:
        raise FitError(f"{path}: written in format {one.format}, which this version does not read. Measure it again.")
    for key in one.section.checklist:
        if key not in CHECKLIST:
            raise FitError(f"{path}: {key!r} is no line of the checklist. {_check.near(key, CHECKLIST)}".rstrip())
    for figure in one.section.figures:
        if not re.fullmatch(r"[A-Za-z0-9+/]*={0,2}", figure.svg):
            raise FitError(f"{path}: a figure is not base64, so the file was changed or damaged. Measure it again.")
    return one


def _parsed(path: Path, kind: type) -> Any:
    try:
        return TypeAdapter(kind).validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "content"
        raise FitError(f"{path}: `{place}` is damaged ({first['msg']}). Measure it again.") from error
