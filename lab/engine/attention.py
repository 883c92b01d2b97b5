"""Rules on the probabilities of attention: which word a picture's parts look at, and how to make them look elsewhere.

Tang et al. 2022, DAAM (arXiv:2210.04885): maps of words. Hertz et al. 2022, Prompt-to-Prompt (arXiv:2208.01626): edits of
the probabilities while a picture is drawn, "word swap" with "adding a new phrase" and "attention re-weighting".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import torch
from torch import Tensor
from torch.nn.functional import interpolate


@dataclass(frozen=True)
class Word:
    """A word of a prompt and the tokens that it was cut into, as indices into what the text encoder reads."""

    text: str
    tokens: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Alignment:
    """Which token of a target prompt stands for which of its source.

    `mapping` (source tokens, target tokens): a column is what its target token takes of the source's probabilities.
    `shares` (target tokens,), 0 to 1: how much of a target token's probability is the source's; the rest is its own.
    """

    mapping: Tensor
    shares: Tensor


def reweighted(probabilities: Tensor, factors: Tensor) -> Tensor:
    """Probabilities (..., tokens) times a factor for each token, (tokens,): attention re-weighting, equation 5 of
    Prompt-to-Prompt. They need not sum to one afterwards, as they do not in the paper."""
    return probabilities * factors.to(probabilities)


def kept(own: Tensor, source: Tensor, alignment: Alignment) -> Tensor:
    """The probabilities of a target prompt (..., target tokens) with those of its source (..., source tokens) in their place,
    as far as the tokens stand for each other: word swap and adding a phrase, equations 3 and 4 of Prompt-to-Prompt."""
    shares = alignment.shares.to(own)
    return source @ alignment.mapping.to(own) * shares + own * (1 - shares)


def align(source: Sequence[Word], target: Sequence[Word], tokens: int) -> Alignment:
    """How two prompts of `tokens` tokens each go together, word by word; the first word of each is its start, the last its end
    with the padding behind it.

    Prompts of as many words: each word takes the place of the one that stood there, and where its tokens are more or fewer
    they share its probability evenly, as the authors' replacement mapper does. Else words that both have, in their order,
    stand for each other, and the target's other words keep their own probabilities. Start stands for start, end for end, and
    padding for padding, as far as both have it.
    """
    (start, *before, end), (its_start, *after, its_end) = source, target
    if len(before) == len(after):
        pairs = list(zip(before, after, strict=True))
    else:
        first, second = ([word.text.lower() for word in words] for words in (before, after))
        blocks = SequenceMatcher(None, first, second, autojunk=False).get_matching_blocks()
        pairs = [(before[block.a + k], after[block.b + k]) for block in blocks for k in range(block.size)]
    mapping, shares = torch.zeros(tokens, tokens), torch.zeros(tokens)
    for one, other in [(start, its_start), *pairs]:
        _stand_for(mapping, shares, one.tokens, other.tokens)
    both = min(len(end.tokens), len(its_end.tokens))
    _stand_for(mapping, shares, end.tokens[:both], its_end.tokens[:both])
    return Alignment(mapping, shares)


def _stand_for(mapping: Tensor, shares: Tensor, before: tuple[int, ...], after: tuple[int, ...]) -> None:
    """Enters that the tokens `after` stand for the tokens `before`; of as many, one for each."""
    if len(before) == len(after):
        mapping[list(before), list(after)] = 1.0
    else:
        mapping[torch.tensor(before)[:, None], torch.tensor(after)] = 1 / len(after)
    shares[list(after)] = 1.0


def of_words(maps: Tensor, words: Sequence[Word]) -> Tensor:
    """Maps of tokens (tokens, ...) as maps of words (words, ...): each the sum over its tokens."""
    return torch.stack([maps[list(word.tokens)].sum(dim=0) for word in words])


def mean_of_levels(maps: Sequence[Tensor], side: int) -> Tensor:
    """The mean of maps (tokens, own side, own side) of several layers, each enlarged to `side` by a bicubic spline first, as in
    DAAM. (tokens, side, side); over the tokens it sums to one, as each of them does."""
    enlarged = [interpolate(one[None], (side, side), mode="bicubic", align_corners=False)[0] for one in maps]
    return torch.stack(enlarged).mean(dim=0)
