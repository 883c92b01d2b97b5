"""What a model's files say of its parts is what the loaded model has."""

import json

import numpy as np
import pytest
import torch

from lab.architecture import Architecture, architecture, residuals
from lab.catalog import CONTROLS, MODELS
from lab.models.loaders import make_cache
from lab.models.prompts import EncodedPrompt
from lab.requests.fields import Condition, Forward
from lab.settings import Settings, at_hand

SETTINGS = Settings(device="cpu", cpu_engine="torch")
SHIPPED = [name for name, row in MODELS.items() if at_hand(row.source, SETTINGS)]


@pytest.fixture(scope="module")
def cache():
    return make_cache(SETTINGS)


@pytest.mark.parametrize("name", SHIPPED)
def test_shapes_are_those_of_the_loaded_model(cache, name):
    built, row = architecture(MODELS[name]), MODELS[name]
    with cache.lease(name) as model:
        assert (built.shape, built.side, built.distilled) == (model.shape, model.side, model.distilled)
        if row.family in ("exact", "local"):
            assert built.pictures == len(model.data)
        elif row.family == "pixel":
            assert built.classes == len(model.classes)
        else:
            prompt = model.conditioning(Condition(prompt="red heart")).prompt
            assert isinstance(prompt, EncodedPrompt) and built.text == tuple(prompt.hidden.shape)


@pytest.mark.parametrize("kind", ["edges", "pose"])
def test_residuals_are_those_that_a_controlnet_gives(cache, kind):
    with cache.lease("text-to-image") as model, cache.lease(kind) as control:
        side = model.shape[1]
        hint = control.hint(np.zeros((64, 64, 3), np.uint8), model.side).encoded[None]
        prompt = model.prompts.read("")
        x, t = torch.zeros(1, *model.shape), torch.tensor([999])
        given = control.residuals(x, t, hint, prompt.hidden[None])
    assert residuals(CONTROLS[kind], side) == tuple((one.shape[1], one.shape[2]) for one in given)
    assert all(one.shape[2] == one.shape[3] for one in given)


def test_the_stages_of_a_unet_are_those_that_it_computes(cache):
    sizes = set()
    with cache.lease("text-to-image") as model:
        unet = model.denoiser(Forward(schedule="scaled_linear")).unet
        hooks = [
            block.register_forward_hook(lambda _, __, out: sizes.update((one.shape[1], one.shape[2]) for one in out[1]))
            for block in unet.down_blocks
        ]
        try:
            unet(torch.zeros(1, *model.shape), 0, encoder_hidden_states=model.prompts.read("").hidden[None])
        finally:
            for hook in hooks:
                hook.remove()
    assert set(architecture(MODELS["text-to-image"]).stages) <= sizes


@pytest.mark.parametrize("name", [name for name in MODELS if name not in SHIPPED])
def test_of_a_model_that_is_not_here_nothing_is_known(name):
    assert architecture(MODELS[name]) is None


def test_two_text_encoders_stand_side_by_side_and_damaged_files_say_nothing(tmp_path):
    """As Stable Diffusion XL has them (Podell et al. 2023, table 1): 77 tokens of 768 + 1,280 values."""
    files = {
        "unet": {"in_channels": 4, "sample_size": 128, "block_out_channels": [320, 640, 1280]},
        "vae": {"block_out_channels": [128, 256, 512, 512]},
        "text_encoder": {"max_position_embeddings": 77, "hidden_size": 768},
        "text_encoder_2": {"max_position_embeddings": 77, "hidden_size": 1280},
    }
    for part, config in files.items():
        (tmp_path / part).mkdir()
        (tmp_path / part / "config.json").write_text(json.dumps(config))
    (tmp_path / "tokenizer").mkdir()
    (tmp_path / "tokenizer" / "tokenizer_config.json").write_text('{"model_max_length": 1e30}')
    row = MODELS["sdxl"].__class__("mine", "Mine", "stable_diffusion", str(tmp_path), 1024, "")
    stages = ((320, 128), (640, 64), (1280, 32))
    assert architecture(row) == Architecture(1024, (4, 128, 128), (77, 2048), stages=stages)

    (other := tmp_path / "other" / "unet").mkdir(parents=True)
    (other / "config.json").write_text("[]")
    assert architecture(row.__class__("mine", "Mine", "stable_diffusion", str(other.parent), 64, "")) is None
