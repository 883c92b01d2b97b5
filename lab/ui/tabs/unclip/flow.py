"""The pipeline of rooms that draw from one picture's embedding."""

from lab.catalog import HELPERS, JUDGE
from lab.quantities import quantity
from lab.requests.unclip import UnclipRequest
from lab.ui.shell import pipeline_figures
from lab.ui.shell.pipeline import AFTER, BEFORE, LATENT, NETWORK, UNCLIP, VAE, Flow, Part

DDIM = "Denoising Diffusion Implicit Models"


def from_picture(request: UnclipRequest, key: Part) -> Flow:
    """The parts that a picture goes through; `key` is what the room does to its embedding, or begins from."""
    lanes, calls = request.lanes, sum(lane.steps for lane in request.lanes)
    return Flow(
        HELPERS[request.unclip].title,
        (
            Part("picture", "one", "What is to be drawn anew.", (), BEFORE, pipeline_figures.square(64)),
            Part("image encoder", "of a CLIP", "It makes one vector of the picture: its embedding z.", (UNCLIP,), BEFORE, pipeline_figures.trapezoid(False), "encoder"),
            key,
            Part("decoder", f"× {lanes[0].steps} calls", "Latent diffusion that is told an embedding in place of words.", (UNCLIP, LATENT), NETWORK,
                 pipeline_figures.mixture()),
            Part("VAE’s decoder", f"× {len(lanes)}", "It makes pixels of the last latents.", (VAE,), AFTER, pipeline_figures.trapezoid(True), "to pixels"),
            Part("judge", "another CLIP", "It says which picture of the lab it takes each for, and how near it is to the first.", (), AFTER, pipeline_figures.stack()),
        ),
        f"{quantity(len(lanes), 'picture')}, {quantity(calls, 'step', ',')}; looked at by the {HELPERS[JUDGE].title}.",
    )  # fmt: skip


def inversion(request: UnclipRequest) -> Part:
    """Where lanes begin at what DDIM inversion finds, and at drawn noise."""
    does = "x_T is drawn by the seed, or found by DDIM inversion: the noise that leads back to the picture."
    return Part(
        "x_T", f"{request.inversion_steps} steps back", does, (DDIM,), BEFORE, pipeline_figures.noise(None), key=True
    )
