"""Skeletons as numbers: joint names, example poses, and what an editor does to joints. Pure NumPy, light to import.

Joint order is COCO-18 (Cao et al. 2019, "OpenPose"); right and left are the person's own. Limb order and the
eighteen hues are those of the OpenPose rendering. Joints are (18, 2), x then y, as fractions of the picture.
"""

from contextlib import suppress
from typing import Any

import numpy as np

# fmt: off
JOINTS = (
    "nose", "neck",
    "right shoulder", "right elbow", "right wrist", "left shoulder", "left elbow", "left wrist",
    "right hip", "right knee", "right ankle", "left hip", "left knee", "left ankle",
    "right eye", "left eye", "right ear", "left ear",
)

LIMBS = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7),
    (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13),
    (1, 0), (0, 14), (14, 16), (0, 15), (15, 17),
)

COLOURS = (
    (255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0),
    (0, 255, 0), (0, 255, 85), (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255),
    (0, 0, 255), (85, 0, 255), (170, 0, 255), (255, 0, 255), (255, 0, 170), (255, 0, 85),
)

# Example poses in thousandths of the picture, with the proportions of the generated people in lab/training/people.py:
# head, neck and arms; legs; eyes and ears. Arrays that nobody may write to.
POSES = {
    name: np.array(joints, np.float32) / 1000
    for name, joints in {
        "standing": [(500, 228), (500, 332), (416, 332), (386, 455), (353, 569), (584, 332), (614, 455), (647, 569),
                     (452, 570), (434, 738), (419, 906), (548, 570), (566, 738), (581, 906),
                     (467, 204), (533, 204), (412, 217), (588, 217)],
        "hands up": [(500, 229), (500, 333), (416, 333), (369, 216), (313, 111), (584, 333), (631, 216), (687, 111),
                     (452, 571), (428, 738), (407, 906), (548, 571), (572, 738), (593, 906),
                     (467, 205), (533, 205), (412, 218), (588, 218)],
        "waving":   [(464, 228), (464, 332), (380, 332), (349, 455), (313, 567), (547, 332), (655, 265), (687, 151),
                     (415, 570), (398, 738), (383, 906), (512, 570), (530, 738), (544, 906),
                     (430, 204), (497, 204), (376, 217), (551, 217)],
        "jumping":  [(500, 186), (500, 290), (416, 290), (305, 231), (217, 152), (584, 290), (695, 231), (783, 152),
                     (452, 528), (343, 657), (401, 816), (548, 528), (657, 657), (599, 816),
                     (467, 162), (533, 162), (412, 175), (588, 175)],
        "running":  [(573, 278), (538, 378), (456, 362), (378, 462), (471, 535), (620, 394), (705, 488), (801, 418),
                     (445, 602), (366, 751), (199, 780), (540, 620), (677, 720), (648, 886),
                     (545, 248), (610, 261), (478, 248), (650, 282)],
        "sitting":  [(435, 372), (419, 476), (336, 476), (391, 590), (497, 642), (503, 476), (558, 590), (665, 642),
                     (371, 714), (538, 737), (532, 906), (468, 714), (635, 737), (629, 906),
                     (401, 348), (468, 348), (335, 361), (511, 361)],
        "dancing":  [(522, 226), (527, 331), (444, 340), (344, 262), (278, 163), (610, 322), (722, 382), (663, 484),
                     (504, 572), (469, 737), (457, 906), (600, 562), (717, 684), (638, 833),
                     (486, 206), (552, 199), (429, 225), (604, 207)],
    }.items()
}
# fmt: on
for _pose in POSES.values():
    _pose.setflags(write=False)


def default_pose() -> np.ndarray:
    """The skeleton an editor opens with: (18, 2) float32, standing, a fresh copy."""
    return POSES["standing"].copy()


def to_list(joints: np.ndarray, visible: np.ndarray | None = None) -> list[list[float]]:
    """Joints for JSON, as COCO writes keypoints: eighteen [x, y, v], v 1 where the joint is visible and 0 elsewhere."""
    visibility = np.ones(len(JOINTS), bool) if visible is None else visible
    return [
        [round(float(x), 4), round(float(y), 4), int(v)]
        for (x, y), v in zip(np.asarray(joints), visibility, strict=True)
    ]


def from_list(entries: Any) -> tuple[np.ndarray, np.ndarray]:
    """Joints (18, 2) float32 and visibility (18,) bool from eighteen [x, y] or [x, y, v], as `to_list` writes them.

    What lies outside the picture is moved to its edge. Raises ValueError where the entries are no skeleton.
    """
    if not isinstance(entries, list | tuple) or len(entries) != len(JOINTS):
        raise ValueError(f"a skeleton is a list of {len(JOINTS)} joints")
    joints, visible = np.empty((len(JOINTS), 2), np.float32), np.ones(len(JOINTS), bool)
    for i, (name, entry) in enumerate(zip(JOINTS, entries, strict=True)):
        if not isinstance(entry, list | tuple) or len(entry) not in (2, 3):
            raise ValueError(f"the {name} must be [x, y] or [x, y, visible]")
        joints[i] = np.clip(_finite(name, entry[:2]), 0, 1)
        visible[i] = len(entry) == 2 or bool(entry[2])
    return joints, visible


def _finite(name: str, place: Any) -> list[float]:
    if all(isinstance(number, int | float) for number in place):
        with suppress(OverflowError):  # JSON's integers have no end
            numbers = [float(number) for number in place]
            if np.isfinite(numbers).all():
                return numbers
    raise ValueError(f"the {name} is at a place that is not a number")
