"""Cells: populations of recurrent units, one step at a time."""

from neurornn.cell.base import AbstractCell as AbstractCell
from neurornn.cell.base import Intervention as Intervention
from neurornn.cell.gated import GRU as GRU
from neurornn.cell.gated import LSTM as LSTM
from neurornn.cell.law import Uniform as Uniform
from neurornn.cell.noise import AbstractNoise as AbstractNoise
from neurornn.cell.noise import GaussianNoise as GaussianNoise
from neurornn.cell.noise import UniformNoise as UniformNoise
from neurornn.cell.rate import Form as Form
from neurornn.cell.rate import LeakyRate as LeakyRate
from neurornn.cell.rate import NoiseAt as NoiseAt
