"""Tab: what lies between two pictures. unCLIP embeds words and pictures in one space, and draws from its points."""

from collections.abc import Iterator
from typing import Any

from lab.capsules.notebook import Script
from lab.capsules.unclip_script import has_script
from lab.catalog import UNCLIPS, Helper, Model
from lab.requests.base import LabError
from lab.requests.unclip import UnclipRequest
from lab.settings import Settings, at_hand
from lab.ui.shell.rooms.tab import Rooms
from lab.ui.tabs.unclip.controls import SHARED
from lab.ui.tabs.unclip.rooms import ROOMS

SIDE = 64  # of the pictures of the lab's own, in pixels


class Unclip(Rooms):
    """Rooms that draw from embeddings. The row of the model that is chosen has the name of one of UNCLIPS."""

    name, rooms, shared, question = "unclip", ROOMS, SHARED, "What to do with embeddings"

    @classmethod
    def models(cls, settings: Settings) -> list[Model]:
        """The unCLIPs that are there."""
        return [_row(helper) for helper in UNCLIPS.values() if at_hand(helper.source, settings)]

    def scripts(self, values: dict[Any, Any]) -> Iterator[Script]:
        """As Rooms.scripts. Raises LabError where the model's runs have none."""
        last = self.last(values)
        if isinstance(last.request, UnclipRequest) and not has_script(last.request):
            raise LabError("Pictures of this unCLIP model have no script: it draws on pixels.")
        yield from super().scripts(values)


def _row(helper: Helper) -> Model:
    """An unCLIP as the form has its models."""
    return Model(
        helper.name, helper.title, helper.family, helper.source, SIDE, helper.about,
        conditions=("prompt",), captions=helper.captions,
    )  # fmt: skip


PRESETS = Unclip.presets
build = Unclip.build
