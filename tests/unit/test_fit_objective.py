"""Every term is the number its equation says, on masks and padding that are not trivial."""

import numpy as np
import pytest
import torch
from hold_pulse import HoldPulse
from tolerances import FLOAT32

from neurornn import Dale, Dense, LeakyRate, Network, Run, Trials, generator
from neurornn.fit import ActivityPenalty, CrossEntropy, Objective, SmoothnessPenalty, SquaredError, WeightPenalty


@pytest.fixture
def network() -> Network:
    return Network(LeakyRate(2, 6, dt=20.0, wiring=Dale(Dense(6))), {"a": 3, "b": 2})


@pytest.fixture
def trials() -> Trials:
    stream = generator(1)
    valid = torch.arange(7) < torch.tensor([7, 4, 5])[:, None]
    targets = torch.cat([torch.rand(3, 7, n, generator=stream).softmax(-1) for n in (3, 2)], dim=-1)
    mask = valid * torch.rand(3, 7, generator=stream)
    return Trials(torch.randn(3, 7, 2, generator=stream), targets, mask, dt=20.0, valid=valid)


@pytest.fixture
def run(network: Network, trials: Trials) -> Run:
    return network(trials.inputs)


def test_squared_error_is_the_weighted_mean_of_numpy(run: Run, trials: Trials, network: Network):
    error = ((run.outputs - trials.targets).detach().numpy() ** 2).mean(-1)
    expected = np.average(error, weights=trials.mask.numpy())
    np.testing.assert_allclose(SquaredError()(run, trials, network).item(), expected, **FLOAT32)


def test_cross_entropy_of_classes_is_torch_s_own(run: Run, trials: Trials, network: Network):
    classes = torch.randint(3, (3, 7), generator=generator(2))
    single = Network(network.cell, 3, seed=4)
    one = single(trials.inputs)
    hot = torch.nn.functional.one_hot(classes, 3).float()
    whole = Trials(trials.inputs, hot, torch.ones(3, 7), dt=20.0)
    expected = torch.nn.functional.cross_entropy(one.outputs.flatten(0, 1), classes.flatten())
    np.testing.assert_allclose(CrossEntropy()(one, whole, single).item(), expected.item(), **FLOAT32)


def test_cross_entropy_adds_up_the_heads_and_is_least_at_the_target(run: Run, trials: Trials, network: Network):
    expected = 0.0
    for head in run.heads.values():
        logits, target = run.outputs[..., head].detach().double(), trials.targets[..., head].double()
        entropy = -(target * (logits.exp() / logits.exp().sum(-1, keepdim=True)).log()).sum(-1)
        expected += float((trials.mask * entropy).sum() / trials.mask.sum())
    value = CrossEntropy()(run, trials, network).item()
    np.testing.assert_allclose(value, expected, **FLOAT32)
    perfect = Run(trials.targets.log(), run.activity, run.state, run.dt, run.heads)
    assert CrossEntropy()(perfect, trials, network).item() < value


@pytest.mark.parametrize("power", [1, 2])
def test_activity_penalty_counts_valid_steps_only(run: Run, trials: Trials, network: Network, power: int):
    rates = run.activity.detach().numpy()[trials.valid.numpy()]
    expected = (np.abs(rates) ** power).mean()
    np.testing.assert_allclose(ActivityPenalty(power)(run, trials, network).item(), expected, **FLOAT32)


def test_weight_penalty_sees_the_weights_as_wired(run: Run, trials: Trials, network: Network):
    expected = network.cell.wiring().square().sum().item()
    np.testing.assert_allclose(WeightPenalty()(run, trials, network).item(), expected, **FLOAT32)


def test_smoothness_penalty_ignores_padding_and_falls_with_dt_squared(run: Run, trials: Trials, network: Network):
    rates = run.activity.detach().numpy()
    steps = [np.diff(r[:n], axis=0) / 20.0 for r, n in zip(rates, (7, 4, 5), strict=True)]
    expected = (np.concatenate(steps) ** 2).mean()
    np.testing.assert_allclose(SmoothnessPenalty()(run, trials, network).item(), expected, rtol=1e-5)


def test_the_loss_is_the_sum_of_its_weighted_terms(run: Run, trials: Trials, network: Network):
    terms = {"error": SquaredError(), "rates": ActivityPenalty(), "weights": WeightPenalty()}
    loss, parts = Objective(terms, {"rates": 0.5, "weights": 0.01})(run, trials, network)
    assert list(parts) == list(terms)
    np.testing.assert_allclose(loss.item(), sum(part.item() for part in parts.values()), **FLOAT32)
    np.testing.assert_allclose(parts["rates"].item(), 0.5 * ActivityPenalty()(run, trials, network).item(), **FLOAT32)


def test_padding_changes_no_term():
    task = HoldPulse(n_steps=10, shortest=10)
    network = Network(LeakyRate(2, 6, dt=20.0), 1)
    trials = task.sample(5, generator=generator(0))
    longer = torch.nn.functional.pad
    padded = Trials(
        longer(trials.inputs, (0, 0, 0, 3)),
        longer(trials.targets, (0, 0, 0, 3)),
        longer(trials.mask, (0, 3)),
        dt=20.0,
        valid=longer(trials.valid, (0, 3)),
    )
    for term in (SquaredError(), ActivityPenalty(), SmoothnessPenalty()):
        short, long = (term(network(t.inputs), t, network).item() for t in (trials, padded))
        np.testing.assert_allclose(short, long, **FLOAT32)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (({},), "Objective: `terms` must be at least one term; got {}"),
        (({"loss": SquaredError()},), "named unlike the columns of a history; got 'loss'"),
        (
            ({"error": SquaredError()}, {"eror": 1.0}),
            "`weights` must be named as the terms are; got 'eror'. Did you mean",
        ),
        (({"error": SquaredError()}, {"error": -1.0}), r"`weights\['error'\]` must be a finite number, 0 or above"),
    ],
)
def test_a_wrong_objective_is_refused(arguments: tuple, says: str):
    with pytest.raises(ValueError, match=says):
        Objective(*arguments)


def test_a_name_is_no_term():
    # What a recipe can pass, and beartype would stop in a test: so past the constructor.
    bare = object.__new__(Objective)
    object.__setattr__(bare, "terms", {"error": "mse"})
    with pytest.raises(ValueError, match=r"Objective: `terms\['error'\]` must be a term; got 'mse'"):
        bare.__post_init__()


def test_a_wrong_power_is_refused():
    with pytest.raises(ValueError, match="ActivityPenalty: `power` must be 1 or 2; got 3"):
        ActivityPenalty(3)


def test_terms_may_be_about_some_heads_only(run: Run, trials: Trials, network: Network):
    a, b = (run.heads[name] for name in "ab")
    parts = {name: SquaredError(heads=(name,))(run, trials, network) for name in "ab"}
    whole = (3 * parts["a"] + 2 * parts["b"]) / 5
    torch.testing.assert_close(whole, SquaredError()(run, trials, network))
    torch.testing.assert_close(SquaredError(heads=("a", "b"))(run, trials, network), whole)
    entropies = [CrossEntropy(heads=(name,))(run, trials, network) for name in "ab"]
    torch.testing.assert_close(sum(entropies), CrossEntropy()(run, trials, network))
    assert a.stop == b.start
    for term in (SquaredError, CrossEntropy):
        with pytest.raises(ValueError, match=f"{term.__name__}: `heads` must be readout heads of the network"):
            term(heads=("c",))(run, trials, network)
