"""The last run of a visitor's page, or a recording from a file, as the stage replays it."""

from collections.abc import Mapping
from datetime import date
from functools import partial
from html import escape
from typing import NamedTuple

from lab.catalog import MODELS
from lab.requests.nearest import Nearest, NearestRequest
from lab.requests.sampling import Recording
from lab.ui.shell import nearest, reel
from lab.ui.tabs.samplers import view, words

PAINT_EVERY_S = 0.08  # the browser has no backpressure: paint at 12 frames a second and drop the rest
NEAREST = "nearest data picture"
BESIDE = ("x_t", "difference to the first lane", NEAREST)


class Replay(NamedTuple):
    """A run and the experiment that shows it."""

    experiment: str
    recording: Recording
    day: date | None = None  # of a recording from a file; None: computed here and now
    nearest: Mapping[int, Nearest] = {}  # training pictures of a learned model's lanes, once they were asked for

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

    def stage(self, second: str = BESIDE[0]) -> str:
        """The last step of all lanes, marked where it is of a recording."""
        return self._mark + view.paint(self.experiment, self.recording, second=second, nearest=self.nearest)

    def film(self, second: str = BESIDE[0], *, plays: bool) -> str:
        """As `stage`, with all steps before it for the page to scrub; with `plays` it begins by itself."""
        frames = reel.film(reel.changes(self.recording), partial(self._parts, second))
        return frames.wrap(self.stage(second), plays)

    @property
    def _mark(self) -> str:
        return f'<p class="lab-recorded">{escape(self.origin)}</p>' if self.origin else ""

    def _parts(self, second: str, position: int) -> reel.Parts:
        return view.parts(self.experiment, self.recording, position, second, self.nearest)

    @property
    def compared(self) -> tuple[int, ...]:
        """The finished lanes of a learned model: their nearest training pictures are another request's work."""
        results = self.recording.results
        own = range(len(self.recording.request.lanes))  # with `versus` the others are an exact denoiser's
        return tuple(lane for lane in own if lane in results and results[lane].nearest is None)

    @property
    def asks(self) -> NearestRequest | None:
        """For the training pictures nearest to those lanes; None where there are none. Raises LabError where the lab has no
        pictures of what the model was trained on."""
        pictures = tuple(self.recording.results[lane].picture for lane in self.compared)
        return nearest.request(self.recording.request.model, pictures) if pictures else None
