"""Tab: what the lab holds and does at this moment. It looks while it is open, and sends the page only what changed."""

import threading
import time
from math import inf
from typing import Any

import gradio as gr

from lab.settings import Settings
from lab.ui.shell import widgets
from lab.ui.tabs.models import view

LOOK_EVERY_S = 1.0
FRESH_S = 0.7  # visitors who look within this time see the same: thirty of them cost what one does
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "queue": False}

WORDS = (
    "<b>Every weight is here once, for everybody.</b> All runs on the same model, whoever pressed Run, share its "
    "forward passes: a crowd makes fuller batches, not a longer line. Switching models is cheap because a model stays "
    "after its run, ready for the next one, and parts that two models have in common are kept once. Only when room is "
    "needed does the model that nobody uses, and that was used longest ago, leave: from the device to memory, then "
    "altogether."
)

Shown = tuple[str, str, str]  # numbers, memory, table


def build(backend: Any, _settings: Settings, page: gr.Tab) -> "_Tab":
    """Lay out the tab on `page` and wire it to `backend`."""
    tab = _Tab(backend, page.label)
    tab.lay_out()
    tab.wire(page)
    return tab


class _Tab:
    """The components of the tab and what they do; the latest look at the backend is everybody's."""

    def __init__(self, backend: Any, title: str) -> None:
        self.backend, self.title = backend, title
        self.fresh_s = FRESH_S
        self._looking = threading.Lock()
        self._looked, self._seen = -inf, _paint(None)

    def lay_out(self) -> None:
        self.shown = gr.State(None, time_to_live=3600)  # Shown
        self.timer = gr.Timer(LOOK_EVERY_S, active=False)
        numbers, memory, table = _paint(None)
        self.numbers = gr.HTML(numbers, elem_id="models-numbers")
        self.memory = gr.HTML(memory, elem_id="models-memory")
        self.table = gr.HTML(table, elem_id="models-table")
        gr.HTML(widgets.words(WORDS))

    def wire(self, page: gr.Tab) -> None:
        view = [self.numbers, self.memory, self.table, self.shown]
        self.timer.tick(self.on_tick, self.shown, view, **QUIET)
        page.parent.select(self.on_select, None, [self.timer, *view], **QUIET)  # of any tab

    def on_select(self, event: gr.SelectData) -> list[Any]:
        """Look while this tab is open, and not while another is."""
        if event.value != self.title:
            return [gr.Timer(active=False), *[gr.skip()] * 4]
        return [gr.Timer(active=True), *self.on_tick(None)]

    def on_tick(self, shown: Shown | None) -> list[Any]:
        """What has changed since `shown`."""
        seen = self._look()
        changed = [new if shown is None or new != shown[i] else gr.skip() for i, new in enumerate(seen)]
        return [*changed, gr.skip() if seen == shown else seen]

    def _look(self) -> Shown:
        with self._looking:
            if time.monotonic() - self._looked > self.fresh_s:
                self._seen = _paint(self.backend.status())
                self._looked = time.monotonic()
            return self._seen


def _paint(status: Any) -> Shown:
    memory = view.memory(status) + view.replicas(status)
    return view.numbers(status), memory, view.table(status)
