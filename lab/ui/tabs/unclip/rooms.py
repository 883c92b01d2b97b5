"""The rooms of the tab unCLIP, in their order."""

from lab.ui.shell.rooms.room import Room
from lab.ui.tabs.unclip.between.room import Between
from lab.ui.tabs.unclip.components.room import ComponentsRoom
from lab.ui.tabs.unclip.difference.room import Difference
from lab.ui.tabs.unclip.diversity.room import Diversity
from lab.ui.tabs.unclip.stages.room import Stages
from lab.ui.tabs.unclip.variations.room import Variations

_ROOMS: tuple[Room, ...] = (Stages(), Variations(), Between(), Difference(), ComponentsRoom(), Diversity())
ROOMS = {room.name: room for room in _ROOMS}
