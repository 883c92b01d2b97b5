"""The tab Memory."""

from lab.ui.shell.instrument import Instrument, Term
from lab.ui.shell.sources import beside
from lab.ui.tabs.memory import tab
from lab.ui.tabs.memory.lesson import LESSON

TAB = Instrument(
    name="memory",
    title="Memory",
    question="Copy or invent?",
    group="Inside",
    build=tab.build,
    card="One machine can only copy its training pictures. Cut them into patches, and it invents.",
    papers=(
        "An analytic theory of creativity in convolutional diffusion models",
        "Generalization in diffusion models arises from geometry-adaptive harmonic representations",
    ),
    equation=(
        Term(
            "x̂<sub>0</sub>",
            "predicted x 0",
            "the clean picture that a machine guesses, pixel by pixel",
            ("#memory-stage .invention > div",),
        ),
        " = ",
        Term(
            "∑ w<sub>i</sub>",
            "the sum of w i",
            "weights that add up to 1: with one that is nearly 1, it copies",
            ("#memory-words", "#memory-plot"),
        ),
        " ",
        Term(
            "x<sub>i</sub>",
            "x i",
            "the training pictures that the machine knows",
            ("#memory-stage .near", "#memory-group"),
        ),
        ",  w<sub>i</sub> ∝ exp(−‖",
        Term(
            "P",
            "P",
            "cuts out what a pixel sees: its patch, or the whole picture",
            ("#memory-stage .side", "#memory-patch"),
        ),
        " ",
        Term(
            "x<sub>t</sub>",
            "x t",
            "the noisy picture; the first one is the same for all machines",
            ("#memory-stage .head", "#memory-seed", "#memory-seeds"),
        ),
        " − √<u>ᾱ</u> P x<sub>i</sub>‖² ∕ 2",
        Term(
            "(1 − ᾱ)",
            "1 minus alpha-bar",
            "how noisy it is: less at every step, and the weights grow sharper",
            ("#tab-memory .reel-transport", "#memory-steps"),
        ),
        ")",
    ),
    spoken=(
        "predicted x 0 equals the sum of w i times x i, with w i proportional to the exponential of minus the squared distance of the "
        "patch of x t to the root of alpha-bar times the patch of x i, over 2 times 1 minus alpha-bar"
    ),
    lesson=LESSON,
    presets=tuple(preset.title for preset in tab.PRESETS),
    stage="#memory-stage",
    style=beside(__file__, "style.css"),
)
