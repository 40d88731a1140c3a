"""neurornn: train recurrent networks on the tasks that animals do, and compare them with recordings."""

# What animals and networks leave behind
from .binned import Binned as Binned
from .bridge import from_neo as from_neo
from .bridge import read_nwb as read_nwb
from .bridge import save_recording as save_recording
from .bridge import simulated_track as simulated_track
from .bridge import to_neo as to_neo
from .bridge import write_nwb as write_nwb
from .recording import Recording as Recording
from .recording import Signal as Signal
from .source import load_recording as load_recording

# Networks: cells, wirings, noise
from ._types import generator as generator
from .cell import GRU as GRU
from .cell import LSTM as LSTM
from .cell import AbstractCell as AbstractCell
from .cell import AbstractNoise as AbstractNoise
from .cell import Form as Form
from .cell import GaussianNoise as GaussianNoise
from .cell import Intervention as Intervention
from .cell import LeakyRate as LeakyRate
from .cell import NoiseAt as NoiseAt
from .cell import Uniform as Uniform
from .cell import UniformNoise as UniformNoise
from .network import Network as Network
from .network import Run as Run
from .wiring import AbstractWiring as AbstractWiring
from .wiring import Dale as Dale
from .wiring import Dense as Dense
from .wiring import LowRank as LowRank
from .wiring import NoAutapses as NoAutapses
from .wiring import Sparse as Sparse

# Tasks
from .recipe import load_task as load_task
from .task import AbstractBits as AbstractBits
from .task import AbstractCode as AbstractCode
from .task import AbstractMotion as AbstractMotion
from .task import AbstractTask as AbstractTask
from .task import ArenaIntegration as ArenaIntegration
from .task import BitMatch as BitMatch
from .task import Cartesian as Cartesian
from .task import Darting as Darting
from .task import DelayedMatch as DelayedMatch
from .task import EvidenceAccumulation as EvidenceAccumulation
from .task import Foraging as Foraging
from .task import HeadDirection as HeadDirection
from .task import Layout as Layout
from .task import Parity as Parity
from .task import PlaceCode as PlaceCode
from .task import SelfMotion as SelfMotion
from .task import Speeds as Speeds
from .task import TrackIntegration as TrackIntegration
from .task import VonMises as VonMises
from .trials import Trials as Trials

# Training
from .curriculum import AbstractCurriculum as AbstractCurriculum
from .curriculum import MultiHead as MultiHead
from .curriculum import NoCurriculum as NoCurriculum
from .curriculum import SingleHead as SingleHead
from .curriculum import Sliding as Sliding
from .curriculum import Stage as Stage
from .curriculum import Stages as Stages
from .fit import SGD as SGD
from .fit import AbstractTerm as AbstractTerm
from .fit import ActivityPenalty as ActivityPenalty
from .fit import Adam as Adam
from .fit import Constant as Constant
from .fit import Cosine as Cosine
from .fit import CrossEntropy as CrossEntropy
from .fit import Fit as Fit
from .fit import Objective as Objective
from .fit import OneCycle as OneCycle
from .fit import Precision as Precision
from .fit import SmoothnessPenalty as SmoothnessPenalty
from .fit import SquaredError as SquaredError
from .fit import WeightPenalty as WeightPenalty
from .fit import build as build
from .fit import describe as describe
from .fit import train as train
from .kernel import backend as backend

# What is measured of any recording
from .statistics import PlaceBins as PlaceBins
from .statistics import decode as decode
from .statistics import drift_field as drift_field
from .statistics import encode as encode
from .statistics import histogram_divergence as histogram_divergence
from .statistics import intrinsic_timescales as intrinsic_timescales
from .statistics import kde_divergence as kde_divergence
from .statistics import laps as laps
from .statistics import observe as observe
from .statistics import participation_ratio as participation_ratio
from .statistics import rate_maps as rate_maps
from .statistics import spatial_profile as spatial_profile
from .statistics import spike_trains as spike_trains
from .statistics import subspace_overlap as subspace_overlap

# Encoding models: what a stimulus makes neurons do
from .encoding import GLM as GLM
from .encoding import AbstractEncodingModel as AbstractEncodingModel
from .encoding import ConvGRU as ConvGRU
from .encoding import EncodingScores as EncodingScores
from .encoding import Evoked as Evoked
from .encoding import Filters as Filters
from .encoding import Lateral as Lateral
from .encoding import LinearNonlinear as LinearNonlinear
from .encoding import SpatialConv as SpatialConv
from .encoding import StimulusNetwork as StimulusNetwork
from .encoding import TemporalConv as TemporalConv
from .encoding import contiguous_split as contiguous_split
from .encoding import poisson_glm as poisson_glm
from .encoding import score_rates as score_rates
from .fit import EncodingFit as EncodingFit
from .fit import fit_encoding as fit_encoding
from .latent import LatentFit as LatentFit
from .latent import SequentialLatent as SequentialLatent
from .latent import fit_latent as fit_latent

# Model against brain
from .comparison import AbstractMetric as AbstractMetric
from .comparison import Comparison as Comparison
from .comparison import DebiasedCKA as DebiasedCKA
from .comparison import Moving as Moving
from .comparison import Nulls as Nulls
from .comparison import PoissonPredictivity as PoissonPredictivity
from .comparison import RidgePredictivity as RidgePredictivity
from .comparison import UnitDistributions as UnitDistributions
from .comparison import compare as compare

# Perturbations, lesions, reactivation
from .perturb import AbstractPerturbation as AbstractPerturbation
from .perturb import Always as Always
from .perturb import Clamp as Clamp
from .perturb import Current as Current
from .perturb import Cut as Cut
from .perturb import CutSynapses as CutSynapses
from .perturb import Drop as Drop
from .perturb import During as During
from .perturb import Epoch as Epoch
from .perturb import InTrials as InTrials
from .perturb import LesionTable as LesionTable
from .perturb import Scale as Scale
from .perturb import Silence as Silence
from .perturb import Stack as Stack
from .perturb import lesion as lesion
from .reactivation import Reactivation as Reactivation
from .reactivation import reactivate as reactivate

# Claims and the page
from .claim import Card as Card
from .claim import check as check
from .claim import run_recipe as run_recipe
from .page import Page as Page
from .page import report as report
from .plot import figures as figures
