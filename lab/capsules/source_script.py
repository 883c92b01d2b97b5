"""How a script names what it reads."""

import json
from pathlib import Path

from lab.settings import ASSETS


def folder(source: str) -> str:
    """A catalog row's source as a folder, relative to the lab's own where it is in there; "" where it is a hub id."""
    if not (ASSETS / source).is_dir() and not Path(source).is_absolute():
        return ""
    return source if Path(source).is_absolute() else f"assets/{source}"


def quoted(text: str) -> str:
    """A text as a script has it."""
    return json.dumps(text, ensure_ascii=False)
