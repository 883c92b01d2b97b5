"""Visitors' files: every kind of picture opens right, and what cannot be opened is refused in words."""

import os
import shutil
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor

import gradio as gr
import numpy as np
import pytest
from PIL import Image, ImageFile

from lab.capsule import LabError
from lab.settings import Settings
from lab.ui import media, widgets

SETTINGS = Settings()


def opened(image, path, **options):
    image.save(path, **options)
    return media.open_picture(path, SETTINGS)


def huge_png(path, side):
    """A PNG that claims side x side pixels in a few bytes."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(b"\0" * (1 + side) * side, 9)
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))


@pytest.mark.parametrize("mode", ["L", "P", "RGB", "RGBA", "LA", "1"])
def test_modes_become_rgb(mode, tmp_path):
    pixels = opened(Image.new("RGB", (40, 30), (200, 40, 40)).convert(mode), tmp_path / "a.png")
    assert pixels.shape == (30, 30, 3)
    assert pixels.dtype == np.uint8
    if mode in ("RGB", "P", "RGBA"):
        assert np.abs(pixels.astype(int) - (200, 40, 40)).max() < 60  # Pillow dithers to its palette


def test_transparency_lies_on_white(tmp_path):
    assert (opened(Image.new("RGBA", (9, 9), (0, 0, 0, 0)), tmp_path / "a.png") == 255).all()


def test_cmyk_jpeg_becomes_rgb(tmp_path):
    pixels = opened(Image.new("RGB", (20, 20), (10, 200, 10)).convert("CMYK"), tmp_path / "a.jpg", quality=95)
    assert np.abs(pixels.astype(int) - (10, 200, 10)).max() < 40


def test_sixteen_bits_are_scaled(tmp_path):
    values = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    pixels = opened(Image.fromarray(values), tmp_path / "a.png")
    assert pixels.min() < 3
    assert pixels.max() > 252
    assert abs(int(pixels[32, 32, 0]) - 130) < 3


def test_exif_rotation_is_applied(tmp_path):
    image = Image.new("RGB", (40, 40), "white")
    image.paste("black", (0, 0, 40, 20))  # black above
    exif = Image.Exif()
    exif[274] = 6  # turn right by 90 degrees
    pixels = opened(image, tmp_path / "a.jpg", exif=exif)
    assert pixels[20, 35].mean() < 30
    assert pixels[20, 5].mean() > 225


def test_large_pictures_are_cropped_and_made_small(tmp_path):
    assert opened(Image.new("RGB", (1600, 900)), tmp_path / "a.jpg").shape == (512, 512, 3)


def test_one_pixel_is_a_picture(tmp_path):
    assert opened(Image.new("RGB", (1, 1), "red"), tmp_path / "a.png").tolist() == [[[255, 0, 0]]]


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
    assert part.get_config()["webcam_options"].mirror is False
