"""The scripts of edits, run without the lab: their pictures are the lab's."""

import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from diffusers import StableDiffusionInpaintPipeline, StableDiffusionPipeline

from lab.backends.local import LocalBackend
from lab.capsules.edit_script import edit_script
from lab.catalog import HELPERS, MODELS, VIEWS
from lab.models.pictures import PictureSet
from lab.requests.base import LabError
from lab.requests.edit import BEGINNING, EditLane, EditRequest
from lab.requests.fields import Condition, Forward
from lab.requests.sampling import LaneResult
from lab.settings import ASSETS, Settings
from tests.capsules.test_script import imports, picture_of_the_script
from tests.models import tiny

FORWARD = {"pixel": "cosine", "exact-32": "sigmoid"}  # of a model; "scaled_linear" otherwise
CLOSE = 1  # grey level
PICTURES = PictureSet.load(ASSETS / "pictures")
APPLE = PICTURES.captions.index("red apple, glossy style")
MASK = np.zeros((64, 64), bool)
MASK[20:50, 8:40] = True
WORDS = {"condition": Condition(prompt="green apple"), "source": Condition(prompt="red apple", style="3D")}
GROUPS = {"condition": Condition(group="food-drink"), "source": Condition(group="animals-nature")}


@pytest.fixture(scope="module")
def backend():
    return LocalBackend(Settings(device="cpu", dtype="float32", cpu_engine="torch"))


def edit(model, *lanes, **more):
    """A request about the apple, at the side of a model."""
    side = MODELS[model].size
    subject = {"picture": PICTURES.select([APPLE]).resized(side).pixels[0], "mask": MASK[:: 64 // side, :: 64 // side]}
    words = GROUPS if model == "pixel" else WORDS
    forward = Forward(schedule=FORWARD.get(model, "scaled_linear"))
    return EditRequest(**{"model": model, "forward": forward, "lanes": lanes, **subject, **words, **more})


def assert_same(backend, request, folder, index=0):
    """Script and lab draw the same picture, which is a picture. Returns the script."""
    results = [event for event in backend.run(request) if isinstance(event, LaneResult)]
    wanted = next(result.picture for result in results if result.lane == index).astype(int)
    text = edit_script(request, index)
    source = re.search(r'else "(assets/\S+|/\S+)"', text)
    again = picture_of_the_script(text, folder, source[1] if source else "")
    assert again.std() > 5 and np.abs(again - wanted).max() <= CLOSE
    assert "lab." not in re.sub(r'"""Run.*?"""', "", text, flags=re.S)
    assert max(map(len, text.splitlines())) <= 125
    assert imports(text) <= {
        "base64", "csv", "hashlib", "io", "json", "sys", "pathlib", "numpy", "torch", "diffusers", "PIL"
    }  # fmt: skip
    lint = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "E4,E7,E9,F", "-"]
    done = subprocess.run(lint, input=text, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout
    return text


def lane(method, steps=8, seed=4, guidance_scale=3, **more):
    return EditLane(method=method, steps=steps, seed=seed, guidance_scale=guidance_scale, **more)


METHODS = {
    "sdedit": lane("sdedit", strength=0.7),
    "sdedit, all of it": lane("sdedit", strength=1, eta=0.5, guidance_scale=1),
    "sdedit, none of it": lane("sdedit", strength=0.1),
    "blend, none of it": lane("blend", strength=0.1),
    "paste": lane("paste", guidance_scale=0),
    "replace": lane("replace", strength=0.8),
    "blend": lane("blend", guidance_scale=0.5),
    "repaint": lane("repaint", resamplings=3, jump=2, spacing="leading"),
    "repaint, once": lane("repaint", guidance_scale=1, spacing="linspace"),
    "inverted": lane("inverted", steps=7),
    "inverted, noise, its own words": lane("inverted", guidance_scale=2, eta=0.4, words="source"),
    "composed": lane("composed", sampler="dpmpp_2m"),
}


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("model", ["text-to-image", "pixel", "exact-32"])
def test_the_script_draws_the_picture_of_the_lab(backend, tmp_path, model, name):
    assert_same(backend, edit(model, METHODS[name]), tmp_path)


SAMPLED = [("sdedit", 0, "linspace"), ("blend", 3, "leading"), ("replace", 1, "trailing")]


@pytest.mark.parametrize("sampler", BEGINNING[:-1])
@pytest.mark.parametrize(("method", "guidance_scale", "spacing"), SAMPLED)
def test_whatever_the_sampler(backend, tmp_path, sampler, method, guidance_scale, spacing):
    more = {"sampler": sampler, "spacing": spacing, "guidance_scale": guidance_scale}
    for model, steps in (("exact-32", 7), ("pixel", 5)):
        assert_same(backend, edit(model, lane(method, steps, strength=0.6, **more)), tmp_path)


@pytest.mark.parametrize("view", VIEWS)
def test_whatever_the_view(backend, tmp_path, view):
    for guidance_scale in (1, 3):
        request = edit("exact-32", lane("composed", guidance_scale=guidance_scale), view=view, cutoff=2.0)
        assert_same(backend, request, tmp_path)
    plain = request.model_copy(update={"picture": None} | ({} if view == "painted" else {"mask": None}))
    text = edit_script(plain, 0)
    assert text == edit_script(request, 0) and ("base64" in text) == (view == "painted")


@pytest.mark.parametrize("view", ["painted", "quarter", "negative", "frequencies"])
def test_two_at_once_on_latents(backend, tmp_path, view):
    """Turned latents are no turned picture: there each view has a latent of its own."""
    text = assert_same(backend, edit("text-to-image", lane("composed", 6), view=view, picture=None), tmp_path)
    assert ("vae.encode" in text) == (VIEWS[view].kind == "turned")


PIPED = {
    "StableDiffusionImg2ImgPipeline": [
        lane("sdedit", strength=0.55),
        lane("sdedit", strength=0.7, sampler="dpmpp_2m", guidance_scale=1),
        lane("sdedit", strength=0.8, sampler="heun"),
        lane("sdedit", strength=1, sampler="euler", spacing="linspace"),
    ],
    "StableDiffusionInpaintPipeline": [lane("blend", strength=0.7), lane("blend", sampler="unipc", guidance_scale=1)],
}


@pytest.mark.parametrize("lane", [lane for lanes in PIPED.values() for lane in lanes], ids=repr)
def test_where_a_pipeline_draws_the_same_it_is_called(backend, tmp_path, lane):
    text = assert_same(backend, edit("text-to-image", lane, negative="blue"), tmp_path)
    (name,) = [name for name, lanes in PIPED.items() if lane in lanes]
    code = re.sub(r'""".*?"""|\(\n(    "\S+"\n)+\)', "", text, flags=re.S)
    assert f"pipe = {name}" in code and "for t in" not in code and len(code.splitlines()) < 75


@pytest.mark.parametrize("change", [{"steps": 7}, {"sampler": "ddpm"}, {"eta": 0.5}, {"guidance_scale": 0.5}])
def test_where_a_pipeline_draws_another_picture_it_is_not(change):
    request = edit("text-to-image", lane("sdedit", strength=0.7).model_copy(update=change))
    assert "Img2Img" not in edit_script(request, 0).replace("As StableDiffusionImg2ImgPipeline", "")


TRUTH = {
    "DDIM": ("text-to-image", lane("truth"), {}),
    "DDPM": ("pixel", lane("truth", sampler="ddpm"), {"tolerance": 20}),
    "Euler": ("exact-32", lane("truth", sampler="euler"), {"condition": Condition(group="food-drink")}),
    "no such picture": ("exact-32", lane("truth", eta=0.5), {"condition": Condition(prompt="zyzzyva")}),
    "Heun": ("exact-32", lane("truth", sampler="heun", words="source"), {}),
    "Euler ancestral": ("pixel", lane("truth", sampler="euler_a", spacing="linspace"), {}),
    "another size": ("text-to-image", lane("truth"), {"picture": PICTURES.pixels[APPLE][::2], "mask": MASK[::2]}),
    "full mask": ("exact-32", lane("truth"), {"mask": np.ones((32, 32), bool)}),
}


@pytest.mark.parametrize("name", TRUTH)
def test_the_script_of_the_exact_posterior_draws_the_picture_of_the_lab(backend, tmp_path, name):
    model, own, more = TRUTH[name]
    text = assert_same(backend, edit(model, own, **more), tmp_path)
    assert ("torch" in imports(text)) == (name in ("Heun", "Euler ancestral", "another size"))


@pytest.mark.parametrize("model", ["text-to-image", "exact-32"])
@pytest.mark.parametrize("method", ["sdedit", "replace", "paste"])
def test_pictures_of_another_size_are_resized_as_the_lab_does(backend, tmp_path, model, method):
    rng = np.random.default_rng(0)
    picture, mask = rng.integers(0, 256, (50, 70, 3), np.uint8), rng.random((50, 70)) < 0.4
    request = edit(model, lane(method, strength=0.5), picture=picture, mask=mask)
    assert "bicubic" in assert_same(backend, request, tmp_path)


def test_a_picture_is_inverted_from_the_noise_of_the_first_lane_that_is(backend, tmp_path):
    lanes = (lane("sdedit"), lane("inverted", 6, seed=1), lane("inverted", 6, seed=1, eta=0.3))
    for index in (1, 2):
        assert_same(backend, edit("exact-32", *lanes), tmp_path, index)


@pytest.mark.parametrize("own", [lane("sdedit", 4, sampler="lcm", strength=0.8), lane("blend", 4), lane("inverted", 4)])
def test_a_distilled_model_is_told_the_scale(backend, tmp_path, own):
    text = assert_same(backend, edit("student", own, negative="blue"), tmp_path)
    assert "timestep_cond=scale" in text and "NEGATIVE" not in text


@pytest.fixture
def nine(tmp_path_factory, monkeypatch):
    """The text-to-image model as a tiny one, and a twin of it with nine channels."""
    root = tmp_path_factory.mktemp("nine")
    four, plain = tiny.text_to_image(root / "four"), tiny.text_to_image(root / "plain", in_channels=9)
    parts = StableDiffusionPipeline.from_pretrained(plain, safety_checker=None).components
    StableDiffusionInpaintPipeline(**parts, requires_safety_checker=False).save_pretrained(root / "nine")
    row = replace(MODELS["text-to-image"], size=tiny.SIDE, source=str(four))
    monkeypatch.setitem(MODELS, "text-to-image", row)
    monkeypatch.setitem(HELPERS, "inpainting", replace(HELPERS["inpainting"], source=str(root / "nine")))


@pytest.mark.parametrize(
    "own",
    [lane("nine"), lane("nine", strength=0.6), lane("nine", sampler="ddpm"), lane("nine", 7, guidance_scale=1)],
    ids=repr,
)
def test_the_script_of_the_network_with_nine_channels_draws_the_picture_of_the_lab(nine, tmp_path, own):
    backend = LocalBackend(Settings(device="cpu", dtype="float32", cpu_engine="torch"))
    text = assert_same(backend, edit("text-to-image", own), tmp_path)
    assert ("for t in" in text) == (own.steps == 7 or own.sampler == "ddpm") and 'else "/' in text


def test_a_setting_that_is_lost_would_be_seen(backend):
    """The comparison is worth something: another seed, mask or strength is far away."""
    own = lane("blend")
    (wanted, *others) = [
        next(event.picture.astype(int) for event in backend.run(request) if isinstance(event, LaneResult))
        for request in (
            edit("pixel", own),
            edit("pixel", own.model_copy(update={"seed": 5})),
            edit("pixel", own, mask=~MASK[::2, ::2]),
            edit("pixel", lane("sdedit", strength=0.7)),
            edit("pixel", lane("sdedit", strength=0.5)),
        )
    ]
    assert all(np.abs(other - wanted).max() > 20 for other in others)
    assert np.abs(others[2] - others[3]).max() > 20


@pytest.mark.parametrize(
    ("model", "own", "words"),
    [
        ("local-32", lane("sdedit"), "no script for 'Local score machine'"),
        ("sdxl", lane("sdedit"), "no script for 'Stable Diffusion XL'"),
        ("sd-1-5", lane("truth"), "no exact denoiser of the pictures of 'Stable Diffusion 1.5'"),
        ("pixel", lane("nine"), "'Miniature pixel diffusion' has no twin"),
        ("exact", lane("sdedit", rule="apg"), "classifier-free guidance alone"),
    ],
)
def test_where_there_is_no_script_that_is_said_in_words(model, own, words):
    request = EditRequest(model=model, picture=PICTURES.pixels[APPLE], mask=MASK, lanes=(own,))
    with pytest.raises(LabError, match=words):
        edit_script(request, 0)


def test_a_model_that_was_told_two_scales_has_no_script_of_the_second():
    request = edit("student", lane("inverted"), lane("inverted", guidance_scale=5))
    compile(edit_script(request, 0), "script", "exec")
    with pytest.raises(LabError, match="told another guidance scale"):
        edit_script(request, 1)
