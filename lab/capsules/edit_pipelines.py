"""Edits that a pipeline of diffusers draws as the lab does: image to image, and both ways of filling a hole."""

from lab.capsules import edit_pictures, latent_script, scheduler_script
from lab.capsules.edit_head import constants, head
from lab.capsules.edit_models import Drawer, network_of
from lab.catalog import EDITS, Model
from lab.requests.edit import EditLane, EditRequest

PIPELINES = {
    "sdedit": "StableDiffusionImg2ImgPipeline",
    "blend": "StableDiffusionInpaintPipeline",
    "nine": "StableDiffusionInpaintPipeline",
}


def suits(model: Model, request: EditRequest, lane: EditLane) -> bool:
    """Whether a pipeline draws the lane's picture: it takes its noise in turn, and a scale above 1 or none."""
    latent = model.family == "stable_diffusion" and not model.consistency and lane.method in PIPELINES
    steps = lane.taken > 0 and scheduler_script.by_itself(lane, request.forward.T) and not scheduler_script.draws(lane)
    return latent and steps and lane.guidance_scale >= 1


def parts(model: Model, request: EditRequest, lane: EditLane, drawn: Drawer) -> list[str]:
    """The script, in parts, empty ones among them."""
    _, levels, scheduler, *_ = scheduler_script.parts(lane, request.forward.T, drawn.table, drawn.predicts)
    mask = request.mask if EDITS[lane.method].mask else None
    drawn = drawn._replace(classes=(PIPELINES[lane.method],))
    body = [
        constants(model, lane, drawn),
        edit_pictures.embedded(request.picture, mask),
        latent_script.loading(network_of(model, lane.method), PIPELINES[lane.method]),
        levels,
        f"{scheduler}pipe.scheduler = scheduler",
        edit_pictures.reading(model, request.picture, mask),
        "# Where a pipeline draws a sample, the lab takes the latents' mean.\n" + drawn.x_0,
        _CALL.format(
            more=_MORE[lane.method], negative="\n    negative_prompt=NEGATIVE," if lane.guidance_scale > 1 else ""
        ),
    ]
    return [head(model, lane, drawn, "\n".join(body)), *body]


_MORE = {
    "sdedit": "",
    "blend": "\n    mask_image=hole,\n    masked_image_latents=x_0,",
    "nine": "\n    mask_image=hole,\n    masked_image_latents=around,",
}
_CALL = """
generator = torch.Generator().manual_seed(SEED)  # the first thing that it draws is x_T
picture = pipe(
    PROMPT,
    image=x_0,{more}
    strength=STRENGTH,{negative}
    num_inference_steps=STEPS,
    guidance_scale=SCALE,
    generator=generator,
).images[0]
picture.save(PICTURE)
"""
