"""The controls of the Edit tab."""

from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr

from lab.architecture import architecture
from lab.capsules.capsule import Choice
from lab.catalog import EDITS, GROUPS, MODELS, STYLES, VIEWS, Model, samplers_for
from lab.requests.edit import BEGINNING, MOST_REPEATS, truth
from lab.ui.shell import vocabulary, widgets
from lab.ui.shell.form import RANDOM_SEED, Field, one_of, reads
from lab.ui.tabs.edit import charts

EXPERIMENTS = (
    ("SDEdit", "noise"),
    ("Fill", "fill"),
    ("Reword", "words"),
    ("Enlarge", "enlarge"),
    ("Two", "two"),
)
STEPS, JUMPS = 20, 8  # of a model that was distilled to jump
MADE_FOR_HOLES = 9  # channels of a network's input: the latent, the mask and the latent of the known part
SEGMENTS = {"show_label": False, "container": False, "elem_classes": "segments"}  # its label is for screen readers
LIST = {"min_width": 120, "max_length": widgets.MAX_TYPED}
HALF = {"min_width": 110}
GROUP_CHOICES = [("All pictures", ""), *((title, name) for name, title in GROUPS.items())]

Values = Mapping[str, Any]


def ways(row: Model) -> tuple[str, ...]:
    """The ways in which a model fills holes, by their names in EDITS."""
    built = architecture(row)
    if built and built.shape[0] == MADE_FOR_HOLES:  # a network of the hub that does nothing else
        return ("nine",)
    lacking = {"nine": not row.inpainting, "truth": not truth(row)}
    return tuple(name for name, edit in EDITS.items() if edit.mask and not lacking.get(name))


def experiments(row: Model) -> list[tuple[str, str]]:
    """What can be done with a model; to enlarge takes none."""
    only = ("fill", "enlarge") if ways(row) == ("nine",) else [name for _, name in EXPERIMENTS]
    return [(title, name) for title, name in EXPERIMENTS if name in only]


def by_words(row: Model) -> bool:
    """Whether a model is told in words what to draw; else by a group."""
    return "prompt" in row.conditions


def _worded(*names: str) -> Callable[[Values], bool]:
    return lambda now: now["experiment"] in names and by_words(_row(now))


def _grouped(*names: str) -> Callable[[Values], bool]:
    return lambda now: now["experiment"] in names and not by_words(_row(now))


def _row(now: Values) -> Model:
    return MODELS.get(now["model"], MODELS["text-to-image"])


def _group(now: Values) -> bool:
    return bool(now["cascade"]) if now["experiment"] == "enlarge" else not by_words(_row(now))


def _guided(now: Values) -> bool:
    return bool(now["cascade"]) if now["experiment"] == "enlarge" else now["experiment"] != "words"


def _way(name: str) -> Callable[[Values], bool]:
    return lambda now: now["experiment"] == "fill" and name in (now["methods"] or ())


def _called(words: str, two: str, other: str) -> Callable[[Values], str]:
    return lambda now: {"words": words, "two": two}.get(now["experiment"], other)


by_model, drawn = one_of("experiment", "noise", "fill", "words", "two"), one_of("experiment", "noise", "fill", "two")

# fmt: off
FORM = (
    Field("model",      gr.Dropdown, "Model", when=by_model),
    Field("experiment", gr.Radio,    "Experiment", "noise", choices=experiments, stays=True, kind=Choice(tuple(name for _, name in EXPERIMENTS)), options=SEGMENTS),
    Field("cascade",    gr.Checkbox, "The pixel model draws the small picture", False, when=one_of("experiment", "enlarge")),
    Field("view",       gr.Dropdown, "Second view", "flip", choices=[(view.title, name) for name, view in VIEWS.items()], when=one_of("experiment", "two")),
    Field("prompt",     gr.Textbox,  _called("Other words", "First words", "Prompt"), offered=reads("prompt"), when=_worded("noise", "fill", "words", "two"), stays=True, options={"max_length": widgets.MAX_TYPED, **vocabulary.PROMPT}),
    Field("source",     gr.Textbox,  _called("Its own words", "Second words", "Its own words"), offered=reads("prompt"), when=_worded("words", "two"), stays=True, options={"max_length": widgets.MAX_TYPED}),
    Field("group",      gr.Dropdown, _called("Other group", "First group", "Group"), "", choices=GROUP_CHOICES, when=_group),
    Field("second_group", gr.Dropdown, _called("Its own group", "Second group", "Its own group"), "", choices=GROUP_CHOICES, when=_grouped("words", "two")),
    Field("methods",    gr.CheckboxGroup, "Ways to fill it", lambda row: [name for name in ways(row) if name != "paste"], choices=lambda row: [(EDITS[name].title, name) for name in ways(row)], when=one_of("experiment", "fill"), stays=True,
          kind=Choice(tuple(name for name, edit in EDITS.items() if edit.mask), most=len(EDITS))),
    Field("strengths",  gr.Textbox,  "Strengths, 0 to 1", "0.2, 0.4, 0.6, 0.8, 1", when=one_of("experiment", "noise"), options=LIST),
    Field("resamplings", gr.Textbox, "Resamplings of RePaint", "5", when=_way("repaint"), options=LIST),
    Field("scales",     gr.Textbox,  "Guidance scales", "1, 2, 3, 5, 7.5", when=one_of("experiment", "words"), options=LIST),
    Field("noises",     gr.Textbox,  "Noise augmentation, 0 to 399", "0, 50, 100, 200, 300", when=one_of("experiment", "enlarge"), options=LIST),
    Field("side",       gr.Radio,    "Side of the small picture, px", 32, choices=[("16", 16), ("32", 32), ("64", 64)], when=lambda now: now["experiment"] == "enlarge" and not now["cascade"]),
    Field("cutoff",     gr.Slider,   "Blur that parts far from near, px of 64", 3, when=lambda now: now["experiment"] == "two" and now["view"] == "frequencies", options={"minimum": 0.5, "maximum": 20, "step": 0.5}),
    Field("live",       gr.Checkbox, "Run at every stroke", False, when=one_of("experiment", "noise", "fill"), linked=False),
    Field("seed",       gr.Number,   "First seed", 0, dice=RANDOM_SEED, options={"minimum": 0, **HALF}),
    Field("count",      gr.Slider,   "Seeds", 2, when=one_of("experiment", "noise", "fill", "enlarge", "two"), options={"minimum": 1, "maximum": 8, "step": 1, **HALF}),
    Field("guidance",   gr.Slider,   "Guidance scale (1: plain conditional model)", lambda row: row.guidance_scale, when=_guided, options={"minimum": 0, "maximum": 15, "step": 0.5}),
    Field("jump",       gr.Slider,   "Jump of RePaint, steps", 1, when=_way("repaint"), options={"minimum": 1, "maximum": MOST_REPEATS, "step": 1}),
    Field("tolerance",  gr.Slider,   "What the exact posterior forgives, grey levels of 255", 8, when=_way("truth"), options={"minimum": 1, "maximum": 100, "step": 1}),
    Field("steps",      gr.Slider,   "Steps", lambda row: JUMPS if row.consistency else STEPS, options={"minimum": 2, "maximum": 100, "step": 1}),
    Field("sampler",    gr.Dropdown, "Sampler", lambda row: "lcm" if row.consistency else "ddim", choices=lambda row: [(one.title, name) for name, one in samplers_for(row).items() if name in BEGINNING], kind=Choice(BEGINNING), when=drawn),
    Field("style",      gr.Dropdown, "Style", "", offered=reads("style"), when=_worded("noise", "fill", "words", "two"), stays=True, choices=[("All styles", ""), *((style, style) for style in STYLES)]),
    Field("negative",   gr.Textbox,  "Negative prompt", offered=lambda row: row.guided and by_words(row), when=_worded("noise", "fill", "words", "two"), stays=True, options={"max_length": widgets.MAX_TYPED}),
    Field("noise_chart", gr.Radio,   "Chart", "rms",  choices=charts.NOISE_CHARTS, when=one_of("experiment", "noise"), linked=False, options=SEGMENTS),
    Field("fill_chart", gr.Radio,    "Chart of the ways", "seam", choices=charts.FILL_CHARTS, when=one_of("experiment", "fill"), linked=False, options=SEGMENTS),
)
# fmt: on
