"""The room of the map without a browser: what it asks for, and what it shows of a run."""

import base64
import html
import json
import pickle
import re

import numpy as np
import pytest

from lab.requests.latent_map import DRAWS, GRID, MapDraws, MapPictures, MapPlane, MapPoint, MapRequest
from lab.settings import Settings
from lab.ui.shell.form import Form
from lab.ui.shell.rooms.room import Asked
from lab.ui.tabs.inside import weights
from lab.ui.tabs.inside.map import charts, view
from lab.ui.tabs.inside.map.outcome import Outcome, ends
from lab.ui.tabs.inside.map.room import FIELDS, Map

ROOM, FORM = Map(), Form("inside", FIELDS)
GREY = np.full((32, 32, 3), 128, np.uint8)
CODES = np.array([[-1.0, 2.0], [1.0, -2.0]], np.float32)


def asked(**values):
    return Asked(FORM.complete(values), None, GREY, None, Settings())


@pytest.fixture
def outcome(monkeypatch):
    """Two pictures; of the autoencoder 25 % of the draws are near, of the variational one 75 %."""
    monkeypatch.setattr(weights, "address", lambda member: member)
    found = Outcome(MapRequest(picture=GREY))
    found.add(MapPictures(np.stack([GREY, 255 - GREY]), ("fox <b>", "cat"), ("Animals",), np.zeros(2, int)))
    grid, far = np.zeros((GRID * 32, GRID * 32, 3), np.uint8), np.zeros((GRID, GRID))
    known = np.linspace(0, 10, DRAWS)
    for network, scale, near in (("ae", 5, 4), ("vae", 1, 4 / 3)):
        std, kl = (0 * CODES, None) if network == "ae" else (0 * CODES + 0.5, np.array([2.0, 4.0]))
        found.add(MapPlane(network, scale * CODES, std, (0, 0, 12), grid, far, np.array([3.0, 5.0]), kl))
        found.add(MapPoint(network, GREY, CODES[0], std[0], GREY, 12.34, None))
        prior = np.where(np.arange(DRAWS) < DRAWS / near, 1.0, 99.0)
        found.add(MapDraws(network, np.ones((DRAWS, 2)), prior, prior, known))
    return found


def content(markup):
    return json.loads(html.unescape(re.search('data-content="([^"]*)"', markup)[1]))


@pytest.mark.parametrize("pictures", ["drawings", "shapes"])
def test_it_asks_for_the_pictures_that_are_chosen_and_the_one_beside_them(pictures):
    request = ROOM.request(asked(map_pictures=pictures))
    assert request.pictures == pictures and request.picture is GREY


def test_the_page_is_given_codes_and_decoders_and_what_the_live_controls_are_set_to(outcome):
    markup = ROOM.stage(outcome, asked(map_at='1 2 3 4 0 1"', map_row="walk"))
    given = content(markup)
    assert 'data-row="walk"' in markup and 'data-at="1 2 3 4 0 1&quot;"' in markup and "<b>fox" not in markup
    assert given["planes"]["vae"]["address"] == "map/drawings-1" and given["planes"]["ae"]["std"] is None
    codes = np.frombuffer(base64.b64decode(given["planes"]["ae"]["codes"]), np.float32).reshape(-1, 2)
    np.testing.assert_array_equal(codes, 5 * CODES)
    assert (
        given["planes"]["vae"]["own"]["rms"] == 12.3
        and given["planes"]["ae"]["draws"]["share"] == "25% of 256 near: RMS at most 9.0"
    )


def test_before_a_run_the_planes_are_empty_and_no_script_comes():
    markup = ROOM.stage(None, asked())
    assert "data-script" not in markup and markup.count("map-box") == 2


def test_words_and_numbers_come_out_of_the_run(outcome):
    assert "25% of the autoencoder's and 75% of the variational one's" in ROOM.words(outcome)
    assert "5.0 and 10.0, the variational one's 1.0 and 2.0" in ROOM.words(outcome)
    table = ROOM.table(outcome)
    assert "<td>–</td><td>3.00</td>" in table and table.count("<td>4.00</td>") == 2 and "<td>75.0%</td>" in table
    assert "2 drawings in two planes, 3.0 nats a picture" in ROOM.summary(outcome)
    outcome.draws.clear()
    assert ROOM.words(outcome) == ""  # no share is known yet


def test_charts_have_the_shares_of_the_run_and_the_closed_form_of_the_prior(outcome):
    draws, spread = (json.loads(charts.chart(outcome, which).plot) for which in ("draws", "spread"))
    assert len(draws["data"]) == 4 and max(draws["data"][3]["y"]) == 100
    prior = spread["data"][2]
    x, y = np.array(prior["x"]), np.array(prior["y"])
    np.testing.assert_allclose(y, 100 * (1 - np.exp(-(x**2) / 2)), atol=0.02)
    variational = spread["data"][1]
    assert all((share == 100) == (radius >= 5**0.5) for radius, share in zip(variational["x"], variational["y"]))


def test_a_run_is_kept_whole(outcome):
    ROOM.stage(outcome, asked())
    back = pickle.loads(pickle.dumps(outcome))
    assert back.whole and set(back.packed) == {"sheet", "ae", "vae"}
    assert [name for name, _ in ROOM.pictures(back)] == ["map-drawings-ae", "map-drawings-vae"]


def test_a_walk_leads_far_between_pictures_of_different_labels_that_come_back_well():
    rng = np.random.default_rng(5)
    codes, label = rng.normal(0, 1, (40, 2)).astype(np.float32), np.arange(40) % 2
    codes[[3, 8, 10]] = (3, 3), (-3, -3), (-3.5, -3)  # the third lies out of sight
    rms = np.linspace(5, 6, 40)
    rms[[3, 8, 10]] = 1.0
    grid, far = np.zeros((1, 1, 3), np.uint8), np.zeros((1, 1))
    planes = [MapPlane(name, codes, 0 * codes, (0, 0, 3.2), grid, far, rms, None) for name in ("ae", "vae")]
    assert ends(planes, label) == (3, 8)
    assert ends(planes, 0 * label) == (0, 20)


def test_a_sheet_is_filled_row_by_row():
    pictures = np.arange(70, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    whole = view.sheet(pictures)
    assert whole.shape == (4, 2 * view.COLUMNS, 3) and whole[0, 2 * 63, 0] == 63 and whole[2, 10, 0] == 69
