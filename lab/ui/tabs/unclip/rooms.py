"""The rooms of the tab unCLIP, in their order."""

from lab.ui.shell.rooms.room import Room

_ROOMS: tuple[Room, ...] = ()
ROOMS = {room.name: room for room in _ROOMS}
