"""Buttons that open another tab of the page and press one of its presets.

By the page's own buttons, so nothing is asked of the server. Gradio lays a tab out when it is first opened, so the preset
may be some frames away.
"""

from html import escape

from lab.ui.shell.sources import beside

OPEN_JS = beside(__file__, "openers.js")


def opener(tab: str, text: str, *, preset: str = "", label: str = "", classes: str = "") -> str:
    """A button for gr.HTML that says `text` and opens a tab, by its name, at a preset where one is named."""
    attribute = f' data-preset="{escape(preset)}"' if preset else ""
    spoken = f' aria-label="{escape(label)}"' if label else ""
    return (
        f'<button type="button" class="{escape(classes)}" data-tab="{escape(tab)}"'
        f"{attribute}{spoken}>{escape(text)}</button>"
    )
