"""Score tables of single units, whoever was compared with whom: every score beside its nulls, and who was kept."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neurornn import Recording, Signal, save_scores
from neurornn.comparison import Nulls, PoissonPredictivity, compare
from neurornn.comparison.result import TO_BRAIN


def session(n_laps: int = 20, n_units: int = 6, seed: int = 0) -> Recording:
    """Laps of a track; every unit has a field on it, the last one is nearly silent."""
    rng = np.random.default_rng(seed)
    starts = np.arange(n_laps) * 6000.0
    times = np.arange(0.0, n_laps * 6000.0, 50.0)
    lap, within = np.divmod(times, 6000.0)
    forth = rng.random(n_laps)[lap.astype(int)] < 0.5  # a track that went to and fro in turn would be its own shift
    place = 100 * np.where(forth, within, 6000.0 - within) / 6000.0
    rate = 0.5 + 15 * np.exp(-0.5 * ((place[:, None] - np.linspace(5, 95, n_units)) / 12) ** 2)
    rate[:, -1] = 0.02
    spikes = [np.sort(np.repeat(times, n) + rng.uniform(0, 50, n.sum())) for n in rng.poisson(rate * 0.05).T]
    trials = pd.DataFrame({"start": starts, "stop": starts + 6000.0})
    walk = Signal(times, place[:, None], "cm")
    return Recording(0.0, n_laps * 6000.0, spikes=spikes, trials=trials, behaviour={"linear": walk})


def test_a_network_beside_a_recording_unit_by_unit(tmp_path: Path) -> None:
    """A readout of one population onto another, learnt in some laps and scored in others, as a table a unit."""
    brain = session()
    place = brain.behaviour["linear"].values
    activity = np.exp(-0.5 * ((place - np.linspace(0, 100, 8)) / 15) ** 2)
    model = replace(brain, spikes=None, activity=activity, dt=50.0, units=pd.DataFrame())
    found = compare(
        model, brain, PoissonPredictivity(n_components=6, penalties=(1e-2,), n_inner=2), dt=500.0, n_folds=2,
        nulls=Nulls(n_shifts=100, least_shift=10_000.0),
    )  # fmt: skip
    table = found.unit_table()
    assert table["kept"].tolist() == [True] * 5 + [False]
    assert (table.loc[table["kept"], "model bits_per_spike"] > 0.5).all()
    assert np.isnan(table["model bits_per_spike"].iloc[-1])
    for source in ("behaviour", "shifted"):
        kept = table.loc[table["kept"], f"{source} bits_per_spike"]
        expected = found.of(source, "bits_per_spike", direction=TO_BRAIN)
        np.testing.assert_array_equal(kept, expected.reindex(kept.index))
    assert table["shifted bits_per_spike"].median() < 0.5 * table["model bits_per_spike"].median()
    written = found.write_tables(tmp_path, "compare")
    assert (tmp_path / "compare.csv").is_file()
    told = json.loads(written[1].read_text())
    assert (written[1].name, told["kept"], told["total"]) == ("compare_units.json", 5, 6)
    assert "training mean of each unit" in told["methods"]  # the null of every bits/spike is stated
    assert told["medians"]["model bits_per_spike"] == pytest.approx(float(found.of("model", "bits_per_spike").median()))
    assert told["units"][-1]["model bits_per_spike"] is None


def test_a_table_without_a_filter_keeps_all(tmp_path: Path) -> None:
    table = pd.DataFrame({"pvar": [0.5, np.nan, 0.25], "name": ["a", "b", "c"]})
    told = json.loads(save_scores(table, tmp_path, "plain")[1].read_text())
    assert (told["kept"], told["total"], told["medians"]) == (3, 3, {"pvar": 0.375})
    assert told["units"][1] == {"index": 1, "pvar": None, "name": "b"}
