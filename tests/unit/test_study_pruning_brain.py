"""Pruned networks beside a simulated animal at toy size: what is compared with what, what is drawn, what is refused."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import neurornn as nr
from neurornn.claim.run import network_of, task_of
from neurornn.errors import RecipeError, RecordingError
from neurornn.recipe import load_fit_recipe
from neurornn.study import BrainPruningStudy, Findings, Plan, PrunedBeside

METHODS: dict[str, nr.AbstractPruning] = {
    "random": nr.RandomPruning(rescale="radius"),
    "magnitude": nr.MagnitudePruning(rescale="radius"),
    "lyapunov": nr.LyapunovNoisePruning(retime=False, rescale="radius"),
}
FITTED = {"force": nr.FORCE(passes=1), "descent": nr.Descent(steps=4, length=20)}
SMALL = BrainPruningStudy(METHODS, (0.3,), draws=2, retrain=2, constraints=FITTED, untrained=1, shown=4)


def planned(session: nr.Recording | None) -> Plan:
    recipe = load_fit_recipe("pruning_brain")
    network = {**recipe.network, "cell": {**recipe.network["cell"], "n_units": 24}}
    return Plan(
        network=lambda task, seed: network_of(network, task, seed),
        task=lambda **known: task_of({**recipe.task, "duration": 3000.0}, known),
        train={"steps": 40, "batch": 8, "learning_rate": 5e-3},
        recording=session,
    )


@pytest.fixture(scope="module")
def found() -> Findings:
    return SMALL.run(planned(nr.simulated_track(0, run=300_000.0, rest=90_000.0)))


def test_every_network_is_measured_as_cut_and_as_retrained(found: Findings) -> None:
    table = found.parts["pruned"].frame()
    counted = table.groupby(["kind", "stage", "method"]).size()
    for kind in ("track", "neurons"):
        for stage in ("cut", "retrained"):
            assert counted[kind, stage].to_dict() == {
                "dense": 1, "random": 2, "magnitude": 1, "lyapunov": 2, "activity": 1
            }  # fmt: skip
    track = table[table["kind"] == "track"]
    assert np.isfinite(track[["score", "tracking", "ceiling"]].to_numpy(float)).all()
    assert np.isfinite(table["score"].to_numpy(float)).all()
    assert found.quantities["complete"] == 1 and found.parts["compare"].complete


def test_the_dense_network_is_the_one_that_was_compared_with_all_nulls(found: Findings) -> None:
    pruned, whole = found.parts["pruned"], found.parts["compare"]
    dense = float(pruned.of("track", "cut", "dense", 1.0)[0])
    assert dense == pytest.approx(whole.of("model", "r").median(), abs=1e-12)
    assert found.quantities["dense_over_untrained"] == pytest.approx(dense - whole.of("untrained", "r").median())
    assert set(pruned.nulls["track"]) == {"untrained", "behaviour", "time", "shifted"}
    assert set(pruned.nulls["neurons"]) >= {"inputs alone", "untrained", "other trial"}
    assert {"nulls", "matched"} == set(pruned.checklist)


def test_a_network_that_blows_up_has_no_score_and_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Survivors divided by small probabilities can run away: that way of pruning then has no number."""
    blown = nr.MagnitudePruning()
    prune = nr.prune

    def pruned(network: nr.Network, method: nr.AbstractPruning, **told: object) -> nr.pruning.Pruned:
        made = prune(network, method, **told)  # type: ignore[arg-type]
        if method is blown:
            with torch.no_grad():
                made.network.cell.wiring.inner.weight.mul_(1e4)  # type: ignore[union-attr]
        return made

    monkeypatch.setattr("neurornn.study.pruning_brain.prune", pruned)
    study = replace(SMALL, methods={"random": nr.RandomPruning(rescale="radius"), "blown": blown}, draws=1)
    quantities = study.run(planned(nr.simulated_track(0, run=300_000.0, rest=90_000.0))).quantities
    assert np.isfinite(quantities["score_track_cut_random_30"])
    assert "score_track_cut_blown_30" not in quantities and quantities["diverged"] >= 2
    assert np.isnan(quantities["track_cut_blown_30_over_random"])


def test_differences_are_those_of_the_table(found: Findings) -> None:
    q = found.quantities
    for stage in ("cut", "retrained"):
        mine, random = (q[f"score_track_{stage}_{name}_30"] for name in ("magnitude", "random"))
        assert q[f"track_{stage}_magnitude_30_over_random"] == pytest.approx(mine - random)
        dense = q[f"score_neurons_{stage}_dense_100"]
        assert q[f"neurons_{stage}_random_30_over_dense"] == pytest.approx(
            q[f"score_neurons_{stage}_random_30"] - dense
        )
    # The same network, trained no further, differs from what training made of it.
    assert q["score_track_cut_dense_100"] != q["score_track_retrained_dense_100"]


def test_a_table_comes_back_from_its_card_with_intervals(found: Findings, tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    other = {name: value + 0.1 * ("lyapunov" in name) for name, value in found.quantities.items()}
    path.write_text(json.dumps({"claim": "tiny", "seeds": [0, 1], "quantities": [dict(found.quantities), other]}))
    again = PrunedBeside.from_card(path)
    assert again.densities == (0.3,) and set(again.pruned) == {*METHODS, "activity"}
    apart = again.against("random").set_index(["kind", "stage", "method"])
    first = found.quantities["track_cut_lyapunov_30_over_random"]
    assert apart.loc[("track", "cut", "lyapunov"), "value"] == pytest.approx(first + 0.05)
    assert np.isfinite(apart["low"].to_numpy(float)).all()
    assert again.nulls["neurons"]["inputs alone"] == pytest.approx(
        found.parts["pruned"].nulls["neurons"]["inputs alone"]
    )
    lost = {name: value for name, value in other.items() if name != "score_track_cut_lyapunov_30"}
    path.write_text(json.dumps({"claim": "tiny", "seeds": [0, 1], "quantities": [dict(found.quantities), lost]}))
    assert np.isnan(PrunedBeside.from_card(path).of("track", "cut", "lyapunov", 0.3)).tolist() == [False, True]
    for one in (again, found.parts["pruned"]):
        (figure,) = nr.figures(one)
        assert figure.svg and "random" in figure.alt
    path.write_text(json.dumps({"claim": "other", "seeds": [0], "quantities": [{"rate": 3.0}]}))
    with pytest.raises(
        RecipeError, match=r"PrunedBeside.from_card: `path` must be that of a claim about pruned networks"
    ):
        PrunedBeside.from_card(path)


@pytest.mark.usefixtures("as_users_run")
@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"methods": {}}, "BrainPruningStudy: `methods` must be ways of pruning with a random one"),
        (
            {"methods": {**METHODS, "activity": nr.RandomPruning()}},
            "BrainPruningStudy: `methods` must be none called activity or dense",
        ),
        ({"densities": ()}, "BrainPruningStudy: `densities` must be one or more"),
        ({"densities": (0.3, 1.2)}, "BrainPruningStudy: `densities` must be"),
        ({"densities": (0.3, 0.301)}, "BrainPruningStudy: `densities` must be whole per cents, each once"),
        (
            {"constraints": {"force": nr.FORCE()}},
            "BrainPruningStudy: `constraints` must be methods of which the last is a Descent",
        ),
        ({"draws": 0}, "BrainPruningStudy: `draws` must be a whole number, 1 or above"),
        ({"retrain": 0}, "BrainPruningStudy: `retrain` must be a whole number, 1 or above"),
    ],
)
def test_what_cannot_be_asked_is_refused(more: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(SMALL, **more)


@pytest.mark.usefixtures("as_users_run")
def test_a_recording_that_cannot_serve_is_refused_before_any_training() -> None:
    def never(task: object, seed: int) -> nr.Network:
        raise AssertionError("trained")

    short = nr.simulated_track(0, run=60_000.0, rest=30_000.0)
    with pytest.raises(RecordingError, match=r"TrackStudy: `recording` must be of 18 runs or more"):
        SMALL.run(replace(planned(short), network=never))
    with pytest.raises(ValueError, match="BrainPruningStudy: `recording` must be named in the recipe"):
        SMALL.run(planned(None))


def test_what_was_not_run_is_named_with_its_nearest() -> None:
    rows = [
        {"seed": 0, "kind": "track", "stage": "cut", "method": name, "asked": 0.3, "draw": 0, "score": 0.2}
        for name in ("random", "magnitude")
    ]
    table = PrunedBeside(pd.DataFrame(rows))
    with pytest.raises(
        ValueError, match=r"PrunedBeside.of: `method` must be one that was run; got .*Did you mean 'magnitude'\?"
    ):
        table.of("track", "cut", "magnitud", 0.3)
