"""Pruning: which synapses and units of a network are kept, and a new network of those alone."""

from neurornn.pruning.activity import ActivityPruning as ActivityPruning
from neurornn.pruning.base import AbstractPruning as AbstractPruning
from neurornn.pruning.base import Choice as Choice
from neurornn.pruning.base import Pruned as Pruned
from neurornn.pruning.base import prune as prune
from neurornn.pruning.controls import MagnitudePruning as MagnitudePruning
from neurornn.pruning.controls import RandomPruning as RandomPruning
from neurornn.pruning.covariance import AbstractCovariance as AbstractCovariance
from neurornn.pruning.covariance import AnalyticCovariance as AnalyticCovariance
from neurornn.pruning.covariance import SimulatedCovariance as SimulatedCovariance
from neurornn.pruning.lyapunov import LyapunovNoisePruning as LyapunovNoisePruning
from neurornn.pruning.lyapunov import Size as Size
from neurornn.pruning.noise import NoisePruning as NoisePruning
from neurornn.pruning.noise import Score as Score
from neurornn.pruning.noise import SelfWeights as SelfWeights
from neurornn.pruning.rescale import Rescale as Rescale
from neurornn.pruning.spectrum import Exponents as Exponents
from neurornn.pruning.spectrum import Spectrum as Spectrum
from neurornn.pruning.spectrum import spectrum_distance as spectrum_distance
from neurornn.pruning.spectrum import spectrum_of as spectrum_of
from neurornn.pruning.ticket import LotteryTicket as LotteryTicket
