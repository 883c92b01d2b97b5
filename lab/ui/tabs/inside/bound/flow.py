"""The pipeline of the bound."""

from lab.requests.bound import BATCH, MEMBERS, SIDE, BoundRequest
from lab.ui.shell import pipeline_figures
from lab.ui.shell.pipeline import AFTER, BEFORE, NETWORK, VAE, Flow, Part

WEIGHTED = "Importance Weighted Autoencoders"


def of(request: BoundRequest) -> Flow:
    """The parts that a picture goes through on its way to a bound."""
    assert request.family in MEMBERS
    draws = request.most * request.repeats
    return Flow(
        f"Variational autoencoder, {request.pictures}, β = {request.beta:g}",
        (
            Part("picture x", f"3 × {SIDE} × {SIDE}", "What is to be explained.", (), BEFORE, pipeline_figures.square(SIDE)),
            Part("encoder", "q(z | x)", "It says where codes of this picture lie: a mean and a deviation for each latent.", (VAE,), BEFORE,
                 pipeline_figures.trapezoid(False)),
            Part("draws z", f"{draws:,}", "Codes mean + deviation × ε, by the seed.", (VAE,), NETWORK, pipeline_figures.mixture(), key=True),
            Part("decoder", "p(x | z)", f"It draws a picture of each code, {BATCH} at a time; how well that fits is log p(x | z).", (VAE,), NETWORK,
                 pipeline_figures.trapezoid(True)),
            Part("weights", f"K up to {request.most:,}", "Draws weighed together by p(x, z) / q(z | x): the more, the closer to log p(x).",
                 (WEIGHTED,), AFTER, pipeline_figures.posterior()),
        ),
        f"{draws:,} codes are drawn and weighed.",
    )  # fmt: skip
