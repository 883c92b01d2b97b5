"""The forward process: schedules, q(x_t | x_0) in one jump, the Markov chain step by step, and what noise does.

Notation (here -> Ho et al. 2020, arXiv 2006.11239): alpha_bar -> \\bar\\alpha_t, beta -> beta_t, eps -> epsilon.
t counts 0 .. T here: t = 0 is the picture and t = T the last level. diffusers' timestep index is k = t - 1, so
`alpha_bar(...)[t] == alphas_cumprod(...)[t - 1]`.
Pictures are (channels, height, width) float32 with values in [-1, 1].
"""

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import torch
from diffusers import DDPMScheduler
from diffusers.schedulers.scheduling_ddpm import rescale_zero_terminal_snr
from torch import Tensor

from lab.engine.process import Level

# name -> diffusers' beta_schedule, and its first and last beta for T = 1000
SCHEDULES = {
    "linear":        ("linear",           1e-4,    0.02),
    "scaled_linear": ("scaled_linear",    0.00085, 0.012),
    "cosine":        ("squaredcos_cap_v2", 0.0,    0.0),
    "sigmoid":       ("sigmoid",          1e-4,    0.02),
}  # fmt: skip
MAX_BETA = 0.999  # as Nichol and Dhariwal 2021; at small T the scaled betas would exceed 1
CHAIN_SIDE = 128  # the Markov chain is walked on pictures of at most this side
CHAIN_KEYFRAMES = 64  # states of one chain
LOG_SNR_LIMIT = 100.0  # stands for the infinite log-SNR of t = 0 and of zero terminal SNR
HISTOGRAM_EDGES = np.linspace(-4, 4, 81)
HISTOGRAM_SAMPLE = 100_000  # values; more would not change the bars by a pixel


@lru_cache(maxsize=64)
def alpha_bar(schedule: str, T: int, zero_snr: bool = False) -> np.ndarray:
    """alpha-bar at t = 0 .. T, (T + 1,) float64, from diffusers' own DDPMScheduler.

    Ho's 1e-4 .. 0.02 and Stable Diffusion's 0.00085 .. 0.012 are meant for T = 1000. For another T they are
    multiplied by 1000 / T, as Improved DDPM's code does (arXiv 2102.09672), which keeps alpha-bar as a function
    of t / T, and clipped at 0.999. `zero_snr` shifts and scales sqrt(alpha_bar) so that alpha_bar(T) = 0
    (Lin et al. 2023, arXiv 2305.08891, algorithm 1). The array is shared: read-only.
    """
    name, start, end = SCHEDULES[schedule]
    scale = 1000 / T
    betas = DDPMScheduler(T, beta_start=start * scale, beta_end=end * scale, beta_schedule=name).betas.double()
    betas = betas.clamp(max=MAX_BETA)
    if zero_snr:
        betas = rescale_zero_terminal_snr(betas)
    table = np.concatenate([[1.0], torch.cumprod(1 - betas, dim=0).numpy()])
    if zero_snr:
        table[-1] = 0.0  # exactly, where rounding left a trace
    table.setflags(write=False)
    return table


def alphas_cumprod(schedule: str, T: int, zero_snr: bool = False) -> Tensor:
    """The same as diffusers stores it: (T,) float32, index k = t - 1."""
    return torch.tensor(alpha_bar(schedule, T, zero_snr)[1:], dtype=torch.float32)


def t_at_log_snr(table: np.ndarray, log_snr: float) -> int:
    """The t of an alpha-bar table whose log-SNR is nearest to `log_snr`."""
    log_snrs = np.clip(Level.from_alpha_bar(table).log_snr, -LOG_SNR_LIMIT, LOG_SNR_LIMIT)
    return int(np.abs(log_snrs - log_snr).argmin())


def gaussian(seed: int, step: int, shape: tuple[int, ...]) -> Tensor:
    """The standard normal noise that belongs to (seed, step); step 0 is the noise of the one jump."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(stream_seed(seed, step)))


def stream_seed(seed: int, step: int) -> int:
    """A generator seed for (seed, step). torch's CPU generator keeps 32 bits of its seed, so the pair is hashed to
    32 bits rather than combined by arithmetic, which would let neighbours share a stream."""
    return int.from_bytes(hashlib.blake2b(f"{seed}/{step}".encode(), digest_size=4).digest())


def q_sample(x_0: Tensor, level: Level[float], eps: Tensor) -> Tensor:
    """x_t = signal * x_0 + noise * eps: the whole chain in one jump (Ho et al. 2020, eq. 4)."""
    return torch.mul(x_0, level.signal).add_(eps, alpha=level.noise)


class MarkovChain:
    """The real chain, q(x_t | x_{t-1}) = N(sqrt(1 - beta_t) x_{t-1}, beta_t I) (Ho et al. 2020, eq. 2).

    Any t can be asked for in any order and always gives the same state, since the noise of a step belongs to
    (seed, step). Every T / CHAIN_KEYFRAMES-th state is a keyframe, and the last one asked for stays at hand: dragging
    forward takes single steps, dragging back restarts at a keyframe. Thread-safe.
    """

    def __init__(self, x_0: Tensor, table: np.ndarray, seed: int) -> None:
        self.T = len(table) - 1
        self.seed = seed
        self.betas = 1 - table[1:] / np.maximum(table[:-1], 1e-300)  # beta_t at index t - 1
        self._every = max(1, -(-self.T // CHAIN_KEYFRAMES))
        self._keyframes = {0: x_0}
        self._latest = (0, x_0)
        self._lock = threading.Lock()

    def at(self, t: int) -> Tensor:
        """x_t of this chain. The tensor is shared: do not write to it."""
        with self._lock:
            s = max(s for s in self._keyframes if s <= t)
            x = self._keyframes[s]
            if s < self._latest[0] <= t:
                s, x = self._latest
            while s < t:
                s += 1
                x = self._step(x, s)
                if s % self._every == 0:
                    self._keyframes.setdefault(s, x)
            self._latest = (t, x)
            return x

    def _step(self, x: Tensor, t: int) -> Tensor:
        beta = self.betas[t - 1]
        return torch.mul(x, (1 - beta) ** 0.5).add_(gaussian(self.seed, t, tuple(x.shape)), alpha=beta**0.5)


def psnr(x: Tensor, y: Tensor) -> float:
    """Peak signal-to-noise ratio in dB for values in [-1, 1], so the peak is 2; +inf for equal pictures."""
    mse = torch.nn.functional.mse_loss(x, y).item()
    return float(10 * np.log10(4 / mse)) if mse > 0 else float("inf")


def histogram(x: Tensor) -> np.ndarray:
    """Density of the values of x over HISTOGRAM_EDGES, from an evenly spaced sample of them; N(0, 1) at t = T."""
    stride = max(1, x.numel() // HISTOGRAM_SAMPLE) | 1  # odd, so that it does not keep to some columns
    values = x.flatten()[::stride]
    counts = torch.histc(values, len(HISTOGRAM_EDGES) - 1, HISTOGRAM_EDGES[0], HISTOGRAM_EDGES[-1]).numpy()
    return counts / (len(values) * np.diff(HISTOGRAM_EDGES))


def radial_mean(power: Tensor) -> np.ndarray:
    """Mean of a (height, width // 2 + 1) half spectrum over rings of equal frequency, radii 0 .. side // 2.

    Radius r is r cycles per picture side. Of a real picture the half spectrum holds every frequency once or
    twice; the rings weigh them by that.
    """
    rings, weights, totals = _rings(power.shape[0])
    return np.bincount(rings, (power * weights).flatten().numpy(), len(totals))[: len(totals)] / totals


def spectrum(x: Tensor) -> np.ndarray:
    """Radial power spectrum of a square picture, mean over channels; white noise of variance v has power v."""
    half = torch.fft.rfft2(x, norm="ortho")
    return radial_mean(half.abs().square().mean(0))


@lru_cache(maxsize=16)
def _rings(side: int) -> tuple[np.ndarray, Tensor, np.ndarray]:
    fy = np.fft.fftfreq(side, 1 / side)[:, None]
    fx = np.fft.rfftfreq(side, 1 / side)[None, :]
    rings = np.hypot(fy, fx).round().astype(np.int64)
    weights = np.where((fx == 0) | ((side % 2 == 0) & (fx == side // 2)), 1.0, 2.0) * np.ones_like(fy)
    weights[rings > side // 2] = 0  # the corners are not whole rings
    rings[rings > side // 2] = 0
    totals = np.bincount(rings.ravel(), weights.ravel(), side // 2 + 1)
    return rings.ravel(), torch.from_numpy(weights).float(), np.maximum(totals, 1)


@dataclass(frozen=True)
class Numbers:
    """What is measured of one x_t."""

    psnr_db: float
    histogram: np.ndarray  # over HISTOGRAM_EDGES
    spectrum: np.ndarray  # (radii,) of x_t
    signal_power: np.ndarray  # (radii,) of the part signal * x_0
    noise_power: float  # expected, of the part noise * eps; the same at all radii


class Scene:
    """One picture under one forward process and seed: everything that does not depend on t, worked out once."""

    def __init__(self, picture: np.ndarray, schedule: str, T: int, zero_snr: bool, seed: int) -> None:
        self.seed = seed
        self.table = alpha_bar(schedule, T, zero_snr)
        self.x_0 = to_tensor(picture)
        self.eps = gaussian(seed, 0, tuple(self.x_0.shape))

    def x_t(self, t: int) -> Tensor:
        """One jump to t."""
        return q_sample(self.x_0, Level.from_alpha_bar(float(self.table[t])), self.eps)

    @cached_property
    def log_snrs(self) -> np.ndarray:
        """log-SNR at t = 0 .. T, (T + 1,)."""
        return Level.from_alpha_bar(self.table).log_snr

    @cached_property
    def chain(self) -> MarkovChain:
        """The step-by-step chain of the picture, or of a smaller copy where it is larger than CHAIN_SIDE."""
        x = self.x_0
        if x.shape[1] > CHAIN_SIDE:
            x = torch.nn.functional.interpolate(x[None], (CHAIN_SIDE, CHAIN_SIDE), mode="area")[0]
        return MarkovChain(x, self.table, self.seed)

    @cached_property
    def spectra(self) -> np.ndarray:
        """Radial mean power of x_0, of eps, and their cross term, (3, radii)."""
        x_0, eps = (torch.fft.rfft2(x, norm="ortho") for x in (self.x_0, self.eps))
        cross = (x_0 * eps.conj()).real
        return np.stack([radial_mean(power.mean(0)) for power in (x_0.abs().square(), eps.abs().square(), cross)])

    def numbers(self, t: int, x_t: Tensor) -> Numbers:
        """PSNR, histogram and spectra of x_t. The transform is linear, so the spectrum of x_t comes from those of
        x_0 and eps and their cross term: exact, and no transform per frame."""
        a = float(self.table[t])
        x_0, eps, cross = self.spectra
        power = a * x_0 + (1 - a) * eps + 2 * (a * (1 - a)) ** 0.5 * cross
        return Numbers(psnr(x_t, self.x_0), histogram(x_t), power, a * x_0, 1 - a)


class Scenes:
    """The last few scenes, so that dragging t does not draw its noise again. Least recently used goes first."""

    def __init__(self, size: int = 6) -> None:
        self._size = size
        self._scenes: OrderedDict[tuple, Scene] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, picture: np.ndarray, schedule: str, T: int, zero_snr: bool, seed: int) -> Scene:
        """The scene of these settings; pictures are told apart by content."""
        content = hashlib.blake2b(np.ascontiguousarray(picture).data, digest_size=16).digest()
        key = content, picture.shape, schedule, T, zero_snr, seed
        with self._lock:
            scene = self._scenes.pop(key, None) or Scene(picture, schedule, T, zero_snr, seed)
            self._scenes[key] = scene
            if len(self._scenes) > self._size:
                self._scenes.popitem(last=False)
            return scene


def to_tensor(picture: np.ndarray) -> Tensor:
    """A (height, width, 3) uint8 picture as (3, height, width) float32 in [-1, 1]."""
    return torch.from_numpy(picture.astype(np.float32)).permute(2, 0, 1).contiguous().div_(127.5).sub_(1)


def to_picture(x: Tensor) -> np.ndarray:
    """The inverse of `to_tensor`; values beyond [-1, 1] are clipped for display."""
    return (x * 127.5).add_(128).clamp_(0, 255).to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
