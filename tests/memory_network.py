"""The network of the curricula papers in miniature, for the tests of growing memory."""

from collections.abc import Mapping

from neurornn import Dense, Form, LeakyRate, Network, NoAutapses, Uniform


def a_network(heads: Mapping[str, int] | None = None, n_units: int = 12, seed: int = 0) -> Network:
    """Return leaky-ReLU units around the update, their time constants drawn, trained and clamped."""
    cell = LeakyRate(
        1,
        n_units,
        tau=Uniform(1.0, 2.0),
        dt=1.0,
        nonlinearity="leaky_relu",
        form=Form.UPDATE,
        train_tau=True,
        clamp_tau=True,
        bias_in=Uniform(-1.0, 1.0),
        uniform=True,
        wiring=NoAutapses(Dense(n_units, uniform=True, seed=seed + 1)),
        seed=seed,
    )
    return Network(cell, heads or {"head_0": 2}, scatter=Uniform(0.0, 0.1), seed=seed)
