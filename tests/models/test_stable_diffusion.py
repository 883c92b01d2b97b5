"""Latent diffusion with ControlNets against diffusers' own pipelines, lane by lane; all weights are random."""

import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from threading import get_native_id

import numpy as np
import pytest
import torch
from diffusers import (
    ControlNetModel,
    DDIMScheduler,
    StableDiffusionControlNetPipeline,
    StableDiffusionPipeline,
)
from safetensors.torch import load_file
from transformers import CLIPTokenizer

from lab.backends.local import LocalBackend
from lab.catalog import CONTROLS, MODELS, rules_for, samplers_for
from lab.engine.lanes import drive
from lab.models.decoding import Decoder, _thread_of
from lab.models.loaders import load, make_cache, weigh
from lab.models.pictures import PictureSet
from lab.models.prompts import CACHED_PROMPTS
from lab.operations.house import House
from lab.operations.sampling import sampling
from lab.requests.base import LabError, Note
from lab.requests.fields import Condition, Forward
from lab.requests.sampling import ControlMap, ControlWindow, LaneResult, LaneSettings, SamplingRequest, Step
from lab.settings import Settings
from tests.models import tiny

SETTINGS = Settings(device="cpu")
PROMPT, NEGATIVE, STEPS = "red apple, flat style", "blue sky", 5
ROWS = {"text-to-image": "epsilon", "velocity": "v_prediction"}
MAPS = {
    name: np.random.default_rng(seed).integers(0, 256, (tiny.SIDE, tiny.SIDE, 3), np.uint8)
    for seed, name in enumerate(("edges", "pose"))
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    for prediction_type in ROWS.values():
        tiny.text_to_image(root / prediction_type, prediction_type)
    for seed, name in enumerate(CONTROLS, start=5):
        tiny.controlnet(root / name, seed)
    return root


@pytest.fixture(scope="module")
def studio(folders):
    """The catalog's latent model and its controls with tiny weights, and its twin that predicts v."""
    with pytest.MonkeyPatch.context() as patch:
        # The pictures that previews are fitted on are read once for all that is loaded here.
        patch.setattr(PictureSet, "load", cache(PictureSet.load))
        row = MODELS["text-to-image"]
        for name, folder in ROWS.items():
            patch.setitem(MODELS, name, replace(row, name=name, source=str(folders / folder), size=tiny.SIDE))
        for name, control in CONTROLS.items():
            patch.setitem(CONTROLS, name, replace(control, source=str(folders / name)))
        yield Studio()


class Studio:
    """Runs requests in this thread and keeps what lanes recorded."""

    def __init__(self):
        self.cache = make_cache(SETTINGS)

    def run(self, *lanes, controls=(), model="text-to-image", **more):
        """(records by lane, events) of a run."""
        records = {}

        def watched(denoiser, lanes):
            for record in drive(denoiser, lanes):
                records.setdefault(record.lane, []).append(record)
                yield record

        request = SamplingRequest(
            model=model, lanes=lanes, forward=Forward(schedule="scaled_linear"),
            controls=[ControlMap(name=name, map=MAPS[name]) for name in controls],
            **{"condition": Condition(prompt=PROMPT), **more},
        )  # fmt: skip
        return records, list(sampling(request, House(SETTINGS, self.cache, watched)))

    def latents(self, *lanes, **more):
        """The finished latents of each lane of a run."""
        records, _ = self.run(*lanes, **more)
        return [records[index][-1].x_0 for index in range(len(lanes))]

    def results(self, *lanes, **more):
        return [event for event in self.run(*lanes, **more)[1] if isinstance(event, LaneResult)]


def lane(**values):
    return LaneSettings(**{"steps": STEPS, **values})


class Theirs:
    """diffusers' pipelines on the same folders, with DDIM as the lab's row has it."""

    def __init__(self, folders):
        self.folders, self.pipelines = folders, {}

    def pipeline(self, prediction_type, controls):
        if (prediction_type, controls) not in self.pipelines:
            plain = StableDiffusionPipeline.from_pretrained(self.folders / prediction_type, safety_checker=None)
            parts = {
                **plain.components,
                "scheduler": DDIMScheduler.from_config(
                    plain.scheduler.config, timestep_spacing="trailing", set_alpha_to_one=True, clip_sample=False
                ),
            }
            made = StableDiffusionPipeline(**parts, requires_safety_checker=False)
            if controls:
                nets = [ControlNetModel.from_pretrained(self.folders / name) for name in controls]
                made = StableDiffusionControlNetPipeline(**parts, controlnet=nets, requires_safety_checker=False)
            made.set_progress_bar_config(disable=True)
            self.pipelines[prediction_type, controls] = made
        return self.pipelines[prediction_type, controls]

    def latents(self, lane, controls=(), prediction_type="epsilon", prompt=PROMPT, negative=""):
        """What a user of diffusers gets with a lane's settings; a pipeline at scale 1 knows its prompt only."""
        arguments = {
            "num_inference_steps": lane.steps,
            "generator": torch.Generator().manual_seed(lane.seed),
            "output_type": "latent",
        }
        if lane.guidance_scale == 0:
            arguments |= {"prompt": negative, "guidance_scale": 1.0}
        else:
            arguments |= {"prompt": prompt, "negative_prompt": negative, "guidance_scale": lane.guidance_scale}
        controls = controls if lane.windows else ()
        if controls:
            arguments |= {
                "image": [torch.from_numpy(MAPS[name]).permute(2, 0, 1)[None] / 255 for name in controls],
                "controlnet_conditioning_scale": [window.strength for window in lane.windows],
                "control_guidance_start": [window.start for window in lane.windows],
                "control_guidance_end": [window.end for window in lane.windows],
                "guess_mode": lane.guess,
            }
        with torch.no_grad():
            return self.pipeline(prediction_type, controls)(**arguments).images[0]


@pytest.fixture(scope="module")
def theirs(folders):
    return Theirs(folders)


def assert_same(got, want, message):
    torch.testing.assert_close(got, want, atol=1e-4, rtol=0, msg=lambda text: f"{message}: {text}")


# Without control


@pytest.mark.parametrize(
    ("model", "negative"), [("text-to-image", ""), ("text-to-image", NEGATIVE), ("velocity", NEGATIVE)]
)
def test_a_run_is_diffusers_pipeline_lane_by_lane(studio, theirs, model, negative):
    lanes = [lane(seed=seed, guidance_scale=scale) for seed in (0, 7) for scale in (0.0, 1.0, 3.0, 7.5)]
    lanes += [lane(seed=3, steps=steps, guidance_scale=3.0) for steps in (1, 2, 8)]
    gots = studio.latents(*lanes, model=model, negative=negative)
    for one, got in zip(lanes, gots, strict=True):
        assert_same(got, theirs.latents(one, prediction_type=ROWS[model], negative=negative), one)
    assert (gots[0] - gots[1]).abs().max() > 0.01 and (gots[1] - gots[3]).abs().max() > 0.01  # the prompt matters


def test_a_negative_prompt_takes_the_place_of_the_empty_one(studio):
    plain, guided = lane(), lane(guidance_scale=4)
    one, other = (studio.latents(plain, guided, negative=negative) for negative in ("", NEGATIVE))
    assert torch.equal(one[0], other[0])
    assert (one[1] - other[1]).abs().max() > 0.01


def test_the_picture_is_the_decoded_one(studio, theirs):
    (result,) = studio.results(lane(seed=4, guidance_scale=3))
    pipeline = theirs.pipeline("epsilon", ())
    got = pipeline(
        PROMPT, num_inference_steps=STEPS, generator=torch.Generator().manual_seed(4), guidance_scale=3.0,
        negative_prompt="", output_type="np",
    ).images[0]  # fmt: skip
    assert result.picture.shape == (tiny.SIDE, tiny.SIDE, 3)
    assert np.abs(result.picture - got * 255).max() <= 0.6  # rounded to a grey level
    assert result.picture.std() > 1 and result.nearest is None and result.residuals is None


def test_steps_show_previews_at_the_latents_resolution(studio):
    _, events = studio.run(lane(steps=3))
    steps = [event for event in events if isinstance(event, Step)]
    assert [event.x_t.shape[0] for event in steps] == [tiny.LATENT] * 3 + [tiny.SIDE]
    assert {event.x_0.shape[0] for event in steps[:-1]} <= {tiny.LATENT, tiny.SIDE}
    assert steps[-1].x_0.shape == (tiny.SIDE, tiny.SIDE, 3)


def test_all_samplers_and_rules_work_on_latents(studio):
    """In one run: tensors of inference mode go through every scheduler, and nothing else does."""
    row = MODELS["text-to-image"]
    lanes = [lane(sampler=name, guidance_scale=2, eta=0.5) for name in samplers_for(row)]
    lanes += [lane(rule=name, guidance_scale=5) for name in rules_for(row)]
    for got in studio.latents(*lanes):
        assert got.shape == (4, tiny.LATENT, tiny.LATENT) and bool(got.isfinite().all())
        assert float(got.std()) > 0.1


def test_whoever_asks_one_thread_decodes(studio, monkeypatch):
    """Scratch is kept for every thread that ever did. After a fork it is a thread of the new process."""
    threads = []
    with studio.cache.lease("text-to-image") as model, ThreadPoolExecutor(4) as askers:
        whole = Decoder._decoded
        monkeypatch.setattr(
            Decoder, "_decoded", lambda self, x_0: (threads.append(get_native_id()), whole(self, x_0))[1]
        )
        pictures = list(askers.map(model.to_picture, [torch.ones(model.shape)] * 8))
    assert len(threads) == 8 and len(set(threads)) == 1 and threads[0] != get_native_id()
    assert all(np.array_equal(picture, pictures[0]) for picture in pictures)
    assert _thread_of(1) is not _thread_of(2)


def test_the_local_backend_draws_the_same_from_its_worker_thread(studio):
    lanes = (
        lane(seed=1, guidance_scale=3, windows=(ControlWindow(end=0.6),)),
        lane(seed=2, sampler="euler_a", steps=4),
    )
    request = SamplingRequest(
        model="text-to-image", lanes=lanes, condition=Condition(prompt=PROMPT), forward=Forward(schedule="scaled_linear"),
        controls=[ControlMap(name="edges", map=MAPS["edges"])],
    )  # fmt: skip
    backend = LocalBackend(SETTINGS, studio.cache)
    got = [event for event in backend.run(request) if isinstance(event, LaneResult)]
    want = studio.results(*lanes, controls=("edges",))
    for one, other in zip(got, want, strict=True):
        assert np.abs(one.picture.astype(int) - other.picture).max() <= 1
        assert (one.residuals is None) == (other.residuals is None)
    np.testing.assert_allclose(got[0].residuals, want[0].residuals, rtol=1e-4)
    assert not any(model.leases for model in studio.cache.resident())


# With control

WINDOWS = {
    "strengths": [(ControlWindow(strength=strength),) for strength in (0.0, 0.5, 1.0, 1.5)],
    "windows": [
        (ControlWindow(start=start, end=end),) for start, end in ((0, 0.4), (0.4, 1), (0.2, 0.8), (0.25, 0.75))
    ],
}


@pytest.mark.parametrize(("which", "model"), [("strengths", "text-to-image"), ("windows", "velocity")])
def test_a_controlled_run_is_diffusers_pipeline_lane_by_lane(studio, theirs, which, model):
    lanes = [
        lane(seed=index % 3, guidance_scale=scale, windows=windows, guess=guess)
        for index, windows in enumerate(WINDOWS[which])
        for scale, guess in ((0.0, False), (1.0, False), (1.0, True), (3.0, False), (3.0, True))
    ]
    gots = studio.latents(*lanes, controls=("edges",), model=model, negative=NEGATIVE)
    for one, got in zip(lanes, gots, strict=True):
        assert_same(got, theirs.latents(one, ("edges",), ROWS[model], negative=NEGATIVE), one)


def test_two_controls_are_diffusers_multi_control_net(studio, theirs):
    windows = [
        (ControlWindow(), ControlWindow()),
        (ControlWindow(strength=0.5), ControlWindow(strength=1.5)),
        (ControlWindow(end=0.4), ControlWindow(start=0.4)),  # one after the other
        (ControlWindow(strength=0), ControlWindow(strength=0.8, start=0.2)),
        (ControlWindow(strength=0), ControlWindow(strength=0)),
        (),
    ]
    lanes = [
        lane(seed=index, guidance_scale=scale, windows=pair, guess=guess)
        for index, pair in enumerate(windows)
        for scale, guess in ((0.0, False), (5.0, False), (5.0, True))
    ]
    gots = studio.latents(*lanes, controls=("edges", "pose"))
    for one, got in zip(lanes, gots, strict=True):
        assert_same(got, theirs.latents(one, ("edges", "pose")), one)
    plain = studio.latents(*(one.model_copy(update={"windows": ()}) for one in lanes))
    moved = [float((got - other).abs().max()) for got, other in zip(gots, plain, strict=True)]
    assert min(moved[:12]) > 0.01  # control matters where there is some
    assert max(moved[12:]) < 1e-4  # and nowhere else: nets of no strength, no windows


def test_order_and_copies_of_a_control_add_up(studio):
    """A control held twice at half strength is that control at full strength; the order does not matter."""
    once = studio.latents(lane(windows=(ControlWindow(),)), controls=("edges",))[0]
    twice = studio.latents(lane(windows=(ControlWindow(strength=0.5),) * 2), controls=("edges", "edges"))[0]
    assert_same(twice, once, "twice")
    a, b = ControlWindow(strength=0.7), ControlWindow(strength=1.2, end=0.6)
    here = studio.latents(lane(windows=(a, b)), controls=("edges", "pose"))[0]
    there = studio.latents(lane(windows=(b, a)), controls=("pose", "edges"))[0]
    assert_same(there, here, "order")


def test_lanes_of_every_kind_share_a_run_and_keep_their_pictures(studio):
    """With and without control, guidance and guess mode, other samplers and step counts: as each is alone."""
    full, half = (
        (ControlWindow(), ControlWindow(strength=0.5)),
        (ControlWindow(end=0.5), ControlWindow(start=0.5, strength=0)),
    )
    lanes = [
        lane(seed=0),
        lane(seed=1, guidance_scale=4),
        lane(seed=2, windows=full),
        lane(seed=3, windows=full, guidance_scale=4),
        lane(seed=4, windows=full, guidance_scale=4, guess=True),
        lane(seed=5, windows=half, guidance_scale=0),
        lane(seed=6, windows=half, guidance_scale=2, rule="apg", sampler="heun", steps=3),
        lane(seed=7, guidance_scale=3, rule="interval", sampler="euler_a", steps=9),
        lane(seed=8, windows=full, guidance_scale=3, rule="interval", sampler="dpmpp_2m", guess=True),
    ]
    together = studio.latents(*lanes, controls=("edges", "pose"), negative=NEGATIVE)
    for one, got in zip(lanes, together, strict=True):
        (alone,) = studio.latents(one, controls=("edges", "pose"), negative=NEGATIVE)
        assert_same(got, alone, one)


@pytest.mark.parametrize("guess", [False, True])
@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_residuals_are_those_of_the_control_nets(studio, folders, scale, guess):
    """RMS of every block, from the nets themselves at each x_t; nothing outside a window."""
    windows = (ControlWindow(strength=0.5, start=0.4), ControlWindow(strength=1.5, end=0.6))
    one = lane(guidance_scale=scale, windows=windows, guess=guess)
    records, events = studio.run(one, lane(), controls=("edges", "pose"))
    result, plain = (event for event in events if isinstance(event, LaneResult))
    assert plain.residuals is None
    nets = [ControlNetModel.from_pretrained(folders / name).eval() for name in ("edges", "pose")]
    blocks = len(nets[0].controlnet_down_blocks) + 1
    assert result.residuals.shape == (2, STEPS, blocks)
    with studio.cache.lease("text-to-image") as model:
        hidden = model.conditioning(Condition(prompt=PROMPT)).prompt.hidden[None]
    ramp = np.logspace(-1, 0, blocks) if guess else np.ones(blocks)
    for k, (net, window, name) in enumerate(zip(nets, windows, MAPS, strict=True)):
        hint = torch.from_numpy(MAPS[name]).permute(2, 0, 1)[None] / 255
        for record in records[0][:-1]:
            if not (window.start <= record.i / STEPS and (record.i + 1) / STEPS <= window.end):
                assert not result.residuals[k, record.i].any()
                continue
            with torch.no_grad():
                down, middle = net(
                    record.x_t[None], torch.tensor([record.t]), hidden, controlnet_cond=hint, return_dict=False
                )
            want = [window.strength * float(block.square().mean() ** 0.5) for block in (*down, middle)] * ramp
            assert want.min() > 1e-3
            np.testing.assert_allclose(result.residuals[k, record.i], want, rtol=1e-4, atol=0)
    active = result.residuals.any(axis=2)
    assert active.tolist() == [[False, False, True, True, True], [True, True, True, False, False]]


@pytest.mark.parametrize("guess", [False, True])
def test_residuals_of_an_unconditional_lane(studio, guess):
    """At scale 0 the unconditional half is under control, and in guess mode nothing is."""
    (result,) = studio.results(
        lane(guidance_scale=0, windows=(ControlWindow(end=0.6),), guess=guess), controls=("edges",)
    )
    assert result.residuals.shape[:2] == (1, STEPS)
    assert result.residuals.any(axis=2)[0].tolist() == ([False] * 5 if guess else [True, True, True, False, False])


def test_a_net_is_called_once_for_all_its_rows(studio, monkeypatch):
    with studio.cache.lease("edges") as control:
        net, encoder = control.net, control.encoder
        calls = {"net": [], "encoder": 0}

        def watched(x, *arguments, whole=net.forward, **more):
            calls["net"].append(len(x))
            return whole(x, *arguments, **more)

        def encoded(x, whole=encoder.forward):
            calls["encoder"] += 1
            return whole(x)

        monkeypatch.setattr(net, "forward", watched)
        monkeypatch.setattr(encoder, "forward", encoded)
        controlled = {"windows": (ControlWindow(),)}
        studio.run(
            lane(**controlled), lane(guidance_scale=3, **controlled), lane(guidance_scale=3, guess=True, **controlled),
            lane(guidance_scale=3), controls=("edges",),
        )  # fmt: skip
    assert calls == {"net": [4] * STEPS, "encoder": 1}


def test_a_control_picture_of_any_size_is_brought_to_the_models_side(studio):
    large = MAPS["edges"].repeat(3, axis=0).repeat(3, axis=1)
    with studio.cache.lease("edges") as control:
        same = control.hint(np.full((90, 40, 3), 120, np.uint8), tiny.SIDE).encoded
        want = control.hint(np.full((tiny.SIDE, tiny.SIDE, 3), 120, np.uint8), tiny.SIDE).encoded
        torch.testing.assert_close(same, want, atol=1e-4, rtol=0)
        assert control.hint(large, tiny.SIDE).encoded.shape == want.shape


def test_all_tabs_share_the_base_model(studio, folders):
    """Plain, with edges and with pose: one UNet, autoencoder and text encoder, and each ControlNet once."""
    lone = make_cache(SETTINGS)
    held = [lane(steps=1, windows=(ControlWindow(),))]
    for controls in ((), ("edges",), ("pose",)):
        request = SamplingRequest(
            model="text-to-image", lanes=held if controls else [lane(steps=1)], forward=Forward(schedule="scaled_linear"),
            controls=[ControlMap(name=name, map=MAPS[name]) for name in controls],
        )  # fmt: skip
        list(sampling(request, House(SETTINGS, lone, drive)))
    wanted = 0
    for part in ("epsilon/unet", "epsilon/vae", "epsilon/text_encoder", "edges", "pose"):
        (file,) = (folders / part).glob("*.safetensors")
        wanted += sum(tensor.nbytes for tensor in load_file(file).values())
    assert {model.name for model in lone.resident()} == {"text-to-image", "edges", "pose"}
    assert sum(weigh(name, SETTINGS) for name in ("text-to-image", "edges", "pose")) == wanted
    positions = 8 * CLIPTokenizer.from_pretrained(tiny.TOKENIZER).model_max_length  # int64, in no file
    assert lone.used() == (0, wanted + positions)


def test_a_model_with_another_unet_shares_the_rest(studio):
    """By content: the twin was saved into a folder of its own, with the same autoencoder and text encoder."""
    lone = make_cache(SETTINGS)
    with lone.lease("text-to-image") as one, lone.lease("velocity") as other:
        assert one.autoencoder is other.autoencoder and one.encoders[0][1] is other.encoders[0][1]
    one, other = lone.resident()
    assert one.own_nbytes == other.own_nbytes < one.nbytes


# What goes wrong


def test_a_control_that_a_model_has_not_is_refused(studio, monkeypatch):
    monkeypatch.setitem(MODELS, "text-to-image", replace(MODELS["text-to-image"], controls=("edges",)))
    with pytest.raises(LabError, match="no control named 'pose'. Choose another model or remove it"):
        studio.run(lane(windows=(ControlWindow(),)), controls=("pose",))


def test_a_control_whose_folder_is_missing_is_an_error_in_words(studio, monkeypatch, tmp_path):
    studio.cache = make_cache(SETTINGS)
    monkeypatch.setitem(CONTROLS, "pose", replace(CONTROLS["pose"], source=str(tmp_path / "gone")))
    with pytest.raises(LabError, match="The control 'Pose' could not be loaded: .*no folder"):
        studio.run(lane(windows=(ControlWindow(),)), controls=("pose",))
    studio.run(lane(steps=1, windows=(ControlWindow(),)), controls=("edges",))


def truncated(folder):
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])


def without_weights(folder):
    (folder / "vae" / "diffusion_pytorch_model.safetensors").unlink()


def garbled(folder):
    (folder / "model_index.json").write_text("{")


@pytest.mark.parametrize("harm", [shutil.rmtree, truncated, without_weights, garbled])
def test_a_folder_that_does_not_load_is_an_error_that_names_the_model(studio, folders, tmp_path, monkeypatch, harm):
    folder = shutil.copytree(folders / "epsilon", tmp_path / "broken")
    harm(folder)
    monkeypatch.setitem(
        MODELS, "broken", replace(MODELS["text-to-image"], name="broken", title="Broken", source=str(folder))
    )
    before = studio.cache.resident()
    with pytest.raises(LabError, match="The model 'Broken' could not be loaded: "), studio.cache.lease("broken"):
        raise AssertionError("a broken model was leased")
    assert studio.cache.resident() == before
    assert len(studio.latents(lane(steps=1))) == 1


# Prompts


def test_prompts_are_encoded_once_and_as_the_pipeline_does(studio, theirs):
    with studio.cache.lease("text-to-image") as model:
        first = model.conditioning(Condition(prompt="two cats"))
        assert model.conditioning(Condition(prompt=" two cats ")).prompt is first.prompt
        assert model.unconditional("two cats").prompt is first.prompt
        assert model.unconditional().prompt is model.conditioning(Condition()).prompt
        assert model.prompts.read.cache_info().maxsize == CACHED_PROMPTS
        for prompt in ("two cats", "", "an apple " * 33):  # the last is longer than the encoder's window
            want, _ = theirs.pipeline("epsilon", ()).encode_prompt(prompt, "cpu", 1, False)
            torch.testing.assert_close(model.unconditional(prompt).prompt.hidden, want[0].detach(), atol=1e-5, rtol=0)


def test_a_style_is_written_behind_the_prompt_where_the_model_knows_styles(studio, monkeypatch):
    with studio.cache.lease("text-to-image") as model:
        styled = model.conditioning(Condition(prompt="cat", style="flat"))
        assert styled.prompt is model.conditioning(Condition(prompt="cat, flat style")).prompt
        only = model.conditioning(Condition(style="flat"))
        assert only.prompt is model.conditioning(Condition(prompt="flat style")).prompt
        monkeypatch.setattr(model, "styled", False)
        assert model.conditioning(Condition(prompt="cat", style="3D")).prompt is model.unconditional("cat").prompt


@pytest.fixture
def reader(studio):
    with studio.cache.lease("text-to-image") as model:
        yield model


def content(reader, prompt):
    """The tokens between the ends that the encoder gets of a text, and all that it has."""
    tokenizer = reader.encoders[0][0]
    kept = tokenizer(prompt, truncation=True, max_length=tokenizer.model_max_length).input_ids[1:-1]
    return kept, tokenizer(prompt, add_special_tokens=False).input_ids


LONG = ["cat " * n + "red heart" for n in (26, 27, 28, 29, 30, 31, 60)] + [
    "a  red\n  heart " * 12, "x" * 300, "naïve café " * 20, "苹果" * 40, "dog, cat; apple! " * 10, "strawberry " * 24,
]  # fmt: skip


@pytest.mark.parametrize("prompt", LONG)
def test_a_prompt_is_read_up_to_the_word_that_is_said(reader, prompt):
    """What stands before the word, and nothing behind it, reaches the encoder; shorter prompts have nothing to say."""
    prompt = prompt.strip()
    kept, whole = content(reader, prompt)
    sentences = reader.unread(Condition(prompt=prompt))
    assert bool(sentences) == (kept != whole)
    if sentences:
        number = int(re.search(r"word (\d+) ", sentences[0])[1])
        words = prompt.split()
        before, through = (content(reader, " ".join(words[:k]))[1] for k in (number - 1, number))
        assert len(before) <= len(kept) < len(through) and whole[: len(kept)] == kept
        assert ("the middle of" in sentences[0]) == (len(before) < len(kept))
        assert reader.unread(Condition(), prompt) == [sentences[0].replace("The prompt", "The negative prompt")]
        assert "which takes 32 tokens" in sentences[0]


@pytest.mark.parametrize("prompt", LONG)
def test_the_style_is_never_what_is_lost(reader, prompt):
    prompt = prompt.strip()
    ending = content(reader, ", flat style")[1]
    text = reader.prompts.with_ending(prompt, ", flat style")
    kept, whole = content(reader, text)
    assert kept == whole and kept[-len(ending) :] == ending
    assert len(kept) >= min(30, len(content(reader, prompt)[1]) + len(ending)) - 2
    assert prompt.startswith(text.removesuffix(", flat style"))
    conditioned = reader.conditioning(Condition(prompt=prompt, style="flat")).prompt
    assert conditioned is reader.conditioning(Condition(prompt=text)).prompt
    assert bool(reader.unread(Condition(prompt=prompt, style="flat"))) == (text != f"{prompt}, flat style")


def test_a_run_says_what_it_does_not_read_and_goes_on(studio):
    long, negative = "cat " * 34 + "red heart", "dog " * 34 + "blue car"
    guided = lane(steps=1, guidance_scale=2)
    _, events = studio.run(guided, condition=Condition(prompt=long), negative=negative, measure=True)
    notes = [event.text for event in events if isinstance(event, Note)]
    assert [text.split(" from ")[0] for text in notes] == [
        "The prompt is too long:", "The negative prompt is too long:", "The CLIP score knows nothing of the prompt",
    ]  # fmt: skip
    assert ['word 31 ("cat") on' in text for text in notes] == [True, False, True] and 'word 31 ("dog") on' in notes[1]
    assert any(isinstance(event, LaneResult) for event in events)
    _, events = studio.run(lane(steps=1), condition=Condition(prompt="cat"), measure=True)
    assert not [event for event in events if isinstance(event, Note)]


def test_of_a_model_of_large_pictures_previews_are_fitted_on_small_ones(tmp_path, monkeypatch):
    """As large as they lie on disk: at 512 px that took minutes of the first picture."""
    row = replace(MODELS["text-to-image"], source=str(tiny.text_to_image(tmp_path, sample_size=32)), size=128)
    monkeypatch.setitem(MODELS, "large", replace(row, name="large"))
    loaded = load("large", SETTINGS)
    encode, sides = loaded.autoencoder.encode, []
    monkeypatch.setattr(loaded.autoencoder, "encode", lambda x: sides.append(x.shape[2:]) or encode(x))
    preview = loaded.preview(torch.randn(loaded.shape))
    assert loaded.side == 128 and set(sides) == {(64, 64)}
    assert preview.shape == (32, 32, 3) and preview.std() > 0
