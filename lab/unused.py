"""Settings that a run was given and that do not change its pictures: each is said, in a sentence for the run's note."""

from collections.abc import Iterator, Sequence

from lab.catalog import EDITS, GUIDANCE, MODELS, SAMPLERS, Model
from lab.requests.edit import EditRequest
from lab.requests.fields import Condition
from lab.requests.sampling import ControlWindow, LaneSettings, SamplingRequest

NO_HOLD = "The prompt is empty, so guidance has nothing to hold on to: both halves are the same at every scale."
NO_GROUP = "No group is chosen, so guidance has nothing to hold on to: both halves are the same at every scale."
ALIKE = "With the prompt and without it the model is told the same, so guidance has nothing to hold on to."
NO_NEGATIVE = "At guidance scale 1 the prompt alone is followed: the negative prompt is not used."
UNGUIDED = (
    "The exact posterior is drawn as it is: guidance and negative prompt would lead away from it, and are not used."
)
OWN_STEPS = {
    "repaint": ("ddpm", "ddim"),
    "inverted": ("ddim",),
}  # methods that choose themselves; what is next to it is not told
BOTH_WORDS = {"composed", "inverted"}  # methods that read the source's words too
RESTRICTIONS = ("prompt", "group", "style")  # fields of Condition


def unused(
    request: SamplingRequest, calls: Sequence[int], *, distilled: bool = False, alike: bool = False
) -> list[str]:
    """A sentence for each setting of a request that its model and its samplers pass over.

    `calls` are the denoiser calls of each lane. `distilled`: the model has no unconditional half (Luo et al. 2023, LCM).
    `alike`: both halves are told the same.
    """
    return [
        *_of_the_model(request, distilled, alike), *_of_samplers(request.lanes), *_of_controls(request, calls)
    ]  # fmt: skip


def unused_of_edit(request: EditRequest) -> list[str]:
    """A sentence for each setting of an edit that its model and its methods pass over."""
    model = MODELS[request.model]
    conditions = [request.condition, *([request.source] if request.methods() & BOTH_WORDS else [])]
    names = dict.fromkeys(name for one in conditions for name in _restrictions(one) if name not in model.conditions)
    notes = [f"'{model.title}' reads no {name}: it is not used." for name in names]
    for method, (sampler, *alike) in OWN_STEPS.items():
        if any(lane.method == method and lane.sampler not in (sampler, *alike) for lane in request.lanes):
            notes.append(f"{EDITS[method].title} takes the steps of {SAMPLERS[sampler].title}, whatever the sampler.")
    if any(lane.method == "inverted" and lane.spacing != "trailing" for lane in request.lanes):
        notes.append(f"The spacing is not used by {EDITS['inverted'].title}, whose steps are always trailing.")
    others = [lane for lane in request.lanes if lane.method != "truth"]
    guided = [lane for lane in others if lane.guidance_scale != 1]
    if not others and (request.negative.strip() or any(lane.guidance_scale != 1 for lane in request.lanes)):
        notes.append(UNGUIDED)
    if request.negative.strip() and others and not guided:
        notes.append(NO_NEGATIVE)
    given = {name for one in conditions for name in _restrictions(one)}
    if guided and not request.negative.strip() and not given & set(model.conditions):
        notes.append(ALIKE if given else _no_hold(model))
    return notes


def _no_hold(model: Model) -> str:
    """What is missing: words, or a group for a model that reads no words."""
    return NO_GROUP if "group" in model.conditions and "prompt" not in model.conditions else NO_HOLD


def _restrictions(condition: Condition) -> list[str]:
    """The fields of a condition that restrict anything."""
    return [name for name in RESTRICTIONS if str(getattr(condition, name)).strip()]


def _of_the_model(request: SamplingRequest, distilled: bool, alike: bool) -> Iterator[str]:
    model = MODELS[request.model]
    guides = {GUIDANCE[lane.rule].guide for lane in request.lanes}
    for name in _restrictions(request.condition):
        if name not in model.conditions and not (name == "prompt" and "clip" in guides):
            yield f"'{model.title}' reads no {name}: it is not used."
    rules = {lane.rule for lane in request.lanes}
    if distilled:
        names = ["the negative prompt"] * bool(request.negative.strip()) + ["the guidance rule"] * (rules != {"cfg"})
        if names:
            verb = "are" if len(names) > 1 else "is"
            yield f"'{model.title}' was distilled with its guidance and has no unconditional half: {' and '.join(names)} {verb} not used."
        return
    halved = [
        lane for lane in request.lanes if GUIDANCE[lane.rule].guide in ("", "classifier")
    ]  # that go by both halves
    scales = {lane.guidance_scale for lane in halved}
    if request.negative.strip() and scales == {1.0}:
        yield NO_NEGATIVE
    guess = any(lane.guess and lane.windows for lane in request.lanes)  # one half alone is under control
    if alike and halved and scales != {1.0} and not guess:
        yield ALIKE if _restrictions(request.condition) or request.negative.strip() else _no_hold(model)


def _of_samplers(lanes: Sequence[LaneSettings]) -> Iterator[str]:
    if without := _titles(lane for lane in lanes if lane.eta > 0 and not SAMPLERS[lane.sampler].eta):
        yield f"Eta is DDIM's alone; not used by {without}."
    if titles := _titles(lane for lane in lanes if lane.spacing not in SAMPLERS[lane.sampler].spacings):
        yield f"The spacing is not used by {titles}, whose steps are always trailing."
    if any(lane.steps == 1 and lane.spacing != "trailing" for lane in lanes):
        yield "A single step is taken from the last timestep, whatever the spacing."


def _titles(lanes: Iterator[LaneSettings]) -> str:
    return ", ".join(dict.fromkeys(SAMPLERS[lane.sampler].title for lane in lanes))


def _of_controls(request: SamplingRequest, calls: Sequence[int]) -> Iterator[str]:
    empty = {
        f"{window.start:g} to {window.end:g} of {n}": None
        for lane, n in zip(request.lanes, calls, strict=True) for window in lane.windows
        if window.strength > 0 and not holds_a_call(window, n)
    }  # fmt: skip
    if empty:
        windows = ", ".join(list(empty)[:4]) + (" and more" if len(empty) > 4 else "")
        yield f"No call lies within the window {windows} calls: there the control adds nothing."


def holds_a_call(window: ControlWindow, n: int) -> bool:
    """Whether any of n calls lies within a control's window, as diffusers' `controlnet_keep` has it."""
    return any(i / n >= window.start and (i + 1) / n <= window.end for i in range(n))
