"""The lesson of the tab."""

from lab.ui.shell.instrument import Question

# fmt: off
LESSON = (
    Question("An apple is noised up to strength 0.2, 0.4 … 1 and walked back as a tangerine. What goes last?",
             ("Its colour", "Its outline", "Its highlight"), 1, "How far up?",
             "The rows from left to right, and RMS at the pictures.",
             "Its outline: coarse things are settled where there is much noise. By 0.6 the red has turned orange within the outline of the apple; "
             "at 0.8 that goes too, and at 1, where the start is nothing but noise, a tangerine of its own stands there.",
             {0: "the red is gone while the outline still is the apple's.", 2: "the highlight is the first to go."}),
    Question("The lower half of a face is drawn anew, and the upper half put back after every step. Does the mouth fit?",
             ("It fits: the model sees the eyes", "Only where the model is told of the smile", "It fits once each step is walked more often"), 2, "Another mouth",
             "The rows from left to right: pasted in, replaced, RePaint once, five times, ten times.",
             "It fits once each step is walked more often: with a single pass the hole is settled before it has heard of its surroundings. "
             "RePaint goes back up and down again, and on the mean of these rows its seam falls. Seed by seed ten times are not always better than five.",
             {0: "replaced mouths lie across the face as if pasted.", 1: "all are told the same, and RePaint's fit."}),
    Question("DDIM inversion walks a smile up to its noise, and down again under its own words. Where does it break?",
             ("As guidance grows", "Already without guidance", "It never breaks"), 0, "A smile turns angry",
             "The first row from left to right, and RMS at its pictures.",
             "As guidance grows: the way down is then another than the way up, which was walked without. The error grows from 11 grey levels at scale 1 "
             "to about four times that at 5. Null-text inversion repairs it.",
             {1: "at scale 1 the smile comes back.", 2: "at 5 it is another smile."}),
    Question("A picture is halved and enlarged again. What is nearest to the original, pixel by pixel?",
             ("Lanczos, a formula", "The upsampler, with noise on what it is given", "The upsampler, without"), 2, "Sharper than a formula",
             "PSNR at the pictures, and the chart.",
             "The upsampler without noise: it has learned what drawings look like. Each step of noise takes some of what it is given away, "
             "and it invents: likeness falls. In a cascade, where the small picture is not to be trusted, that is wanted.",
             {0: "it blurs, and that costs decibels.", 1: "its PSNR falls with the noise."}),
    Question("Two descriptions, one picture: an umbrella, and upside down a sailboat. How does the model draw it?",
             ("It draws both and pastes them", "It joins what it predicts of both views at every step", "It tries until one fits"), 1, "Umbrella or sailboat",
             "Point at a picture: it turns over.",
             "It joins what it predicts of both views at every step. Neither is ever drawn alone: the umbrella's handle is the mast, and the "
             "canopy is the hull.",
             {0: "nothing is pasted: handle and mast are one stroke.", 2: "each seed makes one."}),
)
# fmt: on
