"""Poses: the skeleton of the person in a picture, by BlazePose, in the joints that pose ControlNets are trained on."""

from dataclasses import dataclass

import cv2
import numpy as np

from lab.annotators import blazepose
from lab.annotators.picture import rgb
from lab.annotators.skeleton import draw_skeleton
from lab.requests.annotate import ConditioningMap

MIN_VISIBILITY = 0.5
MAX_SIDE = 1024  # pixels; the networks see 256 of them

# The BlazePose landmark of each COCO-18 joint; the neck, which it lacks, is set from the shoulders.
_LANDMARK = np.array([0, 0, 12, 14, 16, 11, 13, 15, 24, 26, 28, 23, 25, 27, 5, 2, 8, 7])
_NECK, _SHOULDERS = 1, [2, 5]


@dataclass(frozen=True)
class Pose:
    """A person found: `joints` (18, 2) float32 in [0, 1] of the picture, COCO-18 order, and `visible` (18,) bool.

    `confidence` in [0, 1] is the network's that there is a person. Joints outside the picture are invisible and
    stand at its edge.
    """

    joints: np.ndarray
    visible: np.ndarray
    confidence: float


def find_pose(picture: np.ndarray) -> Pose | None:
    """The pose of the person that stands out most in a picture of any size; None where nobody is found."""
    picture = _at_most(rgb(picture), MAX_SIDE)
    landmarks = blazepose.find_landmarks(picture)
    if landmarks is None:
        return None
    joints = landmarks.points[_LANDMARK] / picture.shape[1::-1]
    joints[_NECK] = joints[_SHOULDERS].mean(axis=0)
    visible = landmarks.visibility[_LANDMARK] >= MIN_VISIBILITY
    visible[_NECK] = visible[_SHOULDERS].all()
    visible &= ((joints >= 0) & (joints <= 1)).all(axis=1)
    return Pose(joints.clip(0, 1).astype(np.float32), visible, landmarks.presence)


def pose_map(joints: np.ndarray, visible: np.ndarray | None, size: int) -> np.ndarray:
    """The conditioning map of a pose ControlNet: a skeleton on black, (size, size, 3) uint8."""
    return draw_skeleton(joints, visible, size=size)


def person_map(picture: np.ndarray, size: int) -> ConditioningMap:
    """The map of the person in a picture of any size, with the joints; an empty one where nobody is found."""
    pose = find_pose(picture)
    if pose is None:
        return ConditioningMap(np.zeros((size, size, 3), np.uint8), note="No person was found in this picture.")
    return ConditioningMap(pose_map(pose.joints, pose.visible, size), pose.joints, pose.visible)


def _at_most(picture: np.ndarray, side: int) -> np.ndarray:
    """The picture, shrunk where its long side exceeds `side`."""
    scale = side / max(picture.shape[:2])
    if scale >= 1:
        return picture
    height, width = (max(1, round(length * scale)) for length in picture.shape[:2])
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
