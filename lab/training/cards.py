"""Model cards: what a model is, how it was made, its figures, how its training went, and what did not work."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from lab.training.recipes import recipes_of
from lab.training.records import LOG, read_log
from lab.training.train import SUMMARY

ABOUT = {
    "autoencoder": "AutoencoderKL (Kingma & Welling 2014; Rombach et al. 2022): 64 px pictures to 16x16 latents of four channels.",
    "clip": "A small CLIP (Radford et al. 2021) with its own tokenizer. Conditions the text-to-image model and scores pictures.",
    "text-to-image": "Latent diffusion on captions (Rombach et al. 2022), a `StableDiffusionPipeline`: drawings and people.",
    "controlnet-edges": "ControlNet (Zhang et al. 2023) that follows Canny edges. Goes with the text-to-image model.",
    "controlnet-pose": "ControlNet (Zhang et al. 2023) that follows OpenPose skeletons. Goes with the text-to-image model.",
    "pixel": "Improved DDPM (Nichol & Dhariwal 2021) in pixel space: learned variance, classes with a null class.",
    "classifier": "The noisy classifier of classifier guidance (Dhariwal & Nichol 2021): the group of a drawing at any noise level.",
    "noised-clip": "The image encoder of a noised CLIP (Nichol et al. 2021, GLIDE): noisy drawings, at any level, in the space of `clip`.",
    "student": "Latent consistency distillation (Luo et al. 2023) of the text-to-image model: pictures in one to eight steps.",
    "inpainting": "The text-to-image model fine-tuned to fill holes (Nichol et al. 2021, GLIDE, section 2.4; Rombach et al. 2022): nine "
    "channels in, x_t, the mask and the latents of what is known. A `StableDiffusionInpaintPipeline`.",
    "upsampler": "Pictures to twice their width by diffusion in pixel space (Saharia et al. 2021, SR3), with noise conditioning "
    "augmentation (Ho et al. 2021, Cascaded Diffusion, section 4.2).",
    "unclip": "unCLIP (Ramesh et al. 2022), a `StableUnCLIPPipeline`: a prior from words to an embedding of `clip`'s, and a decoder from an "
    "embedding to a picture, the text-to-image UNet taught on. `context` makes tokens of an embedding, which stand behind the prompt's. With its "
    "image encoder it is a `StableUnCLIPImg2ImgPipeline` as well.",
    "f2": "As `autoencoder`, but latents half as wide as the picture: 32x32 of four channels.",
    "f8": "As `autoencoder`, but latents an eighth as wide as the picture: 8x8 of four channels.",
    "map": "Autoencoders with two latents (`lab/models/bottleneck.py`): a plain one and a variational one (Kingma & Welling 2013), of the "
    "drawings of one style and of shapes (`lab/shapes.py`), 32 px.",
    "beta-drawings": "Variational autoencoders of the drawings at 32 px, 32 latents, beta 0 to 16 (Higgins et al. 2017).",
    "beta-shapes": "Variational autoencoders of shapes of five known factors (`lab/shapes.py`), 10 latents, beta 0 to 16 (Higgins et al. "
    "2017). Five seeds of each were trained; the first is here, the mutual information gap of all in `family.json`.",
    "judge": "Scores pictures that another network guided, and gives the features of precision, recall and Fréchet distance; no generator, "
    "guide or scorer learned from it.",
}

DATA = """The drawings of `assets/pictures` (Noto Emoji, Noto Emoji v1, Twemoji, Fluent Emoji, Fluent Emoji flat, EmojiOne;
authors and licences in that folder) and people drawn by `lab/training/people.py`. Held-out pictures were not used."""

OTHER_DATA = {  # of models that learned something else
    "beta-shapes": "The 4,800 shapes that `lab/shapes.py` draws, all of them.",
    "map": "Sixteen drawings of each group of `assets/pictures` in the style 3D (Fluent Emoji, MIT), and the shapes that `lab/shapes.py` "
    "draws.",
}

# What a person saw who looked at the pictures, which no figure of the judge tells.
OBSERVATIONS = {
    "text-to-image": (
        "A blind sheet of 100 captions of the training drawings (`python -m lab.training blind --seed 7`, scale 3, 25 steps): 97 "
        "named right or nearly before the key was opened. Not recognised: bread, weary cat, full moon face.",
        "Of its twenty combinations that no picture of the set shows (blue apple, pink frog, cat with sunglasses, two pizzas "
        "…) the blue apple came, pink frog and yellow strawberry nearly; the others did not. It knows its drawings by heart.",
        "The first 7,037 steps took batches of 32; of 60 captions about 19 were recognised then. 5,014 more steps with "
        "batches of 64 followed.",
    ),
    "student": (
        "In one step shapes and colours are there and faces are soft; from two steps on it is hard to tell from more.",
    ),
    "controlnet-edges": (
        "After 2,066 steps on the drawings as they are the lines of an apple moved nothing: the base knew its apple by heart (F1 "
        "0.67 at every strength), and held-out drawings lost their own colours. 3,643 more steps with three moved copies of each drawing: "
        "sketched lines are followed at once (fish 0.42 to 0.94, star 0.16 to 1.00, tree 0.42 to 0.97, cat 0.33 to 0.97 from strength 0 to 1).",
    ),
    "map": (
        "Several sittings of the recipe, so that each network has learned its pictures in equally many batches as its rival: those of the drawings about "
        "15,300, those of the shapes about 23,100. The variational ones began under a likelihood of deviation 0.5: posteriors were a fiftieth of a unit "
        "wide and the codes of the drawings had a deviation of 2.4, so that draws from N(0, I) met few of them. Under 2 it is 1.1, and drawings come back no worse.",
        "On all 640 drawings of the style (24 minutes) two latents hold a smiley, a heart and a piano; most else is a cloud. Hence sixteen of each group.",
    ),
    "inpainting": (
        'It follows what lies around the hole more than the words: half of a red apple stays red under "green apple", with hardly a rim. '
        "Drawings that the base model knows by heart are filled better by blending (RMS in the hole 23 against 35), for the fine-tuning "
        "of two hours, three quarters of it on moved copies, has cost some of that memory; what it keeps around the hole is off by more, too. "
        "People are completed well, their faces softly.",
    ),
    "upsampler": (
        "Edges of drawings and faces of people are as crisp as the original's without noise; Lanczos beside it is soft. From noise 200 on "
        "plain grounds get blotches and thin lines break: both PSNR and detail fall with the noise. What is expected of noise "
        "augmentation, more detail for less PSNR, is not seen here.",
    ),
    "unclip": (
        "Of twenty learned drawings about half are recognised when decoded from their own embedding (faces, mouse, bath, cake, houses, "
        "bridge at night), the others are clouds of the right colours and outline (fish, skis, helmet, lamp). From the prior's embedding it is much the "
        "same; from the text's own fewer come, and a bridge lies where a bath should be, or a dark room where a woman should. The text-to-image model "
        "draws all twenty. People keep the colours of their clothes and of the ground, less so their pose.",
        "Section 5.1: of the three ways the text-to-image model is far the best here, not the stack; it knows its drawings by heart. The stack is "
        "ahead of the text's embedding in the decoder, clearly from scale 4 on. Figure 7 is found: the group comes with 8 to 16 components, "
        "the caption rises to 16; more than 16 add nothing. Figures 9 and 11 in part: the diversity of one embedding falls too, but to a third "
        "where that of the words falls to a sixteenth.",
        "The prior knows the captions that it learned. Of captions of held-out concepts its error with the words is higher than without.",
    ),
    "controlnet-pose": ("After 1,171 and after 2,249 steps the overlap is the same to half a hundredth.",),
}

# What was tried and did not work, so that nobody has to try it twice.
FAILURES = {
    "autoencoder": (
        "The first 1,872 steps (17 minutes) of the CPU run used GroupNorm with eight groups, so two channels each at full "
        "resolution, permuted the colour channels of a quarter of the pictures, and weighed the edge term as much as the "
        "squared error. Outlines were sharp and nearly everything was grey or brown (about 20.4 dB on training batches).",
        "All three were then changed at once, on the same weights: one group, no permutation, squared error eight times the "
        "edge term. A hundred steps later held-out pictures reached 23 dB. Which of the three did it was not separated; the "
        "suspicion is that small groups normalise a picture's mean colour away.",
        "On people only, 72 seconds from scratch: 15.9 dB in batches of 16 (45 steps), 17.7 dB in batches of 8 (112 steps). "
        "Smaller batches take more steps in the same time, so 4 was used.",
    ),
    "clip": (
        "Padding every text to 32 tokens cost about a third of a step; texts are cut to the longest of the batch.",
        "Eight minutes on all 8,692 pictures of a full build: 29 % of captions found among 100. The 680 concepts that "
        "are shipped, in 18 minutes: 46 %.",
    ),
    "text-to-image": (
        "All six styles of 8,692 pictures, 1,998 steps of 32: right colours and backgrounds, upright figures, and no "
        "drawing that a person would recognise.",
        "The text encoder frozen as CLIP left it, for the first 2,698 steps: shapes hardly followed the words.",
    ),
    "pixel": (
        "Predicting eps, as the paper does, for hours on a CPU: outlines came, but backgrounds stayed grey or brown, since "
        "where hardly anything of the picture is left a small error of eps is a hundredfold one of the picture. These "
        "weights began from those after 5,150 steps (`--start`) and predict v.",
        "Of the 64 samples faces, symbols and many animals, foods and vehicles can be made out; objects and activities mostly "
        "cannot. Three quarters, the aim, are not reached in these hours.",
    ),
    "classifier": (
        "Sixteen minutes on one CPU thread, 2,455 steps from the down half of the pixel model: it learns the drawings by heart. Of "
        "held-out ones with little noise (log-SNR 0 to 2) it named 55 % after 732 steps and 50 % after 2,455, while the "
        "calibration error rose from 0.04 to 0.22. Ten minutes with their cool-down are the budget since.",
        "Logits as the network gives them, without the factor `certainty` (lab/engine/potentials.py): in nearly pure noise, where "
        "hardly anything can be known, they still had a gradient, and the first steps of DDIM under the cosine schedule multiply it "
        "a thousandfold; at guidance scale 1 every picture was torn to saturated patches. The cross-entropy there fell from 2.16 to "
        "2.07 nats (log 8 is 2.08) with it.",
    ),
    "unclip": (
        "The embedding added to that of t alone, from zero on, 770 steps of the decoder: pictures hardly followed it. On 48 training "
        "drawings without captions the error of eps at t = 600 was 0.0387 with the own embedding, 0.0398 with none, and 0.0230 with the "
        "caption, which the base knows by heart.",
    ),
}


def write_card(name: str, figures: dict[str, Any], runs: Path, card: Path) -> None:
    """Write `card`/README.md with the figures, and beside it the loss plot and the last sheet of each run below `runs` whose model
    is in the folder `name` of the shipped models."""
    card.mkdir(parents=True, exist_ok=True)
    lines = ["---", "license: apache-2.0", "library_name: diffusers", "---", "", f"# {name}", "", ABOUT[name], ""]
    lines += ["## Data", "", OTHER_DATA.get(name, DATA), ""]
    recipes = recipes_of(name)
    for recipe in recipes:
        alone = len(recipes) == 1
        lines += ["## Recipe" if alone else f"## Recipe: {recipe}", ""]
        lines += [f"`python -m lab.training {recipe}` (`lab/training/recipes`).", ""]
        lines += _run_lines(runs / recipe, card, "" if alone else f"-{recipe}")
    lines += ["## Figures", "", "| measured | value |", "| --- | --- |"]
    lines += [f"| {key.replace('_', ' ')} | {value} |" for key, value in flat(figures)]
    if name in OBSERVATIONS:
        lines += ["", "## Seen", "", *(f"- {note}" for note in OBSERVATIONS[name])]
    if name in FAILURES:
        lines += ["", "## Tried, and did not work", "", *(f"- {note}" for note in FAILURES[name])]
    lines += ["", "## Licence", "", "Weights: Apache-2.0. The pictures keep their own licences (see Data).", ""]
    (card / "README.md").write_text("\n".join(lines))


def _run_lines(run: Path, card: Path, suffix: str) -> list[str]:
    """What a card says of a run, and its pictures beside the card, their names ended by `suffix`; nothing without a run."""
    if not (run / SUMMARY).exists():
        return []
    summary = json.loads((run / SUMMARY).read_text())
    options = ", ".join(f"{key} {value}" for key, value in summary["options"].items())
    loss, samples = f"loss{suffix}.png", f"samples{suffix}.png"
    Image.fromarray(plot([(row["step"], row["loss"]) for row in read_log(run / LOG)])).save(card / loss)
    shutil.copyfile(sorted(run.glob("sheet-*.png"))[-1], card / samples)
    return [
        f"{summary['steps']:,} steps in {summary['minutes']:.0f} minutes on {summary['device']}: {options}.", "",
        "Loss by step, smoothed, on a logarithmic scale:", "", f"![loss]({loss})", "",
        "Samples of the averaged weights at the end:", "", f"![samples]({samples})", "",
    ]  # fmt: skip


def flat(figures: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested figures as rows: a list becomes a row for each entry."""
    for key, value in figures.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key} ")
        elif isinstance(value, list):
            for entry in value:
                yield (
                    f"{prefix}{key}",
                    ", ".join(f"{k} {v if isinstance(v, str) else f'{v:.3g}'}" for k, v in entry.items()),
                )
        else:
            yield f"{prefix}{key}", f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def plot(points: list[tuple[float, float]], width: int = 480, height: int = 200, smooth: int = 15) -> np.ndarray:
    """A curve of loss by step on a logarithmic scale with its first and last value; (height, width, 3) uint8."""
    canvas = np.full((height, width, 3), 255, np.uint8)
    steps, losses = np.array(points, float).reshape(-1, 2).T
    window = min(smooth, len(losses))
    if window == 0:
        return canvas
    curve = np.log(np.convolve(np.maximum(losses, 1e-6), np.ones(window) / window, mode="valid"))
    steps = steps[window - 1 :]
    left, top = 56, 14
    x = left + (steps - steps[0]) / max(np.ptp(steps), 1) * (width - left - 12)
    y = top + (curve.max() - curve) / max(np.ptp(curve), 1e-6) * (height - 2 * top - 16)
    cv2.polylines(canvas, [np.rint(np.stack([x, y], 1) * 16).astype(np.int32)], False, (42, 98, 205), 2, cv2.LINE_AA, 4)
    for text, place in (
        (f"{np.exp(curve.max()):.3g}", (4, top + 4)), (f"{np.exp(curve.min()):.3g}", (4, height - top - 14)),
        (f"{steps[0]:,.0f}", (left, height - 6)), (f"step {steps[-1]:,.0f}", (width - 100, height - 6)),
    ):  # fmt: skip
        cv2.putText(canvas, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.42, (90, 90, 100), 1, cv2.LINE_AA)
    return canvas
