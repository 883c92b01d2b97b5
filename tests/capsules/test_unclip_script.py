"""The script of a run of unCLIP, run without the lab: its pictures are the lab's."""

import runpy
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from lab.capsules.unclip_script import unclip_script
from lab.catalog import HELPERS, MODELS
from lab.engine.lanes import drive
from lab.models import loaders
from lab.models.loaders import make_cache
from lab.models.pictures import PictureSet
from lab.models.unclip import Gallery
from lab.operations.house import House
from lab.operations.unclip import unclip
from lab.requests.sampling import LaneResult
from lab.requests.unclip import WORDS, Embedding, UnclipLane, UnclipRequest
from lab.settings import ASSETS, Settings
from tests.capsules.test_script import NoLab, imports
from tests.models import tiny

SETTINGS = Settings(device="cpu", dtype="float32", cpu_engine="torch")
CLOSE = 2  # grey levels
EMBEDDINGS = (
    Embedding(noise_level=400, noise_seed=3),
    Embedding(weights=(0.0, 1.0)),
    Embedding(weights=(0.2, 0.5)),
    Embedding(kind="text", prompt='a "red" apple'),
    Embedding(kind="prior", prompt="apple", seed=5, candidates=2),
    Embedding(kind="difference", weights=(0.5, 0.5), prompt="blue heart", base="red heart", turn=0.4),
    Embedding(kind="components", components=5),
)
LANES = (
    *(UnclipLane(embedding=k, steps=3, seed=k) for k in range(len(EMBEDDINGS))),
    UnclipLane(embedding=0, steps=7, eta=0.5, guidance_scale=3.0, caption="cat"),
    UnclipLane(embedding=1, steps=3, inverted=(1.0,), guidance_scale=1.0),
    UnclipLane(embedding=1, steps=3, inverted=(0.3, 0.6), guidance_scale=0.0),
    UnclipLane(steps=3, caption="cat", seed=1, mix_seed=2, mix=0.3),
    UnclipLane(way="words", steps=3, caption="cat", seed=2, mix_seed=3, mix=0.5),
)


def picture(name):
    return np.array(Image.open(ASSETS / "images" / f"{name}.png").convert("RGB"))[::4, ::4]


PICTURES = (picture("fox-3d"), picture("red-apple-glossy"))


def lint(*files):
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "E4,E7,E9,F", *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout


def written(request, file):
    """The script of a run in a file, once it is seen to need nothing else."""
    text = unclip_script(request)
    assert imports(text) <= {
        "base64", "csv", "functools", "hashlib", "io", "math", "pathlib", "sys",
        "numpy", "torch", "diffusers", "transformers", "safetensors.torch", "PIL",
    }  # fmt: skip
    short = text.replace(HELPERS[request.unclip].source, "model").replace(MODELS[WORDS].source, "words")
    assert max(map(len, short.splitlines())) <= 125  # whatever the folders of a test are called
    file.write_text(text, "utf-8")
    return file


def of_lane(lane):
    """A run of one lane."""
    if lane.embedding is None:
        return UnclipRequest(lanes=[lane])
    alone = lane.model_copy(update={"embedding": 0})
    return UnclipRequest(pictures=PICTURES, embeddings=[EMBEDDINGS[lane.embedding]], lanes=[alone])


def assert_same(request, folder, monkeypatch):
    """Script and lab draw the same pictures, with a tiny model in a folder."""
    house = House(SETTINGS, make_cache(SETTINGS), drive)
    wanted = {event.lane: event.picture for event in unclip(request, house) if isinstance(event, LaneResult)}
    file = written(request, folder.parent / "again.py")
    with monkeypatch.context() as patch, torch.no_grad():
        for name in [name for name in sys.modules if name.partition(".")[0] == "lab"]:
            patch.delitem(sys.modules, name)
        patch.setattr(sys, "meta_path", [NoLab, *sys.meta_path])
        patch.setattr(sys, "argv", [str(file), str(folder), str(folder.parent)])
        patch.chdir(ASSETS.parent)
        runpy.run_path(str(file), run_name="__main__")
    assert sorted(wanted) == list(range(len(request.lanes)))
    for lane, pixels in wanted.items():
        again = np.asarray(Image.open(folder.parent / f"unclip-{lane:03}.png")).astype(int)
        assert again.std() > 5 and np.abs(again - pixels).max() <= CLOSE, request.lanes[lane]


@pytest.fixture
def unclip_of(tmp_path, monkeypatch):
    """The lab's unCLIP and its model of captions alone as tiny ones, whose decoder predicts what a test says; one that predicts
    epsilon has tokens of context."""

    def make(prediction_type):
        folder = tiny.unclip(tmp_path, prediction_type, context=prediction_type == "epsilon")
        monkeypatch.setitem(HELPERS, "unclip", replace(HELPERS["unclip"], source=str(folder)))
        plain = replace(MODELS["text-to-image"], source=str(tmp_path / "plain"), size=tiny.SIDE)
        monkeypatch.setitem(MODELS, "text-to-image", plain)
        return folder

    return make


def test_the_script_draws_the_pictures_of_the_lab(unclip_of, monkeypatch):
    request = UnclipRequest(pictures=PICTURES, embeddings=EMBEDDINGS, lanes=LANES, prior_steps=3, inversion_steps=3)
    assert_same(request, unclip_of("epsilon"), monkeypatch)


def test_so_does_that_of_a_decoder_that_predicts_v(unclip_of, monkeypatch):
    lane = UnclipLane(embedding=0, steps=3, inverted=(1.0,), eta=0.5)
    few = PictureSet.load(ASSETS / "pictures").select(np.arange(8))
    monkeypatch.setattr(loaders, "_gallery", lambda image: Gallery(few))  # of which this run needs nothing
    assert_same(
        UnclipRequest(pictures=PICTURES, embeddings=EMBEDDINGS[2:3], lanes=[lane]),
        unclip_of("v_prediction"),
        monkeypatch,
    )


def test_a_script_of_whatever_lane_has_what_it_needs_and_no_more(tmp_path):
    lint(*(written(of_lane(lane), tmp_path / f"{number}.py") for number, lane in enumerate(LANES)))


def test_a_model_of_the_hub_is_named_by_its_revision(tmp_path):
    request = UnclipRequest(unclip="unclip-sd-2-1", pictures=PICTURES[:1], embeddings=[Embedding()], lanes=LANES[:1])
    text = written(request, tmp_path / "hub.py").read_text("utf-8")
    assert "stabilityai/stable-diffusion-2-1-unclip-small" in text and 'revision="3dd' in text
