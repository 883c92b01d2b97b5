"""The real app, with five more addresses under /load that say how its process is doing.

`python -m tests.load.server`, settings from the environment. The probe runs on the server's own event loop.
"""

import asyncio
import ctypes
import gc
import os
import re
import sys
import threading
import time
import traceback
from contextlib import suppress
from typing import Any

from fastapi.routing import APIRoute
from gradio.routes import App

import app
from lab.memory import resident_bytes

EVERY_S = 0.02  # between two looks at the loop
KEPT = 20  # worst delays kept
SUSPECT_S = 0.05  # a delay that is worth a look at what the threads are doing
IDLE = re.compile(
    r"^(selectors|threading|queue|_asyncio)\S+ (select|wait|get|run|_wait_for_tstate_lock)|^\S+ (_look_on|_worker|block_thread)"
)


class Clocks:
    """What Linux counts of each Python thread: seconds on a core, and seconds in which it could run and had none."""

    def __init__(self) -> None:
        self._files: dict[int, int] = {}  # by native thread id; of threads that have ended too

    def read(self) -> dict[int, tuple[float, float]]:
        """(ran, starved) by native thread id, since the thread began."""
        found = {}
        for thread in threading.enumerate():
            if ident := thread.native_id:
                with suppress(OSError):  # it has just ended
                    if ident not in self._files:
                        self._files[ident] = os.open(f"/proc/self/task/{ident}/schedstat", os.O_RDONLY)
                    ran, starved, _ = os.pread(self._files[ident], 64, 0).split()
                    found[ident] = int(ran) / 1e9, int(starved) / 1e9
        return found


class Probe:
    """How late the event loop comes back to a coroutine that sleeps, and how much of that is the lab's doing.

    On a shared machine a delay may be the machine's: a thread could run and had no core. Taken off is that time of the
    loop's own thread, exactly; and where the loop was neither running nor starved, it waited for something, mostly for the
    thread that holds the interpreter, and what the most starved Python thread lacked meanwhile is taken off too. What
    is left is ours: a callback that computes or waits, many short ones in a row, a collection, a long call in another
    thread that keeps the interpreter.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.looks, self.worst_ms, self.delays = 0, 0.0, list[dict[str, Any]]()
        self._collected_s = self._collecting_since = 0.0
        self._due, self._doing = float("inf"), dict[str, str]()

    def note_collection(self, phase: str, info: dict[str, Any]) -> None:
        """For gc.callbacks: how long collections held everything up."""
        if phase == "start":
            self._collecting_since = time.perf_counter()
        else:
            self._collected_s += time.perf_counter() - self._collecting_since

    async def watch(self) -> None:
        """Look for ever; to be a task of the loop that is watched."""
        clocks, loop = Clocks(), threading.get_native_id()
        threading.Thread(target=self._look_on, name="load-watch", daemon=True).start()
        after = clocks.read()
        while True:
            before, collected, due = after, self._collected_s, time.perf_counter() + EVERY_S
            self._due, self._doing = due, {}
            await asyncio.sleep(EVERY_S)
            late = time.perf_counter() - due
            after = clocks.read()
            spent = {
                ident: (now[0] - then[0], now[1] - then[1])
                for ident, now in after.items()
                if (then := before.get(ident))
            }
            ran, starved = spent.pop(loop)
            ran = min(ran, max(0, late - starved))
            waited = max(0, late - starved - ran)
            others = max((lacked for _, lacked in spent.values()), default=0)
            self.looks += 1
            self.worst_ms = max(self.worst_ms, 1000 * late)
            self.delays.append(
                {
                    "ours_ms": 1000 * (ran + max(0, waited - others)),
                    "late_ms": 1000 * late,
                    "ran_ms": 1000 * ran,
                    "waited_ms": 1000 * waited,
                    "collected_ms": 1000 * (self._collected_s - collected),
                    "doing": self._doing,
                }
            )
            self.delays = sorted(self.delays, key=lambda delay: -delay["ours_ms"])[:KEPT]

    def _look_on(self) -> None:
        """From another thread: what every thread is doing while the loop is late."""
        while True:
            time.sleep(EVERY_S)
            if time.perf_counter() - self._due > SUSPECT_S and not self._doing:
                names = {thread.ident: thread.name for thread in threading.enumerate()}
                stacks = {names.get(ident, "?"): _stack(frame) for ident, frame in sys._current_frames().items()}
                self._doing = {name: stack for name, stack in stacks.items() if not IDLE.search(stack)}

    async def figures(self) -> dict[str, Any]:
        """What was seen since the last reset, worst first."""
        return {"looks": self.looks, "worst_ms": self.worst_ms, "delays": self.delays}


def _stack(frame: Any) -> str:
    """The innermost calls of a thread in one line."""
    calls = traceback.extract_stack(frame)[:-7:-1]
    return " < ".join(f"{os.path.basename(call.filename)}:{call.lineno} {call.name}" for call in calls)


def memory() -> int:
    """Resident bytes once everything that nobody needs is given back: cycles collected, and glibc's free lists
    trimmed, which else keep what a busy minute needed and make the figure a matter of luck."""
    for _ in range(3):
        gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def left(page: App) -> int:
    """What visitors have left behind: runs under way, runs that wait, and recordings kept for replay."""
    queue = page.get_blocks()._queue
    sessions = list(page.state_holder.session_data.values())
    kept = sum(value is not None for session in sessions for value in list(session.state_data.values()))
    return queue.get_active_worker_count() + len(queue) + kept


def main() -> None:
    """Serve the lab with the addresses added."""
    probe, create = Probe(), App.create_app
    watching: list[asyncio.Task[None]] = []  # the loop itself holds tasks weakly

    async def watch() -> None:
        """Start anew, on the loop that answers requests."""
        if not watching:
            gc.callbacks.append(probe.note_collection)
            watching.append(asyncio.create_task(probe.watch()))
        probe.reset()

    def created(*positional: Any, **options: Any) -> App:
        made = create(*positional, **options)
        answers = {"watch": watch, "figures": probe.figures, "memory": memory, "resident": resident_bytes}
        answers["left"] = lambda: left(made)
        for name, answer in answers.items():
            made.router.routes.insert(0, APIRoute(f"/load/{name}", answer))
        return made

    App.create_app = staticmethod(created)  # type: ignore[method-assign]
    app.main()


if __name__ == "__main__":
    main()
