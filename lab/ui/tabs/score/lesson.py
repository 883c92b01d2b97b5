"""The lesson of the tab."""

from lab.ui.shell.instrument import Question

# fmt: off
LESSON = (
    Question("A particle lies between two modes, the one four times as heavy as the other. At much noise, where does the score point?",
             ("To the nearer mode", "To the mean of both, nearer to the heavy one", "Nowhere"), 1, "Two modes, one cross",
             "The dot that the lines from the cross lead to, and the bars beside.",
             "To the mean of all that it may have come from, each weighted by how likely that is. Drag the slider to the right: the mean becomes one mode.",
             {0: "both modes pull, as long as both may be where it came from.", 2: "it is zero only where the pulls cancel."}),
    Question("The data have 0.20 of their weight in the small mode. Langevin dynamics at one low level starts in a square. Which share does it give that mode?",
             ("0.20", "About a half", "None"), 1, "Figure 3",
             "The shares under the planes.",
             "About a half: the share of the square from which the score leads there. Annealed Langevin, which begins where both modes are one cloud, gets it right but for a few hundredths.",
             {0: "the score of a mode does not know how heavy the mode is.", 2: "particles that begin near it stay there."}),
    Question("And if plain Langevin goes on for ten times as long: does it find the right share?",
             ("Yes", "It comes halfway", "No"), 2, "Ten times longer",
             "The share of the small mode: after 1,000 steps it was about a half.",
             "No. Between the modes the density is as good as nothing: no particle crosses, however long one waits.",
             {0: "the shares are what they were after 1,000 steps.", 1: "the shares have not moved at all."}),
    Question("The straight flow mixes data and noise along straight lines. Are the paths of its particles straight?",
             ("Yes", "No, and reflow makes them so", "No, and nothing helps"), 1, "Straighten",
             "The paths, and the figure “off straight” under each plane.",
             "No: where lines of pairs cross, the velocity is their mean, and paths bend. After reflow the pairs' lines hardly cross, and four calls do as well as many.",
             {0: "look at its paths: they bend.", 2: "those of reflow are straight."}),
)
# fmt: on
