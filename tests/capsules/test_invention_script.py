"""The scripts of machines that copy or invent, run: their pictures are the lab's."""

import numpy as np
import pytest
import torch
from PIL import Image

from lab.capsules.invention_script import invention_script
from lab.engine.lanes import drive
from lab.models.loaders import make_cache
from lab.operations.house import House
from lab.operations.invention import invention
from lab.requests.invention import Invention, InventionRequest, Machine
from lab.settings import ASSETS, Settings

SETTINGS = Settings(device="cpu", cpu_engine="torch")
MACHINES = {
    "exact": Machine(kind="exact"),
    "exact, of ten": Machine(kind="exact", pictures=10),
    "local": Machine(patch=7),
    "local, of more than there are": Machine(patch=3, pictures=10_000),
    "local, any place": Machine(patch=5, pictures=4, translated=True),
    "network": Machine(kind="network"),
}
REQUEST = InventionRequest(group="food-drink", machines=tuple(MACHINES.values()), seeds=(3, 5), steps=9)


@pytest.fixture(scope="module")
def ends():
    """The picture of every lane."""
    house = House(SETTINGS, make_cache(SETTINGS), drive)
    return {event.lane: event.picture for event in invention(REQUEST, house) if isinstance(event, Invention)}


@pytest.mark.parametrize(("index", "name"), enumerate(MACHINES), ids=MACHINES)
def test_a_script_draws_the_picture_of_its_first_seed(ends, monkeypatch, tmp_path, index, name):
    text = invention_script(REQUEST, index)
    assert "lab." not in text.partition('"""')[2].partition('"""')[2] and max(map(len, text.splitlines())) <= 125
    monkeypatch.chdir(ASSETS.parent)
    with torch.no_grad():
        exec(text.replace('save("picture.png")', f"save({str(tmp_path / 'picture.png')!r})"), {})
    again = np.asarray(Image.open(tmp_path / "picture.png")).astype(int)
    assert again.std() > 5 and np.abs(again - ends[2 * index]).max() <= (2 if name == "network" else 1)
