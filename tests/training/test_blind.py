"""The blind sheet: what a person is shown has no caption, and its key is apart."""

import csv

import numpy as np
from PIL import Image

from lab.training import blind
from lab.training.scene import Scene


def test_sheets_have_numbers_and_the_key_is_apart(make, corpus, tmp_path):
    make.model("text-to-image")
    scene = Scene(corpus, make.model, prompts=3)
    blind.write(scene, tmp_path, scale=2.0)
    sheets = sorted(tmp_path.glob("*.png"))
    assert len(sheets) == 2  # 3 captions and the 20 combinations, 20 a sheet
    pixels = np.asarray(Image.open(sheets[0]))
    assert pixels.std() > 0 and not [*tmp_path.glob("*.csv")]
    rows = list(csv.DictReader((tmp_path / "key" / "key.csv").open()))
    assert [row["number"] for row in rows] == [str(number) for number in range(1, 24)]
    assert [row["trained on"] for row in rows] == ["True"] * 3 + ["False"] * 20
    plain = {caption.rsplit(", ", 1)[0] for caption in corpus.training.captions}
    assert {row["caption"] for row in rows[:3]} <= plain


def test_no_combination_is_a_caption_of_the_set():
    with open("assets/pictures/index.csv", newline="") as file:
        captions = {row["caption"].rsplit(", ", 1)[0] for row in csv.DictReader(file)}
    assert not captions & set(blind.COMBINATIONS)
    assert len(set(blind.COMBINATIONS)) == 20
