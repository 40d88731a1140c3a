"""Every shipped recipe: it is strict TOML, names what exists, and its task and network run two steps."""

import inspect
from pathlib import Path

import pytest

from neurornn import generator, load_task
from neurornn.claim.run import network_of, training_of
from neurornn.fit import build, train
from neurornn.library import find, library, names, read
from neurornn.recipe import FitRecipe, load_fit_recipe, parse
from neurornn.source import load_data_recipe
from neurornn.study import STUDIES, AbstractStudy

FITS, TASKS, DATA = names("fits"), names("tasks"), names("data")


@pytest.mark.parametrize("name", TASKS)
def test_every_task_draws_and_scores(name: str) -> None:
    task = load_task(name)
    trials = task.sample(2, generator=generator(0))
    assert trials.inputs.shape[2] == task.n_in
    assert task.score(trials, trials.targets).shape == (2,)


@pytest.mark.parametrize("name", DATA)
def test_every_recording_says_where_it_comes_from(name: str) -> None:
    recipe = load_data_recipe(name)
    assert recipe.name == name
    assert recipe.licence and recipe.citation and recipe.origin
    assert {file.path for file in recipe.file} == {Path(file.url).name for file in recipe.file} or not recipe.file


@pytest.mark.parametrize("name", FITS)
@pytest.mark.parametrize("size", ["small", "full"])
def test_every_claim_is_whole(name: str, size: str) -> None:
    recipe = load_fit_recipe(name).sized(size)
    assert isinstance(build(recipe.study, also=STUDIES), AbstractStudy)
    assert recipe.gate, "a claim without gates claims nothing"
    assert all(gate.because for gate in recipe.gate)
    assert set(training_of(recipe.train)) <= set(inspect.signature(train).parameters)
    if recipe.recording is not None:
        assert find("data", recipe.recording.name).is_file()


@pytest.mark.parametrize("name", FITS)
def test_every_claim_trains_two_steps(name: str) -> None:
    recipe = load_fit_recipe(name).sized("small")
    if not recipe.network:
        pytest.skip("this claim trains no network of a recipe's own")
    task = build(recipe.task)
    network = network_of(recipe.network, task, 0)
    if len(network.heads) > 1:
        pytest.skip("a network of many heads is trained by its curriculum, which tests of its own cover")
    settings = {k: v for k, v in training_of(recipe.train).items() if k in ("learning_rate", "clip", "optimiser")}
    fit = train(network, task, steps=2, batch=2, progress=False, **settings)
    assert len(fit.history) == 2


def test_recipes_lie_where_the_package_finds_them() -> None:
    assert {"tasks", "data", "fits"} == {library(kind).name for kind in ("tasks", "data", "fits")}  # type: ignore[arg-type]
    assert "rat_linear_track" in FITS
    assert "rat_linear_track" in DATA
    assert TASKS


def test_a_full_size_differs_from_a_small_one() -> None:
    recipe = parse(read(find("fits", "rat_linear_track")), FitRecipe, "rat_linear_track")
    assert recipe.sized("small").digest() != recipe.sized("full").digest()
