"""The tab Guidance."""

from lab.ui.shell.instrument import Instrument
from lab.ui.shell.sources import beside
from lab.ui.tabs.guidance import tab
from lab.ui.tabs.guidance.lesson import LESSON

TAB = Instrument(
    name="guidance",
    title="Guidance",
    question="How hard should the words pull?",
    group="Steer",
    build=tab.build,
    card="One prompt at eight guidance scales, from vague to burnt, and every step taken apart.",
    papers=("Classifier-Free Diffusion Guidance",),
    equation="ε̃ = ε(x<sub>t</sub>) + s · (ε(x<sub>t</sub>, c) − ε(x<sub>t</sub>))",
    spoken="guided epsilon equals epsilon of x t, plus s times the difference of epsilon of x t and c to epsilon of x t",
    lesson=LESSON,
    presets=tuple(preset.title for preset in tab.PRESETS),
    stage="#guidance-stage",
    style=beside(__file__, "style.css"),
)
