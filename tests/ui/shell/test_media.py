"""Visitors' files: every kind of picture opens right, and what cannot be opened is refused in words."""

import base64
import io
import os
import random
import shutil
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import gradio as gr
import numpy as np
import pytest
from PIL import Image, ImageCms, ImageFile

from lab.requests.base import LabError
from lab.settings import Settings
from lab.ui.shell import media, widgets

SETTINGS = Settings()


def opened(image, path, **options):
    image.save(path, **options)
    return media.open_picture(path, SETTINGS)


def huge_png(path, side):
    """A PNG that claims side x side pixels in a few bytes."""

    rows = zlib.compress(b"\0" * (1 + side) * side, 9)
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))


COLOUR = (200, 40, 40)
LOSSLESS = {
    "png": ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"],
    "tiff": ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "LAB", "I;16", "I;16B", "F"],
    "webp": ["RGB", "RGBA"],
    "ppm": ["1", "L", "RGB"],
    "jpeg2000": ["L", "LA", "RGB", "RGBA", "YCbCr", "I;16"],
    "bmp": ["1", "L", "P", "RGB"],
    "gif": ["L", "P", "LA", "RGB", "RGBA"],
}


EVERYWHERE = np.ones((6, 9), bool)


def palette(colour, where=EVERYWHERE):
    """The second colour of a palette where it is wanted, else the first, which is the same."""
    image = Image.fromarray(where.astype(np.uint8)).convert("P")
    image.putpalette([*colour] * 2)
    return image


def in_mode(mode):
    """A picture of one colour, with what that is as RGB: the grey of a mode without colours, by ITU-R 601-2."""
    image = Image.new("RGB", (9, 6), COLOUR)
    grey = (image.convert("L").getpixel((0, 0)),) * 3
    if mode.startswith("I;16"):
        order = ">u2" if mode == "I;16B" else "<u2"
        data = np.full((6, 9), grey[0] * 257, order)
        return Image.frombuffer(mode, (9, 6), data.tobytes(), "raw", mode, 0, 1), grey
    if mode == "F":
        return Image.fromarray(np.full((6, 9), grey[0] / 255, np.float32)), grey
    if mode == "1":
        return Image.new("1", (9, 6), 1), (255, 255, 255)
    if mode == "LAB":
        profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        return ImageCms.profileToProfile(image, *profiles, outputMode="LAB"), COLOUR
    if mode == "RGBX":
        return image.convert("RGBX"), COLOUR
    if mode == "PA":
        return palette(COLOUR).convert("PA"), COLOUR
    if mode == "P":
        return palette(COLOUR), COLOUR
    return image.convert(mode), grey if mode in ("L", "LA") else COLOUR


@pytest.mark.parametrize(("form", "mode"), [(form, mode) for form, modes in LOSSLESS.items() for mode in modes])
def test_every_mode_of_every_format_has_its_colour(form, mode, tmp_path):
    image, colour = in_mode(mode)
    options = {"lossless": True} if form == "webp" else {}
    pixels = opened(image, tmp_path / f"a.{form}", format=form, **options)
    assert pixels.shape == (6, 6, 3) and pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - colour).max() <= 3


def png(width, height, depth, kind, rows, key=b""):
    """A PNG as its standard lays it out; `key` is its colour that is transparent."""
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    body = b"".join(b"\0" + row for row in rows)
    parts = [(b"IHDR", header), *([(b"tRNS", key)] if key else []), (b"IDAT", zlib.compress(body)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def lines(kind, tmp_path):
    """White (or black) lines on a transparent ground: where they are, and the file."""
    drawn = np.zeros((8, 8), bool)
    drawn[2:6, 3] = drawn[4, 1:7] = True
    light, _, mode = kind.partition(" ")
    ink = 255 if light == "white" else 0
    path = tmp_path / "lines.png"
    if mode in ("g1", "g2", "g4", "g8", "g16", "rgb8", "rgb16"):  # a colour key, which the ground alone has
        depth = int(mode.strip("grb"))
        top = 2**depth - 1
        grey, ground = (top if ink else 0), (0 if ink else top)
        values = np.where(drawn, grey, ground).astype(int)
        channels = 3 if mode.startswith("rgb") else 1
        bits = "".join(f"{value:0{depth}b}" * channels for value in values.ravel())
        row = 8 * channels * depth
        rows = [int(bits[at : at + row], 2).to_bytes(row // 8, "big") for at in range(0, len(bits), row)]
        key = struct.pack(f">{channels}H", *[ground] * channels)
        path.write_bytes(png(8, 8, depth, 2 if channels == 3 else 0, rows, key))
        return drawn, path
    rgba = np.full((8, 8, 4), ink, np.uint8)
    rgba[..., 3] = np.where(drawn, 255, 0)
    image = Image.fromarray(rgba)
    if mode == "P":
        palette([ink] * 3, drawn).save(path, transparency=0)
    elif mode == "PA":
        path = path.with_suffix(".tiff")
        coloured = palette([ink] * 3, drawn).convert("PA")
        coloured.putalpha(image.getchannel("A"))
        coloured.save(path)
    else:
        image.convert(mode).save(path)
    return drawn, path


KEYED = [f"{ink} {mode}" for ink in ("white", "black") for mode in ("g1", "g2", "g4", "g8", "g16", "rgb8", "rgb16")]
OPACITY = [f"{ink} {mode}" for ink in ("white", "black") for mode in ("RGBA", "LA", "P", "PA")]


@pytest.mark.parametrize("kind", [*OPACITY, *KEYED])
def test_lines_on_a_transparent_ground_are_seen_whatever_they_are_used_for(kind, tmp_path):
    drawn, path = lines(kind, tmp_path)
    upload = media.open_upload(path, SETTINGS)
    for ground in ("white", "black"):
        pixels, words = upload.square(ground)
        light, dark = pixels[drawn], pixels[~drawn]
        assert (light == (255 if kind.startswith("white") else 0)).all()
        assert (dark == (0 if kind.startswith("white") else 255)).all()
        assert f"transparent parts are filled with {'black' if kind.startswith('white') else 'white'}" in words


def test_of_what_is_wholly_transparent_the_ground_is_left(tmp_path):
    Image.new("RGBA", (9, 9), (0, 0, 0, 0)).save(tmp_path / "a.png")
    upload = media.open_upload(tmp_path / "a.png", SETTINGS)
    assert (upload.square("white")[0] == 255).all() and (upload.square("black")[0] == 0).all()


def test_what_is_seen_on_both_grounds_lies_on_the_one_of_its_use(tmp_path):
    path = tmp_path / "a.png"
    skeleton = np.zeros((8, 8, 4), np.uint8)
    skeleton[2:6, 2:6] = 255, 85, 0, 255
    Image.fromarray(skeleton).save(path)
    upload = media.open_upload(path, SETTINGS)
    assert (upload.square("black")[0][0, 0] == 0).all() and (upload.square("white")[0][0, 0] == 255).all()
    skeleton[..., 3] = 255
    Image.fromarray(skeleton).save(path)
    assert media.open_upload(path, SETTINGS).square("black")[1] == ""  # opaque after all: nothing was filled


@pytest.mark.parametrize("form", ["png", "tiff", "ppm", "jpeg2000"])
@pytest.mark.parametrize("top", [3, 200, 255, 256, 1000, 20_000, 65_535])
def test_sixteen_bits_are_divided_by_257_however_dark_the_picture_is(top, form, tmp_path):
    values = np.linspace(0, top, 32 * 32).reshape(32, 32).astype(np.uint16)
    pixels = opened(Image.fromarray(values), tmp_path / f"a.{form}", format=form)
    assert np.abs(pixels[..., 0] - values / 257).max() <= 0.5 and (pixels == pixels[..., :1]).all()


def test_twelve_bits_and_a_white_zero_are_what_the_tiff_says(tmp_path):
    values = np.array([[0, 257], [6553, 65535]], np.uint16)
    pixels = opened(Image.fromarray(values), tmp_path / "a.tiff", tiffinfo={262: 0})
    assert pixels[..., 0].tolist() == [[255, 254], [230, 0]]
    twelve = bytes([0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF])  # a row of 0, 0 and one of 4095, 4095
    tags = {256: 2, 257: 2, 258: 12, 259: 1, 262: 1, 273: 8, 277: 1, 278: 2, 279: 6}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    (tmp_path / "b.tiff").write_bytes(
        b"II*\0" + struct.pack("<I", 14) + twelve + struct.pack("<H", len(tags)) + entries + bytes(4)
    )
    assert media.open_picture(tmp_path / "b.tiff", SETTINGS)[..., 0].tolist() == [[0, 0], [255, 255]]


def test_decimal_numbers_are_taken_for_0_to_1_and_said_or_refused(tmp_path):
    values = np.linspace(0, 1, 36).reshape(6, 6).astype(np.float32)
    Image.fromarray(values).save(tmp_path / "a.tiff")
    upload = media.open_upload(tmp_path / "a.tiff", SETTINGS)
    assert np.abs(upload.pixels[..., 0] - values * 255).max() <= 0.5 and "0, black, to 1, white" in upload.square()[1]
    dark = opened(Image.fromarray(values / 100), tmp_path / "b.tiff")
    assert dark.max() == 3
    for wrong in (values * 255, values - 0.5, values * np.nan, values + np.inf):
        with pytest.raises(LabError, match="does not say which is white. Save it with 8 or 16 bits"):
            opened(Image.fromarray(wrong.astype(np.float32)), tmp_path / "c.tiff")
    with pytest.raises(LabError, match="does not say which is white"):
        opened(Image.fromarray(np.full((4, 4), 200, np.int32)), tmp_path / "d.tiff")


def test_a_colour_profile_is_followed(tmp_path):
    """Red, green and blue exchanged by the profile: its green primary is sRGB's red."""
    path = tmp_path / "a.png"
    swapped = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes().replace(b"sRGB", b"mine"))
    at = {
        bytes(swapped[132 + 12 * i : 136 + 12 * i]): 132 + 12 * i
        for i in range(struct.unpack_from(">I", swapped, 128)[0])
    }
    red, green = (bytes(swapped[at[name] + 4 : at[name] + 12]) for name in (b"rXYZ", b"gXYZ"))
    swapped[at[b"rXYZ"] + 4 : at[b"rXYZ"] + 12], swapped[at[b"gXYZ"] + 4 : at[b"gXYZ"] + 12] = green, red
    mine = bytes(swapped).replace("sRGB".encode("utf-16-be"), "mine".encode("utf-16-be"))
    pixels = opened(Image.new("RGB", (4, 4), (0, 255, 0)), path, icc_profile=mine)
    assert np.abs(pixels.astype(int) - (255, 0, 0)).max() <= 3
    for broken in (b"no profile at all", mine[:200]):
        Image.new("RGB", (4, 4), (0, 255, 0)).save(path, icc_profile=broken)
        upload = media.open_upload(path, SETTINGS)
        assert (upload.pixels == (0, 255, 0)).all() and "taken for sRGB" in upload.square()[1]


def test_cmyk_jpeg_becomes_rgb(tmp_path):
    pixels = opened(Image.new("RGB", (20, 20), (10, 200, 10)).convert("CMYK"), tmp_path / "a.jpg", quality=95)
    assert np.abs(pixels.astype(int) - (10, 200, 10)).max() < 40


@pytest.mark.parametrize("form", ["gif", "webp", "png", "tiff"])
def test_of_several_pictures_in_a_file_the_first_is_taken_and_that_is_said(form, tmp_path):
    first, *others = (Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue"))
    first.save(tmp_path / f"a.{form}", save_all=True, append_images=others)
    upload = media.open_upload(tmp_path / f"a.{form}", SETTINGS)
    assert np.abs(upload.pixels.astype(int) - (255, 0, 0)).max() <= 4
    assert upload.square()[1] == "The file holds several pictures; the first is taken."


@pytest.mark.parametrize("turn", range(1, 9))
def test_all_orientations_stand_upright(turn, tmp_path):
    """EXIF 2.3, tag 274: where the first row and the first column of what is stored belong."""
    upright = np.array([[10, 80, 150], [200, 230, 250]], np.uint8)
    ways = {
        2: [("flip", 1)],
        3: [("rot", 2)],
        4: [("flip", 0)],
        5: [("T", 0)],
        6: [("rot", 1)],
        7: [("rot", 2), ("T", 0)],
        8: [("rot", 3)],
    }
    stored = upright
    for way, n in ways.get(turn, []):
        stored = {"flip": np.flip, "rot": np.rot90, "T": lambda one, _: one.T}[way](stored, n)
    exif = Image.Exif()
    exif[274] = turn
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "a.png", exif=exif)
    upload = media.open_upload(tmp_path / "a.png", SETTINGS)
    assert upload.pixels[..., 0].tolist() == upright.tolist() and upload.size == (3, 2)
    assert "2 × 2 of 3 × 2 pixels" in upload.square()[1]


@pytest.mark.parametrize(
    "size",
    [(1, 1), (1, 9), (9, 1), (3, 2), (2, 3), (1, 5000), (5000, 1), (4000, 40), (640, 360), (513, 511), (1600, 900)],
)
def test_a_crop_is_said_in_pixels_of_the_file(size, tmp_path):
    Image.new("RGB", size, COLOUR).save(tmp_path / "a.png")
    upload = media.open_upload(tmp_path / "a.png", SETTINGS)
    pixels, words = upload.square()
    assert max(upload.pixels.shape) <= media.LONGEST * media.MAX_SIDE and upload.size == size
    assert (pixels == COLOUR).all() and pixels.shape[0] == pixels.shape[1] <= min(*size, media.MAX_SIDE)
    least = min(size)
    assert words == (
        "" if size[0] == size[1] else f"Its middle is used, {least} × {least} of {size[0]} × {size[1]} pixels."
    )


def test_the_middle_is_cut_out_pixel_for_pixel(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (7, 12, 3), dtype=np.uint8)
    pixels = opened(Image.fromarray(values), tmp_path / "a.png")
    np.testing.assert_array_equal(pixels, values[:, 2:9])  # of 5 columns too many, 2 and 3


def test_large_pictures_are_cropped_and_made_small(tmp_path):
    assert opened(Image.new("RGB", (1600, 900)), tmp_path / "a.jpg").shape == (512, 512, 3)


def test_a_png_of_13000_px_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    huge_png(tmp_path / "a.png", 13_000)
    assert (tmp_path / "a.png").stat().st_size < 300_000
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("it was decoded"))
    with pytest.raises(LabError, match="13000 x 13000 pixels.*Scale it down"):
        media.open_picture(tmp_path / "a.png", SETTINGS)


@pytest.mark.parametrize("side", [20_000])
def test_a_png_that_pillow_itself_refuses_is_refused_in_words(tmp_path, side):
    huge_png(tmp_path / "a.png", side)
    with pytest.raises(LabError, match="Scale it down"):
        media.open_picture(tmp_path / "a.png", SETTINGS)


def test_what_is_no_picture_is_refused_in_words(tmp_path):
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(LabError, match="not a picture"):
        media.open_picture(tmp_path / "a.txt", SETTINGS)
    (tmp_path / "b.png").touch()
    with pytest.raises(LabError, match="zero bytes"):
        media.open_picture(tmp_path / "b.png", SETTINGS)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 90, 3), dtype=np.uint8)).save(tmp_path / "c.png")
    (tmp_path / "c.png").write_bytes((tmp_path / "c.png").read_bytes()[:9000])
    with pytest.raises(LabError, match="damaged"):
        media.open_picture(tmp_path / "c.png", SETTINGS)


def test_files_over_the_limit_are_refused(tmp_path):
    (tmp_path / "a.png").write_bytes(b"x" * 2_000_000)
    with pytest.raises(LabError, match="at most 1 MB"):
        media.open_picture(tmp_path / "a.png", Settings(max_upload_mb=1))


def test_examples_all_open_and_have_words():
    assert len(media.examples()) >= 12
    for example in media.examples():
        assert media.open_picture(example.path, SETTINGS).shape[0] >= 64
        assert example.title
        assert example.alt
        assert example.credit


def test_small_pictures_travel_without_loss():
    assert media.data_uri(np.zeros((64, 64, 3), np.uint8)).startswith("data:image/png")
    assert media.data_uri(np.zeros((256, 256, 3), np.uint8)).startswith("data:image/jpeg")
    assert media.data_uri(np.zeros((64, 64, 3), np.uint8), moving=True).startswith("data:image/jpeg")


def test_files_for_visitors_lie_in_a_folder_of_the_process_and_of_nobody_else():
    ours, theirs = media._Scratch(), media._Scratch()  # as in two processes of two users
    mine, other = ours.file("a.png"), theirs.file("a.png")
    assert mine.parent.parent == ours.file("a.png").parent.parent != other.parent.parent
    assert mine.parent.parent.stat().st_mode & 0o077 == 0
    shutil.rmtree(mine.parent.parent)  # a cleaner of temporary files has been here
    assert media.save_plain(np.zeros((2, 2, 3), np.uint8), ours.file("a.png")).exists()


def test_exports_at_the_same_time_survive_the_sweep_of_old_files(monkeypatch):
    monkeypatch.setattr(media._Scratch, "SWEEP_EVERY_S", 0)  # every export sweeps
    scratch = media._Scratch()
    old = [scratch.file("old.csv").parent for _ in range(200)]
    for folder in old:
        os.utime(folder, (0, 0))

    def export(index):
        path = scratch.file(f"{index}.csv")
        path.write_text(str(index))
        return path.read_text()

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(export, range(160))) == [str(index) for index in range(160)]
    assert not any(folder.exists() for folder in old)


def test_old_files_are_looked_for_at_most_once_a_minute(monkeypatch):
    clock, sweeps = [0.0], []
    monkeypatch.setattr(media.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(media._Scratch, "_sweep", lambda self, folder: sweeps.append(clock[0]))
    scratch = media._Scratch()
    for second in range(181):
        clock[0] = float(second)
        scratch.file("a.csv")
    assert sweeps == [60, 120, 180]


def test_a_webcams_picture_is_stored_as_the_camera_saw_it():
    """What the page's script is given: with `mirror` it exchanges left and right of what it stores, and writing with it."""
    with gr.Blocks():
        part = widgets.picture_input("Picture")
    assert part.get_config()["webcam_options"]["mirror"] is False


@pytest.mark.parametrize("mode", ["RGBA", "LA", "L", "P", "1", "I;16", "RGB"])
def test_a_picture_that_comes_as_text_is_read_as_a_file_is(mode):
    image, colour = in_mode(mode)
    stream = io.BytesIO()
    image.save(stream, "PNG")
    pixels = media.from_uri(f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}")
    assert pixels.shape == (6, 9, 3) and np.abs(pixels.astype(int) - colour).max() <= 1


@pytest.mark.filterwarnings("ignore:.*EXIF:UserWarning", "ignore:.*tag:UserWarning")
@pytest.mark.parametrize("form", ["png", "jpeg", "webp", "tiff", "gif", "avif"])
def test_a_damaged_file_is_opened_or_refused_in_words(form, tmp_path):
    stream, chance = io.BytesIO(), random.Random(form)
    exif = Image.Exif()
    exif[274] = 6
    noise = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    Image.fromarray(noise).save(stream, form, **({} if form in ("gif", "avif") else {"exif": exif.tobytes()}))
    whole, path = stream.getvalue(), tmp_path / "a"
    for _ in range(120):
        data = bytearray(whole)
        for _ in range(chance.choice((1, 3))):
            data[chance.randrange(min(len(data), chance.choice((40, 400))))] = chance.choice(
                (0, 255, chance.randrange(256))
            )
        path.write_bytes(data)
        with suppress(LabError):
            assert media.open_upload(path, SETTINGS).square()[0].dtype == np.uint8
