"""Objects as plain data, and back: from a closed list of types, without paths or expressions."""

import dataclasses
import inspect
import types
import typing
from collections.abc import Mapping
from enum import Enum
from typing import Any

import numpy as np
import torch

from neurornn import _check
from neurornn.cell import (
    GRU,
    LIF,
    LSTM,
    AdaptiveLIF,
    AdEx,
    ArcTan,
    ExpIF,
    Gamma,
    GaussianNoise,
    Izhikevich,
    LeakyRate,
    LogNormal,
    Newton,
    ShortTerm,
    SigmoidDerivative,
    SuperSpike,
    Triangle,
    Uniform,
    UniformNoise,
)
from neurornn.curriculum import Combined, Mixed, MultiHead, Naive, NoCurriculum, SingleHead, Sliding, Stage, Stages
from neurornn.encoding import (
    GLM,
    ConvGRU,
    Filters,
    Lateral,
    LinearNonlinear,
    SpatialConv,
    StimulusNetwork,
    TemporalConv,
)
from neurornn.errors import RecipeError
from neurornn.fit.constraint import FORCE, Descent
from neurornn.fit.objective import (
    ActivityPenalty,
    CrossEntropy,
    DrivePenalty,
    Objective,
    SmoothnessPenalty,
    SquaredError,
    SynapsePenalty,
    WeightPenalty,
)
from neurornn.fit.online import BPTT, RTRL, EProp
from neurornn.fit.optimiser import SGD, Adam, Constant, Cosine, OneCycle
from neurornn.fit.rates import RatePenalty, VoltagePenalty
from neurornn.fit.thinning import GradualMagnitude
from neurornn.network import Network
from neurornn.pruning import (
    AnalyticCovariance,
    LyapunovNoisePruning,
    MagnitudePruning,
    NoisePruning,
    RandomPruning,
    SimulatedCovariance,
)
from neurornn.readout import Instant, LeakyIntegrator, Membrane, SpikeCount
from neurornn.task import (
    Arena,
    ArenaIntegration,
    BitMatch,
    Cartesian,
    Darting,
    DelayedCopy,
    DelayedMatch,
    Digits,
    EvidenceAccumulation,
    FlipFlop,
    Foraging,
    Forecasting,
    GivenArenas,
    HeadDirection,
    ImageRows,
    ImageSequences,
    Lorenz63,
    Multitask,
    Navigation,
    Oddball,
    Parity,
    PlaceCode,
    Recall,
    Roaming,
    Rossler,
    Sensors,
    Speeds,
    StarArenas,
    TrackIntegration,
    VonMises,
)
from neurornn.wiring import Dale, Dense, Diagonal, LowRank, Masked, NoAutapses, Sparse

# One line a room; a new class is known to recipes once its name stands here.
_CELLS = (LeakyRate, GRU, LSTM, LIF, AdaptiveLIF, ExpIF, AdEx, Izhikevich)
_SYNAPSES = (ShortTerm, SuperSpike, Triangle, ArcTan, SigmoidDerivative)
_READOUTS = (Instant, LeakyIntegrator, SpikeCount, Membrane)
_WIRINGS = (Dense, LowRank, Diagonal, Sparse, Masked, Dale, NoAutapses)
_NOISES = (GaussianNoise, UniformNoise, Uniform, Gamma, LogNormal)
_TASKS = (TrackIntegration, ArenaIntegration, HeadDirection, EvidenceAccumulation, DelayedMatch, Parity, BitMatch)
_TASKS += (DelayedCopy, Recall)
_WORLDS = (Speeds, Foraging, Darting, Cartesian, PlaceCode, VonMises)
_SENSES = (ImageSequences, ImageRows, Digits, Oddball)
_SERIES = (Forecasting, Lorenz63, Rossler)
_TRAINING = (Adam, SGD, Constant, Cosine, OneCycle, Stage, Stages, BPTT, EProp, RTRL, Newton)
_TRAINING += (FORCE, Descent, GradualMagnitude)
_MEMORIES = (FlipFlop, Multitask)
_PRUNINGS = (RandomPruning, MagnitudePruning, NoisePruning, LyapunovNoisePruning)
_PRUNINGS += (AnalyticCovariance, SimulatedCovariance)
_CURRICULA = (SingleHead, MultiHead, Sliding, NoCurriculum, Naive, Mixed, Combined)
_AMONG_WALLS = (Navigation, Arena, GivenArenas, StarArenas, Roaming, Sensors)
_ENCODING = (GLM, LinearNonlinear, StimulusNetwork, Filters, TemporalConv, SpatialConv, Lateral, ConvGRU)
_OBJECTIVES = (Objective, SquaredError, CrossEntropy, ActivityPenalty, WeightPenalty, SmoothnessPenalty)
_OBJECTIVES += (RatePenalty, VoltagePenalty)
_ENERGIES = (DrivePenalty, SynapsePenalty)

TYPES: dict[str, type] = {
    kind.__name__: kind
    for room in (
        (Network,),
        _CELLS,
        _SYNAPSES,
        _READOUTS,
        _WIRINGS,
        _NOISES,
        _TASKS,
        _MEMORIES,
        _WORLDS,
        _SENSES,
        _SERIES,
        _TRAINING,
        _CURRICULA,
        _PRUNINGS,
        _OBJECTIVES,
        _ENERGIES,
        _AMONG_WALLS,
        _ENCODING,
    )
    for kind in room
}
"""Every type that a description may name."""

NONE = "none"
"""What a description says of a part that is there by default and is to be absent, as in `tau_syn = "none"`."""


def describe(thing: Any) -> dict[str, Any]:
    """Return a network, task, objective ... as plain data that JSON and TOML can hold, and `build` can read.

    Args:
        thing: an object of a known type (`TYPES`).

    Returns:
        A table with the `type` and every parameter that is not absent. Weights are not part of it.

    Raises:
        RecipeError: if a type is not known, or a parameter is a function, which no file can hold.

    Example:
        >>> from neurornn import Dense
        >>> from neurornn.fit import build, describe
        >>> describe(Dense(5, gain=1.5))
        {'type': 'Dense', 'n_units': 5, 'gain': 1.5, 'uniform': False, 'seed': 0}
        >>> build(describe(Dense(5, gain=1.5))).n_units
        5
    """
    return _table(thing, strict=True)


def outline(thing: Any) -> dict[str, Any]:
    """Return what `describe` returns, also for types and functions it does not know: these only by their name."""
    return _table(thing, strict=False)


def build(description: Mapping[str, Any], *, also: Mapping[str, type] | None = None) -> Any:
    """Return the object that a description stands for.

    Args:
        description: a table with a `type` and the parameters of that type; nested tables with a `type` become objects,
            and `NONE`, the word for what TOML has no null for, the absence of a part that is there by default.
        also: further types that the description itself (not what is nested in it) may be of.

    Raises:
        RecipeError: if the type is not known, a parameter does not exist or is missing, or a value is refused.

    Example:
        >>> from neurornn.fit import build
        >>> build({"type": "LeakyRate", "n_in": 2, "n_units": 8, "taus": 3.0})
        Traceback (most recent call last):
        neurornn.errors.RecipeError: No parameter of LeakyRate called 'taus'. Did you mean 'tau'?
    """
    if not isinstance(description, Mapping) or "type" not in description:
        fix = "Name the class, as in {'type': 'LeakyRate', ...}."
        _check.fail("build", "description", "a table with a `type`", description, fix, error=RecipeError)
    name = description["type"]
    types_known = {**TYPES, **(also or {})}
    if name not in types_known:
        raise RecipeError(f"No type called {name!r}. {_check.near(str(name), types_known)}")
    kind = types_known[name]
    known = _parameters(kind)
    given = {key: value for key, value in description.items() if key != "type"}
    for key in given:
        if key not in known:
            raise RecipeError(f"No parameter of {name} called {key!r}. {_check.near(key, known)}")
    for key, parameter in known.items():
        if key not in given and parameter.default is inspect.Parameter.empty:
            raise RecipeError(f"{name} needs a parameter {key!r}.")
    hints = typing.get_type_hints(kind if dataclasses.is_dataclass(kind) else kind.__init__)
    values = {key: _value(value, hints.get(key, Any), f"{name}.{key}") for key, value in given.items()}
    try:
        return kind(**values)
    except RecipeError:
        raise
    except ValueError as error:
        raise RecipeError(str(error)) from error


def _parameters(kind: type) -> dict[str, inspect.Parameter]:
    return dict(list(inspect.signature(kind).parameters.items()))


def _table(thing: Any, *, strict: bool) -> dict[str, Any]:
    kind = type(thing)
    if strict and TYPES.get(kind.__name__) is not kind:
        must = "of a type that recipes know"
        _check.fail("describe", "thing", must, kind.__name__, _check.near(kind.__name__, TYPES), error=RecipeError)
    settings = getattr(thing, "settings", None)
    if settings is None:
        if not dataclasses.is_dataclass(thing):
            return {"type": kind.__name__}
        settings = {f.name: getattr(thing, f.name) for f in dataclasses.fields(thing) if f.init}
    # TOML knows no null: a parameter that is absent by default stays absent. One that is something by default (the
    # synaptic filter of a LIF) would come back as that, and its absence is written down.
    known = _parameters(kind)
    table = {
        name: NONE if value is None else _plain(value, f"{kind.__name__}.{name}", strict=strict)
        for name, value in settings.items()
        if value is not None or (name in known and known[name].default is not None)
    }
    return {"type": kind.__name__, **table}


def _plain(value: Any, owner: str, *, strict: bool) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray | torch.Tensor):
        return value.tolist()
    if isinstance(value, Mapping):
        if "type" in value:
            fix = "A table with a `type` stands for an object."
            _check.fail("describe", owner, "without a key 'type'", dict(value), fix, error=RecipeError)
        return {str(key): _plain(part, f"{owner}[{key!r}]", strict=strict) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part, owner, strict=strict) for part in value]
    if hasattr(value, "settings") or (dataclasses.is_dataclass(value) and not isinstance(value, type)):
        return _table(value, strict=strict)
    if strict:
        fix = "Name it instead, as in nonlinearity='relu'." if callable(value) else ""
        _check.fail("describe", owner, "plain data or an object of a known type", value, fix, error=RecipeError)
    return {"type": type(value).__name__, "name": getattr(value, "__name__", type(value).__name__)}


def _value(value: Any, hint: Any, owner: str) -> Any:
    """Return `value` as the object that it stands for and that `hint` asks for."""
    if isinstance(value, Mapping):
        if "type" in value:
            return build(value)
        arguments = typing.get_args(_choice(hint, Mapping)) or (Any, Any)
        return {key: _value(part, arguments[-1], f"{owner}[{key!r}]") for key, part in value.items()}
    if isinstance(value, list | tuple):
        return _sequence(list(value), hint, owner)
    if value == NONE and not _takes_words(hint):
        if type(None) in _options(hint):
            return None
        _check.fail(
            "build", owner, "there", value, "It cannot be absent: leave it out for its default.", error=RecipeError
        )
    kind = _choice(hint, Enum)
    if isinstance(kind, type) and issubclass(kind, Enum) and not isinstance(value, kind):
        members = [str(member.value) for member in kind]
        if value not in [member.value for member in kind]:
            must = f"a member of {kind.__name__}"
            _check.fail("build", owner, must, value, _check.near(str(value), members), error=RecipeError)
        return kind(value)
    return value


def _sequence(values: list[Any], hint: Any, owner: str) -> Any:
    texts = bool(values) and all(isinstance(value, str) for value in values)
    for option in () if texts else _options(hint):
        container = getattr(option, "array_type", option)
        if container is np.ndarray:
            return np.asarray(values)
        if container is torch.Tensor:
            return torch.tensor(values)
    chosen = _choice(hint, tuple)
    arguments = [part for part in typing.get_args(chosen) if part is not Ellipsis] or [Any]
    inner = arguments if len(arguments) == len(values) else [arguments[0]] * len(values)
    parts = [_value(value, part, owner) for value, part in zip(values, inner, strict=True)]
    return tuple(parts) if typing.get_origin(chosen) is tuple or chosen is tuple else parts


def _takes_words(hint: Any) -> bool:
    """Return whether `NONE` may be a word of the parameter's own, as it is for kinds of reset."""
    return any(
        option is Any or (isinstance(option, type) and issubclass(option, str | Enum)) for option in _options(hint)
    )


def _options(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)


def _choice(hint: Any, base: type) -> Any:
    """Return the one of a hint's alternatives that is of kind `base`; the first of them where none is."""
    for option in _options(hint):
        kind = typing.get_origin(option) or option
        if isinstance(kind, type) and issubclass(kind, base):
            return option
    return _options(hint)[0]
