"""People: clothed cartoon figures drawn from random skeletons, without end and without a download.

A figure is decided first (pose, joints, colours, clothes) and drawn second, so its caption and its skeleton are
exact by construction and do not depend on the resolution it is drawn at.

Angles are degrees in the picture plane. A limb's angle is measured from straight down, positive away from the
body; an elbow's or knee's is relative to the limb above it. Lengths are fractions of the figure's height.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

# The range of each joint of the right and of the left side; half of all figures are mirrored.
# fmt: off
POSES = {
    #                lean        right arm    elbow        left arm     elbow         right leg   knee        left leg    knee         lift
    "standing":      ((-3, 3),   (8, 22),     (-12, 12),   (8, 22),     (-12, 12),    (3, 9),     (-4, 2),    (3, 9),     (-4, 2),     0.00),
    "waving":        ((-4, 4),   (8, 22),     (-15, 15),   (105, 145),  (15, 65),     (3, 10),    (-4, 2),    (3, 10),    (-4, 2),     0.00),
    "hands up":      ((-4, 4),   (140, 172),  (-22, 22),   (140, 172),  (-22, 22),    (4, 14),    (-5, 2),    (4, 14),    (-5, 2),     0.00),
    "hands on hips": ((-3, 3),   (38, 52),    (-105, -88), (38, 52),    (-105, -88),  (4, 14),    (-5, 2),    (4, 14),    (-5, 2),     0.00),
    "arms out":      ((-3, 3),   (80, 100),   (-14, 14),   (80, 100),   (-14, 14),    (3, 14),    (-5, 2),    (3, 14),    (-5, 2),     0.00),
    "jumping":       ((-6, 6),   (95, 140),   (-10, 35),   (95, 140),   (-10, 35),    (28, 55),   (-85, -35), (28, 55),   (-85, -35),  0.09),
    "running":       ((6, 16),   (25, 50),    (-110, -70), (25, 55),    (65, 100),    (18, 40),   (20, 85),   (40, 68),   (-85, -40),  0.02),
    "kicking":       ((-14, -4), (45, 85),    (-20, 20),   (30, 70),    (-20, 30),    (0, 8),     (-6, 4),    (62, 92),   (-14, 6),    0.00),
    "sitting":       ((-4, 3),   (-35, -18),  (-50, -25),  (18, 35),    (25, 50),     (-88, -76), (76, 90),   (76, 88),   (-90, -76),  0.00),
    "dancing":       ((-14, 14), (100, 150),  (-30, 60),   (45, 80),    (-120, -60),  (5, 20),    (-20, 0),   (30, 58),   (-95, -50),  0.00),
}

CLOTHES = {
    "red": (214, 45, 48),    "orange": (240, 135, 35), "yellow": (246, 205, 50), "green": (52, 148, 72),
    "blue": (42, 98, 205),   "purple": (126, 62, 172), "pink": (240, 120, 172),  "brown": (124, 80, 50),
    "black": (44, 44, 50),   "white": (246, 246, 244), "grey": (140, 144, 150),
}
BACKGROUNDS = {
    "white": (255, 255, 255), "blue": (170, 210, 245),  "green": (176, 222, 164), "yellow": (252, 240, 178),
    "pink": (252, 190, 212),  "purple": (202, 176, 242), "orange": (252, 212, 164), "grey": (188, 190, 194),
}
HAIR = {"black": (38, 32, 34), "brown": (104, 62, 34), "blond": (236, 196, 96), "red": (190, 78, 32), "grey": (166, 166, 170)}
# fmt: on
HAIRCUTS = ("short", "long", "curly")
TOPS = ("shirt", "jumper", "dress")
BOTTOMS = ("trousers", "shorts", "skirt")
SKIN = np.array([(255, 219, 186), (240, 194, 152), (214, 158, 112), (170, 112, 72), (124, 78, 50), (88, 56, 40)])
LIMITS = {"arm": (-60, 180), "elbow": (-150, 150), "leg": (-95, 95), "knee": (-140, 140)}  # what a pose may ask

_HEAD, _TORSO, _ARM, _FOREARM, _THIGH, _SHIN = 0.105, 0.27, 0.15, 0.14, 0.2, 0.2
_SHOULDER, _HIP = 0.095, 0.055  # half widths
_SUPERSAMPLE = 4


@dataclass(frozen=True)
class Figure:
    """Everything that decides a picture of a person; `joints` (18, 2) in [0, 1] and `visible` (18,), COCO-18 order."""

    pose: str
    joints: np.ndarray
    visible: np.ndarray
    height: float  # of the upright figure, as a fraction of the picture
    facing: float  # where the nose is in the head: -1 image left, 0 to the viewer, 1 image right
    skin: np.ndarray
    hair: str
    haircut: str
    top: str
    top_colour: str
    bottom: str
    bottom_colour: str
    background: str
    tint: np.ndarray  # (4,) brightness of hair, top, bottom, background
    tells_hair: bool  # whether the caption mentions it

    @property
    def caption(self) -> str:
        """For example "a person in a red shirt and blue trousers, waving, green background"."""
        hair = f" with {self.haircut} {self.hair} hair" if self.tells_hair else ""
        article = "an" if self.top_colour == "orange" else "a"
        bottom = "" if self.top == "dress" else f" and {self.bottom_colour} {self.bottom}"
        worn = f"{article} {self.top_colour} {self.top}{bottom}"
        return f"a person{hair} in {worn}, {self.pose}, {self.background} background"


class Person(NamedTuple):
    """A drawn figure: `picture` (size, size, 3) uint8 RGB, `caption`, `joints` (18, 2) in [0, 1], `visible` (18,)."""

    picture: np.ndarray
    caption: str
    joints: np.ndarray
    visible: np.ndarray


def people(seed: int, size: int = 64) -> Iterator[Person]:
    """Draw an endless, reproducible stream of people."""
    rng = np.random.default_rng(seed)
    while True:
        figure = random_figure(rng)
        yield Person(draw(figure, size), figure.caption, figure.joints, figure.visible)


def random_figure(rng: np.random.Generator, pose: str | None = None) -> Figure:
    """Decide a figure: a pose (given or random) within its joint ranges, placed in the picture, then its looks."""
    pose = pose or str(rng.choice(list(POSES)))
    *ranges, lift = POSES[pose]
    lean, *limbs = (float(rng.uniform(*limits)) for limits in ranges)
    side_view = pose in ("running", "sitting", "kicking")
    facing = rng.uniform(0.35, 0.6) if side_view else rng.uniform(-0.3, 0.3)
    joints = _skeleton(lean, limbs, rng.uniform(0.9, 1.0, size=8), facing, rng.uniform(-6, 6))
    visible = np.ones(18, bool)
    visible[17] = facing < 0.3  # the ear behind a turned head
    if rng.random() < 0.5:
        joints, visible = mirrored(joints, visible, axis=0)
        facing = -facing
    height = rng.uniform(0.8, 0.95)
    joints = _placed(joints * height, height, lift, rng)
    background, top, bottom = _three_colours(rng)
    return Figure(
        pose, joints.astype(np.float32), visible, height, facing,
        skin=SKIN[rng.integers(len(SKIN))] * rng.uniform(0.96, 1.0),
        hair=str(rng.choice(list(HAIR))), haircut=str(rng.choice(HAIRCUTS)),
        top=str(rng.choice(TOPS, p=(0.4, 0.4, 0.2))), top_colour=top,
        bottom=str(rng.choice(BOTTOMS, p=(0.6, 0.2, 0.2))), bottom_colour=bottom,
        background=background, tint=rng.uniform(0.95, 1.03, size=4),
        tells_hair=bool(rng.random() < 0.5),
    )  # fmt: skip


def draw(figure: Figure, size: int) -> np.ndarray:
    """Draw a figure with anti-aliasing; returns (size, size, 3) uint8 RGB."""
    hair, top, bottom, background = (
        np.clip(np.array(palette[name]) * tint, 0, 255)
        for palette, name, tint in zip(
            (HAIR, CLOTHES, CLOTHES, BACKGROUNDS),
            (figure.hair, figure.top_colour, figure.bottom_colour, figure.background),
            figure.tint,
            strict=True,
        )
    )
    if figure.top == "dress":
        bottom = top
    pen = _Pen(np.full((size * _SUPERSAMPLE,) * 2 + (3,), background.astype(np.uint8)), figure.height)
    _draw_surroundings(pen, figure, background)
    _draw_figure(pen, figure, hair, top, bottom)
    return cv2.resize(pen.canvas, (size, size), interpolation=cv2.INTER_AREA)


def silhouette(figure: Figure, size: int) -> np.ndarray:
    """Where the figure itself covers the picture, (size, size) bool: the reference for pose agreement."""
    grey = np.full(3, 128.0)
    pens = [_Pen(np.full((size * _SUPERSAMPLE,) * 2 + (3,), ground, np.uint8), figure.height) for ground in (0, 255)]
    for pen in pens:
        _draw_figure(pen, figure, grey, grey, grey)
    untouched = (pens[0].canvas != pens[1].canvas).any(axis=2)  # still shows the ground it was drawn on
    return cv2.resize(untouched.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA) < 0.5


def _skeleton(lean: float, limbs: list[float], reach: np.ndarray, facing: float, tilt: float) -> np.ndarray:
    """Forward kinematics from the hips' centre at the origin; `limbs` as in POSES, `reach` foreshortens each bone."""

    def away(angle: float, side: int) -> np.ndarray:
        """Unit vector at `angle` from straight down, away from the body on that side (-1 image left, 1 right)."""
        radians = np.deg2rad(angle)
        return np.array([side * np.sin(radians), np.cos(radians)])

    up = -away(-lean, 1)
    across = np.array([-up[1], up[0]])
    neck = _TORSO * up
    joints = np.zeros((18, 2))
    joints[1] = neck
    bones = reach * np.repeat((_ARM, _FOREARM, _THIGH, _SHIN), 2)
    for side, shoulder, hip, angles, (arm, forearm, thigh, shin) in (
        (-1, 2, 8, (*limbs[0:2], *limbs[4:6]), bones[0::2]),
        (1, 5, 11, (*limbs[2:4], *limbs[6:8]), bones[1::2]),
    ):
        joints[shoulder] = neck + side * _SHOULDER * across
        joints[shoulder + 1] = joints[shoulder] + arm * away(angles[0], side)
        joints[shoulder + 2] = joints[shoulder + 1] + forearm * away(angles[0] + angles[1], side)
        joints[hip] = side * _HIP * across
        joints[hip + 1] = joints[hip] + thigh * away(angles[2], side)
        joints[hip + 2] = joints[hip + 1] + shin * away(angles[2] + angles[3], side)
    head_up = -away(-lean - tilt, 1)
    head_across = np.array([-head_up[1], head_up[0]])
    head = neck + 1.25 * _HEAD * head_up
    face = ((0, facing * 0.6, -0.12), (14, facing * 0.6 - 0.36, 0.14), (15, facing * 0.6 + 0.36, 0.14),
            (16, facing * 0.15 - 0.95, 0.0), (17, facing * 0.15 + 0.95, 0.0))  # fmt: skip
    for joint, x, y in face:
        joints[joint] = head + _HEAD * (x * head_across + y * head_up)
    return joints


def mirrored(joints: np.ndarray, visible: np.ndarray, axis: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """The skeleton of the mirror image: reflected at x = `axis`, and what was the right arm is now the left."""
    order = [0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 15, 14, 17, 16]
    return joints[order] * (-1, 1) + np.array((2 * axis, 0)), visible[order]


def _placed(joints: np.ndarray, height: float, lift: float, rng: np.random.Generator) -> np.ndarray:
    """Move a skeleton into the unit square: feet near the ground line, everything inside, a little to one side."""
    margin = 0.05 * height
    top = min(joints[:, 1].min(), joints[0, 1] - 1.05 * _HEAD * height) - margin
    bottom = joints[:, 1].max() + margin
    left, right = joints[:, 0].min() - margin, joints[:, 0].max() + margin
    ground = rng.uniform(0.9, 0.97) - lift
    y = np.clip(ground - bottom, -top + 0.01, max(0.99 - bottom, -top + 0.01))
    slack = max(0.0, 1 - (right - left)) / 2
    x = 0.5 - (left + right) / 2 + rng.uniform(-0.35, 0.35) * slack
    return joints + (x, y)


def _three_colours(rng: np.random.Generator) -> tuple[str, str, str]:
    """Background, top and bottom, all different, so that a caption's colours can be told apart.

    Nobody wears a brown top: beside brown arms it reads as skin.
    """
    background = str(rng.choice(list(BACKGROUNDS)))
    top = str(rng.choice([name for name in CLOTHES if name not in (background, "brown")]))
    bottom = str(rng.choice([name for name in CLOTHES if name not in (background, top)]))
    return background, top, bottom


@dataclass
class _Pen:
    """Draws outlined shapes on a supersampled canvas; places in [0, 1], widths in units of the figure's height."""

    canvas: np.ndarray
    height: float
    shade: float = 0.62  # an outline's brightness against its shape's

    def _at(self, point: np.ndarray) -> tuple[int, int]:
        x, y = np.rint(point * len(self.canvas)).astype(int)
        return int(x), int(y)

    def _px(self, length: float) -> int:
        return max(1, round(length * self.height * len(self.canvas)))

    def _strokes(self, colour: np.ndarray) -> tuple[tuple[list[float], float], tuple[list[float], float]]:
        """Colour and extra width of the outline, then of the shape inside it."""
        return ((colour * self.shade).tolist(), 0.022), (colour.tolist(), 0.0)

    def path(self, points: list[np.ndarray], colour: np.ndarray, width: float) -> None:
        """A limb: round-ended segments through the points."""
        for ink, extra in self._strokes(colour):
            for start, end in itertools.pairwise(points):
                cv2.line(self.canvas, self._at(start), self._at(end), ink, self._px(width + extra))

    def polygon(self, points: list[np.ndarray], colour: np.ndarray, rounding: float) -> None:
        """A filled polygon with rounded corners."""
        corners = np.array([self._at(point) for point in points])
        for ink, extra in self._strokes(colour):
            cv2.fillPoly(self.canvas, [corners], ink)
            cv2.polylines(self.canvas, [corners], True, ink, self._px(rounding + extra))

    def dot(self, point: np.ndarray, colour: np.ndarray, width: float, outlined: bool = True) -> None:
        """A filled circle of that diameter."""
        for ink, extra in self._strokes(colour)[0 if outlined else 1 :]:
            cv2.circle(self.canvas, self._at(point), self._px((width + extra) / 2), ink, cv2.FILLED)

    def arc(self, point: np.ndarray, colour: np.ndarray, axes: tuple[float, float], sweep: tuple[int, int]) -> None:
        """An open arc of an ellipse, in degrees clockwise from image right."""
        x, y = (self._px(axis) for axis in axes)
        cv2.ellipse(self.canvas, self._at(point), (x, y), 0, *sweep, colour.tolist(), self._px(0.014))

    def ellipse(self, point: np.ndarray, colour: np.ndarray, axes: tuple[float, float]) -> None:
        x, y = (self._px(axis) for axis in axes)
        cv2.ellipse(self.canvas, self._at(point), (x, y), 0, 0, 360, colour.tolist(), cv2.FILLED)


def _draw_surroundings(pen: _Pen, figure: Figure, background: np.ndarray) -> None:
    """The shadow on the ground, and a stool for who sits."""
    joints, height = figure.joints, figure.height
    hips = (joints[8] + joints[11]) / 2
    lift = POSES[figure.pose][-1]
    ground = np.array([joints[[10, 13], 0].mean(), joints[[10, 13], 1].max() + (0.035 + 1.1 * lift) * height])
    pen.ellipse(ground, background * 0.86, (0.2 - lift, 0.028))
    if figure.pose == "sitting":
        seat = hips + (0, 0.075 * height)
        wood = np.array([168.0, 120, 72])
        for side in (-0.09, 0.09):
            foot = np.array([seat[0] + side * 1.15 * height, ground[1]])
            pen.path([seat + (side * height, 0), foot], wood * 0.8, 0.025)
        pen.path([seat - (0.1 * height, 0), seat + (0.1 * height, 0)], wood, 0.04)


def _draw_figure(pen: _Pen, figure: Figure, hair: np.ndarray, top: np.ndarray, bottom: np.ndarray) -> None:
    """The body, back to front: long hair, the far leg and arm, the near leg, torso, skirt, near arm, head."""
    joints, height = figure.joints, figure.height
    head = (joints[16] + joints[17]) / 2
    near, far = (0, 3) if figure.facing < 0 else (3, 0)  # offset from a right-hand joint to that side's
    if figure.haircut == "long":
        pen.dot(head, hair, 0.25)
        pen.path([head, head * 0.25 + joints[1] * 0.75 + (0, 0.03 * height)], hair, 0.215)
    side_view = abs(figure.facing) >= 0.35
    _draw_leg(pen, figure, far * 2, bottom)
    if side_view:
        _draw_arm(pen, figure, far, top)
    _draw_leg(pen, figure, near * 2, bottom)
    _draw_torso(pen, figure, top, bottom)
    if not side_view:
        _draw_arm(pen, figure, far, top)
    _draw_arm(pen, figure, near, top)
    _draw_head(pen, figure, head, hair)


def _draw_leg(pen: _Pen, figure: Figure, offset: int, bottom: np.ndarray) -> None:
    joints, height = figure.joints, figure.height
    hip, knee, ankle = joints[8 + offset // 2], joints[9 + offset // 2], joints[10 + offset // 2]
    trousers = figure.top != "dress" and figure.bottom == "trousers"
    shorts = figure.top != "dress" and figure.bottom == "shorts"
    pen.path([hip, knee, ankle], bottom if trousers else figure.skin, 0.085 if trousers else 0.068)
    if shorts:
        pen.path([hip, hip * 0.35 + knee * 0.65], bottom, 0.098)
    outward = np.sign(figure.facing) if abs(figure.facing) >= 0.35 else (1 if offset else -1)
    pen.path([ankle + (0, 0.022 * height), ankle + (0.042 * outward * height, 0.026 * height)],
             np.array([88.0, 62, 52]), 0.058)  # fmt: skip


def _draw_arm(pen: _Pen, figure: Figure, offset: int, top: np.ndarray) -> None:
    shoulder, elbow, wrist = figure.joints[2 + offset : 5 + offset]
    hand = wrist + 0.12 * (wrist - elbow)
    if figure.top == "jumper":
        pen.dot(hand, figure.skin, 0.062)
        pen.path([shoulder, elbow, wrist], top, 0.07)
    else:
        pen.path([shoulder, elbow, hand], figure.skin, 0.052)
        pen.path([shoulder, shoulder * 0.4 + elbow * 0.6], top, 0.078)


def _draw_torso(pen: _Pen, figure: Figure, top: np.ndarray, bottom: np.ndarray) -> None:
    joints = figure.joints
    down = (joints[8] + joints[11]) / 2 - joints[1]
    chest = [joints[2] * 0.92 + joints[1] * 0.08 + 0.08 * down, joints[5] * 0.92 + joints[1] * 0.08 + 0.08 * down]
    hem = [joints[11] + 0.06 * down, joints[8] + 0.06 * down]
    if figure.top == "dress" or figure.bottom == "skirt":
        _draw_skirt(pen, figure, bottom)
    elif figure.top != "dress":
        pen.path([joints[8], joints[11]], bottom, 0.1)
    pen.path([joints[1] - 0.12 * down, joints[1] + 0.05 * down], figure.skin, 0.055)
    pen.polygon(chest + [point - 0.1 * down for point in hem], top, 0.055)


def _draw_skirt(pen: _Pen, figure: Figure, colour: np.ndarray) -> None:
    """A trapezium from the waist to past mid-thigh that follows the legs."""
    joints, height = figure.joints, figure.height
    waist = [joints[8], joints[11]]
    hem = [joints[8] + 0.62 * (joints[9] - joints[8]), joints[11] + 0.62 * (joints[12] - joints[11])]
    spread = np.array([0.045 * height, 0])
    order = (hem[0] - spread, hem[1] + spread)
    pen.polygon([waist[0], waist[1], order[1], order[0]], colour, 0.05)


def _draw_head(pen: _Pen, figure: Figure, head: np.ndarray, hair: np.ndarray) -> None:
    joints, height = figure.joints, figure.height
    across = (joints[17] - joints[16]) / np.linalg.norm(joints[17] - joints[16])
    up = np.array([across[1], -across[0]])
    for ear in (16, 17):
        if figure.visible[ear]:
            pen.dot(joints[ear], figure.skin, 0.045)
    if figure.haircut == "curly":
        for angle in np.linspace(-0.75, 3.9, 9):
            pen.dot(head + 0.095 * height * (np.cos(angle) * across + (np.sin(angle) + 0.25) * up), hair, 0.1)
    pen.dot(head, figure.skin, 2 * _HEAD - 0.02)
    hairline = np.linspace(0.12 * np.pi, 0.88 * np.pi, 9)
    crown = [head + _HEAD * height * (np.cos(a) * across + np.sin(a) * up) for a in hairline]
    parting = head + height * _HEAD * (0.55 * up - 0.35 * np.sign(figure.facing) * across)
    pen.polygon([*crown, parting], hair, 0.02)
    dark = np.array([40.0, 30, 34])
    for eye in (14, 15):
        pen.dot(joints[eye], dark, 0.03, outlined=False)
    mouth = joints[0] - 0.14 * _HEAD * height * up
    pen.arc(mouth, np.array([150.0, 50, 56]) * (1 if figure.skin[0] > 150 else 0.7), (0.036, 0.03), (20, 160))
