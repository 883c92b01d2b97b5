"""The strip of tabs, in groups: each tab's name and, where there is room, its question; on a phone one line that unfolds.

It is the lab's own, since Gradio's knows no groups and no arrow keys, and moves what does not fit into a menu. Gradio's
buttons stay in the page unseen: pressing one opens its tab, and which one is selected is what the strip shows
(`strip.js`). The pattern is that of tabs which open when they are pressed, not when an arrow key comes to them
(https://www.w3.org/WAI/ARIA/apg/patterns/tabs/): opening one may start a run.
"""

from collections.abc import Iterable, Sequence
from html import escape
from itertools import groupby

import gradio as gr

from lab.ui.shell.instrument import Instrument
from lab.ui.shell.sources import beside

STRIP_JS = beside(__file__, "strip.js")


def strip(tabs: Sequence[Instrument]) -> gr.HTML:
    """The strip above the tabs, the first of which is open."""
    groups = "".join(_group(group, list(members)) for group, members in groupby(tabs, key=lambda tab: tab.group))
    return gr.HTML(
        '<button type="button" class="tabbar-open" aria-expanded="false" aria-controls="lab-tabs">'
        f'<b>{escape(tabs[0].title)}</b><span class="tabbar-count">All {len(tabs)} tabs</span></button>'
        f'<div id="lab-tabs" class="tabbar" role="tablist" aria-label="Tabs">{groups}</div>',
        js_on_load=STRIP_JS,
        elem_classes="tabbar-block",
    )


def _group(title: str, tabs: Iterable[Instrument]) -> str:
    label = f'<span class="tabbar-label" aria-hidden="true">{escape(title)}</span>' if title else ""
    return f'<div class="tabbar-group" role="presentation">{label}{"".join(map(_tab, tabs))}</div>'


def _tab(tab: Instrument) -> str:
    """A tab as its name, by which it is called when it is read aloud; its question is heard in its head."""
    return (
        f'<button type="button" role="tab" id="strip-{tab.name}" data-name="{tab.name}" aria-selected="false" tabindex="-1" '
        f'aria-controls="tab-{tab.name}" title="{escape(tab.question)}">'
        f'<b>{escape(tab.title)}</b><span class="tabbar-question" aria-hidden="true">{escape(tab.question)}</span></button>'
    )
