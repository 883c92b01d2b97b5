"""What every room of the tab unCLIP does alike."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Protocol

import numpy as np

from lab.capsules.unclip_script import unclip_script
from lab.requests.base import LabError, Request
from lab.requests.unclip import UnclipRequest
from lab.ui.shell.rooms.room import Asked, Room
from lab.ui.tabs.unclip.outcome import Outcome


class Said(Protocol):
    """A module that puts what has come of a run into words and numbers."""

    def words(self, outcome: Any) -> str:
        """As Room.words."""
        ...

    def summary(self, outcome: Any) -> str:
        """As Room.summary."""
        ...

    def table(self, outcome: Any) -> str:
        """As Room.table."""
        ...


class UnclipRoom(Room):
    """A room whose runs are UnclipRequests. `said` is the module with its words, `made` what gathers its events."""

    said: ClassVar[Said]
    made: ClassVar[type[Outcome]] = Outcome

    def outcome(self, request: Request) -> Any:
        assert isinstance(request, UnclipRequest)
        return self.made(request)

    def words(self, outcome: Any) -> str:
        return self.said.words(outcome)

    def progress(self, outcome: Any) -> str:
        return outcome.doing()

    def summary(self, outcome: Any) -> str:
        return self.said.summary(outcome)

    def table(self, outcome: Any) -> str:
        return self.said.table(outcome)

    def scripts_of(self, request: Request) -> Iterable[tuple[str, str]]:
        assert isinstance(request, UnclipRequest)
        yield f"{self.name}.py", unclip_script(request)

    def written(self, outcome: Any) -> Mapping[str, np.ndarray | None]:
        return {f"unclip-{lane:03}.png": result.picture for lane, result in sorted(outcome.results.items())}


def picture_of(asked: Asked) -> np.ndarray:
    """The picture that is chosen, (side, side, 3) uint8. Raises LabError where there is none."""
    if asked.picture is None:
        raise LabError("There is no picture: choose an example or your own.")
    return asked.picture
