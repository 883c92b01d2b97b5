"""Latent diffusion on text (Rombach et al. 2022): the parts of any folder that loads as a StableDiffusionPipeline or
as a StableDiffusionXLPipeline (Podell et al. 2023), or as the inpainting pipeline of either.

A UNet with nine channels in was taught to fill holes (Rombach et al. 2022, section 4.5): a row tells it the mask and what lies
around it. Where a row says nothing of that, all of the picture is to be drawn.

The engine sees a `Denoiser` whose rows are conditioned on a `TextRow`: a prompt and, where a ControlNet (Zhang et al.
2023) steers the row, its steering. Rows with and without control share one UNet call.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from typing import Any
from weakref import WeakSet

import numpy as np
import torch
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from torch import Tensor, nn
from torch.nn.functional import interpolate

from lab.engine.attention import Word
from lab.engine.denoisers import recording
from lab.engine.lanes import Changing, out_of_memory
from lab.engine.process import VariancePreserving
from lab.models.attention import AttentionDenoiser
from lab.models.cache import first_line
from lab.models.compiled import Engines
from lab.models.decoding import Decoder, decoding_thread
from lab.models.parts import side_of, without_paths
from lab.models.prompts import EncodedPrompt, PromptReader, embed_scale
from lab.models.tensors import to_signed
from lab.requests.base import LabError
from lab.requests.fields import Condition, Forward
from lab.requests.sampling import ControlWindow


@dataclass(frozen=True, eq=False)
class Steering:
    """A ControlNet at work on one row."""

    control: "LoadedControl"
    hint: Tensor  # (channels, height, width): the control picture, encoded
    strengths: Tensor  # (down blocks + 1,) factors of the residuals, the middle block's last
    watch: Callable[[Tensor], None] | None = None  # called with the RMS of each residual, (down blocks + 1,)


@dataclass(frozen=True, eq=False)
class TextRow:
    """What one row of the UNet is conditioned on."""

    prompt: EncodedPrompt
    steering: tuple[Steering, ...] = ()
    around: Tensor | None = (
        None  # (1 + channels, height, width) of a UNet that fills holes: the mask, and the rest's latents
    )
    embedding: Tensor | None = None  # (values,) of a UNet that draws from a picture's embedding (unCLIP); None: zeros


@dataclass(frozen=True, eq=False)
class Hint:
    """A control of a run, ready for its lanes: the net, and the control picture encoded once."""

    control: "LoadedControl"
    encoded: Tensor


class ControlledPrompt(Changing):
    """A prompt under control: which ControlNets act in which call, and how strongly."""

    def __init__(self, row: TextRow, hints: Sequence[Hint], windows: Sequence[ControlWindow], guess: bool) -> None:
        self.row, self.prompt = row, row.prompt
        self.controls = [
            (hint, window, strengths_of(hint.control.blocks, window.strength, guess))
            for hint, window in zip(hints, windows, strict=True)
        ]
        self.rms: dict[int, list[np.ndarray]] = {}  # call -> the RMS of the residuals of each control

    def at(self, i: int, n: int) -> TextRow:
        """The ControlNets whose window holds call i of n, as diffusers' `controlnet_keep` has it."""
        self.rms[i] = [np.zeros(len(strengths), np.float32) for _, _, strengths in self.controls]
        steering = []
        for index, (hint, window, strengths) in enumerate(self.controls):
            if window.strength > 0 and i / n >= window.start and (i + 1) / n <= window.end:

                def watch(sizes: Tensor, i: int = i, index: int = index) -> None:
                    self.rms[i][index] = sizes.numpy()

                steering.append(Steering(hint.control, hint.encoded, strengths, watch))
        return replace(self.row, steering=tuple(steering))

    def residuals(self, calls: int) -> np.ndarray:
        """RMS of the residuals that were added, (controls, calls, blocks); 0 in calls that did not ask for this half."""
        sizes = np.zeros((len(self.controls), calls, len(self.controls[0][2])), np.float32)
        for i, rms in self.rms.items():
            sizes[:, i] = rms
        return sizes


def strengths_of(blocks: int, strength: float, guess: bool) -> Tensor:
    """Factors of the residuals, (blocks,); guess mode rises from a tenth to one (Zhang et al., section 3.5)."""
    return strength * (torch.logspace(-1, 0, blocks) if guess else torch.ones(blocks))


class Denoise(nn.Module):
    """The UNet as a function of tensors: x_t, t, the prompt's, the guidance scale's where it was distilled with one, the
    picture's embedding where it draws from one, then what ControlNets add, the middle block's last."""

    def __init__(self, unet: UNet2DConditionModel, added: int) -> None:
        super().__init__()
        self.unet, self.added = unet, added
        self.distilled = unet.config.time_cond_proj_dim is not None
        self.embeds = embedding_values(unet) > 0

    def forward(self, x: Tensor, t: Tensor, hidden: Tensor, *more: Tensor) -> Tensor:
        embedding = self.added + self.distilled
        residuals = more[embedding + self.embeds :]
        return self.unet(
            x,
            t,
            hidden,
            class_labels=more[embedding] if self.embeds else None,
            timestep_cond=more[self.added] if self.distilled else None,
            added_cond_kwargs=_by_name(more[: self.added]),
            down_block_additional_residuals=residuals[:-1] or None,
            mid_block_additional_residual=residuals[-1] if residuals else None,
        ).sample


def embedding_values(unet: UNet2DConditionModel) -> int:
    """How many values a UNet takes that draws from a picture's embedding; 0 for any other."""
    config = unet.config
    return config.projection_class_embeddings_input_dim if config.class_embed_type == "projection" else 0


@contextmanager
def refusing(what: str) -> Iterator[None]:
    """Makes of an error, memory aside, a LabError: `what` goes wrong, and the library's word for it."""
    try:
        yield
    except Exception as error:
        if isinstance(error, LabError) or out_of_memory(error):
            raise
        raise LabError(f"{what} ({without_paths(first_line(error))}).") from error


class Residuals(nn.Module):
    """A ControlNet as a function of tensors, with its hint encoded: (*down blocks, middle block)."""

    def __init__(self, net: ControlNetModel) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor, t: Tensor, hint: Tensor, hidden: Tensor, *added: Tensor) -> tuple[Tensor, ...]:
        down, middle = self.net(
            x, t, hidden, controlnet_cond=hint, added_cond_kwargs=_by_name(added), return_dict=False
        )
        return (*down, middle)


def _by_name(added: Sequence[Tensor]) -> dict[str, Tensor] | None:
    return {"text_embeds": added[0], "time_ids": added[1]} if added else None


class LatentDenoiser:
    """The UNet with its ControlNets as a `Denoiser`. Works on the device; what goes in and comes out is on the CPU."""

    def __init__(self, unet: UNet2DConditionModel, scheduler: Any, engines: Engines) -> None:
        self.unet, self._engines = unet, engines
        self._weight = next(
            unet.parameters()
        )  # says where all are; asking the UNet walks through its modules each time
        self.process = VariancePreserving(scheduler.alphas_cumprod)
        self.prediction_type: str = scheduler.config.prediction_type
        side = side_of(self.unet.config, "unet")
        self.shape = (self.unet.config.out_channels, side, side)
        self.fills = self.unet.config.in_channels > self.unet.config.out_channels
        width: int | None = unet.config.time_cond_proj_dim
        # The next call has mostly the same prompts.
        self._embeddings = lru_cache(maxsize=2)(partial(_embeddings, width))

    def __call__(self, x_t: Tensor, t: Tensor, conditioning: Sequence[TextRow]) -> Tensor:
        """Predict for rows x_t (rows, channels, height, width) at timesteps t (rows,)."""
        with torch.inference_mode(not recording(x_t)):
            x, t, embeddings, own = self._inputs(x_t, t, conditioning)
            residuals = self._residuals(x, t, embeddings, conditioning)
            inputs = (x, t, *embeddings, *own, *residuals)
            name = "denoiser under control" if residuals else "denoiser"
            engine = self._engines(name, lambda: Denoise(self.unet, len(embeddings) - 1), inputs)
            return engine(*inputs)[0].float().cpu()

    @torch.inference_mode()
    def by_torch(
        self, x_t: Tensor, t: Tensor, conditioning: Sequence[TextRow], unet: UNet2DConditionModel | None = None
    ) -> Tensor:
        """The prediction of rows of any side, by torch: what is compiled has one side. Without ControlNets; a `unet` may
        take the place of the model's own."""
        x, t, embeddings, own = self._inputs(x_t, t, conditioning)
        return Denoise(unet or self.unet, len(embeddings) - 1)(x, t, *embeddings, *own).float().cpu()

    @torch.inference_mode()
    def try_out(self, prompt: EncodedPrompt, control: "LoadedControl | None" = None, pixels: int = 8) -> Tensor:
        """The prediction for zeros, as few as the UNet takes, by torch alone; under `control` with a black map, whose
        sides are `pixels` times as long. Raises whatever goes wrong where the parts do not go together."""
        side = smallest_side(self.unet)
        zeros = torch.zeros(1, self.shape[0], side, side)
        x, t, embeddings, own = self._inputs(zeros, torch.tensor([len(self.process) - 1]), [TextRow(prompt)])
        residuals: tuple[Tensor, ...] = ()
        if control:
            hint = control.hint(np.zeros((1, 1, 3), np.uint8), side * pixels).encoded
            if hint.shape[1:] != x.shape[2:]:  # of a single value it would be spread over all
                raise ValueError(f"it makes {hint.shape[1]} values of {side * pixels} pixels, and the unet has {side}")
            residuals = Residuals(control.net)(x[:, : self.shape[0]], t, hint[None], *embeddings)
            blocks = 2 + sum(len(block.resnets) + len(block.downsamplers or ()) for block in self.unet.down_blocks)
            if len(residuals) != blocks:  # diffusers would leave some out
                raise ValueError(f"it steers {len(residuals)} blocks, and the unet has {blocks}")
        return Denoise(self.unet, len(embeddings) - 1)(x, t, *embeddings, *own, *residuals)

    def _inputs(
        self, x_t: Tensor, t: Tensor, conditioning: Sequence[TextRow]
    ) -> tuple[Tensor, Tensor, list[Tensor], list[Tensor]]:
        """Inputs of the UNet on the device: x_t, t, the prompts' embeddings and, where it takes them, the guidance scales' and
        the pictures'."""
        x = x_t.to(self._weight)
        if self.fills:
            around = [
                x[0].new_zeros(1 + len(x[0]), *x.shape[2:]) if row.around is None else row.around
                for row in conditioning
            ]
            x = torch.cat([x, torch.stack(around).to(x)], dim=1)
        embeddings, scales = self._embeddings(tuple(row.prompt for row in conditioning))
        embeddings, own = [part.to(x) for part in embeddings], [part.to(x) for part in scales]
        if values := embedding_values(self.unet):
            nothing = torch.zeros(values)
            rows = [nothing if row.embedding is None else row.embedding for row in conditioning]
            own += [torch.stack(rows).to(x)]
        return x, t.to(x.device), embeddings, own

    def _residuals(
        self, x: Tensor, t: Tensor, embeddings: list[Tensor], conditioning: Sequence[TextRow]
    ) -> list[Tensor]:
        """What the ControlNets add to the UNet's skips and to its middle; rows without control get zeros."""
        sums: list[Tensor] = []
        for control, places in rows_by_control(conditioning).items():
            rows = torch.tensor([row for row, _ in places], device=x.device)
            hints = torch.stack([one.hint for _, one in places])
            factors = torch.stack([one.strengths for _, one in places]).to(x)
            blocks = control.residuals(x[rows, : self.shape[0]], t[rows], hints, *(part[rows] for part in embeddings))
            scaled = [block * factors[:, k, None, None, None] for k, block in enumerate(blocks)]
            powers = [block.detach().float().square().mean(dim=(1, 2, 3)) for block in scaled]
            sizes = torch.stack([power.sqrt() for power in powers], dim=1).cpu()
            for (_, one), size in zip(places, sizes, strict=True):
                if one.watch:
                    one.watch(size)
            sums = sums or [block.new_zeros(len(x), *block.shape[1:]) for block in scaled]
            for total, block in zip(sums, scaled, strict=True):
                total.index_add_(0, rows, block)
        return sums


@torch.inference_mode(False)  # autograd may record what they go into
def _embeddings(width: int | None, prompts: tuple[EncodedPrompt, ...]) -> tuple[list[Tensor], list[Tensor]]:
    """What a UNet takes of prompts, one a row: their embeddings, and that of their guidance scales, `width` wide, where it was
    distilled with one."""
    texts = [torch.stack(parts) for parts in zip(*([one.hidden, *one.added] for one in prompts), strict=True)]
    return texts, [embed_scale(torch.tensor([one.scale for one in prompts]), width)] if width else []


def smallest_side(unet: Any) -> int:
    """The side of the smallest square that a UNet halves in all its levels."""
    return 2 ** (len(unet.config.block_out_channels) - 1)


def rows_by_control(conditioning: Sequence[TextRow]) -> dict["LoadedControl", list[tuple[int, Steering]]]:
    """The rows that each ControlNet acts on, so that it is called once for all of them."""
    steering_by_control: dict[LoadedControl, list[tuple[int, Steering]]] = {}
    for row, text_row in enumerate(conditioning):
        for one in text_row.steering:
            steering_by_control.setdefault(one.control, []).append((row, one))
    return steering_by_control


@dataclass(frozen=True)
class Parts:
    """What a Stable Diffusion folder holds."""

    unet: UNet2DConditionModel
    autoencoder: AutoencoderKL
    encoders: tuple[tuple[Any, Any], ...]  # pairs of tokenizer and text encoder: one, or SDXL's two
    scheduler: Any  # only its configuration and its forward process are used: schedulers hold state
    zeros: bool = False  # SDXL: no negative prompt is zeros
    tiny: Decoder | None = None  # of the same latents as the autoencoder

    def __post_init__(self) -> None:
        """Raises LabError where the UNet does not draw what the autoencoder decodes, from text, or from text, a mask and the
        latents of what lies around it."""
        unet, latent = self.unet.config, self.autoencoder.config.latent_channels
        if unet.out_channels != latent or unet.in_channels not in (latent, 2 * latent + 1):
            raise LabError(
                f"Its unet takes {unet.in_channels} channels and gives {unet.out_channels}, where its autoencoder has {latent}: "
                "it was made for another task than text to image or inpainting."
            )
        if self.tiny and self.tiny.network.config.latent_channels != latent:
            raise LabError(
                f"Its tiny decoder takes {self.tiny.network.config.latent_channels} channels, where its autoencoder has {latent}."
            )
        added = unet.get("addition_embed_type")
        if (len(self.encoders) > 1) != (added == "text_time"):
            raise LabError(
                f"The addition_embed_type of its unet is {added}, which does not go with {len(self.encoders)} text encoder"
                f"{'s' if len(self.encoders) > 1 else ''}: Stable Diffusion XL has two and 'text_time'."
            )

    @property
    def statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and deviation of the autoencoder's latents, (channels, 1, 1) or (1,): a UNet works on (z - mean) / deviation.

        As diffusers' pipelines read them: `scaling_factor`, and in Stable Diffusion XL `latents_mean` with `latents_std`.
        Raises LabError where the autoencoder's file names what its pipeline passes over.
        """
        config = self.autoencoder.config
        whole, inverse = len(self.encoders) > 1, 1 / config.scaling_factor
        mean, deviation = config.get("latents_mean"), config.get("latents_std")
        if config.get("shift_factor"):
            raise LabError("Its autoencoder names a shift_factor, which no Stable Diffusion pipeline reads.")
        if (mean is None) != (deviation is None) or (mean is not None and not whole):
            raise LabError(
                "Its autoencoder names latents_mean or latents_std, which only Stable Diffusion XL reads, and only both."
            )
        if mean is None or deviation is None:
            return torch.zeros(1), torch.full((1,), inverse)
        if {len(mean), len(deviation)} != {config.latent_channels}:
            raise LabError(
                f"Its autoencoder must name latents_mean and latents_std for {config.latent_channels} channels."
            )
        return torch.tensor(mean)[:, None, None], torch.tensor(deviation)[:, None, None] * inverse


class SplitControl(nn.Module):
    """A ControlNet and the encoder of its hints, apart, so that a hint is encoded once a run and not once a call.

    Its network is fed RGB pictures or, where its folder says so, BGR ones: `reverse` turns the channels of a picture,
    not of what the encoder makes of it. Raises LabError for a ControlNet whose residuals are pooled over the picture.
    """

    def __init__(self, net: ControlNetModel) -> None:
        super().__init__()
        order = net.config.controlnet_conditioning_channel_order
        if order not in ("rgb", "bgr"):
            raise LabError(f"Its controlnet_conditioning_channel_order is '{order}'; the lab knows rgb and bgr.")
        if net.config.global_pool_conditions:
            raise LabError(
                "It pools what it adds over the whole picture (global_pool_conditions), which the lab does not draw."
            )
        self.reverse = order == "bgr"
        net.register_to_config(controlnet_conditioning_channel_order="rgb")
        self.encoder, net.controlnet_cond_embedding = net.controlnet_cond_embedding, nn.Identity()
        self.net = net


class LoadedControl:
    """A ControlNet. Safe to share."""

    def __init__(self, split: SplitControl, engines: Engines) -> None:
        self.net, self.encoder, self._reverse, self._engines = split.net, split.encoder, split.reverse, engines
        self.blocks = len(self.net.controlnet_down_blocks) + 1

    @torch.inference_mode()
    def hint(self, picture: np.ndarray, side: int) -> Hint:
        """A control picture (height, width, 3) uint8, resized to the model's side and encoded."""
        pixels = to_signed(picture, (side, side)) / 2 + 0.5
        if self._reverse:
            pixels = pixels.flip(0)
        return Hint(self, self.encoder(pixels[None].to(next(self.encoder.parameters())))[0])

    def residuals(self, x: Tensor, t: Tensor, hints: Tensor, *embeddings: Tensor) -> tuple[Tensor, ...]:
        """What it adds to the UNet's skips and its middle, for rows x_t at timesteps t with a prompt's `embeddings`."""
        inputs = (x, t, hints, *embeddings)
        return self._engines("control", lambda: Residuals(self.net), inputs)(*inputs)


@dataclass(frozen=True)
class ExampleLatents:
    """Of the latents of `count` example pictures, over all places of all of them: `to_rgb` (3, channels + 1), least squares from latents,
    and a one, to pixels in [-1, 1]; `mean` (channels,) and `covariance` (channels, channels)."""

    to_rgb: Tensor
    mean: Tensor
    covariance: Tensor
    count: int


class LoadedStableDiffusion:
    """A text-to-image latent diffusion model. `examples` (n, height, width, 3) are pictures to fit the preview on.

    Its parts may be moved while nobody leases it; what it remembers stays on the CPU. Safe to share. Raises LabError
    where the parts' files say that they do not go together; `try_out` finds what no file says.
    """

    latent = True

    def __init__(
        self, parts: Parts, engines: Engines, examples: np.ndarray, styled: bool = False, title: str = ""
    ) -> None:
        self.title = title
        self.autoencoder, self.encoders, self.tiny = parts.autoencoder, parts.encoders, parts.tiny
        self._mean, self._deviation = parts.statistics
        self._tried, self._fitting = (
            False,
            WeakSet[LoadedControl](),
        )  # the parts alone, and ControlNets that go with them
        self.styled = styled
        self._weight = next(parts.autoencoder.parameters())  # says where all are
        self._decoder = Decoder(parts.autoencoder, engines, "decoder", self._mean, self._deviation)
        self._denoiser = LatentDenoiser(parts.unet, parts.scheduler, engines)
        self.shape, self.fills = self._denoiser.shape, self._denoiser.fills
        self.distilled = parts.unet.config.time_cond_proj_dim is not None
        self.side = self.shape[1] * 2 ** (len(parts.autoencoder.config.block_out_channels) - 1)
        self._examples = examples
        self.prompts = PromptReader(parts.encoders, self.side, parts.zeros)

    def denoiser(self, forward: Forward) -> LatentDenoiser:
        try:
            self.try_out()  # on an accelerator, where the parts are by now
        except LabError as error:
            raise LabError(f"The model '{self.title}' cannot be used: {error}") from error
        return self._denoiser

    def conditioning(self, condition: Condition) -> TextRow:
        return self._row(self.prompts.read(self._text(condition)))

    def attention(self, forward: Forward) -> AttentionDenoiser:
        """The denoiser whose attention to words can be seen and edited; one of its own for each run."""
        return AttentionDenoiser(self.denoiser(forward))

    def words(self, condition: Condition) -> list[Word]:
        """The words of a prompt as they are read, with their tokens; see `PromptReader.words`."""
        return self.prompts.words(self._text(condition))

    def _text(self, condition: Condition) -> str:
        """The prompt with its ending."""
        ending = self._ending(condition)
        return self.prompts.with_ending(condition.prompt, ending) if ending else condition.prompt

    def unconditional(self, negative: str = "") -> TextRow:
        return self._row(self.prompts.negative(negative))

    def _row(self, prompt: EncodedPrompt) -> TextRow:
        return TextRow(prompt, around=self._nothing if self.fills else None)

    def around(self, picture: np.ndarray, hole: np.ndarray) -> Tensor:
        """What a UNet that fills holes is told of a picture (height, width, 3) uint8, of any size, and its hole (side, side) bool,
        at the model's side: the mask, then the latents of the picture with the hole in grey, (1 + channels, height, width) at the
        latents' side, as StableDiffusionInpaintPipeline hands them over, but for the latents' mean where it draws a sample."""
        mask = torch.from_numpy(hole).float()[None]
        latents = self.from_values(to_signed(picture, (self.side, self.side)) * (1 - mask))
        return torch.cat([interpolate(mask[None], latents.shape[1:])[0], latents])

    @cached_property
    def _nothing(self) -> Tensor:
        """What it is told where all of the picture is to be drawn."""
        return self.around(np.zeros((1, 1, 3), np.uint8), np.ones((self.side, self.side), bool))

    def unread(self, condition: Condition, negative: str = "") -> list[str]:
        ending = self._ending(condition)
        notes = [f"The prompt is too long: {part}." for part in self.prompts.unread(condition.prompt, ending)]
        notes += [f"The negative prompt is too long: {part}." for part in self.prompts.unread(negative)]
        return notes

    def _ending(self, condition: Condition) -> str:
        """What is written behind the prompt: the style, where the model knows styles."""
        return f", {condition.style} style" if self.styled and condition.style else ""

    def try_out(self) -> None:
        """One prompt, one denoiser call on zeros and one trip through the autoencoder, the first time that it is asked.
        Raises LabError where that cannot be done."""
        if not self._tried:
            decoding_thread().submit(self._trial).result()
            self._tried = True

    def try_control(self, control: LoadedControl) -> None:
        """One denoiser call under a ControlNet, the first time that it is asked. Raises LabError where it does not fit."""
        if control not in self._fitting:
            with refusing("It was made for another base model"):
                prompt = self.prompts.read("")
                trial = partial(self._denoiser.try_out, prompt, control, self.side // self.shape[1])
                decoding_thread().submit(trial).result()
            self._fitting.add(control)

    @torch.inference_mode()
    def _trial(self) -> None:
        with refusing("Its text encoder cannot read a prompt"):
            prompt = self.prompts.read("")
        with refusing("Its unet cannot be called with its prompts"):
            prediction = self._denoiser.try_out(prompt)
        with refusing("Its autoencoder cannot decode and encode"):
            small = torch.zeros_like(prediction).to(self._weight)
            picture = self.autoencoder.decode(small).sample
            latents = self.autoencoder.encode(picture).latent_dist.mean
            side = small.shape[2] * self.side // self.shape[1]
            if picture.shape[1:] != (3, side, side) or latents.shape != small.shape:
                raise ValueError(f"latents {tuple(small.shape[1:])} become a picture {tuple(picture.shape[1:])}")
        tried = [("text encoder", prompt.hidden), ("unet", prediction), ("autoencoder", picture)]
        if self.tiny:
            with refusing("Its tiny decoder cannot decode"):
                tiny = self.tiny.try_out(small[0])
                if tiny.shape != picture.shape[1:]:
                    raise ValueError(f"latents {tuple(small.shape[1:])} become a picture {tuple(tiny.shape)}")
            tried.append(("tiny decoder", tiny))
        for part, values in tried:
            if not values.isfinite().all():
                raise LabError(f"Its {part} gives values that are not finite: its weights are damaged.")

    def knowing(self, x_0: Tensor, conditioning: TextRow | None = None) -> TextRow:
        return self.unconditional() if conditioning is None else conditioning

    def to_values(self, x_0: Tensor) -> Tensor:
        return self._decoder.to_values(x_0)

    def to_picture(self, x_0: Tensor) -> np.ndarray:
        return self._decoder.to_picture(x_0)

    def preview(self, x: Tensor) -> np.ndarray:
        """A linear map from latents to RGB: a thousandth of a decode, at the latents' own resolution."""
        channels, height, width = x.shape
        to_rgb, zero = self._preview  # in NumPy, whose calls cost a fraction of torch's
        rgb = (x.numpy().reshape(channels, -1).T @ to_rgb + zero).clip(0, 255)
        return rgb.round().astype(np.uint8).reshape(height, width, 3)

    @cached_property
    def _preview(self) -> tuple[np.ndarray, np.ndarray]:
        """The linear map from latents to RGB, (channels, 3), and what RGB is without any, (3,), from 0 to 255."""
        to_rgb = self.example_latents.to_rgb.numpy().T * np.float32(127.5)
        return np.ascontiguousarray(to_rgb[:-1]), to_rgb[-1] + np.float32(127.5)

    def from_picture(self, picture: np.ndarray) -> Tensor:
        return self.from_values(to_signed(picture, (self.side, self.side)))

    def from_values(self, values: Tensor) -> Tensor:
        """The latents of a picture (3, side, side) in [-1, 1]: the way back of `to_values`."""
        return self.posterior(values)[0]

    @torch.inference_mode()
    def posterior(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviations of q(z | x) of a picture (3, side, side) in [-1, 1] (Kingma & Welling 2013), each (channels, height,
        width), in the units of latents as the UNet sees them."""
        posterior = self.autoencoder.encode(values[None].to(self._weight)).latent_dist
        mean, deviation = posterior.mean[0].float().cpu(), posterior.std[0].float().cpu()
        return (mean - self._mean) / self._deviation, deviation / self._deviation

    def nearest(self, x_0: Tensor) -> None:
        return None

    @cached_property
    def example_latents(self) -> ExampleLatents:
        """What the latents of the examples say: the linear map to their pixels, their mean, and how channels vary together."""
        whole = min(self.side, self._examples.shape[1])  # enlarged they say no more, and cost a large model minutes
        side = whole * self.shape[1] // self.side
        values = [to_signed(picture, (whole, whole)) for picture in self._examples]
        latents = torch.stack([self.from_values(one) for one in values]).transpose(0, 1).flatten(1)
        small = torch.stack([to_signed(picture, (side, side)) for picture in self._examples])
        pixels = small.transpose(0, 1).flatten(1)
        design = torch.cat([latents, torch.ones(1, latents.shape[1])])
        to_rgb = torch.linalg.lstsq(design.T, pixels.T).solution.T
        return ExampleLatents(to_rgb, latents.mean(dim=1), torch.cov(latents, correction=0), len(self._examples))
