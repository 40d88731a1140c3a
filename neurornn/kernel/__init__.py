"""Kernels: whole sequences forward and backward in one call. Numbers only: they know no cell, task or recording."""

from neurornn.kernel.choice import Backend as Backend
from neurornn.kernel.choice import backend as backend
from neurornn.kernel.choice import engine as engine
from neurornn.kernel.choice import spiking_engine as spiking_engine
from neurornn.kernel.leaky import Act as Act
from neurornn.kernel.leaky import Engine as Engine
from neurornn.kernel.leaky import Gate as Gate
from neurornn.kernel.leaky import Place as Place
from neurornn.kernel.leaky import Read as Read
from neurornn.kernel.leaky import leaky_sequence as leaky_sequence
from neurornn.kernel.lif import Surrogate as Surrogate
from neurornn.kernel.lif import lif_sequence as lif_sequence
from neurornn.kernel.noise import Noise as Noise
from neurornn.kernel.noise import numbers as numbers
