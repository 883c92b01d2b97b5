"""The drawing of the Edit tab: the lab's pictures, the masks that have a name, strokes, and what a link holds of them."""

import base64
import csv
import zlib
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lab.capsules.capsule import MAX_LINK, Capsule, from_link, packed, to_link
from lab.models.pictures import PictureSet
from lab.requests.base import LabError
from lab.settings import ASSETS, Settings
from lab.training.people import people
from lab.ui.shell import media
from lab.ui.tabs.edit import drawing as drawings
from lab.ui.tabs.edit.drawing import ARRANGED, MASKS, NOTHING
from lab.ui.tabs.edit.starters import PAPER, STARTERS

SIDES = (2, 3, 16, 31, 32, 64, 65, 512)


@pytest.fixture(scope="module")
def known():
    return PictureSet.load(ASSETS / "pictures")


def random_picture(side=64, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)


def upload_of(tmp_path, pixels):
    path = tmp_path / "own.png"
    Image.fromarray(pixels).save(path)
    return media.open_upload(path, Settings())


def layer(side=64, **boxes):
    """Opaque boxes of a colour: red=(slice, slice)."""
    colours = {"red": (214, 40, 57), "black": (28, 27, 34)}
    pixels = np.zeros((side, side, 4), np.uint8)
    for name, (rows, columns) in boxes.items():
        pixels[rows, columns] = (*colours[name], 255)
    return pixels


# The lab's pictures


@pytest.mark.parametrize("name", STARTERS)
def test_a_starter_is_what_its_caption_says(name, known):
    """Each is the picture that the set has under the caption, which the models were told."""
    one = STARTERS[name]
    small = media.resize(one.pixels, 64).astype(float)
    if name == PAPER:
        assert not one.caption and (small == 255).all()
    elif name.startswith("person"):
        person = next(person for person in islice(people(0, 128), 40) if person.caption == one.caption)
        assert np.array_equal(person.picture, one.pixels)
    else:
        index = known.captions.index(one.caption)
        assert not known.held_out[index]
        away = [np.square(small - picture).mean() for picture in known.pixels.astype(float)]
        assert int(np.argmin(away)) == index and away[index] < 100


def test_starters_cannot_be_written_to():
    with pytest.raises(ValueError, match="read-only"):
        STARTERS["panda"].pixels[0, 0] = 0


def test_the_credit_of_the_set_is_that_of_its_index():
    with open(ASSETS / "pictures" / "index.csv", newline="", encoding="utf-8") as file:
        sources = {(row["sheet"], row["cell"]): row["source"] for row in csv.DictReader(file)}
    for one in STARTERS.values():
        if one.cell is not None:
            assert sources[one.file.partition("/")[2], str(one.cell)] == "noto" and "Noto Emoji" in one.credit
        assert one.credit or not one.file


# Masks that have a name


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", MASKS)
def test_a_mask_is_neither_empty_nor_full(name, side):
    mask = MASKS[name](side)
    assert mask.shape == (side, side) and mask.dtype == bool
    if side > 3:
        assert mask.any() and not mask.all()


@pytest.mark.parametrize("side", [2, 16, 64, 512])
def test_halves_part_the_picture(side):
    for one, other in (("left half", "right half"), ("upper half", "lower half")):
        assert np.array_equal(MASKS[one](side), ~MASKS[other](side))
        assert MASKS[one](side).mean() == 0.5
    assert MASKS["left half"](side)[:, 0].all() and MASKS["upper half"](side)[0].all()


@pytest.mark.parametrize("side", [16, 32, 33, 64, 512])
def test_the_border_is_all_around_the_shrunk_picture(side):
    drawing = drawings.begin("panda", side, "border")
    half = side // 2
    inside = ~drawing.mask
    assert inside.sum() == half * half
    shrunk = drawing.picture[inside].reshape(half, half, 3)
    assert np.array_equal(shrunk, media.resize(media.resize(STARTERS["panda"].pixels, side), half))
    assert (drawing.picture[drawing.mask] == 255).all()
    begin = (side - half) // 2
    assert inside[begin, begin] and not inside[begin - 1, begin] and not inside[begin, begin + half]


def test_the_seam_lies_where_the_edges_of_the_picture_meet():
    drawing = drawings.begin("person waving", 64, "seam")
    whole = drawings.begin("person waving", 64).picture
    assert np.array_equal(np.roll(drawing.picture, (32, 32), (0, 1)), whole)
    assert np.array_equal(drawing.picture[31], np.roll(whole[63], 32, 0)) and drawing.mask[31:33].all()
    assert np.array_equal(drawing.picture[:, 32], np.roll(whole[:, 0], 32, 0)) and drawing.mask[:, 31:33].all()
    assert not drawing.mask[[0, 0, -1, -1], [0, -1, 0, -1]].any()


EYES = {  # top, bottom, and left and right of each
    "cat face": (29, 38, (15, 25), (40, 51)),
    "panda": (27, 37, (16, 26), (38, 48)),
    "smiling face": (23, 29, (15, 28), (36, 50)),
    "fox": (35, 39, (22, 26), (38, 42)),
}


@pytest.mark.parametrize("name", EYES)
def test_a_mask_around_the_eyes_covers_them(name):
    drawing, (top, bottom, *sides) = drawings.begin(name, 64, "around the eyes"), EYES[name]
    dark = drawing.picture.max(axis=2) < 70
    for left, right in sides:
        assert dark[top:bottom, left:right].sum() >= 4  # there is an eye
        assert drawing.mask[top - 1 : bottom + 1, left:right].all()
    assert drawing.mask.mean() < 0.25


def test_the_picture_comes_back_when_another_mask_is_chosen():
    plain = drawings.begin("house", 64)
    for name in ARRANGED:
        laid_out = drawings.masked(plain, area=name)
        assert not np.array_equal(laid_out.picture, plain.picture)
        assert np.array_equal(drawings.masked(laid_out, area="middle").picture, plain.picture)
        assert np.array_equal(drawings.arranged(laid_out, by_mask=False).picture, plain.picture)
        assert np.array_equal(drawings.masked(laid_out, MASKS["middle"](64)).picture, laid_out.picture)  # painted on


# Strokes, own pictures, other sides


def test_strokes_lie_on_the_picture_and_can_be_taken_off():
    plain = drawings.begin("red apple", 64)
    box = slice(10, 20), slice(30, 50)
    drawn = drawings.painted(plain, layer(red=box))
    assert (drawn.picture[box] == (214, 40, 57)).all()
    outside = np.ones((64, 64), bool)
    outside[box] = False
    assert np.array_equal(drawn.picture[outside], plain.picture[outside])
    assert np.array_equal(drawings.painted(drawn, layer()).picture, plain.picture)
    assert drawings.painted(drawn, layer()).strokes is None


def test_what_is_half_transparent_is_there_or_not():
    half = layer(red=(slice(0, 4), slice(0, 4)), black=(slice(8, 12), slice(0, 4)))
    half[:4, :4, 3], half[8:12, :4, 3] = 200, 90
    drawn = drawings.painted(drawings.begin(PAPER, 64), half)
    assert (drawn.picture[:4, :4] == (214, 40, 57)).all() and (drawn.picture[8:12, :4] == 255).all()


def test_a_picture_is_as_sharp_at_another_side_as_it_came():
    drawing = drawings.resized(drawings.resized(drawings.begin("fox", 64), 16), 128)
    assert np.array_equal(drawing.picture, media.resize(STARTERS["fox"].pixels, 128))
    assert np.array_equal(drawings.begin("fox", 64).at(128), drawing.picture)


@pytest.mark.parametrize("name", MASKS)
def test_a_named_mask_is_sharp_at_every_side_and_a_painted_one_keeps_its_place(name):
    drawing = drawings.resized(drawings.begin("cat face", 32, name), 512)
    assert np.array_equal(drawing.mask, MASKS[name](512)) and drawing.area == name
    painted = drawings.resized(drawings.masked(drawings.begin("cat face", 32), MASKS[name](32)), 64)
    assert np.array_equal(painted.mask, np.kron(MASKS[name](32), np.ones((2, 2), bool)))
    assert painted.picture.shape == (64, 64, 3)


def test_a_smaller_model_in_between_loses_nothing_that_was_painted():
    mask = np.random.default_rng(0).random((64, 64)) < 0.3
    before = drawings.masked(drawings.painted(drawings.begin("panda", 64), layer(red=(7, slice(3, 60)))), mask)
    small = drawings.resized(before, 32)
    assert small.mask.shape == (32, 32) and not small.mask.all()
    after = drawings.resized(small, 64)
    assert same(after.mask, mask) and same(after.strokes, before.strokes) and same(after.picture, before.picture)


@pytest.mark.parametrize("side", [32, 64, 512])
def test_a_picture_of_one_pixel_is_that_colour_all_over(tmp_path, side):
    upload = upload_of(tmp_path, np.array([[[200, 30, 40]]], np.uint8))
    drawing = drawings.from_upload(upload, NOTHING, side)
    assert drawing.picture.shape == (side, side, 3) and (drawing.picture == (200, 30, 40)).all()
    assert not drawing.note and not drawing.caption
    for name in MASKS:
        assert drawings.masked(drawing, area=name).picture.shape == (side, side, 3)


def test_of_an_oblong_picture_the_middle_is_taken_and_that_is_said(tmp_path):
    pixels = np.zeros((40, 100, 3), np.uint8)
    pixels[:, 30:70] = 255
    drawing = drawings.from_upload(upload_of(tmp_path, pixels), NOTHING, 40)
    assert (drawing.picture == 255).all() and drawing.note == "Its middle is used, 40 × 40 of 100 × 40 pixels."


def test_what_is_transparent_lies_on_white(tmp_path):
    pixels = np.zeros((64, 64, 4), np.uint8)
    pixels[20:40, 20:40] = (10, 20, 200, 255)
    drawing = drawings.from_upload(upload_of(tmp_path, pixels), NOTHING, 64)
    assert (drawing.picture[0, 0] == 255).all() and (drawing.picture[30, 30] == (10, 20, 200)).all()
    assert "filled with white" in drawing.note


def test_the_mask_stays_over_another_picture():
    before = drawings.masked(drawings.begin("house", 64), MASKS["middle"](64))
    after = drawings.from_starter("rocket", before, 64)
    assert np.array_equal(after.mask, before.mask) and after.example == "rocket" and after.id == before.id
    assert after.strokes is None and after.caption == "rocket, glossy style"


# In a capsule


def through_a_link(drawing, side=64):
    capsule = Capsule(tab="edit", values={"drawing": drawings.for_capsule(drawing)})
    return drawings.from_capsule(from_link(to_link(capsule)).values["drawing"], side)


def same(one, other):
    return one is other is None or np.array_equal(one, other)


@pytest.mark.parametrize("name", STARTERS)
@pytest.mark.parametrize("area", ["", *MASKS])
def test_a_link_brings_the_drawing_back(name, area):
    drawing = drawings.painted(drawings.begin(name, 64, area), layer(red=(slice(5, 9), slice(5, 60))))
    back = through_a_link(drawing)
    assert same(back.picture, drawing.picture) and same(back.mask, drawing.mask) and same(back.strokes, drawing.strokes)
    assert (back.example, back.area, back.caption) == (drawing.example, drawing.area, drawing.caption)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["", "border", "seam"]))
def test_any_mask_of_64_pixels_fits_a_link(seed, area):
    """White noise is the worst there is to pack."""
    mask = np.random.default_rng(seed).random((64, 64)) < 0.5
    drawing = drawings.masked(drawings.begin("panda", 64, area), mask)
    capsule = Capsule(tab="edit", values={"drawing": drawings.for_capsule(drawing)})
    assert len(packed(capsule)) < MAX_LINK // 4
    assert same(through_a_link(drawing).mask, mask) and same(through_a_link(drawing).picture, drawing.picture)


def test_a_sketch_of_many_strokes_fits_a_link():
    rng, sketch = np.random.default_rng(0), np.zeros((64, 64, 4), np.uint8)
    for _ in range(60):
        y, x = rng.integers(0, 60, 2)
        sketch[y : y + 6, x : x + 20] = (*rng.integers(0, 256, 3), 255)
    drawing = drawings.painted(drawings.begin(PAPER, 64), sketch)
    assert same(through_a_link(drawing).picture, drawing.picture)


def test_an_own_picture_comes_back_exactly_from_a_file_and_stays_out_of_a_link(tmp_path):
    drawing = drawings.from_upload(upload_of(tmp_path, random_picture(300)), NOTHING, 64)
    drawing = drawings.masked(drawing, area="left half")
    back = drawings.from_capsule(drawings.for_capsule(drawing), 64)
    assert same(back.picture, drawing.picture) and same(back.source, drawing.source)
    linked = through_a_link(drawing)
    assert linked.picture is None and same(linked.mask, drawing.mask)


def test_a_mask_that_was_wiped_away_leaves_the_picture_laid_out():
    drawing = drawings.masked(drawings.begin("panda", 64, "border"), np.zeros((64, 64), bool))
    assert same(through_a_link(drawing).picture, drawing.picture)


def test_a_capsule_of_another_side_is_brought_to_this_one():
    drawing = drawings.painted(drawings.begin("panda", 64, "seam"), layer(red=(slice(0, 32), slice(0, 32))))
    small = through_a_link(drawing, 32)
    assert small.picture.shape == (32, 32, 3) and same(small.mask, MASKS["seam"](32))
    assert same(small.picture, drawings.resized(drawing, 32).picture)


def bits(raw, level=9):
    return base64.urlsafe_b64encode(zlib.compress(raw, level)).decode().rstrip("=")


DAMAGED_MASKS = {
    "no table": "left",
    "too short": {"side": 64, "bits": bits(bytes(511))},
    "too long": {"side": 64, "bits": bits(bytes(513))},
    "a bomb": {"side": 64, "bits": bits(bytes(10_000_000))},
    "huge side": {"side": 10**9, "bits": bits(bytes(512))},
    "no side": {"side": 0, "bits": bits(b"")},
    "negative side": {"side": -64, "bits": bits(bytes(512))},
    "a side that is yes": {"side": True, "bits": bits(bytes(1))},
    "half a pixel": {"side": 64.0, "bits": bits(bytes(512))},
    "cut short": {"side": 64, "bits": bits(np.random.default_rng(0).bytes(512))[:-9]},
    "no base64": {"side": 64, "bits": "é!" * 50},
    "not packed": {"side": 64, "bits": base64.urlsafe_b64encode(bytes(512)).decode()},
    "a list": {"side": 64, "bits": [1, 0, 1]},
}


@pytest.mark.parametrize("value", DAMAGED_MASKS.values(), ids=DAMAGED_MASKS)
def test_a_damaged_mask_is_left_out(value):
    drawing = drawings.from_capsule({"example": "panda", "mask": value, "area": "middle"}, 64)
    assert drawing.mask is None and drawing.area == "" and drawing.example == "panda"


@pytest.mark.parametrize(
    "png", ["", None, 7, "data:image/png;base64,AAAA", "data:image/svg+xml;base64,AAAA", ["x"], "x" * 2_000_000]
)
def test_a_damaged_picture_is_none(png):
    drawing = drawings.from_capsule({"png": png, "mask": {"side": 8, "bits": bits(b"\xff" * 8)}}, 64)
    assert drawing.picture is None and drawing.mask.all() and drawing.mask.shape == (64, 64)
    strokes = drawings.from_capsule({"example": "fox", "strokes": {"png": png}}, 64)
    assert strokes.strokes is None and same(strokes.picture, drawings.begin("fox", 64).picture)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([*STARTERS, *MASKS]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
WORDS = st.fixed_dictionaries(
    {},
    optional={
        "example": JSON,
        "png": JSON,
        "area": JSON,
        "strokes": JSON | st.fixed_dictionaries({"png": JSON | st.binary(max_size=80).map(lambda raw: "data:image/png;base64," + base64.b64encode(raw).decode())}),
        "mask": JSON | st.fixed_dictionaries({"side": JSON | st.integers(1, 70), "bits": JSON | st.binary(max_size=90).map(bits)}),
    },
)  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(WORDS | JSON, st.sampled_from([32, 64]))
def test_whatever_a_link_says_is_a_drawing(value, side):
    drawing = drawings.from_capsule(value, side)
    assert drawing.picture is None or (drawing.picture.shape == (side, side, 3) and drawing.picture.dtype == np.uint8)
    assert drawing.mask is None or (drawing.mask.shape == (side, side) and drawing.mask.dtype == bool)
    assert drawing.area in ("", *MASKS) and drawing.example in ("", *STARTERS)
    drawings.from_capsule(drawings.for_capsule(drawing), side)


@settings(deadline=None, max_examples=100)
@given(JSON | st.binary(max_size=200).map(lambda raw: "data:image/png;base64," + base64.b64encode(raw).decode()))
def test_what_is_no_layer_is_refused_in_words(text):
    with pytest.raises(LabError, match="in one piece"):
        drawings.layer_of(text)


@pytest.mark.parametrize("damage", ["flipped", "cut", "oblong", "huge"])
def test_a_damaged_layer_is_refused_in_words(damage):
    pixels = layer(red=(slice(3, 9), slice(3, 9)))
    if damage == "oblong":
        pixels = pixels[:40]
    if damage == "huge":
        pixels = np.zeros((1025, 1025, 4), np.uint8)
    head, body = media.exact_uri(pixels).split(",")
    raw = bytearray(base64.b64decode(body))
    if damage == "flipped":
        raw[50] ^= 255
    text = f"{head},{base64.b64encode(raw[:60] if damage == 'cut' else raw).decode()}"
    with pytest.raises(LabError, match="Paint once more"):
        drawings.layer_of(text)


def test_a_layer_keeps_black_apart_from_nothing():
    """Both would be black to who reads a picture alone."""
    pixels = layer(black=(slice(3, 9), slice(3, 9)))
    assert np.array_equal(drawings.layer_of(media.exact_uri(pixels)), pixels)
    opaque = media.exact_uri(random_picture(16))
    assert (drawings.layer_of(opaque)[..., 3] == 255).all()


def test_a_change_leaves_the_drawing_of_before_as_it_was():
    drawing = drawings.begin("panda", 64, "middle")
    picture, mask = drawing.picture.copy(), drawing.mask.copy()
    drawings.painted(drawings.masked(drawing, area="border"), layer(red=(slice(0, 64), slice(0, 64))))
    replace(drawing, arranged=False)
    assert np.array_equal(drawing.picture, picture) and np.array_equal(drawing.mask, mask)
