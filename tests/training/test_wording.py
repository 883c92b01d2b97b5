"""How pictures are asked for, and the tokenizer that reads it."""

import numpy as np
import pytest
import torch

from lab.training.wording import (
    MAX_TOKENS,
    VARIANTS,
    ids_of,
    in_a_sentence,
    tokenize,
    tokenize_wordings,
    train_tokenizer,
    wordings,
)


def test_a_drawing_is_asked_for_with_and_without_style_and_by_keywords(corpus):
    captioned, plain, *looser, _, _ = wordings(corpus)[0]
    assert (captioned, plain) == ("red square 0, flat style", "red square 0")
    assert all(set(text.split(", ")) <= {"red", "square", "shape"} for text in looser)


def test_a_person_is_asked_for_in_full_and_in_part(corpus):
    caption, plain, *looser, spoken, again = wordings(corpus)[-1]
    assert caption == plain == spoken == again == corpus.captions[-1]
    assert all(text != caption and set(text.split(", ")) < set(caption.split(", ")) for text in looser)


def test_half_of_the_ways_to_ask_for_a_drawing_are_as_a_sentence_has_them(corpus):
    rows = [texts for texts, style in zip(wordings(corpus), corpus.styles, strict=True) if style]
    articles = ("a ", "an ", "the ")
    assert all(spoken.startswith(articles) and spoken.endswith(" style") for *_, spoken, _ in rows)
    assert {plain.split()[0] for *_, plain in rows} == {"a", "the"}
    assert any(" that is red" in plain for *_, plain in rows) and any(plain.startswith("a red") for *_, plain in rows)


@pytest.mark.parametrize(
    ("plain", "spoken"),
    [
        ("apple", {"an apple", "the apple"}), ("cup of hot coffee", {"a cup of hot coffee", "the cup of hot coffee"}),
        ("red apple", {"a red apple", "the red apple", "an apple that is red"}), ("unicorn", {"a unicorn", "the unicorn"}),
        ("one-piece swimsuit", {"a one-piece swimsuit", "the one-piece swimsuit"}), ("bus", {"a bus", "the bus"}),
        ("umbrella with rain drops", {"an umbrella with rain drops", "the umbrella with rain drops"}),
        ("cocktail glass", {"a cocktail glass", "the cocktail glass"}), ("cactus", {"a cactus", "the cactus"}),
        ("french fries", {"french fries"}), ("two hearts", {"two hearts"}), ("houses", {"houses"}),
        ("skull and crossbones", {"skull and crossbones"}), ("folded hands", {"folded hands"}),
        ("a person waving", {"a person waving"}), ("keycap 7", {"keycap 7"}), ("plus", {"plus"}),
    ],
)  # fmt: skip
def test_an_article_goes_where_there_is_one_of_a_thing(plain, spoken):
    rng = np.random.default_rng(0)
    assert {in_a_sentence(plain, rng) for _ in range(60)} == spoken


def test_the_tokenizer_knows_its_words_and_every_byte(corpus):
    tokenizer = train_tokenizer(text for texts in wordings(corpus) for text in texts)
    assert tokenizer.tokenize("red square") == ["red</w>", "square</w>"]
    for text in ("zebra", "ñandú", "苹果", "🍎"):
        assert tokenizer.unk_token_id not in tokenizer(text, add_special_tokens=False).input_ids


def test_texts_become_rows_of_one_length_however_long(corpus):
    tokenizer = train_tokenizer(corpus.captions)
    tokens = tokenize(tokenizer, ["", "red square", "red " * 100])
    assert tokens.shape == (3, MAX_TOKENS)
    assert (tokens[:, 0] == tokenizer.bos_token_id).all() and (tokens[:, -1] == tokenizer.eos_token_id).all()
    assert tokenize_wordings(tokenizer, corpus).shape == (len(corpus), VARIANTS, MAX_TOKENS)


def test_wordings_and_tokens_are_reproducible(corpus):
    first, second = (train_tokenizer(corpus.captions) for _ in range(2))
    assert first.get_vocab() == second.get_vocab()
    assert torch.equal(tokenize_wordings(first, corpus), tokenize_wordings(second, corpus))


def test_equal_strings_get_equal_numbers():
    assert ids_of(["b", "a", "b"]).tolist() == [1, 0, 1]
