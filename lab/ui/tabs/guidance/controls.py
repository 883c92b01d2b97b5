"""The controls of the Guidance tab."""

import gradio as gr

from lab.capsules.capsule import Choice
from lab.catalog import GROUPS, GUIDANCE, REGIONS, SAMPLERS, STYLES, samplers_for
from lab.requests.fields import GuideSettings
from lab.ui.shell import vocabulary, widgets
from lab.ui.shell.form import DECODER, Field, one_of, reads, titles_of
from lab.ui.tabs.guidance import rules

MAX_STEPS = 50  # every step of an anatomy stays in the visitor's page
EXPERIMENTS = [("Scales × seeds", "sweep"), ("Rules", "rules")]
FIRST = GuideSettings()

# fmt: off
FORM = (
    Field("experiment", gr.Radio,    "Experiment",      "sweep", choices=EXPERIMENTS),
    Field("model",      gr.Dropdown, "Model"),
    Field("prompt",     gr.Textbox,  rules.prompt_label, offered=rules.reads_words, when=rules.wants_words, stays=True, options={"max_length": widgets.MAX_TYPED, **vocabulary.PROMPT}),
    Field("negative",   gr.Textbox,  "Negative prompt", offered=reads("prompt"), stays=True, options={"max_length": widgets.MAX_TYPED, "placeholder": "what to move away from"}),
    Field("group",      gr.Dropdown, "Group",           offered=reads("group"), stays=True, choices=[("All pictures", ""), *((title, name) for name, title in GROUPS.items())]),
    Field("scales",     gr.Textbox,  "Guidance scales", "0, 1, 2, 3, 5, 7.5, 15, 30", options={"max_length": widgets.MAX_TYPED}),
    Field("seeds",      gr.Textbox,  "Seeds",           "1, 2", options={"max_length": widgets.MAX_TYPED}),
    Field("rules",      gr.Dropdown, "Rules",           rules.first, choices=rules.choices, when=one_of("experiment", "rules"), stays=True,
          kind=Choice(tuple(GUIDANCE), most=len(GUIDANCE)), options={"multiselect": True}),
    Field("temperature", gr.Slider,  "Temperature", FIRST.temperature, offered=rules.has("classifier"), when=rules.guided_by("classifier"), stays=True,
          options={"minimum": 0.1, "maximum": 10, "step": 0.1, "info": "Of the classifier: above 1 it is less sure, and pulls less."}),
    Field("colour",     gr.ColorPicker, "Colour",       FIRST.colour, offered=rules.has("colour"), when=rules.guided_by("colour"), stays=True),
    Field("region",     gr.Dropdown, "Region",          FIRST.region, offered=rules.has("brightness"), when=rules.guided_by("brightness"), stays=True, choices=[(title, name) for name, title in REGIONS.items()]),
    Field("brightness", gr.Slider,   "Brightness of the region", FIRST.brightness, offered=rules.has("brightness"), when=rules.guided_by("brightness"), stays=True,
          options={"minimum": 0, "maximum": 1, "step": 0.05, "info": "0 is black, 1 is white."}),
    Field("steps",      gr.Slider,   "Steps",           20, options={"minimum": 1, "maximum": MAX_STEPS, "step": 1}),
    Field("sampler",    gr.Dropdown, "Sampler",         "ddim", choices=titles_of(samplers_for), kind=Choice(tuple(SAMPLERS))),
    Field("style",      gr.Dropdown, "Style",           offered=reads("style"), stays=True, choices=[("All styles", ""), *((style, style) for style in STYLES)]),
    DECODER,
)
# fmt: on
