"""How well noisy drawings are classified, by log-SNR: of a network, and of Bayes' rule over a picture set."""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor, nn

from lab.models.exact import ExactData, ExactDenoiser
from lab.training.corpus import Corpus, draw_indices, to_device, to_unit
from lab.training.losses import add_noise

Beliefs = Callable[[Tensor, Tensor], Tensor]  # x_t (rows, 3, h, w), t (rows,) -> p(y | x_t), (rows, classes)

BANDS = (-math.inf, -6.0, -4.0, -2.0, 0.0, 2.0, 4.0, math.inf)  # of log-SNR
NOISES = 4  # of each picture in each band


def by_log_snr(
    classifiers: Mapping[str, Beliefs], x_0: Tensor, labels: Tensor, alphas_cumprod: Tensor
) -> list[dict[str, float]]:
    """Figures of classifiers on the same x_t of x_0 (n, 3, h, w) with labels (n,), a dictionary for each of BANDS; t is
    uniform in a band."""
    labels = labels.repeat(NOISES)
    return [
        band
        | {
            f"{name}_{key}": value
            for name, classify in classifiers.items()
            for key, value in figures(classify(x_t, t), labels).items()
        }
        for band, x_t, t in noised(x_0.repeat(NOISES, 1, 1, 1), alphas_cumprod)
    ]


def noised(x_0: Tensor, alphas_cumprod: Tensor) -> Iterator[tuple[dict[str, float], Tensor, Tensor]]:
    """The ends of each of BANDS, with x_t of all x_0 (n, 3, h, w) and t (n,) uniform in that band."""
    log_snr, rng = torch.logit(alphas_cumprod.double()), torch.Generator().manual_seed(0)
    for low, high in itertools.pairwise(BANDS):
        inside = torch.nonzero((log_snr >= low) & (log_snr < high)).flatten()
        t = inside[draw_indices(len(inside), len(x_0), rng)]
        x_t = add_noise(x_0, torch.randn(x_0.shape, generator=rng), alphas_cumprod[t])
        yield {"log_snr_from": float(log_snr[inside[-1]]), "log_snr_to": float(log_snr[inside[0]])}, x_t, t


def exact_classifier(corpus: Corpus, groups: list[str], alphas_cumprod: Tensor) -> Beliefs:
    """p(y | x_t) of a picture set in closed form: the exact posterior over its pictures, summed over each group."""
    data = ExactData(to_unit(to_device(corpus.pixels, torch.device("cpu"))))
    exact = ExactDenoiser(data, alphas_cumprod)
    members = nn.functional.one_hot(group_labels(corpus, groups), len(groups)).float()

    def believe(x_t: Tensor, t: Tensor) -> Tensor:
        return exact.posterior(x_t.flatten(1), alphas_cumprod[t], data.everything) @ members

    return believe


def group_labels(corpus: Corpus, groups: list[str]) -> Tensor:
    return torch.tensor([groups.index(group) for group in corpus.groups])


def figures(probabilities: Tensor, labels: Tensor) -> dict[str, float]:
    """Accuracy, cross-entropy in nats and calibration error of probabilities (n, classes) for labels (n,)."""
    own = probabilities.gather(1, labels[:, None]).clamp(min=torch.finfo(torch.float32).tiny)
    return {
        "accuracy": float((probabilities.argmax(1) == labels).float().mean()),
        "cross_entropy": float(-own.log().mean()),
        "calibration_error": calibration_error(probabilities, labels),
    }


def calibration_error(probabilities: Tensor, labels: Tensor, bins: int = 15) -> float:
    """Expected calibration error (Guo et al. 2017, eq. 3): how far confidence, the largest probability, and accuracy lie
    apart, in bins of equal width weighted by their share. `probabilities` is (n, classes), `labels` (n,); in [0, 1]."""
    confidence, named = probabilities.max(1)
    bin_of = (confidence * bins).ceil().long().clamp(1, bins) - 1
    gaps = torch.zeros(bins, dtype=torch.float64)
    gaps.index_add_(0, bin_of, (confidence - (named == labels).float()).double())
    return float(gaps.abs().sum() / len(labels))
