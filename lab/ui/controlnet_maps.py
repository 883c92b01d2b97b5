"""The maps of the ControlNet tab: where they come from, and how they are made by the backend."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lab.annotators import ANNOTATORS, offered
from lab.annotators.joints import POSES, default_pose, from_list, to_list
from lab.capsule import AnnotateRequest, ConditioningMap, Control, LabError, make_request
from lab.catalog import CONTROLS
from lab.settings import Settings
from lab.ui import controlnet_view, media, widgets

HAND = "hand"  # joints set by hand: no annotator, there is no picture
KINDS = tuple(name for name, row in CONTROLS.items() if not row.kind)  # of control, whatever nets follow them
ALSO = {"edges": ("hed",), "pose": (HAND, "openpose")}  # beside the rows of CONTROLS; the hub's only where allowed
NOBODY = "No person was found in this picture. Drag the joints where they belong, or choose another picture."


@dataclass(frozen=True)
class Source:
    """Where a map comes from and what it is. Of a map of lines joints are None."""

    annotator: str
    picture: np.ndarray | None = None
    map: np.ndarray | None = None
    joints: np.ndarray | None = None
    visible: np.ndarray | None = None


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
        here = (*offered(self.settings), HAND)
        names = [name for name in (*CONTROLS[control].annotators, *ALSO[control]) if name in here]
        return [("By hand" if name == HAND else ANNOTATORS[name].title, name) for name in names]

    def begin(self, annotator: str, name: str) -> Source:
        """A source from the name of a sketch, a pose or an example file."""
        if annotator == HAND:
            return Source(HAND, joints=POSES[name])
        if annotator == "scribble":
            return Source("scribble", map=controlnet_view.sketch(name, self.side))
        starters = (one for control in KINDS for one in controlnet_view.starters(control))
        path = next(one.path for one in starters if one.path and one.path.stem == name)
        return Source(annotator, media.open_picture(path, self.settings))

    def pictured(self, control: str, before: str, picture: np.ndarray) -> Source:
        """A source from a picture: by the annotator of before, or the control's first where that takes none."""
        return Source(CONTROLS[control].annotators[0] if before in ("scribble", HAND) else before, picture)

    def made(self, source: Source, low: float, high: float, blur: float) -> tuple[Source, str]:
        """The source with its map, and a note. Where nobody is found, the standing figure is there to be dragged."""
        if source.annotator == "scribble":
            kept = source.map if source.picture is None else None  # another annotator's map is not a drawing
            empty = np.zeros((self.side, self.side, 3), np.uint8)
            return Source("scribble", map=empty if kept is None else media.resize(kept, self.side)), ""
        if source.annotator == HAND:
            return self.drawn(source), ""
        request = make_request(
            AnnotateRequest,
            picture=source.picture,
            annotator=source.annotator,
            size=self.side,
            low=low,
            high=high,
            blur=blur,
        )
        made = self._map(request)
        if source.annotator == "pose" and made.joints is None:
            return self.drawn(replace(source, annotator=HAND, joints=None)), NOBODY
        return replace(source, map=made.map, joints=made.joints, visible=made.visible), ""

    def drawn(self, source: Source) -> Source:
        """The source with the map of its joints."""
        joints = to_list(default_pose() if source.joints is None else source.joints, source.visible)
        made = self._map(make_request(AnnotateRequest, joints=joints, size=self.side))
        return replace(source, map=made.map, joints=made.joints, visible=made.visible)

    def edited(self, control: str, source: Source, event: Any) -> Source:
        """The source after a stroke or a dragged joint, as the page sent it."""
        if control != "pose":
            return replace(source, map=controlnet_view.drawn_map(widgets.sent(event, "drawn")))
        try:
            joints, visible = from_list(widgets.sent(event, "joints"))
        except ValueError:
            raise LabError("The joints did not arrive in one piece. Move one again.") from None
        return self.drawn(replace(source, joints=joints, visible=visible))

    def seek(self, picture: np.ndarray) -> ConditioningMap:
        """Look for the person in a finished picture."""
        return self._map(make_request(AnnotateRequest, picture=picture, annotator="pose", size=self.side))

    def _map(self, request: AnnotateRequest) -> ConditioningMap:
        return next(event for event in self.backend.run(request) if isinstance(event, ConditioningMap))


def control_of(name: str, source: Source) -> Control:
    """What a run follows. Raises LabError where there is nothing to follow."""
    if source.map is None or not source.map.any():
        raise LabError(
            "The canvas is empty. Draw a few lines on it first."
            if source.annotator == "scribble"
            else f"There is no map of {CONTROLS[name].title.lower()} yet. Draw one or choose a picture."
        )
    return make_request(Control, name=name, map=source.map)


def editor(control: str, source: Source, side: int) -> str:
    """The map of a control as something to work on."""
    joints = source.joints
    if control == "pose" and joints is None and source.map is not None:
        return controlnet_view.board(source.map, _size(source.map))
    if control == "pose":
        words = "Drag the joints. A double click hides one or brings it back."
        joints = default_pose() if joints is None else joints
        return controlnet_view.skeleton_editor(joints, source.visible, source.picture, words)
    pixels = np.zeros((side, side, 3), np.uint8) if source.map is None else source.map
    return controlnet_view.line_editor(pixels, _size(pixels), "" if pixels.any() else "Draw here")


def _size(pixels: np.ndarray) -> str:
    return f"{len(pixels)} × {len(pixels)} pixels, as the ControlNet sees them."
