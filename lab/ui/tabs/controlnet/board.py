"""The map of the ControlNet tab on the page: what it is of, what it is made from, and the editor that it is changed in."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import gradio as gr

from lab.annotators.joints import from_list, to_list
from lab.capsules.capsule import Capsule
from lab.requests.base import LabError
from lab.requests.sampling import SamplingRequest
from lab.settings import Settings
from lab.ui.shell import media, own, share, widgets
from lab.ui.shell.form import Form
from lab.ui.shell.widgets import LATEST, PICKED, Update
from lab.ui.tabs.controlnet import maps, view
from lab.ui.tabs.controlnet.maps import FIRST, HAND, KINDS, Maps, Source, Sources


class Board:
    """The components of the map and what they do. Holds nothing of any visitor: the sources of their maps are in gr.State.

    Of the tab's form it reads "control", the kind of map; "model", for the map's side; and Canny's "low", "high", "blur".
    """

    def __init__(self, backend: Any, settings: Settings, form: Form) -> None:
        self.settings, self.form = settings, form
        self.maps = Maps(backend, settings, next(iter(form.models.values())).size)

    def lay_out_map(self, note: gr.HTML) -> None:
        """The map, which stays in view beside the pictures. `note` says what went wrong."""
        self.note = note
        self.sources = gr.State(FIRST, time_to_live=7200)
        empty = maps.editor("edges", FIRST["edges"], self.maps.side)
        self.editor = gr.HTML(empty, js_on_load=view.EDITOR_JS, elem_id="controlnet-editor")

    def lay_out_sources(self, opening: dict[str, Any]) -> None:
        """What the map is of and what it is made from, down to one's own picture."""
        with gr.Row(elem_classes="map-choice"):
            self.form.lay_out("control", values=opening)
            self.annotator = gr.Radio(
                self.maps.annotators("edges"), value="canny", label="Map from", show_label=False, container=False,
                elem_classes="segments", elem_id="controlnet-annotator",
            )  # fmt: skip
        # Its choices follow the control; a click under way may carry one of before, which on_annotator answers itself.
        self.annotator.preprocess = lambda payload: payload
        self.gallery = own.gallery_of(view.gallery("edges"), elem_id="controlnet-gallery")
        self.upload = own.carrier("controlnet-upload")
        with gr.Row() as self.canny:
            self.form.lay_out("low", "high", "blur", values=opening)

    def wire(self, inputs: set[Any], then: Callable[[Any], Any]) -> None:
        """Connect what was laid out; `then(event)` chains what follows a stroke or a new sketch."""
        form, outputs = self.form, self.outputs
        sliders = [form[name].input for name in ("low", "high", "blur")]
        gr.on(sliders, self.on_canny, inputs, [self.sources, self.editor, self.note], **LATEST)
        form["control"].input(self.on_control, inputs, outputs, **LATEST)
        self.annotator.input(self.on_annotator, inputs, outputs, **LATEST)
        then(own.wire(self.gallery, self.upload).then(self.on_upload, {*inputs, self.upload}, outputs, **PICKED))
        then(self.gallery.click(self.on_starter, inputs, outputs, queue=False, **PICKED))
        then(self.editor.input(self.on_edit, inputs, outputs, queue=False, **PICKED))

    @property
    def inputs(self) -> set[Any]:
        """What handlers read beside the form."""
        return {self.sources, self.annotator}

    @property
    def outputs(self) -> list[Any]:
        """What a new map changes."""
        return [self.sources, self.editor, self.annotator, self.canny, self.gallery, self.note]

    # What the visitor does

    def on_control(self, values: dict[Any, Any]) -> Update:
        now, sources = self._now(values)
        return self._show(now, sources, now["control"])

    def on_annotator(self, values: dict[Any, Any]) -> Update:
        """Another way to make the map: of the picture that there is, or by hand, where what is drawn stays."""
        now, sources = self._now(values)
        control, name = now["control"], values[self.annotator]
        before = sources[control]
        if name not in [value for _, value in self.maps.annotators(control)]:
            return {self.annotator: before.annotator}
        if before.upload is None and name not in ("scribble", HAND):
            return {self.annotator: before.annotator, self.note: widgets.note(maps.NO_PICTURE, bad=True)}
        return self.make(now, sources, control, replace(before, annotator=name))

    def on_canny(self, values: dict[Any, Any]) -> Update:
        """A slider moved: the map alone is sent, so that it follows within a tenth of a second."""
        now, sources = self._now(values)
        update = self.make(now, sources, "edges", sources["edges"])
        return {part: update[part] for part in (self.sources, self.editor, self.note)}

    def on_starter(self, values: dict[Any, Any], event: gr.EventData) -> Update:
        """A sketch, a pose or an example picture."""
        now, sources = self._now(values)
        starters = view.starters(now["control"])
        index = widgets.picked(event) % len(starters)
        one = starters[index]
        if one.path is None:
            source = self._model_maps(now).begin("scribble" if one.kind == "sketch" else HAND, one.title)
        else:
            source = self._from_upload(now, sources, media.open_upload(one.path, self.settings))
        return self.make(now, sources, now["control"], source, index)

    def on_upload(self, values: dict[Any, Any]) -> Update:
        """Take the visitor's picture; one that cannot be read leaves the old map where it is."""
        now, sources = self._now(values)

        def take() -> Update:
            upload = own.opened(values[self.upload], self.settings)
            update = self.make(now, sources, now["control"], self._from_upload(now, sources, upload))
            return update | {self.gallery: view.gallery(now["control"], own_token=own.token(values[self.upload]))}

        return self._answer(take)

    def on_edit(self, values: dict[Any, Any], event: gr.EventData) -> Update:
        """A stroke on the map, a joint that was dragged, which the page has painted already; or the map inverted."""
        now, sources = self._now(values)
        control = now["control"]

        def edit() -> Update:
            after = self._model_maps(now).edit(control, sources[control], event)
            update = {self.sources: sources | {control: after}, self.note: widgets.note("")}
            if widgets.sent(event, "invert"):
                update[self.editor] = maps.editor(control, after, self._model_maps(now).side)
            return update

        return self._answer(edit)

    def _answer(self, work: Callable[[], Update]) -> Update:
        """What `work` shows, or a sentence about why it cannot; the page keeps what it has."""
        try:
            return work()
        except LabError as error:
            return {self.note: widgets.note(str(error), bad=True)}

    # Maps

    def resize(self, values: dict[Any, Any]) -> Update:
        """All maps at the side of the model that is chosen: of a picture or a skeleton made again, drawn ones enlarged."""
        now, sources = self._now(values)
        for control, source in sources.items():
            if source.map is not None and control != now["control"]:
                sources = self._again(now, sources, control)[self.sources]
        return self._again(now, sources, now["control"])

    def begin(self, now: dict[str, Any], starters: Sequence[tuple[str, str]]) -> tuple[dict[str, Any], Update]:
        """The form's values with the control of the last of some starters, and all their maps. A starter is (annotator, name
        of a sketch, a pose or an example file)."""
        sources, update = FIRST, Update()
        for annotator, name in starters:
            now = now | {"control": kind_of([(annotator, name)])}
            update = self.make(now, sources, now["control"], self._model_maps(now).begin(annotator, name))
            sources = update[self.sources]
        return now, update

    def restore(self, now: dict[str, Any], capsule: Capsule) -> Update:
        """The maps of a capsule: drawings to go on with, or skeletons."""
        sources = FIRST
        for control, source in _sources_of(capsule).items():
            sources = self.make(now, sources, control, source)[self.sources]
        return self.make(now, sources, now["control"], sources[now["control"]])

    def make(
        self, now: dict[str, Any], sources: Sources, control: str, source: Source, starter: int | None = None
    ) -> Update:
        """Make the map of a source and show it; where that cannot be done, say why."""
        redrawn = maps.REDRAWN if source.by_hand and source.upload is not None else ""
        try:
            source, wrong = self._model_maps(now).with_map(control, source, now["low"], now["high"], now["blur"])
        except LabError as error:
            source, wrong = replace(source, map=None, joints=None), str(error)
        words = " ".join(filter(None, [wrong, source.note, redrawn]))
        update = self._show(now, sources | {control: source}, control, starter)
        return update | {self.note: widgets.note(words, bad=bool(wrong))}

    def _again(self, now: dict[str, Any], sources: Sources, control: str) -> Update:
        """The map of a control at the side of the model that is chosen now."""
        source = sources[control]
        if source.by_hand:
            sources = sources | {control: self._model_maps(now).resize(source)}
            return self._show(now, sources, control) | {self.note: widgets.note("")}
        return self.make(now, sources, control, source)

    def _show(self, now: dict[str, Any], sources: Sources, control: str, starter: int | None = None) -> Update:
        source = sources[control]
        return {
            self.sources: sources,
            self.editor: maps.editor(control, source, self._model_maps(now).side),
            self.annotator: gr.update(choices=self.maps.annotators(control), value=source.annotator),
            self.canny: gr.update(visible=source.annotator == "canny"),
            self.gallery: view.gallery(control, starter),
        }

    def _from_upload(self, now: dict[str, Any], sources: Sources, upload: media.Upload) -> Source:
        return self.maps.from_upload(now["control"], sources[now["control"]].annotator, upload)

    def _model_maps(self, now: dict[str, Any]) -> Maps:
        """The map maker at the side of the model's pictures."""
        return self.maps.at(self.form.model(now).size)

    def _now(self, values: dict[Any, Any]) -> tuple[dict[str, Any], Sources]:
        return self.form.read(values), values[self.sources]


def kind_of(starters: Sequence[tuple[str, str]]) -> str:
    """The control whose map the last of some starters, (annotator, name), is."""
    return "pose" if starters[-1][0] in (HAND, "pose") else "edges"


def maps_for_capsule(request: SamplingRequest, sources: Sources) -> dict[str, dict[str, Any]]:
    """The maps of a run as a capsule holds them: joints, or the map itself."""
    words: dict[str, dict[str, Any]] = {}
    for control in request.controls:
        joints, visible = sources[control.name].joints, sources[control.name].visible
        if control.name == "pose" and joints is not None:
            words[control.name] = {"joints": to_list(joints, visible)}
        else:
            words[control.name] = {"png": media.exact_uri(control.map)}
    return words


def _sources_of(capsule: Capsule) -> Sources:
    """The inverse of `maps_for_capsule` for a capsule from anywhere; maps that cannot be read are left out."""
    words, sources = capsule.values.get("maps"), Sources()
    for name in KINDS:
        one = words.get(name) if isinstance(words, dict) else None
        if name == "pose" and isinstance(one, dict) and "joints" in one:
            with suppress(ValueError):
                joints, visible = from_list(one["joints"])
                sources[name] = Source(HAND, joints=joints, visible=visible)
        elif (pixels := share.picture_of(one)) is not None:
            drawing = name == "edges"
            sources[name] = Source("scribble", map=pixels) if drawing else Source("map", media.Upload(pixels))
    return sources
