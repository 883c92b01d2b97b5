"""The script of the words, run without the lab: its pictures and maps are the lab's."""

import numpy as np
import pytest
from PIL import Image

from lab.capsules.attention_script import attention_script
from lab.engine.lanes import drive
from lab.models.loaders import make_cache
from lab.operations.attention import attention
from lab.operations.house import House
from lab.requests.attention import AttentionRequest, WordMaps
from lab.requests.base import LabError
from lab.requests.fields import Condition
from lab.requests.sampling import LaneResult, LaneSettings
from lab.settings import ASSETS, Settings
from lab.ui.tabs.inside.rooms import ROOMS
from tests.capsules.test_script import imports, run_script
from tests.notebooks import assert_written

SETTINGS = Settings(device="cpu", dtype="float32", cpu_engine="torch")
PROMPT = Condition(prompt="a person in a red shirt and trousers")


def grey(name):
    return np.array(Image.open(name)).astype(float)


@pytest.mark.parametrize(
    "more",
    [
        {"looks": 3, "words": ("red", "end"), "weights": (-1, 3), "target": "a person in a yellow shirt and trousers",
         "kept": 0.6, "kept_picture": 0.4},
        {"looks": 0, "target": "a person with blond hair in a red jumper", "kept": 1, "lane": LaneSettings(steps=3)},
    ],
)  # fmt: skip
def test_it_draws_the_same_pictures_and_maps(tmp_path, more):
    lane = LaneSettings(steps=5, guidance_scale=3, seed=4)
    request = AttentionRequest(**{"condition": PROMPT, "lane": lane} | more)
    events = list(attention(request, House(SETTINGS, make_cache(SETTINGS), drive)))
    script = attention_script(request)
    assert "lab" not in imports(script)
    run_script(script, tmp_path, ASSETS / "models" / "text-to-image", tmp_path)
    pictures = [event.picture.astype(float) for event in events if isinstance(event, LaneResult)]
    weights = [f"weight-{j}-{k}" for j in range(len(request.words)) for k in range(len(request.weights))]
    for name, picture in zip(["plain", *weights, "target", "kept"], pictures, strict=True):
        assert np.abs(grey(tmp_path / f"{name}.png") - picture).max() <= 1, name
    maps = [event.maps[0] for event in events if isinstance(event, WordMaps)]
    for k, own in enumerate(np.mean(maps, axis=0) if maps else ()):
        wanted = 255 * (own - own.min()) / (own.max() - own.min())
        assert np.abs(grey(tmp_path / f"map-{k:02}.png") - wanted).max() <= 1
    assert len(list(tmp_path.glob("map-*.png"))) == (len(maps[0]) if maps else 0)
    assert_written(ROOMS["attention"], request, events, tmp_path)


def test_where_there_is_none_it_says_so():
    with pytest.raises(LabError, match=r"There is no script for 'Few-step student'"):
        attention_script(AttentionRequest(model="student", condition=PROMPT, lane=LaneSettings(sampler="lcm", steps=4)))
