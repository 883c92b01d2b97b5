"""How pictures are asked for, and the tokenizer that reads it."""

import torch

from lab.training.wording import MAX_TOKENS, VARIANTS, ids_of, tokenize, tokenize_wordings, train_tokenizer, wordings


def test_a_drawing_is_asked_for_with_and_without_style_and_by_keywords(corpus):
    captioned, plain, *looser = wordings(corpus)[0]
    assert (captioned, plain) == ("red square 0, flat style", "red square 0")
    assert all(set(text.split(", ")) <= {"red", "square", "shape"} for text in looser)


def test_a_person_is_asked_for_in_full_and_in_part(corpus):
    caption, plain, *looser = wordings(corpus)[-1]
    assert caption == plain == corpus.captions[-1]
    assert all(text != caption and set(text.split(", ")) < set(caption.split(", ")) for text in looser)


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
