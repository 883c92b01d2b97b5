"""The Samplers tab without a browser: what its controls ask for, what it paints, and what it says to bad input."""

import base64
import html
import io
import itertools
import json
import re
import threading
from contextlib import suppress
from math import inf, nan
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from lab.capsules import recordings
from lab.capsules.capsule import from_json, to_json
from lab.catalog import MODELS, SAMPLERS, samplers_for
from lab.requests.base import LabError, Note
from lab.requests.inversion import InversionRequest, InversionResult
from lab.requests.nearest import Nearest, NearestRequest
from lab.requests.sampling import Decoded, LaneResult, LaneSettings, Recording, SamplingRequest, Step
from lab.requests.share import GroupStep, ShareRequest
from lab.settings import Settings
from lab.ui.shell import lane_view, media, reel, runs, theme
from lab.ui.tabs.samplers import charts, replay
from lab.ui.tabs.samplers import tab as samplers
from lab.ui.tabs.samplers import view as samplers_view
from lab.ui.tabs.samplers import words as samplers_words
from tests.ui.values import first_values, part_of, set_to

VISITOR = SimpleNamespace(session_hash="visitor")
GREY = np.full((8, 8, 3), 128, np.uint8)


class Backend:
    """Records the request and answers with `events`."""

    def __init__(self, *events):
        self.events, self.request = events, None

    def run(self, request, stop=None, client=""):
        self.request = request
        for event in self.events:
            if isinstance(event, Exception):
                raise event
            yield event
            if stop is not None and stop.is_set():
                return


def step(lane, i, n, log_snr):
    return Step(lane, i, n, 10.0, log_snr, GREY, GREY, 0.1)


def make_tab(*events):
    with gr.Blocks():
        tab = samplers.Samplers(Backend(*events), Settings())
        tab.lay_out()
    return tab


def values_of(tab, **changes):
    """What the components hold when the page opens, with changes by name."""
    return first_values(tab) | {part_of(tab, name): value for name, value in changes.items()}


def run(tab, **changes):
    """All updates of a press of Run, the last value of each component, and the last words to the visitor."""
    last = {}
    for update in tab.on_run(values_of(tab, **changes), VISITOR):
        last |= update
    return last


@pytest.mark.parametrize("experiment", ["compare", "steps"])
def test_a_row_that_no_run_reads_may_hold_anything(experiment):
    """The last row has no sampler in a comparison, and in the other experiments no row is read at all."""
    tab = make_tab()
    first = values_of(tab, experiment=experiment)
    others = [list(lane) for lane in tab.rows.read(first)][:-1]
    for part in tab.rows.rows[-1]:
        for value in (None, nan, inf, -1, 10**400, True, "", "\ud800\x00", [], [[[[]]]], {}, b"x"):
            values = first | {part: value}
            with suppress(LabError):
                capsule = tab.capsule(values, tab.request(values))
                assert capsule.values["lanes"][:-1] == others
                assert from_json(to_json(capsule).encode()) == capsule


def test_the_opening_controls_ask_for_the_first_preset():
    tab = make_tab()
    run(tab)
    request = tab.backend.request
    assert [(lane.sampler, lane.steps) for lane in request.lanes] == [("ddpm", 50), ("ddim", 50)]
    assert len({lane.seed for lane in request.lanes}) == 1
    assert request.condition.group == samplers.PRESETS[0].values["group"]


@pytest.mark.parametrize("preset", samplers.PRESETS, ids=lambda preset: preset.title)
def test_every_preset_makes_a_valid_request(preset):
    tab = make_tab()
    whole, update = tab.form.preset(preset), tab.on_preset(preset)
    assert update.keys() == {*tab.controls, *tab.rows.parts, tab.examples.gallery}
    values = values_of(tab) | {part: set_to(one) for part, one in update.items()}
    list(tab.on_run(values, VISITOR))
    request = tab.backend.request
    kinds = {"invert": InversionRequest, "share": ShareRequest}
    assert type(request) is kinds.get(whole["experiment"], SamplingRequest)
    assert whole | preset.values == whole and whole["schedule"] in MODELS[whole["model"]].schedules
    if whole["experiment"] == "compare":
        lanes = [(lane.sampler, lane.steps, lane.eta, lane.spacing) for lane in request.lanes]
        assert lanes == [(*lane[:2], float(lane.eta), lane.spacing) for lane in preset.subject]
        assert {lane.guidance_scale for lane in request.lanes} == {whole["guidance"]}
    if whole["experiment"] == "grid":
        assert request.reference_steps == 200


def test_lanes_between_seeds_run_from_one_to_the_other():
    tab = make_tab()
    run(tab, experiment="between", mix_seed=9)
    lanes = tab.backend.request.lanes
    assert [lanes[0].mix, lanes[-1].mix] == [0, 1] and {lane.mix_seed for lane in lanes} == {9}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": None}, "seed"),
        ({"seed": -3}, "seed"),
        ({"T": 5}, "T"),
        ({"T": None}, "T"),
        ({"T": nan}, "T"),
        ({"T": 20}, "below the 50 steps"),
        ({"prompt": "x" * 5000}, "prompt"),
        ({"guidance": nan}, "guidance"),
        ({"schedule": "nonsense"}, "schedule"),
        ({"experiment": "invert"}, "Choose a picture"),
        ({"experiment": "grid", "samplers": []}, "at least one sampler"),
        ({"experiment": "between", "mix_seed": None}, "second seed"),
        ({"experiment": "share", "samplers": []}, "samplers must have at least 1"),
        ({"experiment": "share", "samplers": ["ddpm", "ddim", "euler", "heun"]}, "samplers may have at most 3"),
    ],
)
def test_bad_input_is_answered_in_words(changes, words):
    tab = make_tab()
    last = run(tab, **changes)
    assert words.lower() in last[tab.runs.note].lower() and "bad" in last[tab.runs.note]
    assert last[tab.runs.run]["interactive"] is True and last[tab.runs.stop]["interactive"] is False
    assert tab.stage not in last  # what was there stays


def test_an_inversion_says_what_of_the_file_it_did_not_use(tmp_path):
    Image.new("RGB", (90, 60), "red").save(tmp_path / "a.png")
    grey = np.zeros((8, 8, 3), np.uint8)
    tab = make_tab(Note("Its end is not read."), InversionResult(grey, grey, grey, grey[..., 0], 0.25, 0.0, 1.0))
    last = run(tab, experiment="invert", picture=str(tmp_path / "a.png"))
    assert (
        "RMS error of 0.250. Its middle is used, 60 × 60 of 90 × 60 pixels. Its end is not read." in last[tab.runs.note]
    )


def test_no_lane_chosen():
    tab = make_tab()
    values = values_of(tab) | {row[0]: "" for row in tab.rows}
    last = {}
    for update in tab.on_run(values, VISITOR):
        last |= update
    assert "at least one sampler" in last[tab.runs.note]


def test_an_error_of_the_backend_reaches_the_visitor_as_text():
    tab = make_tab(LabError("No picture matches '<b>x</b>'."))
    last = run(tab)
    assert "&lt;b&gt;" in last[tab.runs.note] and "<b>x" not in last[tab.runs.note]


def test_stop_keeps_what_was_made():
    steps = [step(0, i, 50, float(i)) for i in range(50)]
    tab = make_tab(*steps)
    last = {}
    for painted, update in enumerate(tab.on_run(values_of(tab), VISITOR)):
        last |= update
        if painted == 1:
            tab.runs.on_stop(VISITOR)
    assert "Stopped" in last[tab.runs.note] and last[tab.share.record] == ""
    assert 0 < len(last[tab.last_run].recording.steps[0]) < 50


def test_a_page_that_leaves_at_the_first_update_leaves_nothing():
    tab = make_tab(*[step(0, i, 5, float(i)) for i in range(5)])
    updates = tab.on_run(values_of(tab), VISITOR)
    next(updates)
    updates.close()
    assert not tab.runs.stops.busy(VISITOR)


LATENT = SamplingRequest(
    model="text-to-image", forward={"schedule": "scaled_linear"}, lanes=(LaneSettings(steps=4), LaneSettings(steps=4))
)
MOSAIC = np.full((4, 4, 3), 9, np.uint8)


def latent_run(*decoded, ended=True):
    """A collector of two lanes of four steps; x_0 is GREY where it is decoded, in the calls `decoded`, and MOSAIC else."""
    collector = recordings.Collector(LATENT)
    for i in range(4):
        for lane in (0, 1):
            shown = GREY if i in decoded else MOSAIC
            collector.add(Step(lane, i, 4, 0.0, float(i), MOSAIC, shown, 0.1, i in decoded))
    if ended:
        for lane in (0, 1):
            collector.add(step(lane, 4, 4, inf))
    return collector


def captions(markup):
    return re.findall(r"<figcaption[^>]*>(.*?)</figcaption>", markup)


@pytest.mark.parametrize(
    ("decoded", "words"),
    [
        ((), "predicted x<sub>0</sub>, latent"),
        ((1,), "predicted x<sub>0</sub>, call 1"),
        ((1, 2), "predicted x<sub>0</sub>, call 2"),
        ((1, 3), "predicted x<sub>0</sub>"),
    ],
)
def test_while_a_latent_model_runs_all_lanes_show_one_kind_of_picture_and_say_which(decoded, words):
    markup = samplers_view.paint("compare", latent_run(*decoded, ended=False).recording())
    assert captions(markup) == ["x<sub>t</sub>, latent", words] * 2


@pytest.mark.parametrize("afterwards", [(), (2,), (0, 2, 3)])
def test_every_frame_of_a_finished_latent_run_shows_its_own_decoded_guess(afterwards):
    collector = latent_run(1)
    for i in afterwards:
        for lane in (0, 1):
            collector.add(Decoded(lane, i, GREY + i))
    recording = collector.recording()
    for lane in (0, 1):
        assert [one.i for one in recording.steps[lane]] == sorted({1, *afterwards, 4})
        assert all(one.x_0.shape == GREY.shape for one in recording.steps[lane])
        assert all((one.x_0 == GREY + one.i).all() for one in recording.steps[lane] if one.i in afterwards)
    for percent in (0, 30, 50, 100):
        assert {
            words.partition(",")[2] for words in captions(samplers_view.paint("compare", recording, percent))[1::2]
        } == {""}
    assert captions(samplers_view.paint("compare", recording))[0] == "x<sub>t</sub>"  # the picture by now
    back = recordings.from_bytes(recordings.to_bytes(recording, "compare")).recording
    assert [one.i for one in back.steps[0]] == [one.i for one in recording.steps[0]]


def test_a_stopped_latent_run_keeps_what_it_has_and_says_what_is_latent():
    recording = latent_run(ended=False).recording()
    assert [one.i for one in recording.steps[0]] == [0, 1, 2, 3]
    back = recordings.from_bytes(recordings.to_bytes(recording, "compare")).recording
    assert captions(samplers_view.paint("compare", back))[1] == "predicted x<sub>0</sub>, latent"


def test_another_visitor_cannot_stop_it():
    tab = make_tab(*[step(0, i, 5, float(i)) for i in range(5)])
    tab.runs.stops.fresh(VISITOR)
    tab.runs.on_stop(SimpleNamespace(session_hash="stranger"))
    flag: threading.Event = tab.runs.stops._events["visitor"]
    assert not flag.is_set()


def test_replay_aligns_lanes_by_log_snr_not_by_index():
    request = SamplingRequest(lanes=(LaneSettings(steps=2), LaneSettings(steps=4)))
    recording = Recording(
        request,
        {
            0: (step(0, 0, 2, -4.0), step(0, 1, 2, 0.0), step(0, 2, 2, inf)),
            1: (*(step(1, i, 4, level) for i, level in enumerate((-4.0, -2.0, 0.0, 4.0))), step(1, 4, 4, inf)),
        },
    )
    noisiest = reel.at_position(recording, 0)
    assert {lane: s.i for lane, s in noisiest.items()} == {0: 0, 1: 0}
    middle = reel.at_position(recording, reel.LAST / 2)  # log-SNR 0
    assert {lane: s.i for lane, s in middle.items()} == {0: 1, 1: 2}
    end = reel.at_position(recording, reel.LAST)
    assert {lane: s.i for lane, s in end.items()} == {0: 2, 1: 4}


def ramp(lane, n, side=8, seed=0):
    """A finished lane of n calls at log-SNR 0 .. n - 1, each with pictures of its own."""
    random = np.random.default_rng((seed, lane))
    for i in range(n + 1):
        x_t, x_0 = random.integers(0, 256, (2, side, side, 3), np.uint8)
        yield Step(lane, i, n, 10.0 * (n - i), float(i) if i < n else inf, x_t, x_0, 0.1)


def film_of(recording, experiment="compare", second="x_t", **how):
    """What the page's script reads of a stage with a reel."""
    markup = replay.Replay(experiment, recording).film(second, **({"plays": True} | how))
    return json.loads(html.unescape(re.search(r'data-frames="([^"]+)"', markup).group(1))), markup


def frames_of(track):
    """The pictures of a sheet."""
    whole = np.asarray(Image.open(io.BytesIO(base64.b64decode(track["sheet"].partition(",")[2]))))
    for k in range(len(track["starts"])):
        top, left = k // track["columns"] * track["tall"], k % track["columns"] * track["wide"]
        yield whole[top : top + track["height"], left : left + track["width"]]


def alone(pixels):
    """A picture as JPEG packs it by itself."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(media.data_uri(pixels, moving=True).partition(",")[2]))))


def test_the_frames_of_a_sheet_are_the_steps_of_the_run():
    """A block of JPEG has 8 x 8 pixels: at a multiple of that a frame comes out as it would alone, to the last bit."""
    recording = Recording(SamplingRequest(lanes=(LaneSettings(steps=5),)), {0: tuple(ramp(0, 5, side=16))})
    reel_, _ = film_of(recording)
    for name, of in (("0-left", "x_t"), ("0-right", "x_0")):
        track = reel_["pictures"][name]
        assert track["starts"] == [0, 50, 100, 150]  # log-SNR 0, 1, 2, 3 of 0 .. 4; call 4 and the picture at the last
        wanted = [alone(getattr(step, of)) for step in recording.steps[0][:4]]
        assert all((frame == one).all() for frame, one in zip(frames_of(track), wanted, strict=True))
    feet = reel_["words"]["0-foot"]
    assert feet["starts"] == [0, 50, 100, 150, 200]
    assert [text.partition("<br>")[0] for text in feet["texts"]] == [
        *(f"call {i}/5 · t {50 - 10 * i} · log-SNR +{i}.0" for i in range(4)), "call 5/5 · finished"
    ]  # fmt: skip


@pytest.mark.parametrize("experiment", ["compare", "grid", "between"])
def test_every_position_of_the_slider_shows_what_the_server_would(experiment):
    lanes = (LaneSettings(steps=3), LaneSettings(steps=7))
    recording = Recording(SamplingRequest(lanes=lanes), {0: tuple(ramp(0, 3)), 1: tuple(ramp(1, 7))})
    reel_, markup = film_of(recording, experiment)
    assert reel_["film"] and "waits" in markup and reel_["caption"] == reel.CAPTION
    for position in range(0, reel.LAST, 7):
        wanted = samplers_view.parts(experiment, recording, position)
        for name, pixels in ((name, one) for name, one in wanted.items() if not isinstance(one, str)):
            track = reel_["pictures"][name]
            k = sum(start <= position for start in track["starts"]) - 1
            assert (list(frames_of(track))[k] == alone(pixels)).all()
        for name in (name for name, one in wanted.items() if isinstance(one, str)):
            track = reel_["words"][name]
            assert track["texts"][sum(start <= position for start in track["starts"]) - 1] == wanted[name]
            assert f'data-part="{name}"' in markup


def test_a_reel_of_many_pictures_is_thinned_evenly_and_says_so(monkeypatch):
    monkeypatch.setattr(reel, "MOST_PIXELS", 64 * 2 * 20)  # of 8 x 8: twenty of each of the two pictures
    recording = Recording(SamplingRequest(lanes=(LaneSettings(steps=100),)), {0: tuple(ramp(0, 100))})
    reel_, _ = film_of(recording)
    starts = reel_["words"]["0-foot"]["starts"]
    assert starts[0] == 0 and starts[-1] == reel.LAST and 15 <= len(starts) <= 20
    assert np.ptp(np.diff(starts)) <= 2
    assert reel_["caption"] == f"{reel.CAPTION}; {len(starts)} of the 100 changes are shown"
    assert len(reel_["pictures"]["0-left"]["starts"]) == len(starts) - 1  # the last one is the stage's own


def test_a_reel_of_latents_shows_previews_as_large_as_pictures():
    track = reel.sheet([MOSAIC, GREY], media.noisy_uri)
    preview, picture = frames_of(track | {"starts": [0, 1]})
    assert preview.shape == picture.shape == GREY.shape and (preview == alone(np.full_like(GREY, 9))).all()


@pytest.mark.parametrize(("seconds", "plays"), [(0.4, True), (6.0, False)])
def test_a_fast_run_is_shown_as_a_film_and_a_slow_one_as_it_comes(monkeypatch, seconds, plays):
    clock = itertools.count(100.0, seconds / 200)
    monkeypatch.setattr(runs.time, "monotonic", lambda: next(clock))
    tab = make_tab(*(step(0, i, 50, float(i) if i < 50 else inf) for i in range(51)))
    stages = [update[tab.stage] for update in tab.on_run(values_of(tab), VISITOR) if tab.stage in update]
    assert (len(stages) == 1) == plays
    assert ('class="reel waits"' in stages[-1]) == plays and "data-frames" in stages[-1]


def test_a_very_long_run_keeps_what_the_slider_can_reach():
    long = [step(0, i, 1000, float(i)) for i in range(1001)]
    kept = recordings.thinned(long)
    assert len(kept) == 201 and kept[0] is long[0] and kept[-1] is long[-1]
    assert [s.i for s in kept] == sorted({s.i for s in kept})
    assert recordings.thinned(long[:201]) == tuple(long[:201])


def test_difference_is_to_the_first_lane():
    request = SamplingRequest(lanes=(LaneSettings(), LaneSettings()))
    other = GREY.copy()
    other[0, 0] = (128, 148, 128)
    steps = {0: (step(0, 0, 1, 0.0),), 1: (Step(1, 0, 1, 10.0, 0.0, GREY, other, 0.1),)}
    view = lane_view.View(request.lanes, {lane: seen[-1] for lane, seen in steps.items()}, {})
    beside = samplers_view._beside(Recording(request, steps), view, "difference to the first lane")
    assert beside[0][0].max() == 0
    assert beside[1][0].max() == 20 and np.count_nonzero(beside[1][0]) == 1


def test_captions_are_escaped():
    result = LaneResult(0, GREY, 1, 0.1, nearest=GREY, nearest_caption="<script>alert(1)</script>", nearest_rms=0.0)
    view = lane_view.View([LaneSettings()], {0: step(0, 1, 1, inf)}, {0: result})
    assert "<script>" not in lane_view.cards(view)


@pytest.mark.parametrize("count", range(1, 9))
def test_cards_have_a_box_for_every_picture_before_there_is_one(count):
    markup = lane_view.cards(lane_view.View([LaneSettings()] * count, {}, {}))
    assert markup.count("<figure") == 2 * count and "<img" not in markup


def test_the_samplers_offered_are_those_the_model_allows():
    tab = make_tab()
    offered = {name for _, name in tab.form["samplers"].choices}
    assert offered == set(samplers_for(MODELS["exact"])) and "lcm" in SAMPLERS and "lcm" not in offered


def test_a_model_brings_its_own_samplers_conditions_and_forward_process():
    tab = make_tab()
    updates = tab.on_model(values_of(tab, model="pixel", samplers=["ddpm", "lcm"]))
    assert updates[tab.form["samplers"]]["value"] == ["ddpm"]
    assert ("DDPM, learned variance", "ddpm_learned") in updates[tab.form["samplers"]]["choices"]
    assert (
        not updates[tab.form["prompt"]]["visible"]
        and updates[tab.form["group"]]["visible"]
        and updates[tab.form["versus"]]["visible"]
    )
    assert updates[tab.form["schedule"]]["value"] == "cosine" and not updates[tab.form["T"]]["interactive"]
    run(tab, model="pixel", schedule="cosine", prompt="words it cannot read", group="food-drink", versus=True)
    request = tab.backend.request
    assert request.condition.prompt == "" and request.condition.group == "food-drink"
    assert request.versus == "exact-32"


def test_a_distilled_model_starts_with_the_jumps_it_was_made_for():
    tab = make_tab()
    updates = tab.on_model(values_of(tab, model="student", samplers=["ddpm"]))
    assert (
        updates[tab.form["samplers"]]["value"] == ["lcm"] and ("LCM", "lcm") in updates[tab.form["samplers"]]["choices"]
    )
    rows = [[updates[component] for component in row[:2]] for row in tab.rows]
    assert [(name["value"], steps) for name, steps in rows if name["value"]] == [("lcm", n) for n in (1, 2, 4, 8)]
    back = tab.on_model(values_of(tab, model="text-to-image", samplers=["lcm"]))
    assert back[tab.form["samplers"]]["value"] == ["ddim"]


def versus_recording(learned, perfect):
    """One lane of each score; x_0 is flat grey of the given values, one a step."""
    request = SamplingRequest(
        model="pixel", versus="exact-32", lanes=(LaneSettings(steps=2),), forward={"schedule": "cosine"}
    )
    steps = {}
    for lane, greys in enumerate((learned, perfect)):
        pictures = [np.full((8, 8, 3), grey, np.uint8) for grey in greys]
        steps[lane] = tuple(Step(lane, i, 2, 9.0 - i, float(i), x, x, 0.1) for i, x in enumerate(pictures))
    return Recording(request, steps)


def test_the_learned_score_is_measured_against_the_perfect_one():
    recording = versus_recording(learned=(0, 100), perfect=(0, 151))
    (curve,) = json.loads(charts.chart(recording).plot)["data"]
    assert curve["x"] == [0, 1] and curve["y"] == pytest.approx([0, 0.4])  # 51 / 127.5
    markup = samplers_view.paint("compare", recording)
    assert "learned score" in markup and "perfect score" in markup
    beside = samplers_view._beside(
        recording, lane_view.View((), {0: recording.steps[0][1], 1: recording.steps[1][1]}, {}), "difference"
    )
    assert [beside[lane][0].max() for lane in (0, 1)] == [51, 51]


def test_what_an_experiment_does_not_read_is_not_shown_and_what_it_leaves_out_is_said():
    tab = make_tab()
    visible = {}
    for _, name in samplers.EXPERIMENTS:
        update = tab.on_experiment(values_of(tab, experiment=name))
        visible[name] = [update[tab.form[part]]["visible"] for part in ("steps", "guidance", "reference", "group")]
    assert visible == {
        "compare": [True] * 4, "grid": [False, True, True, True], "between": [True] * 4,
        "invert": [True, False, False, True], "share": [True, False, False, False],
    }  # fmt: skip
    last = run(tab, experiment="grid", T=20, samplers=["ddim"], reference=200)
    assert (
        "columns of more steps are left out" in last[tab.runs.note]
        and "the reference takes 20 steps" in last[tab.runs.note]
    )
    last = run(tab, experiment="between", model="pixel", schedule="cosine", versus=True)
    assert "beside compared lanes only" in last[tab.runs.note]
    assert "left out" not in run(tab)[tab.runs.note]


@pytest.mark.parametrize("field", ["seed", "mix_seed", "T"])
def test_a_fraction_is_refused_and_not_rounded(field):
    tab = make_tab()
    part = part_of(tab, field)
    assert part.preprocess(10.6) == 10.6 and part.preprocess(10) == 10
    last = run(tab, experiment="between", **{field: 10.6})
    assert "bad" in last[tab.runs.note] and tab.backend.request is None
    assert all(row[1].preprocess(2.5) == 2.5 for row in tab.rows)


# The share of two groups


def group_step(lane, group, i=50):
    return GroupStep(lane, i, 50, -1.0, inf, GREY, GREY, 0.1, group=group)


def test_a_wall_counts_the_pictures_of_the_first_group_while_they_come_and_at_the_end():
    """Of 20 a sampler the error of a share of 0.8 is sqrt(0.16 / 20)."""
    share = {"experiment": "share", "model": "exact-32", "samplers": ["annealed", "ddpm"]}
    steps = [group_step(lane, int(lane % 4 == 0)) for lane in range(20)]
    tab = make_tab(*steps, group_step(20, 0, i=5), group_step(21, 1))
    last = run(tab, **share)
    wall = html.unescape(last[tab.stage])
    assert "Smileys and emotion 0.75, data 0.80 ± 0.09 (20 pictures)" in wall
    assert "Smileys and emotion 0.50 so far, data 0.80 ± 0.09 (20 pictures)" in wall
    assert wall.count("<img") == 22 and wall.count("<span></span>") == 18
    assert wall.count('<span data-group="1"') == 6 and 'style="width:75.0%"' in wall
    assert last[tab.last_run] is None and "0.75" in last[tab.table]
    for files in (tab.scripts, tab.pictures, tab.recording):
        with pytest.raises(LabError, match="no files of its lanes"):
            list(files(last))
    request = tab.backend.request
    assert len(request.lanes) == 40 and request.standard_error == pytest.approx(0.0894, abs=1e-4)


def test_the_link_of_a_share_makes_it_again():
    tab = make_tab(*(group_step(lane, 0) for lane in range(20)))
    share = {"experiment": "share", "model": "exact-32", "samplers": ["annealed"], "seed": 7, "steps": 30}
    capsule = from_json(to_json(run(tab, **share)[tab.share.capsule]).encode())
    update, press, _ = tab.restore(capsule, tab.share.values_in(capsule))
    first = tab.backend.request
    list(tab.on_run(values_of(tab) | {part: set_to(one) for part, one in update.items()}, VISITOR))
    assert press == "samplers-run" and tab.backend.request == first and first.seed == 7


# What stands beside the pictures


def test_a_refusal_marks_what_was_there_before():
    """Old pictures under a new question would read as its answer."""
    tab = make_tab(LabError("No picture matches 'Pikachu'."))
    assert 'class="lab-note bad refusal"' in run(tab)[tab.runs.note]
    assert ".stage-row:has(.lab-note.refusal) .stage" in theme.CSS
    tab = make_tab(step(0, 1, 1, inf))
    assert "refusal" not in run(tab)[tab.runs.note]


@pytest.mark.parametrize("experiment", ["compare", "grid", "between"])
@pytest.mark.parametrize("model", ["exact", "pixel", "text-to-image"])
def test_words_under_the_stage_are_those_of_what_is_shown(experiment, model):
    """They come with the run, not with the control; "a finite set" is the exact denoiser's, a mosaic the latents'."""
    tab = make_tab(step(0, 1, 2, 0.0))
    words = run(tab, experiment=experiment, model=model, group="", schedule=MODELS[model].schedules[0])[tab.words]
    assert samplers_words.WORDS[experiment] in words
    assert (samplers_words.EXACT_WORDS.get(experiment, "none") in words) == (model == "exact" and experiment != "grid")
    assert (samplers_words.LATENT_WORDS in words) == MODELS[model].latent
    assert tab.words not in tab.on_experiment(values_of(tab, experiment=experiment))


def test_a_run_says_once_what_it_has_to_say():
    tab = make_tab(Note("It reads “a car” as “car”."), Note("It reads “a car” as “car”."), step(0, 1, 1, inf))
    assert run(tab)[tab.runs.note].count("as “car”") == 1


# The nearest training pictures


def learned_replay(model="text-to-image"):
    """A finished run of two lanes of a learned model."""
    request = SamplingRequest(model=model, lanes=(LaneSettings(steps=1),) * 2, forward={"schedule": "scaled_linear"})
    steps = {lane: (step(lane, 0, 1, -3.0), step(lane, 1, 1, inf)) for lane in (0, 1)}
    results = {lane: LaneResult(lane, GREY, 1, 0.1) for lane in (0, 1)}
    return replay.Replay("compare", Recording(request, steps, results))


def test_the_nearest_training_pictures_come_on_request_and_say_how_far_they_are():
    tab = make_tab(Nearest(1, np.zeros((8, 8, 3), np.uint8), "black", 128.0), Nearest(0, GREY, "grey", 0.0))
    update = tab.on_second(learned_replay(), replay.NEAREST, VISITOR)
    asked = tab.backend.request
    assert isinstance(asked, NearestRequest) and (asked.model, len(asked.pictures)) == ("text-to-image", 2)
    assert re.findall(r">(nearest, \d+ of 255)<", update[tab.stage]) == ["nearest, 0 of 255", "nearest, 128 of 255"]
    assert "3,880 training pictures" in update[tab.runs.note]


def test_they_are_not_part_of_a_run_unless_asked_for():
    tab = make_tab(step(0, 0, 1, -3.0), step(0, 1, 1, inf), LaneResult(0, GREY, 1, 0.1), Nearest(0, GREY, "grey", 7.0))
    learned = {"model": "text-to-image", "schedule": "scaled_linear"}
    run(tab, **learned)
    assert isinstance(tab.backend.request, SamplingRequest)
    shown = run(tab, **learned, second=replay.NEAREST)
    assert isinstance(tab.backend.request, NearestRequest) and "nearest, 7 of 255" in shown[tab.stage]


@pytest.mark.parametrize(
    ("shown", "words"), [(None, "no picture yet"), (learned_replay("sd-1-5"), "does not have the pictures that Stable")]
)
def test_where_there_are_none_it_says_why(shown, words):
    tab = make_tab()
    assert words in tab.on_second(shown, replay.NEAREST, VISITOR)[tab.runs.note]
    assert tab.backend.request is None
