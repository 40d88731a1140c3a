"""The reviewer's checklist of a page: every line, what the results on the page say to it, and what nothing says."""

from collections.abc import Sequence
from dataclasses import dataclass

from neurornn.comparison.checklist import CHECKLIST, ENOUGH_FAMILIES
from neurornn.page.section import Section

COMPARES = "`neurornn compare` with a recording says it."
FILLED_BY = {
    "split": COMPARES,
    "choices": COMPARES,
    "ceiling": COMPARES,
    "units": COMPARES,
    "effective": COMPARES,
    "nulls": "Every command that measures says what it measured against.",
    "seeds": "Train and measure several: `neurornn check NAME --seeds 3`.",
    "interval": "A comparison or a lesion says it.",
    "matched": "Compare through an in-silico recording: as many units, the same rates and bins.",
    "families": "Compare with at least one metric of each: a mapping, a geometry, a dynamics.",
    "generalisation": "`neurornn lesion`, `compare(across=...)`, or a test on what the network was not trained on.",
    "manifest": "Pages of a fit, or of a command that was given a recipe, say it.",
}
"""What would fill a line that nothing on a page fills."""


@dataclass(frozen=True)
class Answer:
    """What one result says to a line.

    Args:
        title: of its section; empty for the page itself.
        anchor: of its section.
        text: what it says.
    """

    title: str
    anchor: str
    text: str


@dataclass(frozen=True)
class Line:
    """One line of the checklist.

    Args:
        key: its short name.
        asked: what the reviewer asks.
        answers: what the page says; none where the line is not filled.
        fill: what would fill it.
    """

    key: str
    asked: str
    answers: tuple[Answer, ...]
    fill: str

    @property
    def filled(self) -> bool:
        """Whether anything on the page answers it."""
        return bool(self.answers)


def lines(sections: Sequence[Section], manifest: str) -> tuple[Line, ...]:
    """Return every line of the checklist, in order, with what a page says to it; no line is ever left out.

    Args:
        sections: of the page.
        manifest: code, seed and recipe in a sentence, which only the page knows; empty where they are not known.
    """
    return tuple(
        Line(key, asked, _answers(key, sections, manifest), _fill(key, sections)) for key, asked in CHECKLIST.items()
    )


def verdict(filled: Sequence[Line]) -> str:
    """Return how many lines are filled, in a sentence."""
    n_filled, n_lines = sum(line.filled for line in filled), len(filled)
    if n_filled == n_lines:
        return f"All {n_lines} lines are filled by the results on this page."
    left = n_lines - n_filled
    others = "1 is not, and says what would fill it." if left == 1 else f"{left} are not, and say what would fill them."
    return f"{n_filled} of {n_lines} lines are filled by the results on this page; {others}"


def _answers(key: str, sections: Sequence[Section], manifest: str) -> tuple[Answer, ...]:
    said: dict[str, Answer] = {}
    for one in sections:
        if key in one.checklist:
            said.setdefault(one.checklist[key], Answer(one.title, one.anchor, one.checklist[key]))
    if key == "manifest" and manifest:
        said.setdefault(manifest, Answer("To make it again", "again", manifest))
    if key == "families" and set(ENOUGH_FAMILIES) <= _families(sections):
        text = f"{', '.join(sorted(_families(sections)))}."
        said.setdefault(text, Answer("", "", text[:1].upper() + text[1:]))
    return tuple(said.values())


def _families(sections: Sequence[Section]) -> set[str]:
    return {family for one in sections for family in one.families}


def _fill(key: str, sections: Sequence[Section]) -> str:
    """Return what would fill a line, and how far the page has come with it."""
    known = _families(sections) if key == "families" else set()
    return f"So far only {', '.join(sorted(known))}. {FILLED_BY[key]}" if known else FILLED_BY[key]
