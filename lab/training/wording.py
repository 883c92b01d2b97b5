"""Words for the models: the ways a picture can be asked for, and the tokenizer that reads them."""

import json
import re
from collections.abc import Iterable

import numpy as np
import torch
from tokenizers.pre_tokenizers import ByteLevel
from torch import Tensor
from transformers import CLIPTokenizer

from lab.training.corpus import Corpus

MAX_TOKENS = 32  # a person's full caption has about 20
LOOSER = 2
VARIANTS = LOOSER + 4
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "brown", "black", "white", "pink", "grey")

HEAD_ENDS = re.compile(r" (?:of|with|in|on|without|facing|from|pointing|showing|covering|taking|lifting) ")
PLURAL = re.compile(r".*(?<![su])(?<!i)s$")  # glass, cactus and tennis are one of their kind
BARE = re.compile(r"^(?:a |an |the |two |keycap |number |plus$|minus$)| and |^\w+ing \w*s$")


def wordings(corpus: Corpus, seed: int = 0) -> list[list[str]]:
    """VARIANTS texts for each picture: its caption, the caption less its style, two looser ways to ask for it, and the
    first two as a sentence has them, with an article.

    A drawing: "red apple, flat style", "red apple", keywords ("fruit, apple", "red, fruit"), "a red apple, flat style",
    "an apple that is red".
    A person: the caption twice, with parts left out ("a person in a red shirt and blue trousers, waving"), and the
    caption twice more: it has its article.
    """
    rng = np.random.default_rng(seed)
    texts = []
    for caption, style, keywords in zip(corpus.captions, corpus.styles, corpus.keywords, strict=True):
        plain = caption.removesuffix(f", {style} style")
        if keywords:
            looser = [", ".join(rng.permutation(keywords)[: rng.integers(1, 4)]) for _ in range(LOOSER)]
        else:
            clauses = plain.split(", ")
            selections = [sorted(rng.permutation(len(clauses))[: rng.integers(1, 3)]) for _ in range(LOOSER)]
            looser = [", ".join(clauses[i] for i in selection) for selection in selections]
        spoken = in_a_sentence(plain, rng)
        texts.append([caption, plain, *looser, spoken + caption.removeprefix(plain), in_a_sentence(plain, rng)])
    return texts


def in_a_sentence(plain: str, rng: np.random.Generator) -> str:
    """What a picture shows, as a sentence has it: "a red apple", "the red apple" or "an apple that is red".

    What has an article, a number or no singular ("two hearts", "man and woman", "french fries") stays as it is.
    """
    if BARE.search(plain) or PLURAL.match(HEAD_ENDS.split(plain)[0]):
        return plain
    colour, _, thing = plain.partition(" ")
    if colour in COLOURS and thing and rng.random() < 0.5:
        return f"{_article(thing)} {thing} that is {colour}"
    return f"the {plain}" if rng.random() < 0.25 else f"{_article(plain)} {plain}"


def _article(words: str) -> str:
    """ "a" or "an", by how the first word is said, as far as its spelling tells."""
    return "an" if re.match(r"[aeio]|u(?!n[ia]|s|tensil)|hour", words) and not words.startswith(("one", "eu")) else "a"


def train_tokenizer(texts: Iterable[str], vocabulary: int = 4096) -> CLIPTokenizer:
    """A CLIPTokenizer with its own byte-level BPE merges (Sennrich et al. 2016; Radford et al. 2021, section 2.4).

    Laid out as OpenAI's: every byte, every byte at a word's end, the merges, start and end; so no text is unknown.
    """
    alphabet = sorted(ByteLevel.alphabet())
    learned = CLIPTokenizer().train_new_from_iterator(
        texts, vocabulary - 2 * len(alphabet), initial_alphabet=alphabet, show_progress=False
    )
    merges = [tuple(pair) for pair in json.loads(learned.backend_tokenizer.to_str())["model"]["merges"]]
    words = [*alphabet, *(f"{byte}</w>" for byte in alphabet), *("".join(pair) for pair in merges)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    vocab = {word: i for i, word in enumerate(dict.fromkeys(words))}
    return CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=MAX_TOKENS)


def tokenize(tokenizer: CLIPTokenizer, texts: list[str]) -> Tensor:
    """(len(texts), MAX_TOKENS) int64, padded with end tokens as Stable Diffusion does."""
    batch = tokenizer(texts, padding="max_length", truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
    return batch.input_ids


def tokenize_wordings(tokenizer: CLIPTokenizer, corpus: Corpus) -> Tensor:
    """(len(corpus), VARIANTS, MAX_TOKENS) int64."""
    flat = [text for texts in wordings(corpus) for text in texts]
    return tokenize(tokenizer, flat).reshape(len(corpus), VARIANTS, MAX_TOKENS)


def ids_of(values: Iterable[str]) -> Tensor:
    """Equal strings to equal numbers."""
    return torch.from_numpy(np.unique(np.array(list(values)), return_inverse=True)[1])
