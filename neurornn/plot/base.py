"""A figure as the page shows it, the look that all of them share, and the one function that draws a result."""

import base64
import html
import io
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any

from neurornn import _check

BRAIN = "#0b7a75"
MODEL = "#d1495b"
NULL = "#9aa5b1"
INK = "#1d2733"
SECOND = "#3d5a80"
THIRD = "#c8761a"
"""One colour a role, everywhere: the animal, the network, a null, and two more."""

LOOK: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9.5,
    "axes.edgecolor": "#7b8794",
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.8,
    "ytick.major.width": 0.8,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.6,
    "svg.fonttype": "path",
    "svg.hashsalt": "neurornn",
    "image.cmap": "magma",
}


@dataclass(frozen=True)
class Figure:
    """A finished figure.

    Args:
        title: what it shows, in a few words.
        caption: how to read it.
        alt: the text for those who do not see it.
        svg: the drawing, base64.
        share: of the width of a page that it takes; on a narrow screen it takes all of it.
    """

    title: str
    caption: str
    alt: str
    svg: str = field(repr=False)
    share: float = 1.0

    @property
    def style(self) -> str:
        """How wide it is shown, as CSS: letters are of one size in every figure of a page."""
        return f"width: max({self.share:.0%}, min(100%, 24rem))"

    def _repr_html_(self) -> str:
        """Show the figure in a notebook, with its caption below it."""
        image = f'<img src="data:image/svg+xml;base64,{self.svg}" alt="{html.escape(self.alt)}" style="{self.style}">'
        return f"<figure>{image}<figcaption><b>{self.title}</b> {self.caption}</figcaption></figure>"


PAGE = 9.0
"""Width of a figure that takes the whole of a page, inches."""


@contextmanager
def canvas(width: float = PAGE, height: float = 3.2) -> Iterator[Any]:
    """Give an empty figure (inches) in the shared look; matplotlib's own settings are left as they were."""
    import matplotlib
    from matplotlib.figure import Figure as Canvas

    with matplotlib.rc_context(LOOK):
        yield Canvas(figsize=(width, height), layout="constrained")


def finished(drawing: Any, *, title: str, caption: str, alt: str) -> Figure:
    """Return the drawing as a finished figure. Call inside `canvas`."""
    buffer = io.BytesIO()
    drawing.savefig(buffer, format="svg", dpi=160, metadata={"Date": None})
    share = min(1.0, drawing.get_figwidth() / PAGE)
    return Figure(title, caption, alt, base64.b64encode(buffer.getvalue()).decode(), share)


@singledispatch
def figures(result: Any) -> list[Figure]:
    """Return the figures of a result.

    Args:
        result: any result of this package.

    Raises:
        ValueError: if there is no drawing for its type, or it must not be drawn as it is.
    """
    known = sorted(kind.__name__ for kind in figures.registry if kind is not object)
    fix = f"There are drawings for {', '.join(known)}."
    _check.fail("figures", "result", "a result of this package", type(result).__name__, fix)


def panel(axis: Any, letter: str, title: str) -> None:
    """Head an axis with its letter and title."""
    axis.set_title(f"{letter}  {title}" if letter else title)


def wrapped(label: str) -> str:
    """Return a long label in lines short enough for a small axis."""
    return textwrap.fill(label, 26)
