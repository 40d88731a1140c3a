"""The study of pruned networks at a tiny size, and what its table says of pairs."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import neurornn as nr
from neurornn.claim.run import task_of
from neurornn.errors import RecipeError
from neurornn.fit import Objective, SquaredError
from neurornn.recipe import load_fit_recipe
from neurornn.study import Findings, Plan, PruningStudy, PruningTable
from neurornn.study.pruning_table import JUDGED, MEASURES
from neurornn.task import AbstractTask, ImageRows, Images, Lorenz63

N = 24
SEEN: list[dict[str, Any]] = []


def network(task: AbstractTask, seed: int, *, law: bool = True) -> nr.Network:
    tau = nr.Gamma(20.0, 0.5, least=2.0) if law else 20.0
    bias = nr.Uniform(0.0, 150.0)
    cell = nr.LIF(task.n_in, N, tau=tau, tau_syn=10.0, bias=bias, dt=task.dt, seed=seed)
    return nr.Network(cell, task.n_out, readout=nr.LeakyIntegrator(20.0), seed=seed)


def planned(task: AbstractTask, **more: Any) -> Plan:
    told = {"steps": 3, "batch": 4, "learning_rate": 5e-3, "objective": Objective({"error": SquaredError()})}
    return Plan(**{"network": network, "task": lambda **_: task, "train": told, "seed": 1, "name": "tiny", **more})


def forecast() -> nr.Forecasting:
    return nr.Forecasting(Lorenz63(duration=20.0), horizon=5, duration=120.0, warm_up=40.0)


@pytest.fixture(scope="module")
def found() -> Findings:
    methods = {"random": nr.RandomPruning(), "magnitude": nr.MagnitudePruning()}
    told = {"density": 0.25, "trials": 8, "shown": 4, "spectrum_steps": 30, "equal": ("random",)}
    study = PruningStudy(methods, chosen="random", against=("activity", "ticket"), **told)
    return study.run(planned(forecast()))


def table(found: Findings) -> pd.DataFrame:
    return found.parts["pruning"].frame().set_index("network")


def test_every_network_is_measured_by_everything(found: Findings) -> None:
    rows = table(found)
    trained = ["dense", "random", "magnitude", "activity", "activity_within", "magnitude_trained", "gradual", "ticket"]
    assert list(rows.index) == [*trained, "untrained", "dense_homogeneous", "random_homogeneous"]
    measured = rows.drop(index="untrained")[list(MEASURES)]
    assert np.isfinite(measured.to_numpy(float)).all()
    assert set(found.frame()["quantity"]) == set(found.quantities)


def test_all_have_the_density_and_the_dense_one_is_not_off_itself(found: Findings) -> None:
    rows = table(found)
    sparse = rows.drop(index=["dense", "untrained", "dense_homogeneous", "activity", "activity_within"])
    assert set(sparse["synapses"]) == {round(0.25 * N * (N - 1))} and (sparse["units"] == N).all()
    assert rows.loc["activity", "units"] < N and rows.loc["activity", "density"] <= 0.25
    for name in ("dense", "dense_homogeneous"):
        assert rows.loc[name, "density"] == rows.loc[name, "whole_density"] == 1.0
        assert (rows.loc[name, ["off", "distance", "early_off", "early_distance"]] == 0).all()
    whole = (N * 3 * 2 + N + round(0.25 * N * (N - 1))) / (N * 3 * 2 + N**2)  # inputs, readout, autapses
    assert rows.loc["random", "whole_density"] == pytest.approx(whole)


def test_what_is_thinned_while_it_learns_starts_as_the_dense_one_does(found: Findings) -> None:
    rows = table(found)
    early = ["early_exponent", "early_off", "early_distance"]
    assert (rows.loc["gradual", early] == rows.loc["dense", early]).all()
    assert rows.loc["ticket", "early_exponent"] != rows.loc["magnitude", "early_exponent"]


def test_what_was_measured_is_not_measured_twice(found: Findings, tmp_path: Path, monkeypatch: Any) -> None:
    told = {"trained": (), "against": (), "chosen": "random", "density": 0.25, "trials": 4, "spectrum_steps": 20}
    study = PruningStudy({"random": nr.RandomPruning()}, folder=str(tmp_path), **told)
    first = study.run(planned(forecast())).quantities
    monkeypatch.setattr("neurornn.study.pruning_measures.spectrum", lambda *_, **__: pytest.fail("measured again"))
    again = study.run(planned(forecast())).quantities
    pd.testing.assert_series_equal(pd.Series(again), pd.Series(first), check_exact=True)
    with pytest.raises(pytest.fail.Exception, match="measured again"):  # another exam
        replace(study, trials=5).run(planned(forecast()))


def test_ratios_are_those_of_the_table(found: Findings) -> None:
    rows = table(found)
    q = found.quantities
    assert q["ratio_error_activity"] == pytest.approx(rows.loc["random", "error"] / rows.loc["activity", "error"])
    assert q["gain_valid_ticket"] == pytest.approx(rows.loc["random", "valid"] - rows.loc["ticket", "valid"])
    assert q["over_persistence"] == pytest.approx(rows.loc["dense", "error"] / q["persistence"])
    assert "ratio_off_dense" not in q


def test_a_table_comes_back_from_the_card_of_its_seeds(found: Findings, tmp_path: Path) -> None:
    numbers = {name: value if np.isfinite(value) else str(value) for name, value in found.quantities.items()}
    path = tmp_path / "card.json"
    path.write_text(json.dumps({"claim": "tiny", "seeds": [1, 2], "quantities": [numbers, numbers]}))
    again = PruningTable.from_card(path, chosen="random")
    assert again.against == ("magnitude", "activity", "activity_within", "magnitude_trained", "gradual", "ticket")
    assert again.density == 0.25
    pd.testing.assert_frame_equal(
        again.table[again.table["seed"] == 1].reset_index(drop=True), found.parts["pruning"].frame(), check_dtype=False
    )
    assert len(nr.figures(again)) == 2 and len(nr.figures(found.parts["pruning"])) == 1
    path.write_text(json.dumps({"claim": "other", "seeds": [0], "quantities": [{"rate": 3.0}]}))
    with pytest.raises(RecipeError, match=r"PruningTable.from_card: `path` must be that of a claim about pruning"):
        PruningTable.from_card(path)


def rows_of(network: str, **columns: np.ndarray) -> pd.DataFrame:
    n = len(next(iter(columns.values())))
    return pd.DataFrame({"seed": range(n), "network": network, **{m: np.full(n, np.nan) for m in MEASURES}, **columns})


def test_intervals_are_over_seeds_and_paired() -> None:
    draw = np.random.default_rng(0)
    seeds = draw.lognormal(0.0, 1.0, 5)  # what a seed does to both
    factors = np.array([0.8, 0.85, 0.9, 0.95, 0.7])
    mine = rows_of("mine", error=seeds * factors, valid=np.arange(5.0) + 0.5)
    other = rows_of("other", error=seeds, valid=np.arange(5.0))
    both = PruningTable(pd.concat([mine, other]), "mine", ("other",), "error", 0.1)
    told = both.paired("other", "error")
    interval = stats.ttest_rel(np.log(mine["error"]), np.log(other["error"])).confidence_interval(0.95)
    assert told["value"] == pytest.approx(np.exp(np.log(factors).mean()))
    assert (told["low"], told["high"]) == pytest.approx((np.exp(interval.low), np.exp(interval.high)))
    assert (told["better"], told["seeds"]) == (5, 5) and told["high"] < 1
    assert both.paired("other", "valid")["value"] == pytest.approx(0.5)
    claims = both.claims()
    assert claims["measure"].tolist() == ["error", "valid"] and set(claims["measure"]) <= set(JUDGED)
    one = PruningTable(both.table[both.table["seed"] == 0], "mine", ("other",), "error", 0.1)
    assert np.isnan(one.paired("other", "error")["low"])


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no such control": (
        {"trained": ("lottery",)},
        "PruningStudy: `trained` must be controls of this study; got",
    ),
    "a chosen one that is not there": (
        {"chosen": "lyapunov"},
        "PruningStudy: `chosen` must be among the methods; got",
    ),
    "against nothing": (
        {"against": ("radom",)},
        "PruningStudy: `against` must be among the methods; got 'radom'. Did you mean 'rando",
    ),
    "steps back": ({"spectrum_steps": -1}, "PruningStudy: `spectrum_steps` must be a whole number, 0 or above"),
    "no trials": ({"trials": 0}, "PruningStudy: `trials` must be a whole number, 1 or above; got 0"),
    "a density": ({"density": 1.5}, r"PruningStudy: `density` must be a number in \[0, 1\]"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_compared_is_refused(case: str) -> None:
    told, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        PruningStudy(**{"methods": {"random": nr.RandomPruning()}, "chosen": "random", "against": (), **told})


def test_equal_time_constants_ask_for_unequal_ones() -> None:
    study = PruningStudy({"random": nr.RandomPruning()}, chosen="random", against=(), equal=("random",))
    plan = planned(forecast(), network=lambda task, seed: network(task, seed, law=False))
    with pytest.raises(RecipeError, match=r"PruningStudy: `network.cell.tau` must be unequal, with `equal`; got"):
        study.run(plan)


def test_cifar_is_read_by_rows_through_its_data_recipe() -> None:
    recipe = load_fit_recipe("pruning_digits").sized("cifar10")
    assert recipe.study["images"] == "cifar10"
    part = (np.zeros((10, 3 * 1024), dtype=np.uint8), np.arange(10))
    task = task_of(recipe.task, {"images": Images(part, part)})
    assert isinstance(task, ImageRows) and (task.n_in, task.side, task.n_out) == (96, 32, 10)


def test_images_and_recordings_come_by_the_name_of_their_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}

    def remember(**known: Any) -> AbstractTask:
        given.update(known)
        return forecast()

    plan = replace(planned(forecast()), task=remember)
    PruningStudy(chosen="dense", against=(), recording="resting_bold")._task(plan)
    assert given["series"].n_channels == 28
    monkeypatch.setattr("neurornn.study.pruning.load_images", lambda name: f"images of {name}")
    PruningStudy(chosen="dense", against=(), images="cifar10")._task(plan)
    assert given["images"] == "images of cifar10"
