"""The lesson of the tab."""

from lab.ui.shell.instrument import Question

# fmt: off
LESSON = (
    Question("An apple is noised up to strength 0.2, 0.4 … 1 and walked back as a tangerine. Where is the apple lost?",
             ("At 0.2 already", "Nowhere: it always shines through", "Between: its shape goes last, at 1 nothing is left"), 2, "How far up?",
             "The rows from left to right, and RMS in the corners.",
             "Step by step: first its details go, then its colours, at last its outline. At 1 the start is nothing but noise.",
             {0: "at 0.2 it is nearly the same picture.", 1: "at 1 nothing of the picture is left in x_t."}),
    Question("Half of a panda is known. What does RePaint gain by walking each stretch ten times?",
             ("Nothing but time", "Both halves agree better", "More different halves"), 1, "Up and down again",
             "The rim between both halves, and seam in the corners.",
             "Both halves agree better: each time it goes up again, the hole is drawn anew beside what is known.",
             {0: "the seam falls.", 2: "they become more alike."}),
    Question("DDIM inversion walks an apple up to its noise and down again under its own words. Where does it break?",
             ("Already without guidance", "It never breaks", "As guidance grows"), 2, "Other words",
             "The first row from left to right, and RMS in its corners.",
             "As guidance grows: the way down is then not the way that was walked up.",
             {0: "at scale 1 the picture comes back.", 1: "at 7.5 it does not come back."}),
    Question("Which enlarged picture is nearest to the original, pixel by pixel?",
             ("A formula's", "The upsampler's with much noise", "All alike"), 0, "Sharper than a formula",
             "PSNR in the corners, and the chart.",
             "A formula's: a blur is wrong everywhere by little. The upsampler draws detail that looks right and is not where it was.",
             {1: "its PSNR is lowest.", 2: "their PSNR differs by decibels."}),
)
# fmt: on
