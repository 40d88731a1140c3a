"""The same training step of leaky rate units in jax: `lax.scan` under `jit`, with Adam written out."""

from typing import Any

import numpy as np

from benchmarks.timing import Step

RATE, FIRST, SECOND, TINY = 1e-4, 0.9, 0.999, 1e-8  # of Adam


def contestant(sizes: tuple[int, int, int, int, int], *, tanh: bool) -> Step:
    """Return one training step of trials, steps, units, inputs and outputs, compiled before it is timed."""
    import jax  # type: ignore[import-not-found]
    from jax import numpy as jnp  # type: ignore[import-not-found]

    trials, steps, units, n_in, n_out = sizes
    stream = np.random.default_rng(0)
    f = jnp.tanh if tanh else jax.nn.relu

    def drawn(*shape: int) -> Any:
        return jnp.asarray(stream.standard_normal(shape), dtype=jnp.float32)

    inputs, targets = drawn(steps, trials, n_in), drawn(steps, trials, n_out)
    weights = {
        "recurrent": drawn(units, units) / units**0.5,
        "afferent": drawn(n_in, units) / n_in**0.5,
        "bias": jnp.zeros(units),
        "log_leak": jnp.full(units, float(np.log(0.2))),
        "readout": drawn(units, n_out) / units**0.5,
        "shift": jnp.zeros(n_out),
    }

    def loss(w: dict[str, Any]) -> Any:
        leak = jnp.exp(w["log_leak"])
        entering = inputs @ w["afferent"] + w["bias"]

        def step(h: Any, drive: Any) -> tuple[Any, Any]:
            h = (1 - leak) * h + leak * f(h @ w["recurrent"] + drive)
            return h, h

        run = jax.lax.scan(step, jnp.zeros((trials, units)), entering)[1]
        return ((run @ w["readout"] + w["shift"] - targets) ** 2).mean()

    @jax.jit
    def update(w: Any, first: Any, second: Any, t: Any) -> tuple[Any, Any, Any]:
        grads = jax.grad(loss)(w)
        first = jax.tree.map(lambda m, g: FIRST * m + (1 - FIRST) * g, first, grads)
        second = jax.tree.map(lambda v, g: SECOND * v + (1 - SECOND) * g * g, second, grads)
        by = RATE * jnp.sqrt(1 - SECOND**t) / (1 - FIRST**t)
        return jax.tree.map(lambda p, m, v: p - by * m / (jnp.sqrt(v) + TINY), w, first, second), first, second

    nothing = jax.tree.map(jnp.zeros_like, weights)
    held = [weights, nothing, nothing]
    t = 0

    def run() -> None:
        nonlocal t
        t += 1
        held[:] = update(*held, float(t))
        jax.block_until_ready(held[0])

    return run
