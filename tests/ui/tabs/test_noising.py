"""The forward-noising tab without a browser: what its handlers answer, to good input and to bad."""

import base64
import json
import re
from html import unescape
from math import inf, nan
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
import torch
from PIL import Image

from lab.backends.local import LocalBackend
from lab.capsules.capsule import from_file
from lab.requests.noising import NoisingRequest
from lab.settings import Settings
from lab.ui.shell import film, media, own
from lab.ui.tabs.noising import charts as noising_charts
from lab.ui.tabs.noising import tab as noising
from lab.ui.tabs.noising import view
from tests.ui.values import first_values, set_to, settled

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
        tab = noising.Noising(WithoutModel(), Settings())
        tab.lay_out()
        tab.wire(page)
    return tab


@pytest.fixture
def values(tab):
    """What the controls hold after the first preset."""
    picture = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    return first_values(tab) | {tab.last_run: noising.Subject(picture), tab.form["t"]: 300}


def press(tab, preset, values, request=VISITOR):
    """A press of a preset's button by a visitor who has typed another seed."""
    return tab.preset_handler(preset)(values | {tab.form["seed"]: 7}, request)


def test_a_scene_paints_both_pictures_and_the_marker(tab, values):
    painted = next(tab.on_scene(values, VISITOR))
    assert "t = 300" in painted[tab.jump]
    assert painted[tab.jump].count("<img") == painted[tab.chain].count("<img") == 1
    assert json.loads(painted[tab.plot].plot)["data"][-1]["x"] == [300]


def source(update, tab):
    """What a scene's first update tells the page."""
    return json.loads(unescape(re.search(r'data-source="([^"]*)"', update[tab.source]).group(1)))


@pytest.mark.parametrize("rival, aligned", [("", False), ("cosine", False), (noising.ZERO, True)])
def test_the_page_has_all_that_x_t_is_made_of(tab, values, rival, aligned):
    """x_t = sqrt(alpha-bar) x_0 + sqrt(1 - alpha-bar) eps, from what the page was sent, is the server's at every t."""
    align = noising.SAME_LEVEL if aligned else noising.SAME_T
    now = values | {tab.form["rival"]: rival, tab.form["align"]: align, tab.form["seed"]: 5}
    content = source(next(tab.on_scene(now, VISITOR)), tab)
    assert (content["aligned"], len(content["bars"])) == (aligned, 2 if rival else 1)
    x_0 = media.from_uri(content["picture"]).transpose(2, 0, 1) / 127.5 - 1
    eps = torch.randn(x_0.shape, generator=torch.Generator().manual_seed(content["seed"])).numpy()
    for t in (0, 1, 260, 1000):
        for bars, process in zip(content["bars"], tab._processes(tab._now(now | {tab.form["t"]: t})), strict=True):
            bar = np.frombuffer(base64.b64decode(bars))[process.frame.t]
            x_t = bar**0.5 * x_0 + (1 - bar) ** 0.5 * eps
            shown = (x_t * 127.5 + 128).clip(0, 255).astype(np.uint8).transpose(1, 2, 0).astype(int)
            assert np.abs(shown - process.frame.x_t).max() <= 1
            power, own, cross = map(np.array, content["spectra"])
            whole = bar * power + (1 - bar) * own + 2 * (bar * (1 - bar)) ** 0.5 * cross
            # A number of seven digits has an error of 5e-8 of itself; the terms may cancel.
            assert np.allclose(whole, process.frame.spectrum, rtol=1e-6, atol=1e-6 * power.max())


def test_t_at_rest_is_answered_with_what_the_page_cannot_know(tab, values):
    rested = tab.on_rest(values | {tab.form["t"]: 700}, VISITOR)
    answer = json.loads(rested[tab.answer])
    assert answer["key"] == source(next(tab.on_scene(values, VISITOR)), tab)["key"]
    assert answer["t"] == 700 and "700 small steps" in answer["chain"] and 'data-t="700"' in answer["recovered"]
    assert rested[tab.share.capsule].values["t"] == 700
    other = json.loads(tab.on_rest(values | {tab.form["seed"]: 1}, VISITOR)[tab.answer])
    assert other["key"] != answer["key"]
    beyond = tab.on_rest(values | {tab.form["T"]: 10}, VISITOR)  # t is 300
    assert json.loads(beyond[tab.answer])["t"] == 10


@pytest.mark.parametrize("chart", noising_charts.CHARTS)
@pytest.mark.parametrize("t", [0, 1, 1000])
def test_every_chart_is_valid_json_at_both_ends(tab, values, chart, t):
    changes = {tab.form["chart"]: chart, tab.form["t"]: t, tab.form["rival"]: noising.ZERO}
    figure = json.loads(tab.on_chart(values | changes)[tab.plot].plot, parse_constant=pytest.fail)
    assert figure["data"]


def test_a_rival_at_the_same_log_snr_is_as_noisy_at_another_t(tab, values):
    now = tab._now(values) | {"rival": "cosine"}
    first, second = tab._processes(now | {"align": noising.SAME_LEVEL})
    assert second.frame.t != first.frame.t
    assert second.frame.log_snr == pytest.approx(first.frame.log_snr, abs=0.02)
    first, second = tab._processes(now)
    assert second.frame.t == first.frame.t


def test_a_change_of_scene_answers_with_the_frame_first_and_the_film_last(tab, values):
    parts = list(tab.on_scene(values, VISITOR))
    assert tab.jump in parts[0]
    assert tab.guess in parts[1]
    assert parts[2][tab.film].count("data-pick") == len(noising.FILM_AT)


def test_a_smaller_T_takes_t_along(tab, values):
    first = next(tab.on_scene(values | {tab.form["T"]: 10}, VISITOR))
    assert first[tab.form["t"]] == gr.update(maximum=10, value=10)


@pytest.mark.parametrize("preset", noising.PRESETS, ids=lambda preset: preset.title)
def test_every_preset_names_what_there_is_and_paints(tab, values, preset):
    assert preset.subject in {example.path.stem for example in tab.examples}
    whole = tab.form.preset(preset)
    parts = list(press(tab, preset, values))
    assert not any('class="lab-note bad"' in str(part.get(tab.runs.note)) for part in parts)
    assert f"t = {whole['t']}" in parts[1][tab.jump] and 0 < whole["t"] <= whole["T"]
    update = {name: set_to(parts[1][part]) for name, part in tab.form.parts.items() if part in parts[1]}
    assert update == {name: value for name, value in whole.items() if name != "seed"}  # the visitor's own stays
    assert parts[1][tab.form["align"]]["visible"] == bool(whole["rival"])
    assert parts[1][tab.form["t"]]["maximum"] == whole["T"]


@pytest.mark.parametrize("field, bad", [("T", 9), ("T", 4001), ("T", nan), ("T", None), ("T", inf), ("seed", -1), ("seed", nan), ("t", None), ("picture", None)])  # fmt: skip
def test_bad_values_get_a_sentence_and_keep_the_page(tab, values, field, bad):
    broken = values | {tab.last_run if field == "picture" else tab.form[field]: bad}
    list(tab.on_scene(broken, VISITOR))
    saved = tab.share.save(tab.save_png, broken)
    answers = [tab.on_rest(broken, VISITOR), saved]
    said = [answer[note] for answer in answers for note in (tab.runs.note, tab.share.note) if note in answer]
    assert all('class="lab-note bad' in note and "Traceback" not in note for note in said)
    assert len(said) == 2
    assert not any(tab.jump in answer for answer in answers)


def test_a_scene_paints_nothing_over_a_newer_one(tab, values):
    older = tab.on_scene(values, VISITOR)
    next(older)
    list(press(tab, noising.PRESETS[1], values))
    assert list(older) == []


def test_a_page_that_leaves_at_the_first_update_leaves_nothing(tab, values):
    updates = tab.on_scene(values, VISITOR)
    next(updates)
    updates.close()
    assert not tab.taken(VISITOR)


def test_a_bad_upload_leaves_the_picture(tab, values, tmp_path):
    (tmp_path / "a.png").write_text("no picture")
    (answer,) = tab.on_upload(values | {tab.upload: str(tmp_path / "a.png")}, VISITOR)
    assert list(answer) == [tab.runs.note]
    assert "not a picture" in answer[tab.runs.note]
    (lost,) = tab.on_upload(values | {tab.upload: None}, VISITOR)
    assert list(lost) == [tab.runs.note] and own.LOST in lost[tab.runs.note]


# an example's name or the width and height of a visitor's file, and the side of the picture that drowns
@pytest.mark.parametrize(
    ("picture", "side"),
    [("fox-3d", 64), ("house-line-drawing", 64), ("astronaut", 256), ("chelsea", 256), ((20, 30), 64), ((64, 900), 64),
     ((127, 127), 64), ((128, 200), 128), ((255, 400), 128), ((256, 256), 256), ((3000, 2000), 256)],
)  # fmt: skip
def test_a_picture_comes_at_the_side_that_suits_it(tab, values, tmp_path, picture, side):
    values = values | {tab.form["side"]: 512 if side == 64 else 64}
    if isinstance(picture, str):
        index = next(i for i, one in enumerate(tab.examples) if one.path.stem == picture)
        updates = list(tab.on_example(values, SimpleNamespace(pick=index), VISITOR))
    else:
        Image.new("RGB", picture, "red").save(tmp_path / "mine.png")
        updates = list(tab.on_upload(values | {tab.upload: str(tmp_path / "mine.png")}, VISITOR))
    for update in updates:
        values = settled(values, update)
    assert values[tab.form["side"]] == side and tab.request(values).picture.shape == (side, side, 3)


def test_what_of_a_file_is_not_in_the_picture_is_said_as_long_as_the_picture_is_shown(tab, values, tmp_path):
    Image.new("LA", (90, 60), (40, 0)).save(tmp_path / "a.png")
    for update in tab.on_upload(values | {tab.upload: str(tmp_path / "a.png")}, VISITOR):
        values = settled(values, update)
    assert values[tab.last_run].picture.shape == (60, 60, 3)
    for said in (values, tab.on_rest(values | {tab.form["t"]: 500}, VISITOR)):
        assert (
            "Its middle is used, 60 × 60 of 90 × 60 pixels. Its transparent parts are filled with white."
            in said[tab.runs.note]
        )
    for update in press(tab, noising.PRESETS[0], values):
        values = settled(values, update)
    assert "pixels" not in values[tab.runs.note] and values[tab.last_run].remark == ""


def test_the_exported_png_is_exact_and_carries_its_settings(tab, values):
    (path,) = tab.share.save(tab.save_png, values)[tab.share.files]["value"]
    image = Image.open(path)
    told = from_file(Path(path).read_bytes()).values
    assert (told["t"], told["schedule"], told["T"], told["zero"]) == (300, "linear", 1000, False)
    assert np.array_equal(media.from_uri(told["picture"]["png"]), values[tab.last_run].picture)
    request = NoisingRequest(picture=media.resize(values[tab.last_run].picture, 64), t=300, chain=False)
    (frame,) = tab.backend.run(request)
    assert np.array_equal(np.asarray(image), frame.x_t)


@pytest.mark.parametrize(("rival", "pictures"), [("", 1), ("cosine", 2)])
def test_films_open_and_have_their_frames(tab, values, rival, pictures):
    """Each shows x_t at 256 px, beside the rival's; its first frame is the picture itself, its last one x_T."""
    values = values | {tab.form["rival"]: rival}
    gif = Image.open(*tab.save_film(film.save_gif, "noising.gif", values))
    assert gif.n_frames == noising.EXPORT_FRAMES and gif.size == (
        pictures * 256 + (pictures - 1) * film.GAP,
        256 + 2 * film.LINE,
    )
    import cv2

    video = cv2.VideoCapture(*map(str, tab.save_film(film.save_mp4, "noising.mp4", values)))
    assert int(video.get(cv2.CAP_PROP_FRAME_COUNT)) == noising.EXPORT_FRAMES
    assert min(video.read()[1].shape[:2]) >= 512
    now = tab._now(values)
    for t in (0, 1000):
        processes = tab._processes(now | {"t": t})
        frame = view.film_frame(processes)
        for i, process in enumerate(processes):
            left = i * (256 + film.GAP)
            inside = frame[film.LINE : film.LINE + 256, left : left + 256]
            assert np.array_equal(inside[::4, ::4], process.frame.x_t), (t, i)
        assert (frame[film.LINE + 256 :] < 100).any()  # t and the share are written beneath


def test_a_newer_preset_ends_an_older_one(tab, values):
    """As when a button elsewhere opens the tab, which begins with its first preset, and presses another at once."""
    first = tab.on_open(values | {tab.last_run: None, tab.share.restored: False, tab.share.by_preset: False}, VISITOR)
    assert tab.gallery in next(first) and tab.jump in next(first)
    second = press(tab, noising.PRESETS[2], values)
    assert tab.gallery in next(second) and set_to(next(second)[tab.form["rival"]]) == "cosine"
    assert list(first) == []
    assert [tab.guess in update or tab.film in update for update in second] == [True, True]
    other = press(tab, noising.PRESETS[2], values, SimpleNamespace(session_hash="somebody else"))
    assert len(list(other)) == 4


def test_a_preset_is_not_ended_by_the_opening_of_its_tab(tab, values):
    """The page may tell of the opening after the press."""
    preset = press(tab, noising.PRESETS[2], values)
    next(preset)
    unopened = values | {tab.last_run: None, tab.share.restored: False, tab.share.by_preset: False}
    assert list(tab.on_open(unopened, VISITOR)) == [{tab.runs.note: gr.skip()}]
    assert len(list(preset)) == 3
    assert len(list(tab.on_open(unopened, VISITOR))) == 4  # nothing is under way any more


@pytest.mark.parametrize("said", ["restored", "by_preset"])
def test_a_tab_opened_for_something_else_paints_nothing_of_its_own(tab, values, said):
    """For a capsule, or by a button that presses a preset."""
    unopened = values | {tab.last_run: None, tab.share.restored: False, tab.share.by_preset: False}
    assert list(tab.on_open(unopened | {getattr(tab.share, said): True}, VISITOR)) == [{tab.runs.note: gr.skip()}]


@pytest.mark.parametrize("index", [0, 2])
def test_what_is_marked_is_a_part_of_every_update_of_a_scene(tab, values, index):
    """Of two updates in quick succession the page may show the second alone."""

    def marked(update):
        return re.findall(r'data-pick="(\d+)" aria-pressed="true"', update[tab.gallery])

    names = [example.path.stem for example in tab.examples]
    preset = noising.PRESETS[index]
    for update in press(tab, preset, values):
        assert marked(update) == [str(names.index(preset.subject))]
        assert update[tab.last_run].example == preset.subject
    for update in tab.on_example(values, SimpleNamespace(pick=index), VISITOR):
        assert marked(update) == [str(index)]
    assert all(tab.gallery not in update for update in tab.on_scene(values, VISITOR))
