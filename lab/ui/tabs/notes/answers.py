"""What the server answers for the notes: a page a chapter, and both sides of a step.

The chapters compute with the engine, which loads torch: they are imported when the first of these is asked for.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Route

from lab.settings import ASSETS
from lab.ui.shell.sources import beside, digest, route

FOLDER = "notes"
SCRIPT_TEXT = beside(__file__, "notes.js")
SCRIPT = f"notes-{digest(SCRIPT_TEXT)}.js"
FONT_FILE = ASSETS / "fonts" / "dejavu-math.woff2"
FONT = f"math-{digest(str(FONT_FILE.stat().st_size))}.woff2"


def face(folder: str) -> str:
    """The style of the font for equations, whose file lies in `folder` of the page: many machines have none that knows how to set them."""
    return f"@font-face {{ font-family: Lab Math; src: url({folder}{FONT}) format('woff2'); }}\n"


def show(request: Request) -> HTMLResponse:
    """A page by its name; of one that is not there, a sentence."""
    name = request.path_params["page"]
    made = _pages().get(name)
    if made is None:
        names = ", ".join(_pages())
        return HTMLResponse(f"<p>There is no page of this name. There are {names}.</p>", 404)
    return HTMLResponse(made(), headers={"Cache-Control": "no-cache"})


def check(request: Request) -> JSONResponse:
    """Both sides of the step that is named, on the numbers that are given; with status 422 a sentence where they cannot be computed."""
    asked = dict(request.query_params)
    try:
        return JSONResponse(answer(asked.pop("step", ""), asked))
    except ValueError as refused:
        return JSONResponse({"refused": str(refused)}, 422)


def answer(name: str, asked: dict[str, str]) -> dict[str, Any]:
    """Both sides of a step, as text, and whether they agree, in words. Raises ValueError with a sentence that says what to do."""
    from lab.notes.chapters import STEPS

    step = STEPS.get(name)
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
    """A number as people write it."""
    return f"{value:.{digits}g}".replace("e-0", "e-").replace("-", "−", int(value < 0))


@cache
def _pages() -> dict[str, Callable[[], str]]:
    """All pages by name, each made when it is first asked for."""
    from lab.notes.chapters import CHAPTERS
    from lab.ui.tabs.notes import document

    titles = [(one.name, f"{i} {one.title}") for i, one in enumerate(CHAPTERS, 1)] + [
        ("notation", "Notation"),
        ("history", "History"),
    ]
    bodies: dict[str, tuple[str, Callable[[], str]]] = {
        one.name: (one.title, partial(document.chapter, one, str(i))) for i, one in enumerate(CHAPTERS, 1)
    }
    bodies |= {"notation": ("Notation", document.notation), "history": ("History", document.history)}

    def make(name: str) -> str:
        title, body = bodies[name]
        return document.page(title, body(), titles, name, face(""), SCRIPT)

    return {name: cache(partial(make, name)) for name in bodies}


def _script() -> bytes:
    return SCRIPT_TEXT.encode()


ROUTES = (
    partial(route, f"/{FOLDER}/{SCRIPT}", "text/javascript", _script),
    partial(route, f"/{FOLDER}/{FONT}", "font/woff2", FONT_FILE.read_bytes),
    partial(Route, f"/{FOLDER}/check", check),
    partial(Route, f"/{FOLDER}/{{page}}", show),
)
