"""The frame of every figure: letters of one size, whatever the width of the drawing."""

import pytest

from neurornn.plot.base import PAGE, canvas, finished


@pytest.mark.parametrize(("inches", "share"), [(PAGE / 2, "50%"), (PAGE, "100%"), (2 * PAGE, "100%")])
def test_a_narrow_drawing_is_shown_narrow(inches: float, share: str) -> None:
    with canvas(inches, 2.0) as drawing:
        drawing.subplots()
        figure = finished(drawing, title="t", caption="c", alt="a")
    assert figure.style.startswith(f"width: max({share},") and figure.style in figure._repr_html_()
