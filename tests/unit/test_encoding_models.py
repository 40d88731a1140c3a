"""Encoding models: shapes and counts of parameters, causality, one step against all at once, gradients."""

import math

import numpy as np
import pytest
import torch

from neurornn import GRU, LSTM, ConvGRU, Evoked, LeakyRate, generator
from neurornn.encoding import (
    GLM,
    AbstractEncodingModel,
    Filters,
    Lateral,
    LinearNonlinear,
    Moments,
    SpatialConv,
    StimulusNetwork,
    TemporalConv,
    bn_cnn,
    early_cnn,
    nips_cnn,
    stacked_bn_cnn,
)
from neurornn.encoding.base import Link
from neurornn.encoding.chunks import batch, chunks, usable
from tests.tolerances import FLOAT32


def size(model: torch.nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def test_the_four_retina_networks_have_the_published_layers() -> None:
    n = 5
    nips = nips_cnn(n)
    assert nips.front.sizes == ((16, 36, 36), (8, 28, 28))
    assert size(nips) == 144_016 + 10_376 + 6_273 * n
    assert size(nips_cnn(n, parametric=True)) == size(nips) + 2 * n
    norm = bn_cnn(n)
    assert norm.front.sizes == ((8, 36, 36), (8, 26, 26))
    first, second = 40 * 15**2 * 8 + 8, 8 * 11**2 * 8 + 8
    assert size(norm) == first + 2 * 8 * 36**2 + second + 2 * 8 * 26**2 + 8 * 26**2 * n + 2 * n
    stacked = stacked_bn_cnn(n)
    chain = (40 * 9 * 8 + 8) + 6 * (8 * 9 * 8 + 8) + 5 * (8 * 9 * 8 + 8)
    assert stacked.front.sizes == norm.front.sizes
    assert size(stacked) == chain + size(norm) - first - second
    early = early_cnn(n)
    assert early.front.n_features == 8 * 19 * 19
    assert size(early) == (40 * 13**2 * 8 + 8) + (2888 * 16 + 16) + (16 * n + n) + 2 * n


def test_the_retina_networks_answer_on_a_small_frame() -> None:
    for make in (nips_cnn, bn_cnn, stacked_bn_cnn):
        model = make(2, shape=(27, 28), lags=4).eval()
        assert model(torch.randn(1, 8, 27, 28, generator=generator(0)), torch.zeros(1, 5, 2)).shape == (1, 5, 2)
    model = early_cnn(2, shape=(15, 15), lags=4)
    assert model(torch.randn(2, 8, 15, 15, generator=generator(0)), torch.zeros(2, 5, 2)).shape == (2, 5, 2)


def test_a_chain_of_small_kernels_is_one_large_linear_kernel() -> None:
    front = SpatialConv((9, 9), lags=2, channels=(1,), kernels=(7,), stacked=True, noise=0.0)
    chain = front.layers[0]
    point = torch.zeros(1, 1, 13, 13)
    point[0, 0, 6, 6] = 1.0
    with torch.no_grad():
        for bias in chain.biases:
            bias.zero_()
        lag = torch.zeros(1, 2, 13, 13)
        lag[:, 1] = point[:, 0]
        whole = chain(lag).flip(2, 3)  # the response to a point is the kernel, mirrored
        x = torch.randn(1, 2, 9, 9, generator=generator(1))
        x[:, 0] = 0
        direct = torch.nn.functional.conv2d(x[:, 1:], whole)
        torch.testing.assert_close(chain(x), direct, **FLOAT32)


def models() -> list[AbstractEncodingModel]:
    conv = SpatialConv((5, 4), lags=3, channels=(2, 3), kernels=(3, 2), maps=(Lateral(2, warm=7), None))
    grown = SpatialConv((5, 4), lags=3, channels=(2,), kernels=(3,), maps=(ConvGRU(2, warm=6),))
    return [
        GLM(2, (3,), lags=4, past=3),
        GLM(2, (3,), lags=4, past=3, coupled=True),
        GLM(2, (5, 4), lags=4, delay=0, link="softplus"),
        LinearNonlinear(2, (3,), lags=4),
        StimulusNetwork(Filters((3,), 5, lags=4), 2, link="exp"),
        StimulusNetwork(TemporalConv(3, channels=(4, 5), kernels=(3, 2)), 2, cell=GRU(7, 6, dt=1.0), past=2, warm=5),
        StimulusNetwork(TemporalConv(3), 2, cell=LSTM(18, 6, dt=1.0), past=1, coupled=True, warm=5),
        StimulusNetwork(TemporalConv(3), 2, cell=LeakyRate(16, 6, tau=50.0, dt=10.0), warm=5),
        StimulusNetwork(conv, 2, hidden=4),
        StimulusNetwork(grown, 2, link="parametric softplus"),
    ]


def recording(model: AbstractEncodingModel, n: int = 90, repeats: int = 1) -> Evoked:
    rng = np.random.default_rng(0)
    shape = (5, 4) if isinstance(getattr(model, "front", None), SpatialConv) else (3,)
    shape = getattr(model, "shape", shape)
    return Evoked(rng.normal(size=(n, *shape)), rng.poisson(0.4, size=(repeats, n, 2)).astype(float), dt=10.0)


def rates(model: AbstractEncodingModel, evoked: Evoked, rows: np.ndarray, length: int) -> np.ndarray:
    moments = Moments.of(evoked, np.arange(evoked.n_bins))
    cut = chunks(evoked, rows, model, length=length)
    found = np.full((evoked.n_bins, 2), np.nan)
    with torch.no_grad():
        for k in range(len(cut.first)):
            each = batch(evoked, cut, np.array([k]), model, moments)
            at = cut.first[k] + np.flatnonzero(cut.counted[k])
            found[at] = model(each.stimulus, each.past).numpy()[0, cut.counted[k]]
    return found


@pytest.mark.parametrize("model", models(), ids=lambda model: type(model).__name__)
def test_step_by_step_is_all_at_once(model: AbstractEncodingModel) -> None:
    model.eval()
    g = generator(3)
    shape = recording(model).shape
    n = 12
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=g))
        features = model.features(torch.randn(2, n + model.lags - 1, *shape, generator=g))
        past = torch.poisson(torch.full((2, n - 1 + model.past, 2), 0.5), generator=g)
        whole = model.respond(features, past)
        state = model.begin(features)
        for t in range(n):
            one, state = model.step(features[:, t], past[:, t : t + model.past], state)
            torch.testing.assert_close(one, whole[:, t], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("model", models(), ids=lambda model: type(model).__name__)
def test_the_future_and_the_current_frame_change_nothing(model: AbstractEncodingModel) -> None:
    model.eval()
    evoked = recording(model)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=generator(5)))
    rows = np.arange(60, 61)
    before = rates(model, evoked, rows, 1)[60]
    last = 60 - model.delay  # the newest frame that bin 60 may see
    for change, moves in ((last + 1, False), (last, True), (last - model.lags + 1, True)):
        frames = evoked.stimulus.copy()
        frames[change if moves else slice(change, None)] += 1.0
        counts = evoked.counts.copy()
        if not moves:
            counts[:, 60:] = 7.0
        moments = Moments(np.zeros(1), np.ones(1))
        after = {}
        for name, one in (("before", evoked), ("after", Evoked(frames, counts, 10.0))):
            cut = chunks(one, rows, model, length=1)
            each = batch(one, cut, np.array([0]), model, moments)
            with torch.no_grad():
                after[name] = model(each.stimulus, each.past).numpy()[0, 0]
        assert np.allclose(after["before"], after["after"], rtol=1e-6) is not moves
    assert np.isfinite(before).all()


@pytest.mark.parametrize("model", models()[:5], ids=lambda model: type(model).__name__)
def test_the_length_of_chunks_changes_nothing(model: AbstractEncodingModel) -> None:
    evoked = recording(model.eval())
    rows = np.arange(evoked.n_bins)
    np.testing.assert_allclose(rates(model, evoked, rows, 7), rates(model, evoked, rows, 50), rtol=1e-4)


def test_a_warm_start_forgets_where_the_chunk_began() -> None:
    cell = LeakyRate(16, 6, tau=20.0, dt=10.0)
    model = StimulusNetwork(TemporalConv(3, kernels=(4,)), 2, cell=cell, warm=120).eval()
    evoked = recording(model, n=200)
    rows = np.arange(150, 200)
    np.testing.assert_allclose(rates(model, evoked, rows, 10)[150:], rates(model, evoked, rows, 50)[150:], rtol=1e-4)


def test_windows_exclude_the_current_frame_as_published() -> None:
    """Sample k holds frames k..k+39, oldest first, and is paired with bin k + 40."""
    model = GLM(1, (1,), lags=40)
    frames = np.arange(100.0)[:, None]
    evoked = Evoked(frames, np.ones((1, 100, 1)), dt=10.0)
    assert np.flatnonzero(usable(evoked, model))[0] == 40
    cut = chunks(evoked, np.array([40]), model, length=1)
    each = batch(evoked, cut, np.array([0]), model, Moments(np.zeros(1), np.ones(1)))
    assert each.stimulus[0, :, 0].tolist() == list(range(40))
    with torch.no_grad():
        model.filters.zero_()
        model.filters[0, 0, 0] = 1.0  # oldest first
        assert model.features(each.stimulus)[0, 0, 0] == 0.0
        model.filters.zero_()
        model.filters[0, -1, 0] = 1.0
        assert model.features(each.stimulus)[0, 0, 0] == 39.0


def test_windows_cross_no_border_and_no_nan_frame() -> None:
    model = GLM(1, (1,), lags=5, past=2)
    block = np.repeat([0, 1], 30)
    frames, counts = np.random.default_rng(0).normal(size=(60, 1)), np.ones((1, 60, 1))
    frames[12], counts[0, 50] = np.nan, np.nan
    good = usable(Evoked(frames, counts, 10.0, block=block), model)
    gone = {*range(5), *range(13, 18), *range(30, 35), 51, 52}
    assert set(np.flatnonzero(~good)) == gone


def test_latent_noise_comes_from_its_generator_alone() -> None:
    model = StimulusNetwork(SpatialConv((6, 6), lags=2, channels=(3,), kernels=(3,), noise=0.5), 1).eval()
    x, past = torch.randn(1, 9, 6, 6, generator=generator(0)), torch.zeros(1, 8, 1)
    with torch.no_grad():
        assert model(x, past).equal(model(x, past))
        one, again = (model(x, past, noise=generator(4)) for _ in range(2))
        assert one.equal(again)
        assert not one.equal(model(x, past))
        assert not one.equal(model(x, past, noise=generator(5)))


def test_lateral_connections_are_the_equation() -> None:
    maps = Lateral(1, dt=10.0, kernel=3, tau=(100.0, 100.0), gain=0.5, warm=0).double()
    with torch.no_grad():
        maps.kernels[0, 0, 0, 1] = 0.25  # hears its neighbour above
    drive = torch.randn(1, 6, 1, 4, 3, generator=generator(2), dtype=torch.float64)
    with torch.no_grad():
        sent = maps(drive, lambda x: x)[0, :, 0].numpy()
    trace = np.zeros((4, 3))
    for t in range(6):
        above = np.vstack([np.zeros((1, 3)), trace[:-1]])
        now = np.maximum(drive[0, t, 0].numpy() - 0.5 * trace - 0.25 * above, 0.0)
        trace = trace + 0.1 * (now - trace)
        np.testing.assert_allclose(sent[t], now, atol=1e-7)  # the time constants are float32


@pytest.mark.parametrize("maps", [Lateral(2, warm=0), Lateral(2, kernel=3, warm=0), ConvGRU(2, warm=0)])
def test_gradients_of_recurrent_maps_are_right(maps: torch.nn.Module) -> None:
    maps = maps.double()
    drive = torch.randn(1, 4, 2, 3, 3, generator=generator(0), dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda d: maps(d, lambda x: x), (drive,))


@pytest.mark.parametrize("kind", Link.kinds)
def test_a_link_and_its_inverse(kind: str) -> None:
    link = Link(kind, 3)
    counts = torch.tensor([0.01, 0.5, 2.0])
    torch.testing.assert_close(link(link.inverse(counts)), counts, rtol=1e-4, atol=1e-6)


def test_a_network_starts_at_the_mean_counts() -> None:
    model = StimulusNetwork(Filters((2,), 3, lags=2), 2)
    with torch.no_grad():
        model.readout.zero_()
        model.start_at(torch.tensor([0.1, 0.4]))
        assert model(torch.zeros(1, 5, 2), torch.zeros(1, 4, 2))[0, 0].tolist() == pytest.approx([0.1, 0.4], rel=1e-4)


def test_the_penalty_is_the_sum_of_squared_weights() -> None:
    model = StimulusNetwork(Filters((2,), 3, lags=2), 2, l2=0.5)
    heavy = [p for p in model.parameters() if p.ndim > 1]
    assert model.penalty().item() == pytest.approx(0.5 * sum(float(p.detach().square().sum()) for p in heavy))
    assert math.isclose(StimulusNetwork(Filters((2,), 3, lags=2), 2).penalty().item(), 0.0)


def test_a_separable_layer_is_the_product_of_a_time_course_and_an_image() -> None:
    front = SpatialConv((7, 6), lags=4, channels=(3,), kernels=(3,), separable=True, noise=0.0, seed=2)
    layer = front.layers[0]
    stimulus = torch.randn(2, 11, 7, 6, generator=generator(0))
    kernels = layer.course[:, None, :, None, None] * layer.image[:, :, None]
    whole = torch.nn.functional.conv3d(stimulus[:, None], kernels, layer.bias)  # (sample, channel, bin, 5, 4)
    expected = torch.relu(whole.transpose(1, 2)).reshape(2, 8, -1)
    torch.testing.assert_close(front(stimulus), expected)
    assert sum(p.numel() for p in front.parameters()) == 3 * (4 + 9 + 1)
    with pytest.raises(ValueError, match="SpatialConv: `separable` must be False where kernels are stacked; got True"):
        SpatialConv((7, 6), lags=4, channels=(3,), kernels=(3,), separable=True, stacked=True)
