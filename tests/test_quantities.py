"""Numbers of things in words: none of one, wherever a run is told of."""

import re
from types import SimpleNamespace as Of

import pytest

from lab.catalog import MODELS
from lab.quantities import plural, quantity
from lab.requests.invention import InventionRequest, Machine
from lab.requests.sampling import LaneSettings, SamplingRequest
from lab.ui.shell import lane_view, pipeline
from lab.ui.tabs.controlnet import charts
from lab.ui.tabs.controlnet import view as controlnet
from lab.ui.tabs.ledger import view as ledger
from lab.ui.tabs.memory import plans
from lab.ui.tabs.memory import view as memory
from lab.ui.tabs.samplers import groups
from lab.ui.tabs.samplers import view as samplers

ONE_OF_SEVERAL = re.compile(r"(?<![\d.,])1 (denoiser |training )?[a-z]+s\b")

LANE = LaneSettings(steps=1, sampler="ddim")
DRAWN = SamplingRequest(model="exact", lanes=(LANE,))
STEP = Of(i=1, n=1, elapsed_s=0.5, calls=1, lane=0)
SHARE = Of(lanes=[Of(calls=1)], counts=(1, 2))
MADE = Of(plan=Of(places=[0], request=DRAWN, experiment="windows"), steps={0: STEP}, results={0: STEP}, agreements={})
PLAN = plans.Plan(
    "side", InventionRequest(machines=(Machine(kind="exact"),), seeds=(0,), steps=2), (), (), (0,)
)  # fmt: skip
BILLS = Of(requests=[Of(calls=1)], bills=[])

SENTENCES = {
    "samplers, under way": lambda: samplers.progress(DRAWN, [STEP]),
    "samplers, at the end": lambda: samplers.summary(Of(results={0: STEP})),
    "samplers, what all have": lambda: lane_view.common(DRAWN),
    "samplers, a lane": lambda: lane_view.describe(LANE),
    "groups, under way": lambda: groups.progress(SHARE, {0: STEP}),
    "groups, at the end": lambda: groups.summary(SHARE, {0: STEP}),
    "controlnet, under way": lambda: controlnet.progress(MADE),
    "controlnet, at the end": lambda: charts.summary(MADE),
    "ledger, under way": lambda: ledger.progress([Of(terms=[0])], BILLS),
    "ledger, at the end": lambda: ledger.summary(BILLS, [], 1.0),
    "memory, under way": lambda: memory.progress(PLAN, {0: STEP}),
    "memory, at the end": lambda: memory.summary(Of(steps={0: [STEP]})),
    "the pipeline": lambda: pipeline.html("samplers", pipeline.of_model(MODELS["exact"], DRAWN)),
    "the pipeline of machines": lambda: pipeline.html("memory", pipeline.of_machines(PLAN.request)),
}


def test_one_has_no_plural():
    assert [quantity(count, "step") for count in (0, 1, 2)] == ["0 steps", "1 step", "2 steps"]
    assert quantity(1000, "denoiser call", ",") == "1,000 denoiser calls" and plural("call", 1) == "call"


@pytest.mark.parametrize("name", SENTENCES)
def test_what_is_said_of_a_run_of_one(name):
    text = re.sub("<[^>]*>", " ", SENTENCES[name]())
    assert re.search(r"\b1\b", text) and not ONE_OF_SEVERAL.search(text), text
