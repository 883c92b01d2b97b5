"""The pipeline of the room."""

from lab.catalog import HELPERS
from lab.quantities import quantity
from lab.requests.unclip import UnclipRequest
from lab.ui.shell import pipeline, pipeline_figures
from lab.ui.shell.pipeline import AFTER, BEFORE, LATENT, NETWORK, UNCLIP, Flow, Part


def of(request: UnclipRequest) -> Flow:
    """The parts from words to pictures."""
    prompt = request.embeddings[0].prompt
    seeds = len(request.drawn)
    candidates, steps = request.embeddings[-1].candidates, request.lanes[0].steps
    short = f"{prompt[: pipeline.LONGEST - 1].rstrip()}…" if len(prompt) > pipeline.LONGEST else prompt
    best = f" Of {candidates} the one nearest to the words’ own embedding stays." if candidates > 1 else ""
    pictures = len(request.lanes)
    return Flow(
        HELPERS[request.unclip].title,
        (
            Part("words", f"“{short}”", "What is to be drawn.", (), BEFORE, pipeline_figures.quote("abc")),
            Part("CLIP’s text", "one vector", "CLIP puts texts and pictures into one space: what goes together points one way.", (UNCLIP,), BEFORE,
                 pipeline_figures.trapezoid(False), "CLIP"),
            Part("prior", f"× {request.prior_steps} calls", f"A diffusion of embeddings: it draws one that a picture of these words could have.{best}",
                 (UNCLIP,), BEFORE, pipeline_figures.posterior(), key=True),
            Part("decoder", f"× {steps} calls", "A latent diffusion that is told an embedding: it draws a picture that has it.", (UNCLIP, LATENT), NETWORK,
                 pipeline_figures.mixture(), key=True),
            Part("judge", "rank and fit", "Another CLIP, which shares nothing with what draws, ranks the prompt among the lab’s captions for each picture.",
                 (), AFTER, pipeline_figures.stack()),
        ),
        f"{quantity(seeds, 'embedding')} of the prior; {quantity(pictures, 'picture')}, {quantity(pictures * steps, 'call', ',')}.",
    )  # fmt: skip
