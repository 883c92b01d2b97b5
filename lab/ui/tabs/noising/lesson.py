"""The lesson of the tab."""

from lab.ui.shell.instrument import Question

# fmt: off
LESSON = (
    Question("The linear schedule has 1000 steps. When has noise become half of what you see?",
             ("At about t = 260", "At t = 500", "At about t = 900"), 0, "Half gone",
             "The figure ᾱ under the large picture: the share of the picture in the variance.",
             "At t = 260 ᾱ is 0.498. The other 740 steps all belong to the worse half: the linear schedule hurries at first.",
             {1: "by then 92 % is noise.", 2: "by then nearly all is noise."}),
    Question("At t = 620 the eye finds nothing in the noise any more. What could a denoiser that knows the picture still find?",
             ("Nothing", "A red blur", "The whole apple"), 2, "Invisible, not lost",
             "The picture named Recovered, lower right, and the second row of the film.",
             "The whole apple. Only 2 % of the variance is left of it, but spread over all pixels that is enough to "
             "tell it from every other picture that the denoiser knows.",
             {0: "2 % of the variance is still the picture's.", 1: "not only a blur."}),
    Question("Both schedules stand half-way, at t = 500. Which one has kept more of the picture?",
             ("Linear", "Cosine", "Both the same"), 1, "Linear against cosine",
             "The two large pictures, and ᾱ below them.",
             "Cosine: 49 % against 8 %. It drowns the picture evenly, and spends fewer steps on what is noise already.",
             {0: "8 % is left of it.", 2: "ᾱ differs: 8 % and 49 %."}),
    Question("At its last step Stable Diffusion's schedule looks like pure noise. Is it?",
             ("Yes", "No: the picture can still be recovered"), 1, "The leak at t = T",
             "The second row of the film: what could be recovered, up to t = 1000.",
             "The sunflower comes back even from t = T: ᾱ is 0.005, not 0. A model trained so learns to trust that trace, "
             "and pure noise has none. Rescaled to zero terminal SNR, beside it, ᾱ ends at 0.",
             {0: "it only looks so."}),
)
# fmt: on
