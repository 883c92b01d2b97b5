"""The page's address: it names what is shown, and Back goes to what was shown before.

`?c=` holds the settings of what the open tab shows (`lab/capsules/capsule.py`), `?tab=` the name of a tab that shows nothing of
its own yet, and `?at=` with it what of it, where a tab that the page fills by itself says so: of Notes the step that is read, which
alone may stand without its tab. Opening a tab adds to the browser's history; what is made in it changes the address of that entry.
Where the address names what there is not, a sentence above the tab says so.
"""

import gradio as gr

from lab.ui.shell.sources import beside

ADDRESS_JS = beside(__file__, "address.js")
SETTLE_JS = "(pressed) => { window.labAddress?.settle(Boolean(pressed)); }"


def set_js(tab: str) -> str:
    """What the page runs with the code of a tab's link, whenever that changes."""
    return f"(code) => {{ window.labAddress?.set('{tab}', code); }}"


def notice() -> gr.HTML:
    """Where the page says what of its address it cannot understand."""
    return gr.HTML('<p id="lab-astray" data-aloud></p>', elem_classes="astray-block")
