"""Pruning: which synapses and units of a network are kept, and a new network of those alone."""

from neurornn.pruning.activity import ActivityPruning as ActivityPruning
from neurornn.pruning.base import AbstractPruning as AbstractPruning
from neurornn.pruning.base import Choice as Choice
from neurornn.pruning.base import Pruned as Pruned
from neurornn.pruning.base import prune as prune
from neurornn.pruning.controls import MagnitudePruning as MagnitudePruning
from neurornn.pruning.controls import RandomPruning as RandomPruning
from neurornn.pruning.rescale import Rescale as Rescale
from neurornn.pruning.ticket import LotteryTicket as LotteryTicket
