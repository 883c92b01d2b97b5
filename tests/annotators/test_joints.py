"""Joints of an editor: moved, picked, written and read; example poses have the generated people's proportions."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.annotators.joints import JOINTS, LIMBS, POSES, default_pose, from_list, to_list
from lab.annotators.skeleton import draw_skeleton
from lab.training import people

HEIGHT = 0.88  # of the people in POSES
BONES = {
    "upper arm": (people._ARM, ((2, 3), (5, 6))), "forearm": (people._FOREARM, ((3, 4), (6, 7))),
    "thigh": (people._THIGH, ((8, 9), (11, 12))), "shin": (people._SHIN, ((9, 10), (12, 13))),
    "shoulder": (people._SHOULDER, ((1, 2), (1, 5))),
}  # fmt: skip
numbers = st.floats() | st.integers()
entries = st.lists(st.lists(numbers, min_size=2, max_size=3), min_size=18, max_size=18)
anything = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=3), lambda inner: st.lists(inner, max_size=19), max_leaves=60
)


@pytest.mark.parametrize("name", POSES)
def test_poses_are_people_of_the_training_data(name):
    joints = POSES[name]
    assert joints.shape == (18, 2) and joints.dtype == np.float32
    assert (joints > 0).all() and (joints < 1).all()
    for length, pairs in BONES.values():
        for start, end in pairs:
            share = np.linalg.norm(joints[end] - joints[start]) / HEIGHT / length
            assert 0.85 < share < 1.02  # shorter by foreshortening only
    assert draw_skeleton(joints, size=64).any()


def test_the_named_poses_are_there_and_nobody_can_bend_them():
    assert set(POSES) == {"standing", "hands up", "waving", "jumping", "running", "sitting", "dancing"}
    assert set(POSES) <= set(people.POSES)
    with pytest.raises(ValueError, match="read-only"):
        POSES["standing"][0] = 0
    default_pose()[0] = 0  # a copy
    np.testing.assert_array_equal(default_pose(), POSES["standing"])


def test_right_is_the_persons_own():
    """People who face us have their right on our left; their joints' order is that of the training data."""
    standing = default_pose()
    for right, left in ((2, 5), (4, 7), (8, 11), (10, 13), (14, 15), (16, 17)):
        assert JOINTS[right].split()[1] == JOINTS[left].split()[1]
        assert standing[right, 0] < standing[left, 0]
    hands_up = POSES["hands up"]
    assert (hands_up[[4, 7], 1] < hands_up[0, 1]).all()


def test_limbs_join_what_belongs_together():
    assert len(LIMBS) == 17 == len(set(LIMBS))
    assert {joint for limb in LIMBS for joint in limb} == set(range(18))


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.sampled_from(list(POSES)), st.lists(st.booleans(), min_size=18, max_size=18))
def test_what_is_written_is_read_again(name, seen):
    text = json.dumps(to_list(POSES[name], np.array(seen)))
    joints, visible = from_list(json.loads(text))
    np.testing.assert_allclose(joints, POSES[name], atol=1e-4)
    np.testing.assert_array_equal(visible, seen)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(entries | anything)
def test_whatever_is_read_is_a_skeleton_or_a_clear_error(value):
    try:
        joints, visible = from_list(value)
    except ValueError as error:
        assert any(word in str(error) for word in ("list of 18 joints", "must be [x, y]", "not a number"))
        return
    assert joints.shape == (18, 2) and joints.dtype == np.float32 and visible.dtype == bool
    assert ((joints >= 0) & (joints <= 1)).all()
    np.testing.assert_array_equal(from_list(to_list(joints, visible))[1], visible)


@pytest.mark.parametrize(
    ("entry", "message"),
    [([0.5], "nose must be"), ([0.5] * 4, "nose must be"), ("ab", "nose must be"), (None, "nose must be"),
     (["x", 1], "nose is at a place"), ([float("nan"), 1], "nose is at a place"), ([10**400, 1], "nose is at a place")],
)  # fmt: skip
def test_errors_name_the_joint(entry, message):
    with pytest.raises(ValueError, match=message):
        from_list([entry, *to_list(default_pose())[1:]])


def test_pairs_are_visible_and_places_outside_move_to_the_edge():
    joints, visible = from_list([(-1, 0.5), *default_pose().tolist()[1:]])
    assert visible.all() and joints[0].tolist() == [0, 0.5]
