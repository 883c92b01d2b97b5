"""Who has the page: of two events of one visitor the one that arrived later, whichever begins first."""

import asyncio
import threading
from contextvars import copy_context
from types import SimpleNamespace

import gradio as gr
import pytest

from lab.backends.deferred import Deferred
from lab.settings import Settings
from lab.ui import build
from lab.ui.shell import runs
from lab.ui.shell.arrivals import arrival, arrives
from lab.ui.shell.page import Page, _Session
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


def test_a_run_that_was_left_before_it_began_says_so(tab_runs):
    def said(context):
        return context.run(lambda: list(tab_runs.stream(VISITOR, None, left="Left.")))[0][tab_runs.note]

    run, room = arrived(), arrived()
    room.run(tab_runs.stops.end, VISITOR, leaving=True)
    assert "Left." in said(run)
    arrived().run(tab_runs.stops.end, VISITOR)  # a preset, whose run follows and has the note
    assert "Left." not in said(run)


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


def test_every_click_that_says_what_was_clicked_reaches_the_server_with_its_own_data():
    """Gradio drops one that comes while the one before is under way, or sends that one's data again."""
    handlers = [one for one in build(Deferred(), Settings()).fns.values() if one.fn and one.collects_event_data]
    assert len(handlers) > 6
    assert {one.trigger_mode for one in handlers} == {"multiple"}


def test_of_several_changes_of_a_control_the_last_one_reaches_the_server():
    """Gradio drops one that comes while the one before is under way, unless it is told otherwise."""
    handlers = build(Deferred(), Settings()).fns.values()
    told = [one for one in handlers if any(name in ("input", "change") for _, name in one.targets)]
    assert len(told) > 20
    assert [one.name for one in told if one.trigger_mode == "once"] == []


def test_an_answer_to_a_click_that_comes_after_that_of_a_later_one_changes_nothing():
    release, entered = threading.Event(), threading.Event()

    def on_click(pick: gr.EventData):
        if pick.number == 1:
            entered.set()
            assert release.wait(60)
        return {note: f"picture {pick.number}", mine: pick.number}

    with Page() as page:
        note, mine, button = gr.HTML(), gr.State(0), gr.Button()
        button.click(on_click, None, [note, mine])

    async def click(session, number):
        data = gr.EventData(None, {"number": number})
        return (await page.process_api(0, [], session, event_data=data))["data"][0]

    async def both(here, elsewhere):
        first = asyncio.create_task(click(here, 1))
        await asyncio.to_thread(entered.wait, 60)
        answers = [await click(here, 2), await click(elsewhere, 3)]
        release.set()
        return [*answers, await first]

    here, elsewhere = _Session(page), _Session(page)
    *answers, late = complete(both(here, elsewhere))
    assert answers == ["picture 2", "picture 3"] and late == gr.skip()
    assert (here[mine._id], elsewhere[mine._id]) == (2, 3)


def test_a_fault_of_the_lab_is_logged_and_gives_the_buttons_back(tab_runs, caplog):
    def work(stop):
        yield {tab_runs.note: "Drawing"}
        raise IndexError("list index out of range")

    *_, last = arrived().run(lambda: list(tab_runs.stream(VISITOR, work)))
    assert last[tab_runs.run]["interactive"] and not last[tab_runs.stop]["interactive"]
    assert runs.FAULT in last[tab_runs.note]
    assert "list index out of range" in caplog.text
