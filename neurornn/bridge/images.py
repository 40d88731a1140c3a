"""Image sets in the formats of their origin: IDX (MNIST) and the binary version of CIFAR. Bytes, and nothing is run."""

import gzip
import tarfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np

from neurornn import _check
from neurornn.errors import RecordingError
from neurornn.task.images import Images

SIDE = 32 * 32
"""Pixels of one colour of a CIFAR image."""


def read_idx_images(files: Mapping[str, Path], *, train: Sequence[str], test: Sequence[str], name: str) -> Images:
    """Read images and labels in the IDX format of MNIST, gzipped or plain.

    Args:
        files: local files by name.
        train: which of them hold images and labels to train on, in this order.
        test: which of them hold those that are held out.
        name: what the set is called.

    Raises:
        RecordingError: if a file is damaged, or images and labels differ in number.
    """
    parts = [_idx_pair(files[images], files[labels]) for images, labels in (train, test)]
    return Images(parts[0], parts[1], name=name)


def read_cifar_images(files: Mapping[str, Path], *, archive: str, name: str) -> Images:
    """Read the binary version of CIFAR-10 from its archive: a byte of label, then 1024 bytes a colour, row by row.

    Pixels are the red ones, the green ones and the blue ones, one after the other.

    Args:
        files: local files by name.
        archive: which of them is the archive (`.tar.gz`); nothing is unpacked to the disk.
        name: what the set is called.

    Raises:
        RecordingError: if the archive is damaged, holds no batches, or a batch is no whole number of images.
    """
    path = files[archive]
    batches: dict[str, bytes] = {}
    try:
        with tarfile.open(path, "r:*") as opened:
            for member in opened:
                content = opened.extractfile(member) if member.name.endswith(".bin") else None
                if content is not None:
                    batches[Path(member.name).name] = content.read()
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        _damaged("read_cifar_images", path, "a whole tar archive", str(error))
    train = sorted(one for one in batches if one.startswith("data_batch"))
    for part, names in (("data_batch_1.bin ...", train), ("test_batch.bin", [n for n in batches if n[:4] == "test"])):
        if not names:
            _damaged("read_cifar_images", path, f"an archive with {part}", f"{sorted(batches) or 'none'}")
    parts = [_cifar(path, [batches[n] for n in names]) for names in (train, ["test_batch.bin"])]
    return Images(parts[0], parts[1], name=name)


def _idx_pair(images: Path, labels: Path) -> tuple[np.ndarray, np.ndarray]:
    pixels, numbers = _idx(images), _idx(labels)
    if pixels.ndim < 2 or numbers.ndim != 1 or len(pixels) != len(numbers):
        got = f"{pixels.shape} images and {numbers.shape} labels"
        _damaged("read_idx_images", labels, f"one label for each image of {images.name}", got)
    return pixels.reshape(len(pixels), -1), numbers


def _idx(path: Path) -> np.ndarray:
    """Return an IDX file of bytes: two zeros, the type 8, how many axes, their sizes as big-endian words, the data."""
    content = path.read_bytes()
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            _damaged("read_idx_images", path, "a whole gzip file", str(error))
    if len(content) < 4 or content[:3] != b"\x00\x00\x08":
        _damaged("read_idx_images", path, "an IDX file of bytes (it starts with 00 00 08)", content[:3].hex(" ") or "-")
    n_axes = content[3]
    shape = tuple(int(size) for size in np.frombuffer(content[4 : 4 + 4 * n_axes], dtype=">u4"))
    data = np.frombuffer(content, dtype=np.uint8)[4 + 4 * n_axes :]
    if len(shape) != n_axes or len(data) != int(np.prod(shape, dtype=np.int64)):
        _damaged("read_idx_images", path, f"as long as its sizes {shape} say", f"{len(data)} bytes of data")
    return data.reshape(shape).copy()  # a copy of its own can be written to, which torch asks for


def _cifar(path: Path, batches: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
    whole = np.frombuffer(b"".join(batches), dtype=np.uint8)
    if len(whole) == 0 or len(whole) % (1 + 3 * SIDE):
        must = f"batches of whole images of {1 + 3 * SIDE} bytes"
        _damaged("read_cifar_images", path, must, f"{len(whole)} bytes")
    table = whole.reshape(-1, 1 + 3 * SIDE)
    return table[:, 1:].copy(), table[:, 0].copy()


def _damaged(owner: str, path: Path, must: str, got: str) -> NoReturn:
    _check.fail(owner, path.name, must, got, "Delete it and fetch it again.", error=RecordingError)
