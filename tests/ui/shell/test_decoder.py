"""The choice between the full decoder and the tiny one: who offers it, and what is asked for."""

from types import SimpleNamespace

import gradio as gr
import pytest

from lab.settings import Settings
from lab.ui.tabs.controlnet.tab import ControlNet
from lab.ui.tabs.guidance.tab import Guidance
from lab.ui.tabs.samplers.tab import Samplers
from tests.ui.values import first_values, part_of

HUB = "stable-diffusion-v1-5/stable-diffusion-v1-5"
TABS = pytest.mark.parametrize("kind", [Samplers, Guidance, ControlNet])


def make_tab(kind, *allowed):
    with gr.Blocks():
        tab = kind(SimpleNamespace(), Settings(offline=False, allowed_models=",".join(allowed)))
        tab.lay_out()
    return tab


def values_of(tab, **changes):
    changes = {"schedule": "scaled_linear", "group": ""} | changes
    return first_values(tab) | {part_of(tab, name): value for name, value in changes.items() if name in tab.form.parts}


@TABS
@pytest.mark.parametrize(("allowed", "offered"), [((HUB,), False), ((HUB, "madebyollin/taesd"), True)])
def test_it_is_offered_for_models_that_have_a_tiny_decoder_here(kind, allowed, offered):
    tab = make_tab(kind, *allowed)
    control = tab.form["decoder"]
    assert not control.visible and control.value == "full"
    for model in ("sd-1-5", "text-to-image"):
        update = tab.form.suit(tab.form.complete({"model": model, "decoder": "tiny"}))[control]
        assert update["visible"] == (offered and model == "sd-1-5")
        assert update["value"] == ("tiny" if update["visible"] else "full")


@pytest.mark.parametrize("kind", [Samplers, Guidance])
def test_a_run_asks_for_it_and_so_does_its_link(kind):
    tab = make_tab(kind, HUB, "madebyollin/taesd")
    values = values_of(tab, model="sd-1-5", decoder="tiny")
    request = tab.request(values)
    assert request.decoder == "tiny"
    assert tab.capsule(values, request).values["decoder"] == "tiny"
    late = tab.request(values_of(tab, model="text-to-image", decoder="tiny"))  # the control on its way to "full"
    assert late.decoder == "full"
