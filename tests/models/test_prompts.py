"""Prompts that many visitors type at once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

from lab.models.parts import read_tokenizer
from lab.models.prompts import Window
from lab.settings import ASSETS

PROMPTS = ("cat face", "", "red heart on a green background, flat style", "a person who jumps " * 12)
TEXT = SimpleNamespace(config=SimpleNamespace(vocab_size=10**6, max_position_embeddings=77))


class Watched:
    """A tokenizer that knows how many threads are in it at once."""

    def __init__(self, tokenizer):
        self._tokenizer, self._lock = tokenizer, threading.Lock()
        self.inside = self.most = 0

    def __getattr__(self, name):
        return getattr(self._tokenizer, name)

    def __call__(self, *texts, **options):
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        try:
            return self._tokenizer(*texts, **options)
        finally:
            with self._lock:
                self.inside -= 1


def test_prompts_read_at_once_are_what_they_are_alone():
    """A fast tokenizer keeps the padding of the call under way in itself: between two threads a prompt of four tokens was
    read as four and not as the encoder's 32, and kept so."""
    tokenizer = Watched(read_tokenizer(ASSETS / "models" / "text-to-image" / "tokenizer"))
    window = Window(tokenizer, TEXT)

    def read(prompt):
        ids = window.tokens(prompt, padding="max_length").input_ids
        return ids.tolist(), window.read(prompt), window.read(prompt, ", flat style")

    alone = {prompt: read(prompt) for prompt in PROMPTS}
    assert {len(ids[0]) for ids, *_ in alone.values()} == {window.limit}
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda i: (i, read(PROMPTS[i % 4])), range(2000)))
    assert all(what == alone[PROMPTS[i % 4]] for i, what in together)
    assert tokenizer.most == 1
