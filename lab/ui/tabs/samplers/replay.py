"""The last run of a visitor's page, or a recording from a file, as the stage replays it."""

import threading
from collections.abc import Iterator
from datetime import date
from html import escape
from typing import NamedTuple

from lab.catalog import MODELS
from lab.requests.sampling import Recording
from lab.ui.tabs.samplers import view, words

PAINT_EVERY_S = 0.08  # the browser has no backpressure: paint at 12 frames a second and drop the rest
REPLAY_FRAMES = 50  # four seconds
BESIDE = ("x_t", "difference to the first lane", "nearest data picture")


class Replay(NamedTuple):
    """A run and the experiment that shows it."""

    experiment: str
    recording: Recording
    day: date | None = None  # of a recording from a file; None: computed here and now

    @property
    def origin(self) -> str:
        """When and by what a recording was made; "" for a run of now."""
        if self.day is None:
            return ""
        model = MODELS[self.recording.request.model].title
        return f"Recorded on {self.day.day} {self.day:%B %Y}, not computed now. {model}."

    @property
    def words(self) -> str:
        """What there is to see."""
        request = self.recording.request
        return words.under_stage(self.experiment, request.model, request.versus is not None)

    def stage(self, percent: float, second: str = BESIDE[0]) -> str:
        """All lanes at the noise level `percent` of the way from noise to picture, marked where it is a recording."""
        mark = f'<p class="lab-recorded">{escape(self.origin)}</p>' if self.origin else ""
        return mark + view.paint(self.experiment, self.recording, percent, second)

    def frames(self, second: str, stop: threading.Event) -> Iterator[tuple[float, str]]:
        """Percent and stage, from noise to picture in a few seconds or until `stop` is set."""
        for frame in range(REPLAY_FRAMES + 1):
            percent = 100 * frame / REPLAY_FRAMES
            yield percent, self.stage(percent, second)
            if stop.wait(PAINT_EVERY_S):
                return
