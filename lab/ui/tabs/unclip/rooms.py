"""The rooms of the tab unCLIP, in their order."""

from lab.ui.shell.rooms.room import Room
from lab.ui.tabs.unclip.diversity.room import Diversity
from lab.ui.tabs.unclip.stages.room import Stages

_ROOMS: tuple[Room, ...] = (Stages(), Diversity())
ROOMS = {room.name: room for room in _ROOMS}
