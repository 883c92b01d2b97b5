"""The room of components without a browser: what it asks for, its figures against closed forms, and what it says of them."""

import json
import pickle
import re
from types import SimpleNamespace

import numpy as np
import pytest

from lab.requests.base import LabError
from lab.requests.fields import MAX_SEED
from lab.requests.sampling import LaneResult
from lab.requests.unclip import Embedded, Judged, JudgedPicture, Near
from lab.settings import Settings
from lab.ui.shell.rooms.room import Asked
from lab.ui.tabs.unclip.components import charts, figures, plans, room, view
from lab.ui.tabs.unclip.components.room import ComponentsRoom
from lab.unclip_curves import Kept, UnclipCurves

ROOM = ComponentsRoom()
GREY = np.full((8, 8, 3), 100, np.uint8)
FOX, CAT, APPLE = (
    Near(GREY, caption, group, 0.5)
    for caption, group in (("fox", "animals-nature"), ("cat", "animals-nature"), ("apple", "food-drink"))
)


def asked(picture=GREY, **changes):
    now = {"seed": 0} | {one.name: one.value for one in ROOM.fields} | changes
    return Asked(now, SimpleNamespace(name="unclip"), picture, None, Settings())


def run(near=(APPLE, CAT, FOX), **changes):
    """A finished run of 1, 2 and 3 components of (3, 4, 12) about the mean 0, which are its coordinates; by the judge the drawn
    pictures are `near` by turns."""
    outcome = ROOM.outcome(ROOM.request(asked(**{"components_counts": "1, 2, 3"} | changes)))
    for index, (vector, variance) in enumerate(
        [((3, 4, 12), None), ((0, 0, 0), 0.0), ((3, 0, 0), 0.5), ((3, 4, 0), 0.75), ((3, 4, 12), 1.0)]
    ):
        outcome.add(Embedded(index, np.array(vector, np.float32), (near[index % 3],), variance=variance))
    outcome.add(JudgedPicture(0, FOX))
    for lane in range(len(outcome.request.lanes)):
        outcome.add(LaneResult(lane, GREY, 2, 0.1))
        outcome.add(Judged(lane, np.ones(4, np.float32), near[lane % len(near)], to_pictures=(lane / 10,)))
    return outcome


def text(html):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", html))


def test_every_number_is_drawn_from_the_same_noise():
    request = ROOM.request(asked(components_counts="8 2", components_seeds=2, seed=5))
    assert [(one.kind, one.components) for one in request.embeddings] == [
        ("pictures", 0),
        *(("components", k) for k in (0, 8, 2)),
    ]
    assert [(lane.embedding, lane.seed) for lane in request.lanes] == [(2, 5), (3, 5), (2, 6), (3, 6)]
    assert [list(plans.lanes_of(request, place)) for place in (0, 1)] == [[0, 2], [1, 3]]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"picture": None}, "There is no picture"),
        ({"components_counts": "0, 1"}, "0 is out of range"),
        ({"components_counts": "1,2,3,4,5,6,7,8,9,10,11,12,13"}, "at most 12"),
        ({"components_counts": ""}, "at least one number"),
        ({"components_seeds": 2, "seed": MAX_SEED}, "pass the largest seed"),
    ],
)
def test_bad_input_is_answered_in_words_and_the_stage_stays(changes, words):
    with pytest.raises(LabError, match=words):
        ROOM.request(asked(**changes))
    assert ROOM.stage(None, asked(**changes)).count("<section") == 9


def test_figures_are_those_of_the_kept_coordinates():
    found = run()
    assert [figures.cosine(found, place) for place in range(3)] == pytest.approx([3 / 13, 5 / 13, 1])
    assert [figures.own(found, place) for place in range(3)] == pytest.approx([9 / 169, 25 / 169, 1])
    assert [figures.variance(found, place) for place in range(3)] == [0.5, 0.75, 1.0]
    assert [figures.verdict(found, lane) for lane in range(3)] == ["another kind", "same kind", "same thing"]
    two = run(near=(FOX, CAT, APPLE, CAT, FOX, FOX), components_seeds=2)
    assert [figures.share(two, place, "same thing") for place in range(3)] == [0.5, 0.5, 0.5]
    assert figures.drawn(two, 0) == pytest.approx(0.15)


def test_the_words_say_with_how_many_components_the_judge_knows_it():
    said = text(view.words(run(), None))
    assert "takes the picture itself for “fox”, of “Animals and nature”" in said
    assert "for that kind with 2 and 3 components, and for that very thing with 3 components" in said
    assert "with none of them" in text(view.words(run(near=(APPLE,) * 3), None))
    assert ROOM.summary(run()) == "Cosine to the picture, by the judge: 0.00 with 1 component, 0.20 with 3."


def test_the_stage_is_there_at_every_moment_of_a_run():
    whole = pickle.loads(pickle.dumps(run(components_seeds=2)))
    now = asked(components_counts="1, 2, 3", components_seeds=2)
    before, after = ROOM.stage(None, now), ROOM.stage(whole, now)
    assert before.count("<figure") == after.count("<figure") == 3 * 3 + 2
    assert (before.count("<img"), after.count("<img")) == (1, 3 * 3 + 2)
    assert [after.count(f"unclip-cell {mark}") for mark in ("thing", "kind", "other")] == [2, 2, 2]
    found = ROOM.outcome(whole.request)
    assert (found.begun, ROOM.words(found)) == (False, "")
    for event in (
        *whole.embedded.values(),
        *whole.judged.values(),
        *whole.results.values(),
        *whole.judged_pictures.values(),
    ):
        found.add(event)
        assert ROOM.progress(found)
        assert "None" not in ROOM.stage(found, now) + ROOM.table(found) + ROOM.words(found) + ROOM.summary(found)
        ROOM.chart(found, now.now)
    stems = [stem for stem, _ in ROOM.pictures(whole)]
    assert len(stems) == len(set(stems)) == 1 + 6
    assert [title for title, _ in ROOM.scripts_of(whole.request)] == ["components.py"]
    assert [part.numbers for part in ROOM.flow(whole.request).parts if part.key] == ["1 to 3 kept"]


def test_what_was_measured_over_many_drawings_is_said_and_drawn(monkeypatch):
    kept = (Kept(2, 0.25, 0.05), Kept(4, 0.5, 0.25), Kept(8, 0.75, 0.625))
    curves = UnclipCurves((), kept, (), 64, 680, 16, 8, 20, 25, 2, 2, "")
    said = text(view.words(run(), curves))
    assert (
        "Over 64 drawings: with 4 components the judge takes 50 % for the drawing’s kind and 25 % for the very thing; with 8"
        in said
    )
    monkeypatch.setattr(room, "unclip_curves", lambda: curves)
    one, many = (json.loads(ROOM.chart(run(), {"components_chart": name}).plot)["data"] for _, name in charts.CHARTS)
    assert len(one) == 4
    assert [(trace["x"], trace["y"]) for trace in many] == [
        ([2, 4, 8], [0.25, 0.5, 0.75]),
        ([2, 4, 8], [0.05, 0.25, 0.625]),
    ]


def test_the_chart_has_a_curve_for_each_figure():
    data = json.loads(charts.chart(run()).plot)["data"]
    assert [trace["x"] for trace in data] == [[1, 2, 3]] * 4
    assert data[0]["y"] == [0, 0.1, 0.2]
