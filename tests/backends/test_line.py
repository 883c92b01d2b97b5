"""The line: bounded places, fair turns between clients, and words for those who cannot be taken."""

import random
import threading

import numpy as np
import pytest

from lab.backends.line import FIRST_GUESS_S, Line
from lab.requests.anatomy import AnatomyRequest
from lab.requests.annotate import AnnotateRequest
from lab.requests.base import NOTHING, LabError, Load, Note, Waiting
from lab.requests.inversion import InversionRequest
from lab.requests.noising import NoisingRequest
from lab.requests.sampling import ControlMap, LaneSettings, SamplingRequest


def free(*places):
    return [place.free.is_set() for place in places]


def test_places_are_given_in_order_and_given_back():
    line = Line(places=2, room=2)
    a, b, c, d = (line.join() for _ in range(4))
    assert free(a, b, c, d) == [True, True, False, False] and line.counts == (2, 2)
    line.leave(a)
    assert free(c, d) == [True, False]
    line.leave(d)  # steps out of the line
    line.leave(b)
    line.leave(c)
    assert line.counts == (0, 0) and not d.free.is_set()


def test_one_more_than_fits_is_refused_at_once_with_the_time_to_try_again():
    line = Line(places=1, room=1)
    first, _ = line.join(), line.join()
    with pytest.raises(LabError, match=r"The lab is full: 1 run under way and 1 in line\. Try again in about 10 s"):
        line.join()
    assert line.counts == (1, 1)
    line.leave(first)
    line.join()


def test_a_line_without_room_still_gives_free_places():
    line = Line(places=2, room=0)
    line.join()
    line.join()
    with pytest.raises(LabError):
        line.join()


def test_a_run_is_told_where_it_stands():
    line = Line(places=2, room=9)
    places = [line.join() for _ in range(5)]
    assert [line.look(place).position for place in places] == [0, 0, 1, 2, 3]
    assert line.look(places[4]).seconds == pytest.approx(FIRST_GUESS_S * 3 / 2)
    line.leave(places[2])
    assert line.look(places[4]).position == 2


def test_the_wait_is_guessed_from_what_runs_took(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("lab.backends.line.time.monotonic", lambda: now[0])
    line = Line(places=1, room=9)
    for _ in range(40):
        place = line.join()
        now[0] += 12
        line.leave(place)
    _, waits = line.join(), line.join()
    assert line.look(waits).seconds == pytest.approx(12, rel=0.01)


def test_a_client_holds_half_the_places_at_most():
    line = Line(places=4, room=99)
    greedy = [line.join("greedy") for _ in range(50)]
    assert sum(free(*greedy)) == 2
    assert free(line.join("one"), line.join("two"), line.join("three")) == [True, True, False]
    assert Line(places=1, room=1).join("alone").free.is_set()


def test_a_free_place_goes_to_who_holds_fewest():
    line = Line(places=4, room=99)
    greedy = [line.join("greedy") for _ in range(4)]
    others = [line.join(name) for name in "abc"]
    late = line.join("greedy")
    assert free(*others) == [True, True, False]
    line.leave(greedy[0])
    assert free(others[2], *greedy[2:], late) == [True, False, False, False]


@pytest.mark.parametrize("seed", range(5))
def test_bounds_hold_whatever_comes_and_goes(seed):
    order, line, inside = random.Random(seed), Line(places=3, room=4), []
    for _ in range(500):
        if inside and order.random() < 0.5:
            line.leave(inside.pop(order.randrange(len(inside))))
        else:
            try:
                inside.append(line.join(order.choice(["", "a", "b"])))
            except LabError:
                assert line.counts[1] == 4
        running, waiting = line.counts
        assert running <= 3 and waiting <= 4 and running + waiting == len(inside)
        assert running == sum(free(*inside))
        if waiting and running < 3:  # only a client that has its half waits beside a free place
            clients = {place.client for place in inside if not place.free.is_set()}
            assert all(
                sum(place.client == client for place in inside if place.free.is_set()) == 1 for client in clients
            )
    for place in inside:
        line.leave(place)
    assert line.counts == (0, 0)


def test_one_client_has_at_most_so_much_in_the_making():
    """Over all its runs, waiting ones too; a single run is another limit's affair, and others are not touched."""
    line = Line(places=2, room=9, most_lanes=10, most_steps=100)
    places = [line.join("greedy", Load(6, 20)), line.join("greedy", Load(4, 20))]
    with pytest.raises(LabError, match=r"still have 10 pictures to make; with 1 more .* over the 10 that one visitor"):
        line.join("greedy", Load(1, 1))
    line.leave(places.pop())
    with pytest.raises(LabError, match=r"still have 20 steps to make; with 81 more"):
        line.join("greedy", Load(1, 81))
    line.leave(line.join("greedy", Load(1, 1)))
    line.join("somebody", Load(50, 5000))


def test_the_outlook_is_what_the_next_run_would_meet():
    line = Line(places=1, room=2)
    assert line.outlook() == Waiting(0, 0.0)
    first, second = line.join("a"), line.join("b")
    assert line.outlook().position == 2 == line.look(line.join("c")).position
    line.leave(first)
    line.leave(second)
    assert line.outlook().position == 1


def test_loads_are_counted_before_anything_is_computed():
    lanes = (LaneSettings(steps=5), LaneSettings(steps=7))
    assert SamplingRequest(lanes=lanes).load() == Load(2, 12)
    guided = (*lanes, LaneSettings(steps=1, guidance_scale=0))
    edges = ControlMap(name="edges", map=np.zeros((4, 4, 3), np.uint8))
    assert SamplingRequest(lanes=guided, controls=(edges,) * 2).load() == Load(3, 13, rows=2, controls=2)
    assert SamplingRequest(lanes=lanes, versus="exact-32", reference_steps=9).load() == Load(5, 33, hidden=1)
    assert AnatomyRequest(lane=lanes[0], scales=(1.0,)).load() == Load(1, 5, rows=2)
    picture = np.zeros((4, 4, 3), np.uint8)
    assert InversionRequest(picture=picture, steps=6).load() == Load(1, 12)
    assert NoisingRequest(picture=picture).load() == AnnotateRequest(picture=picture).load() == NOTHING


def test_one_look_has_its_turn_at_once_and_a_run_waits_for_its_own():
    line, stop, events = Line(places=1, room=2), threading.Event(), lambda: iter([Note("drawn")])
    mine = line.join("me", Load(1, 5))
    assert list(line.in_turn(NOTHING, stop, "you", events)) == [Note("drawn")]
    waiting = line.in_turn(Load(1, 5), stop, "you", events)
    assert next(waiting) == Waiting(1, FIRST_GUESS_S)
    line.leave(mine)
    assert list(waiting) == [Note("drawn")] and line.counts == (0, 0)


def test_a_run_that_is_stopped_while_it_waits_leaves_the_line():
    line, stop = Line(places=1, room=2), threading.Event()
    line.join("me", Load(1, 5))
    waiting = line.in_turn(Load(1, 5), stop, "you", lambda: iter([Note("drawn")]))
    next(waiting)
    stop.set()
    assert list(waiting) == [] and line.counts == (1, 0)
