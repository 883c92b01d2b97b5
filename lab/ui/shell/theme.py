"""The one look of the lab: Gradio theme, CSS and the colours that charts share. No web fonts: the lab runs offline.

All colours in CSS come from Gradio's variables, so light and dark need no second sheet. The grid is two columns,
`.stage` (pictures) and `.controls`; below 900 px they stack, pictures first.
"""

import gradio as gr
from gradio.themes.utils.colors import Color
from gradio.themes.utils.sizes import radius_lg, spacing_md, text_md

from lab.ui.shell.sources import beside

SHEETS = (
    "theme", "header", "strip", "lane_view", "reel", "share", "heads", "lessons", "pointer", "pipeline", "ahead",
    "presenting", "vocabulary", "own", "shelf",
)  # fmt: skip
CSS = "\n".join(beside(__file__, f"{name}.css") for name in SHEETS)

FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")

# Chart colours that read on white and on the dark page alike (4.5:1 for text is left to CSS, see .lab-plot).
SIGNAL, NOISE, NEUTRAL, MARK = "#2f9e6e", "#e8590c", "#8b93a1", "#7c86ff"

INDIGO = Color("#eef0ff", "#e0e4ff", "#c7ceff", "#a5afff", "#7c86ff", "#5b64f0", "#4a4fd8", "#3d40b0", "#34378c",
               "#2b2e6e", "#1b1d47", name="lab-indigo")  # fmt: skip
INK = Color("#f7f8fa", "#eef0f3", "#e1e4ea", "#c9ced8", "#98a0ae", "#666f7f", "#4b5362", "#353c49", "#20252f",
            "#14181f", "#0c0f14", name="lab-ink")  # fmt: skip


# Gradio's variables, on paper and where it differs on the dark page.
LOOK: dict[str, str | tuple[str, str]] = {
    "body_background_fill": ("white", "*neutral_950"),
    "body_text_color": ("*neutral_900", "*neutral_100"),
    "body_text_color_subdued": ("*neutral_500", "*neutral_400"),
    "background_fill_primary": ("white", "*neutral_900"),
    "background_fill_secondary": ("*neutral_50", "*neutral_900"),
    "border_color_primary": ("*neutral_200", "*neutral_800"),
    "block_background_fill": ("white", "*neutral_950"),
    "block_border_width": "0px",
    "block_shadow": "none",
    "block_label_background_fill": ("transparent", "transparent"),
    "block_label_border_width": "0px",
    "block_label_text_color": ("*neutral_600", "*neutral_300"),
    "block_title_text_color": ("*neutral_800", "*neutral_200"),
    "block_title_text_weight": "550",
    "block_info_text_color": ("*neutral_500", "*neutral_400"),
    "block_padding": "0px",
    "input_background_fill": ("*neutral_50", "*neutral_900"),
    "input_border_color": ("*neutral_200", "*neutral_800"),
    "input_border_width": "1px",
    "input_shadow": "none",
    "slider_color": ("*primary_500", "*primary_400"),
    "button_primary_background_fill": ("*neutral_900", "*neutral_50"),
    "button_primary_background_fill_hover": ("*neutral_700", "white"),
    "button_primary_border_color": ("*neutral_900", "*neutral_50"),
    "button_primary_text_color": ("white", "*neutral_950"),
    "button_secondary_background_fill": ("white", "*neutral_900"),
    "button_secondary_background_fill_hover": ("*neutral_50", "*neutral_800"),
    "button_secondary_border_color": ("*neutral_200", "*neutral_700"),
    "button_secondary_text_color": ("*neutral_800", "*neutral_100"),
    "button_border_width": "1px",
    "button_transition": "background-color .15s, border-color .15s",
    "link_text_color": ("*primary_600", "*primary_300"),
    "checkbox_label_background_fill": ("transparent", "transparent"),
    "checkbox_label_border_width": "0px",
    "checkbox_label_border_color": ("transparent", "transparent"),
    "checkbox_label_padding": "4px 8px 4px 0px",
}


def theme() -> gr.themes.Base:
    """Quiet surfaces, thin borders, one accent; the primary button is ink on paper and paper on ink."""
    base = gr.themes.Base(
        primary_hue=INDIGO,
        secondary_hue=INDIGO,
        neutral_hue=INK,
        text_size=text_md,
        spacing_size=spacing_md,
        radius_size=radius_lg,
        font=FONT,
        font_mono=MONO,
    )
    looks = {name: look if isinstance(look, tuple) else (look,) for name, look in LOOK.items()}
    return base.set(
        **{name + dark: colour for name, look in looks.items() for dark, colour in zip(("", "_dark"), look)}
    )
