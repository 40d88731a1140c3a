"""Dynamics of any network: how fast trajectories part, where they come to rest, and what the motion is like there."""

from neurornn.dynamics.chaos import Chaos as Chaos
from neurornn.dynamics.chaos import chaos as chaos
from neurornn.dynamics.fixed import FixedPoints as FixedPoints
from neurornn.dynamics.fixed import fixed_points as fixed_points
from neurornn.dynamics.fixed import periods as periods
from neurornn.dynamics.fixed import time_constants as time_constants
from neurornn.dynamics.fixed import visited_states as visited_states
from neurornn.dynamics.known import EXPONENTS as EXPONENTS
from neurornn.dynamics.known import SYSTEMS as SYSTEMS
from neurornn.dynamics.known import cat as cat
from neurornn.dynamics.known import henon as henon
from neurornn.dynamics.known import logistic as logistic
from neurornn.dynamics.known import lorenz63 as lorenz63
from neurornn.dynamics.known import rossler as rossler
from neurornn.dynamics.lyapunov import Lyapunov as Lyapunov
from neurornn.dynamics.lyapunov import lyapunov as lyapunov
from neurornn.dynamics.mean_field import MeanField as MeanField
from neurornn.dynamics.mean_field import mean_field_flow as mean_field_flow
from neurornn.dynamics.mean_field import mean_field_map as mean_field_map
from neurornn.dynamics.search import Search as Search
from neurornn.dynamics.system import Map as Map
from neurornn.dynamics.system import as_map as as_map
from neurornn.dynamics.system import flat as flat
from neurornn.dynamics.system import flow_map as flow_map
from neurornn.dynamics.system import parted as parted
