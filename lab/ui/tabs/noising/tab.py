"""Tab: the forward process. A picture drowns in noise, and everything that can be seen of it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from lab.capsules.capsule import Capsule, Range
from lab.catalog import SCHEDULES
from lab.requests.base import LabError, make_request
from lab.requests.fields import MAX_SEED, MAX_T, MIN_T, Forward
from lab.requests.noising import NoisingFrame, NoisingRequest
from lab.settings import Settings
from lab.ui.shell import film, lists, media, own, pipeline, share, widgets
from lab.ui.shell.form import RANDOM_SEED, Field, Preset, titled
from lab.ui.shell.runs import Answers, Stops
from lab.ui.shell.tool import Tool
from lab.ui.shell.widgets import PICKED, QUIET, Update
from lab.ui.tabs.noising import drag, view
from lab.ui.tabs.noising.charts import CHARTS, Process
from lab.ui.tabs.noising.words import ABOUT, CHART_WORDS

RECOVER = "exact"  # the model that says what can still be recovered
FILM_AT = (0, 0.08, 0.16, 0.26, 0.38, 0.5, 0.62, 0.8, 1)  # of T; closer together where more is lost
FILM_SIDE = 128
EXPORT_FPS, EXPORT_FRAMES, EXPORT_SIDE = 12, 60, 256
SIDES = (64, 128, 256, 512)  # px of the picture that drowns
SUITS = 256  # and of a photograph, unless another side is chosen: its detail is there, and t still follows the hand
SAME_T, SAME_LEVEL = "the same t", "the same log-SNR"
ZERO = "zero"  # as rival: the same schedule with zero terminal SNR

# fmt: off
FORM = (
    Field("schedule", gr.Dropdown, "Schedule",              "linear",   choices=titled(SCHEDULES)),
    Field("rival",    gr.Dropdown, "Compare with",          choices=[("Nothing", ""), *titled(SCHEDULES), ("The same with zero terminal SNR", ZERO)]),
    Field("align",    gr.Radio,    "at",                    SAME_T,     choices=[(SAME_T, SAME_T), (SAME_LEVEL, SAME_LEVEL)], when=lambda now: bool(now["rival"])),
    Field("T",        gr.Number,   "T, steps (10 to 4000)", 1000,       kind=Range(MIN_T, MAX_T, whole=True), options={"min_width": 120}),
    Field("seed",     gr.Number,   "Seed",                  0,          dice=RANDOM_SEED, kind=Range(0, MAX_SEED, whole=True), options={"min_width": 120}),
    Field("t",        gr.Slider,   "t: how far down the picture has gone", 260, bounds=lambda now: {"maximum": int(now["T"])}, kind=Range(0, MAX_T, whole=True),
          options={"minimum": 0, "step": 1, "scale": 6}),
    Field("side",     gr.Dropdown, "Picture size",          64,         choices=[(f"{side} × {side} pixels", side) for side in SIDES]),
    Field("zero",     gr.Checkbox, "Zero terminal SNR",     False,      options={"info": "Rescale so that x_T is pure noise"}),
    Field("chart",    gr.Radio,    "Chart",                 "schedule", choices=[(title, name) for name, (title, _) in CHARTS.items()],
          options={"show_label": False, "container": False, "elem_classes": "segments", "elem_id": "noising-chart-choice"}),
)
PRESETS = (  # the subject is an example picture, by its file's name
    Preset("Half gone",             "fox-3d",
           look="Look below the large picture: at t = 260 of 1000 ᾱ, the share of the picture in the variance, is 0.498.",
           place="#noising-jump"),
    Preset("Invisible, not lost",   "red-apple-glossy",  t=620,
           look="The eye finds nothing in x_t. Look at the picture named Recovered: the whole apple.",
           place="#noising-recovered"),
    Preset("Linear against cosine", "butterfly-blob",    t=500, rival="cosine",
           look="Both stand at t = 500. Read ᾱ below each picture: cosine has kept 49 % of the variance, linear 8 %.",
           place="#noising-pictures"),
    Preset("Same log-SNR",          "chelsea",           t=300, rival="cosine", align=SAME_LEVEL, side=128,
           look="Two schedules, two values of t, one log-SNR: compare the two large pictures. They are all but the same.",
           place="#noising-pictures"),
    Preset("Detail drowns first",   "astronaut",         t=120, chart="frequencies", side=256,
           look="Look at the chart: in the shaded part the noise is stronger than the picture. Those are the fine scales.",
           place="#noising-chart"),
    Preset("Values turn normal",    "coffee",            t=600, chart="values", side=256,
           look="Look at the chart: whatever the photograph was, its values are close to the dotted bell of pure noise.",
           place="#noising-chart"),
    Preset("The leak at t = T",     "sunflower-sticker", t=1000, schedule="scaled_linear", rival=ZERO,
           look="Look at the second row of the film: the sunflower comes back even from t = T, since ᾱ is 0.005 there and not 0.",
           place="#noising-film"),
    Preset("Only ten steps",        "sailboat-flat",     t=3, schedule="cosine", T=10,
           look="Ten steps in place of a thousand: each is a leap. Look at the film, whose frames are one or two steps apart.",
           place="#noising-film"),
)
# fmt: on
SCENE = ("schedule", "zero", "seed", "side", "rival", "align")  # what makes another scene as soon as it is set
FOLLOWERS = ("t", "align")  # controls that a scene changes


@dataclass(frozen=True)
class Subject:
    """The picture that drowns, (side, side, 3) uint8; what of a visitor's file is not in it; the example's name, if it is one,
    or the `token` of the visitor's own. A `drawing` has no finer detail than SIDES[0] pixels show."""

    picture: np.ndarray
    remark: str = ""
    example: str = ""
    token: str = ""
    drawing: bool = False

    @property
    def side(self) -> int:
        """The side that suits it, in pixels: as fine as it is, up to SUITS."""
        most = SIDES[0] if self.drawing else min(SUITS, len(self.picture))
        return max((side for side in SIDES if side <= most), default=SIDES[0])


Now = dict[str, Any]  # all that is set: the controls' values by name, and the `subject`, a Subject or None


class Noising(Tool):
    """A picture drowns in noise, and everything that can be seen of it. `last_run` is the Subject."""

    name, about, fields, presets, last_run_s = "noising", ABOUT, FORM, PRESETS, 7200
    untouched = ("seed",)
    shelved = False  # its pictures follow the controls at once: there is no run that ends

    def __init__(self, backend: Any, settings: Settings) -> None:
        super().__init__(backend, settings)
        self.examples = media.examples()
        self.scenes = Stops()  # a newer scene takes the page from an older one; one goes on beneath another t

    # Layout

    def lay_out_stage(self, opening: Now) -> None:
        with gr.Row(elem_classes="noising-pictures", elem_id="noising-pictures"):
            self.jump = gr.HTML(widgets.picture(None, "x_t in one jump"), elem_id="noising-jump", elem_classes="jump")
            self.other = gr.HTML(visible=False, elem_id="noising-other", elem_classes="rival")
            with gr.Column(elem_classes="beside", min_width=100):
                self.chain = gr.HTML(widgets.picture(None, "Step by step"), elem_id="noising-chain")
                self.guess = gr.HTML(widgets.picture(None, "Recovered x_0"), elem_id="noising-recovered")
        self.runs = Answers("noising", partial(self._lay_out_transport, opening))
        # Its maximum follows T; a request under way may carry a t of before, which _request answers itself.
        self.form["t"].preprocess = lambda payload: payload
        self.film = gr.HTML(view.film([], room=len(FILM_AT)), js_on_load=widgets.PICK_JS, elem_id="noising-film")
        self.form.lay_out("chart", values=opening)
        self.plot = widgets.plot("Chart of the forward process", elem_id="noising-chart")
        self.chart_words = gr.HTML(widgets.words(CHART_WORDS[opening["chart"]]))
        self.source = gr.HTML(visible="hidden", js_on_load=drag.LOAD_JS, elem_id="noising-source")
        self.answer = gr.Textbox(visible="hidden", label="What the server shows at rest", elem_id="noising-answer")

    def _lay_out_transport(self, opening: Now) -> None:
        with gr.Row(elem_classes="transport"):
            widgets.go("Play", elem_id="noising-play")  # in the page alone
            self.form.lay_out("t", values=opening)

    def lay_out_controls(self, opening: Now) -> None:
        self.gallery = own.gallery_of(view.gallery(self.examples), elem_id="noising-examples")
        self.upload = own.carrier("noising-upload")
        self.form.lay_out("schedule", "rival", "align", values=opening)
        with gr.Row():
            self.form.lay_out("T", "seed", values=opening)
        with widgets.more("More"):
            self.form.lay_out("side", "zero", values=opening)
        with widgets.more("Share and export"):
            with gr.Row():
                self.png, self.gif, self.mp4 = (
                    gr.Button(title, size="sm", min_width=90, elem_id=f"noising-{title[-3:].lower()}")
                    for title in ("Frame, PNG", "Film, GIF", "Film, MP4")
                )
                self.chart_file = gr.Button("Chart, CSV", size="sm", min_width=90, elem_id="noising-csv")
            self.share = self.panel()

    # Wiring

    @property
    def flowing(self) -> list[Any]:
        """The picture's size and T: nothing is asked while t is dragged."""
        return [self.form["side"], self.form["T"]]

    def flow_of_opening(self, opening: Now) -> pipeline.Flow:
        """The forward process."""
        return pipeline.of_noise(opening["side"], opening["T"])

    def flow(self, values: dict[Any, Any]) -> pipeline.Flow:
        """The forward process, as large and as long as the controls say."""
        return self.flow_of_opening(self.form.read(values))

    def wire(self, page: gr.Tab) -> None:
        form, runs = self.form, self.runs
        quiet = {**QUIET, "concurrency_limit": None}
        latest = {**quiet, "trigger_mode": "always_last"}
        inputs = {*self.controls, self.last_run}
        chart = [self.plot, self.chart_words, runs.note]
        drawn = [self.jump, self.other, self.plot]
        frame = [self.jump, self.other, self.chain, *chart]
        place = [*frame, form["t"], self.guess]
        scene = [*place, self.source, self.film, form["align"]]
        self.restorable = everything = [
            *frame,
            self.guess,
            self.source,
            self.film,
            *self.controls,
            self.last_run,
            self.gallery,
        ]
        scenes = [form["T"].submit, form["T"].blur, *(form[name].input for name in SCENE)]

        # While t is dragged the page draws by itself; it tells when t rests.
        rested = [self.answer, runs.note, *self.share.run_outputs]
        self.source.click(None, drawn, drawn, js=drag.SETTLED_JS, api_visibility="private")
        self.source.click(self.on_rest, inputs, rested, queue=False, **latest).then(
            None,
            [self.answer, self.chain, self.guess],
            [self.chain, self.guess],
            js=drag.ANSWERED_JS,
            api_visibility="private",
        )
        events = [
            form["chart"].input(self.on_chart, inputs, chart, **latest),
            gr.on(scenes, self.on_scene, inputs, scene, **latest),
            form.dice["seed"].then(self.on_scene, inputs, scene, **latest),
            self.film.click(self.on_frame, inputs, place, **quiet | PICKED),
            self.gallery.click(self.on_example, inputs, everything, **quiet | PICKED),
            own.wire(self.gallery, self.upload).then(
                self.on_upload, inputs | {self.upload}, everything, **quiet | PICKED
            ),
            self.share.opens(page, self.on_open, inputs, everything, **quiet),
        ]
        self.wire_presets(everything, events.append, inputs, queue=True, **quiet)
        self.share.wire(inputs, now=self.on_share)
        self.share.saves(self.png, self.save_png, inputs)
        self.share.saves_chart(self.chart_file, "noising-chart")
        self.share.saves(self.gif, partial(self.save_film, film.save_gif, "noising.gif"), inputs)
        self.share.saves(self.mp4, partial(self.save_film, film.save_mp4, "noising.mp4"), inputs)
        # Nothing here is run, so the address follows what is set; while t is dragged or plays it waits for the end.
        for event in events:
            event.then(self.on_share, inputs, self.share.run_outputs, queue=False, **quiet | PICKED)

    # Another t, another chart

    def on_rest(self, values: dict[Any, Any], request: gr.Request) -> Update:
        """t was dragged and rests: what the page cannot draw itself, and the link of what it shows."""
        self.runs.stops.end(request)

        def answer() -> Update:
            now = self._bounded(self._now(values))
            frame = self._frame(now, chain=True, recover=RECOVER)
            shown = {"chain": view.chain(frame), "recovered": view.recovered(frame)}
            return {
                self.answer: drag.answer(self._request(now), **shown),
                self.runs.note: widgets.note(now["subject"].remark),
            } | self.on_share(values)

        return self.runs.answer(answer)

    def on_frame(self, values: dict[Any, Any], event: gr.EventData, request: gr.Request) -> Update:
        """A frame of the film is a t to go to."""
        self.runs.stops.end(request)

        def paint() -> Update:
            now = self._now(values)
            now |= {"t": min(max(widgets.picked(event), 0), _forward(now).T)}
            return self._paint(now) | self._recover(now) | {self.form["t"]: now["t"]}

        return self.runs.answer(paint)

    def on_chart(self, values: dict[Any, Any]) -> Update:
        """Another chart of the same frame."""
        now = self._now(values)
        return self.runs.answer(lambda: self._chart(now, self._processes(now)))

    # Another scene

    def on_scene(self, values: dict[Any, Any], request: gr.Request) -> Iterator[Update]:
        """Schedule, T, seed or rival changed: the frame at once, then what takes longer."""
        yield from self._show(self._now(values), {}, request, *FOLLOWERS)

    def on_example(self, values: dict[Any, Any], event: gr.EventData, request: gr.Request) -> Iterator[Update]:
        """An example picture was clicked."""
        yield from self._take(values, self._example(self.examples[widgets.picked(event) % len(self.examples)]), request)

    def on_upload(self, values: dict[Any, Any], request: gr.Request) -> Iterator[Update]:
        """Take the visitor's picture; one that cannot be read leaves the old one where it is."""
        path = values[self.upload]
        try:
            subject = Subject(*own.opened(path, self.settings).square(), token=own.token(path))
        except LabError as error:
            yield {self.runs.note: widgets.note(str(error), bad=True)}  # what is shown is still what is set
            return
        yield from self._take(values, subject, request)

    def opening(self, values: dict[Any, Any], request: gr.Request) -> Iterator[Update]:
        """The first preset."""
        yield from self.preset_handler(self.offered[0])(values, request)

    def taken(self, request: gr.Request) -> bool:
        return super().taken(request) or self.scenes.busy(request) or self.scenes.overtaken(request)

    @property
    def compared_paths(self) -> list[list[str | int]]:
        """None: the pictures follow the controls at once."""
        return []

    def preset_handler(self, preset: Preset) -> Callable[..., Iterator[Update]]:
        """Sets the picture and all controls but the seed. Not a partial of a method: to that Gradio passes no request."""

        def on_preset(values: dict[Any, Any], request: gr.Request) -> Iterator[Update]:
            subject = self._example(next(one for one in self.examples if one.path.stem == preset.subject))
            now = self.form.preset(preset) | {"seed": values[self.form["seed"]], "subject": subject}
            yield from self._show(now, self._marks(subject), request, *self.form.fields.keys() - {"seed"})

        return on_preset

    def _take(self, values: dict[Any, Any], subject: Subject, request: gr.Request) -> Iterator[Update]:
        """Another picture, at the side that suits it; the other controls stay."""
        now = self._now(values) | {"subject": subject, "side": subject.side}
        yield from self._show(now, self._marks(subject), request, "side", *FOLLOWERS)

    def _example(self, example: media.Example) -> Subject:
        picture = media.open_picture(example.path, self.settings)
        return Subject(picture, example=example.path.stem, drawing=example.kind == "drawing")

    def _marks(self, subject: Subject) -> Update:
        """What says which picture is shown."""
        return {self.last_run: subject, self.gallery: view.gallery(self.examples, subject.example, subject.token)}

    def _show(self, now: Now, marks: Update, request: gr.Request, *names: str) -> Iterator[Update]:
        """Show a scene with its `marks`, as `_scene`, unless another one is asked for meanwhile: a link into the lab opens
        the tab and presses a preset in one go."""
        self.runs.stops.end(request)
        with self.scenes.turn(request) as turn:
            if not self.scenes.owns(request, turn):
                yield {self.runs.note: gr.skip()}
                return
            if marks:
                yield marks
            for update in self.runs.answers(self._scene(now, *names)):
                if not self.scenes.owns(request, turn):
                    return
                yield marks | update  # each time: of updates in quick succession the page keeps the last

    def _scene(self, now: Now, *names: str) -> Iterator[Update]:
        """What is shown of all that is set, quickest first; with the first of it the controls of these names, or all."""
        now = self._bounded(now)
        yield self.runs.answer(lambda: self._paint(now) | self._source(now)) | self.form.show(now, *names)
        yield self.runs.answer(lambda: self._recover(now))
        yield self.runs.answer(lambda: {self.film: view.film(self._frames(now, FILM_AT, FILM_SIDE, recover=RECOVER))})

    # Files and links

    def save_png(self, values: dict[Any, Any]) -> list[Path]:
        """The frame, exact, with its settings."""
        frame = self._frame(self._now(values))
        return [share.save_png(frame.x_t, media.scratch_file(f"x_{frame.t}.png"), self._capsule(values))]

    def save_film(self, save: Callable[..., Path], name: str, values: dict[Any, Any]) -> list[Path]:
        """x_t from t = 0 to T beside the rival's, with t beneath, as a file of this name."""
        now = self._now(values)
        T, small = _forward(now).T, now | {"side": min(int(now["side"]), EXPORT_SIDE)}
        levels = sorted({round(share * T) for share in np.linspace(0, 1, EXPORT_FRAMES)})
        frames = [view.film_frame(self._processes(small | {"t": t})) for t in levels]
        return [save(frames, media.scratch_file(name), EXPORT_FPS)]

    def on_share(self, values: dict[Any, Any]) -> Update:
        """What is shown now, for a link or a file."""
        return self.share.show(self._capsule(values)) if values[self.last_run] else {self.share.capsule: None}

    def _capsule(self, values: dict[Any, Any]) -> Capsule:
        return self.share.make(values, picture=share.describe_picture(values[self.last_run].picture))

    def restore(self, capsule: Capsule, values: dict[str, Any]) -> tuple[Update, str, str]:
        """The tab as a capsule says, painted at once."""
        source = capsule.values.get("picture") or {}
        picture = share.picture_of(source)
        first = self._example(self.examples[0]).picture
        subject = Subject(first) if picture is None else Subject(picture, example=str(source.get("example", "")))
        now = self.form.complete(values) | {"subject": subject}
        updates = self.form.show(now) | self._marks(subject)
        for update in self._scene(now):
            updates |= update
        return updates, "", share.ALONE if picture is None else ""

    # From what is set to requests, frames and updates

    def _now(self, values: dict[Any, Any]) -> Now:
        return self.form.read(values) | {"subject": values[self.last_run]}

    def request(self, values: dict[Any, Any]) -> NoisingRequest:
        """The frame that the controls ask for. Raises LabError where they cannot be met."""
        return self._request(self._now(values))

    def _request(self, now: Now, **other: Any) -> NoisingRequest:
        if now["subject"] is None:
            raise LabError("There is no picture yet. Choose an example or upload one.")
        picture, forward = media.resize(now["subject"].picture, int(now["side"])), _forward(now)
        seed, t = lists.whole(now["seed"], "Seed"), lists.whole(now["t"], "t")
        settings = {"picture": picture, "forward": forward, "seed": seed, "t": t, "chain": False}
        return make_request(NoisingRequest, **(settings | other))

    def _frame(self, now: Now, **other: Any) -> NoisingFrame:
        events = self.backend.run(self._request(now, **other))
        return next(event for event in events if isinstance(event, NoisingFrame))

    def _frames(self, now: Now, shares: Iterable[float], side: int, **other: Any) -> list[NoisingFrame]:
        """The frames at these shares of T, at most `side` pixels wide."""
        T, small = _forward(now).T, now | {"side": min(int(now["side"]), side)}
        return [self._frame(small | {"t": t}, **other) for t in sorted({round(share * T) for share in shares})]

    def _processes(self, now: Now, chain: bool = False) -> list[Process]:
        """The process that is set and, where one is chosen, its rival."""
        first = Process.of(_forward(now), self._frame(now, chain=chain))
        if not now["rival"]:
            return [first]
        change = {"zero_snr": True} if now["rival"] == ZERO else {"schedule": now["rival"]}
        level = float(np.clip(first.frame.log_snr, -99, 99)) if now["align"] == SAME_LEVEL else None
        rival = _forward(now).model_copy(update=change)
        return [first, Process.of(rival, self._frame(now, forward=rival, at_log_snr=level))]

    def _paint(self, now: Now) -> Update:
        """Everything that follows t within a few milliseconds."""
        first, *rivals = processes = self._processes(now, chain=True)
        other = gr.update(value=view.jump(rivals[0], rivals[0].name)) if rivals else gr.update()
        return self._chart(now, processes) | {
            self.jump: view.jump(first, first.name if rivals else "x_t in one jump"),
            self.chain: view.chain(first.frame),
            self.runs.note: widgets.note(now["subject"].remark),
            self.other: other | {"visible": bool(rivals)},
        }

    def _source(self, now: Now) -> Update:
        """What the page draws other t from."""
        frames = [process.frame for process in self._processes(now)]
        return {self.source: drag.source(self._request(now), frames, now["align"] == SAME_LEVEL)}

    def _chart(self, now: Now, processes: list[Process]) -> Update:
        draw = CHARTS[now["chart"]][1]
        return {self.plot: draw(processes), self.chart_words: widgets.words(CHART_WORDS[now["chart"]])}

    def _recover(self, now: Now) -> Update:
        frame = self._frame(now, recover=RECOVER)
        return {self.guess: view.recovered(frame)}

    def _bounded(self, now: Now) -> Now:
        """With t at most T, which may have become smaller."""
        return now | {"t": min(_forward(now).T, lists.whole(now["t"], "t"))}


def _forward(now: Now) -> Forward:
    return make_request(Forward, schedule=now["schedule"], T=lists.whole(now["T"], "T"), zero_snr=now["zero"])


build = Noising.build
