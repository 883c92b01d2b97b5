"""The ControlNet tab without a browser: maps, what its controls ask for, what it measures, and what it says to bad input."""

import csv
import json
import re
from dataclasses import replace
from math import inf, nan
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lab.annotators import ANNOTATORS, annotators_of
from lab.annotators.canny import canny
from lab.annotators.joints import POSES, default_pose, to_list
from lab.annotators.pose import find_pose
from lab.capsules.capsule import from_file, from_link
from lab.catalog import MODELS
from lab.operations import OPERATIONS
from lab.requests.annotate import AnnotateRequest, ConditioningMap
from lab.requests.sampling import LaneResult, SamplingRequest, Step
from lab.settings import ASSETS, Settings
from lab.ui.shell import media, reel
from lab.ui.tabs.controlnet import board
from lab.ui.tabs.controlnet import charts as controlnet_charts
from lab.ui.tabs.controlnet import experiments as controlnet_run
from lab.ui.tabs.controlnet import maps as controlnet_maps
from lab.ui.tabs.controlnet import tab as controlnet
from lab.ui.tabs.controlnet import view as controlnet_view
from lab.ui.tabs.controlnet.experiments import Agreement
from tests.ui.values import first_values, part_of, set_to, settled

VISITOR = SimpleNamespace(session_hash="visitor")
GREY = np.full((64, 64, 3), 128, np.uint8)
HOUSE = SimpleNamespace(settings=Settings())


class Backend:
    """Makes maps as the lab does; answers a run with finished grey pictures, which it can be told to stop before."""

    def __init__(self, steps=2):
        self.steps, self.request = steps, None

    def run(self, request, stop=None, client=""):
        if isinstance(request, AnnotateRequest):
            yield from OPERATIONS[AnnotateRequest](request, HOUSE)
            return
        self.request = request
        for i in range(self.steps + 1):
            for lane in range(len(request.lanes)):
                yield Step(lane, i, self.steps, 10.0, inf, GREY, GREY, 0.1)
                if stop is not None and stop.is_set():
                    return
        for lane in range(len(request.lanes)):
            sizes = np.full((len(request.controls), self.steps, 3), 0.5, np.float32)
            yield LaneResult(lane, GREY, self.steps, 0.2, residuals=sizes)


def make_tab():
    with gr.Blocks():
        tab = controlnet.ControlNet(Backend(), Settings())
        tab.lay_out()
    return tab


def values_of(tab, **changes):
    """What the components hold when the page opens, with changes by attribute name."""
    return first_values(tab) | {part_of(tab, name): value for name, value in changes.items()}


def unchanged(tab, updates):
    """Whether nothing was asked of the backend and nothing on the page changes."""
    tab.backend.request = None
    return list(updates) == [{tab.runs.note: gr.skip()}] and tab.backend.request is None


def with_map(tab, control="edges", pick=0, **changes):
    values = values_of(tab, control=control, **changes)
    return settled(values, tab.board.on_starter(values, SimpleNamespace(pick=pick)))


def run(tab, values):
    last = {}
    for update in tab.on_run(values, VISITOR):
        last |= update
    return last


def source(values, tab, control="edges"):
    return values[tab.board.sources][control]


@pytest.mark.parametrize("preset", controlnet.PRESETS, ids=lambda preset: preset.title)
def test_every_preset_runs_and_is_measured(preset):
    tab = make_tab()
    values = settled(values_of(tab), tab.on_preset(preset))
    last = run(tab, values)
    request = tab.backend.request
    assert isinstance(request, SamplingRequest) and request.condition.prompt == preset.values.get("prompt", "")
    assert request.forward.schedule == MODELS[request.model].schedules[0]
    assert len(request.controls) == len(preset.subject) and all(control.map.any() for control in request.controls)
    assert len(last[tab.last_run].agreements) == len(request.lanes) and "pictures in" in last[tab.runs.note]
    assert last[tab.plot] is not None


def test_a_distilled_model_jumps_and_the_next_preset_does_not():
    tab = make_tab()
    live = next(preset for preset in controlnet.PRESETS if preset.values.get("live"))
    values = settled(values_of(tab), tab.on_preset(live))
    run(tab, values)
    assert tab.backend.request.model == "student"
    assert {(lane.sampler, lane.steps) for lane in tab.backend.request.lanes} == {("lcm", 4)}
    values = settled(values, tab.on_preset(controlnet.PRESETS[0]))
    run(tab, values)
    assert {(lane.sampler, lane.steps) for lane in tab.backend.request.lanes} == {("dpmpp_2m", 10)}
    chosen = values | {tab.form["model"]: "student"}
    run(tab, settled(chosen, tab.on_model(chosen)))
    assert {(lane.sampler, lane.steps) for lane in tab.backend.request.lanes} == {("lcm", 4)}


def test_the_first_visit_runs_the_first_preset_and_a_second_does_not():
    tab = make_tab()
    last = {}
    for update in tab.on_open(values_of(tab), VISITOR):
        last |= update
    assert tab.backend.request.condition.prompt == controlnet.PRESETS[0].values["prompt"]
    assert unchanged(tab, tab.on_open(values_of(tab, last_run=last[tab.last_run]), VISITOR))


def test_run_and_presets_play_and_what_follows_the_pen_shows_its_end_at_once():
    tab = make_tab()
    values = with_map(tab, live=True)
    for handler, plays, frames in ((tab.on_run, True, reel.FRAMES), (tab.on_live, False, 0)):
        updates = list(handler(values, VISITOR))
        stages = [update[tab.stage] for update in updates if tab.stage in update]
        assert ('class="reel waits"' in stages[-1]) == plays and tab.backend.request.replay == frames
        assert not any("waits" in stage for stage in stages[:-1])
    finished = values | {tab.last_run: next(update[tab.last_run] for update in updates if tab.last_run in update)}
    other = tab.on_view(finished | {tab.view: controlnet_view.VIEWS[1]})[tab.stage]
    assert "data-frames" in other and "waits" not in other, "another view can be scrubbed, and does not play"


def test_a_run_is_strengths_by_seeds():
    tab = make_tab()
    run(tab, with_map(tab, strengths="0; 0,5;1", seed=3, count=2, start=0.2, end=0.8))
    lanes = tab.backend.request.lanes
    assert [(lane.seed, lane.windows[0].strength) for lane in lanes] == [(s, h) for s in (3, 4) for h in (0, 0.5, 1)]
    assert {(lane.windows[0].start, lane.windows[0].end) for lane in lanes} == {(0.2, 0.8)}


def test_guess_mode_stands_beside_the_same_seed():
    tab = make_tab()
    run(tab, with_map(tab, strengths="1", count=1, guess=True))
    assert [(lane.seed, lane.guess) for lane in tab.backend.request.lanes] == [(0, False), (0, True)]


def test_windows_that_end_before_they_start_have_no_picture():
    tab = make_tab()
    last = run(tab, with_map(tab, experiment="windows", starts="0, 0.5", ends="0.5, 1"))
    windows = [(lane.windows[0].start, lane.windows[0].end) for lane in tab.backend.request.lanes]
    assert windows == [(0, 0.5), (0, 1), (0.5, 1)]
    assert last[tab.stage].count("void") == 1


def test_edges_and_pose_steer_together_with_two_strengths():
    tab = make_tab()
    values = with_map(tab, "pose", 1)
    values = settled(values, tab.board.on_starter(values | {tab.form["control"]: "edges"}, SimpleNamespace(pick=2)))
    run(
        tab,
        values | {tab.form["experiment"]: "pairs", tab.form["strengths"]: "0.5, 1", tab.form["pose_strengths"]: "0, 2"},
    )
    request = tab.backend.request
    assert [control.name for control in request.controls] == ["edges", "pose"]
    assert [tuple(window.strength for window in lane.windows) for lane in request.lanes] == [
        (0.5, 0),
        (1, 0),
        (0.5, 2),
        (1, 2),
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"strengths": ""}, "at least one number"),
        ({"strengths": "a lot"}, "Strengths: &#x27;a&#x27; is not a number"),
        ({"strengths": "0,5"}, "can be read in two ways"),
        ({"experiment": "windows", "starts": "0,2 0,4"}, "can be read in two ways"),
        ({"experiment": "windows", "ends": "2"}, "Ends: 2 is out of range. Numbers from 0 to 1"),
        ({"strengths": "-1"}, "strength"),
        ({"strengths": "nan"}, "strength"),
        ({"seed": None}, "First seed is not a number"),
        ({"seed": 1.5}, "First seed must be a whole number, and 1.5 is none"),
        ({"count": nan}, "Seeds is not a number"),
        ({"steps": 0}, "steps"),
        ({"prompt": "x" * 400}, "prompt"),
        ({"start": 0.8, "end": 0.2}, "must start before it ends"),
        ({"start": 0.5, "end": 0.5}, "must start before it ends"),
        ({"experiment": "windows", "starts": "0.8", "ends": "0.2"}, "No window is open"),
        ({"experiment": "pairs"}, "no map of pose"),
        ({"strengths": ", ".join(str(i / 50) for i in range(100))}, "at most 64"),
        ({"count": 40}, "at most 64"),
    ],
)
def test_bad_input_is_answered_in_words(changes, words):
    tab = make_tab()
    last = run(tab, with_map(tab) | {part_of(tab, name): value for name, value in changes.items()})
    assert words.lower() in last[tab.runs.note].lower() and "bad" in last[tab.runs.note]
    assert last[tab.runs.run]["interactive"] is True and last[tab.runs.stop]["interactive"] is False
    assert tab.stage not in last and tab.backend.request is None


def test_an_empty_canvas_is_answered():
    tab = make_tab()
    assert "canvas is empty" in run(tab, values_of(tab))[tab.runs.note]
    update = tab.board.on_edit(values_of(tab), SimpleNamespace(drawn=media.exact_uri(np.zeros((64, 64, 3), np.uint8))))
    assert "canvas is empty" in run(tab, settled(values_of(tab), update))[tab.runs.note]
    assert unchanged(tab, tab.on_live(values_of(tab, live=False), VISITOR))  # no run was wanted, nothing is said
    (blank,) = tab.on_live(
        values_of(tab, live=True), VISITOR
    )  # no picture of what was there before the map was cleared
    assert "<img" not in blank[tab.stage] and blank[tab.last_run] is None and "Draw a few lines" in blank[tab.runs.note]


def test_what_is_drawn_is_the_map_pixel_for_pixel():
    tab = make_tab()
    drawn = np.zeros((64, 64, 3), np.uint8)
    drawn[10:50, 20] = 255
    update = tab.board.on_edit(values_of(tab), SimpleNamespace(drawn=media.exact_uri(drawn)))
    run(tab, settled(values_of(tab), update))
    np.testing.assert_array_equal(tab.backend.request.controls[0].map, drawn)
    assert tab.board.editor not in update  # the page painted it already


@pytest.mark.parametrize("drawn", [None, "", "data:image/png;base64,!!!", "data:text/html;base64,AAAA", "x" * 10])
def test_a_broken_drawing_is_answered_and_the_map_stays(drawn):
    tab = make_tab()
    update = tab.board.on_edit(with_map(tab), SimpleNamespace(drawn=drawn))
    assert "Draw it again" in update[tab.runs.note] and tab.board.sources not in update


def test_a_drawing_of_many_pixels_is_not_decoded(monkeypatch):
    small_file = media.exact_uri(np.zeros((2000, 2000, 3), np.uint8))
    assert len(small_file) < media.MAX_URI
    with pytest.raises(Exception, match="Draw it again"):
        controlnet_view.read_drawing(small_file)


def test_canny_follows_its_sliders():
    tab = make_tab()
    values = with_map(tab, pick=len(controlnet_view.SKETCHES) + 2, annotator="canny")
    values = settled(values, tab.board.on_annotator(values | {tab.board.annotator: "canny"}))
    cat = controlnet_view.starters("edges")[len(controlnet_view.SKETCHES) + 2]
    assert cat.path.stem == "chelsea"
    tight = settled(values, tab.board.on_canny(values | {tab.form["low"]: 300, tab.form["high"]: 480}))
    loose = settled(values, tab.board.on_canny(values | {tab.form["low"]: 20, tab.form["high"]: 60}))
    blurred = settled(values, tab.board.on_canny(values | {tab.form["blur"]: 2.0}))
    counts = [source(one, tab).map.astype(bool).sum() for one in (tight, values, loose)]
    assert counts[0] < counts[1] < counts[2]
    assert source(blurred, tab).map.sum() < source(values, tab).map.sum()
    request = AnnotateRequest(picture=media.open_picture(cat.path, Settings()), annotator="map", size=64)
    (small,) = OPERATIONS[AnnotateRequest](request, HOUSE)
    np.testing.assert_array_equal(source(values, tab).map, canny(small.map, 80, 160))


def test_a_photograph_gives_its_pose_and_one_without_a_person_opens_the_editor(tmp_path):
    tab = make_tab()
    photo = ASSETS / "annotators" / "people" / "arms-raised.jpg"
    values = values_of(tab, control="pose", upload=str(photo))
    values = settled(values, tab.board.on_upload(values))
    found = source(values, tab, "pose")
    assert found.annotator == "pose" and found.joints[4][1] < found.joints[2][1]  # a raised wrist above its shoulder
    Image.fromarray(GREY).save(tmp_path / "grey.png")
    update = tab.board.on_upload(values | {tab.board.upload: str(tmp_path / "grey.png")})
    assert "No person was found" in update[tab.runs.note] and "Drag the joints" in update[tab.runs.note]
    after = source(settled(values, update), tab, "pose")
    assert after.annotator == "hand" and after.map.any() and after.picture is not None
    np.testing.assert_allclose(after.joints, default_pose(), atol=1e-3)


def test_dragged_joints_are_drawn_and_bad_ones_answered():
    tab = make_tab()
    values = with_map(tab, "pose", 2)
    before = source(values, tab, "pose")
    joints = to_list(before.joints, before.visible)
    joints[4] = [0.9, 0.1, 1]
    after = source(settled(values, tab.board.on_edit(values, SimpleNamespace(joints=joints))), tab, "pose")
    np.testing.assert_allclose(after.joints[4], (0.9, 0.1))
    assert (after.map != before.map).any()
    assert "Move one again" in tab.board.on_edit(values, SimpleNamespace(joints=[[1, 2]]))[tab.runs.note]


def test_a_wrong_file_is_answered_and_the_map_stays(tmp_path):
    tab = make_tab()
    (tmp_path / "notes.png").write_text("not a picture")
    values = with_map(tab)
    update = tab.board.on_upload(values | {tab.board.upload: str(tmp_path / "notes.png")})
    assert "not a picture" in update[tab.runs.note] and tab.board.sources not in update
    assert tab.board.on_upload(values | {tab.board.upload: None})[tab.runs.note]


def test_an_unknown_annotator_changes_nothing():
    tab = make_tab()
    assert tab.board.on_annotator(values_of(tab, annotator="pose")) == {tab.board.annotator: "scribble"}


@pytest.mark.parametrize("control", ["edges", "pose"])
def test_all_starters_make_maps(control):
    tab = make_tab()
    for pick in range(len(controlnet_view.starters(control))):
        assert source(with_map(tab, control, pick), tab, control).map.any()


def test_stop_keeps_what_was_made_and_measures_finished_pictures():
    tab = make_tab()
    tab.backend.steps = 50
    last = {}
    for painted, update in enumerate(tab.on_run(with_map(tab), VISITOR)):
        last |= update
        if painted == 1:
            tab.runs.on_stop(VISITOR)
    assert "Stopped" in last[tab.runs.note] and last[tab.last_run].steps and "<img" in last[tab.stage]
    assert last[tab.selection] is None and last[tab.share.record] == ""
    tab.runs.on_stop(SimpleNamespace(session_hash="stranger"))  # has nothing to stop


def test_every_cell_tells_its_strength_window_and_seed():
    tab = make_tab()
    last = run(tab, with_map(tab, strengths="0, 1.5", seed=7, count=1, start=0.1, end=0.6))
    for strength in ("0", "1.5"):
        assert f"strength {strength} · window 0.1–0.6 · seed 7" in last[tab.stage]


def test_a_picked_result_shows_its_residuals_and_is_exported_with_its_settings():
    tab = make_tab()
    values = with_map(tab, strengths="0, 1", count=1, chart="residuals")
    values = settled(values, run(tab, values))
    assert values[tab.selection] == 1  # the strongest
    update = tab.on_pick(values, SimpleNamespace(pick=values[tab.last_run].plan.words(0)))
    assert update[tab.selection] == 0
    (heat,) = json.loads(update[tab.plot].plot)["data"]
    assert np.shape(heat["z"]) == (3, 2)  # blocks, calls
    (path,) = tab.share.save(tab.save_picture, values)[tab.share.files]["value"]
    image = Image.open(path)
    capsule = from_file(Path(path).read_bytes())
    np.testing.assert_array_equal(np.asarray(image), GREY)
    assert capsule.lane == 1 and capsule.values["strengths"] == "0, 1" and capsule.values["control"] == "edges"
    again = media.from_uri(capsule.values["maps"]["edges"]["png"])
    np.testing.assert_array_equal(again, tab.backend.request.controls[0].map)


def test_numbers_are_exported_as_csv():
    tab = make_tab()
    values = with_map(tab, strengths="0, 1", count=2)
    assert "press Run first" in tab.share.save(tab.save_numbers, values)[tab.share.note]
    values = settled(values, run(tab, values))
    numbers, sizes = (
        [*csv.DictReader(Path(path).read_text("utf-8").splitlines())]
        for path in tab.share.save(tab.save_numbers, values)[tab.share.files]["value"]
    )
    assert (
        len(numbers) == 4
        and {row["strength"] for row in numbers} == {"0.0", "1.0"}
        and all(row["edge_f1"] for row in numbers)
    )
    assert len(sizes) == 4 * 2 * 3 and sizes[0]["rms"] == "0.5"
    (path,) = tab.share.save(tab.save_map, values)[tab.share.files]["value"]
    np.testing.assert_array_equal(np.asarray(Image.open(path)), source(values, tab).map)


def test_a_picture_that_is_its_map_agrees_with_it():
    circle = np.zeros((64, 64, 3), np.uint8)
    yy, xx = np.mgrid[:64, :64]
    disc = (xx - 32) ** 2 + (yy - 32) ** 2 < 400
    picture = np.where(disc[..., None], (200, 30, 30), (255, 255, 255)).astype(np.uint8)
    circle = canny(picture)
    assert controlnet_run.edge_agreement(picture, circle) > 0.99
    assert controlnet_run.edge_agreement(GREY, circle) == 0
    shown = controlnet_view.against_edges(picture, circle)
    assert (shown[circle.any(axis=2)] == 255).all()  # every line found
    missed = controlnet_view.against_edges(GREY, circle)[circle.any(axis=2)]
    assert (missed == (232, 89, 12)).all()


def test_a_figure_with_flesh_on_covers_its_skeleton():
    joints = POSES["hands up"]
    (made,) = OPERATIONS[AnnotateRequest](AnnotateRequest(joints=to_list(joints), size=64), HOUSE)
    flesh = controlnet_run.near(made.map.max(axis=2) > 40, 3)
    figure = np.where(flesh[..., None], (40, 60, 200), (255, 255, 255)).astype(np.uint8)
    other = np.where(flesh[..., None][:, ::-1].transpose(1, 0, 2), (40, 60, 200), (255, 255, 255)).astype(np.uint8)
    good, bad = (controlnet_run.silhouette_agreement(one, made.map) for one in (figure, other))
    assert good > 0.95 and bad < 0.5


def test_joints_are_found_again_within_a_tenth_of_the_side():
    joints, seen = default_pose(), np.ones(18, bool)
    moved = joints.copy()
    moved[4] += 0.2
    assert controlnet_run.joint_agreement(joints, seen, joints, seen) == 1
    assert controlnet_run.joint_agreement(moved, seen, joints, seen) == pytest.approx(17 / 18)
    assert controlnet_run.joint_agreement(joints, ~seen, joints, seen) == 0


def test_where_nobody_is_found_again_it_is_said():
    tab = make_tab()
    last = run(tab, with_map(tab, "pose", 0, strengths="1", count=1))
    assert "finds nobody" in last[tab.runs.note]
    assert last[tab.last_run].agreements[0] == Agreement(silhouette=0.0, joints_within=0.0, pose_search=True)


def test_the_curve_is_the_mean_over_the_seeds():
    tab = make_tab()
    values = with_map(tab, strengths="0, 1", count=2)
    done = run(tab, values)[tab.last_run]
    for lane, value in enumerate((0.1, 0.5, 0.3, 0.9)):
        done.agreements[lane] = Agreement(edge_f1=value)
    curve, dots = json.loads(controlnet_charts.faithfulness(done).plot)["data"]
    assert curve["x"] == [0, 1] and curve["y"] == pytest.approx([0.2, 0.7]) and len(dots["x"]) == 4
    corners = re.findall(r"<small>(F1[^<]*)</small>", controlnet_view.grid(done))
    assert corners == ["F1 0.10 by chance", "F1 0.50", "F1 0.30 by chance", "F1 0.90"]  # at strength 0 nothing steers


def test_words_of_visitors_are_escaped():
    tab = make_tab()
    last = run(tab, with_map(tab, strengths="<script>"))
    assert "<script>" not in last[tab.runs.note]


def test_a_hub_annotator_is_refused_in_words_without_a_network():
    tab = make_tab()
    assert [name for _, name in tab.board.maps.annotators("edges")] == [
        one for one in annotators_of("edges") if not ANNOTATORS[one].hub
    ]
    with pytest.raises(Exception, match="offline"):
        list(OPERATIONS[AnnotateRequest](AnnotateRequest(picture=GREY, annotator="hed"), HOUSE))
    with pytest.raises(Exception, match="no annotator named"):
        list(OPERATIONS[AnnotateRequest](AnnotateRequest(picture=GREY, annotator="nonsense"), HOUSE))


def test_a_map_of_another_size_is_brought_to_the_models():
    tall = np.zeros((200, 100, 3), np.uint8)
    (made,) = OPERATIONS[AnnotateRequest](AnnotateRequest(picture=tall, annotator="map", size=64), HOUSE)
    assert isinstance(made, ConditioningMap) and made.map.shape == (64, 64, 3) and made.joints is None


def test_maps_are_as_large_as_the_pictures_of_the_model(monkeypatch):
    """A drawing is enlarged, edges and skeletons are made anew; a preset goes back to the model it was chosen for."""
    large = replace(MODELS["text-to-image"], name="large", title="Large", size=256, guidance_scale=7.5)
    monkeypatch.setitem(MODELS, "large", large)
    tab = make_tab()
    values = settled(values_of(tab), tab.on_preset(controlnet.PRESETS[0]))
    photograph = media.open_picture(ASSETS / "images" / "red-apple-glossy.png", Settings())
    values |= tab.board.make(
        *tab.board._now(values), "edges", controlnet_maps.Source("canny", media.Upload(photograph))
    )
    small = values[tab.board.sources]["edges"].map
    values = settled(values, tab.on_model(values | {tab.form["model"]: "large"}) | {tab.form["model"]: "large"})
    assert values[tab.form["guidance"]] == 7.5
    made = values[tab.board.sources]["edges"].map
    assert small.shape == (64, 64, 3) and made.shape == (256, 256, 3)
    seen = next(tab.backend.run(AnnotateRequest(picture=photograph, annotator="map", size=256)))
    np.testing.assert_array_equal(made, canny(seen.map, 80, 160))
    values = settled(values, tab.board.on_annotator(values | {tab.board.annotator: "scribble"}))
    assert values[tab.board.sources]["edges"].map.shape == (256, 256, 3)
    values = settled(values, tab.on_preset(controlnet.PRESETS[0]))
    assert values[tab.form["model"]] == "text-to-image"
    assert {len(one.map) for one in values[tab.board.sources].values() if one.map is not None} == {64}


def test_a_drawing_keeps_its_lines_at_another_side():
    maps = controlnet_maps.Maps(Backend(), Settings(), 64)
    drawn, _ = maps.with_map("edges", maps.begin("scribble", controlnet_view.starters("edges")[0].title), 80, 160, 0)
    enlarged, _ = maps.at(256).with_map("edges", drawn, 80, 160, 0)
    assert enlarged.map.shape == (256, 256, 3)
    assert np.abs(media.resize(enlarged.map, 64).astype(int) - drawn.map).mean() < 8


def test_of_two_presets_the_one_pressed_last_is_shown(monkeypatch):
    """Though the first, which looks for a pose, is ready after it."""
    tab = make_tab()
    first, second = controlnet.PRESETS[4], controlnet.PRESETS[2]
    begin, shown = tab.board.maps.begin, {}

    def slow(annotator, name):
        if annotator == "pose":
            shown[second] = tab.preset_handler(second)(VISITOR)
            shown["elsewhere"] = tab.preset_handler(second)(SimpleNamespace(session_hash="somebody else"))
        return begin(annotator, name)

    monkeypatch.setattr(type(tab.board.maps), "begin", lambda _maps, annotator, name: slow(annotator, name))
    shown[first] = tab.preset_handler(first)(VISITOR)
    assert shown[first] == {tab.runs.note: gr.skip()}
    prompts = [set_to(shown[one][tab.form["prompt"]]) for one in (second, "elsewhere")]
    assert prompts == ["tangerine", "tangerine"]
    alone = tab.preset_handler(first)(SimpleNamespace(session_hash="a third"))
    assert set_to(alone[tab.form["prompt"]]) == first.values["prompt"]


def uploaded(tab, path, control="edges", **changes):
    """The values after a file was given as the picture of a map, by the annotator that is chosen."""
    values = values_of(tab, control=control, **changes)
    chosen = {control: replace(source(values, tab, control), annotator=values[tab.board.annotator])}
    values = values | {tab.board.sources: values[tab.board.sources] | chosen, tab.board.upload: str(path)}
    update = tab.board.on_upload(values)
    return settled(values, update), update[tab.runs.note]


PEOPLE = ASSETS / "annotators" / "people"


@pytest.mark.parametrize(
    ("box", "ground"),
    [
        ((270, 0, 558, 512), None),  # 9:16, the arms near both sides
        ((0, 0, 768, 512), (432, 0)),  # a wide picture, the person at its right end
        ((0, 0, 768, 512), (0, 0)),  # and at its left
        ((200, 0, 712, 512), None),  # square
    ],
)
def test_a_pose_is_looked_for_in_the_whole_picture(box, ground, tmp_path):
    photo = Image.open(PEOPLE / "arms-raised.jpg").crop(box)
    if ground:
        wide = Image.new("RGB", (1200, 512), (128, 128, 128))
        wide.paste(photo, ground)
        photo = wide
    photo.save(tmp_path / "a.png")
    whole = np.asarray(photo)
    truth = find_pose(whole)
    tab = make_tab()
    values, said = uploaded(tab, tmp_path / "a.png", "pose", annotator="pose")
    found = source(values, tab, "pose")
    assert found.annotator == "pose" and truth.visible.sum() == 18
    assert (found.visible == truth.visible)[truth.visible].all()
    side = len(found.picture)
    for (x, y), (u, v) in zip(
        found.joints[truth.visible] * side, truth.joints[truth.visible] * photo.size, strict=True
    ):
        near_found = found.picture[max(0, int(y) - 4) : int(y) + 5, max(0, int(x) - 4) : int(x) + 5].mean(axis=(0, 1))
        near_truth = whole[max(0, int(v) - 4) : int(v) + 5, max(0, int(u) - 4) : int(u) + 5].mean(axis=(0, 1))
        assert np.abs(near_found - near_truth).max() < 40  # the same spot of the person
    assert ("square around the person is used" in said) == (side < max(photo.size))


def test_in_a_panorama_the_middle_is_looked_at_once_more(tmp_path):
    wide = Image.new("RGB", (2400, 512), (128, 128, 128))
    wide.paste(Image.open(PEOPLE / "arms-raised.jpg"), (816, 0))
    wide.save(tmp_path / "a.png")
    assert find_pose(np.asarray(wide)) is None
    tab = make_tab()
    values, said = uploaded(tab, tmp_path / "a.png", "pose", annotator="pose")
    assert source(values, tab, "pose").visible.sum() >= 17 and "of 2400 × 512 pixels" in said


@settings(deadline=None)
@given(st.data())
def test_the_square_around_a_person_shows_all_joints_and_as_little_else_as_it_can(data):
    width, height = data.draw(st.integers(1, 700)), data.draw(st.integers(1, 700))
    inside = st.tuples(st.floats(0, width), st.floats(0, height))
    places = np.array(data.draw(st.lists(inside, max_size=18)), float).reshape(-1, 2)
    x, y, side = controlnet_maps.window(places, width, height)
    assert min(width, height) <= side <= max(width, height)
    assert all(x - 0.51 <= u <= x + side + 0.51 and y - 0.51 <= v <= y + side + 0.51 for u, v in places)
    if side == min(width, height):
        assert 0 <= x <= width - side and 0 <= y <= height - side
    if not len(places):
        assert abs(x - (width - side) / 2) <= 0.5 and abs(y - (height - side) / 2) <= 0.5


def line_art(path, ink, ground, size=(64, 64)):
    picture = np.full((size[1], size[0], len(ground)), ground, np.uint8)
    picture[10:50, 30:34] = ink
    Image.fromarray(picture).save(path)
    return picture


def test_dark_lines_on_white_are_inverted_by_one_press_and_the_link_carries_them_so(tmp_path):
    line_art(tmp_path / "a.png", (0, 0, 0), (255, 255, 255))
    tab = make_tab()
    values, said = uploaded(tab, tmp_path / "a.png", annotator="map")
    assert "press Invert" in said and source(values, tab).map.mean() > 200
    assert "press Invert" in run(tab, values | {tab.form["strengths"]: "1"})[tab.runs.note]
    update = tab.board.on_edit(values, SimpleNamespace(invert=True))
    values = settled(values, update)
    wanted = line_art(tmp_path / "b.png", (255, 255, 255), (0, 0, 0))
    last = run(tab, values)
    np.testing.assert_array_equal(tab.backend.request.controls[0].map, wanted)
    assert media.exact_uri(wanted) in update[tab.board.editor] and "Invert" not in last[tab.runs.note]
    linked = from_link(last[tab.share.code])
    np.testing.assert_array_equal(board._sources_of(linked)["edges"].map, wanted)
    assert 'data-tool="invert"' in update[tab.board.editor]
    again = settled(values, tab.board.on_edit(values, SimpleNamespace(invert=True)))
    np.testing.assert_array_equal(source(again, tab).map, 255 - wanted)


def test_white_lines_on_a_transparent_ground_are_a_map_of_white_lines(tmp_path):
    line_art(tmp_path / "a.png", (255, 255, 255, 255), (255, 255, 255, 0))
    tab = make_tab()
    values, said = uploaded(tab, tmp_path / "a.png", annotator="map")
    np.testing.assert_array_equal(source(values, tab).map, line_art(tmp_path / "b.png", (255, 255, 255), (0, 0, 0)))
    assert "filled with black" in said and "Invert" not in said


@pytest.mark.parametrize("annotator", ["canny", "map"])
def test_the_note_of_a_run_says_what_of_the_picture_is_not_in_its_map(annotator, tmp_path):
    line_art(tmp_path / "a.png", (0, 0, 0), (90, 90, 90), size=(128, 64))
    tab = make_tab()
    values, said = uploaded(tab, tmp_path / "a.png", annotator=annotator)
    values = values | {tab.board.sources: values[tab.board.sources] | {"edges": replace(source(values, tab), map=GREY)}}
    for words in (said, run(tab, values)[tab.runs.note]):
        assert "Its middle is used, 64 × 64 of 128 × 64 pixels." in words


def test_what_was_drawn_on_a_map_outlives_another_model_and_is_said_to_be_gone_where_it_is(monkeypatch, tmp_path):
    large = replace(MODELS["text-to-image"], name="large", title="Large", size=128)
    monkeypatch.setitem(MODELS, "large", large)
    line_art(tmp_path / "a.png", (0, 0, 0), (255, 255, 255))
    tab = make_tab()
    values, _ = uploaded(tab, tmp_path / "a.png", annotator="map")
    values = settled(values, tab.board.on_edit(values, SimpleNamespace(invert=True)))
    chosen = settled(values | {tab.form["model"]: "large"}, tab.on_model(values | {tab.form["model"]: "large"}))
    np.testing.assert_array_equal(media.resize(source(chosen, tab).map, 64) > 127, source(values, tab).map > 127)
    assert (
        "what was drawn on it is gone" in tab.board.on_annotator(values | {tab.board.annotator: "canny"})[tab.runs.note]
    )


def test_a_drawing_is_not_lost_to_an_annotator_that_has_no_picture():
    tab = make_tab()
    values = with_map(tab)
    update = tab.board.on_annotator(values | {tab.board.annotator: "canny"})
    assert (
        update[tab.board.annotator] == "scribble"
        and "no picture yet" in update[tab.runs.note]
        and tab.board.sources not in update
    )


READ = {  # experiment -> what its layout reads, beside the strengths, maps and model
    "strengths": {"strengths", "start", "end", "count", "guess"},
    "windows": {"starts", "ends", "strength"},
    "pairs": {"strengths", "pose_strengths", "start", "end"},
}


@pytest.mark.parametrize("experiment", READ)
def test_an_experiment_shows_the_controls_that_it_reads_and_no_others(experiment):
    tab = make_tab()
    shown = tab.on_experiment({tab.form["experiment"]: experiment})
    assert {name for name in set().union(*READ.values()) if shown[tab.form[name]]["visible"]} == READ[experiment]
    if experiment == "strengths":  # as the page opens
        assert all(part.visible == shown[part]["visible"] for part in shown)


def test_a_negative_prompt_is_asked_for_only_where_the_model_reads_one():
    tab = make_tab()
    for preset in controlnet.PRESETS:
        assert tab.on_preset(preset)[tab.form["negative"]]["visible"] == (preset.values.get("model") != "student")
    values = with_map(tab)
    for name in ("student", "text-to-image"):
        assert tab.on_model(values | {tab.form["model"]: name})[tab.form["negative"]]["visible"] == MODELS[name].guided
    capsule = tab.capsule(
        values | {tab.form["model"]: "student", tab.form["negative"]: "blue"}, SamplingRequest(lanes=({},))
    )
    updates, _, _ = tab.restore(capsule, tab.share.values_in(capsule))
    assert updates[tab.form["negative"]] == gr.update(
        value="", visible=False
    )  # as of everything that the model has no use for


def test_a_prompt_is_not_cut_where_it_is_pasted_but_refused_in_words():
    tab = make_tab()
    for field in (tab.form["prompt"], tab.form["negative"]):
        assert field.max_length > 5000  # the page itself would cut what is longer, unseen
        last = run(tab, with_map(tab) | {field: "x" * 396})
        assert "300 characters" in last[tab.runs.note] and tab.backend.request is None


def test_a_click_on_a_picture_of_before_picks_that_picture_and_no_other():
    tab = make_tab()
    shown = run(tab, with_map(tab, strengths="0, 1", count=1))[tab.stage]
    clicked = re.findall('data-key="([^"]+)"', shown)[1]
    values = with_map(tab, strengths="0.5, 0, 1", count=1)
    last = run(tab, values)
    update = tab.on_pick(settled(values, last), SimpleNamespace(pick=clicked))
    assert last[tab.last_run].plan.request.lanes[update[tab.selection]].windows[0].strength == 1
    for gone in ("strength 1.5 · window 0–1 · seed 0", 1, None, []):
        assert tab.on_pick(settled(values, last), SimpleNamespace(pick=gone)) == {tab.selection: None}


@pytest.mark.parametrize("experiment", ["strengths", "windows", "pairs"])
def test_a_chart_has_its_own_words(experiment):
    """Over two axes there are no lines and no means over seeds."""
    words = controlnet_view.chart_words("faithfulness", experiment)
    assert ("Lines are means" in words) == (experiment == "strengths")
    assert controlnet_view.chart_words("residuals", experiment) == controlnet_view.CHART_WORDS["residuals"]
