"""What a tab asks: beneath its name among the tabs, and as its head, where the papers that ask it, their equation and
the way into its lesson stand in one line.

On a phone the question stands alone and the rest unfolds. Equations are plain HTML: a line of Markdown for LaTeX would
wait for its script.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from lab.papers import PAPERS, Paper

CSS = """
/* the head of a tab: one line */
.lab-head-row { align-items: center; gap: 12px !important; flex-wrap: nowrap !important; }
.lab-head-row > :first-child { flex: 1 1 auto !important; min-width: 0 !important; }
.lab-head-row > button { flex: none; min-width: 0 !important; border-radius: 999px; white-space: nowrap; }
.lab-head { display: flex; flex-wrap: wrap; align-items: baseline; gap: 2px 22px; padding: 2px; }
.lab-head h2 { font-size: 20px; font-weight: 680; letter-spacing: -.015em; line-height: 1.25; margin: 0; }
.lab-head summary { font-size: 14px; color: var(--body-text-color-subdued); cursor: pointer; width: max-content; padding: 3px 0; }
.lab-head p { display: flex; flex-wrap: wrap; align-items: baseline; gap: 2px 22px; margin: 0; font-size: 14px; line-height: 1.4;
  color: var(--body-text-color-subdued); }
.lab-math { font: italic 16px/1.3 "STIX Two Math", "Cambria Math", "Times New Roman", "DejaVu Serif", serif; white-space: nowrap;
  color: var(--body-text-color); }
.lab-math sub { font-size: .7em; line-height: 0; }
.lab-math u { text-decoration: none; border-top: 1px solid; padding: 0 1px; }
@media (min-width: 701px) { .lab-head summary { display: none; } }
@media (max-width: 700px) {
  .lab-head { display: block; }
  .lab-head h2 { font-size: 18px; }
}
"""

# Folded on a phone, open elsewhere, where nothing is to be pressed; and so when the window changes.
UNFOLD_JS = """
const more = element.querySelector('details'), wide = matchMedia('(min-width: 701px)');
const fit = () => { more.open = wide.matches; };
wide.addEventListener('change', fit);
fit();
"""


@dataclass(frozen=True)
class Head:
    """What stands beside a tab's question."""

    papers: tuple[str, ...]  # titles in lab/papers.py
    equation: str  # HTML of the lab's own
    spoken: str  # the same for screen readers


# fmt: off
HEADS = {
    "noising": Head(
        ("Denoising Diffusion Probabilistic Models",),
        "x<sub>t</sub> = √<u>ᾱ<sub>t</sub></u> x<sub>0</sub> + √<u>1 − ᾱ<sub>t</sub></u> ε",
        "x t equals the root of alpha-bar t times x 0, plus the root of 1 minus alpha-bar t times epsilon",
    ),
    "samplers": Head(
        ("Denoising Diffusion Probabilistic Models", "Denoising Diffusion Implicit Models"),
        "x<sub>s</sub> = √<u>ᾱ<sub>s</sub></u> x̂<sub>0</sub> + √<u>1 − ᾱ<sub>s</sub> − σ²</u> ε̂ + σz",
        "x s equals the root of alpha-bar s times predicted x 0, plus the root of 1 minus alpha-bar s minus sigma squared "
        "times predicted epsilon, plus sigma times z",
    ),
    "guidance": Head(
        ("Classifier-Free Diffusion Guidance",),
        "ε̃ = ε(x<sub>t</sub>) + s · (ε(x<sub>t</sub>, c) − ε(x<sub>t</sub>))",
        "guided epsilon equals epsilon of x t, plus s times the difference of epsilon of x t and c to epsilon of x t",
    ),
    "controlnet": Head(
        ("Adding Conditional Control to Text-to-Image Diffusion Models",),
        "h<sub>k</sub> ← h<sub>k</sub> + s · r<sub>k</sub>(x<sub>t</sub>, t, c, map)",
        "h k becomes h k plus s times r k of x t, t, c and the map",
    ),
}
# fmt: on


def tabs_css(questions: Mapping[str, str]) -> str:
    """CSS that shows each tab's question beneath its name, where there is room for all. Gradio takes only text for a name;
    who has the page read aloud hears the question in the tab's head. (`::after` is Gradio's line under the open tab.)"""
    rules = "".join(
        f'  #tab-{tab}-button::before {{ content: {json.dumps(question, ensure_ascii=False)} / ""; }}\n'
        for tab, question in questions.items()
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


def html(tab: str, question: str) -> str:
    """The head of a tab, for gr.HTML with UNFOLD_JS."""
    head = HEADS[tab]
    links = " · ".join(_link(_paper(title)) for title in head.papers)
    return (
        f'<div class="lab-head"><h2>{escape(question)}</h2><details open><summary>Paper and equation</summary>'
        f'<p><span>{links}</span><span class="lab-math" role="math" aria-label="{escape(head.spoken)}">{head.equation}</span>'
        "</p></details></div>"
    )


def _paper(title: str) -> Paper:
    return next(row for row in PAPERS if row.title == title)


def _link(row: Paper) -> str:
    text = f"{row.authors} {row.year}"
    return f'<a href="{escape(row.link)}" title="{escape(row.title)}" target="_blank" rel="noopener">{escape(text)}</a>'
