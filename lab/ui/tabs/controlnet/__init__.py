"""The tab ControlNet."""

from lab.ui.shell.instrument import Instrument
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
    equation="h<sub>k</sub> ← h<sub>k</sub> + s · r<sub>k</sub>(x<sub>t</sub>, t, c, map)",
    spoken="h k becomes h k plus s times r k of x t, t, c and the map",
    lesson=LESSON,
    presets=tuple(preset.title for preset in tab.PRESETS),
    stage="#controlnet-stage",
    board="#controlnet-editor",
    style=beside(__file__, "style.css"),
)
