"""Tasks that animals do, drawn as whole batches of trials, and the codes their answers are written in."""

from neurornn.task.arena import ArenaIntegration as ArenaIntegration
from neurornn.task.arena import SelfMotion as SelfMotion
from neurornn.task.base import AbstractTask as AbstractTask
from neurornn.task.bits import AbstractBits as AbstractBits
from neurornn.task.code import AbstractCode as AbstractCode
from neurornn.task.code import Cartesian as Cartesian
from neurornn.task.code import Layout as Layout
from neurornn.task.code import PlaceCode as PlaceCode
from neurornn.task.code import VonMises as VonMises
from neurornn.task.copying import DelayedCopy as DelayedCopy
from neurornn.task.decision import EvidenceAccumulation as EvidenceAccumulation
from neurornn.task.flipflop import FlipFlop as FlipFlop
from neurornn.task.heading import HeadDirection as HeadDirection
from neurornn.task.match import BitMatch as BitMatch
from neurornn.task.memory import DelayedMatch as DelayedMatch
from neurornn.task.motion import AbstractMotion as AbstractMotion
from neurornn.task.motion import Darting as Darting
from neurornn.task.motion import Foraging as Foraging
from neurornn.task.parity import Parity as Parity
from neurornn.task.speeds import Speeds as Speeds
from neurornn.task.track import TrackIntegration as TrackIntegration
