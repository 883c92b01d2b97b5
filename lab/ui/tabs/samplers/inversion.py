"""DDIM inversion on the stage: the way up and down while it is computed, and what came of it."""

import numpy as np

from lab.requests.inversion import InversionResult
from lab.requests.sampling import Step
from lab.ui.shell import lane_view

Panel = tuple[np.ndarray, str, str]  # picture, title and sentence


def way(step: Step) -> str:
    """Where a step goes: lane 0 climbs to x_T."""
    return "Up" if step.lane == 0 else "Down"


def step_panels(step: Step, guess: Step, latent: bool) -> list[Panel]:
    """The latest step, and the one whose x_0 is shown beside it."""
    x_t = "x_t, latent" if latent else "x_t"
    return [
        (step.x_t, f"{way(step)}: {x_t}", lane_view.level(step)),
        (guess.x_0, lane_view.guess_words(guess, step), f"call {step.i}/{step.n}"),
    ]


def panels(result: InversionResult, latent: bool) -> list[Panel]:
    """There and back; x_T of a model on latents is one."""
    return [
        (result.original, "picture, x_0", "As the model sees it; it starts with a trace of noise from the seed."),
        (
            result.x_T,
            "its x_T, latent" if latent else "its x_T",
            f"Mean {result.x_T_mean:+.2f}, deviation {result.x_T_deviation:.2f}; noise has 0, 1.",
        ),
        (result.reconstruction, "drawn again", f"DDIM from that x_T. RMS error {lane_view.distance(result.rms)}."),
        (result.error, "where it differs", "Brightest where the two differ most."),
    ]
