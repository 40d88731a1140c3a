"""Encoding models: what a stimulus, and the units' own past, make units do."""

from neurornn.encoding.base import AbstractEncodingModel as AbstractEncodingModel
from neurornn.encoding.chunks import Split as Split
from neurornn.encoding.chunks import contiguous_split as contiguous_split
from neurornn.encoding.evoked import Evoked as Evoked
from neurornn.encoding.evoked import Moments as Moments
from neurornn.encoding.front import AbstractFront as AbstractFront
from neurornn.encoding.front import Filters as Filters
from neurornn.encoding.front import TemporalConv as TemporalConv
from neurornn.encoding.glm import GLM as GLM
from neurornn.encoding.glm import Regression as Regression
from neurornn.encoding.glm import poisson_glm as poisson_glm
from neurornn.encoding.lateral import AbstractMaps as AbstractMaps
from neurornn.encoding.lateral import ConvGRU as ConvGRU
from neurornn.encoding.lateral import Lateral as Lateral
from neurornn.encoding.ln import LinearNonlinear as LinearNonlinear
from neurornn.encoding.ln import spike_triggered_average as spike_triggered_average
from neurornn.encoding.network import StimulusNetwork as StimulusNetwork
from neurornn.encoding.pixels import SpatialConv as SpatialConv
from neurornn.encoding.retina import bn_cnn as bn_cnn
from neurornn.encoding.retina import early_cnn as early_cnn
from neurornn.encoding.retina import nips_cnn as nips_cnn
from neurornn.encoding.retina import stacked_bn_cnn as stacked_bn_cnn
from neurornn.encoding.score import EncodingScores as EncodingScores
from neurornn.encoding.score import score_rates as score_rates
