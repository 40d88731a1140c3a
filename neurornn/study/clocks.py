"""How long a network's units remember themselves, beside recorded neurons: the same bins, lengths and spike noise."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float

from neurornn import _check
from neurornn._types import generator
from neurornn.comparison import UnitDistributions
from neurornn.curriculum import MultiHead, SingleHead
from neurornn.errors import RecordingError
from neurornn.network import Network
from neurornn.recording import Recording
from neurornn.source import load_recording
from neurornn.statistics import intrinsic_timescales
from neurornn.study.base import AbstractStudy, Findings, Plan, needs_recording
from neurornn.study.growth import Growth, grow, grow_all
from neurornn.study.timescales import bits_and_epoch, place_of
from neurornn.task.bits import AbstractBits

Counts = Float[np.ndarray, "stretch bin unit"]
KNOWN = 5.0
"""The timescale, in bins, of the simulated population with which the whole procedure is checked."""


@dataclass(frozen=True, eq=False)
class Clocks:
    """Intrinsic timescales of recorded neurons and of the units of networks, all in bins of the same kind of counts.

    Args:
        table: one row a unit: `source`, `unit`, `tau` (bins), `bin` (ms of a recording, one step of a network),
            `remembers` (whether its counts go together beyond those of shuffled bins).
        against: one row a network: how its distribution of `tau` differs from that of the first recording.
        methods: how this was made.
        references: DOIs.
    """

    table: pd.DataFrame
    against: pd.DataFrame
    methods: str
    references: tuple[str, ...] = ("10.1038/nn.3862", "10.1038/s43588-022-00214-3", "10.48550/arXiv.2309.12927")

    def frame(self) -> pd.DataFrame:
        """Return one row a unit."""
        return self.table

    def taus(self, source: str) -> Float[np.ndarray, " unit"]:
        """Return the timescales (bins) of those units of a source that remember themselves at all."""
        mine = (np.asarray(self.table["source"]) == source) & np.asarray(self.table["remembers"], dtype=bool)
        taus = np.asarray(self.table["tau"], dtype=float)[mine]
        return taus[np.isfinite(taus)]


@dataclass(frozen=True)
class ClockStudy(AbstractStudy):
    r"""Train networks on a memory of bits and set the timescales of their units beside those of recorded neurons.

    A network of discrete steps has no milliseconds. One step stands for one bin, so that timescales are compared in
    bins, and the bin of the recording decides what a step means; the table keeps it. All else is made alike: stretches
    of as many bins, as many of them, and counts: a network's units are seen through Poisson spikes at the mean counts
    of recorded neurons, $c_t \sim \mathrm{Poisson}(\lambda\, a_t / \langle a \rangle)$. Estimates in short
    stretches are biased downwards (see `intrinsic_timescales`), here on both sides alike.

    A unit remembers itself where its autocorrelation over the first three lags exceeds 95 % of that of its own bins in
    random order, stretch by stretch. A simulated population of known timescale goes the same way.

    Args:
        last: the largest N of both curricula.
        epochs: after which each training stops.
        bin: bins of the recording, ms.
        stretch: bins of a stretch.
        lags: bins over which the decay is fitted.
        epoch: of the recording that is read, by name; all of it where empty.
        least: spikes of a neuron in all stretches, below which it is left out.
        others: further recordings that are shown beside, by name, each with its own bin, ms.
        shuffles: random orders of the bins.
        workers: trainings side by side.

    References:
        Murray et al. (2014), doi:10.1038/nn.3862; Zeraati et al. (2022), doi:10.1038/s43588-022-00214-3.
    """

    last: int = 6
    epochs: int = 16
    bin: float = 50.0
    stretch: int = 400
    lags: int = 30
    epoch: str = "run"
    least: int = 100
    others: Mapping[str, float] = field(default_factory=dict)
    shuffles: int = 100
    workers: int = 1

    def __post_init__(self) -> None:
        for name in ("last", "epochs", "least", "shuffles", "workers"):
            _check.count("ClockStudy", name, getattr(self, name))
        _check.positive("ClockStudy", "bin", self.bin)
        _check.count("ClockStudy", "lags", self.lags, least=5)
        if _check.count("ClockStudy", "stretch", self.stretch) < 2 * self.lags:
            _check.fail("ClockStudy", "stretch", f"at least twice the {self.lags} lags", self.stretch)

    def run(self, plan: Plan) -> Findings:
        brain = needs_recording("ClockStudy", plan)
        task, epoch, settings = bits_and_epoch(plan, "ClockStudy")
        name = str(brain.source.get("name", "recording"))
        counts = {name: self._counts(brain, self.bin, self.epoch)}
        bins = {name: self.bin}
        for other, width in self.others.items():
            plan.say(f"reading {other}")
            counts[other], bins[other] = self._counts(load_recording(other), width, ""), width
        growths = self._grow(plan, task, epoch, dict(settings))
        networks = {"untrained": growths["multi"].untrained} | {kind: one.fit.network for kind, one in growths.items()}
        plan.say("timescales")
        rng = np.random.default_rng(plan.seed)
        n_stretches = len(counts[name])
        for kind, network in networks.items():
            activity = _driven(network, task, n_stretches, self.stretch, plan.seed)
            counts[kind] = spiking(activity, counts[name], rng)
        counts["known"] = spiking(switching((n_stretches, self.stretch, 100), rng), counts[name], rng)
        tables = [
            self._timescales(source, these, rng).assign(bin=bins.get(source, np.nan))
            for source, these in counts.items()
        ]
        table = pd.concat(tables, ignore_index=True)
        clocks = Clocks(table, _against(table, name, tuple(networks), plan.seed), self._methods(n_stretches))
        quantities = _quantities(clocks, growths, name)
        notes = (
            *plan.notes,
            "One step of a network stands for one bin of the recording: that is a choice, not a finding.",
        )
        return Findings(quantities, growths["multi"].fit, _headline(clocks), {"clocks": clocks}, notes, plan.title)

    def _grow(self, plan: Plan, task: AbstractBits, epoch: int, settings: dict) -> dict[str, Growth]:
        whole = replace(task, ns=tuple(range(min(task.ns), self.last + 1)))
        network = plan.network(whole, plan.seed)
        plan.say(f"training both curricula to N = {self.last}, up to {self.epochs} epochs of {epoch} batches")
        told = {"task": whole, "epochs": self.epochs, "epoch": epoch, "settings": settings, "seed": plan.seed}
        with place_of("", plan) as folder:
            curricula = {"single": SingleHead(task, self.last), "multi": MultiHead(task, self.last)}
            trainings = {
                kind: partial(grow, network, curriculum, name=kind, folder=folder / kind, **told)
                for kind, curriculum in curricula.items()
            }
            return grow_all(trainings, workers=self.workers)

    def _counts(self, recording: Recording, width: float, epoch: str) -> Counts:
        """Return spike counts in stretches, of all units that were recorded all along and fired enough."""
        start, stop = recording.t_start, recording.t_stop
        if epoch:
            found = recording.epochs[recording.epochs["name"] == epoch]
            if len(found) == 0:
                fix = 'Set epoch = "" in [study] to read all of it.'
                names = list(recording.epochs["name"])
                _check.fail("ClockStudy", "epoch", "one of the recording's", epoch, f"{fix} There are: {names}.")
            start, stop = (float(np.asarray(found[edge])[0]) for edge in ("start", "stop"))
        long = self.stretch * width
        starts = start + long * np.arange(int((stop - start) // long))
        if not len(starts):
            must, got = f"at most as long as the recording, {long:g} ms or more", f"{stop - start:g} ms"
            _check.fail("ClockStudy", "stretch", must, got, "Take fewer or finer bins.", error=RecordingError)
        trials = pd.DataFrame({"start": starts, "stop": starts + long})
        values = recording.with_trials(trials).binned(width).values
        whole = values.reshape(len(starts), -1, values.shape[1])[:, : self.stretch]
        good = np.isfinite(whole).all(axis=(0, 1)) & (np.nansum(whole, axis=(0, 1)) >= self.least)
        return whole[:, :, good]

    def _timescales(self, source: str, counts: Counts, rng: np.random.Generator) -> pd.DataFrame:
        found = intrinsic_timescales(counts, dt=1.0, max_lag=float(self.lags))
        near = _near(counts)
        null = [_near(rng.permuted(counts, axis=1)) for _ in range(self.shuffles)]
        remembers = near > np.quantile(null, 0.95, axis=0)
        table = found.frame().reset_index()[["unit", "tau"]]
        return table.assign(source=source, remembers=remembers)

    def _methods(self, n_stretches: int) -> str:
        return (
            f"Counts in {n_stretches} stretches of {self.stretch} bins; exponential with offset fitted to the "
            f"autocorrelation at lags of 1 to {self.lags} bins. Units count where the mean autocorrelation over the "
            f"first three lags exceeds 95 % of {self.shuffles} random orders of the bins within stretches. Networks: "
            f"driven by random bits, one step a bin, seen through Poisson spikes at the mean counts of recorded "
            f"neurons. Known: a population with a timescale of {KNOWN:g} bins, seen the same way. Distances between "
            f"distributions at matched numbers of units, beside those of pooled units."
        )


def spiking(
    activity: Float[np.ndarray, "_stretch _bin _sender"], like: Counts, rng: np.random.Generator
) -> Float[np.ndarray, "_stretch _bin _seen"]:
    """Return Poisson counts of units whose means are those of recorded neurons, dealt out at random.

    Args:
        activity: what units send; what is below 0 sends nothing. Shape `(stretch, bin, unit)`.
        like: the recorded counts.
        rng: of the deal and the spikes.
    """
    rates = np.maximum(activity, 0.0)
    rates = rates[:, :, rates.max(axis=(0, 1)) > 1e-6]
    means = rng.choice(like.mean(axis=(0, 1)), size=rates.shape[2])
    return rng.poisson(means * rates / rates.mean(axis=(0, 1))).astype(float)


def _near(counts: Counts) -> np.ndarray:
    """Return the autocorrelation over the first three lags, the mean over stretches; silent ones do not count."""
    centred = counts - counts.mean(axis=1, keepdims=True)
    power = np.sum(centred**2, axis=1)
    together = np.mean([np.sum(centred[:, k:] * centred[:, :-k], axis=1) for k in (1, 2, 3)], axis=0)
    return np.nanmean(np.divide(together, power, out=np.full(power.shape, np.nan), where=power > 0), axis=0)


def switching(shape: tuple[int, int, int], rng: np.random.Generator) -> np.ndarray:
    r"""Return rates that are 1 a fifth of the time and else 0, whose autocorrelation is $e^{-k/\tau}$ exactly.

    At each bin a unit stays as it is with probability $e^{-1/\tau}$, or is drawn anew, with $\tau$ = `KNOWN` bins.

    Args:
        shape: `(stretch, bin, unit)`.
        rng: of the draws.
    """
    drawn = (rng.random(shape) < 0.2).astype(float)
    stays = rng.random(shape) < np.exp(-1 / KNOWN)
    for t in range(1, shape[1]):
        drawn[:, t] = np.where(stays[:, t], drawn[:, t - 1], drawn[:, t])
    return drawn


@torch.no_grad()
def _driven(network: Network, task: AbstractBits, n_stretches: int, n_bins: int, seed: int) -> np.ndarray:
    """Return activity while random bits come in, after 100 more, `(stretch, bin, unit)`."""
    stream = generator(seed + 7_000_005)
    bits = task.draw(n_stretches, 100 + n_bins, generator=stream)[..., None].to(network.readout)
    run = network(bits, scatter=network.draw_scatter(n_stretches, stream))
    return run.activity[:, 100:].double().cpu().numpy()


def _against(table: pd.DataFrame, brain: str, networks: tuple[str, ...], seed: int) -> pd.DataFrame:
    """Compare the distribution of each network's timescales with the recording's."""

    def taus(source: str) -> pd.DataFrame:
        mine = (np.asarray(table["source"]) == source) & np.asarray(table["remembers"], dtype=bool)
        return pd.DataFrame({"tau": np.asarray(table["tau"], dtype=float)[mine]})

    judge, theirs = UnitDistributions(statistics=("tau",), seed=seed), taus(brain)
    rows = [judge.compare(taus(kind), theirs).frame().assign(network=kind) for kind in networks]
    return pd.concat(rows, ignore_index=True)


def _quantities(clocks: Clocks, growths: Mapping[str, Growth], brain: str) -> dict[str, float]:
    named: dict[str, float] = {}
    for source, rows in clocks.table.groupby("source", sort=False):
        taus = clocks.taus(str(source))
        called = "brain" if source == brain else str(source)
        named[f"{called}_units"] = float(len(rows))
        named[f"{called}_kept"] = float(np.mean(rows["remembers"]))
        for part, at in (("low", 0.25), ("median", 0.5), ("high", 0.75)):
            named[f"{called}_tau_{part}"] = float(np.quantile(taus, at)) if len(taus) else float("nan")
    for row in clocks.against.to_dict("records"):
        for column in ("ks", "ks_same", "wasserstein", "wasserstein_same", "effect"):
            named[f"{row['network']}_{column}"] = float(row[column])
    return named | {f"{kind}_solved": float(one.solved) for kind, one in growths.items()}


def _headline(clocks: Clocks) -> pd.DataFrame:
    rows = {}
    for source, mine in clocks.table.groupby("source", sort=False):
        taus, width = clocks.taus(str(source)), float(mine["bin"].iloc[0])
        middle = f"{np.median(taus):.1f}" if len(taus) else "none"
        rows[source] = {
            "units": str(len(mine)),
            "that remember themselves": f"{100 * float(np.mean(mine['remembers'])):.0f} %",
            "timescale, median (bins)": middle,
            "a bin is": f"{width:g} ms" if np.isfinite(width) else "a step",
        }
    return pd.DataFrame(rows).T
