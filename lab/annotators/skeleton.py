"""Skeleton pictures: 18 joints drawn as OpenPose draws them, which is what pose ControlNets are trained on.

The rendering of OpenPose (Cao et al. 2019): limbs at 60 % brightness below joints at full brightness.
"""

import cv2
import numpy as np

from lab.annotators.joints import COLOURS, JOINTS, LIMBS

_SUPERSAMPLE = 4


def draw_skeleton(joints: np.ndarray, visible: np.ndarray | None = None, *, size: int) -> np.ndarray:
    """Draw a skeleton on black in OpenPose colours; returns (size, size, 3) uint8 RGB.

    `joints` is (18, 2), x then y, as fractions of the picture's side; `visible` is (18,) bool, all by default.
    A limb is drawn when both its ends are visible. OpenPose's stick width, 4 px of radius at 512, would vanish
    in a miniature, so the radius never falls below one pixel.
    """
    visible = np.ones(len(JOINTS), bool) if visible is None else visible
    canvas = np.zeros((size * _SUPERSAMPLE, size * _SUPERSAMPLE, 3), np.uint8)
    radius = max(size / 128, 1.0) * _SUPERSAMPLE
    points = np.rint(np.asarray(joints) * size * _SUPERSAMPLE).astype(int)
    for (start, end), colour in zip(LIMBS, COLOURS, strict=False):
        if visible[start] and visible[end]:
            cv2.line(canvas, points[start], points[end], [c * 0.6 for c in colour], round(2 * radius))
    for point, colour, is_visible in zip(points, COLOURS, visible, strict=True):
        if is_visible:
            cv2.circle(canvas, point, round(1.2 * radius), colour, cv2.FILLED)
    return cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA)
