"""Latent diffusion of a given size with random weights, as diffusers' folders: time and memory do not ask what was learned."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    ControlNetModel,
    DDIMScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from lab.settings import ASSETS


@dataclass(frozen=True)
class Size:
    """What a Stable Diffusion is made of: one text encoder, or XL's two."""

    title: str
    side: int  # of its pictures, in pixels
    unet: Mapping[str, Any]
    autoencoder: tuple[int, ...]  # channels by level
    encoders: tuple[Mapping[str, int], ...]


CLIP_L = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
CLIP_G = {
    "hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_attention_heads": 20,
    "projection_dim": 1280,
}  # fmt: skip
CLIP_H = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 23, "num_attention_heads": 16}
STABLE_DIFFUSION = Size(
    "Stable Diffusion 1.5's size",
    side=512,
    unet={"cross_attention_dim": 768, "attention_head_dim": 8},
    autoencoder=(128, 256, 512, 512),
    encoders=(CLIP_L,),
)
TURBO = Size(
    "SD-Turbo's size",
    side=512,
    unet={"cross_attention_dim": 1024, "attention_head_dim": (5, 10, 20, 20), "use_linear_projection": True},
    autoencoder=(128, 256, 512, 512),
    encoders=(CLIP_H,),
)
XL = Size(
    "Stable Diffusion XL's size",
    side=1024,
    unet={
        "block_out_channels": (320, 640, 1280),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "transformer_layers_per_block": (1, 2, 10), "attention_head_dim": (5, 10, 20), "cross_attention_dim": 2048,
        "use_linear_projection": True, "addition_embed_type": "text_time", "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 1280 + 6 * 256,
    },
    autoencoder=(128, 256, 512, 512),
    encoders=(CLIP_L, CLIP_G),
)  # fmt: skip


def write(folder: Path, size: Size, device: torch.device) -> Any:
    """Write a pipeline of this size into a folder, in bfloat16, and return it; weights are drawn on `device`. The tokenizer is
    the shipped one."""
    tokenizer = CLIPTokenizer.from_pretrained(ASSETS / "models" / "clip" / "tokenizer")
    levels = len(size.autoencoder)
    ids = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    with device:
        unet = UNet2DConditionModel(sample_size=size.side // 2 ** (levels - 1), **size.unet).to(torch.bfloat16)
        autoencoder = AutoencoderKL(
            block_out_channels=size.autoencoder, layers_per_block=2, latent_channels=4, sample_size=size.side,
            norm_num_groups=min(32, *size.autoencoder), down_block_types=("DownEncoderBlock2D",) * levels,
            up_block_types=("UpDecoderBlock2D",) * levels,
        )  # fmt: skip
        encoders = [
            kind(
                CLIPTextConfig(
                    vocab_size=len(tokenizer), max_position_embeddings=tokenizer.model_max_length, **ids, **config
                )
            )
            for kind, config in zip((CLIPTextModel, CLIPTextModelWithProjection), size.encoders)
        ]
    scheduler = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False,
        steps_offset=1,
    )  # fmt: skip
    if len(encoders) == 2:
        pipeline = StableDiffusionXLPipeline(autoencoder, *encoders, tokenizer, tokenizer, unet, scheduler)
    else:
        pipeline = StableDiffusionPipeline(
            autoencoder, *encoders, tokenizer, unet, scheduler, None, None, requires_safety_checker=False
        )
    pipeline.to(torch.bfloat16).save_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def write_control(folder: Path, base: Path, device: torch.device) -> None:
    """Write a ControlNet of the size of a written pipeline's UNet."""
    config = UNet2DConditionModel.load_config(base / "unet")
    with device:
        net = ControlNetModel.from_unet(UNet2DConditionModel.from_config(config), load_weights_from_unet=False)
    net.to(torch.bfloat16).save_pretrained(folder)


def write_inpainting(folder: Path, base: Path, device: torch.device) -> None:
    """Write what fills holes beside a written pipeline: a UNet of its own, and all other parts the pipeline's."""
    config = UNet2DConditionModel.load_config(base / "unet")
    with device:
        unet = UNet2DConditionModel.from_config({**config, "in_channels": 2 * config["in_channels"] + 1})
    unet.to(torch.bfloat16).save_pretrained(folder / "unet")
    for part in base.iterdir():
        if part.is_dir() and part.name != "unet":
            (folder / part.name).symlink_to(part)
    index = json.loads((base / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | {"_class_name": "StableDiffusionInpaintPipeline"}))
