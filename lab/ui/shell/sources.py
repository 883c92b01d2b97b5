"""Style sheets and scripts of the page: files beside the modules that use them, read once when those are imported."""

from collections.abc import Callable
from functools import cache
from hashlib import blake2b
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


def beside(module: str, name: str) -> str:
    """The text of the file `name` that stands beside a module. `module` is that module's `__file__`."""
    return Path(module).with_name(name).read_text("utf-8")


@cache
def digest(text: str) -> str:
    """Twelve hexadecimal digits for an address that changes with a text."""
    return blake2b(text.encode(), digest_size=6).hexdigest()


def route(path: str, media: str, make: Callable[[], bytes]) -> Route:
    """A file of this media type at a path that changes with it: browsers ask for it once."""

    def answer(_request: Request) -> Response:
        return Response(make(), media_type=media, headers={"Cache-Control": "public, max-age=31536000, immutable"})

    return Route(path, answer)
