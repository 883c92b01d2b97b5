"""The rooms of the tab Inside, in their order."""

from lab.ui.tabs.inside.room import Room

_ROOMS: tuple[Room, ...] = ()
ROOMS = {room.name: room for room in _ROOMS}
