"""What is said of a preset: every one has its sentence and its place, and the page knows what it sets."""

import re
from html import unescape
from json import loads
from types import SimpleNamespace

import gradio as gr
import pytest

from lab.settings import Settings
from lab.ui.shell import pointer
from lab.ui.shell.form import Preset
from lab.ui.tabs.controlnet.tab import ControlNet
from lab.ui.tabs.guidance.tab import Guidance
from lab.ui.tabs.noising.tab import Noising
from lab.ui.tabs.samplers.tab import Samplers

TOOLS = [Noising, Samplers, Guidance, ControlNet]


@pytest.mark.parametrize("tool", TOOLS)
def test_every_preset_has_a_sentence_and_a_place_of_its_tab(tool):
    for preset in tool.presets:
        assert preset.look.endswith(".") and len(preset.look) <= 150, preset.title
        assert re.fullmatch(rf"#{tool.name}-\w+", preset.place)
    assert len({preset.look for preset in tool.presets}) == len(tool.presets)


@pytest.mark.parametrize("tool", [Samplers, Guidance])
def test_the_page_compares_with_what_a_press_sets(tool):
    with gr.Blocks():
        tab = tool(SimpleNamespace(), Settings())
        tab.lay_out()
    for preset in tab.offered:
        update = tab.on_preset(preset)
        for part, value in zip(tab.compared, tab.compared_values(preset), strict=True):
            new = update[part]["value"] if isinstance(update[part], dict) else update[part]
            assert new == value, (preset.title, part.label)


def test_the_line_says_what_differs_from_the_first_preset():
    presets = [Preset("Here", look="Look at x_t.", place="#a-stage"), Preset("There", look="And <here>.", place="#a-b")]
    with gr.Blocks():
        line = pointer.lay_out("a", presets, [[1, None, "x"], [1, 2.5, "x"]], [["n"], ["m"], ["lanes", 0, 0]])
    data = loads(unescape(re.search('data-presets="([^"]*)"', line.value)[1]))
    assert data["tab"] == "a" and data["base"] == [1, None, "x"]
    assert [row["changes"] for row in data["presets"]] == [{}, {"1": 2.5}]
    assert [row["look"] for row in data["presets"]] == ["Look at x<sub>t</sub>.", "And &lt;here&gt;."]
    assert line.value.endswith(">Look at x<sub>t</sub>.</p>")
