"""How a script names what it reads."""

import json
from pathlib import Path

from lab.catalog import Helper, Model
from lab.settings import ASSETS


def folder(source: str) -> str:
    """A catalog row's source as a folder, relative to the lab's own where it is in there; "" where it is a hub id."""
    if not (ASSETS / source).is_dir() and not Path(source).is_absolute():
        return ""
    return source if Path(source).is_absolute() else f"assets/{source}"


def beside(source: str, model: Model | Helper) -> str:
    """An expression for a folder that belongs to a model: the lab's own beside its models, wherever these are."""
    if folder(source) and Path(source).parent == Path(model.source).parent:
        return f"Path(MODEL).parent / {quoted(Path(source).name)}"
    return f"Path({quoted(folder(source) or source)})"


def quoted(text: str) -> str:
    """A text as a script has it."""
    return json.dumps(text, ensure_ascii=False)
