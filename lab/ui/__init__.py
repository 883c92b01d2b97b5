"""The face of the lab. This file is its table of contents: one line a tab."""

from pathlib import Path
from typing import Any

import gradio as gr

from lab.settings import ASSETS, Settings
from lab.ui import controlnet_view, guidance_view, lane_view, theme, widgets
from lab.ui.tabs import controlnet, guidance, noising, samplers

TABS = (noising, samplers, guidance, controlnet)
FAVICON = Path(__file__).with_name("favicon.svg")


def build(backend: Any, settings: Settings) -> gr.Blocks:
    """The whole page on a backend; nothing is computed until a visitor opens it."""
    with gr.Blocks(title="Diffusion Lab", analytics_enabled=False, fill_width=True, delete_cache=(3600, 3600)) as demo:
        widgets.header(
            "Diffusion Lab", "See how diffusion models work: every picture here is computed while you watch."
        )
        with gr.Tabs():
            for tab in TABS:
                with gr.Tab(tab.TITLE) as page:
                    tab.build(backend, settings, page)
    return demo


def launch_options(settings: Settings) -> dict[str, Any]:
    """What `demo.launch()` needs for look and limits; address and port are the caller's."""
    return {
        "theme": theme.theme(),
        "css": theme.CSS + lane_view.CSS + guidance_view.CSS + controlnet_view.CSS,
        "favicon_path": str(FAVICON),
        "allowed_paths": [str(ASSETS / "images")],
        "max_threads": settings.most_pressed + 40,  # a run that waits holds a thread
        "max_file_size": int(settings.max_upload_mb * 1_000_000),
        "show_error": False,
        "footer_links": [],
        "enable_monitoring": False,
        "run_history": False,
        "ssr_mode": False,
    }
