"""A lane of an edit as a short Python script that needs nothing of the lab: torch, diffusers, transformers, NumPy and Pillow.

The picture and the mask are in the script itself, so that one file is all there is to run. It is put together as those of
lab/capsules/script.py are, from the parts that its method and its model need; where a pipeline of diffusers draws the same
picture, it is called.
"""

from lab.capsules import (
    edit_pictures,
    edit_pipelines,
    edit_truth,
    edit_walks,
    latent_script,
    rule_script,
    scheduler_script,
)
from lab.capsules.edit_head import constants, head
from lab.capsules.edit_models import FROM_X_0, Drawer, drawer
from lab.capsules.script import FAMILIES, laid_out
from lab.catalog import EDITS, MODELS, Model
from lab.requests.base import LabError
from lab.requests.edit import EditLane, EditRequest, truth
from lab.requests.fields import Condition


def edit_script(request: EditRequest, index: int) -> str:
    """The script that draws lane `index` of `request`. Raises LabError, in words, where there can be none."""
    model, lane = MODELS[request.model], request.lanes[index]
    _check(model, request, lane)
    if lane.method == "truth":
        return _truth(request, lane)
    drawn = drawer(model, _rows(model, request, lane), request.forward, lane.method)
    if edit_pipelines.suits(model, request, lane):
        return laid_out(edit_pipelines.parts(model, request, lane, drawn))
    return laid_out(_parts(model, request, lane, drawn))


def _truth(request: EditRequest, lane: EditLane) -> str:
    """That of the exact posterior: in NumPy alone, where a step is a line."""
    model, condition = edit_truth.of(request)
    if edit_truth.suits(model, request, lane):
        return laid_out(edit_truth.parts(model, condition, request, lane))
    plain = lane.model_copy(update={"guidance_scale": 1.0, "words": "target"})
    drawn = drawer(model, {"conditional": condition}, request.forward, lane.method)
    return laid_out(_parts(model, request, plain, edit_truth.given(drawn, model, request)))


def _check(model: Model, request: EditRequest, lane: EditLane) -> None:
    latent = model.family == "stable_diffusion"
    if lane.method == "truth" and not truth(model):
        raise LabError(f"There is no script: the lab has no exact denoiser of the pictures of '{model.title}'.")
    if model.family not in FAMILIES or (latent and latent_script.pipeline(model) != "StableDiffusionPipeline"):
        raise LabError(
            f"There is no script for '{model.title}'; there is one for Stable Diffusion's architecture, for pixel diffusion "
            "and for the exact denoiser. Choose one of these."
        )
    if lane.method == "nine" and not latent:
        raise LabError(f"There is no script: '{model.title}' has no twin that was taught to fill holes.")
    if lane.rule != "cfg":
        raise LabError("There is a script of an edit under classifier-free guidance alone. Choose that.")
    if lane.method == "inverted" and model.consistency and _up(request).guidance_scale != lane.guidance_scale:
        raise LabError("There is no script: the way up was told another guidance scale. Invert with one scale alone.")


def _up(request: EditRequest) -> EditLane:
    """The lane from whose noise the picture is inverted: the first of those that are."""
    return next(lane for lane in request.lanes if lane.method == "inverted")


def _scale(model: Model, lane: EditLane) -> float:
    """That of two halves: a network that was distilled with its guidance is told its scale, and has none."""
    return 1.0 if model.consistency else lane.guidance_scale


def _rows(model: Model, request: EditRequest, lane: EditLane) -> dict[str, Condition]:
    """What predictions are conditioned on, by name."""
    conditional, unconditional = rule_script.needs("cfg", _scale(model, lane))
    rows = {"source": request.source} if lane.method == "inverted" else dict[str, Condition]()
    if conditional and lane.method == "composed":
        rows |= {"conditional": request.condition, "second": request.source}
    elif conditional and lane.words == "target":
        rows["conditional"] = request.condition
    elif conditional:
        rows["source"] = request.source
    if unconditional:
        rows["unconditional"] = Condition(prompt=request.negative)
    return rows


def _parts(model: Model, request: EditRequest, lane: EditLane, drawn: Drawer) -> list[str]:
    """The script of a lane without a pipeline, in parts, empty ones among them."""
    view = request.view if lane.method == "composed" else ""
    shape = "x_0.shape" if lane.method in FROM_X_0 else drawn.shape
    row = "source" if lane.words == "source" and not view else "conditional"
    guided, prediction = edit_walks.predicted(_scale(model, lane), row, view)
    up = _up(request) if lane.method == "inverted" else lane
    exact, total, synchronised = model.family == "exact", request.forward.T, model.latent and view in edit_walks.TURNS
    level = model.family == "pixel" or synchronised
    if lane.method in edit_walks.GUESSING:
        levels = [scheduler_script.levels(drawn.table, drawn.predicts), rule_script.LEVEL if level else ""]
        guesses = "" if level else rule_script.X_0_OF_EPS if exact else rule_script.X_0_OF_PREDICTION
    else:
        levels = scheduler_script.parts(lane, total, drawn.table, drawn.predicts, level=level)
        guesses = rule_script.X_0_OF_PREDICTION if synchronised else ""
    picture = request.picture if EDITS[lane.method].picture else None
    mask = request.mask if EDITS[lane.method].mask or view == "painted" else None
    body = [
        constants(model, lane, drawn),
        edit_pictures.embedded(picture, mask),
        drawn.loading,
        *levels,
        guesses,
        drawn.predict,
        edit_pictures.reading(model, picture, mask),
        drawn.x_0,
        edit_walks.noise("SEED" if up.seed == lane.seed else str(up.seed), shape, twice=synchronised),
        edit_walks.joined(request, model.latent) if view else "",
        guided,
        scheduler_script.NOISE_OF if edit_walks.draws(lane) else "",
        edit_walks.walk(lane, total, prediction, exact),
        "x = x[:, : x.shape[1] // 2]  # the latent of the picture as it is" if synchronised else "",
        drawn.decoding + scheduler_script.TO_BYTES,
        edit_pictures.PASTING if lane.method == "paste" else "",
        scheduler_script.TO_FILE,
    ]
    return [head(model, lane, drawn, "\n".join(body)), *body]
