"""The pipeline of the room."""

from lab.quantities import quantity
from lab.requests.unclip import UnclipRequest
from lab.ui.shell import pipeline_figures
from lab.ui.shell.pipeline import AFTER, BEFORE, GUIDED, LATENT, NETWORK, UNCLIP, Flow, Part
from lab.ui.tabs.unclip.diversity import plans


def of(request: UnclipRequest) -> Flow:
    """The parts from words to pictures of both ways."""
    one, scales = request.lanes[0], plans.scales(request)
    listed = ", ".join(f"{scale:g}" for scale in scales)
    embeddings = quantity(len(request.embeddings), "embedding")
    return Flow(
        "Diversity over guidance",
        (
            Part("words", "", "What is to be drawn.", (), BEFORE, pipeline_figures.quote("abc")),
            Part("prior", embeddings, f"It draws an embedding that a picture of these words could have: of {plans.CANDIDATES} the one nearest to the text’s.", (UNCLIP,), BEFORE, pipeline_figures.posterior()),
            Part("guidance", f"× {listed}", "Each step goes so many times as far towards the words, or towards the embedding, as the model proposes.", (GUIDED,),
                 NETWORK, pipeline_figures.mixture(), key=True),
            Part("two models", f"× {one.steps} calls", "One reads the words, the other is told an embedding. Both begin at the same noise.",
                 (UNCLIP, LATENT), NETWORK, pipeline_figures.noise(None)),
            Part("judge", "1 − cosine", "Another CLIP says how unlike each other the pictures of a row are.", (), AFTER, pipeline_figures.stack()),
        ),
        f"{quantity(len(request.lanes), 'picture')}, {quantity(sum(lane.steps for lane in request.lanes), 'call', ',')}.",
    )  # fmt: skip
