"""Tab: what lies between two pictures. unCLIP embeds words and pictures in one space, and draws from its points."""

from lab.catalog import Helper, Model
from lab.requests.unclip import UNCLIPS
from lab.settings import Settings, at_hand
from lab.ui.shell.rooms.tab import Rooms
from lab.ui.tabs.unclip.controls import SHARED
from lab.ui.tabs.unclip.rooms import ROOMS

OWN, SIDE = "unclip", 64  # the lab's own, and the side of its pictures in pixels


class Unclip(Rooms):
    """Rooms that draw from embeddings. The row of the model that is chosen has the name of one of UNCLIPS."""

    name, rooms, shared, question = "unclip", ROOMS, SHARED, "What to do with embeddings"

    @classmethod
    def models(cls, settings: Settings) -> list[Model]:
        """The unCLIPs that are there."""
        return [_row(helper) for helper in UNCLIPS.values() if at_hand(helper.source, settings)]


def _row(helper: Helper) -> Model:
    """An unCLIP as the form has its models: the lab's own knows the words of its captions."""
    return Model(
        helper.name, helper.title, helper.family, helper.source, SIDE, helper.about,
        conditions=("prompt",), captions=helper.name == OWN,
    )  # fmt: skip


PRESETS = Unclip.presets
build = Unclip.build
