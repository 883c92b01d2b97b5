"""Capsules out and in again, and everything that is no capsule answered in words."""

import base64
import io
import json
import re
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from lab.capsules.capsule import (
    KEYWORD,
    LIBRARIES,
    MAX_JSON,
    MAX_LINK,
    SIGNATURE,
    Capsule,
    Choice,
    Colour,
    Flag,
    Range,
    Text,
    fitted,
    from_file,
    from_json,
    from_link,
    make,
    to_json,
    to_link,
)
from lab.catalog import MODELS
from lab.requests.base import LabError

MADE = make(
    "samplers",
    {"prompt": "red heart ♥", "steps": 20, "eta": 0.5, "live": True, "lanes": [["ddim", 20, 0.0, "trailing"]] * 8},
    seeds=(3, 3, 5),
    models=("text-to-image", "edges", "exact", "sd-1-5"),
)

NAMES = st.text(max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


def png(text=None, pixels=None, keyword=KEYWORD):
    stream, info = io.BytesIO(), PngImagePlugin.PngInfo()
    info.add_text("Software", "something before it")
    if text is not None:
        info.add_text(keyword, text)
    Image.fromarray(np.zeros((4, 4, 3), np.uint8) if pixels is None else pixels).save(stream, "PNG", pnginfo=info)
    return stream.getvalue()


def read(what, *given):
    """The capsule, or None where it was refused in words. Anything else that is raised fails the test."""
    try:
        capsule = what(*given)
    except LabError as error:
        assert 20 < len(str(error)) < 400
        str(error).encode()  # can be shown: no lone surrogates
        return None
    assert isinstance(capsule, Capsule)
    to_json(capsule).encode()  # what was let in can be written again
    return capsule


def test_a_capsule_comes_back_from_a_link_a_file_and_a_picture():
    assert from_link(to_link(MADE)) == MADE
    assert from_file(to_json(MADE).encode()) == MADE
    assert from_file(png(to_json(MADE))) == MADE
    assert len(to_link(MADE)) < 600


def test_it_names_models_with_their_revisions_and_the_seeds_each_once():
    assert MADE.seeds == (3, 5)
    assert MADE.models["sd-1-5"] == MODELS["sd-1-5"].source
    shipped = [MADE.models[name].partition("@") for name in ("text-to-image", "edges", "exact")]
    assert [source for source, _, _ in shipped] == ["models/text-to-image", "models/controlnet-edges", "pictures"]
    assert len({revision for _, _, revision in shipped}) == 3 and all(len(revision) == 12 for _, _, revision in shipped)
    assert MADE.versions.keys() == {"lab", *LIBRARIES} and "absent" not in MADE.versions.values()


def test_what_has_changed_since_is_named():
    assert MADE.differences() == []
    old = MADE.model_copy(update={
        "models": MADE.models | {"edges": "models/controlnet-edges@before", "gone": "x@y"},
        "versions": MADE.versions | {"torch": "1.0", "pillow": "9"},
    })  # fmt: skip
    assert old.differences() == ["edges", "gone", "torch 1.0"]


def test_a_link_leaves_a_large_picture_behind_and_a_file_does_not():
    noise = base64.b64encode(np.random.default_rng(0).bytes(9000)).decode()
    values = {"t": 5, "picture": {"png": noise}, "maps": [{"png": "small", "kind": "edges"}]}
    large = MADE.model_copy(update={"values": values})
    left = {"t": 5, "picture": {"png": ""}, "maps": [{"png": "", "kind": "edges"}]}
    assert from_link(to_link(large)).values == left
    assert from_json(to_json(large).encode()) == large
    small = MADE.model_copy(update={"values": {"maps": values["maps"]}})
    assert from_link(to_link(small)) == small


def test_what_is_too_large_for_a_link_is_said_so():
    noise = base64.b64encode(np.random.default_rng(0).bytes(9000)).decode()
    with pytest.raises(LabError, match="too large for a link"):
        to_link(MADE.model_copy(update={"values": {"map": noise}}))


@given(st.text(max_size=200) | st.text("ABCabc012_-", max_size=200))
def test_any_query_is_a_capsule_or_refused(code):
    assert read(from_link, code) is None


@given(st.data())
def test_a_damaged_link_is_a_capsule_or_refused(data):
    code = to_link(MADE)
    at, length = data.draw(st.integers(0, len(code))), data.draw(st.integers(0, 5))
    read(from_link, code[:at] + data.draw(st.text("Aa0_-", max_size=5)) + code[at + length :])


@given(st.binary(max_size=300))
def test_any_bytes_are_refused(data):
    assert read(from_file, data) is None
    assert read(from_file, SIGNATURE + data) is None
    packed = base64.urlsafe_b64encode(zlib.compress(data)).decode().rstrip("=")
    assert read(from_link, packed) is None


@given(st.data())
def test_a_damaged_picture_is_a_capsule_or_refused(data):
    whole = bytearray(png(to_json(MADE)))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    read(from_file, bytes(whole[: data.draw(st.integers(0, len(whole)))]))


@given(JSON, st.sampled_from(["format", "tab", "values", "lane", "seeds", "models", "versions", "more"]))
@settings(max_examples=300)
def test_any_json_is_a_capsule_or_refused(value, field):
    told = json.dumps(MADE.model_dump() | {field: value})
    read(from_json, told.encode("utf-8", "surrogatepass"))
    read(from_json, json.dumps(value).encode())
    read(from_json, json.dumps({"format": 1, "tab": "noising", "values": {"t": value}}).encode())
    read(from_file, png(told))


@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", "{}", '{"tab": 1, "values": {}}', "[" * 100_000, '{"a":' * 50_000, "1" * 5000, "NaN", "\ufeff{}"]
    + [f'{{"format": 1, "tab": "samplers", "values": {{"steps": {value}}}}}' for value in ("NaN", "Infinity", "-1e999", "9" * 400)]
    + [f'{{"format": 1, "tab": "samplers", "values": {{"lanes": {"[" * 20 + "]" * 20}}}}}']
    + ['{"format": 2, "tab": "samplers", "values": {}}', '{"format": 1, "tab": "../etc", "values": {}}'],
    ids=range(17),
)  # fmt: skip
def test_what_is_no_capsule_is_refused(text):
    assert read(from_json, text.encode()) is None
    assert read(from_file, png(text)) is None


def test_a_bomb_is_not_unpacked():
    bomb = base64.urlsafe_b64encode(zlib.compress(b" " * 5_000_000, 9)).decode().rstrip("=")
    assert len(bomb) < MAX_LINK and read(from_link, bomb) is None
    assert read(from_json, b" " * (MAX_JSON + 1)) is None
    assert read(from_link, "A" * (MAX_LINK + 1)) is None


def chunked(*before, behind=()):
    """The chunks of a PNG around its pixels."""
    whole = png()
    at = whole.index(b"IDAT") - 4
    return whole[:at] + b"".join(map(chunk, before)) + whole[at:-12] + b"".join(map(chunk, behind)) + whole[-12:]


def chunk(part):
    kind, body = part
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def texts(settings):
    """The settings as all kinds of text chunks have them (PNG, third edition, 11.3.3)."""
    key, packed = KEYWORD.encode() + b"\0", zlib.compress(settings)
    return [
        (b"tEXt", key + settings),
        (b"zTXt", key + b"\0" + packed),
        (b"iTXt", key + b"\0\0" + b"\0" + b"\0" + settings),
        (b"iTXt", key + b"\0\0" + b"en\0" + b"Einstellungen\0" + settings),
        (b"iTXt", key + b"\1\0" + b"\0" + b"\0" + packed),
    ]


@pytest.mark.parametrize("kind", range(5))
@pytest.mark.parametrize("ascii", [True, False])
def test_settings_are_read_from_all_kinds_of_text_before_the_pixels_and_behind_them(kind, ascii):
    settings = json.dumps(MADE.model_dump(exclude_none=True), ensure_ascii=ascii).encode()
    part = texts(settings)[kind]
    other = (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + settings)
    for picture in (
        chunked(other, part),
        chunked(other, behind=(other, part)),
        chunked((b"iTXt", b"diffusion\0"), part),
    ):
        Image.open(io.BytesIO(picture)).load()  # a PNG that others read, too
        assert from_file(picture) == MADE


def test_latin_1_is_what_the_standard_says_of_plain_text():
    settings = json.dumps({"format": 1, "tab": "guidance", "values": {"prompt": "\u00e4pfel"}}, ensure_ascii=False)
    for part in texts(settings.encode("latin-1"))[:2]:
        assert from_file(chunked(part)).values == {"prompt": "\u00e4pfel"}


def test_pillow_and_others_may_have_packed_the_text_anew():
    for how in ("text", "itxt", "zip", "izip"):
        info, stream = PngImagePlugin.PngInfo(), io.BytesIO()
        add = info.add_itxt if how.startswith("i") else info.add_text
        add(KEYWORD, to_json(MADE), zip=how.endswith("zip"))
        Image.new("L", (3, 3)).save(stream, "PNG", pnginfo=info)
        assert from_file(stream.getvalue()) == MADE


@pytest.mark.parametrize(
    "code", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]
)
def test_a_file_may_be_in_any_unicode_with_a_byte_order_mark_or_without(code):
    assert from_file(to_json(MADE).encode(code)) == MADE
    assert from_file(to_json(MADE).replace("\n", "\r\n").encode(code)) == MADE


def test_a_packed_bomb_in_a_picture_is_not_unpacked():
    for part in (texts(b" " * (MAX_JSON + 1))[1], texts(b" " * (MAX_JSON + 1))[4]):
        assert len(part[1]) < 10_000
        with pytest.raises(LabError, match="damaged"):
            from_file(chunked(behind=(part,)))


def test_that_there_are_no_settings_is_said_only_where_there_are_none():
    whole = to_json(MADE).encode()
    for cut in range(60, len(whole) - 1, 40):
        for data in (whole[:cut], *(chunked(part) for part in texts(whole[:cut]))):
            with pytest.raises(LabError, match="damaged or cut short"):
                from_file(data)
    with pytest.raises(LabError, match="damaged or cut short"):
        from_file(chunked((b"zTXt", KEYWORD.encode() + b"\0\0" + zlib.compress(whole)[:-9])))
    late = chunked(behind=texts(whole)[:1])
    with pytest.raises(LabError, match="is cut short, and what there is"):
        from_file(late[: late.rindex(b"tEXt")])
    for data in (chunked(), chunked((b"tEXt", b"Comment\0" + whole)), b"{}", b"hello", b"[1]", b'{"nodes": []}'):
        with pytest.raises(LabError, match="carries no settings"):
            from_file(data)


def test_a_picture_is_never_decoded():
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = KEYWORD.encode() + b"\0" + to_json(MADE).encode()
    chunks = [(b"IHDR", header), (b"tEXt", chunk)]
    huge = SIGNATURE + b"".join(struct.pack(">I4s", len(body), kind) + body + bytes(4) for kind, body in chunks)
    assert from_file(huge) == MADE
    assert read(from_file, SIGNATURE + struct.pack(">I4s", 2**32 - 1, b"tEXt") + chunk) == MADE
    assert read(from_file, png(to_json(MADE), keyword="another")) is None


def test_text_is_let_in_without_what_cannot_be_shown():
    told = {"format": 1, "tab": "guidance", "values": {"prompt": "a\ud800b\0c"}, "models": {"\udfffx": "y\x07"}}
    capsule = from_json(json.dumps(told).encode())
    assert capsule.values == {"prompt": "abc"} and capsule.models == {"x": "y"}


KINDS = st.sampled_from(
    [Range(0, 10), Range(-1.5, 0.5), Range(0, 2**31 - 1, whole=True), Choice(("", "ddim", 64)), Choice(("a", "b"), most=1), Text(), Flag(), Colour()]
)  # fmt: skip


@given(JSON, KINDS)
@settings(max_examples=500)
def test_a_value_fits_its_control_or_is_dropped(value, kind):
    got = fitted(value, kind)
    if got is None:
        return
    if isinstance(kind, Range):
        assert kind.low <= got <= kind.high and (not kind.whole or isinstance(got, int))
    elif isinstance(kind, Choice) and kind.most:
        assert 1 <= len(got) <= kind.most and set(got) <= set(kind.names)
    elif isinstance(kind, Choice):
        assert got in kind.names
    elif isinstance(kind, Colour):
        assert re.fullmatch("#[0-9a-f]{6}", got)
    elif isinstance(kind, Text):
        assert (len(got) <= kind.most and got.isprintable()) or got.encode()
    else:
        assert got in (True, False)


@pytest.mark.parametrize(
    ("value", "kind", "wanted"),
    [
        (20, Range(1, 200, whole=True), 20), (900, Range(1, 200, whole=True), 200), (-3, Range(0, 1), 0),
        (2.6, Range(1, 9, whole=True), 3), (True, Range(0, 5), None), ("5", Range(0, 5), None),
        (float("nan"), Range(0, 5), None), (float("inf"), Range(0, 5), None), (10**400, Range(0, 5), None),
        ("ddim", Choice(("ddim", "ddpm")), "ddim"), ("evil", Choice(("ddim",)), None), (True, Choice((1, 2)), None),
        (["b", "b", "x", "a"], Choice(("a", "b", "c"), most=8), ["b", "a"]), (["a", "b"], Choice(("a", "b"), most=1), ["a"]),
        ("x" * 999, Text(), "x" * 300), ("two\nlines", Text(), "two lines"), (1, Text(), None),
        (True, Flag(), True), (1, Flag(), None),
        ("#E8590C", Colour(), "#e8590c"), ("rgba(0, 255, 0, 0.5)", Colour(), "#00ff00"), ("red;}body{x", Colour(), None),
        ("rgb(" + "9" * 200 + ")", Colour(), None), (0xE8590C, Colour(), None), (["#e8590c"], Colour(), None),
    ],
)  # fmt: skip
def test_values_are_held_within_what_a_control_has(value, kind, wanted):
    got = fitted(value, kind)
    assert got == wanted and type(got) is type(wanted)
