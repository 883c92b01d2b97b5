"""What diffusion models are trained to minimise.

notation   here
--------   ----
alpha-bar  `signal`, the share of x_0's variance left at t: x_t = sqrt(signal) x_0 + sqrt(1 - signal) eps
SNR        signal / (1 - signal)
"""

import math

import torch
from torch import Tensor


def expand(per_sample: Tensor, like: Tensor) -> Tensor:
    """(batch,) with trailing axes of one added, so that it multiplies `like` (batch, ...)."""
    return per_sample.reshape(-1, *[1] * (like.dim() - 1))


def add_noise(x_0: Tensor, eps: Tensor, signal: Tensor) -> Tensor:
    """q(x_t | x_0) in one jump (Ho et al. 2020, DDPM, eq. 4); `signal` is (batch,)."""
    signal = expand(signal, x_0)
    return signal.sqrt() * x_0 + (1 - signal).sqrt() * eps


def target(prediction_type: str, x_0: Tensor, eps: Tensor, signal: Tensor) -> Tensor:
    """What the network should output: eps (DDPM, eq. 14), x_0, or v (Salimans & Ho 2022, section 4)."""
    if prediction_type == "epsilon":
        return eps
    if prediction_type == "sample":
        return x_0
    signal = expand(signal, x_0)
    return signal.sqrt() * eps - (1 - signal).sqrt() * x_0


def min_snr_weight(prediction_type: str, signal: Tensor, gamma: float = 5.0) -> Tensor:
    """Min-SNR-gamma (Hang et al. 2023, section 3.4): min(SNR, gamma) on the x_0 error, in the target's own units.

    An x_0 error is an eps error over the SNR and a v error over SNR + 1. Returns (batch,).
    """
    snr = signal / (1 - signal)
    clipped = snr.clamp(max=gamma)
    return {"epsilon": clipped / snr, "sample": clipped, "v_prediction": clipped / (snr + 1)}[prediction_type]


def diffusion_loss(
    prediction: Tensor, prediction_type: str, x_0: Tensor, eps: Tensor, signal: Tensor, gamma: float | None = 5.0
) -> Tensor:
    """Squared error to the target, weighted by min-SNR-gamma (None: unweighted, L_simple of DDPM eq. 14); a scalar."""
    error = (prediction.float() - target(prediction_type, x_0, eps, signal)).square().flatten(1).mean(1)
    return (error if gamma is None else error * min_snr_weight(prediction_type, signal, gamma)).mean()


def variational_bound(eps_and_v: Tensor, x_0: Tensor, x_t: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    """L_vlb's term at t in bits per dimension, (batch,), with learned variance (Nichol & Dhariwal 2021, Improved DDPM).

    `eps_and_v` is (batch, 2 channels, h, w): eps, then v in [-1, 1], which interpolates the log-variance between
    the posterior's and beta (eq. 15). At t = 0 the term is the likelihood of 8-bit pixels in [-1, 1].
    """
    eps, v = eps_and_v.float().chunk(2, dim=1)
    signal = expand(alphas_cumprod[t], x_0)
    earlier = expand(torch.where(t > 0, alphas_cumprod[(t - 1).clamp(min=0)], torch.ones_like(alphas_cumprod[t])), x_0)
    beta = 1 - signal / earlier
    posterior = beta * (1 - earlier) / (1 - signal)
    # beta-tilde is 0 at t = 0, whose logarithm Improved DDPM replaces by that of t = 1
    first = (1 - alphas_cumprod[1] / alphas_cumprod[0]) * (1 - alphas_cumprod[0]) / (1 - alphas_cumprod[1])
    log_posterior = torch.where(expand(t, x_0) > 0, posterior, first).log()
    fraction = (v + 1) / 2
    log_variance = fraction * beta.log() + (1 - fraction) * log_posterior

    def mean(clean: Tensor) -> Tensor:
        """Of q(x_{t-1} | x_t, x_0), DDPM eq. 7."""
        return (earlier.sqrt() * beta * clean + (1 - beta).sqrt() * (1 - earlier) * x_t) / (1 - signal)

    predicted_mean = mean(((x_t - (1 - signal).sqrt() * eps) / signal.sqrt()).clamp(-1, 1))
    divergence = gaussian_kl(mean(x_0), log_posterior, predicted_mean, log_variance)
    likelihood = -discretized_log_likelihood(x_0, predicted_mean, log_variance / 2)
    term = torch.where(expand(t, x_0) > 0, divergence, likelihood)
    return term.flatten(1).mean(1) / math.log(2)


def to_eps(prediction_type: str, prediction: Tensor, x_t: Tensor, signal: Tensor) -> Tensor:
    """The eps that a prediction of eps, x_0 or v stands for: `target` solved for it."""
    signal = expand(signal, x_t)
    if prediction_type == "epsilon":
        return prediction
    if prediction_type == "sample":
        return (x_t - signal.sqrt() * prediction) / (1 - signal).sqrt()
    return signal.sqrt() * prediction + (1 - signal).sqrt() * x_t


def hybrid_loss(
    prediction_and_v: Tensor,
    prediction_type: str,
    x_0: Tensor,
    eps: Tensor,
    x_t: Tensor,
    t: Tensor,
    alphas_cumprod: Tensor,
) -> tuple[Tensor, Tensor]:
    """L_simple and L_vlb of Improved DDPM eq. 16, to be added as L_simple + 0.001 L_vlb; both scalars.

    L_simple is the squared error to the `target` of whatever is predicted. L_vlb, the mean over t of T times its term,
    teaches the variance only: no gradient reaches the prediction through it.
    """
    predicted, v = prediction_and_v.float().chunk(2, dim=1)
    signal = alphas_cumprod[t]
    simple = diffusion_loss(predicted, prediction_type, x_0, eps, signal, gamma=None)
    frozen = torch.cat([to_eps(prediction_type, predicted.detach(), x_t, signal), v], dim=1)
    return simple, len(alphas_cumprod) * variational_bound(frozen, x_0, x_t, t, alphas_cumprod).mean()


def gaussian_kl(mean_a: Tensor, log_variance_a: Tensor, mean_b: Tensor, log_variance_b: Tensor) -> Tensor:
    """KL(N(a) || N(b)) of independent normals, elementwise, in nats."""
    ratio = (log_variance_a - log_variance_b).exp() + (mean_a - mean_b).square() * (-log_variance_b).exp()
    return 0.5 * (log_variance_b - log_variance_a + ratio - 1)


def discretized_log_likelihood(x: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """log of the mass that N(mean, std) puts on the 8-bit bin around x in [-1, 1] (DDPM eq. 13); end bins reach out."""
    inverse = (-log_std).exp()
    upper = torch.special.ndtr((x - mean + 1 / 255) * inverse)
    lower = torch.special.ndtr((x - mean - 1 / 255) * inverse)
    upper = torch.where(x > 0.999, torch.ones_like(upper), upper)
    lower = torch.where(x < -0.999, torch.zeros_like(lower), lower)
    return (upper - lower).clamp(min=1e-12).log()


def contrastive_loss(images: Tensor, texts: Tensor, log_scale: Tensor, same: Tensor) -> Tensor:
    """Symmetric cross-entropy over all pairs of a batch (Radford et al. 2021, CLIP, figure 3).

    `images` and `texts` are (batch, width) of unit length; `same` (batch, batch) bool marks which texts (columns) fit
    an image (row): they share its target mass (Yang et al. 2022, UniCL), so that twins do not repel.
    """
    logits = log_scale.exp().clamp(max=100) * images.float() @ texts.float().T
    return (shared_cross_entropy(logits, same) + shared_cross_entropy(logits.T, same.T)) / 2


def shared_cross_entropy(logits: Tensor, right: Tensor) -> Tensor:
    """Cross-entropy to a target that is uniform over each row's `right` answers (bool, at least one a row)."""
    wanted = right.float() / right.sum(1, keepdim=True)
    return -(wanted * logits.log_softmax(1)).sum(1).mean()


def gradient_loss(picture: Tensor, reference: Tensor) -> Tensor:
    """Mean absolute difference of horizontal and vertical differences: punishes blurred edges (Mathieu et al. 2016)."""
    error = picture - reference
    return error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
