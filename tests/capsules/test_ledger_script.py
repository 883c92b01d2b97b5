"""The script of a bill, run: its totals are the lab's."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from lab.capsules.ledger_script import ledger_script
from lab.engine.lanes import drive
from lab.models.loaders import make_cache
from lab.models.pictures import PictureSet
from lab.operations.house import House
from lab.operations.ledger import ledger
from lab.requests.base import LabError
from lab.requests.ledger import LedgerPrior, LedgerRequest, LedgerTerm
from lab.settings import ASSETS, Settings

ROOT = Path(__file__).resolve().parent.parent.parent
SETTINGS = Settings(device="cpu", cpu_engine="torch")
SMALL = PictureSet.load(ASSETS / "pictures").resized(32)


@pytest.fixture(scope="module")
def house():
    return House(SETTINGS, make_cache(SETTINGS), drive)


def totals_of_the_lab(request, house):
    """The prior and the total by variance."""
    events = [*ledger(request, house)]
    (prior,) = [event for event in events if isinstance(event, LedgerPrior)]
    terms = [event for event in events if isinstance(event, LedgerTerm)]
    return prior, {name: prior.bits + sum(term.bits[name] for term in terms) for name in terms[0].bits}


@pytest.mark.parametrize("schedule", ["cosine", "linear"])
@pytest.mark.parametrize(("model", "held_out"), [("pixel", True), ("exact-32", False), ("exact-32", True)])
def test_its_totals_are_those_of_the_lab(house, monkeypatch, capsys, model, held_out, schedule):
    """Without the lab: of the network's learned and fixed variances, of the mixture of a picture that it holds and of another."""
    picture = SMALL.pixels[np.flatnonzero(SMALL.held_out == held_out)[5]]
    request = LedgerRequest(picture=picture, model=model, schedule=schedule, calls=12, seed=3)
    prior, want = totals_of_the_lab(request, house)
    text = ledger_script(request, prior.picture)
    assert "lab." not in text.partition('"""')[2].partition('"""')[2]
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["bill.py"])
    with torch.no_grad():
        exec(text, {})
    names, *_, last = [line.split("\t") for line in capsys.readouterr().out.splitlines() if "\t" in line]
    got = dict(zip(names[1:], map(float, last[1:]), strict=True))
    assert last[0] == "total" and got == pytest.approx(want, rel=2e-4, abs=1e-2)


def test_where_there_is_no_script_that_is_said_in_words():
    with pytest.raises(LabError, match="There is no script of a bill for 'Local score machine'"):
        ledger_script(LedgerRequest(picture=SMALL.pixels[0], model="local-32"), SMALL.pixels[0])
