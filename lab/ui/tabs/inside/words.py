"""What the tab Inside says beneath its stage."""

from lab.ui.tabs.inside.rooms import ROOMS

ABOUT = "\n\n".join(room.about for room in ROOMS.values())
