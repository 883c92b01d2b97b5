"""Sharing: a run's settings as a link, a JSON file, a PNG, a script and a notebook, and the way back from all but the last two.

A tab names its controls once, by the names that its capsules give them:

    self.share = share.Panel("guidance", {"model": self.model, "seeds": self.seeds})
    self.share.wire(inputs, self.scripts)            # scripts(values) -> a Script each
    ...
    return {...} | self.share.show(self.capsule(values, request))  # with the last update of a run
    def restore(self, capsule, values) -> ...          # what the controls become

`Door` lets capsules in: from the page's address, and from a file that is dropped on the page or chosen.
"""

import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, partial
from html import escape
from pathlib import Path
from typing import Any, Protocol

import gradio as gr
import numpy as np

from lab.capsules import recordings
from lab.capsules.capsule import (
    KEYWORD,
    NO_CAPSULE,
    Capsule,
    Choice,
    Colour,
    Flag,
    Kind,
    Range,
    Text,
    fitted,
    from_file,
    from_link,
    make,
    to_json,
    to_link,
    unpacked,
    whole_in_link,
)
from lab.capsules.notebook import Script, notebook
from lab.capsules.recordings import SUFFIX, Recorded
from lab.catalog import MODELS, control_of, leasable
from lab.requests.base import LabError
from lab.requests.fields import MAX_PROMPT, MAX_SEED
from lab.requests.sampling import SamplingRequest
from lab.settings import Settings
from lab.ui.shell import address, media, widgets
from lab.ui.shell.runs import Runs
from lab.ui.shell.sources import beside
from lab.ui.shell.widgets import PICKED, QUIET, Update

NOTHING = "There is nothing to share yet: press Run first."
ALONE = "The picture was the sender's own and is too large for a link. Choose one; all else is set."
COPIED = "The link is copied. It opens this tab with these settings."
COPIED_IN_PART = "The link is copied, but your own picture is too large for it. Settings, JSON, has the picture, too."
WRITING = "Writing …"
MOST_NAMED = 3  # files that a sentence names
ELSEWHERE = "These settings belong to a tab that this lab does not have."

SHEET_JS = beside(__file__, "sheet.js")
COPY_JS = beside(__file__, "copy.js")

CODE_JS = """() => [new URLSearchParams(location.search).get("c") || ""]"""
PRESS_JS = beside(__file__, "press.js")

# Said by the page and not by the order of events: what a tab paints while Gradio lays it out may come after what a preset,
# pressed in the same moment, has painted.
ASKED_JS = """(...values) => {
  values[INDEX] = window.labAsked === "TAB";
  window.labAsked = "";
  return values;
}"""

OPEN = "Open a file of the lab"
DROP_JS = beside(__file__, "drop.js")
OPEN_JS = """() => { document.querySelector("input[data-testid^='Open a file of the lab']")?.click(); }"""


def kind_of(part: Any) -> Kind:
    """What values a component can have, as it was laid out."""
    if isinstance(part, gr.Dropdown):
        names = tuple(value for _, value in part.choices)
        return Choice(names, most=(part.max_choices or len(names)) if part.multiselect else 0)
    if isinstance(part, gr.CheckboxGroup):
        return Choice(tuple(value for _, value in part.choices), most=len(part.choices))
    if isinstance(part, gr.Radio):
        return Choice(tuple(value for _, value in part.choices))
    if isinstance(part, gr.Checkbox):
        return Flag()
    if isinstance(part, gr.Slider):
        return Range(part.minimum, part.maximum, whole=float(part.step).is_integer())
    if isinstance(part, gr.Number):
        low = 0 if part.minimum is None else part.minimum
        return Range(low, MAX_SEED if part.maximum is None else part.maximum, whole=part.precision == 0)
    if isinstance(part, gr.ColorPicker):
        return Colour()
    return Text(part.max_length or MAX_PROMPT)


class Panel:
    """The buttons of a tab for its run's link, settings and script, and the files that they make.

    `parts` are the tab's controls by the names in its capsules; `kinds` says of some what they can have where that
    changes while the page is open. `words` tells in words what the values of a capsule set. Holds nothing of any visitor.
    """

    def __init__(
        self,
        tab: str,
        parts: Mapping[str, Any],
        kinds: Mapping[str, Kind] | None = None,
        words: Callable[[dict[str, Any]], Iterable[str]] = lambda values: (),
    ) -> None:
        self.tab, self.parts, self.words = tab, dict(parts), words
        self.kinds = {name: kind_of(part) for name, part in parts.items()} | dict(kinds or {})
        self.capsule = gr.State(None, time_to_live=3600)  # of the last run
        self.restored = gr.State(False)  # a capsule came in: the tab is not to begin with its first preset
        self.by_preset = gr.Checkbox(False, visible=False, label="Opened by a button that presses a preset")
        self.code = gr.Textbox(visible="hidden", label="Link", elem_id=f"{tab}-code")
        self.record = gr.Textbox(visible="hidden", label="Finished run", elem_id=f"{tab}-finished")  # for the shelf
        self.sheet = gr.Textbox(visible="hidden", label="Comparison", elem_id=f"{tab}-sheet")
        with gr.Row(elem_classes="files"):
            self.comparison = gr.Button("Comparison, PNG", size="sm", min_width=90, elem_id=f"{tab}-comparison")
            self.link = gr.Button("Copy link", size="sm", min_width=90, elem_id=f"{tab}-link")
            self.json = gr.Button("Settings, JSON", size="sm", min_width=90, elem_id=f"{tab}-json")
            self.script = gr.Button("Script, Python", size="sm", min_width=90, elem_id=f"{tab}-script")
            self.notebook = gr.Button("Notebook, Jupyter", size="sm", min_width=90, elem_id=f"{tab}-notebook")
            self.open = gr.Button("Open …", size="sm", min_width=70, elem_id=f"{tab}-open")
        self.note = gr.HTML(widgets.note(""), elem_id=f"{tab}-shared")
        self.files = gr.File(
            label="Your files", interactive=False, visible=False, file_count="multiple", elem_id=f"{tab}-file"
        )

    @property
    def run_outputs(self) -> list[Any]:
        """What `show` sets."""
        return [self.capsule, self.code, self.record]

    def wire(
        self,
        inputs: set[Any],
        scripts: Callable[[dict[Any, Any]], Iterable[Script]] | None = None,
        now: Callable[[dict[Any, Any]], Update] | None = None,
    ) -> None:
        """Connect the buttons. `scripts(values)` gives each script of the last run, of which its notebook is made. Where a tab has no
        runs, `now(values)` is what is shared, as `show` makes it. Both read `inputs`."""

        def pressed(button: gr.Button) -> Any:
            return button.click(now, inputs, self.run_outputs, queue=False, **QUIET).then if now else button.click

        self.code.change(None, self.code, None, js=address.set_js(self.tab), api_visibility="private")
        pressed(self.link)(self.on_link, self.capsule, self.note, queue=False, **QUIET).then(
            None, self.code, None, js=COPY_JS, api_visibility="private"
        )
        outputs = [self.files, self.note]
        pressed(self.json)(self.on_json, self.capsule, outputs, **QUIET)
        pressed(self.comparison)(self.on_comparison, self.capsule, [self.sheet, self.note], queue=False, **QUIET).then(
            None, self.sheet, None, js=SHEET_JS, api_visibility="private"
        )
        self.open.click(None, None, None, js=OPEN_JS, api_visibility="private")
        if scripts is None:
            self.script.visible = self.notebook.visible = False
            return

        self.saves(self.script, lambda values: [_text_file(one.name, one.text) for one in scripts(values)], inputs)
        self.saves(
            self.notebook,
            lambda values: [_text_file(one.notebook_name, notebook(one)) for one in scripts(values)],
            inputs,
        )

    def saves(self, button: gr.Button, files: Callable[[dict[Any, Any]], Iterable[Path]], inputs: set[Any]) -> None:
        """Have a button save `files(values)`, which reads `inputs`."""
        outputs = [self.files, self.note]
        button.click(partial(self.saving, files), inputs, outputs, **QUIET)

    def saves_chart(self, button: gr.Button, of: str) -> None:
        """Have a button save the numbers of the chart with the id `of`, which the page itself does."""
        button.click(None, None, self.note, js=widgets.save_chart_js(of), api_visibility="private")

    def opens(self, page: gr.Tab, handler: Any, inputs: set[Any], outputs: list[Any], **how: Any) -> Any:
        """Have `handler` fill the tab whenever it is opened; `has_target` says whether something else does."""
        fields = sorted({*inputs, self.restored, self.by_preset}, key=lambda part: part._id)  # as Gradio sorts them
        js = ASKED_JS.replace("INDEX", str(fields.index(self.by_preset))).replace("TAB", self.tab)
        return page.select(handler, set(fields), outputs, js=js, **how)

    def has_target(self, values: Mapping[Any, Any]) -> bool:
        """Whether a capsule or a preset is what this opening of the tab is for."""
        return bool(values[self.restored] or values[self.by_preset])

    # Out

    def values_of(self, values: Mapping[Any, Any]) -> dict[str, Any]:
        """The controls' values by name, those left out that no capsule could give back."""
        named = {name: (values[part], self.kinds[name]) for name, part in self.parts.items() if part in values}
        # A line that nobody has typed in is None here and empty there.
        fits = {
            name: fitted("" if isinstance(kind, Text) and one is None else one, kind)
            for name, (one, kind) in named.items()
        }
        return {name: value for name, value in fits.items() if value is not None}

    def make(self, values: Mapping[Any, Any], request: SamplingRequest | None = None, **more: Any) -> Capsule:
        """The capsule of a run: what its controls had and `more`; the seeds and models of its `request`."""
        seeds = [lane.seed for lane in request.lanes] if request else []
        return make(self.tab, self.values_of(values) | more, seeds, _models(request) if request else [])

    def show(self, capsule: Capsule) -> Update:
        """What the page is told of what it shows: its capsule, and the code of its link in the address."""
        try:
            code = to_link(capsule)
        except LabError:
            code = ""
        return {self.capsule: capsule, self.code: code, self.record: ""}

    def on_link(self, capsule: Capsule | None) -> str:
        """Says what the page's script then does: it has the code already."""
        try:
            if capsule is None:
                raise LabError(NOTHING)
            to_link(capsule)
            return widgets.note(COPIED if whole_in_link(capsule) else COPIED_IN_PART)
        except LabError as error:
            return widgets.note(str(error), bad=True)

    def on_json(self, capsule: Capsule | None) -> Update:
        def save() -> Update:
            if capsule is None:
                raise LabError(NOTHING)
            return self.saved(_text_file(f"{self.tab}.json", to_json(capsule)))

        return self.answer(save)

    def on_comparison(self, capsule: Capsule | None) -> Update:
        """What the page needs to save the stage as one picture that carries its settings; the page draws it."""
        if capsule is None:
            return {self.sheet: "", self.note: widgets.note(NOTHING, bad=True)}
        words = list(self.words(self.values_in(capsule)))
        sheet = {"capsule": to_json(capsule), "words": words, "keyword": KEYWORD}
        return {self.sheet: json.dumps(sheet), self.note: widgets.note("")}

    def saving(self, files: Callable[[dict[Any, Any]], Iterable[Path]], values: dict[Any, Any]) -> Iterator[Update]:
        """As `save`, with a word before: a film takes seconds."""
        yield {self.note: widgets.note(WRITING)}
        yield self.save(files, values)

    def save(self, files: Callable[[dict[Any, Any]], Iterable[Path]], values: dict[Any, Any]) -> Update:
        """What `files(values)` makes, for the visitor to take, or a sentence about why there is none."""
        return self.answer(lambda: self.saved(*files(values)))

    def saved(self, *paths: Path) -> Update:
        """Files for the visitor to take, and where they are."""
        names, more = ", ".join(path.name for path in paths[:MOST_NAMED]), len(paths) - MOST_NAMED
        ready = f"{names}{f' and {more} more' if more > 0 else ''} {'is' if len(paths) == 1 else 'are'} ready below, under Your files."
        return {
            self.files: gr.update(value=[str(path) for path in paths], visible=True),
            self.note: widgets.note(ready),
        }

    def answer(self, work: Callable[[], Update]) -> Update:
        """What `work` saves, or a sentence about why it cannot."""
        try:
            return work()
        except LabError as error:
            return {self.note: widgets.note(str(error), bad=True)}

    # In

    def values_in(self, capsule: Capsule) -> dict[str, Any]:
        """The capsule's values as the controls could have them; those that none could are left out."""
        fits = {name: fitted(capsule.values.get(name), kind) for name, kind in self.kinds.items()}
        return {name: value for name, value in fits.items() if value is not None}


def _text_file(name: str, text: str) -> Path:
    path = media.scratch_file(name)
    path.write_text(text, "utf-8")
    return path


def _models(request: SamplingRequest) -> list[str]:
    """The names of the catalog's rows that a run used."""
    nets = [control_of(MODELS[request.model], control.name) for control in request.controls]
    return [request.model, *([request.versus] if request.versus else []), *(net.name for net in nets if net)]


def without_model(capsule: Capsule, model: str) -> str:
    """A sentence where the capsule's model is not offered here and `model` stands in for it, else ""."""
    name = capsule.values.get("model")
    if name == model:
        return ""
    return f"The model '{str(name)[:60]}' is not here; '{leasable()[model].title}' is chosen in its place."


def describe_picture(pixels: np.ndarray) -> dict[str, str]:
    """A picture as a capsule tells of it: the name of an example, or its bytes."""
    for one in media.examples():
        if np.array_equal(_example(one.path), pixels):
            return {"example": one.path.stem}
    return {"png": media.exact_uri(pixels)}


def picture_of(words: Any) -> np.ndarray | None:
    """The inverse of `describe_picture` for what came from anywhere; None where there is no picture in it."""
    if not isinstance(words, dict):
        return None
    for one in media.examples():
        if words.get("example") == one.path.stem:
            return _example(one.path)
    try:
        return media.squared(media.from_uri(words.get("png")))
    except ValueError:
        return None


@cache
def _example(path: Path) -> np.ndarray:
    return media.open_picture(path, Settings())


class Tab(Protocol):
    """A tab whose runs can be shared."""

    share: Panel
    runs: Runs

    restorable: list[Any]  # what `restore` sets

    def restore(self, capsule: Capsule, values: dict[str, Any]) -> tuple[Update, str, str]:
        """What the controls become for values that they can have, the id of the button that then is pressed, or "", and
        a sentence where something is missing, or ""."""


class Door:
    """Where capsules come in. Holds nothing of any visitor: that lives in gr.State."""

    def __init__(self) -> None:
        self.offered = gr.State(None, time_to_live=3600)
        self.code = gr.Textbox(visible="hidden", label="Link that was opened", elem_id="lab-code")
        self.pressed = gr.Textbox(visible="hidden", label="What is pressed next", elem_id="lab-pressed")
        with gr.Row(visible=False, elem_id="lab-door") as self.bar:
            self.words = gr.HTML("")
            self.yes = gr.Button("Restore", variant="primary", size="sm", scale=0, min_width=110, elem_id="lab-restore")
            self.no = gr.Button("Close", size="sm", scale=0, min_width=90, elem_id="lab-close")
        self.file = gr.UploadButton(OPEN, file_types=[".png", ".json", SUFFIX], visible="hidden", elem_id="lab-open")

    def wire(self, page: gr.Blocks, tabs: Mapping[str, Any], titles: Mapping[str, str], book: gr.Tabs) -> None:
        """`tabs` that share and their `titles` by name; `book` holds them. Some of them replay recordings, each its kind."""
        self.tabs: Mapping[str, Tab] = tabs
        self.titles, self.book = titles, book
        self.players: dict[type, tuple[str, Any]] = {
            tab.replays: (name, tab) for name, tab in tabs.items() if hasattr(tab, "replayed")
        }
        bar = [self.offered, self.bar, self.words, self.yes]
        everything = [*bar, self.pressed, book]
        for _, tab in self.players.values():
            everything += tab.replayable
        for tab in tabs.values():
            everything += [*tab.restorable, *tab.share.run_outputs, tab.share.restored]
        self.outputs = everything = list(dict.fromkeys(everything))
        page.load(self.on_address, self.code, everything, js=CODE_JS, queue=False, **QUIET).then(
            None, self.pressed, None, js=address.SETTLE_JS, api_visibility="private"
        )
        page.load(None, None, None, js=DROP_JS)
        self.file.upload(self.on_file, self.file, bar, **QUIET)
        self.yes.click(self.on_yes, self.offered, everything, queue=False, **QUIET)
        self.no.click(self.on_no, None, bar, queue=False, **QUIET)
        for tab in tabs.values():
            if hasattr(tab, "shelf"):
                tab.shelf.runs.click(self.on_recall, None, everything, queue=False, **PICKED)
        self.pressed.change(None, self.pressed, None, js=PRESS_JS, api_visibility="private")

    def replays(self, button: gr.Button, recorded: Callable[[], Recorded]) -> None:
        """Let a button open a recording that the lab ships."""
        button.click(lambda: self.on_yes(recorded()), None, self.outputs, queue=False, **QUIET)

    def on_address(self, code: str) -> Update:
        """A page opened by a link: at once as it says."""
        if not code:
            return {self.offered: None}
        try:
            return self._restore(from_link(code))
        except LabError as error:
            return self._say(str(error), bad=True)

    def on_file(self, path: str | None) -> Update:
        """A file that was dropped: what it holds, and whether to restore it."""
        try:
            content = _read(path)
            if isinstance(content, Recorded):
                words = f"This file holds a recording for the tab {self.titles[self._player(content)[0]]}."
            elif content.tab in self.tabs:
                words = f"This file holds a run of the tab {self.titles[content.tab]}{_prompt_words(content)}. {_difference_words(content)}"
            else:
                raise LabError(ELSEWHERE)
        except LabError as error:
            return self._say(str(error), bad=True)
        return self._say(words) | {self.offered: content, self.yes: gr.update(visible=True)}

    def on_yes(self, content: Capsule | Recorded | None) -> Update:
        if content is None:
            return self._say("The file is not at hand any more. Open it once more.", bad=True)
        try:
            return self._restore(content) if isinstance(content, Capsule) else self._replay(content)
        except LabError as error:
            return self._say(str(error), bad=True)

    def on_recall(self, event: gr.EventData, request: gr.Request) -> Update:
        """A run of the page's shelf: as its link would bring it, in the place of what is under way."""
        try:
            capsule = unpacked(str(widgets.sent(event, "settings")))
            update = self._restore(capsule)
        except LabError as error:
            return self._say(str(error), bad=True)
        self.tabs[capsule.tab].runs.stops.end(request)
        return update

    def on_no(self) -> Update:
        return {self.bar: gr.update(visible=False), self.offered: None}

    def _restore(self, capsule: Capsule) -> Update:
        tab = self.tabs.get(capsule.tab)
        if tab is None:
            raise LabError(ELSEWHERE)
        updates, button, remark = tab.restore(capsule, tab.share.values_in(capsule))
        words = " ".join(filter(None, [remark, _difference_words(capsule)]))
        named = {
            tab.share.code: tab.share.show(capsule)[tab.share.code]
        }  # until what is made has an address of its own
        return (self._say(words) if words else self.on_no()) | named | updates | self._open(capsule.tab, button)

    def _replay(self, recorded: Recorded) -> Update:
        name, tab = self._player(recorded)
        updates, pressed = tab.replayed(recorded)
        return self.on_no() | updates | self._open(name, pressed)

    def _player(self, recorded: Recorded) -> tuple[str, Any]:
        """The tab that replays recordings of this kind, and its name. Raises LabError where there is none."""
        if (player := self.players.get(type(recorded.recording))) is None:
            raise LabError(ELSEWHERE)
        return player

    def _open(self, tab: str, pressed: str) -> Update:
        """The tab in front, its button pressed by the page's script."""
        return {
            self.tabs[tab].share.restored: True,
            self.book: gr.Tabs(selected=tab),
            self.pressed: f"{pressed} {secrets.token_hex(4)}",  # never twice the same: the page acts on a change
        }

    def _say(self, text: str, bad: bool = False) -> Update:
        """The bar with a sentence, and nothing to restore."""
        line = f"<p data-aloud{' class=bad' if bad else ''}>{escape(text)}</p>"
        return {
            self.bar: gr.update(visible=True), self.words: line, self.offered: None, self.yes: gr.update(visible=False)
        }  # fmt: skip


def _read(path: str | None) -> Capsule | Recorded:
    """What a file holds that Gradio has stored."""
    if not path:
        raise LabError(NO_CAPSULE)
    if Path(path).stat().st_size > recordings.MAX_BYTES:
        raise LabError(f"The file has more than {recordings.MAX_BYTES / 1e6:g} MB. {NO_CAPSULE}")
    data = Path(path).read_bytes()
    return recordings.from_bytes(data) if data.startswith(b"PK") else from_file(data)


def _prompt_words(capsule: Capsule) -> str:
    prompt = capsule.values.get("prompt")
    return f", “{prompt[:60]}”" if isinstance(prompt, str) and prompt.strip() else ""


def _difference_words(capsule: Capsule) -> str:
    """A sentence about what is not as it was when the capsule was made, or ""."""
    other = capsule.differences()
    return f"It was made with others of these, so pictures may differ: {', '.join(other)}."[:300] if other else ""


def save_png(pixels: np.ndarray, path: Path, capsule: Capsule | None, lane: int | None = None) -> Path:
    """A picture as a PNG that carries the capsule of its run, where it is known, and which of its lanes it is."""
    if capsule is None:
        return media.save_plain(pixels, path)
    return media.save_png(pixels, path, to_json(capsule.model_copy(update={"lane": lane})))
