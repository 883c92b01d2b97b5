"""Two workers side by side (`pytest -n 2`, of pytest-xdist): which tests stay together, and which come first."""

import pytest
from xdist.scheduler import LoadFileScheduling

BROWSER = "tests/browser/"
TABS = tuple(f"{BROWSER}test_{name}" for name in ("controlnet", "edit", "inside", "unclip"))
SHARED = "tests/test_written_notebooks.py"  # whose tests both take, one by one
LONG = (BROWSER, *(f"tests/{name}.py" for name in (
    "test_claims", "capsules/test_edit_script", "test_safety", "capsules/test_script", "load/test_soak",
    "backends/test_ray_serve", "models/test_compiled", "load/test_overload", "deploy/test_space", "load/test_faults",
    "models/test_distilled",
)))  # fmt: skip


class Pieces(LoadFileScheduling):
    """A worker takes one file after another in the order of the collection, and the browser tests as one piece, those of TABS as
    another: in both workers a lab that serves and a browser are started once. The tests of SHARED are a piece each."""

    def __init__(self, config, log):
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(BROWSER):
            return "browser, some tabs" if nodeid.startswith(TABS) else "browser"
        if nodeid.startswith(SHARED):
            return nodeid
        return nodeid.split("::", 1)[0]


def order(item: pytest.Item) -> int:
    """What takes longest comes first, so that both workers end at about the same time."""
    return next((k for k, path in enumerate(LONG) if item.nodeid.startswith(path)), len(LONG))
