"""What the server answers where it has nothing to show: a sentence that says what to do, as a page for a browser that goes there and as
JSON for a program."""

from html import escape

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

NOWHERE = "There is nothing at this address. It may be cut short, or come from another version of the lab: begin at its first page."
STYLE = (
    ":root { color-scheme: light dark; } body { font: 17px/1.6 system-ui, sans-serif; max-width: 34em; margin: 12vh auto; padding: 0 20px; } "
    "h1 { font-size: 1.3em; }"
)


def answer(request: Request, sentence: str, status: int, links: dict[str, str] | None = None) -> Response:
    """The sentence, with this status. `links` are further places to go, words by address from the lab's root; the lab itself is always
    the last."""
    if not _navigates(request):
        return JSONResponse({"detail": sentence}, status)
    root = request.scope.get("root_path", "").rstrip("/")
    places = {**(links or {}), "": "Open the lab"}
    items = "".join(
        f'<li><a href="{escape(f"{root}/{path}")}">{escape(words)}</a></li>' for path, words in places.items()
    )
    return HTMLResponse(
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Diffusion Lab</title><style>{STYLE}</style></head><body><h1>Diffusion Lab</h1><p>{escape(sentence)}</p><ul>{items}</ul></body></html>",
        status,
    )


def nowhere(request: Request, error: Exception) -> Response:
    """For an address that no route knows; what a route itself says of a file that is gone stays."""
    said = error.detail if isinstance(error, HTTPException) else ""
    return answer(request, NOWHERE if said in ("", "Not Found") else said, 404)


def _navigates(request: Request) -> bool:
    """Whether a person's browser goes there: it says that it takes HTML, which scripts and programs do not."""
    return "text/html" in request.headers.get("accept", "")
