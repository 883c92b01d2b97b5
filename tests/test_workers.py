"""What two workers share: the machine, of which one may ask the other to wait."""

import threading

from tests.workers import Room


def test_who_is_alone_waits_for_those_inside_and_holds_up_those_who_come(tmp_path):
    events, inside, go = [], threading.Event(), threading.Event()
    first, second = Room(tmp_path), Room(tmp_path)

    def measure():
        with second.alone():
            events.append("alone")
            inside.set()
            go.wait(60)
            events.append("over")

    def come():
        Room(tmp_path).leave()
        events.append("came")

    measuring, coming = (threading.Thread(target=one, daemon=True) for one in (measure, come))
    measuring.start()
    assert not inside.wait(0.2)
    first.leave()
    assert inside.wait(60)
    coming.start()
    coming.join(0.2)
    go.set()
    for thread in (measuring, coming):
        thread.join(60)
    assert events == ["alone", "over", "came"]
