"""Half of a UNet that reads x_t at any noise level: the noisy classifier (Dhariwal & Nichol 2021, section 4), the image
encoder of a noised CLIP (Nichol et al. 2021, GLIDE, section 2.3)."""

from typing import cast

import torch
from diffusers import ConfigMixin, ModelMixin, UNet2DModel
from diffusers.configuration_utils import register_to_config
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn


class NoisyEncoder(ModelMixin, ConfigMixin):
    """The down half of a UNet2DModel and its middle, an attention pool and a linear head.

    Differentiable with respect to x_t. Its parts have the names that they have in the UNet.
    """

    @register_to_config
    def __init__(self, outputs: int, sample_size: int = 32, channels: tuple[int, ...] = (32, 64, 96)) -> None:
        super().__init__()
        unet = UNet2DModel(
            sample_size=sample_size,
            down_block_types=("DownBlock2D",) + ("AttnDownBlock2D",) * (len(channels) - 1),
            up_block_types=("UpBlock2D",) * len(channels),
            block_out_channels=channels,
            layers_per_block=1,
            attention_head_dim=32,
        )
        self.time_proj, self.time_embedding = unet.time_proj, unet.time_embedding
        self.conv_in, self.down_blocks, self.mid_block = unet.conv_in, unet.down_blocks, unet.mid_block
        self.norm = nn.GroupNorm(32, channels[-1])
        self.pool = Attention(channels[-1], heads=channels[-1] // 32, dim_head=32)
        self.head = nn.Linear(channels[-1], outputs)

    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        """(rows, outputs), a classifier's logits or an embedding, of x_t (rows, 3, height, width) at timesteps t (rows,), which may be fractional."""
        features = self.features(x_t, t)
        places = nn.functional.silu(self.norm(features)).flatten(2).transpose(1, 2)
        return self.head(self.pool(places.mean(1, keepdim=True), encoder_hidden_states=places)[:, 0])

    def features(self, x_t: Tensor, t: Tensor) -> Tensor:
        """What the middle of the UNet gives, (rows, channels[-1], height / 4, width / 4) with three blocks."""
        embedding = self.time_embedding(self.time_proj(t).to(x_t.dtype))
        hidden = self.conv_in(x_t)
        for block in self.down_blocks:
            hidden, _ = block(hidden_states=hidden, temb=embedding)
        return self.mid_block(hidden, embedding)

    @torch.no_grad()
    def start_from(self, unet: UNet2DModel) -> None:
        """Take the down half of a UNet of the same channels. Of a class-conditional one, as it is under its last class, the
        null class. Raises RuntimeError where the channels differ."""
        own = self.state_dict()
        self.load_state_dict(own | {name: weight for name, weight in unet.state_dict().items() if name in own})
        if unet.class_embedding is not None:
            null = torch.tensor(unet.config.num_class_embeds - 1, device=unet.device)
            cast(nn.Linear, self.time_embedding.linear_2).bias.add_(unet.class_embedding(null))
