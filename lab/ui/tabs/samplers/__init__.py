"""The tab Samplers."""

from lab.ui.shell.instrument import Instrument
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
    equation="x<sub>s</sub> = √<u>ᾱ<sub>s</sub></u> x̂<sub>0</sub> + √<u>1 − ᾱ<sub>s</sub> − σ²</u> ε̂ + σz",
    spoken=(
        "x s equals the root of alpha-bar s times predicted x 0, plus the root of 1 minus alpha-bar s minus sigma squared "
        "times predicted epsilon, plus sigma times z"
    ),
    lesson=LESSON,
    presets=tuple(preset.title for preset in tab.PRESETS),
    stage="#samplers-stage",
)
