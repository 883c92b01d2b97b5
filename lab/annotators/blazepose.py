"""BlazePose (Bazarevsky et al. 2020, arXiv 2006.10204): one person's 33 landmarks, by two small networks.

A detector finds the person and two alignment points, the middle of the hips and a point that tells size and
orientation. A square around the person is cut out, turned upright, and given to the landmark network. Sizes,
anchors and thresholds are those of MediaPipe's graphs for these networks (Apache-2.0; assets/annotators/LICENSES.md).

Points are in pixels, x then y, with the corner of the picture, not the centre of its first pixel, at (0, 0).
"""

import math
import threading
from functools import cache
from typing import Any, NamedTuple

import cv2
import numpy as np

from lab.requests.base import LabError
from lab.settings import ASSETS

WEIGHTS = ASSETS / "annotators"
DETECTOR_SIDE, LANDMARK_SIDE = 224, 256  # pixels the networks see
COARSE_SIDE = 96  # what it sees the second time
MIN_DETECTION, MIN_PRESENCE = 0.5, 0.5
MARGIN = 1.25  # of the square around a person, over twice the distance between the alignment points

_SAME_PERSON = 0.3  # intersection over union of two detections
_KERNEL = 7  # heatmap cells around a landmark that refine it
_MIN_HEAT = 0.5


class Landmarks(NamedTuple):
    """`points` (33, 2) in pixels of the picture, `visibility` (33,) and `presence`, of a person, in [0, 1]."""

    points: np.ndarray
    visibility: np.ndarray
    presence: float


class Square(NamedTuple):
    """A square of the picture: centre and side in pixels, turned clockwise by `angle` in radians."""

    x: float
    y: float
    side: float
    angle: float = 0.0


def find_landmarks(picture: np.ndarray) -> Landmarks | None:
    """The landmarks of the person that is detected most surely in (height, width, 3) uint8 RGB; None without one."""
    person = detect(picture)
    return None if person is None else read_landmarks(picture, person)


def detect(picture: np.ndarray) -> Square | None:
    """The square around the most certain person."""
    height, width = picture.shape[:2]
    whole = Square(width / 2, height / 2, max(width, height))
    view, to_picture = cut_out(picture, whole, DETECTOR_SIDE, cv2.BORDER_CONSTANT)
    detection = _detection(view)
    if detection is None:
        # Drawn people are too crisp and flat for a network that learned from photographs: the lab's cartoon people
        # are found in 62 % of pictures of 512 px, and in 96 % with this second look, which adds no false alarms in photographs.
        coarse = cv2.resize(view, (COARSE_SIDE, COARSE_SIDE), interpolation=cv2.INTER_AREA)
        detection = _detection(cv2.resize(coarse, (DETECTOR_SIDE, DETECTOR_SIDE)))
    if detection is None:
        return None
    hips, far = detection[4:8].reshape(2, 2) * DETECTOR_SIDE @ to_picture[:, :2].T + to_picture[:, 2]
    along = far - hips
    angle = math.atan2(along[1], along[0]) + math.pi / 2  # 0 where the person is upright
    return Square(float(hips[0]), float(hips[1]), 2 * MARGIN * math.hypot(*along), angle)


def _detection(view: np.ndarray) -> np.ndarray | None:
    """What the detector finds in (DETECTOR_SIDE, DETECTOR_SIDE, 3) uint8."""
    boxes, logits = network("pose_detection.tflite")(view / 127.5 - 1)
    return best_detection(boxes[0], logits[0, :, 0])


def read_landmarks(picture: np.ndarray, person: Square) -> Landmarks | None:
    """The landmarks of the person in a square; None where the network sees nobody in it."""
    view, to_picture = cut_out(picture, person, LANDMARK_SIDE, cv2.BORDER_REPLICATE)
    values, presence, _, heatmap, _ = network("pose_landmark_full.tflite")(view / 255)
    if presence.item() < MIN_PRESENCE:
        return None
    landmarks = values.reshape(39, 5)[:33]  # x, y, z, visibility, presence; the last six are auxiliary
    points = refine(landmarks[:, :2] / LANDMARK_SIDE, _sigmoid(heatmap[0])) * LANDMARK_SIDE
    return Landmarks(points @ to_picture[:, :2].T + to_picture[:, 2], _sigmoid(landmarks[:, 3]), presence.item())


def cut_out(picture: np.ndarray, square: Square, size: int, border: int) -> tuple[np.ndarray, np.ndarray]:
    """A square of the picture as (size, size, 3), and the (2, 3) affine map from its points back to the picture's.

    What lies outside the picture is black or its nearest pixel, as `border` says.
    """
    scale = square.side / size
    shrink = min(1.0, 1 / scale) if scale > 0 else 1.0
    # Averaging down first: the warp below reads four pixels only and would alias.
    height, width = (max(1, round(length * shrink)) for length in picture.shape[:2])
    small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA) if shrink < 1 else picture
    turn = scale * np.array([[math.cos(square.angle), -math.sin(square.angle)],
                             [math.sin(square.angle), math.cos(square.angle)]])  # fmt: skip
    to_picture = np.column_stack([turn, (square.x, square.y) - turn @ (size / 2, size / 2)])
    to_small = to_picture * (np.array([width, height]) / picture.shape[1::-1])[:, None]
    to_small[:, 2] += to_small[:, :2] @ (0.5, 0.5) - 0.5  # OpenCV puts (0, 0) at the centre of the first pixel
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(small, to_small, (size, size), flags=flags, borderMode=border), to_picture


@cache
def anchors() -> np.ndarray:
    """Centres of the detector's anchors, (2254, 2) as fractions of its input, in the order of its outputs.

    An SSD's (Liu et al. 2016) at strides 8, 16, 32, 32, 32 with two a cell and layer; layers of one stride interleave.
    """
    layers = []
    for stride, per_cell in ((8, 2), (16, 2), (32, 6)):
        cells = DETECTOR_SIDE // stride
        y, x = np.mgrid[:cells, :cells].reshape(2, -1)
        layers.append(np.repeat((np.stack([x, y], axis=1) + 0.5) / cells, per_cell, axis=0))
    return np.concatenate(layers)


def best_detection(raw: np.ndarray, logits: np.ndarray) -> np.ndarray | None:
    """The most certain detection: (12,) x, y, width, height of the face, then four points, as fractions of the input.

    Detections that overlap it are averaged in by their scores (weighted non-maximum suppression, BlazeFace,
    Bazarevsky et al. 2019). None where no score reaches MIN_DETECTION.
    """
    scores = _sigmoid(logits)
    sure = scores >= MIN_DETECTION
    if not sure.any():
        return None
    scores, detections = scores[sure], raw[sure] / DETECTOR_SIDE
    centres = anchors()[sure]
    detections[:, :2] += centres
    detections[:, 4:] += np.tile(centres, 4)
    same = _overlap(detections, detections[scores.argmax()]) > _SAME_PERSON
    return np.average(detections[same], axis=0, weights=scores[same])


def _overlap(boxes: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes (n, 4 or more), centre and size, with one of them."""
    low = np.maximum(boxes[:, :2] - boxes[:, 2:4] / 2, box[:2] - box[2:4] / 2)
    high = np.minimum(boxes[:, :2] + boxes[:, 2:4] / 2, box[:2] + box[2:4] / 2)
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    return shared / np.maximum(np.prod(boxes[:, 2:4], axis=1) + np.prod(box[2:4]) - shared, 1e-9)


def refine(points: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Move each point, a fraction of the input, to the centre of the heat around it where that is hot enough.

    `heat` is (rows, columns, landmarks), probabilities. As MediaPipe's RefineLandmarksFromHeatmap does.
    """
    rows, columns = heat.shape[:2]
    refined = points.copy()
    for i, (x, y) in enumerate(points):
        column, row = int(x * columns), int(y * rows)
        if not (0 <= column < columns and 0 <= row < rows):
            continue
        top, left = max(0, row - _KERNEL // 2), max(0, column - _KERNEL // 2)
        near = heat[top : row + _KERNEL // 2 + 1, left : column + _KERNEL // 2 + 1, i]
        if near.max() >= _MIN_HEAT:
            y_near, x_near = np.mgrid[: near.shape[0], : near.shape[1]]
            refined[i] = (
                (left + (x_near * near).sum() / near.sum()) / columns,
                (top + (y_near * near).sum() / near.sum()) / rows,
            )
    return refined


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(x, -80, 80)))


class Network:
    """A LiteRT network. An interpreter holds its tensors, so callers take turns."""

    def __init__(self, file: str) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError:
            raise LabError(
                "Finding poses needs the package ai-edge-litert. Install it, or place the joints by hand."
            ) from None
        self._lock = threading.Lock()
        self._interpreter: Any = Interpreter(str(WEIGHTS / file), num_threads=1)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._outputs = [output["index"] for output in self._interpreter.get_output_details()]

    def __call__(self, pixels: np.ndarray) -> list[np.ndarray]:
        """The network's outputs, copied, for one (side, side, 3) picture."""
        with self._lock:
            self._interpreter.set_tensor(self._input, pixels[None].astype(np.float32))
            self._interpreter.invoke()
            return [self._interpreter.get_tensor(index) for index in self._outputs]


_loading = threading.Lock()
_load = cache(Network)


def network(file: str) -> Network:
    """The network in `file`, loaded once however many ask."""
    with _loading:
        return _load(file)
