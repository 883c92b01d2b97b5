"""unCLIP on pixels against the loops of diffusers' UnCLIPPipeline and UnCLIPImageVariationPipeline, on tiny random weights."""

import json
import shutil

import numpy as np
import pytest
import torch
from diffusers import PriorTransformer, UnCLIPPipeline, UnCLIPScheduler, UNet2DConditionModel
from diffusers.pipelines.deprecated.unclip.text_proj import UnCLIPTextProjModel
from PIL import Image
from transformers import CLIPImageProcessor, CLIPTextModelWithProjection, CLIPTokenizer, CLIPVisionModelWithProjection

from lab.engine.lanes import StepNoise
from lab.operations.unclip import unclip
from lab.requests.base import LabError, Note
from lab.requests.fields import Condition, Forward
from lab.requests.unclip import Embedding, UnclipLane, UnclipRequest
from tests.models import tiny
from tests.operations.test_unclip import PICTURE, PRIOR_SCALE, PRIOR_STEPS, SCALE, STEPS, house_of, lab_ddim, noise, run

LANE = UnclipLane(embedding=0, caption="red apple", seed=2, steps=STEPS, guidance_scale=SCALE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny.pixel_unclip(tmp_path_factory.mktemp("pixels"))


@pytest.fixture(scope="module")
def house(folder):
    with house_of(folder) as house:
        yield house


@pytest.fixture(scope="module")
def pipe(folder):
    """diffusers' pipeline of the folder's parts, each read by its own class."""

    def part(name, kind):
        return kind.from_pretrained(folder / name)

    return UnCLIPPipeline(
        prior=part("prior", PriorTransformer),
        decoder=part("decoder", UNet2DConditionModel),
        text_encoder=part("text_encoder", CLIPTextModelWithProjection),
        tokenizer=part("tokenizer", CLIPTokenizer),
        text_proj=part("text_proj", UnCLIPTextProjModel),
        super_res_first=None,
        super_res_last=None,
        prior_scheduler=part("prior_scheduler", UnCLIPScheduler),
        decoder_scheduler=part("decoder_scheduler", UnCLIPScheduler),
        super_res_scheduler=None,
    )


@torch.no_grad()
def prior_loop(pipe, prompt, x):
    """What UnCLIPPipeline does before its decoder, by the lab's DDIM in place of ancestral steps."""
    said, hidden, mask = pipe._encode_prompt(prompt, "cpu", 1, True)
    scheduler = lab_ddim(pipe.prior_scheduler, clip_sample=True)
    scheduler.set_timesteps(PRIOR_STEPS)
    for t in scheduler.timesteps:
        nothing, words = pipe.prior(torch.cat([x, x]), t, said, hidden, mask).predicted_image_embedding.chunk(2)
        x = scheduler.step(nothing + PRIOR_SCALE * (words - nothing), t, x).prev_sample
    return pipe.prior.post_process_latents(x)


@torch.no_grad()
def both_halves(pipe, prompt, z):
    """What UnCLIPPipeline tells its decoder, the unconditional half first: tokens of context, what is added to t, the mask."""
    said, hidden, mask = pipe._encode_prompt(prompt, "cpu", 1, True)
    context, added = pipe.text_proj(
        image_embeddings=z, prompt_embeds=said, text_encoder_hidden_states=hidden, do_classifier_free_guidance=True
    )
    mask = torch.nn.functional.pad(mask, (pipe.text_proj.clip_extra_context_tokens, 0), value=True)
    return {"encoder_hidden_states": context, "class_labels": added, "attention_mask": mask}


@torch.no_grad()
def decoder_loop(pipe, prompt, z, x):
    """What UnCLIPPipeline does with its decoder, by the lab's DDIM in place of ancestral steps."""
    told = both_halves(pipe, prompt, z)
    scheduler = lab_ddim(pipe.decoder_scheduler, clip_sample=True)
    scheduler.set_timesteps(STEPS)
    for t in scheduler.timesteps:
        nothing, words = pipe.decoder(torch.cat([x, x]), t, **told).sample[:, :3].chunk(2)
        x = scheduler.step(nothing + SCALE * (words - nothing), t, x).prev_sample
    return x.clamp(-1, 1)[0].permute(1, 2, 0).numpy() * 0.5 + 0.5


def test_the_stack_is_diffusers_own_up_to_its_super_resolution(pipe, house):
    embedded, pictures = run(
        house,
        embeddings=[Embedding(kind="prior", prompt="red apple", seed=4)],
        lanes=[LANE],
        prior_steps=PRIOR_STEPS,
        prior_scale=PRIOR_SCALE,
    )
    z = prior_loop(pipe, "red apple", noise(4, (1, tiny.WIDTH)))
    np.testing.assert_allclose(embedded[0].vector, z[0].numpy(), atol=1e-4)
    theirs = decoder_loop(pipe, "red apple", z, StepNoise(2).initial((3, tiny.LATENT, tiny.LATENT))[None])
    assert pictures[0].shape == (tiny.LATENT, tiny.LATENT, 3)
    assert np.abs(pictures[0].astype(int) - (theirs * 255).round().astype(int)).max() <= 1


@pytest.mark.parametrize("t", [0, 400, 999])
def test_both_halves_are_predicted_as_diffusers_decoder_does(pipe, house, t):
    """To 1e-4, the learned variance as well; the half without an embedding gets what was learned for none."""
    z, x = noise(3, (1, tiny.WIDTH)), noise(5, (1, 3, tiny.LATENT, tiny.LATENT))
    with torch.no_grad():
        theirs = pipe.decoder(torch.cat([x, x]), t, **both_halves(pipe, "red apple", z)).sample
    with house.lease("tiny") as model:
        rows = [model.row(None), model.row(z[0], "red apple")]
        ours = model.decoder.denoiser(Forward())(torch.cat([x, x]), torch.tensor([t, t]), rows)
    assert ours.shape == (2, 6, tiny.LATENT, tiny.LATENT)
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)
    assert (ours[0] - ours[1]).abs().max() > 0.01


def test_a_folder_of_variations_draws_from_pictures_and_from_words_but_has_no_prior(folder, pipe, tmp_path):
    """As UnCLIPImageVariationPipeline draws: under the empty text."""
    there = shutil.copytree(folder, tmp_path / "variation", ignore=shutil.ignore_patterns("prior*", "super_res*"))
    index = json.loads((folder / "model_index.json").read_text())
    kept = {name: entry for name, entry in index.items() if not name.startswith("prior")}
    (there / "model_index.json").write_text(json.dumps(kept | {"_class_name": "UnCLIPImageVariationPipeline"}))
    lane = LANE.model_copy(update={"caption": ""})
    with house_of(there) as house:
        embedded, pictures = run(house, pictures=[PICTURE], embeddings=[Embedding()], lanes=[lane])
        assert run(house, embeddings=[Embedding(kind="text", prompt="apple")], lanes=[lane])[1].keys() == {0}
        with pytest.raises(LabError, match="has no prior"):
            run(house, embeddings=[Embedding(kind="prior", prompt="apple")], lanes=[lane])
    processor = CLIPImageProcessor.from_pretrained(there / "feature_extractor")
    encoder = CLIPVisionModelWithProjection.from_pretrained(there / "image_encoder")
    with torch.no_grad():
        z = encoder(processor(images=Image.fromarray(PICTURE), return_tensors="pt").pixel_values).image_embeds
    np.testing.assert_allclose(embedded[0].vector, z[0].numpy(), atol=1e-4)
    theirs = decoder_loop(pipe, "", z, StepNoise(2).initial((3, tiny.LATENT, tiny.LATENT))[None])
    assert np.abs(pictures[0].astype(int) - (theirs * 255).round().astype(int)).max() <= 1


def test_a_run_says_that_its_pictures_are_small_and_what_it_does_not_read(house):
    long = "a " * 150
    lanes = [UnclipLane(embedding=0, caption=long, steps=1)]
    request = UnclipRequest(unclip="tiny", pictures=[PICTURE], embeddings=[Embedding()], lanes=lanes)
    notes = [event.text for event in unclip(request, house) if isinstance(event, Note)]
    assert any("8 px wide" in note for note in notes) and any("too long" in note for note in notes)
    with house.lease("tiny") as model:
        assert not model.decoder.unread(Condition(prompt="apple"))


def test_noise_on_an_embedding_is_refused_in_words(house):
    with pytest.raises(LabError, match="not taught noise on embeddings"):
        run(house, pictures=[PICTURE], embeddings=[Embedding(noise_level=400)], lanes=[LANE])
