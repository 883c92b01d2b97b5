"""Conditioning maps."""

from collections.abc import Iterator

import cv2
import numpy as np

from lab.annotators import ANNOTATORS, function_of, obstacle
from lab.annotators import joints as skeletons
from lab.annotators.pose import pose_map
from lab.operations.house import House
from lab.requests.annotate import AnnotateRequest, ConditioningMap
from lab.requests.base import Event, LabError


def annotate(request: AnnotateRequest, house: House) -> Iterator[Event]:
    """One conditioning map: a skeleton drawn from its joints, or what an annotator makes of a picture."""
    yield _skeleton(request) if request.joints is not None else _annotated(request, house)


def _skeleton(request: AnnotateRequest) -> ConditioningMap:
    try:
        joints, visible = skeletons.from_list([list(joint) for joint in request.joints or ()])
    except ValueError as error:
        raise LabError(f"These joints cannot be drawn: {error}.") from error
    return ConditioningMap(pose_map(joints, visible, request.size), joints, visible)


def _annotated(request: AnnotateRequest, house: House) -> ConditioningMap:
    row = ANNOTATORS.get(request.annotator)
    if row is None:
        raise LabError(f"There is no annotator named '{request.annotator[:40]}'.")
    if problem := obstacle(row.name, house.settings):
        raise LabError(problem)
    assert request.picture is not None  # the request has a picture or joints
    picture = request.picture if row.whole else _at_side(request.picture, request.size)
    values = {name: house.settings if name == "settings" else getattr(request, name) for name in row.takes}
    result = function_of(row.name)(picture, **values)
    return result if isinstance(result, ConditioningMap) else ConditioningMap(_at_side(result, request.size))


def _at_side(picture: np.ndarray, side: int) -> np.ndarray:
    """A picture as (side, side, 3); averaged where it shrinks, as the pictures were that ControlNets learned from."""
    if picture.shape[:2] == (side, side):
        return picture
    how = cv2.INTER_AREA if side < min(picture.shape[:2]) else cv2.INTER_CUBIC
    return cv2.resize(picture, (side, side), interpolation=how)
