"""Bills of pictures: what the memoriser pays, what company changes, pictures of another size, and what is refused."""

import math

import numpy as np
import pytest

from lab.engine.lanes import drive
from lab.models.loaders import make_cache
from lab.models.pictures import PictureSet
from lab.operations.house import House
from lab.operations.ledger import ledger
from lab.requests.base import Note
from lab.requests.ledger import LedgerPrior, LedgerRequest, LedgerTerm
from lab.settings import ASSETS, Settings

SETTINGS = Settings(device="cpu", cpu_engine="torch")
PICTURES = PictureSet.load(ASSETS / "pictures")
TRAINING = PICTURES.pixels[~PICTURES.held_out]
UNSEEN = PICTURES.pixels[PICTURES.held_out]


@pytest.fixture(scope="module")
def house():
    return House(SETTINGS, make_cache(SETTINGS), drive)


def bill(house, picture, **changes):
    """The prior, the terms in order and the notes of a bill."""
    events = [*ledger(LedgerRequest(picture=picture, **changes), house)]
    (prior,) = [event for event in events if isinstance(event, LedgerPrior)]
    terms = sorted((event for event in events if isinstance(event, LedgerTerm)), key=lambda term: term.i)
    return prior, terms, [event.text for event in events if isinstance(event, Note)]


def total(terms, variance):
    return sum(term.bits[variance] for term in terms)


@pytest.mark.parametrize("schedule", ["cosine", "linear"])
@pytest.mark.parametrize("calls", [2, 60])
def test_the_memoriser_pays_for_the_number_of_its_picture_and_no_more(house, calls, schedule):
    prior, terms, _ = bill(house, TRAINING[7], model="exact-32", calls=calls, schedule=schedule)
    assert (prior.pictures, prior.known, len(terms)) == (len(TRAINING), True, calls)
    assert total(terms, "exact") == pytest.approx(math.log2(len(TRAINING)), abs=1e-3)


def test_a_picture_that_the_memoriser_does_not_hold_has_no_probability(house):
    prior, terms, _ = bill(house, UNSEEN[3], model="exact-32", calls=60)
    costs = [term.bits["exact"] for term in terms]
    assert not prior.known and costs[-1] == math.inf
    assert costs[-2] > 100 * max(costs[:40]) and np.isfinite(costs[:-1]).all()
