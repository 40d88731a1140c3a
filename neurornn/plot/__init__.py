"""Plot: every figure of the package, and the only rooms that load matplotlib."""

import neurornn.plot.balanced
import neurornn.plot.brian_parity
import neurornn.plot.clocks
import neurornn.plot.comparisons
import neurornn.plot.conditions
import neurornn.plot.constrained
import neurornn.plot.dynamics
import neurornn.plot.encoding
import neurornn.plot.experiments
import neurornn.plot.latent
import neurornn.plot.lesion_dynamics
import neurornn.plot.lesions
import neurornn.plot.manifold
import neurornn.plot.navigation
import neurornn.plot.neuron
import neurornn.plot.oddball
import neurornn.plot.predictive
import neurornn.plot.probing
import neurornn.plot.pruned_beside
import neurornn.plot.pruned_networks
import neurornn.plot.pruning
import neurornn.plot.race
import neurornn.plot.reactivation
import neurornn.plot.retina
import neurornn.plot.spiking
import neurornn.plot.timescales
import neurornn.plot.topologies
import neurornn.plot.training
import neurornn.plot.units  # noqa: F401  (the drawings register themselves)
from neurornn.plot.base import Figure as Figure
from neurornn.plot.base import figures as figures
