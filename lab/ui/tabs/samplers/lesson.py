"""The lesson of the tab."""

from lab.ui.shell.instrument import Question

# fmt: off
LESSON = (
    Question("DDPM and DDIM start from the very same noise, with the same perfect denoiser. Where do they end?",
             ("In the same picture", "In two different pictures"), 1, "DDPM against DDIM",
             "Drag the slider back to the middle: there the two guesses part.",
             "In two pictures. DDPM adds fresh noise on its way and is carried elsewhere; DDIM adds none, so the start alone "
             "decides where it ends.",
             {0: "the start is the same, the way is not."}),
    Question("Eta mixes the two: 0 is DDIM, 1 as noisy as DDPM. How do five etas end from one start?",
             ("All alike", "They drift apart", "Only eta = 1 is different"), 1, "The eta dial",
             "The name of the nearest data picture under each lane.",
             "They drift apart: four different pictures in five lanes here. Already a quarter of the noise is enough to leave "
             "the path of eta = 0. All of them are clean, since this denoiser makes no errors. A model that learned does: there noise "
             "in few steps has its price.",
             {0: "five lanes end in four different pictures.", 2: "0.25 already ends elsewhere."}),
    Question("How many DDIM steps does it take to land in the picture of a 200-step run?",
             ("2", "About 20", "All 200"), 1, "How few steps?",
             "“RMS to reference” under each lane: 0.000 is the same picture.",
             "From 20 steps on it is the same cityscape. With fewer the long first steps miss its basin: crisp pictures, but "
             "others.",
             {0: "2 steps end in another picture than 200.", 2: "20 of them end in the same one."}),
    Question("Five solvers, 4 to 40 steps. Which reaches the picture of the long run in the fewest steps?",
             ("DDIM", "Heun", "UniPC"), 1, "Who converges first?",
             "The first column of each row in which the lion stands.",
             "Heun, in 5 steps; but each of its steps calls the model twice. DPM++ 2M and UniPC need 10, DDIM and Euler 20.",
             {0: "it has the lion from 20 steps on.", 2: "it has the lion from 10 steps on."}),
    Question("Now a model that learned. Whose face is after 4 steps already what it is after 40?",
             ("DDPM's", "DDIM's", "Both"), 1, "Few steps, noise or none",
             "Each row from left to right, and the grain of the first pictures.",
             "DDIM: one face from 4 steps to 40. DDPM's noise leads to another one at each count, and with the learned variance "
             "the first are full of speckles. DDIM's Table 1 measures the price: at 10 steps an FID of 13 without noise, 41 with "
             "DDPM's.",
             {0: "each of its counts ends in another face.", 2: "DDPM's face changes with the count."}),
)
# fmt: on
