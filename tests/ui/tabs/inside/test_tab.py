"""The tab Inside without a browser: what rooms have in common. Any room, whatever its controls hold, is answered in words."""

from math import inf, nan
from types import SimpleNamespace

import gradio as gr
import pytest

from lab.requests.base import LabError
from lab.settings import Settings
from lab.ui.shell.rooms import tab as frame
from lab.ui.shell.rooms.room import ROOM
from lab.ui.tabs.inside import tab as inside
from lab.ui.tabs.inside.rooms import ROOMS
from tests.ui.values import first_values, set_to

VISITOR = SimpleNamespace(session_hash="visitor")
HOSTILE = (None, "", "x", nan, inf, -1, 0, 2.5, 10**12, [], {}, [None], True)
OWN = [(room.name, field.name) for room in ROOMS.values() for field in room.fields]
FIELDS = OWN + [(room.name, name) for room in ROOMS.values() for name in room.shared]


class Backend:
    """Gives no event, and stops nobody."""

    def run(self, request, stop=None, client=""):
        yield from ()


@pytest.fixture(scope="module")
def tab():
    with gr.Blocks(), gr.Tab() as page:
        return inside.build(Backend(), Settings(), page)


def values_of(tab, **changes):
    """By component, as the first preset of the room has them; other controls as in `changes`."""
    room = changes.get(ROOM, next(iter(ROOMS)))
    preset = next(one for one in tab.offered if one.values[ROOM] == room)
    now = tab.form.preset(preset) | changes
    return first_values(tab) | {tab.form[name]: value for name, value in now.items()} | {tab.last_run: None}


@pytest.mark.parametrize(("room", "name"), FIELDS)
def test_whatever_a_control_holds_is_a_request_or_a_sentence(tab, room, name):
    for value in HOSTILE:
        if name in ("picture", "second", "model") and value not in (None, ""):
            continue  # a path, which media opens; a name, of which the page's door lets none but the offered through
        values = values_of(tab, **{ROOM: room, name: value})
        try:
            tab.request(values)
        except LabError as error:
            assert str(error).endswith((".", ".”"))
        assert tab.on_flow(values)  # the line above the stage falls back


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_shows_nothing_of_another(tab, room):
    before = next(name for name in ROOMS if name != room)
    values = values_of(tab, **{ROOM: room}) | {tab.last_run: frame.Ended(before, None, None)}
    update = tab.on_room(values, VISITOR)
    assert f'data-room="{room}"' in update[tab.stage] and update[tab.plot] is None and update[tab.words] == ""
    assert update[tab.table] == frame.PRESS_RUN and frame.PRESS_RUN in update[tab.runs.note]
    charts = [name for name in tab._charts if (room, name) in OWN]
    for name in charts:
        shown = tab.on_chart(values | {tab.form[name]: set_to(values[tab.form[name]])})
        assert (tab.plot not in shown and "refusal" in shown[tab.runs.note]) or "bad" in shown[tab.runs.note]


@pytest.mark.parametrize("room", ROOMS)
def test_to_choose_a_room_takes_the_page_from_the_run_of_the_room_before(tab, room):
    with tab.runs.stops.turn(VISITOR) as stop:
        update = tab.on_room(values_of(tab, **{ROOM: room}), VISITOR)
        assert stop.is_set() and not tab.runs.stops.owns(VISITOR, stop)
    assert update[tab.runs.run]["interactive"] and not update[tab.runs.stop]["interactive"]


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_has_presets_that_choose_it_and_one_question(tab, room):
    chosen = [preset for preset in tab.offered if preset.values[ROOM] == room]
    titles = {preset.title for preset in chosen}
    assert chosen and {question.preset for question in ROOMS[room].questions} <= titles
    for preset in chosen:
        now = tab.form.preset(preset)
        visible = [
            name for name in ROOMS[room].shown if tab.form.look(now).get(tab.form[name], {}).get("visible", True)
        ]
        assert len(visible) + sum(name in ("prompt",) for name in ROOMS[room].shared) <= 6


@pytest.mark.parametrize("room", ROOMS)
def test_the_line_above_the_stage_is_the_rooms_own_where_nothing_can_be_met(tab, room):
    opening = tab.form.preset(next(one for one in tab.offered if one.values[ROOM] == room))
    request = ROOMS[room].request(tab._asked(opening))
    assert tab.flow_of_opening(opening) == ROOMS[room].flow(request)


def test_a_room_that_shows_nothing_has_no_link_and_one_that_does_has_its_own(tab):
    first, second = list(ROOMS)[:2]
    values = values_of(tab, **{ROOM: second}) | {tab.last_run: frame.Ended(first, None, None)}
    update = tab.on_room(values, VISITOR)
    assert update[tab.share.capsule] is None and update[tab.share.code] == ""
    with tab.runs.stops.turn(VISITOR):
        assert frame.ENDED in tab.on_room(values, VISITOR)[tab.runs.note]
    assert frame.ENDED not in tab.on_room(values, VISITOR)[tab.runs.note]
