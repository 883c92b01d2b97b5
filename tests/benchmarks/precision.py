"""What bfloat16 changes of pictures: a hundred guided ones of the shipped text-to-image model, and of its student, against float32.

In grey levels of 255: the mean over all pixels of all pictures, and the worst pixel. The lab takes bfloat16 by itself where the
mean is at most 1 and the worst pixel at most 6.
"""

import numpy as np

from lab.backends.local import LocalBackend
from lab.catalog import MODELS
from lab.requests.fields import Condition, Forward
from lab.requests.sampling import LaneResult, LaneSettings, SamplingRequest
from lab.settings import Settings
from tests.benchmarks._report import value

PROMPTS = (
    "red heart",
    "a dog",
    "fire engine",
    "a person with a red shirt",
    "apple",
    "tiger face",
    "umbrella",
    "castle",
    "fox",
    "rocket",
)
PICTURES = 100


def pictures(backend: LocalBackend, model: str, steps: int, sampler: str) -> np.ndarray:
    """(PICTURES, height, width, 3) uint8: each prompt from as many seeds."""
    made: list[np.ndarray] = []
    for k, prompt in enumerate(PROMPTS):
        lanes = tuple(
            LaneSettings(sampler=sampler, steps=steps, seed=100 * k + seed, guidance_scale=5.0)
            for seed in range(PICTURES // len(PROMPTS))
        )
        request = SamplingRequest(
            model=model,
            condition=Condition(prompt=prompt),
            forward=Forward(schedule=MODELS[model].schedules[0]),
            lanes=lanes,
        )
        made += [event.picture for event in backend.run(request) if isinstance(event, LaneResult)]
    return np.stack(made)


def main() -> None:
    backends = [LocalBackend(Settings(device="cpu", dtype=dtype)) for dtype in ("float32", "bfloat16")]
    for backend in backends:
        backend.warm("text-to-image", "student").join()
        assert backend.workshop, "nothing is compiled here: LAB_CPU_ENGINE is not openvino"
        backend.workshop.finish()
    for model, steps, sampler in (("text-to-image", 25, "ddim"), ("student", 4, "lcm")):
        exact, fast = (pictures(backend, model, steps, sampler).astype(int) for backend in backends)
        difference = np.abs(exact - fast)
        words = f"bfloat16 against float32, {len(exact)} pictures of {model} in {steps} steps, grey levels"
        value(f"mean; {words}", float(difference.mean()), aim="at most 1")
        value(f"worst pixel; {words}", int(difference.max()), aim="at most 6")
        value(f"median of the pictures' means; {words}", float(np.median(difference.mean((1, 2, 3)))))
        value(
            f"share of pictures whose worst pixel is off by more than 6; {words}",
            float((difference.max((1, 2, 3)) > 6).mean()),
        )


if __name__ == "__main__":
    main()
