import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neurornn.cell import LeakyRate
from neurornn.network import Network
from neurornn.perturb import Always, During, Epoch, InTrials, Silence, Stack
from neurornn.trials import Trials


def trials() -> Trials:
    epochs = {"delay": torch.tensor([[2, 5], [4, 6]])}
    return Trials(torch.ones(2, 8, 1), torch.zeros(2, 8, 1), torch.ones(2, 8), dt=10.0, epochs=epochs)


@settings(max_examples=25, deadline=None)
@given(
    first=st.integers(0, 20),
    length=st.integers(1, 20),
    dt=st.sampled_from([0.1, 0.2, 0.3, 1.0, 2.5, 10.0, 16.7]),
)
def test_window_on_the_grid_holds_in_exactly_its_steps(first: int, length: int, dt: float) -> None:
    held = During(first * dt, (first + length) * dt).strength(1, 50, dt)[0].numpy()
    assert np.flatnonzero(held).tolist() == list(range(first, min(first + length, 50)))
    assert set(held.tolist()) <= {0.0, 1.0}


def test_ramp_rises_and_falls_within_the_window() -> None:
    held = During(100.0, 300.0, ramp=50.0).strength(1, 40, 10.0)[0]
    assert bool((held[:10] == 0).all() and (held[30:] == 0).all() and (held[15:25] == 1).all())
    torch.testing.assert_close(held[10:15], torch.tensor([0.1, 0.3, 0.5, 0.7, 0.9]))
    torch.testing.assert_close(held[10:30], held[10:30].flip(0))


def test_ramp_scales_what_is_left_of_the_unit() -> None:
    network = Network(LeakyRate(1, 3, tau=10.0, dt=10.0, nonlinearity="sigmoid"), 1)
    with torch.no_grad():
        network.cell.get_parameter("wiring.weight").zero_()
    inputs = torch.ones(1, 40, 1)
    when = During(100.0, 300.0, ramp=50.0)
    intact = network(inputs).activity[0, :, 1]
    hurt = network(inputs, perturb=[Silence([1], when)]).activity[0, :, 1]
    torch.testing.assert_close(hurt, intact * (1 - when.strength(1, 40, 10.0)[0]))


def test_only_always_holds_before_the_first_step() -> None:
    assert Always().resting(2).tolist() == [1.0]
    assert During(0.0, 10.0).resting(2).tolist() == [0.0]
    assert Epoch("delay").resting(2).tolist() == [0.0]
    chosen = InTrials(0.5, seed=3)
    assert chosen.resting(50).tolist() == chosen.chosen(50).float().tolist()
    assert not InTrials(0.5, seed=3, when=During(0.0, 10.0)).resting(50).any()


def test_epoch_holds_where_it_lies_in_each_trial() -> None:
    network = Network(LeakyRate(1, 3, nonlinearity="softplus", dt=10.0), 1)
    silence = Silence([1], Epoch("delay")).during(trials())
    hurt = network(trials().inputs, perturb=[silence]).activity[..., 1] == 0
    assert torch.equal(hurt, trials().epoch("delay"))
    stacked = Stack([(), Silence([1], Epoch("delay")), (Silence([1], Epoch("delay")),)]).during(trials())
    hurt = network(trials().inputs, perturb=[stacked]).activity[..., 1] == 0
    assert not hurt[0].any() and torch.equal(hurt[1], trials().epoch("delay")) and torch.equal(hurt[2], hurt[1])
    within = Silence([1], InTrials(1.0, when=Epoch("delay"))).during(trials())
    hurt = network(trials().inputs, perturb=[within]).activity[..., 1] == 0
    assert torch.equal(hurt, trials().epoch("delay"))


def test_epochs_that_cannot_be_found() -> None:
    network = Network(LeakyRate(1, 3, dt=10.0), 1)
    with pytest.raises(ValueError, match=r"Epoch: `trials` must be given before the run; got None\. Call `pert"):
        network(torch.ones(2, 8, 1), perturb=[Silence([1], Epoch("delay"))])
    with pytest.raises(ValueError, match=r"`name` must be an epoch of this task; got 'dellay'\. Did you mean 'delay'"):
        Silence([1], Epoch("dellay")).during(trials())
    with pytest.raises(ValueError, match=r"`trials` must be the 2 trials of 9 steps of the run"):
        network(torch.ones(2, 9, 1), perturb=[Silence([1], Epoch("delay")).during(trials())])


def test_share_of_trials_is_the_probability() -> None:
    n = 4000
    share = float(InTrials(0.3, seed=1).chosen(n).float().mean())
    assert abs(share - 0.3) < 3 * (0.3 * 0.7 / n) ** 0.5
    assert torch.equal(InTrials(0.3, seed=1).chosen(n), InTrials(0.3, seed=1).chosen(n))
    assert not torch.equal(InTrials(0.3, seed=1).chosen(n), InTrials(0.3, seed=2).chosen(n))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: During(-1.0, 5.0), r"During: `start` must be a finite number, 0 or above; got -1.0"),
        (lambda: During(1.0, float("inf")), r"During: `stop` must be a finite number above 0; got inf"),
        (lambda: During(9.0, 5.0), r"During: `stop` must be at or after `start`, 9 ms; got 5.0"),
        (lambda: During(0.0, 5.0, ramp=-1.0), r"During: `ramp` must be a finite number, 0 or above"),
        (lambda: During(0.0, 5.0, ramp=3.0), r"During: `ramp` must be at most half of the window, 2.5 ms; got 3.0"),
        (lambda: InTrials(1.5), r"InTrials: `probability` must be a number in \[0, 1\]; got 1.5"),
    ],
)
def test_schedules_that_cannot_be(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()  # type: ignore[operator]
