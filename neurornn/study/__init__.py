"""Studies: the analyses that recipes name."""

from neurornn.study.base import AbstractStudy as AbstractStudy
from neurornn.study.base import Findings as Findings
from neurornn.study.base import Plan as Plan
from neurornn.study.reactivation import ReactivationStudy as ReactivationStudy
from neurornn.study.resting import RestStudy as RestStudy
from neurornn.study.track import TrackStudy as TrackStudy

STUDIES: dict[str, type] = {"TrackStudy": TrackStudy, "ReactivationStudy": ReactivationStudy, "RestStudy": RestStudy}
"""Every study that a recipe may name."""
