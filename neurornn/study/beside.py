"""Brain beside model: the same statistics of both, by the same code, at matched units, rates and bins."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from neurornn.recording import Recording
from neurornn.statistics import (
    Decoding,
    Encoding,
    PlaceBins,
    SpatialProfile,
    SpikeTrains,
    decode,
    encode,
    observe,
    spatial_profile,
    spike_trains,
)


@dataclass(frozen=True, eq=False)
class Beside:
    """Single units of an animal, of a trained network and of an untrained one.

    Args:
        brain: spatial profile of the animal's units.
        model: that of the network's units, from their activity.
        untrained: that of an untrained network's units.
        trains: firing statistics of the animal, the observed network and the observed untrained one.
    """

    brain: SpatialProfile
    model: SpatialProfile
    untrained: SpatialProfile
    trains: dict[str, SpikeTrains]

    @property
    def methods(self) -> str:
        """How this was made."""
        observed = "Rates and intervals of the networks are those of Poisson spikes at the animal's mean rates."
        return f"{self.brain.methods} {self.trains['brain'].methods} {observed}"

    @property
    def references(self) -> tuple[str, ...]:
        """DOIs of the methods."""
        return (*self.brain.references, *self.trains["brain"].references)

    @property
    def checklist(self) -> dict[str, str]:
        """What this says to lines of the reviewer's checklist, by key."""
        return {
            "nulls": "Of single units: circular shifts of each unit, and an untrained network.",
            "matched": (
                "Single units: spikes of the networks are Poisson at the animal's mean rates, from as many units, on "
                "the animal's own runs and in the same bins."
            ),
        }

    def frame(self) -> pd.DataFrame:
        """Return one row a unit, with its `source` (brain, model, untrained); place-tuned where p < 0.05 of shifts."""
        tables = []
        for source in ("brain", "model", "untrained"):
            profile: SpatialProfile = getattr(self, source)
            table = profile.frame().assign(source=source).reset_index(names="unit")
            tables.append(table)
        return pd.concat(tables, ignore_index=True)

    def summary(self) -> pd.DataFrame:
        """Return the median over units of each statistic, a column a source, and the share of place-tuned units."""
        frame = self.frame()
        frame["place_tuned"] = (frame["information_p"] < 0.05).astype(float)
        names = ["bits_per_spike", "information_null95", "sparsity", "n_fields", "field_size", "stability"]
        names += ["stability_null95", "direction_index", "direction_index_null95", "position_r2", "position_r2_null95"]
        medians = frame.groupby("source", sort=False)[names].median().T
        medians.loc["share of place-tuned units (p < 0.05)"] = frame.groupby("source", sort=False)["place_tuned"].mean()
        for name in ("rate", "cv", "cv2", "lv", "fano"):
            medians.loc[f"{name} (spikes)"] = {
                source: float(np.nanmedian(trains.frame()[name].to_numpy(dtype=float)))
                for source, trains in self.trains.items()
            }
        return medians


@dataclass(frozen=True, eq=False)
class Decodings:
    """What populations say about position, in bins held out: the animal, the network, an untrained network.

    Args:
        decoded: by source: `brain`, `model`, `untrained`.
        encoded: bits a spike from place and direction, by source.
    """

    decoded: dict[str, Decoding]
    encoded: dict[str, Encoding]

    @property
    def methods(self) -> str:
        """How this was made."""
        return (
            f"{self.decoded['brain'].methods} {self.encoded['brain'].methods} The networks were observed through "
            "Poisson spikes of as many units as were recorded, at the animal's mean rates, on the animal's own runs."
        )

    @property
    def references(self) -> tuple[str, ...]:
        """DOIs of the methods."""
        return (*self.decoded["brain"].references, *self.encoded["brain"].references)

    @property
    def checklist(self) -> dict[str, str]:
        """What this says to lines of the reviewer's checklist, by key."""
        brain = self.decoded["brain"]
        return {
            "split": f"Decoding: {len(brain.folds)} contiguous folds of bins, gap {brain.folds.gap:g} ms.",
            "nulls": f"Of decoding: positions in {len(brain.chance)} random orders, and an untrained network.",
            "matched": "Decoding: as many units at the same mean rates, in the same bins, by one decoder.",
        }

    def frame(self) -> pd.DataFrame:
        """Return one row a source: decoding error, chance, and population bits/spike."""
        rows = []
        for source, decoding in self.decoded.items():
            bits = self.encoded[source]
            kept = bits.frame().iloc[:, 0]
            row = decoding.frame().assign(source=source, population_bits_per_spike=bits.population)
            rows.append(row.assign(units_above_a_tenth_bit=int((kept > 0.1).sum())))
        return pd.concat(rows, ignore_index=True).set_index("source")


def observed_like(model: Recording, brain: Recording, *, seed: int) -> Recording:
    """Return what electrodes would have seen of `model`: as many units as in `brain`, at the same mean rates.

    Units are drawn among those that are active at all, and get the animal's rates in random order.
    """
    rng = np.random.default_rng(seed)
    activity = np.asarray(model.activity)
    active = np.flatnonzero(np.nanmax(activity, axis=0, initial=0.0) > 1e-6)
    n_units = min(brain.n_units, len(active))
    chosen = np.sort(rng.choice(active, size=n_units, replace=False))
    # Mean rates over the runs alone: outside them a network was not recorded.
    binned = brain.binned(250.0)
    rates = np.nanmean(binned.rates, axis=0)
    return observe(model.select(list(model.units.index[chosen])), rates=rng.permutation(rates)[:n_units], seed=seed)


def profiles(
    brain: Recording, model: Recording, untrained: Recording, place: PlaceBins, *, n_shifts: int, seed: int
) -> Beside:
    """Measure the three with one set of bins."""
    bins = replace(place, extent=_extent(brain, place))

    def profile(one: Recording) -> SpatialProfile:
        return spatial_profile(one, bins, n_shifts=n_shifts, seed=seed)

    seen = {"brain": brain, "model": observed_like(model, brain, seed=seed)}
    seen["untrained"] = observed_like(untrained, brain, seed=seed)
    trains = {name: spike_trains(_runs(one)) for name, one in seen.items()}
    return Beside(profile(brain), profile(model), profile(untrained), trains)


def decodings(brain: Recording, model: Recording, untrained: Recording, place: PlaceBins, *, seed: int) -> Decodings:
    """Decode the three with one estimator, at matched units and rates."""
    seen = {"brain": brain, "model": observed_like(model, brain, seed=seed)}
    seen["untrained"] = observed_like(untrained, brain, seed=seed)
    decoded = {name: decode(one, place, seed=seed) for name, one in seen.items()}
    return Decodings(decoded, {name: encode(one, place) for name, one in seen.items()})


def _extent(brain: Recording, place: PlaceBins) -> tuple[tuple[float, float], ...]:
    edges = place.edges(place.movement(brain).position)
    return tuple((float(edge[0]), float(edge[-1])) for edge in edges)


def _runs(recording: Recording) -> Recording:
    """Return only the spikes in trials, each trial a stretch of recording of its own."""
    stretches = recording.trials[["start", "stop"]].to_numpy(float)
    assert recording.spikes is not None
    spikes = []
    for train in recording.spikes:
        inside = [train[(train >= start) & (train < stop)] for start, stop in stretches]
        spikes.append(np.concatenate(inside) if inside else train[:0])
    return replace(recording, spikes=spikes, observed=dict.fromkeys(recording.units.index, stretches))
