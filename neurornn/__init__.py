"""neurornn: train recurrent networks on the tasks that animals do, and compare them with recordings."""

from neurornn._types import generator as generator
from neurornn.cell import GRU as GRU
from neurornn.cell import LSTM as LSTM
from neurornn.cell import AbstractCell as AbstractCell
from neurornn.cell import AbstractNoise as AbstractNoise
from neurornn.cell import Form as Form
from neurornn.cell import GaussianNoise as GaussianNoise
from neurornn.cell import Intervention as Intervention
from neurornn.cell import LeakyRate as LeakyRate
from neurornn.cell import NoiseAt as NoiseAt
from neurornn.cell import UniformNoise as UniformNoise
from neurornn.network import Network as Network
from neurornn.network import Run as Run
from neurornn.recording import Binned as Binned
from neurornn.recording import Recording as Recording
from neurornn.recording import Signal as Signal
from neurornn.task.base import AbstractTask as AbstractTask
from neurornn.trials import Trials as Trials
from neurornn.wiring import AbstractWiring as AbstractWiring
from neurornn.wiring import Dale as Dale
from neurornn.wiring import Dense as Dense
from neurornn.wiring import LowRank as LowRank
from neurornn.wiring import NoAutapses as NoAutapses
from neurornn.wiring import Sparse as Sparse
