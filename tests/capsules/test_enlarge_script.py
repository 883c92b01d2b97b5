"""The scripts of enlarged pictures, run: their pictures are the lab's."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from lab.capsules.enlarge_script import enlarge_script
from lab.catalog import HELPERS
from lab.engine.lanes import drive
from lab.models.loaders import make_cache
from lab.operations.enlarge import enlarge
from lab.operations.house import House
from lab.requests.enlarge import UPSAMPLER, EnlargeLane, EnlargeRequest
from lab.requests.fields import Condition
from lab.requests.sampling import LaneResult
from lab.settings import ASSETS, Settings
from tests.models import tiny

SETTINGS = Settings(device="cpu", cpu_engine="torch")
PICTURE = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)
LANES = (EnlargeLane(seed=4, steps=6, noise=130), EnlargeLane(seed=5, steps=9))
REQUESTS = {
    "picture": EnlargeRequest(picture=PICTURE, side=16, lanes=LANES),
    "cascade": EnlargeRequest(condition=Condition(group="food-drink"), seed=2, guidance_scale=3.5, lanes=LANES),
}


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """With a tiny upsampler, and the pixel model that ships."""
    folder = tiny.upsampler(tmp_path_factory.mktemp("upsampler"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(HELPERS, UPSAMPLER, replace(HELPERS[UPSAMPLER], source=str(folder)))
        yield House(SETTINGS, make_cache(SETTINGS), drive)


@pytest.mark.parametrize("name", REQUESTS)
def test_a_script_draws_the_picture_of_its_lane(house, monkeypatch, tmp_path, name):
    request = REQUESTS[name]
    results = [event for event in enlarge(request, house) if isinstance(event, LaneResult)]
    monkeypatch.chdir(ASSETS.parent)
    for result in results if request.picture is not None else results[:1]:
        text = enlarge_script(request, result.lane)
        assert "lab." not in text and max(map(len, text.splitlines())) <= 125
        text = text.replace(f"assets/{HELPERS[UPSAMPLER].source}", HELPERS[UPSAMPLER].source)
        with torch.no_grad():
            exec(text.replace('save("picture.png")', f"save({str(tmp_path / 'picture.png')!r})"), {})
        again = np.asarray(Image.open(tmp_path / "picture.png")).astype(int)
        assert again.shape == result.picture.shape and again.std() > 5
        assert np.abs(again - result.picture).max() <= 1


def test_what_a_picture_does_not_need_is_not_in_its_script():
    own, drawn = (enlarge_script(REQUESTS[name], 1) for name in ("picture", "cascade"))
    anything = enlarge_script(EnlargeRequest(), 0)
    assert 'classes.index("food-drink")' in drawn and "[len(classes) - 1, len(classes) - 1]" in anything
    assert "json" not in own and "DRAWN_BY" not in own and "base64" not in drawn
    assert "alpha_bar[NOISE]" not in own and "alpha_bar[NOISE]" in enlarge_script(REQUESTS["picture"], 0)
