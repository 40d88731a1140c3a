"""Training: what is minimised, the loop, and what comes of it."""

from neurornn.fit.build import TYPES as TYPES
from neurornn.fit.build import build as build
from neurornn.fit.build import describe as describe
from neurornn.fit.build import outline as outline
from neurornn.fit.encode import fit_encoding as fit_encoding
from neurornn.fit.encoding_fit import EncodingFit as EncodingFit
from neurornn.fit.encoding_fit import as_recording as as_recording
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
