"""The tab Samplers."""

from lab.ui.shell.instrument import Instrument, Term
from lab.ui.shell.sources import beside
from lab.ui.tabs.samplers import tab
from lab.ui.tabs.samplers.lesson import LESSON

TAB = Instrument(
    name="samplers",
    title="Samplers",
    question="How do you walk back from noise?",
    group="Draw",
    build=tab.build,
    card="DDPM, DDIM and the solvers since start from the same noise. Watch where they part.",
    papers=("Denoising Diffusion Probabilistic Models", "Denoising Diffusion Implicit Models"),
    equation=(
        Term(
            "x<sub>s</sub>",
            "x s",
            "the picture after the step",
            ("#samplers-stage .pair figure:first-child", "#samplers-stage .pair:has(.same) figure:last-child"),
        ),
        " = ",
        Term(
            "√<u>ᾱ<sub>s</sub></u>",
            "the root of alpha-bar s",
            "how much of the picture is in it by then",
            ("#samplers-stage .lane .bar", "#samplers-steps"),
        ),
        " ",
        Term(
            "x̂<sub>0</sub>",
            "predicted x 0",
            "the clean picture that the model predicts",
            ("#samplers-stage .pair figure:last-child",),
        ),
        " + ",
        Term(
            "√<u>1 − ᾱ<sub>s</sub> − σ²</u> ε̂",
            "the root of 1 minus alpha-bar s minus sigma squared, times predicted epsilon",
            "the noise that the model predicts, as much of it as is left at s; at the end there is none: drag the film back",
            ("#samplers-stage .pair figure:first-child", "#tab-samplers .reel-transport"),
        ),
        " + ",
        Term(
            "σz",
            "sigma times z",
            "fresh noise in every step: DDPM's, none in DDIM",
            ("#samplers-samplers", "#samplers-seed"),
        ),
    ),
    spoken=(
        "x s equals the root of alpha-bar s times predicted x 0, plus the root of 1 minus alpha-bar s minus sigma squared "
        "times predicted epsilon, plus sigma times z"
    ),
    lesson=LESSON,
    presets=tuple(preset.title for preset in tab.PRESETS),
    stage="#samplers-stage",
    style=beside(__file__, "style.css"),
)
