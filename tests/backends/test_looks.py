"""The shipped models' networks are prepared in the background, and how far that is, is counted."""

import threading

import pytest

from lab.backends import local
from lab.backends.local import LocalBackend
from lab.models.compiled import Workshop
from lab.requests.base import LabError
from lab.requests.looks import LOOKS
from lab.requests.status import Compiled
from lab.settings import Settings

PATIENCE_S = 60
PIXEL, EARLY = (look for look in LOOKS if look.networks[0][0] in ("pixel", "pixel-early"))


@pytest.fixture
def backend(tmp_path, monkeypatch):
    """Its workshop makes nothing, and waits for `go` before each."""
    made, go = LocalBackend(Settings(device="cpu", cpu_engine="openvino", cache_dir=str(tmp_path))), threading.Event()
    monkeypatch.setattr(Workshop, "_make", lambda *_: go.wait(PATIENCE_S))
    made.go, made._looks = go, [PIXEL, EARLY]
    return made


def test_networks_are_to_come_until_they_are_made(backend):
    before = backend.status().compiling
    assert before.models == (Compiled("pixel", 0, 1, 0), Compiled("pixel-early", 0, 1, 0)) and before.now is None
    backend.prepare().join(PATIENCE_S)
    assert backend.status().compiling.models == before.models
    backend.go.set()
    backend.workshop.finish()
    after = backend.status().compiling
    assert after.models == (Compiled("pixel", 1, 0, 0), Compiled("pixel-early", 1, 0, 0)) and after.now is None


def test_what_cannot_be_called_is_not_to_come_and_the_others_are_prepared(backend, monkeypatch, caplog):
    def broken(request, house):
        if request is PIXEL.request:
            raise LabError("There is no such model.")
        yield from sampling(request, house)

    sampling = local.OPERATIONS[type(PIXEL.request)]
    monkeypatch.setitem(local.OPERATIONS, type(PIXEL.request), broken)
    backend.go.set()
    backend.prepare().join(PATIENCE_S)
    backend.workshop.finish()
    assert backend.status().compiling.models == (Compiled("pixel-early", 1, 0, 0),)
    assert "not prepared: pixel" in caplog.text


def test_with_torch_nothing_is_prepared_and_nothing_is_said():
    backend = LocalBackend(Settings(device="cpu", cpu_engine="torch"))
    backend.prepare().join(PATIENCE_S)
    status = backend.status()
    assert status.compiling is None and status.resident == ()
