"""A tab with a stage, presets and a form of controls: its layout, and what all such tabs do alike."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import gradio as gr

from lab.capsules.capsule import Capsule
from lab.catalog import Model
from lab.requests.base import LabError, Request
from lab.requests.sampling import SamplingRequest
from lab.settings import Settings, at_hand
from lab.ui.shell import pipeline, pointer, widgets
from lab.ui.shell.form import Field, Form, Preset
from lab.ui.shell.runs import Answers
from lab.ui.shell.share import NOTHING, Panel
from lab.ui.shell.shelf import RunSettings, Shelf, record
from lab.ui.shell.widgets import PICKED, QUIET, Update

NO_PICTURE = "There is no picture yet: press Run first."
NO_RUN = "The page computes this by itself: there is no run."


class Tool(ABC):
    """The components of a tab and what they do. Holds nothing of any visitor: that lives in gr.State.

    A tab says in class attributes who it is and in `lay_out_stage`, `lay_out_controls` and `wire` what it has. One that
    runs makes its `runs` among the controls, keeps its last run in `last_run`, and streams it from its handlers.
    """

    name: ClassVar[str]
    about: ClassVar[str]  # Markdown beneath the stage
    fields: ClassVar[Sequence[Field]]
    presets: ClassVar[Sequence[Preset]]
    last_run_s: ClassVar[int] = 3600  # how long the page keeps it
    untouched: ClassVar[Sequence[str]] = ()  # controls that presets leave as they are
    shelved: ClassVar[bool] = True  # its runs are put on a shelf, which `lay_out_stage` lays out

    runs: Answers
    share: Panel
    shelf: Shelf

    def __init__(self, backend: Any, settings: Settings, models: Sequence[Model] = ()) -> None:
        self.backend, self.settings = backend, settings
        self.form = Form(self.name, self.fields, [_as_here(row, settings) for row in models])
        self.offered = [preset for preset in self.presets if self.form.offers(preset)]

    @classmethod
    def build(cls, backend: Any, settings: Settings, page: gr.Tab) -> "Tool":
        """Lay out the tab on `page` and wire it to `backend`."""
        tab = cls(backend, settings)
        tab.lay_out()
        tab.wire(page)
        pointer.wire(tab.name, tab.compared, tab.share.code)
        tab.pipeline.value = tab.on_flow(tab.first_values())
        gr.on([part.change for part in tab.flowing], tab.on_flow, tab.asked, tab.pipeline, trigger_mode="always_last",
              queue=False, **QUIET)  # fmt: skip
        if tab.shelved:
            tab.shelf.wire(tab.share.record)
        return tab

    # Layout

    def lay_out(self) -> None:
        """Everything of the tab below its head, from its presets to its words."""
        self.lay_out_memory()
        self.buttons = widgets.preset_row(self.name, [preset.title for preset in self.offered])
        values = [self.compared_values(preset) for preset in self.offered]
        pointer.lay_out(self.name, self.offered, values, self.compared_paths)
        opening = self.form.preset(self.offered[0])
        self.pipeline = pipeline.lay_out(self.name, self.flow_of_opening(opening))
        with widgets.grid():
            with widgets.stage():
                if self.shelved:
                    self.shelf = Shelf(self.name)
                self.lay_out_stage(opening)
            with widgets.controls():
                self.lay_out_controls(opening)
        with gr.Accordion("What am I looking at?", open=True):
            gr.Markdown(self.about, elem_classes="lab-words", latex_delimiters=widgets.LATEX)

    def lay_out_memory(self) -> None:
        """What the page keeps of a visitor: the last run, in whatever form the tab gives it."""
        self.last_run = gr.State(None, time_to_live=self.last_run_s)

    @abstractmethod
    def lay_out_stage(self, opening: dict[str, Any]) -> None:
        """Pictures, curve and words, empty, as large as the first preset's will be."""

    @abstractmethod
    def lay_out_controls(self, opening: dict[str, Any]) -> None:
        """Run and Stop, the form with the values of the first preset, and the ways to share."""

    # Whether the controls are as a preset has them

    @property
    def compared(self) -> list[Any]:
        """The components that tell: those of the form that a link holds and presets set."""
        return [self.form[name] for name in self._compared_names]

    def compared_values(self, preset: Preset) -> list[Any]:
        """What a preset sets them to, in the order of `compared`."""
        now = self.form.preset(preset)
        return [now[name] for name in self._compared_names]

    @property
    def compared_paths(self) -> list[list[str | int]]:
        """Where a capsule's values have them, in the order of `compared`."""
        return [[name] for name in self._compared_names]

    @property
    def _compared_names(self) -> list[str]:
        return [name for name, one in self.form.fields.items() if one.linked and name not in self.untouched]

    # The pipeline

    @property
    def asked(self) -> set[Any]:
        """The components that `request` reads."""
        return {*self.controls}

    def first_values(self) -> dict[Any, Any]:
        """What they are set to before anybody does anything."""
        return dict(zip(self.compared, self.compared_values(self.offered[0]), strict=True))

    @property
    def flowing(self) -> list[Any]:
        """The components that change the pipeline: what `request` reads, and the link of a run that has ended."""
        return [*self.compared, self.share.code]

    def flow_of_opening(self, opening: dict[str, Any]) -> pipeline.Flow:
        """The pipeline of the first preset, before anything is asked."""
        return pipeline.of_model(self.form.model(opening))

    def flow(self, values: dict[Any, Any]) -> pipeline.Flow:
        """The pipeline of what the controls ask for. Raises LabError where they cannot be met."""
        request = self.request(values)
        return pipeline.of_model(
            self.form.model(self.form.read(values)), request if isinstance(request, SamplingRequest) else None
        )

    def on_flow(self, values: dict[Any, Any]) -> str:
        """The line follows the controls; where they ask for nothing that can be, it is that of the model."""
        try:
            return pipeline.html(self.name, self.flow(values))
        except LabError:
            return pipeline.html(self.name, self.flow_of_opening(self.form.read(values)))

    # Wiring

    @abstractmethod
    def wire(self, page: gr.Tab) -> None:
        """Connect what was laid out."""

    @property
    def controls(self) -> list[Any]:
        """The components of the form."""
        return list(self.form.parts.values())

    @property
    def running(self) -> dict[str, Any]:
        """How a handler is called that holds a place in the line."""
        return {**QUIET, "concurrency_id": "run", "concurrency_limit": self.settings.most_pressed}

    @property
    def following(self) -> dict[str, Any]:
        """As `running`, of what follows a press or a stroke: each time, also while what followed the one before is under way,
        which Gradio's own way would drop."""
        return {**self.running, "trigger_mode": "multiple"}

    def wire_presets(
        self, outputs: Sequence[Any], then: Callable[[Any], Any], inputs: set[Any] | None = None, **how: Any
    ) -> None:
        """Connect every preset's button: it sets `outputs` as `preset_handler` says, and then `then(event)` goes on. Unless
        `how` says otherwise, past the queue. The one that is pressed last counts, though it is the first one again."""
        for button, preset in zip(self.buttons, self.offered, strict=True):
            then(button.click(self.preset_handler(preset), inputs, list(outputs), **({"queue": False, **PICKED} | how)))

    def preset_handler(self, preset: Preset) -> Callable[..., Any]:
        """What a press of a preset's button calls. Whatever is under way has the page no more."""

        def pressed(request: gr.Request) -> Update:
            self.runs.stops.end(request)
            return self.on_preset(preset)

        return pressed

    def on_preset(self, preset: Preset) -> Update:
        """The controls as a preset has them."""
        return self.form.show(self.form.preset(preset))

    def on_model(self, values: dict[Any, Any]) -> Update:
        """Offer what the model that was chosen can do."""
        return self.form.suit(self.form.read(values))

    def on_experiment(self, values: dict[Any, Any]) -> Update:
        """Show the controls that belong to the experiment and no others."""
        return self.form.look(self.form.read(values))

    def on_open(self, values: dict[Any, Any], request: gr.Request) -> Iterator[Update]:
        """A visitor who opens the tab for the first time finds it moving."""
        if values[self.last_run] is not None or self.share.has_target(values) or self.taken(request):
            yield {self.runs.note: gr.skip()}  # nothing at all would be an error of Gradio's
            return
        yield from self.opening(values, request)

    def taken(self, request: gr.Request) -> bool:
        """Whether the page is another event's of this visitor, which is under way or arrived later."""
        return self.runs.stops.busy(request) or self.runs.stops.overtaken(request)

    @abstractmethod
    def opening(self, values: dict[Any, Any], request: gr.Request) -> Iterator[Update]:
        """What the first opening shows."""

    # Sharing

    def request(self, values: dict[Any, Any]) -> Request:
        """What the controls ask for. Raises LabError where they cannot be met, and in a tab that the page computes alone."""
        raise LabError(NO_RUN)

    def capsule(self, values: dict[Any, Any], request: SamplingRequest) -> Capsule:
        """All that makes a run again."""
        return self.share.make(values, request)

    def settings_of(self, capsule: Capsule) -> RunSettings:
        """What a run was set to, in words."""
        return self.form.settings(self.share.values_in(capsule))

    def ended(self, capsule: Capsule, whole: bool, follows: bool = False) -> Update:
        """What the end of a run adds to the page: its capsule, its link and, where it was not stopped, its place on the
        shelf; one that `follows` the pen has that of the stroke before."""
        told = record(capsule, self.settings_of(capsule), follows) if whole else ""
        return self.share.show(capsule) | {self.share.record: told}

    def panel(self, **kinds: Any) -> Panel:
        """The ways to share, of the form's controls."""
        return Panel(self.name, self.form.linked, self.form.kinds | kinds, self.form.words)

    def last(self, values: dict[Any, Any]) -> Any:
        """The last run of the page. Raises LabError where there is none."""
        if values[self.last_run] is None:
            raise LabError(NOTHING)
        return values[self.last_run]


def _as_here(row: Model, settings: Settings) -> Model:
    """A model's row, without a tiny decoder where this machine neither has it nor may fetch it."""
    return row if not row.tiny_decoder or at_hand(row.tiny_decoder, settings) else replace(row, tiny_decoder="")
