"""Latents as diffusers' AutoencoderKL has them: with random weights, with Stable Diffusion XL's statistics, and the shipped one."""

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, StableDiffusionXLPipeline
from diffusers.image_processor import VaeImageProcessor
from PIL import Image

from lab.catalog import MODELS, Model
from lab.engine.lanes import drive
from lab.engine.noising import stream_seed
from lab.models.loaders import make_cache
from lab.operations.house import House
from lab.operations.latents import Subject, changed, latents
from lab.requests.base import LabError
from lab.requests.latents import Decoding, Encoding, ExampleLatents, LatentLane, LatentRequest
from lab.settings import ASSETS, Settings
from tests.models import tiny

SETTINGS = Settings(device="cpu", dtype="float32", cpu_engine="torch")
NAMES = ("fox-3d", "red-apple-glossy")
KINDS = ("scale", "only", "other", "shuffle", "noise", "lerp", "slerp", "draw")
MEAN, DEVIATION, SCALING = [0.3, -0.2, 0.1, 0.5], [1.5, 0.7, 1.1, 0.9], 0.7


def pictures(side):
    return [
        np.array(Image.open(ASSETS / "images" / f"{name}.png").convert("RGB").resize((side, side))) for name in NAMES
    ]


def row(name, folder, side, pipeline="StableDiffusionPipeline"):
    return Model(
        name,
        name,
        "stable_diffusion",
        str(folder),
        side,
        "",
        ("scaled_linear",),
        ("prompt",),
        latent=True,
        pipeline=pipeline,
    )


@pytest.fixture(scope="module")
def tried(tmp_path_factory):
    """By name: a house, the side, diffusers' autoencoder, and the mean and deviation of its latents."""
    folder = tmp_path_factory.mktemp("latents")
    plain = tiny.text_to_image(folder / "tiny")
    xl = tiny.xl(folder)
    pipe = StableDiffusionXLPipeline.from_pretrained(xl)
    pipe.vae.register_to_config(latents_mean=MEAN, latents_std=DEVIATION)
    pipe.save_pretrained(xl)
    rows = {"tiny": row("tiny", plain, tiny.SIDE), "xl": row("xl", xl, tiny.SIDE, "StableDiffusionXLPipeline")}
    with pytest.MonkeyPatch.context() as patch:
        for name, one in rows.items():
            patch.setitem(MODELS, name, one)
        house = House(SETTINGS, make_cache(SETTINGS), drive)
        shipped = ASSETS / MODELS["text-to-image"].source
        own = AutoencoderKL.from_pretrained(shipped / "vae")
        column = lambda values: torch.tensor(values)[:, None, None]  # noqa: E731
        yield {
            "tiny": (house, tiny.SIDE, AutoencoderKL.from_pretrained(plain / "vae"), 0.0, 1 / SCALING),
            "xl": (
                house,
                tiny.SIDE,
                AutoencoderKL.from_pretrained(xl / "vae"),
                column(MEAN),
                column(DEVIATION) / SCALING,
            ),
            "text-to-image": (house, 64, own, 0.0, 1 / own.config.scaling_factor),
        }


@torch.no_grad()
def of_diffusers(vae, lane, first, second, mean, deviation, centre):
    """A lane's latents by diffusers' encoder and plain arithmetic, and its picture's values by its decoder."""
    encode = VaeImageProcessor(vae_scale_factor=4).preprocess
    posteriors = [vae.encode(encode(Image.fromarray(one))).latent_dist for one in (first, second)]
    a, b = ((one.mean[0] - mean) / deviation for one in posteriors)
    k, middle = lane.channel, centre[:, None, None]
    z, generator = a.clone(), torch.Generator().manual_seed(stream_seed(lane.seed, 0))
    match lane.kind:
        case "scale":
            z[k] = middle[k] + lane.factor * (a[k] - middle[k])
        case "only":
            z = middle.expand_as(a).clone()
            z[k] = a[k]
        case "other":
            z[k] = b[k]
        case "shuffle":
            z[k] = a[k].flatten()[torch.randperm(a[k].numel(), generator=generator)].reshape(a[k].shape)
        case "noise":
            alpha_bar = torch.sigmoid(torch.tensor(lane.log_snr))
            z = alpha_bar.sqrt() * a + (1 - alpha_bar).sqrt() * torch.randn(a.shape, generator=generator)
        case "lerp":
            z = torch.lerp(a, b, lane.t)
        case "slerp":
            w = torch.acos((a * b).sum() / (a.norm() * b.norm()))
            z = (torch.sin((1 - lane.t) * w) * a + torch.sin(lane.t * w) * b) / torch.sin(w)
        case "draw":
            far = posteriors[0].mean + lane.factor * posteriors[0].std * torch.randn(
                posteriors[0].mean.shape, generator=generator
            )
            z = (far[0] - mean) / deviation
    return z, vae.decode((z * deviation + mean)[None]).sample[0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["tiny", "xl", "text-to-image"])
def test_latents_and_what_they_decode_to_are_those_of_diffusers(tried, name, kind):
    house, side, vae, mean, deviation = tried[name]
    first, second = pictures(side)
    lane = LatentLane(kind=kind, channel=1, factor=1.5, log_snr=-0.7, t=0.3, seed=6)
    with house.lease(name) as model:
        centre = model.example_latents.mean
        ours = changed(lane, Subject(model, first), Subject(model, second), centre)
        values = model.to_values(ours)
    theirs, decoded = of_diffusers(vae, lane, first, second, mean, deviation, centre)
    assert float((ours - theirs).abs().max()) < 1e-5
    assert float((values - decoded).abs().max()) < 1e-5


@pytest.mark.parametrize("name", ["tiny", "xl", "text-to-image"])
def test_the_posterior_is_that_of_diffusers(tried, name):
    house, side, vae, mean, deviation = tried[name]
    picture = pictures(side)[0]
    events = list(latents(LatentRequest(model=name, picture=picture, lanes=[LatentLane(kind="draw")]), house))
    encoding = next(event for event in events if isinstance(event, Encoding))
    with torch.no_grad():
        posterior = vae.encode(torch.tensor(picture).permute(2, 0, 1)[None] / 127.5 - 1).latent_dist
        decoded = vae.decode(posterior.mean).sample[0]
    assert np.abs(encoding.latents - ((posterior.mean[0] - mean) / deviation).numpy()).max() < 1e-5
    assert np.abs(encoding.deviations - (posterior.std[0] / deviation).numpy()).max() < 1e-5
    assert np.array_equal(encoding.picture, picture)
    seen = VaeImageProcessor().postprocess(decoded[None], output_type="np")[0] * 255
    assert np.abs(encoding.decoded - seen).max() <= 0.51  # rounded
    assert np.array_equal(events[-1].picture, encoding.decoded)  # a draw of no deviation


def test_a_run_streams_a_picture_a_lane_in_their_order(tried):
    house, side, *_ = tried["tiny"]
    first, second = pictures(side)
    lanes = [LatentLane(kind=kind, channel=2) for kind in (*KINDS, "pixel_noise", "pixel_lerp")]
    request = LatentRequest(model="tiny", picture=first, second=second, lanes=lanes, linear_map=True)
    events = list(latents(request, house))
    kinds = [type(event) for event in events]
    assert kinds == [Encoding, Encoding, ExampleLatents, *[Decoding] * len(lanes)]
    assert [event.lane for event in events[3:]] == list(range(len(lanes)))
    assert all(event.picture.shape == (side, side, 3) for event in events[3:])
    *_, mixed = events
    mean = (events[0].decoded.astype(float) + events[1].decoded) / 2
    assert np.abs(mixed.picture - mean).max() <= 1


def test_example_latents_are_asked_for_only_where_they_are_needed(tried):
    house, side, *_ = tried["tiny"]
    for centre, needed in (("zero", False), ("mean", True)):
        request = LatentRequest(model="tiny", picture=pictures(side)[0], lanes=[LatentLane(channel=0, centre=centre)])
        assert any(isinstance(event, ExampleLatents) for event in latents(request, house)) is needed


def test_the_linear_map_is_the_least_squares_of_numpy(tried):
    house, *_ = tried["tiny"]
    with house.lease("tiny") as model:
        known = model.example_latents
        z = np.stack([model.from_picture(picture).flatten(1).numpy() for picture in model._examples], axis=1)
        rgb = np.stack(
            [
                np.moveaxis(np.asarray(model.preview(model.from_picture(picture))), 2, 0)
                for picture in model._examples[:1]
            ]
        )
        flat = z.reshape(len(z), -1)
        assert np.allclose(known.mean, flat.mean(axis=1), atol=1e-5)
        assert np.allclose(known.covariance, np.cov(flat, bias=True), atol=1e-4)
        told = known.to_rgb.numpy() @ np.concatenate([z[:, 0], np.ones((1, z.shape[2]))])
        seen = (np.clip(told, -1, 1) + 1) * 127.5
        assert np.abs(seen.reshape(rgb[0].shape) - rgb[0]).max() <= 0.51


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lanes": [LatentLane(kind="scale", channel=4)]}, "have 4 channels; there is no channel 5"),
        ({"model": "pixel", "lanes": [LatentLane()]}, "works on pixels"),
    ],
)
def test_what_cannot_be_done_is_said(tried, changes, message):
    house, side, *_ = tried["tiny"]
    request = LatentRequest(**{"model": "tiny", "picture": pictures(side)[0], **changes})
    with pytest.raises(LabError, match=message):
        list(latents(request, house))
