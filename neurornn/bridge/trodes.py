"""Position files of the Trodes camera module (`.videoPositionTracking`)."""

import re
from pathlib import Path

import numpy as np
from jaxtyping import Float

from neurornn import _check
from neurornn.errors import RecordingError

MARKER = b"<End settings>\n"
FIELDS = "<time uint32><xloc uint16><yloc uint16><xloc2 uint16><yloc2 uint16>"
FRAME = np.dtype([("time", "<u4"), ("x", "<u2"), ("y", "<u2"), ("x2", "<u2"), ("y2", "<u2")])


def read_position(path: Path) -> tuple[Float[np.ndarray, " frame"], Float[np.ndarray, "frame 2"]]:
    """Return frame times (ms) and tracked positions (px) of the first light.

    The file is text up to `<End settings>`, then one record a frame: a count of the clock whose rate the header states,
    and the positions of two lights.

    Args:
        path: the file.

    Returns:
        Times, shape `(frame,)`, ms; positions, shape `(frame, 2)`, px.

    Raises:
        RecordingError: if the file is empty, has no end marker, holds other fields, is cut short or steps back in time.
    """
    owner = f"read_position({path.name})"
    content = path.read_bytes()
    if not content:
        _check.fail(owner, "file", "a position file", "an empty file", "Fetch it again.", error=RecordingError)
    end = content.find(MARKER)
    if end < 0:
        fix = "The header is cut off or this is another kind of file."
        _check.fail(owner, "header", "closed by '<End settings>'", content[:24], fix, error=RecordingError)
    header = content[:end].decode("ascii", errors="replace")
    rate = re.search(r"^clockrate:\s*(\d+)", header, re.MULTILINE)
    if rate is None or int(rate[1]) == 0:
        _check.fail(owner, "header", "one that states `clockrate`", header, error=RecordingError)
    fields = re.search(r"^Fields:\s*(.*\S)", header, re.MULTILINE)
    if fields is None or fields[1] != FIELDS:
        got = "none" if fields is None else fields[1]
        _check.fail(owner, "fields", FIELDS, got, "Only two-light position files are read.", error=RecordingError)
    body = content[end + len(MARKER) :]
    if len(body) % FRAME.itemsize or not body:
        got = f"{len(body)} bytes = {len(body) / FRAME.itemsize:.2f} frames"
        _check.fail(owner, "frames", "whole, and at least one", got, "The file is cut short.", error=RecordingError)
    frames = np.frombuffer(body, dtype=FRAME)
    steps = np.diff(frames["time"].astype(np.int64))
    if np.any(steps < 0):
        got = f"a step back at frame {int(np.argmax(steps < 0)) + 1}"
        _check.fail(owner, "times", "in order", got, "The camera clock was reset: cut there.", error=RecordingError)
    times = frames["time"] * (1000.0 / int(rate[1]))
    return times, np.stack([frames["x"], frames["y"]], axis=1).astype(np.float64)
