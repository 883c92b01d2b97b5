"""The pipeline of the dial."""

from lab.requests.betas import LATENTS, SIDE, BetaRequest
from lab.requests.bound import BETAS
from lab.ui.shell import pipeline_figures
from lab.ui.shell.pipeline import AFTER, BEFORE, NETWORK, VAE, Flow, Part

BETA = "beta-VAE: Learning Basic Visual Concepts with a Constrained Variational Framework"
UNDERSTANDING = "Understanding disentangling in beta-VAE"


def of(request: BetaRequest) -> Flow:
    """The parts that a picture goes through in each network."""
    latents, ends = LATENTS[request.pictures], f"{min(BETAS):g} to {max(BETAS):g}"
    square = pipeline_figures.square(SIDE)
    return Flow(
        f"Variational autoencoders of {request.pictures}",
        (
            Part("picture x", f"3 × {SIDE} × {SIDE}", "The same pictures for every network.", (), BEFORE, square),
            Part("encoder", f"× {len(BETAS)} networks", "It says where codes of this picture lie: a mean and a deviation for each latent.", (VAE,),
                 BEFORE, pipeline_figures.trapezoid(False)),
            Part("code z", f"{latents} latents", "What a latent says beyond the prior is its KL divergence, in nats.", (VAE,), NETWORK,
                 pipeline_figures.mixture(), key=True),
            Part("β", ends, "While it was trained each nat of the code cost β: where that is more than a latent brings, it dies.", (BETA, UNDERSTANDING),
                 NETWORK, pipeline_figures.quote("β"), key=True),
            Part("decoder", "p(x | z)", "It draws a picture of a code: of x, of the prior's, of one that is changed by hand.", (VAE,), AFTER,
                 pipeline_figures.trapezoid(True)),
        ),
        f"{len(BETAS)} networks that differ in β alone, {request.shown} pictures and as many samples each.",
    )  # fmt: skip
