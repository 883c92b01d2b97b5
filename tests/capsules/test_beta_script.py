"""The script of a run of the dial, run: its numbers and its pictures are the lab's."""

import sys

import numpy as np
import pytest
import torch
from PIL import Image

from lab.capsules.beta_script import beta_script
from lab.models.bottleneck import Bottleneck
from lab.models.families import Data, LoadedFamily
from lab.operations.betas import betas
from lab.requests.betas import BetaColumn, BetaRequest, BetaSet
from lab.requests.bound import BETAS
from lab.ui.tabs.inside.rooms import ROOMS
from tests.notebooks import assert_written
from tests.operations.toys import make_house

DRAWN = np.random.default_rng(0).integers(0, 256, (9, 32, 32, 3), np.uint8)


class Family(LoadedFamily):
    def data(self, pictures):
        return Data(DRAWN, ("noise",) * 9, tuple("abcdefghi"), np.arange(9) > 4)


@pytest.fixture
def family(tmp_path):
    members = {}
    for beta in BETAS:
        torch.manual_seed(int(beta))
        network = Bottleneck(latents=3, channels=(4, 6), hidden=6, beta=float(beta), scale=0.3).eval()
        with torch.no_grad():
            network.to_code.weight *= 20
        network.save_pretrained(tmp_path / f"drawings-{beta:g}")
        members[f"drawings-{beta:g}"] = network
    return Family(members)


def test_its_numbers_and_pictures_are_those_of_the_lab(family, monkeypatch, capsys, tmp_path):
    house, _ = make_house(**{"beta-drawings": family})
    request = BetaRequest(picture=DRAWN[0], seed=11, count=2)
    events = list(betas(request, house))
    (first,) = [event for event in events if isinstance(event, BetaSet)]
    columns = [event for event in events if isinstance(event, BetaColumn)]
    text = beta_script(request, first.pictures)
    assert "lab." not in text.partition('"""')[2].partition('"""')[2]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["betas.py", str(tmp_path)])
    with torch.no_grad():
        exec(text, {})
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [(name, k) for name, k, *_ in lines] == [(f"drawings-{beta:g}", f"{k}") for beta in BETAS for k in range(3)]
    for line, (column, k) in zip(lines, [(column, k) for column in columns for k in range(3)], strict=True):
        known = [column.rates[k], column.distortions[k], column.rms[k], *column.kl[k]]
        assert [float(number) for number in line[2:]] == pytest.approx(known, rel=1e-4, abs=2e-4)
    sheet = np.asarray(Image.open("betas.png")).astype(int)
    known = np.concatenate([np.concatenate([*column.reconstructions, *column.samples], 1) for column in columns])
    assert sheet.shape == known.shape and np.abs(sheet - known).max() <= 1
    assert_written(ROOMS["dial"], request, events, tmp_path)
