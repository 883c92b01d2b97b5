"""The local score machine against its definition in float64, one pixel at a time, and against the exact denoiser."""

import numpy as np
import pytest
import torch

from lab.engine.lanes import drive
from lab.models.exact import ExactData, ExactDenoiser
from lab.models.loaders import load
from lab.models.local import AllPlaces, LocalDenoiser, OwnPlace, distinct_patches
from lab.operations.lanes import Halves, make_lane
from lab.requests.fields import Condition, Forward
from lab.requests.invention import FORWARD, MOST_PATCH
from lab.requests.sampling import LaneSettings, SamplingRequest
from lab.settings import Settings

ALPHAS_CUMPROD = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 0)
SHAPE = (3, 5, 6)
SIDES = (1, 3, 5, 7, 9, 11)  # 11 holds all of a picture, wherever its middle is


def patches_of(pictures, side):
    """(n, rows, columns, channels, side, side): around each pixel of pictures (n, channels, rows, columns), zero beyond."""
    margin = side // 2
    padded = np.pad(pictures, ((0, 0), (0, 0), (margin, margin), (margin, margin)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side), (2, 3))
    return windows.transpose(0, 2, 3, 1, 4, 5)


def definition(pictures, x_t, a, side, translated):
    """The sum over patches, straight from the paper."""
    pictures, x_t = np.asarray(pictures, np.float64), np.asarray(x_t, np.float64)
    data, mine, x_0 = patches_of(pictures, side), patches_of(x_t[None], side)[0], np.empty_like(x_t)
    for row in range(x_t.shape[1]):
        for column in range(x_t.shape[2]):
            if translated:
                patches, middles = data.reshape(-1, *data.shape[3:]), pictures.transpose(0, 2, 3, 1).reshape(-1, 3)
            else:
                patches, middles = data[:, row, column], pictures[:, :, row, column]
            logits = -np.square(mine[row, column] - a**0.5 * patches).sum((1, 2, 3)) / (2 * (1 - a))
            weights = np.exp(logits - logits.max())
            x_0[:, row, column] = weights @ middles / weights.sum()
    return x_0


def drawings(count, shape=SHAPE, seed=0):
    """Pictures with a margin of white, values in grey levels: some of their patches are equal."""
    values = torch.randint(0, 256, (count, *shape), generator=torch.Generator().manual_seed(seed))
    values[:, :, : shape[1] // 2], values[-1] = 255, values[0]
    return values / 127.5 - 1


def noisy(x_0, a, seed=1):
    eps = torch.randn(x_0.shape, generator=torch.Generator().manual_seed(seed))
    return a**0.5 * x_0 + (1 - a) ** 0.5 * eps


def patches(data, support, side, translated):
    return AllPlaces(data, support, side) if translated else OwnPlace(support, side)


@pytest.mark.parametrize("translated", [False, True], ids=["own place", "all places"])
@pytest.mark.parametrize("side", SIDES)
def test_equals_its_definition_in_float64(side, translated):
    pictures = drawings(7)
    data = ExactData(pictures)
    support = data.support(torch.tensor([6, 0, 2, 3, 5]))
    for a in (0.9999, 0.99, 0.7, 0.2, 1e-3, 1e-9):
        x_t = noisy(pictures[3], a)
        got = patches(data, support, side, translated).mean(x_t, a, data)
        want = torch.from_numpy(definition(pictures[support.indices], x_t, a, side, translated))
        torch.testing.assert_close(got.double(), want, atol=2e-4 if a > 0.999 else 2e-5, rtol=0)


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction", "sample"])
def test_patches_that_hold_the_picture_give_the_exact_denoiser(prediction_type):
    pictures = torch.rand(300, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    data, t = ExactData(pictures), torch.tensor([0.0, 1, 5, 20, 50.5, 100, 200, 300, 500, 700, 900, 999])
    a = ALPHAS_CUMPROD[t.long()].float()[:, None, None, None]
    x_t = noisy(pictures[:12], a)
    subset = data.support(torch.arange(0, 300, 7))
    supports = [subset if row % 3 else data.everything for row in range(12)]
    local, exact = (kind(data, ALPHAS_CUMPROD, prediction_type) for kind in (LocalDenoiser, ExactDenoiser))
    got, want = local(x_t, t, [OwnPlace(support, 15) for support in supports]), exact(x_t, t, supports)
    torch.testing.assert_close(got, want, atol=2e-4, rtol=2e-4)


def test_a_pixel_alone_is_denoised_as_a_colour():
    """A patch of one pixel: the posterior mean of the colour there, whatever is beside it."""
    pictures, a = drawings(9), 0.6
    data, x_t = ExactData(pictures), noisy(pictures[0], a)
    got = OwnPlace(data.everything, 1).mean(x_t, a, data)
    for row in range(SHAPE[1]):
        for column in range(SHAPE[2]):
            colours = pictures[:, :, row, column].double()
            squares = (x_t[:, row, column].double() - a**0.5 * colours).square().sum(1)
            want = torch.softmax(-squares / (2 * (1 - a)), 0) @ colours
            torch.testing.assert_close(got[:, row, column].double(), want, atol=1e-5, rtol=0)


@pytest.mark.parametrize("translated", [False, True], ids=["own place", "all places"])
@pytest.mark.parametrize("a", [0.95, 0.7, 0.1])
def test_the_gradient_is_the_slope(translated, a):
    data = ExactData(drawings(7))
    machine, x_t = patches(data, data.everything, 3, translated), noisy(drawings(7)[2], a).requires_grad_()
    along, weights = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(3))
    (gradient,) = torch.autograd.grad((machine.mean(x_t, a, data) * weights).sum(), x_t)
    up, down = (definition(drawings(7), x_t.detach() + h * along, a, 3, translated) for h in (1e-4, -1e-4))
    slope = float(((up - down) * weights.numpy()).sum()) / 2e-4
    assert float((gradient * along).sum()) == pytest.approx(slope, rel=1e-3, abs=1e-3)


def test_translated_machines_move_what_they_draw_with_the_noise():
    """Away from the border: the paper's equivariance."""
    data = ExactData(drawings(4, (3, 12, 12)))
    machine, x_t = (
        AllPlaces(data, data.everything, 3),
        torch.randn(3, 12, 12, generator=torch.Generator().manual_seed(2)),
    )
    here, there = (machine.mean(x, 0.8, data) for x in (x_t, x_t.roll((2, 3), (1, 2))))
    torch.testing.assert_close(there[:, 4:-1, 5:-1], here.roll((2, 3), (1, 2))[:, 4:-1, 5:-1], atol=1e-5, rtol=0)


@pytest.mark.parametrize("side", SIDES[:4])
def test_equal_patches_are_one_that_weighs_as_much(side):
    pictures = drawings(5)
    cut = patches_of(pictures.numpy(), side).reshape(5 * 30, -1)
    _, first, counts = np.unique(cut, axis=0, return_index=True, return_counts=True)
    places, weights = distinct_patches(pictures, side)
    assert dict(zip(places.tolist(), weights.tolist(), strict=True)) == dict(zip(first, counts, strict=True))
    assert len(places) < 150


def test_one_more_picture_is_one_more_patch_at_each_place():
    model, mine, a = load("local-32", Settings(device="cpu")), torch.full((3, 32, 32), -0.3), 0.9
    known = model.knowing(mine, model.conditioning(Condition(group="symbols")))
    pictures = torch.cat([model.data.support(known.support.indices).centred + model.data.mean, mine.reshape(1, -1)])
    x_t = noisy(mine, a)[:, 8:19, 8:19]
    want = definition(pictures.reshape(-1, 3, 32, 32)[..., 8:19, 8:19], x_t, a, known.side, False)[:, 5, 5]
    got = known.mean(noisy(mine, a), a, model.data)[:, 13, 13]
    torch.testing.assert_close(got.double(), torch.from_numpy(want), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("side", "translated", "within"), [(3, False, 1e-4), (15, False, 1e-4), (5, True, 4e-3)])
def test_float32_keeps_its_digits_at_the_least_noise(side, translated, within):
    """On drawings, at the lowest timesteps of the cosine schedule, where 1 - alpha_bar is 4e-5: half a grey level is 4e-3."""
    model = load("local-32", Settings(device="cpu"))
    support = model.known("food-drink", 6)
    pictures = (support.centred + model.data.mean).reshape(-1, 3, 32, 32)
    for t in (0, 1, 9):
        a = float(model.denoiser(FORWARD).process.alphas_cumprod[t])
        x_t = noisy(pictures[1], a)
        got = model.patches(support, side, translated).mean(x_t, a, model.data)
        want = torch.from_numpy(definition(pictures, x_t, a, side, translated))
        assert (got - want).abs().max() < within


def test_a_row_does_not_depend_on_its_company():
    pictures = drawings(6)
    data, t = ExactData(pictures), torch.tensor([999.0, 412.5, 10.0, 0.0])
    rows = [
        OwnPlace(data.everything, 3),
        AllPlaces(data, data.everything, 3),
        OwnPlace(data.support(torch.tensor([1])), 5),
    ]
    rows.append(rows[0])
    x_t, denoiser = (
        torch.randn(4, *SHAPE, generator=torch.Generator().manual_seed(5)),
        LocalDenoiser(data, ALPHAS_CUMPROD),
    )
    alone = torch.cat([denoiser(x_t[i : i + 1], t[i : i + 1], [row]) for i, row in enumerate(rows)])
    assert torch.equal(denoiser(x_t, t, rows), alone)


def test_a_call_of_the_engine_takes_one_row_of_it():
    calls, data = [], ExactData(drawings(4))

    class Watched(LocalDenoiser):
        def __call__(self, x_t, t, conditioning):
            calls.append(len(x_t))
            return super().__call__(x_t, t, conditioning)

    denoiser, row = Watched(data, ALPHAS_CUMPROD), OwnPlace(data.everything, 3)
    list(drive(denoiser, [make_lane(i, LaneSettings(steps=2, seed=i), denoiser, row, None) for i in range(3)]))
    assert calls == [1] * 6


@pytest.mark.parametrize("prompt", ["", "cat"])
def test_both_halves_are_alike_where_there_is_no_prompt(prompt):
    request = SamplingRequest(model="local-32", condition=Condition(prompt=prompt), lanes=(LaneSettings(),))
    assert Halves(request, load("local-32", Settings(device="cpu"))).alike == (not prompt)


def test_it_shares_its_pictures_with_the_exact_denoiser():
    parts = {}

    def shelf(key, make):
        return parts.setdefault(key, None) or parts.update({key: make()}) or parts[key]

    exact, local = (load(name, Settings(device="cpu"), shelf) for name in ("exact-32", "local-32"))
    assert local.data is exact.data and len(parts) == 1
    assert local.denoiser(Forward()) is local.denoiser(Forward()) and 2 * local.side - 1 == MOST_PATCH
