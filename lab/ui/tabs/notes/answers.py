"""What the server answers for the notes: a page a chapter, and both sides of a step.

The chapters compute with the engine, which loads torch: they are imported when the first of these is asked for, and not while the lab
still starts. Two threads that import torch and diffusers at the same time meet half of them; until then the answer is 202, and the page
asks again.
"""

import threading
from collections.abc import Callable
from functools import cache, partial
from importlib import import_module
from types import ModuleType
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from lab.settings import ASSETS
from lab.ui.shell.sources import beside, digest, route

FOLDER = "notes"
SCRIPT_TEXT = beside(__file__, "notes.js")
SCRIPT = f"notes-{digest(SCRIPT_TEXT)}.js"
FONT_FILE = ASSETS / "fonts" / "dejavu-math.woff2"
FONT = f"math-{digest(str(FONT_FILE.stat().st_size))}.woff2"

STARTING = "The lab is starting …"
_IMPORTING = threading.Lock()


def face(folder: str) -> str:
    """The style of the font for equations, whose file lies in `folder` of the page: many machines have none that knows how to set them."""
    return f"@font-face {{ font-family: Lab Math; src: url({folder}{FONT}) format('woff2'); }}\n"


def show(backend: Any, request: Request) -> HTMLResponse:
    """A page by its name; of one that is not there, a sentence."""
    if backend.outlook() is None:
        return HTMLResponse(f'<meta http-equiv="refresh" content="2"><p>{STARTING}</p>', 202)
    name, pages = request.path_params["page"], _pages()
    if name not in pages:
        return HTMLResponse(f"<p>There is no page of this name. There are {', '.join(pages)}.</p>", 404)
    return HTMLResponse(pages[name](), headers={"Cache-Control": "no-cache"})


def check(backend: Any, request: Request) -> JSONResponse:
    """Both sides of the step that is named, on the numbers that are given; with status 422 a sentence where they cannot be computed."""
    if backend.outlook() is None:
        return JSONResponse({"refused": STARTING}, 202)
    asked = dict(request.query_params)
    try:
        return JSONResponse(answer(asked.pop("step", ""), asked))
    except ValueError as refused:
        return JSONResponse({"refused": str(refused)}, 422)


def answer(name: str, asked: dict[str, str]) -> dict[str, Any]:
    """Both sides of a step, as text, and whether they agree, in words. Raises ValueError with a sentence that says what to do."""
    step = _chapters().STEPS.get(name)
    if step is None:
        raise ValueError("There is no step of this name. Load the page anew: the notes have changed since.")
    known = [number.name for number in step.check.numbers]
    if set(asked) - set(known):
        raise ValueError(f"This step takes {', '.join(known) or 'no numbers'} and nothing else. Leave the rest out.")
    sides = step.check.run(asked)
    apart = _short(abs(sides.difference))
    if sides.relation == "≤":
        holds = "the left side is the smaller, by" if sides.difference <= 0 else "the left side is larger, by"
        words = f"{'It holds' if sides.agree else 'It does not hold'}: {holds} {apart}."
    else:
        words = f"The sides {'agree' if sides.agree else 'do not agree'}: they differ by {apart}."
    if sides.relation == "=" or sides.difference > 0:
        words += f" At most {_short(sides.margin)} is allowed for {sides.because}."
    return {"left": _short(sides.left, 7), "right": _short(sides.right, 7), "agree": sides.agree, "words": words}


def _short(value: float, digits: int = 2) -> str:
    """A number as people write it; zero without a sign."""
    value += 0.0
    return f"{value:.{digits}g}".replace("e-0", "e-").replace("-", "−", int(value < 0))


def _chapters() -> ModuleType:
    """lab.notes.chapters, imported by one thread."""
    with _IMPORTING:
        return import_module("lab.notes.chapters")


@cache
def _pages() -> dict[str, Callable[[], str]]:
    """All pages by name, each made when it is first asked for."""
    from lab.ui.tabs.notes import document

    chapters = _chapters().CHAPTERS
    titles = [(one.name, f"{i} {one.title}") for i, one in enumerate(chapters, 1)] + [
        ("notation", "Notation"),
        ("history", "History"),
    ]
    bodies: dict[str, tuple[str, Callable[[], str]]] = {
        one.name: (one.title, partial(document.chapter, one, str(i))) for i, one in enumerate(chapters, 1)
    }
    bodies |= {"notation": ("Notation", document.notation), "history": ("History", document.history)}

    def make(name: str) -> str:
        title, body = bodies[name]
        return document.page(title, body(), titles, name, face(""), SCRIPT)

    return {name: cache(partial(make, name)) for name in bodies}


def _script() -> bytes:
    return SCRIPT_TEXT.encode()


def routes(backend: Any) -> list[Route]:
    """The addresses of the notes."""
    return [
        route(f"/{FOLDER}/{SCRIPT}", "text/javascript", _script),
        route(f"/{FOLDER}/{FONT}", "font/woff2", FONT_FILE.read_bytes),
        Route(f"/{FOLDER}/check", _asked(check, backend)),
        Route(f"/{FOLDER}/{{page}}", _asked(show, backend)),
    ]


def _asked(answering: Callable[[Any, Request], Response], backend: Any) -> Callable[[Request], Response]:
    """A function of the request alone, which starlette calls in a thread."""

    def asked(request: Request) -> Response:
        return answering(backend, request)

    return asked
