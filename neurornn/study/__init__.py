"""Studies: the analyses that recipes name."""

from neurornn.study.base import AbstractStudy as AbstractStudy
from neurornn.study.base import Findings as Findings
from neurornn.study.base import Plan as Plan
from neurornn.study.continua import ContinuumStudy as ContinuumStudy
from neurornn.study.memories import FlipFlopStudy as FlipFlopStudy
from neurornn.study.reactivation import ReactivationStudy as ReactivationStudy
from neurornn.study.resting import RestStudy as RestStudy
from neurornn.study.spiking import SpikingStudy as SpikingStudy
from neurornn.study.timescales import TimescaleStudy as TimescaleStudy
from neurornn.study.track import TrackStudy as TrackStudy

_ALL = (TrackStudy, ReactivationStudy, RestStudy, TimescaleStudy, SpikingStudy, FlipFlopStudy, ContinuumStudy)

STUDIES: dict[str, type] = {kind.__name__: kind for kind in _ALL}
"""Every study that a recipe may name."""
