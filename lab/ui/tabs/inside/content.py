"""What the page needs for the stage: the scripts of the tab and of its rooms, from an address that changes with them."""

from functools import partial

from lab.ui.shell.sources import beside, digest, route
from lab.ui.tabs.inside import weights
from lab.ui.tabs.inside.rooms import ROOMS

SCRIPTS = {name: beside(__file__, name) for name in ("stage.js", "decoder.js")} | {
    name: text for room in ROOMS.values() for name, text in room.scripts.items()
}
FOLDER = f"inside-{digest(''.join(SCRIPTS.values()))}"
LOAD_JS = f"import(new URL('{FOLDER}/stage.js', document.baseURI)).then((stage) => stage.attach(element, watch, trigger, props));"
ROUTES = (
    *(partial(route, f"/{FOLDER}/{name}", "text/javascript", text.encode) for name, text in SCRIPTS.items()),
    *weights.routes(),
)
STYLE = beside(__file__, "style.css") + "".join(room.style for room in ROOMS.values())
