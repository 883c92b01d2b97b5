"""Pictures of five known factors: every combination once, and each factor seen in the pixels."""

from itertools import pairwise

import numpy as np
import pytest

from lab import shapes

INK = 40  # how far a pixel's mean is from the ground's, of 255, where it is inside a shape


def inside(picture):
    return np.abs(picture.astype(float) - 255 * shapes.BACKGROUND).max(2) > INK


def centre(picture):
    """Row and column of the middle of what is drawn."""
    rows, columns = np.nonzero(inside(picture))
    return (rows.min() + rows.max()) / 2, (columns.min() + columns.max()) / 2


def picture_of(**values):
    return shapes.draw(np.array([[values.get(name, 2) for name in shapes.FACTORS]]))[0]


def test_every_combination_is_there_once_and_the_last_factor_changes_fastest():
    table = shapes.factors()
    assert table.shape == (shapes.count(), 5) and len(np.unique(table, axis=0)) == shapes.count() == 4800
    assert (table.max(0) + 1 == list(shapes.FACTORS.values())).all() and (table[:3, -1] == [0, 1, 2]).all()
    for column, count in zip(table.T, shapes.FACTORS.values(), strict=True):
        assert (np.bincount(column) == shapes.count() / count).all()


def test_pictures_are_those_of_their_factors_and_all_differ():
    pixels = shapes.pictures()
    assert pixels.shape == (shapes.count(), shapes.SIDE, shapes.SIDE, 3) and pixels.dtype == np.uint8
    places = [0, 1234, 4799]
    assert (pixels[places] == shapes.draw(shapes.factors()[places])).all()
    assert len(np.unique(pixels.reshape(len(pixels), -1), axis=0)) == len(pixels)
    for of_all in (pixels, shapes.factors()):
        with pytest.raises(ValueError, match="read-only"):
            of_all[0] = 0


@pytest.mark.parametrize("form", range(len(shapes.FORMS)))
def test_a_shape_moves_as_far_as_its_place_says_and_nothing_else_of_it_changes(form):
    first, last = picture_of(form=form, x=0, y=0), picture_of(form=form, x=7, y=7)
    moved = np.subtract(centre(last), centre(first))
    np.testing.assert_allclose(moved, 14, atol=0.5)
    assert abs(int(inside(first).sum()) - int(inside(last).sum())) <= 2


@pytest.mark.parametrize("form", range(len(shapes.FORMS)))
def test_a_shape_grows_with_its_size(form):
    areas = [inside(picture_of(form=form, size=size)).sum() for size in range(5)]
    assert all(a < b for a, b in pairwise(areas))


def test_the_disc_has_the_area_of_a_disc_and_the_square_of_a_square():
    for size in range(5):
        radius = 4 + 1.1 * size
        ground = 255 * shapes.BACKGROUND
        for form, area in (("disc", np.pi * radius**2), ("square", (2 * 0.9 * radius) ** 2)):
            picture = picture_of(form=shapes.FORMS.index(form), size=size, colour=0)[..., 2].astype(float)
            covered = ((ground - picture) / (ground - 255 * shapes.WARM[2])).sum()  # anti-aliased pixels count in part
            assert covered == pytest.approx(area, rel=0.06), (form, size)


def test_colour_goes_from_warm_to_cold_in_even_steps():
    inks = np.array([picture_of(form=1, colour=colour)[16, 13] for colour in range(5)], float)
    np.testing.assert_allclose(inks[[0, 4]], 255 * np.stack([shapes.WARM, shapes.COLD]), atol=0.6)
    np.testing.assert_allclose(np.diff(inks, axis=0), np.broadcast_to(np.diff(inks, axis=0).mean(0), (4, 3)), atol=1.1)


def test_factors_may_be_fractional():
    between = picture_of(form=1, x=3.5)
    assert centre(picture_of(form=1, x=3))[1] < centre(between)[1] < centre(picture_of(form=1, x=4))[1]
