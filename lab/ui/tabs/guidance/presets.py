"""What the Guidance tab shows at a press."""

from lab.ui.shell.form import Preset

DEFAULT_MODEL = "text-to-image"
SCALES = "0, 1, 3, 10, 30"  # of guides that pull gently
STAGE = "#guidance-stage"

# fmt: off
PRESETS = (
    Preset("From vague to burnt",  model=DEFAULT_MODEL, prompt="red heart",
           look="Read a row from left to right: a pale heart at 1, a plain one from 2 on, a burnt one at 30. There the curve of clipped pixels leaps.",
           place=STAGE),
    Preset("Perfect scores, too",  model="exact",       prompt="cat",       seeds="1, 2, 3",    scales="0, 1, 2, 3, 5, 7.5, 10, 15",
           look="Look for harsh colours in the last column: there are none. With perfect scores the scale only decides in which picture a row ends.",
           place=STAGE),
    Preset("Four rules",           model=DEFAULT_MODEL, prompt="red heart", seeds="2",          scales="1, 3, 7.5, 15, 30", experiment="rules", rules=["cfg", "rescaled", "interval", "apg"],
           look="Look at the last column, scale 30: three of the rules burn the heart. Guidance within an interval of noise levels spares it.",
           place=STAGE),
    Preset("All seeds alike",      model=DEFAULT_MODEL, prompt="cat",       seeds="1, 2, 3, 4", scales="1, 3, 7.5, 15",
           look="Read the columns from top to bottom: at 1 each seed has a cat of its own, at 15 they look alike. The curve of diversity falls.",
           place=STAGE),
    Preset("Anything but",         model=DEFAULT_MODEL, prompt="heart",     seeds="6, 7",       scales="1, 2, 3, 5, 7.5", negative="red",
           look="Read the rows from left to right: the heart moves away from red, to blue with one seed and to green with the other.",
           place=STAGE),
    Preset("Rules, exactly",       model="exact",       prompt="person",    seeds="1",          scales="1, 2, 3, 5, 7.5, 10, 15", experiment="rules", rules=["cfg", "rescaled", "interval", "threshold", "apg"],
           look="Each row is a rule. At scale 1 all have the same picture; at 15 they end in different ones, and none of them burns.",
           place=STAGE),
    Preset("Bayes' rule, exactly", model="exact",       prompt="cat",       seeds="1",          scales="0, 1, 2, 3, 5, 7.5", experiment="rules", rules=["cfg", "classifier", "classifier_conditional"],
           look="The three rows are one: the gradient of an exact classifier ends in the very pictures of classifier-free guidance.",
           place=STAGE),
    Preset("A classifier pulls",   model="pixel",       group="smileys-emotion", seeds="4, 6",  scales=SCALES, experiment="rules", rules=["cfg", "classifier"], steps=15,
           look="Compare the rows: classifier-free guidance has a yellow face at 3. The learned classifier hardly pulls at 1, and needs 10.",
           place=STAGE),
    Preset("A classifier in doubt", model="pixel",      group="smileys-emotion", seeds="4, 6",  scales=SCALES, experiment="rules", rules=["classifier"], temperature=5.0, steps=15,
           look="At temperature 5 the classifier is five times less sure: nothing happens up to 3, and at 30 it is where a sure one is at 10.",
           place=STAGE),
    Preset("Words it never read",  model="pixel",       prompt="frog",      seeds="4, 6",       scales=SCALES, experiment="rules", rules=["clip"], steps=15,
           look="The model has read no words; CLIP's gradient pulls it to a frog. It turns green by 3, and at 30 falls to blotches.",
           place=STAGE),
    Preset("Who judges?",          model="pixel",       prompt="blue car",  group="travel-places", seeds="4, 6", scales=SCALES, experiment="rules", rules=["clip", "cfg"], steps=15,
           look="By the guide's own score CLIP's rows win. The judge, which shares nothing with it, finds classifier-free guidance as good.",
           place="#guidance-curves"),
    Preset("A worse self",         model="pixel",       group="smileys-emotion", seeds="1, 2",  scales="0, 1, 1.5, 2, 3, 5", experiment="rules", rules=["auto", "cfg"], steps=15,
           look="Scale 0 of the upper rows is a bad version of the model. Led away from it faces are yellower at 2, and burn at 5.",
           place=STAGE),
    Preset("Only in orange",       model="pixel",       group="animals-nature",  seeds="1, 2, 3", scales="0, 0.3, 1, 3, 10", experiment="rules", rules=["colour"], steps=15,
           look="Read the rows from left to right: the mean colour of each picture, its paper included, goes towards the one that you pick.",
           place=STAGE),
    Preset("Its own mirror image", model="pixel",       group="animals-nature",  seeds="1, 2",  scales=SCALES, experiment="rules", rules=["symmetry"], steps=15,
           look="Read the rows from left to right: the two halves become mirror images, and the model makes a whole of it.",
           place=STAGE),
)
# fmt: on
