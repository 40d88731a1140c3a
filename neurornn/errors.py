"""What can go wrong, by name. Every message names the owner, the value and the likely fix."""


class NeurornnError(Exception):
    """Any error that this package raises on purpose."""


class BadValue(NeurornnError, ValueError):
    """A value cannot be what was asked for."""


class RecipeError(NeurornnError, ValueError):
    """A recipe (TOML) asks for something that does not exist or does not fit."""


class SourceError(NeurornnError, OSError):
    """A file of data cannot be found, fetched or trusted."""


class SourceMissing(SourceError):
    """A file of data is nowhere to be had: no folder, no cache, no network."""


class RecordingError(NeurornnError, ValueError):
    """A recording contradicts itself: unsorted spikes, missing positions, units outside the session."""


class FitError(NeurornnError, ValueError):
    """A saved fit or checkpoint is damaged, incomplete or belongs to another network."""


class Diverged(NeurornnError, ArithmeticError):
    """Training met a loss or gradient that is not finite."""


class NotConverged(NeurornnError, ArithmeticError):
    """An iterative method stopped before it reached its tolerance."""
