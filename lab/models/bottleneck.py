"""An autoencoder of whole pictures: a picture becomes a handful of numbers, its code, and is drawn again from these.

Trained with a code of one point it is the autoencoder of Hinton & Salakhutdinov 2006; with a Gaussian of codes and the bound of
Kingma & Welling 2013 (arXiv:1312.6114) the variational one, with a factor beta on the bound's second term that of Higgins et al. 2017.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn
from torch.nn.functional import silu

from lab.engine.variational import kl_to_prior

LOG_VARIANCE = (-12.0, 6.0)  # what the encoder may say, so that no exponential overflows


@dataclass(frozen=True)
class Posterior:
    """q(z | x), a Gaussian a picture whose latents are independent; `std` is 0 where the code is one point.

    `mean` and `std` are (n, latents).
    """

    mean: Tensor
    std: Tensor

    def sample(self, eps: Tensor) -> Tensor:
        """The reparametrised draw mean + std eps (Kingma & Welling 2013, section 2.4); `eps` (..., n, latents) is standard normal."""
        return self.mean + self.std * eps

    def kl(self) -> Tensor:
        """KL(q(z | x) || N(0, I)) of each latent, (n, latents) in nats (Kingma & Welling 2013, appendix B)."""
        return kl_to_prior(self.mean, self.std)


class Bottleneck(ModelMixin, ConfigMixin):
    """Three strided convolutions to a code of `latents` numbers, and back by as many that double the side.

    `variational` tells whether q(z | x) is a Gaussian; `beta` is the weight of its KL divergence that it was trained under, and
    `scale` the deviation of the likelihood p(x | z) = N(decode(z), scale^2 I), pictures in [-1, 1].
    """

    @register_to_config
    def __init__(
        self,
        latents: int = 10,
        side: int = 32,
        channels: tuple[int, ...] = (24, 32, 48),
        hidden: int = 128,
        variational: bool = True,
        beta: float = 1.0,
        scale: float = 0.5,
    ) -> None:
        super().__init__()
        coarse = side >> len(channels)
        down, up = (3, *channels), (*reversed(channels), 3)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 4, 2, 1) for a, b in pairwise(down))
        self.to_hidden = nn.Linear(channels[-1] * coarse**2, hidden)
        self.to_code = nn.Linear(hidden, 2 * latents)
        self.from_code = nn.Linear(latents, hidden)
        self.to_map = nn.Linear(hidden, channels[-1] * coarse**2)
        self.up = nn.ModuleList(nn.ConvTranspose2d(a, b, 4, 2, 1) for a, b in pairwise(up))

    def encode(self, pictures: Tensor) -> Posterior:
        """q(z | x) of pictures (n, 3, side, side) in [-1, 1]."""
        for layer in self.down:
            pictures = silu(layer(pictures))
        mean, log_variance = self.to_code(silu(self.to_hidden(pictures.flatten(1)))).chunk(2, 1)
        if not self.config.variational:
            return Posterior(mean, torch.zeros_like(mean))
        return Posterior(mean, (0.5 * log_variance.clamp(*LOG_VARIANCE)).exp())

    def decode(self, codes: Tensor) -> Tensor:
        """The mean of p(x | z), (n, 3, side, side), of codes (n, latents); roughly in [-1, 1]."""
        hidden = silu(self.to_map(silu(self.from_code(codes))))
        coarse = self.config.side >> len(self.up)
        hidden = hidden.unflatten(1, (-1, coarse, coarse))
        for k, layer in enumerate(self.up):
            hidden = layer(hidden if k == 0 else silu(hidden))
        return hidden

    def log_likelihood(self, pictures: Tensor, codes: Tensor) -> Tensor:
        """log p(x | z) of each value of the pictures, (n, 3, side, side) in nats: a density over [-1, 1]."""
        scale = torch.tensor(self.config.scale, device=codes.device)
        squared = (pictures - self.decode(codes)).square() / (2 * scale**2)
        return -squared - scale.log() - 0.5 * torch.log(torch.tensor(2 * torch.pi))
