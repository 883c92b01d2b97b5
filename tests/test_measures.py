"""Measures of pictures whose numbers are known."""

import colorsys

import numpy as np
import pytest

from lab.measures import (
    CLIP_TOLERANCE,
    block_means,
    clipped_share,
    coarse_correlation,
    consistency,
    detail,
    diversity,
    edge_f1,
    edges_of,
    foreground,
    gradient_energy,
    near,
    overlap,
    picture_measures,
    psnr,
    rms,
    seam,
    ssim,
)


def plain(colour, shape=(8, 8)):
    return np.full((*shape, 3), colour, np.uint8)


def halves(left, right, shape=(8, 8)):
    picture = plain(left, shape)
    picture[:, shape[1] // 2 :] = right
    return picture


def square(side=32, start=8, stop=24, colour=(0, 0, 0), paper=(255, 255, 255)):
    picture = plain(paper, (side, side))
    picture[start:stop, start:stop] = colour
    return picture


@pytest.mark.parametrize(
    ("picture", "saturation", "contrast"),
    [
        (plain((128, 128, 128)), 0, 0),
        (plain((200, 100, 100)), 0.5, 0),  # (max - min) / max
        (plain((255, 0, 0)), 1, 0),
        (plain((254, 1, 1)), 253 / 254, 0),
        (plain((0, 0, 0)), 0, 0),
        (plain((255, 255, 254)), 1 / 255, 0),
        (halves((0, 0, 0), (255, 255, 255)), 0, 0.5),
        (halves((100, 100, 100), (200, 100, 100)), 0.25, 0.299 * 100 / 2 / 255),
        (halves((255, 255, 255), (0, 90, 180)), 0.5, (255 - 0.587 * 90 - 0.114 * 180) / 2 / 255),
    ],
)
def test_numbers_of_plain_colours(picture, saturation, contrast):
    measures = picture_measures(picture)
    assert measures.keys() == {"saturation", "contrast"}
    # Bytes: OpenCV rounds saturation and luma to one of 255.
    assert measures["saturation"] == pytest.approx(saturation, abs=0.003)
    assert measures["contrast"] == pytest.approx(contrast, abs=0.003)


@pytest.mark.parametrize(
    ("colour", "clipped"),
    [
        ((1, 1, 1), 0),  # white paper
        ((-1, -1, -1), 0),  # black ink
        ((1, -1, -1), 0),  # the purest red there is
        ((1.02, 1.02, 1.02), 0),  # paper as a decoder gives it
        ((1.08, 1, 1), 1),
        ((0, 0, -1.4), 1),
    ],
)
def test_a_pixel_is_clipped_where_its_value_is_lost_and_not_where_it_is_a_strong_colour(colour, clipped):
    values = np.zeros((3, 4, 6), np.float32)
    values[:, :, :3] = np.array(colour)[:, None, None]
    assert clipped_share(values) == clipped / 2


def test_clipped_counts_pixels_once_and_from_the_tolerance_on():
    level = 1 / 127.5
    values = np.ones((3, 1, 4), np.float32)
    values[0, 0] += np.array([0, CLIP_TOLERANCE - 0.5, CLIP_TOLERANCE + 0.5, 90]) * level
    values[1] = -values[0]
    assert clipped_share(values) == 0.5


def test_saturation_is_that_of_hsv_on_any_picture():
    picture = np.random.default_rng(0).integers(0, 256, (16, 20, 3), np.uint8)
    want = np.mean([colorsys.rgb_to_hsv(*pixel)[1] for pixel in picture.reshape(-1, 3) / 255])
    measures = picture_measures(picture)
    assert measures["saturation"] == pytest.approx(want, abs=0.003)
    luma = picture @ np.array([0.299, 0.587, 0.114]) / 255
    assert measures["contrast"] == pytest.approx(luma.std(), abs=0.003)
    assert all(0 <= value <= 1 and isinstance(value, float) for value in measures.values())


def test_diversity_is_the_mean_distance_of_pairs():
    black, grey, white = plain((0, 0, 0)), plain((51, 51, 51)), plain((255, 255, 255))
    assert diversity([black, white]) == pytest.approx(1)
    assert diversity([black, grey]) == pytest.approx(0.2)
    assert diversity([black, grey, white]) == pytest.approx((0.2 + 0.8 + 1) / 3)
    assert diversity([black, black, white]) == pytest.approx(2 / 3)
    assert diversity([black, halves((0, 0, 0), (255, 255, 255))]) == pytest.approx(0.5**0.5)


def test_one_picture_and_copies_have_no_diversity():
    picture = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    assert diversity([picture]) == 0
    assert diversity([picture] * 4) == 0


def test_edges_lie_on_the_outline_and_nowhere_else():
    edges = edges_of(square())
    assert edges.shape == (32, 32) and edges.dtype == bool
    outline = np.zeros((32, 32), bool)
    outline[7:25, 7:25] = True
    outline[9:23, 9:23] = False
    assert edges.sum() > 50 and not (edges & ~outline).any()
    assert not edges_of(plain((90, 90, 90), (32, 32))).any()


@pytest.mark.parametrize("tolerance", [1, 2, 3])
def test_near_reaches_as_far_as_its_tolerance(tolerance):
    lines = np.zeros((15, 15), bool)
    lines[7, 7] = True
    reached = near(lines, tolerance)
    assert reached[7].sum() == reached[:, 7].sum() == 2 * tolerance + 1
    rows, columns = np.nonzero(reached)
    assert np.hypot(rows - 7, columns - 7).max() <= tolerance * 1.2  # a disc on a grid, not a square
    assert near(lines, tolerance).dtype == bool


def line(column, length=20):
    picture = np.zeros((length, 20), bool)
    picture[:, column] = True
    return picture


def test_edges_count_within_the_tolerance():
    assert edge_f1(line(5), line(5)) == edge_f1(line(5), line(7)) == edge_f1(line(7), line(5)) == 1
    assert edge_f1(line(5), line(8)) == 0
    assert edge_f1(line(5), line(8), tolerance_px=3) == 1
    assert edge_f1(line(5).astype(np.uint8) * 255, line(5)) == 1  # maps of bytes, too


def test_edge_f1_is_the_harmonic_mean_of_precision_and_recall():
    both = line(3) | line(12)
    assert edge_f1(both, line(3)) == pytest.approx(2 / 3)  # precision 1/2, recall 1
    assert edge_f1(line(3), both) == pytest.approx(2 / 3)
    three = both | line(17)
    assert edge_f1(three, line(3)) == pytest.approx(0.5)  # 1/3 and 1
    assert edge_f1(line(3) | line(8), line(3) | line(17)) == pytest.approx(0.5)  # 1/2 and 1/2


def test_edge_f1_of_empty_pictures():
    nothing = np.zeros((20, 20), bool)
    assert edge_f1(nothing, nothing) == 1
    assert edge_f1(nothing, line(3)) == edge_f1(line(3), nothing) == 0


def test_the_foreground_is_what_differs_from_the_border():
    mask = foreground(square(colour=(200, 30, 30)))
    want = np.zeros((32, 32), bool)
    want[8:24, 8:24] = True
    assert (mask == want).all()
    assert (foreground(square(colour=(255, 255, 0), paper=(0, 0, 90))) == want).all()
    assert not foreground(square(colour=(220, 220, 220))).any()  # 35 grey levels: too faint
    assert (foreground(square(colour=(220, 220, 220)), contrast=30) == want).all()
    touching = square(start=0, stop=12)  # the figure may touch the border: the median is still the paper's
    assert foreground(touching)[:12, :12].all() and foreground(touching).sum() == 144


def test_overlap_is_intersection_over_union():
    a, b = np.zeros((10, 10), bool), np.zeros((10, 10), bool)
    a[:, :6], b[:, 4:] = True, True
    assert overlap(a, b) == pytest.approx(0.2)
    assert overlap(a, a) == 1 and overlap(a, ~a) == 0
    assert overlap(a & ~a, b & ~b) == 0  # nothing and nothing


def hole(top, bottom, left, right, shape=(8, 8)):
    mask = np.zeros(shape, bool)
    mask[top:bottom, left:right] = True
    return mask


def ramp(step, shape=(8, 8)):
    """Each column so many grey levels brighter than the last."""
    return np.repeat((step * np.arange(shape[1], dtype=np.uint8))[None, :, None], shape[0], 0).repeat(3, 2)


def test_a_seam_is_steps_across_the_rim_over_those_within():
    """A ramp has the same steps everywhere: along a row d^2, along a column 0. Of a hole of h by w pixels the rim has 2h
    steps along rows and 2w along columns, the inside h (w - 1) and (h - 1) w."""
    inner = hole(2, 5, 1, 6)
    assert seam(ramp(5), inner) == pytest.approx((6 / 16) / (12 / 22))
    raised = ramp(5)
    raised[inner] += 30  # 35 at the left, 25 at the right, 30 above and below
    assert seam(raised, inner) == pytest.approx((3 * (35**2 + 25**2) + 10 * 30**2) / 16 / (12 * 25 / 22))


def test_a_seam_counts_no_steps_beyond_the_hole():
    picture = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    mask = hole(3, 6, 3, 6)
    other = picture.copy()
    other[:2], other[7:] = 255 - other[:2], 0  # two pixels from the hole
    assert seam(picture, mask) == seam(other, mask)


def test_a_plain_hole_has_a_seam_and_what_has_no_rim_none():
    picture = plain((10, 10, 10))
    picture[hole(2, 4, 2, 4)] = 13
    assert seam(picture, hole(2, 4, 2, 4)) == pytest.approx(9)  # over one grey level squared
    for mask in (hole(0, 0, 0, 0), hole(0, 8, 0, 8), hole(3, 4, 3, 4)):
        assert seam(picture, mask) is None
    assert seam(plain((0, 0, 0), (1, 1)), np.ones((1, 1), bool)) is None


def test_psnr_is_that_of_a_known_error():
    assert psnr(plain((100, 100, 100)), plain((110, 110, 110))) == pytest.approx(20 * np.log10(25.5))
    assert psnr(plain((0, 0, 0)), plain((255, 255, 255))) == 0
    assert psnr(plain((7, 8, 9)), plain((7, 8, 9))) == pytest.approx(84.15, abs=0.01)


def test_gradient_energy_of_a_ramp_is_half_its_squared_step():
    assert gradient_energy(ramp(6)) == pytest.approx(18)  # 36 along rows, 0 along columns
    assert gradient_energy(plain((50, 0, 7))) == 0
    assert gradient_energy(plain((50, 0, 7), (1, 1))) == 0


def test_detail_is_a_share_of_the_references_and_finite_beside_a_plain_one():
    assert detail(ramp(6), ramp(12)) == pytest.approx(1 / 4)
    assert detail(ramp(6), plain((9, 9, 9))) == pytest.approx(18)


def test_consistency_is_blind_to_what_a_mean_hides():
    small = np.random.default_rng(0).integers(10, 246, (3, 5, 3), np.uint8)
    large = small.repeat(2, 0).repeat(2, 1)
    assert consistency(large, small) == 0
    large[::2], large[1::2] = large[::2] + 9, large[1::2] - 9
    assert consistency(large, small) == 0
    assert consistency(large + 4, small) == pytest.approx(4)
    assert consistency(large[:2, :2], small[:1, :1]) == 0  # one pixel of the small picture


def ssim_by_hand(one, other):
    """Wang et al. 2004, eq. 13, of two pictures that are one window: weights of a Gaussian of deviation 1.5 over 11 x 11."""
    steps = np.arange(-5, 6)
    line = np.exp(-(steps**2) / (2 * 1.5**2))
    weights = np.outer(line, line) / line.sum() ** 2
    values = []
    for x, y in zip(one.astype(float).transpose(2, 0, 1), other.astype(float).transpose(2, 0, 1), strict=True):
        mean_x, mean_y = (weights * x).sum(), (weights * y).sum()
        var_x, var_y = (weights * x**2).sum() - mean_x**2, (weights * y**2).sum() - mean_y**2
        cov = (weights * x * y).sum() - mean_x * mean_y
        c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
        values.append(
            (2 * mean_x * mean_y + c1) * (2 * cov + c2) / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))
        )
    return np.mean(values)


def test_structural_similarity_is_that_of_the_paper():
    generator = np.random.default_rng(0)
    one, other = (generator.integers(0, 256, (11, 11, 3), dtype=np.uint8) for _ in range(2))
    assert ssim(one, other) == pytest.approx(ssim_by_hand(one, other), abs=1e-6)
    assert ssim(one, one) == pytest.approx(1)
    dark, light = np.full((16, 16, 3), 60, np.uint8), np.full((16, 16, 3), 120, np.uint8)
    c1 = (0.01 * 255) ** 2
    assert ssim(dark, light) == pytest.approx((2 * 60 * 120 + c1) / (60**2 + 120**2 + c1), abs=1e-6)


def test_rms_and_block_means_by_hand():
    one, other = np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4, 3), np.uint8)
    other[:2, :2] = 8
    assert rms(one, other) == 4 and rms(other, one) == 4 and rms(one, one) == 0
    assert np.array_equal(block_means(other, 2)[..., 0], [[8, 0], [0, 0]])
    other[0, 0] = 40
    assert block_means(other, 2)[0, 0, 2] == 16


def test_from_afar_grain_does_not_count_and_blotches_do():
    rng = np.random.default_rng(0)
    picture = np.kron(rng.integers(40, 215, (8, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    grain = np.where((np.indices((64, 64)).sum(0) % 2)[..., None], 30, -30)
    assert coarse_correlation((picture + grain).clip(0, 255).astype(np.uint8), picture) > 0.999
    assert coarse_correlation(255 - picture, picture) == pytest.approx(-1)
    assert coarse_correlation((picture // 2) + 60, picture) > 0.99  # contrast and brightness are no matter
    blotches = np.kron(rng.integers(0, 256, (8, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    assert abs(coarse_correlation(blotches, picture)) < 0.4
    assert coarse_correlation(np.full_like(picture, 9), picture) == 0
