"""Scribbles: strokes of any colour on paper of any colour, in layers with or without transparency."""

import cv2
import numpy as np
import pytest

from lab.annotators.scribble import scribble
from lab.requests.base import LabError

STROKE = np.zeros((40, 60), bool)
STROKE[10:13, 5:50] = True


def drawn(paper, ink):
    picture = np.empty((*STROKE.shape, 3), np.uint8)
    picture[:] = paper
    picture[STROKE] = ink
    return picture


@pytest.mark.parametrize(
    ("paper", "ink"),
    [(255, 0), (0, 255), (255, (250, 230, 60)), ((30, 40, 60), (200, 220, 240)), (128, (128, 128, 200))],
    ids=["black on white", "white on black", "yellow on white", "chalk on slate", "blue on grey"],
)
def test_strokes_become_white_on_black(paper, ink):
    found = scribble(drawn(paper, ink))
    np.testing.assert_array_equal(found, np.repeat(STROKE[:, :, None] * np.uint8(255), 3, axis=2))


@pytest.mark.parametrize("ink", [0, 255, (255, 0, 0)])
def test_on_a_transparent_layer_what_is_opaque_is_a_stroke(ink):
    layer = np.dstack([drawn(0, ink), STROKE * np.uint8(255)])
    np.testing.assert_array_equal(scribble(layer)[:, :, 0] > 0, STROKE)


def test_an_opaque_layer_with_alpha_is_paper():
    layer = np.dstack([drawn(255, 0), np.full(STROKE.shape, 255, np.uint8)])
    np.testing.assert_array_equal(scribble(layer)[:, :, 0] > 0, STROKE)


def test_layers_are_laid_over_each_other():
    empty = np.zeros((*STROKE.shape, 4), np.uint8)
    other = empty.copy()
    other[30, 5:50] = 255
    np.testing.assert_array_equal(scribble(drawn(255, 0), empty, other)[:, :, 0] > 0, STROKE | (other[:, :, 3] > 0))


def test_ripples_of_jpeg_are_no_strokes():
    file = cv2.imencode(".jpg", drawn(255, 0), [cv2.IMWRITE_JPEG_QUALITY, 60])[1]
    found = scribble(cv2.imdecode(file, cv2.IMREAD_COLOR))[:, :, 0] > 0
    assert not (found & ~cv2.dilate(STROKE.astype(np.uint8), np.ones((3, 3))).astype(bool)).any()
    assert found[STROKE].all()


@pytest.mark.parametrize(
    "layers",
    [(), (np.full((9, 9, 3), 255, np.uint8),), (np.zeros((9, 9, 4), np.uint8),), (np.zeros((9, 9), np.uint8),)],
)
def test_an_empty_canvas_says_what_to_do(layers):
    with pytest.raises(LabError, match="empty. Draw"):
        scribble(*layers)


def test_layers_of_different_sizes_are_refused():
    with pytest.raises(ValueError, match="same size"):
        scribble(np.zeros((4, 4, 4), np.uint8), np.zeros((5, 4, 4), np.uint8))
