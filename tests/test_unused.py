"""What a run passes over is said, and what is said to be passed over changes no pixel."""

import numpy as np
import pytest

from lab.catalog import SAMPLERS, SPACINGS
from lab.operations.sampling import sampling
from lab.requests.base import Note
from lab.requests.edit import EditLane, EditRequest
from lab.requests.fields import Condition, Forward
from lab.requests.sampling import ControlMap, ControlWindow, LaneResult, LaneSettings, SamplingRequest
from lab.unused import ALIKE, NO_GROUP, NO_HOLD, NO_NEGATIVE, UNGUIDED, holds_a_call, unused, unused_of_edit
from tests.operations.toys import Toy, make_house

APPLE = Condition(prompt="apple")


def drawn(lane, **more):
    """(pictures, notes) of a run of one lane."""
    house, _ = make_house(exact=Toy(), student=Toy())
    request = SamplingRequest(lanes=(LaneSettings(**{"steps": 4, "seed": 3, **lane}),), **{"condition": APPLE, **more})
    events = list(sampling(request, house))
    notes = [event.text for event in events if isinstance(event, Note)]
    return np.stack([event.picture for event in events if isinstance(event, LaneResult)]), notes


def home(sampler):
    """A model that the sampler is offered for, with its forward process."""
    consistent = {"model": "student", "forward": Forward(schedule="scaled_linear")}
    return consistent if SAMPLERS[sampler].consistency else {}


RUNNING = [name for name, row in SAMPLERS.items() if not row.learned_variance]


@pytest.mark.parametrize("sampler", RUNNING)
def test_eta_is_said_to_be_unused_exactly_where_it_changes_nothing(sampler):
    without, silent = drawn({"sampler": sampler}, **home(sampler))
    with_eta, notes = drawn({"sampler": sampler, "eta": 0.7}, **home(sampler))
    assert silent == []
    assert (notes == [f"Eta is DDIM's alone; not used by {SAMPLERS[sampler].title}."]) == (with_eta == without).all()


@pytest.mark.parametrize("sampler", RUNNING)
@pytest.mark.parametrize("steps", [1, 7])
def test_a_spacing_is_said_to_be_unused_exactly_where_it_changes_nothing(sampler, steps):
    lane = {"sampler": sampler, "steps": steps}
    trailing, silent = drawn(lane, **home(sampler))
    assert silent == []
    for spacing in set(SPACINGS) - {"trailing"}:
        other, notes = drawn(lane | {"spacing": spacing}, **home(sampler))
        assert bool(notes) == (other == trailing).all(), (spacing, notes)


@pytest.mark.parametrize(
    ("lane", "more", "change", "words"),
    [
        ({"guidance_scale": 1}, {}, {"negative": "blue"}, "At guidance scale 1 the prompt alone is followed"),
        ({"guidance_scale": 1}, {"condition": Condition()}, {"guidance_scale": 5}, "nothing to hold on to"),
        ({"guidance_scale": 1}, {"negative": "apple"}, {"guidance_scale": 5}, "is told the same"),
        ({}, {"condition": APPLE}, {"condition": Condition(prompt="apple", group="food-drink")}, "reads no group"),
    ],
)
def test_a_setting_that_changes_nothing_is_said(lane, more, change, words):
    model = {"model": "student", "forward": Forward(schedule="scaled_linear")}
    before, silent = drawn(lane, **model, **more)
    lane = lane | {name: value for name, value in change.items() if name == "guidance_scale"}
    more = more | {name: value for name, value in change.items() if name != "guidance_scale"}
    after, (note,) = drawn(lane, **model, **more)
    assert (after == before).all() and words in note and not any(words in one for one in silent)


def test_what_changes_the_picture_is_not_said_to_be_unused():
    for lane, more in (({"guidance_scale": 3}, {}), ({"guidance_scale": 3}, {"negative": "blue"}), ({"eta": 0.5}, {})):
        assert drawn(lane, **more)[1] == []


@pytest.mark.parametrize("n", [1, 2, 3, 4, 8, 10, 25, 50])
def test_a_window_without_a_call_is_one_in_which_diffusers_keeps_no_control(n):
    """StableDiffusionControlNetPipeline: keep = 1 - float(i / n < start or (i + 1) / n > end)."""
    for start in np.linspace(0, 0.95, 20):
        for end in np.linspace(start + 0.05, 1, 20):
            keep = [1.0 - float(i / n < start or (i + 1) / n > end) for i in range(n)]
            assert holds_a_call(ControlWindow(start=start, end=end), n) == (sum(keep) > 0)


def test_a_control_whose_window_has_no_call_is_said():
    control = ControlMap(name="edges", map=np.full((64, 64, 3), 255, np.uint8))

    def told(*windows, calls=4):
        lanes = tuple(LaneSettings(steps=calls, windows=(window,)) for window in windows)
        request = SamplingRequest(model="student", condition=APPLE, controls=(control,), lanes=lanes)
        return unused(request, [calls] * len(lanes), distilled=True)

    (words,) = told(
        ControlWindow(end=0.2), ControlWindow(start=0.4, end=0.6), ControlWindow(end=0.5), ControlWindow(end=0.2)
    )
    assert (
        words == "No call lies within the window 0 to 0.2 of 4, 0.4 to 0.6 of 4 calls: there the control adds nothing."
    )
    assert told(ControlWindow(end=0.25), ControlWindow(), ControlWindow(strength=0, end=0.1)) == []


def test_a_distilled_model_says_that_it_has_no_unconditional_half():
    lane = LaneSettings(guidance_scale=3)
    request = SamplingRequest(model="student", condition=APPLE, negative="blue", lanes=(lane,))
    (words,) = unused(request, [4], distilled=True)
    assert "'Few-step student' was distilled" in words and words.endswith("the negative prompt is not used.")
    both = request.model_copy(update={"lanes": (lane.model_copy(update={"rule": "apg"}),)})
    assert unused(both, [4], distilled=True)[0].endswith("the negative prompt and the guidance rule are not used.")
    assert unused(request.model_copy(update={"negative": " "}), [4], distilled=True) == []


def edit(*lanes, **values):
    given = {
        "model": "text-to-image",
        "picture": np.zeros((8, 8, 3), np.uint8),
        "mask": np.ones((8, 8), bool),
        **values,
    }
    return unused_of_edit(EditRequest(lanes=lanes, **given))


def test_what_an_edit_passes_over_is_said():
    apple, blend = Condition(prompt="red apple"), EditLane(method="blend", guidance_scale=3)
    assert edit(blend, condition=apple) == []
    assert edit(blend, condition=Condition(group="symbols"), model="text-to-image") == [
        "'Miniature latent diffusion' reads no group: it is not used.",
        ALIKE,
    ]
    assert edit(blend) == [NO_HOLD] and edit(blend, model="pixel") == [NO_GROUP]
    assert edit(blend, negative="blue sky") == []
    assert edit(EditLane(method="truth", guidance_scale=3), model="exact") == [UNGUIDED]
    assert edit(EditLane(method="truth"), model="exact", negative="blue") == [UNGUIDED]
    assert edit(EditLane(method="truth"), model="exact") == []
    assert edit(EditLane(method="sdedit"), condition=apple, negative="blue") == [NO_NEGATIVE]
    assert edit(EditLane(method="repaint", sampler="ddpm"), EditLane(method="inverted")) == []
    assert edit(
        EditLane(method="repaint", sampler="euler"), EditLane(method="inverted", sampler="heun", spacing="leading")
    ) == [
        "RePaint takes the steps of DDPM, whatever the sampler.",
        "DDIM inversion takes the steps of DDIM, whatever the sampler.",
        "The spacing is not used by DDIM inversion, whose steps are always trailing.",
    ]
    # The source's words are read where there are two descriptions, and nowhere else.
    source = {"source": Condition(prompt="red apple"), "model": "pixel"}
    assert edit(EditLane(method="composed"), **source) == [
        "'Miniature pixel diffusion' reads no prompt: it is not used."
    ]
    assert edit(EditLane(method="blend"), **source) == []
