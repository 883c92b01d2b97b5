"""The CLIP score: the cosine of two embeddings, and higher for a picture's own caption."""

import numpy as np
import pytest
import torch
from transformers import CLIPTextModelWithProjection, CLIPTokenizer, CLIPVisionModelWithProjection

from lab.catalog import SCORER
from lab.models.loaders import load
from lab.models.pictures import PictureSet
from lab.settings import ASSETS, Settings

FOLDER = ASSETS / "models" / SCORER


@pytest.fixture(scope="module")
def clip():
    return load(SCORER, Settings(device="cpu"))


@pytest.fixture(scope="module")
def unseen():
    """Twenty pictures that no training saw, each of another thing."""
    pictures = PictureSet.load(ASSETS / "pictures")
    held_out = pictures.select(pictures.held_out)
    first = np.unique(held_out.concepts, return_index=True)[1]
    return held_out.select(np.isin(np.arange(len(held_out)), first[:: max(1, len(first) // 20)][:20]))


@pytest.mark.parametrize("caption", ["a red apple, flat style", "", "apple " * 40])
def test_the_score_is_the_cosine_of_the_embeddings(clip, unseen, caption):
    picture = unseen.pixels[0]
    text = CLIPTextModelWithProjection.from_pretrained(FOLDER / "text_encoder", torch_dtype=torch.float32).eval()
    image = CLIPVisionModelWithProjection.from_pretrained(FOLDER / "image_encoder", torch_dtype=torch.float32).eval()
    tokens = CLIPTokenizer.from_pretrained(FOLDER / "tokenizer")(
        caption, truncation=True, max_length=32, return_tensors="pt"
    )
    pixels = torch.tensor(picture).permute(2, 0, 1)[None] / 127.5 - 1
    assert pixels.shape[-1] == image.config.image_size
    with torch.no_grad():
        a, b = text(**tokens).text_embeds[0].numpy(), image(pixel_values=pixels).image_embeds[0].numpy()
    want = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    assert clip.score(picture, caption) == pytest.approx(want, abs=1e-5)
    assert -1 <= want <= 1


def test_pictures_of_any_size_are_scored(clip, unseen):
    picture = unseen.pixels[0]
    large = picture.repeat(4, axis=0).repeat(4, axis=1)
    caption = unseen.captions[0]
    assert clip.score(large, caption) == pytest.approx(clip.score(picture, caption), abs=0.05)


def test_a_pictures_own_caption_scores_higher_than_others(clip, unseen):
    """On unseen pictures of twenty things: by chance the own caption would be the tenth or eleventh on average."""
    scores = np.array([[clip.score(picture, caption) for caption in unseen.captions] for picture in unseen.pixels])
    assert scores.shape == (20, 20)
    own = np.diag(scores)
    assert own.mean() > scores[~np.eye(20, dtype=bool)].mean() + 0.1
    places = 1 + (scores > own[:, None]).sum(axis=1)
    assert places.mean() < 7


def test_of_a_caption_that_is_too_long_the_rest_is_said(clip):
    """The tokenizer takes 32, two of them for the ends."""
    assert clip.unread("cat " * 30) == clip.unread("") == []
    assert clip.unread("cat " * 30 + "heart") == [
        'The CLIP score knows nothing of the prompt from word 31 ("heart") on.'
    ]
