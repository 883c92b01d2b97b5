"""Chapter: diffusion in a latent space, attention to words, and a control that starts from zero."""

import math

import numpy as np
import torch

from lab.engine.mixture import Mixture
from lab.engine.process import Level
from lab.notes.chapters.elbo import likelihood
from lab.notes.chapters.forward import SHARE, X_T, T, levels
from lab.notes.numerics import at, density, draws, integral, line, log_normal, mean_of, normal, number, slope, two_humps
from lab.notes.step import SEED, Chapter, Check, Number, Shown, Sides, Source, Step, drawn, exact

LDM, ATTENTION, CONTROL = "Rombach et al. 2021", "Vaswani et al. 2017", "Zhang, Rao & Agrawala 2023"
PICTURES = (-1.4, -0.3, 0.8, 2.0)
FEATURE, TARGET = Number("feature", "h", 0.7, -2, 2), Number("target", "y", 1.0, -2, 2)
FROZEN = 0.3  # what the untouched model says


def controlled(weight: float, inner: float, feature: float) -> float:
    """The model with a control of one neuron: what it said, plus a zero layer's weight times a feature that `inner` makes."""
    return FROZEN + weight * math.tanh(inner * feature)


def _below(x: float, m: float, s: float, share: float) -> Sides:
    z, everywhere, prior = line(m, 12), line(reach=12), two_humps(share)
    told, log_prior = likelihood(x)(torch.from_numpy(z)).numpy(), prior.log_pdf(at(z)).numpy()
    q, log_q = normal(z, m, s**2), log_normal(z, m, s**2)
    bound = integral(q * told, z) - integral(q * log_q, z) + integral(q * log_prior, z)
    joint = np.exp(likelihood(x)(torch.from_numpy(everywhere)).numpy()) * density(prior, everywhere)
    return exact(bound, math.log(integral(joint, everywhere)), "≤")


def _scaled(x_t: float, t: int, factor: float) -> Sides:
    level, latents = levels(t)[0], two_humps()
    scaled = Mixture(latents.points * factor, latents.weights, latents.std * factor)
    louder = Level(level.signal * factor, level.noise)
    return exact(number(scaled.denoise(at(x_t), level)) / factor, number(latents.denoise(at(x_t), louder)))


def _dot_product(dimensions: int, seed: int) -> Sides:
    q, k = draws(seed, 2 * dimensions, 4000).reshape(2, dimensions, 4000)
    return drawn(mean_of(((q * k).sum(0) / math.sqrt(dimensions)) ** 2), 1)


def _denoiser_is_attention(x_t: float, t: int) -> Sides:
    level, _ = levels(t)
    pictures = np.array(PICTURES)
    data = Mixture(torch.tensor(pictures)[:, None])
    logits = (level.signal * x_t * pictures - 0.5 * (level.signal * pictures) ** 2) / level.noise**2
    weights = np.exp(logits - logits.max())
    return exact(float(weights @ pictures / weights.sum()), number(data.denoise(at(x_t), level)))


def _nothing_at_first(feature: float, inner: float) -> Sides:
    return exact(controlled(0.0, inner, feature), FROZEN)


def loss(weight: float, inner: float, feature: float, target: float) -> float:
    """Half of the squared error of the controlled model."""
    return 0.5 * (controlled(weight, inner, feature) - target) ** 2


def _gradient_of_zero(feature: float, inner: float, target: float) -> Sides:
    by_differences = slope(lambda weight: loss(weight, inner, feature, target), 0.0)
    return exact(by_differences, (FROZEN - target) * math.tanh(inner * feature))


def after_one_step(feature: float, inner: float, target: float, rate: float) -> float:
    """The zero layer's weight after one step of gradient descent."""
    return -rate * (FROZEN - target) * math.tanh(inner * feature)


def _inner_gradient(feature: float, inner: float, target: float, rate: float) -> Sides:
    weight = after_one_step(feature, inner, target, rate)
    by_differences = slope(lambda one: loss(weight, one, feature, target), inner)
    error = controlled(weight, inner, feature) - target
    return exact(by_differences, error * weight * feature * (1 - math.tanh(inner * feature) ** 2))


CHAPTER = Chapter(
    "latent",
    "Latents, words, controls",
    "What turned the equations into pictures of any size and subject: diffuse codes in place of pixels, let words in by attention, and add a control without harm.",
    (
        Step(
            "bound",
            "A bound with a learned prior",
            (
                r"Let $z$ be an autoencoder's code, and the prior $p(z)$ a diffusion model of codes in place of $\mathcal{N}(0, I)$. The ELBO stays what it is; write the price as two terms. The first two belong to the autoencoder, "
                r"the last is the likelihood of codes, for which the diffusion model has its own bound.",
                r"Latent diffusion trains the autoencoder first, with next to no price, and then the prior on its codes: the sum below, one part after the other. In the check $p(z)$ are two humps.",
            ),
            (
                r"\log p(x) \ge \mathbb{E}_q[\log p(x \mid z)] + H(q) + \mathbb{E}_q[\log p(z)]",
                r"-\mathbb{E}_q[\log p(z_0)] \le L_T + \sum_{t=2}^T L_{t-1} + L_0",
            ),
            Check(
                "the three terms, by quadrature",
                r"$\log p(x)$, by quadrature",
                _below,
                (Number("x", "x", 1.2, -3, 3), Number("m", "m", 0.9, -2, 2), Number("s", "s", 0.5, 0.2, 2), SHARE),
            ),
            (Source(LDM, "eq. 2"),),
            ("lab/engine/variational.py:log_weights",),
            (Shown("samplers", "A model that learned"),),
        ),
        Step(
            "scaled",
            "Why latents are scaled",
            (
                r"A schedule is made for values of variance 1. Codes of deviation $1/f$ would drown too early; multiplied by $f$ they have the signal-to-noise ratio of a schedule whose signal is $f$ times as strong: $\mathrm{SNR}$ rises by $f^2$.",
                r"Given the same $x_t$, the best guess of the scaled code is $f$ times that of the code. Stable Diffusion's $f$ is 0.18215, since its codes are large.",
            ),
            (
                r"x_t = \sqrt{\bar\alpha_t}\,(f z) + \sqrt{1-\bar\alpha_t}\,\epsilon = (f\sqrt{\bar\alpha_t})\,z + \sqrt{1-\bar\alpha_t}\,\epsilon",
                r"\mathbb{E}[f z \mid x_t] / f = \mathbb{E}[z \mid x_t]",
            ),
            Check(
                r"the lab's best guess of scaled codes, over $f$",
                r"its best guess of the codes, at a signal $f$ times as strong",
                _scaled,
                (X_T, Number("t", "t", 300, 20, T, whole=True), Number("factor", "f", 0.5, 0.05, 5)),
            ),
            (Source(LDM, "appendix G"),),
            ("lab/models/stable_diffusion.py:Parts.statistics",),
            (Shown("inside", "Why latents pay"),),
        ),
        Step(
            "root",
            "Attention, and its root of d",
            (
                r"Each place of the picture asks with a query, each word answers with a key; where they agree the word's value is taken, by shares that add to 1. "
                r"For independent entries of variance 1, a query times a key, $Q \cdot K$, is a sum of $d$ products of mean 0 and variance 1: its variance is $d$. Divided by $\sqrt d$ it is 1 for every width, so the softmax is neither flat nor a switch.",
            ),
            (
                r"\mathrm{Attention}(Q, K, V) = \mathrm{softmax}\Big(\frac{Q K^\top}{\sqrt d}\Big)\,V",
                r"\mathrm{Var}[Q \cdot K] = \sum_{i=1}^d \mathbb{E}[Q_i^2]\,\mathbb{E}[K_i^2] = d",
            ),
            Check(
                r"variance of $Q \cdot K/\sqrt d$, by draws",
                "1",
                _dot_product,
                (Number("dimensions", "d", 64, 1, 256, whole=True), SEED),
            ),
            (Source(ATTENTION, "eq. 1 and section 3.2.1"), Source(LDM, "section 3.3")),
            ("lab/models/attention.py:AttentionDenoiser",),
            (Shown("inside", "Which word drew it"),),
        ),
        Step(
            "denoiser",
            "The exact denoiser is attention",
            (
                r"Of a finite set of pictures, the chance that $x_t$ came from $x_i$ is in proportion to $\exp(-\|x_t - \sqrt{\bar\alpha_t}\,x_i\|^2/2(1-\bar\alpha_t))$. Expand the square: $\|x_t\|^2$ is the same for all $i$ and cancels in the shares. "
                r"What is left is a product of a query $x_t$ with keys $x_i$, less the keys' lengths.",
                r"So the best denoiser of a set looks its pictures up, as a sentence looks up its words; the noise level is the temperature.",
            ),
            (
                r"\mathbb{E}[x_0 \mid x_t] = \sum_i \mathrm{softmax}_i\Big(\frac{\sqrt{\bar\alpha_t}\;x_t \cdot x_i - \tfrac12\bar\alpha_t\|x_i\|^2}{1-\bar\alpha_t}\Big)\,x_i",
            ),
            Check(
                "softmax attention to four pictures",
                r"the lab's $\mathbb{E}[x_0 \mid x_t]$ of these four",
                _denoiser_is_attention,
                (X_T, Number("t", "t", 300, 20, T, whole=True)),
            ),
            (Source("Karras et al. 2022", "appendix B.3"),),
            ("lab/models/exact.py:ExactDenoiser", "lab/engine/mixture.py:Mixture.responsibilities"),
            (Shown("memory", "More data, still copies"),),
        ),
        Step(
            "zero",
            "ControlNet: nothing is changed at first",
            (
                r"A copy of the encoder reads the map, and what it says is added to the untouched model through layers whose weights and biases start at zero. Whatever the copy says, times zero it adds nothing: training starts from the model as it was.",
                r"The checks have one neuron: $\tanh(u\,h)$ of a feature $h$, and a zero layer with the weight $w$.",
            ),
            (r"y_c = F(x) + w\,\tanh(u\,h), \quad w = 0 \ \Rightarrow\ y_c = F(x)",),
            Check(
                "the controlled model at the start",
                "the untouched one",
                _nothing_at_first,
                (FEATURE, Number("inner", "u", 1.3, -3, 3)),
            ),
            (Source(CONTROL, "eq. 2 and 3"),),
            ("lab/models/stable_diffusion.py:Residuals",),
            (Shown("controlnet", "How hard to hold"),),
        ),
        Step(
            "gradient",
            "Zero layers do learn",
            (
                r"A product's slope by one factor is the other factor. So the zero layer's own gradient is the error times the feature that comes in, which is not zero, though the layer's output is.",
            ),
            (r"\frac{\partial}{\partial w}\,\tfrac12(y_c - y)^2\Big|_{w=0} = (F(x) - y)\,\tanh(u\,h)",),
            Check(
                "slope of the loss by the zero weight, by differences",
                "error times feature",
                _gradient_of_zero,
                (FEATURE, Number("inner", "u", 1.3, -3, 3), TARGET),
            ),
            (Source(CONTROL, "section 3.1 and its supplement"),),
            ("lab/training/recipes/controlnet.py:ControlNet.loss",),
        ),
        Step(
            "inner",
            "One step later the copy learns, too",
            (
                r"What lies behind the zero layer has the gradient (error) times $w$ times its own slope: zero in the first step, and no longer once $w$ has moved by $-\eta\,(F(x)-y)\tanh(u\,h)$. "
                r"Only where the error or the feature is exactly zero does nothing move: without an error there is nothing to learn, and of what the feature does not see nothing can be learned.",
            ),
            (
                r"\frac{\partial}{\partial u}\,\tfrac12(y_c - y)^2 = (y_c - y)\, w\, h\,\big(1 - \tanh^2(u\,h)\big)",
                r"w = -\eta\,(F(x) - y)\,\tanh(u\,h)",
            ),
            Check(
                "slope of the loss by the inner weight after one step, by differences",
                "the formula",
                _inner_gradient,
                (FEATURE, Number("inner", "u", 1.3, -3, 3), TARGET, Number("rate", r"\eta", 0.1, 0, 1)),
            ),
            (Source(CONTROL, "section 3.1 and its supplement"),),
            ("lab/models/stable_diffusion.py:strengths_of",),
            (Shown("controlnet", "When is shape decided?"),),
        ),
    ),
)
