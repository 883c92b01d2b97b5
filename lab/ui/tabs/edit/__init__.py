"""The tab Edit."""

from lab.ui.shell.instrument import Instrument, Term
from lab.ui.shell.sources import beside
from lab.ui.tabs.edit import tab
from lab.ui.tabs.edit.lesson import LESSON

TAB = Instrument(
    name="edit",
    title="Edit",
    question="What if only this part were different?",
    group="Steer",
    build=tab.build,
    card="Paint over an eye, noise a sketch, enlarge a thumbnail, or draw a picture that is another one upside down.",
    papers=(
        "SDEdit: Guided Image Synthesis and Editing with Stochastic Differential Equations",
        "RePaint: Inpainting using Denoising Diffusion Probabilistic Models",
        "Visual Anagrams: Generating Multi-View Optical Illusions with Diffusion Models",
    ),
    equation=(
        Term("x<sub>t−1</sub>", "x t minus 1", "the picture, one step nearer", ("#edit-stage .edit-grid",)),
        " = ",
        Term(
            "m", "m", "the mask: 1 where the picture is drawn anew; all of it where none is painted", ("#edit-board",)
        ),
        " ⊙ step(",
        Term("x<sub>t</sub>", "x t", "the noisy picture that the model sees", ("#tab-edit .reel-transport",)),
        ", ",
        Term("c", "c", "the words, or the group", ("#edit-prompt", "#edit-group")),
        ") + (1 − m) ⊙ (√<u>ᾱ</u> ",
        Term("x", "x", "the picture that is known", ("#edit-stage .lead", "#edit-gallery")),
        " + √<u>1 − ᾱ</u> ",
        Term("ε", "epsilon", "fresh noise, by the seed: as much as the level has", ("#edit-stage .side", "#edit-seed")),
        ")",
    ),
    spoken=(
        "x t minus 1 equals the mask times a step from x t under c, plus 1 minus the mask times the root of alpha-bar times x "
        "plus the root of 1 minus alpha-bar times epsilon"
    ),
    lesson=LESSON,
    presets=tuple(preset.title for preset in tab.PRESETS),
    stage="#edit-stage",
    board="#edit-board",
    style=beside(__file__, "style.css") + beside(__file__, "board.css"),
)
