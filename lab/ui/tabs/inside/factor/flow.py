"""The pipeline of factors."""

from lab.requests.factor import SIDE, FactorRequest
from lab.ui.shell import pipeline_figures
from lab.ui.shell.pipeline import AFTER, BEFORE, LATENT, NETWORK, VAE, Flow, Part


def of(request: FactorRequest) -> Flow:
    """The parts that a picture goes through at every factor."""
    sides = "64, 32, 16, 8"
    return Flow(
        "Factors of latents",
        (
            Part("picture", f"3 × {SIDE} × {SIDE}", "What is to be kept.", (), BEFORE, pipeline_figures.square(SIDE)),
            Part("encoder", "f2, f4, f8", "It halves the sides once, twice or three times, and gives 4 channels.", (VAE, LATENT), BEFORE,
                 pipeline_figures.trapezoid(False)),
            Part("UNet", f"sides {sides}", f"The same network, asked {request.repeats} times on latents of each side, and on pixels.", (LATENT,), NETWORK,
                 pipeline_figures.u_net(()), key=True),
            Part("decoder", "f2, f4, f8", "It makes a picture of the latents again; what is lost is lost before any diffusion.", (VAE, LATENT), AFTER,
                 pipeline_figures.trapezoid(True)),
        ),
        f"{request.repeats} timed steps at each side; {request.held_out} held-out pictures go there and back.",
    )  # fmt: skip
