"""One frame of the forward-noising tab: all that the server does between a drag of t and the answer.

x_t, the chain, figures, pictures encoded and the chart built, at 64, 256 and 512 px, for t dragged to and fro.
"""

import os
import statistics
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from lab.backends.local import LocalBackend
from lab.requests.fields import Forward
from lab.requests.noising import NoisingRequest
from lab.settings import Settings
from lab.ui.shell import media, widgets
from lab.ui.tabs.noising import charts as noising_charts
from tests.benchmarks._report import value

FRAMES = 60


def frame_ms(backend: LocalBackend, picture: np.ndarray, t: int) -> float:
    """Milliseconds from a request to everything that is sent to the page."""
    began = time.perf_counter()
    (frame,) = backend.run(NoisingRequest(picture=picture, forward=Forward(), t=t, chain=True))
    widgets.picture(frame.x_t, "x_t")
    widgets.picture(frame.chain, "chain")
    noising_charts.frequencies([noising_charts.Process("Linear", "#4269d0", frame)])
    return (time.perf_counter() - began) * 1000


def main() -> None:
    settings = Settings()
    backend = LocalBackend(settings)
    photo = media.open_picture(media.examples()[0].path, settings)
    for side in (64, 256, 512):
        picture = media.resize(photo, side)
        value(
            f"forward noising, first frame at t = 1000, {side} px, ms",
            frame_ms(backend, picture, 1000),
            aim="at most 1500",
        )
        times = sorted(frame_ms(backend, picture, int(t)) for t in np.random.default_rng(0).integers(0, 1001, FRAMES))
        value(f"forward noising frame, {side} px, median ms", statistics.median(times), aim="at most 50")
        value(f"forward noising frame, {side} px, 95th percentile ms", times[int(0.95 * FRAMES)], aim="at most 50")


if __name__ == "__main__":
    main()
