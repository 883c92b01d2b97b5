"""The face of the lab. This file is its table of contents: one line a tab."""

from pathlib import Path
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from lab.catalog import add_hub_models
from lab.settings import ASSETS, Settings
from lab.ui.shell import (
    address,
    ahead,
    lessons,
    missing,
    own,
    presenting,
    reader,
    share,
    shelf,
    theme,
    vocabulary,
    widgets,
)
from lab.ui.shell.header import header
from lab.ui.shell.instrument import Instrument
from lab.ui.shell.openers import OPEN_JS
from lab.ui.shell.page import Page, keep_sessions_small
from lab.ui.shell.streams import Streams
from lab.ui.shell.strip import strip
from lab.ui.tabs import (
    controlnet,
    edit,
    guidance,
    inside,
    ledger,
    memory,
    models,
    noising,
    notes,
    papers,
    samplers,
    score,
    unclip,
)
from lab.ui.tabs.start import tab as start

__all__ = ["TABS", "build", "keep_sessions_small", "launch_options"]

INSTRUMENTS = (
    noising.TAB,
    score.TAB,
    samplers.TAB,
    guidance.TAB,
    controlnet.TAB,
    edit.TAB,
    unclip.TAB,
    ledger.TAB,
    memory.TAB,
    inside.TAB,
    papers.TAB,
    notes.TAB,
    models.TAB,
)
TABS = (start.front(INSTRUMENTS), *INSTRUMENTS)
FAVICON = Path(__file__).with_name("favicon.svg")


def build(backend: Any, settings: Settings) -> gr.Blocks:
    """The whole page on a backend; nothing is computed until a visitor opens it."""
    add_hub_models(settings.allowed_models)
    with Page(title="Diffusion Lab", analytics_enabled=False, fill_width=True, delete_cache=(3600, 3600)) as demo:
        header("Diffusion Lab", "Watch diffusion models draw, one paper at a time.", TABS)
        door = share.Door()
        strip(TABS)
        address.notice()
        built = {}
        with gr.Tabs(overflow_behavior="wrap") as book:  # so that there is a button for each, for the strip to press
            for tab in TABS:
                with gr.Tab(tab.title, id=tab.name, elem_id=f"tab-{tab.name}") as page:
                    built[tab.name] = _lay_out(tab, backend, settings, page)
        shared = {name: tab for name, tab in built.items() if hasattr(tab, "share")}
        door.wire(demo, shared, {tab.name: tab.title for tab in TABS}, book)
        door.replays(built["start"].through, start.shipped)
        for script in (address.ADDRESS_JS, OPEN_JS, presenting.PRESENT_JS, widgets.NUMBERS_JS, widgets.SETTLED_JS):
            demo.load(None, js=script)
        ahead.notice()
        reader.voice()
    return demo


def _lay_out(tab: Instrument, backend: Any, settings: Settings, page: gr.Tab) -> Any:
    """A tab's contents on its page, below the head and the lesson that it may have."""
    built = tab.build(backend, settings, page)
    if tab.lesson:
        lessons.head(tab, page, [button.value for button in built.buttons])
    return built


def launch_options(backend: Any, settings: Settings) -> dict[str, Any]:
    """What `demo.launch()` needs for look and limits; address and port are the caller's."""
    return {
        "theme": theme.theme(),
        "css": theme.CSS + "".join(tab.style for tab in TABS),
        "favicon_path": str(FAVICON),
        "app_kwargs": {
            "routes": [
                ahead.route(backend, settings.queue_size),
                *vocabulary.routes(),
                *own.routes(),
                shelf.file(),
                *notes.routes(backend),
                *(route() for tab in TABS for route in tab.routes),
            ],
            "exception_handlers": {404: missing.nowhere},
            "middleware": [Middleware(Streams)],
        },
        "allowed_paths": [str(ASSETS / "images")],
        "state_session_capacity": 1000,  # what a visitor last made is kept, a few megabytes each
        "max_threads": settings.most_pressed + 40,  # a run that waits holds a thread
        "max_file_size": int(settings.max_upload_mb * 1_000_000),
        "show_error": False,
        "footer_links": [],
        "enable_monitoring": False,
        "run_history": False,
        "ssr_mode": False,
    }
