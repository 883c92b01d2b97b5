"""The controls that rooms of the tab Inside share."""

from lab.ui.shell.rooms.controls import MODEL, SEED, picture, prompt

FIRST, SECOND = "fox-3d", "red-apple-glossy"  # example pictures

SHARED = (
    MODEL,
    picture("picture", "Picture", FIRST),
    picture("second", "Second picture", SECOND),
    prompt("red apple"),
    SEED,
)
