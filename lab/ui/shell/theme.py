"""The one look of the lab: Gradio theme, CSS and the colours that charts share. No web fonts: the lab runs offline.

All colours in CSS come from Gradio's variables, so light and dark need no second sheet. The grid is two columns,
`.stage` (pictures) and `.controls`; below 900 px they stack, pictures first.
"""

import gradio as gr
from gradio.themes.utils.colors import Color
from gradio.themes.utils.sizes import radius_lg, spacing_md, text_md

FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")

# Chart colours that read on white and on the dark page alike (4.5:1 for text is left to CSS, see .lab-plot).
SIGNAL, NOISE, NEUTRAL, MARK = "#2f9e6e", "#e8590c", "#8b93a1", "#7c86ff"

INDIGO = Color("#eef0ff", "#e0e4ff", "#c7ceff", "#a5afff", "#7c86ff", "#5b64f0", "#4a4fd8", "#3d40b0", "#34378c",
               "#2b2e6e", "#1b1d47", name="lab-indigo")  # fmt: skip
INK = Color("#f7f8fa", "#eef0f3", "#e1e4ea", "#c9ced8", "#98a0ae", "#666f7f", "#4b5362", "#353c49", "#20252f",
            "#14181f", "#0c0f14", name="lab-ink")  # fmt: skip


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
    return base.set(
        body_background_fill="white",
        body_background_fill_dark="*neutral_950",
        body_text_color="*neutral_900",
        body_text_color_dark="*neutral_100",
        body_text_color_subdued="*neutral_500",
        body_text_color_subdued_dark="*neutral_400",
        background_fill_primary="white",
        background_fill_primary_dark="*neutral_900",
        background_fill_secondary="*neutral_50",
        background_fill_secondary_dark="*neutral_900",
        border_color_primary="*neutral_200",
        border_color_primary_dark="*neutral_800",
        block_background_fill="white",
        block_background_fill_dark="*neutral_950",
        block_border_width="0px",
        block_shadow="none",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        block_label_border_width="0px",
        block_label_text_color="*neutral_600",
        block_label_text_color_dark="*neutral_300",
        block_title_text_color="*neutral_800",
        block_title_text_color_dark="*neutral_200",
        block_title_text_weight="550",
        block_info_text_color="*neutral_500",
        block_info_text_color_dark="*neutral_400",
        block_padding="0px",
        input_background_fill="*neutral_50",
        input_background_fill_dark="*neutral_900",
        input_border_color="*neutral_200",
        input_border_color_dark="*neutral_800",
        input_border_width="1px",
        input_shadow="none",
        slider_color="*primary_500",
        slider_color_dark="*primary_400",
        button_primary_background_fill="*neutral_900",
        button_primary_background_fill_hover="*neutral_700",
        button_primary_border_color="*neutral_900",
        button_primary_border_color_dark="*neutral_50",
        button_primary_text_color="white",
        button_primary_background_fill_dark="*neutral_50",
        button_primary_background_fill_hover_dark="white",
        button_primary_text_color_dark="*neutral_950",
        button_secondary_background_fill="white",
        button_secondary_background_fill_hover="*neutral_50",
        button_secondary_border_color="*neutral_200",
        button_secondary_text_color="*neutral_800",
        button_secondary_background_fill_dark="*neutral_900",
        button_secondary_background_fill_hover_dark="*neutral_800",
        button_secondary_border_color_dark="*neutral_700",
        button_secondary_text_color_dark="*neutral_100",
        button_border_width="1px",
        button_transition="background-color .15s, border-color .15s",
        link_text_color="*primary_600",
        link_text_color_dark="*primary_300",
        checkbox_label_background_fill="transparent",
        checkbox_label_background_fill_dark="transparent",
        checkbox_label_border_width="0px",
        checkbox_label_border_color="transparent",
        checkbox_label_border_color_dark="transparent",
        checkbox_label_padding="4px 8px 4px 0px",
    )


CSS = """
/* page */
.gradio-container { max-width: 1560px !important; margin: 0 auto;
  padding: 10px clamp(14px, 2.4vw, 32px) 48px !important; }
/* a long equation scrolls in its own box; the page itself never widens */
.gradio-container, .gradio-container > .main, .gradio-container > .main > .wrap, main.contain { min-width: 0 !important; }
/* clip, not hidden: in a box that could scroll nothing would stay in sight while the page does */
.gradio-container { width: 100%; overflow: clip !important; } main.contain { max-width: 100%; }
.main.fillable { padding: 0 !important; }
footer { display: none !important; }
.lab-recorded { font-size: 14px; font-weight: 600; margin: 0 0 8px; color: var(--body-text-color-subdued); }
.lab-header { display: flex; align-items: center; gap: 12px; padding: 2px 0 6px; }
.lab-header svg { width: 34px; height: 34px; flex: none; border-radius: 8px; }
.lab-header h1 { font-size: 20px; font-weight: 680; letter-spacing: -.015em; margin: 0; line-height: 1.2; }
.lab-header p { font-size: 15px; margin: 0; color: var(--body-text-color-subdued); line-height: 1.3; }
.tab-container button { font-size: 15px; }
.tab-container[role=tablist] button.selected { color: var(--link-text-color); }
.tabitem { padding: 4px 0 0 !important; border: 0 !important; }
.tabitem > .column, .tabs { gap: 12px !important; }

/* the grid of a tab: pictures left, controls right; stacked on a phone */
.stage-row { gap: 36px !important; align-items: stretch; }
.stage { gap: 16px !important; }
/* one column that flows with the page; Run stays in sight while it does */
.stage, .controls { flex-wrap: nowrap !important; }
.controls { gap: 18px !important; }
.controls > * { flex: none !important; }
@media (min-width: 701px) { .controls > .dock { position: sticky; top: 0; z-index: 45; padding: 10px 0;
  background: var(--body-background-fill); } }

/* presets: a row of pills; scrolls sideways on a phone */
.presets { gap: 8px !important; flex-wrap: wrap; padding: 2px; }
.presets button { flex: 0 0 auto !important; min-width: 0 !important; border-radius: 999px !important;
  padding: 7px 15px !important; font-size: 14px !important; font-weight: 500; white-space: nowrap; }
@media (max-width: 700px) {
  .presets { flex-wrap: nowrap !important; overflow-x: auto; scrollbar-width: none; max-width: calc(100vw - 28px); }
}

/* pictures: every box keeps its square, filled or not */
.lab-pic { margin: 0; min-width: 0; display: flex; flex-direction: column; gap: 7px; }
.lab-pic .box { position: relative; aspect-ratio: 1; overflow: hidden; border-radius: 12px; border: 0;
  background: var(--background-fill-secondary); box-shadow: 0 0 0 1px var(--border-color-primary); }
.lab-pic img { position: absolute; inset: 0; width: 100%; height: 100%; object-fit: cover; display: block; margin: 0;
  border-radius: 0; }
.lab-pic img.crisp { image-rendering: pixelated; }
.lab-pic figcaption { display: flex; flex-wrap: wrap; align-items: baseline; column-gap: 8px;
  font-size: 14px; line-height: 1.35;
  color: var(--body-text-color-subdued); font-variant-numeric: tabular-nums; min-height: 1.35em; }
.lab-pic figcaption b { color: var(--body-text-color); font-weight: 600; }
.lab-pic figcaption i.dot { width: 10px; height: 10px; border-radius: 3px; display: inline-block; align-self: center; }

/* notes to the visitor */
.lab-note:empty { display: none; }
.lab-note { margin: 0; padding: 10px 14px; border-radius: 10px; font-size: 14px; line-height: 1.45;
  background: var(--background-fill-secondary); border-left: 4px solid var(--border-color-primary); }
.lab-note.bad { border-left-color: #e8590c; }
/* what was there before a refusal is no answer to what is asked now */
.stage { position: relative; }
.stage-row:has(.lab-note.refusal) .stage:has(img) > *:not(.dock) { opacity: .35; filter: grayscale(1); }
.stage-row:has(.lab-note.refusal) .stage:has(img)::before { content: "From before"; position: absolute; z-index: 5; top: 8px; left: 8px;
  padding: 4px 10px; border-radius: 8px; font-size: 15px; font-weight: 600; color: #fff; background: #c2410c; }

/* tables */
.lab-table td, .lab-table th, .lab-table tr { border-width: 0 0 1px !important; }
.lab-table { width: 100%; border: 0 !important; border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; }
.lab-table th, .lab-table td { text-align: left; padding: 7px 10px;
  border-bottom: 1px solid var(--border-color-primary); }
.lab-table th { color: var(--body-text-color-subdued); font-weight: 550; }

/* words and equations */
.lab-words { font-size: 16px; line-height: 1.6; max-width: 78ch; }
.lab-words .katex { font-size: 1.08em; }
.lab-words .katex-display { margin: .7em 0; overflow-x: auto; overflow-y: hidden; padding: 2px 0; text-align: left; }

/* Plotly follows the page's colours, so one figure serves light and dark */
.js-plotly-plot .main-svg { background: transparent !important; }
.js-plotly-plot text { fill: var(--body-text-color-subdued) !important; }
.js-plotly-plot .gridlayer path, .js-plotly-plot .zerolinelayer path { stroke: var(--border-color-primary) !important; }
.js-plotly-plot .modebar { display: none !important; }

/* a radio as a row of segments */
.segments .wrap { gap: 4px !important; background: var(--background-fill-secondary); border-radius: 10px; padding: 4px;
  display: inline-flex; flex-wrap: wrap; box-shadow: inset 0 0 0 1px var(--border-color-primary); }
.segments label { padding: 6px 14px !important; border-radius: 7px; cursor: pointer; font-size: 14px; }
.segments label input { position: absolute; opacity: 0; width: 1px; height: 1px; }
.segments label:has(input:checked) { background: var(--body-text-color); }
.segments label:has(input:checked) span { color: var(--body-background-fill); }
.segments label:has(input:focus-visible) { outline: 2px solid var(--primary-500); outline-offset: 1px; }

/* forward noising: one large picture, two beside it; with a rival, two large ones */
.noising-pictures { display: grid !important; gap: 16px !important; align-items: start;
  grid-template-columns: minmax(0, 1fr) minmax(0, calc((100% - 92px) / 3));
  max-width: max(560px, calc((100vh - 382px) * 1.5)); }
.noising-pictures:has(.rival figure) { max-width: none;
  grid-template-columns: minmax(0, 1fr) minmax(0, 1fr) minmax(0, calc((100% - 56px) / 5)); }
.noising-pictures:has(.rival figure) .beside figcaption { min-height: 0; }
.noising-pictures:has(.rival figure) .beside figcaption span { display: none; }
.noising-pictures > * { min-width: 0 !important; width: auto !important; }
.noising-pictures .beside { gap: 12px !important; }
.noising-pictures .beside figcaption { font-size: 13px; display: block; min-height: 54px; }
.noising-pictures .beside figcaption span { display: block; }
.noising-pictures .beside figcaption b { display: block; }
.transport { align-items: center; gap: 14px !important; flex-wrap: nowrap !important; }
.transport .block { padding: 0; }
.film { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 10px; }
.film-head { display: grid; grid-template-rows: 1fr 1fr 18px; gap: 4px; font-size: 13px; width: 58px;
  color: var(--body-text-color-subdued); align-items: center; }
.film-frames { display: grid; grid-auto-flow: column; grid-auto-columns: minmax(0, 1fr); gap: 6px; }
.film .frame { display: grid; align-content: start; gap: 4px; padding: 0; border: 0; background: none; cursor: pointer; min-width: 0; }
.film .frame .box { display: block; aspect-ratio: 1; border-radius: 8px; overflow: hidden;
  background: var(--background-fill-secondary); box-shadow: 0 0 0 1px var(--border-color-primary); }
.film .frame img { width: 100%; height: 100%; display: block; margin: 0; image-rendering: pixelated; border-radius: 0; }
.film .frame:hover .box { box-shadow: 0 0 0 2px var(--primary-500); }
.film small { font-size: 13px; line-height: 18px; color: var(--body-text-color-subdued); text-align: center;
  font-variant-numeric: tabular-nums; }
.gallery { display: grid; grid-template-columns: repeat(6, minmax(0, 1fr)); gap: 8px; padding: 2px; }
.gallery button { padding: 0; border: 0; background: var(--background-fill-secondary); border-radius: 10px; overflow: hidden;
  aspect-ratio: 1; cursor: pointer; box-shadow: 0 0 0 1px var(--border-color-primary); }
.gallery button:hover { box-shadow: 0 0 0 2px var(--neutral-400); }
.gallery button[aria-pressed=true] { box-shadow: 0 0 0 3px var(--primary-500); }
.gallery img { width: 100%; height: 100%; object-fit: cover; display: block; margin: 0; border-radius: 0; }
@media (max-width: 700px) {
  .noising-pictures { grid-template-columns: 1fr 1fr; gap: 10px !important; }
  .noising-pictures:has(.rival figure) { grid-template-columns: 1fr 1fr; }
  .noising-pictures:not(:has(.rival figure)) > .jump, .noising-pictures > .beside { grid-column: 1 / -1; }
  .noising-pictures .beside { display: grid !important; grid-template-columns: 1fr 1fr; }
  .transport { flex-wrap: wrap !important; }
  .transport > :last-child { flex-basis: 100% !important; }
  .film-frames { grid-auto-columns: 62px; overflow-x: auto; padding: 2px; }
}

/* controls */
.controls .form { gap: 18px !important; background: transparent !important; border: 0 !important; overflow: visible;
  box-shadow: none !important; }
.controls .row { gap: 14px !important; }
.controls .wrap-inner { padding-left: 10px; }
.controls .form, .stage .form { gap: 16px; background: transparent; border: 0; overflow: visible; }
.controls .wrap-inner, .stage .wrap-inner { padding-left: 10px; }
/* Gradio lets every block scroll by itself: a mark that is turned, or a slider's least width, would bring a scrollbar */
.block[style*="overflow: auto"] { overflow: visible !important; }
.slider_input_container input[type=range] { min-width: 0 !important; }
.gr-accordion .label-wrap:not(.open) .icon { transform: rotate(-90deg) !important; }
.lane-row { gap: 6px !important; flex-wrap: nowrap !important; }
.lane-row > .block, .lane-row > .form { min-width: 0 !important; }
.controls label > span, .controls .block > span { font-size: 14px; }
.lab-go button, button.lab-go { font-size: 16px !important; min-height: 46px; font-weight: 600 !important; }
button:focus-visible, input:focus-visible, [role=tab]:focus-visible, .lab-film a:focus-visible {
  outline: 2px solid var(--primary-500) !important; outline-offset: 2px; }
@media (max-width: 700px) {
  .stage-row { gap: 20px !important; flex-direction: column !important; align-items: stretch !important; }
  .stage, .controls { min-width: 0 !important; max-width: 100% !important; width: 100% !important; flex: none !important; }
  .lab-words { max-width: 100%; }
  .lab-header p { font-size: 13px; }
}
/* Run and Stop: on a phone at the lower edge, wherever the page stands */
.dock { gap: 12px !important; }
@media (max-width: 700px) {
  .gradio-container { padding-bottom: 150px !important; }
  .dock { position: fixed !important; left: 0; right: 0; bottom: 0; z-index: 45; width: 100% !important; gap: 6px !important;
    padding: 8px 14px calc(10px + env(safe-area-inset-bottom)) !important; background: var(--body-background-fill);
    box-shadow: 0 -1px 0 var(--border-color-primary); flex-direction: column-reverse !important; }
  .dock .lab-note { padding: 4px 10px; font-size: 13px; max-height: 92px; overflow-y: auto; }
  .dock .row { gap: 10px !important; }
  #controlnet-note { min-height: 0 !important; }
}
@media (prefers-reduced-motion: reduce) { * { transition: none !important; animation: none !important; } }
"""
