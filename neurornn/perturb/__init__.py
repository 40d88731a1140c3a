"""Perturbations: lesions, clamps, cuts and currents as data, and the experiment that weighs them."""

from neurornn.perturb.base import AbstractPerturbation as AbstractPerturbation
from neurornn.perturb.base import Stack as Stack
from neurornn.perturb.drive import Current as Current
from neurornn.perturb.drive import Drop as Drop
from neurornn.perturb.experiment import lesion as lesion
from neurornn.perturb.experiment import paired_scores as paired_scores
from neurornn.perturb.experiment import shared_noise as shared_noise
from neurornn.perturb.lesion import Clamp as Clamp
from neurornn.perturb.lesion import Scale as Scale
from neurornn.perturb.lesion import Silence as Silence
from neurornn.perturb.matching import Controls as Controls
from neurornn.perturb.matching import matched_controls as matched_controls
from neurornn.perturb.matching import unit_features as unit_features
from neurornn.perturb.schedule import AbstractWhen as AbstractWhen
from neurornn.perturb.schedule import Always as Always
from neurornn.perturb.schedule import During as During
from neurornn.perturb.schedule import Epoch as Epoch
from neurornn.perturb.schedule import InTrials as InTrials
from neurornn.perturb.table import LesionTable as LesionTable
from neurornn.perturb.weights import Cut as Cut
from neurornn.perturb.weights import CutSynapses as CutSynapses
