"""A tiny decoder beside the autoencoder, against diffusers' pipeline with one in its place; all weights are random."""

import logging
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny, DDIMScheduler, StableDiffusionPipeline
from safetensors.torch import load_file, save_file

from lab.catalog import MODELS, TAESD, add_hub_models
from lab.engine.lanes import drive
from lab.models import loaders
from lab.models.loaders import load, make_cache
from lab.models.pictures import PictureSet
from lab.models.tensors import to_uint8
from lab.operations import painter
from lab.operations.house import House
from lab.operations.sampling import sampling
from lab.requests.base import LabError
from lab.requests.fields import Condition, Forward
from lab.requests.sampling import Decoded, LaneResult, LaneSettings, SamplingRequest, Step
from lab.settings import Settings
from tests.models import tiny

read_once = cache(PictureSet.load)  # the pictures that previews are fitted on
SETTINGS = Settings(device="cpu", cpu_engine="torch")
PROMPT = "red apple"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny.text_to_image(tmp_path_factory.mktemp("pipeline"))


@pytest.fixture(scope="module")
def decoder(tmp_path_factory):
    return tiny.decoder(tmp_path_factory.mktemp("decoder"))


@pytest.fixture
def row(folder, decoder, monkeypatch):
    """Puts a model with these folders into the catalog."""
    monkeypatch.setattr(PictureSet, "load", read_once)

    def put(source=folder, tiny_decoder=decoder):
        made = replace(
            MODELS["sd-turbo"], name="tiny", source=str(source), tiny_decoder=str(tiny_decoder), size=tiny.SIDE
        )
        monkeypatch.setitem(MODELS, "tiny", made)

    put()
    return put


def run(decoder="full", steps=4, **more):
    """(records, events) of one lane."""
    records = []

    def watched(denoiser, lanes):
        for record in drive(denoiser, lanes):
            records.append(record)
            yield record

    request = SamplingRequest(
        model="tiny", condition=Condition(prompt=PROMPT), forward=Forward(schedule="scaled_linear"),
        lanes=(LaneSettings(steps=steps, seed=3),), decoder=decoder, **more,
    )  # fmt: skip
    return records, list(sampling(request, House(SETTINGS, make_cache(SETTINGS), watched)))


def picture(events):
    (result,) = [event for event in events if isinstance(event, LaneResult)]
    return result.picture


def test_a_picture_is_that_of_diffusers_pipeline_with_a_tiny_autoencoder(row, folder, decoder):
    pipe = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)
    pipe.vae = AutoencoderTiny.from_pretrained(decoder)
    pipe.scheduler = DDIMScheduler.from_config(
        pipe.scheduler.config, timestep_spacing="trailing", set_alpha_to_one=True, clip_sample=False
    )
    pipe.set_progress_bar_config(disable=True)
    x_T = torch.randn((1, 4, tiny.LATENT, tiny.LATENT), generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        theirs = pipe(PROMPT, num_inference_steps=4, guidance_scale=1, latents=x_T, output_type="np").images[0]
    ours = picture(run("tiny")[1])
    assert abs(ours.astype(int) - np.round(theirs * 255)).max() <= 1
    assert abs(ours.astype(int) - picture(run("full")[1])).max() > 20  # the other decoder's is another picture


@pytest.mark.parametrize("chosen", ["full", "tiny"])
def test_predicted_x_0_is_shown_by_the_tiny_decoder_on_the_way_and_in_the_replay(row, monkeypatch, chosen):
    monkeypatch.setattr(painter, "PREVIEW_SHARE", 1e9)  # all the time in the world
    records, events = run(chosen, steps=6, replay=6)
    loaded = load("tiny", SETTINGS)
    by_step = {record.i: to_uint8(loaded.tiny.try_out(record.x_0)) for record in records}
    shown = [
        event
        for event in events
        if isinstance(event, Step | Decoded) and event.i < 6 and getattr(event, "decoded", True)
    ]
    assert {event.i for event in shown} == set(range(6))
    for event in shown:
        assert abs(event.x_0.astype(int) - by_step[event.i]).max() <= 1
    full = to_uint8(loaded.to_values(records[-1].x_0))
    assert abs(picture(events).astype(int) - (full if chosen == "full" else by_step[6])).max() <= 1


def test_a_model_without_one_draws_and_says_what_it_lacks(row, folder, caplog, monkeypatch):
    monkeypatch.setattr("lab.models.sources.list_repo_files", lambda *_, **__: (_ for _ in ()).throw(ConnectionError()))
    for source, allowed, words in (
        ("", (), "has no tiny decoder. Choose the full decoder"),
        (TAESD, (), "here: madebyollin/taesd is not on this machine"),
        (TAESD, ("madebyollin/taesd",), "here: madebyollin/taesd is not on this machine"),
    ):
        row(tiny_decoder=source)
        monkeypatch.setitem(
            globals(), "SETTINGS", Settings(device="cpu", cpu_engine="torch", offline=False, allowed_models=allowed)
        )
        with caplog.at_level(logging.WARNING, "lab"):
            assert picture(run()[1]).shape == (tiny.SIDE, tiny.SIDE, 3)
        with pytest.raises(LabError, match=words):
            run("tiny")
    assert "could not be fetched" in caplog.text


def test_a_decoder_of_other_latents_is_refused(row, tmp_path):
    row(tiny_decoder=tiny.decoder(tmp_path / "channels", latent_channels=8))
    with pytest.raises(LabError, match="Its tiny decoder takes 8 channels, where its autoencoder has 4"):
        load("tiny", SETTINGS)
    row(tiny_decoder=tiny.decoder(tmp_path / "levels", levels=4))
    with pytest.raises(LabError, match="Its tiny decoder cannot decode"):
        load("tiny", SETTINGS)


def test_damaged_weights_are_named(row, tmp_path):
    folder = tiny.decoder(tmp_path)
    file = folder / "diffusion_pytorch_model.safetensors"
    tensors = load_file(file)
    save_file({name: torch.full_like(tensor, torch.nan) for name, tensor in tensors.items()}, file)
    row(tiny_decoder=folder)
    with pytest.raises(LabError, match="Its tiny decoder gives values that are not finite"):
        load("tiny", SETTINGS)
    tensors.popitem()
    save_file(tensors, file)
    with pytest.raises(
        LabError, match="The weights of its tiny decoder are not those that it describes: 1 tensor missing"
    ):
        load("tiny", SETTINGS)


def test_models_share_one(row, folder, decoder, monkeypatch):
    monkeypatch.setitem(MODELS, "twin", replace(MODELS["tiny"], name="twin"))
    models = make_cache(SETTINGS)
    with models.lease("tiny") as one, models.lease("twin") as other:
        assert one.tiny.network is other.tiny.network


def test_one_of_stable_diffusion_1_is_left_out_of_an_xl(row, decoder, tmp_path, monkeypatch):
    """What LAB_ALLOWED_MODELS adds says not which of the two it is."""
    monkeypatch.setattr(loaders, "TAESD", str(decoder))
    row(source=tiny.xl(tmp_path))
    assert load("tiny", SETTINGS).tiny is None


def test_allowing_one_makes_no_model_of_it(monkeypatch):
    before = dict(MODELS)
    try:
        add_hub_models([TAESD, "madebyollin/taesdxl", "somebody/a-model"])
        assert set(MODELS) - set(before) == {"somebody/a-model"}
        assert MODELS["somebody/a-model"].tiny_decoder == TAESD
    finally:
        MODELS.pop("somebody/a-model", None)
