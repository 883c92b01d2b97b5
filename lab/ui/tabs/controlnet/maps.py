"""The maps of the ControlNet tab: where they come from, and how they are made by the backend."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lab.annotators import ANNOTATORS, annotators_of, offered
from lab.annotators.joints import POSES, default_pose, from_list, to_list
from lab.catalog import CONTROLS
from lab.requests.annotate import AnnotateRequest, ConditioningMap
from lab.requests.base import LabError, make_request
from lab.requests.sampling import ControlMap
from lab.settings import Settings
from lab.ui.shell import media, widgets
from lab.ui.shell.media import Upload
from lab.ui.tabs.controlnet import view

HAND = "hand"  # joints set by hand: no annotator, there is no picture
MAX_SIDE = 1024  # pixels: what a request takes, and more than BlazePose sees
MARGIN = 0.05  # of a square around a person: what stays free around the joints
KINDS = tuple(name for name, row in CONTROLS.items() if not row.kind)  # of control, whatever nets follow them
INVERT = (
    "This map is mostly white. ControlNets follow white lines on black: press Invert where yours are dark on white."
)
SKELETON = "This map is mostly white. Pose ControlNets follow coloured skeletons on black."
REDRAWN = "The map is made anew: what was drawn on it is gone."
NO_PICTURE = "There is no picture yet to make a map of. Choose an example or upload one."
NOBODY = "No person was found in this picture. Drag the joints where they belong, or choose another picture."


@dataclass(frozen=True)
class Source:
    """Where a map comes from and what it is. Of a map of lines joints are None."""

    annotator: str
    upload: Upload | None = None  # the whole picture
    picture: np.ndarray | None = None  # (side, side, 3) uint8: as much of it as the map shows
    map: np.ndarray | None = None
    joints: np.ndarray | None = None
    visible: np.ndarray | None = None
    note: str = ""  # what of the picture is not in the map, for the note of the run
    by_hand: bool = False  # strokes, or an inversion, are in the map and nowhere else


Sources = dict[str, Source]  # by control
FIRST: Sources = {"edges": Source("scribble"), "pose": Source(HAND)}


class Maps:
    """Makes maps of side `side`. Holds nothing of any visitor."""

    def __init__(self, backend: Any, settings: Settings, side: int) -> None:
        self.backend, self.settings, self.side = backend, settings, side

    def at(self, side: int) -> "Maps":
        """The same for maps of another side."""
        return Maps(self.backend, self.settings, side)

    def annotators(self, control: str) -> list[tuple[str, str]]:
        """(title, name) of what can make a control's maps here."""
        names = [name for name in annotators_of(control) if name in offered(self.settings)]
        here, hub = ([name for name in names if bool(ANNOTATORS[name].hub) is far] for far in (False, True))
        names = [*here, HAND, *hub] if control == "pose" else names
        return [("By hand" if name == HAND else ANNOTATORS[name].title, name) for name in names]

    def begin(self, annotator: str, name: str) -> Source:
        """A source from the name of a sketch, a pose or an example file."""
        if annotator == HAND:
            return Source(HAND, joints=POSES[name])
        if annotator == "scribble":
            return Source("scribble", map=view.sketch(name, self.side))
        starters = (one for control in KINDS for one in view.starters(control))
        path = next(one.path for one in starters if one.path and one.path.stem == name)
        return Source(annotator, media.open_upload(path, self.settings))

    def from_upload(self, control: str, before: str, upload: Upload) -> Source:
        """A source from a picture: by the annotator of before, or the control's first where that takes none."""
        return Source(annotators_of(control)[0] if before in ("scribble", HAND) else before, upload)

    def with_map(self, control: str, source: Source, low: float, high: float, blur: float) -> tuple[Source, str]:
        """The source with its map of a control, and what went wrong. Where nobody is found, the standing figure is there to be dragged."""
        if source.annotator == "scribble":
            drawing = source.map if source.upload is None else None  # another annotator's map is not a drawing
            empty = np.zeros((self.side, self.side, 3), np.uint8)
            return Source("scribble", map=empty if drawing is None else media.resize(drawing, self.side)), ""
        if source.annotator == HAND:
            return self.with_skeleton(source), ""
        source = replace(source, note="", by_hand=False)
        if source.annotator == "pose" and source.upload is not None:
            return self._find_person(source, source.upload)
        if source.upload is not None:
            picture, note = source.upload.square("black" if source.annotator == "map" else "white")
            source = replace(source, picture=picture, note=note)
        request = make_request(
            AnnotateRequest,
            picture=source.picture,
            annotator=source.annotator,
            size=self.side,
            low=low,
            high=high,
            blur=blur,
        )
        annotation = self._map(request)
        white = source.annotator == "map" and annotation.map.mean() > 127
        hint = (SKELETON if control == "pose" else INVERT) if white else ""
        return replace(
            source,
            map=annotation.map,
            joints=annotation.joints,
            visible=annotation.visible,
            note=f"{source.note} {hint}".strip(),
        ), ""

    def _find_person(self, source: Source, upload: Upload) -> tuple[Source, str]:
        """The source with the person that is found in the whole picture, in the square around them.

        In a panorama people are too small for BlazePose; there its middle is looked at once more, alone.
        """
        whole, fill_note = upload.on("white")
        height, width = whole.shape[:2]
        middle, note = upload.square()
        for part, corner in ((whole, (0, 0)), (middle, ((width - len(middle)) // 2, (height - len(middle)) // 2))):
            picture = media.shrunk(part, MAX_SIDE)
            pose = self._map(make_request(AnnotateRequest, picture=picture, annotator="pose", size=self.side))
            if pose.joints is None or pose.visible is None:
                continue
            places = pose.joints * part.shape[1::-1] + corner
            x, y, side = window(places[pose.visible], width, height)
            around = f"The square around the person is used, {upload.measure(side)} pixels."
            note = upload.words(around if side < max(width, height) else "", fill_note)
            source = replace(source, picture=media.cropped(whole, x, y, side), note=note)
            return self.with_skeleton(replace(source, joints=(places - (x, y)) / side, visible=pose.visible)), ""
        return self.with_skeleton(replace(source, annotator=HAND, picture=middle, joints=None, note=note)), NOBODY

    def resize(self, source: Source) -> Source:
        """The source with the map that it has, strokes and all, at this side."""
        return replace(source, map=None if source.map is None else media.resize(source.map, self.side))

    def with_skeleton(self, source: Source) -> Source:
        """The source with the map of its joints."""
        joints = to_list(default_pose() if source.joints is None else source.joints, source.visible)
        annotation = self._map(make_request(AnnotateRequest, joints=joints, size=self.side))
        return replace(source, map=annotation.map, joints=annotation.joints, visible=annotation.visible)

    def edit(self, control: str, source: Source, event: Any) -> Source:
        """The source after a stroke, an inversion or a dragged joint, as the page sent it."""
        if control != "pose" and widgets.sent(event, "invert") is True:
            empty = np.zeros((self.side, self.side, 3), np.uint8)
            note = source.note.replace(INVERT, "").strip()
            return replace(source, map=255 - (empty if source.map is None else source.map), note=note, by_hand=True)
        if control != "pose":
            return replace(source, map=view.read_drawing(widgets.sent(event, "drawn")), by_hand=True)
        try:
            joints, visible = from_list(widgets.sent(event, "joints"))
        except ValueError:
            raise LabError("The joints did not arrive in one piece. Move one again.") from None
        return self.with_skeleton(replace(source, joints=joints, visible=visible))

    def seek(self, picture: np.ndarray) -> ConditioningMap:
        """Look for the person in a finished picture."""
        return self._map(make_request(AnnotateRequest, picture=picture, annotator="pose", size=self.side))

    def _map(self, request: AnnotateRequest) -> ConditioningMap:
        return next(event for event in self.backend.run(request) if isinstance(event, ConditioningMap))


def window(places: np.ndarray, width: int, height: int) -> tuple[int, int, int]:
    """The square of a picture that shows all `places` (n, 2) in pixels of it: corner x and y, and side.

    As near to the middle and as small as can be, but not below the picture's shorter side: people in it keep their size
    beside those that the ControlNet learned from. It reaches beyond the picture where its longer side is needed.
    """
    places = places if len(places) else np.array([[width / 2, height / 2]])
    low, high = places.min(axis=0), places.max(axis=0)
    reach = float((high - low).max()) / (1 - 2 * MARGIN)
    side = min(max(min(width, height), math.ceil(reach)), max(width, height))
    corner = []
    for first, last, length in zip(low, high, (width, height), strict=True):
        at = min(max((length - side) / 2, last - (1 - MARGIN) * side), first - MARGIN * side)
        corner.append(round(min(max(at, 0), length - side) if side <= length else (length - side) / 2))
    return corner[0], corner[1], side


def control_of(name: str, source: Source) -> ControlMap:
    """What a run follows. Raises LabError where there is nothing to follow."""
    if source.map is None or not source.map.any():
        raise LabError(
            "The canvas is empty. Draw a few lines on it first."
            if source.annotator == "scribble"
            else f"There is no map of {CONTROLS[name].title.lower()} yet. Draw one or choose a picture."
        )
    return make_request(ControlMap, name=name, map=source.map)


def editor(control: str, source: Source, side: int) -> str:
    """The map of a control as something to work on."""
    joints = source.joints
    if control == "pose" and joints is None and source.map is not None:
        return view.board(source.map, _size(source.map))
    if control == "pose":
        words = "Drag the joints. A double click hides one or brings it back."
        joints = default_pose() if joints is None else joints
        return view.skeleton_editor(joints, source.visible, source.picture, words)
    pixels = np.zeros((side, side, 3), np.uint8) if source.map is None else source.map
    return view.line_editor(pixels, _size(pixels), "" if pixels.any() else "Draw here")


def _size(pixels: np.ndarray) -> str:
    return f"{len(pixels)} × {len(pixels)} pixels, as the ControlNet sees them."
