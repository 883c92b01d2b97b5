"""The tab Score."""

from lab.ui.shell.instrument import Instrument, Term
from lab.ui.shell.sources import beside
from lab.ui.tabs.score import tab
from lab.ui.tabs.score.content import ROUTES
from lab.ui.tabs.score.lesson import LESSON

TAB = Instrument(
    name="score",
    title="Score",
    question="Which way is less noise?",
    group="Noise",
    build=tab.build,
    card="See the score as arrows on a plane, follow thousands of particles along it, and watch a small network learn it.",
    papers=(
        "Generative Modeling by Estimating Gradients of the Data Distribution",
        "Score-Based Generative Modeling through Stochastic Differential Equations",
        "Flow Straight and Fast: Learning to Generate and Transfer Data with Rectified Flow",
    ),
    equation=(
        Term(
            "∇ log p(x<sub>t</sub>)",
            "the gradient of log p of x t",
            "the score: the way to less noise",
            ("[data-key=field]",),
        ),
        " = (",
        Term(
            "√<u>ᾱ<sub>t</sub></u>",
            "the root of alpha-bar t",
            "how much of the data is left at the slider's level",
            ("#score-level",),
        ),
        " ",
        Term(
            "E[x<sub>0</sub> | x<sub>t</sub>]",
            "the mean of x 0 given x t",
            "the mean of all points that x_t may have come from",
            (".score-bars",),
        ),
        " − ",
        Term("x<sub>t</sub>", "x t", "the place: the cross, or a particle", (".score-planes",)),
        ") / (",
        Term("1 − ᾱ<sub>t</sub>", "1 minus alpha-bar t", "the noise's share of the variance", ("#score-level",)),
        ")",
    ),
    spoken="the gradient of log p of x t equals the root of alpha-bar t times the mean of x 0 given x t, minus x t, "
    "divided by 1 minus alpha-bar t",
    lesson=LESSON,
    presets=tuple(preset.title for preset in tab.PRESETS),
    stage="#score-stage",
    style=beside(__file__, "style.css"),
    routes=ROUTES,
)
