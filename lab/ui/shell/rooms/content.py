"""What the page needs for a tab of rooms: its scripts, from an address that changes with them, and its style."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from starlette.routing import Route

from lab.ui.shell.rooms.room import Room
from lab.ui.shell.sources import beside, digest, route

STAGE_JS, STYLE = beside(__file__, "stage.js"), beside(__file__, "style.css")
FOLLOW_JS = "(...values) => { const given = Object.fromEntries(NAMES.map((name, i) => [name, values[i]])); window.labRooms ??= {}; if (window.labRooms.TAB?.set) window.labRooms.TAB.set(given); else window.labRooms.TAB = { values: given }; }"


@dataclass(frozen=True)
class Content:
    """The scripts and the style of the tab named `tab`. `modules` are scripts, by file name, that several of its rooms import."""

    tab: str
    rooms: Mapping[str, Room]
    modules: Mapping[str, str]

    @property
    def scripts(self) -> dict[str, str]:
        """Every module of the tab's folder, by file name."""
        own = {name: text for room in self.rooms.values() for name, text in room.scripts.items()}
        return {"stage.js": STAGE_JS, **self.modules, **own}

    @property
    def folder(self) -> str:
        """Where they are, from the page's address on."""
        return f"{self.tab}-{digest(''.join(self.scripts.values()))}"

    @property
    def load_js(self) -> str:
        """What the stage runs once it is there."""
        return (
            f"import(new URL('{self.folder}/stage.js', document.baseURI))"
            f".then((stage) => stage.attach('{self.tab}', element, watch, trigger, props));"
        )

    def follow_js(self, names: str) -> str:
        """What runs when a live control has another value; `names` of them all, as JSON, in the order of their values."""
        return FOLLOW_JS.replace("TAB", self.tab).replace("NAMES", names)

    @property
    def routes(self) -> tuple[Callable[[], Route], ...]:
        """What the server answers for the scripts."""
        return tuple(
            partial(route, f"/{self.folder}/{name}", "text/javascript", text.encode)
            for name, text in self.scripts.items()
        )

    @property
    def style(self) -> str:
        """The style of the frame in this tab, and those of its rooms."""
        return STYLE.replace("TAB", self.tab) + "".join(room.style for room in self.rooms.values())
