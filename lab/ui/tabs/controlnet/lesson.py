"""The lesson of the tab."""

from lab.ui.shell.instrument import Question

# fmt: off
LESSON = (
    Question("The lines of a fox steer a dog's face at strengths 0 to 1.5. What comes at 0?",
             ("A dog along the lines", "A dog that ignores them", "Nothing"), 1, "How hard to hold",
             "The first column beside the others.",
             "A dog that ignores them: at 0 the model draws what the words say. With the strength, ears and cheeks move to "
             "the lines: F1, how well they are found again, grows.",
             {0: "at strength 0 the net adds nothing.", 2: "the words are drawn all the same."}),
    Question("The lines are an apple's, the words say tangerine. What wins at strength 1.4?",
             ("The words: a tangerine", "The lines: a red apple", "The outline of the one, the colours of the other"), 2,
             "Same lines, other words", "The columns from strength 0 to 1.4: what changes and what stays?",
             "The outline becomes the apple's, line by line, while the colours stay those that the words gave at strength 0. "
             "The net says where, the words say what.",
             {0: "the outline moves to the apple's.", 1: "the colours stay the words'."}),
    Question("A skeleton jumps. From which strength on does the person jump too?",
             ("0.5", "1", "1.5"), 0, "Strike a pose",
             "IoU in the corner of each picture: how much of the figure lies where the skeleton wants it.",
             "From 0.5 on: there IoU leaps, and with twice or three times that strength it hardly grows.",
             {1: "IoU has leapt before.", 2: "IoU has leapt before."}),
    Question("The lines work all the way down. Which part of the way can they best do without?",
             ("The first fifth", "The first two fifths", "All but the first fifth"), 0, "When is shape decided?",
             "F1 in the last column, where the lines set in later and later, and in the first row, where they end earlier.",
             "The first fifth: there x_t is nearly all noise, and F1 hardly falls without it; with it alone, F1 is hardly above "
             "chance. Without the first two fifths it falls clearly: the shape has been settled meanwhile.",
             {1: "without two fifths F1 falls clearly.", 2: "the first fifth alone is hardly above chance."}),
)
# fmt: on
