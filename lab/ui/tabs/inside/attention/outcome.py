"""What has come of a run of the words: pictures as they come, the maps of steps, and what is read off them."""

from dataclasses import dataclass, field

import numpy as np

from lab.requests.attention import AttentionRequest, Drawing, WordMaps, Words
from lab.requests.base import Event
from lab.requests.sampling import Decoded, LaneResult, Step

PLAIN = 0  # the lane of the prompt as it is


@dataclass
class Outcome:
    """A run as it comes."""

    request: AttentionRequest
    words: Words | None = None
    maps: dict[int, WordMaps] = field(default_factory=dict)  # by call of the plain picture
    frames: dict[int, Step] = field(default_factory=dict)  # of the plain picture, by call
    latest: dict[int, Step] = field(default_factory=dict)  # by lane
    results: dict[int, np.ndarray] = field(default_factory=dict)  # finished pictures, by lane

    def add(self, event: Event) -> None:
        """Take what tells of the run."""
        match event:
            case Words():
                self.words = event
            case WordMaps():
                self.maps[event.i] = event
            case Step():
                self.latest[event.lane] = event
                if event.lane == PLAIN:
                    self.frames[event.i] = event
                if event.i == event.n:
                    self.results[event.lane] = event.x_0
            case LaneResult():
                self.results[event.lane] = event.picture
            case Decoded() if event.lane == PLAIN:
                self.frames[event.i] = Step(**{**vars(self.frames[event.i]), "x_0": event.x_0, "decoded": True})

    @property
    def begun(self) -> bool:
        """Whether there is something to show."""
        return bool(self.latest)

    def ways(self) -> list[tuple[int, int]]:
        """How far each picture is."""
        return [(step.i, step.n) for step in self.latest.values()]

    @property
    def drawings(self) -> tuple[Drawing, ...]:
        """What each lane draws."""
        return self.request.drawings()

    def picture(self, lane: int) -> np.ndarray | None:
        """The newest picture of a lane; None before its first step."""
        step = self.latest.get(lane)
        return self.results.get(lane, step.x_0 if step else None)

    def mean(self, level: int) -> np.ndarray:
        """The mean of a level's maps over the steps that were looked at, (words, side, side); level 0 is DAAM's map."""
        return np.mean([maps.maps[level] for maps in self.maps.values()], axis=0)

    @property
    def shares(self) -> np.ndarray:
        """Of the attention of all layers, heads and steps that each word takes, (words,); they sum to one."""
        return self.mean(0).mean(axis=(1, 2))

    @property
    def fullest(self) -> int:
        """The word with the largest share, start and end aside; the end where there is no other."""
        shares = self.shares[1:-1]
        return 1 + int(shares.argmax()) if len(shares) else len(self.shares) - 1

    def rms(self, lane: int) -> float:
        """How far a finished picture is from the plain one, RMS in grey levels of 255."""
        return float(np.sqrt(np.mean((self.results[lane].astype(float) - self.results[PLAIN]) ** 2)))
