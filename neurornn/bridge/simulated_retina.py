"""A simulated retina with known truth: subunits, contrast adaptation and noise, in the layout of the published one."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from jaxtyping import Float

from neurornn import _check
from neurornn.bridge.retina import RetinaSession
from neurornn.encoding.evoked import Evoked


@dataclass(frozen=True)
class SimulatedRetina:
    r"""Ganglion cells that pool rectified subunits of a movie, with a gain that follows the contrast.

    $$ d_{jt} = k_j \cdot (s_{t-L}, \dots, s_{t-1}) $$
    $$ b_{jt} = [\,d_{jt} + \sigma\xi - \theta\,]_+ \;\text{ (half-wave)}, \quad
       [\,|d_{jt} + \sigma\xi| - \theta\,]_+ \;\text{ (full-wave)} $$
    $$ v_t = v_{t-1} + \tfrac{\Delta t}{\tau}\Big(\tfrac1J \sum_j d_{jt}^2 - v_{t-1}\Big), \qquad
       \lambda_t = \frac{\bar r}{Z} \Big(\frac{\sum_j b_{jt}}{\sqrt{(1 - a) + a\,v_{t-1}}}\Big)^{p} $$

    Filters $k_j$ are a Gaussian in space, centred on a pixel, and a biphasic wave in time, scaled so that a drive $d$
    has a spread of 1 at contrast 1. Spikes are Poisson given $\lambda$. Every repeat draws its own latent noise $\xi$.

    Args:
        shape: (height, width) of a frame, pixels.
        n_units: ganglion cells.
        subunits: of each cell, $J$.
        lags: frames in a subunit's filter, $L$.
        dt: bin width, ms.
        full_wave: whether subunits answer to both signs of contrast.
        threshold: $\theta$, in standard deviations of the drive.
        power: $p$.
        adaptation: $a$: 0 for none, 1 for a gain that divides out the contrast.
        memory: $\tau$, ms.
        noise: $\sigma$, of each subunit, bin and repeat.
        rate: mean rate $\bar r$ over the training stimulus, Hz.
        width: standard deviation of a subunit's Gaussian, pixels.
        spread: standard deviation of the subunits' centres about their cell's, pixels.
        seed: of the cells.
    """

    shape: tuple[int, int] = (12, 12)
    n_units: int = 4
    subunits: int = 6
    lags: int = 20
    dt: float = 10.0
    full_wave: bool = False
    threshold: float = 0.6
    power: float = 1.5
    adaptation: float = 0.0
    memory: float = 1000.0
    noise: float = 0.0
    rate: float = 7.0
    width: float = 0.9
    spread: float = 2.0
    seed: int = 0
    filters: Float[np.ndarray, "cell subunit lag height width"] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        owner = "SimulatedRetina"
        for name in ("n_units", "subunits", "lags"):
            _check.count(owner, name, getattr(self, name))
        for name in ("dt", "power", "memory", "rate", "width"):
            _check.positive(owner, name, getattr(self, name))
        for name in ("threshold", "noise", "spread"):
            _check.not_negative(owner, name, getattr(self, name))
        _check.fraction(owner, "adaptation", self.adaptation)
        object.__setattr__(self, "filters", self._filters())

    def session(
        self,
        *,
        train: float = 600_000.0,
        test: float = 30_000.0,
        repeats: int = 20,
        contrasts: tuple[float, ...] = (1.0,),
        period: float = 6000.0,
        seed: int = 0,
    ) -> RetinaSession:
        """Return responses to white noise: a long stimulus shown once, and a short one shown again and again.

        Args:
            train: length of the training stimulus, ms.
            test: length of the test stimulus, ms.
            repeats: of the test stimulus.
            contrasts: the stimulus takes these standard deviations one after the other, again and again.
            period: length of each, ms.
            seed: of stimuli, noise and spikes.

        Returns:
            The session, with the true rates (Hz) of both stimuli.
        """
        draw = np.random.default_rng(_check.count("SimulatedRetina.session", "seed", seed, least=0))
        parts = {}
        scale: np.ndarray | None = None
        for name, length, shown in (("train", train, 1), ("test", test, repeats)):
            movie = self.movie(draw, length, contrasts, period)
            rates = self.rates(movie, draw=draw, repeats=shown)
            if scale is None:
                scale = self.rate / rates.mean(axis=(0, 1))
            rates = rates * scale
            counts = draw.poisson(rates * self.dt / 1000.0).astype(float)
            counts[:, : self.lags] = np.nan  # before the first whole window, a filter has seen nothing yet
            units = pd.Index([f"cell{k + 1:02d}" for k in range(self.n_units)])
            source: dict[str, object] = {"name": f"simulated retina, {name}", "simulated": True, "seed": seed}
            parts[name] = Evoked(movie, counts, self.dt, units=units, source=source)
            parts[f"{name} truth"] = rates.mean(axis=0)
        return RetinaSession(parts["train"], parts["test"], parts["train truth"], parts["test truth"])

    def movie(
        self, draw: np.random.Generator, length: float, contrasts: tuple[float, ...], period: float
    ) -> Float[np.ndarray, "bin height width"]:
        """Return Gaussian white noise of mean 0 whose standard deviation is the contrast of the moment."""
        n_bins = int(length / self.dt)
        frames = draw.standard_normal((n_bins, *self.shape), dtype=np.float32)
        turn = (np.arange(n_bins) * self.dt // period).astype(int) % len(contrasts)
        frames *= np.asarray(contrasts, dtype=np.float32)[turn][:, None, None]
        return frames

    def rates(
        self, movie: Float[np.ndarray, "bin height width"], *, draw: np.random.Generator | None = None, repeats: int = 1
    ) -> Float[np.ndarray, "repeat bin unit"]:
        """Return the rate of every cell, up to one factor a cell (`session` sets the mean).

        Args:
            movie: the stimulus.
            draw: where latent noise comes from; none is drawn where absent.
            repeats: how often it is shown; without latent noise all are alike and one is returned, broadcast.
        """
        drive = self.drive(movie)  # (bin, cell, subunit)
        step = self.dt / self.memory
        power = np.mean(drive**2, axis=2)
        trace = np.empty_like(power)
        now = power[: int(1000 / self.dt)].mean(axis=0)
        for t in range(len(power)):
            trace[t] = now
            now = now + step * (power[t] - now)
        gain = 1.0 / np.sqrt((1.0 - self.adaptation) + self.adaptation * trace)
        noisy = self.noise > 0 and draw is not None
        found = []
        for _ in range(repeats if noisy else 1):
            felt = drive
            if noisy and draw is not None:
                felt = drive + self.noise * draw.standard_normal(drive.shape)
            size = np.abs(felt) if self.full_wave else felt
            pooled = np.maximum(size - self.threshold, 0.0).sum(axis=2) * gain
            found.append(pooled**self.power)
        return np.broadcast_to(np.stack(found), (repeats, *found[0].shape))

    def drive(self, movie: Float[np.ndarray, "bin height width"]) -> Float[np.ndarray, "bin cell subunit"]:
        """Return the drive of every subunit; it has seen the frames before the bin, and not the bin's own."""
        n_bins = len(movie)
        flat = movie.reshape(n_bins, -1).astype(np.float64)
        found = np.zeros((n_bins, self.n_units * self.subunits))
        kernel = self.filters.reshape(-1, self.lags, flat.shape[1])
        for lag in range(self.lags):  # the last of a filter's frames is the one just before the bin
            back = self.lags - lag
            found[back:] += flat[: n_bins - back] @ kernel[:, lag].T
        return found.reshape(n_bins, self.n_units, self.subunits)

    def _filters(self) -> np.ndarray:
        draw = np.random.default_rng(self.seed + 7919)
        height, width = self.shape
        rows, columns = np.mgrid[:height, :width]
        middle = np.array([(height - 1) / 2, (width - 1) / 2])
        reach = np.minimum(middle - self.spread, middle)
        cells = middle + np.maximum(reach, 0.0) * draw.uniform(-0.6, 0.6, (self.n_units, 2))
        centres = cells[:, None] + self.spread * draw.standard_normal((self.n_units, self.subunits, 2))
        centres = np.clip(np.rint(centres), 0, np.array([height - 1, width - 1]))
        away = (rows - centres[..., 0, None, None]) ** 2 + (columns - centres[..., 1, None, None]) ** 2
        space = np.exp(-0.5 * away / self.width**2)
        since = np.arange(self.lags, 0, -1) * self.dt  # ms before the bin, oldest frame first
        wave = np.sin(np.pi * since / 100.0) * np.exp(-since / 50.0)
        sign = np.where(np.arange(self.n_units) % 2 == 0, -1.0, 1.0)  # OFF and ON cells
        filters = sign[:, None, None, None, None] * wave[:, None, None] * space[:, :, None]
        return filters / np.sqrt(np.sum(filters**2, axis=(2, 3, 4), keepdims=True))
