"""Makes what the first tab shows: a recording of the exact denoiser and a strip of pictures for each tool.

    python -m lab.training.showcase

All of it is drawn by the lab's own backend from requests that the tabs could make; tests/ui/tabs/test_start.py draws the
recording again.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from lab.annotators.canny import canny
from lab.backends.local import LocalBackend
from lab.capsules import recordings
from lab.requests.fields import Condition, Forward
from lab.requests.invention import Invention, InventionRequest, Machine
from lab.requests.noising import NoisingFrame, NoisingRequest
from lab.requests.sampling import ControlMap, ControlWindow, LaneSettings, Recording, SamplingRequest
from lab.settings import ASSETS, Settings

FOLDER = ASSETS / "recordings"
QUALITY = 75  # of the noisy pictures
EIGHT_SEEDS = SamplingRequest(
    condition=Condition(group="animals-nature"),
    lanes=tuple(LaneSettings(steps=25, seed=seed) for seed in range(8, 16)),
)
LATENT = Forward(schedule="scaled_linear")


def record(backend: LocalBackend, request: SamplingRequest) -> Recording:
    """A run with all its steps."""
    collector = recordings.Collector(request)
    for event in backend.run(request):
        collector.add(event)
    return collector.recording()


def noising(backend: LocalBackend) -> list[np.ndarray]:
    """A fox at four levels."""
    picture = small(ASSETS / "images" / "fox-3d.png")
    requests = [NoisingRequest(picture=picture, t=t, chain=False) for t in (0, 120, 260, 600)]
    return [frame.x_t for one in requests for frame in backend.run(one) if isinstance(frame, NoisingFrame)]


def samplers(backend: LocalBackend) -> list[np.ndarray]:
    """The guesses of DDIM on its way down."""
    request = SamplingRequest(condition=Condition(group="animals-nature"), lanes=(LaneSettings(steps=20, seed=11),))
    steps = record(backend, request).steps[0]
    return [steps[i].x_0 for i in (2, 6, 9, 20)]


def guidance(backend: LocalBackend) -> list[np.ndarray]:
    """A red heart at four scales."""
    lanes = tuple(LaneSettings(seed=2, guidance_scale=scale) for scale in (0, 1, 3, 15))
    request = SamplingRequest(
        model="text-to-image", condition=Condition(prompt="red heart"), forward=LATENT, lanes=lanes
    )
    return [result.picture for _, result in sorted(record(backend, request).results.items())]


def controlnet(backend: LocalBackend) -> list[np.ndarray]:
    """A map, and what it makes of one seed at three strengths."""
    edges = canny(small(ASSETS / "images" / "fox-3d.png"))
    lanes = tuple(
        LaneSettings(
            sampler="dpmpp_2m", steps=10, seed=1, guidance_scale=5, windows=(ControlWindow(strength=strength),)
        )
        for strength in (0, 0.7, 1.4)
    )
    request = SamplingRequest(
        model="text-to-image", condition=Condition(prompt="dog face"), forward=LATENT, lanes=lanes,
        controls=(ControlMap(name="edges", map=edges),),
    )  # fmt: skip
    return [edges, *(result.picture for _, result in sorted(record(backend, request).results.items()))]


def memory(backend: LocalBackend) -> list[np.ndarray]:
    """One noise by the local score machine: patches of a pixel, of 7, of 21, and of the whole picture, which is a copy."""
    machines = tuple(Machine(patch=side) for side in (1, 7, 21, 63))
    events = backend.run(InventionRequest(group="animals-nature", machines=machines, seeds=(3,)))
    ends = {event.lane: event.picture for event in events if isinstance(event, Invention)}
    return [picture for _, picture in sorted(ends.items())]


def small(path: Path) -> np.ndarray:
    """An example at 64 px."""
    return np.asarray(Image.open(path).convert("RGB").resize((64, 64), Image.Resampling.BOX))


def save_strip(pictures: Sequence[np.ndarray], path: Path) -> None:
    Image.fromarray(np.concatenate(pictures, axis=1)).save(path, "WEBP", quality=85, method=6)


def main() -> None:
    """Make everything anew."""
    FOLDER.mkdir(exist_ok=True)
    backend = LocalBackend(Settings())
    file = FOLDER / f"eight-seeds{recordings.SUFFIX}"
    file.write_bytes(recordings.to_bytes(record(backend, EIGHT_SEEDS), "compare", quality=QUALITY))
    for make in (noising, samplers, guidance, controlnet, memory):
        save_strip(make(backend), FOLDER / f"{make.__name__}.webp")
    for path in sorted(FOLDER.iterdir()):
        print(path.name, path.stat().st_size)


if __name__ == "__main__":
    main()
