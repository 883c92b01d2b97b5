"""The script of a bound, run: its numbers are the lab's."""

import sys

import numpy as np
import pytest
import torch

from lab.capsules.bound_script import bound_script
from lab.models.bottleneck import Bottleneck
from lab.models.families import LoadedFamily
from lab.operations.elbo import elbo
from lab.requests.bound import BoundRequest, BoundTerms, BoundWeights
from tests.operations.toys import make_house

PICTURE = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)


def test_its_numbers_are_those_of_the_lab(monkeypatch, capsys, tmp_path):
    torch.manual_seed(1)
    network = Bottleneck(latents=3, side=16, channels=(4, 6), hidden=6, scale=0.3).eval()
    network.half().save_pretrained(tmp_path)  # as shipped
    network.float()
    house, _ = make_house(**{"beta-drawings": LoadedFamily({"drawings-1": network})})
    request = BoundRequest(picture=PICTURE, draws=30, most=1000, repeats=2, calls=0, seed=5)
    events = list(elbo(request, house))
    (terms,) = [event for event in events if isinstance(event, BoundTerms)]
    last = [event for event in events if isinstance(event, BoundWeights)][-1]
    text = bound_script(request, terms.picture)
    assert "lab." not in text.partition('"""')[2].partition('"""')[2]
    monkeypatch.setattr(sys, "argv", ["bound.py", str(tmp_path)])
    with torch.no_grad():
        exec(text, {})
    got = {name: float(value) for name, value in (line.split("\t") for line in capsys.readouterr().out.splitlines())}
    bound = terms.reconstruction.sum() - terms.kl.sum()
    assert got["ELBO"] == pytest.approx(bound, abs=1e-2) and got["KL"] == pytest.approx(terms.kl.sum(), abs=1e-3)
    assert [got[f"L_{count}"] for count in (1, 10, 100, 1000)] == pytest.approx(last.bounds[:, 0].tolist(), abs=1e-2)
