"""What comes from a visitor, whatever it is, becomes a request or a LabError: nothing else ever escapes."""

from contextlib import suppress
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.annotators.joints import from_list
from lab.backends.deferred import Deferred
from lab.catalog import CONTROLS, GROUPS, GUIDANCE, MODELS, SAMPLERS, SCHEDULES, SPACINGS
from lab.requests.base import LabError, Request, make_request
from lab.requests.fields import MAX_SEED
from lab.settings import Settings
from lab.ui.shell import widgets
from lab.ui.tabs.controlnet import tab as controlnet
from lab.ui.tabs.controlnet import view as controlnet_view
from lab.ui.tabs.controlnet.maps import FIRST, Source
from lab.ui.tabs.guidance import tab as guidance
from lab.ui.tabs.guidance import view as guidance_view
from lab.ui.tabs.noising import tab as noising
from lab.ui.tabs.samplers import requests as samplers_requests
from lab.ui.tabs.samplers import tab as samplers
from tests.requests.kinds import kinds
from tests.ui.values import first_values

STEADY = settings(max_examples=80, deadline=None, derandomize=True, database=None)
SETTINGS = Settings()
KINDS = kinds()
FIELDS = sorted({name for kind in KINDS for name in kind.model_fields})

NAMES = st.sampled_from([*MODELS, *SAMPLERS, *SCHEDULES, *GUIDANCE, *CONTROLS, *SPACINGS, *GROUPS, "canny", "map"])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([0, 1, 10, MAX_SEED, MAX_SEED + 1, 10**400, "1", "nan", "1e999"])
    | st.floats()
    | st.text(max_size=400)
    | NAMES
)
PICTURES = st.sampled_from(
    [
        np.zeros(shape, kind)
        for shape in [(4, 4, 3), (0, 4, 3), (4, 1025, 3), (4, 4), ()]
        for kind in ("uint8", "float64")
    ]
)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=3))
ANYTHING = JSON | PICTURES
NUMBERS = st.sampled_from(
    ["0", "1", "7.5", "-1", "nan", "inf", "1e400", "٣", "²", "0x1", "1_0", "99999999999999", ";", "\x00"]
)
LISTS = st.lists(NUMBERS, max_size=70).map(",".join) | SCALARS


def met(work, *values, **named):
    """What `work` makes of the values; None where it refuses them in words."""
    try:
        return work(*values, **named)
    except LabError as error:
        assert str(error) and len(str(error)) < 1000 and "Input should" not in str(error)
        str(error).encode()  # can be sent
        return None


# Requests


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not Request], ids=lambda kind: kind.__name__)
@STEADY
@given(data=st.data())
def test_requests_from_anything(kind, data):
    """Fields of the kind's own, of other kinds and of no kind, flat and nested."""
    nested = st.dictionaries(st.sampled_from(FIELDS), ANYTHING, max_size=3)
    value = ANYTHING | nested | st.lists(nested, max_size=3)
    own = st.dictionaries(st.sampled_from(sorted(kind.model_fields)), value, max_size=4)
    odd = st.dictionaries(st.sampled_from([*FIELDS, "self", "kind", "model_config", "__class__"]), value, max_size=1)
    made = met(make_request, kind, **(data.draw(own) | data.draw(odd)))
    assert made is None or type(made) is kind


# Lists and events that the page sends


@pytest.mark.parametrize("parse", [guidance_view.parse_scales, guidance_view.parse_seeds], ids=lambda one: one.__name__)
@STEADY
@given(LISTS)
def test_lists_from_anything(parse, text):
    found = met(parse, text)
    assert found is None or (found and len(set(found)) == len(found) and all(0 <= one <= MAX_SEED for one in found))


@STEADY
@given(JSON)
def test_drawings_joints_and_clicks_from_anything(value):
    met(controlnet_view.read_drawing, value)
    met(controlnet_view.read_drawing, f"data:image/png;base64,{value}")
    with suppress(ValueError):
        from_list(value)
    with suppress(ValueError):
        from_list([value] * 18)
    picked = met(widgets.picked, SimpleNamespace(pick=value))
    assert picked is None or isinstance(picked, int)


# From the controls of a tab to its request


def laid_out(tab):
    with gr.Blocks(), gr.Tabs(), gr.Tab() as page:
        return tab.build(Deferred(), SETTINGS, page)


TABS = {tab.__name__.split(".")[-2]: laid_out(tab) for tab in (noising, samplers, guidance, controlnet)}
MAP = np.full((64, 64, 3), 255, np.uint8)
SOURCES = st.sampled_from([FIRST, {"edges": Source("scribble", map=MAP), "pose": Source("hand", map=MAP)}])


def values_of(part):
    """What can be in a control when its handler is called: whatever Gradio and lab/ui/shell/page.py let through."""
    if isinstance(part, gr.Radio | gr.Dropdown):
        choices = st.sampled_from([value for _, value in part.choices])
        return st.lists(choices, max_size=9) if getattr(part, "multiselect", False) else choices
    if isinstance(part, gr.Checkbox):
        return st.booleans()
    if isinstance(part, gr.Slider):
        return st.none() | st.floats(part.minimum, part.maximum) | st.integers(int(part.minimum), int(part.maximum))
    return LISTS if isinstance(part, gr.Textbox) else SCALARS


def parts_of(tab):
    """The controls of a tab, those in rows too."""
    return list(first_values(tab))


MAKERS = {
    "noising": [lambda tab, values: tab.request(values)],
    "samplers": [
        lambda tab, values: tab.request(values),
        lambda tab, values: samplers_requests.inversion(tab.form.read(values), MAP),
    ],
    "guidance": [lambda tab, values: tab.request(values)],
    "controlnet": [lambda tab, values: tab.request(values)],
}


@pytest.mark.parametrize("name", TABS)
@STEADY
@given(data=st.data())
def test_controls_with_anything_in_them(name, data):
    tab = TABS[name]
    parts = parts_of(tab)
    values = {part: part.value for part in parts}
    if name == "noising":
        values[tab.last_run] = noising.Subject(np.zeros((64, 64, 3), np.uint8))
    if name == "controlnet":
        values[tab.board.sources] = data.draw(SOURCES)
    touched = data.draw(st.lists(st.sampled_from(range(len(parts))), unique=True, max_size=6))
    for k in touched:
        if not isinstance(parts[k], gr.State | gr.HTML | gr.Button | gr.Image):
            values[parts[k]] = data.draw(values_of(parts[k]))
    for make in MAKERS[name]:
        met(make, tab, values)


@pytest.mark.parametrize("name", TABS)
def test_the_first_values_of_a_tab_make_a_request(name):
    """Else the test above would only ever see refusals."""
    tab = TABS[name]
    values = {part: part.value for part in parts_of(tab)}
    if name == "noising":
        values[tab.last_run] = noising.Subject(np.zeros((64, 64, 3), np.uint8))
    if name == "controlnet":
        values[tab.board.sources] = {"edges": Source("scribble", map=MAP), "pose": Source("hand", map=MAP)}
    for make in MAKERS[name]:
        assert make(tab, values) is not None
