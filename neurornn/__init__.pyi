"""neurornn: train recurrent networks on the tasks that animals do, and compare them with recordings."""

# What animals and networks leave behind
from .binned import Binned as Binned
from .bridge import BrianModel as BrianModel
from .bridge import from_brian2 as from_brian2
from .bridge import from_neo as from_neo
from .bridge import from_nir as from_nir
from .bridge import read_nwb as read_nwb
from .bridge import save_recording as save_recording
from .bridge import simulated_brunel as simulated_brunel
from .bridge import simulated_cuba as simulated_cuba
from .bridge import simulated_track as simulated_track
from .bridge import to_brian2 as to_brian2
from .bridge import to_neo as to_neo
from .bridge import to_nir as to_nir
from .bridge import write_nwb as write_nwb
from .recording import Recording as Recording
from .recording import Signal as Signal
from .source import load_images as load_images
from .source import load_recording as load_recording

# Networks: cells, wirings, noise
from ._types import generator as generator
from .cell import GRU as GRU
from .cell import LIF as LIF
from .cell import LSTM as LSTM
from .cell import AbstractCell as AbstractCell
from .cell import AbstractLaw as AbstractLaw
from .cell import AbstractNoise as AbstractNoise
from .cell import AbstractSpiking as AbstractSpiking
from .cell import AbstractSurrogate as AbstractSurrogate
from .cell import AdaptiveLIF as AdaptiveLIF
from .cell import AdEx as AdEx
from .cell import ArcTan as ArcTan
from .cell import ExpIF as ExpIF
from .cell import Form as Form
from .cell import Gamma as Gamma
from .cell import GaussianNoise as GaussianNoise
from .cell import Intervention as Intervention
from .cell import Izhikevich as Izhikevich
from .cell import LeakyRate as LeakyRate
from .cell import LogNormal as LogNormal
from .cell import Newton as Newton
from .cell import NoiseAt as NoiseAt
from .cell import Reset as Reset
from .cell import ShortTerm as ShortTerm
from .cell import SigmoidDerivative as SigmoidDerivative
from .cell import SuperSpike as SuperSpike
from .cell import Triangle as Triangle
from .cell import Uniform as Uniform
from .cell import UniformNoise as UniformNoise
from .network import Network as Network
from .network import Run as Run
from .readout import AbstractReadout as AbstractReadout
from .readout import Instant as Instant
from .readout import LeakyIntegrator as LeakyIntegrator
from .readout import Membrane as Membrane
from .readout import SpikeCount as SpikeCount
from .wiring import AbstractWiring as AbstractWiring
from .wiring import Dale as Dale
from .wiring import Dense as Dense
from .wiring import Diagonal as Diagonal
from .wiring import LowRank as LowRank
from .wiring import Masked as Masked
from .wiring import NoAutapses as NoAutapses
from .wiring import Sparse as Sparse

# Tasks
from .recipe import load_task as load_task
from .task import AbstractArenas as AbstractArenas
from .task import AbstractBits as AbstractBits
from .task import AbstractCode as AbstractCode
from .task import AbstractMotion as AbstractMotion
from .task import AbstractTask as AbstractTask
from .task import Arena as Arena
from .task import ArenaIntegration as ArenaIntegration
from .task import BitMatch as BitMatch
from .task import Cartesian as Cartesian
from .task import Darting as Darting
from .task import DelayedCopy as DelayedCopy
from .task import DelayedMatch as DelayedMatch
from .task import Digits as Digits
from .task import EvidenceAccumulation as EvidenceAccumulation
from .task import FlipFlop as FlipFlop
from .task import Foraging as Foraging
from .task import GivenArenas as GivenArenas
from .task import HeadDirection as HeadDirection
from .task import Images as Images
from .task import ImageSequences as ImageSequences
from .task import Layout as Layout
from .task import Oddball as Oddball
from .task import Navigation as Navigation
from .task import Parity as Parity
from .task import PlaceCode as PlaceCode
from .task import Roaming as Roaming
from .task import SelfMotion as SelfMotion
from .task import Sensors as Sensors
from .task import Speeds as Speeds
from .task import StarArenas as StarArenas
from .task import Start as Start
from .task import TrackIntegration as TrackIntegration
from .task import VonMises as VonMises
from .trials import Trials as Trials

# The best that could be done, and tasks in a closed loop
from .bridge.gym import GymWorld as GymWorld
from .bridge.gym import to_gym as to_gym
from .observer import AbstractObserver as AbstractObserver
from .observer import ParticleFilter as ParticleFilter
from .observer import PathIntegration as PathIntegration
from .observer import SingleHypothesis as SingleHypothesis
from .world import AbstractWorld as AbstractWorld
from .world import GoalFinding as GoalFinding
from .world import TwoArmedBandit as TwoArmedBandit

# Training
from .curriculum import AbstractCurriculum as AbstractCurriculum
from .curriculum import Combined as Combined
from .curriculum import Mixed as Mixed
from .curriculum import MultiHead as MultiHead
from .curriculum import Naive as Naive
from .curriculum import NoCurriculum as NoCurriculum
from .curriculum import SingleHead as SingleHead
from .curriculum import Sliding as Sliding
from .curriculum import Stage as Stage
from .curriculum import Stages as Stages
from .fit import BPTT as BPTT
from .fit import RTRL as RTRL
from .fit import SGD as SGD
from .fit import AbstractGradient as AbstractGradient
from .fit import AbstractTerm as AbstractTerm
from .fit import ActivityPenalty as ActivityPenalty
from .fit import ActorCritic as ActorCritic
from .fit import Adam as Adam
from .fit import Constant as Constant
from .fit import Cosine as Cosine
from .fit import CrossEntropy as CrossEntropy
from .fit import DrivePenalty as DrivePenalty
from .fit import EProp as EProp
from .fit import Fit as Fit
from .fit import Objective as Objective
from .fit import OneCycle as OneCycle
from .fit import Precision as Precision
from .fit import RatePenalty as RatePenalty
from .fit import SmoothnessPenalty as SmoothnessPenalty
from .fit import SquaredError as SquaredError
from .fit import SynapsePenalty as SynapsePenalty
from .fit import VoltagePenalty as VoltagePenalty
from .fit import WeightPenalty as WeightPenalty
from .fit import build as build
from .fit import describe as describe
from .fit import train as train
from .fit import train_agent as train_agent
from .kernel import backend as backend

# What is measured of any recording
from .statistics import BorderScore as BorderScore
from .statistics import GridScore as GridScore
from .statistics import PlaceBins as PlaceBins
from .statistics import condition_averages as condition_averages
from .statistics import correlations as correlations
from .statistics import decode as decode
from .statistics import dimensions as dimensions
from .statistics import direction_tuning as direction_tuning
from .statistics import demixed_pca as demixed_pca
from .statistics import drift_field as drift_field
from .statistics import encode as encode
from .statistics import histogram_divergence as histogram_divergence
from .statistics import intrinsic_timescales as intrinsic_timescales
from .statistics import jpca as jpca
from .statistics import kde_divergence as kde_divergence
from .statistics import laps as laps
from .statistics import map_scores as map_scores
from .statistics import mismatch as mismatch
from .statistics import observe as observe
from .statistics import participation_ratio as participation_ratio
from .statistics import rate_maps as rate_maps
from .statistics import remapping as remapping
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

# Dynamics: exponents, fixed points, flow
from .dynamics import Chaos as Chaos
from .dynamics import Connections as Connections
from .dynamics import Continuum as Continuum
from .dynamics import FixedPoints as FixedPoints
from .dynamics import Lyapunov as Lyapunov
from .dynamics import Map as Map
from .dynamics import Modes as Modes
from .dynamics import Portrait as Portrait
from .dynamics import Search as Search
from .dynamics import chaos as chaos
from .dynamics import connections as connections
from .dynamics import continuum as continuum
from .dynamics import fixed_points as fixed_points
from .dynamics import flow_map as flow_map
from .dynamics import lyapunov as lyapunov
from .dynamics import modes as modes
from .dynamics import portrait as portrait
from .dynamics import rate_map as rate_map
from .dynamics import visited_states as visited_states

# Model against brain
from .comparison import AbstractMetric as AbstractMetric
from .comparison import Comparison as Comparison
from .comparison import DebiasedCKA as DebiasedCKA
from .comparison import DynamicSimilarity as DynamicSimilarity
from .comparison import Moving as Moving
from .comparison import Nulls as Nulls
from .comparison import PoissonPredictivity as PoissonPredictivity
from .comparison import RidgePredictivity as RidgePredictivity
from .comparison import UnitDistributions as UnitDistributions
from .comparison import compare as compare

# What a network spends
from .energy import Energy as Energy
from .energy import drives as drives
from .energy import spent as spent

# Networks here and in brian2, and single neurons
from .study import balanced_state as balanced_state
from .study import parity as parity
from .statistics import coincidence_factor as coincidence_factor
from .study import Gradient as Gradient
from .study import NeuronFit as NeuronFit
from .study import Evolution as Evolution
from .study import clamp_sweeps as clamp_sweeps
from .study import fit_neuron as fit_neuron

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

# Pruning
from .pruning import AbstractPruning as AbstractPruning
from .pruning import ActivityPruning as ActivityPruning
from .pruning import MagnitudePruning as MagnitudePruning
from .pruning import Pruned as Pruned
from .pruning import RandomPruning as RandomPruning
from .pruning import prune as prune

# Claims and the page
from .claim import Card as Card
from .claim import check as check
from .claim import run_recipe as run_recipe
from .page import Page as Page
from .page import report as report
from .plot import figures as figures
