"""What the Edit tab shows at a press. The subject is what is on the board: (a picture of the lab, a mask, a sketch or "")."""

from lab.ui.shell.form import Preset

STAGE = "#edit-stage"

# fmt: off
PRESETS = (
    Preset("How far up?",          ("red apple", ""),       prompt="tangerine", strengths="0.2, 0.4, 0.6, 0.8, 1", count=2,
           look="Read a row from left to right: the apple, then its outline in other colours, at last a tangerine of its own.",
           place=STAGE),
    Preset("A sketch becomes",     ("blank paper", "house"), prompt="house", strengths="0.1, 0.3, 0.5, 0.7", live=True,
           look="Paint on the canvas: the pictures follow your strokes.",
           place="#edit-board"),
    Preset("Around the eyes",      ("cat face", "around the eyes"), experiment="fill", prompt="cat face", count=2,
           look="Compare the rims: pasted and replaced parts show a seam, RePaint and the nine channels hide it.",
           place=STAGE),
    Preset("Up and down again",    ("panda", "right half"), experiment="fill", prompt="panda", methods=["repaint"], resamplings="1, 2, 5, 10", count=2,
           look="Read a row from left to right: the more often each stretch is walked, the better both halves agree.",
           place=STAGE),
    Preset("The truth in the hole", ("smiling face", "lower half"), experiment="fill", model="exact", methods=["replace", "repaint", "truth"], count=3,
           look="The exact posterior completes the face with one of the set that agrees with what is known.",
           place=STAGE),
    Preset("Beyond the frame",     ("house", "border"),     experiment="fill", prompt="house with garden", count=2,
           look="The house stands in the middle; all around it is drawn anew.",
           place=STAGE),
    Preset("Left cat, right dog",  None, experiment="two", view="left-right", prompt="cat face", source="dog face", count=4,
           look="One picture, two descriptions: the left half follows the first words, the right half the second.",
           place=STAGE),
    Preset("Other words",          ("red apple", ""),       experiment="words", source="red apple, glossy style", prompt="green apple, glossy style",
           look="First row: the picture comes back at scale 1, and is lost as guidance grows. Second row: the other words take over.",
           place=STAGE),
    Preset("Sharper than a formula", ("strawberry", ""),    experiment="enlarge", count=2,
           look="Compare the rows: formulas blur, the upsampler draws. PSNR falls with the noise while detail rises.",
           place=STAGE),
    Preset("Small, then large",    None, experiment="enlarge", cascade=True, group="animals-nature", noises="0, 100, 200", count=2,
           look="The pixel model draws the small picture, the upsampler enlarges it: a cascade.",
           place=STAGE),
    Preset("Upside down",          None, experiment="two", view="flip", prompt="cat face", source="panda", count=4,
           look="Point at a picture and it turns over: upside down it shows the other.",
           place=STAGE),
    Preset("From far and near",    None, experiment="two", view="frequencies", prompt="panda", source="sunflower", count=4,
           look="Large it shows the second words; small, as from afar, the first.",
           place=STAGE),
)
# fmt: on
