"""The rooms of the tab unCLIP, in their order."""

from lab.ui.shell.rooms.room import Room
from lab.ui.tabs.unclip.components.room import ComponentsRoom
from lab.ui.tabs.unclip.variations.room import Variations

_ROOMS: tuple[Room, ...] = (Variations(), ComponentsRoom())
ROOMS = {room.name: room for room in _ROOMS}
