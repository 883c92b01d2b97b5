"""Tab: the forward process. A picture drowns in noise, and everything that can be seen of it."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from math import isinf
from typing import Any

import gradio as gr
import numpy as np

from lab.capsules.capsule import Capsule, Kind, Range
from lab.catalog import SCHEDULES
from lab.requests.base import LabError, make_request
from lab.requests.fields import MAX_SEED, MAX_T, MIN_T, Forward
from lab.requests.noising import NoisingFrame, NoisingRequest
from lab.settings import Settings
from lab.ui.shell import film, lists, media, share, widgets
from lab.ui.shell.runs import Stops
from lab.ui.shell.widgets import Update
from lab.ui.tabs.noising import charts

RECOVER = "exact"  # the model that says what can still be recovered
FILM_AT = (0, 0.08, 0.16, 0.26, 0.38, 0.5, 0.62, 0.8, 1)  # of T; closer together where more is lost
PLAY_S, PLAY_FPS, PLAY_CHART_EVERY = 6, 12, 4
EXPORT_FPS, EXPORT_FRAMES, EXPORT_SIDE = 12, 60, 256
SIDES = (64, 128, 256, 512)
SAME_T, SAME_LEVEL = "the same t", "the same log-SNR"
ZERO = "zero"  # as rival: the same schedule with zero terminal SNR


@dataclass(frozen=True)
class Preset:
    """One click that shows something striking. `at` is t / T."""

    title: str
    example: str  # file name without ending
    at: float
    schedule: str = "linear"
    T: int = 1000
    rival: str = ""
    align: str = SAME_T
    chart: str = "schedule"
    side: int = 128


# fmt: off
PRESETS = (
    Preset("Half gone",                "fox-3d",           0.26, side=64),
    Preset("Invisible, not lost",      "red-apple-glossy", 0.62, side=64),
    Preset("Linear against cosine",    "butterfly-blob",   0.50, rival="cosine", side=64),
    Preset("Same log-SNR", "chelsea",          0.30, rival="cosine", align=SAME_LEVEL, chart="schedule"),
    Preset("Detail drowns first", "astronaut",        0.12, chart="frequencies", side=256),
    Preset("Values turn normal",   "coffee",           0.60, chart="values", side=256),
    Preset("The leak at t = T",        "sunflower-sticker", 1.00, "scaled_linear", rival=ZERO, chart="schedule", side=64),
    Preset("Only ten steps",           "sailboat-flat",    0.30, "cosine", T=10, side=64),
)
# fmt: on


def _in_symbols(text: str) -> str:
    return text.replace("sqrt(beta_t)", "√β").replace("beta_t", "β").replace("alpha-bar", "ᾱ")


ABOUT = r"""
**In one jump.** Shrink the picture, add noise: any level can be reached at once
([Ho et al. 2020](https://arxiv.org/abs/2006.11239), equation 4). $\bar\alpha_t$ is the share of the picture in the
variance of $x_t$.

$$q(x_t \mid x_0) = \mathcal N\big(\sqrt{\bar\alpha_t}\,x_0,\ (1-\bar\alpha_t)\,I\big), \qquad
x_t = \sqrt{\bar\alpha_t}\,x_0 + \sqrt{1-\bar\alpha_t}\;\epsilon$$

**Step by step.** The chain takes $t$ small steps, each with noise of its own. Another picture, the same statistics:
that is why training may jump.

$$q(x_t \mid x_{t-1}) = \mathcal N\big(\sqrt{1-\beta_t}\,x_{t-1},\ \beta_t I\big), \qquad
\bar\alpha_t = \prod_{s=1}^{t} (1-\beta_s)$$

**The level is what counts.** Two schedules with the same log-SNR, a natural logarithm, show the same picture, whatever their $t$
([Kingma et al. 2021](https://arxiv.org/abs/2107.00630)).

$$\log \mathrm{SNR}(t) = \log \frac{\bar\alpha_t}{1-\bar\alpha_t}$$

**What can be recovered.** The optimal denoiser, in closed form, of the lab's 64 px picture set and the picture shown: the
mean of them all, each weighted by how well it explains $x_t$. So it says until when your picture could still be told from
thousands of others, if one knew it. A model that never saw it can do no such thing.

$$\mathbb E[x_0 \mid x_t] = \sum_i w_i\,x^{(i)}, \qquad
w_i \propto \exp\!\Big(-\tfrac{\lVert x_t - \sqrt{\bar\alpha_t}\,x^{(i)} \rVert^2}{2(1-\bar\alpha_t)}\Big)$$

**Fine detail drowns first.** Noise has the same power at every frequency; pictures have most of theirs in coarse
shapes. So denoising is drawing from coarse to fine
([Rissanen et al. 2022](https://arxiv.org/abs/2206.13397)).

**The schedules.** """ + " ".join(
    f"*{row.title}* ({widgets.paper(row)}): {_in_symbols(row.about)}" for row in SCHEDULES.values()
) + (
    " The betas of other T are scaled by 1000 / T and cut at 0.999, as Improved DDPM does. *Zero terminal SNR* makes "
    "the last level pure noise ([Lin et al. 2023](https://arxiv.org/abs/2305.08891))."
)  # fmt: skip

CHART_WORDS = {
    "schedule": "Solid: how much of the picture's variance is left in x<sub>t</sub>. Dotted: signal against noise on a "
    "log scale; above 0 the picture is stronger, below 0 the noise, and equal height means equally noisy.",
    "values": "The values of all pixels. Whatever the picture was, they end as N(0, 1), the dotted bell.",
    "frequencies": "Power at each scale. In the shaded part the noise is stronger than the picture: "
    "fine detail goes first, coarse shapes last.",
}

RECOVERED_WORDS = "The exact denoiser's guess from this noise, supposing it knew this picture too; on a 64 px copy."


def build(backend: Any, settings: Settings, page: gr.Tab) -> "_Tab":
    """Lay out the tab on `page` and wire it to `backend`."""
    tab = _Tab(backend, settings)
    tab.lay_out()
    tab.wire(page)
    return tab


class _Tab:
    """The components of the tab and what they do. Holds nothing of any visitor: that lives in gr.State."""

    def __init__(self, backend: Any, settings: Settings) -> None:
        self.backend, self.settings = backend, settings
        self.examples = media.examples()
        self.scenes = Stops()  # a newer scene takes the page from an older one
        self.plays = Stops()  # so does whatever is shown while the picture drowns

    # Layout

    def lay_out(self) -> None:
        first = PRESETS[0]
        self.picture = gr.State(None, time_to_live=7200)
        self.remark = gr.State("", time_to_live=7200)  # what of the visitor's file is not in the picture
        self.presets = widgets.preset_row("noising", [preset.title for preset in PRESETS])
        with widgets.grid():
            with widgets.stage():
                self._lay_out_stage(first)
            with widgets.controls():
                self._lay_out_controls(first)
        with gr.Accordion("What am I looking at?", open=True):
            gr.Markdown(ABOUT, latex_delimiters=widgets.LATEX, elem_classes="lab-words")

    def _lay_out_stage(self, first: Preset) -> None:
        with gr.Row(elem_classes="noising-pictures", elem_id="noising-pictures"):
            self.jump = gr.HTML(widgets.picture(None, "x_t in one jump"), elem_id="noising-jump", elem_classes="jump")
            self.other = gr.HTML(visible=False, elem_id="noising-other", elem_classes="rival")
            with gr.Column(elem_classes="beside", min_width=100):
                self.chain = gr.HTML(widgets.picture(None, "Step by step"), elem_id="noising-chain")
                self.recovered = gr.HTML(widgets.picture(None, "Recovered x_0"), elem_id="noising-recovered")
        with widgets.dock():
            with gr.Row(elem_classes="transport"):
                self.play = widgets.go("Play", elem_id="noising-play")
                self.stop = widgets.stop(interactive=False, elem_id="noising-stop")
                self.t = gr.Slider(
                    0, first.T, round(first.at * first.T), step=1, label="t: how far down the picture has gone", elem_id="noising-t", scale=6
                )  # fmt: skip
            self.note = gr.HTML(widgets.note(""), elem_id="noising-note")
        # Its maximum follows T; a request under way may carry a t of before, which _request answers itself.
        self.t.preprocess = lambda payload: payload
        self.strip = gr.HTML(_strip([], []), js_on_load=widgets.PICK_JS, elem_id="noising-film")
        self.chart = gr.Radio(
            [(title, name) for name, (title, _) in charts.CHARTS.items()],
            value=first.chart, show_label=False, container=False, label="Chart", elem_classes="segments", elem_id="noising-chart-choice",
        )  # fmt: skip
        self.plot = widgets.plot("Chart of the forward process", elem_id="noising-chart")
        self.chart_words = gr.HTML(widgets.words(CHART_WORDS[first.chart]))

    def _lay_out_controls(self, first: Preset) -> None:
        self.gallery = gr.HTML(_gallery(self.examples, None), js_on_load=widgets.PICK_JS, elem_id="noising-examples")
        with widgets.more("Your own picture"):
            self.upload = widgets.picture_input("Upload, paste or take a picture", height=240, elem_id="noising-upload")
        self.schedule = gr.Dropdown(
            [(row.title, name) for name, row in SCHEDULES.items()], value=first.schedule, label="Schedule", elem_id="noising-schedule"
        )  # fmt: skip
        rivals = [("Nothing", ""), *((row.title, name) for name, row in SCHEDULES.items())]
        self.rival = gr.Dropdown(
            [*rivals, ("The same with zero terminal SNR", ZERO)], value="", label="Compare with", elem_id="noising-rival"
        )  # fmt: skip
        self.align = gr.Radio([SAME_T, SAME_LEVEL], value=SAME_T, label="at", visible=False, elem_id="noising-align")
        with gr.Row():
            self.T = gr.Number(first.T, label="T, steps (10 to 4000)", min_width=120, elem_id="noising-T")
            self.seed = gr.Number(0, label="Seed", min_width=120, elem_id="noising-seed")
        with widgets.more("More"):
            self.side = gr.Dropdown(
                [(f"{side} × {side} pixels", side) for side in SIDES], value=first.side, label="Picture size", elem_id="noising-side"
            )  # fmt: skip
            self.zero = gr.Checkbox(False, label="Zero terminal SNR", info="Rescale so that x_T is pure noise")
        with widgets.more("Share and export"):
            with gr.Row():
                self.png = gr.Button("Frame, PNG", size="sm", min_width=90, elem_id="noising-png")
                self.gif = gr.Button("Film, GIF", size="sm", min_width=90, elem_id="noising-gif")
                self.mp4 = gr.Button("Film, MP4", size="sm", min_width=90, elem_id="noising-mp4")
            shared = "schedule T seed t side zero rival align chart"
            known: dict[str, Kind] = {
                "T": Range(MIN_T, MAX_T, whole=True),
                "t": Range(0, MAX_T, whole=True),
                "seed": Range(0, MAX_SEED, whole=True),
            }
            self.share = share.Panel("noising", {name: getattr(self, name) for name in shared.split()}, known)

    # Wiring

    def wire(self, page: gr.Tab) -> None:
        inputs = {
            self.picture, self.remark, self.schedule, self.T, self.zero, self.seed, self.t, self.side, self.rival, self.align,
            self.chart,
        }  # fmt: skip
        frame = [self.jump, self.other, self.chain, self.plot, self.note]
        scene = [*frame, self.t, self.recovered, self.strip, self.align]
        chosen = [
            self.picture,
            self.remark,
            self.gallery,
            self.schedule,
            self.T,
            self.zero,
            self.rival,
            self.chart,
            self.chart_words,
            self.side,
        ]
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": None}
        latest = {**quiet, "trigger_mode": "always_last"}

        # Dragging goes past the queue: its bookkeeping costs more than a frame does.
        self.t.input(self.on_drag, inputs, frame, queue=False, **latest)
        self.t.input(self.on_recover, inputs, [self.recovered], queue=False, **latest)
        changes = [self.chart.input(self.on_chart, inputs, [self.plot, self.chart_words, self.note], **latest)]
        scenes = gr.on([self.schedule.input, self.T.submit, self.T.blur, self.zero.input, self.seed.input, self.side.input, self.rival.input,
               self.align.input], self.on_scene, inputs, scene, **latest)  # fmt: skip
        everything = [*scene, *chosen]
        changes += [
            scenes,
            self.strip.click(self.on_pick_step, inputs, [*frame, self.t, self.recovered], **quiet),
            self.gallery.click(self.on_example, inputs, everything, **quiet),
            self.upload.input(self.on_upload, inputs | {self.upload}, everything, **quiet),
            *(
                button.click(_bind(self.on_preset, preset), inputs, everything, **quiet)
                for button, preset in zip(self.presets, PRESETS, strict=True)
            ),
        ]
        played = self.play.click(
            self.on_play, inputs, [*frame, self.t, self.recovered, self.play, self.stop],
            **{**quiet, "concurrency_limit": self.settings.most_pressed},
        )  # fmt: skip
        self.stop.click(self.on_stop, None, None, queue=False, show_progress="hidden", api_visibility="private")
        files = [self.share.files, self.share.note]
        for button, save in ((self.png, self.save_png), (self.gif, self.save_gif), (self.mp4, self.save_mp4)):
            button.click(save, inputs, files, api_visibility="private", show_progress_on=self.share.files)
        self.restorable = [*everything, self.seed]
        self.share.wire(inputs, now=self.shared)
        opened = self.share.opens(page, self.on_open, inputs, everything, **quiet)
        # Nothing here is run, so the address follows what is set; while t is dragged or played it waits for the end.
        for told in (self.t.release, *(change.then for change in (*changes, played, opened))):
            told(self.shared, inputs, self.share.run_outputs, queue=False, **quiet)

    # What the visitor does

    def on_drag(self, values: dict[Any, Any], request: gr.Request) -> dict[Any, Any]:
        self.plays.end(request)
        return self._answer(lambda: self._paint(values))

    def on_recover(self, values: dict[Any, Any]) -> dict[Any, Any]:
        try:
            return {self.recovered: self._recovered(values)}
        except LabError:
            return {self.recovered: gr.skip()}  # on_drag says so

    def on_chart(self, values: dict[Any, Any]) -> dict[Any, Any]:
        def chart() -> dict[Any, Any]:
            return {
                self.plot: _chart(values[self.chart], self._shown(values)),
                self.chart_words: widgets.words(CHART_WORDS[values[self.chart]]),
            }

        return self._answer(chart)

    def on_scene(self, values: dict[Any, Any], request: gr.Request) -> Iterator[dict[Any, Any]]:
        """Picture, schedule, T, seed or rival changed: the frame at once, then what takes longer."""
        yield from self._show(values, {}, {}, request)

    def _scene(self, values: dict[Any, Any]) -> Iterator[dict[Any, Any]]:
        """What is shown of all that is set, quickest first."""
        try:
            forward = self._forward(values)
            values = values | {self.t: min(lists.whole(values[self.t], "t"), forward.T)}
        except LabError as error:
            yield {self.note: widgets.refusal(error)}
            return
        yield self._answer(lambda: self._paint(values)) | {
            self.t: gr.update(maximum=forward.T, value=values[self.t]),
            self.align: gr.update(value=values[self.align], visible=bool(values[self.rival])),
        }
        yield self._answer(lambda: {self.recovered: self._recovered(values)})
        yield self._answer(lambda: {self.strip: self._film_strip(values)})

    def on_pick_step(self, values: dict[Any, Any], event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        self.plays.end(request)

        def paint() -> dict[Any, Any]:
            picked = values | {self.t: min(max(widgets.picked(event), 0), self._forward(values).T)}
            return self._paint(picked) | {self.t: picked[self.t], self.recovered: self._recovered(picked)}

        return self._answer(paint)

    def on_example(self, values: dict[Any, Any], event: gr.EventData, request: gr.Request) -> Iterator[dict[Any, Any]]:
        index = widgets.picked(event) % len(self.examples)
        picture = media.open_picture(self.examples[index].path, self.settings)
        chosen = {self.gallery: _gallery(self.examples, index)}
        yield from self._show(values, chosen, {self.picture: picture, self.remark: ""}, request)

    def on_upload(self, values: dict[Any, Any], request: gr.Request) -> Iterator[dict[Any, Any]]:
        """Take the visitor's picture; one that cannot be read leaves the old one where it is."""
        if values[self.upload] is None:  # cleared: what is shown stays (to yield nothing would empty the page)
            yield {self.note: widgets.note("")}
            return
        try:
            picture, remark = media.open_upload(values[self.upload], self.settings).square()
        except LabError as error:
            yield {self.note: widgets.refusal(error)}
            return
        chosen = {self.gallery: _gallery(self.examples, None)}
        yield from self._show(values, chosen, {self.picture: picture, self.remark: remark}, request)

    def on_open(self, values: dict[Any, Any], request: gr.Request) -> Iterator[dict[Any, Any]]:
        """A visitor who opens the tab for the first time finds the first preset."""
        if (
            values[self.picture] is not None
            or self.share.taken(values)
            or self.scenes.busy(request)
            or self.plays.busy(request)
        ):
            yield {self.note: gr.skip()}  # nothing at all would be an error of Gradio's
            return
        yield from self.on_preset(PRESETS[0], values, request)

    def on_preset(self, preset: Preset, values: dict[Any, Any], request: gr.Request) -> Iterator[dict[Any, Any]]:
        index = next((i for i, example in enumerate(self.examples) if example.path.stem == preset.example), 0)
        changes = {
            self.picture: media.open_picture(self.examples[index].path, self.settings),
            self.remark: "",
            self.schedule: preset.schedule,
            self.T: preset.T,
            self.zero: False,
            self.rival: preset.rival,
            self.align: preset.align,
            self.chart: preset.chart,
            self.side: preset.side,
            self.t: round(preset.at * preset.T),
        }
        words = widgets.words(CHART_WORDS[preset.chart])
        chosen = {self.gallery: _gallery(self.examples, index), self.chart_words: words}
        yield from self._show(values, chosen, changes, request)

    def _show(
        self, values: dict[Any, Any], chosen: dict[Any, Any], changes: dict[Any, Any], request: gr.Request
    ) -> Iterator[dict[Any, Any]]:
        """Mark what was chosen, put `changes` into the controls and show the scene that they make, unless another one is
        asked for meanwhile: a link into the lab opens the tab and presses a preset in one go."""
        self.plays.end(request)
        with self.scenes.turn(request) as mine:
            if chosen:
                yield chosen
            for update in self._scene(values | changes):
                if not self.scenes.owns(request, mine):
                    return
                yield changes | update
                changes = {}

    def on_play(self, values: dict[Any, Any], request: gr.Request) -> Iterator[dict[Any, Any]]:
        """Run t up to T in PLAY_S seconds, from where it stands or from 0; frames too late are dropped. Once something
        newer is shown, nothing more is painted."""
        with self.plays.turn(request) as stop:
            yield {self.play: gr.update(interactive=False), self.stop: gr.update(interactive=True)}
            try:
                for painted in self._film(values, stop):
                    if not self.plays.owns(request, stop):
                        break
                    yield painted
            except LabError as error:
                yield {self.note: widgets.refusal(error)}
            yield {self.play: gr.update(interactive=True), self.stop: gr.update(interactive=False)}

    def _film(self, values: dict[Any, Any], stop: threading.Event) -> Iterator[Update]:
        """The frames of Play until T or `stop`; where it ends, what can be recovered there."""
        T, start = self._forward(values).T, lists.whole(values[self.t], "t")
        for i, t in enumerate(_clocked(start if 0 <= start < T else 0, T, stop)):
            now = values | {self.t: t}
            painted = self._paint(now, moving=True) | {self.t: t}
            if i % PLAY_CHART_EVERY:  # a chart costs the browser more than all pictures
                del painted[self.plot]
            yield painted
        yield self._paint(now) | {self.recovered: self._recovered(now)}

    def on_stop(self, request: gr.Request) -> None:
        self.plays.set(request)

    def save_png(self, values: dict[Any, Any]) -> dict[Any, Any]:
        def save() -> dict[Any, Any]:
            request = self._request(values)
            pixels, path = self._run(request).x_t, media.scratch_file(f"x_{request.t}.png")
            return self.share.saved(share.save_png(pixels, path, self._capsule(values)))

        return self.share.answer(save)

    def save_gif(self, values: dict[Any, Any]) -> dict[Any, Any]:
        return self.share.answer(lambda: self._save_film(values, film.save_gif, "noising.gif"))

    def save_mp4(self, values: dict[Any, Any]) -> dict[Any, Any]:
        return self.share.answer(lambda: self._save_film(values, film.save_mp4, "noising.mp4"))

    # Sharing

    def shared(self, values: dict[Any, Any]) -> dict[Any, Any]:
        """What is shown now, for a link or a file."""
        return (
            self.share.show(self._capsule(values)) if values[self.picture] is not None else {self.share.capsule: None}
        )

    def _capsule(self, values: dict[Any, Any]) -> Capsule:
        return self.share.make(values, picture=share.picture_told(values[self.picture]))

    def restore(self, capsule: Capsule, values: dict[str, Any]) -> tuple[Update, str, str]:
        """The tab as a capsule says, painted at once."""
        parts = self.share.parts
        told = capsule.values.get("picture")
        picture = share.picture_of(told)
        lost = "" if picture is not None else share.ALONE
        if picture is None:
            picture = media.open_picture(self.examples[0].path, self.settings)
        example = next((i for i, one in enumerate(self.examples) if told == {"example": one.path.stem}), None)
        changes = {part: part.value for part in parts.values()} | {parts[name]: value for name, value in values.items()}
        changes |= {self.picture: picture, self.remark: ""}
        shown = {
            self.gallery: _gallery(self.examples, example),
            self.chart_words: widgets.words(CHART_WORDS[changes[self.chart]]),
        }
        for update in self._scene(changes):
            shown |= update
        return changes | shown, "", lost

    # What there is to show

    def _forward(self, values: dict[Any, Any]) -> Forward:
        return make_request(Forward, schedule=values[self.schedule], T=lists.whole(values[self.T], "T"), zero_snr=values[self.zero])  # fmt: skip

    def _request(self, values: dict[Any, Any], **other: Any) -> NoisingRequest:
        if values[self.picture] is None:
            raise LabError("There is no picture yet. Choose an example or upload one.")
        settings = {
            "picture": media.resize(values[self.picture], int(values[self.side])),
            "forward": self._forward(values),
            "seed": lists.whole(values[self.seed], "Seed"),
            "t": lists.whole(values[self.t], "t"),
            "chain": False,
        }
        return make_request(NoisingRequest, **(settings | other))

    def _run(self, request: NoisingRequest) -> NoisingFrame:
        return next(frame for frame in self.backend.run(request) if isinstance(frame, NoisingFrame))

    def _shown(self, values: dict[Any, Any], chain: bool = False) -> list[charts.Shown]:
        """The frame of the chosen schedule and, where one is chosen, of its rival."""
        first = self._request(values, chain=chain)
        shown = [_named(first.forward, self._run(first))]
        if values[self.rival]:
            rival = self._forward(values).model_copy(
                update={"zero_snr": True} if values[self.rival] == ZERO else {"schedule": values[self.rival]}
            )
            level = float(np.clip(shown[0].frame.log_snr, -99, 99)) if values[self.align] == SAME_LEVEL else None
            shown.append(_named(rival, self._run(self._request(values, forward=rival, at_log_snr=level))))
        return shown

    def _paint(self, values: dict[Any, Any], moving: bool = False) -> dict[Any, Any]:
        """Everything that follows t within a few milliseconds."""
        shown = self._shown(values, chain=True)
        frame = shown[0].frame
        compared = len(shown) > 1
        title = shown[0].name if compared else "x_t in one jump"
        steps = f"{frame.t} small step{'' if frame.t == 1 else 's'}, each with its own noise: other grains, same statistics."
        if frame.chain is not None and len(frame.chain) < len(frame.x_t):
            steps += f" Walked at {len(frame.chain)} px."
        painted = {
            self.jump: widgets.picture(frame.x_t, title, _level(frame), colour=shown[0].colour, moving=moving),
            self.chain: widgets.picture(frame.chain, "Step by step", steps, moving=moving),
            self.plot: _chart(values[self.chart], shown),
            self.note: widgets.note(values[self.remark]),
            self.other: gr.update(visible=compared),
        }
        if compared:
            second = shown[1]
            rival = widgets.picture(
                second.frame.x_t, second.name, _level(second.frame), colour=second.colour, moving=moving
            )
            painted[self.other] = gr.update(value=rival, visible=True)
        return painted

    def _recovered(self, values: dict[Any, Any]) -> str:
        frame = self._run(self._request(values, recover=RECOVER))
        return widgets.picture(frame.recovered, "Recovered x_0", RECOVERED_WORDS)

    def _film_strip(self, values: dict[Any, Any]) -> str:
        """Chosen steps above, what can be recovered from each below."""
        T = self._forward(values).T
        small = values | {self.side: min(int(values[self.side]), 128)}
        ts = sorted({round(at * T) for at in FILM_AT})
        return _strip(ts, [self._run(self._request(small | {self.t: t}, recover=RECOVER)) for t in ts])

    def _save_film(self, values: dict[Any, Any], save: Any, name: str) -> dict[Any, Any]:
        T = self._forward(values).T
        small = values | {self.side: min(int(values[self.side]), EXPORT_SIDE)}
        ts = np.unique(np.linspace(0, T, EXPORT_FRAMES).round().astype(int))
        frames = [self._run(self._request(small | {self.t: int(t)})).x_t for t in ts]
        return self.share.saved(save(frames, media.scratch_file(name), EXPORT_FPS))

    def _answer(self, work: Any) -> dict[Any, Any]:
        """What `work` paints, or a sentence about why it cannot; the page keeps what it shows."""
        try:
            return work()
        except LabError as error:
            return {self.note: widgets.refusal(error)}


def _bind(handler: Any, preset: Preset) -> Any:
    """`handler` for one preset, with a signature that Gradio can read (it passes no request through a partial)."""

    def bound(values: dict[Any, Any], request: gr.Request) -> Iterator[dict[Any, Any]]:
        yield from handler(preset, values, request)

    return bound


def _clocked(start: int, T: int, stop: threading.Event) -> Iterator[int]:
    """t by the clock, at most PLAY_FPS times a second, until T or `stop`; the wait ends at once at `stop`."""
    began = time.monotonic()
    t = start
    while True:
        due = time.monotonic() + 1 / PLAY_FPS
        yield t
        if t >= T or stop.is_set():
            return
        stop.wait(max(0.0, due - time.monotonic()))
        t = min(T, int(start + (time.monotonic() - began) / PLAY_S * T))


def _asked(frame: NoisingFrame) -> np.ndarray:
    """What could be recovered, of a frame that was asked for it."""
    assert frame.recovered is not None
    return frame.recovered


def _named(forward: Forward, frame: NoisingFrame) -> charts.Shown:
    row = SCHEDULES[forward.schedule]
    if forward.zero_snr:
        return charts.Shown(f"{row.title}, zero SNR", "#e8590c", frame)
    return charts.Shown(row.title, row.colour, frame)


def _chart(name: str, shown: list[charts.Shown]) -> Any:
    return charts.CHARTS[name][1](shown)


def _level(frame: NoisingFrame) -> str:
    """The noise level of a frame in figures."""
    if isinf(frame.log_snr) and frame.log_snr > 0:
        return f"t = {frame.t} · the picture itself"
    snr = "−∞" if isinf(frame.log_snr) else f"{round(frame.log_snr, 1) + 0.0:+.1f}".replace("-", "−")
    return f"t = {frame.t} · ᾱ {frame.alpha_bar:.3f} · log-SNR {snr} · PSNR {frame.psnr_db:.1f} dB"


def _gallery(examples: tuple[media.Example, ...], chosen: int | None) -> str:
    """Example pictures as buttons."""
    cells = "".join(
        f'<button type="button" data-pick="{i}" aria-pressed="{str(i == chosen).lower()}" '
        f'title="{escape(one.title)} ({escape(one.credit)})" aria-label="{escape(one.title)}">'
        f'<img alt="" src="{_thumb(one)}"></button>'
        for i, one in enumerate(examples)
    )
    return f'<div class="gallery" role="group" aria-label="Example pictures">{cells}</div>'


_THUMBS: dict[Any, str] = {}


def _thumb(example: media.Example) -> str:
    if example.path not in _THUMBS:
        picture = media.open_picture(example.path, Settings())
        _THUMBS[example.path] = media.data_uri(media.resize(picture, 96), moving=True)
    return _THUMBS[example.path]


def _strip(ts: list[int], frames: list[NoisingFrame]) -> str:
    """The film strip: pictures to click, t below them, what can be recovered in the second row."""
    if not frames:
        cells = (
            '<span class="frame"><span class="box"></span><span class="box"></span><small>&nbsp;</small></span>'
            * len(FILM_AT)
        )
    else:
        cells = "".join(
            f'<button type="button" class="frame" data-pick="{t}" aria-label="go to t = {t}">'
            f'<span class="box"><img alt="x_t at t = {t}" src="{media.data_uri(frame.x_t, moving=True)}"></span>'
            f'<span class="box"><img alt="recovered at t = {t}" src="{media.data_uri(_asked(frame))}"></span>'
            f"<small>{t}</small></button>"
            for t, frame in zip(ts, frames, strict=True)
        )
    return (
        '<div class="film"><div class="film-head"><span>x<sub>t</sub></span><span>recover&shy;able</span>'
        f'<small>t</small></div><div class="film-frames">{cells}</div></div>'
    )
