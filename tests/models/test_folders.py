"""A folder is what its files say: as diffusers' own pipelines read it, or refused in words when it is loaded."""

import json
import shutil
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from diffusers import (
    ControlNetModel,
    DDIMScheduler,
    EDMEulerScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    HeunDiscreteScheduler,
    PNDMScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UniPCMultistepScheduler,
)
from safetensors.torch import load_file, save_file

from lab.catalog import CONTROLS, MODELS
from lab.models import loaders
from lab.models.loaders import load
from lab.models.parts import without_paths
from lab.models.pictures import PictureSet
from lab.models.prompts import embed_scale
from lab.requests.base import LabError
from lab.requests.fields import Condition, Forward
from lab.settings import ASSETS, Settings
from tests.models import tiny

SETTINGS = Settings(device="cpu")
WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Folders of each kind; the pictures that previews are fitted on are read once for all that is loaded here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PictureSet, "load", cache(PictureSet.load))
        yield folders(tmp_path_factory)


def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("folders")
    tiny.xl(root)
    return {
        "plain": root / "plain",
        "xl": root / "xl",
        "pixel": tiny.pixel(root / "pixel"),
        "control": tiny.controlnet(root / "control", 5),
    }


@pytest.fixture
def folder(whole, tmp_path):
    """Copies of the whole folders, to be changed."""

    def copy(kind):
        return shutil.copytree(whole[kind], tmp_path / "server" / kind)

    return copy


def loaded(folder, monkeypatch):
    """What the lab makes of a folder."""
    if folder.name == "control":
        monkeypatch.setitem(CONTROLS, "edges", replace(CONTROLS["edges"], title="Odd", source=str(folder)))
        return load("edges", SETTINGS)
    row = MODELS["pixel" if folder.name == "pixel" else "text-to-image"]
    monkeypatch.setitem(MODELS, "odd", replace(row, name="odd", title="Odd", source=str(folder)))
    return load("odd", SETTINGS)


def refusal(folder, monkeypatch):
    """The words in which a folder is refused; they name what was asked for and no path."""
    with pytest.raises(LabError) as caught:
        loaded(folder, monkeypatch)
    words = str(caught.value)
    assert words.startswith(
        "The control 'Odd' could not be loaded: "
        if folder.name == "control"
        else "The model 'Odd' could not be loaded: "
    )
    assert "/" not in words.replace("and/or", "") and "server" not in words, words
    return words


def describe(file, **changes):
    """Change a JSON file; None takes an entry away."""
    entries = json.loads(file.read_text()) | changes
    file.write_text(json.dumps({name: value for name, value in entries.items() if value is not None}))


def tensors(file, change):
    """Change the tensors of a file in place."""
    values = load_file(file)
    change(values)
    save_file(values, file, metadata={"format": "pt"})


# Tensors


@pytest.mark.parametrize(
    ("kind", "part"),
    [
        ("plain", "unet"), ("plain", "vae"), ("plain", "text_encoder"), ("xl", "text_encoder_2"), ("pixel", "unet"),
        ("control", ""),
    ],
)  # fmt: skip
@pytest.mark.parametrize("harm", ["missing", "unknown", "of another shape"])
def test_tensors_that_do_not_fit_are_counted_and_the_first_is_named(folder, monkeypatch, kind, part, harm):
    there = folder(kind)
    (file,) = (there / part).glob("*.safetensors")
    named = []

    def change(values):
        weights = sorted(name for name in values if name.endswith(".weight") and values[name].ndim > 1)[-2:]
        for name in weights:
            named.append(name if harm != "unknown" else f"{name}.more")
            if harm == "missing":
                values.pop(name)
            else:
                values[named[-1]] = torch.zeros(3, 5)

    tensors(file, change)
    words = refusal(there, monkeypatch)
    assert f"The weights of its {part or 'network'} are not those that it describes: 2 tensors {harm} (first " in words
    assert min(named).removeprefix("text_model.") in words


def test_a_tensor_that_a_shard_lacks_is_missed(tmp_path, monkeypatch):
    there = shutil.copytree(ASSETS / "models" / "text-to-image", tmp_path / "server" / "plain")
    shard = sorted((there / "unet").glob("*.safetensors"))[0]
    gone = []
    tensors(shard, lambda values: gone.append(values.popitem()[0]))
    assert f"unet are not those that it describes: 1 tensor missing (first {gone[0]})" in refusal(there, monkeypatch)
    shard.unlink()
    assert "Its unet lacks some of the files that diffusion_pytorch_model.safetensors.index.json names" in refusal(
        there, monkeypatch
    )


def test_weights_that_are_no_numbers_are_damage(folder, monkeypatch):
    for kind, part in (("plain", "unet"), ("plain", "vae"), ("pixel", "unet")):
        there = folder(kind) if not (kind == "plain" and part == "vae") else folder("plain")
        tensors(there / part / WEIGHTS, lambda values: next(iter(values.values())).fill_(float("nan")))
        assert "not finite: its weights are damaged" in refusal(there, monkeypatch)
        shutil.rmtree(there)


def test_weights_as_older_versions_of_diffusers_wrote_them_are_read(folder, monkeypatch):
    """The autoencoder of Stable Diffusion 1.5 on the hub names its attention as of old, its text encoder keeps positions."""
    there = folder("plain")

    def of_old(values):
        for name in list(values):
            old = name.replace(".to_q.", ".query.").replace(".to_k.", ".key.").replace(".to_v.", ".value.")
            values[old.replace(".to_out.0.", ".proj_attn.")] = values.pop(name)

    tensors(there / "vae" / WEIGHTS, of_old)
    tensors(
        there / "text_encoder" / "model.safetensors",
        lambda values: values.update({"text_model.embeddings.position_ids": torch.arange(32)[None]}),
    )
    loaded(there, monkeypatch)


# Files


@pytest.mark.parametrize(
    "names",
    [
        ("diffusion_pytorch_model.bin",), ("diffusion_pytorch_model.bf16.safetensors",),
        ("diffusion_pytorch_model.non_ema.safetensors", "diffusion_pytorch_model.non_ema.bin"), ("model.safetensors",), (),
    ],
)  # fmt: skip
def test_weights_in_another_form_are_said_and_so_is_what_is_read(folder, monkeypatch, names):
    there = folder("plain")
    (there / "unet" / WEIGHTS).unlink()
    for name in names:
        (there / "unet" / name).write_bytes(b"weights")
    words = refusal(there, monkeypatch)
    has = f"has {', '.join(sorted(names))}" if names else "has no weights"
    assert f"Its unet {has}; the lab reads {WEIGHTS} or diffusion_pytorch_model.fp16.safetensors." in words
    assert "damaged" not in words


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("model_index.json", "Its folder has no model_index.json that can be read"),
        ("unet", "Its folder unet is missing"),
        ("unet/config.json", "Its unet has no config.json that can be read"),
        ("vae/config.json", "Its vae has no config.json that can be read"),
        ("scheduler", "Its scheduler has no scheduler_config.json that can be read"),
        ("tokenizer/tokenizer.json", "Its tokenizer has no vocabulary"),
        ("text_encoder/model.safetensors", "Its text_encoder has no weights; the lab reads model.safetensors"),
    ],
)
def test_a_file_that_is_missing_or_garbled_is_named(folder, monkeypatch, missing, words):
    there = folder("plain")
    gone = there / missing
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    assert words in refusal(there, monkeypatch)
    if gone.suffix == ".json" and "tokenizer" not in missing:
        gone.write_text("{")
        assert words in refusal(there, monkeypatch)


def test_half_precision_files_alone_are_read(folder, monkeypatch):
    there = folder("plain")
    for part in ("unet", "vae", "text_encoder"):
        (file,) = (there / part).glob("*.safetensors")
        file.rename(file.with_name(file.name.replace(".safetensors", ".fp16.safetensors")))
    loaded(there, monkeypatch)


# Classes


@pytest.mark.parametrize(
    ("kind", "part", "named"),
    [
        ("plain", "unet", ["diffusers", "UNet3DConditionModel"]),
        ("plain", "vae", ["diffusers", "AutoencoderTiny"]),
        ("plain", "text_encoder", ["transformers", "T5EncoderModel"]),
        ("plain", "tokenizer", ["transformers", "T5Tokenizer"]),
        ("plain", "scheduler", ["diffusers", "FlowMatchEulerDiscreteScheduler"]),
        ("xl", "text_encoder_2", ["transformers", "CLIPTextModel"]),
        ("xl", "text_encoder", [None, None]),
        ("plain", "unet", ["my_module", "MyUNet"]),
    ],
)
def test_a_class_in_the_index_that_the_lab_does_not_know_is_named(folder, monkeypatch, kind, part, named):
    there = folder(kind)
    describe(there / "model_index.json", **{part: named})
    words = refusal(there, monkeypatch)
    assert f"Its {part} is" in words and (named[1] or "not there") in words


@pytest.mark.parametrize(
    ("kind", "part", "name"),
    [
        ("plain", "unet", "UNetMotionModel"), ("plain", "vae", "AsymmetricAutoencoderKL"), ("pixel", "unet", "UNet1DModel"),
        ("control", "", "ControlNetUnionModel"),
    ],
)  # fmt: skip
def test_a_class_in_a_config_that_the_lab_does_not_know_is_named(folder, monkeypatch, kind, part, name):
    there = folder(kind)
    describe(there / part / "config.json", _class_name=name)
    assert f"Its {part or 'network'} is a {name}; the lab knows" in refusal(there, monkeypatch)


# The scheduler


@pytest.mark.parametrize("kind", ["plain", "pixel"])
@pytest.mark.parametrize(
    ("scheduler", "words"),
    [
        (EDMEulerScheduler(), "a EDMEulerScheduler"),
        (FlowMatchEulerDiscreteScheduler(), "a FlowMatchEulerDiscreteScheduler"),
        (
            UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True),
            "predicts 'flow_prediction'",
        ),
        (UniPCMultistepScheduler(use_flow_sigmas=True), "flow matching"),
        (DDIMScheduler(num_train_timesteps=500), "has 500 timesteps"),
        (DDIMScheduler(thresholding=True), "thresholds"),
        (EulerDiscreteScheduler(timestep_type="continuous", prediction_type="v_prediction"), "timestep_type"),
        (DDIMScheduler(beta_end=1.2), "run from 0.0001 to 1.2"),
    ],
)
def test_a_process_that_the_lab_cannot_draw_is_refused(folder, monkeypatch, kind, scheduler, words):
    there = folder(kind)
    scheduler.save_pretrained(there / "scheduler")
    assert words in refusal(there, monkeypatch)


@pytest.mark.parametrize(
    ("scheduler", "dropped"),
    [
        (PNDMScheduler(beta_start=0.001, beta_end=0.01, beta_schedule="scaled_linear"), ()),
        (HeunDiscreteScheduler(), ("beta_start", "beta_end", "beta_schedule")),  # whose defaults are its own
        (EulerDiscreteScheduler(prediction_type="v_prediction", rescale_betas_zero_snr=True), ()),
        (DDIMScheduler(trained_betas=np.linspace(1e-4, 0.03, 1000).tolist()), ()),
        (DDIMScheduler(rescale_betas_zero_snr=True, prediction_type="v_prediction"), ()),
    ],
)
def test_the_process_is_the_one_of_the_folders_own_scheduler(folder, monkeypatch, scheduler, dropped):
    there = folder("plain")
    scheduler.save_pretrained(there / "scheduler")
    describe(there / "scheduler" / "scheduler_config.json", **dict.fromkeys(dropped))
    describe(there / "model_index.json", scheduler=["diffusers", type(scheduler).__name__])
    theirs = StableDiffusionPipeline.from_pretrained(there).scheduler
    denoiser = loaded(there, monkeypatch).denoiser(Forward(schedule="scaled_linear"))
    assert torch.equal(denoiser.process.alphas_cumprod, theirs.alphas_cumprod)
    assert denoiser.prediction_type == theirs.config.prediction_type


# The parts together


@pytest.mark.parametrize(
    ("kind", "config", "words"),
    [
        ("plain", {"in_channels": 5}, "takes 5 channels and gives 4, where its autoencoder has 4"),
        ("plain", {"in_channels": 9, "out_channels": 8}, "takes 9 channels and gives 8"),
        ("plain", {"in_channels": 8, "out_channels": 8}, "takes 8 channels"),
        ("plain", {"cross_attention_dim": 48}, "Its unet cannot be called with its prompts"),
        ("plain", {"class_embed_type": "timestep"}, "Its unet cannot be called with its prompts"),
        ("plain", {"sample_size": [8, 12]}, "sample_size of its unet is 8 by 12"),
        ("plain", {"sample_size": None}, "sample_size of its unet is not given"),
        ("plain", tiny.XL | {"cross_attention_dim": 32}, "text_time, which does not go with 1 text encoder"),
        ("xl", {"addition_embed_type": None}, "does not go with 2 text encoders"),
        ("xl", {"projection_class_embeddings_input_dim": 24 + 5 * 8}, "Its unet cannot be called with its prompts"),
    ],
)
def test_a_unet_that_does_not_go_with_the_rest_is_refused(folder, monkeypatch, kind, config, words):
    there = folder(kind)
    more = tiny.XL if kind == "xl" else {}
    tiny.unet(**more | config).save_pretrained(there / "unet")
    assert words in refusal(there, monkeypatch)


def test_a_tokenizer_that_says_too_many_tokens_is_refused(folder, monkeypatch):
    there = folder("plain")
    describe(there / "tokenizer" / "tokenizer_config.json", model_max_length=77)
    assert "Its text encoder cannot read a prompt" in refusal(there, monkeypatch)


def test_a_tokenizer_with_tokens_that_the_encoder_does_not_know_is_refused(folder, monkeypatch):
    there = folder("plain")
    describe(there / "text_encoder" / "config.json", vocab_size=100)
    tensors(
        there / "text_encoder" / "model.safetensors",
        lambda values: values.update(
            {name: value[:100].clone() for name, value in values.items() if "token_embedding" in name}
        ),
    )
    assert "knows 100 of them" in refusal(there, monkeypatch)


@pytest.mark.parametrize(
    ("kind", "entries", "words"),
    [
        ("plain", {"shift_factor": 0.1}, "shift_factor"),
        ("plain", {"latents_mean": [0.1] * 4, "latents_std": [2.0] * 4}, "only Stable Diffusion XL reads"),
        ("xl", {"latents_mean": [0.1] * 4}, "and only both"),
        ("xl", {"latents_mean": [0.1], "latents_std": [2.0]}, "for 4 channels"),
    ],
)
def test_statistics_that_a_pipeline_passes_over_are_refused(folder, monkeypatch, kind, entries, words):
    there = folder(kind)
    describe(there / "vae" / "config.json", **entries)
    assert words in refusal(there, monkeypatch)


def test_an_aesthetic_score_is_not_made_up(folder, monkeypatch):
    there = folder("xl")
    describe(there / "model_index.json", requires_aesthetics_score=True)
    assert "requires_aesthetics_score" in refusal(there, monkeypatch)


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda at: (at / "classes.json").unlink(), "there is no classes.json"),
        (lambda at: (at / "classes.json").write_text('["one"]'), "a list of as many names"),
        (lambda at: describe(at / "scheduler/scheduler_config.json", variance_type="fixed_small"), "it should give 3"),
        (lambda at: describe(at / "scheduler/scheduler_config.json", variance_type="learned"), "learned_range"),
        (lambda at: describe(at / "unet/config.json", class_embed_type="identity"), "are not those|cannot be called"),
        (lambda at: describe(at / "unet/config.json", sample_size=[8, 16]), "8 by 16"),
    ],
)
def test_a_pixel_model_whose_files_contradict_each_other_is_refused(folder, monkeypatch, harm, words):
    there = folder("pixel")
    harm(there)
    assert any(word in refusal(there, monkeypatch) for word in words.split("|"))


# What is read as diffusers reads it


def test_statistics_of_an_xl_autoencoder_are_the_pipelines(folder, monkeypatch):
    there = folder("xl")
    describe(there / "vae" / "config.json", latents_mean=[0.3, -0.2, 0.5, 0.1], latents_std=[1.5, 0.6, 2.0, 0.9])
    pipeline = StableDiffusionXLPipeline.from_pretrained(there)
    pipeline.set_progress_bar_config(disable=True)
    ends = {}
    pipeline(
        "a red apple", num_inference_steps=2, output_type="latent", generator=torch.Generator().manual_seed(1),
        callback_on_step_end=lambda pipe, i, t, values: ends.update(values) or values,
    )  # fmt: skip
    want = pipeline(
        "a red apple", num_inference_steps=2, output_type="np", generator=torch.Generator().manual_seed(1)
    ).images[0]
    model = loaded(there, monkeypatch)
    assert np.abs(model.to_picture(ends["latents"][0]) - want * 255).max() <= 0.6
    latents = torch.randn(model.shape, generator=torch.Generator().manual_seed(2))
    monkeypatch.setattr(model.autoencoder, "encode", lambda x: FakeLatents(latents * model._deviation + model._mean))
    torch.testing.assert_close(model.from_picture(np.zeros((8, 8, 3), np.uint8)), latents)


class FakeLatents:
    """What an encoder gives: latents without spread."""

    def __init__(self, mean):
        self.latent_dist, self.mean, self.std = self, mean[None], torch.zeros_like(mean[None])


def test_no_prompt_is_what_the_pipeline_makes_of_it(folder, monkeypatch):
    """Zeros for no negative prompt, unless the index says otherwise; an empty prompt is read as a text."""
    there = folder("xl")
    for said, zeros in ((None, True), (True, True), (False, False)):
        describe(there / "model_index.json", force_zeros_for_empty_prompt=said)
        model = loaded(there, monkeypatch)
        pipeline = StableDiffusionXLPipeline.from_pretrained(there)
        want = pipeline.encode_prompt("", None, "cpu", 1, True)
        empty, none = model.conditioning(Condition()).prompt, model.unconditional().prompt
        for got, theirs in (
            (empty.hidden, want[0]),
            (none.hidden, want[1]),
            (empty.added[0], want[2]),
            (none.added[0], want[3]),
        ):
            torch.testing.assert_close(got, theirs[0].detach(), atol=1e-5, rtol=1e-5)
        assert (none.hidden == 0).all() == zeros and not (empty.hidden == 0).all()


def test_an_attention_mask_that_the_encoder_asks_for_is_given(folder, monkeypatch):
    there = folder("plain")
    describe(there / "text_encoder" / "config.json", use_attention_mask=True)
    want, _ = StableDiffusionPipeline.from_pretrained(there).encode_prompt("a red apple", "cpu", 1, False)
    got = loaded(there, monkeypatch).conditioning(Condition(prompt="a red apple")).prompt.hidden
    torch.testing.assert_close(got, want[0].detach(), atol=1e-5, rtol=1e-5)


def test_a_square_size_as_a_list_is_a_square(folder, monkeypatch):
    there = folder("plain")
    describe(there / "unet" / "config.json", sample_size=[8, 8])
    assert loaded(there, monkeypatch).shape == (4, 8, 8)


def test_a_tokenizer_without_a_length_is_read_as_far_as_its_encoder(folder, monkeypatch):
    there = folder("plain")
    describe(there / "tokenizer" / "tokenizer_config.json", model_max_length=None, max_length=None)
    assert loaded(there, monkeypatch).conditioning(Condition(prompt="cat " * 60)).prompt.hidden.shape[0] == 32


@pytest.mark.parametrize("width", [8, 9])
def test_a_scale_is_embedded_as_the_pipeline_does(whole, width):
    scales = torch.tensor([1.0, 3.5, 8.0])
    want = StableDiffusionPipeline.get_guidance_scale_embedding(None, scales - 1, width)
    torch.testing.assert_close(embed_scale(scales, width), want)


# ControlNets


def test_a_control_of_blue_green_red_is_diffusers(folder, monkeypatch):
    """The picture is turned round, not what its encoder makes of it."""
    there = folder("control")
    describe(there / "config.json", controlnet_conditioning_channel_order="bgr")
    picture = np.random.default_rng(0).integers(0, 256, (tiny.SIDE, tiny.SIDE, 3), np.uint8)
    control = loaded(there, monkeypatch)
    hint = control.hint(picture, tiny.SIDE).encoded[None]
    x, t, hidden = torch.randn(1, 4, 8, 8), torch.tensor([500]), torch.randn(1, 32, 32)
    got = control.residuals(x, t, hint, hidden)
    net = ControlNetModel.from_pretrained(there).eval()
    pixels = torch.from_numpy(picture).permute(2, 0, 1)[None] / 255
    with torch.no_grad():
        down, middle = net(x, t, hidden, controlnet_cond=pixels, return_dict=False)
    for ours, theirs in zip(got, (*down, middle), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"controlnet_conditioning_channel_order": "grb"}, "is 'grb'; the lab knows rgb and bgr"),
        ({"global_pool_conditions": True}, "global_pool_conditions"),
    ],
)
def test_a_control_that_works_in_another_way_is_refused(folder, monkeypatch, entries, words):
    there = folder("control")
    describe(there / "config.json", **entries)
    assert words in refusal(there, monkeypatch)


@pytest.mark.parametrize(
    "config",
    [
        {"cross_attention_dim": 48}, tiny.XL, {"block_out_channels": (16, 48)}, {"in_channels": 9},
        {"conditioning_embedding_out_channels": (8, 16, 16, 32)}, {"layers_per_block": 2},
    ],
)  # fmt: skip
def test_a_control_of_another_base_model_does_not_fit(folder, whole, tmp_path, monkeypatch, config):
    control = loaded(tiny.controlnet(tmp_path / "control", 5, **config), monkeypatch)
    model = loaded(folder("plain"), monkeypatch)
    for _ in range(2):
        with pytest.raises(LabError, match="It was made for another base model"):
            model.try_control(control)
    model.try_control(loaded(whole["control"], monkeypatch))


# Words


@pytest.mark.parametrize(
    ("text", "want"),
    [
        (
            "Error no file named x.bin found in directory /srv/lab/models/unet.",
            "Error no file named x.bin found in directory unet.",
        ),
        ("[Errno 2] No such file: '/home/a/b/config.json'", "[Errno 2] No such file: 'config.json'"),
        ("see https://huggingface.co/docs/x and and/or 1/2", "see https://huggingface.co/docs/x and and/or 1/2"),
        (r"cannot open C:\models\unet\config.json", "cannot open config.json"),
    ],
)
def test_folders_of_the_server_are_not_shown(text, want):
    assert without_paths(text) == want


def test_a_folder_that_is_gone_is_called_by_its_name_alone(tmp_path, monkeypatch):
    assert "no folder 'plain'" in refusal(tmp_path / "server" / "plain", monkeypatch)


def test_a_model_is_tried_out_where_it_runs(folder, monkeypatch):
    """On an accelerator its parts are in host memory while it loads: there the first run is what finds out."""
    there = folder("plain")
    tiny.unet(cross_attention_dim=48).save_pretrained(there / "unet")
    monkeypatch.setattr(loaders, "pick_device", lambda settings: torch.device("mps"))
    model = loaded(there, monkeypatch)
    for _ in range(2):
        with pytest.raises(
            LabError, match="The model 'Odd' cannot be used: Its unet cannot be called with its prompts"
        ):
            model.denoiser(Forward(schedule="scaled_linear"))
