"""The room of the bound without a browser: what it asks for, what it shows of a run, and what it says of odd betas."""

import json
import pickle
import re
from math import log

import numpy as np
import pytest

from lab.requests.base import LabError
from lab.requests.bound import BoundRequest, BoundTerms, BoundWeights, DiffusionBound
from lab.settings import Settings
from lab.ui.shell.form import Form
from lab.ui.shell.rooms.room import Asked
from lab.ui.tabs.inside.bound import charts, view
from lab.ui.tabs.inside.bound.outcome import Outcome
from lab.ui.tabs.inside.bound.room import FIELDS, NETWORKS, Bound

ROOM, FORM = Bound(), Form("inside", FIELDS)
GREY = np.full((4, 4, 3), 128, np.uint8)


def asked(picture=GREY, **values):
    return Asked(FORM.complete(values) | {"seed": 3}, None, picture, None, Settings())


def outcome(beta=1.0, effective=20.0, calls=5, scale=0.5):
    """R = 16 pixels of -1 nat, KL = 3 nats, L_K of -19, -18.5, -18."""
    found = Outcome(BoundRequest(beta=beta, picture=GREY, most=100, repeats=2, calls=calls))
    kl = np.array([2.5, 0.5, 0.0])
    found.add(BoundTerms(GREY, GREY, -np.ones((4, 4)), kl, kl, kl + 1, scale, ""))
    bounds = np.array([[-19, -22, -16], [-18.5, -20, -17], [-18, -18.4, -17.6]])
    found.add(BoundWeights(0, 1, np.zeros(200), bounds, effective))
    if calls:
        found.add(DiffusionBound(0.5, (10.0, 20.0), 30.0, "learned"))
    return found


def text(html):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


@pytest.mark.parametrize("network", [name for _, name in NETWORKS])
def test_every_network_is_asked_for_by_its_family(network):
    request = ROOM.request(asked(bound_network=network, bound_beta=4))
    assert f"{request.family}/{request.pictures}" == network and request.seed == 3
    assert request.beta == (4 if request.family.startswith("beta") else 1)  # a map has one network
    assert request.picture is GREY and not request.public()


def test_a_picture_of_the_set_is_asked_for_by_number_and_is_no_visitors():
    request = ROOM.request(asked(bound_source="set", bound_number=7))
    assert request.picture is None and request.number == 7 and request.public()


def test_without_a_picture_that_is_said():
    with pytest.raises(LabError, match="There is no picture: choose an example or your own, or take one of the set"):
        ROOM.request(asked(picture=None))


def test_the_sum_is_the_bound_and_the_gap_is_what_the_draws_gained():
    found = outcome()
    assert (found.reconstruction, found.rate, found.elbo, found.gap) == (-16, 3, -19, 1)
    shown = text(view.stage(found))
    assert "reconstruction R −16.0" in shown and "rate KL 3.0" in shown and "ELBO −19.0" in shown and "≥ 1.0" in shown
    assert "2 of 3 above 0.1; most 2.5 nats" in shown
    assert "ELBO −19.0 nats" in ROOM.summary(found) and "at least 1.0 nats above" in ROOM.summary(found)


@pytest.mark.parametrize(
    ("beta", "said"),
    [
        (1, "trained for the bound itself: R − KL = −19.0 nats"),
        (4, "trained for R − 4 KL = −28.0 nats. The bound is R − KL = −19.0"),
        (0, "trained for R alone, −16.0 nats, which bounds nothing"),
    ],
)
def test_another_beta_is_said_not_to_be_the_bound(beta, said):
    assert said in text(view.words(outcome(beta)))


def test_draws_that_count_for_few_are_said_to_do_so():
    assert "They count as 20 of equal weight" in view.words(outcome(effective=20))
    assert "They count as" not in view.words(outcome(effective=900))


def test_densities_are_told_from_bytes():
    """With scale 0.5 a value's log-density is at most -log 0.5 - log(2 pi) / 2; a byte is 2 / 255 wide."""
    best = -(-log(0.5) - log(2 * np.pi) / 2) / log(2)
    shown = text(view.words(outcome()))
    assert f"a perfect copy would have {best:.2f}" in shown
    assert f"even that costs {best + np.log2(255 / 2):.2f} of 8" in shown
    found = outcome()
    width = found.known.dimensions * log(2 / 255)
    assert found.reconstruction_bits == pytest.approx(-(found.reconstruction + width) / log(2))


def test_the_two_bounds_stand_beside_each_other_and_lead_to_the_ledger():
    shown = view.beside(outcome())
    assert "4 terms" in shown and "60.5" in shown and 'data-tab="ledger"' in shown
    assert f"{60.5 / 48:.2f}" in shown
    assert "left out" in view.beside(outcome(calls=0))


def test_the_map_is_palest_where_nothing_more_can_be_said():
    values = np.array([[-5.0, 1.0], [-2.0, 9.0]])
    colours = view.heat(values, -5.0, 1.0)
    assert colours[0, 0].tolist() == view.RAMP[0].tolist() and colours[0, 1].tolist() == view.RAMP[-1].tolist()
    assert np.array_equal(colours[1, 1], colours[0, 1]) and colours[1, 0].sum() > colours[0, 0].sum()


def test_the_curve_is_drawn_with_its_spread():
    figure = json.loads(charts.chart(outcome()).plot)
    by_name = {trace["name"]: trace for trace in figure["data"]}
    assert by_name["mean of L_K"]["y"] == [-19, -18.5, -18] and by_name["mean of L_K"]["x"] == [1, 10, 100]
    assert by_name["5 %"]["y"] == [-22, -20, -18.4] and by_name["ELBO = R − KL"]["y"] == [-19, -19]
    assert charts.chart(Outcome(BoundRequest(picture=GREY))) is None


def test_a_run_can_be_kept_and_its_pictures_saved():
    found = pickle.loads(pickle.dumps(outcome()))
    assert [stem for stem, _ in ROOM.pictures(found)] == ["bound-picture", "bound-decoded", "bound-nats"]
    assert "−18.50" in ROOM.table(found)


def test_before_a_run_the_stage_is_there():
    assert text(ROOM.stage(None, asked())).count("KL by latent") == 1
    assert len(ROOM.flow(ROOM.request(asked())).parts) == 5
