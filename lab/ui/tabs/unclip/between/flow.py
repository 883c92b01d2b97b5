"""The pipeline of the room."""

from lab.catalog import HELPERS
from lab.quantities import quantity
from lab.requests.unclip import UnclipRequest
from lab.ui.shell import pipeline_figures
from lab.ui.shell.pipeline import AFTER, BEFORE, LATENT, NETWORK, UNCLIP, VAE, Flow, Part
from lab.ui.tabs.unclip.flow import DDIM


def of(request: UnclipRequest) -> Flow:
    """The parts that pictures go through: embedded, mixed, drawn."""
    count, lane = len(request.lanes), request.lanes[0]
    inverted = request.inverted
    noise = (
        Part("x_T", f"{len(inverted)} inverted", "DDIM inversion finds the noise of each picture; it is mixed by the same weights.", (DDIM,), BEFORE, pipeline_figures.noise(None))
        if inverted
        else Part("x_T", "one for all", "The same noise for every place, so that the embedding alone makes the difference.", (), BEFORE, pipeline_figures.noise(None))
    )  # fmt: skip
    return Flow(
        HELPERS[request.unclip].title,
        (
            Part("pictures", str(len(request.pictures)), "What lies between them is asked.", (), BEFORE, pipeline_figures.stack()),
            Part("CLIP", "z of each", "Its image encoder gives each picture an embedding.", (UNCLIP,), BEFORE, pipeline_figures.trapezoid(False)),
            Part("slerp", f"{count} places", "Embeddings are mixed along the arc between them.", (UNCLIP,), BEFORE, pipeline_figures.mixture(), key=True),
            noise,
            Part("decoder", f"× {lane.steps}", "Latent diffusion that is told an embedding in place of words.", (UNCLIP, LATENT), NETWORK, pipeline_figures.stack()),
            Part("VAE’s decoder", "to pixels", "The autoencoder makes a picture of the latents.", (VAE,), AFTER, pipeline_figures.trapezoid(True)),
        ),
        f"{quantity(count, 'picture')}, {quantity(request.load().steps, 'step', ',')} of the decoder in all.",
    )  # fmt: skip
