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

ADDRESS = "line"
ASK_EVERY_S = 5
CSS = """
.ahead-block { position: fixed !important; bottom: 14px; right: 18px; z-index: 40; width: auto !important;
  min-width: 0 !important; pointer-events: none; }
.lab-ahead { margin: 0; padding: 8px 14px; border-radius: 999px; font-size: 14px; line-height: 1.3;
  font-variant-numeric: tabular-nums; color: var(--body-background-fill); background: var(--body-text-color);
  box-shadow: 0 2px 10px rgb(0 0 0 / .25); }
.lab-ahead:empty { display: none; }
@media (max-width: 700px) { .ahead-block { left: 14px; right: 14px; } .lab-ahead { text-align: center; } }
"""
ASK_JS = f"""
const sentence = element.querySelector('.lab-ahead');
const ask = async () => {{
  if (!document.hidden) {{
    try {{
      const answer = await fetch('{ADDRESS}', {{cache: 'no-store'}});
      const text = answer.ok ? await answer.text() : '';
      if (text !== sentence.textContent) sentence.textContent = text;
    }} catch {{}}
  }}
  setTimeout(ask, {ASK_EVERY_S * 1000});
}};
ask();
"""


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
