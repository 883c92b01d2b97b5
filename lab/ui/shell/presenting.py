"""Presenting: for a lecture hall, a tool tab as its pictures, its question and one control, in large type.

All of it is CSS and a script in the page: the server knows nothing of it. It begins with the button in the header, with
the key P or with `?present=1` in the address, and ends with the same button, P or Escape.
"""

from collections.abc import Iterable
from html import escape

from lab.ui.shell.instrument import Instrument
from lab.ui.shell.sources import beside

PRESENT_JS = beside(__file__, "presenting.js")


def button(tabs: Iterable[Instrument]) -> str:
    """The button of the header; it tells the script where the tabs have their pictures."""
    stages = ", ".join(tab.stage for tab in tabs if tab.stage)
    return (
        f'<button type="button" class="lab-present" data-present data-stages="{escape(stages)}" aria-pressed="false" '
        'aria-keyshortcuts="P" title="Large type, only pictures and one control (key P)">Present</button>'
    )
