"""Kernels: whole sequences forward and backward in one call. Numbers only: they know no cell, task or recording."""

from neurornn.kernel.backend import Backend as Backend
from neurornn.kernel.backend import backend as backend
from neurornn.kernel.backend import engine as engine
from neurornn.kernel.leaky import Gate as Gate
from neurornn.kernel.leaky import Place as Place
from neurornn.kernel.leaky import leaky as leaky
