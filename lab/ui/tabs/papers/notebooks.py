"""The written notebooks as the tab offers them: a list, and a file each."""

from collections.abc import Callable
from functools import partial
from html import escape

import nbformat
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lab.capsules.written import WRITTEN, Written
from lab.quantities import quantity
from lab.ui.shell import missing

FOLDER = "notebooks"


def html() -> str:
    """The list, closed until somebody asks for it, without a blank line, which would end it in Markdown."""
    rows = "".join(map(_row, WRITTEN))
    return (
        f'<details class="papers-notebooks"><summary>{quantity(len(WRITTEN), "notebook")} to run and change</summary>'
        "<p>Each takes an instrument apart in torch and diffusers, with the equations between the cells. It runs in the lab's folder "
        "on its miniatures; where these are latent models, one line puts Stable Diffusion in their place. <code>make notebooks</code> opens all in JupyterLab.</p>"
        f"<ul>{rows}</ul></details>\n"
    )


def _row(one: Written) -> str:
    link = f'<a href="{FOLDER}/{one.name}.ipynb" download="{one.name}.ipynb">{escape(one.title)}</a>'
    return f"<li>{link}<span>{escape(one.about)}</span></li>"


def _route(one: Written) -> Route:
    def answer(_request: Request) -> Response:
        return Response(nbformat.writes(one.notebook), media_type="application/x-ipynb+json")

    return Route(f"/{FOLDER}/{one.name}.ipynb", answer)


def _missing() -> Route:
    """Every other address of the folder."""
    names = ", ".join(f"{one.name}.ipynb" for one in WRITTEN)

    def answer(request: Request) -> Response:
        return missing.answer(
            request,
            f"There is no notebook of this name. There are {names}; the tab Papers says what each shows.",
            404,
            {"?tab=papers": "Open the tab Papers"},
        )

    return Route(f"/{FOLDER}/{{name:path}}", answer)


ROUTES: tuple[Callable[[], Route], ...] = (*(partial(_route, one) for one in WRITTEN), _missing)
