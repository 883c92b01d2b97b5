"""The room of the words without a browser: what it asks for, what it shows of a run, and what it says."""

import html
import json
import pickle
import re

import numpy as np
import pytest

from lab.catalog import MODELS
from lab.requests.attention import AttentionRequest, WordMaps, Words
from lab.requests.base import LabError
from lab.requests.fields import Condition
from lab.requests.sampling import LaneResult, LaneSettings, Step
from lab.settings import Settings
from lab.ui.shell import media
from lab.ui.shell.form import Form
from lab.ui.shell.rooms.room import Asked
from lab.ui.tabs.inside.attention import charts, view
from lab.ui.tabs.inside.attention.outcome import Outcome
from lab.ui.tabs.inside.attention.room import FIELDS, WordsRoom

ROOM, ROW = WordsRoom(), MODELS["text-to-image"]
FORM = Form("inside", [one for one in FIELDS if one.name != "words_scale"])
NAMES = ("start", "red", "<b>", "end and padding")
SHARES = np.array([0.1, 0.3, 0.2, 0.4], np.float32)


def asked(prompt="red <b>", row=ROW, **values):
    now = FORM.complete(values) | {"seed": 3, "prompt": prompt, "words_scale": 3.0}
    return Asked(now, row, None, None, Settings())


def maps(i):
    """Every word's share everywhere, but that "red" has all that <b> has at one place of step 1."""
    whole = np.broadcast_to(SHARES[:, None, None], (4, 4, 4)).copy()
    whole[1:3, 0, i] = 0.5, 0.0
    return WordMaps(i, 2, 500.0 - i, {0: whole, 4: whole})


def outcome(**more):
    found = Outcome(AttentionRequest(condition=Condition(prompt="red <b>"), lane=LaneSettings(steps=2), **more))
    found.add(Words(NAMES, (1, 1, 1, 29), 32))
    for lane in range(len(found.drawings)):
        for i in range(3):
            pixels = np.full((8, 8, 3), 10 * lane, np.uint8)
            found.add(Step(lane, i, 2, 500.0 - i, 0.0, pixels, pixels, 0.1))
        found.add(LaneResult(lane, np.full((8, 8, 3), 10 * lane, np.uint8), 2, 0.1))
    if not (found.request.weights or found.request.target):
        found.add(maps(0))
        found.add(maps(1))
    return pickle.loads(pickle.dumps(found))


def text(markup):
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", markup)))


def test_each_experiment_asks_for_its_own():
    look = ROOM.request(asked())
    assert look.looks == 20 and not look.weights and not look.target and look.lane.guidance_scale == 3
    weigh = ROOM.request(asked(words_experiment="weigh", words_names=" red, “end” ,red", words_weights="-2; 0,5; 4"))
    assert weigh.looks == 0 and weigh.words == ("red", "end") and weigh.weights == (-2, 0.5, 4)
    swap = ROOM.request(asked(words_experiment="swap", words_target="blue <b>", words_kept=0.3, words_picture=0.1))
    assert (swap.target, swap.kept, swap.kept_picture, swap.looks) == ("blue <b>", 0.3, 0.1, 0)
    assert [one.kind for one in swap.drawings()] == ["plain", "target", "kept"]
    assert ROOM.request(asked(row=MODELS["student"])).lane.sampler == "lcm"


@pytest.mark.parametrize(
    "values, says",
    [
        ({"words_experiment": "weigh", "words_names": " , "}, "Name at least one word"),
        ({"words_experiment": "weigh", "words_weights": "50"}, "Numbers from -20 to 20"),
        ({"words_experiment": "swap", "words_target": " "}, "Write the target prompt"),
        ({"prompt": ""}, "The prompt is empty"),
    ],
)
def test_what_is_missing_is_said(values, says):
    with pytest.raises(LabError, match=says):
        ROOM.request(asked(**values))


def test_the_sheets_hold_every_map_from_its_least_to_its_most_and_the_mean_of_all_steps():
    found = outcome()
    data = json.loads(html.unescape(re.search(r'data-sheets="([^"]*)"', view.stage(found, "")).group(1)))
    assert data["names"] == list(NAMES) and data["chosen"] == 1 and [step["i"] for step in data["steps"]] == [0, 1]
    level = data["levels"]["4"]
    sheet = media.from_uri(level["sheet"])[..., 0]
    assert sheet.shape == (4 * 4, 3 * 4)
    low, high, mean = level["numbers"][1][0]
    assert (low, high) == (pytest.approx(0.3), 0.5) and mean == pytest.approx(0.3125)
    red = sheet[4:8]
    assert (
        red[0, 0] == 255 and red[0, 4 + 1] == 255 and red[0, 8] == red[0, 9] == 255
    )  # steps 0 and 1, and both in the mean
    assert red.sum() == 4 * 255


def test_a_prompts_words_are_escaped_and_stand_there_before_a_run():
    for found in (None, outcome()):
        markup = view.stage(found, "red <b>")
        assert "&lt;b&gt;" in markup and markup.count('<button type="button" data-word=') == 4
        assert markup.count("<figure data-word=") == 4 and "<b><b>" not in markup


def test_what_is_said_of_maps_has_the_runs_numbers():
    found = outcome()
    said = text(view.words(found))
    assert "Start, end and padding, 30 of 32 tokens, take 50 % of the attention" in said
    assert "“red” takes most, 31 %" in said
    assert "31.25 %" in text(view.table(found)) and "29" in text(view.table(found))
    traces = json.loads(charts.chart(found).plot)["data"]
    assert [one["name"] for one in traces] == ["red", "<b>", "end and padding", "start"]
    assert sum(one["y"][0] for one in traces) == pytest.approx(100, abs=0.01)


def test_weights_stand_in_rows_with_their_distance():
    found = outcome(words=("red", "<b>"), weights=(0, -2))
    markup = view.stage(found, "")
    assert markup.count("<img") == 4 and "× −2" in markup and "RMS 40.0" in markup and "<b><b>" not in markup
    said = text(view.words(found))
    assert "“red” changes the picture by at most 20.0 grey levels of 255, at weight −2" in said
    first, second = json.loads(charts.chart(found).plot)["data"]
    assert first["x"] == [-2, 0] and first["y"] == [20, 10] and second["y"] == [40, 30]


def test_a_swap_says_which_picture_is_nearer():
    found = outcome(target="blue")
    assert view.stage(found, "").count("<img") == 3
    assert (
        "the target alone is 10.0 grey levels from the source, and with its attention kept 20.0: no nearer to it"
        in text(view.words(found))
    )
    assert [stem for stem, _ in ROOM.pictures(found)] == ["words-00-plain", "words-01-target", "words-02-kept"]
    assert len(list(ROOM.pictures(outcome()))) == 1 + len(NAMES)


@pytest.mark.parametrize("more", [{}, {"words": ("red",), "weights": (0, 2)}, {"target": "blue"}])
def test_the_flow_names_the_attention(more):
    flow = ROOM.flow(AttentionRequest(condition=Condition(prompt="red"), **more))
    assert "attention" in [part.name for part in flow.parts] and flow.whole
    assert dict(ROOM.scripts_of(AttentionRequest(condition=Condition(prompt="red"), **more))).keys() == {"words.py"}
