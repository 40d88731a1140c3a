"""Noise that is made where it is used: a function of a key, the trial, the step and the unit."""

import ctypes
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

from neurornn import _check
from neurornn.kernel import library

CENTRE = (2.29603555, 0.341718783, -0.00811669584, -0.00118519883, 0.000277065993, -1.6915249e-05, -2.77661294e-06)
CENTRE += (4.77434287e-07,)
TAIL = (4.8918986, 1.4255835, 0.0037242814, -0.0018951731, 0.00091963354, -0.0011633345, 0.00058349286)
ODD = 0x9E3779B97F4A7C15
WORD = 0xFFFFFFFF


@dataclass(frozen=True)
class Noise:
    r"""Independent Gaussian numbers of a batch, $\mathcal N(0, \sigma^2)$, each of which depends on its place alone.

    They are never stored: the native library makes each where it is used, others ask for all of them by `tensor`. A
    part of it (some trials, some steps) holds the same numbers as those of the whole, so that processes, threads and
    stretches of time that share a batch share its noise.

    Args:
        key: what tells one batch's noise from another's, 64 bits.
        sd: standard deviation.
        n_trials: number of trials.
        n_steps: number of steps.
        n_units: number of units.
        first_trial: where in the whole its trials begin.
        first_step: where its steps begin.

    Example:
        >>> import torch
        >>> from neurornn.kernel import Noise
        >>> noise = Noise(key=1, sd=0.1, n_trials=4, n_steps=50, n_units=8)
        >>> whole = noise.tensor(torch.zeros(0))
        >>> bool((noise[1:3].tensor(torch.zeros(0)) == whole[1:3]).all())
        True

    References:
        Salmon, Moraes, Dror & Shaw (2011), doi:10.1145/2063384.2063405, for generators that count; Giles (2010) for the
        inverse of the Gaussian's distribution in two pieces.
    """

    key: int
    sd: float
    n_trials: int
    n_steps: int
    n_units: int
    first_trial: int = 0
    first_step: int = 0

    @classmethod
    def drawn(cls, shape: tuple[int, ...], sd: float, *, generator: torch.Generator) -> "Noise":
        """Return the noise of a batch of `(trial, time, unit)`, its key drawn from `generator`."""
        if len(shape) != 3:
            _check.fail("Noise", "shape", "(trial, time, unit)", shape)
        key = torch.randint(-(2**63), 2**63 - 1, (), generator=generator, device=generator.device)
        return cls(int(key) & (2**64 - 1), sd, *shape)

    @property
    def shape(self) -> torch.Size:
        """Number of trials, steps and units."""
        return torch.Size((self.n_trials, self.n_steps, self.n_units))

    def __getitem__(self, trials: slice) -> "Noise":
        """Return the noise of some of the trials, which follow each other."""
        first, last, stride = trials.indices(self.n_trials)
        if stride != 1:
            _check.fail("Noise", "trials", "a slice of trials that follow each other", trials, "Use `tensor`.")
        return replace(self, n_trials=max(last - first, 0), first_trial=self.first_trial + first)

    def split(self, size: int, dim: int) -> list["Noise"]:
        """Return it in stretches of `size` steps, as `Tensor.split` does along the axis of time."""
        if dim not in (1, -2):
            _check.fail("Noise.split", "dim", "1, the axis of time", dim)
        edges = [*range(0, self.n_steps, size), self.n_steps]
        return [replace(self, n_steps=b - a, first_step=self.first_step + a) for a, b in pairwise(edges)]

    def tensor(self, like: Tensor) -> Tensor:
        """Return the numbers, of the dtype of `like` and where it is. Shape `(trial, time, unit)`."""
        if library.level() >= 0:
            made = torch.empty(self.shape, dtype=torch.float32)
            table = library.Drawn(trials=self.n_trials, steps=self.n_steps, units=self.n_units)
            write(self, table)
            table.threads = torch.get_num_threads()
            library.pointers(table, ("to",), (made,))
            library.call("neurornn_noise", table)
            return made.to(like)
        of_trials = [_mixed(self.key + ODD * (self.first_trial + b + 1)) for b in range(self.n_trials)]
        steps = [ODD * (self.first_step + t + 1) for t in range(self.n_steps)]
        words = [_mixed(word + step) for word in of_trials for step in steps]
        both = torch.tensor([(word & WORD, word >> 32) for word in words], dtype=torch.int64).reshape(-1, 2)
        units = torch.arange(self.n_units)
        bits = _bits(units, both[:, :1], both[:, 1:])
        return (self.sd * _normal(bits)).reshape(self.shape).float().to(like)


def numbers(noise: Tensor | Noise | None, like: Tensor) -> Tensor | None:
    """Return noise as numbers, whoever makes it."""
    return noise.tensor(like) if isinstance(noise, Noise) else noise


def write(noise: Noise, table: ctypes.Structure) -> None:
    """Write key, deviation and place of the noise into a table of the native library."""
    for name in ("key", "sd", "first_trial", "first_step"):
        setattr(table, name, getattr(noise, name))


def _mixed(z: int) -> int:
    """Return 64 bits that look unlike those of any other number."""
    most = 2**64 - 1
    z &= most
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & most
    z = (z ^ z >> 27) * 0x94D049BB133111EB & most
    return z ^ z >> 31


def _bits(units: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Return 32 random bits of each row of words and unit; whole numbers of 64 bits hold them."""
    x = (units + low) & WORD
    x = (x ^ x >> 17) * 0xED5AD4BB & WORD
    x = x ^ x >> 11 ^ high
    x = x * 0xAC4C1B51 & WORD
    x = (x ^ x >> 15) * 0x31848BAB & WORD
    return x ^ x >> 14


def _normal(bits: Tensor) -> Tensor:
    """Return the value beyond which, on both sides, lies what 31 of the bits say; the last bit is its sign."""
    q = ((bits & 0x7FFFFFFF).double() + 0.5) * 2.0**-31
    w = -torch.log(q * (2 - q))
    near, far = torch.zeros_like(w), torch.zeros_like(w)
    for c in reversed(CENTRE):
        near = near * (w - 3) + c
    s = w.sqrt() - 3.62266063
    for c in reversed(TAIL):
        far = far * s + c
    size = torch.where(w > 6, far, near) * (1 - q)
    return torch.where(bits > 0x7FFFFFFF, -size, size)
