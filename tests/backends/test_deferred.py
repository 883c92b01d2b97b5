"""The stand-in that lets the page open before torch is there."""

import threading

import pytest

from lab.backends.deferred import Deferred
from lab.capsule import LabError, LaneSettings, Note, SamplingRequest

REQUEST = SamplingRequest(lanes=(LaneSettings(),))


class Real:
    def run(self, request, stop=None):
        yield Note("one")
        if stop is not None and stop.is_set():
            return
        raise LabError("two")


def test_a_run_waits_for_the_backend_and_then_is_its_own():
    deferred = Deferred()
    seen = []
    waiting = threading.Thread(target=lambda: seen.append(next(iter(deferred.run(REQUEST)))), daemon=True)
    waiting.start()
    waiting.join(0.1)
    assert waiting.is_alive() and not seen
    deferred.provide(Real())
    waiting.join(10)
    assert seen == [Note("one")]


def test_stop_and_errors_pass_through():
    deferred = Deferred()
    deferred.provide(Real())
    stop = threading.Event()
    stop.set()
    assert list(deferred.run(REQUEST, stop)) == [Note("one")]
    with pytest.raises(LabError, match="two"):
        list(deferred.run(REQUEST))
