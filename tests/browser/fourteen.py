"""The lab with more tabs, for tests and benchmarks of a page of fourteen: `LAB_PORT=7861 python -m tests.browser.fourteen`.

Each of those is what a real one is to the page: a Tool with a dozen controls, presets, a lesson, a chart and ways to
share; but nothing is computed.
"""

from collections.abc import Iterator
from typing import Any

import gradio as gr

import app
from lab import ui
from lab.catalog import MODELS
from lab.requests.base import LabError, Request
from lab.ui.shell import widgets
from lab.ui.shell.form import Field, Preset
from lab.ui.shell.instrument import Instrument, Question
from lab.ui.shell.runs import Runs
from lab.ui.shell.tool import Tool
from lab.ui.shell.widgets import QUIET
from lab.ui.tabs.start import tab as start

COUNT = 14
NAMES = ("Flow matching", "Classifier guidance", "Latent space", "Editing", "Between pictures", "Likelihood")
GROUPS = ("Draw", "Steer", "Inside", "Steer", "Inside", "Inside")
SLIDER = {"minimum": 0, "maximum": 10, "step": 1}


class Dummy(Tool):
    """A tab with everything but a result."""

    about = "**What it is.** $x_t = \\sqrt{\\bar\\alpha_t}\\,x_0$ and some words." * 6
    fields = (
        *(Field(f"choice{i}", gr.Dropdown, f"Choice {i}", "a", choices=[("A", "a"), ("B", "b")]) for i in range(4)),
        *(Field(f"text{i}", gr.Textbox, f"Text {i}", "1, 2") for i in range(3)),
        *(Field(f"number{i}", gr.Slider, f"Number {i}", 5, options=SLIDER) for i in range(5)),
    )
    presets = tuple(Preset(f"Preset {i}", number0=i) for i in range(8))

    def __init__(self, name: str, *more: Any) -> None:
        self.name = name
        super().__init__(*more, [MODELS["exact"]])

    def lay_out_stage(self, opening: dict[str, Any]) -> None:
        self.stage = gr.HTML(widgets.picture(None, "x_0"), elem_id=f"{self.name}-stage")
        self.plot = widgets.plot("Chart", elem_id=f"{self.name}-plot")
        self.shelf.lay_out()

    def lay_out_controls(self, opening: dict[str, Any]) -> None:
        self.runs = Runs(self.name)
        self.form.lay_out(*list(self.form.fields)[:8], values=opening)
        with widgets.more("More"):
            self.form.lay_out(*list(self.form.fields)[8:], values=opening)
        with widgets.more("Share"):
            self.share = self.panel()

    def wire(self, page: gr.Tab) -> None:
        inputs, painted = {*self.controls, self.last_run, self.share.capsule}, [self.stage, self.runs.note]
        self.runs.run.click(self.on_run, inputs, painted, **self.running)
        self.share.opens(page, self.on_open, inputs, painted, **self.running)
        self.wire_presets(self.controls, lambda event: event.then(self.on_run, inputs, painted, **self.running))
        self.runs.stop.click(self.runs.on_stop, None, None, queue=False, **QUIET)
        self.restorable = self.controls
        self.share.wire({self.last_run}, None)

    def opening(self, values: dict[Any, Any], request: gr.Request) -> Iterator[dict[Any, Any]]:
        yield from self.on_run(values, request)

    def request(self, values: dict[Any, Any]) -> Request:
        raise LabError("Nothing is computed here.")

    def on_run(self, values: dict[Any, Any], request: gr.Request) -> Iterator[dict[Any, Any]]:
        yield {self.runs.note: widgets.note("Nothing is computed here.")}


def instrument(title: str, group: str) -> Instrument:
    """One of those."""
    name = title.lower().replace(" ", "-")

    def build(*given: Any) -> Dummy:
        tab = Dummy(name, *given[:2])
        tab.lay_out()
        tab.wire(given[2])
        return tab

    return Instrument(
        name=name,
        title=title,
        question=f"What does {title.lower()} show?",
        group=group,
        build=build,
        card="One of those that stand in for those to come.",
        papers=("Denoising Diffusion Probabilistic Models",),
        equation=("x<sub>t</sub> = x<sub>0</sub> + σ ε",),
        spoken="x t equals x 0 plus sigma times epsilon",
        lesson=tuple(
            Question(f"{i}?", ("Yes", "No"), 0, f"Preset {i}", "The picture.", "Yes.", {1: "it does."})
            for i in range(4)
        ),
        presets=tuple(preset.title for preset in Dummy.presets),
        stage=f"#{name}-stage",
    )


def tabs() -> tuple[Instrument, ...]:
    """The fourteen, those of a group together."""
    more = COUNT - len(ui.TABS)
    tools = (*ui.INSTRUMENTS, *map(instrument, NAMES[:more], GROUPS[:more]))
    order = ("Noise", "Draw", "Steer", "Inside", "Lab")
    tools = tuple(sorted(tools, key=lambda tab: order.index(tab.group)))
    return start.front(tools), *tools


def main() -> None:
    """Serve the lab with more tabs until interrupted."""
    ui.TABS = tabs()
    app.main()


if __name__ == "__main__":
    main()
