"""Who has the page: of two events of one visitor the one that arrived later, whichever begins first."""

import asyncio
import threading
from contextvars import copy_context
from types import SimpleNamespace

import gradio as gr
import pytest

from lab.ui.shell import runs
from lab.ui.shell.arrivals import arrival, arrives
from lab.ui.shell.page import Page
from tests.loops import complete

VISITOR, OTHER = (SimpleNamespace(session_hash=name) for name in ("one", "other"))


def arrived():
    """A context as that of the handler of an event that arrives now."""
    context = copy_context()
    context.run(arrives)
    return context


def pages(tab_runs, context, words, request=VISITOR):
    """What a run shows that draws `words`."""

    def work(stop):
        yield {"stage": words}
        return {"stage": words}

    updates = context.run(lambda: list(tab_runs.stream(request, work)))
    return [update["stage"] for update in updates if "stage" in update]


@pytest.fixture
def tab_runs():
    with gr.Blocks():
        return runs.Runs("tab")


def test_a_run_that_was_pressed_for_earlier_and_begins_later_shows_nothing(tab_runs):
    first, second, third = arrived(), arrived(), arrived()
    assert pages(tab_runs, second, "second") == ["second"] * 2
    assert pages(tab_runs, first, "first") == []
    assert pages(tab_runs, first, "somebody else's", OTHER) == ["somebody else's"] * 2
    assert pages(tab_runs, third, "third") == ["third"] * 2
    assert pages(tab_runs, copy_context(), "called by no page") == ["called by no page"] * 2


def test_what_ends_a_run_ends_those_too_that_have_not_begun(tab_runs):
    stroke, cleared = arrived(), arrived()
    cleared.run(tab_runs.stops.end, VISITOR)
    assert pages(tab_runs, stroke, "stroke") == []
    assert stroke.run(tab_runs.stops.overtaken, VISITOR) and not cleared.run(tab_runs.stops.overtaken, VISITOR)


def test_a_late_end_leaves_what_was_pressed_after_it(tab_runs):
    ends, presses = arrived(), arrived()
    event = presses.run(tab_runs.stops.fresh, VISITOR)
    ends.run(tab_runs.stops.end, VISITOR)
    assert tab_runs.stops.owns(VISITOR, event) and not event.is_set()


def test_no_more_visitors_are_remembered_than_there_is_room_for(tab_runs, monkeypatch):
    monkeypatch.setattr(runs, "MOST_VISITORS", 3)
    first, second = arrived(), arrived()
    second.run(tab_runs.stops.end, VISITOR)
    for name in "abc":
        tab_runs.stops.end(SimpleNamespace(session_hash=name))
    assert not first.run(tab_runs.stops.overtaken, VISITOR) and len(tab_runs.stops._latest) == 3


def test_the_page_numbers_events_before_it_reads_what_a_visitor_has():
    """Two events at once: the handler that is called last belongs to the one that came first."""
    numbers, entered, release = {}, threading.Event(), threading.Event()

    def handler(name):
        if name == "first":
            entered.set()
            assert release.wait(60)
        numbers[name] = arrival()
        release.set()

    with Page() as page:
        name, button = gr.Textbox(), gr.Button()
        button.click(handler, name, None)

    async def both():
        first = asyncio.create_task(page.process_api(0, ["first"]))
        await asyncio.to_thread(entered.wait, 60)
        await page.process_api(0, ["second"])
        await first

    complete(both())
    assert numbers["first"] < numbers["second"]
