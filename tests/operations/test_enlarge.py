"""Enlarging: lanes against the recipe's plain loop, in company and alone, cascades, formulas and what is measured."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, UNet2DModel
from PIL import Image

from lab.catalog import HELPERS, MODELS
from lab.engine.lanes import drive
from lab.measures import consistency, gradient_energy, psnr
from lab.models.loaders import make_cache
from lab.operations.enlarge import enlarge
from lab.operations.house import House
from lab.operations.sampling import sampling
from lab.requests.base import LabError
from lab.requests.enlarge import FORMULAS, UPSAMPLER, Enlarged, EnlargeLane, EnlargeRequest, original_of, small_of
from lab.requests.fields import Condition, Forward
from lab.requests.sampling import LaneResult, LaneSettings, SamplingRequest, Step
from lab.settings import Settings
from lab.training.recipes.upsampler import augmented, enlarged, schedule, upsample
from tests.models import tiny

SETTINGS = Settings(device="cpu", cpu_engine="torch")
PICTURE = np.random.default_rng(0).integers(0, 256, (40, 32, 3), np.uint8)
LANES = tuple(EnlargeLane(seed=seed, steps=10, noise=noise) for seed, noise in ((4, 0), (4, 200), (9, 200)))
REQUEST = EnlargeRequest(picture=PICTURE, side=16, lanes=LANES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny.upsampler(tmp_path_factory.mktemp("upsampler"))


@pytest.fixture(scope="module")
def unet(folder):
    return UNet2DModel.from_pretrained(folder / "unet").eval()


@pytest.fixture(scope="module")
def house(folder):
    """With a tiny upsampler and a tiny pixel model, of 8 pixels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MODELS, "pixel", replace(MODELS["pixel"], source=str(tiny.pixel(folder / "pixel"))))
        patch.setitem(HELPERS, UPSAMPLER, replace(HELPERS[UPSAMPLER], source=str(folder)))
        yield House(SETTINGS, make_cache(SETTINGS), drive)


def run(house, request):
    """(events, the last x_0 of each lane)."""
    ends = {}

    def watched(denoiser, lanes):
        for record in drive(denoiser, lanes):
            ends[record.lane] = record.x_0
            yield record

    return list(enlarge(request, replace(house, drive=watched))), ends


@pytest.fixture(scope="module")
def done(house):
    return run(house, REQUEST)


def only(events, kind):
    return [event for event in events if isinstance(event, kind)]


def signed(picture):
    return torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 127.5 - 1


def test_every_lane_has_its_steps_and_one_result_after_what_the_formulas_make(done):
    events, _ = done
    assert isinstance(events[0], Enlarged) and len(only(events, Enlarged)) == 1
    steps, results = only(events, Step), only(events, LaneResult)
    assert {(step.lane, step.i) for step in steps} == {(lane, i) for lane in range(3) for i in range(11)}
    assert len(events) == 1 + len(steps) + len(results) and [result.lane for result in results] == [0, 1, 2]
    for result in results:
        (last,) = (step for step in steps if step.lane == result.lane and step.i == step.n)
        assert result.picture.shape == (32, 32, 3) and result.calls == 10 and last.t == -1
        assert np.array_equal(last.x_0, result.picture)


def floored():
    """The recipe's schedule with alpha-bar(T), 2.4e-9, as all samplers of the lab take it, 2^-24."""
    table = np.maximum(schedule().alphas_cumprod.double().numpy(), 2.0**-24)
    betas = (1 - table / np.concatenate([[1.0], table[:-1]])).tolist()
    return DDIMScheduler.from_config(schedule().config, trained_betas=betas)


@pytest.fixture
def plain_loop(unet, monkeypatch):
    monkeypatch.setattr("lab.training.recipes.upsampler.schedule", floored)
    return partial(upsample, unet)


def test_lanes_are_the_plain_loop_of_the_recipe(done, plain_loop):
    """Steps that divide 1,000: at others diffusers' DDIM lands between its own timesteps."""
    events, ends = done
    small = signed(events[0].small)
    for index, lane in enumerate(LANES):
        want = plain_loop(small, lane.noise, lane.steps, lane.seed)[0]
        torch.testing.assert_close(ends[index], want, atol=1e-4, rtol=0)
    assert (ends[0] - ends[1]).abs().max() > 0.01 < (ends[1] - ends[2]).abs().max()


@torch.no_grad()
def by_equations(unet, small, noise, steps, seed):
    """DDIM as Song et al. 2021 write it, eq. 12 and 16, down all its timesteps to alpha-bar 1; predicted x_0 clipped."""
    a = schedule().alphas_cumprod.double()
    a = a.clamp(min=2**-24)
    timesteps = [round(1000 * (steps - i) / steps) - 1 for i in range(steps)]
    generator = torch.Generator().manual_seed(seed)
    label = torch.tensor([noise])
    low = enlarged(augmented(small, torch.randn(small.shape, generator=generator), label, a.float()))
    x = torch.randn(low.shape, generator=generator)
    for t, after in zip(timesteps, [*timesteps[1:], None], strict=True):
        v = unet(torch.cat([x, low], dim=1), t, class_labels=label).sample.double()
        x_0, eps = a[t] ** 0.5 * x - (1 - a[t]) ** 0.5 * v, a[t] ** 0.5 * v + (1 - a[t]) ** 0.5 * x
        b = 1.0 if after is None else a[after]
        x = (b**0.5 * x_0.clamp(-1, 1) + (1 - b) ** 0.5 * eps).float()
    return x[0]


@pytest.mark.parametrize("steps", [1, 2, 7, 15])
def test_any_number_of_steps_is_the_papers_equations(house, unet, steps):
    lane = EnlargeLane(seed=2, steps=steps, noise=120)
    events, ends = run(house, EnlargeRequest(picture=PICTURE, side=16, lanes=(lane,)))
    want = by_equations(unet, signed(events[0].small), 120, steps, 2)
    torch.testing.assert_close(ends[0], want, atol=1e-4, rtol=0)


def test_a_lane_does_not_depend_on_its_company(house, done):
    for index, lane in enumerate(LANES):
        _, alone = run(house, REQUEST.model_copy(update={"lanes": (lane,)}))
        torch.testing.assert_close(alone[0], done[1][index], atol=1e-5, rtol=0)


def test_a_seed_starts_from_one_noise_whatever_the_step_of_augmentation(done):
    starts = {step.lane: step.x_t for step in only(done[0], Step) if step.i == 0}
    assert np.array_equal(starts[0], starts[1]) and not np.array_equal(starts[1], starts[2])


def test_the_original_is_the_mean_of_areas_and_the_small_picture_its_mean(done):
    found = done[0][0]
    assert np.array_equal(found.original, original_of(PICTURE, 16))
    assert np.array_equal(found.small, small_of(found.original))
    blocks = found.original.reshape(16, 2, 16, 2, 3).mean(axis=(1, 3))
    assert np.abs(found.small - blocks).max() <= 0.5
    tall = np.random.default_rng(1).integers(0, 256, (128, 64, 3), np.uint8)
    assert np.abs(original_of(tall, 16) - tall.reshape(32, 4, 32, 2, 3).mean(axis=(1, 3))).max() <= 1


def test_formulas_are_pillows_and_nearest_repeats_pixels(done):
    found = done[0][0]
    assert tuple(found.formulas) == FORMULAS
    assert np.array_equal(found.formulas["nearest"], found.small.repeat(2, 0).repeat(2, 1))
    for name, number in (("bicubic", Image.BICUBIC), ("Lanczos", Image.LANCZOS)):
        assert np.array_equal(found.formulas[name], Image.fromarray(found.small).resize((32, 32), number))


def test_measures_are_the_arithmetic_on_the_pictures(done):
    found = done[0][0]
    own = gradient_energy(found.original)
    for name, picture in found.formulas.items():
        want = {"psnr": psnr(picture, found.original), "detail": gradient_energy(picture) / own}
        assert found.measures[name] == pytest.approx(want)
    for result in only(done[0], LaneResult):
        picture = result.picture
        want = {"psnr": psnr(picture, found.original), "detail": gradient_energy(picture) / own}
        assert result.measures == pytest.approx({**want, "consistency": consistency(picture, found.small)})


def test_a_cascade_is_the_pixel_models_picture_enlarged(house, plain_loop):
    request = EnlargeRequest(condition=Condition(group="food-drink"), seed=6, lanes=(EnlargeLane(seed=1, steps=4),))
    events, ends = run(house, request)
    steps = only(events, Step)
    first = next(i for i, event in enumerate(events) if isinstance(event, Enlarged))
    assert [(step.lane, step.i) for step in events[:first]] == [(-1, i) for i in range(26)]
    assert all(step.lane == 0 for step in steps[first:])
    drawn = SamplingRequest(
        model="pixel", condition=request.condition, forward=Forward(schedule="cosine"),
        lanes=(LaneSettings(seed=6, steps=25, guidance_scale=request.guidance_scale),),
    )  # fmt: skip
    (want,) = only(sampling(drawn, house), LaneResult)
    found = events[first]
    assert np.array_equal(found.small, want.picture) and found.original is None
    torch.testing.assert_close(ends[0], plain_loop(signed(found.small), 0, 4, 1)[0], atol=1e-4, rtol=0)
    (result,) = only(events, LaneResult)
    assert result.measures.keys() == {"detail", "consistency"} and found.measures["nearest"] == {"detail": 1}
    energies = [gradient_energy(picture) for picture in (result.picture, found.formulas["nearest"])]
    assert result.measures["detail"] == pytest.approx(energies[0] / energies[1])


@pytest.mark.parametrize(
    ("shape", "side"), [((1, 1), 16), ((1, 9), 16), ((3, 200), 16), ((32, 32), 16), ((257, 255), 64)]
)
def test_pictures_of_any_size_are_enlarged(house, shape, side):
    picture = np.full((*shape, 3), (200, 30, 90), np.uint8)
    request = EnlargeRequest(picture=picture, side=side, lanes=(EnlargeLane(steps=1, noise=399),))
    events, _ = run(house, request)
    found, (result,) = events[0], only(events, LaneResult)
    assert found.small.shape == (side, side, 3) and result.picture.shape == (2 * side, 2 * side, 3)
    for one in (found.small, found.original, *found.formulas.values()):
        assert (one == (200, 30, 90)).all()
    assert all(np.isfinite(value) for value in result.measures.values())
    assert found.measures["nearest"] == {"psnr": pytest.approx(84.15, abs=0.01), "detail": 0}


def test_more_than_a_run_may_take_is_refused(house):
    few, short, brief = (
        replace(house, settings=SETTINGS.model_copy(update={name: most}))
        for name, most in (("max_lanes", 2), ("max_lane_steps", 29), ("max_steps", 9))
    )
    for place, words in (
        (few, "3 pictures asked for; one run makes at most 2"),
        (short, "30 steps"),
        (brief, "10 steps asked for; a lane"),
    ):
        with pytest.raises(LabError, match=words):
            list(enlarge(REQUEST, place))


def test_the_small_picture_of_a_cascade_is_no_picture_of_the_run(house):
    request = EnlargeRequest(lanes=(EnlargeLane(steps=1),))
    small = replace(house, settings=SETTINGS.model_copy(update={"max_lanes": 1}))
    assert len(only(run(small, request)[0], LaneResult)) == 1
