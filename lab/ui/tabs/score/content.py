"""What the page needs for the plane: its scripts, the data, the lanes' names and colours, and a picture."""

import json
from dataclasses import asdict, dataclass
from functools import cache, partial

from lab.catalog import SAMPLERS
from lab.settings import Settings
from lab.toy_data import TOYS
from lab.ui.shell import media
from lab.ui.shell.sources import beside, digest, route

MODULES = (
    "stage.js", "scene.js", "cells.js", "charts.js", "curves.js", "draw.js", "drawing.js", "side.js", "points.js", "jobs.js",
    "worker.js", "runs.js", "guidance.js", "lanes.js", "levels.js", "mixture.js", "measures.js", "reflow.js", "network.js", "matrices.js", "random.js",
)  # fmt: skip
PICTURE = "fox-3d"  # an example picture of 64 px, seen at the plane's noise level


@dataclass(frozen=True)
class PlaneLane:
    """A way to samples, on the plane: its name in the page's scripts (runs.js), and the colour that it has everywhere."""

    name: str
    title: str
    colour: str


# fmt: off
LANES = {row.name: row for row in (
    PlaneLane("exact",    "Exact samples",        "#9498a0"),
    PlaneLane("langevin", "Langevin, one level",  "#9c6b4e"),
    PlaneLane("annealed", "Annealed Langevin",    "#efb118"),
    PlaneLane("ddpm",     "DDPM",                 SAMPLERS["ddpm"].colour),
    PlaneLane("ddim",     "DDIM",                 SAMPLERS["ddim"].colour),
    PlaneLane("sde",      "Reverse SDE",          "#ff8ab7"),
    PlaneLane("flow",     "Straight flow",        "#3ca951"),
    PlaneLane("reflow",   "Reflow",               "#6cc5b0"),
    PlaneLane("reflow2",  "Reflow, twice",        "#a463f2"),
)}
# fmt: on

SCRIPTS = {name: beside(__file__, name) for name in MODULES}


@cache
def content() -> bytes:
    """The data of the page's scripts, as JSON."""
    path = next(example.path for example in media.examples() if example.path.stem == PICTURE)
    picture = media.resize(media.open_picture(path, Settings()), 64)
    toys = {
        name: {key: value for key, value in asdict(toy).items() if key not in ("name", "about")}
        for name, toy in TOYS.items()
    }
    lanes = {name: asdict(lane) for name, lane in LANES.items()}
    return json.dumps(
        {"toys": toys, "lanes": lanes, "picture": media.exact_uri(picture)}, separators=(",", ":")
    ).encode()


FOLDER = f"score-{digest(''.join(SCRIPTS.values()) + repr(TOYS) + repr(LANES))}"
LOAD_JS = f"import(new URL('{FOLDER}/stage.js', document.baseURI)).then((stage) => stage.attach(element, trigger));"
ROUTES = (
    *(partial(route, f"/{FOLDER}/{name}", "text/javascript", text.encode) for name, text in SCRIPTS.items()),
    partial(route, f"/{FOLDER}/content.json", "application/json", content),
)
