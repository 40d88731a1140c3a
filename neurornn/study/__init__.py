"""Studies: the analyses that recipes name."""

from neurornn.study.base import AbstractStudy as AbstractStudy
from neurornn.study.base import Findings as Findings
from neurornn.study.base import Plan as Plan
from neurornn.study.encoding import EncodingStudy as EncodingStudy
from neurornn.study.latent import LatentStudy as LatentStudy
from neurornn.study.place_cell import PlaceCellStudy as PlaceCellStudy
from neurornn.study.reactivation import ReactivationStudy as ReactivationStudy
from neurornn.study.resting import RestStudy as RestStudy
from neurornn.study.retina import SubunitStudy as SubunitStudy
from neurornn.study.retina_adaptation import AdaptationStudy as AdaptationStudy
from neurornn.study.retina_noise import NoiseStudy as NoiseStudy
from neurornn.study.salamander import SalamanderStudy as SalamanderStudy
from neurornn.study.timescales import TimescaleStudy as TimescaleStudy
from neurornn.study.track import TrackStudy as TrackStudy

_STUDIES = (TrackStudy, ReactivationStudy, RestStudy, TimescaleStudy, EncodingStudy, PlaceCellStudy)
_RETINA = (SubunitStudy, AdaptationStudy, NoiseStudy, SalamanderStudy, LatentStudy)

STUDIES: dict[str, type] = {kind.__name__: kind for kind in (*_STUDIES, *_RETINA)}
"""Every study that a recipe may name."""
