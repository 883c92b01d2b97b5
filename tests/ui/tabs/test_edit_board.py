"""The board of the Edit tab without a browser: what its handlers make of strokes, pictures, and what nobody's page would send."""

import re
from dataclasses import replace
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lab.catalog import MODELS, VIEWS
from lab.requests.base import LabError
from lab.requests.edit import EditLane, EditRequest
from lab.settings import Settings
from lab.ui.shell import media
from lab.ui.shell.form import Field, Form
from lab.ui.tabs.edit import board as boards
from lab.ui.tabs.edit import drawing as drawings
from lab.ui.tabs.edit.canvas import COLOURS, LOOK, MASK, STROKES, canvas, name_of
from lab.ui.tabs.edit.drawing import MASKS
from lab.ui.tabs.edit.starters import PAPER, STARTERS
from tests.ui.values import set_to, settled

EXPERIMENTS = ("noise", "fill", "words", "enlarge", "two")
FORM = (
    Field("model", gr.Dropdown, "Model"),
    Field("experiment", gr.Radio, "Experiment", "fill", choices=[(name, name) for name in EXPERIMENTS]),
    Field("view", gr.Dropdown, "View", "flip", choices=[(row.title, name) for name, row in VIEWS.items()]),
)


@pytest.fixture(scope="module")
def board():
    form = Form("edit", FORM, [MODELS["text-to-image"], MODELS["pixel"]])
    opening = form.complete({})
    board = boards.Board(Settings(), form)
    with gr.Blocks():
        note = gr.HTML()
        form.lay_out("model", "experiment", "view", values=opening)
        board.lay_out(note, opening)
    return board


def page(board, **values):
    """What a visitor's page holds after a preset with this subject."""
    subject = values.pop("subject", ("panda", ""))
    now = board.form.complete(values)
    held = {board.form[name]: value for name, value in now.items()} | {board.upload: None}
    return settled(held, board.begin(subject, now))


def drawing_of(board, values):
    return values[board.drawing]


def said(board, update):
    return re.sub("<[^>]*>", "", set_to(update[board.note]))


def layer(*boxes, side=64, colour=(214, 40, 57)):
    pixels = np.zeros((side, side, 4), np.uint8)
    for rows, columns in boxes:
        pixels[rows, columns] = (*colour, 255)
    return pixels


def event(board, values, pixels=None, n=1, mode=MASK, **more):
    """What the page hands over."""
    ink = media.exact_uri(layer() if pixels is None else pixels)
    return SimpleNamespace(**{"n": n, "id": name_of(drawing_of(board, values), mode), "mode": mode, "ink": ink} | more)


LEFT, RIGHT = (slice(0, 64), slice(0, 20)), (slice(0, 64), slice(40, 64))


def test_a_stroke_becomes_the_mask_and_the_canvas_stays_as_the_page_has_it(board):
    values = page(board)
    update = board.on_edit(values, event(board, values, layer(LEFT)))
    assert board.editor not in update
    mask = update[board.drawing].mask
    assert mask[LEFT].all() and mask.mean() == 20 / 64


def test_no_stroke_hangs_on_the_answer_to_the_one_before(board):
    """Each carries all that is painted: the second is whole though the server still has the drawing without the first."""
    values = page(board)
    board.on_edit(values, event(board, values, layer(LEFT), n=1))
    second = board.on_edit(values, event(board, values, layer(LEFT, RIGHT), n=2))[board.drawing]
    assert second.mask[LEFT].all() and second.mask[RIGHT].all() and second.seen == 2


def test_a_canvas_says_which_strokes_are_on_it(board):
    values = page(board)
    values = settled(values, board.on_edit(values, event(board, values, layer(LEFT), n=7)))
    markup = set_to(board.resize(values)[board.editor])
    assert 'data-seen="7"' in markup and f'data-id="{drawing_of(board, values).id}"' in markup
    later = settled(values, board.on_edit(values, event(board, values, layer(LEFT), n=5)))  # one that came late
    assert drawing_of(board, later).seen == 7


def test_colours_for_a_picture_that_is_gone_change_nothing_and_the_page_shows_the_one_that_is_there(board):
    values = page(board, experiment="noise")
    old = event(board, values, layer(LEFT), mode=STROKES)
    values = settled(values, board.on_starter(values, SimpleNamespace(pick=5)))
    update = board.on_edit(values, old)
    assert update[board.drawing].strokes is None and update[board.drawing].example == list(STARTERS)[5]
    assert name_of(drawing_of(board, values), STROKES) in set_to(update[board.editor])


def test_a_mask_that_was_painted_while_another_picture_came_lies_over_that_one(board):
    values = page(board)
    old = event(board, values, layer(LEFT))
    values = settled(values, board.on_starter(values, SimpleNamespace(pick=5)))
    after = board.on_edit(values, old)[board.drawing]
    assert after.mask[LEFT].all() and after.example == list(STARTERS)[5]


def test_a_mask_of_before_a_preset_was_pressed_changes_nothing(board):
    values = page(board)
    old = event(board, values, layer(LEFT))
    values = settled(values, board.begin(("fox", "middle"), board.form.complete({})))
    update = board.on_edit(values, old)
    assert np.array_equal(update[board.drawing].mask, MASKS["middle"](64)) and board.editor in update


def test_colours_are_painted_in_the_experiment_with_noise(board):
    values = page(board, experiment="noise", subject=(PAPER, ""))
    update = board.on_edit(values, event(board, values, layer(LEFT), mode=STROKES))
    picture = update[board.drawing].picture
    assert (picture[LEFT] == (214, 40, 57)).all() and (picture[RIGHT] == 255).all()
    assert update[board.drawing].mask is None


@pytest.mark.parametrize("name", MASKS)
def test_a_mask_is_chosen_by_its_name_and_can_be_painted_on(board, name):
    values = page(board)
    update = board.on_edit(values, event(board, values, area=name, n=3))
    values = settled(values, update)
    assert np.array_equal(drawing_of(board, values).mask, MASKS[name](64))
    assert f'value="{name}" selected' in set_to(update[board.editor])
    whole = np.zeros((64, 64, 4), np.uint8)
    whole[..., 3] = 255
    update = board.on_edit(values, event(board, values, whole, n=4))
    assert update[board.drawing].mask.all()
    assert np.array_equal(update[board.drawing].picture, drawing_of(board, values).picture)


def test_a_request_takes_what_is_drawn(board):
    for subject in ((name, area) for name in ("fox", PAPER) for area in MASKS):
        drawing = drawing_of(board, page(board, subject=subject))
        EditRequest(picture=drawing.picture, mask=drawing.mask, lanes=(EditLane(method="repaint"),))


# The picture


def test_every_starter_can_be_clicked(board):
    values = page(board, subject=("panda", "middle"))
    for index, name in enumerate(STARTERS):
        update = board.on_starter(values, SimpleNamespace(pick=index))
        drawing = update[board.drawing]
        assert drawing.example == name and np.array_equal(drawing.mask, MASKS["middle"](64))
        pressed = re.findall(r'data-pick="(\d+)" aria-pressed="true"', set_to(update[board.gallery]))
        assert pressed == [str(index)]


def test_a_click_that_is_none_is_refused_in_words(board):
    with pytest.raises(LabError, match="Click once more"):
        board.on_starter(page(board), SimpleNamespace(pick="x"))


def own(board, values, path):
    return board.on_upload(values | {board.upload: None if path is None else str(path)})


def test_an_own_picture_comes_and_what_is_cut_off_is_said(board, tmp_path):
    path = tmp_path / "wide.png"
    Image.fromarray(np.full((50, 120, 3), 90, np.uint8)).save(path)
    values = page(board, subject=("panda", "border"))
    update = own(board, values, path)
    drawing = update[board.drawing]
    assert drawing.example == "" and drawing.caption == "" and np.array_equal(drawing.mask, MASKS["border"](64))
    assert said(board, update) == drawing.note == "Its middle is used, 50 × 50 of 120 × 50 pixels."
    assert f'data-shown="{drawing.file}"' in set_to(update[board.gallery]) and drawing.file
    assert 'aria-pressed="true"' not in set_to(update[board.gallery])


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n" + bytes(40), b"not a picture", None])
def test_a_file_that_is_no_picture_leaves_the_old_one(board, tmp_path, content):
    path = None if content is None else tmp_path / "x.png"
    if path is not None:
        path.write_bytes(content)
    update = own(board, page(board), path)
    assert list(update) == [board.note] and said(board, update)


# The tools, and other models


@pytest.mark.parametrize(
    ("experiment", "view", "mode", "has_gallery"),
    [("noise", "flip", STROKES, True), ("fill", "flip", MASK, True), ("words", "flip", LOOK, True),
     ("enlarge", "flip", LOOK, True), ("two", "painted", MASK, False), ("two", "flip", "", False)],
)  # fmt: skip
def test_an_experiment_has_the_tools_that_it_has_a_use_for(board, experiment, view, mode, has_gallery):
    values = page(board, subject=("panda", "border"))
    update = board.modes(values | {board.form["experiment"]: experiment, board.form["view"]: view})
    editor, gallery = update[board.editor], update[board.gallery]
    assert editor["visible"] == (True if mode else "hidden") and gallery["visible"] == (
        True if has_gallery else "hidden"
    )
    markup = editor["value"]
    assert f'data-mode="{mode or LOOK}"' in markup
    assert ("data-colour" in markup) == (mode == STROKES) and ("<select" in markup) == (mode == MASK)
    assert ("data-tool" in markup) == (mode in (STROKES, MASK)) and ('tabindex="0"' in markup) == (
        mode in (STROKES, MASK)
    )
    assert ('value="border"' in markup) == (experiment == "fill")
    assert ('alt="Blank paper"' in markup) == (experiment == "two")
    plain = drawings.begin("panda", 64)
    laid_out = not np.array_equal(update[board.drawing].picture, plain.picture)
    assert laid_out == (experiment == "fill")
    assert np.array_equal(update[board.drawing].mask, MASKS["border"](64))  # to come back to


def test_going_to_another_experiment_and_back_loses_nothing(board):
    values = page(board, subject=("house", "seam"))
    first = drawing_of(board, values)
    for experiment in (*EXPERIMENTS, "fill"):
        values = values | {board.form["experiment"]: experiment}
        values = settled(values, board.modes(values))
    last = drawing_of(board, values)
    assert np.array_equal(first.picture, last.picture) and np.array_equal(first.mask, last.mask) and first.id == last.id


def test_another_model_has_the_drawing_at_its_side(board):
    values = page(board, subject=("fox", "middle"))
    small = values | {board.form["model"]: "pixel"}
    update = board.resize(small)
    drawing = update[board.drawing]
    assert drawing.picture.shape == (32, 32, 3) and np.array_equal(drawing.mask, MASKS["middle"](32))
    assert 'width="32" height="32"' in set_to(update[board.editor])
    back = board.resize(settled(small, update) | {board.form["model"]: "text-to-image"})[board.drawing]
    assert np.array_equal(back.picture, drawing_of(board, values).picture)


def test_strokes_of_before_another_model_was_chosen_are_taken_at_its_side(board):
    values = page(board)
    late = event(board, values, layer(LEFT))
    small = values | {board.form["model"]: "pixel"}
    after = board.on_edit(settled(small, board.resize(small)), late)[board.drawing]
    assert after.mask.shape == (32, 32) and after.mask[:, :10].all() and not after.mask[:, 10:].any()


def test_presets_begin_with_their_picture_and_mask(board):
    for subject in (("person waving", "left half"), (PAPER, ""), None):
        drawing = drawing_of(board, page(board, subject=subject))
        name, area = subject or (PAPER, "")
        assert drawing.example == name and (drawing.mask is None) == (not area)


def test_a_capsule_brings_the_drawing_back(board):
    values = page(board, subject=("sunflower", "seam"))
    words = drawings.for_capsule(drawing_of(board, values))
    back = board.restore(words, board.form.complete({}))[board.drawing]
    assert np.array_equal(back.picture, drawing_of(board, values).picture)
    nothing = board.restore({"png": ""}, board.form.complete({}))
    assert nothing[board.drawing].picture is None and 'alt="Blank paper"' in set_to(nothing[board.editor])


def test_one_paints_on_paper_where_a_link_brought_no_picture(board):
    now = board.form.complete({})
    values = settled({board.form[name]: value for name, value in now.items()}, board.restore({}, now))
    after = board.on_edit(values, event(board, values, layer(LEFT)))[board.drawing]
    assert (after.picture == 255).all() and after.mask[LEFT].all()


def test_visitors_have_drawings_of_their_own(board):
    one, other = page(board), page(board)
    assert drawing_of(board, one).id != drawing_of(board, other).id
    after = settled(one, board.on_edit(one, event(board, one, layer(LEFT))))
    assert drawing_of(board, after).mask.any() and drawing_of(board, other).mask is None
    assert board.drawing.value.mask is None


# What nobody's page sends


SENT = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers(), max_size=3)


@settings(deadline=None, max_examples=100)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "n": SENT,
            "mode": SENT | st.sampled_from([MASK, STROKES, LOOK]),
            "ink": SENT | st.just(media.exact_uri(layer(LEFT))),
            "area": SENT | st.sampled_from(list(MASKS)),
        },
    ),
    st.booleans(),
)
def test_hand_made_events_are_answered_in_words_or_with_a_drawing(board, sent, knows_id):
    values = page(board)
    made = SimpleNamespace(**sent, **({"id": name_of(drawing_of(board, values), sent.get("mode"))} if knows_id else {}))
    update = board.on_edit(values, made)
    drawing = update.get(board.drawing)
    assert drawing is not None or "in one piece" in said(board, update)
    if drawing is not None:
        assert drawing.picture.shape == (64, 64, 3) and (drawing.mask is None or drawing.mask.shape == (64, 64))
        assert isinstance(drawing.seen, int) and 0 <= drawing.seen < 2**31


def test_an_event_without_anything_is_answered(board):
    class Bare:
        def __getattr__(self, name):
            raise TypeError("no data")

    assert board.drawing in board.on_edit(page(board), Bare())


# The canvas


@pytest.mark.parametrize("mode", [STROKES, MASK, LOOK])
def test_every_tool_has_a_name(mode):
    markup = canvas(drawings.begin("panda", 64, "middle"), mode, 64)
    for tag in re.findall("<(?:button|input|canvas)[^>]*>", markup):
        assert re.search('aria-label="[^"]+"', tag) or 'aria-hidden="true"' in tag, tag
    assert len(re.findall('id="edit-keys"', markup)) == 1
    assert 'alt="panda, glossy style"' in markup


def test_what_a_picture_is_called_cannot_write_to_the_page():
    drawing = replace(drawings.begin("panda", 64), example='"><script>', id='"x"')
    assert "<script>" not in canvas(drawing, LOOK, 64) and 'data-id=""x""' not in canvas(drawing, LOOK, 64)


def test_colours_for_sketches_are_six_that_can_be_told_apart():
    rgb = np.array([[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for _, colour in COLOURS], float)
    away = np.linalg.norm(rgb[:, None] - rgb[None], axis=2) + 1000 * np.eye(6)
    assert len(COLOURS) == 6 and away.min() > 100
