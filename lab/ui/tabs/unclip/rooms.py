"""The rooms of the tab unCLIP, in their order."""

from lab.ui.shell.rooms.room import Room
from lab.ui.tabs.unclip.between.room import Between

_ROOMS: tuple[Room, ...] = (Between(),)
ROOMS = {room.name: room for room in _ROOMS}
