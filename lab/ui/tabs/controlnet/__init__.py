"""The tab ControlNet."""

from lab.ui.shell.instrument import Instrument, Term
from lab.ui.shell.sources import beside
from lab.ui.tabs.controlnet import tab
from lab.ui.tabs.controlnet.lesson import LESSON

TAB = Instrument(
    name="controlnet",
    title="ControlNet",
    question="Can a sketch hold the picture?",
    group="Steer",
    build=tab.build,
    card="Draw a few lines, or drag a skeleton, and see how well the picture follows.",
    papers=("Adding Conditional Control to Text-to-Image Diffusion Models",),
    equation=(
        Term("h<sub>k</sub>", "h k", "features of the model at depth k", ("#controlnet-stage .held",)),
        " ← h<sub>k</sub> + ",
        Term("s", "s", "the strength of the control", ("#controlnet-strengths", "#controlnet-stage .head")),
        " · ",
        Term(
            "r<sub>k</sub>", "r k", "what the ControlNet adds at depth k: see Residuals", ("#controlnet-chart-choice",)
        ),
        "(x<sub>t</sub>, t, ",
        Term("c", "c", "the prompt", ("#controlnet-prompt",)),
        ", ",
        Term("map", "the map", "the lines or the pose", ("#controlnet-editor .board",)),
        ")",
    ),
    spoken="h k becomes h k plus s times r k of x t, t, c and the map",
    lesson=LESSON,
    presets=tuple(preset.title for preset in tab.PRESETS),
    stage="#controlnet-stage",
    board="#controlnet-editor",
    style=beside(__file__, "style.css"),
)
