"""The room of text differences without a browser: what it asks for, and what its stage, its words and its chart say."""

import html
import json
import pickle
import re
from types import SimpleNamespace

import numpy as np
import pytest

from lab.requests.base import LabError
from lab.requests.sampling import LaneResult
from lab.requests.unclip import Embedded, Judged, JudgedPicture, Near
from lab.settings import Settings
from lab.ui.shell.rooms.room import Asked
from lab.ui.tabs.unclip.difference import charts, figures, plans, view
from lab.ui.tabs.unclip.difference.room import Difference

ROOM = Difference()
SIDE = 16
WHITE = np.full((SIDE, SIDE, 3), 255, np.uint8)
NEAR = Near(WHITE[:4, :4], "red <apple>", "food-drink", 0.5)


def thing(colour=(200, 0, 0), left=4):
    """A square on white."""
    picture = WHITE.copy()
    picture[4:12, left : left + 8] = colour
    return picture


def asked(picture=WHITE, **changes):
    now = {"seed": 3, "prompt": "green <apple>", "prompt_from": "red apple"}
    now |= {one.name: one.value for one in ROOM.fields} | changes
    return Asked(now, SimpleNamespace(name="unclip", captions=True), picture, None, Settings())


def run(drawn=lambda lane: thing(), whole=True, **changes):
    """A run: lane k's picture is `drawn(k)`, and fits the text at 0.2 + k / 100; an embedding's cosines move by a tenth a turn."""
    outcome = ROOM.outcome(ROOM.request(asked(**changes)))
    outcome.add(JudgedPicture(0, NEAR))
    for index in range(len(outcome.request.embeddings)):
        outcome.add(Embedded(index, np.ones(4), (NEAR,), to_text=0.3 + index / 10, to_base=0.7 - index / 10))
    for lane in range(len(outcome.request.lanes) - (not whole)):
        outcome.add(Judged(lane, np.ones(4), NEAR, rank=lane + 1, captions=680, fit=0.2 + lane / 100))
        outcome.add(LaneResult(lane, drawn(lane), 2, 0.1))
    return pickle.loads(pickle.dumps(outcome))


def text(markup):
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", markup)))


def test_the_embedding_is_turned_in_equal_parts_and_drawn_from_both_noises():
    request = ROOM.request(asked(difference_most=0.4, difference_count=3, difference_steps=7))
    assert [(one.kind, one.turn, one.prompt, one.base) for one in request.embeddings] == [
        ("difference", turn, "green <apple>", "red apple") for turn in (0, 0.2, 0.4)
    ]
    assert [(lane.embedding, lane.inverted, lane.seed, lane.steps) for lane in request.lanes] == [
        *((place, (1.0,), 3, 7) for place in range(3)),
        *((place, (), 3, 7) for place in range(3)),
    ]
    assert request.judged and request.caption == "green <apple>"
    assert [row.lanes for row in plans.rows(request)] == [range(3), range(3, 6)]


@pytest.mark.parametrize(("start", "inverted"), [(plans.OWN, True), (plans.SEED, False)])
def test_one_row_begins_where_it_is_told(start, inverted):
    request = ROOM.request(asked(difference_start=start))
    assert len(request.lanes) == 6 and {bool(lane.inverted) for lane in request.lanes} == {inverted}
    assert ROOM.needs("seed", {"difference_start": start}) != inverted
    assert len(plans.rows(request)) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"picture": None}, "There is no picture"),
        ({"prompt": "  "}, "The prompt is empty"),
        ({"prompt_from": ""}, "What the picture shows is empty"),
        ({"prompt": "Red apple "}, "Both texts say the same"),
        ({"prompt": "a red apple"}, "Both texts say the same"),
        ({"difference_count": 10}, "from 3 to 9"),
        ({"difference_most": 1.5}, "[Tt]urn"),
    ],
)
def test_what_no_run_can_be_made_of_is_refused_in_words(changes, words):
    with pytest.raises(LabError, match=words):
        ROOM.request(asked(**changes))


CHANGES = {
    figures.NOTHING: lambda lane: thing((200 + lane % 3, 0, 0)),
    figures.COLOUR: lambda lane: thing((200 - 60 * (lane % 3), 60 * (lane % 3), 0)),
    figures.OUTLINE: lambda lane: thing(left=4 + 2 * (lane % 3)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_words_say_what_turning_changed(change):
    outcome = run(CHANGES[change], difference_count=3)
    own, drawn = plans.rows(outcome.request)
    assert figures.verdict(outcome, own) == figures.verdict(outcome, drawn) == change
    said = text(view.words(outcome))
    assert said.count(view.SEEN[change]) == 2
    assert "goes from 0.30 to 0.50 and to “red apple” from 0.70 to 0.50" in said
    assert "“green <apple>” goes from 0.20 to 0.22" in said and "goes from 0.23 to 0.25" in said
    assert "<apple>" not in view.words(outcome)


def test_a_run_that_was_stopped_has_no_words_and_is_shown():
    outcome = run(whole=False)
    assert view.words(outcome) == ""
    assert figures.verdict(outcome, plans.rows(outcome.request)[1]) == ""
    assert view.stage(outcome, outcome.request, WHITE).count("<img") == 1 + 11 + 6
    assert view.table(outcome).count("<tr") == 1 + 12


def test_the_stage_has_its_places_before_a_run_and_more_in_it_afterwards():
    before, after = ROOM.stage(None, asked()), ROOM.stage(run(), asked())
    assert before.count("<figure") == after.count("<figure") == 1 + 12 + 6
    assert before.count("<img") == 1 and after.count("<img") == 1 + 12 + 6
    assert "θ = 0.5" in text(before) and "fit 0.31" in text(after) and "red <apple>" in text(after)
    assert ROOM.stage(None, asked(difference_start=plans.OWN)).count("<figure") == 1 + 6 + 6


def test_the_chart_has_both_texts_and_the_judge_for_each_row():
    figure = json.loads(charts.chart(run(difference_count=3)).plot)["data"]
    assert [trace["name"] for trace in figure] == [
        "z to “green &lt;apple&gt;”", "z to “red apple”", "judge, own x<sub>T</sub>", "judge, x<sub>T</sub> drawn",
    ]  # fmt: skip
    assert figure[0]["x"] == [0, 0.25, 0.5]
    assert [trace["y"] for trace in figure] == [[0.3, 0.4, 0.5], [0.7, 0.6, 0.5], [0.2, 0.21, 0.22], [0.23, 0.24, 0.25]]
    assert charts.chart(ROOM.outcome(ROOM.request(asked()))) is None


def test_pictures_and_script_have_names_of_their_own():
    outcome = run(difference_count=3)
    stems = [stem for stem, _ in ROOM.pictures(outcome)]
    assert stems[:2] == ["difference-picture", "difference-00-inverted-theta-0"]
    assert stems[-1] == "difference-05-seed-3-theta-0.5" and len(set(stems)) == 7
    ((name, script),) = ROOM.scripts_of(outcome.request)
    assert name == "difference.py" and 'difference(z_of(0), "green <apple>", "red apple", 0.25)' in script


def test_summary_and_flow():
    outcome = run()
    assert ROOM.summary(outcome) == "12 pictures; the judge’s fit to “green <apple>” is 0.31 at most."
    assert [part.key for part in ROOM.flow(outcome.request).parts].count(True) == 1
