"""Studies: the analyses that recipes name."""

from neurornn.study.balanced import BalancedState as BalancedState
from neurornn.study.balanced import BrunelStudy as BrunelStudy
from neurornn.study.balanced import CubaStudy as CubaStudy
from neurornn.study.balanced import balanced_state as balanced_state
from neurornn.study.base import AbstractStudy as AbstractStudy
from neurornn.study.base import Findings as Findings
from neurornn.study.base import Plan as Plan
from neurornn.study.brian_parity import Parity as Parity
from neurornn.study.brian_parity import ParityStudy as ParityStudy
from neurornn.study.brian_parity import parity as parity
from neurornn.study.clamp import Clamp as Clamp
from neurornn.study.clamp import clamp_sweeps as clamp_sweeps
from neurornn.study.neuron import NeuronFit as NeuronFit
from neurornn.study.neuron import NeuronFits as NeuronFits
from neurornn.study.neuron import NeuronStudy as NeuronStudy
from neurornn.study.neuron import fit_neuron as fit_neuron
from neurornn.study.neuron_fit import Gradient as Gradient
from neurornn.study.neuron_fit import Search as Search
from neurornn.study.reactivation import ReactivationStudy as ReactivationStudy
from neurornn.study.resting import RestStudy as RestStudy
from neurornn.study.spiking import SpikingStudy as SpikingStudy
from neurornn.study.timescales import TimescaleStudy as TimescaleStudy
from neurornn.study.track import TrackStudy as TrackStudy

# One line a kind of question; a new study is known to recipes once its name stands here.
_TRAINED = (TrackStudy, ReactivationStudy, RestStudy, TimescaleStudy, SpikingStudy)
_SIMULATED = (BrunelStudy, CubaStudy, ParityStudy, NeuronStudy)

STUDIES: dict[str, type] = {kind.__name__: kind for room in (_TRAINED, _SIMULATED) for kind in room}
"""Every study that a recipe may name."""
