"""BlazePose's geometry against cases worked out by hand."""

import math

import cv2
import numpy as np
import pytest

from lab.annotators.blazepose import Square, anchors, best_detection, cut_out, refine


def test_anchors_are_the_centres_of_three_grids():
    centres = anchors()
    assert centres.shape == (2254, 2)
    np.testing.assert_allclose(centres[[0, 1]], 4 / 224)  # two a cell of 8 px
    np.testing.assert_allclose(centres[2], (12 / 224, 4 / 224))  # x runs first
    np.testing.assert_allclose(centres[1568], 8 / 224)  # cells of 16 px
    np.testing.assert_allclose(centres[1568 + 392 :][:6], np.full((6, 2), 16 / 224))  # six a cell of 32 px
    np.testing.assert_allclose(centres[-1], 208 / 224)


def raw(anchor, box, points):
    """The detector's output in pixels, relative to the anchor, for a box and points in fractions."""
    x, y = anchors()[anchor]
    values = np.array([box[0] - x, box[1] - y, *box[2:], *(np.reshape(points, (4, 2)) - (x, y)).ravel()])
    return values * 224


def test_detections_that_overlap_are_averaged_by_score():
    boxes, logits = np.zeros((2254, 12)), np.full(2254, -20.0)
    points = np.linspace(0.2, 0.9, 8)
    boxes[700], logits[700] = raw(700, (0.50, 0.5, 0.2, 0.2), points), math.log(0.9 / 0.1)
    boxes[701], logits[701] = raw(701, (0.53, 0.5, 0.2, 0.2), points + 0.03), math.log(0.6 / 0.4)
    boxes[90], logits[90] = raw(90, (0.10, 0.1, 0.1, 0.1), points), math.log(0.8 / 0.2)  # somebody else
    found = best_detection(boxes, logits)
    np.testing.assert_allclose(found[:4], (0.50 + 0.03 * 0.6 / 1.5, 0.5, 0.2, 0.2))
    np.testing.assert_allclose(found[4:], points + 0.03 * 0.6 / 1.5)


def test_no_score_is_no_detection():
    assert best_detection(np.zeros((2254, 12)), np.full(2254, -0.01)) is None


@pytest.mark.parametrize("angle", [0, 0.4, math.pi / 2, -2.5])
@pytest.mark.parametrize("side", [40, 150, 400])
def test_points_of_a_cut_out_map_back_to_the_picture(angle, side):
    picture = np.zeros((300, 400, 3), np.uint8)
    cv2.circle(picture, (210, 140), max(2, side // 20), (255, 255, 255), cv2.FILLED)
    square = Square(200, 150, side, angle)
    seen, to_picture = cut_out(picture, square, 128, cv2.BORDER_CONSTANT)
    heat = seen[:, :, 0].astype(float)
    y, x = np.mgrid[:128, :128] + 0.5
    spot = np.array([(x * heat).sum(), (y * heat).sum()]) / heat.sum()
    np.testing.assert_allclose(to_picture[:, :2] @ spot + to_picture[:, 2], (210.5, 140.5), atol=0.02 * side)
    np.testing.assert_allclose(to_picture[:, :2] @ (64, 64) + to_picture[:, 2], (200, 150))
    np.testing.assert_allclose(np.linalg.norm(to_picture[:, 0]), side / 128)


def test_a_square_as_large_as_the_picture_is_the_picture():
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    seen, _ = cut_out(picture, Square(32, 32, 64), 64, cv2.BORDER_REPLICATE)
    np.testing.assert_array_equal(seen, picture)


def test_a_point_moves_to_the_heat_around_it():
    heat = np.zeros((64, 64, 3))
    heat[20, 30, 0] = heat[20, 31, 0] = 0.8
    heat[20, 30, 1] = 0.3  # too cool
    heat[50, 50, 2] = 0.9  # too far
    points = np.array([[29.5, 21.5], [29.5, 21.5], [10.0, 10.0]]) / 64
    expected = np.array([[30.5, 20], [29.5, 21.5], [10, 10]]) / 64
    np.testing.assert_allclose(refine(points, heat), expected)
    outside = np.array([[-0.5, 0.5], [0.5, 1.5], [2, 2]])
    np.testing.assert_array_equal(refine(outside, heat), outside)
