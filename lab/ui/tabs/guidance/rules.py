"""The rules of guidance as the tab offers them: their names, those that are chosen at first, and what a guide asks of the
form."""

from collections.abc import Callable, Sequence
from typing import Any

from lab.capsules.colours import plain_colour
from lab.catalog import GUIDANCE, MODELS, Guidance, Model, rules_for
from lab.requests.base import LabError, make_request
from lab.requests.fields import GuideSettings
from lab.ui.shell.form import Values

KINDS = {"": "CFG", "classifier": "gradient", "clip": "gradient", "weak": "weak model"}  # by guide; others are formulas
ANY_LOSS = "any loss"


def kind(row: Guidance) -> str:
    """What pulls a picture by a rule, in a word or two."""
    return KINDS.get(row.guide, ANY_LOSS)


def choices(model: Model) -> list[tuple[str, str]]:
    """The rules of a model, each with its kind: "Rescaled (CFG)", "Classifier (gradient)"."""
    return [(f"{row.title} ({kind(row)})", name) for name, row in rules_for(model).items()]


def first(model: Model) -> list[str]:
    """The rules that are chosen at first: a learned model's classifiers beside classifier-free guidance, else the rules
    that combine two predictions."""
    rows = rules_for(model)
    if model.trained and "classifier" in model.guides:
        return [name for name, row in rows.items() if name == "cfg" or row.guide == "classifier"]
    return [name for name, row in rows.items() if not row.guide]


def chosen(now: Values) -> tuple[str, ...]:
    """The rules that the controls ask for."""
    return tuple(now["rules"] or ()) if now["experiment"] == "rules" else ("cfg",)


def guides(now: Values) -> set[str]:
    """What guides the rules that the controls ask for."""
    return {GUIDANCE[name].guide for name in chosen(now) if name in GUIDANCE} - {""}


def guided_by(guide: str) -> Callable[[Values], bool]:
    """Whether a chosen rule has this guide."""
    return lambda now: guide in guides(now)


def has(guide: str) -> Callable[[Model], bool]:
    """Whether a model has this guide."""
    return lambda model: guide in model.guides


# The prompt: a model may read none, and still be guided by a network that does


def reads_words(model: Model) -> bool:
    """Whether a prompt can matter to a model, or to a guide of it."""
    return "prompt" in model.conditions or "clip" in model.guides


def wants_words(now: Values) -> bool:
    """Whether a prompt matters to what the controls ask for."""
    return _reads(now) or "clip" in guides(now)


def prompt_label(now: Values) -> str:
    """What the prompt is called: of a model that reads none it says who does."""
    return "Prompt" if _reads(now) else "Prompt (only the CLIP guide reads it)"


def _reads(now: Values) -> bool:
    row = MODELS.get(now["model"])
    return row is None or "prompt" in row.conditions


# From controls to the request


def parse_colour(text: Any) -> str:
    """A colour as a picker or a link has it, as "#rrggbb". Raises LabError where it is none."""
    colour = plain_colour(text)
    if colour is None:
        raise LabError(f"Colour: '{str(text or '')[:30]}' is no colour. Choose one, or write it like #e8590c.")
    return colour


def guide_settings(now: Values) -> GuideSettings:
    """What the guides of the chosen rules want; what none of them asks for stays as it is at first, so that it parts no
    pictures. Raises LabError, in words."""
    wanted = guides(now)
    values: dict[str, Any] = {}
    if "classifier" in wanted:
        values["temperature"] = now["temperature"]
    if "colour" in wanted:
        values["colour"] = parse_colour(now["colour"])
    if "brightness" in wanted:
        values |= {"region": now["region"], "brightness": now["brightness"]}
    return make_request(GuideSettings, **values)


# What is said of them


def names_of_scales(rules: Sequence[str], exact: bool = False) -> dict[float, str]:
    """What scale 0 and scale 1 are, where all of these rules agree. An exact classifier is the difference of both halves."""
    rows = [GUIDANCE["cfg" if exact and GUIDANCE[name].guide == "classifier" else name] for name in rules]
    said = {0.0: {row.zero for row in rows}, 1.0: {row.one for row in rows}}
    return {scale: names.pop() for scale, names in said.items() if len(names) == 1}
