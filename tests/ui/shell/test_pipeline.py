"""The pipeline's numbers against the calls that a run makes."""

import re
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
import torch

from lab.catalog import GUIDANCE, MODELS, SAMPLERS
from lab.operations.lanes import make_lane
from lab.operations.sampling import sampling
from lab.requests.fields import Condition
from lab.requests.sampling import ControlMap, LaneResult, LaneSettings, SamplingRequest
from lab.settings import Settings
from lab.ui.shell import pipeline, widgets
from lab.ui.tabs.controlnet.tab import ControlNet
from lab.ui.tabs.guidance.tab import Guidance
from lab.ui.tabs.noising.tab import Noising
from lab.ui.tabs.samplers.tab import Samplers
from tests.operations.toys import Gaussian, Toy, make_house


def rows_of(lane, denoiser):
    """The predictions that each call of a lane needs, as the lane itself says, until its end."""
    rows = []
    while not lane.done:
        rows.append(lane.rows(denoiser))
        prediction = denoiser(lane.model_input(), torch.tensor([round(lane.t)]), ["apple"])
        list(lane.advance(prediction.repeat(rows[-1], 1, 1, 1), denoiser))
    return rows


@pytest.mark.parametrize("sampler", [name for name, row in SAMPLERS.items() if not row.learned_variance])
def test_calls_are_those_of_the_lane(sampler):
    denoiser = Gaussian("epsilon")
    for steps in (1, 2, 3, 7, 20):
        settings = LaneSettings(sampler=sampler, steps=steps)
        assert settings.calls == make_lane(0, settings, denoiser, "apple", "").n, steps


@pytest.mark.parametrize("rule", GUIDANCE)
@pytest.mark.parametrize("scale", [0, 0.5, 1, 5])
def test_predictions_are_those_that_a_lane_asks_for(rule, scale):
    settings, denoiser = LaneSettings(steps=20, guidance_scale=scale, rule=rule), Gaussian("epsilon")
    rows = rows_of(make_lane(0, settings, denoiser, "apple", ""), denoiser)
    assert settings.halves == (min(rows), max(rows))


def test_the_counts_of_a_run_are_what_comes_of_it():
    lanes = [
        LaneSettings(steps=5, sampler=name, guidance_scale=scale)
        for name in ("ddim", "heun", "pndm")
        for scale in (1, 4)
    ]
    request = SamplingRequest(condition=Condition(prompt="apple"), lanes=lanes)
    house, records = make_house(exact=Toy())
    calls = [event.calls for event in sampling(request, house) if isinstance(event, LaneResult)]
    predicted = sum(1 if record.halves is None else 2 for record in records if record.i < record.n)
    counts = pipeline.count(request)
    assert counts.all_calls == sum(calls) and counts.calls == (min(calls), max(calls))
    assert counts.all_predictions == (predicted, predicted) and counts.pictures == len(calls)
    assert pipeline.count(request, guided=False).all_predictions == (sum(calls), sum(calls))


def flow(name, **more):
    request = SamplingRequest(model=name, forward={"schedule": MODELS[name].schedules[0]}, **more)
    return {part.name: part.numbers for part in pipeline.of_model(MODELS[name], request).parts}


def test_a_model_has_the_parts_that_it_has():
    lanes = [LaneSettings(steps=20, guidance_scale=3)]
    latent = flow("text-to-image", lanes=lanes, condition={"prompt": "red heart"})
    assert latent == {
        "prompt": "“red heart”", "text encoder": "32 × 128", "x_T": "4 × 16 × 16", "U-Net": "× 20 calls × 2 predictions",
        "decoder": "3 × 64 × 64",
    }  # fmt: skip
    exact = flow("exact", lanes=[LaneSettings(steps=4), LaneSettings(steps=9)])
    assert exact == {
        "prompt": "nothing", "picture set": "3,880", "x_T": "3 × 64 × 64", "exact denoiser": "× 4 to 9 calls",
        "picture": "3 × 64 × 64",
    }  # fmt: skip
    pixel = flow("pixel", lanes=lanes, condition={"group": "food-drink"})
    assert list(pixel) == ["class", "x_T", "U-Net", "picture"] and pixel["class"] == "Food and drink"
    student = flow("student", lanes=[LaneSettings(steps=4, sampler="lcm", guidance_scale=3)])
    assert student["U-Net"] == "× 4 calls"
    maps = [ControlMap(name=name, map=np.zeros((64, 64, 3), np.uint8)) for name in ("edges", "pose")]
    assert flow("text-to-image", lanes=lanes, controls=maps)["ControlNet"] == "14 residuals"
    assert [part.numbers for part in pipeline.of_inversion(MODELS["exact"], 50).parts][1:] == [
        "× 50 up", "3 × 64 × 64", "× 50 down", "3 × 64 × 64",
    ]  # fmt: skip


def test_what_guides_has_its_part_between_the_network_and_the_picture():
    def guides(*rules):
        request = SamplingRequest(model="pixel", lanes=[LaneSettings(rule=rule, guidance_scale=3) for rule in rules])
        parts = pipeline.of_model(MODELS["pixel"], request).parts
        return [part.name for part in parts], [part for part in parts if part.name == "guide"]

    assert guides("cfg", "interval")[1] == []
    names, (part,) = guides("cfg", "classifier", "auto")
    assert names.index("U-Net") < names.index("guide") < names.index("picture")
    assert part.numbers == "Classifier and Autoguidance" and "gradient" in part.does and "worse network" in part.does
    assert guides("colour", "symmetry", "brightness")[1][0].numbers == "3 guides"


def test_the_decoder_is_the_one_that_was_chosen():
    row = MODELS["sd-turbo"]
    request = SamplingRequest(model=row.name, forward={"schedule": row.schedules[0]}, lanes=[LaneSettings(steps=1)])
    for decoder, words in (("full", "The autoencoder's second half"), ("tiny", "A tiny decoder, in place of")):
        part = pipeline.of_model(row, request.model_copy(update={"decoder": decoder})).parts[-1]
        assert part.name == "decoder" and part.does.startswith(words)


def test_of_a_model_whose_files_are_elsewhere_parts_stand_without_shapes():
    parts = pipeline.of_model(MODELS["sd-1-5"]).parts
    assert [part.name for part in parts] == ["prompt", "text encoder", "x_T", "U-Net", "decoder"]
    assert {part.numbers for part in parts} == {""}


@pytest.mark.parametrize("tool", [Noising, Samplers, Guidance, ControlNet])
def test_every_preset_has_its_pipeline_and_every_part_its_sentence(tool):
    with gr.Blocks(), gr.Tab() as page:
        tab = tool.build(SimpleNamespace(), Settings(), page)
    assert tab.pipeline.value.count("<li") >= 3
    for preset in tab.offered:
        values = dict(zip(tab.compared, tab.compared_values(preset), strict=True))
        html = tab.on_flow(tab.first_values() | values)
        assert html.count("<li") == html.count("<span data-at")
    for part in tab.flow_of_opening(tab.form.preset(tab.offered[0])).parts:
        assert part.does.endswith(".") and part.figure.startswith("<svg"), part.name


def test_a_prompt_is_text_and_never_markup():
    html = pipeline.html("a", pipeline.of_model(MODELS["exact"], SamplingRequest(
        condition=Condition(prompt="<b>x</b>"), lanes=[LaneSettings()])))  # fmt: skip
    assert "<b>x</b>" not in html and "&lt;b&gt;x&lt;/b&gt;" in html


def test_a_run_tells_which_part_is_at_work():
    assert pipeline.place([], False) == ("before", 0)
    assert pipeline.place([(5, 10), (10, 10)], False) == ("network", 0.75)
    assert pipeline.place([(10, 10)], False) == pipeline.place([(1, 2)], True) == ("after", 1)
    note = pipeline.at_work(widgets.note("Half"), "network", 0.5)
    assert re.search(r'data-at="network" data-way="0.500".*>Half<', note)
