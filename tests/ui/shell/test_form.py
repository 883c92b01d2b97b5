"""A form: what controls become for a model, a preset, a link and an experiment, from their rows alone."""

import gradio as gr
import pytest

from lab.capsules.capsule import Choice
from lab.catalog import MODELS, SAMPLERS, rules_for, samplers_for
from lab.ui.shell.form import Field, Form, Preset, one_of, reads, titles_of
from tests.ui.values import set_to

FIELDS = (
    Field("experiment", gr.Radio, "Experiment", "one", choices=[("One", "one"), ("Two", "two")]),
    Field("model", gr.Dropdown, "Model"),
    Field("prompt", gr.Textbox, "Prompt", offered=reads("prompt"), stays=True),
    Field("group", gr.Dropdown, "Group", offered=reads("group"), choices=[("All", ""), ("Food", "food-drink")]),
    Field(
        "strengths", gr.Textbox, lambda now: "Edges" if now["experiment"] == "two" else "Strengths", "1, 2", linked=False
    ),
    Field("seed", gr.Number, "Second seed", 7, when=one_of("experiment", "two")),
    Field("sampler", gr.Dropdown, "Sampler", "ddim", choices=titles_of(samplers_for), when=one_of("experiment", "two")),
    Field(
        "samplers", gr.Dropdown, "Samplers", ["ddim"], choices=titles_of(samplers_for), stays=True,
        kind=Choice(tuple(SAMPLERS), most=8), options={"multiselect": True},
    ),
    Field(
        "rules", gr.Dropdown, "Rules", lambda model: list(rules_for(model)), choices=titles_of(rules_for),
        options={"multiselect": True},
    ),
    Field("guidance", gr.Slider, "Scale", lambda model: model.guidance_scale, more=lambda model: {"interactive": model.guided}),
)  # fmt: skip
NAMES = [one.name for one in FIELDS]
OFFERED = [MODELS[name] for name in ("text-to-image", "exact", "pixel", "student")]


def make_form(**values):
    with gr.Blocks():
        form = Form("toy", FIELDS, OFFERED)
        form.lay_out(*NAMES, values=form.complete(values))
    return form


def seen(form, update):
    """Properties by the names of controls."""
    names = {part: name for name, part in form.parts.items()}
    return {names[part]: {k: v for k, v in one.items() if k != "__type__"} for part, one in update.items()}


def test_a_control_is_laid_out_as_its_row_and_the_model_have_it():
    form = make_form(model="exact")
    assert [value for _, value in form["model"].choices] == [model.name for model in OFFERED]
    rules = list(rules_for(MODELS["exact"]))
    assert [value for _, value in form["rules"].choices] == rules == form["rules"].value
    assert form["prompt"].visible and form["group"].visible and not form["seed"].visible
    assert form["guidance"].value == 1 and form["guidance"].interactive and form["prompt"].elem_id == "toy-prompt"
    assert form["strengths"].label == "Strengths" and make_form(experiment="two")["strengths"].label == "Edges"


@pytest.mark.parametrize("model", [model.name for model in OFFERED])
def test_every_control_fits_every_model(model):
    whole = make_form().complete({"model": model, "prompt": "cat", "group": "food-drink", "samplers": list(SAMPLERS)})
    row = MODELS[model]
    assert whole["prompt"] == ("cat" if "prompt" in row.conditions else "")
    assert whole["group"] == ("food-drink" if "group" in row.conditions else "")
    assert whole["samplers"] == list(samplers_for(row)) and whole["rules"] == list(rules_for(row))
    assert whole["guidance"] == row.guidance_scale


def test_what_a_control_cannot_have_is_its_own_value_and_what_is_no_control_is_refused():
    form = make_form()
    whole = form.complete({"model": "gone", "group": "nowhere", "samplers": ["lcm"], "experiment": "three"})
    assert (whole["model"], whole["group"], whole["samplers"], whole["experiment"]) == (
        "text-to-image",
        "",
        ["ddim"],
        "one",
    )
    for model, scale in (("exact", 9.0), ("student", 3.0)):  # whose guidance cannot be set
        assert form.complete({"model": model, "guidance": 9.0})["guidance"] == scale
    with pytest.raises(KeyError, match="promt"):
        form.preset(Preset("A slip of the pen", promt="cat"))


def test_a_preset_sets_every_control():
    form = make_form(model="exact", group="food-drink", experiment="two")
    update = form.show(form.preset(Preset("Plain", model="pixel", guidance=4.0)))
    assert {names: set_to(one) for names, one in seen(form, update).items()} == {
        "experiment": "one", "model": "pixel", "prompt": "", "group": "", "strengths": "1, 2", "seed": 7,
        "sampler": "ddim", "samplers": ["ddim"], "rules": list(rules_for(MODELS["pixel"])), "guidance": 4.0,
    }  # fmt: skip
    assert seen(form, update)["prompt"]["visible"] is False and seen(form, update)["group"]["visible"] is True


def test_another_model_leaves_what_a_visitor_typed_and_what_does_not_follow_it():
    form = make_form()
    now = {"experiment": "two", "model": "student", "prompt": "a", "group": "food-drink", "strengths": "9", "seed": 3}
    update = seen(form, form.suit(now | {"samplers": ["ddpm", "ddpm_learned", "lcm"], "rules": ["cfg"], "guidance": 9}))
    assert update.keys() == {"prompt", "group", "sampler", "samplers", "rules", "guidance"}
    assert update["prompt"] == {"visible": True} and update["group"] == {"value": "", "visible": False}
    assert update["samplers"]["value"] == ["ddpm", "lcm"]
    assert update["guidance"] == {"value": 3.0, "interactive": False}


def test_another_experiment_changes_what_is_there_and_no_value():
    form = make_form()
    assert seen(form, form.look({"experiment": "two", "model": "exact"})) == {
        "strengths": {"label": "Edges"}, "seed": {"visible": True}, "sampler": {"visible": True},
    }  # fmt: skip


def test_handlers_read_by_name_and_links_hold_what_they_may():
    form = make_form()
    values = {form["prompt"]: None, form["seed"]: 5}
    assert form.read(values) == {"prompt": "", "seed": 5}
    assert set(form.linked) == set(NAMES) - {"strengths"} and form.kinds == {
        "samplers": Choice(tuple(SAMPLERS), most=8)
    }
    assert form.offers(Preset("Here", model="pixel")) and not form.offers(Preset("Elsewhere", model="sdxl"))


def test_limits_follow_the_others_and_come_with_the_value():
    t = Field("t", gr.Slider, "t", 5, bounds=lambda now: {"maximum": now["T"]}, options={"minimum": 0, "step": 1})
    with gr.Blocks():
        form = Form("toy", [Field("T", gr.Number, "T", 10), t])
        form.lay_out("T", "t", values=form.complete({"T": 40}))
    assert form["t"].maximum == 40 and form.offers(Preset("No model at all", t=3))
    whole = form.preset(Preset("Short", T=20, t=3))
    assert seen(form, form.show(whole, "t")) == {"t": {"value": 3, "maximum": 20}}
    assert seen(form, form.show(whole)) == {"T": {"value": 20}, "t": {"value": 3, "maximum": 20}}


def test_settings_are_told_in_words_as_the_controls_show_them():
    form = make_form()
    words = list(
        form.words({"model": "text-to-image", "prompt": "red heart", "experiment": "two", "seed": 0, "group": ""})
    )
    assert "Prompt: red heart" in words and "Experiment: Two" in words and "Edges: 1, 2" in words
    assert "Second seed: 0" in words and "Samplers: DDIM" in words and "Model: Miniature latent diffusion" in words
    assert not any(word.startswith("Group") for word in words)
    assert not any(word.startswith("Second seed") for word in form.words({"experiment": "one"}))
    settings = form.settings({"model": "text-to-image", "prompt": "", "experiment": "two", "seed": 0, "group": ""})
    assert settings["prompt"] == ("Prompt", "none") and settings["seed"] == ("Second seed", "0")
    assert "group" not in settings and "strengths" not in settings, "what is not there, or in no link"
    assert "seed" not in form.settings({"experiment": "one"})


def test_a_box_is_told_to_be_on_or_off():
    with gr.Blocks():
        form = Form("toy", [Field("zero", gr.Checkbox, "Zero", False), Field("rules", gr.Dropdown, "Rules", [])])
    assert form.settings({"zero": True})["zero"] == ("Zero", "on")
    assert form.settings({}) == {"zero": ("Zero", "off"), "rules": ("Rules", "none")}
