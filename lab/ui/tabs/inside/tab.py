"""Tab: what a picture weighs. Autoencoders from two latents to Stable Diffusion's, and which word drew which pixel."""

from collections.abc import Mapping
from typing import ClassVar

from lab.catalog import MODELS, Model
from lab.settings import Settings, at_hand
from lab.ui.shell.rooms.tab import Rooms
from lab.ui.shell.sources import beside
from lab.ui.tabs.inside.controls import SHARED
from lab.ui.tabs.inside.rooms import ROOMS


class Inside(Rooms):
    """Rooms that open what a picture passes through."""

    name, rooms, shared, question = "inside", ROOMS, SHARED, "What to look into"
    modules: ClassVar[Mapping[str, str]] = {"decoder.js": beside(__file__, "decoder.js")}

    @classmethod
    def models(cls, settings: Settings) -> list[Model]:
        """The models that work on an autoencoder's latents, the lab's that is told in words first."""
        there = [row for row in MODELS.values() if row.latent and at_hand(row.source, settings)]
        return sorted(there, key=lambda row: row.name != "text-to-image")


PRESETS = Inside.presets
build = Inside.build
