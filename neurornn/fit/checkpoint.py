"""Files that are either whole or not there: tensors with plain metadata, written atomically, checked on reading."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from neurornn.errors import FitError

FORMAT = 1
"""Version of the layout; a reader refuses any other."""


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that a crash at any moment leaves the old one or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # One fixed name beside the target: what a killed process left behind is overwritten by the next.
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_checkpoint(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> None:
    """Write tensors and plain metadata as one safetensors file with a checksum over both.

    Args:
        path: the file; the one before is replaced in one move.
        tensors: any tensors by name.
        metadata: plain data that JSON can hold.
    """
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = json.dumps({"format": FORMAT, **metadata}, sort_keys=True)
    header = {"neurornn": text, "sha256": _digest(plain, text)}
    write_whole(path, save(plain, metadata=header))


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return tensors and metadata of a checkpoint.

    Raises:
        FitError: if the file is truncated, was changed, or is no checkpoint; the message says how to go on.
    """
    advice = "Delete it to start anew, or put back a copy."
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            # keys() is the only way in: the handle is no mapping.
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except SafetensorError as error:
        raise FitError(f"{path}: truncated or no safetensors file ({error}). {advice}") from error
    if not {"neurornn", "sha256"} <= header.keys():
        raise FitError(f"{path}: a safetensors file, but no checkpoint of neurornn. {advice}")
    if _digest(tensors, header["neurornn"]) != header["sha256"]:
        raise FitError(f"{path}: its content does not match its checksum, so it was changed or damaged. {advice}")
    metadata = json.loads(header["neurornn"])
    if metadata.pop("format") != FORMAT:
        raise FitError(f"{path}: written in another format than {FORMAT}. Use the version of neurornn that wrote it.")
    return tensors, metadata


def digest(tensors: Mapping[str, Tensor]) -> str:
    """Return a checksum of tensors: names, types, shapes and every byte."""
    return _digest({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, "")


def _digest(tensors: Mapping[str, Tensor], text: str) -> str:
    whole = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        whole.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        whole.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return whole.hexdigest()


def difference(asked: Any, found: Any, name: str = "") -> str:
    """Return the first place at which two plain tables differ, as *name: X in the checkpoint, Y asked for*."""
    if isinstance(asked, Mapping) and isinstance(found, Mapping):
        for key in sorted(asked.keys() | found.keys()):
            one, other = asked.get(key, "nothing"), found.get(key, "nothing")
            if one != other:
                return difference(one, other, f"{name}.{key}" if name else key)
    return f"`{name}` is {found!r} in the checkpoint, {asked!r} asked for"
