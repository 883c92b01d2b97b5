"""What the script of the exact posterior has of its own: each picture of the set, weighed by how well it agrees with the known part."""

from lab.capsules import edit_pictures, exact_script, scheduler_script, short_script
from lab.capsules.edit_models import Drawer
from lab.catalog import EDITS, MODELS, SAMPLERS, Model
from lab.requests.base import LabError
from lab.requests.edit import EditLane, EditRequest, truth
from lab.requests.fields import Condition


def of(request: EditRequest) -> tuple[Model, Condition]:
    """The exact denoiser of a request, and the condition that its pictures meet: none, where the set has no such picture."""
    try:
        exact_script.found(request.condition)
    except LabError:
        return MODELS[truth(MODELS[request.model])], Condition()
    return MODELS[truth(MODELS[request.model])], request.condition


def suits(model: Model, request: EditRequest, lane: EditLane) -> bool:
    """Whether the script is one in NumPy alone, which resizes nothing."""
    spacing = scheduler_script.spacing_of(lane, request.forward.T)
    sizes = {one.shape[:2] for one in (request.picture, request.mask) if one is not None}
    return sizes == {(model.size, model.size)} and short_script.suits(model, lane, request.forward, spacing)


def parts(model: Model, condition: Condition, request: EditRequest, lane: EditLane) -> list[str]:
    """That script, in parts, empty ones among them."""
    eta = short_script.ETAS.get(lane.sampler, lane.eta)
    return [
        _head(model, lane, eta > 0),
        f"SEED, STEPS = {lane.seed}, {lane.steps}\n{_tolerance(request)}",
        edit_pictures.embedded(request.picture, request.mask),
        short_script.picture_set(model, condition),
        short_script.alpha_bars(request.forward),
        _AGREEMENT,
        short_script.DRAWING if eta > 0 else short_script.BOX_MULLER.format(seed="SEED", result="x ="),
        "x *= (1 - levels[0]) ** 0.5  # where Euler begins" if lane.sampler == "euler" else "",
        short_script.loop(eta, prior="agreement"),
        short_script.saving(model.size),
    ]


def given(drawn: Drawer, model: Model, request: EditRequest) -> Drawer:
    """The exact denoiser of a script with torch, given the known part."""
    return drawn._replace(
        constants=[*drawn.constants, _tolerance(request)],
        predict=exact_script.posterior_mean(model.size, "agreement"),
        x_0=_GIVEN,
    )


def _tolerance(request: EditRequest) -> str:
    return f"TOLERANCE = {request.tolerance!r}  # grey levels of 255, of the known part: the deviation of a Gaussian"


def _head(model: Model, lane: EditLane, draws: bool) -> str:
    edit, row = EDITS[lane.method], SAMPLERS[lane.sampler]
    return "\n".join(
        [
            f'"""{edit.title}, by {model.title}: a picture of Diffusion Lab, drawn again by NumPy alone.',
            "",
            "Run it in the lab's folder; it writes picture.png. What a perfect network would predict, were it told the known part,",
            f"is a sum over the lab's pictures ({edit.paper}, https://arxiv.org/abs/{edit.arxiv}). The sampler is {row.title},",
            f"of {row.paper}, https://arxiv.org/abs/{row.arxiv}.",
            '"""',
            "",
            "import base64",
            "import csv",
            *(["import hashlib"] if draws else []),
            "import io",
            "",
            "import numpy as np",
            "from PIL import Image",
        ]
    )


_AGREEMENT = """
original, mask = (np.array(Image.open(io.BytesIO(base64.b64decode(png)))) for png in (ORIGINAL, MASK))
known, original = np.tile(~mask.ravel(), 3), original.transpose(2, 0, 1).ravel() / 127.5 - 1
# log p(known part | x_i), up to a constant
agreement = -((data[:, known] - original[known]) ** 2).sum(1) / (2 * (TOLERANCE / 127.5) ** 2)
"""
_GIVEN = """
known = hole.expand_as(pixels).reshape(-1).numpy() < 0.5
apart = conditional[:, known] - (pixels.reshape(-1).numpy() - mean)[known]
agreement = -(apart**2).sum(1) / (2 * (TOLERANCE / 127.5) ** 2)  # log p(known part | x_i), up to a constant
agreement -= agreement.max()
"""
