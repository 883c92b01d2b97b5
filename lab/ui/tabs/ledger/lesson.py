"""The lesson of the tab."""

from lab.ui.shell.instrument import Question

# fmt: off
LESSON = (
    Question("A receiver has a third of the bits of a picture's bill. What can it draw?",
             ("A third of the picture", "A blur with the right colours", "All but the finest grain"), 2, "What nobody sees",
             "The guess, beside the picture, and the curve of its error.",
             "All but the finest grain: the guess is off by one grey level of 255. Two thirds of the bits buy what hardly anybody sees.",
             {0: "bits do not come part by part of the picture.", 1: "that takes far fewer."}),
    Question("The memoriser's model is a list of 3,880 pictures. How many bits does it need for one of them?",
             ("About 12", "About 700", "About 5,400"), 0, "The memoriser's bill",
             "The table: the memoriser's bits in all, beside the network's.",
             "About 12: log₂ 3,880 is 11.92, the number of its line in the list. It pays all of it at middle noise, where x_t decides which "
             "picture it is, and nothing after.",
             {1: "it need not describe the picture, only say which one it is.", 2: "that is what the network pays."}),
    Question("And a picture that is not on its list?",
             ("About 12 as well", "As much as the network", "No number of bits is enough"), 2, "A picture it does not hold",
             "The curve of the memoriser as the noise goes, and the end of its bill.",
             "No number. Its bill grows without end as the noise goes, since it can only ever draw what is on its list. The network's stays finite.",
             {0: "the list has no line for it.", 1: "it knows nothing but its list."}),
    Question("Linear and cosine schedules destroy a picture at different times. Do their bills differ?",
             ("Much", "Hardly", "Only in the middle"), 1, "Only the ends differ",
             "Both curves over log-SNR, and then over t.",
             "Hardly, by 6 %. Over log-SNR they are one curve: what counts is how much noise there is, not when. Only the ends differ (Kingma et al. 2021): "
             "linear ends in more noise, so its L₀ is larger.",
             {0: "compare the two totals in the table.", 2: "over log-SNR the middle is the same."}),
)
# fmt: on
