"""Annotators: picture in, conditioning map out. The table of them; no heavy imports.

An annotator is one file and one row. Each makes (height, width, 3) uint8 maps of the kind its ControlNets were
trained on.
"""

from dataclasses import dataclass
from importlib.util import find_spec

from lab.settings import Settings

HUB = "lllyasviel/Annotators"  # the hub's repository of detectors that controlnet-aux loads


@dataclass(frozen=True)
class Annotator:
    """A way to make a conditioning map."""

    name: str
    title: str
    about: str
    needs: str = ""  # a package that must be importable
    hub: str = ""  # a hub repository its weights come from; empty: nothing is fetched


# fmt: off
ANNOTATORS = {row.name: row for row in (
    Annotator("canny",    "Canny edges",    "Thin white edges where brightness or colour changes fast (Canny 1986)."),
    Annotator("scribble", "Scribble",       "Your own strokes, white on black."),
    Annotator("pose",     "Pose",           "The skeleton of one person, found by BlazePose (Bazarevsky et al. 2020).", needs="ai_edge_litert"),
    Annotator("map",      "Already a map",  "The picture is used as it is."),
    Annotator("hed",      "Soft edges (HED)", "Soft outlines as a person would draw them (Xie & Tu 2015); from the hub.", needs="controlnet_aux", hub=HUB),
    Annotator("openpose", "OpenPose",       "Skeletons of everyone in the picture (Cao et al. 2019); from the hub, for non-commercial use only.", needs="controlnet_aux", hub=HUB),
)}
# fmt: on


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
