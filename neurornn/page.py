"""The page: one self-contained HTML file that shows results, how each number was made, and where it comes from."""

import base64
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from neurornn.fit import EncodingFit, Fit
from neurornn.fit.provenance import versions
from neurornn.latent import LatentFit
from neurornn.plot import Figure, figures

TITLES = {
    "training": "Training",
    "tracking": "Does the network know where the animal is?",
    "beside": "Single units, brain beside model",
    "decoding": "What the population says",
    "compare": "Does the network predict the neurons?",
    "agreement": "Networks beside the animal, by every metric",
    "distributions": "Single-unit statistics, brain against model",
    "lesion": "Lesion",
    "reactivation": "Reactivation without input",
    "rest": "The animal at rest",
    "biased": "Reactivation after learning from a biased animal",
    "noiseless": "Reactivation after learning without noise",
    "uniform noise": "Reactivation after learning with uniform noise",
    "replay": "Replay in rest",
    "noise": "How much noise quiescence needs",
    "variability": "Where variability comes from",
    "targeted": "Targeted reactivation",
    "balanced": "A balanced network",
    "neuron": "A neuron under current clamp, and its models",
    "parity": "The same network here and in brian2",
    "quiet lesion": "Lesion in quiescence",
    "encoding": "What models predict of the neuron",
    "encoding_2": "The second recording",
    "lags": "Lag of the stimulus",
    "lags_2": "Lag of the stimulus, second recording",
    "place cell": "Place cell",
    "without a place": "A neuron without a place",
    "half-wave": "Half-wave subunits",
    "full-wave": "Full-wave subunits",
    "adaptation": "Contrast adaptation",
    "retina": "Responses of the retina",
    "whitenoise": "Trained on white noise",
    "naturalscene": "Trained on natural scenes",
    "co-smoothing": "Units that were not read, in blocks that were not seen",
    "deviance": "The oddball",
    "sparing": "Spikes over a sequence",
    "economy": "What sequences cost",
    "foresight": "What the network foresees",
    "kinds": "Units that predict and units that err",
    "matched lesion": "Lesion, beside units that look like the lesioned ones",
}
"""Headings of the parts that studies name; any other part is headed by its own name."""


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
        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_suffix(".part")
        half.write_text(self.html, encoding="utf-8")
        os.replace(half, path)
        return path


@dataclass(frozen=True, eq=False)
class _Section:
    title: str
    figures: list[Figure]
    methods: str
    table: str
    download: str
    name: str


def report(
    fit: Fit | EncodingFit | LatentFit | None,
    *,
    title: str = "",
    notes: Sequence[str] = (),
    headline: pd.DataFrame | None = None,
    **parts: Any,
) -> Page:
    """Return one self-contained page about a fit and what was measured of it.

    Args:
        fit: the trained network, or the fitted model of neurons; `None` for results without one.
        title: of the page; the task's name where absent.
        notes: sentences that stand across the top (a simulated recording, units left out ...).
        headline: the table at the top: what a reader wants to know first.
        **parts: results (`compare=`, `lesion=`, `reactivation=` ...), drawn in this order.

    Raises:
        ValueError: if a part cannot be drawn, or is a comparison without its nulls.

    Example:
        >>> from neurornn import report
        >>> def page_of(fit, hurt, quiet):
        ...     return report(fit, lesion=hurt, reactivation=quiet).save("report.html")
    """
    training = {} if fit is None else {"training": fit}
    sections = [_section(name, part) for name, part in {**training, **parts}.items()]
    references = dict.fromkeys(doi for part in parts.values() for doi in getattr(part, "references", ()))
    template = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
        (files("neurornn") / "page.html.j2").read_text(encoding="utf-8")
    )
    html = template.render(
        title=title or _named(fit),
        notes=notes,
        headline=headline.to_html(border=0) if headline is not None and len(headline) else "",
        sections=sections,
        references=list(references),
        facts=_facts(fit),
    )
    return Page(html)


def _section(name: str, part: Any) -> _Section:
    frame: pd.DataFrame = part.frame()
    data = base64.b64encode(frame.to_csv().encode()).decode()
    summary = part.summary() if hasattr(part, "summary") else frame
    table = (
        "" if name == "training" else summary.head(40).to_html(border=0, float_format=lambda v: f"{v:.3g}", na_rep="")
    )
    return _Section(
        title=TITLES.get(name, name.replace("_", " ").capitalize()),
        figures=figures(part),
        methods=getattr(part, "methods", ""),
        table=table,
        download=data,
        name=name,
    )


def _named(fit: Fit | EncodingFit | LatentFit | None) -> str:
    if fit is None:
        return "Results"
    if isinstance(fit, EncodingFit):
        return f"{type(fit.model).__name__} of {len(fit.units)} neurons"
    if isinstance(fit, LatentFit):
        return f"Latent model of {fit.model.n_out} neurons"
    return f"{type(fit.network.cell).__name__} on {type(fit.task).__name__}"


def _facts(fit: Fit | EncodingFit | LatentFit | None) -> list[tuple[str, str]]:
    """Return what a reader needs to make the network again."""
    if fit is None:
        return list(versions().items())
    parts = ("network", "task", "model", "fit")
    facts = [(part, repr(fit.recipe[part])) for part in parts if part in fit.recipe]
    facts.append(("seed", str(fit.seed)))
    facts.extend((name, str(value)) for name, value in fit.versions.items())
    return facts
