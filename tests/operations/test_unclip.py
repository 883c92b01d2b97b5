"""unCLIP against diffusers' own pipelines, on tiny random weights: the prior, the decoder, noise on the embedding, the whole stack."""

import shutil
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, StableUnCLIPImg2ImgPipeline, StableUnCLIPPipeline
from PIL import Image

from lab.catalog import HELPERS, Helper
from lab.engine.lanes import drive
from lab.engine.noising import gaussian
from lab.models.loaders import make_cache
from lab.models.unclip import EmbeddingContext
from lab.operations.house import House
from lab.operations.prompts import unclip_as_captions
from lab.operations.unclip import unclip
from lab.requests.base import LabError, Note
from lab.requests.sampling import LaneResult
from lab.requests.unclip import UNCLIPS, Embedded, Embedding, PriorStep, UnclipLane, UnclipRequest
from lab.settings import Settings
from tests.models import tiny

SETTINGS = Settings(device="cpu", dtype="float32", cpu_engine="torch")
PICTURE = np.random.default_rng(1).integers(0, 256, (tiny.SIDE, tiny.SIDE, 3), dtype=np.uint8)
OTHER = 255 - PICTURE
STEPS, PRIOR_STEPS, SCALE, PRIOR_SCALE = 8, 5, 3.0, 4.0  # 1,000 is a multiple of both: else diffusers' stride is off


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny.unclip(tmp_path_factory.mktemp("epsilon"))


@contextmanager
def house_of(folder, captions=False):
    """A house whose unCLIP model "tiny" lies in a folder, and may know prompts as captions of the lab's pictures."""
    row = Helper("tiny", "Tiny", "unclip", str(folder), "", when="tested", captions=captions)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(HELPERS, "tiny", row)
        patch.setitem(UNCLIPS, "tiny", row)
        yield House(SETTINGS, make_cache(SETTINGS), drive)


@pytest.fixture(scope="module")
def house(folder):
    with house_of(folder) as house:
        yield house


def run(house, **values):
    """Its events by kind: embeddings, and pictures by lane."""
    events = list(unclip(UnclipRequest(unclip="tiny", **values), house))
    return (
        {event.index: event for event in events if isinstance(event, Embedded)},
        {event.lane: event.picture for event in events if isinstance(event, LaneResult)},
    )


def noise(seed, shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def lab_ddim(scheduler, clip_sample=False):
    """diffusers' DDIM with the lab's spacing and its last step, which ends at the picture."""
    return DDIMScheduler.from_config(
        scheduler.config, timestep_spacing="trailing", set_alpha_to_one=True, steps_offset=0, clip_sample=clip_sample
    )


def as_bytes(pictures):
    return (pictures[0].clip(0, 1) * 255).round().astype(np.uint8)


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
def test_the_stack_is_diffusers_own(prediction_type, tmp_path):
    folder = tiny.unclip(tmp_path, prediction_type)
    with house_of(folder) as house:
        check_stack(folder, house)


def check_stack(folder, house):
    pipe = StableUnCLIPPipeline.from_pretrained(folder)
    pipe.scheduler, pipe.prior_scheduler = lab_ddim(pipe.scheduler), lab_ddim(pipe.prior_scheduler)
    embedded, pictures = run(
        house,
        embeddings=[Embedding(kind="prior", prompt="red apple", seed=4)],
        lanes=[UnclipLane(embedding=0, caption="red apple", seed=2, steps=STEPS, guidance_scale=SCALE)],
        prior_steps=PRIOR_STEPS,
        prior_scale=PRIOR_SCALE,
    )
    theirs = pipe(
        "red apple",
        num_inference_steps=STEPS,
        guidance_scale=SCALE,
        prior_num_inference_steps=PRIOR_STEPS,
        prior_guidance_scale=PRIOR_SCALE,
        prior_latents=noise(4, (1, tiny.WIDTH)),
        latents=noise(2, (1, 4, tiny.LATENT, tiny.LATENT)),
        output_type="np",
    ).images
    assert len(embedded) == 1
    assert np.abs(pictures[0].astype(int) - as_bytes(theirs)).max() <= 1


def test_a_prior_draws_the_embedding_of_diffusers(folder, house):
    """To 1e-4, from the loop written out."""
    pipe = StableUnCLIPPipeline.from_pretrained(folder)
    scheduler = lab_ddim(pipe.prior_scheduler)
    scheduler.set_timesteps(PRIOR_STEPS)
    x = noise(7, (1, tiny.WIDTH))
    said, hidden, mask = pipe._encode_prior_prompt("red apple", "cpu", 1, True)
    for t in scheduler.timesteps:
        with torch.no_grad():
            both = pipe.prior(torch.cat([x, x]), t, said, hidden, mask).predicted_image_embedding
        nothing, apple = both.chunk(2)
        x = scheduler.step(nothing + PRIOR_SCALE * (apple - nothing), t, x).prev_sample
    theirs = pipe.prior.post_process_latents(x)[0].detach().numpy()
    embedded, _ = run(
        house,
        embeddings=[Embedding(kind="prior", prompt="red apple", seed=7)],
        lanes=[UnclipLane(embedding=0, steps=1)],
        prior_steps=PRIOR_STEPS,
        prior_scale=PRIOR_SCALE,
    )
    np.testing.assert_allclose(embedded[0].vector, theirs, atol=1e-4)


@pytest.mark.parametrize("level", [0, 400, 999])
def test_a_variation_is_diffusers_own_at_every_level_of_noise(folder, house, level):
    pipe = StableUnCLIPImg2ImgPipeline.from_pretrained(folder)
    pipe.scheduler = lab_ddim(pipe.scheduler)
    embedded, pictures = run(
        house,
        pictures=[PICTURE],
        embeddings=[Embedding(noise_level=level, noise_seed=3)],
        lanes=[UnclipLane(embedding=0, seed=2, steps=STEPS, guidance_scale=SCALE)],
    )
    pixels = pipe.feature_extractor(images=Image.fromarray(PICTURE), return_tensors="pt").pixel_values
    with torch.no_grad():
        z = pipe.image_encoder(pixels).image_embeds
    np.testing.assert_allclose(embedded[0].vector, z[0].numpy(), atol=1e-4)
    plain = pipe.noise_image_embeddings
    pipe.noise_image_embeddings = lambda image_embeds, noise_level, generator: plain(
        image_embeds, noise_level, noise=gaussian(3, level, (1, tiny.WIDTH))
    )
    theirs = pipe(
        prompt="",
        image_embeds=z,
        noise_level=level,
        num_inference_steps=STEPS,
        guidance_scale=SCALE,
        latents=noise(2, (1, 4, tiny.LATENT, tiny.LATENT)),
        output_type="np",
    ).images
    assert np.abs(pictures[0].astype(int) - as_bytes(theirs)).max() <= 1


def test_an_embedding_also_becomes_tokens_behind_the_prompts(tmp_path):
    """As the pipeline draws when it is handed them as prompt_embeds."""
    folder = tiny.unclip(tmp_path, context=True)
    pipe = StableUnCLIPPipeline.from_pretrained(folder)
    pipe.scheduler, pipe.prior_scheduler = lab_ddim(pipe.scheduler), lab_ddim(pipe.prior_scheduler)
    context = EmbeddingContext.from_pretrained(folder / "context")
    embedding = Embedding(kind="prior", prompt="red apple", seed=4)
    lane = UnclipLane(embedding=0, caption="apple", seed=2, steps=STEPS, guidance_scale=SCALE)
    with house_of(folder) as house:
        embedded, pictures = run(house, embeddings=[embedding], lanes=[lane], prior_steps=PRIOR_STEPS)
    z = torch.from_numpy(embedded[0].vector)[None]
    eps = gaussian(0, 0, (1, tiny.WIDTH))
    noised = pipe.noise_image_embeddings

    def prompt(text, labels):
        return torch.cat([pipe.encode_prompt(text, "cpu", 1, False)[0], context(labels)], dim=1).detach()

    labels = noised(z, 0, noise=eps).detach()
    pipe.noise_image_embeddings = lambda image_embeds, noise_level, generator: labels
    pipe._encode_prior_prompt = lambda *_, plain=pipe._encode_prior_prompt, **more: plain("", "cpu", 1, True)
    theirs = pipe(
        prompt_embeds=prompt("apple", labels),
        negative_prompt_embeds=prompt("", torch.zeros_like(labels)),
        num_inference_steps=STEPS,
        guidance_scale=SCALE,
        prior_num_inference_steps=1,
        latents=noise(2, (1, 4, tiny.LATENT, tiny.LATENT)),
        output_type="np",
    ).images
    assert np.abs(pictures[0].astype(int) - as_bytes(theirs)).max() <= 1


def test_in_company_a_picture_is_as_alone(house):
    lanes = [
        UnclipLane(embedding=0, seed=1, steps=4),
        UnclipLane(embedding=1, seed=2, steps=3, guidance_scale=1, eta=0.5),
        UnclipLane(caption="apple", seed=3, steps=5),
    ]
    more = {"pictures": [PICTURE, OTHER], "embeddings": [Embedding(), Embedding(weights=(0.5, 0.5))]}
    _, together = run(house, lanes=lanes, **more)
    for index, lane in enumerate(lanes):
        _, alone = run(house, lanes=[lane], **more)
        assert np.abs(together[index].astype(int) - alone[0].astype(int)).max() <= 1


def test_of_the_candidates_the_one_nearest_to_the_words_stays(house):
    def drawn(seed, candidates):
        one = Embedding(kind="prior", prompt="red apple", seed=seed, candidates=candidates)
        return run(house, embeddings=[one], lanes=[UnclipLane(embedding=0, steps=1)], prior_steps=3)[0][0]

    alone = [drawn(seed, 1) for seed in (5, 6, 7)]
    best = max(alone, key=lambda one: one.to_text)
    np.testing.assert_allclose(drawn(5, 3).vector, best.vector, atol=1e-5)


def test_the_prior_says_each_of_its_calls(house):
    one = Embedding(kind="prior", prompt="apple", candidates=2)
    request = UnclipRequest(unclip="tiny", embeddings=[one], lanes=[UnclipLane(embedding=0, steps=1)], prior_steps=4)
    steps = [event for event in unclip(request, house) if isinstance(event, PriorStep)]
    assert {(step.candidate, step.i) for step in steps} == {(k, i) for k in range(2) for i in range(5)}


def test_an_inverted_x_T_brings_the_picture_back(house):
    """Nearer than other noise does, with many steps and without guidance; random networks are not smooth."""
    more = {"pictures": [PICTURE], "embeddings": [Embedding()], "inversion_steps": 100}
    lane = UnclipLane(embedding=0, steps=100, guidance_scale=1)
    with house.lease("tiny") as model:
        kept = model.decoder.to_picture(model.decoder.from_picture(PICTURE)).astype(int)
    error = {}
    for inverted in ((), (1.0,)):
        _, back = run(house, lanes=[lane.model_copy(update={"inverted": inverted})], **more)
        error[inverted] = np.abs(back[0] - kept).mean()
    assert error[1.0,] < 0.7 * error[()]


def test_a_folder_without_a_prior_draws_from_pictures_alone(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "alone", ignore=shutil.ignore_patterns("prior*"))
    lane = UnclipLane(embedding=0, steps=1)
    with house_of(tmp_path / "alone") as house:
        assert run(house, pictures=[PICTURE], embeddings=[Embedding()], lanes=[lane])[1].keys() == {0}
        for one in (
            Embedding(kind="prior", prompt="apple"),
            Embedding(kind="text", prompt="apple"),
            Embedding(kind="difference", prompt="apple", base="pear"),
        ):
            with pytest.raises(LabError, match="no prior"):
                run(house, pictures=[PICTURE], embeddings=[one], lanes=[lane])


# Words


def read(house, **embedding):
    """The embedding of a run, and what the run notes."""
    one, lane = Embedding(**embedding), UnclipLane(embedding=0, steps=1)
    request = UnclipRequest(unclip="tiny", pictures=[PICTURE], embeddings=[one], lanes=[lane], prior_steps=1)
    events = list(unclip(request, house))
    (embedded,) = (event.vector for event in events if isinstance(event, Embedded))
    return embedded, [event.text for event in events if isinstance(event, Note)]


@pytest.mark.parametrize("kind", ["prior", "text", "difference"])
def test_words_are_read_as_captions_and_the_run_says_how_and_what_is_unknown(kind, folder):
    base = {"base": "a cat"} if kind == "difference" else {}
    more = {"turn": 0.5} if kind == "difference" else {}
    with house_of(folder, captions=True) as house:
        written, notes = read(house, kind=kind, prompt="an ❤ and zorgl", **base, **more)
        plain, silent = read(house, kind=kind, prompt="red heart and", **dict.fromkeys(base, "cat"), **more)
        known, _ = read(house, kind=kind, prompt="red heart and zorgl", **dict.fromkeys(base, "cat"), **more)
    np.testing.assert_array_equal(written, known)
    assert not np.array_equal(plain, known) and silent == []
    said = " ".join(notes)
    assert "❤ is read as red heart." in said and "“zorgl” is not among the 648 things" in said
    assert "Tiny reads “an red heart and zorgl” as “red heart and zorgl”" in said and (
        "“a cat” as “cat”" in said
    ) == bool(base)


def test_an_unclip_from_elsewhere_reads_what_is_written_but_the_labs_own_model_does_not():
    lane, embedding = UnclipLane(way="words", caption="a ❤"), Embedding(kind="text", prompt="a ❤")
    request = UnclipRequest(embeddings=[embedding], lanes=[lane, UnclipLane(caption="a ❤")], caption="the ❤")
    own, notes = unclip_as_captions(request)
    other, fewer = unclip_as_captions(request.model_copy(update={"unclip": "unclip-sd-2-1"}))
    assert {*(lane.caption for lane in own.lanes), own.embeddings[0].prompt, own.caption} == {"red heart"}
    assert [lane.caption for lane in other.lanes] == ["red heart", "a ❤"] and other.caption == "red heart"
    assert other.embeddings == request.embeddings
    assert notes[1].text.startswith("Miniature unCLIP reads") and fewer[1].text.startswith("Miniature latent diffusion")


@pytest.mark.parametrize("where", ["prompt", "base", "caption"])
def test_what_of_words_is_not_read_is_said(where, house):
    long = "a " * 149
    one = Embedding(kind="difference", **{name: long for name in [where] if name != "caption"})
    lane = UnclipLane(embedding=0, steps=1, caption=long if where == "caption" else "")
    request = UnclipRequest(unclip="tiny", pictures=[PICTURE], embeddings=[one], lanes=[lane])
    (note,) = (event.text for event in unclip(request, house) if isinstance(event, Note))
    assert note.startswith("The prompt is too long: from") and "is not read by the text encoder" in note
