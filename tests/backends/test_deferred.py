"""The stand-in that lets the page open before torch is there."""

import threading

import pytest

from lab.backends.deferred import Deferred
from lab.requests.base import LabError, Note
from lab.requests.sampling import LaneSettings, SamplingRequest

REQUEST = SamplingRequest(lanes=(LaneSettings(),))


class Real:
    def run(self, request, stop=None, client=""):
        yield Note("one")
        if stop is not None and stop.is_set():
            return
        raise LabError("two")

    def status(self):
        return "status"


def test_a_run_waits_for_the_backend_says_so_and_then_is_its_own():
    deferred = Deferred()
    assert deferred.status() is None
    seen = []

    def wait():
        events = iter(deferred.run(REQUEST))
        seen.append(next(events).text)
        seen.append(next(events))

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    waiting.join(0.1)
    assert waiting.is_alive() and seen == ["The lab is starting …"]
    deferred.provide(Real())
    waiting.join(10)
    assert seen[1:] == [Note("one")]
    assert deferred.status() == "status"


def test_stop_and_errors_pass_through():
    deferred = Deferred()
    deferred.provide(Real())
    stop = threading.Event()
    stop.set()
    assert list(deferred.run(REQUEST, stop)) == [Note("one")]
    with pytest.raises(LabError, match="two"):
        list(deferred.run(REQUEST))


def test_stop_ends_a_run_that_waits_for_the_start():
    deferred, stop = Deferred(), threading.Event()
    seen = []
    waiting = threading.Thread(target=lambda: seen.extend(deferred.run(REQUEST, stop)), daemon=True)
    waiting.start()
    stop.set()
    waiting.join(10)
    assert not waiting.is_alive() and [event.text for event in seen] == ["The lab is starting …"]
