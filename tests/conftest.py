"""Settings of all tests: torch computes unless a test says otherwise, so that nothing compiles beside it; and how two
workers share them."""

import os
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

os.environ.setdefault("LAB_CPU_ENGINE", "torch")


def is_worker(config):
    """Whether this process is one of several that pytest-xdist has started."""
    return hasattr(config, "workerinput")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    from tests.workers import Pieces

    return Pieces(config, log)


def pytest_collection_modifyitems(config, items):
    if is_worker(config):
        from tests.workers import order

        items.sort(key=order)


@pytest.fixture(scope="module", autouse=True)
def room(request, tmp_path_factory):
    """`with room.alone():` the other worker waits: for what measures the machine."""
    if not is_worker(request.config):
        yield SimpleNamespace(alone=nullcontext)
        return
    from tests.workers import Room

    room = Room(tmp_path_factory.getbasetemp().parent)
    yield room
    room.leave()
