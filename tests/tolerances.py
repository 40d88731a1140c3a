"""How close is close enough: every tolerance of the tests, by name and with its reason."""

EXACT = {"rtol": 0.0, "atol": 0.0}
"""The same bits: the two sides are the same computation."""

FLOAT32 = {"rtol": 1e-5, "atol": 1e-6}
"""The same mathematics in another order, in float32."""

FLOAT64 = {"rtol": 1e-10, "atol": 1e-12}
"""The same mathematics in another order, in float64."""

ORDER = 0.15
"""How far a fitted order of convergence may lie from the claimed one."""

CHANCE = 3.0
"""Standard errors that a seeded sample may lie from its expectation."""
