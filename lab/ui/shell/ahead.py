"""What a press of Run would meet, shown before it is pressed: the line, wherever there is one.

Every open page asks for one sentence every few seconds, at an address of its own: a request costs the event loop a
fraction of what Gradio's own timer does. Pages that nobody looks at do not ask.
"""

from typing import Any

import gradio as gr
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from lab.requests.base import Waiting
from lab.ui.shell.sources import beside

ADDRESS = "line"
ASK_JS = beside(__file__, "ahead.js")


def notice() -> gr.HTML:
    """The place of the sentence: a pill at the lower edge, so that nothing moves when it comes or goes."""
    return gr.HTML(
        '<p class="lab-ahead" role="status" aria-live="polite"></p>', js_on_load=ASK_JS, elem_classes="ahead-block"
    )


def words(outlook: Waiting | None, room: int) -> str:
    """The sentence for somebody who has not pressed Run; empty where a run would begin at once."""
    if outlook is None:
        return "The lab is starting …"
    if outlook.position == 0:
        return ""
    seconds = max(1, round(outlook.seconds))
    if outlook.position > room:
        return f"The lab is full. Try again in about {seconds} s."
    before = outlook.position - 1
    runs = f"{before} {'run waits' if before == 1 else 'runs wait'} before yours" if before else "Yours would be next"
    return f"All places are taken. {runs}: about {seconds} s."


def route(backend: Any, room: int) -> Route:
    """The address that pages ask. `room` is how many runs may wait."""

    async def answer(_request: Request) -> PlainTextResponse:
        return PlainTextResponse(words(backend.outlook(), room), headers={"Cache-Control": "no-store"})

    return Route(f"/{ADDRESS}", answer)
