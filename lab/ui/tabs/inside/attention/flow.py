"""The pipeline of the words: the model's own, with the attention that is looked at or changed."""

from dataclasses import replace

from lab.catalog import MODELS
from lab.quantities import quantity
from lab.requests.attention import AttentionRequest
from lab.requests.sampling import SamplingRequest
from lab.ui.shell import pipeline, pipeline_figures
from lab.ui.shell.pipeline import NETWORK, Flow, Part

DAAM = "What the DAAM: Interpreting Stable Diffusion Using Cross Attention"
PROMPTS = "Prompt-to-Prompt Image Editing with Cross Attention Control"


def of(request: AttentionRequest) -> Flow:
    """The parts that the pictures go through."""
    whole = pipeline.of_model(
        MODELS[request.model],
        SamplingRequest(
            model=request.model, condition=request.condition, forward=request.forward, lanes=(request.lane,)
        ),
    )
    if request.weights:
        numbers, does = "× weight", "The probabilities of one word's tokens, times its weight, in every call."
    elif request.target:
        numbers = f"kept in {100 * request.kept:.0f} %"
        does = "The source's probabilities in place of the target's, in the first of the calls."
    else:
        numbers, does = (
            "softmax(Q Kᵀ / √d)",
            "How much each place of the picture looks at each word; over the words it sums to one.",
        )
    paper = PROMPTS if request.weights or request.target else DAAM
    words = Part("attention", numbers, does, (paper,), NETWORK, pipeline_figures.matrix(), key=True)
    at = max(k for k, part in enumerate(whole.parts) if part.at == NETWORK) + 1
    load = request.load()
    said = f"{quantity(len(request.drawings()), 'picture')}, {quantity(load.steps, 'call', ',')} of the network."
    return replace(whole, parts=(*whole.parts[:at], words, *whole.parts[at:]), whole=said)
