"""Worlds: tasks in a closed loop, where what is seen next and what is earned depends on what one does."""

from neurornn.world.bandit import TwoArmedBandit as TwoArmedBandit
from neurornn.world.base import AbstractWorld as AbstractWorld
from neurornn.world.base import Turn as Turn
from neurornn.world.goal import GoalFinding as GoalFinding
