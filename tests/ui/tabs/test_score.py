"""The Score tab without a browser: points that are drawn, what rests, and links."""

import json
from math import inf, nan
from types import SimpleNamespace

import gradio as gr
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.capsules.capsule import from_link, make, to_link
from lab.requests.base import LabError
from lab.settings import Settings
from lab.toy_data import TOYS
from lab.ui.tabs.score import content, points
from lab.ui.tabs.score import tab as score
from tests.ui.values import first_values

VISITOR = SimpleNamespace(session_hash="visitor")


@pytest.fixture(scope="module")
def tab():
    with gr.Blocks(), gr.Tab() as page:
        return score.build(None, Settings(), page)


def rested(tab, values, **sent):
    return tab.on_rest(values, SimpleNamespace(_data=sent, **sent))


# Points


@given(st.lists(st.tuples(*[st.integers(-200, 200)] * 2), max_size=points.MOST))
def test_points_that_are_written_are_read_again(hundredths):
    drawn = [(x / 100, y / 100) for x, y in hundredths]
    assert points.parse(points.written(drawn)) == drawn


@pytest.mark.parametrize("count", [0, 1, 499, 500, 501, 5000])
def test_as_many_points_are_taken_as_the_plane_holds(count):
    assert len(points.parse(" ".join(["3,4"] * count))) == min(count, points.MOST)


def test_points_beyond_the_window_are_moved_to_its_edge():
    assert points.parse("-999,999 201,-200") == [(-2.0, 2.0), (2.0, -2.0)]


@pytest.mark.parametrize(
    "text", ["nan,1", "1", "1,2,3", "1.5,2", "1e3,0", "inf,inf", "<b>,1", "1,2 x", "--1,2", "1 ,2"]
)
def test_words_that_are_no_points_are_refused_in_words(text):
    with pytest.raises(LabError, match="is no point. A point is two whole numbers"):
        points.parse(text)


# What rests


def test_what_rests_has_a_link(tab):
    update = rested(tab, first_values(tab))
    capsule = from_link(update[tab.share.code])
    assert capsule.tab == "score" and capsule.values["data"] == "swiss-roll" and capsule.values["level"] == 6


def test_drawn_points_go_to_the_control_and_the_link(tab):
    update = rested(tab, first_values(tab), points="10,20 -30,40")
    assert update[tab.form["points"]] == "10,20 -30,40"
    assert from_link(update[tab.share.code]).values["points"] == "10,20 -30,40"


@pytest.mark.parametrize("sent", [{"points": "nan,nan"}, {"points": "1,2" * 9}, {"points": "x"}])
def test_points_that_did_not_arrive_in_one_piece_leave_the_control_as_it_is(tab, sent):
    update = rested(tab, first_values(tab), **sent)
    assert tab.form["points"] not in update and "is no point" in update[tab.runs.note]


@pytest.mark.parametrize("sent", [{}, {"points": None}, {"points": 3}, {"points": ["1,2"]}])
def test_a_page_that_sends_no_points_has_its_link(tab, sent):
    update = rested(tab, first_values(tab), **sent)
    assert tab.form["points"] not in update and update[tab.share.code]


def test_a_full_plane_says_so(tab):
    assert "takes 500 points" in rested(tab, first_values(tab), full=True)[tab.runs.note]


# Scripts


def script_of(tab, **now):
    values = first_values(tab) | {tab.form[name]: value for name, value in now.items()}
    (script,) = tab.scripts(values)
    assert script.name == "plane.py" and not script.pictures
    return script.text


def test_a_script_has_the_lanes_and_the_data_that_are_chosen(tab):
    text = script_of(tab, experiment="walk", data="two-modes", lanes=["langevin", "reflow", "ddim"], steps=7, seed=3)
    compile(text, "plane.py", "exec")
    assert "['langevin', 'ddim']" in text and "Two modes" in text
    compile(
        script_of(tab, experiment="walk", data=score.DRAWN, points="1,2 3,4", lanes=["flow"], steps=1),
        "plane.py",
        "exec",
    )


@pytest.mark.parametrize(
    ("now", "words"),
    [
        ({"experiment": "learn"}, "choose that experiment"),
        ({"experiment": "walk", "lanes": ["reflow"]}, "knows no reflow"),
        ({"experiment": "walk", "data": score.DRAWN, "points": ""}, "no points yet"),
        ({"experiment": "walk", "data": score.DRAWN, "points": "x"}, "is no point"),
        ({"experiment": "walk", "steps": None}, "Calls a lane"),
    ],
)
def test_a_script_that_cannot_be_says_why(tab, now, words):
    with pytest.raises(LabError, match=words):
        script_of(tab, **now)


# Links


def restored(tab, **values):
    capsule = from_link(to_link(make("score", values, [], [])))
    return tab.restore(capsule, tab.share.values_in(capsule))


@pytest.mark.parametrize("name", [*TOYS, score.DRAWN])
def test_a_link_brings_every_data_set_back(tab, name):
    updates, button, remark = restored(
        tab, data=name, experiment="walk", lanes=["flow", "reflow"], steps=7, points="1,2 3,4"
    )
    assert updates[tab.form["data"]]["value"] == name and updates[tab.form["lanes"]]["value"] == ["flow", "reflow"]
    assert updates[tab.form["steps"]]["value"] == 7 and updates[tab.form["points"]]["value"] == "1,2 3,4"
    assert button == "" and remark == ""


@pytest.mark.parametrize(
    ("text", "kept", "remark"),
    [
        ("nan,nan", "", "1 of 1 point could not be read and are left out."),
        ("1,2 oops -3,4", "1,2 -3,4", "1 of 3 points could not be read and are left out."),
        ("🙂", "", "1 of 1 point could not be read and are left out."),
    ],
)
def test_a_link_with_points_that_are_none_keeps_the_others_and_says_so(tab, text, kept, remark):
    updates, _, said = restored(tab, points=text)
    assert updates[tab.form["points"]]["value"] == kept and said == remark


def test_a_link_with_too_many_points_says_how_many_are_here(tab):
    updates, _, remark = restored(tab, points=" ".join(["1,2"] * 900))
    assert (
        len(updates[tab.form["points"]]["value"].split()) == 500
        and remark == "900 points came; the first 500 are here."
    )


@pytest.mark.parametrize("value", ["nothing", 0, -3, 10**9, 2.5, None, [], {"a": 1}, True])
@pytest.mark.parametrize("name", [field.name for field in score.FORM])
def test_whatever_a_link_holds_every_control_has_a_value_that_it_can_have(tab, name, value):
    updates, _, _ = restored(tab, **{name: value})
    set_to = updates[tab.form[name]]["value"]
    part = tab.form[name]
    if isinstance(part, gr.Slider | gr.Number):
        assert part.minimum <= set_to <= part.maximum
    elif isinstance(part, gr.Radio | gr.Dropdown):
        names = [choice for _, choice in part.choices]
        assert all(one in names for one in (set_to if isinstance(set_to, list) else [set_to]))
    else:
        assert isinstance(set_to, str)


@pytest.mark.parametrize("value", [nan, inf, -inf])
def test_what_is_no_number_in_a_file_is_refused(value):
    with pytest.raises((LabError, ValueError)):
        make("score", {"level": value}, [], [])


# What the page is given


def test_the_page_has_every_data_set_and_every_lane():
    given_to_page = json.loads(content.content())
    assert set(given_to_page["toys"]) == set(TOYS) and set(given_to_page["lanes"]) == set(content.LANES)
    for name, toy in TOYS.items():
        assert [tuple(point) for point in given_to_page["toys"][name]["points"]] == list(toy.points)
    assert given_to_page["picture"].startswith("data:image/png")


def test_every_script_that_another_one_imports_is_served():
    served = {route().path.rpartition("/")[2] for route in content.ROUTES}
    for text in content.SCRIPTS.values():
        imported = {
            line.split('"./')[1].split('"')[0]
            for line in text.splitlines()
            if line.startswith("import") and '"./' in line
        }
        assert imported <= served


def test_constants_that_stand_in_both_languages_agree():
    scripts = content.SCRIPTS
    assert (
        f"MOST = {points.MOST}, STD = {points.STD};" in scripts["points.js"]
        and f"EDGE = {points.EDGE};" in scripts["points.js"]
    )
    assert f"LEAST = {score.LEAST:g}, MOST = {score.MOST:g};" in scripts["scene.js"]
