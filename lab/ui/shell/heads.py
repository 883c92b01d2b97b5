"""What a tab asks: beneath its name among the tabs, and as its head, where the papers that ask it, their equation and
the way into its lesson stand in one line.

On a phone the question stands alone and the rest unfolds. Equations are plain HTML: a line of Markdown for LaTeX would
wait for its script.
"""

import json
from collections.abc import Iterable
from html import escape

from lab.papers import PAPERS, Paper
from lab.ui.shell.instrument import Instrument
from lab.ui.shell.sources import beside

UNFOLD_JS = beside(__file__, "unfold.js")


def tabs_css(tabs: Iterable[Instrument]) -> str:
    """CSS that shows each tab's question beneath its name, where there is room for all. Gradio takes only text for a name;
    who has the page read aloud hears the question in the tab's head. (`::after` is Gradio's line under the open tab.)"""
    rules = "".join(
        f'  #tab-{tab.name}-button::before {{ content: {json.dumps(tab.question, ensure_ascii=False)} / ""; }}\n'
        for tab in tabs
    )
    return f"""
/* the tabs: a name and a question */
@media (min-width: 1420px) {{
  .tab-container[role=tablist] {{ height: auto; }}
  .tab-container[role=tablist] button {{ display: flex; flex-direction: column; align-items: start; height: auto;
    padding: 6px 9px 8px; line-height: 1.35; }}
  .tab-container[role=tablist] button::before {{ order: 1; font-size: 12px; font-weight: 400; white-space: nowrap;
    color: var(--body-text-color-subdued); }}
{rules}}}
"""


def html(tab: Instrument) -> str:
    """The head of a tab, for gr.HTML with UNFOLD_JS."""
    links = " · ".join(_link(_paper(title)) for title in tab.papers)
    return (
        f'<div class="lab-head"><h2>{escape(tab.question)}</h2><details open><summary>Paper and equation</summary>'
        f'<p><span>{links}</span><span class="lab-math" role="math" aria-label="{escape(tab.spoken)}">{tab.equation}</span>'
        "</p></details></div>"
    )


def _paper(title: str) -> Paper:
    return next(row for row in PAPERS if row.title == title)


def _link(row: Paper) -> str:
    text = f"{row.authors} {row.year}"
    return f'<a href="{escape(row.link)}" title="{escape(row.title)}" target="_blank" rel="noopener">{escape(text)}</a>'
