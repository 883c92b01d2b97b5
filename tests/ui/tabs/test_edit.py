"""The Edit tab without a browser: what an experiment asks for and where its pictures stand, figures, and bad input."""

import json
import re
from dataclasses import replace
from html import unescape
from math import inf, nan
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from lab.capsules.capsule import KEYWORD, from_json, from_link, make
from lab.capsules.recordings import from_bytes
from lab.catalog import EDITS, MODELS, VIEWS, add_hub_models
from lab.measures import seam
from lab.requests.base import LabError
from lab.requests.edit import EditRequest, Original
from lab.requests.enlarge import Enlarged, EnlargeRequest
from lab.requests.sampling import Decoded, LaneResult, Step
from lab.settings import Settings
from lab.ui.tabs.edit import charts, controls, plans, presets, view
from lab.ui.tabs.edit import drawing as drawings
from lab.ui.tabs.edit import tab as edit
from lab.ui.tabs.edit.outcome import DIVERSITY, Outcome, with_hole
from lab.ui.tabs.edit.sketches import SKETCHES, strokes
from lab.views import second_view
from tests.ui.values import first_values, part_of, set_to

VISITOR = SimpleNamespace(session_hash="visitor")
EXPERIMENTS = tuple(name for _, name in controls.EXPERIMENTS)
GREY = np.full((8, 8, 3), 128, np.uint8)
MEASURES = ("rms", "edges", "known_rms", "seam", "judge", "judge_source", "psnr", "detail")


class Backend:
    """Records the request and answers with what `events` makes of it."""

    def __init__(self, events):
        self.events, self.request = events, None

    def run(self, request, stop=None, client=""):
        self.request = request
        for event in self.events(request):
            yield event
            if stop is not None and stop.is_set():
                return


def shade(lane):
    picture = np.full((8, 8, 3), 10 * lane, np.uint8)
    picture[0] = 200  # top and bottom differ
    return picture


def drawn(request):
    """Every lane in two calls; lane k ends in `shade(k)`, with measures k hundredths and so on."""
    hidden = request.load().hidden
    if isinstance(request, EditRequest) and request.picture is not None:
        hole = None if request.mask is None else request.mask[:: len(request.mask) // 8, :: len(request.mask) // 8]
        yield Original(GREY, GREY, hole)
    up = isinstance(request, EditRequest)
    for i, t, log_snr in ((0, 0.0, 9.0 if up else -9.0), (1, 499.0, 0.0), (2, -1.0, inf)) if hidden else ():
        yield Step(-1, i, 2, t, log_snr, np.full_like(GREY, 40 * i), GREY, 0.1, decoded=False)
    if isinstance(request, EnlargeRequest):
        original = None if request.picture is None else GREY
        numbers = {"detail": 0.5} if original is None else {"detail": 0.5, "psnr": 30.0}
        yield Enlarged(
            GREY[:4, :4], dict.fromkeys(plans.FORMULAS, GREY), dict.fromkeys(plans.FORMULAS, numbers), original
        )
    for i, t, log_snr in ((0, 999.0, -9.0), (1, 499.0, 0.0), (2, -1.0, inf)):
        for lane in range(len(request.lanes)):
            yield Step(lane, i, 2, t, log_snr, GREY, shade(lane) if i == 2 else GREY, 0.1, decoded=i == 2)
    for lane in range(len(request.lanes)):
        yield LaneResult(lane, shade(lane), 2, 0.1, measures=dict.fromkeys(MEASURES, (lane + 1) / 10))
    for lane in range(len(request.lanes)):
        yield Decoded(lane, 1, GREY)


def make_tab(events=drawn, **settings):
    with gr.Blocks(), gr.Tab() as page:
        return edit.build(Backend(events), Settings(**settings), page)


@pytest.fixture(scope="module")
def tab():
    return make_tab()


def values_of(tab, subject=("red apple", "middle"), **changes):
    now = tab.form.complete({name: value for name, value in changes.items() if name == "model"})
    drawing = drawings.begin(subject[0], tab.form.model(now).size, subject[1])
    whole = first_values(tab) | {tab.board.drawing: drawing}
    return whole | {part_of(tab, name): value for name, value in (now | changes).items()}


def run(tab, values=None, **changes):
    """The last of all that a press of Run sets."""
    last = {}
    for update in tab.on_run(values or values_of(tab, **changes), VISITOR):
        last |= update
    return last


def plan_of(tab, subject=("red apple", "middle"), **changes):
    now = tab.form.complete(changes)
    return plans.plan(now, tab.form.model(now), drawings.begin(subject[0], 64, subject[1]))


# Plans


@pytest.mark.parametrize("experiment", EXPERIMENTS)
@pytest.mark.parametrize("count", [1, 3])
def test_each_picture_stands_below_and_beside_what_it_is(tab, experiment, count):
    plan = plan_of(tab, experiment=experiment, count=count, seed=5, prompt="cat", source="dog")
    assert {cell.lane for cell in plan.cells} == set(range(len(plan.lanes))) and len(plan.names) == len(plan.lanes)
    assert len(plan.cells) == len(plan.rows) * len(plan.columns) == len({*plan.cells})
    for place, cell in enumerate(plan.cells):
        row, column = plan.rows[place // len(plan.columns)], plan.columns[place % len(plan.columns)]
        lane, heads = plan.lanes[cell.lane], f"{row.title} {row.more} {column.title} {column.more}"
        if experiment != "words":
            assert f"seed {lane.seed}" in heads and plan.names[cell.lane].endswith(f"seed {lane.seed}")
        if experiment == "noise":
            assert column.title == f"{lane.strength:g}"
        elif experiment == "fill":
            assert column.title == EDITS[lane.method].title
        elif experiment == "words":
            assert column.title == f"{lane.guidance_scale:g}"
            assert row.more == {"source": "dog", "target": "cat"}[lane.words]
        elif experiment == "enlarge":
            assert column.title == f"{lane.noise}"
    for column in range(len(plan.columns)):
        assert all(plan.column_of(lane) == column for lane in plan.lanes_in(column))


def test_repaint_has_a_column_for_each_number_of_resamplings(tab):
    plan = plan_of(tab, experiment="fill", methods=["repaint", "replace"], resamplings="1, 4, 9", jump=2, count=1)
    assert [(lane.method, lane.resamplings, lane.jump) for lane in plan.lanes] == [
        ("replace", 1, 1), ("repaint", 1, 2), ("repaint", 4, 2), ("repaint", 9, 2),
    ]  # fmt: skip
    assert [head.more for head in plan.columns] == ["", "1 ×", "4 ×", "9 ×"]


def test_what_is_hidden_is_not_asked_for(tab):
    """A group that a model of words does not show, words that one of groups does not, a mask where there is no hole."""
    told = {"prompt": "cat", "source": "dog", "group": "symbols", "second_group": "objects", "style": "flat"}
    exact = plan_of(tab, model="exact", experiment="words", **told).request
    assert (exact.condition.prompt, exact.condition.group, exact.condition.style) == ("cat", "", "flat")
    assert (exact.source.prompt, exact.source.group, exact.source.style) == ("dog", "", "")
    pixel = plan_of(tab, model="pixel", experiment="two", **told).request
    assert (pixel.condition.group, pixel.source.group, pixel.condition.prompt) == ("symbols", "objects", "")
    assert plan_of(tab, experiment="noise", **told).request.mask is None
    both = plan_of(tab, experiment="two", **told).request
    assert both.condition.style == both.source.style == "flat"
    flipped, painted = (plan_of(tab, experiment="two", view=name, **told).request for name in ("flip", "painted"))
    assert flipped.mask is None and painted.mask.any() and flipped.picture is painted.picture is None


def test_an_enlarged_picture_is_as_sharp_as_it_came(tab):
    for side in (16, 32, 64):
        request = plan_of(tab, subject=("fox", ""), experiment="enlarge", side=side).request
        assert request.side == side and request.picture.shape == (2 * side, 2 * side, 3)
    cascade = plan_of(tab, experiment="enlarge", cascade=True, group="animals-nature", side=64)
    assert cascade.request.picture is None and cascade.request.side == 32
    assert cascade.request.condition.group == "animals-nature" and "original" not in [
        one.name for one in cascade.stills
    ]


@pytest.mark.parametrize("view_name", VIEWS)
def test_two_descriptions_have_two_rows_unless_each_has_a_region(tab, view_name):
    plan = plan_of(tab, experiment="two", view=view_name, prompt="cat", source="dog", count=2)
    rows = [head.more for head in plan.rows]
    kind = VIEWS[view_name].kind
    assert rows == {"regions": ["cat; dog"], "turned": ["cat", "dog"], "frequencies": ["dog", "cat"]}[kind]
    assert all(head.title for head in plan.rows)


@pytest.mark.parametrize("preset", presets.PRESETS, ids=lambda preset: preset.title)
def test_every_preset_makes_a_valid_request(tab, preset):
    values = values_of(tab) | {part: set_to(one) for part, one in tab.on_preset(preset).items()}
    request = tab.request(values)
    assert len(request.lanes) <= Settings().max_lanes
    assert 0 < len(preset.look) <= 125 and preset.place in ("#edit-stage", "#edit-board", "#edit-plot")


@pytest.mark.parametrize("name", SKETCHES)
def test_a_sketch_is_opaque_strokes_at_any_side(name):
    for side in (32, 64):
        layer = strokes(name, side)
        assert layer.shape == (side, side, 4) and set(np.unique(layer[..., 3])) == {0, 255}
        assert 0.1 < (layer[..., 3] > 0).mean() < 0.8


# What a model can do


@pytest.mark.parametrize(
    "row", [row for row in MODELS.values() if row.family in ("exact", "pixel") or row.latent], ids=lambda row: row.name
)
def test_ways_to_fill_follow_the_model(row):
    offered = controls.ways(row)
    assert ("nine" in offered) == bool(row.inpainting) and ("truth" in offered) == bool(
        row.family == "exact" or row.data
    )
    assert {"paste", "replace", "blend", "repaint"} <= set(offered)


def test_a_network_of_the_hub_that_was_made_for_holes_does_nothing_else(monkeypatch):
    monkeypatch.setattr("lab.ui.tabs.edit.controls.architecture", lambda row: SimpleNamespace(shape=(9, 64, 64)))
    monkeypatch.setattr("lab.catalog.MODELS", dict(MODELS))
    assert controls.ways(MODELS["sd-1-5"]) == ("nine",)
    assert [name for _, name in controls.experiments(MODELS["sd-1-5"])] == ["fill", "enlarge"]
    assert add_hub_models  # rows of the hub come from there


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_another_model_keeps_what_fits(tab, experiment):
    values = values_of(
        tab, experiment=experiment, prompt="cat face", source="dog", model="pixel", methods=["repaint", "truth"]
    )
    update = tab.on_model(values)
    assert set_to(update[tab.form["experiment"]]) == experiment
    assert set_to(update[tab.form["methods"]]) == ["repaint", "truth"]
    assert update[tab.board.drawing].side == 32 and not update[tab.form["prompt"]]["visible"]
    assert update[tab.form["group"]]["visible"] == (experiment != "enlarge")


@pytest.mark.parametrize(
    ("experiment", "there", "gone"),
    [
        ("noise", {"prompt", "strengths", "live", "guidance", "count"}, {"source", "methods", "view", "noises", "scales", "cascade"}),
        ("fill", {"prompt", "methods", "resamplings", "tolerance", "jump", "live"}, {"strengths", "source", "view", "side"}),
        ("words", {"prompt", "source", "scales"}, {"guidance", "count", "sampler", "methods"}),
        ("enlarge", {"noises", "side", "cascade", "count"}, {"prompt", "group", "model", "sampler", "guidance", "style"}),
        ("two", {"prompt", "source", "view", "guidance", "count"}, {"cutoff", "strengths", "live", "methods"}),
    ],
)  # fmt: skip
def test_controls_that_do_not_apply_hide(tab, experiment, there, gone):
    values = values_of(tab, experiment=experiment)
    shown = {part: update.get("visible") for part, update in tab.on_experiment(values).items()}
    assert all(shown[tab.form[name]] for name in there) and not any(shown[tab.form[name]] for name in gone)


def test_of_one_way_the_controls_of_others_hide(tab):
    shown = tab.on_experiment(values_of(tab, experiment="fill", methods=["replace"]))
    assert not any(shown[tab.form[name]]["visible"] for name in ("resamplings", "jump", "tolerance"))
    hybrid = tab.on_experiment(values_of(tab, experiment="two", view="frequencies"))
    assert hybrid[tab.form["cutoff"]]["visible"]
    cascade = tab.on_experiment(values_of(tab, experiment="enlarge", cascade=True))
    assert cascade[tab.form["group"]]["visible"] and not cascade[tab.form["side"]]["visible"]


def test_the_words_of_a_picture_are_its_caption_without_the_style(tab):
    values = values_of(tab, experiment="words")
    assert values[tab.board.drawing].caption == "red apple, glossy style"
    assert tab.on_picture(values)[tab.form["source"]] == "red apple"
    own = values | {tab.board.drawing: replace(values[tab.board.drawing], example="")}
    assert tab.on_picture(own)[tab.form["source"]] == ""  # what a visitor's own shows, the lab does not know
    kept = tab.on_picture(values_of(tab, experiment="two"))[tab.form["source"]]
    assert kept == gr.skip()


@pytest.mark.parametrize(
    ("strengths", "steps", "said"),
    [
        ("0, 0.04, 0.5", 20, "0 and 0.04 not one of 20 steps is taken, and no call is made: what is changed there"),
        ("0.5", 20, ""),
    ],
)
def test_strengths_too_low_for_a_step_are_said(tab, strengths, steps, said):
    notes = plan_of(tab, strengths=strengths, steps=steps).notes
    assert said in "".join(notes) and bool(notes) == bool(said)


def test_the_seam_stands_beside_that_of_the_picture_itself(tab):
    last = run(tab, experiment="fill", count=1)
    plan = last[tab.last_run].plan
    assert plan.own_seam == seam(plan.request.picture, plan.request.mask)
    assert f"has {plan.own_seam:.2f} there" in last[tab.words] and view.OWN in last[tab.table]
    laid_out = plan_of(tab, subject=("house", "border"), experiment="fill")
    assert laid_out.own_seam is None  # the paper around the small house is no picture to compare with


# What is painted


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_the_stage_has_every_picture_and_its_number(tab, experiment):
    last = run(tab, experiment=experiment, prompt="cat", source="dog <b>", count=2)
    stage, outcome = last[tab.stage], last[tab.last_run]
    names = [view.part(*cell) for cell in outcome.plan.cells]
    assert re.findall(r'data-part="(\d+-\w+)"', stage) == names
    key, _, digits = view.CORNER.get(experiment, ("detail", "", 2))  # which stands behind the PSNR
    for lane in range(len(outcome.plan.lanes)):
        assert f"{(lane + 1) / 10:.{digits}f}</small>" in stage, key
    assert "<b>dog" not in stage and "dog <b>" not in stage
    for one in outcome.plan.stills:
        assert f'data-part="{one.name}"' in stage
    frames = json.loads(unescape(re.search(r'data-frames="([^"]*)"', stage)[1]))
    assert {*names} <= frames["pictures"].keys()
    assert len(outcome.plan.lanes) == len(list(view.pictures(outcome)))
    assert "denoiser call" in last[tab.runs.note] and last[tab.table].count("<tr>") > 1


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_the_stage_keeps_its_places_while_it_fills(tab, experiment):
    """As many boxes before the first picture as after the last."""
    plan = plan_of(tab, experiment=experiment)
    outcome = run(tab, experiment=experiment)[tab.last_run]
    ends = {lane: steps[-1] for lane, steps in outcome.steps.items()}
    empty, full = view.stage(plan, {}, {}, {}), view.stage(outcome.plan, ends, outcome.results, outcome.stills)
    for mark in ("<figure", 'class="box"', '<span class="head"', '<span class="side"', "<figcaption"):
        assert empty.count(mark) == full.count(mark) > 0 or mark == "<figcaption", mark


def test_the_second_row_is_seen_in_the_second_view_and_the_first_turns(tab):
    last = run(tab, experiment="two", view="flip", prompt="cat", source="dog", count=1)
    first, second = re.findall(r'src="([^"]*)" data-part', last[tab.stage])
    assert first != second and 'data-view="flip"' in last[tab.stage]
    assert last[tab.stage].count('role="button"') == 1
    assert np.array_equal(second_view("flip", shade(0)), shade(0)[::-1])
    regions = run(tab, experiment="two", view="left-right", prompt="cat", source="dog", count=1)[tab.stage]
    assert 'role="button"' not in regions


def test_a_hole_is_hatched_and_the_rest_is_the_picture():
    picture, mask = np.full((64, 64, 3), 7, np.uint8), np.zeros((64, 64), bool)
    mask[20:40, 20:40] = True
    holed = with_hole(picture, mask)
    assert (holed[~mask] == 7).all() and (holed[mask] > 190).all() and len(np.unique(holed[mask])) > 1
    assert (picture == 7).all()


def test_the_way_up_is_scrubbed_beside_the_ways_down(tab):
    outcome = run(tab, experiment="words", prompt="cat", scales="1, 2")[tab.last_run]
    assert [step.i for step in outcome.way] == [0, 1, 2] and outcome.stills["x_T"].max() == 80
    film = view.film(outcome)
    assert film.pictures["picture"]["starts"] == [0]  # at the end, where it is the picture, the stage has it
    cascade = run(tab, experiment="enlarge", cascade=True)[tab.last_run]
    assert "small" in view.film(cascade).pictures


# Figures


def chart_of(outcome, noise="rms", fill="seam"):
    return json.loads(charts.chart(outcome, noise, fill).plot)


def test_the_trade_off_has_a_point_a_picture_and_a_mean_a_strength(tab):
    outcome = run(tab, experiment="noise", prompt="cat", strengths="0.2, 0.8", count=2)[tab.last_run]
    for across in ("rms", "edges"):
        dots, curve = chart_of(outcome, noise=across)["data"]
        assert sorted(dots["x"]) == [0.1, 0.2, 0.3, 0.4] and dots["y"] == dots["x"]
        assert curve["text"] == ["0.2", "0.8"] and curve["x"] == [0.2, 0.3] and curve["y"] == [0.2, 0.3]


def test_ways_are_compared_by_seam_known_part_and_diversity(tab):
    outcome = run(tab, experiment="fill", methods=["replace", "repaint"], resamplings="3", count=2)[tab.last_run]
    means = [trace for trace in chart_of(outcome)["data"] if trace["name"].endswith("all seeds")]
    assert [trace["x"] for trace in means] == [["Replacement"], ["RePaint 3 ×"]] and [
        trace["y"] for trace in means
    ] == [[0.2], [0.3]]
    apart = [trace["y"][0] for trace in chart_of(outcome, fill=DIVERSITY)["data"]]
    assert len(apart) == 2 and apart[0] == apart[1] > 0
    alone = run(tab, experiment="fill", methods=["replace"], count=1)[tab.last_run]
    lone = chart_of(alone, fill=DIVERSITY)
    assert lone["data"] == [] and "no other" in lone["layout"]["annotations"][0]["text"]


def test_diversity_is_that_of_the_hole(tab):
    outcome = run(tab, experiment="fill", methods=["replace"], count=2)[tab.last_run]
    mask = np.zeros((8, 8), bool)
    mask[4] = True
    assert replace(outcome, original=Original(GREY, GREY, mask)).mean(DIVERSITY, [0, 1]) == pytest.approx(
        10, abs=1e-3
    )  # shades 0 and 10 there
    assert replace(outcome, original=None).mean(DIVERSITY, [0, 1]) == pytest.approx(10 * (7 / 8) ** 0.5, abs=1e-3)


def test_reconstruction_is_drawn_over_the_guidance_scale(tab):
    outcome = run(tab, experiment="words", prompt="cat", scales="5, 1")[tab.last_run]
    own, other = chart_of(outcome)["data"]
    assert (own["x"], own["y"]) == ([1, 5], [0.2, 0.1]) and (other["x"], other["y"]) == ([1, 5], [0.4, 0.3])


def test_formulas_are_points_beside_the_upsampler(tab):
    outcome = run(tab, experiment="enlarge", noises="0, 100", count=2)[tab.last_run]
    names = [trace["name"] for trace in chart_of(outcome)["data"]]
    assert names == [*plans.FORMULAS, "each picture", "upsampler, mean over seeds"]
    cascade = run(tab, experiment="enlarge", cascade=True, noises="0, 100", count=2)[tab.last_run]
    assert [trace["name"] for trace in chart_of(cascade)["data"]] == ["upsampler", *plans.FORMULAS]


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_a_chart_without_a_value_says_why(tab, experiment):
    plan = plan_of(tab, experiment=experiment)
    figure = chart_of(Outcome(plan))
    assert figure["data"] == [] and figure["layout"]["annotations"][0]["text"]
    assert "press Run first" in tab.on_chart(first_values(tab) | {tab.last_run: None})[tab.runs.note]


# Bad input


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"strengths": ""}, "type at least one number"),
        ({"strengths": "0.5, much"}, "'much' is not a number"),
        ({"strengths": "0.5, 1.5"}, "Numbers from 0 to 1 are possible"),
        ({"strengths": "0,5"}, "two ways"),
        ({"count": None}, "Seeds"),
        ({"seed": -1}, "First seed"),
        ({"seed": nan}, "First seed"),
        ({"seed": 1.5}, "First seed"),
        ({"steps": None}, "Steps"),
        ({"guidance": None}, "Guidance"),
        ({"strengths": ", ".join(str(k / 100) for k in range(90))}, "one run makes at most 64"),
        ({"experiment": "fill", "methods": []}, "Choose at least one way"),
        ({"experiment": "fill", "methods": None}, "Choose at least one way"),
        ({"experiment": "fill", "subject": ("red apple", "")}, "paint over"),
        ({"experiment": "fill", "resamplings": "0"}, "from 1 to 20"),
        ({"experiment": "fill", "resamplings": "two"}, "is not a whole number"),
        ({"experiment": "fill", "tolerance": None}, "Tolerance"),
        ({"experiment": "words", "scales": "31"}, "Numbers from 0 to 30"),
        ({"experiment": "words", "prompt": "x" * 301}, "at most 300 characters"),
        ({"experiment": "enlarge", "noises": "400"}, "from 0 to 399"),
        ({"experiment": "enlarge", "noises": "-1"}, "from 0 to 399"),
        ({"experiment": "two", "view": "painted", "subject": ("red apple", "")}, "paint over"),
        ({"experiment": "two", "cutoff": 0.1, "view": "frequencies"}, "at least 0.5"),
    ],
)
def test_what_cannot_be_is_refused_in_words(tab, changes, words):
    note = run(tab, **changes)[tab.runs.note]
    assert "refusal" in note and words in unescape(note), note
    assert tab.on_flow(values_of(tab, **changes))  # the line above the stage falls back


@pytest.mark.parametrize("experiment", ["noise", "fill", "words", "enlarge"])
def test_without_a_picture_nothing_can_be_changed(tab, experiment):
    nothing = values_of(tab, experiment=experiment) | {tab.board.drawing: drawings.Drawing(None, None)}
    note = unescape(run(tab, nothing)[tab.runs.note])
    assert "refusal" in note and ("choose one" in note or "mask" in note)


def test_strengths_0_and_1_and_a_picture_of_one_pixel_and_a_full_mask_are_possible(tab):
    last = run(tab, strengths="0, 1", count=1)
    assert "no call is made" in last[tab.runs.note] and [lane.calls for lane in last[tab.last_run].plan.lanes] == [
        0,
        20,
    ]
    dot = drawings.resized(
        replace(drawings.begin("red apple", 64), example="", source=np.full((1, 1, 3), 9, np.uint8)), 64
    )
    values = values_of(tab, experiment="fill") | {tab.board.drawing: drawings.masked(dot, np.ones((64, 64), bool))}
    request = tab.request(values)
    assert request.mask.all() and (request.picture == 9).all()
    assert run(tab, values)[tab.last_run].results


def test_a_stopped_run_keeps_what_is_there():
    def pressed(request):
        for event in drawn(request):
            yield event
            if isinstance(event, Step) and event.lane == 1:
                tab.runs.on_stop(VISITOR)

    tab = make_tab(pressed)
    last = run(tab)
    assert "Stopped." in last[tab.runs.note] and last[tab.last_run].results == {} and last[tab.share.record] == ""
    assert set(last[tab.last_run].steps) == {0, 1, 2} and last[tab.runs.run]["interactive"]


def test_strokes_run_where_the_visitor_wants_it(tab):
    values = values_of(tab, experiment="noise", live=True)
    last = {}
    for update in tab.on_live(values, VISITOR):
        last |= update
    assert last[tab.last_run].results and tab.backend.request.replay == 0
    assert 'class="reel waits"' not in last[tab.stage]
    for still in ({"live": False}, {"experiment": "two"}):
        (update,) = tab.on_live(values_of(tab, **({"live": True} | still)), VISITOR)
        assert update == {tab.runs.note: gr.skip()}
    (empty,) = tab.on_live(values_of(tab, subject=("red apple", ""), experiment="fill", live=True), VISITOR)
    assert "Paint" in empty[tab.runs.note] and empty[tab.runs.run]["interactive"]


# Sharing


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_a_run_comes_back_by_its_link_and_the_picture_carries_it(tab, experiment):
    values = values_of(
        tab, subject=("cat face", "around the eyes"), experiment=experiment, prompt="cat", source="dog", count=2, seed=7
    )
    last = run(tab, values)
    capsule = from_link(last[tab.share.code])
    assert capsule == last[tab.share.capsule] and set(capsule.seeds) <= {7, 8} and 7 in capsule.seeds
    update, button, said = tab.restore(capsule, tab.share.values_in(capsule))
    again = values | {part: set_to(one) for part, one in update.items()}
    assert button == "edit-run" and said == ""
    first, second = tab.request(values), tab.request(again)
    assert first.model_dump(exclude={"picture", "mask"}) == second.model_dump(exclude={"picture", "mask"})
    for name in ("picture", "mask"):
        assert np.array_equal(getattr(first, name, None), getattr(second, name, None)), name
    paths = list(tab.pictures({tab.last_run: last[tab.last_run], tab.share.capsule: capsule}))
    assert len(paths) == len(first.lanes)
    with Image.open(paths[1]) as image:
        own = from_json(image.info[KEYWORD].encode())
        assert np.array_equal(np.asarray(image), shade(1))
    assert own.lane == 1 and own.values == capsule.values


def test_an_own_picture_too_large_for_a_link_waits_for_another(tab):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    mask = np.random.default_rng(1).random((64, 64)) < 0.5
    own = drawings.masked(drawings.resized(drawings.Drawing(None, None, source=noise), 64), mask)
    values = values_of(tab, experiment="fill") | {tab.board.drawing: own}
    last = run(tab, values)
    assert from_json(json.dumps(last[tab.share.capsule].model_dump()).encode()).values["drawing"]["png"]
    capsule = from_link(last[tab.share.code])
    update, button, said = tab.restore(capsule, tab.share.values_in(capsule))
    assert button == "" and "too large for a link" in said
    assert update[tab.board.drawing].picture is None and np.array_equal(update[tab.board.drawing].mask, mask)


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_a_run_has_a_script_for_each_column(tab, experiment):
    last = run(tab, experiment=experiment, prompt="cat", source="dog", count=1, subject=("cat face", "middle"))
    scripts, outcome = list(tab.scripts(last)), last[tab.last_run]
    assert len({one.name for one in scripts}) == len(scripts) == len(outcome.plan.columns)
    assert all(compile(one.text, one.name, "exec") for one in scripts)
    for column, one in enumerate(scripts):
        assert one.pictures["picture.png"] is outcome.results[outcome.plan.lanes_in(column)[0]].picture
    with pytest.raises(LabError, match="press Run first"):
        list(tab.scripts({tab.last_run: None}))


@pytest.mark.parametrize("experiment", ["noise", "fill", "words", "two"])
def test_a_recording_replays_the_run_without_computing(tab, experiment):
    told = {"prompt": "cat", "source": "dog", "count": 2, "methods": ["replace"], "subject": ("cat face", "middle")}
    last = run(tab, experiment=experiment, **told)
    (path,) = tab.recording(last)
    update, button = tab.replayed(from_bytes(path.read_bytes()))
    assert button == "" and "Press Play" in update[tab.runs.note]
    again, outcome = update[tab.last_run], last[tab.last_run]
    assert again.plan.names == outcome.plan.names and again.results.keys() == outcome.results.keys()
    assert all(np.array_equal(one.picture, outcome.results[lane].picture) for lane, one in again.results.items())
    assert [step.i for step in again.way] == [step.i for step in outcome.way]
    assert again.stills.keys() >= {one.name for one in again.plan.stills}
    pictures = re.findall(r'src="([^"]*)" data-part="\d', update[tab.stage])
    assert pictures == re.findall(r'src="([^"]*)" data-part="\d', last[tab.stage]) != []


def test_a_recording_of_something_else_is_refused(tab):
    (path,) = tab.recording(run(tab, experiment="noise", strengths="0.5", count=1))
    recorded = from_bytes(path.read_bytes())
    other = make("edit", dict(recorded.capsule.values) | {"strengths": "0.2, 0.4"}, [], [])
    for wrong in ({"capsule": None}, {"capsule": other}, {"experiment": "fill"}):
        with pytest.raises(LabError, match="no recording"):
            tab.replayed(replace(recorded, **wrong))
    with pytest.raises(LabError, match="A recording holds edits"):
        list(tab.recording(run(tab, experiment="enlarge")))


@pytest.mark.parametrize(
    "drawing", [None, 7, [], {}, {"example": "nobody"}, {"png": "data:"}, {"mask": {"side": 10**9, "bits": "A"}}]
)
def test_a_link_of_anybody_brings_no_drawing_that_there_is_not(tab, drawing):
    capsule = make("edit", {"experiment": "noise", "drawing": drawing}, [], [])
    update, button, said = tab.restore(capsule, tab.share.values_in(capsule))
    assert update[tab.board.drawing].picture is None and button == "" and said


def test_the_shelf_tells_drawings_apart(tab):
    plain, holed = (
        tab.settings_of(run(tab, experiment="fill", subject=("cat face", area))[tab.share.capsule])["drawing"]
        for area in ("middle", "left half")
    )
    assert plain != holed and plain[0] == "Drawing"


def test_there_is_nothing_to_save_before_a_run(tab):
    with pytest.raises(LabError, match="press Run first"):
        list(tab.pictures({tab.last_run: None, tab.share.capsule: None}))


# The pipeline


@pytest.mark.parametrize("experiment", EXPERIMENTS)
@pytest.mark.parametrize("model", ["text-to-image", "pixel", "exact"])
def test_the_pipeline_names_its_parts(tab, experiment, model):
    line = unescape(tab.on_flow(values_of(tab, experiment=experiment, model=model)))
    parts = {
        "noise": ("picture", "strength 0.2 to 1"), "fill": ("mask", "known part"), "words": ("20 up", "20 calls down"),
        "enlarge": ("small picture", "upsampler"), "two": ("join", "mean of both views"),
    }[experiment]  # fmt: skip
    assert all(words in re.sub("<.*?>", "", line) for words in parts), line
    encoded = model == "text-to-image" and experiment in ("noise", "fill", "words")
    assert (">encoder<" in line) == encoded


def test_a_lane_that_makes_no_call_counts_none(tab):
    plan = plan_of(tab, experiment="noise", strengths="0, 0.5", steps=20, count=1)
    steps = [Step(0, 1, 1, -1.0, inf, GREY, GREY, 0.0), Step(1, 10, 10, -1.0, inf, GREY, GREY, 1.0)]
    assert "2 pictures, 10 denoiser calls" in view.summary(Outcome(plan, {step.lane: (step,) for step in steps}))
    assert "10 of 10 denoiser calls" in view.progress(plan, {step.lane: step for step in steps})
