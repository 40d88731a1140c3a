"""The study of data-constrained networks, small: what it reports, that pages can show it, and what it refuses."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from neurornn import FORCE, Descent, Recording, report
from neurornn.bridge import simulated_track
from neurornn.errors import RecordingError
from neurornn.study import ConstrainedStudy, Plan


def planned(recording: Recording) -> Plan:
    unused: Callable[..., Any] = lambda *_: pytest.fail("this study trains no network of the recipe's own")  # noqa: E731
    return Plan(unused, unused, {}, recording, seed=0)


def test_neurons_of_laps_that_were_not_seen() -> None:
    session = simulated_track(0, run=120_000.0, rest=10_000.0)
    study = ConstrainedStudy(constraints={"force": FORCE(passes=2), "descent": Descent(steps=10, every=5)}, bumps=6)
    findings = study.run(planned(session))
    found, result = findings.quantities, findings.parts["constrained"]
    assert found["force_pvar"] > 0.3
    assert found["other_trial_pvar"] < 0.1
    assert found["over_inputs"] == pytest.approx(found["descent_pvar"] - found["inputs_alone_pvar"])
    assert list(result.frame().columns[:3]) == ["force", "descent", "inputs alone"]
    assert len(result.frame()) == found["n_units"] > 5
    page = report(findings.fit, **findings.parts).html
    assert "Held-out laps, the network running by itself" in page
    assert "Data-constrained network of" in page
    # Place inputs stand where the animal is, on the side of its direction.
    trials = study.trials(session)
    assert trials.n_inputs == 12
    inside = np.isfinite(trials.rates).all(axis=2)
    one_way = np.any(trials.inputs[..., :6] > 0, axis=2), np.any(trials.inputs[..., 6:] > 0, axis=2)
    assert not np.any(one_way[0] & one_way[1])
    assert np.all((one_way[0] | one_way[1])[inside])


def test_it_refuses_what_has_no_laps() -> None:
    session = simulated_track(0, run=60_000.0, rest=5_000.0)
    with pytest.raises(RecordingError, match="ConstrainedStudy: `epoch` must be one of the recording's; got 'sleep'"):
        ConstrainedStudy(epoch="sleep").run(planned(session))
    with pytest.raises(RecordingError, match="ConstrainedStudy: `recording` must be with five laps or more"):
        ConstrainedStudy(longest=10.0).run(planned(session))
    still = Recording(0.0, 10.0, activity=np.zeros((10, 1)), dt=1.0)
    with pytest.raises(RecordingError, match="ConstrainedStudy: `recording` must be of spikes"):
        ConstrainedStudy().run(planned(still))
    with pytest.raises(ValueError, match="ConstrainedStudy: `constraints` must be at least one method"):
        ConstrainedStudy(constraints={})
    with pytest.raises(ValueError, match="ConstrainedStudy: `bumps` must be a whole number, 2 or above"):
        ConstrainedStudy(bumps=1)
