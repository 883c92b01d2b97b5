"""Exported scripts, run as they are in a process of their own, against the lab's own pictures."""

import ast
import inspect
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image

from lab import script
from lab.annotators.joints import default_pose
from lab.annotators.pose import pose_map
from lab.backends.local import LocalBackend
from lab.capsule import Condition, Control, Forward, Hold, LabError, LaneResult, LaneSettings, SamplingRequest
from lab.catalog import MODELS, SAMPLERS, samplers_for
from lab.settings import ASSETS, Settings
from lab.ui.controlnet_view import sketch

ROOT = Path(__file__).parents[1]
SHARED = {"model": "text-to-image", "forward": Forward(schedule="scaled_linear")}
APPLE = Condition(prompt='a "red" apple \\ 🍎', style="3D")
CLOSE = 2  # grey levels: what rounding may differ by


@pytest.fixture(scope="module")
def backend():
    return LocalBackend(Settings(device="cpu", dtype="float32", cpu_engine="torch"))


def picture_of_the_lab(backend, request):
    (result,) = [event for event in backend.run(request) if isinstance(event, LaneResult)]
    return result.picture


def picture_of_the_script(text, folder, model="assets/models/text-to-image"):
    """What the script writes when it is run in the lab's folder, by nothing but its own imports."""
    file, picture = folder / "again.py", folder / "again.png"
    file.write_text(text, "utf-8")
    command = [sys.executable, "-W", "error::SyntaxWarning", str(file), str(model), str(picture)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return np.asarray(Image.open(picture))


def controlled(*lanes, **more):
    maps = (
        Control(name="edges", map=sketch("heart", 64)),
        Control(name="pose", map=pose_map(default_pose(), np.ones(18, bool), 64)),
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
    "ControlNet": controlled(
        LaneSettings(
            sampler="dpmpp_2m", steps=8, seed=1, guidance_scale=3,
            holds=(Hold(strength=0.7, start=0.2, end=0.9), Hold(strength=1.2)),
        ),
        condition=Condition(prompt="red heart"),
    ),
    "ControlNet, guess mode": controlled(
        LaneSettings(steps=8, seed=2, guidance_scale=3, guess=True, holds=(Hold(strength=1.5), Hold(strength=0))),
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
    request = SamplingRequest(**SHARED | {"model": "student"}, condition=APPLE, negative="blue", lanes=(lane,))
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
    for other in (lane.model_copy(update={"seed": 2}), lane.model_copy(update={"holds": ()})):
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
        (made,) = [
            node.value for node in ast.parse(text).body
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "scheduler"
        ]  # fmt: skip
        row = SAMPLERS[sampler]
        cls = getattr(diffusers, script.PLAIN.get(row.scheduler, row.scheduler))
        assert {option.arg for option in made.keywords} <= set(inspect.signature(cls.__init__).parameters)


def test_the_script_uses_what_a_controlled_lane_needs_and_no_more():
    plain, steered = (script.write(RUNS[name], 0) for name in ("DDIM", "ControlNet"))
    assert imports(steered) <= {"sys", "io", "base64", "pathlib", "numpy", "torch", "diffusers", "PIL"}
    assert "ControlNet" not in plain and "base64" not in plain
    assert steered.count("ControlNetModel.from_pretrained") == 2


def test_a_model_of_the_hub_is_named_with_its_revision():
    request = SamplingRequest(
        model="sd-1-5", forward=Forward(schedule="scaled_linear"),
        controls=(Control(name="edges", map=sketch("heart", 64)),),
        lanes=(LaneSettings(guidance_scale=7.5, holds=(Hold(),)),),
    )  # fmt: skip
    text = script.write(request, 0)
    compile(text, "script", "exec")
    assert '"stable-diffusion-v1-5/stable-diffusion-v1-5"' in text
    assert all(
        row.source.partition("@")[2] in text for row in (MODELS["sd-1-5"], script.control_of(MODELS["sd-1-5"], "edges"))
    )
    assert "(512, 512)" in text  # the map is resized as the lab does


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": "exact", "forward": Forward()}, "exact denoiser"),
        ({"model": "sdxl"}, "Stable Diffusion XL"),
        ({"lanes": (LaneSettings(rule="apg"),)}, "adaptive projected"),
    ],
)
def test_where_there_is_no_script_that_is_said_in_words(changes, words):
    request = SamplingRequest(**{**SHARED, "lanes": (LaneSettings(),), **changes})
    with pytest.raises(LabError, match=words):
        script.write(request, 0)
