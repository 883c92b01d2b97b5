"""What a request asks for, counted before anything is computed."""

from dataclasses import dataclass

from lab.capsule import AnatomyRequest, InversionRequest, Request, SamplingRequest


@dataclass(frozen=True)
class Load:
    """Lanes of a request, and the steps that they take in all."""

    lanes: int = 0
    steps: int = 0


NOTHING = Load()


def load_of(request: Request) -> Load:
    """The load of a request; one look (a noised picture, an annotation) is none."""
    if isinstance(request, SamplingRequest):
        models = 1 if request.versus is None else 2
        reference = bool(request.reference_steps)
        steps = sum(lane.steps for lane in request.lanes) * models + request.reference_steps
        return Load(len(request.lanes) * models + reference, steps)
    if isinstance(request, InversionRequest):
        return Load(1, 2 * request.steps)  # up, then down again
    if isinstance(request, AnatomyRequest):
        return Load(1, request.lane.steps)
    return NOTHING
