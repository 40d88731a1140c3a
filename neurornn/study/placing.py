"""Placing: what the units of a trained network say about position, beside those of an untrained one."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from neurornn.fit.fit import Fit
from neurornn.recording import Recording
from neurornn.statistics import FromLeast, PlaceBins, SpatialProfile, spatial_profile


@dataclass(frozen=True, eq=False)
class Placing:
    """Spatial profiles of a trained and an untrained network in the same trials.

    Args:
        trained: from activity rectified at 0 (spatial information needs rates).
        untrained: likewise.
        explained: share of each unit's variance that position explains, from activity as it is, by source.
    """

    trained: SpatialProfile
    untrained: SpatialProfile
    explained: dict[str, np.ndarray]

    @property
    def methods(self) -> str:
        """How this was made."""
        return (
            f"{self.trained.methods} Position R^2: 1 - var(activity - map(position)) / var(activity), of activity as "
            "it is, not rectified."
        )

    @property
    def references(self) -> tuple[str, ...]:
        """DOIs of the methods."""
        return self.trained.references

    @property
    def checklist(self) -> dict[str, str]:
        """What this says to lines of the reviewer's checklist, by key."""
        return {"nulls": "Of single units: circular shifts of each unit, and an untrained network."}

    def frame(self) -> pd.DataFrame:
        """Return one row a unit and source."""
        tables = []
        for source, profile in (("trained", self.trained), ("untrained", self.untrained)):
            table = profile.frame().assign(source=source, explained=self.explained[source])
            tables.append(table.reset_index(names="unit"))
        return pd.concat(tables, ignore_index=True)

    def summary(self) -> pd.DataFrame:
        """Return the median of each statistic over units, a column a source."""
        names = ["explained", "bits_per_spike", "information_null95", "sparsity", "n_fields", "stability"]
        return self.frame().groupby("source", sort=False)[[*names, "stability_null95"]].median().T


def placing(
    fit: Fit, place: PlaceBins, *, n_trials: int, first: int, n_shifts: int, seed: int
) -> tuple[Placing, Recording]:
    """Record a trained and an untrained network in new trials, and profile their units from step `first` on.

    Returns:
        The profiles, and the recording of the trained network from the first step of each trial on.
    """
    recordings = {
        "trained": fit.record(n_trials=n_trials, seed=seed + 71),
        "untrained": fit.untrained(seed).record(n_trials=n_trials, seed=seed + 71),
    }
    late = {source: since(recording, first) for source, recording in recordings.items()}
    profiles = {
        source: spatial_profile(recording, place, n_shifts=n_shifts, seed=seed) for source, recording in late.items()
    }
    whole = replace(place, rule=FromLeast())
    explained = {
        source: spatial_profile(recording, whole, n_shifts=100, seed=seed).table["position_r2"].to_numpy()
        for source, recording in late.items()
    }
    return Placing(profiles["trained"], profiles["untrained"], explained), recordings["trained"]


def since(recording: Recording, step: int) -> Recording:
    """Return the recording of a network with its trials cut so that they begin with `step` (from 1)."""
    assert recording.dt is not None
    trials = recording.trials
    return recording.with_trials(trials.assign(start=trials["start"] + (step - 1) * recording.dt))
