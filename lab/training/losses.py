"""What diffusion models are trained to minimise. alpha_bar is that of each picture's own timestep, (batch,)."""

import torch
from torch import Tensor

from lab.engine.likelihood import Posterior, bound_term
from lab.engine.predictions import split_prediction
from lab.engine.process import Level


def expand(per_sample: Tensor, like: Tensor) -> Tensor:
    """(batch,) with trailing axes of one added, so that it multiplies `like` (batch, ...)."""
    return per_sample.reshape(-1, *[1] * (like.dim() - 1))


def levels(alpha_bar: Tensor, like: Tensor) -> Level[Tensor]:
    """The noise levels of alpha_bar (batch,), which broadcast with `like` (batch, ...)."""
    return Level.from_alpha_bar(expand(alpha_bar, like))


def add_noise(x_0: Tensor, eps: Tensor, alpha_bar: Tensor) -> Tensor:
    """q(x_t | x_0) in one jump (Ho et al. 2020, DDPM, eq. 4)."""
    level = levels(alpha_bar, x_0)
    return level.signal * x_0 + level.noise * eps


def target(prediction_type: str, x_0: Tensor, eps: Tensor, alpha_bar: Tensor) -> Tensor:
    """What the network should output: eps (DDPM, eq. 14), x_0, or v (Salimans & Ho 2022, section 4)."""
    if prediction_type == "epsilon":
        return eps
    if prediction_type == "sample":
        return x_0
    level = levels(alpha_bar, x_0)
    return level.signal * eps - level.noise * x_0


def min_snr_weight(prediction_type: str, alpha_bar: Tensor, gamma: float = 5.0) -> Tensor:
    """Min-SNR-gamma (Hang et al. 2023, section 3.4): min(SNR, gamma) on the x_0 error, in the target's own units.

    An x_0 error is an eps error over the SNR and a v error over SNR + 1. Returns (batch,).
    """
    snr = alpha_bar / (1 - alpha_bar)
    clipped = snr.clamp(max=gamma)
    return {"epsilon": clipped / snr, "sample": clipped, "v_prediction": clipped / (snr + 1)}[prediction_type]


def diffusion_loss(
    prediction: Tensor, prediction_type: str, x_0: Tensor, eps: Tensor, alpha_bar: Tensor, gamma: float | None = 5.0
) -> Tensor:
    """Squared error to the target, weighted by min-SNR-gamma (None: unweighted, L_simple of DDPM eq. 14); a scalar."""
    error = (prediction.float() - target(prediction_type, x_0, eps, alpha_bar)).square().flatten(1).mean(1)
    return (error if gamma is None else error * min_snr_weight(prediction_type, alpha_bar, gamma)).mean()


def variational_bound(eps_and_v: Tensor, x_0: Tensor, x_t: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    """L_vlb's term at t in bits per dimension, (batch,), with learned variance (Nichol & Dhariwal 2021, Improved DDPM).

    `eps_and_v` is (batch, 2 channels, h, w): eps, then v in [-1, 1], which interpolates the log-variance between
    the posterior's and beta (eq. 15). At t = 0 the term is the likelihood of 8-bit pixels in [-1, 1].
    """
    eps, v = eps_and_v.float().chunk(2, dim=1)
    posterior = Posterior(alphas_cumprod, t)
    predicted_x_0, _ = split_prediction(eps, x_t, Level.from_alpha_bar(posterior.alpha_bar), "epsilon")
    return bound_term(posterior, x_0, x_t, predicted_x_0.clamp(-1, 1), posterior.learned_log_variance(v))


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
    alpha_bar = alphas_cumprod[t]
    simple = diffusion_loss(predicted, prediction_type, x_0, eps, alpha_bar, gamma=None)
    _, frozen_eps = split_prediction(predicted.detach(), x_t, levels(alpha_bar, x_t), prediction_type)
    bound = variational_bound(torch.cat([frozen_eps, v], dim=1), x_0, x_t, t, alphas_cumprod)
    return simple, len(alphas_cumprod) * bound.mean()


def contrastive_loss(images: Tensor, texts: Tensor, log_scale: Tensor, same: Tensor) -> Tensor:
    """Symmetric cross-entropy over all pairs of a batch (Radford et al. 2021, CLIP, figure 3).

    `images` and `texts` are (batch, width) of unit length; `same` (batch, batch) bool marks which texts (columns) fit
    an image (row): they share its target mass (Yang et al. 2022, UniCL), so that twins do not repel.
    """
    logits = log_scale.exp().clamp(max=100) * images.float() @ texts.float().T
    return (shared_cross_entropy(logits, same) + shared_cross_entropy(logits.T, same.T)) / 2


def shared_cross_entropy(logits: Tensor, right: Tensor) -> Tensor:
    """Cross-entropy to a target that is uniform over each row's `right` answers (bool, at least one a row)."""
    target = right.float() / right.sum(1, keepdim=True)
    return -(target * logits.log_softmax(1)).sum(1).mean()


def gradient_loss(picture: Tensor, reference: Tensor) -> Tensor:
    """Mean absolute difference of horizontal and vertical differences: punishes blurred edges (Mathieu et al. 2016)."""
    error = picture - reference
    return error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
