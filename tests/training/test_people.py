"""Generated people: the same seed draws the same person, bones and joints stay human, captions tell the truth."""

from itertools import islice

import cv2
import numpy as np
import pytest

from lab.annotators.skeleton import COLOURS, draw_skeleton
from lab.training.people import (
    BACKGROUNDS,
    CLOTHES,
    LIMITS,
    POSES,
    draw,
    mirrored,
    people,
    random_figure,
    silhouette,
)

FIGURES = [random_figure(np.random.default_rng(seed)) for seed in range(200)]


def turn(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> float:
    """How far the bone b-c is bent from the bone a-b, in degrees from 0 to 180."""
    u, v = b - a, c - b
    return float(np.degrees(np.arccos(np.clip(u @ v / np.linalg.norm(u) / np.linalg.norm(v), -1, 1))))


def test_a_seed_is_a_person():
    once, again = (list(islice(people(7, size=48), 20)) for _ in range(2))
    for a, b in zip(once, again, strict=True):
        assert a.caption == b.caption
        np.testing.assert_array_equal(a.picture, b.picture)
        np.testing.assert_array_equal(a.joints, b.joints)
    other = next(people(8, size=48))
    assert not np.array_equal(other.picture, once[0].picture)


def test_pictures_joints_and_visibility_have_their_shapes():
    for size in (32, 64, 128):
        person = next(people(1, size))
        assert person.picture.shape == (size, size, 3) and person.picture.dtype == np.uint8
        assert person.joints.shape == (18, 2) and person.joints.dtype == np.float32
        assert person.visible.shape == (18,) and person.visible.sum() >= 17


def test_resolution_changes_neither_the_caption_nor_the_figure():
    small, large = next(people(3, 32)), next(people(3, 128))
    assert small.caption == large.caption
    np.testing.assert_array_equal(small.joints, large.joints)
    shrunk = cv2.resize(large.picture, (32, 32), interpolation=cv2.INTER_AREA).astype(float)
    assert np.abs(shrunk - small.picture).mean() < 4


def test_everyone_is_inside_the_picture():
    for figure in FIGURES:
        assert (figure.joints > 0).all() and (figure.joints < 1).all()


def test_poses_ask_for_nothing_a_joint_cannot_do():
    parts = ("arm", "elbow", "arm", "elbow", "leg", "knee", "leg", "knee")
    for name, (_, *ranges, _) in POSES.items():
        for part, (low, high) in zip(parts, ranges, strict=True):
            assert LIMITS[part][0] <= low < high <= LIMITS[part][1], (name, part)


@pytest.mark.parametrize("pose", POSES)
def test_drawn_joints_bend_within_their_limits(pose):
    rng = np.random.default_rng(0)
    for _ in range(20):
        joints = random_figure(rng, pose).joints
        for shoulder in (2, 5):
            assert turn(*joints[shoulder : shoulder + 3]) <= 150
        for hip in (8, 11):
            assert turn(*joints[hip : hip + 3]) <= 140
        thighs = [np.linalg.norm(joints[hip + 1] - joints[hip]) for hip in (8, 11)]
        assert 0.85 < thighs[0] / thighs[1] < 1.18  # foreshortening only


def test_mirroring_twice_is_nothing():
    figure = FIGURES[0]
    joints, visible = mirrored(*mirrored(figure.joints, figure.visible))
    np.testing.assert_allclose(joints, figure.joints, atol=1e-6)
    np.testing.assert_array_equal(visible, figure.visible)


def test_the_mirrored_skeleton_is_that_of_the_mirrored_picture():
    """The right wrist of a mirrored person lies where the left one's reflection does."""
    figure = FIGURES[1]
    joints, _ = mirrored(figure.joints, figure.visible)
    np.testing.assert_allclose(joints[4], (1 - figure.joints[7, 0], figure.joints[7, 1]), atol=1e-6)


def test_captions_name_the_colours_that_are_drawn():
    """The torso's middle has the top's colour and the corners have the background's; no other name is nearer."""
    for figure in FIGURES:
        picture = draw(figure, 256).astype(float)
        middle = figure.joints[[2, 5, 8, 11]].mean(0) * 256
        x, y = middle.astype(int)
        patch = picture[y - 3 : y + 4, x - 3 : x + 4].reshape(-1, 3)
        arms_away = figure.pose in ("standing", "waving", "hands up", "arms out", "jumping")
        if arms_away:
            assert f"{figure.top_colour} {figure.top}" in figure.caption
            assert nearest_name(np.median(patch, axis=0), CLOTHES) == figure.top_colour
        assert f"{figure.background} background" in figure.caption
        assert nearest_name(picture[2, 2], BACKGROUNDS) == figure.background


def nearest_name(colour: np.ndarray, palette: dict[str, tuple[int, int, int]]) -> str:
    return min(palette, key=lambda name: np.abs(np.array(palette[name]) - colour).sum())


def test_named_colours_differ_from_each_other():
    for figure in FIGURES:
        assert figure.background != figure.top_colour != figure.bottom_colour != figure.background


def test_captions_read_as_a_person_types_them():
    captions = {figure.caption for figure in FIGURES}
    assert all(caption.startswith("a person ") for caption in captions)
    assert not any("a orange" in caption or "  " in caption for caption in captions)
    assert {figure.pose for figure in FIGURES} == set(POSES)
    assert len(captions) > 190


def test_the_silhouette_is_where_the_picture_is_not_background():
    for figure in FIGURES[:40]:
        mask = silhouette(figure, 64)
        picture = draw(figure, 64).astype(float)
        differs = np.abs(picture - picture[1, 1]).max(2) > 60
        near = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3))) > 0
        if figure.pose != "sitting":  # the stool is no part of the figure
            assert not (differs & ~near).any()
        xs, ys = (figure.joints[:14] * 64).astype(int).T
        assert mask[ys, xs].mean() > 0.85


def test_skeletons_are_drawn_in_openpose_colours():
    joints = FIGURES[0].joints
    picture = draw_skeleton(joints, size=512)
    assert picture.shape == (512, 512, 3)
    assert picture[5, 5].sum() == 0
    for joint in (4, 7, 10, 13):  # ends, where no other joint or limb is drawn over
        x, y = (joints[joint] * 512).astype(int)
        np.testing.assert_allclose(picture[y, x], COLOURS[joint], atol=40)


def test_a_hidden_joint_takes_its_limbs_along():
    visible = np.ones(18, bool)
    visible[4] = False
    whole, part = draw_skeleton(FIGURES[0].joints, size=64), draw_skeleton(FIGURES[0].joints, visible, size=64)
    assert (part > 0).sum() < (whole > 0).sum()
