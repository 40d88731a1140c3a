"""Objects survive the way through plain data; what cannot is refused by name."""

import json
import tomllib
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from jaxtyping import Float

from neurornn import GRU, LIF, LSTM, Dale, Dense, Form, GaussianNoise, LeakyRate, LowRank, Network, NoAutapses, Sparse
from neurornn.cell import Reset, UniformNoise
from neurornn.curriculum import Stage, Stages
from neurornn.errors import RecipeError
from neurornn.fit import TYPES, Adam, CrossEntropy, Objective, OneCycle, build, describe, outline
from neurornn.task import ArenaIntegration, DelayedMatch, EvidenceAccumulation, Speeds, TrackIntegration, VonMises

EXAMPLES = [
    LeakyRate(2, 6, tau=[50.0] * 6, dt=10.0, form=Form.CURRENT, wiring=Dale(Sparse(Dense(6), density=0.5))),
    GRU(2, 5, seed=3),
    LSTM(2, 5, forget_bias=2.0),
    LIF(2, 6, tau_syn=None, reset="hard"),
    Network(LeakyRate(2, 6, wiring=NoAutapses(LowRank(6, rank=2))), {"a": 2, "b": 1}, noise=GaussianNoise(0.1, True)),
    Network(GRU(1, 3), 2, n_start=4, noise=UniformNoise(0.2), seed=5),
    Objective({"choice": CrossEntropy()}, {"choice": 2.0}),
    Adam(decay=0.1),
    OneCycle(),
    TrackIntegration(length=200.0, speeds=Speeds(running=(20.0, 40.0)), code=VonMises()),
    ArenaIntegration(),
    EvidenceAccumulation(),
    DelayedMatch(),
    Stages((Stage(DelayedMatch(), until=0.9, heads=("out",)), Stage(EvidenceAccumulation()))),
]


@pytest.mark.parametrize("thing", EXAMPLES, ids=lambda thing: type(thing).__name__)
def test_there_and_back_through_json(thing):
    told = describe(thing)
    again = build(json.loads(json.dumps(told)))
    assert type(again) is type(thing)
    assert describe(again) == told
    if isinstance(thing, torch.nn.Module):
        for name, weight in thing.state_dict().items():
            assert torch.equal(weight, again.state_dict()[name]), name
    else:
        assert again == thing


def test_a_file_can_say_that_a_part_is_absent():
    """TOML has no null: the word stands for it, but where it is a word of the parameter's own."""
    cell = build(tomllib.loads('type = "LIF"\nn_in = 1\nn_units = 2\ntau_syn = "none"\nreset = "none"'))
    assert "current" not in cell.parts and cell.reset is Reset.NONE
    assert describe(cell)["tau_syn"] == "none" and describe(build(describe(cell))) == describe(cell)
    assert "current" not in build({**describe(cell), "tau_syn": None}).parts, "as older files say it"
    with pytest.raises(RecipeError, match=r"build: `LIF.tau` must be there; got 'none'. It cannot be absent"):
        build({"type": "LIF", "n_in": 1, "n_units": 2, "tau": "none"})


def test_every_concrete_class_of_a_known_kind_is_listed():
    from neurornn.cell.base import AbstractCell
    from neurornn.cell.noise import AbstractNoise
    from neurornn.fit.objective import AbstractTerm
    from neurornn.fit.optimiser import AbstractOptimiser, AbstractSchedule
    from neurornn.task.base import AbstractTask
    from neurornn.wiring import AbstractWiring

    def leaves(kind: type) -> set[type]:
        return {kind}.union(*(leaves(child) for child in kind.__subclasses__())) - {kind if kind in ABSTRACT else None}

    ABSTRACT = {
        AbstractCell,
        AbstractNoise,
        AbstractTerm,
        AbstractOptimiser,
        AbstractSchedule,
        AbstractTask,
        AbstractWiring,
    }
    for kind in ABSTRACT:
        ours = {
            c for c in leaves(kind) if c.__module__.startswith("neurornn.") and not c.__name__.startswith("Abstract")
        }
        assert {c.__name__ for c in ours} <= TYPES.keys(), kind


@dataclass(frozen=True)
class _Nested:
    pair: tuple[float, float]
    many: tuple[Stage, ...]
    values: Float[np.ndarray, " n"]
    form: Form = Form.RATE
    either: Form | str = Form.RATE


def test_hints_say_what_lists_and_names_become(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(TYPES, "_Nested", _Nested)
    told = {
        "type": "_Nested",
        "pair": [1.0, 2.0],
        "many": [],
        "values": [1.0, 2.0],
        "form": "update",
        "either": "current",
    }
    made = build(told)
    assert made.pair == (1.0, 2.0) and made.many == ()
    np.testing.assert_array_equal(made.values, [1.0, 2.0])
    assert made.form is Form.UPDATE and made.either is Form.CURRENT
    assert describe(made) == told
    assert isinstance(build({"type": "LeakyRate", "n_in": 1, "n_units": 2, "tau": [50.0, 60.0]}).settings["tau"], list)
    with pytest.raises(
        RecipeError, match=r"build: `_Nested.form` must be a member of Form; got 'updat'. Did you mean 'update'?"
    ):
        build(told | {"form": "updat"})


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({"n_in": 2}, "build: `description` must be a table with a `type`"),
        ({"type": "LeakyRat"}, "No type called 'LeakyRat'. Did you mean 'LeakyRate'?"),
        ({"type": "os.system"}, "No type called 'os.system'."),
        ({"type": "LeakyRate", "taus": 3.0}, "No parameter of LeakyRate called 'taus'. Did you mean 'tau'?"),
        ({"type": "LeakyRate", "n_in": 2}, "LeakyRate needs a parameter 'n_units'."),
        ({"type": "LeakyRate", "n_in": 2, "n_units": 3, "tau": 1.0}, "LeakyRate: `tau` must be at least `dt`"),
        ({"type": "LeakyRate", "n_in": 2, "n_units": 3, "form": "rat"}, "must be a member of Form; got 'rat'"),
        ({"type": "Network", "n_out": 1, "cell": {"type": "GRU", "n_in": 1}}, "GRU needs a parameter 'n_units'"),
    ],
)
def test_a_wrong_description_is_refused(told: dict, says: str):
    with pytest.raises(RecipeError, match=says):
        build(told)


def test_a_function_is_refused_and_outlined_by_name():
    cell = LeakyRate(1, 2, nonlinearity=torch.sin)
    with pytest.raises(RecipeError, match=r"describe: `LeakyRate.nonlinearity` must be plain data .* Name it instead"):
        describe(cell)
    assert outline(cell)["nonlinearity"]["name"] == "sin"


def test_an_unknown_type_is_refused():
    with pytest.raises(RecipeError, match="describe: `thing` must be of a type that recipes know; got '_Nested'"):
        describe(_Nested((0.0, 0.0), (), np.zeros(1)))


def test_a_table_with_a_key_type_is_refused():
    with pytest.raises(
        RecipeError, match=r"describe: `Objective.terms` must be without a key 'type'.* stands for an object"
    ):
        describe(Objective({"type": CrossEntropy()}))
