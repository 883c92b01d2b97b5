"""What the tab Inside shows at a press: every room's own, in the rooms' order."""

from lab.ui.tabs.inside.rooms import ROOMS

PRESETS = tuple(preset for room in ROOMS.values() for preset in room.own_presets)
