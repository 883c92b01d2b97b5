"""The room of the words: which word drew which pixel, a word's weight, and a word exchanged with the attention kept."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import gradio as gr
import numpy as np

from lab.capsules.attention_script import attention_script
from lab.requests.attention import MOST_WEIGHT, AttentionRequest
from lab.requests.base import LabError, Request, make_request
from lab.requests.fields import Forward
from lab.requests.sampling import LaneSettings
from lab.ui.shell import lists, pipeline, widgets
from lab.ui.shell.form import Field, Preset, one_of
from lab.ui.shell.instrument import Question
from lab.ui.shell.rooms.room import Asked, Room
from lab.ui.shell.sources import beside
from lab.ui.tabs.inside.attention import charts, flow, view
from lab.ui.tabs.inside.attention.outcome import Outcome

LOOK, WEIGH, SWAP = "look", "weigh", "swap"
DRESSED, LUMP = "a person in a red shirt and blue trousers", "red ball on blue cube"
YELLOW = "a person in a yellow shirt and blue trousers"

# fmt: off
FIELDS = (
    Field("words_experiment", gr.Radio, "What to do with the words", LOOK,
          choices=[("Look", LOOK), ("Weigh", WEIGH), ("Exchange", SWAP)], options={"elem_classes": "segments"}),
    Field("words_names", gr.Textbox, "Words to weigh, commas between", "apple, end", when=one_of("words_experiment", WEIGH), options={"max_length": 120}),
    Field("words_weights", gr.Textbox, "Weights", "-2, 0, 1, 2, 4", when=one_of("words_experiment", WEIGH), options={"max_length": 80}),
    Field("words_target", gr.Textbox, "Target prompt", YELLOW, when=one_of("words_experiment", SWAP), options={"max_length": widgets.MAX_TYPED}),
    Field("words_kept", gr.Slider, "τ: share of the calls that keep the attention to words", 0.8, when=one_of("words_experiment", SWAP),
          options={"minimum": 0, "maximum": 1, "step": 0.05}),
    Field("words_picture", gr.Slider, "Share of the calls that keep the picture's attention to itself", 0.0, when=one_of("words_experiment", SWAP),
          options={"minimum": 0, "maximum": 1, "step": 0.05}),
    Field("words_scale", gr.Slider, "Guidance scale", lambda row: row.guidance_scale, offered=lambda row: row.guided or row.consistency,
          options={"minimum": 0, "maximum": 15, "step": 0.5}),
    Field("words_steps", gr.Slider, "Steps", 20, options={"minimum": 1, "maximum": 50, "step": 1}),
)
# fmt: on


class WordsRoom(Room):
    """Cross-attention, word by word."""

    name, title = "attention", "The words"
    about = (
        "**The words.** In its attention layers each place of the picture looks at the words of the prompt: a probability for each token, which "
        "together are one. Their mean over layers, heads and steps is a map of the word (DAAM, Tang et al. 2022). Multiplied by a weight, "
        "or kept while a word changes, they steer the picture (Prompt-to-Prompt, Hertz et al. 2022)."
    )
    fields = FIELDS
    shared = ("prompt", "model", "seed")
    shown = ("words_experiment", "words_names", "words_weights", "words_target", "words_kept")
    more = ("words_picture", "words_scale", "words_steps")
    selecting = ("words_experiment",)
    presets = (
        Preset("Which word drew it", look="Point at “trousers”, then at “shirt”, then at the “and” behind it.",
               place="#inside-stage", prompt=DRESSED),
        Preset("Turn a word up", look="Compare the rows: “blue” changes next to nothing, “cube” turns the thing from red to blue.",
               place="#inside-stage", prompt=LUMP, words_experiment=WEIGH, words_names="blue, cube", words_weights="0, 0.5, 1, 2, 4"),
        Preset("Change the word, keep the picture", look="Compare the arms: alone the target strikes a pose of its own.",
               place="#inside-stage", prompt=DRESSED, words_experiment=SWAP, words_target=YELLOW),
    )  # fmt: skip
    questions = (
        Question(
            "The miniature draws one thing for “red ball on blue cube”. Which word, weighed four times as much, turns it blue?",
            ("blue", "cube", "Neither"), 1, "Turn a word up",
            "The two rows at weight 4, and RMS beneath each picture.",
            "The noun: “cube” stands behind “blue”, and the text encoder reads from left to right, so cube's tokens know of blue. "
            "“blue” itself changes next to nothing. And the prompt's two things stay one.",
            {0: "its row is the same picture five times.", 2: "in the second row the last picture is blue."},
        ),
    )  # fmt: skip
    style = beside(__file__, "style.css")
    scripts = {"attention.js": beside(__file__, "attention.js")}  # noqa: RUF012

    def request(self, asked: Asked) -> Request:
        now, row = asked.now, asked.row
        experiment = now["words_experiment"]
        lane = make_request(
            LaneSettings,
            sampler="lcm" if row.consistency else "ddim",
            steps=now["words_steps"],
            seed=now["seed"],
            guidance_scale=now["words_scale"],
        )
        asks: dict[str, Any] = {"looks": lane.steps if experiment == LOOK else 0}
        if experiment == WEIGH:
            names = [name.strip(" “”\"'") for name in re.split(r"[,;\n]", now["words_names"])]
            asks["words"] = tuple(dict.fromkeys(filter(None, names)))
            if not asks["words"]:
                raise LabError("Name at least one word of the prompt to weigh.")
            asks["weights"] = lists.numbers(now["words_weights"], "Weights", -MOST_WEIGHT, MOST_WEIGHT)
        elif experiment == SWAP:
            if not now["words_target"].strip():
                raise LabError("Write the target prompt: the prompt with another word.")
            asks |= {"target": now["words_target"], "kept": now["words_kept"], "kept_picture": now["words_picture"]}
        return make_request(
            AttentionRequest,
            model=row.name,
            condition={"prompt": now["prompt"]},
            forward=Forward(schedule=row.schedules[0]),
            lane=lane,
            **asks,
        )

    def outcome(self, request: Request) -> Any:
        assert isinstance(request, AttentionRequest)
        return Outcome(request)

    def stage(self, outcome: Any | None, asked: Asked) -> str:
        return view.stage(outcome, asked.now["prompt"])

    def words(self, outcome: Any) -> str:
        return view.words(outcome)

    def progress(self, outcome: Outcome) -> str:
        step = max(outcome.latest.values(), key=lambda one: one.lane, default=None)
        return f"Call {step.i} of {step.n} …" if step else "Reading the prompt …"

    def summary(self, outcome: Outcome) -> str:
        if outcome.maps and outcome.words:
            return f"{len(outcome.maps)} steps looked at, {len(outcome.words.names)} words with start and end."
        return f"{len(outcome.results)} pictures from one x_T."

    def chart(self, outcome: Any, now: Mapping[str, Any]) -> Any:
        return charts.chart(outcome)

    def table(self, outcome: Any) -> str:
        return view.table(outcome)

    def pictures(self, outcome: Outcome) -> Iterable[tuple[str, np.ndarray]]:
        for lane, one in enumerate(outcome.drawings):
            if lane in outcome.results:
                word = f"-{_stem(one.word)}-{one.weight:g}" if one.word else ""
                yield f"words-{lane:02}-{one.kind}{word}", outcome.results[lane]
        if outcome.maps and outcome.words and 0 in outcome.results:
            for k, (name, values) in enumerate(zip(outcome.words.names, outcome.mean(0), strict=True)):
                yield f"words-map-{k:02}-{_stem(name)}", view.heat(outcome.results[0], values)

    def scripts_of(self, request: Request) -> Iterable[tuple[str, str]]:
        assert isinstance(request, AttentionRequest)
        yield "words.py", attention_script(request)

    def written(self, outcome: Outcome) -> Mapping[str, np.ndarray | None]:
        asked = outcome.request
        weights = [f"weight-{j}-{k}" for j in range(len(asked.words)) for k in range(len(asked.weights))]
        stems = ["plain", *weights, *(["target", "kept"] if asked.target else [])]
        found = {f"{stem}.png": outcome.results[lane] for lane, stem in enumerate(stems) if lane in outcome.results}
        if outcome.maps and outcome.words:
            for k, values in enumerate(outcome.mean(0)):
                grey = (values - values.min()) / max(float(np.ptp(values)), 1e-9)
                found[f"map-{k:02}.png"] = np.round(255 * grey).astype(np.uint8)
        return found

    def flow(self, request: Request) -> pipeline.Flow:
        assert isinstance(request, AttentionRequest)
        return flow.of(request)


def _stem(word: str) -> str:
    """A word as a part of a file's name."""
    return re.sub(r"[^a-z0-9]+", "-", word.lower()).strip("-") or "word"
