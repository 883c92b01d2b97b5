"""The room between pictures without a browser: its places, what it asks for, its markup, sentence, charts and numbers."""

import json
import pickle
import re
from html import unescape

import gradio as gr
import numpy as np
import pytest

from lab.catalog import Model
from lab.requests.base import LabError
from lab.requests.sampling import LaneResult, Step
from lab.requests.unclip import Embedded, InvertedPicture, Judged, Near
from lab.settings import Settings
from lab.ui.shell.rooms.room import PICTURES, Asked
from lab.ui.tabs.unclip.between import charts, plans, view, words
from lab.ui.tabs.unclip.rooms import ROOMS

ROOM = ROOMS["between"]
OWN = [np.random.default_rng(k).integers(0, 256, (16, 16, 3), np.uint8) for k in range(4)]
ROW = Model("unclip", "unCLIP", "unclip", "", 16, "")
CORNERS = np.eye(4, dtype=np.float32)


def asked(count=4, **now):
    values = {field.name: field.value for field in ROOM.fields} | {"seed": 3} | now
    there = dict.fromkeys(PICTURES) | dict(zip(PICTURES, OWN[:count], strict=False))
    return Asked(values, ROW, settings=Settings(), **there)


def ran(results=True, **now):
    """A run whose frames are double exposures but for the middle, which is black."""
    request = ROOM.request(asked(**now))
    outcome = ROOM.outcome(request)
    for lane, place in enumerate(outcome.places):
        vector = sum(weight * CORNERS[k] for k, weight in enumerate(place.weights))
        near = tuple(Near(OWN[0], f"a <b> {n}", "food-drink", 0.5 - n / 10) for n in range(4))
        outcome.add(Embedded(lane, vector, near))
    for lane, place in enumerate(outcome.places) if results else ():
        drawn = sum(weight * OWN[k].astype(float) for k, weight in enumerate(place.weights)).round().astype(np.uint8)
        inner = place.weights == (0.5, 0.5)
        outcome.add(Judged(lane, CORNERS[0], near[0], to_pictures=place.weights))
        outcome.add(LaneResult(lane, drawn * 0 if inner else drawn, 15, 0.1))
    return outcome


def text_of(markup):
    return unescape(re.sub(r"<[^>]*>", " ", markup))


@pytest.mark.parametrize(("experiment", "side", "count"), [("film", 5, 5), ("triangle", 4, 10), ("square", 3, 9)])
def test_places_have_weights_that_add_up_and_each_picture_has_a_corner(experiment, side, count):
    there = plans.places(experiment, side)
    assert len(there) == count == len({(place.row, place.column) for place in there})
    np.testing.assert_allclose([sum(place.weights) for place in there], 1, atol=2e-4)
    for picture, lane in enumerate(plans.corners(there)):
        assert there[lane].weights == tuple(float(k == picture) for k in range(plans.COUNTS[experiment]))
    assert [plans.nearest(there, place.x, place.y) for place in there] == list(range(count))


def test_weights_of_maps_are_bilinear_and_barycentric():
    weights = {(place.row, place.column): place.weights for place in plans.places("square", 5)}
    assert weights[1, 2] == (0.375, 0.375, 0.125, 0.125)
    weights = {(place.row, place.column): place.weights for place in plans.places("triangle", 4)}
    np.testing.assert_allclose(weights[2, 1], [1 / 3] * 3, atol=1e-4)
    assert (weights[3, 0], weights[3, 3]) == ((0, 1, 0), (0, 0, 1))


@pytest.mark.parametrize(("experiment", "used", "lanes"), [("film", 2, 11), ("triangle", 3, 28), ("square", 4, 49)])
def test_a_request_has_an_embedding_and_a_lane_for_each_place(experiment, used, lanes):
    request = ROOM.request(asked(between_experiment=experiment, between_noise="seed"))
    assert len(request.pictures) == used
    assert [lane.embedding for lane in request.lanes] == list(range(lanes)) == list(range(len(request.embeddings)))
    assert plans.experiment(request) == experiment
    assert [one.weights for one in request.embeddings] == [place.weights for place in plans.places_of(request)]
    assert {lane.seed for lane in request.lanes} == {3}
    assert request.judged
    assert not request.inverted
    own = ROOM.request(asked(between_experiment=experiment))
    assert [lane.inverted for lane in own.lanes] == [one.weights for one in own.embeddings]
    assert own.inverted == list(range(used))
    assert ROOM.flow(own).parts[3].numbers == f"{used} inverted"


def test_what_is_missing_or_out_of_range_is_said():
    with pytest.raises(LabError, match="no fourth picture: choose an example or your own"):
        ROOM.request(asked(count=3, between_experiment="square"))
    assert len(ROOM.request(asked(count=2)).pictures) == 2
    with pytest.raises(LabError, match=r"Frames of the film: 99 is out of range"):
        ROOM.request(asked(between_frames=99))
    with pytest.raises(LabError, match="Pictures along a side"):
        ROOM.request(asked(between_experiment="square", between_cells=1))


def test_galleries_are_there_as_many_as_pictures():
    needed = [
        [name for name in PICTURES if ROOM.needs(name, {"between_experiment": one})] for one in ("film", "square")
    ]
    assert needed == [["picture", "second"], list(PICTURES)]
    assert ROOM.needs("seed", {"between_experiment": "film"})


@pytest.mark.parametrize("experiment", ["film", "triangle", "square"])
def test_the_stage_stands_before_a_run_and_says_what_lies_near_after_it(experiment):
    now = {"between_experiment": experiment, "between_cells": 3, "between_frames": 5}
    blank = ROOM.stage(None, asked(**now))
    whole = ROOM.stage(ran(**now), asked(**now))
    lanes = {"film": 5, "triangle": 6, "square": 9}[experiment]
    for markup in (blank, whole):
        assert markup.count("data-lane=") == lanes
        assert markup.count("data-original") == plans.COUNTS[experiment]
    assert "data-whole" not in blank
    assert "data-whole" in whole
    assert "a <b>" not in whole
    data = json.loads(unescape(re.search(r'data-frames="([^"]*)"', whole)[1]))
    assert len(data["pictures"]) == 1  # each picture once
    assert data["places"][1][3] == [0, "a <b> 3", "cos 0.20"]


def test_a_film_rests_at_its_place_and_each_run_plays_anew():
    now = {"between_frames": 5, "between_t": 0.74}
    first, again = ran(**now), ran(**now)
    assert 'data-at="3"' in ROOM.stage(first, asked(**now))
    assert first.key != again.key
    assert 'data-at="5"' in ROOM.stage(None, asked(between_experiment="square", between_cells=3, between_x=1))
    under_way = ran(results=False, **now)
    under_way.add(Step(0, 1, 15, 500.0, 0.0, OWN[0], OWN[1], 0.1))
    assert "data-whole" not in ROOM.stage(under_way, asked(**now))
    assert pickle.loads(pickle.dumps(first)).key == first.key


def test_the_sentence_of_a_film_has_its_figures():
    said = text_of(words.words(ran(between_frames=5)))
    assert "cosine 0.71 to the first picture’s and 0.71 to the second’s" in said
    assert "“a <b> 0”" in said
    outcome = ran(between_frames=5)
    assert outcome.off_exposure(1) < 0.5
    expected = np.sqrt(np.square((OWN[0].astype(float) + OWN[1]) / 2).mean())
    assert outcome.off_exposure(2) == pytest.approx(expected)
    assert f"{expected:.0f} grey levels RMS" in said
    assert "between t = 0.25 and 0.50" in said or "between t = 0.50 and 0.75" in said
    assert ROOM.words(ran(results=False, between_frames=5)) == ""


def test_the_sentence_of_a_map_says_what_noise_it_begins_with():
    said = text_of(ROOM.words(ran(between_experiment="square", between_cells=3, between_noise="seed")))
    assert "4 embeddings and from the same noise" in said
    assert "Under the 9 places 1 picture of the lab lies nearest" in said
    own = ran(between_experiment="square", between_cells=3)
    assert "own noise, inverted and mixed alike" in text_of(ROOM.words(own))
    assert ROOM.summary(own) == "9 pictures, 10 steps each: a square of four pictures."


def test_charts_show_cosines_changes_and_shares():
    film = ran(between_frames=5)
    shown = json.loads(ROOM.chart(film, {"between_chart": charts.COSINES}).plot)["data"]
    assert [len(trace["x"]) for trace in shown] == [5] * 4
    assert (shown[0]["y"][0], shown[0]["y"][-1]) == (1, 0)  # the embedding: from the first picture's to the second's
    assert shown[1]["y"] == [1, 0.75, 0.5, 0.25, 0]  # the judge's
    changes = json.loads(ROOM.chart(film, {"between_chart": charts.CHANGES}).plot)["data"]
    assert changes[0]["x"] == [0.125, 0.375, 0.625, 0.875]
    assert len(set(changes[1]["y"])) == 1
    square = json.loads(ROOM.chart(ran(between_experiment="square", between_cells=3), {"between_chart": ""}).plot)
    assert [len(trace["x"]) for trace in square["data"]] == [9] * 4
    assert square["data"][2]["x"] == square["data"][2]["y"]


def test_files_and_numbers():
    film = ran(between_frames=5)
    assert [stem for stem, _ in ROOM.pictures(film)][::4] == ["between-00-t-0.00", "between-04-t-1.00"]
    said = text_of(ROOM.table(film))
    assert "t = 0.50" in said
    assert "a <b> 0" in said
    assert view.label("square", plans.places("square", 3)[1]) == "first 50 %, second 50 %"
    ((name, script),) = ROOM.scripts_of(film.request)
    assert name.endswith(".py")
    compile(script, name, "exec")


def test_live_controls_are_places_that_links_hold():
    live = [field for field in ROOM.fields if field.name in ROOM.live]
    assert [field.name for field in live] == list(ROOM.live)
    assert all(field.widget is gr.Number and field.linked and field.value == 0.5 for field in live)


def test_progress_says_what_is_under_way():
    outcome = ROOM.outcome(ROOM.request(asked()))
    assert ROOM.progress(outcome) == "Finding embeddings …"
    outcome.add(InvertedPicture(0, OWN[0]))
    assert outcome.begun
