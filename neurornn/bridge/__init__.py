"""Bridges: published formats, neo, NWB and HDF5 on one side, a `Recording` (or a set of images) on the other."""

from collections.abc import Callable

from neurornn.bridge.abf import read_current_clamp as read_current_clamp
from neurornn.bridge.balanced import read_brunel as read_brunel
from neurornn.bridge.balanced import read_cuba as read_cuba
from neurornn.bridge.balanced import simulated_brunel as simulated_brunel
from neurornn.bridge.balanced import simulated_cuba as simulated_cuba
from neurornn.bridge.brian import from_brian2 as from_brian2
from neurornn.bridge.brian_out import BrianModel as BrianModel
from neurornn.bridge.brian_out import to_brian2 as to_brian2
from neurornn.bridge.case_studies import read_movement_raster as read_movement_raster
from neurornn.bridge.case_studies import read_place_cell as read_place_cell
from neurornn.bridge.case_studies import read_retina_light as read_retina_light
from neurornn.bridge.grasshopper import read_grasshopper as read_grasshopper
from neurornn.bridge.hdf5 import read_hdf5 as read_hdf5
from neurornn.bridge.hdf5 import save_recording as save_recording
from neurornn.bridge.images import read_cifar_images as read_cifar_images
from neurornn.bridge.images import read_idx_images as read_idx_images
from neurornn.bridge.nelpy import read_nelpy_track as read_nelpy_track
from neurornn.bridge.neo import from_neo as from_neo
from neurornn.bridge.neo import to_neo as to_neo
from neurornn.bridge.nir import from_nir as from_nir
from neurornn.bridge.nir import to_nir as to_nir
from neurornn.bridge.nwb import read_nwb as read_nwb
from neurornn.bridge.nwb import read_nwb_files as read_nwb_files
from neurornn.bridge.nwb_write import write_nwb as write_nwb
from neurornn.bridge.regions import read_regions as read_regions
from neurornn.bridge.retina import RetinaSession as RetinaSession
from neurornn.bridge.retina import read_open_retina as read_open_retina
from neurornn.bridge.retina import read_retina as read_retina
from neurornn.bridge.retina import write_retina as write_retina
from neurornn.bridge.simulated import read_simulated_track as read_simulated_track
from neurornn.bridge.simulated import simulated_track as simulated_track
from neurornn.bridge.simulated_retina import SimulatedRetina as SimulatedRetina
from neurornn.recording import Recording
from neurornn.task.images import Images

READERS: dict[str, Callable[..., Recording]] = {
    "brunel": read_brunel,
    "cuba": read_cuba,
    "current_clamp": read_current_clamp,
    "grasshopper": read_grasshopper,
    "movement_raster": read_movement_raster,
    "nelpy_track": read_nelpy_track,
    "nwb": read_nwb_files,
    "place_cell": read_place_cell,
    "regions": read_regions,
    "retina_light": read_retina_light,
    "simulated_track": read_simulated_track,
}
"""The readers that a data recipe may name: each takes local files by name, and its options."""

IMAGE_READERS: dict[str, Callable[..., Images]] = {
    "cifar_images": read_cifar_images,
    "idx_images": read_idx_images,
}
"""The readers of image sets that a data recipe may name."""
