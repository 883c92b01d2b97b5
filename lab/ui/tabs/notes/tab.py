"""Tab: derivations that can be checked. What it shows is fetched when it is opened: it costs other tabs nothing."""

from typing import Any

import gradio as gr

from lab.settings import Settings
from lab.ui.tabs.notes.answers import FOLDER, PAGES, SCRIPT_FOLDER


def build(_backend: Any, _settings: Settings, _page: gr.Tab) -> "_Tab":
    """Lay out the tab; its script fetches the first page."""
    tab = _Tab()
    tab.lay_out()
    return tab


class _Tab:
    """One component, which the page fills by itself."""

    def lay_out(self) -> None:
        self.view = gr.HTML(
            f'<div class="notes" data-pages="{" ".join(PAGES)}" aria-busy="true"><p>The notes are fetched …</p></div>',
            js_on_load=f"import(new URL('{FOLDER}/{SCRIPT_FOLDER}/tab.js', document.baseURI)).then((tab) => tab.attach(element));",
            elem_id="notes-view",
        )
