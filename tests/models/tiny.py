"""Random networks of the shipped families, small enough to be made for a test; written as diffusers folders."""

import json

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderTiny,
    ControlNetModel,
    DDIMScheduler,
    DDPMScheduler,
    PriorTransformer,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    StableUnCLIPPipeline,
    UnCLIPPipeline,
    UnCLIPScheduler,
    UNet2DConditionModel,
    UNet2DModel,
)
from diffusers.pipelines.deprecated.unclip.text_proj import UnCLIPTextProjModel
from diffusers.pipelines.stable_diffusion import StableUnCLIPImageNormalizer
from transformers import (
    CLIPImageProcessor,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

from lab.models.unclip import EmbeddingContext
from lab.settings import ASSETS

SIDE, LATENT = 32, 8  # pixels and latents
TOKENIZER = ASSETS / "models" / "clip" / "tokenizer"
UNET = {
    "in_channels": 4, "block_out_channels": (16, 32), "layers_per_block": 1,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"), "cross_attention_dim": 32, "attention_head_dim": 2,
    "norm_num_groups": 8,
}  # fmt: skip


def unet(**config):
    """The UNet of the pipelines here, with what a test changes of its configuration."""
    up = ("CrossAttnUpBlock2D", "UpBlock2D")
    return UNet2DConditionModel(**{**UNET, "sample_size": LATENT, "out_channels": 4, "up_block_types": up, **config})


def text_to_image(folder, prediction_type="epsilon", **config):
    """A Stable Diffusion pipeline, as the hub has it: its own DDIM settings differ from the lab's row."""
    torch.manual_seed(0)
    net = unet(**config)
    autoencoder = AutoencoderKL(
        block_out_channels=(8, 16, 16), layers_per_block=1, latent_channels=4, norm_num_groups=4, sample_size=SIDE,
        down_block_types=("DownEncoderBlock2D",) * 3, up_block_types=("UpDecoderBlock2D",) * 3, scaling_factor=0.7,
    )  # fmt: skip
    tokenizer = CLIPTokenizer.from_pretrained(TOKENIZER)
    text_encoder = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2,
            max_position_embeddings=tokenizer.model_max_length, projection_dim=32, bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
        )
    )  # fmt: skip
    for block in (net.down_blocks[1], net.mid_block, net.up_blocks[0]):
        enlarge(block.attentions[0].transformer_blocks[0].attn2.to_v, 3)  # what is read from the prompt
    enlarge(net.conv_out, 0.5)
    scheduler = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False,
        steps_offset=1, prediction_type=prediction_type,
    )  # fmt: skip
    StableDiffusionPipeline(
        autoencoder, text_encoder, tokenizer, net, scheduler, safety_checker=None, feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)  # fmt: skip
    return folder


def decoder(folder, latent_channels=4, levels=3):
    """A tiny decoder of the pipelines here, as TAESD is built."""
    torch.manual_seed(8)
    widths = (8,) * levels
    AutoencoderTiny(
        encoder_block_out_channels=widths, decoder_block_out_channels=widths, num_encoder_blocks=(1,) * levels,
        num_decoder_blocks=(1,) * levels, latent_channels=latent_channels,
    ).save_pretrained(folder)  # fmt: skip
    return folder


XL = {
    "cross_attention_dim": 48, "addition_embed_type": "text_time", "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 24 + 6 * 8,
}  # fmt: skip


def xl(folder):
    """A Stable Diffusion XL pipeline: two text encoders, pooled text and sizes."""
    torch.manual_seed(3)
    plain = StableDiffusionPipeline.from_pretrained(text_to_image(folder / "plain"))
    net = unet(**XL)
    tokenizer = plain.tokenizer
    config = {
        "vocab_size": len(tokenizer), "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
        "max_position_embeddings": tokenizer.model_max_length, "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id,
    }  # fmt: skip
    StableDiffusionXLPipeline(
        plain.vae, CLIPTextModel(CLIPTextConfig(**config, hidden_size=32)),
        CLIPTextModelWithProjection(CLIPTextConfig(**config, hidden_size=16, projection_dim=24)), tokenizer, tokenizer,
        net, plain.scheduler,
    ).save_pretrained(folder / "xl")  # fmt: skip
    return folder / "xl"


WIDTH = 16  # of the CLIP's embeddings


def unclip(folder, prediction_type="epsilon", context=False):
    """A StableUnCLIP pipeline with the image encoder beside it, whose prior predicts the embedding itself; with `context` what
    makes tokens of an embedding, too."""
    plain = StableDiffusionPipeline.from_pretrained(text_to_image(folder / "plain", prediction_type))
    tokenizer = plain.tokenizer
    torch.manual_seed(5)
    net = unet(class_embed_type="projection", projection_class_embeddings_input_dim=2 * WIDTH)
    enlarge(net.class_embedding.linear_2, 3)
    enlarge(net.conv_out, 0.5)
    text = clip_text(tokenizer)
    prior = PriorTransformer(
        num_attention_heads=2, attention_head_dim=8, num_layers=2, embedding_dim=WIDTH,
        num_embeddings=tokenizer.model_max_length,
    )  # fmt: skip
    normalizer = StableUnCLIPImageNormalizer(WIDTH)
    for mean, deviation in ((prior.clip_mean, prior.clip_std), (normalizer.mean, normalizer.std)):
        mean.data, deviation.data = torch.randn(1, WIDTH), torch.rand(1, WIDTH) + 0.5
    cosine = {"beta_schedule": "squaredcos_cap_v2"}
    StableUnCLIPPipeline(
        prior_tokenizer=tokenizer, prior_text_encoder=text, prior=prior,
        prior_scheduler=DDIMScheduler(**cosine, prediction_type="sample", clip_sample=False),
        image_normalizer=normalizer, image_noising_scheduler=DDPMScheduler(**cosine), tokenizer=tokenizer,
        text_encoder=plain.text_encoder, unet=net, scheduler=plain.scheduler, vae=plain.vae,
    ).save_pretrained(folder / "unclip")  # fmt: skip
    if context:
        EmbeddingContext(2 * WIDTH, 32, tokens=3, hidden=8).save_pretrained(folder / "unclip" / "context")
    return with_image_encoder(folder / "unclip")


def with_image_encoder(folder):
    """A pipeline's folder with what embeds pictures beside the rest."""
    CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, image_size=SIDE,
            patch_size=8, projection_dim=WIDTH,
        )
    ).save_pretrained(folder / "image_encoder")  # fmt: skip
    size = {"height": SIDE, "width": SIDE}
    CLIPImageProcessor(
        size=size, crop_size=size, do_center_crop=False, image_mean=[0.5] * 3, image_std=[0.5] * 3
    ).save_pretrained(folder / "feature_extractor")
    index = folder / "model_index.json"
    beside = {"image_encoder": "CLIPVisionModelWithProjection", "feature_extractor": "CLIPImageProcessor"}
    parts = {name: ["transformers", kind] for name, kind in beside.items()}
    index.write_text(json.dumps(json.loads(index.read_text()) | parts))
    return folder


def pixel_unclip(folder):
    """An UnCLIPPipeline, as Karlo's is built, with the image encoder beside it."""
    torch.manual_seed(6)
    decoder = UNet2DConditionModel(
        sample_size=LATENT, in_channels=3, out_channels=6, block_out_channels=(16, 32), layers_per_block=1,
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn", cross_attention_dim=24, attention_head_dim=8, norm_num_groups=8,
        resnet_time_scale_shift="scale_shift", class_embed_type="identity",
    )  # fmt: skip
    enlarge(decoder.conv_out, 0.5)
    tokenizer = CLIPTokenizer.from_pretrained(TOKENIZER)
    projection = UnCLIPTextProjModel(clip_embeddings_dim=WIDTH, time_embed_dim=64, cross_attention_dim=24)
    torch.nn.init.normal_(projection.learned_classifier_free_guidance_embeddings)
    prior = PriorTransformer(
        num_attention_heads=2, attention_head_dim=8, num_layers=2, embedding_dim=WIDTH,
        num_embeddings=tokenizer.model_max_length,
    )  # fmt: skip
    prior.clip_mean.data, prior.clip_std.data = torch.randn(1, WIDTH), torch.rand(1, WIDTH) + 0.5
    larger = UNet2DModel(
        sample_size=2 * LATENT, in_channels=6, out_channels=3, block_out_channels=(8, 8), layers_per_block=1,
        down_block_types=("DownBlock2D",) * 2, up_block_types=("UpBlock2D",) * 2, norm_num_groups=8,
    )  # fmt: skip
    UnCLIPPipeline(
        prior=prior, decoder=decoder, text_encoder=clip_text(tokenizer), tokenizer=tokenizer, text_proj=projection,
        super_res_first=larger, super_res_last=larger,
        prior_scheduler=UnCLIPScheduler(prediction_type="sample", clip_sample_range=5.0),
        decoder_scheduler=UnCLIPScheduler(variance_type="learned_range"), super_res_scheduler=UnCLIPScheduler(),
    ).save_pretrained(folder)  # fmt: skip
    return with_image_encoder(folder)


def clip_text(tokenizer):
    """The text encoder of a CLIP of WIDTH."""
    return CLIPTextModelWithProjection(
        CLIPTextConfig(
            vocab_size=len(tokenizer), hidden_size=WIDTH, intermediate_size=32, num_hidden_layers=2,
            num_attention_heads=2, max_position_embeddings=tokenizer.model_max_length, projection_dim=WIDTH,
            bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
        )
    )  # fmt: skip


def controlnet(folder, seed, **config):
    """A ControlNet whose zero convolutions are as trained ones are: not zero."""
    torch.manual_seed(seed)
    net = ControlNetModel(**{**UNET, "conditioning_embedding_out_channels": (8, 16, 16), **config})
    for convolution in (*net.controlnet_down_blocks, net.controlnet_mid_block, net.controlnet_cond_embedding.conv_out):
        torch.nn.init.normal_(convolution.weight, std=0.1)
        torch.nn.init.normal_(convolution.bias, std=0.1)
    net.save_pretrained(folder)
    return folder


def pixel(folder, classes=("animals-nature", "food-drink", "anything"), learned=True, clip=True, **scheduler):
    """A pixel diffusion model with the shipped one's forward process; without `classes`, an unconditional one."""
    torch.manual_seed(1)
    unet = UNet2DModel(
        sample_size=8, in_channels=3, out_channels=6 if learned else 3, block_out_channels=(16, 32), layers_per_block=1,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        norm_num_groups=8, attention_head_dim=8, num_class_embeds=len(classes) or None,
    )  # fmt: skip
    if classes:
        enlarge(unet.class_embedding, 3)
    unet.save_pretrained(folder / "unet")
    options = {"beta_schedule": "squaredcos_cap_v2", "variance_type": "learned_range" if learned else "fixed_small"}
    DDPMScheduler(**{**options, "clip_sample": clip, **scheduler}).save_pretrained(folder / "scheduler")
    if classes:
        (folder / "classes.json").write_text(json.dumps(classes))
    return folder


def upsampler(folder, unet=(), **scheduler):
    """An upsampler of the recipe's architecture and forward process, without attention; what a test changes of both."""
    torch.manual_seed(2)
    config = {
        "sample_size": 64, "in_channels": 6, "out_channels": 3, "block_out_channels": (16, 32), "layers_per_block": 1,
        "down_block_types": ("DownBlock2D",) * 2, "up_block_types": ("UpBlock2D",) * 2, "norm_num_groups": 8,
        "add_attention": False, "class_embed_type": "timestep",
    }  # fmt: skip
    net = UNet2DModel(**{**config, **dict(unet)})
    if net.class_embedding is not None:
        enlarge(net.class_embedding, 3)
    net.save_pretrained(folder / "unet")
    options = {"beta_schedule": "squaredcos_cap_v2", "timestep_spacing": "trailing", "prediction_type": "v_prediction"}
    DDIMScheduler(**{**options, "clip_sample": True, **scheduler}).save_pretrained(folder / "scheduler")
    return folder


@torch.no_grad()
def enlarge(part, factor):
    """Random weights say little; enlarged, what they are given matters."""
    for weight in part.parameters():
        weight.mul_(factor)
