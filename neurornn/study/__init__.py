"""Studies: the analyses that recipes name."""

from neurornn.study.base import AbstractStudy as AbstractStudy
from neurornn.study.base import Findings as Findings
from neurornn.study.base import Plan as Plan
from neurornn.study.familiar import FamiliarArenaStudy as FamiliarArenaStudy
from neurornn.study.novel import NovelArenaStudy as NovelArenaStudy
from neurornn.study.reactivation import ReactivationStudy as ReactivationStudy
from neurornn.study.remapping import RemappingStudy as RemappingStudy
from neurornn.study.resting import RestStudy as RestStudy
from neurornn.study.timescales import TimescaleStudy as TimescaleStudy
from neurornn.study.track import TrackStudy as TrackStudy

STUDIES: dict[str, type] = {kind.__name__: kind for kind in (TrackStudy, ReactivationStudy, RestStudy, TimescaleStudy)}
STUDIES |= {kind.__name__: kind for kind in (FamiliarArenaStudy, NovelArenaStudy, RemappingStudy)}
"""Every study that a recipe may name."""
