"""The room of two stages without a browser: what it asks for, what it shows of a run, and what it says."""

import html
import json
import pickle
import re

import numpy as np
import pytest

from lab.catalog import MODELS
from lab.requests.base import LabError
from lab.requests.sampling import LaneResult
from lab.requests.unclip import UNCLIPS, Embedded, Judged, Near, PriorStep
from lab.settings import Settings
from lab.ui.shell.form import Form
from lab.ui.shell.rooms.room import Asked
from lab.ui.tabs.unclip.stages import charts, plans, view
from lab.ui.tabs.unclip.stages.room import FIELDS, Stages
from lab.ui.tabs.unclip.tab import _row
from lab.unclip_curves import Retrieval, UnclipCurves

ROOM, FORM = Stages(), Form("unclip", FIELDS)
GREY = np.full((8, 8, 3), 128, np.uint8)
FITS = {"stack": 0.5, "words": 0.25, "text": -0.25}


def asked(prompt="<red> apple", seed=3, **values):
    return Asked(
        FORM.complete(values) | {"prompt": prompt, "seed": seed}, _row(UNCLIPS["unclip"]), None, None, Settings()
    )


def near(cosine, shade=0):
    return Near(GREY + shade, "red <apple>", "food-drink", cosine)


def outcome(seeds=2, candidates=2, judged=True):
    """The second candidate of every seed stays; the prior makes ten calls, and each way's fit is that of FITS less 0.1 a seed."""
    found = ROOM.outcome(ROOM.request(asked(stages_seeds=seeds, stages_candidates=candidates, stages_prior_steps=10)))
    found.add(Embedded(plans.TEXT, np.zeros(4), (near(0.7),), 1.0))
    for k in range(seeds):
        for candidate in range(candidates):
            for i in range(11):
                found.add(PriorStep(plans.drawn(k), candidate, i, 10, 900.0 - i, 0.0, near(0.8, shade=candidate)))
        found.add(Embedded(plans.drawn(k), np.zeros(4), (near(0.9),) * 4, 0.6, candidate=candidates - 1))
        for way, fit in FITS.items():
            lane = plans.lane(k, way)
            found.add(LaneResult(lane, GREY, 20, 0.1))
            if judged:
                found.add(Judged(lane, np.ones(4), near(0.9), rank=1 + k, captions=680, fit=fit - 0.1 * k))
    return pickle.loads(pickle.dumps(found))


@pytest.fixture(autouse=True)
def nothing_measured(monkeypatch):
    monkeypatch.setattr(plans, "unclip_curves", lambda: None)


def curves():
    """By one prompt in ten more at scale 2 than at 8."""
    shares = {"stack": 0.8, "words": 0.7, "text": 0.4}
    points = [
        Retrieval(way, "caption", scale, share - (0.1 if scale == 8 else 0), 1)
        for way, share in shares.items()
        for scale in (2.0, 8.0)
    ]
    return UnclipCurves((*points, Retrieval("stack", "article", 2.0, 0, 0)), (), (), 64, 680, 0, 0, 20, 25, 2, 2, "")


def text(markup):
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", markup)))


def test_each_seed_has_an_embedding_and_three_pictures_of_one_noise_and_one_scale():
    request = ROOM.request(asked(stages_seeds=2, stages_candidates=4, stages_scale=5, stages_steps=7))
    assert [one.kind for one in request.embeddings] == ["text", "prior", "prior"]
    assert [one.seed for one in request.embeddings[1:]] == [3, 7] and request.embeddings[1].candidates == 4
    assert request.judged and request.caption == "<red> apple" and request.unclip == "unclip"
    for k in range(2):
        stack, words, told = (request.lanes[plans.lane(k, way)] for way in ("stack", "words", "text"))
        assert (stack.embedding, words.way, words.caption, told.embedding) == (
            1 + k,
            "words",
            "<red> apple",
            plans.TEXT,
        )
        assert {(one.seed, one.guidance_scale, one.steps) for one in (stack, words, told)} == {(3 + k, 5, 7)}
        assert stack.caption == told.caption == ""


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"prompt": " "}, "Write what is to be drawn"),
        ({"prompt": "x" * 400}, "rompt"),
        ({"stages_seeds": 9}, "Whole numbers from 1 to 4"),
        ({"stages_candidates": 2.5}, "must be a whole number"),
        ({"seed": 2**31 - 1}, "pass the largest seed"),
    ],
)
def test_what_cannot_be_asked_for_is_said(values, says):
    with pytest.raises(LabError, match=says):
        ROOM.request(asked(**values))


def test_a_row_shows_the_way_of_the_candidate_that_stays():
    found = outcome()
    shown = [one.nearest.picture.max() for one in view.calls(found, 0)]
    assert shown == [129] * view.CALLS
    del found.embedded[plans.drawn(0)]
    assert [one.nearest.picture.max() for one in view.calls(found, 0)] == [128] * view.CALLS
    assert [one.i for one in view.calls(found, 1)] == [0, 1, 3, 4, 5, 6, 8, 9]


def test_the_strip_fills_while_the_prior_draws():
    found = outcome()
    steps = found.prior_steps[plans.drawn(0), 1]
    del steps[4:]
    assert [one is not None for one in view.calls(found, 0)] == [True, True, True] + [False] * 5


def test_the_stage_is_as_large_before_a_run_and_escapes_what_is_written():
    before, after = view.stage(None, "<red> apple", 2), view.stage(outcome(), "", 2)
    for markup in (before, after):
        assert markup.count("<section") == 1 + 2 and markup.count('class="box"') == 4 + 2 * (3 + view.NEAREST)
        assert markup.count("<figure") == 4 + 2 * (3 + view.NEAREST + view.CALLS) and "<red>" not in markup
    assert "<img" not in before and "rank 2 of 680" in after and "best of 2" in after


def test_beneath_the_columns_stands_what_the_judge_and_the_paper_say():
    said = text(view.stage(outcome(), "", 2)).partition("ranks the prompt first")[2]
    assert "1 of 2 1 of 2 1 of 2" in said and "0.45 0.20 −0.30" in said and "7.99 9.16 16.55" in said
    assert plans.verdict(outcome(judged=False), "stack") is None


def test_the_sentences_have_the_runs_figures():
    said = text(view.words(outcome()))
    assert "has cosine 0.70, the one nearest to the prior’s 0.90" in said
    assert "best first: Prior + decoder 0.45, Text-to-image 0.20, Decoder alone −0.30" in said
    assert view.words(outcome(judged=False)) == ""


@pytest.mark.parametrize(("scale", "said"), [(2, "80 % 70 % 40 %"), (6, "70 % 60 % 30 %")])
def test_what_was_measured_over_many_prompts_stands_beside_it(monkeypatch, scale, said):
    monkeypatch.setattr(plans, "unclip_curves", curves)
    found = outcome()
    found.request = ROOM.request(asked(stages_seeds=2, stages_candidates=2, stages_scale=scale))
    nearest = 2 if scale == 2 else 8
    assert f"64 prompts, scale {nearest} {said}" in text(view.stage(found, "", 2))
    assert f"at scale {nearest}, it ranks the caption first for: Prior + decoder {said[:4]}" in text(view.words(found))


def test_chart_and_table_have_every_picture():
    found = outcome()
    traces = json.loads(charts.chart(found).plot)["data"]
    assert [one["y"] for one in traces] == [[0.5, 0.25, -0.25], [0.4, 0.15, -0.35]]
    assert charts.chart(outcome(judged=False)) is None
    rows = re.findall(r"<tr><td>.*?</tr>", view.table(found))
    assert len(rows) == 6 and "0.600" in rows[0] and "2 of 680" in rows[3]
    assert [stem for stem, _ in ROOM.pictures(found)][:2] == ["stages-seed-3-stack", "stages-seed-3-words"]
    assert ROOM.summary(found).startswith("2 embeddings of the prior, 6 pictures")


def test_the_flow_and_the_script_are_those_of_the_request():
    request = ROOM.request(asked(stages_seeds=1))
    flow = ROOM.flow(request)
    assert [part.name for part in flow.parts] == ["words", "CLIP’s text", "prior", "decoder", "judge"]
    assert "3 pictures, 60 calls" in flow.whole
    assert dict(ROOM.scripts_of(request)).keys() == {"stages.py"}
    assert MODELS["text-to-image"].name in dict(ROOM.scripts_of(request))["stages.py"]
