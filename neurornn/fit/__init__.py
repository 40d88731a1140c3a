"""Training: what is minimised, the loop, and what comes of it."""

from neurornn.fit.agent import ActorCritic as ActorCritic
from neurornn.fit.agent import Agent as Agent
from neurornn.fit.agent import train_agent as train_agent
from neurornn.fit.build import TYPES as TYPES
from neurornn.fit.build import build as build
from neurornn.fit.build import describe as describe
from neurornn.fit.build import outline as outline
from neurornn.fit.episodes import Episodes as Episodes
from neurornn.fit.fit import Fit as Fit
from neurornn.fit.objective import AbstractTerm as AbstractTerm
from neurornn.fit.objective import ActivityPenalty as ActivityPenalty
from neurornn.fit.objective import CrossEntropy as CrossEntropy
from neurornn.fit.objective import Objective as Objective
from neurornn.fit.objective import SmoothnessPenalty as SmoothnessPenalty
from neurornn.fit.objective import SquaredError as SquaredError
from neurornn.fit.objective import WeightPenalty as WeightPenalty
from neurornn.fit.optimiser import SGD as SGD
from neurornn.fit.optimiser import AbstractOptimiser as AbstractOptimiser
from neurornn.fit.optimiser import AbstractSchedule as AbstractSchedule
from neurornn.fit.optimiser import Adam as Adam
from neurornn.fit.optimiser import Constant as Constant
from neurornn.fit.optimiser import Cosine as Cosine
from neurornn.fit.optimiser import OneCycle as OneCycle
from neurornn.fit.precision import Precision as Precision
from neurornn.fit.snapshot import snapshot as snapshot
from neurornn.fit.train import train as train
