"""The controls of a tab as rows: one row says what a control is, and everything that follows from it is derived.

    FORM = (
        Field("experiment", gr.Radio,   "Experiment", "sweep", choices=[("Scales × seeds", "sweep"), ("Rules", "rules")]),
        Field("prompt",     gr.Textbox, "Prompt", offered=reads("prompt"), stays=True),
        Field("sampler",    gr.Dropdown, "Sampler", "ddim", choices=titles_of(samplers_for)),
        Field("rules",      gr.Dropdown, "Rules", when=one_of("experiment", "rules"), ...),
    )
    form = Form("guidance", FORM, models)
    form.lay_out("experiment", "prompt")             # inside the tab's layout
    form.show(form.complete({"prompt": "red heart"}))   # updates: a preset, a link
    form.suit("student", values)                     # updates: another model was chosen
    form.look(values)                                # updates: another experiment was
    form.read(values)["prompt"]                      # what a handler was given, by name

Layout, first values, what a link may hold, presets, and what becomes of the controls when another model or experiment is
chosen come from the rows. Handlers take and give dicts; there is no list of components whose order matters.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr

from lab.capsules.capsule import Choice, Kind, fitted
from lab.catalog import Model
from lab.ui.shell.widgets import Update

Values = Mapping[str, Any]  # of controls, by name
Choices = Sequence[tuple[str, Any]]  # title, value

# for `Field.dice`: short enough to be read out to a class
RANDOM_SEED = "Math.floor(Math.random() * 10000)"


@dataclass(frozen=True)
class Field:
    """One control: what stands here is all that is written of it.

    `value`, `choices` and `more` may be functions of the catalog's row of the model that is chosen. `offered` says
    whether a model has a use for the control at all, `when` whether it belongs to what the other controls are set to;
    where either does not hold it is hidden. Where `more` says that it is not interactive, the model leaves no choice: it has
    its own value. `bounds` are limits that follow the others, as properties of the widget; they
    are set along with its value. With `stays`, what a visitor chose is kept when another model is chosen, as far
    as that one has it. `kind` is what a link may hold where that is more than the widget offers at first; `linked` is
    whether links hold it. `dice`, of a number, is a JavaScript expression: a button in the control sets it to the expression's value, in the
    page alone. In the page its id is the tab's name and its own, "guidance-prompt".
    """

    name: str
    widget: Callable[..., Any]
    label: str | Callable[[Values], str]
    value: Any = ""
    choices: Choices | Callable[[Model], Choices] | None = None
    offered: Callable[[Model], bool] | None = None
    when: Callable[[Values], bool] | None = None
    bounds: Callable[[Values], dict[str, Any]] | None = None
    more: Callable[[Model], dict[str, Any]] | None = None
    stays: bool = False
    kind: Kind | None = None
    linked: bool = True
    dice: str = ""
    options: dict[str, Any] = field(default_factory=dict)  # of the widget, for good

    @property
    def follows_model(self) -> bool:
        """Whether the control changes with the model."""
        return callable(self.value) or callable(self.choices) or bool(self.offered or self.more)

    @property
    def follows_others(self) -> bool:
        """Whether the control changes with what others are set to."""
        return callable(self.label) or self.when is not None


class Preset:
    """A press of a button that shows something striking: what differs from the form's first values. `subject` is what it
    shows that no control holds: an example picture, alone or as a tuple with what lies over it, a map, lanes. `look` is a sentence about what to look at, `place` the
    CSS selector of where; tests/test_claims.py draws what the sentence says."""

    def __init__(self, title: str, subject: Any = None, *, look: str = "", place: str = "", **values: Any) -> None:
        self.title, self.subject, self.values = title, subject, values
        self.look, self.place = look, place

    @property
    def example(self) -> str:
        """The name of the example picture that it shows; "" where it shows none."""
        return Path(self.values.get("picture") or self._drawn[0]).stem

    @property
    def area(self) -> str:
        """The name of the mask over that picture; "" where there is none."""
        return self._drawn[1]

    @property
    def _drawn(self) -> tuple[str, str]:
        match self.subject:
            case str(picture):
                return picture, ""
            case (str(picture), str(mask)):
                return picture, mask
        return "", ""


DECODER = Field(
    "decoder", gr.Radio, "Decoder", "full", choices=(("Full", "full"), ("Tiny", "tiny")), stays=True,
    offered=lambda model: bool(model.tiny_decoder),
    options={"info": "Tiny: a million weights in place of the autoencoder's decoder. Faster, and less sharp."},
)  # fmt: skip


def decoder_of(now: Values, model: Model) -> str:
    """What makes the pictures of the model that is chosen; where it has one decoder, the control may still hold another's."""
    return now["decoder"] if model.tiny_decoder else "full"


def reads(condition: str) -> Callable[[Model], bool]:
    """Whether a model understands a field of Condition."""
    return lambda model: condition in model.conditions


def one_of(name: str, *values: Any) -> Callable[[Values], bool]:
    """Whether the control `name` is set to one of `values`."""
    return lambda now: now[name] in values


def titled(rows: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Rows of the catalog as choices."""
    return [(row.title, name) for name, row in rows.items()]


def titles_of(table: Callable[[Model], Mapping[str, Any]]) -> Callable[[Model], list[tuple[str, Any]]]:
    """The rows that suit a model as choices."""
    return lambda model: titled(table(model))


class Form:
    """The controls of a tab, by name. Holds nothing of any visitor.

    `models` are the catalog's rows that the tab offers, the first of them where a name is not among them; their choices
    go to the field named "model". Fields stand in the order in which they depend on each other.
    """

    def __init__(self, tab: str, fields: Iterable[Field], models: Sequence[Model] = ()) -> None:
        self.tab = tab
        self.fields = {one.name: one for one in fields}
        self.models = {model.name: model for model in models}
        self.parts: dict[str, Any] = {}
        self.dice: dict[str, Any] = {}  # by control: the event of its dice, once its value is there

    def __getitem__(self, name: str) -> Any:
        """The component of a control, once it is laid out."""
        return self.parts[name]

    def lay_out(self, *names: str, values: Values) -> None:
        """Make these controls here, as `values` (those of `complete`) have them."""
        for one in map(self.fields.__getitem__, names):
            look = {"elem_id": f"{self.tab}-{one.name}"} | one.options | self._look(one, values, first=True)
            dice = gr.Button("Random", size="sm", elem_id=f"{self.tab}-{one.name}-dice") if one.dice else None
            self.parts[one.name] = part = one.widget(
                value=values[one.name], **look | ({"buttons": [dice]} if dice else {})
            )
            if dice:
                self.dice[one.name] = dice.click(None, None, part, js=f"() => {one.dice}", api_visibility="private")

    # Values

    def model(self, values: Values) -> Model:
        """The row of the model that is chosen; the first where it is not offered."""
        return self.models.get(values.get("model", ""), next(iter(self.models.values())))

    def complete(self, values: Values) -> dict[str, Any]:
        """A value for every control: the given one where the chosen model has it, else the form's own. Raises KeyError for
        a name that is no control's."""
        if unknown := values.keys() - self.fields.keys():
            raise KeyError(f"no control is named {', '.join(sorted(unknown))}")
        whole: dict[str, Any] = {}
        for one in self.fields.values():
            value = self._possible(one, values[one.name], whole) if one.name in values else None
            whole[one.name] = self._own(one, whole) if value is None or not self._free(one, whole) else value
        return whole

    def preset(self, preset: Preset) -> dict[str, Any]:
        """A value for every control, as a preset has them."""
        return self.complete(preset.values)

    def offers(self, preset: Preset) -> bool:
        """Whether the preset's model is here, where there are models to choose from."""
        return "model" not in self.fields or preset.values.get("model", next(iter(self.models), None)) in self.models

    def read(self, values: Mapping[Any, Any]) -> dict[str, Any]:
        """What a handler was given, by name; a line that nobody has typed in is empty."""
        return {
            name: "" if values[part] is None and isinstance(part, gr.Textbox) else values[part]
            for name, part in self.parts.items()
            if part in values
        }

    def words(self, values: Values) -> Iterator[str]:
        """What is set, control by control, of those that are there: "Prompt: red heart"."""
        whole, there = self._there(values)
        for name, (one, label) in there.items():
            value = whole[name]
            if value is not False and value not in ("", None, []):
                yield label if value is True else f"{label}: {self._title(one, value, whole)}"

    def settings(self, values: Values) -> dict[str, tuple[str, str]]:
        """What every control that is there and that links hold is called, and what it is set to, by name: "Seed", "3"; "on"
        or "off", and "none" where nothing is chosen or typed."""
        whole, there = self._there(values)
        return {name: (label, self._setting(one, whole)) for name, (one, label) in there.items() if one.linked}

    def _there(self, values: Values) -> tuple[dict[str, Any], dict[str, tuple[Field, str]]]:
        """A value for every control, and those that are there with their labels."""
        whole = self.complete({name: value for name, value in values.items() if name in self.fields})
        looks = [(one, self._look(one, whole)) for one in self.fields.values()]
        return whole, {
            one.name: (one, look.get("label", one.label)) for one, look in looks if look.get("visible", True)
        }

    def _setting(self, one: Field, whole: Values) -> str:
        value = whole[one.name]
        if isinstance(value, bool):
            return "on" if value else "off"
        return "none" if value is None or value == [] else self._title(one, value, whole) or "none"

    @property
    def linked(self) -> dict[str, Any]:
        """The components whose values links hold, by name."""
        return {name: part for name, part in self.parts.items() if self.fields[name].linked}

    @property
    def kinds(self) -> dict[str, Kind]:
        """What links may hold where that is more than the widgets offer at first."""
        return {name: one.kind for name, one in self.fields.items() if one.kind and one.linked}

    # Updates

    def show(self, values: Values, *names: str) -> Update:
        """All controls, or those of these names, as `values` (those of `complete`) have them."""
        return {
            self.parts[name]: gr.update(value=values[name], **self._look(self.fields[name], values))
            for name in names or self.fields
        }

    def suit(self, values: Values) -> Update:
        """The controls that follow the model, after another was chosen: with the form's own values but for what stays."""
        fresh = self.complete(
            {name: values[name] for name, one in self.fields.items() if one.stays or not one.follows_model}
        )
        updates: Update = {}
        for one in self.fields.values():
            if one.follows_model:
                words = one.stays and one.choices is None  # on their way from the page they may be older than there
                value = {} if words else {"value": fresh[one.name]}
                updates[self.parts[one.name]] = gr.update(**value, **self._look(one, fresh))
        return updates

    def look(self, values: Values) -> Update:
        """Which controls are there, and under which label, for what others are set to; their values stay."""
        return {
            self.parts[one.name]: gr.update(**self._beside(one, values))
            for one in self.fields.values()
            if one.follows_others
        }

    @property
    def submits(self) -> list[Any]:
        """The events of Enter in a line or a number: as good as a press of Run."""
        return [part.submit for part in self.parts.values() if isinstance(part, gr.Textbox | gr.Number)]

    @property
    def model_parts(self) -> list[Any]:
        """What `suit` changes."""
        return [self.parts[one.name] for one in self.fields.values() if one.follows_model]

    @property
    def others_parts(self) -> list[Any]:
        """What `look` changes."""
        return [self.parts[one.name] for one in self.fields.values() if one.follows_others]

    # One control

    def _own(self, one: Field, values: Values) -> Any:
        if one.name == "model":
            return next(iter(self.models))
        return one.value(self.model(values)) if callable(one.value) else one.value

    def _choices(self, one: Field, values: Values) -> Choices | None:
        if one.name == "model":
            return titled(self.models)
        return one.choices(self.model(values)) if callable(one.choices) else one.choices

    def _possible(self, one: Field, value: Any, values: Values) -> Any:
        """The value, as far as the control offers it; None where it does not."""
        choices = self._choices(one, values)
        if choices is None:
            return value
        several = len(choices) if isinstance(value, list | tuple) else 0
        found = fitted(list(value) if several else value, Choice(tuple(name for _, name in choices), several))
        return None if several and value and not found else found

    def _title(self, one: Field, value: Any, values: Values) -> str:
        """A value as the control shows it."""
        titles = {name: title for title, name in self._choices(one, values) or ()}
        several = value if isinstance(value, list | tuple) else [value]
        return ", ".join(str(titles.get(each, f"{each:g}" if isinstance(each, float) else each)) for each in several)

    def _offered(self, one: Field, values: Values) -> bool:
        return one.offered is None or one.offered(self.model(values))

    def _free(self, one: Field, values: Values) -> bool:
        """Whether the control may have another value than its own."""
        fixed = one.more is not None and one.more(self.model(values)).get("interactive") is False
        return self._offered(one, values) and not fixed

    def _look(self, one: Field, values: Values, first: bool = False) -> dict[str, Any]:
        """Properties other than the value: all when it is laid out, later those that change."""
        look: dict[str, Any] = {"label": one.label} if first else {}
        if one.more:
            look |= one.more(self.model(values))
        if callable(one.choices) or (first and self._choices(one, values) is not None):
            look["choices"] = list(self._choices(one, values) or ())
        return look | self._beside(one, values)

    def _beside(self, one: Field, values: Values) -> dict[str, Any]:
        """The properties that follow other controls."""
        look: dict[str, Any] = dict(one.bounds(values)) if one.bounds else {}
        if callable(one.label):
            look["label"] = one.label(values)
        if one.offered or one.when:
            there = self._offered(one, values) and (one.when is None or one.when(values))
            look["visible"] = there and one.options.get("visible", True)  # one that only holds a value stays unseen
        return look
