"""Latent diffusion on text (Rombach et al. 2022): the parts of any folder that loads as a StableDiffusionPipeline.

The engine sees a `Denoiser` whose rows are conditioned on a `TextRow`: the hidden states of a prompt and, where a
ControlNet (Zhang et al. 2023) steers the row, its signals. Rows with and without control share one UNet call.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from lab.capsule import Condition, Forward, Hold
from lab.engine.lanes import Changing
from lab.models.tensors import to_signed, to_uint8

CACHED_PROMPTS = 256


@dataclass(frozen=True, eq=False)
class Signal:
    """A ControlNet at work on one row."""

    net: ControlNetModel
    hint: Tensor  # (channels, height, width): the control picture, encoded
    strengths: Tensor  # (down blocks + 1,) factors of the residuals, the middle block's last
    watch: Callable[[Tensor], None] | None = None  # told the RMS of each residual, (down blocks + 1,)


@dataclass(frozen=True, eq=False)
class TextRow:
    """What one row of the UNet is conditioned on."""

    hidden: Tensor  # (tokens, width)
    signals: tuple[Signal, ...] = ()


@dataclass(frozen=True, eq=False)
class Hint:
    """A control of a run, ready for its lanes: the net, and the control picture encoded once."""

    net: ControlNetModel
    encoded: Tensor


class Controlled(Changing):
    """A prompt under control: which ControlNets act in which call, and how strongly."""

    def __init__(self, hidden: Tensor, hints: Sequence[Hint], holds: Sequence[Hold], guess: bool) -> None:
        self.hidden = hidden
        self.controls = [
            (hint, hold, strengths_of(hint.net, hold.strength, guess)) for hint, hold in zip(hints, holds, strict=True)
        ]
        self.seen: dict[int, list[np.ndarray]] = {}  # call -> the RMS of the residuals of each control

    def at(self, i: int, n: int) -> TextRow:
        """The signals whose window holds call i of n, as diffusers' `controlnet_keep` has it."""
        self.seen[i] = [np.zeros(len(strengths), np.float32) for _, _, strengths in self.controls]
        signals = []
        for index, (hint, hold, strengths) in enumerate(self.controls):
            if hold.strength > 0 and i / n >= hold.start and (i + 1) / n <= hold.end:

                def watch(sizes: Tensor, i: int = i, index: int = index) -> None:
                    self.seen[i][index] = sizes.numpy()

                signals.append(Signal(hint.net, hint.encoded, strengths, watch))
        return TextRow(self.hidden, tuple(signals))

    def residuals(self, calls: int) -> np.ndarray:
        """RMS of the residuals that were added, (controls, calls, blocks); 0 in calls that did not ask for this half."""
        sizes = np.zeros((len(self.controls), calls, len(self.controls[0][2])), np.float32)
        for i, seen in self.seen.items():
            sizes[:, i] = seen
        return sizes


def strengths_of(net: ControlNetModel, strength: float, guess: bool) -> Tensor:
    """Factors of the residuals, (down blocks + 1,); guess mode rises from a tenth to one (Zhang et al., section 3.5)."""
    blocks = len(net.controlnet_down_blocks) + 1
    return strength * (torch.logspace(-1, 0, blocks) if guess else torch.ones(blocks))


class LatentDenoiser:
    """The UNet with its ControlNets as a `Denoiser`. Works on the device; what goes in and comes out is on the CPU."""

    def __init__(self, unet: UNet2DConditionModel, scheduler: Any) -> None:
        self.unet = unet
        self.alphas_cumprod: Tensor = scheduler.alphas_cumprod
        self.prediction_type: str = scheduler.config.prediction_type
        side = self.unet.config.sample_size
        self.shape = (self.unet.config.in_channels, side, side)

    @torch.inference_mode()
    def __call__(self, x_t: Tensor, t: Tensor, conditioning: Sequence[TextRow]) -> Tensor:
        """Predict for rows x_t (rows, channels, height, width) at timesteps t (rows,)."""
        x = x_t.to(self.unet.device, self.unet.dtype)
        t = t.to(self.unet.device)
        hidden = torch.stack([row.hidden for row in conditioning]).to(x.device)
        down, middle = self._residuals(x, t, hidden, conditioning)
        prediction = self.unet(
            x, t, hidden, down_block_additional_residuals=down, mid_block_additional_residual=middle
        ).sample
        return prediction.float().cpu()

    def _residuals(
        self, x: Tensor, t: Tensor, hidden: Tensor, conditioning: Sequence[TextRow]
    ) -> tuple[list[Tensor] | None, Tensor | None]:
        """What the ControlNets add to the UNet's skips and to its middle; rows without control get zeros."""
        sums: list[Tensor] = []
        for net, places in signals_by_net(conditioning).items():
            rows = torch.tensor([row for row, _ in places], device=x.device)
            hints = torch.stack([signal.hint for _, signal in places])
            down, middle = net(x[rows], t[rows], hidden[rows], controlnet_cond=hints, return_dict=False)
            factors = torch.stack([signal.strengths for _, signal in places]).to(x)
            scaled = [block * factors[:, k, None, None, None] for k, block in enumerate([*down, middle])]
            sizes = torch.stack([block.float().square().mean(dim=(1, 2, 3)).sqrt() for block in scaled], dim=1).cpu()
            for (_, signal), size in zip(places, sizes, strict=True):
                if signal.watch:
                    signal.watch(size)
            sums = sums or [block.new_zeros(len(x), *block.shape[1:]) for block in scaled]
            for total, block in zip(sums, scaled, strict=True):
                total.index_add_(0, rows, block)
        return (sums[:-1], sums[-1]) if sums else (None, None)


def signals_by_net(conditioning: Sequence[TextRow]) -> dict[ControlNetModel, list[tuple[int, Signal]]]:
    """The rows that each ControlNet acts on, so that it is called once for all of them."""
    found: dict[ControlNetModel, list[tuple[int, Signal]]] = {}
    for row, conditioned in enumerate(conditioning):
        for signal in conditioned.signals:
            found.setdefault(signal.net, []).append((row, signal))
    return found


@dataclass(frozen=True)
class Parts:
    """What a Stable Diffusion folder holds."""

    unet: UNet2DConditionModel
    autoencoder: AutoencoderKL
    text: CLIPTextModel
    tokenizer: CLIPTokenizer
    scheduler: Any  # only its configuration and its forward process are used: schedulers hold state


class LoadedControl(nn.Module):
    """A ControlNet and the encoder of its hints, apart, so that a hint is encoded once a run and not once a call."""

    def __init__(self, net: ControlNetModel) -> None:
        super().__init__()
        self.encoder, net.controlnet_cond_embedding = net.controlnet_cond_embedding, nn.Identity()
        self.net = net

    @torch.inference_mode()
    def hint(self, picture: np.ndarray, side: int) -> Hint:
        """A control picture (height, width, 3) uint8, resized to the model's side and encoded."""
        pixels = to_signed(picture, (side, side)) / 2 + 0.5
        return Hint(self.net, self.encoder(pixels[None].to(self.net.device, self.net.dtype))[0])


class LoadedStableDiffusion:
    """A text-to-image latent diffusion model. `examples` (n, height, width, 3) are pictures to fit the preview on.

    Its parts may be moved while nobody leases it; what it remembers stays on the CPU. Safe to share.
    """

    latent = True

    def __init__(self, parts: Parts, examples: np.ndarray, styled: bool = False) -> None:
        self.autoencoder, self.text, self.tokenizer, self.styled = (
            parts.autoencoder,
            parts.text,
            parts.tokenizer,
            styled,
        )
        self._denoiser = LatentDenoiser(parts.unet, parts.scheduler)
        self.shape = self._denoiser.shape
        self.side = self.shape[1] * 2 ** (len(parts.autoencoder.config.block_out_channels) - 1)
        self._examples = examples
        self._hidden = lru_cache(maxsize=CACHED_PROMPTS)(self._encode)

    def denoiser(self, forward: Forward) -> LatentDenoiser:
        return self._denoiser

    def conditioning(self, condition: Condition) -> TextRow:
        prompt = condition.prompt.strip()
        if self.styled and condition.style:
            prompt = f"{prompt}, {condition.style} style".removeprefix(", ")
        return TextRow(self._hidden(prompt))

    def unconditional(self, negative: str = "") -> TextRow:
        return TextRow(self._hidden(negative.strip()))

    @torch.inference_mode()
    def to_picture(self, x_0: Tensor) -> np.ndarray:
        config = self.autoencoder.config
        latents = x_0[None].to(self.autoencoder.device, self.autoencoder.dtype) / config.scaling_factor
        return to_uint8(self.autoencoder.decode(latents + (config.get("shift_factor") or 0)).sample[0])

    def preview(self, x: Tensor) -> np.ndarray:
        """A linear map from latents to RGB: a thousandth of a decode, at the latents' own resolution."""
        channels, height, width = x.shape
        flat = torch.cat([x.reshape(channels, -1), torch.ones(1, height * width)])
        return to_uint8((self._to_rgb @ flat).reshape(3, height, width))

    @torch.inference_mode()
    def from_picture(self, picture: np.ndarray) -> Tensor:
        config = self.autoencoder.config
        pixels = to_signed(picture, (self.side, self.side)).to(self.autoencoder.device, self.autoencoder.dtype)
        latents = self.autoencoder.encode(pixels[None]).latent_dist.mean[0].float().cpu()
        return (latents - (config.get("shift_factor") or 0)) * config.scaling_factor

    def nearest(self, x_0: Tensor) -> None:
        return None

    @torch.inference_mode()
    def _encode(self, prompt: str) -> Tensor:
        """The hidden states of a prompt, (tokens, width)."""
        tokens = self.tokenizer(
            prompt,
            padding="max_length",
            max_length=self.tokenizer.model_max_length,
            truncation=True,
            return_tensors="pt",
        ).input_ids
        return self.text(tokens.to(self.text.device))[0][0].cpu()

    @cached_property
    def _to_rgb(self) -> Tensor:
        """Least squares from the latents of the examples, and a one, to their pixels: (3, channels + 1)."""
        side = self.shape[1:]
        latents = torch.stack([self.from_picture(picture) for picture in self._examples]).transpose(0, 1).flatten(1)
        pixels = torch.stack([to_signed(picture, side) for picture in self._examples]).transpose(0, 1).flatten(1)
        known = torch.cat([latents, torch.ones(1, latents.shape[1])])
        return torch.linalg.lstsq(known.T, pixels.T).solution.T
