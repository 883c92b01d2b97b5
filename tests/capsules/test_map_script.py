"""The script of the map, run: its numbers and its grid are the lab's."""

import re

import numpy as np
import pytest
import torch
from PIL import Image

from lab.capsules.map_script import map_script
from lab.catalog import HELPERS
from lab.engine.lanes import drive
from lab.models.bottleneck import Bottleneck
from lab.models.cache import ModelCache
from lab.models.families import Choice, LoadedFamily
from lab.operations.house import House
from lab.operations.latent_map import latent_map
from lab.requests.latent_map import MAP, MapPoint, MapRequest
from lab.settings import Settings

PICTURE = np.random.default_rng(3).integers(0, 256, (50, 50, 3), np.uint8)


@pytest.mark.parametrize("picture", [PICTURE, None], ids=["picture", "none"])
def test_the_script_finds_the_codes_and_draws_the_grid_of_the_lab(tmp_path, monkeypatch, capsys, picture):
    torch.manual_seed(4)
    networks = {
        name: Bottleneck(2, 32, (4, 5, 6), 7, variational=name.endswith("1")) for name in ("drawings-ae", "drawings-1")
    }
    for name, network in networks.items():
        network.save_pretrained(tmp_path / "assets" / HELPERS[MAP].source / name)
    family = LoadedFamily(networks, Choice("3D", 2))
    request = MapRequest(picture=picture)
    text = map_script(request)
    assert "lab." not in text and max(map(len, text.splitlines())) <= 125
    assert ("base64" in text) == (picture is not None)
    monkeypatch.chdir(tmp_path)
    with torch.no_grad():
        exec(text, {})
    said = dict(re.findall(r"(ae|vae) code (\[.*\] RMS .*)", capsys.readouterr().out))
    house = House(Settings(device="cpu"), ModelCache(lambda name, shelf: family), drive)
    points = (
        [event for event in latent_map(request, house) if isinstance(event, MapPoint)] if picture is not None else []
    )
    assert len(said) == len(points)
    for point in points:
        x, y, rms = map(float, re.fullmatch(r"\[(.*), (.*)\] RMS (.*)", said[point.network]).groups())
        assert [x, y] == pytest.approx(list(point.mean), abs=1e-4) and rms == pytest.approx(point.rms, rel=1e-4)
    quantiles = torch.distributions.Normal(0.0, 1.0).icdf((torch.arange(15) + 0.5) / 15)
    for network, name in (("ae", "drawings-ae"), ("vae", "drawings-1")):
        grid = np.asarray(Image.open(tmp_path / f"{network}.png"))
        assert grid.shape == (480, 480, 3)
        decoded = family.decode(name, torch.tensor([[quantiles[3], quantiles[13]]])).clamp(-1, 1)
        tile = ((decoded[0] + 1) * 127.5).permute(1, 2, 0).detach().numpy()
        assert np.abs(grid[32:64, 96:128] - tile).max() <= 0.51  # the fourth column; the second row is the last but one
