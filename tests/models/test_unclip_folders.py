"""An unCLIP folder of either kind is what its files say, or refused in words when it is loaded."""

import json
import shutil
from dataclasses import replace
from functools import cache

import pytest
import torch
from diffusers import PriorTransformer
from diffusers.pipelines.deprecated.unclip.text_proj import UnCLIPTextProjModel
from diffusers.pipelines.stable_diffusion import StableUnCLIPImageNormalizer
from safetensors.torch import load_file, save_file

from lab.catalog import HELPERS, MODELS
from lab.models.loaders import load, weigh
from lab.models.pictures import PictureSet
from lab.models.sources import weight_of
from lab.requests.base import LabError
from lab.settings import Settings
from lab.store import gap_in
from tests.models import tiny

SETTINGS = Settings(device="cpu", cpu_engine="torch")
NETWORKS = {
    "pixels": ("decoder", "text_proj", "text_encoder", "image_encoder", "prior"),
    "latents": (
        "unet", "vae", "text_encoder", "image_encoder", "image_normalizer", "prior", "prior_text_encoder", "context"
    ),
}  # fmt: skip
SCHEDULERS = {
    "pixels": ("decoder_scheduler", "prior_scheduler"),
    "latents": ("scheduler", "prior_scheduler", "image_noising_scheduler"),
}
TOKENIZERS = {"pixels": ("tokenizer",), "latents": ("tokenizer", "prior_tokenizer")}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder of each kind; the lab's pictures are read once for all that is loaded here."""
    root = tmp_path_factory.mktemp("folders")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PictureSet, "load", cache(PictureSet.load))
        yield {"pixels": tiny.pixel_unclip(root / "pixels"), "latents": tiny.unclip(root, context=True)}


@pytest.fixture
def folder(whole, tmp_path):
    """Copies of the whole folders, to be changed."""
    return lambda kind: shutil.copytree(whole[kind], tmp_path / "server" / kind)


def loaded(folder, monkeypatch):
    monkeypatch.setitem(HELPERS, "odd", replace(HELPERS["unclip"], name="odd", title="Odd", source=str(folder)))
    return load("odd", SETTINGS)


def refusal(folder, monkeypatch):
    """The words in which a folder is refused; they name what was asked for and no path."""
    with pytest.raises(LabError) as caught:
        loaded(folder, monkeypatch)
    words = str(caught.value)
    assert words.startswith("The helper network 'Odd' could not be loaded: ")
    assert "/" not in words and "server" not in words and "damaged or incomplete" not in words, words
    return words


def describe(file, **changes):
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def each(parts):
    return [(kind, part) for kind, names in parts.items() for part in names]


@pytest.mark.parametrize("kind", ["pixels", "latents"])
def test_a_whole_folder_is_loaded_and_weighed(whole, monkeypatch, kind):
    model = loaded(whole[kind], monkeypatch)
    assert model.decoder.latent == (kind == "latents") and model.reads and model.prior is not None
    larger = sum(weight_of(whole[kind] / part, torch.float32) for part in ("super_res_first", "super_res_last"))
    assert weigh("odd", SETTINGS) == weight_of(whole[kind], torch.float32) - larger
    assert not gap_in(whole[kind])


@pytest.mark.parametrize(("kind", "part"), each(NETWORKS))
def test_a_network_that_is_missing_or_has_no_weights_is_named(folder, monkeypatch, kind, part):
    there = folder(kind)
    for file in (there / part).glob("*.safetensors"):
        file.unlink()
    assert f"Its {part} has no weights; the lab reads " in refusal(there, monkeypatch)
    (there / part / "config.json").unlink()
    assert f"Its {part} has no config.json that can be read" in refusal(there, monkeypatch)
    shutil.rmtree(there / part)
    if part not in ("prior", "context"):  # a folder may lack these
        words = refusal(there, monkeypatch)
        assert f"Its folder {part} is missing" in words or f"Its {part} has no config.json" in words


@pytest.mark.parametrize(("kind", "part"), each(NETWORKS))
def test_a_tensor_of_another_shape_is_named_with_its_part(folder, monkeypatch, kind, part):
    there = folder(kind)
    (file,) = (there / part).glob("*.safetensors")
    values = load_file(file)
    name = sorted(name for name in values if name.endswith(("weight", "mean")))[0]
    save_file(values | {name: torch.zeros(3, 5)}, file, metadata={"format": "pt"})
    assert f"The weights of its {part} are not those that it describes: 1 tensor of another shape" in refusal(
        there, monkeypatch
    )


@pytest.mark.parametrize(("kind", "part"), each(SCHEDULERS))
def test_a_scheduler_that_is_missing_or_of_another_process_is_refused(folder, monkeypatch, kind, part):
    there = folder(kind)
    describe(there / part / "scheduler_config.json", _class_name="FlowMatchEulerDiscreteScheduler")
    if part == "scheduler":
        describe(there / "model_index.json", scheduler=["diffusers", "FlowMatchEulerDiscreteScheduler"])
    assert "FlowMatchEulerDiscreteScheduler, for whose process the lab has no samplers" in refusal(there, monkeypatch)
    shutil.rmtree(there / part)
    if part == "scheduler":
        describe(there / "model_index.json", scheduler=["diffusers", "DDIMScheduler"])
    assert f"Its {part} has no scheduler_config.json that can be read" in refusal(there, monkeypatch)


@pytest.mark.parametrize(("kind", "part"), each(TOKENIZERS))
def test_a_tokenizer_without_a_vocabulary_is_named(folder, monkeypatch, kind, part):
    there = folder(kind)
    shutil.rmtree(there / part)
    assert f"Its {part} has no vocabulary" in refusal(there, monkeypatch)


@pytest.mark.parametrize("kind", ["pixels", "latents"])
def test_what_prepares_pictures_is_needed(folder, monkeypatch, kind):
    there = folder(kind)
    describe(there / "feature_extractor" / "preprocessor_config.json", size={"height": 16, "width": 16})
    assert "Its image_encoder cannot read what its feature_extractor makes of a picture" in refusal(there, monkeypatch)
    shutil.rmtree(there / "feature_extractor")
    assert "Its feature_extractor has no preprocessor_config.json" in refusal(there, monkeypatch)


CLASSES = {
    "pixels": ("decoder", "text_proj", "text_encoder", "tokenizer", "image_encoder", "feature_extractor", "prior"),
    "latents": (
        "unet", "vae", "text_encoder", "tokenizer", "image_encoder", "feature_extractor", "image_normalizer", "prior",
        "prior_text_encoder", "prior_tokenizer",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "part"), each(CLASSES))
def test_a_class_in_the_index_that_the_lab_does_not_know_is_named(folder, monkeypatch, kind, part):
    there = folder(kind)
    describe(there / "model_index.json", **{part: ["my_module", "MyPart"]})
    assert f"Its {part} is a MyPart; the lab knows " in refusal(there, monkeypatch)


def test_another_pipeline_is_named(folder, monkeypatch):
    there = folder("pixels")
    describe(there / "model_index.json", _class_name="KandinskyPipeline")
    assert "It is a KandinskyPipeline; the lab knows " in refusal(there, monkeypatch)


def prior(**config):
    more = {"num_attention_heads": 2, "attention_head_dim": 8, "num_layers": 1, "embedding_dim": tiny.WIDTH}
    return PriorTransformer(**{**more, "num_embeddings": tokens(), **config})


def tokens():
    return json.loads((tiny.TOKENIZER / "tokenizer_config.json").read_text())["model_max_length"]


def projection(**config):
    plain = {"clip_embeddings_dim": tiny.WIDTH, "time_embed_dim": 64, "cross_attention_dim": 24}
    return UnCLIPTextProjModel(**{**plain, **config})


@pytest.mark.parametrize(
    ("kind", "part", "make", "words"),
    [
        ("pixels", "text_proj", lambda: projection(clip_embeddings_dim=24), "Its text_proj takes 24 values, and its text_encoder gives 16 of a text"),
        ("pixels", "text_proj", lambda: projection(cross_attention_dim=16), "Its decoder takes 24 values, and its text_proj gives 16 a token"),
        ("pixels", "text_proj", lambda: projection(time_embed_dim=32), "Its decoder takes 64 values, and its text_proj gives 32 to add"),
        ("pixels", "decoder", lambda: tiny.unet(in_channels=3, out_channels=3, cross_attention_dim=24), "Its decoder takes 3 channels and gives 3"),
        ("pixels", "decoder", lambda: tiny.unet(in_channels=3, out_channels=6, cross_attention_dim=24, class_embed_type="identity"),
         "Its decoder cannot be called with what its text_proj makes"),
        ("latents", "image_normalizer", lambda: StableUnCLIPImageNormalizer(24), "Its image_normalizer has 24 values, and its image_encoder gives 16"),
        ("latents", "unet", lambda: tiny.unet(class_embed_type="projection", projection_class_embeddings_input_dim=24),
         "Its unet takes 24 values of an embedding and its level"),
        *((kind, "prior", make, words) for kind in ("pixels", "latents") for make, words in (
            (lambda: prior(embedding_dim=24), "Its prior draws 24 values, and its image_encoder gives 16"),
            (lambda: prior(embedding_dim=24, clip_embed_dim=16, embedding_proj_dim=16), "Its prior takes 24 values of a token"),
            (lambda: prior(embedding_proj_dim=24), "Its prior takes 24 values of a text"),
            (lambda: prior(num_embeddings=5), "Its prior takes 5 tokens, and its CLIP's text encoder gives "),
        )),
    ],
)  # fmt: skip
def test_widths_that_do_not_go_together_are_said(folder, monkeypatch, kind, part, make, words):
    there = folder(kind)
    shutil.rmtree(there / part)
    make().save_pretrained(there / part)
    assert words in refusal(there, monkeypatch)


@pytest.mark.parametrize("part", ["decoder", "text_proj", "text_encoder", "image_encoder", "prior"])
def test_weights_that_are_no_numbers_are_damage(folder, monkeypatch, part):
    there = folder("pixels")
    (file,) = (there / part).glob("*.safetensors")
    values = {
        name: value * torch.nan if value.is_floating_point() else value for name, value in load_file(file).items()
    }
    save_file(values, file, metadata={"format": "pt"})
    assert "gives values that are not finite: its weights are damaged" in refusal(there, monkeypatch)


def test_an_unclip_among_the_other_models_says_where_it_belongs(whole, monkeypatch):
    row = replace(MODELS["text-to-image"], name="astray", title="Astray", source=str(whole["pixels"]))
    monkeypatch.setitem(MODELS, "astray", row)
    with pytest.raises(
        LabError, match="an unCLIP model, a UnCLIPPipeline.+unclip: before its name in LAB_ALLOWED_MODELS"
    ):
        load("astray", SETTINGS)


@pytest.mark.parametrize(
    ("gone", "gap"),
    [
        ("prior_scheduler/scheduler_config.json", "prior_scheduler/scheduler_config.json"),
        ("tokenizer/tokenizer.json", "a vocabulary in tokenizer"),
        ("image_encoder/model.safetensors", "weights in image_encoder"),
        ("feature_extractor/preprocessor_config.json", "feature_extractor/preprocessor_config.json"),
        ("super_res_first", ""),
    ],
)
def test_what_a_copy_of_the_hubs_lacks_is_said_and_its_super_resolution_is_not_missed(folder, gone, gap):
    there = folder("pixels")
    shutil.rmtree(there / gone) if (there / gone).is_dir() else (there / gone).unlink()
    assert gap_in(there) == gap
