"""The lesson of the tab."""

from lab.ui.shell.instrument import Question

# fmt: off
LESSON = (
    Question("Machines that know the same faces start from the same noise. Which one ends in faces that it knows?",
             ("The exact denoiser", "The local score machine", "The learned network"), 0, "Copy or invent?",
             "The number beside each small picture: 0 is a copy.",
             "The exact denoiser: four copies of four. It is the best guess there is, and the best guess is the training set. The local "
             "machine takes the same sum for each pixel over patches of 7 px and copies none; the network copies none either.",
             {1: "its pictures lie 43 grey levels and more from any that it knows.", 2: "its pictures are no copies either."}),
    Question("What a pixel sees grows from itself alone to the whole picture. What becomes of the local machine's pictures?",
             ("They stay new at every size", "First grains, then mosaics, in the end copies", "They are copies from 3 px on"), 1, "From pixel to picture",
             "Each row from left to right, and the curve beneath.",
             "At 1 px each pixel decides alone, which gives grains. A few pixels more join to eyes and mouths that no picture has so; at 31 px "
             "all three are copies, and at 63 px the machine is the exact denoiser.",
             {0: "at 63 px all are copies.", 2: "at 3 px none of the three is a copy."}),
    Question("How many pictures must the exact denoiser know until it invents one?",
             ("10", "1,000", "No number here is enough"), 2, "More data, still copies",
             "The first two rows: who is framed is a copy.",
             "It copies at 1, 10, 100, 1,000 and all 3,880: more pictures give it more to copy. The local machine copies only when it "
             "knows a single one.",
             {0: "with ten it copies one of the ten.", 1: "with a thousand it copies one of the thousand."}),
    Question("Whose pictures are most like those that the network draws from the same noise?",
             ("The exact denoiser's", "Those of patches of 7 px", "Those of single pixels"), 1, "Like the network?",
             "The curve of r²: 1 would be the same picture.",
             "Patches of 7 px, with an r² of 0.72 on average; single pixels and whole pictures have less. So the paper explains how a network can "
             "invent: as if it looked at few pixels around each. This one could see more, and is likest to patches of 5 to 11 px.",
             {0: "at 63 px, where it is the exact denoiser, r² is lower.", 2: "at 1 px r² is lowest."}),
)
# fmt: on
