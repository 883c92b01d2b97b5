"""What no control can hold is refused in a sentence that names the control and says what it takes."""

from math import inf, nan
from types import SimpleNamespace

import gradio as gr
import pytest

from lab.backends.deferred import Deferred
from lab.settings import Settings
from lab.ui.shell.page import Page
from lab.ui.shell.refusals import CONTROLS
from lab.ui.tabs.controlnet import tab as controlnet
from lab.ui.tabs.edit import tab as edit
from lab.ui.tabs.guidance import tab as guidance
from lab.ui.tabs.noising import tab as noising
from lab.ui.tabs.samplers import tab as samplers
from tests.loops import complete
from tests.ui.values import first_values

WRONG = (None, "", "x", "\ud800", -1, 1.5, 10**30, nan, inf, True, [], [None], ["x"], {}, {"a": 1})


def refusals_of(page, part):
    """What the page says to each of WRONG in a control; None where it takes it."""
    function = SimpleNamespace(inputs=[part], preprocess=True, component_prop_inputs=[], name="test")

    async def said(value):
        try:
            await page.preprocess_data(function, [value], None)
        except gr.Error as error:
            return error.message
        return None

    async def all_said():
        return [await said(value) for value in WRONG]

    return complete(all_said())


@pytest.mark.parametrize(
    "tab", [noising, samplers, guidance, controlnet, edit], ids=lambda tab: tab.__name__.split(".")[-2]
)
def test_every_control_of_a_tab(tab):
    with Page() as page, gr.Tabs(), gr.Tab() as place:
        built = tab.build(Deferred(), Settings(), place)
    parts = [part for part in first_values(built) if isinstance(part, CONTROLS)]
    assert len(parts) > 10
    for part in parts:
        for value, said in zip(WRONG, refusals_of(page, part), strict=True):
            if said is None:
                continue
            assert said.startswith(part.label.split(" (")[0].split(":")[0]), (part.label, value, said)
            assert ("is empty." in said) == (value in (None, "", [])), said
            assert any(verb in said for verb in (". Choose ", ". Type ", ". Tick ")), said


def test_what_a_slider_a_list_and_a_box_take():
    with Page() as page:
        slider = gr.Slider(1, 200, label="Steps (1 to 200)")
        radio = gr.Radio([("Compare", "compare"), ("Invert", "invert")], value="compare", label="Experiment")
        number = gr.Number(label="Seed", minimum=0)
        box = gr.Checkbox(label="Live")
    said = {
        part.label: dict(zip(map(str, WRONG), refusals_of(page, part), strict=True))
        for part in (slider, radio, number, box)
    }
    assert said["Steps (1 to 200)"]["-1"] == "Steps: “-1” is not possible. Choose a number from 1 to 200."
    assert said["Steps (1 to 200)"]["None"] == "Steps is empty. Choose a number from 1 to 200."
    assert said["Experiment"]["x"] == "Experiment: “x” is not possible. Choose one of Compare, Invert."
    assert said["Seed"]["x"] == "Seed: “x” is not possible. Type a number from 0 up."
    assert said["Live"]["x"] == "Live: “x” is not possible. Tick it, or do not."


def test_markup_stays_text_and_what_is_long_is_cut():
    with Page() as page:
        part = gr.Dropdown(["a"], value="a", label="Model")
    function = SimpleNamespace(inputs=[part], preprocess=True, component_prop_inputs=[], name="test")
    with pytest.raises(gr.Error) as caught:
        complete(page.preprocess_data(function, ["<b>" + 10_000 * "x"], None))
    assert caught.value.message.startswith("Model: “&lt;b&gt;xxx") and len(caught.value.message) < 120
