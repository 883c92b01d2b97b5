"""The face of the lab. This file is its table of contents: one line a tab."""

from pathlib import Path
from types import ModuleType
from typing import Any

import gradio as gr

from lab.catalog import add_hub_models
from lab.settings import ASSETS, Settings
from lab.ui.shell import address, ahead, heads, lane_view, lessons, presenting, share, theme, widgets
from lab.ui.shell.openers import OPEN_JS
from lab.ui.shell.page import Page, keep_sessions_small
from lab.ui.tabs.controlnet import tab as controlnet
from lab.ui.tabs.controlnet import view as controlnet_view
from lab.ui.tabs.guidance import tab as guidance
from lab.ui.tabs.guidance import view as guidance_view
from lab.ui.tabs.models import tab as models
from lab.ui.tabs.models import view as models_view
from lab.ui.tabs.noising import tab as noising
from lab.ui.tabs.papers import tab as papers
from lab.ui.tabs.samplers import tab as samplers
from lab.ui.tabs.start import tab as start

__all__ = ["TABS", "build", "keep_sessions_small", "launch_options"]

TABS = (start, noising, samplers, guidance, controlnet, papers, models)
FAVICON = Path(__file__).with_name("favicon.svg")


def build(backend: Any, settings: Settings) -> gr.Blocks:
    """The whole page on a backend; nothing is computed until a visitor opens it."""
    add_hub_models(settings.allowed_models)
    with Page(title="Diffusion Lab", analytics_enabled=False, fill_width=True, delete_cache=(3600, 3600)) as demo:
        widgets.header("Diffusion Lab", "Watch diffusion models draw, one paper at a time.")
        door = share.Door()
        built, pages = {}, []
        with gr.Tabs() as book:
            for tab in TABS:
                name = _name(tab)
                with gr.Tab(tab.TITLE, id=name, elem_id=f"tab-{name}") as page:
                    built[name] = tab.build(backend, settings, page)
                pages.append(page)
        shared = {name: tab for name, tab in built.items() if hasattr(tab, "share")}
        titles = {name: tab.TITLE for name, tab in zip(built, TABS, strict=True)}
        address.follow(demo, pages, titles)
        door.wire(demo, shared, titles, book)
        door.replays(built["start"].through, start.shipped)
        demo.load(None, js=OPEN_JS)
        demo.load(None, js=presenting.PRESENT_JS)
        ahead.notice()
    return demo


def _name(tab: ModuleType) -> str:
    return tab.__name__.split(".")[-2]


def launch_options(backend: Any, settings: Settings) -> dict[str, Any]:
    """What `demo.launch()` needs for look and limits; address and port are the caller's."""
    return {
        "theme": theme.theme(),
        "css": theme.CSS
        + lane_view.CSS
        + guidance_view.CSS
        + controlnet_view.CSS
        + models_view.CSS
        + start.CSS
        + papers.CSS
        + share.CSS
        + heads.CSS
        + heads.tabs_css({_name(tab): tab.QUESTION for tab in TABS})
        + lessons.CSS
        + presenting.CSS
        + ahead.CSS,
        "favicon_path": str(FAVICON),
        "app_kwargs": {"routes": [ahead.route(backend, settings.queue_size), start.route()]},
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
