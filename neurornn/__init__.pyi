"""neurornn: train recurrent networks on the tasks that animals do, and compare them with recordings."""

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
from .cell import UniformNoise as UniformNoise
from .network import Network as Network
from .network import Run as Run
from .recording import Binned as Binned
from .recording import Recording as Recording
from .recording import Signal as Signal
from .task.base import AbstractTask as AbstractTask
from .trials import Trials as Trials
from .wiring import AbstractWiring as AbstractWiring
from .wiring import Dale as Dale
from .wiring import Dense as Dense
from .wiring import LowRank as LowRank
from .wiring import NoAutapses as NoAutapses
from .wiring import Sparse as Sparse
