"""Two workers side by side (`pytest -n 2`, of pytest-xdist): which tests stay together, and which need quiet."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from xdist.scheduler import LoadFileScheduling

BROWSER = "tests/browser/"  # in one worker: a lab that serves and a browser are started once
LONG = (BROWSER, "tests/backends/test_ray_serve.py", "tests/capsules/test_script.py", "tests/test_claims.py")


class Pieces(LoadFileScheduling):
    """A worker takes one file after another in the order of the collection, and the browser tests as one."""

    def __init__(self, config, log):
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return BROWSER if nodeid.startswith(BROWSER) else nodeid.split("::", 1)[0]


def order(item: pytest.Item) -> int:
    """What takes longest comes first, so that both workers end at about the same time; tests that need quiet come last,
    so that the lab and the browser of the others are gone."""
    if item.get_closest_marker("quiet"):
        return len(LONG) + 1
    return next((k for k, path in enumerate(LONG) if item.nodeid.startswith(path)), len(LONG))


@contextmanager
def room(folder: Path, quiet: bool) -> Iterator[None]:
    """A place among the workers that share `folder`; with `quiet`, the only one. Waits for it."""
    with (folder / "door").open("w") as door, (folder / "room").open("w") as inside:
        fcntl.flock(door, fcntl.LOCK_EX)  # who waits for the room to be empty holds up those who would come in
        fcntl.flock(inside, fcntl.LOCK_EX if quiet else fcntl.LOCK_SH)
        fcntl.flock(door, fcntl.LOCK_UN)
        yield
