"""Ideal observers: who knows the rules and needs no training, from dead reckoning to many hypotheses at once."""

from neurornn.observer.base import AbstractObserver as AbstractObserver
from neurornn.observer.base import Located as Located
from neurornn.observer.hypothesis import SingleHypothesis as SingleHypothesis
from neurornn.observer.particles import Cloud as Cloud
from neurornn.observer.particles import ParticleFilter as ParticleFilter
from neurornn.observer.reckoning import PathIntegration as PathIntegration
