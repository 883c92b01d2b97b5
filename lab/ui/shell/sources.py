"""Style sheets and scripts of the page: files beside the modules that use them, read once when those are imported."""

from pathlib import Path


def beside(module: str, name: str) -> str:
    """The text of the file `name` that stands beside a module. `module` is that module's `__file__`."""
    return Path(module).with_name(name).read_text("utf-8")
