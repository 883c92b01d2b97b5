"""Presenting: for a lecture hall, a tool tab as its pictures, its prompt, its question and one control, in large type.

All of it is CSS and a script in the page: the server knows nothing of it. It begins with the button in the header, with
the key P or with `?present=1` in the address, and ends with the same button, P or Escape. The arrow keys go through the
presets; on a tab with a board to draw on, that stands beside one picture.
"""

from collections.abc import Iterable
from html import escape

from lab.ui.shell.instrument import Instrument
from lab.ui.shell.sources import beside

PRESENT_JS = beside(__file__, "presenting.js")


def button(tabs: Iterable[Instrument]) -> str:
    """The button of the header, what stands in the header's place meanwhile, and where the script finds the pictures and
    boards of the tabs."""
    tabs = list(tabs)
    stages = ", ".join(tab.stage for tab in tabs if tab.stage)
    boards = ", ".join(tab.board for tab in tabs if tab.board)
    return (
        '<div class="presenter" hidden><button type="button" data-turn="-1" aria-label="The preset before" '
        'aria-keyshortcuts="ArrowLeft">‹</button><b data-preset aria-live="polite"></b>'
        '<button type="button" data-turn="1" aria-label="The next preset" aria-keyshortcuts="ArrowRight">›</button>'
        '<button type="button" class="lab-switch" data-beside aria-pressed="false">Map beside</button></div>'
        f'<button type="button" class="lab-switch lab-present" data-present data-stages="{escape(stages)}" '
        f'data-boards="{escape(boards)}" aria-pressed="false" '
        'aria-keyshortcuts="P" title="Large type, only pictures and one control (key P)">Present</button>'
    )
