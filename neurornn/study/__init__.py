"""Studies: the analyses that recipes name."""

from neurornn.study.agreement import AgreementStudy as AgreementStudy
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
from neurornn.study.clocks import ClockStudy as ClockStudy
from neurornn.study.clusters import ClusterStudy as ClusterStudy
from neurornn.study.constrained import ConstrainedStudy as ConstrainedStudy
from neurornn.study.continua import ContinuumStudy as ContinuumStudy
from neurornn.study.encoding import EncodingStudy as EncodingStudy
from neurornn.study.familiar import FamiliarArenaStudy as FamiliarArenaStudy
from neurornn.study.latent import LatentStudy as LatentStudy
from neurornn.study.lesion_dynamics import LesionDynamics as LesionDynamics
from neurornn.study.lesion_dynamics import lesion_dynamics as lesion_dynamics
from neurornn.study.memories import FlipFlopStudy as FlipFlopStudy
from neurornn.study.multitask import MultitaskStudy as MultitaskStudy
from neurornn.study.neuron import NeuronFit as NeuronFit
from neurornn.study.neuron import NeuronFits as NeuronFits
from neurornn.study.neuron import NeuronStudy as NeuronStudy
from neurornn.study.neuron import fit_neuron as fit_neuron
from neurornn.study.neuron_fit import Evolution as Evolution
from neurornn.study.neuron_fit import Gradient as Gradient
from neurornn.study.neuron_fit import Refined as Refined
from neurornn.study.novel import NovelArenaStudy as NovelArenaStudy
from neurornn.study.oddball import OddballStudy as OddballStudy
from neurornn.study.place_cell import PlaceCellStudy as PlaceCellStudy
from neurornn.study.predictive import PredictiveStudy as PredictiveStudy
from neurornn.study.pruned_beside import PrunedBeside as PrunedBeside
from neurornn.study.pruning import PruningStudy as PruningStudy
from neurornn.study.pruning_brain import BrainPruningStudy as BrainPruningStudy
from neurornn.study.pruning_table import PruningTable as PruningTable
from neurornn.study.quiet_lesion import QuietLesion as QuietLesion
from neurornn.study.quiet_lesion import quiet_lesion as quiet_lesion
from neurornn.study.reactivation import ReactivationStudy as ReactivationStudy
from neurornn.study.remapping import RemappingStudy as RemappingStudy
from neurornn.study.resting import RestStudy as RestStudy
from neurornn.study.retina import SubunitStudy as SubunitStudy
from neurornn.study.retina_adaptation import AdaptationStudy as AdaptationStudy
from neurornn.study.retina_noise import NoiseStudy as NoiseStudy
from neurornn.study.salamander import SalamanderStudy as SalamanderStudy
from neurornn.study.sparing import SparingStudy as SparingStudy
from neurornn.study.spiking import SpikingStudy as SpikingStudy
from neurornn.study.spiking_memory import SpikingMemoryStudy as SpikingMemoryStudy
from neurornn.study.stimulation import StimulationTest as StimulationTest
from neurornn.study.stimulation import stimulated_rates as stimulated_rates
from neurornn.study.stimulation import stimulation_test as stimulation_test
from neurornn.study.timescales import TimescaleStudy as TimescaleStudy
from neurornn.study.track import TrackStudy as TrackStudy
from neurornn.study.variants import VariantStudy as VariantStudy

STUDIES: dict[str, type] = {
    name: kind for name, kind in list(vars().items()) if name.endswith("Study") and kind is not AbstractStudy
}
"""Every study that a recipe may name."""
