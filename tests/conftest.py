"""Settings of all tests: torch computes unless a test says otherwise, so that nothing compiles beside it; and how two
workers share them."""

import os

import pytest

os.environ.setdefault("LAB_CPU_ENGINE", "torch")


def is_worker(config):
    """Whether this process is one of several that pytest-xdist has started."""
    return hasattr(config, "workerinput")


def pytest_report_header(config):
    from tests.shelf import of_the_day

    return f"written notebooks of the day: {', '.join(of_the_day())}"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    from tests.workers import Pieces

    return Pieces(config, log)


def pytest_collection_modifyitems(config, items):
    if is_worker(config):
        from tests.workers import order

        items.sort(key=order)
