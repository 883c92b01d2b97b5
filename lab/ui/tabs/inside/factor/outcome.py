"""What has come of a comparison of factors: pictures there and back, seconds of a step, and held-out pictures."""

from dataclasses import dataclass, field
from statistics import fmean

from lab.catalog import MODELS
from lab.requests.base import Event
from lab.requests.factor import AUTOENCODERS, PIXELS, Encoded, FactorRequest, HeldOut, StepTime

FACTORS = dict(zip((PIXELS, *AUTOENCODERS), (1, 2, 4, 8), strict=True))


@dataclass
class Outcome:
    """A run as it comes, by the row that an autoencoder is a part of."""

    request: FactorRequest
    encoded: dict[str, Encoded] = field(default_factory=dict)
    times: dict[str, StepTime] = field(default_factory=dict)
    held_out: dict[str, HeldOut] = field(default_factory=dict)

    def add(self, event: Event) -> None:
        """Take what tells of the run."""
        if isinstance(event, Encoded):
            self.encoded[event.name] = event
        elif isinstance(event, StepTime):
            self.times[event.name] = event
        elif isinstance(event, HeldOut):
            self.held_out[event.name] = event

    @property
    def begun(self) -> bool:
        """Whether there is something to show."""
        return bool(self.encoded)

    def ways(self) -> list[tuple[int, int]]:
        """How much of what is measured is there."""
        names = len(self.request.names)
        whole = 2 * names + 1 + len(AUTOENCODERS) * bool(self.request.held_out)
        return [(len(self.encoded) + len(self.times) + len(self.held_out), whole)]

    def mean(self, name: str, what: str) -> float | None:
        """The mean "psnr" or "ssim" of the held-out pictures; None where there are none."""
        found = self.held_out.get(name)
        return fmean(getattr(found, what)) if found else None

    def speedup(self, name: str) -> float | None:
        """How many times as long a step on pixels takes; None before both are timed."""
        if name not in self.times or PIXELS not in self.times:
            return None
        return self.times[PIXELS].least / self.times[name].least


def title(name: str) -> str:
    """A column's: f and its factor, or what another model is called."""
    return f"f{FACTORS[name]}" if name in FACTORS else MODELS[name].title
