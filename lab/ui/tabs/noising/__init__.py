"""The tab Forward noising."""

from lab.ui.shell.instrument import Instrument, Term
from lab.ui.shell.sources import beside
from lab.ui.tabs.noising import drag, tab
from lab.ui.tabs.noising.lesson import LESSON

TAB = Instrument(
    name="noising",
    title="Forward noising",
    question="How does a picture drown in noise?",
    group="Noise",
    build=tab.build,
    card="Drag t and watch a picture drown, level by level, and see what could still be recovered.",
    papers=("Denoising Diffusion Probabilistic Models",),
    equation=(
        Term("x<sub>t</sub>", "x t", "the noisy picture at t", ("#noising-jump figure",)),
        " = ",
        Term(
            "√<u>ᾱ<sub>t</sub></u>",
            "the root of alpha-bar t",
            "how much of the picture is left at t",
            ("#noising-t", "#noising-schedule"),
        ),
        " ",
        Term(
            "x<sub>0</sub>",
            "x 0",
            "the clean picture",
            ("#noising-examples [aria-pressed=true]", "#noising-film .frame:first-child"),
        ),
        " + ",
        Term(
            "√<u>1 − ᾱ<sub>t</sub></u>",
            "the root of 1 minus alpha-bar t",
            "how much noise there is at t",
            ("#noising-t", "#noising-schedule"),
        ),
        " ",
        Term("ε", "epsilon", "the noise: one draw of the seed, the same at every t", ("#noising-seed",)),
    ),
    spoken="x t equals the root of alpha-bar t times x 0, plus the root of 1 minus alpha-bar t times epsilon",
    lesson=LESSON,
    presets=tuple(preset.title for preset in tab.PRESETS),
    stage="#noising-pictures",
    style=beside(__file__, "style.css"),
    routes=drag.ROUTES,
)
