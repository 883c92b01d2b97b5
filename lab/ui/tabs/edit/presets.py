"""What the Edit tab shows at a press. The subject is what is on the board: (a picture of the lab, a mask, a sketch or "")."""

from lab.ui.shell.form import Preset

STAGE = "#edit-stage"
TWO = {"experiment": "two", "style": "3D", "guidance": 4, "steps": 25}

# fmt: off
PRESETS = (
    Preset("How far up?",          ("red apple", ""),          prompt="tangerine",
           look="Read a row from left to right: the further up, the less of the apple is left. Mark what goes first and what goes last.",
           place=STAGE),
    Preset("A sketch becomes",     ("blank paper", "house"),   prompt="house", strengths="0.1, 0.3, 0.5, 0.7", live=True,
           look="Paint on the canvas: the pictures follow your strokes. At 0.1 they keep them, at 0.7 the model moves in.",
           place="#edit-board"),
    Preset("Another mouth",        ("smiling face", "lower half"), experiment="fill", model="pixel", group="smileys-emotion",
           methods=["paste", "replace", "repaint", "truth"], resamplings="1, 5, 10",
           look="Read a row: pasted and replaced mouths do not fit, those that RePaint went back for mostly do. The last is exact.",
           place=STAGE),
    Preset("Angry eyes",           ("smiling face", "around the eyes"), experiment="fill", prompt="angry face", methods=["paste", "blend", "repaint", "nine"],
           look="Pasted-in eyes end at a rim; blending and RePaint join them to the face. Nine channels keep the face only roughly.",
           place=STAGE),
    Preset("Beyond the frame",     ("house", "border"),        experiment="fill", prompt="house with garden", methods=["paste", "replace", "repaint"],
           look="Only the small house was known. Pasted in, the old frame stays; with the others hills and bushes begin at its walls.",
           place=STAGE),
    Preset("A tile",               ("strawberry", "seam"),     experiment="fill", prompt="strawberry", methods=["replace", "nine"],
           look="Edges meet in the cross. Replacement draws one more strawberry there; nine channels go on with what is there.",
           place=STAGE),
    Preset("Only one agrees",      ("smiling face", "lower half"), experiment="fill", model="exact", methods=["paste", "replace", "repaint", "truth"], count=3,
           look="The denoiser is exact, yet its mouths belong to other faces. Only the exact posterior finds the picture that agrees.",
           place=STAGE),
    Preset("A smile turns angry",  ("smiling face", ""),       experiment="words", source="smiling face with smiling eyes", prompt="angry face", scales="1, 2, 3, 5, 7.5", steps=30,
           look="First row: at 1 the smile comes back, with guidance it drifts away. Second row: from the same noise it is angry.",
           place=STAGE),
    Preset("A bear in a panda",    ("panda", ""),              experiment="words", source="panda", prompt="bear", scales="1, 2, 3, 5", steps=30,
           look="Second row, at 1: a bear with the panda's eyes and outline. With guidance it becomes a bear of its own.",
           place=STAGE),
    Preset("Sharper than a formula", ("butterfly", ""),        experiment="enlarge", count=1,
           look="Nearest leaves squares, bicubic and Lanczos blur, the upsampler draws the veins. With noise it believes its input less.",
           place=STAGE),
    Preset("Small, then large",    None, experiment="enlarge", cascade=True, group="smileys-emotion", noises="0, 50, 100, 200", seed=9,
           look="The pixel model draws one small face, and both rows enlarge it. With noise on it the rows part.",
           place=STAGE),
    Preset("Umbrella or sailboat", None, **(TWO | {"view": "flip", "prompt": "umbrella", "source": "sailboat"}),
           look="Point at an umbrella, and it turns over: its handle is a mast, and the sky behind it water.",
           place=STAGE),
    Preset("Heart or spade",       None, **(TWO | {"view": "flip", "style": "flat", "prompt": "heart suit", "source": "spade suit"}),
           look="Point at a heart, and it turns over: a spade. The heart had to turn black for it.",
           place=STAGE),
    Preset("Near and far",         None, **(TWO | {"view": "frequencies", "prompt": "red apple", "source": "angry face"}),
           look="Near, it is an angry face. Step back, or look at the small one: a red apple with its leaf.",
           place=STAGE),
    Preset("Half and half",        None, **(TWO | {"view": "left-right", "prompt": "cat face", "source": "dog face"}),
           look="One animal with a pointed ear and a hanging one: each half follows words of its own.",
           place=STAGE),
)
# fmt: on
