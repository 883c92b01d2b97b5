"""The rules of guidance as the tab offers them, and what their guides ask of the form."""

import html
import re

import numpy as np
import pytest

from lab.catalog import GUIDANCE, MODELS, rules_for
from lab.requests.base import LabError
from lab.requests.fields import GuideSettings
from lab.requests.sampling import LaneResult, Step
from lab.ui.tabs.guidance import charts, rules, texts
from tests.ui.tabs.test_guidance import QUICK, Backend, make_tab, run, values_of
from tests.ui.values import set_to

GUIDED = ["cfg", "classifier", "classifier_conditional"]
OF_GUIDES = {"temperature", "colour", "region", "brightness"}


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("#E8590C", "#e8590c"),
        ("#f80", "#ff8800"),
        ("#e8590cff", "#e8590c"),
        ("rgb(232, 89, 12)", "#e8590c"),
        ("rgba(232.4, 88.9, 12, 0.5)", "#e8590c"),
        ("rgb(232 89 12 / 1)", "#e8590c"),
        ("hsl(0, 100%, 50%)", "#ff0000"),
        ("hsla(120deg, 100%, 25%, 1)", "#008000"),
        ("  #ABC ", "#aabbcc"),
    ],
)
def test_a_colour_is_read_as_pickers_write_it(typed, meant):
    """The forms of CSS Color 4, sections 5.1 and 7; its example 120deg 100% 25% is green, #008000."""
    assert rules.parse_colour(typed) == meant


@pytest.mark.parametrize("typed", ["", None, "red", "#12", "#12345", "rgb(1, 2)", "rgb(256, 0, 0)", "rgb(a, b, c)", {}, "rgb(nan, 0, 0)"])  # fmt: skip
def test_what_is_no_colour_is_refused_in_words(typed):
    with pytest.raises(LabError, match="is no colour. Choose one"):
        rules.parse_colour(typed)


@pytest.mark.parametrize("model", [row for row in MODELS.values() if row.guided], ids=lambda row: row.name)
def test_the_rules_of_a_model_are_offered_each_with_its_kind(model):
    offered = {name: title for title, name in rules.choices(model)}
    assert offered.keys() == rules_for(model).keys() >= set(rules.first(model)) > set()
    assert all(title == f"{GUIDANCE[name].title} ({rules.kind(GUIDANCE[name])})" for name, title in offered.items())
    assert len(rules.first(model)) <= 5


def test_first_rules():
    assert rules.first(MODELS["pixel"]) == GUIDED
    assert rules.first(MODELS["text-to-image"]) == ["cfg", "rescaled", "interval", "apg"]


def looks(tab, **changes):
    """Which controls are there, and their labels, after the visitor chose other rules or another experiment."""
    update = tab.on_experiment(values_of(tab, **changes))
    return {name: update[part] for name, part in tab.form.parts.items() if part in update}


@pytest.mark.parametrize(
    ("chosen", "there"),
    [
        (["cfg", "apg"], set()),
        (GUIDED, {"temperature"}),
        (["cfg", "colour"], {"colour"}),
        (["brightness", "symmetry"], {"region", "brightness"}),
    ],
)
def test_a_control_of_a_guide_is_there_only_where_a_chosen_rule_needs_it(chosen, there):
    tab = make_tab()
    seen = looks(tab, model="exact", experiment="rules", rules=chosen)
    assert {name for name in OF_GUIDES if seen[name]["visible"]} == there
    seen = looks(tab, model="exact", experiment="sweep", rules=chosen)
    assert not any(seen[name]["visible"] for name in OF_GUIDES)
    of_latents = {name: tab.on_model(values_of(tab, experiment="rules"))[tab.form[name]] for name in OF_GUIDES}
    assert not any(update["visible"] for update in of_latents.values())


def test_a_model_that_reads_no_words_has_a_prompt_where_clip_guides(monkeypatch):
    monkeypatch.setitem(GUIDANCE, "words", clip_rule())
    guided = MODELS["pixel"].__class__(**vars(MODELS["pixel"]) | {"guides": {"clip": ""}})
    monkeypatch.setitem(MODELS, "pixel", guided)
    tab = make_tab()
    seen = looks(tab, model="pixel", experiment="rules", rules=["cfg", "words"])["prompt"]
    assert seen["visible"] and "only the CLIP guide reads it" in seen["label"]
    assert not looks(tab, model="pixel", experiment="rules", rules=["cfg"])["prompt"]["visible"]
    assert looks(tab, model="exact", experiment="rules", rules=["cfg"])["prompt"]["label"] == "Prompt"


def clip_rule():
    row = GUIDANCE["classifier"]
    return row.__class__(**vars(row) | {"name": "words", "title": "Words", "guide": "clip"})


def asked(**changes):
    tab = make_tab()
    run(tab, **{"model": "exact", "experiment": "rules", "seeds": "1", **changes})
    (request,) = tab.backend.requests
    return request


def test_the_request_carries_what_the_chosen_guides_want_and_nothing_else():
    given = {"temperature": 2.5, "colour": "rgb(0, 128, 255)", "region": "top", "brightness": 0.25}
    assert asked(rules=GUIDED, **given).guide == GuideSettings(temperature=2.5)
    assert asked(rules=["colour"], **given).guide == GuideSettings(colour="#0080ff")
    assert asked(rules=["brightness"], **given).guide == GuideSettings(region="top", brightness=0.25)
    assert asked(rules=["cfg"], **given).guide == GuideSettings()


def test_another_temperature_starts_anew_and_a_bad_colour_is_refused():
    tab = make_tab()
    rules_of = {"experiment": "rules", "rules": GUIDED, "seeds": "1"}
    kept = run(tab, **rules_of)[tab.last_run]
    run(tab, kept, **rules_of, temperature=3)
    assert len(tab.backend.requests[-1].lanes) == len(kept.plan.request.lanes) == 9
    said = run(tab, kept, **rules_of | {"rules": ["colour"]}, colour="reddish")[tab.runs.note]
    assert "Colour: &#x27;reddish&#x27; is no colour" in said


def test_a_link_brings_the_settings_of_guides_back():
    tab = make_tab()
    changes = {"model": "exact", "experiment": "rules", "rules": ["colour", "classifier"], "colour": "#00ff00", "temperature": 4.5}  # fmt: skip
    values = values_of(tab, **QUICK | changes)
    capsule = tab.share.make(values, tab.request(values))
    update, _, _ = tab.restore(capsule, tab.share.values_in(capsule))
    assert {name: set_to(update[tab.form[name]]) for name in changes} == changes
    assert update[tab.form["colour"]]["visible"] and not update[tab.form["region"]]["visible"]


def heads(markup):
    return [part.split("</i>")[0] for part in markup.split('<span class="head"')[1:] for part in [part.split("<i>")[1]]]


@pytest.mark.parametrize(
    ("chosen", "negative", "said"),
    [
        (GUIDED, "", ["unconditional", "conditional"]),
        (["cfg"], "red", ["negative", "conditional"]),
        (["cfg", "colour"], "", ["&nbsp;", "&nbsp;"]),
        (["colour", "symmetry"], "", ["no pull", "&nbsp;"]),
    ],
)
def test_heads_say_what_a_scale_is_where_all_rules_agree(chosen, negative, said):
    tab = make_tab()
    stage = run(tab, experiment="rules", rules=chosen, negative=negative, seeds="1")[tab.stage]
    assert heads(stage) == [*said, "&nbsp;"]
    assert all(f'--rule:{GUIDANCE[name].colour}">' in stage for name in chosen)


def test_words_say_what_each_kind_of_rule_does():
    assert texts.words("rules", "exact", ["cfg", "classifier"]).count(texts.BAYES) == 1
    assert texts.BAYES not in texts.words("rules", "pixel", ["cfg", "classifier"])
    assert texts.words("rules", "pixel", ["colour", "symmetry", "brightness"]).count(texts.LOSS_WORDS) == 1
    assert texts.words("rules", "text-to-image", ["cfg", "apg"]).endswith(f"{texts.WORDS['rules']}</p>")


def test_every_kind_of_rule_has_words():
    for row in GUIDANCE.values():
        assert (row.guide, row.base) in texts.GUIDE_WORDS or rules.kind(row) == rules.ANY_LOSS
        assert rules.kind(row) in texts.HEADS and row.title in texts.ABOUT


class Judging(Backend):
    """The guide finds its own pictures better and better, the judge a third of it, and classifier-free ones as good."""

    def run(self, request, stop=None, client=""):
        self.requests.append(request)
        clip = any(GUIDANCE[lane.rule].guide == "clip" for lane in request.lanes)
        for index, lane in enumerate(request.lanes):
            shade = np.full((8, 8, 3), 10 * lane.seed, np.uint8)
            yield Step(index, 0, 1, -1.0, 0.0, shade, shade, 0.1)
            own = GUIDANCE[lane.rule].guide == "clip"
            guide, judge = (0.03, 0.01) if own else (0.01, 0.012)
            scores = {"guide": guide * lane.guidance_scale, "judge": judge * lane.guidance_scale} if clip else {}
            yield LaneResult(
                index, shade, 1, 0.1, measures=scores | {"saturation": 0.1, "clipped": 0.0, "contrast": 0.2}
            )


@pytest.fixture
def judged(monkeypatch):
    monkeypatch.setitem(GUIDANCE, "words", clip_rule())
    guided = MODELS["exact"].__class__(**vars(MODELS["exact"]) | {"guides": {"clip": ""}})
    monkeypatch.setitem(MODELS, "exact", guided)
    return make_tab(Judging())


def test_what_clip_guided_is_shown_by_guide_and_judge_and_their_gap(judged):
    last = run(judged, experiment="rules", rules=["cfg", "words"], scales="0, 1, 10", seeds="1")
    drawn = html.unescape(last[judged.curves])
    titles = re.findall('aria-label="([^"]+)"', drawn)
    assert titles == ["guide's score", "judge's score", "judge over guide", "diversity", "saturation", "clipped pixels"]
    assert "Words, from scale 0 to 10: guide +0.30, judge +0.10." in drawn
    assert "at the highest scale: +0.20 for the guide, −0.02 for the judge, a gap of +0.22." in drawn
    points = drawn.split('data-curve="Words" data-across="guide')[1].split('data-points="')[1].split('"')[0]
    assert [tuple(map(float, point.split(","))) for point in points.split()] == [(0, 0), (0.03, 0.01), (0.3, 0.1)]
    with open(last[judged.csv]["value"]) as file:
        assert file.readline().startswith("rule,seed,guidance_scale,guide,judge,saturation")


def test_new_cells_beside_those_that_clip_guided_are_scored_by_the_judge_too(judged):
    chosen = {"experiment": "rules", "scales": "1, 3", "seeds": "1"}
    kept = run(judged, rules=["words"], **chosen)[judged.last_run]
    kept = run(judged, kept, rules=["words", "cfg"], **chosen)[judged.last_run]
    assert [lane.rule for lane in judged.backend.requests[-1].lanes] == ["cfg", "cfg", "words"]
    assert all("judge" in cell.measures for cell in kept.cells.values())


def test_the_gap_of_a_grid_without_pictures_is_not_said(judged):
    kept = run(judged, experiment="rules", rules=["words"], scales="3", seeds="1")[judged.last_run]
    assert charts.gap(kept) == ""
