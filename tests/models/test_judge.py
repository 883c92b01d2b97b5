"""The judge: its cosine, its features, and that it reads pictures of the sizes that the lab draws."""

import threading

import numpy as np
import pytest
import torch
from transformers import CLIPTokenizer

from lab.catalog import JUDGE
from lab.models import judge as judge_module
from lab.models.judge import Judge
from lab.models.loaders import load
from lab.models.pictures import PictureSet, resized
from lab.settings import ASSETS, Settings
from lab.training.corpus import load_corpus
from lab.training.recipes.clip import hidden_styles
from lab.training.recipes.judge import plain_captions
from lab.training.scene import distinct
from lab.training.scores import CHOICES, accuracy

FOLDER = ASSETS / "models" / JUDGE


@pytest.fixture(scope="module")
def judge():
    return load(JUDGE, Settings(device="cpu"))


@pytest.fixture(scope="module")
def drawings():
    """A hundred drawings, evenly spread, each of another thing."""
    pictures = PictureSet.load(ASSETS / "pictures")
    first = np.unique(pictures.concepts, return_index=True)[1]
    return pictures.select(np.sort(first)[np.linspace(0, len(first) - 1, 100).astype(int)])


@pytest.mark.parametrize("caption", ["a red apple", "", "apple " * 40])
def test_the_score_is_the_cosine_of_the_embeddings(judge, drawings, caption):
    network = Judge.from_pretrained(FOLDER, low_cpu_mem_usage=False).float().eval()
    tokens = CLIPTokenizer.from_pretrained(FOLDER / "tokenizer")(caption, truncation=True, return_tensors="pt")
    pixels = torch.tensor(drawings.pixels[:1]).permute(0, 3, 1, 2) / 127.5 - 1
    assert pixels.shape[-1] == network.config.sample_size and tokens.input_ids.shape[1] <= 32
    with torch.no_grad():
        image = network.head(network.features(pixels))
        text = network.embed_texts(tokens.input_ids)
        want = torch.cosine_similarity(image, text).item()
    assert judge.score(drawings.pixels[0], caption) == pytest.approx(want, abs=1e-5)


def test_of_a_hundred_captions_it_finds_most_at_64_px_and_at_32(judge):
    """The card's figures, on the same drawings: each in a style that the judge did not see the thing in."""
    corpus = load_corpus(ASSETS / "pictures", persons=0).training
    drawings = distinct(corpus.select(hidden_styles(corpus)), CHOICES)
    assert len(drawings) == CHOICES
    found = {side: accuracy(judge, drawings.drawings(side).pixels, plain_captions(drawings)) for side in (64, 32)}
    assert found == {64: pytest.approx(0.65, abs=0.011), 32: pytest.approx(0.63, abs=0.011)}
    card = (FOLDER / "README.md").read_text()
    assert "| real drawings accuracy | 0.65 |" in card and "| real drawings at 32 px accuracy | 0.63 |" in card


def test_features_are_the_networks_a_row_a_picture_whatever_their_size(judge, drawings):
    pictures = [drawings.pixels[0], resized(drawings.pixels[1], 32), drawings.pixels[2]]
    rows = judge.features(pictures)
    assert rows.shape == (3, 192) and rows.dtype == np.float32
    with torch.no_grad():
        pixels = torch.tensor(drawings.pixels[[0, 2]]).permute(0, 3, 1, 2) / 127.5 - 1
        np.testing.assert_allclose(rows[[0, 2]], judge.network.features(pixels).numpy(), atol=1e-4)
    np.testing.assert_allclose(judge.features(pictures[1:2]), rows[1:2], atol=1e-4)


def test_features_are_computed_once_a_picture_by_many_threads_and_the_oldest_are_forgotten(drawings, monkeypatch):
    judge = load(JUDGE, Settings(device="cpu"))
    monkeypatch.setattr(judge_module, "REMEMBERED", 15)
    computed, compute = [], judge._compute
    monkeypatch.setattr(judge, "_compute", lambda pictures: computed.append(len(pictures)) or compute(pictures))
    first = judge.features(drawings.pixels[:8])
    assert np.array_equal(judge.features(drawings.pixels[[3, 1, 3]]), first[[3, 1, 3]]) and computed == [8]
    rows: dict[int, np.ndarray] = {}
    threads = [
        threading.Thread(target=lambda i=i: rows.update({i: judge.features(drawings.pixels[i : i + 12])}))
        for i in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, own in rows.items():
        np.testing.assert_allclose(own, judge.features(drawings.pixels[i : i + 12]), atol=1e-4)
    assert len(judge._rows) == 15


def test_of_a_caption_that_is_too_long_the_rest_is_said(judge):
    """The tokenizer takes 32, two of them for the ends."""
    assert judge.unread("cat " * 30) == judge.unread("") == []
    assert judge.unread("cat " * 30 + "heart") == ['The judge knows nothing of the prompt from word 31 ("heart") on.']
