"""The forward-noising tab without a browser: what its handlers answer, to good input and to bad."""

import json
from math import inf, nan
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from lab.backends.local import LocalBackend
from lab.capsules.capsule import from_file
from lab.requests.noising import NoisingRequest
from lab.settings import Settings
from lab.ui.shell import media
from lab.ui.tabs.noising import charts as noising_charts
from lab.ui.tabs.noising import tab as noising

VISITOR = SimpleNamespace(session_hash="visitor")


class WithoutModel:
    """The local backend, but nothing is recovered: no model has to be loaded."""

    def __init__(self):
        self.local = LocalBackend(Settings())
        self.requests = []

    def run(self, request, stop=None, client=""):
        self.requests.append(request)
        for frame in self.local.run(request.model_copy(update={"recover": None})):
            recovered = np.zeros((64, 64, 3), np.uint8) if request.recover else None
            yield frame.__class__(**{**frame.__dict__, "recovered": recovered})


@pytest.fixture
def tab():
    with gr.Blocks(), gr.Tab() as page:
        tab = noising._Tab(WithoutModel(), Settings())
        tab.lay_out()
        tab.wire(page)
    return tab


@pytest.fixture
def values(tab):
    """What the controls hold after the first preset."""
    return {
        tab.picture: np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8),
        tab.schedule: "linear", tab.T: 1000, tab.zero: False, tab.seed: 0, tab.t: 300, tab.side: 64,
        tab.rival: "", tab.align: noising.SAME_T, tab.chart: "schedule", tab.remark: "",
    }  # fmt: skip


def test_a_drag_paints_both_pictures_and_moves_the_marker(tab, values):
    painted = tab.on_drag(values, VISITOR)
    assert "t = 300" in painted[tab.jump]
    assert painted[tab.jump].count("<img") == painted[tab.chain].count("<img") == 1
    marker = json.loads(painted[tab.plot].plot)["data"][-1]
    assert marker["x"] == [300]
    assert tab.on_drag(values | {tab.t: 700}, VISITOR)[tab.jump] != painted[tab.jump]


@pytest.mark.parametrize("chart", noising_charts.CHARTS)
@pytest.mark.parametrize("t", [0, 1, 1000])
def test_every_chart_is_valid_json_at_both_ends(tab, values, chart, t):
    changes = {tab.chart: chart, tab.t: t, tab.rival: noising.ZERO}
    figure = json.loads(tab.on_chart(values | changes)[tab.plot].plot, parse_constant=pytest.fail)
    assert figure["data"]


def test_a_rival_at_the_same_log_snr_is_as_noisy_at_another_t(tab, values):
    first, second = tab._shown(values | {tab.rival: "cosine", tab.align: noising.SAME_LEVEL})
    assert second.frame.t != first.frame.t
    assert second.frame.log_snr == pytest.approx(first.frame.log_snr, abs=0.02)
    first, second = tab._shown(values | {tab.rival: "cosine"})
    assert second.frame.t == first.frame.t


def test_a_change_of_scene_answers_with_the_frame_first_and_the_film_last(tab, values):
    parts = list(tab.on_scene(values, VISITOR))
    assert tab.jump in parts[0]
    assert tab.recovered in parts[1]
    assert parts[2][tab.strip].count("data-pick") == len(noising.FILM_AT)


def test_a_smaller_T_takes_t_along(tab, values):
    first = next(tab.on_scene(values | {tab.T: 10}, VISITOR))
    assert first[tab.t] == gr.update(maximum=10, value=10)


@pytest.mark.parametrize("preset", noising.PRESETS, ids=lambda preset: preset.title)
def test_every_preset_names_what_there_is_and_paints(tab, values, preset):
    assert preset.example in {example.path.stem for example in tab.examples}
    parts = list(tab.on_preset(preset, values, VISITOR))
    assert not any('class="lab-note bad"' in str(part.get(tab.note)) for part in parts)
    assert f"t = {round(preset.at * preset.T)}" in parts[1][tab.jump]


@pytest.mark.parametrize("field, bad", [("T", 9), ("T", 4001), ("T", nan), ("T", None), ("T", inf), ("seed", -1), ("seed", nan), ("t", None), ("picture", None)])  # fmt: skip
def test_bad_values_get_a_sentence_and_keep_the_page(tab, values, field, bad):
    broken = values | {getattr(tab, field): bad}
    list(tab.on_scene(broken, VISITOR))
    answers = [tab.on_drag(broken, VISITOR), *tab.on_play(broken, VISITOR), tab.save_png(broken)]
    said = [answer[note] for answer in answers for note in (tab.note, tab.share.note) if note in answer]
    assert all('class="lab-note bad' in note and "Traceback" not in note for note in said)
    assert len(said) == 3
    assert not any(tab.jump in answer for answer in answers)


def test_play_moves_t_until_it_is_stopped(tab, values):
    playing = tab.on_play(values | {tab.t: 0}, VISITOR)
    next(playing)
    seen = [next(playing)[tab.t] for _ in range(3)]
    assert seen[0] == 0 < seen[1] < seen[2]
    tab.on_stop(VISITOR)
    rest = list(playing)
    assert len(rest) <= 3
    assert rest[-1][tab.play] == gr.update(interactive=True)


NEWER = {
    "a preset": lambda tab, values: list(tab.on_preset(noising.PRESETS[1], values, VISITOR)),
    "another schedule": lambda tab, values: list(tab.on_scene(values | {tab.schedule: "cosine"}, VISITOR)),
    "a drag": lambda tab, values: tab.on_drag(values | {tab.t: 700}, VISITOR),
    "a step of the strip": lambda tab, values: tab.on_pick_step(values, SimpleNamespace(pick=40), VISITOR),
}


@pytest.mark.parametrize("newer", NEWER)
@pytest.mark.parametrize("played", [1, 2, 4])
def test_play_paints_nothing_over_what_is_newer(tab, values, newer, played):
    playing = tab.on_play(values | {tab.t: 0}, VISITOR)
    for _ in range(played):
        next(playing)
    NEWER[newer](tab, values)
    assert [sorted(update, key=id) for update in playing] == [sorted([tab.play, tab.stop], key=id)]


def test_a_scene_paints_nothing_over_a_newer_one(tab, values):
    older = tab.on_scene(values, VISITOR)
    next(older)
    list(tab.on_preset(noising.PRESETS[1], values, VISITOR))
    assert list(older) == []


@pytest.mark.parametrize("start", ["on_play", "on_scene"])
def test_a_page_that_leaves_at_the_first_update_leaves_nothing(tab, values, start):
    updates = getattr(tab, start)(values, VISITOR)
    next(updates)
    updates.close()
    assert not tab.plays.busy(VISITOR) and not tab.scenes.busy(VISITOR)


def test_stop_of_another_visitor_does_nothing(tab, values):
    playing = tab.on_play(values | {tab.t: 0}, VISITOR)
    next(playing), next(playing)
    tab.on_stop(SimpleNamespace(session_hash="somebody else"))
    assert next(playing)[tab.t] > 0
    playing.close()


def test_a_bad_upload_leaves_the_picture(tab, values, tmp_path):
    (tmp_path / "a.png").write_text("no picture")
    (answer,) = tab.on_upload(values | {tab.upload: str(tmp_path / "a.png")}, VISITOR)
    assert list(answer) == [tab.note]
    assert "not a picture" in answer[tab.note]
    (cleared,) = tab.on_upload(values | {tab.upload: None}, VISITOR)
    assert list(cleared) == [tab.note]


def test_what_of_a_file_is_not_in_the_picture_is_said_as_long_as_the_picture_is_shown(tab, values, tmp_path):
    Image.new("LA", (90, 60), (40, 0)).save(tmp_path / "a.png")
    for update in tab.on_upload(values | {tab.upload: str(tmp_path / "a.png")}, VISITOR):
        values |= {part: new for part, new in update.items() if not (isinstance(new, dict) and "__type__" in new)}
    assert values[tab.picture].shape == (60, 60, 3)
    for said in (values, tab.on_drag(values | {tab.t: 500}, VISITOR)):
        assert (
            "Its middle is used, 60 × 60 of 90 × 60 pixels. Its transparent parts are filled with white."
            in said[tab.note]
        )
    for update in tab.on_preset(noising.PRESETS[0], values, VISITOR):
        values |= update
    assert "pixels" not in values[tab.note] and values[tab.remark] == ""


def test_the_exported_png_is_exact_and_carries_its_settings(tab, values):
    path = tab.save_png(values)[tab.share.files]["value"][0]
    image = Image.open(path)
    told = from_file(Path(path).read_bytes()).values
    assert (told["t"], told["schedule"], told["T"], told["zero"]) == (300, "linear", 1000, False)
    assert np.array_equal(media.from_uri(told["picture"]["png"]), values[tab.picture])
    request = NoisingRequest(picture=media.resize(values[tab.picture], 64), t=300, chain=False)
    assert np.array_equal(np.asarray(image), tab._run(request).x_t)


def test_films_open_and_have_their_frames(tab, values):
    gif = Image.open(tab.save_gif(values)[tab.share.files]["value"][0])
    assert gif.n_frames == noising.EXPORT_FRAMES
    import cv2

    video = cv2.VideoCapture(tab.save_mp4(values)[tab.share.files]["value"][0])
    assert int(video.get(cv2.CAP_PROP_FRAME_COUNT)) == noising.EXPORT_FRAMES
    assert video.read()[1].shape == (512, 512, 3)


def test_a_newer_preset_ends_an_older_one(tab, values):
    """As when a button elsewhere opens the tab, which begins with its first preset, and presses another at once."""
    first = tab.on_open(values | {tab.picture: None, tab.share.restored: False, tab.share.asked: False}, VISITOR)
    assert tab.gallery in next(first) and tab.jump in next(first)
    second = tab.on_preset(noising.PRESETS[2], values, VISITOR)
    assert tab.gallery in next(second) and next(second)[tab.schedule] == "linear"
    assert list(first) == []
    assert [tab.recovered in update or tab.strip in update for update in second] == [True, True]
    other = tab.on_preset(noising.PRESETS[2], values, SimpleNamespace(session_hash="somebody else"))
    assert len(list(other)) == 4


def test_a_preset_is_not_ended_by_the_opening_of_its_tab(tab, values):
    """The page may tell of the opening after the press."""
    preset = tab.on_preset(noising.PRESETS[2], values, VISITOR)
    next(preset)
    unopened = values | {tab.picture: None, tab.share.restored: False, tab.share.asked: False}
    assert list(tab.on_open(unopened, VISITOR)) == [{tab.note: gr.skip()}]
    assert len(list(preset)) == 3
    assert len(list(tab.on_open(unopened, VISITOR))) == 4  # nothing is under way any more


@pytest.mark.parametrize("said", ["restored", "asked"])
def test_a_tab_opened_for_something_else_paints_nothing_of_its_own(tab, values, said):
    """For a capsule, or by a button that presses a preset."""
    unopened = values | {tab.picture: None, tab.share.restored: False, tab.share.asked: False}
    assert list(tab.on_open(unopened | {getattr(tab.share, said): True}, VISITOR)) == [{tab.note: gr.skip()}]
