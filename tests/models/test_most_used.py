"""The table of the most used shapes is what the openings of the tabs call, and the looks call every network that is compiled."""

from collections import Counter
from types import SimpleNamespace

import gradio as gr
import pytest

from lab.engine.lanes import drive
from lab.engine.noising import Scenes
from lab.models.compiled import BUCKETS, CompiledNetwork
from lab.models.loaders import make_cache
from lab.models.most_used import MOST_USED, Shape
from lab.operations import OPERATIONS
from lab.operations.house import House
from lab.requests.looks import LOOKS
from lab.settings import Settings
from lab.ui import INSTRUMENTS
from lab.ui.shell.tool import Tool
from tests.ui.values import first_values

SETTINGS = Settings(device="cpu", dtype="float32", cpu_engine="torch")


class Backend:
    """Runs requests in the caller's thread, with one cache for all."""

    def __init__(self):
        self.cache, self.scenes, self.settings = make_cache(SETTINGS), Scenes(), SETTINGS

    def run(self, request, stop=None, client=""):
        yield from OPERATIONS[type(request)](request, House(SETTINGS, self.cache, drive, self.scenes, stop))


@pytest.fixture(scope="module")
def backend():
    return Backend()


@pytest.fixture
def calls(monkeypatch):
    """How often each shape is called. What comes of every call are the outputs of the first one's first row: how many rows the next
    call has does not depend on them."""
    counts, outputs = Counter(), {}

    def call(self, *inputs):
        rows = len(inputs[0])
        sizes = self.buckets or BUCKETS
        size = next((size for size in sizes if size >= rows), max(sizes))
        counts[Shape(*self.place, size, inputs[0].shape[-1])] += 1
        if self.key not in outputs:
            outputs[self.key] = self._by_torch(*(part[:1] for part in inputs))
        return tuple(part.repeat(rows, *[1] * (part.dim() - 1)) for part in outputs[self.key])

    monkeypatch.setattr(CompiledNetwork, "__call__", call)
    return counts


def open_tab(instrument, backend):
    """What the page does as a visitor opens a tab for the first time, to its end."""
    with gr.Blocks(), gr.Tab() as page:
        tab = instrument.build(backend, SETTINGS, page)
    if isinstance(tab, Tool):
        values = first_values(tab) | tab.first_values()
        values |= {part: value["path"] for part, value in values.items() if isinstance(value, dict) and "path" in value}
        assert list(tab.on_open(values, SimpleNamespace(session_hash=instrument.name)))


def test_the_table_has_the_shapes_that_openings_call_the_most_called_first(backend, calls, caplog):
    for instrument in INSTRUMENTS:
        open_tab(instrument, backend)
    assert not caplog.records  # no run failed
    assert len(MOST_USED) == 10
    decoders = [shape for shape in calls if shape.network == "decoder"]
    by_calls = [shape for shape, _ in calls.most_common() if shape not in decoders]
    others = [shape for shape in MOST_USED if shape not in decoders]
    assert others == by_calls[: len(others)]
    for decoder in decoders:  # called as often as the page looks
        before = MOST_USED.index(decoder)
        assert MOST_USED[before + 1].model == decoder.model
        assert decoder.model not in [shape.model for shape in MOST_USED[:before]]


def test_the_looks_call_every_network_that_they_name_and_no_other(backend, calls):
    seen = set()
    for look in LOOKS:
        for _ in backend.run(look.request):
            pass
        called = {(shape.model, shape.network) for shape in calls} - seen
        assert called == set(look.networks)
        seen |= called
    assert {(shape.model, shape.network) for shape in MOST_USED} <= seen
