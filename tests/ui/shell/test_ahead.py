"""The sentence about the line, before Run is pressed."""

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from lab.requests.base import Waiting
from lab.ui.shell import ahead


@pytest.mark.parametrize(
    ("outlook", "said"),
    [
        (None, "The lab is starting …"),
        (Waiting(0, 0.0), ""),
        (Waiting(1, 2.4), "All places are taken. Yours would be next: about 2 s."),
        (Waiting(2, 3.0), "All places are taken. 1 run waits before yours: about 3 s."),
        (Waiting(8, 0.1), "All places are taken. 7 runs wait before yours: about 1 s."),
        (Waiting(9, 40.0), "The lab is full. Try again in about 40 s."),
    ],
)
def test_what_a_press_of_run_would_meet(outlook, said):
    assert ahead.words(outlook, room=8) == said

    class Backend:
        def outlook(self):
            return outlook

    page = TestClient(Starlette(routes=[ahead.route(Backend(), room=8)]))
    answer = page.get(f"/{ahead.ADDRESS}")
    assert answer.text == said and answer.headers["cache-control"] == "no-store"
