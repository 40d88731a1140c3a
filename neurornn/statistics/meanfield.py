"""What theory says of an integrate-and-fire neuron in white noise: its rate and CV, alone and in a random network."""

from dataclasses import dataclass

import numpy as np

from neurornn import _check
from neurornn.errors import NotConverged


def siegert_rate(
    mean: float,
    spread: float,
    *,
    tau: float = 20.0,
    threshold: float = 20.0,
    reset: float = 10.0,
    refractory: float = 2.0,
) -> float:
    r"""Return the rate of a leaky integrate-and-fire neuron in white noise, Hz.

    $$ \tau \dot V = -V + \mu + \sigma\sqrt{\tau}\,\xi(t), \qquad
       \frac{1}{\nu} = \tau_{ref} + \tau\sqrt{\pi} \int_{(V_r-\mu)/\sigma}^{(\theta-\mu)/\sigma}
       e^{u^2} (1 + \mathrm{erf}\,u)\, du $$

    Exact for white noise: for synapses without a time course and small jumps. With synaptic filters or large jumps a
    simulated neuron departs from it.

    Args:
        mean: $\mu$, mV.
        spread: $\sigma$, mV; the free potential has the variance $\sigma^2/2$.
        tau: membrane time constant, ms.
        threshold: $\theta$, mV.
        reset: $V_r$, mV.
        refractory: $\tau_{ref}$, ms.

    Raises:
        ValueError: if `spread` or `tau` is not above 0, or `reset` is not below `threshold`.

    Example:
        >>> from neurornn.statistics import siegert_rate
        >>> round(siegert_rate(21.0, 7.7), 1)
        37.9

    References:
        Siegert (1951), Phys. Rev. 81:617, doi:10.1103/PhysRev.81.617; Brunel (2000), J. Comput. Neurosci. 8:183,
        doi:10.1023/A:1008925309027.
    """
    from scipy.integrate import quad
    from scipy.special import erfcx

    low, high = _limits("siegert_rate", mean, spread, tau, threshold, reset)
    area, _ = quad(lambda u: erfcx(-u), low, high, limit=200)
    return float(1000.0 / (refractory + tau * np.sqrt(np.pi) * area))


def siegert_cv(
    mean: float,
    spread: float,
    *,
    tau: float = 20.0,
    threshold: float = 20.0,
    reset: float = 10.0,
    refractory: float = 2.0,
) -> float:
    r"""Return the coefficient of variation of that neuron's inter-spike intervals.

    $$ CV^2 = 2\pi \nu^2 \tau^2 \int_{(V_r-\mu)/\sigma}^{(\theta-\mu)/\sigma} e^{x^2}
       \int_{-\infty}^{x} e^{y^2} (1 + \mathrm{erf}\,y)^2\, dy\, dx $$

    Arguments, errors and references are those of `siegert_rate`.

    Example:
        >>> from neurornn.statistics import siegert_cv
        >>> siegert_cv(10.0, 4.0) > 0.9 > siegert_cv(40.0, 1.0)  # driven by fluctuations, or by the mean
        True
    """
    from scipy.integrate import quad
    from scipy.special import erfcx

    low, high = _limits("siegert_cv", mean, spread, tau, threshold, reset)

    def inner(x: float) -> float:
        return quad(lambda y: np.exp(x * x - y * y) * erfcx(-y) ** 2, -np.inf, x, limit=200)[0]

    area, _ = quad(inner, low, high, limit=200)
    rate = siegert_rate(mean, spread, tau=tau, threshold=threshold, reset=reset, refractory=refractory) / 1000.0
    return float(np.sqrt(2 * np.pi * area) * rate * tau)


@dataclass(frozen=True)
class MeanField:
    """The stationary state of a random network, by theory.

    Args:
        rate: of every neuron, Hz.
        cv: of its inter-spike intervals.
        mean: of its input, mV.
        spread: of its input, mV.
    """

    rate: float
    cv: float
    mean: float
    spread: float


def brunel_stationary(
    *, inputs: int = 1000, weight: float = 0.1, inhibition: float = 5.0, drive: float = 2.0
) -> MeanField:
    r"""Return the self-consistent stationary state of Brunel's network (model A).

    $$ \mu = C_E J \tau [\nu_{ext} + \nu (1 - \gamma g)], \quad
       \sigma^2 = C_E J^2 \tau [\nu_{ext} + \nu (1 + \gamma g^2)], \quad \nu = \Phi(\mu, \sigma) $$

    with $\gamma = 1/4$, $\nu_{ext}$ = `drive` $\theta/(J C_E \tau)$ and $\Phi$ of `siegert_rate` at $\tau$ = 20 ms,
    $\theta$ = 20 mV, $V_r$ = 10 mV, 2 ms refractory. It takes neurons as independent: it does not tell whether the
    state is stable.

    Args:
        inputs: $C_E$, excitatory inputs of a neuron.
        weight: $J$, mV.
        inhibition: $g$, above 4, so that inhibition prevails.
        drive: $\nu_{ext}/\nu_{thr}$.

    Raises:
        ValueError: if inhibition does not prevail, or a number is not above 0.
        NotConverged: if there is no such state.

    Example:
        >>> from neurornn.statistics import brunel_stationary
        >>> round(brunel_stationary().rate, 1)
        37.9

    References:
        Brunel (2000), J. Comput. Neurosci. 8:183, doi:10.1023/A:1008925309027.
    """
    from scipy.optimize import root_scalar

    owner = "brunel_stationary"
    _check.count(owner, "inputs", inputs)
    for name, value in {"weight": weight, "inhibition": inhibition, "drive": drive}.items():
        _check.positive(owner, name, value)
    if inhibition <= 4:
        fix = "Below it excitation prevails and rates run up to what refractoriness allows."
        _check.fail(owner, "inhibition", "above 4", inhibition, fix)
    gain = inputs * weight * 20.0 / 1000.0  # mV for each Hz
    outside = drive * 20.0 / gain

    def moments(rate: float) -> tuple[float, float]:
        square = gain * weight * (outside + rate * (1 + inhibition**2 / 4))
        return gain * (outside + rate * (1 - inhibition / 4)), float(np.sqrt(square))

    def excess(rate: float) -> float:
        return siegert_rate(*moments(rate)) - rate

    low, high = 1e-6, 499.0
    if not excess(low) > 0 > excess(high):
        got = f"{excess(low):g} and {excess(high):g} Hz at the ends"
        _check.fail(owner, "rate", "one that keeps itself up", got, error=NotConverged)
    rate = float(root_scalar(excess, bracket=(low, high), xtol=1e-9).root)
    return MeanField(rate, siegert_cv(*moments(rate)), *moments(rate))


def _limits(owner: str, mean: float, spread: float, tau: float, threshold: float, reset: float) -> tuple[float, float]:
    _check.positive(owner, "spread", spread)
    _check.positive(owner, "tau", tau)
    if not reset < threshold:
        _check.fail(owner, "reset", f"below the threshold, {threshold:g} mV", reset)
    return (reset - mean) / spread, (threshold - mean) / spread
