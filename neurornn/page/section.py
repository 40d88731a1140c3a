"""A section of a page: one result, drawn and told, as plain data that can be kept in a file and read back."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from neurornn import _check
from neurornn.comparison.checklist import CHECKLIST
from neurornn.page.table import Table, file_link, table
from neurornn.page.titles import title_of
from neurornn.plot import Figure, figures


@dataclass(frozen=True)
class Section:
    """One result as a page shows it.

    Args:
        name: of the result: what links lead to, and what its file is called.
        title: its heading.
        figures: its drawings.
        methods: how every number of it was made, in sentences.
        references: DOIs.
        checklist: what it says to lines of the reviewer's checklist, by key.
        families: kinds of question that it asks of model and brain: those of `FAMILIES`.
        table: what is read on the page.
        csv: all of its numbers.
    """

    name: str
    title: str
    figures: tuple[Figure, ...]
    methods: str
    references: tuple[str, ...]
    checklist: Mapping[str, str]
    families: tuple[str, ...]
    table: Table
    csv: str = field(repr=False)

    @property
    def anchor(self) -> str:
        """What links to it lead to."""
        return re.sub(r"[^a-zA-Z0-9]+", "-", self.name).strip("-").lower()

    @property
    def file(self) -> str:
        """What its table is called when it is saved."""
        return f"{self.anchor}.csv"

    @property
    def download(self) -> str:
        """A link that holds its table."""
        return file_link(self.csv)


def section(name: str, part: Any) -> Section:
    """Return a result as a section; one that is a section already is given back.

    A result has `frame()`, a drawing in `neurornn.plot`, and may have `summary()` (what is read instead of the frame),
    `methods`, `references`, `checklist` (its answers by the keys of `CHECKLIST`), and `family` or `families`.

    Args:
        name: of the result.
        part: the result.

    Raises:
        ValueError: if the result cannot be drawn, or answers a line that the checklist does not have.
    """
    if isinstance(part, Section):
        return part
    frame: pd.DataFrame = part.frame()
    summary: pd.DataFrame = part.summary() if hasattr(part, "summary") else frame
    answers: Mapping[str, str] = getattr(part, "checklist", {})
    for key in answers:
        if key not in CHECKLIST:
            owner, fix = f"{type(part).__name__}.checklist", _check.near(key, CHECKLIST)
            _check.fail(owner, "key", "a line of the checklist", key, fix)
    return Section(
        name=name,
        title=title_of(name),
        figures=tuple(figures(part)),
        methods=getattr(part, "methods", ""),
        references=tuple(getattr(part, "references", ())),
        checklist={key: text for key, text in answers.items() if text},
        families=_families(part),
        table=table(summary),
        csv=frame.to_csv(),
    )


def numbers(quantities: Mapping[str, float]) -> Section:
    """Return every number that a study found as a section of its own."""
    frame = pd.DataFrame({"quantity": list(quantities), "value": list(quantities.values())})
    methods = "Every number that a gate of the claim may ask for; how each was made stands in the sections above."
    shown = table(frame, most=len(frame))
    return Section("quantities", "All numbers", (), methods, (), {}, (), shown, frame.to_csv(index=False))


def gates(card: Mapping[str, Any]) -> Section:
    """Return the card of a claim as a section: what each gate asked for, and what every seed gave.

    Args:
        card: as it lies beside its recipe, plain data.
    """
    seeds, versions = card["seeds"], card["versions"]
    rows = [
        {"gate": gate["quantity"], "needed": gate["needed"]}
        | {f"seed {seed}": float(value) for seed, value in zip(seeds, gate["values"], strict=True)}
        | {"median": float(gate["median"]), "holds": gate["pass"], "because": gate["because"]}
        for gate in card["gates"]
    ]
    frame, n_held = pd.DataFrame(rows), sum(gate["pass"] for gate in card["gates"])
    which = ", ".join(map(str, seeds))
    methods = (
        f"`neurornn check {card['claim']} --size {card['size']} --seeds {len(seeds)}`: everything trained and measured "
        f"anew for each of the seeds {which}, by neurornn {versions['neurornn']} and torch {versions['torch']}. A gate "
        f"holds where the median over seeds does; {n_held} of {len(rows)} do. The sections above are of one seed."
    )
    answers = {"seeds": f"Of the claim: {len(seeds)} trained networks or fits, seeds {which}."}
    shown = table(frame, most=len(frame))
    return Section("claim", title_of("claim"), (), methods, (), answers, (), shown, frame.to_csv(index=False))


def _families(part: Any) -> tuple[str, ...]:
    family: str | None = getattr(part, "family", None)
    return tuple(getattr(part, "families", () if family is None else (family,)))
