"""The lesson of the tab Inside: the questions of its rooms, in the rooms' order."""

from lab.ui.tabs.inside.rooms import ROOMS

LESSON = tuple(question for room in ROOMS.values() for question in room.questions)
