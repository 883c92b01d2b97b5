"""A class on one preset: thirty presses against one, through the backend that the page has.

All press together; or one presses, and the others a moment after its end.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Event as StopEvent
from typing import Any

from lab.backends.local import LocalBackend
from lab.backends.sharing import Sharing
from lab.catalog import MODELS
from lab.requests.base import Event, Request
from lab.requests.fields import Condition, Forward
from lab.requests.sampling import LaneSettings, SamplingRequest, Step
from lab.settings import Settings
from tests.benchmarks._report import compare, medians_s

MODEL = "text-to-image"
CLASS, SCALES, STEPS = 30, (0, 1, 2, 3, 5, 7.5, 10, 15), 40
AIM = "at most 1.5"


class CountingBackend:
    """Passes on what a backend makes and counts the network's steps of it."""

    def __init__(self, backend: LocalBackend) -> None:
        self._backend, self.steps = backend, 0

    def run(self, request: Request, stop: StopEvent | None = None, client: str = "") -> Iterator[Event]:
        """As Backend.run; of one run at a time."""
        for event in self._backend.run(request, stop, client):
            self.steps += isinstance(event, Step) and event.i < event.n
            yield event

    def status(self) -> Any:
        """As Backend.status."""
        return self._backend.status()

    def outlook(self) -> Any:
        """As Backend.outlook."""
        return self._backend.outlook()


def preset(seed: int) -> SamplingRequest:
    """A sweep of eight guidance scales, 320 steps."""
    lanes = tuple(LaneSettings(steps=STEPS, seed=seed, guidance_scale=scale) for scale in SCALES)
    forward = Forward(schedule=MODELS[MODEL].schedules[0])
    return SamplingRequest(model=MODEL, condition=Condition(prompt="red heart"), forward=forward, lanes=lanes)


def main() -> None:
    settings = Settings()
    local = LocalBackend(settings)
    local.warm(MODEL).join()
    if local.workshop:
        local.workshop.finish()
    counting = CountingBackend(local)
    sharing = Sharing(counting, 1e6 * settings.shared_runs_mb)
    seeds = count()  # of each press that is to be new

    def press(request: SamplingRequest, client: str = "") -> int:
        return sum(1 for _ in sharing.run(request, client=client))

    def press_together(request: SamplingRequest, visitors: int) -> None:
        with ThreadPoolExecutor(visitors) as threads:
            list(threads.map(lambda visitor: press(request, str(visitor)), range(visitors)))

    def class_after_one() -> None:
        request = preset(next(seeds))
        press(request)
        press_together(request, CLASS - 1)

    def steps_of(visitors: int) -> int:
        before = counting.steps
        press_together(preset(next(seeds)), visitors)
        return counting.steps - before

    together, after, alone = medians_s(
        lambda: press_together(preset(next(seeds)), CLASS), class_after_one, lambda: press(preset(next(seeds)))
    )
    words = f"presses of a preset of {len(SCALES)} pictures in {STEPS} steps, against one; {MODEL}"
    compare(f"{CLASS} {words}, all together, seconds", together, alone, AIM)
    compare(f"{CLASS} {words}, one and then the others, seconds", after, alone, AIM)
    compare(f"{CLASS} {words}, network steps", steps_of(CLASS), steps_of(1), AIM)


if __name__ == "__main__":
    main()
