"""Annotators: picture in, conditioning map out. The table of them; no heavy imports.

An annotator is one file and one row. Each makes (height, width, 3) uint8 maps of the kind its ControlNets were
trained on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pkgutil import resolve_name
from typing import Any

from lab.catalog import CONTROLS
from lab.settings import Settings

HUB = "lllyasviel/Annotators"  # the hub's repository of detectors that controlnet-aux loads


@dataclass(frozen=True)
class Annotator:
    """A way to make a conditioning map.

    `function` takes a picture (height, width, 3) uint8 and, by name, what `takes` says: fields of AnnotateRequest, or
    the settings. It gives a map, or a ConditioningMap where it knows more than that.
    """

    name: str
    title: str
    function: str  # "module:function", imported when it is first called
    controls: tuple[str, ...]  # whose maps it makes: rows of CONTROLS that have no `kind`
    about: str
    takes: tuple[str, ...] = ()
    whole: bool = False  # is given the picture in its own size; else resized to the map's side
    needs: str = ""  # a package that must be importable
    hub: str = ""  # a hub repository its weights come from; empty: nothing is fetched
    detector: str = ""  # the class of controlnet-aux that loads them


# fmt: off
ANNOTATORS = {row.name: row for row in (
    Annotator("canny",    "Canny edges",      "lab.annotators.canny:canny",       ("edges",),        "Thin white edges where brightness or colour changes fast (Canny 1986).", takes=("low", "high", "blur")),
    Annotator("scribble", "Scribble",         "lab.annotators.scribble:scribble", ("edges",),        "Your own strokes, white on black."),
    Annotator("pose",     "Pose",             "lab.annotators.pose:person_map",   ("pose",),         "The skeleton of one person, found by BlazePose (Bazarevsky et al. 2020).", takes=("size",), whole=True, needs="ai_edge_litert"),
    Annotator("map",      "Already a map",    "lab.annotators.picture:rgb",       ("edges", "pose"), "The picture is used as it is."),
    Annotator("hed",      "Soft edges (HED)", "lab.annotators.hub:detect",        ("edges",),        "Soft outlines as a person would draw them (Xie & Tu 2015); from the hub.", takes=("annotator", "settings"), whole=True, needs="controlnet_aux", hub=HUB, detector="HEDdetector"),
    Annotator("openpose", "OpenPose",         "lab.annotators.hub:detect",        ("pose",),         "Skeletons of everyone in the picture (Cao et al. 2019); from the hub, for non-commercial use only.", takes=("annotator", "settings"), whole=True, needs="controlnet_aux", hub=HUB, detector="OpenposeDetector"),
)}
# fmt: on


def function_of(name: str) -> Callable[..., Any]:
    """The function of an annotator."""
    function: Callable[..., Any] = resolve_name(ANNOTATORS[name].function)
    return function


def annotators_of(control: str) -> tuple[str, ...]:
    """Names of the annotators that make the maps of a control, in the table's order."""
    kind = CONTROLS[control].kind or control
    return tuple(name for name, row in ANNOTATORS.items() if kind in row.controls)


def offered(settings: Settings) -> tuple[str, ...]:
    """Names of the annotators that can be used here, in the table's order."""
    return tuple(name for name in ANNOTATORS if not obstacle(name, settings))


def obstacle(name: str, settings: Settings) -> str:
    """Why an annotator cannot be used here and what to do about it, in a sentence; empty where it can."""
    row = ANNOTATORS[name]
    if row.needs and find_spec(row.needs) is None:
        return f"{row.title} needs the package {row.needs.replace('_', '-')}, which is not installed."
    if row.hub and settings.offline:
        return f"{row.title} is loaded from the hub, and this lab is offline. Set LAB_OFFLINE=false to allow it."
    if row.hub and row.hub not in settings.allowed_models:
        return f"{row.title} is loaded from the hub. Add {row.hub} to LAB_ALLOWED_MODELS to allow it."
    return ""
