"""The tab Guidance."""

from lab.ui.shell.instrument import Instrument, Term
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
    equation=(
        Term("ε̃", "guided epsilon", "the noise that is taken away", ("#guidance-stage .sweep",)),
        " = ",
        Term(
            "ε(x<sub>t</sub>)",
            "epsilon of x t",
            "predicted without words: scale 0",
            ('#guidance-stage [aria-label^="scale 0 "]',),
        ),
        " + ",
        Term("s", "s", "the guidance scale", ("#guidance-scales", "#guidance-stage .head")),
        " · (",
        Term(
            "ε(x<sub>t</sub>, c)",
            "epsilon of x t and c",
            "predicted with the prompt c: scale 1",
            ('#guidance-stage [aria-label^="scale 1 "]', "#guidance-prompt"),
        ),
        " − ",
        Term(
            "ε(x<sub>t</sub>)",
            "epsilon of x t",
            "predicted without words: scale 0",
            ('#guidance-stage [aria-label^="scale 0 "]',),
        ),
        ")",
    ),
    spoken="guided epsilon equals epsilon of x t, plus s times the difference of epsilon of x t and c to epsilon of x t",
    lesson=LESSON,
    presets=tuple(preset.title for preset in tab.PRESETS),
    stage="#guidance-stage",
    style=beside(__file__, "style.css"),
)
