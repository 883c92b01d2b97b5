"""Pictures from latents: the thread that decodes, a decoder as a function of tensors, and a tiny one (TAESD, Boer Bohan 2023,
https://github.com/madebyollin/taesd), which was distilled from a full decoder and costs a fraction of it.

The miniatures have no tiny one: on one thread their own decoder takes 2.8 ms a picture, one built as TAESD is 9.5 ms, with half its channels
2.4 ms, with a quarter of them 0.6 ms (tests/benchmarks/tiny_decoder.py). The last would save 2 ms of a guided picture's 140.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import lru_cache

import numpy as np
import torch
from diffusers import AutoencoderKL, AutoencoderTiny
from torch import Tensor, nn

from lab.models.compiled import Engines
from lab.models.tensors import to_uint8


class Decode(nn.Module):
    """A decoder as a function of tensors."""

    def __init__(self, autoencoder: AutoencoderKL | AutoencoderTiny) -> None:
        super().__init__()
        self.autoencoder = autoencoder

    def forward(self, latents: Tensor) -> Tensor:
        return self.autoencoder.decode(latents).sample


def decoding_thread() -> ThreadPoolExecutor:
    """The one thread of this process that decodes: on a CPU torch keeps scratch for every thread that ever did, 3.5 MB with
    the miniature, and requests come on a hundred. A process that was forked has none of its parent's threads."""
    return _thread_of(os.getpid())


@lru_cache(maxsize=1)
def _thread_of(process: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "lab-decode")


class Decoder:
    """Makes pictures of x_0 as a UNet draws it: the second half of an autoencoder, or a tiny network in its place. Its network may be
    moved while nobody leases it. Safe to share.

    Its latents are x_0 * `deviation` + `mean`, numbers or one a channel (channels, 1, 1). `name` is that of its compiled network.
    """

    def __init__(
        self,
        network: AutoencoderKL | AutoencoderTiny,
        engines: Engines,
        name: str,
        mean: Tensor | float,
        deviation: Tensor | float,
    ) -> None:
        self.network, self._engines, self._name = network, engines, name
        self._mean, self._deviation = mean, deviation
        self._weight = next(network.parameters())  # says where it is

    def to_values(self, x_0: Tensor) -> Tensor:
        """One x_0 (channels, height, width) as a picture before it is clipped to [-1, 1]: (3, height, width) on the CPU."""
        return decoding_thread().submit(copy_context().run, self._decoded, x_0).result()

    def to_picture(self, x_0: Tensor) -> np.ndarray:
        """(height, width, 3) uint8 of one x_0."""
        return to_uint8(self.to_values(x_0))

    @torch.inference_mode()
    def try_out(self, x_0: Tensor) -> Tensor:
        """As `to_values`, of an x_0 of any side, by torch alone and in this thread."""
        return Decode(self.network)(self._latents(x_0))[0]

    @torch.inference_mode()
    def _decoded(self, x_0: Tensor) -> Tensor:
        latents = self._latents(x_0)
        decode = self._engines(self._name, lambda: Decode(self.network), [latents], buckets=(1,))
        return decode(latents)[0][0].float().cpu()

    def _latents(self, x_0: Tensor) -> Tensor:
        """What diffusers' pipelines hand to it, (1, channels, height, width)."""
        return (x_0 * self._deviation + self._mean)[None].to(self._weight)


def tiny_decoder(network: AutoencoderTiny, engines: Engines) -> Decoder:
    """A tiny decoder of the latents that its file scales (TAESD's are as the UNet draws them)."""
    return Decoder(network, engines, "tiny decoder", 0.0, 1 / network.config.scaling_factor)
