"""Bridges: published formats, neo, NWB and HDF5 on one side, a `Recording` on the other."""

from collections.abc import Callable

from neurornn.bridge.abf import read_current_clamp as read_current_clamp
from neurornn.bridge.case_studies import read_movement_raster as read_movement_raster
from neurornn.bridge.case_studies import read_place_cell as read_place_cell
from neurornn.bridge.case_studies import read_retina_light as read_retina_light
from neurornn.bridge.grasshopper import read_grasshopper as read_grasshopper
from neurornn.bridge.hdf5 import read_hdf5 as read_hdf5
from neurornn.bridge.hdf5 import save_recording as save_recording
from neurornn.bridge.nelpy import read_nelpy_track as read_nelpy_track
from neurornn.bridge.neo import from_neo as from_neo
from neurornn.bridge.neo import to_neo as to_neo
from neurornn.bridge.nwb import read_nwb as read_nwb
from neurornn.bridge.nwb import read_nwb_files as read_nwb_files
from neurornn.bridge.nwb_write import write_nwb as write_nwb
from neurornn.bridge.retina import RetinaSession as RetinaSession
from neurornn.bridge.retina import read_open_retina as read_open_retina
from neurornn.bridge.retina import read_retina as read_retina
from neurornn.bridge.retina import write_retina as write_retina
from neurornn.bridge.simulated import read_simulated_track as read_simulated_track
from neurornn.bridge.simulated import simulated_track as simulated_track
from neurornn.bridge.simulated_retina import SimulatedRetina as SimulatedRetina
from neurornn.recording import Recording

READERS: dict[str, Callable[..., Recording]] = {
    "current_clamp": read_current_clamp,
    "grasshopper": read_grasshopper,
    "movement_raster": read_movement_raster,
    "nelpy_track": read_nelpy_track,
    "nwb": read_nwb_files,
    "place_cell": read_place_cell,
    "retina_light": read_retina_light,
    "simulated_track": read_simulated_track,
}
"""The readers that a data recipe may name: each takes local files by name, and its options."""
