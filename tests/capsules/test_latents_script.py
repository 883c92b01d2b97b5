"""The script of a run of latents, run without the lab: its pictures are the lab's."""

import subprocess
import sys

import numpy as np
import pytest
from diffusers import StableDiffusionXLPipeline
from PIL import Image

from lab.capsules.latents_script import latents_script
from lab.catalog import MODELS, Model
from lab.engine.lanes import drive
from lab.models.loaders import make_cache
from lab.operations.house import House
from lab.operations.latents import latents
from lab.requests.latents import Decoding, Encoding, ExampleLatents, LatentLane, LatentRequest
from lab.settings import ASSETS, Settings
from lab.ui.tabs.inside.rooms import ROOMS
from tests.capsules.test_script import imports, run_script
from tests.models import tiny
from tests.notebooks import assert_written

SETTINGS = Settings(device="cpu", dtype="float32", cpu_engine="torch")
CLOSE = 1  # grey level
LANES = [
    *(LatentLane(kind=kind, channel=2, factor=-0.5, log_snr=-1.2, t=0.3, seed=8)
      for kind in ("scale", "only", "other", "shuffle", "noise", "pixel_noise", "lerp", "slerp", "pixel_lerp", "draw")),
    LatentLane(centre="zero", factor=2.0),
    LatentLane(kind="shuffle", seed=3),
    LatentLane(kind="other"),
]  # fmt: skip


def picture(name):
    return np.array(Image.open(ASSETS / "images" / f"{name}.png").convert("RGB"))


def run(house, model):
    """A request of a model, its encodings, its examples, its pictures and all events."""
    request = LatentRequest(model=model, picture=picture("fox-3d"), second=picture("red-apple-glossy"), lanes=LANES)
    events = list(latents(request, house))
    encodings = {event.index: event for event in events if isinstance(event, Encoding)}
    known = next(event for event in events if isinstance(event, ExampleLatents))
    return request, encodings, known, [event.picture for event in events if isinstance(event, Decoding)], events


def assert_same(script, folder, pictures, *arguments):
    assert len(run_script(script, folder, *arguments, folder).splitlines()) == len(pictures)
    for number, wanted in enumerate(pictures):
        again = np.asarray(Image.open(folder / f"latents-{number:03}.png")).astype(int)
        assert np.abs(again - wanted).max() <= CLOSE, LANES[number]


def test_the_shipped_model_in_the_labs_folder(tmp_path):
    house = House(SETTINGS, make_cache(SETTINGS), drive)
    request, encodings, known, pictures, events = run(house, "text-to-image")
    script = latents_script(request, encodings, known)
    assert imports(script) <= {
        "base64",
        "hashlib",
        "io",
        "math",
        "sys",
        "pathlib",
        "numpy",
        "torch",
        "diffusers",
        "PIL",
    }
    assert max(map(len, script.splitlines())) <= 125
    lint = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "E4,E7,E9,F", "-"]
    done = subprocess.run(lint, input=script, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout
    assert_same(script, tmp_path, pictures, str(ASSETS / MODELS["text-to-image"].source))
    assert_written(ROOMS["latents"], request, events, tmp_path)


@pytest.mark.parametrize("statistics", [True, False])
def test_stable_diffusion_xl(tmp_path, monkeypatch, statistics):
    folder = tiny.xl(tmp_path)
    if statistics:
        pipe = StableDiffusionXLPipeline.from_pretrained(folder)
        pipe.vae.register_to_config(latents_mean=[0.3, -0.2, 0.1, 0.5], latents_std=[1.5, 0.7, 1.1, 0.9])
        pipe.save_pretrained(folder)
    row = Model(
        "xl", "Tiny XL", "stable_diffusion", str(folder), tiny.SIDE, "", ("scaled_linear",), ("prompt",), latent=True,
        pipeline="StableDiffusionXLPipeline",
    )  # fmt: skip
    monkeypatch.setitem(MODELS, "xl", row)
    request, encodings, known, pictures, _ = run(House(SETTINGS, make_cache(SETTINGS), drive), "xl")
    script = latents_script(request, encodings, known)
    assert "latents_mean" in script and str(folder) in script
    assert_same(script, tmp_path, pictures, str(folder))
