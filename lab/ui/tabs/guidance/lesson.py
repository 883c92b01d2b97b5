"""The lesson of the tab."""

from lab.ui.shell.instrument import Question

# fmt: off
LESSON = (
    Question("The words pull harder from left to right, from scale 0 to 30. What happens to the red heart?",
             ("It only gets better", "It appears, then it burns", "Nothing much"), 1, "From vague to burnt",
             "The row from left to right, then the curves of saturation and clipped pixels.",
             "At 0, without words, something else comes; at 1 a pale heart, from 2 on a plain one; at 30 saturation and clipped "
             "pixels are at their highest, and heart and paper are blotched: burnt.",
             {0: "from some scale on it gets worse.", 2: "compare the ends of the row."}),
    Question("Four seeds, four cats at scale 1, each its own. What do they look like at scale 15?",
             ("Even more different", "More alike"), 1, "All seeds alike",
             "The columns from top to bottom, and the curve of diversity.",
             "More alike: a strong pull towards the words leaves less to chance. Fidelity is paid for with diversity.",
             {0: "compare the columns of 1 and 15."}),
    Question("A classifier that makes no errors pulls the unconditional model by its gradient. What comes, beside classifier-free guidance at the same scale?",
             ("The very same", "Sharper pictures", "Other pictures of cats"), 0, "Bayes' rule, exactly",
             "The three rows, column by column.",
             "The very same. By Bayes' rule the gradient of log p(y | x_t) is the difference of the two scores, so both rules are "
             "one. Whatever differs with learned models is what they have not learned.",
             {1: "not a pixel differs.", 2: "compare any column."}),
    Question("A classifier that was trained here pulls the pixel model at scale 1. By Bayes' rule that is enough. Is it?",
             ("Yes, as with the class itself", "No, it pulls too little"), 1, "A classifier pulls",
             "The third and fourth row at scale 1, then at 10.",
             "Too little: at 1 hardly anything moves, at 10 there is a face. It is less sure than a perfect classifier would be, "
             "so its gradient is too small; the paper turned it up to 10 for the same reason.",
             {0: "compare the rows at 1."}),
    Question("CLIP's gradient pulls one pair of rows to a blue car, the class of travel and places pulls the other. Two networks score all: CLIP, and a judge that shares nothing with it. Who wins at scale 30?",
             ("CLIP's rows by CLIP, not by the judge", "CLIP's rows, by both", "The class, by both"), 0, "Who judges?",
             "The curves of guide and judge over the scale.",
             "By CLIP's own score its rows are far ahead; the judge gives both about the same. What a guide says of what it has guided is "
             "no measure.",
             {1: "look at the judge's curve.", 2: "look at the guide's curve."}),
)
# fmt: on
