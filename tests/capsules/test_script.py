"""Exported scripts, run as they are and without the lab, against the lab's own pictures."""

import ast
import contextlib
import inspect
import io
import itertools
import json
import re
import runpy
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image

from lab.annotators.joints import default_pose
from lab.annotators.pose import pose_map
from lab.backends.local import LocalBackend
from lab.capsules import exact_script, scheduler_script, script
from lab.catalog import CONTROLS, GUIDANCE, MODELS, SAMPLERS, SCHEDULES, Model, control_of, samplers_for
from lab.engine.noising import alphas_cumprod
from lab.engine.process import VariancePreserving
from lab.engine.samplers import make_scheduler
from lab.models.pictures import PictureSet
from lab.requests.base import LabError
from lab.requests.fields import Condition, Forward, GuideSettings
from lab.requests.sampling import ControlMap, ControlWindow, LaneResult, LaneSettings, SamplingRequest
from lab.settings import ASSETS, Settings
from lab.ui.tabs.controlnet.view import sketch
from lab.vocabulary import as_read
from tests.models import tiny

ROOT = Path(__file__).parents[2]
SHARED = {"model": "text-to-image", "forward": Forward(schedule="scaled_linear")}
APPLE = Condition(prompt='a "red" apple \\ 🍎', style="3D")
CLOSE = 2  # grey levels: what rounding may differ by


@pytest.fixture(scope="module")
def backend():
    return LocalBackend(Settings(device="cpu", dtype="float32", cpu_engine="torch"))


def picture_of_the_lab(backend, request):
    (result,) = [event for event in backend.run(request) if isinstance(event, LaneResult)]
    return result.picture


class NoLab:
    """A finder that refuses the lab: a script needs nothing of it."""

    @staticmethod
    def find_spec(name, *_):
        if name.partition(".")[0] == "lab":
            raise ImportError("a script must not import the lab")


def run_script(text, folder, *arguments):
    """Run a script with its arguments in the lab's folder, without the lab. What it prints.

    In this interpreter: another one takes most of ten seconds to import what this one has.
    """
    file, printed = folder / "again.py", io.StringIO()
    file.write_text(text, "utf-8")
    rooms = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "lab"}
    with (
        pytest.MonkeyPatch.context() as patch,
        warnings.catch_warnings(),
        contextlib.redirect_stdout(printed),
        torch.no_grad(),
    ):
        warnings.simplefilter("error", SyntaxWarning)
        for name in rooms:
            patch.delitem(sys.modules, name)
        patch.setattr(sys, "meta_path", [NoLab, *sys.meta_path])
        patch.setattr(sys, "argv", [str(file), *map(str, arguments)])
        patch.chdir(ROOT)
        runpy.run_path(str(file), run_name="__main__")
    return printed.getvalue()


def picture_of_the_script(text, folder, model="assets/models/text-to-image"):
    """What the script writes."""
    picture = folder / "again.png"
    run_script(text.replace('save("picture.png")', f"save({str(picture)!r})"), folder, model, picture)
    return np.asarray(Image.open(picture))


def test_a_script_runs_in_an_interpreter_of_its_own(tmp_path):
    file, picture = tmp_path / "again.py", tmp_path / "again.png"
    file.write_text(script.write(RUNS["multistep"], 0), "utf-8")
    command = [sys.executable, str(file), "assets/models/text-to-image", str(picture)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert Image.open(picture).size == (64, 64)


def controlled(*lanes, **more):
    maps = (
        ControlMap(name="edges", map=sketch("heart", 64)),
        ControlMap(name="pose", map=pose_map(default_pose(), np.ones(18, bool), 64)),
    )
    return SamplingRequest(**SHARED, controls=maps, lanes=lanes, **more)


RUNS = {
    "DDIM": SamplingRequest(
        **SHARED, condition=APPLE, negative="blue",
        lanes=(LaneSettings(steps=10, seed=3, guidance_scale=5), LaneSettings(steps=10, seed=4, guidance_scale=5)),
    ),
    "DDIM whose steps do not divide T, with noise": SamplingRequest(
        **SHARED, condition=APPLE, lanes=(LaneSettings(steps=7, seed=5, guidance_scale=3, eta=0.5, rule="rescaled"),)
    ),
    "DDIM, 61 steps": SamplingRequest(**SHARED, condition=APPLE, lanes=(LaneSettings(steps=61, seed=5),)),
    "PNDM, 61 steps": SamplingRequest(
        **SHARED, condition=APPLE, lanes=(LaneSettings(sampler="pndm", steps=61, seed=5),)
    ),
    "UniPC, 61 steps": SamplingRequest(
        **SHARED, condition=APPLE, lanes=(LaneSettings(sampler="unipc", steps=61, seed=5, spacing="linspace"),)
    ),
    "DDPM, 61 steps": SamplingRequest(
        **SHARED, condition=APPLE, lanes=(LaneSettings(sampler="ddpm", steps=61, seed=5),)
    ),
    "stochastic": SamplingRequest(
        **SHARED, condition=APPLE, lanes=(LaneSettings(sampler="euler_a", steps=9, seed=6, spacing="linspace"),)
    ),
    "multistep": SamplingRequest(
        **SHARED, condition=APPLE,
        lanes=(LaneSettings(sampler="dpmpp_2m", steps=8, seed=7, guidance_scale=3, mix_seed=9, mix=0.3),),
    ),
    "PNDM whose steps do not divide T": SamplingRequest(
        **SHARED, condition=APPLE, lanes=(LaneSettings(sampler="pndm", steps=7, seed=7, spacing="leading"),)
    ),
    "flow, Euler": SamplingRequest(
        **SHARED, condition=APPLE, lanes=(LaneSettings(sampler="flow_euler", steps=9, seed=6, guidance_scale=3),)
    ),
    "Langevin, one level": SamplingRequest(
        **SHARED, condition=APPLE, lanes=(LaneSettings(sampler="langevin", steps=9, seed=6, guidance_scale=3),)
    ),
    "annealed Langevin": SamplingRequest(
        **SHARED, condition=APPLE, lanes=(LaneSettings(sampler="annealed", steps=33, seed=6, guidance_scale=3),)
    ),
    "flow, Heun": SamplingRequest(
        **SHARED, condition=APPLE, lanes=(LaneSettings(sampler="flow_heun", steps=5, seed=6, guidance_scale=3),)
    ),
    "ControlNet": controlled(
        LaneSettings(
            sampler="dpmpp_2m", steps=8, seed=1, guidance_scale=3,
            windows=(ControlWindow(strength=0.7, start=0.2, end=0.9), ControlWindow(strength=1.2)),
        ),
        condition=Condition(prompt="red heart"),
    ),
    "ControlNet, guess mode": controlled(
        LaneSettings(steps=8, seed=2, guidance_scale=3, guess=True, windows=(ControlWindow(strength=1.5), ControlWindow(strength=0))),
    ),
    "interval": SamplingRequest(
        **SHARED, condition=APPLE,
        lanes=(LaneSettings(sampler="dpmpp_2m", steps=10, seed=3, guidance_scale=4, rule="interval"),),
    ),
    "adaptive projected": SamplingRequest(
        **SHARED, condition=APPLE, lanes=(LaneSettings(steps=10, seed=3, guidance_scale=9, rule="apg"),)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RUNS)
def test_the_script_draws_the_picture_of_the_lab(name, backend, tmp_path):
    request = RUNS[name]
    last = len(request.lanes) - 1
    wanted = picture_of_the_lab(backend, request.model_copy(update={"lanes": request.lanes[last:]}))
    again = picture_of_the_script(script.write(request, last), tmp_path)
    assert again.std() > 5  # a picture, not a grey one that would be close to any other
    assert np.abs(again.astype(int) - wanted.astype(int)).max() <= CLOSE


CAT = Condition(prompt="cat", group="animals-nature")
EXACT = {
    "DDIM, a group": ("exact", Condition(group="food-drink"), LaneSettings(steps=20, seed=1), Forward()),
    "DDIM, all, noise": ("exact", Condition(), LaneSettings(steps=12, seed=12, eta=0.7), Forward(schedule="cosine")),
    "guided": ("exact", CAT, LaneSettings(steps=10, seed=2, guidance_scale=3), Forward(schedule="sigmoid")),
    "guided, rescaled": (
        "exact", Condition(prompt="flat style heart"),
        LaneSettings(sampler="dpmpp_2m", steps=10, seed=2, guidance_scale=2, rule="rescaled"), Forward(schedule="scaled_linear"),
    ),
    "DDIM, a group, 61 steps": ("exact-32", Condition(style="3D"), LaneSettings(steps=61, seed=3), Forward(T=150)),
    "Euler": ("exact", Condition(prompt="apple"), LaneSettings(sampler="euler", steps=15, seed=7), Forward(schedule="scaled_linear")),
    "guided, noise": ("exact-32", CAT, LaneSettings(sampler="ddpm", steps=10, seed=3, guidance_scale=4), Forward(schedule="cosine")),
    "unconditional": ("exact", CAT, LaneSettings(steps=10, seed=2, guidance_scale=0), Forward()),
    "another T, zero SNR": (
        "exact-32", Condition(style="3D"), LaneSettings(sampler="ddpm", steps=9, seed=4), Forward(T=300, zero_snr=True)
    ),
    "between seeds": ("exact-32", CAT, LaneSettings(steps=9, seed=4, mix_seed=8, mix=0.4), Forward(schedule="cosine")),
    "interval": ("exact-32", CAT, LaneSettings(sampler="euler", steps=12, seed=2, guidance_scale=3, rule="interval"), Forward()),
    **{
        rule: ("exact-32", CAT, LaneSettings(sampler=sampler, steps=11, seed=2, guidance_scale=3, rule=rule), Forward())
        for rule, sampler in {"classifier": "ddim", "classifier_conditional": "flow_euler", "brightness": "dpmpp_2m"}.items()
    },
    "adaptive projected": ("exact", CAT, LaneSettings(steps=12, seed=2, guidance_scale=6, rule="apg"), Forward(schedule="sigmoid")),
    "threshold": (
        "exact-32", CAT, LaneSettings(sampler="annealed", steps=12, seed=2, guidance_scale=8, rule="threshold"), Forward()
    ),
    **{
        name: ("exact-32", Condition(group="travel-places"), LaneSettings(sampler=name, steps=11, seed=5, spacing=spacing), Forward())
        for name, spacing in zip(samplers_for(MODELS["exact"]), itertools.cycle(("trailing", "linspace", "leading")))
    },
}  # fmt: skip


@pytest.mark.parametrize("name", EXACT)
def test_the_script_of_the_exact_denoiser_draws_the_picture_of_the_lab(name, backend, tmp_path):
    """With a sum in NumPy, no network and nothing of the lab but its pictures."""
    model, condition, lane, forward = EXACT[name]
    request = SamplingRequest(model=model, condition=condition, negative="", forward=forward, lanes=(lane,))
    text = script.write(request, 0)
    short = "a picture of Diffusion Lab, drawn again by NumPy alone" in text
    assert imports(text) <= {"csv", "hashlib", "numpy", "PIL"} | (
        set() if short else {"sys", "pathlib", "torch", "diffusers"}
    )
    assert max(map(len, text.splitlines())) <= 125
    again = picture_of_the_script(text, tmp_path, "assets/pictures")
    if (
        GUIDANCE[lane.rule].guide == "classifier"
    ):  # by Bayes' rule an exact one's gradient is the difference of the halves
        request = request.model_copy(update={"lanes": (lane.model_copy(update={"rule": "cfg"}),)})
    wanted = picture_of_the_lab(backend, request)
    assert again.std() > 5 and np.abs(again.astype(int) - wanted.astype(int)).max() <= (0 if short else CLOSE)


def test_the_script_of_a_tiny_decoders_picture_reads_it_too(tmp_path, monkeypatch):
    lane = LaneSettings(steps=1, seed=4)
    request = SamplingRequest(**SHARED | {"model": "sd-turbo"}, condition=APPLE, lanes=(lane,), decoder="tiny")
    named = 'tiny = AutoencoderTiny.from_pretrained("madebyollin/taesd", revision="614f76814bbe30edbe2e627ace1c2234c81a2c0e")'
    assert named in script.write(request, 0)
    model, decoder = tiny.text_to_image(tmp_path / "model"), tiny.decoder(tmp_path / "decoder")
    row = replace(MODELS["sd-turbo"], source=str(model), tiny_decoder=str(decoder), size=tiny.SIDE)
    monkeypatch.setitem(MODELS, "sd-turbo", row)
    again = picture_of_the_script(script.write(request, 0), tmp_path, model)
    ours = picture_of_the_lab(LocalBackend(Settings(device="cpu", cpu_engine="torch")), request)
    assert again.std() > 5 and np.abs(again.astype(int) - ours.astype(int)).max() <= CLOSE


@pytest.mark.parametrize(
    ("lane", "forward", "most"),
    [
        (LaneSettings(), Forward(), 26),
        (LaneSettings(sampler="euler"), Forward(schedule="scaled_linear"), 27),
        (LaneSettings(sampler="ddpm"), Forward(), 32),
        (LaneSettings(spacing="leading"), Forward(), None),
        (LaneSettings(sampler="heun"), Forward(), None),
        (LaneSettings(mix_seed=8, mix=0.4), Forward(), None),
        (LaneSettings(guidance_scale=3, rule="rescaled"), Forward(), None),
        (LaneSettings(), Forward(zero_snr=True), None),
    ],
)
def test_where_a_step_is_a_line_the_script_has_about_twenty(lane, forward, most):
    """Lines of code: no blank ones, no comments, no docstrings."""
    request = SamplingRequest(model="exact", condition=Condition(group="food-drink"), forward=forward, lanes=(lane,))
    text = script.write(request, 0)
    lines = [line for line in re.sub(r'""".*?"""', "", text, flags=re.S).splitlines() if line.split("#")[0].strip()]
    assert len(lines) == most if most else len(lines) > 40 and "torch" in text


def test_the_script_of_the_exact_denoiser_moves_away_from_its_negative_prompt(backend, tmp_path):
    lane = LaneSettings(steps=10, seed=2, guidance_scale=4)
    request = SamplingRequest(model="exact-32", condition=CAT, negative="cat face", lanes=(lane,))
    again = picture_of_the_script(script.write(request, 0), tmp_path, "assets/pictures")
    assert np.abs(again.astype(int) - picture_of_the_lab(backend, request)).max() <= CLOSE


FOOD = Condition(prompt="red apple", group="food-drink")  # words that only CLIP reads
GUIDE = GuideSettings(temperature=1.5, colour="#2040c0", region="bottom", brightness=0.2)
PIXEL = {
    **{
        name: LaneSettings(sampler=name, steps=11, seed=5, guidance_scale=scale, spacing=spacing, eta=0.3)
        for name, spacing, scale in zip(
            samplers_for(MODELS["pixel"]), itertools.cycle(("trailing", "linspace", "leading")), itertools.cycle((2, 4, 1, 0))
        )
    },
    "DDIM, 61 steps": LaneSettings(steps=61, seed=3, guidance_scale=2),
    "between seeds": LaneSettings(steps=7, seed=3, guidance_scale=2, mix_seed=8, mix=0.4),
    **{
        rule: LaneSettings(steps=11, seed=6, guidance_scale=6, rule=rule, eta=0.5)
        for rule in ("rescaled", "interval", "threshold", "apg")
    },
    **{
        rule: LaneSettings(sampler=sampler, steps=11, seed=6, guidance_scale=3, rule=rule)
        for rule, sampler in {
            "classifier": "ddim", "classifier_conditional": "ddpm_learned", "clip": "heun", "colour": "euler",
            "symmetry": "annealed", "brightness": "ddpm_learned", "auto": "ddpm_learned",
        }.items()
    },
    "classifier at 0": LaneSettings(sampler="ddpm", steps=11, seed=6, guidance_scale=0, rule="classifier"),
    "auto at 0": LaneSettings(steps=11, seed=6, guidance_scale=0, rule="auto"),
    "interval at 0": LaneSettings(sampler="ddpm_learned", steps=11, seed=6, guidance_scale=0, rule="interval"),
    "threshold at 1": LaneSettings(sampler="flow_heun", steps=5, seed=6, rule="threshold"),
}  # fmt: skip


@pytest.mark.parametrize("name", PIXEL)
def test_the_script_of_the_pixel_model_draws_the_picture_of_the_lab(name, backend, tmp_path):
    request = SamplingRequest(
        model="pixel", condition=FOOD, forward=Forward(schedule="cosine"), lanes=(PIXEL[name],), guide=GUIDE
    )
    text = script.write(request, 0)
    guides = {"diffusers.models.attention_processor", "safetensors.torch"} if "class NoisyEncoder" in text else set()
    guides |= {"transformers"} if name == "clip" else set()
    assert imports(text) <= {"hashlib", "json", "pathlib", "sys", "torch", "diffusers", "PIL"} | guides
    assert max(map(len, text.splitlines())) <= 125
    again = picture_of_the_script(text, tmp_path, "assets/models/pixel")
    wanted = picture_of_the_lab(backend, request)
    assert again.std() > 5 and np.abs(again.astype(int) - wanted.astype(int)).max() <= CLOSE


PROMPTS = ("apple", "red apples", "a photo of a cat", "flat style heart", "3D", "the moon", "o'clock", "❤", "boxes", "piñata",
           "smiling face with heart-eyes", "jack-o-lantern", "person in a boat", "nice", "on", "Cat, glossy style")  # fmt: skip


def test_a_script_finds_the_pictures_that_the_lab_finds():
    pictures = PictureSet.load(ASSETS / "pictures")
    pictures = pictures.select(~pictures.held_out)
    somewhere = 0
    for prompt, group, style in itertools.product(PROMPTS, ("", "animals-nature", "symbols"), ("", "3D", "sticker")):
        wanted = list(np.flatnonzero(pictures.matching(as_read(prompt), group, style)))
        condition = Condition(prompt=prompt, group=group, style=style)
        if wanted:
            assert exact_script.found(condition) == wanted, condition
            somewhere += 1
        else:
            with pytest.raises(LabError, match="no picture of"):
                exact_script.found(condition)
    assert somewhere > 40


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_table_of_the_script_is_that_of_the_lab(name):
    for total, zero_snr in ((1000, False), (1000, True), (50, False), (4000, True)):
        forward = Forward(schedule=name, T=total, zero_snr=zero_snr)
        room = {"torch": torch, "DDPMScheduler": diffusers.DDPMScheduler}
        exec(exact_script.table(forward), room)
        torch.testing.assert_close(room["alpha_bar"], alphas_cumprod(name, total, zero_snr), rtol=1e-6, atol=1e-9)


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """The shipped model as if it had been distilled: its UNet listens to the scale, if to no good end."""
    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(ASSETS / "models" / "text-to-image")
    torch.manual_seed(0)
    unet = diffusers.UNet2DConditionModel.from_config(pipeline.unet.config, time_cond_proj_dim=16)
    unet.load_state_dict(pipeline.unet.state_dict(), strict=False)
    torch.nn.init.normal_(unet.time_embedding.cond_proj.weight, std=0.2)
    pipeline.register_modules(unet=unet)
    folder = tmp_path_factory.mktemp("told")
    pipeline.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("sampler", ["lcm", "ddim"])
def test_the_script_of_a_distilled_model_tells_it_the_scale(sampler, told, tmp_path, monkeypatch):
    monkeypatch.setitem(MODELS, "student", replace(MODELS["student"], source=str(told)))
    lane = LaneSettings(sampler=sampler, steps=4, seed=3, guidance_scale=6)
    apple = Condition(prompt='a "red" apple', style="3D")
    request = SamplingRequest(**SHARED | {"model": "student"}, condition=apple, negative="blue", lanes=(lane,))
    wanted = picture_of_the_lab(LocalBackend(Settings(device="cpu", cpu_engine="torch")), request)
    text = script.write(request, 0)
    again = picture_of_the_script(text, tmp_path, told)
    assert np.abs(again.astype(int) - wanted).max() <= CLOSE and "NEGATIVE" not in text
    other = picture_of_the_script(text.replace("SCALE = 6.0", "SCALE = 1.0"), tmp_path, told)
    assert np.abs(other.astype(int) - wanted).max() > 10 * CLOSE


def test_a_setting_that_is_lost_would_be_seen(backend):
    """The comparison is worth something: another seed, or no map, is far away."""
    one = RUNS["ControlNet"]
    (lane,) = one.lanes
    wanted = picture_of_the_lab(backend, one).astype(int)
    for other in (lane.model_copy(update={"seed": 2}), lane.model_copy(update={"windows": ()})):
        drawn = picture_of_the_lab(backend, one.model_copy(update={"lanes": (other,)})).astype(int)
        assert np.abs(drawn - wanted).max() > 10 * CLOSE


def imports(text):
    found = {name.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import) for name in node.names}
    return found | {node.module for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)}


@pytest.mark.parametrize("spacing", ["trailing", "leading", "linspace"])
@pytest.mark.parametrize("sampler", samplers_for(MODELS["text-to-image"]))
def test_every_sampler_has_a_script_that_its_scheduler_takes(sampler, spacing):
    for guidance_scale in (0, 1, 4):
        lane = LaneSettings(sampler=sampler, steps=11, spacing=spacing, guidance_scale=guidance_scale, eta=0.3)
        text = script.write(SamplingRequest(**SHARED, lanes=(lane,)), 0)
        assert imports(text) <= {"sys", "hashlib", "torch", "diffusers", "PIL"}
        assert max(map(len, text.splitlines())) <= 120
        made = [
            node.value for node in ast.parse(text).body
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "scheduler"
        ]  # fmt: skip
        row = SAMPLERS[sampler]
        if sampler in ("langevin", "annealed"):  # whose loop is all there is
            assert not made
            continue
        (made,) = made
        cls = getattr(diffusers, scheduler_script.PLAIN.get(row.scheduler, row.scheduler))
        assert {option.arg for option in made.keywords} <= set(inspect.signature(cls.__init__).parameters)


WALKS = ("flow_euler", "flow_heun", "langevin", "annealed")  # in a space or at levels of their own


class Pipe:
    """What a script asks a pipeline about its forward process; alpha-bar as a model under zero terminal SNR has it."""

    def __init__(self, zero_snr, prediction_type="epsilon"):
        self.scheduler = diffusers.DDIMScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", rescale_betas_zero_snr=zero_snr,
            prediction_type=prediction_type,
        )  # fmt: skip


def scheduler_of(text, pipe):
    """The scheduler that a script makes: its own lines, from the first mention to the noise."""
    lines = re.findall(r"(?m)^(?:import|from) .*$|^STEPS = .*$", text)
    mended = re.search(r"(?ms)^class .*?(?=^predicts)", text)
    made = re.search(r"(?ms)^predicts = .*?(?=^# x_T)", text)
    names = {"pipe": pipe}
    exec("\n".join([*lines, mended.group() if mended else "", made.group()]), names)
    return names["scheduler"]


@pytest.mark.parametrize("spacing", ["trailing", "leading", "linspace"])
@pytest.mark.parametrize("sampler", [name for name in samplers_for(MODELS["student"]) if name not in WALKS])
def test_the_script_visits_the_timesteps_of_the_lab(sampler, spacing):
    row = SAMPLERS[sampler]
    spacing = spacing if spacing in row.spacings else row.spacings[0]
    for steps, zero_snr in itertools.product((1, 2, 7, 20, 48, 61, 122, 500, 998, 999, 1000), (False, True)):
        if zero_snr and steps not in (2, 61, 1000):
            continue
        request = SamplingRequest(**SHARED, lanes=(LaneSettings(sampler=sampler, steps=steps, spacing=spacing),))
        pipe = Pipe(zero_snr)
        got = scheduler_of(script.write(request, 0), pipe)
        want = make_scheduler(
            row.scheduler, VariancePreserving(pipe.scheduler.alphas_cumprod), "epsilon", steps, spacing, row.options
        )
        assert got.timesteps.tolist() == want.timesteps.tolist(), steps
        assert got.init_noise_sigma == want.init_noise_sigma
        torch.testing.assert_close(got.alphas_cumprod, want.alphas_cumprod)
        if hasattr(want, "sigmas"):
            torch.testing.assert_close(got.sigmas, want.sigmas)


@pytest.mark.parametrize("sampler", ["flow_euler", "flow_heun"])
def test_the_script_of_a_flow_visits_the_times_of_the_lab(sampler):
    for steps in (1, 2, 7, 61, 1000):
        pipe, lane = Pipe(zero_snr=False), LaneSettings(sampler=sampler, steps=steps)
        got = scheduler_of(script.write(SamplingRequest(**SHARED, lanes=(lane,)), 0), pipe)
        process = VariancePreserving(pipe.scheduler.alphas_cumprod)
        want = make_scheduler(SAMPLERS[sampler].scheduler, process, "epsilon", steps)
        assert got.sigmas.tolist() == want.sigmas.tolist() and len(got.timesteps) == len(want.timesteps)


@pytest.mark.parametrize("sampler", ["pndm", "euler_a", "dpmpp_2m", "flow_euler"])
def test_the_script_of_a_model_that_predicts_x_0(sampler, tmp_path, monkeypatch):
    folder = tiny.text_to_image(tmp_path / "x_0", "sample")
    monkeypatch.setitem(MODELS, "mine", Model("mine", "Mine", "stable_diffusion", str(folder), tiny.SIDE, "A model."))
    lane = LaneSettings(sampler=sampler, steps=5, seed=3)
    request = SamplingRequest(model="mine", forward=SHARED["forward"], lanes=(lane,))
    monkeypatch.setitem(MODELS, "mine", replace(MODELS["mine"], schedules=("scaled_linear",), latent=True))
    wanted = picture_of_the_lab(LocalBackend(Settings(device="cpu", cpu_engine="torch")), request)
    again = picture_of_the_script(script.write(request, 0), tmp_path, folder)
    assert np.abs(again.astype(int) - wanted).max() <= CLOSE


def index_file(folder, pipeline):
    folder.mkdir(parents=True)
    (folder / "model_index.json").write_text(json.dumps({"_class_name": pipeline}))
    return folder


def hub_copy(home, name, revision, pipeline):
    """A repository of the hub as its cache keeps it."""
    store = home / f"models--{name.replace('/', '--')}"
    index_file(store / "snapshots" / "c0ffee", pipeline)
    (store / "refs").mkdir()
    (store / "refs" / (revision or "main")).write_text("c0ffee")


NAMES = ("plain", "my-xl-drawings", "big")


@pytest.mark.parametrize("pipeline", ["StableDiffusionPipeline", "StableDiffusionXLPipeline"])
@pytest.mark.parametrize("kind", ["folder", "folder with @", "hub id", "hub id at a revision"])
@pytest.mark.parametrize("name", NAMES)
def test_what_a_model_is_comes_from_its_files_and_not_from_its_name(name, kind, pipeline, tmp_path, monkeypatch):
    revision = "v1" if kind == "hub id at a revision" else ""
    if kind.startswith("folder"):
        source = want = str(index_file(tmp_path / (f"{name}@2" if "@" in kind else name), pipeline))
    else:
        hub_copy(tmp_path, f"someone/{name}", revision, pipeline)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
        want, source = f"someone/{name}", f"someone/{name}" + (f"@{revision}" if revision else "")
    monkeypatch.setitem(MODELS, "student", replace(MODELS["student"], source=source, consistency=False))
    request = SamplingRequest(model="student", forward=SHARED["forward"], lanes=(LaneSettings(),))
    if "XL" in pipeline:
        with pytest.raises(LabError, match="There is no script for 'Few-step student'"):
            script.write(request, 0)
        return
    text = script.write(request, 0)
    assert f'else "{want}"' in text
    assert ('revision="v1"' in text) == bool(revision) and ("revision" in text) == bool(revision)
    assert ("Hugging Face hub" in text) == kind.startswith("hub")


@pytest.mark.parametrize("kind", ["folder", "hub id", "hub id at a revision", "the lab's own"])
def test_a_control_is_named_as_its_source_is(kind, tmp_path, monkeypatch):
    source, want = {
        "folder": (str(tmp_path), f'from_pretrained("{tmp_path}")'),
        "hub id": ("someone/edges", 'from_pretrained("someone/edges")'),
        "hub id at a revision": ("someone/edges@v1", 'from_pretrained("someone/edges", revision="v1")'),
        "the lab's own": ("models/controlnet-edges", 'from_pretrained(Path(MODEL).parent / "controlnet-edges")'),
    }[kind]
    monkeypatch.setitem(CONTROLS, "edges", replace(CONTROLS["edges"], source=source))
    assert want in script.write(RUNS["ControlNet"], 0)


def test_the_labs_own_control_on_a_model_elsewhere_is_named_by_its_folder(tmp_path, monkeypatch):
    folder = index_file(tmp_path / "mine", "StableDiffusionPipeline")
    monkeypatch.setitem(MODELS, "text-to-image", replace(MODELS["text-to-image"], source=str(folder)))
    text = script.write(RUNS["ControlNet"], 0)
    assert f'else "{folder}"' in text and 'from_pretrained("assets/models/controlnet-edges")' in text


def test_the_script_uses_what_a_controlled_lane_needs_and_no_more():
    plain, steered = (script.write(RUNS[name], 0) for name in ("DDIM", "ControlNet"))
    assert imports(steered) <= {"sys", "io", "base64", "pathlib", "numpy", "torch", "diffusers", "PIL"}
    assert "ControlNet" not in plain and "base64" not in plain
    assert steered.count("ControlNetModel.from_pretrained") == 2


def test_a_model_of_the_hub_is_named_with_its_revision():
    request = SamplingRequest(
        model="sd-1-5", forward=Forward(schedule="scaled_linear"),
        controls=(ControlMap(name="edges", map=sketch("heart", 64)),),
        lanes=(LaneSettings(guidance_scale=7.5, windows=(ControlWindow(),)),),
    )  # fmt: skip
    text = script.write(request, 0)
    compile(text, "script", "exec")
    assert '"stable-diffusion-v1-5/stable-diffusion-v1-5"' in text
    assert all(
        row.source.partition("@")[2] in text for row in (MODELS["sd-1-5"], control_of(MODELS["sd-1-5"], "edges"))
    )
    assert "(512, 512)" in text  # the map is resized as the lab does


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": "local-32", "forward": Forward()}, "Local score machine"),
        ({"model": "sdxl"}, "Stable Diffusion XL"),
        ({"lanes": (LaneSettings(rule="threshold"),)}, "dynamic thresholding guidance of 'Miniature latent diffusion'"),
    ],
)
def test_where_there_is_no_script_that_is_said_in_words(changes, words):
    request = SamplingRequest(**{**SHARED, "lanes": (LaneSettings(),), **changes})
    with pytest.raises(LabError, match=words):
        script.write(request, 0)


@pytest.mark.parametrize("guide", ["", "sharpness"])
def test_a_rule_that_scripts_do_not_have_is_not_written_as_another(guide, monkeypatch):
    monkeypatch.setitem(GUIDANCE, "mine", replace(GUIDANCE["rescaled"], name="mine", title="My", guide=guide))
    monkeypatch.setitem(MODELS, "exact", replace(MODELS["exact"], guides={guide: ""}))
    with pytest.raises(LabError, match="no script for my guidance of 'Exact denoiser.*classifier-free, rescaled"):
        script.write(SamplingRequest(lanes=(LaneSettings(rule="mine"),)), 0)
