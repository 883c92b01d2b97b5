"""The rooms of the tab Inside, in their order."""

from lab.ui.shell.rooms.room import Room
from lab.ui.tabs.inside.attention.room import WordsRoom
from lab.ui.tabs.inside.bound.room import Bound
from lab.ui.tabs.inside.dial.room import Dial
from lab.ui.tabs.inside.factor.room import Factor
from lab.ui.tabs.inside.latents.room import Latents
from lab.ui.tabs.inside.map.room import Map

_ROOMS: tuple[Room, ...] = (Map(), Dial(), Bound(), Latents(), Factor(), WordsRoom())
ROOMS = {room.name: room for room in _ROOMS}
