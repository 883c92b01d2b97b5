"""The room of diversity without a browser: what it asks for, what it measures, and what it says."""

import html
import json
import pickle
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from lab.engine import embeddings
from lab.measures import unlikeness
from lab.requests.base import LabError
from lab.requests.sampling import LaneResult
from lab.requests.unclip import UNCLIPS, Embedded, Judged, Near
from lab.settings import Settings
from lab.ui.shell.form import Form
from lab.ui.shell.rooms.room import Asked
from lab.ui.tabs.unclip.diversity import charts, plans, view
from lab.ui.tabs.unclip.diversity.room import FIELDS, Diversity
from lab.ui.tabs.unclip.tab import _row
from lab.unclip_curves import Spread, UnclipCurves

ROOM, FORM = Diversity(), Form("unclip", FIELDS)
GREY = np.full((8, 8, 3), 128, np.uint8)
NEAR = Near(GREY, "<cat>", "animals-nature", 0.9)


def asked(prompt="cat", seed=3, **values):
    values = {"diversity_scales": "1, 4", "diversity_seeds": 3} | values
    return Asked(
        FORM.complete(values) | {"prompt": prompt, "seed": seed}, _row(UNCLIPS["unclip"]), None, None, Settings()
    )


def outcome(prior=plans.ONE):
    """The words' seeds are at right angles at scale 1, and one picture at 4; the decoder's are at right angles at both."""
    found = ROOM.outcome(ROOM.request(asked(diversity_prior=prior)))
    for index in range(len(found.request.embeddings)):
        found.add(Embedded(index, np.zeros(4), (NEAR,), 0.6, candidate=0))
    for index, lane in enumerate(found.request.lanes):
        apart = lane.way == plans.UNCLIP or lane.guidance_scale == 1
        found.add(LaneResult(index, GREY, 12, 0.1))
        found.add(
            Judged(
                index, np.eye(4)[lane.seed - 3 if apart else 0], NEAR, rank=1, captions=680, fit=lane.guidance_scale / 8
            )
        )
    return pickle.loads(pickle.dumps(found))


@pytest.fixture(autouse=True)
def nothing_measured(monkeypatch):
    for module in (plans, view, charts):
        monkeypatch.setattr(module, "unclip_curves", lambda: None)


def curves():
    points = [
        Spread(way, scale, start / scale, 0.5)
        for way, start in (("words", 0.4), ("fixed", 0.2), ("each", 0.3))
        for scale in (1.0, 2.0)
    ]
    return UnclipCurves((), (), tuple(points), 64, 680, 16, 8, 20, 25, 2, 2, "")


def text(markup):
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", markup)))


@pytest.mark.parametrize("n", [1, 2, 7])
def test_the_measure_of_the_page_is_the_engines(n):
    vectors = np.random.default_rng(0).normal(size=(n, 16))
    assert unlikeness(vectors) == pytest.approx(embeddings.diversity(torch.from_numpy(vectors)), abs=1e-9)


def test_both_ways_begin_at_one_noise_and_one_embedding_serves_all_or_each_seed_has_its_own():
    one, each = (ROOM.request(asked(diversity_prior=prior)) for prior in (plans.ONE, plans.EACH))
    assert [one_.seed for one_ in one.embeddings] == [3] and [one_.seed for one_ in each.embeddings] == [3, 7, 11]
    rows = plans.rows(one)
    assert list(rows) == [("words", 1), ("unclip", 1), ("words", 4), ("unclip", 4)]
    for (way, scale), lanes in rows.items():
        assert [one.lanes[lane].seed for lane in lanes] == [3, 4, 5] == [each.lanes[lane].seed for lane in lanes]
        assert {(one.lanes[lane].way, one.lanes[lane].guidance_scale) for lane in lanes} == {(way, scale)}
    told = [lane for lane in each.lanes if lane.way == plans.UNCLIP]
    assert [lane.embedding for lane in told] == [0, 1, 2] * 2
    assert {lane.embedding for lane in one.lanes if lane.way == plans.UNCLIP} == {0}
    assert plans.scales(one) == [1, 4] and plans.seeds(one) == [3, 4, 5]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"prompt": ""}, "Write what is to be drawn"),
        ({"diversity_scales": "3"}, "write 2 to 6 of them"),
        ({"diversity_scales": "1, 200"}, "out of range"),
        ({"diversity_seeds": 1}, "Whole numbers from 2 to 6"),
        ({"seed": 2**31 - 1}, "pass the largest seed"),
    ],
)
def test_what_cannot_be_asked_for_is_said(values, says):
    with pytest.raises(LabError, match=says):
        ROOM.request(asked(**values))


def test_diversity_is_that_of_the_judges_vectors_as_far_as_they_are_there():
    found = outcome()
    assert plans.diversity(found, plans.Place(plans.WORDS, 1)) == pytest.approx(1)
    assert plans.diversity(found, plans.Place(plans.WORDS, 4)) == pytest.approx(0)
    assert plans.fit(found, plans.Place(plans.UNCLIP, 4)) == 0.5
    for lane in plans.rows(found.request)[plans.WORDS, 1][1:]:
        del found.judged[lane]
    assert plans.diversity(found, plans.Place(plans.WORDS, 1)) is None


@pytest.mark.parametrize("prior", [plans.ONE, plans.EACH])
def test_two_grids_stand_side_by_side_as_large_before_a_run(prior):
    before, after = view.stage(None, (1, 4), 3, prior), view.stage(outcome(prior), (), 0, "")
    near = 3 if prior == plans.EACH else 1
    assert before.count('class="box"') == after.count('class="box"') == 2 * 2 * 3 + near
    assert "<img" not in before and after.count("<img") == 12 + near and "<cat>" not in after
    assert "scale 4 0.00" in text(after) and "scale 4 1.00" in text(after)


def test_what_is_said_has_the_runs_figures():
    said = text(view.words(outcome()))
    assert "from 1.00 to 0.00 (−100 %) for the words, and from 1.00 to 1.00 (+0 %) for the decoder" in said
    assert "with one embedding" in said and "for each seed" in text(view.words(outcome(plans.EACH)))
    rows = re.findall(r"<tr><td>.*?</tr>", view.table(outcome()))
    assert len(rows) == 4 and "0.125" in rows[0] and "Text-to-image" in rows[1]


def test_the_chart_has_a_curve_for_each_way():
    figure = json.loads(charts.chart(outcome()).plot)
    assert [(one["name"], one["x"], one["y"]) for one in figure["data"]] == [
        ("text-to-image", [1, 4], [1, 0]),
        ("decoder", [1, 4], [1, 1]),
    ]
    assert charts.chart(ROOM.outcome(ROOM.request(asked()))) is None


def test_what_was_measured_over_many_prompts_is_drawn_and_said_where_it_is_the_same_question(monkeypatch):
    for module in (plans, view, charts):
        monkeypatch.setattr(module, "unclip_curves", curves)
    for prior, measured in ((plans.ONE, [0.2, 0.1]), (plans.EACH, [0.3, 0.15])):
        traces = json.loads(charts.chart(outcome(prior)).plot)["data"][2:]
        assert [(one["name"], one["x"], one["y"]) for one in traces] == [
            ("text-to-image, 16 prompts", [1, 2], [0.4, 0.2]),
            ("decoder, 16 prompts", [1, 2], measured),
        ]
        said = text(view.words(outcome(prior)))
        a, b = (f"{value:.2f}" for value in measured)
        assert (
            f"Over 16 prompts with 8 seeds each, from scale 1 to 2: 0.40 to 0.20 (−50 %) for the words, {a} to {b}"
            in said
        )


def test_nothing_is_said_of_what_was_not_measured(monkeypatch):
    without = replace(curves(), diversity=tuple(one for one in curves().diversity if one.way != "each"))
    for module in (plans, view, charts):
        monkeypatch.setattr(module, "unclip_curves", lambda: without)
    traces = json.loads(charts.chart(outcome(plans.EACH)).plot)["data"]
    assert [one["name"] for one in traces] == ["text-to-image", "decoder", "text-to-image, 16 prompts"]
    assert "Over 16" not in view.words(outcome(plans.EACH))


def test_files_flow_and_script():
    found = outcome()
    stems = [stem for stem, _ in ROOM.pictures(found)]
    assert len(set(stems)) == 12 and stems[0] == "diversity-words-scale-1-seed-3"
    assert ROOM.flow(found.request).whole.startswith("12 pictures, 144 calls")
    assert dict(ROOM.scripts_of(found.request)).keys() == {"diversity.py"}
    assert ROOM.summary(found) == "12 pictures: 2 scales, 3 seeds, two ways."
