"""Prompts as latent diffusion reads them: by one text encoder (Rombach et al. 2022), or by SDXL's two (Podell et al. 2023)."""

import math
import re
import threading
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from lab.engine.attention import Word
from lab.requests.base import LabError

CACHED_PROMPTS = 256
ORDINALS = ("first", "second")
START, END = "start", "end and padding"  # tokens that stand for no word


def embed_scale(scale: Tensor, width: int) -> Tensor:
    """The embedding of a guidance scale (n,) for a distilled UNet (Luo et al. 2023, LCM): sinusoids of
    1000 (scale - 1), (n, width), as in diffusers' StableDiffusionPipeline; an odd width ends in a zero. `width` is at least 4."""
    spacing = math.log(10_000.0) / (width // 2 - 1)
    frequencies = torch.exp(-spacing * torch.arange(width // 2, device=scale.device))
    angles = 1000.0 * (scale - 1)[:, None] * frequencies
    return torch.nn.functional.pad(torch.cat([angles.sin(), angles.cos()], dim=1), (0, width % 2))


@dataclass(frozen=True, eq=False)
class EncodedPrompt:
    """The embeddings of a prompt, a UNet's inputs; on the CPU."""

    hidden: Tensor  # (tokens, width)
    added: tuple[Tensor, ...] = ()  # SDXL: pooled (width,) and the picture's sizes (6,)
    scale: float = 1.0  # of guidance; read only by a UNet that was distilled with it (LCM)


class Window:
    """What a text encoder reads of a text: its first `limit` tokens, start and end included.

    The limit is the tokenizer's `model_max_length`; where its folder names none, the encoder's number of positions.
    Safe to share: a fast tokenizer keeps padding and truncation of the call under way in itself, so a call by another thread
    would change the length of what is read; here they take turns. Raises LabError where the tokenizer has tokens that the
    encoder does not know.
    """

    def __init__(self, tokenizer: Any, text: Any) -> None:
        self.tokenizer, config = tokenizer, text.config
        self._turn = threading.Lock()
        config = getattr(config, "text_config", config)
        self.limit = min(tokenizer.model_max_length, 2**31)
        if self.limit == 2**31:  # transformers has a huge number for none
            self.limit = config.max_position_embeddings
        last = max(tokenizer.get_vocab().values())
        if last >= config.vocab_size:
            raise LabError(
                f"Its tokenizer numbers its tokens up to {last:,}; its text encoder knows {config.vocab_size:,} of them."
            )

    def tokens(self, text: str, **options: Any) -> Any:
        """The tokens that are read, as the tokenizer gives them."""
        return self._call(text, max_length=self.limit, truncation=True, return_tensors="pt", **options)

    def read(self, text: str, ending: str = "") -> int:
        """How many characters of `text` are read, where `ending` stands behind what is read of it."""
        whole = self._call(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        starts = [start for start, _ in whole.offset_mapping]
        room = self.limit - self.tokenizer.num_special_tokens_to_add()
        if not ending:
            return starts[room] if len(starts) > room else len(text)
        cuts = [*starts[: room + 1], *([len(text)] if len(starts) <= room else [])]
        return next((cut for cut in reversed(cuts) if self._length(text[:cut].rstrip() + ending) <= room), 0)

    def words(self, text: str) -> list[Word]:
        """What is read of `text`, word by word: the start, the words as spaces part them with the tokens of each, then the
        end with the padding behind it. Every token of the window is in one of them."""
        whole = self._call(
            text, max_length=self.limit, truncation=True, return_offsets_mapping=True, return_special_tokens_mask=True
        )
        begins = [match.start() for match in re.finditer(r"\S+", text)]
        tokens: dict[int, list[int]] = {}
        for k, ((begin, _), special) in enumerate(zip(whole.offset_mapping, whole.special_tokens_mask, strict=True)):
            if not special:
                tokens.setdefault(bisect_right(begins, begin) - 1, []).append(k)
        first = next(iter(tokens.values()), [1])[0]
        last = max((k for own in tokens.values() for k in own), default=first - 1)
        named = [Word(_plain(text[begins[place] :].split()[0]), tuple(own)) for place, own in tokens.items()]
        return [Word(START, tuple(range(first))), *named, Word(END, tuple(range(last + 1, self.limit)))]

    def _length(self, text: str) -> int:
        return len(self._call(text, add_special_tokens=False, verbose=False).input_ids)

    def _call(self, text: str, **options: Any) -> Any:
        with self._turn:
            return self.tokenizer(text, **options)


def _plain(word: str) -> str:
    """A word without the punctuation at its ends; what is nothing else stays as it is."""
    return word.strip(",.;:!?()\"'“”") or word


def first_unread(text: str, read: int) -> str:
    """From where on a reader of the first `read` characters knows nothing, as: word 12 ("heart"). Empty where it reads all."""
    if not text[read:].strip():
        return ""
    begin = read if text[read].isspace() else max((i + 1 for i, c in enumerate(text[:read]) if c.isspace()), default=0)
    word = text[begin:].split()[0]
    where = "" if begin == read else "the middle of "
    return f'{where}word {len(text[:begin].split()) + 1} ("{word if len(word) <= 30 else word[:29] + "…"}")'


class PromptReader:
    """Reads prompts with pairs of tokenizer and text encoder, and remembers the latest. Safe to share.

    With one encoder the UNet reads its last hidden states; with two, as SDXL has it, the last but one of both side by
    side, and the second one's pooled state with the picture's size. `zeros`: no negative prompt is zeros in place of the
    empty text (`force_zeros_for_empty_prompt` of diffusers' StableDiffusionXLPipeline).
    """

    def __init__(self, encoders: Sequence[tuple[Any, Any]], side: int, zeros: bool = False) -> None:
        self._encoders = tuple((Window(tokenizer, text), text) for tokenizer, text in encoders)
        self._side, self._zeros = side, zeros
        self.read = lru_cache(maxsize=CACHED_PROMPTS)(self._read)
        self.unread = lru_cache(maxsize=CACHED_PROMPTS)(self._unread)
        self._nothing = lru_cache(maxsize=1)(self._no_text)

    def negative(self, prompt: str) -> EncodedPrompt:
        """A negative prompt, or what stands for none."""
        return self._nothing() if self._zeros and not prompt else self.read(prompt)

    def with_ending(self, prompt: str, ending: str) -> str:
        """`prompt` with `ending` behind it, cut so far that every encoder reads the ending."""
        read = min(window.read(prompt, ending) for window, _ in self._encoders)
        text = prompt[:read].rstrip()
        return text + ending if text else ending.removeprefix(", ")

    def words(self, prompt: str) -> list[Word]:
        """The words of a prompt with their tokens, as the first encoder reads them; the start and the end are words too."""
        return self._encoders[0][0].words(prompt)

    def _unread(self, prompt: str, ending: str = "") -> tuple[str, ...]:
        """For each encoder that stops short of the prompt's end: 'from word 12 ("heart") on it is not read by the text
        encoder, which takes 77 tokens'."""
        phrases = []
        cut = min(window.read(prompt, ending) for window, _ in self._encoders)
        for (window, _), ordinal in zip(self._encoders, ORDINALS, strict=False):
            word = first_unread(prompt, cut if ending else window.read(prompt))
            if word:
                which = f"{ordinal} text encoder" if len(self._encoders) > 1 else "text encoder"
                phrases.append(f"from {word} on it is not read by the {which}, which takes {window.limit} tokens")
        return tuple(phrases)

    @torch.inference_mode()
    def _read(self, prompt: str) -> EncodedPrompt:
        outputs = [self._output(window, text, prompt) for window, text in self._encoders]
        if len(outputs) == 1:
            return EncodedPrompt(outputs[0][0][0].cpu())
        hidden = torch.cat([output.hidden_states[-2][0] for output in outputs], dim=-1).cpu()
        pooled = outputs[-1][0][0].cpu()
        side = float(self._side)
        return EncodedPrompt(hidden, (pooled, torch.tensor([side, side, 0.0, 0.0, side, side], dtype=pooled.dtype)))

    def _output(self, window: Window, text: Any, prompt: str) -> Any:
        tokens = window.tokens(prompt, padding="max_length").to(next(text.parameters()).device)
        masked = len(self._encoders) == 1 and getattr(text.config, "use_attention_mask", False)  # as the pipelines do
        mask = tokens.attention_mask if masked else None
        return text(tokens.input_ids, attention_mask=mask, output_hidden_states=True)

    def _no_text(self) -> EncodedPrompt:
        empty = self.read("")
        pooled, sizes = empty.added
        return replace(empty, hidden=torch.zeros_like(empty.hidden), added=(torch.zeros_like(pooled), sizes))
