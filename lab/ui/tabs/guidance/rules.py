"""The rules of guidance as the tab offers them: their names, those that are chosen at first, and what a guide asks of the
form."""

import re
from collections.abc import Callable, Sequence
from colorsys import hls_to_rgb
from typing import Any

from lab.catalog import GUIDANCE, MODELS, Guidance, Model, rules_for
from lab.requests.base import LabError, make_request
from lab.requests.fields import GuideSettings
from lab.ui.shell.form import Values

KINDS = {"": "CFG", "classifier": "gradient", "clip": "gradient", "weak": "weak model"}  # by guide; others are formulas
ANY_LOSS = "any loss"
COLOUR = re.compile(r"(rgb|hsl)a?\(([^()]*)\)")
HEX = re.compile(r"#(?:[0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})")


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
    """A colour as a picker or a link has it, as "#rrggbb"; how see-through it is, is left out. Raises LabError where it is none.

    Understood are "#rgb" and "#rrggbb" in either case, "rgb(r, g, b)" from 0 to 255 and "hsl(h, s%, l%)", each also with alpha.
    """
    typed = str(text or "").strip().lower()
    if HEX.fullmatch(typed):
        digits = typed[1:]
        return "#" + (digits[:6] if len(digits) > 4 else "".join(2 * one for one in digits[:3]))
    found = COLOUR.fullmatch(typed)
    values = _parts(found[1], found[2]) if found else None
    if values is None:
        raise LabError(f"Colour: '{typed[:30]}' is no colour. Choose one, or write it like #e8590c.")
    return "#" + "".join(f"{round(value * 255):02x}" for value in values)


def _parts(form: str, text: str) -> tuple[float, ...] | None:
    """Red, green and blue in [0, 1] of what stands in the brackets of "rgb(...)" or "hsl(...)"; None where that is none."""
    words = re.split(r"[\s,/]+", text.strip())
    ends = (255, 255, 255) if form == "rgb" else (360, 100, 100)
    try:
        numbers = [float(word.removesuffix("%").removesuffix("deg")) for word in words]
    except ValueError:
        return None
    if len(numbers) not in (3, 4) or not all(0 <= number <= end for number, end in zip(numbers, ends, strict=False)):
        return None
    red, green, blue = (number / end for number, end in zip(numbers, ends, strict=False))
    return (red, green, blue) if form == "rgb" else hls_to_rgb(red, blue, green)


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


def names_of_scales(rules: Sequence[str]) -> dict[float, str]:
    """What scale 0 and scale 1 are, where all of these rules agree."""
    rows = [GUIDANCE[name] for name in rules]
    said = {0.0: {row.zero for row in rows}, 1.0: {row.one for row in rows}}
    return {scale: names.pop() for scale, names in said.items() if len(names) == 1}
