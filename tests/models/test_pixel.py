"""Diffusion on pixels from a folder: classes, the null class, learned variance, equal to diffusers' own loop."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler, UNet2DModel

from lab.catalog import MODELS, SAMPLERS, samplers_for
from lab.engine.guidance import ClassifierFree
from lab.engine.lanes import Lane, StepNoise, drive
from lab.engine.samplers import make_scheduler
from lab.models.loaders import make_cache
from lab.models.pixel import read_pixel
from lab.operations.house import House
from lab.operations.sampling import sampling
from lab.requests.base import LabError
from lab.requests.fields import Condition, Forward
from lab.requests.sampling import LaneResult, LaneSettings, SamplingRequest, Step
from lab.settings import Settings
from tests.models import tiny

SETTINGS = Settings(device="cpu")
CLASSES = ("animals-nature", "food-drink", "anything")
SHAPE = (3, 8, 8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny.pixel(tmp_path_factory.mktemp("pixel"), CLASSES)


@pytest.fixture
def house(folder, monkeypatch):
    """The catalog's pixel model with tiny weights; the lanes' last x_0 are kept in `house.ends`."""
    monkeypatch.setitem(MODELS, "pixel", replace(MODELS["pixel"], source=str(folder)))
    ends = {}

    def watched(denoiser, lanes):
        for record in drive(denoiser, lanes):
            ends[record.lane] = record.x_0
            yield record

    house = House(SETTINGS, make_cache(SETTINGS), watched)
    return house, ends


def run(house, *lanes, group="food-drink"):
    """(finished x_0 of each lane, events)."""
    request = SamplingRequest(
        model="pixel", lanes=lanes, condition=Condition(group=group), forward=Forward(schedule="cosine")
    )
    house, ends = house
    events = list(sampling(request, house))
    return [ends[index] for index in range(len(lanes))], events


@torch.no_grad()
def their_loop(folder, cls, seed, scale, group, steps=10, **config):
    """diffusers' own loop: a UNet2DModel with classes, guidance by the formula, noise from one generator."""
    unet = UNet2DModel.from_pretrained(folder / "unet").eval()
    scheduler = cls.from_config(
        json.loads((folder / "scheduler" / "scheduler_config.json").read_text()), timestep_spacing="trailing", **config
    )
    label, null = CLASSES.index(group), len(CLASSES) - 1
    scheduler.set_timesteps(steps)
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn((1, *SHAPE), generator=generator)
    for t in scheduler.timesteps:
        conditional, unconditional = (unet(x, t, class_labels=torch.tensor([k])).sample for k in (label, null))
        guided = unconditional[:, :3] + scale * (conditional[:, :3] - unconditional[:, :3])
        if cls is DDPMScheduler:
            v = (conditional if scale else unconditional)[:, 3:]
            x = scheduler.step(torch.cat([guided, v], dim=1), t, x, generator=generator).prev_sample
        else:
            x = scheduler.step(guided, t, x, use_clipped_model_output=True).prev_sample
    return x[0]


def test_a_folder_is_read(folder):
    loaded = read_pixel(folder)
    assert loaded.shape == SHAPE and loaded.classes == CLASSES and not loaded.latent
    denoiser = loaded.denoiser(Forward(schedule="cosine"))
    assert denoiser is loaded.denoiser(Forward(schedule="cosine"))
    assert denoiser.prediction_type == "epsilon" and denoiser.shape == SHAPE
    torch.testing.assert_close(
        denoiser.process.alphas_cumprod, DDPMScheduler(beta_schedule="squaredcos_cap_v2").alphas_cumprod
    )
    assert not any(weight.requires_grad for weight in denoiser.unet.parameters()) and not denoiser.unet.training


def test_groups_are_classes_and_the_last_class_is_the_null_one(folder):
    loaded = read_pixel(folder)
    assert [loaded.conditioning(Condition(group=group)) for group in CLASSES[:2]] == [0, 1]
    assert loaded.unconditional() == loaded.unconditional("blue") == loaded.conditioning(Condition()) == 2
    with pytest.raises(LabError, match="knows no class 'symbols'; choose one of animals-nature, food-drink"):
        loaded.conditioning(Condition(group="symbols"))


def test_rows_of_different_classes_share_a_call(folder):
    """A batch is its rows; each class matters."""
    denoiser = read_pixel(folder).denoiser(Forward(schedule="cosine"))
    x_t = torch.randn(1, *SHAPE, generator=torch.Generator().manual_seed(0)).expand(3, -1, -1, -1)
    t = torch.tensor([500.0, 500.0, 500.0])
    together = denoiser(x_t, t, [0, 1, 2])
    assert together.shape == (3, 6, 8, 8)
    for row in range(3):
        torch.testing.assert_close(denoiser(x_t[:1], t[:1], [row])[0], together[row], atol=1e-5, rtol=0)
        assert (together[row] - together[row - 1]).abs().max() > 1e-3


# The lab takes alpha-bar(T), 2.4e-9 for the cosine schedule, as 2^-24. There a clipped x_0 that is told as eps comes
# back to 2^12 times float32's digits.
FLOORED = np.maximum(DDPMScheduler(beta_schedule="squaredcos_cap_v2").alphas_cumprod.double().numpy(), 2.0**-24)
COSINE = {"trained_betas": (1 - FLOORED / np.concatenate([[1.0], FLOORED[:-1]])).tolist()}
CLOSE = 5e-4


@pytest.fixture(scope="module")
def unclipped(tmp_path_factory):
    return tiny.pixel(tmp_path_factory.mktemp("unclipped"), CLASSES, clip=False, beta_schedule="linear")


@pytest.mark.parametrize("group", CLASSES[:2])
def test_ddim_is_diffusers_own_loop(house, folder, group):
    """Clipped by the scheduler there and by the denoiser here; with guidance the denoiser clips both halves."""
    lanes = [LaneSettings(steps=10, seed=seed, guidance_scale=scale) for seed in (0, 5) for scale in (0, 1)]
    gots, _ = run(house, *lanes, group=group)
    for lane, got in zip(lanes, gots, strict=True):
        want = their_loop(folder, DDIMScheduler, lane.seed, lane.guidance_scale, group, **COSINE)
        torch.testing.assert_close(got, want, atol=CLOSE, rtol=0)
        assert got.abs().max() < 1.001  # the last step jumps to x_0
    assert (gots[0] - gots[1]).abs().max() > 10 * CLOSE  # the class matters


def own_lane(loaded, name, options, scale, seed=4):
    denoiser = loaded.denoiser(Forward(schedule="cosine"))
    scheduler = make_scheduler(name, denoiser.process, "epsilon", 10, options=options)
    noise = StepNoise(seed, "sequence")
    lane = Lane(0, scheduler, noise.initial(SHAPE), noise, 1, loaded.unconditional(), ClassifierFree(scale))
    *_, last = drive(denoiser, [lane])
    return last.x_0


@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_learned_variance_is_diffusers_own_loop(folder, scale):
    row = SAMPLERS["ddpm_learned"]
    got = own_lane(read_pixel(folder), row.scheduler, row.options, scale)
    want = their_loop(folder, DDPMScheduler, 4, scale, "food-drink", **COSINE)
    torch.testing.assert_close(got, want, atol=CLOSE, rtol=0)


@pytest.mark.parametrize("scale", [0.0, 1.0, 2.5])
def test_without_clipping_it_is_diffusers_own_loop_too(unclipped, scale):
    loaded = read_pixel(unclipped)
    for cls, row in ((DDIMScheduler, SAMPLERS["ddim"]), (DDPMScheduler, SAMPLERS["ddpm_learned"])):
        config = {"set_alpha_to_one": True} if cls is DDIMScheduler else {}
        want = their_loop(unclipped, cls, 4, scale, "food-drink", **config)
        got = own_lane(loaded, row.scheduler, row.options, scale)
        assert want.abs().max() > 2
        torch.testing.assert_close(got, want, atol=5e-6 * float(want.abs().max()), rtol=0)


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction", "sample"])
def test_clipping_keeps_x_0_in_range_and_all_else_as_it_is(tmp_path, prediction_type):
    plain, clipped = (
        read_pixel(
            tiny.pixel(tmp_path / str(clip), clip=clip, clip_sample_range=0.8, prediction_type=prediction_type)
        ).denoiser(Forward(schedule="cosine"))
        for clip in (False, True)
    )
    assert plain.limit is None and clipped.limit == 0.8
    x_t = torch.randn(4, *SHAPE, generator=torch.Generator().manual_seed(0))
    t = torch.tensor([0.0, 300.0, 650.5, 950.0])
    before, after = plain(x_t, t, [0, 1, 2, 0]), clipped(x_t, t, [0, 1, 2, 0])
    assert torch.equal(before[:, 3:], after[:, 3:])  # the variance
    a = plain.process.alphas_cumprod.double()[t.round().long()][:, None, None, None]
    # Between two timesteps sigma is linear in t.
    sigma = ((1 - plain.process.alphas_cumprod.double()) / plain.process.alphas_cumprod.double()).sqrt()
    a[2] = 1 / (1 + ((sigma[650] + sigma[651]) / 2) ** 2)

    def x_0(prediction):
        eps_or_v = prediction[:, :3].double()
        return {
            "epsilon": (x_t - (1 - a).sqrt() * eps_or_v) / a.sqrt(),
            "v_prediction": a.sqrt() * x_t - (1 - a).sqrt() * eps_or_v,
            "sample": eps_or_v,
        }[prediction_type]

    torch.testing.assert_close(x_0(after), x_0(before).clamp(-0.8, 0.8), atol=1e-5, rtol=0)
    inside = x_0(before).abs() < 0.8
    assert torch.equal(before[:, :3][inside], after[:, :3][inside])
    if prediction_type != "sample":
        assert 0 < int((~inside).sum()) < inside.numel()


def test_every_sampler_of_the_row_runs_end_to_end(house):
    """The row with learned variance through the operation: its own sampler is there, and differs from plain DDPM."""
    row = MODELS["pixel"]
    assert row.learned_variance and "ddpm_learned" in samplers_for(row)
    names = list(samplers_for(row))
    gots, events = run(house, *(LaneSettings(sampler=name, steps=6, guidance_scale=2) for name in names))
    assert all(bool(got.isfinite().all()) and got.shape == SHAPE for got in gots)
    ends = dict(zip(names, gots, strict=True))
    assert (ends["ddpm_learned"] - ends["ddpm"]).abs().max() > 0.01
    results = [event for event in events if isinstance(event, LaneResult)]
    assert [result.lane for result in results] == list(range(len(names)))
    assert all(result.picture.shape == (8, 8, 3) and result.nearest is None for result in results)
    assert {event.x_0.shape for event in events if isinstance(event, Step)} == {(8, 8, 3)}


def test_pictures_go_in_and_come_out_unchanged(folder):
    loaded = read_pixel(folder)
    picture = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    x_0 = loaded.from_picture(picture)
    assert (loaded.to_picture(x_0) == picture).all() and (loaded.preview(x_0) == picture).all()
    assert loaded.from_picture(np.zeros((70, 20, 3), np.uint8)).shape == SHAPE


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
def test_an_unconditional_model_needs_no_classes(tmp_path, prediction_type):
    tiny.pixel(tmp_path, classes=(), learned=False, clip=False, prediction_type=prediction_type)
    loaded = read_pixel(tmp_path)
    denoiser = loaded.denoiser(Forward(schedule="cosine"))
    assert loaded.classes == () and denoiser.prediction_type == prediction_type
    x_t, t = torch.randn(2, *SHAPE), torch.tensor([3.0, 700.0])
    got = denoiser(x_t, t, [loaded.conditioning(Condition()), loaded.unconditional()])
    with torch.no_grad():
        want = UNet2DModel.from_pretrained(tmp_path / "unet").eval()(x_t, t).sample
    torch.testing.assert_close(got, want, atol=1e-5, rtol=0)
    with pytest.raises(LabError, match="knows no class 'food-drink'"):
        loaded.conditioning(Condition(group="food-drink"))


def gone(folder):
    return folder / "gone"


def without_classes(folder):
    (folder / "classes.json").unlink()
    return folder


def truncated(folder):
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:3000])
    return folder


def too_few_classes(folder):
    (folder / "classes.json").write_text(json.dumps(CLASSES[:2]))
    return folder


@pytest.mark.parametrize("harm", [gone, without_classes, truncated, too_few_classes])
def test_a_folder_that_does_not_load_is_an_error_that_names_the_model(tmp_path, monkeypatch, harm):
    source = str(harm(tiny.pixel(tmp_path)))
    monkeypatch.setitem(MODELS, "pixel", replace(MODELS["pixel"], source=source))
    cache = make_cache(SETTINGS)
    with (
        pytest.raises(LabError, match="The model 'Miniature pixel diffusion' could not be loaded: "),
        cache.lease("pixel"),
    ):
        raise AssertionError("a broken model was leased")
    assert cache.resident() == []
