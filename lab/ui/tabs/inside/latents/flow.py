"""The pipeline of the room."""

from lab.architecture import architecture
from lab.catalog import MODELS
from lab.quantities import quantity
from lab.requests.latents import LatentRequest
from lab.ui.shell import pipeline, pipeline_figures
from lab.ui.shell.pipeline import AFTER, BEFORE, LATENT, NETWORK, VAE, Flow, Part
from lab.ui.tabs.inside.latents import plans

DOES = {
    plans.CHANNELS: "Channels are turned off, left alone, scaled, shuffled, or taken from the second picture.",
    plans.NOISE: "Noise is added to the latents, and for comparison to the pixels, at equal log-SNR.",
    plans.BETWEEN: "Latents of two pictures are mixed, on a line and on an arc, and for comparison their pixels.",
    plans.DRAWS: "Latents are drawn from the posterior, and from wider ones.",
}


def of(request: LatentRequest) -> Flow:
    """The parts that a picture goes through, there and back."""
    row, built = MODELS[request.model], architecture(MODELS[request.model])
    shape, count = pipeline.times(*built.shape) if built else "", len(request.lanes)
    side = built.side if built else row.size
    return Flow(
        row.title,
        (
            Part("picture", pipeline.times(3, side, side), "What is encoded.", (), BEFORE, pipeline_figures.square(side)),
            Part("encoder", "q(z | x)", "It gives a mean and a deviation for every latent.", (VAE, LATENT), BEFORE, pipeline_figures.trapezoid(False)),
            Part("latents z", shape, DOES[plans.experiment(request)], (LATENT,), NETWORK, pipeline_figures.mixture(), key=True),
            Part("decoder", f"× {count} calls", "It makes pixels of latents, whether an encoder made them or not.", (VAE, LATENT), AFTER,
                 pipeline_figures.trapezoid(True)),
        ),
        f"{quantity(count, 'picture')} from changed latents; no U-Net is asked.",
    )  # fmt: skip
