"""The page's own bookkeeping: frames cost what they mention, visitors keep nothing but their values."""

import asyncio
import copy
import threading
from collections import Counter
from datetime import timedelta
from types import SimpleNamespace

import gradio as gr
import pytest
from gradio.state_holder import SessionState

from lab.backends.deferred import Deferred
from lab.settings import Settings
from lab.ui import build
from lab.ui.shell.page import Page, _Session, _Sessions
from tests.loops import complete


@pytest.fixture
def page():
    with Page() as demo:
        parts = demo.stage, demo.note, demo.kept = gr.HTML(), gr.HTML(), gr.State()
        gr.Button().click(lambda: None, None, parts)
    return demo


def told(page, predictions, session=None, function=None):
    """What a handler's answer becomes on the way to the browser."""
    function = function or next(iter(page.fns.values()))
    return complete(page.postprocess_data(function, predictions, session or _Session(page)))


def test_a_frame_updates_what_it_mentions_and_skips_the_rest(page):
    assert told(page, {page.note: "hello"}) == [gr.skip(), "hello", None]
    assert told(page, {page.stage: "a", page.note: "b"}) == ["a", "b", None]


def test_a_handler_that_answers_nothing_leaves_every_page_as_it_is():
    """Of a handler with one output Gradio would take an empty answer for that output's value."""
    lab = build(Deferred(), Settings())
    handlers = [function for function in lab.fns.values() if function.fn and function.outputs]
    assert sum(len(function.outputs) == 1 for function in handlers) > 10
    for function in handlers:
        answer = told(lab, {}, function=function)
        assert answer == [None if block.stateful else gr.skip() for block in function.outputs], function.name


def test_no_update_of_a_run_makes_the_page_look_for_what_shows_no_progress():
    """For each component that is to show progress Gradio's page walks through all components, at every update of every run; and at
    the end it says to readers a key that it does not translate."""
    events = [one for one in build(Deferred(), Settings()).config["dependencies"] if one["backend_fn"]]
    assert len(events) > 300 and all(one["show_progress_on"] == [] for one in events)
    assert {one["show_progress"] for one in events} == {"hidden"}


def test_what_follows_something_that_may_come_again_at_once_is_not_dropped():
    """ "once", Gradio's own way, drops an event while the one before is under way: fit for a button that waits for its answer,
    and for nothing that follows a stroke, a picture or a preset."""
    events = {one["id"]: one for one in build(Deferred(), Settings()).config["dependencies"]}

    def again(one):
        """Whether it may come while the one before is under way; what the page does itself is never under way."""
        return one["trigger_mode"] != "once" or not one["backend_fn"]

    following = [one for one in events.values() if one["backend_fn"] and one["trigger_after"] is not None]
    assert len(following) > 100
    assert not [one["id"] for one in following if again(events[one["trigger_after"]]) and not again(one)]


def test_what_is_not_mentioned_is_not_built_anew(page):
    session = _Session(page)
    before = copy.copy(session.blocks_config.blocks)
    told(page, {page.note: gr.update(visible=False)}, session)
    rebuilt = [key for key, block in session.blocks_config.blocks.items() if block is not before[key]]
    assert rebuilt == [page.note._id]


def test_values_are_kept_and_lists_work_as_ever(page):
    session = _Session(page)
    assert told(page, {page.kept: 5, page.note: "x"}, session) == [gr.skip(), "x", None]
    assert session[page.kept._id] == 5
    assert told(page, ["a", "b", 6], session) == ["a", "b", None] and session[page.kept._id] == 6


def test_a_component_that_is_no_output_is_gradios_to_refuse(page):
    with pytest.raises(ValueError, match="not specified as output"):
        told(page, {gr.HTML(): "x"})


def test_a_visitor_costs_no_configuration(page):
    session = _Session(page)
    told(page, {page.note: gr.update(visible=False), page.stage: "x"}, session)
    assert session.config_values == {}


@pytest.mark.parametrize(
    "make",
    [lambda names: gr.Dropdown(names, value=[], multiselect=True), lambda names: gr.CheckboxGroup(names, value=[])],
)
def test_what_was_offered_to_a_visitor_stays_taken(make):
    """Of two presets in quick succession the first one's run still carries what the second takes off the list."""
    with Page() as demo:
        parts = kind, names = gr.Radio(["canny", "scribble"]), make(["cfg"])
        mine = gr.Slider(0, 10)
        mine.preprocess = lambda payload: payload
        gr.Button().click(lambda _values: None, {*parts, mine}, [*parts, mine])
    here, elsewhere = _Session(demo), _Session(demo)
    told(demo, {kind: gr.update(choices=["pose"]), names: gr.update(choices=["cfg", "threshold"])}, here)
    told(demo, {kind: gr.update(visible=True), names: gr.update(choices=["apg"]), mine: gr.update(maximum=5)}, here)
    (function,) = demo.fns.values()

    def taken(session, **values):
        sent = [values.get(name, block.value) for name, block in zip(order, function.inputs, strict=True)]
        return complete(demo.preprocess_data(function, sent, session))

    order = [{kind: "kind", names: "names", mine: "mine"}[block] for block in function.inputs]
    for kind_now, names_now in (("canny", ["threshold"]), ("pose", ["cfg", "apg"])):
        values = {"kind": kind_now, "names": names_now, "mine": 9}
        assert taken(here, **values) == [values[name] for name in order]
    for refused in ({"kind": "pose"}, {"names": ["threshold"]}):  # nobody else is offered it
        with pytest.raises(gr.Error, match="is not possible"):
            taken(elsewhere, **{"kind": "canny", "names": [], "mine": 1} | refused)
    with pytest.raises(gr.Error, match="is not possible"):
        taken(here, kind="never", names=[], mine=1)


def test_an_update_offers_its_own_choices_and_none_of_before():
    """What stays accepted is not offered again: a lesson's step has its own answers only."""
    with Page() as demo:
        answers, names = gr.Radio([("a", 0), ("b", 1)]), gr.Dropdown(["ddim"], value=[], multiselect=True)
        gr.Button().click(lambda: None, None, [answers, names])
    session = _Session(demo)
    for choices in ([("c", 0), ("d", 1), ("e", 2)], [("f", 0)]):
        told_answers, told_names = told(
            demo, {answers: gr.update(choices=choices), names: gr.update(choices=["lcm"], value=["lcm"])}, session
        )
        assert [tuple(one) for one in told_answers["choices"]] == choices
        assert [tuple(one) for one in told_names["choices"]] == [("lcm", "lcm")] and told_names["value"] == ["lcm"]


@pytest.mark.parametrize(
    ("make", "sent"), [(lambda: gr.Radio(["a", "b"], value="a"), "b"), (lambda: gr.Slider(0, 9, value=1), 7)]
)
def test_a_component_that_gradio_is_exchanging_has_the_value_that_the_page_was_sent(make, sent):
    """A change made in the moment in which a preset shows another control comes with none of that one's value."""
    with Page() as page:
        part, note = make(), gr.HTML()
        gr.Button().click(lambda: None, None, [part, note])
        gr.Button().click(lambda value: value, part, note)
    first, second = page.fns.values()
    session = _Session(page)

    def got(value):
        return complete(page.preprocess_data(second, [value], session))

    with pytest.raises(gr.Error, match="is empty"):
        got(None)
    told(page, {part: gr.update(value=sent, visible=True)}, session, first)
    assert got(None) == [sent] and got(part.value) == [part.value]
    told(page, {part: gr.update(visible=False)}, session, first)
    assert got(None) == [sent]
    told(page, {part: part.value}, session, first)
    assert got(None) == [part.value]


def test_an_output_that_is_named_twice_keeps_its_value():
    with Page() as demo:
        align = gr.Radio(["t", "level"], visible=False)
        gr.Button().click(lambda: None, None, [align, gr.HTML(), align])
    first, _, second = told(demo, {align: gr.update(value="level", visible=True)})
    assert first["value"] == second["value"] == "level"


def test_of_a_visitor_who_has_gone_nothing_is_kept(page, monkeypatch):
    monkeypatch.setenv("GRADIO_IS_E2E_TEST", "1")
    page.state_session_capacity = 10
    sessions = _Sessions()
    sessions.set_blocks(page)
    for visitor in ("here", "gone", "just gone"):
        sessions[visitor][page.kept._id] = 5
    for visitor in ("gone", "just gone"):
        sessions.session_data[visitor].is_closed = True
    for visitor in ("here", "gone"):
        sessions.time_last_used[visitor] -= timedelta(seconds=2)
    sessions.delete_all_expired_state()
    assert sessions.session_data.keys() == sessions.time_last_used.keys() == {"here", "just gone"}
    assert sessions["here"][page.kept._id] == 5 and sessions["gone"][page.kept._id] is None


@pytest.mark.parametrize("tested", ["1", ""])
def test_a_visitor_is_kept_as_gradio_keeps_one(page, tested, monkeypatch):
    """Gradio's own __init__ is not called, for what it costs: whatever else it sets is set here too."""
    monkeypatch.setenv("GRADIO_IS_E2E_TEST", tested)
    ours, theirs = vars(_Session(page)), vars(SessionState(page))
    assert ours.pop("latest") == ours.pop("last_values") == ours.pop("_turns") == {}  # what only this page keeps
    assert ours.keys() == theirs.keys()
    same = ours.keys() - {"blocks_config", "config_values", "STATE_TTL_WHEN_CLOSED"}
    assert {key: ours[key] for key in same} == {key: theirs[key] for key in same}
    assert ours["STATE_TTL_WHEN_CLOSED"] == (1 if tested else 300) <= theirs["STATE_TTL_WHEN_CLOSED"]  # seconds


def test_what_streams_is_sent_whole_where_it_changed(page):
    """The page keeps what it was sent, and may show it only after the next has come."""
    updates = [[1, "a", gr.update(value=5)], [1, "ab", gr.update(value=5)], [2, "ab", gr.skip()]]
    fn = SimpleNamespace(outputs=[None] * 3)
    shown = []
    for update in updates:
        sent = page.handle_streaming_diffs(fn, list(update), "visitor", "run", final=False)
        if not shown:
            shown.append(sent)
            continue
        for edits in sent:
            assert edits == [] or [(how, path) for how, path, _ in edits] == [("replace", [])]
        shown.append([edits[0][2] if edits else old for old, edits in zip(shown[-1], sent, strict=True)])
    assert shown == updates
    assert page.handle_streaming_diffs(fn, [None] * 3, "visitor", "run", final=True) == updates[-1]
    assert not page.pending_diff_streams
    assert page.handle_streaming_diffs(fn, [1, 2, 3], None, None, final=False) == [1, 2, 3]


def test_every_id_is_given_once():
    ids = Counter(block.elem_id for block in build(Deferred(), Settings()).blocks.values() if block.elem_id)
    assert len(ids) > 150
    assert [name for name, count in ids.items() if count > 1] == []


def test_of_two_changes_of_what_is_kept_none_is_lost():
    """Handlers that read a State and set it take turns, each visitor's by themselves; what streams keeps nobody waiting."""
    begun, go_on = [], threading.Event()

    def add(names, name):
        begun.append(name)
        go_on.wait(20)
        return [*names, name]

    def stream(names):
        begun.append("stream")
        yield "at work", names

    with Page() as demo:
        kept, name, said = gr.State([]), gr.Textbox(), gr.HTML()
        gr.Button().click(add, [kept, name], kept)
        gr.Button().click(stream, kept, [said, kept])
    adding, streaming = demo.fns.values()
    here, elsewhere = _Session(demo), _Session(demo)

    async def visit():
        calls = [
            asyncio.create_task(demo.process_api(adding, [None, name], session))
            for name, session in (("picture", here), ("mask", here), ("picture", elsewhere))
        ]
        await demo.process_api(streaming, [None], here)
        while len(begun) < 3:
            await asyncio.sleep(0.01)
        assert sorted(begun) == ["picture", "picture", "stream"]  # the mask waits
        go_on.set()
        await asyncio.gather(*calls)

    complete(visit())
    assert here[kept._id] == ["picture", "mask"] and elsewhere[kept._id] == ["picture"]
