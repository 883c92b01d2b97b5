"""Every recipe from end to end on a tiny configuration: it runs, resumes bit for bit, and diffusers loads it."""

import os
import signal

import numpy as np
import pytest
import torch
from diffusers import (
    AutoencoderKL,
    ControlNetModel,
    DDPMScheduler,
    StableDiffusionControlNetPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionPipeline,
    UNet2DConditionModel,
    UNet2DModel,
)  # fmt: skip
from diffusers.pipelines.stable_diffusion import pipeline_stable_diffusion_inpaint as inpaint
from PIL import Image
from torch.nn.functional import avg_pool2d
from transformers import CLIPTextModelWithProjection, CLIPTokenizer, CLIPVisionModelWithProjection

from lab.models.noisy_encoder import NoisyEncoder
from lab.models.upsampler import read_upsampler
from lab.training.corpus import to_unit
from lab.training.recipes import RECIPES
from lab.training.recipes.inpainting import widened
from lab.training.recipes.upsampler import augmented, upsample
from lab.training.records import LOG, read_log
from lab.training.train import CHECKPOINT, Budget, Trainer, run
from lab.training.wording import VARIANTS, tokenize, wordings


@pytest.mark.parametrize("name", RECIPES)
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(make, tmp_path, name):
    whole = Trainer(make(name), Budget(steps=4))
    records = list(whole.steps())

    first = Trainer(make(name), Budget(steps=4))
    steps = first.steps()
    next(steps), next(steps)
    first.save(tmp_path / CHECKPOINT)
    second = Trainer(make(name), Budget(steps=99))
    second.load(torch.load(tmp_path / CHECKPOINT), continues=True)
    resumed = list(second.steps())

    assert [record.losses for record in resumed] == [record.losses for record in records[2:]]
    assert [record.lr for record in resumed] == [record.lr for record in records[2:]]
    for ours, theirs in ((whole.recipe.model, second.recipe.model), (whole.ema, second.ema)):
        for a, b in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True):
            assert torch.equal(a, b)


@pytest.mark.parametrize("name", RECIPES)
def test_a_run_leaves_a_log_a_sheet_a_checkpoint_and_an_export(make, name):
    folder = make.model(name).parent
    assert [row["step"] for row in read_log(folder / LOG)] == []  # three steps; rows come every ten
    assert np.asarray(Image.open(folder / "sheet-0000003.png")).std() > 0
    assert (folder / CHECKPOINT).exists() and any((folder / "model").iterdir())


def test_a_second_sitting_goes_on_and_keeps_the_log(make, tmp_path):
    run(Trainer(make("autoencoder"), Budget(steps=20)), tmp_path)
    trainer = Trainer(make("autoencoder"), Budget(steps=10))
    trainer.load(torch.load(tmp_path / CHECKPOINT), continues=False)
    run(trainer, tmp_path)
    assert [row["step"] for row in read_log(tmp_path / LOG)] == [10, 20, 30]


def test_sigterm_ends_a_run_with_a_checkpoint(make, tmp_path):
    trainer = Trainer(make("autoencoder"), Budget(minutes=5))
    steps = trainer.steps

    def interrupted():
        for record in steps():
            if record.step == 2:
                os.kill(os.getpid(), signal.SIGTERM)
            yield record

    trainer.steps = interrupted
    before = signal.getsignal(signal.SIGTERM)
    run(trainer, tmp_path)
    assert torch.load(tmp_path / CHECKPOINT)["step"] in (2, 3)
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_autoencoder_loads_and_its_latents_have_unit_variance(make, corpus):
    folder = make.model("autoencoder")
    model = AutoencoderKL.from_pretrained(folder)
    pictures = torch.from_numpy(corpus.training.pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.no_grad():
        latents = model.encode(pictures).latent_dist.mean * model.config.scaling_factor
    assert latents.shape[1:] == (4, 8, 8)
    assert float(latents.std()) == pytest.approx(1, abs=0.05)


def test_clip_loads_with_its_own_tokenizer(make):
    folder = make.model("clip")
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    text = CLIPTextModelWithProjection.from_pretrained(folder / "text_encoder")
    image = CLIPVisionModelWithProjection.from_pretrained(folder / "image_encoder")
    tokens = tokenizer(["red square", "ZÉBRA ✿ 12!"], padding="max_length", return_tensors="pt").input_ids
    assert tokens.shape == (2, 32)
    ends = tokens == tokenizer.eos_token_id
    assert (ends.int().diff(dim=1) >= 0).all()  # nothing unknown: the end comes once, then only padding
    assert text(tokens).text_embeds.shape == image(torch.zeros(2, 3, 32, 32)).image_embeds.shape == (2, 32)


@pytest.mark.parametrize("name", ["text-to-image", "student"])
def test_text_to_image_loads_as_a_stable_diffusion_pipeline_with_equal_outputs(make, name):
    loaded = StableDiffusionPipeline.from_pretrained(make.model(name), safety_checker=None)
    loaded.set_progress_bar_config(disable=True)
    recipe = make(name)
    trainer = Trainer(recipe, Budget())
    trainer.load(torch.load(make.model(name).parent / CHECKPOINT), continues=True)
    ours = recipe.pipeline(trainer.ema)
    ours.set_progress_bar_config(disable=True)
    pictures = [
        pipeline(
            "red square", num_inference_steps=3, guidance_scale=4.0, generator=torch.manual_seed(0), output_type="np"
        ).images
        for pipeline in (loaded, ours)
    ]
    assert pictures[0].shape == (1, 32, 32, 3)
    np.testing.assert_allclose(*pictures, atol=1e-5)


@pytest.mark.parametrize("name", ["controlnet-edges", "controlnet-pose"])
def test_a_controlnet_starts_without_effect_and_loads_in_its_pipeline(make, name):
    recipe = make(name)
    x, t, hidden = torch.randn(1, 4, 8, 8), torch.tensor([500]), torch.randn(1, 32, recipe.text.config.hidden_size)
    hint = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        down, mid = recipe.model(x, t, hidden, controlnet_cond=hint, return_dict=False)
    assert not any(part.any() for part in (*down, mid))

    base = StableDiffusionPipeline.from_pretrained(make.model("text-to-image"), safety_checker=None)
    controlnet = ControlNetModel.from_pretrained(make.model(name))
    pipeline = StableDiffusionControlNetPipeline(
        **base.components | {"controlnet": controlnet}, requires_safety_checker=False
    )
    pipeline.set_progress_bar_config(disable=True)
    picture = pipeline("red square", image=hint, num_inference_steps=2, output_type="np").images
    assert picture.shape == (1, 32, 32, 3)


def test_training_a_controlnet_leaves_the_unet_alone(make):
    recipe = make("controlnet-pose")
    before = [weight.clone() for weight in recipe.unet.parameters()]
    trainer = Trainer(recipe, Budget(steps=2))
    list(trainer.steps())
    assert all(torch.equal(a, b) for a, b in zip(before, recipe.unet.parameters(), strict=True))
    assert any(weight.abs().sum() > 0 for weight in recipe.model.controlnet_mid_block.parameters())


def test_pixel_loads_and_its_scheduler_reads_the_learned_variance(make):
    folder = make.model("pixel")
    model = UNet2DModel.from_pretrained(folder / "unet")
    scheduler = DDPMScheduler.from_pretrained(folder / "scheduler")
    x = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        output = model(x, 500, class_labels=torch.tensor([0, 2])).sample
    assert output.shape == (2, 6, 8, 8)
    assert scheduler.step(output, 500, x).prev_sample.shape == x.shape


@pytest.mark.parametrize(("name", "part"), [("classifier", "classifier"), ("noised-clip", "image_encoder")])
def test_what_reads_noisy_pictures_loads_and_is_differentiable_in_x_t(make, name, part):
    """Its gradient against finite differences, in float64, at fractional timesteps."""
    model = NoisyEncoder.from_pretrained(make.model(name) / part).double().eval()
    rng = torch.Generator().manual_seed(0)
    x_t = torch.randn(2, 3, 8, 8, dtype=torch.float64, generator=rng).requires_grad_()
    way = torch.randn(x_t.shape, dtype=torch.float64, generator=rng)
    t = torch.tensor([3.5, 900.0], dtype=torch.float64)
    log_p = model(x_t, t).log_softmax(1)[:, 1]
    assert log_p.shape == (2,)
    (gradient,) = torch.autograd.grad(log_p.sum(), x_t)
    h = 1e-5
    with torch.no_grad():
        ahead, behind = (model(x_t + sign * h * way, t).log_softmax(1)[:, 1].sum() for sign in (1, -1))
    assert float((ahead - behind) / (2 * h)) == pytest.approx(float((gradient * way).sum()), rel=1e-6)
    assert gradient.flatten(1).norm(dim=1).min() > 0


@pytest.mark.parametrize("name", ["classifier", "noised-clip"])
def test_what_reads_noisy_pictures_starts_from_the_down_half_of_the_pixel_model(make, name):
    unet = UNet2DModel.from_pretrained(make.model("pixel") / "unet").eval()
    model = make(name, start=str(make.model("pixel") / "unet")).model.eval()
    middle = []
    unet.mid_block.register_forward_hook(lambda *call: middle.append(call[2]))
    x_t, t = torch.randn(2, 3, 8, 8), torch.tensor([10, 700])
    with torch.no_grad():
        unet(x_t, t, class_labels=torch.tensor([2, 2]))
        torch.testing.assert_close(model.features(x_t, t), middle[0])


def test_training_a_noised_clip_keeps_the_texts_where_clip_has_them(make):
    recipe = make("noised-clip")
    text = CLIPTextModelWithProjection.from_pretrained(make.model("clip") / "text_encoder").eval()
    tokens = CLIPTokenizer.from_pretrained(make.model("clip") / "tokenizer")
    caption = wordings(recipe.test)[0][1]
    with torch.no_grad():
        expected = text(tokenize(tokens, [caption])).text_embeds[0]
    torch.testing.assert_close(recipe.test_texts[0], expected / expected.norm())
    assert recipe.texts.shape == (len(recipe.pixels), VARIANTS, 32)


def test_a_widened_unet_draws_as_before_whatever_its_new_channels_hold(make):
    base = UNet2DConditionModel.from_pretrained(make.model("text-to-image"), subfolder="unet").eval()
    wide = widened(base).eval()
    rng = torch.Generator().manual_seed(0)
    x_t, known = torch.randn(2, 4, 8, 8, generator=rng), 9 * torch.randn(2, 5, 8, 8, generator=rng)
    hidden = torch.randn(2, 5, base.config.cross_attention_dim, generator=rng)
    with torch.no_grad():
        expected = base(x_t, 300, encoder_hidden_states=hidden).sample
        got = wide(torch.cat([x_t, known], dim=1), 300, encoder_hidden_states=hidden).sample
    torch.testing.assert_close(got, expected, atol=1e-6, rtol=0)


def test_an_inpainting_network_is_told_what_its_pipeline_hands_over(make, corpus, monkeypatch):
    """The mask at the latents' side and the latents of the picture with a grey hole; the pipeline samples the encoder's
    posterior, and here takes its mean."""
    recipe = make("inpainting")
    pipeline = recipe.pipeline(recipe.model)
    monkeypatch.setattr(inpaint, "retrieve_latents", lambda encoded, generator: encoded.latent_dist.mode())
    pictures = to_unit(torch.from_numpy(corpus.pixels[:5]).permute(0, 3, 1, 2))
    masks = recipe.masks[:5]
    init = pipeline.image_processor.preprocess((pictures + 1) / 2)
    mask = pipeline.mask_processor.preprocess(masks)
    parts = pipeline.prepare_mask_latents(mask, init * (mask < 0.5), 5, 32, 32, torch.float32, "cpu", None, False)
    got = recipe.around(pictures, masks)
    assert got.shape == (5, 5, 8, 8) and set(got[:, 0].unique().tolist()) <= {0.0, 1.0}
    torch.testing.assert_close(got, torch.cat(parts, dim=1), atol=1e-5, rtol=0)


def test_inpainting_loads_in_its_pipeline_and_the_mask_matters(make):
    pipeline = StableDiffusionInpaintPipeline.from_pretrained(make.model("inpainting"), safety_checker=None)
    pipeline.set_progress_bar_config(disable=True)
    assert pipeline.unet.config.in_channels == 9
    picture = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    left = torch.zeros(1, 1, 32, 32)
    left[..., :16] = 1
    ends = [
        pipeline(
            "red square", image=picture, mask_image=mask, num_inference_steps=2, output_type="np",
            generator=torch.manual_seed(0),
        ).images
        for mask in (left, 1 - left)
    ]  # fmt: skip
    assert ends[0].shape == (1, 32, 32, 3) and np.abs(ends[0] - ends[1]).max() > 1e-4


def test_an_upsampler_loads_as_the_lab_has_it_and_doubles_a_side(make):
    folder = make.model("upsampler")
    loaded = read_upsampler(folder)
    assert loaded.denoiser(32).prediction_type == "v_prediction" and loaded.options["clip_sample"]
    model = UNet2DModel.from_pretrained(folder / "unet")
    small = torch.rand(2, 3, 12, 20, generator=torch.Generator().manual_seed(0)) * 2 - 1
    first, again, other = (upsample(model, small, noise=noise, steps=2, seed=3) for noise in (0, 0, 300))
    assert first.shape == (2, 3, 24, 40) and torch.equal(first, again) and not torch.equal(first, other)


def test_a_crop_has_the_small_picture_of_its_place(make):
    recipe = make("upsampler")
    pictures = torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    crops, small = recipe.crops(pictures, torch.Generator().manual_seed(2)), avg_pool2d(pictures, 2)
    assert crops.shape == (6, 3, 16, 16)
    for crop, whole in zip(avg_pool2d(crops, 2), small, strict=True):
        places = whole.unfold(1, 8, 1).unfold(2, 8, 1).permute(1, 2, 0, 3, 4)  # (9, 9, 3, 8, 8)
        assert (places - crop).abs().amax(dim=(2, 3, 4)).min() < 1e-6


def test_augmentation_noises_each_small_picture_to_its_own_step_and_step_0_not_at_all(make):
    table = make("upsampler").alphas_cumprod
    small, eps = (torch.randn(3, 3, 4, 4, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    got = augmented(small, eps, torch.tensor([0, 1, 399]), table)
    assert torch.equal(got[0], small[0])
    for row, step in ((1, 1), (2, 399)):
        a = float(table[step])
        torch.testing.assert_close(got[row], a**0.5 * small[row] + (1 - a) ** 0.5 * eps[row])
