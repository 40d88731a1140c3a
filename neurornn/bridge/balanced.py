"""Balanced networks of excitation and inhibition, simulated by brian2 at their published parameters."""

from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any

from neurornn import _check
from neurornn.bridge.brian import from_brian2
from neurornn.bridge.brian_target import on_target
from neurornn.recording import Recording

SETTLING = 500.0
"""What is simulated before the recording starts, ms: many times every time constant of these networks."""


def simulated_brunel(
    seed: int,
    *,
    n_excitatory: int = 10_000,
    inhibition: float = 5.0,
    drive: float = 2.0,
    weight: float = 0.1,
    duration: float = 2000.0,
    recorded: int = 500,
    target: str = "cpp_standalone",
) -> Recording:
    r"""Return a recording of Brunel's sparsely connected network of integrate-and-fire neurons (his model A).

    $$ \tau \dot V_i = -V_i + \tau J \sum_j w_{ij} \sum_k \delta(t - t_j^k - D), \qquad V > 20\,\mathrm{mV}:
       V \to 10\,\mathrm{mV}\ \text{for}\ 2\,\mathrm{ms} $$

    with $\tau$ = 20 ms, $D$ = 1.5 ms, $w$ = 1 from excitatory and $-g$ from inhibitory neurons, a quarter as many. Each
    neuron has $C_E$ = `n_excitatory`/10 different excitatory inputs drawn at random, $C_E/4$ inhibitory ones, and
    $C_E$ Poisson inputs from outside at `drive` times the rate $\theta/(J C_E \tau)$ that alone would take it to
    threshold. $J$ is `weight` at the published 10,000 neurons; for other sizes $J C_E$ is kept, so that the balance
    and hence the rate stay about the same while fluctuations grow.

    Args:
        seed: of connections, first potentials and Poisson inputs.
        n_excitatory: excitatory neurons, a multiple of 40.
        inhibition: $g$, how much stronger an inhibitory synapse is.
        drive: $\nu_{ext}/\nu_{thr}$.
        weight: $J$ at 10,000 excitatory neurons, mV; published: 0.1.
        duration: of the recording, ms; it starts after 500 ms of settling.
        recorded: neurons of each kind whose spikes are kept, at most; the population rates are of all.
        target: where brian2 runs: "cpp_standalone" (needs a C++ compiler), "cython" or "numpy".

    Returns:
        A recording with units of the populations `excitatory` and `inhibitory`, and the behaviour `rate_excitatory` and
        `rate_inhibitory` (Hz).

    Raises:
        ValueError: if a number is not above 0, the size is not a multiple of 40, or there is no such target.

    References:
        Brunel (2000), J. Comput. Neurosci. 8:183, doi:10.1023/A:1008925309027.
    """
    owner = "simulated_brunel"
    n_excitatory = _check.count(owner, "n_excitatory", n_excitatory)
    if n_excitatory % 40:
        fix = "A tenth of them project to each neuron, and there is one inhibitory neuron for four."
        _check.fail(owner, "n_excitatory", "a multiple of 40", n_excitatory, fix)
    given = {"inhibition": inhibition, "drive": drive, "weight": weight, "duration": duration}
    for name, value in given.items():
        _check.positive(owner, name, value)
    import brian2
    from brian2 import ms, mV

    per_neuron = n_excitatory // 10
    jump = weight * 1000 / per_neuron  # mV
    threshold_rate = 20.0 / (jump * per_neuron * 20.0)  # spikes per ms that keep the mean potential at threshold
    with on_target(target, seed=seed):
        dead: Any = 2 * ms
        space = {"tau": 20 * ms, "J": jump * mV, "g": inhibition, "mV": mV, "ms": ms}
        groups = {
            name: brian2.NeuronGroup(
                n,
                "dv/dt = -v/tau : volt (unless refractory)",
                threshold="v > 20*mV",
                reset="v = 10*mV",
                refractory=dead,
                method="exact",
                name=name,
                namespace=space,
            )
            for name, n in {"excitatory": n_excitatory, "inhibitory": n_excitatory // 4}.items()
        }
        effects = {"excitatory": ("v_post += J", per_neuron), "inhibitory": ("v_post -= g*J", per_neuron // 4)}
        objects = []
        for target_group in groups.values():
            target_group.v = "rand()*20*mV"
            for name, (effect, n) in effects.items():
                objects.append(
                    brian2.Synapses(groups[name], target_group, on_pre=effect, delay=1.5 * ms, namespace=space)
                )
                # n different inputs for every neuron, as published: not a coin tossed for every pair.
                objects[-1].connect(i=f"k for k in sample(N_pre, size={n})")
            rate = drive * threshold_rate / ms
            objects.append(brian2.PoissonInput(target_group, "v", N=per_neuron, rate=rate, weight=jump * mV))
        source = {"seed": int(seed), "inhibition": float(inhibition), "drive": float(drive), "weight": jump}
        return _run(groups, objects, duration, recorded, source)


def simulated_cuba(
    seed: int, *, n_units: int = 4000, duration: float = 2000.0, target: str = "cpp_standalone"
) -> Recording:
    r"""Return a recording of the current-based (CUBA) benchmark network of integrate-and-fire neurons.

    $$ \tau \dot v = g_e + g_i - (v + 49\,\mathrm{mV}), \quad \tau_e \dot g_e = -g_e, \quad \tau_i \dot g_i = -g_i,
       \qquad v > -50\,\mathrm{mV}: v \to -60\,\mathrm{mV}\ \text{for}\ 5\,\mathrm{ms} $$

    with $\tau$ = 20 ms, $\tau_e$ = 5 ms, $\tau_i$ = 10 ms. Four of five neurons are excitatory; each pair is connected
    with the probability 80/`n_units` (2 % of the published 4000), by 1.62 mV from excitatory and -9 mV from inhibitory
    neurons. There is no input from outside: the network keeps itself active.

    Args:
        seed: of connections and first potentials.
        n_units: neurons, a multiple of 5 of at least 200.
        duration: of the recording, ms; it starts after 500 ms of settling.
        target: where brian2 runs: "cpp_standalone" (needs a C++ compiler), "cython" or "numpy".

    Returns:
        A recording with units of the populations `excitatory` and `inhibitory`, and the behaviour `rate_excitatory` and
        `rate_inhibitory` (Hz).

    Raises:
        ValueError: if a number is not above 0, the size does not fit, or there is no such target.

    References:
        Brette et al. (2007), J. Comput. Neurosci. 23:349, doi:10.1007/s10827-007-0038-6; Vogels & Abbott (2005),
        J. Neurosci. 25:10786, doi:10.1523/JNEUROSCI.3508-05.2005.
    """
    owner = "simulated_cuba"
    n_units = _check.count(owner, "n_units", n_units, least=200)
    if n_units % 5:
        _check.fail(owner, "n_units", "a multiple of 5", n_units, "Four neurons of five are excitatory.")
    _check.positive(owner, "duration", duration)
    import brian2
    from brian2 import ms, mV

    with on_target(target, seed=seed):
        dead: Any = 5 * ms
        space = {"tau": 20 * ms, "tau_e": 5 * ms, "tau_i": 10 * ms, "mV": mV}
        equations = """
        dv/dt = (ge + gi - (v + 49*mV))/tau : volt (unless refractory)
        dge/dt = -ge/tau_e : volt
        dgi/dt = -gi/tau_i : volt
        """
        groups = {
            name: brian2.NeuronGroup(
                n,
                equations,
                threshold="v > -50*mV",
                reset="v = -60*mV",
                refractory=dead,
                method="exact",
                name=name,
                namespace=space,
            )
            for name, n in {"excitatory": 4 * n_units // 5, "inhibitory": n_units // 5}.items()
        }
        effects = {"excitatory": "ge_post += 1.62*mV", "inhibitory": "gi_post -= 9*mV"}
        objects = []
        for target_group in groups.values():
            target_group.v = "-60*mV + rand()*10*mV"
            for name, effect in effects.items():
                objects.append(brian2.Synapses(groups[name], target_group, on_pre=effect, namespace=space))
                objects[-1].connect(p=80 / n_units)
        return _run(groups, objects, duration, n_units, {"seed": int(seed)})


def _run(
    groups: Mapping[str, Any], objects: list[Any], duration: float, recorded: int, source: Mapping[str, object]
) -> Recording:
    """Run and record, and name the populations."""
    import brian2

    monitors = [brian2.SpikeMonitor(group[: min(len(group), recorded)]) for group in groups.values()]
    rates = [brian2.PopulationRateMonitor(group) for group in groups.values()]
    network = brian2.Network(*objects, *groups.values(), *monitors, *rates)
    network.run((SETTLING + duration) * brian2.ms)
    return from_brian2(*monitors, *rates, source={"simulated": True, **source}).between(SETTLING, SETTLING + duration)


def _reader(simulate: Callable[..., Recording]) -> Callable[..., Recording]:
    """Return a simulation as a reader of data recipes, which have no files for it; its options are its arguments."""

    @wraps(simulate)
    def read(files: Mapping[str, Path], **options: Any) -> Recording:
        return simulate(**options)

    return read


read_brunel, read_cuba = _reader(simulated_brunel), _reader(simulated_cuba)
