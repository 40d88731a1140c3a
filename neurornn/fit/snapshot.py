"""Weights as they were when a stage of a curriculum was passed: one file a stage."""

import copy
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save

from neurornn.errors import FitError
from neurornn.fit.checkpoint import write_whole
from neurornn.network import Network


def write_snapshot(folder: Path, stage: int, network: Network) -> Path:
    """Write the weights of `network` as those of the end of `stage`, in one move."""
    path = _path(folder, stage)
    write_whole(path, save({name: t.detach().cpu().contiguous() for name, t in network.state_dict().items()}))
    return path


def snapshot(folder: str | Path, stage: int, network: Network) -> Network:
    """Return a copy of `network` with the weights with which a stage was passed.

    Args:
        folder: that `train` was told as `snapshots`.
        stage: number of the stage, from 0.
        network: a network of the same build.

    Raises:
        FitError: if the stage was not passed, or the file is damaged or of another network.
    """
    path = _path(Path(folder), stage)
    if not path.exists():
        raise FitError(f"{path}: missing: stage {stage} was not passed, or no snapshots were kept.")
    try:
        weights = load(path.read_bytes())
    except SafetensorError as error:
        raise FitError(f"{path}: truncated or no safetensors file ({error}).") from error
    filled = copy.deepcopy(network)
    shapes = {name: tensor.shape for name, tensor in filled.state_dict().items()}
    if shapes != {name: tensor.shape for name, tensor in weights.items()}:
        raise FitError(f"{path}: holds the weights of another network. Pass one of the same build.")
    filled.load_state_dict(weights)
    return filled


def _path(folder: Path, stage: int) -> Path:
    return folder / f"stage_{stage:04d}.safetensors"
