"""Conditioning maps."""

from collections.abc import Iterator

import cv2
import numpy as np

from lab.annotators import ANNOTATORS, hub, obstacle
from lab.annotators import joints as skeletons
from lab.annotators.canny import canny
from lab.annotators.pose import find_pose, pose_map
from lab.annotators.scribble import scribble
from lab.operations.house import House
from lab.requests.annotate import AnnotateRequest, ConditioningMap
from lab.requests.base import Event, LabError


def annotate(request: AnnotateRequest, house: House) -> Iterator[Event]:
    """One conditioning map: a skeleton drawn from its joints, or what an annotator sees in a picture."""
    if request.joints is not None:
        try:
            joints, visible = skeletons.from_list([list(joint) for joint in request.joints])
        except ValueError as error:
            raise LabError(f"These joints cannot be drawn: {error}.") from error
        yield ConditioningMap(pose_map(joints, visible, request.size), joints, visible)
        return
    if request.annotator not in ANNOTATORS:
        raise LabError(f"There is no annotator named '{request.annotator[:40]}'.")
    if problem := obstacle(request.annotator, house.settings):
        raise LabError(problem)
    seen = request.picture
    assert seen is not None  # the request has a picture or joints
    picture = _at_side(seen, request.size)
    if request.annotator == "pose":
        yield _pose_of(seen, request.size)
        return
    if request.annotator == "canny":
        picture = canny(picture, request.low, request.high, request.blur)
    elif request.annotator == "scribble":
        picture = scribble(picture)
    elif request.annotator in hub.DETECTORS:
        picture = _at_side(hub.detect(request.annotator, seen, house.settings), request.size)
    yield ConditioningMap(picture)


def _pose_of(picture: np.ndarray, size: int) -> ConditioningMap:
    pose = find_pose(picture)
    if pose is None:
        return ConditioningMap(np.zeros((size, size, 3), np.uint8), note="No person was found in this picture.")
    return ConditioningMap(pose_map(pose.joints, pose.visible, size), pose.joints, pose.visible)


def _at_side(picture: np.ndarray, side: int) -> np.ndarray:
    """A picture as (side, side, 3); averaged where it shrinks, as the pictures were that ControlNets learned from."""
    if picture.shape[:2] == (side, side):
        return picture
    how = cv2.INTER_AREA if side < min(picture.shape[:2]) else cv2.INTER_CUBIC
    return cv2.resize(picture, (side, side), interpolation=how)
