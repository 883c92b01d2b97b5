"""A small network that learns the score of data on the plane: what the page trains before one's eyes, in torch."""

import torch
from torch import Tensor, nn

from lab.engine.mixture import Mixture
from lab.engine.process import Level

WIDTH, RATE, BATCH = 64, 1e-2, 256
WAVES = (2.0, 4.0)  # of a place, so that a small network can follow a thin curve
LOWEST, HIGHEST = -6.0, 8.0  # log-SNR that it is trained at; beyond it takes the nearest


class Learned(nn.Module):
    """(x_t, log-SNR) -> E[eps | x_t], three layers with SiLU between them, by denoising score matching.

    x_t is of the variance-preserving level (Karras et al. 2022, section 5, divide by the same); sines of it and of the
    log-SNR stand beside them (Tancik et al. 2020).
    """

    def __init__(self) -> None:
        super().__init__()
        inputs = 2 * (1 + 2 * len(WAVES)) + 5
        layers = [nn.Linear(inputs, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH), nn.SiLU(), nn.Linear(WIDTH, 2)]
        self.layers = nn.Sequential(*layers).double()

    def forward(self, x_t: Tensor, log_snr: Tensor) -> Tensor:
        """eps (M, 2) for x_t (M, 2) at log_snr (M, 1)."""
        places = [f(x_t * rate) for rate in WAVES for f in (torch.sin, torch.cos)]
        levels = [f(log_snr * rate) for rate in (0.5, 1.0) for f in (torch.sin, torch.cos)]
        return self.layers(torch.cat([x_t, *places, log_snr / 4, *levels], 1))

    @torch.no_grad()
    def score(self, x_t: Tensor, level: Level[float]) -> Tensor:
        """-E[eps | x_t] / noise at a level of any process, a `Field`."""
        log_snr = torch.full((len(x_t), 1), level.log_snr, dtype=torch.float64).clamp(LOWEST, HIGHEST)
        return -self(x_t / level.norm, log_snr) / level.noise


def train(data: Mixture, log_snrs: tuple[float, float], seed: int, steps: int) -> Learned:
    """Denoising score matching (Vincent 2011) at log-SNRs drawn evenly from a span, with lambda(sigma) = sigma^2 (Song and
    Ermon 2019, eq. 6), which is DDPM's simple loss, |eps - network(x_t)|^2. Fresh draws; Adam, its rate falling to 0."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    network, (low, high) = Learned(), log_snrs
    optimizer = torch.optim.Adam(network.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        log_snr = low + (high - low) * torch.rand(BATCH, 1, generator=generator, dtype=torch.float64)
        eps = torch.randn(BATCH, 2, generator=generator, dtype=torch.float64)
        x_t = torch.sigmoid(log_snr).sqrt() * data.sample(BATCH, generator) + torch.sigmoid(-log_snr).sqrt() * eps
        loss = (network(x_t, log_snr) - eps).square().sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return network
