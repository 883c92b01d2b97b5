"""What the server answers for the notes: a page a chapter, and both sides of a step.

Pages are there as soon as the lab answers. Checks compute with the engine, which loads torch: they are imported when the first is asked for, and
not while the lab still starts. Two threads that import torch and diffusers at the same time meet half of them; until then the answer is
202, and the page asks again.
"""

import threading
from collections.abc import Callable
from functools import cache, partial
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from lab.notes.chapters import CHAPTERS, STEPS
from lab.settings import ASSETS
from lab.ui.shell import missing
from lab.ui.shell.sources import beside, digest, route

FOLDER = "notes"
SCRIPTS = {name: beside(__file__, name) for name in ("page.js", "tab.js", "checks.js", "symbols.js")}
SCRIPT_FOLDER = f"js-{digest(''.join(SCRIPTS.values()))}"
FONT_FILE = ASSETS / "fonts" / "dejavu-math.woff2"
FONT = f"math-{digest(str(FONT_FILE.stat().st_size))}.woff2"

PAGES = ("start", *(one.name for one in CHAPTERS), "notation", "history")
STARTING = "The lab is starting …"
NO_STEP = "The notes have no step of this name. A page that was open for long may ask for one that has since been renamed: load it anew."
_IMPORTING = threading.Lock()


def face(folder: str) -> str:
    """The style of the font for equations, whose file lies in `folder` of the page: many machines have none that knows how to set them."""
    return f"@font-face {{ font-family: Lab Math; src: url({folder}{FONT}) format('woff2'); }}\n"


def show(request: Request) -> Response:
    """A page by its name; of one that is not there, a sentence."""
    name, pages = request.path_params["page"], _pages()
    if name not in pages:
        there = f"The notes have no page of this name. There are {', '.join(pages)}."
        return missing.answer(request, there, 404, {f"{FOLDER}/start": "Open the notes"})
    return HTMLResponse(pages[name](), headers={"Cache-Control": "no-cache"})


def check(backend: Any, request: Request) -> Response:
    """Both sides of the step that is named, on the numbers that are given, as JSON; a sentence with status 404 where there is no such step, and
    with 422 where they cannot be computed."""
    if backend.outlook() is None:
        return JSONResponse({"detail": STARTING}, 202)
    asked = dict(request.query_params)
    name = asked.pop("step", "")
    if name not in STEPS:
        return missing.answer(request, NO_STEP, 404, {f"{FOLDER}/start": "Open the notes"})
    try:
        return JSONResponse(answer(name, asked))
    except ValueError as refused:
        link = {f"?tab=notes&at={name}": "Open this step in the lab"}
        return missing.answer(request, str(refused), 422, link)


def answer(name: str, asked: dict[str, str]) -> dict[str, Any]:
    """Both sides of a step, as text, and whether they agree, in words. Raises ValueError with a sentence that says what to do."""
    step = STEPS[name]
    known = [number.name for number in step.check.numbers]
    if set(asked) - set(known):
        raise ValueError(f"This step takes {', '.join(known) or 'no numbers'} and nothing else. Leave the rest out.")
    with _IMPORTING:
        step.check.function()
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


@cache
def _pages() -> dict[str, Callable[[], str]]:
    """All pages by name, each made when it is first asked for."""
    from lab.ui.tabs.notes import document  # which needs to know all tabs

    bodies: dict[str, tuple[str, Callable[[], str]]] = {"start": ("Start", partial(document.start, CHAPTERS))}
    bodies |= {
        one.name: (f"{i} {one.title}", partial(document.chapter, one, str(i))) for i, one in enumerate(CHAPTERS, 1)
    }
    bodies |= {"notation": ("Notation", document.notation), "history": ("History", document.history)}
    titles = [(name, title) for name, (title, _) in bodies.items()]

    def make(name: str) -> str:
        title, body = bodies[name]
        return document.page(title, body(), titles, name, face(""), f"{SCRIPT_FOLDER}/page.js")

    return {name: cache(partial(make, name)) for name in bodies}


def routes(backend: Any) -> list[Route]:
    """The addresses of the notes."""
    return [
        *(route(f"/{FOLDER}/{SCRIPT_FOLDER}/{name}", "text/javascript", text.encode) for name, text in SCRIPTS.items()),
        route(f"/{FOLDER}/{FONT}", "font/woff2", FONT_FILE.read_bytes),
        Route(f"/{FOLDER}/check", partial(check, backend)),
        Route(f"/{FOLDER}", _first),
        Route(f"/{FOLDER}/{{page:path}}", show),
    ]


def _first(request: Request) -> Response:
    return RedirectResponse(f"{request.scope.get('root_path', '')}/{FOLDER}/start")
