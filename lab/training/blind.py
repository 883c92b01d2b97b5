"""`python -m lab.training blind`: pictures without their captions, so that a person can say what they see.

The judge reads as it was taught. Whether a stranger recognises a picture, only a stranger tells: look at the sheets,
write down what each number shows, and only then open the key.
"""

import csv
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from lab.training.corpus import PEOPLE_GROUP
from lab.training.recipes.judge import plain_captions
from lab.training.recipes.latents import generate
from lab.training.scene import Scene, in_batches, load_pipeline

COLUMNS, ROWS = 5, 4
ENLARGED = 3
STEPS = 25

# No picture of the set shows these: who draws them has learned the parts and not the pictures.
COMBINATIONS = (
    "blue apple", "green cat face", "purple banana", "red taxi", "pink frog", "blue pizza", "yellow strawberry",
    "black heart with a star", "cat with sunglasses", "two red apples", "green rocket", "orange panda", "blue dog face",
    "three stars", "purple fish", "dog with a hat", "red cloud", "two pizzas", "green heart with sunglasses", "pink bus",
)  # fmt: skip


def write(scene: Scene, folder: Path, scale: float, seed: int = 0) -> None:
    """Draw `scene.prompts` captions of drawings that the model was trained on, chosen at random, and then COMBINATIONS;
    write numbered sheets of COLUMNS x ROWS into `folder` and their captions into `folder`/key/key.csv."""
    pipeline = load_pipeline(scene)
    captions = [*drawing_captions(scene, seed), *COMBINATIONS]
    pictures = in_batches(lambda part, first: generate(pipeline, part, scale, STEPS, seed=seed + first), captions)
    (folder / "key").mkdir(parents=True, exist_ok=True)
    for first in range(0, len(pictures), COLUMNS * ROWS):
        part = pictures[first : first + COLUMNS * ROWS]
        Image.fromarray(sheet(part, first + 1)).save(folder / f"sheet-{first // (COLUMNS * ROWS) + 1}.png")
    with (folder / "key" / "key.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["number", "caption", "trained on"])
        unseen = len(captions) - len(COMBINATIONS)
        rows.writerows([number, caption, number <= unseen] for number, caption in enumerate(captions, 1))


def drawing_captions(scene: Scene, seed: int) -> list[str]:
    """Captions of drawings in the training set, without their style, no two alike; at most `scene.prompts`."""
    training = scene.prompt_corpus.training
    drawings = training.select(np.array([group != PEOPLE_GROUP for group in training.groups]))
    captions = sorted(set(plain_captions(drawings)))
    rng = np.random.default_rng(seed)
    return [str(caption) for caption in rng.permutation(captions)[: scene.prompts]]


def sheet(pictures: np.ndarray, first: int) -> np.ndarray:
    """Pictures (n, size, size, 3) uint8, enlarged, each with its number below; one uint8 picture."""
    size = pictures.shape[1] * ENLARGED
    canvas = np.full((ROWS * (size + 24), COLUMNS * (size + 8), 3), 255, np.uint8)
    for place, picture in enumerate(pictures):
        top, left = place // COLUMNS * (size + 24), place % COLUMNS * (size + 8)
        large = cv2.resize(picture, (size, size), interpolation=cv2.INTER_NEAREST)
        canvas[top : top + size, left : left + size] = large
        place_of_text = (left + 4, top + size + 17)
        cv2.putText(
            canvas, str(first + place), place_of_text, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (60, 60, 70), 1, cv2.LINE_AA
        )
    return canvas
