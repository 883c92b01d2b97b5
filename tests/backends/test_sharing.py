"""Equal runs, computed once: whoever joins or comes later sees what the first one sees, and nobody can spoil it."""

import threading
import time
from dataclasses import dataclass, replace

import numpy as np
import pytest

from lab.backends.sharing import BEFORE, EVENT_BYTES, JOINED, MOST_AHEAD, Sharing, arrays_of, content_key
from lab.backends.weights import Weights
from lab.catalog import HELPERS, MODELS
from lab.requests.base import Event, LabError, Load, Note, Request, Waiting
from lab.requests.fields import Forward
from lab.requests.ledger import LedgerRequest
from lab.requests.sampling import ControlMap, LaneSettings
from tests.backends.test_every_request import Desk, by_key, check_alike
from tests.requests.samples import RUNS
from tests.toys import PATIENCE_S, ToyModel, make_backend, request

PIXELS = 300  # bytes of an event's picture
ENOUGH = 1e6


@dataclass(frozen=True)
class Frame(Event):
    i: int
    picture: np.ndarray


class Reel(Request):
    """A run of n frames."""

    n: int = 6
    title: str = ""

    def load(self):
        return Load(1, self.n)


class Projector:
    """A backend that gives a frame for each release of its gate, and fails at frame `fails_at`."""

    def __init__(self, fails_at=None, error=None, first=None):
        self.gate, self.fails_at, self.error = threading.Semaphore(0), fails_at, error or LabError("The lamp broke.")
        self.first = first  # an error of the first call alone
        self.lock, self.calls, self.stopped = threading.Lock(), [], threading.Event()

    def release(self, frames):
        """Let so many more frames come; of 0 a semaphore knows nothing."""
        for _ in range(frames):
            self.gate.release()

    def run(self, request, stop=None, client=""):
        with self.lock:
            self.calls.append((request, client))
            first = len(self.calls) == 1
        yield Waiting(1, 5.0)
        for i in range(request.n):
            while not self.gate.acquire(timeout=0.01):
                if stop.is_set():
                    self.stopped.set()
                    return
            if i == self.fails_at or (first and self.first):
                raise self.first or self.error
            yield Frame(i, np.full((10, 10, 3), i % 256, np.uint8))

    def status(self):
        return "a status"

    def outlook(self):
        return Waiting(3, 1.0)


class Seat:
    """A visitor in a thread, who takes all events."""

    def __init__(self, sharing, request, client=""):
        self.events, self.error, self.stop = [], None, threading.Event()
        self._more = threading.Condition()
        self.thread = threading.Thread(target=self._watch, args=(sharing, request, client), daemon=True)
        self.thread.start()

    def _watch(self, sharing, request, client):
        try:
            for event in sharing.run(request, self.stop, client):
                with self._more:
                    self.events.append(event)
                    self._more.notify_all()
        except Exception as error:
            self.error = error

    @property
    def frames(self):
        return [event for event in self.events if isinstance(event, Frame)]

    @property
    def notes(self):
        return [event.text for event in self.events if isinstance(event, Note)]

    def await_events(self, count, kind=Frame):
        with self._more:
            done = self._more.wait_for(lambda: sum(isinstance(e, kind) for e in self.events) >= count, PATIENCE_S)
            assert done

    def end(self):
        self.thread.join(PATIENCE_S)
        assert not self.thread.is_alive()
        return self


def until(condition):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def readers(sharing):
    """Visitors of the one run that is under way."""
    (run,) = sharing._runs.values()
    return len(run.positions)


@pytest.fixture
def projector():
    return Projector()


@pytest.fixture
def sharing(projector):
    return Sharing(projector, ENOUGH)


@pytest.mark.parametrize("position", range(7))
def test_who_joins_anywhere_in_the_stream_sees_what_the_first_one_sees(sharing, projector, position):
    first = Seat(sharing, Reel(), "first")
    first.await_events(1, Waiting)
    projector.release(position)
    first.await_events(position)
    if position == 6:
        first.end()
    second = Seat(sharing, Reel(), "second")
    second.await_events(position)
    until(lambda: position == 6 or readers(sharing) == 2)
    projector.release(6 - position)
    first.end(), second.end()
    assert [frame.i for frame in first.frames] == list(range(6)) and not first.notes
    assert all(ours is theirs for ours, theirs in zip(first.frames, second.frames, strict=True))
    assert second.events[-1] == Note(BEFORE if position == 6 else JOINED) and len(second.notes) == 1
    assert projector.calls == [(Reel(), "first")]


def test_a_run_that_waits_says_so_to_all_and_never_again_later(sharing, projector):
    seats = [Seat(sharing, Reel()) for _ in range(3)]
    for seat in seats:
        seat.await_events(1, Waiting)
    projector.gate.release(6)
    for seat in seats:
        seat.end()
    assert not any(isinstance(event, Waiting) for event in Seat(sharing, Reel()).end().events)


@pytest.mark.parametrize("how", ["stop event", "close"])
def test_a_stop_of_the_first_leaves_the_others_alone_and_of_the_last_ends_it(sharing, projector, how):
    stop = threading.Event()
    first = sharing.run(Reel(), stop, "first")
    assert isinstance(next(first), Waiting)
    projector.gate.release(2)
    assert [next(first).i, next(first).i] == [0, 1]
    second = Seat(sharing, Reel(), "second")
    second.await_events(2)
    if how == "close":
        first.close()
    else:
        stop.set()
    assert list(first) == [] and not projector.stopped.is_set()
    projector.gate.release(2)
    second.await_events(4)
    second.stop.set()
    second.end()
    assert projector.stopped.wait(PATIENCE_S) and len(second.frames) == 4 and not second.notes
    third = Seat(sharing, Reel(), "third")  # what was stopped is not for others: it begins again
    projector.gate.release(6)
    assert [frame.i for frame in third.end().frames] == list(range(6)) and len(projector.calls) == 2


def test_a_press_right_after_the_last_one_left_begins_a_run_of_its_own(sharing, projector):
    for _ in range(50):
        stop = threading.Event()
        events = sharing.run(Reel(), stop)
        next(events)
        events.close()
    whole = Seat(sharing, Reel())
    projector.gate.release(1000)
    assert [frame.i for frame in whole.end().frames] == list(range(6))


def test_an_error_in_the_middle_reaches_all_and_is_not_kept():
    projector = Projector(fails_at=3)
    sharing = Sharing(projector, ENOUGH)
    seats = [Seat(sharing, Reel())]
    seats[0].await_events(1, Waiting)
    seats.append(Seat(sharing, Reel()))
    projector.gate.release(1)
    for seat in seats:
        seat.await_events(1)
    projector.gate.release(3)
    for seat in seats:
        assert str(seat.end().error) == "The lamp broke." and len(seat.frames) == 3
    assert sharing.nbytes == 0
    projector.fails_at = None
    projector.gate.release(6)
    assert len(Seat(sharing, Reel()).end().frames) == 6 and len(projector.calls) == 2


def test_what_is_refused_to_the_first_is_not_told_to_those_who_joined():
    """The line may have been full, or the first visitor may have had too much in the making: the others press anew."""
    projector = Projector(first=LabError("Your other runs still have 128 pictures to make."))
    sharing = Sharing(projector, ENOUGH)
    first = Seat(sharing, Reel())
    first.await_events(1, Waiting)
    others = [Seat(sharing, Reel()) for _ in range(4)]
    for other in others:
        other.await_events(1, Waiting)
    projector.gate.release(7)
    assert "Your other runs" in str(first.end().error)
    for other in others:
        assert other.end().error is None and len(other.frames) == 6
    assert len(projector.calls) == 2


def test_an_error_that_nobody_expected_reaches_who_reads():
    projector = Projector(fails_at=0, error=KeyError("x"))
    projector.gate.release(1)
    assert isinstance(Seat(Sharing(projector, ENOUGH), Reel()).end().error, KeyError)


def test_the_bound_holds_and_the_least_recently_used_leaves(projector):
    one = 6 * (PIXELS + EVENT_BYTES)
    sharing = Sharing(projector, 2.5 * one)
    projector.gate.release(1000)

    def press(title):
        before = len(projector.calls)
        assert len(Seat(sharing, Reel(title=title)).end().frames) == 6
        assert sharing.nbytes <= 2 * one
        return len(projector.calls) > before

    assert press("a") and press("b") and not press("a") and sharing.nbytes == 2 * one
    assert press("c")  # b leaves, which was read longest ago
    assert not press("a") and not press("c") and press("b")


def test_a_run_that_is_larger_than_the_bound_runs_as_always(projector):
    sharing = Sharing(projector, 3.5 * (PIXELS + EVENT_BYTES))
    first = Seat(sharing, Reel())
    projector.gate.release(2)
    first.await_events(2)
    joined = Seat(sharing, Reel())
    joined.await_events(2)
    projector.gate.release(2)
    joined.await_events(4)
    assert sharing.nbytes == 0
    late = Seat(sharing, Reel())  # cannot have what went by
    until(lambda: len(projector.calls) == 2)
    projector.gate.release(100)
    for seat in (first, joined, late):
        assert [frame.i for frame in seat.end().frames] == list(range(6))
    assert sharing.nbytes == 0


def test_bytes_are_counted_once_and_of_what_a_view_keeps_alive():
    projector = Projector()
    shot = np.zeros((2, 10, 10, 3), np.uint8)

    class Twice(Projector):
        def run(self, request, stop=None, client=""):
            yield Frame(0, shot[0])
            yield Frame(1, shot[1])
            yield Frame(2, shot[1])

    sharing = Sharing(Twice(), ENOUGH)
    list(sharing.run(Reel()))
    assert sharing.nbytes == 3 * EVENT_BYTES + shot.nbytes and not projector.calls


def test_nobody_can_write_into_what_others_see(sharing, projector):
    projector.gate.release(6)
    frame = Seat(sharing, Reel()).end().frames[0]
    with pytest.raises(ValueError, match="read-only"):
        frame.picture[0] = 9


def test_switched_off_every_press_computes(projector):
    sharing = Sharing(projector, 0)
    projector.gate.release(12)
    seats = [Seat(sharing, Reel()).end() for _ in range(2)]
    assert len(projector.calls) == 2 and all(len(seat.frames) == 6 and not seat.notes for seat in seats)


def test_a_run_does_not_hurry_ahead_of_all_its_readers(sharing, projector):
    """A page that does not read pauses it, as without sharing; the faster of two readers sets the pace."""
    projector.gate.release(10_000)
    slow = sharing.run(Reel(n=1000))
    assert next(slow).i == 0
    made = lambda: 10_000 - projector.gate._value  # noqa: E731
    until(lambda: made() > MOST_AHEAD)
    time.sleep(0.2)
    assert made() == MOST_AHEAD + 1
    assert len(Seat(sharing, Reel(n=1000)).end().frames) == 1000
    assert [event.i for event in slow] == list(range(1, 1000)) and len(projector.calls) == 1


def test_thirty_at_once_cost_one(sharing, projector):
    projector.gate.release(6)
    seats = [Seat(sharing, Reel(), f"visitor {k}") for k in range(30)]
    assert all([frame.i for frame in seat.end().frames] == list(range(6)) for seat in seats)
    assert len(projector.calls) == 1 and sum(not seat.notes for seat in seats) == 1


def test_what_it_does_not_share_it_passes_on(sharing):
    assert sharing.status() == "a status" and sharing.outlook() == Waiting(3, 1.0)


# The key


def test_every_setting_and_every_pixel_is_in_the_key():
    runs = [*RUNS.values(), Reel(), Reel(title="b")]
    assert len({content_key(run)[0] for run in runs}) == len(runs)
    one = ControlMap(name="edges", map=np.zeros((8, 8, 3), np.uint8))
    dot = np.zeros((8, 8, 3), np.uint8)
    dot[3, 4, 1] = 1
    wide = np.zeros((4, 16, 3), np.uint8)
    maps = [one, ControlMap(name="edges", map=dot), ControlMap(name="edges", map=wide)]
    keys = [content_key(request(controls=(each,))) for each in maps]
    assert len({key for key, _ in keys}) == 3 and all(pictures for _, pictures in keys)
    assert content_key(request(controls=(ControlMap(name="edges", map=dot.copy()),))) == keys[1]
    assert content_key(request())[1] is False


@pytest.mark.parametrize(("clients", "kept"), [(("a",), False), (("a", "a"), False), (("a", "b"), True)])
def test_a_visitors_own_picture_does_not_outlive_its_run(clients, kept):
    """What follows a picture is kept only where two visitors sent the same one."""

    class Tracer(Projector):
        def run(self, request, stop=None, client=""):
            return super().run(Reel(), stop, client)

    projector = Tracer()
    sharing = Sharing(projector, ENOUGH)
    run = request(controls=(ControlMap(name="edges", map=np.zeros((8, 8, 3), np.uint8)),))
    seats = []
    for client in clients:
        seats.append(Seat(sharing, run, client))
        seats[-1].await_events(1, Waiting)
    projector.gate.release(6)
    for seat in seats:
        assert len(seat.end().frames) == 6
    assert len(projector.calls) == 1 and bool(sharing.nbytes) == kept


@pytest.mark.parametrize("shipped", [True, False])
def test_what_follows_the_labs_own_picture_is_kept_for_the_next_who_asks(shipped):
    class Teller(Projector):
        def run(self, request, stop=None, client=""):
            return super().run(Reel(), stop, client)

    projector = Teller()
    sharing = Sharing(projector, ENOUGH)
    run = LedgerRequest(picture=np.zeros((8, 8, 3), np.uint8), shipped=shipped)
    for client in ("a", "b"):
        seat = Seat(sharing, run, client)
        projector.release(6)
        assert len(seat.end().frames) == 6
    assert len(projector.calls) == (1 if shipped else 2)


# Models


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A model in a folder of its own, as row "pixel"."""
    (tmp_path / "model_index.json").write_text("{}")
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "weights.safetensors").write_bytes(b"one")
    monkeypatch.setitem(MODELS, "pixel", replace(MODELS["pixel"], source=str(tmp_path)))
    return tmp_path


@pytest.mark.parametrize("change", ["other bytes", "one more file", "a file less", "gone"])
def test_files_that_changed_make_no_picture_for_others(folder, change):
    """Neither what was made before the change, nor after it, when memory may still have the old weights."""
    weights = Weights()
    assert weights.same(["pixel", "exact"])
    file = folder / "unet" / "weights.safetensors"
    if change == "other bytes":
        file.write_bytes(b"others")
    elif change == "one more file":
        (folder / "unet" / "config.json").write_text("{}")
    elif change == "a file less":
        file.unlink()
    else:
        file.unlink(), (folder / "unet").rmdir(), (folder / "model_index.json").unlink(), folder.rmdir()
    assert not weights.same(["pixel", "exact"]) and weights.same(["exact"])


def test_a_model_that_comes_later_counts_from_then_on(folder):
    source = folder / "unet" / "weights.safetensors"
    source.unlink(), (folder / "model_index.json").unlink()
    weights = Weights()
    assert not weights.same(["pixel"])
    source.write_bytes(b"one")
    assert weights.same(["pixel"])
    source.write_bytes(b"others")
    assert not weights.same(["pixel"])


def test_shipped_rows_are_all_there():
    shipped = [name for name, row in {**MODELS, **HELPERS}.items() if row.source.startswith("models/")]
    assert Weights().same(shipped)


def test_a_run_from_before_its_model_changed_is_not_shown_again(folder):
    sharing = Sharing(make_backend(ToyModel()), ENOUGH)
    run = request(LaneSettings(steps=3), model="pixel").model_copy(update={"forward": Forward(schedule="cosine")})

    def from_before():
        return Note(BEFORE) in list(sharing.run(run))

    assert not from_before() and from_before()
    (folder / "unet" / "weights.safetensors").write_bytes(b"others")
    assert not from_before() and not from_before() and sharing.nbytes == 0


# A real run


@pytest.mark.parametrize("name", RUNS)
def test_a_run_that_is_read_again_is_the_live_one(name):
    """Event for event, and equal to what the backend alone gives but for the clock."""
    alone, sharing, run = Desk("local").backend, Sharing(Desk("local").backend, ENOUGH), RUNS[name]

    def events(backend):
        return [event for event in backend.run(run, client="one") if not isinstance(event, Waiting)]

    live = events(sharing)
    expected = events(alone)
    assert by_key(live).keys() == by_key(expected).keys()
    for key, event in by_key(live).items():
        check_alike(event, by_key(expected)[key])
    assert all(not array.flags.writeable for event in live for array in arrays_of(event))
    again = events(sharing)
    if again[-1:] == [Note(BEFORE)]:
        assert all(ours is theirs for ours, theirs in zip(again[:-1], live, strict=True))
    else:  # a picture of one visitor, or a look that costs nothing
        assert content_key(run)[1] or run.load().lanes == 0
        assert by_key(again).keys() == by_key(live).keys()
