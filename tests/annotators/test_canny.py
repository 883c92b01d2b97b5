"""Canny is OpenCV's, whatever order the thresholds come in."""

import cv2
import numpy as np
import pytest
from PIL import Image

from lab.annotators.canny import canny
from lab.settings import ASSETS

PHOTO = np.asarray(Image.open(ASSETS / "images" / "chelsea.jpg").convert("RGB"))


@pytest.mark.parametrize(("low", "high"), [(80, 160), (30, 90), (0, 0), (0, 500), (500, 500)])
def test_it_is_opencvs_canny(low, high):
    edges = canny(PHOTO, low, high, 0)
    assert edges.shape == PHOTO.shape and edges.dtype == np.uint8
    for channel in range(3):
        np.testing.assert_array_equal(edges[:, :, channel], cv2.Canny(PHOTO, low, high))


def test_blur_is_a_gaussian_beforehand():
    expected = cv2.Canny(cv2.GaussianBlur(PHOTO, (0, 0), 2.5), 60, 120)
    np.testing.assert_array_equal(canny(PHOTO, 60, 120, 2.5)[:, :, 0], expected)
    assert (canny(PHOTO, 60, 120, 2.5) > 0).sum() < (canny(PHOTO, 60, 120, 0) > 0).sum()


def test_thresholds_come_in_any_order():
    np.testing.assert_array_equal(canny(PHOTO, 200, 50, 0), canny(PHOTO, 50, 200, 0))


@pytest.mark.parametrize(
    ("low", "high", "blur", "named"),
    [(-1, 100, 0, "low"), (50, 501, 0, "high"), (float("nan"), 100, 0, "low"), (50, 100, -1, "blur"),
     (50, 100, 21, "blur"), (50, float("inf"), 0, "high")],
)  # fmt: skip
def test_values_out_of_range_are_refused_by_name(low, high, blur, named):
    with pytest.raises(ValueError, match=f"^{named} must be between 0 and"):
        canny(PHOTO, low, high, blur)


def test_edges_between_equally_bright_colours_count():
    picture = np.zeros((32, 32, 3), np.uint8)
    picture[:, :16, 0], picture[:, 16:, 1] = 200, 102  # of one luminance, red beside green
    assert (canny(picture, 80, 160, 0)[:, 14:18] > 0).any()


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 200, 3), (3, 2, 3), (64, 64)])
def test_any_size_and_grey_pictures_work(shape):
    assert canny(np.full(shape, 90, np.uint8)).shape == (*shape[:2], 3)


@pytest.mark.parametrize(
    "picture", [np.zeros((4, 4, 3)), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8), None]
)
def test_what_is_no_picture_is_refused(picture):
    with pytest.raises(ValueError, match="a picture must"):
        canny(picture)
