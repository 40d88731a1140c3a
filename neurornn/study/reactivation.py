"""Offline reactivation: networks that are trained to track, with and without noise and bias, run without input."""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch

from neurornn import _check
from neurornn._types import generator
from neurornn.cell import AbstractNoise, GaussianNoise, UniformNoise
from neurornn.fit import Fit, train
from neurornn.network import Network
from neurornn.reactivation import Reactivation, reactivate
from neurornn.study.base import AbstractStudy, Findings, Plan
from neurornn.task import AbstractTask, ArenaIntegration, Darting, HeadDirection, Layout, PlaceCode


@dataclass(frozen=True)
class ReactivationStudy(AbstractStudy):
    r"""Train networks to track position or heading, let them run without input, and compare where they go.

    Networks are trained in up to four conditions, from the same initial weights: with Gaussian noise; with it on an
    animal that is `biased` (drawn to the middle of its box, or turning one way); `noiseless`; and with noise that is
    `uniform`. Each then runs in quiescence, with noise $\sqrt2$ times that of the first condition.

    **Noise.** The theory of reactivation as Langevin dynamics needs noise with a mean of zero, and that is what is
    tested here. The code released with the paper draws noise evenly between 0 and $\sigma$: a constant drive of
    $\sigma/2$ and jitter of $\sigma/\sqrt{12}$. It decides the controls: the drive alone pushes a noiseless network to
    one place. Set `uniform` to train with it and see both side by side.

    **What does not hold at small size.** The divergence of quiescence does not always set trained networks apart: of an
    animal that stays in the middle, or faces all directions alike, untrained ones come as close. Nor does the drift
    climb the active density more than that of the same positions in random order does. How far a step goes tells, and
    that all stands still without noise.

    Args:
        trials: quiescent and active trials of each comparison.
        steps: of a quiescent trial, all of which count towards where it goes.
        burn_in: steps that are left out, of twice as many, for the variance over time.
        untrained: untrained networks.
        kernel_points: positions of each kernel density, for tasks in a box; angles have histograms only.
        test_trials: active trials that the error is measured in.
        biased: whether to train on the biased animal, too.
        noiseless: whether to train without noise, too.
        uniform: whether to train with uniform noise, too.

    References:
        N. Krishna et al. (2025), Sufficient conditions for offline reactivation in recurrent neural networks,
        doi:10.48550/arXiv.2505.17003.
    """

    trials: int = 100
    steps: int = 1000
    burn_in: int = 1000
    untrained: int = 3
    kernel_points: int = 8000
    test_trials: int = 500
    biased: bool = True
    noiseless: bool = True
    uniform: bool = False

    def run(self, plan: Plan) -> Findings:
        task = _own_cells(plan.task(), plan.seed)
        if biased_like(task, biased=False) != task:
            fix = "Set pull = 0.0 or biased = false; the study makes the biased one itself."
            _check.fail("ReactivationStudy", "task", "the unbiased one", "a biased task", fix)
        network = plan.network(task, plan.seed)
        loud = network.noise.scaled(2**0.5)
        fits, quiets = {}, {}
        for name, learnt, start in self._conditions(task, network):
            plan.say(f"training, {name}")
            fit = train(start, learnt, seed=plan.seed, progress=plan.progress, **plan.train)
            plan.say(f"without input, {name}")
            # What noise is drawn in quiescence is the network's own kind, except where it has none.
            noise = loud if name == "noiseless" else None
            fits[name], quiets[name] = fit, self._quiet(fit, noise, plan.seed)
        first = fits["noisy"]
        plan.say("variance after burn-in")
        settled = reactivate(
            first, trials=self.trials, steps=2 * self.burn_in, discard=self.burn_in, untrained=1, seed=plan.seed + 1
        )
        errors = {name: test_error(fit, self.test_trials, plan.seed) for name, fit in fits.items()}
        quantities = _quantities(quiets, settled, errors, circular=isinstance(task, HeadDirection))
        parts = {"reactivation": quiets["noisy"]} | {k: quiet for k, quiet in quiets.items() if k != "noisy"}
        return Findings(quantities, first, _headline(quiets, errors), parts, plan.notes, plan.title)

    def _conditions(self, task: AbstractTask, network: Network) -> list[tuple[str, AbstractTask, Network]]:
        found = [("noisy", task, network)]
        if self.biased:
            found.append(("biased", biased_like(task, biased=True), network))
        if self.noiseless:
            found.append(("noiseless", task, with_noise(network, GaussianNoise(0.0))))
        if self.uniform:
            noise = network.noise
            if not isinstance(noise, GaussianNoise):
                fix = "Uniform noise of the same size is put in its place."
                _check.fail("ReactivationStudy", "noise", "Gaussian with `uniform`", noise, fix)
            found.append(("uniform noise", task, with_noise(network, UniformNoise(noise.sd))))
        return found

    def _quiet(self, fit: Fit, noise: AbstractNoise | None, seed: int) -> Reactivation:
        box = not isinstance(fit.task, HeadDirection)
        return reactivate(
            fit,
            trials=self.trials,
            steps=self.steps,
            noise=noise,
            discard=0,
            untrained=self.untrained,
            kernel_points=self.kernel_points if box else 0,
            seed=seed,
        )


def biased_like(task: AbstractTask, *, biased: bool) -> AbstractTask:
    """Return the task with an animal that is drawn to the middle of its box, or turns one way; or one that does not.

    Raises:
        ValueError: if the task has no biased form.
    """
    if isinstance(task, HeadDirection):
        return replace(task, biased=biased)
    if isinstance(task, ArenaIntegration) and isinstance(task.motion, Darting):
        return replace(task, motion=replace(task.motion, pull=0.05 if biased else 0.0))
    fix = "Use HeadDirection, or ArenaIntegration with the motion Darting."
    _check.fail("ReactivationStudy", "task", "one with a biased form", type(task).__name__, fix)


def with_noise(network: Network, noise: AbstractNoise) -> Network:
    """Return a network with the same weights and another noise."""
    settings = {**network.settings, "cell": copy.deepcopy(network.cell), "noise": noise}
    other = Network(**settings)
    other.load_state_dict(network.state_dict())
    return other


def test_error(fit: Fit, n_trials: int, seed: int) -> tuple[float, float]:
    """Return the squared error of new active trials, and that of always answering the mean.

    In a box it is the mean square of each coordinate, m^2; of angles, the root of the mean square, degrees (chance: a
    random angle).
    """
    trials = fit.task.sample(n_trials, generator=generator(seed + 101))
    with torch.no_grad():
        outputs = fit.network(trials.inputs, start=trials.start, generator=generator(seed + 102)).outputs
    if isinstance(fit.task, HeadDirection):
        square = float(fit.task.score(trials, outputs).double().square().mean())
        return math.degrees(math.sqrt(square)), math.degrees(math.pi / math.sqrt(3))
    assert isinstance(fit.task, ArenaIntegration)
    position = trials.behaviour["position"].double()
    error = fit.task.code.decode(outputs).double() - position
    return float(error.square().mean()), float(position.flatten(0, 1).var(dim=0).mean())


test_error.__test__ = False  # type: ignore[attr-defined]


def _own_cells(task: AbstractTask, seed: int) -> AbstractTask:
    """Return the task with place cells at centres of this seed, where they are drawn at random."""
    if isinstance(task, ArenaIntegration) and isinstance(task.code, PlaceCode) and task.code.layout is Layout.RANDOM:
        return replace(task, code=replace(task.code, seed=seed))
    return task


def _quantities(
    quiets: Mapping[str, Reactivation],
    settled: Reactivation,
    errors: Mapping[str, tuple[float, float]],
    *,
    circular: bool,
) -> dict[str, float]:
    """Return every number that a gate may ask for; those of other conditions than the first carry their name."""
    named: dict[str, float] = {}
    kl = "KL from active" if circular else "KL from active, kernels"
    for condition, quiet in quiets.items():
        prefix = "" if condition == "noisy" else f"{condition.replace(' ', '_')}_"
        named[f"{prefix}test_error"], named[f"{prefix}test_error_chance"] = errors[condition]
        for name, source in (("", "quiescent"), ("_no_noise", "no noise"), ("_untrained", "untrained")):
            # A network that stands still has no kernel density.
            here = quiet.frame().set_index(["quantity", "condition"]).index
            named[f"{prefix}kl{name}"] = quiet.value(kl, source) if (kl, source) in here else float("inf")
            named[f"{prefix}js{name}"] = quiet.value("JS from active", source)
            named[f"{prefix}step{name}"] = quiet.value("step distance", source)
            named[f"{prefix}moving{name}"] = 100 * quiet.value("moving steps", source)
        named[f"{prefix}kl_uniform"] = quiet.value(kl, "uniform")
        named[f"{prefix}kl_over_uniform"] = named[f"{prefix}kl"] / named[f"{prefix}kl_uniform"]
        named[f"{prefix}step_active"] = quiet.value("step distance", "active")
        named[f"{prefix}two_components"] = quiet.value("variance in 2 components", "quiescent")
        named[f"{prefix}two_components_active"] = quiet.value("variance in 2 components", "active")
        named[f"{prefix}overlap"] = quiet.value("overlap with active, 2 components", "quiescent")
        named[f"{prefix}drift_along_score"] = quiet.value("drift along the score", "quiescent")
        named[f"{prefix}drift_along_score_shuffled"] = quiet.value(
            "drift along the score", "quiescent, shuffled in time"
        )
        if circular:
            named[f"{prefix}mean_turn"] = quiet.value("mean turn", "quiescent")
            named[f"{prefix}mean_turn_active"] = quiet.value("mean turn", "active")
    if "noiseless" in quiets:
        named["noiseless_step_ratio"] = named["noiseless_step"] / named["step"]
    variances = [settled.value("position variance over time", name) for name in ("quiescent", "no noise")]
    named["variance"], named["variance_no_noise"] = variances
    named["variance_ratio"] = variances[0] / variances[1] if variances[1] > 0 else float("inf")
    return named


def _headline(quiets: Mapping[str, Reactivation], errors: Mapping[str, tuple[float, float]]) -> pd.DataFrame:
    """Return one row a training condition."""
    rows = {}
    for name, quiet in quiets.items():
        by_kernels = "KL from active, kernels" in set(quiet.frame()["quantity"])
        kl = "KL from active, kernels" if by_kernels else "KL from active"
        table = quiet.frame().set_index(["quantity", "condition"])["value"]
        values = {
            f"KL from active (nats), {c}": table.get((kl, c), np.nan) for c in ("quiescent", "untrained", "uniform")
        }
        steps = {f"step, {c}": table[("step distance", c)] for c in ("active", "quiescent", "untrained")}
        still = {"steps that move without noise": f"{100 * table[('moving steps', 'no noise')]:.1f} %"}
        shown = {key: f"{value:.3g}" for key, value in {"test error": errors[name][0], **values, **steps}.items()}
        rows[name] = shown | still
    return pd.DataFrame(rows).T
