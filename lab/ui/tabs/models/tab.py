"""Tab: what the lab holds and does at this moment. It looks while it is open, and sends the page only what changed."""

import threading
import time
from math import inf
from typing import Any

import gradio as gr

from lab.settings import Settings
from lab.ui.shell import widgets
from lab.ui.shell.sources import beside
from lab.ui.tabs.models import view

LOOK_JS = beside(__file__, "look.js")
FRESH_S = 0.7  # visitors who look within this time see the same: thirty of them cost what one does

WORDS = (
    "<b>Every weight is here once, for everybody.</b> All runs on the same model, whoever pressed Run, share its "
    "forward passes: a crowd makes fuller batches, not a longer line. Switching models is cheap because a model stays "
    "after its run, ready for the next one, and parts that two models have in common are kept once. Only when room is "
    "needed does the model that nobody uses, and that was used longest ago, leave: from the device to memory, then "
    "altogether."
)

Markup = tuple[str, str, str]  # numbers, memory, table


def build(backend: Any, _settings: Settings, _page: gr.Tab) -> "_Tab":
    """Lay out the tab and wire it to `backend`."""
    tab = _Tab(backend)
    tab.lay_out()
    tab.wire()
    return tab


class _Tab:
    """The components of the tab and what they do; the latest look at the backend is everybody's."""

    def __init__(self, backend: Any) -> None:
        self.backend = backend
        self.fresh_s = FRESH_S
        self._looking = threading.Lock()
        self._look_time, self._markup = -inf, _paint(None)

    def lay_out(self) -> None:
        self.markup = gr.State(None, time_to_live=3600)  # Markup
        numbers, memory, table = _paint(None)
        self.numbers = gr.HTML(numbers, js_on_load=LOOK_JS, elem_id="models-numbers")
        self.memory = gr.HTML(memory, elem_id="models-memory")
        self.table = gr.HTML(table, elem_id="models-table")
        gr.HTML(widgets.words(WORDS))

    def wire(self) -> None:
        view = [self.numbers, self.memory, self.table, self.markup]
        self.numbers.input(self.on_look, self.markup, view, **widgets.LATEST)  # by its script, while the tab is open

    def on_look(self, markup: Markup | None) -> list[Any]:
        """Updates of the parts that differ from `markup`, what the page has."""
        latest = self._look()
        updates = [new if markup is None or new != markup[i] else gr.skip() for i, new in enumerate(latest)]
        return [*updates, gr.skip() if latest == markup else latest]

    def _look(self) -> Markup:
        with self._looking:
            if time.monotonic() - self._look_time > self.fresh_s:
                self._markup = _paint(self.backend.status())
                self._look_time = time.monotonic()
            return self._markup


def _paint(status: Any) -> Markup:
    memory = view.memory(status) + view.replicas(status)
    return view.numbers(status), memory, view.table(status)
