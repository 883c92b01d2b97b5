"""The tab Ledger."""

from lab.ui.shell.instrument import Instrument, Term
from lab.ui.shell.sources import beside
from lab.ui.tabs.ledger import tab
from lab.ui.tabs.ledger.lesson import LESSON

TAB = Instrument(
    name="ledger",
    title="Ledger",
    question="How many bits is a picture worth?",
    group="Inside",
    build=tab.build,
    card="A picture's bill, step by step: what a model did not expect of it, in bits. And what the memoriser pays.",
    papers=("Denoising Diffusion Probabilistic Models", "Improved Denoising Diffusion Probabilistic Models"),
    equation=(
        "−log p(",
        Term("x<sub>0</sub>", "x 0", "the picture", ("#ledger-stage figure[data-of=picture]", "#ledger-source")),
        ") ≤ ",
        Term(
            "L<sub>T</sub>",
            "L T",
            "what the last step of noise still tells of the picture; nothing where it is pure noise",
            ("#ledger-stage th:nth-child(4)",),
        ),
        " + Σ ",
        Term(
            "KL(q",
            "the divergence of q",
            "the step that the sender, who has the picture, means",
            ("#ledger-stage figure[data-of=noisy]", "#ledger-opened .ledger-step figure:nth-child(2)"),
        ),
        " ‖ ",
        Term(
            "p<sub>θ</sub>)",
            "from p theta",
            "the step that the receiver's model expects",
            ("#ledger-stage figure[data-of$=guess]", "#ledger-payers"),
        ),
        " + ",
        Term(
            "L<sub>0</sub>",
            "L 0",
            "the 8-bit values themselves, given the last, all but clean state",
            ("#ledger-stage th:nth-child(6)",),
        ),
    ),
    spoken="minus log p of x 0 is at most L T plus the sum of the divergences of q from p theta plus L 0",
    lesson=LESSON,
    presets=tuple(preset.title for preset in tab.PRESETS),
    stage="#ledger-stage, #ledger-side",
    style=beside(__file__, "style.css"),
)
