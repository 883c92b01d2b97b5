"""Chapter: from entropy to the evidence lower bound, and the autoencoders that stand on it."""

import math

import numpy as np
import torch
from torch import Tensor

from lab.engine.likelihood import gaussian_kl
from lab.engine.variational import (
    Likelihood,
    bits_per_dimension,
    importance_bounds,
    kl_to_prior,
    log_weights,
    reconstruction,
)
from lab.notes.numerics import density, draws, integral, line, log_normal, mean_of, normal, number, two_humps
from lab.notes.step import SEED, Chapter, Check, Number, Shown, Sides, Source, Step, drawn, exact

VAE, IWAE, BETA = "Kingma & Welling 2013", "Burda, Grosse & Salakhutdinov 2015", "Higgins et al. 2017"
GAIN, SPREAD = 1.5, 0.8  # of the model of these checks: x = GAIN z + SPREAD eps

X = Number("x", "x", 1.2, -3, 3)
MEAN, STD = Number("m", "m", 0.4, -2, 2), Number("s", "s", 0.7, 0.4, 2)


def likelihood(x: float) -> Likelihood:
    """log p(x | z) of the model of these checks, of codes (k, 1)."""
    return lambda codes: -((x - GAIN * codes) ** 2) / (2 * SPREAD**2) - 0.5 * math.log(2 * math.pi * SPREAD**2)


def evidence(x: float) -> float:
    """log p(x): z and the noise are normal, so x is N(0, GAIN^2 + SPREAD^2)."""
    return float(log_normal(x, 0.0, GAIN**2 + SPREAD**2))


def true_posterior(x: float) -> tuple[float, float]:
    """Mean and deviation of p(z | x)."""
    whole = GAIN**2 + SPREAD**2
    return GAIN * x / whole, SPREAD / math.sqrt(whole)


def _one(value: float) -> Tensor:
    return torch.tensor([value], dtype=torch.float64)


def _codes(seed: int, count: int = 50_000) -> Tensor:
    return torch.from_numpy(draws(seed, 1, count)).T  # (count, 1)


def _entropy(s: float) -> Sides:
    x = line(reach=12 * s)
    p = normal(x, 0, s**2)
    nats = -integral(p * log_normal(x, 0, s**2), x)
    return exact(nats / math.log(2), bits_per_dimension(-0.5 * math.log(2 * math.pi * math.e * s**2), 1))


def _divergence(m: float, s: float) -> Sides:
    x = line(m, 12 * s)
    by_hand = integral(normal(x, m, s**2) * (log_normal(x, m, s**2) - log_normal(x)), x)
    zero = _one(0)
    return exact(by_hand, number(gaussian_kl(_one(m), _one(s**2).log(), zero, zero)))


def _jensen(m: float, s: float) -> Sides:
    x = line(reach=6)
    p = density(two_humps(), x)
    inside = integral(p * (log_normal(x, m, s**2) - np.log(p)), x)
    everywhere = line(m, 12 * s)
    return exact(inside, math.log(integral(normal(everywhere, m, s**2), everywhere)), "≤")


def _identity(x: float, m: float, s: float, seed: int) -> Sides:
    bound, error = mean_of(log_weights(likelihood(x), _one(m), _one(s), _codes(seed)).numpy())
    mean, std = true_posterior(x)
    gap = number(gaussian_kl(_one(m), _one(s**2).log(), _one(mean), _one(std**2).log()))
    return drawn((bound + gap, error), evidence(x))


def _two_terms(x: float, m: float, s: float, seed: int) -> Sides:
    eps = _codes(seed)
    whole = log_weights(likelihood(x), _one(m), _one(s), eps).numpy()
    told = reconstruction(likelihood(x), _one(m), _one(s), eps).item()
    price = number(kl_to_prior(_one(m), _one(s)))
    apart = whole - likelihood(x)(m + s * eps).squeeze(1).numpy()  # what the draws say of the price
    return drawn((float(whole.mean()), mean_of(apart)[1]), told - price)


def _reparameterisation(m: float, s: float, seed: int) -> Sides:
    (eps,) = draws(seed)
    return drawn(mean_of(eps * np.cos(m + s * eps)), -s * math.exp(-(s**2) / 2) * math.sin(m))


def _autoencoder(correlation: float, seed: int) -> Sides:
    first, other = draws(seed, 2)
    pair = np.stack([first, correlation * first + math.sqrt(1 - correlation**2) * other])
    direction = np.array([1.0, math.copysign(1.0, correlation)]) / math.sqrt(2)
    seen = np.outer(direction, direction @ pair)  # encoded to one number, and decoded
    return drawn(mean_of(((pair - seen) ** 2).sum(0)), 1 - abs(correlation))


def _best_code(beta: float) -> Sides:
    v = np.linspace(1e-4, 1.2, 120_001)
    price = kl_to_prior(torch.zeros(1), torch.from_numpy(np.sqrt(v))).numpy()
    objective = -(GAIN**2) * v / (2 * SPREAD**2) - beta * price
    best = beta * SPREAD**2 / (GAIN**2 + beta * SPREAD**2)
    return Sides(float(v[objective.argmax()]), best, 2e-5, "the places that were tried")


def _weighted(x: float, m: float, s: float, k: int, seed: int) -> Sides:
    weights = log_weights(likelihood(x), _one(m), _one(s), _codes(seed, 60_000))
    return drawn(mean_of(importance_bounds(weights, k).exp().numpy()), math.exp(evidence(x)))


CHAPTER = Chapter(
    "elbo",
    "Entropy, the bound, autoencoders",
    "What it costs to say something, what it costs to be wrong, and why a model with hidden causes is trained by a bound. All else stands on this.",
    (
        Step(
            "entropy",
            "Entropy: the price of saying it",
            (
                r"A value of probability $p$ is worth a code of $-\log_2 p$ bits: rare things get long names. Entropy is the mean length of the best code.",
                r"For a normal density the logarithm is a square, and the mean of that square is the variance. So the price depends on the width alone.",
            ),
            (
                r"H(p) = -\mathbb{E}_p[\log p(x)]",
                r"= \tfrac12\log(2\pi s^2) + \frac{\mathbb{E}[(x-m)^2]}{2 s^2} = \tfrac12\log(2\pi e\, s^2)",
            ),
            Check(
                r"$-\int p \log_2 p$ of $\mathcal{N}(0, s^2)$, by quadrature",
                r"$\tfrac12 \log_2 (2\pi e\, s^2)$, in the lab's bits",
                _entropy,
                (Number("s", "s", 0.7, 0.05, 20),),
            ),
            (Source("Shannon 1948", "on the entropy of a continuous distribution"),),
            ("lab/engine/variational.py:bits_per_dimension",),
            (Shown("ledger", "The bill of an apple"),),
        ),
        Step(
            "divergence",
            "Kullback–Leibler: the price of the wrong code",
            (
                r"Who codes draws of $q$ with the lengths of $p$ pays $-\mathbb{E}_q[\log p]$, and could have paid $H(q)$. The difference is the divergence.",
                r"For two normal densities put in both logarithms. $\mathbb{E}_q[(x-m_q)^2] = s_q^2$, and "
                r"$\mathbb{E}_q[(x-m_p)^2] = s_q^2 + (m_q-m_p)^2$, since the mean of $x-m_q$ is 0.",
            ),
            (
                r"D_{\mathrm{KL}}(q \,\|\, p) = \mathbb{E}_q[\log q(x) - \log p(x)]",
                r"= \log\frac{s_p}{s_q} - \tfrac12 + \frac{s_q^2 + (m_q - m_p)^2}{2 s_p^2}",
            ),
            Check(
                r"$\int q\,(\log q - \log p)$ of $\mathcal{N}(m, s^2)$ and $\mathcal{N}(0, 1)$, by quadrature",
                "the lab's closed form",
                _divergence,
                (MEAN, STD),
            ),
            (Source("Kullback & Leibler 1951", "its definition of information"), Source(VAE, "appendix B")),
            ("lab/engine/likelihood.py:gaussian_kl", "lab/engine/variational.py:kl_to_prior"),
            (Shown("ledger", "The last steps cost most"),),
        ),
        Step(
            "jensen",
            "Jensen's inequality: the wrong code is never cheaper",
            (
                r"The logarithm lies below its tangent at 1: $\log u \le u - 1$. Put $u = y/\mathbb{E}[y]$ for a positive random $y$ and take the mean: "
                r"$\mathbb{E}[\log y] - \log\mathbb{E}[y] \le 0$. That is Jensen's inequality for the logarithm; there is equality where $y$ is constant.",
                r"With $y = q(x)/p(x)$ and $x$ drawn from $p$, $\mathbb{E}_p[y] = \int q = 1$. So the divergence is at least 0, and 0 for equal densities alone.",
            ),
            (
                r"\mathbb{E}[\log y] \le \log \mathbb{E}[y]",
                r"-D_{\mathrm{KL}}(p \,\|\, q) = \mathbb{E}_p\Big[\log\frac{q(x)}{p(x)}\Big] \le \log \int q(x)\,\mathrm{d}x = 0",
            ),
            Check(
                r"$\mathbb{E}_p[\log (q/p)]$ of two humps $p$ and $q = \mathcal{N}(m, s^2)$, by quadrature",
                r"$\log \int q$",
                _jensen,
                (MEAN, Number("s", "s", 1.2, 0.4, 2)),
            ),
            (Source("Kullback & Leibler 1951", "that information is never below 0"),),
            ("lab/engine/variational.py:importance_bounds",),
        ),
        Step(
            "bound",
            "The evidence and its lower bound",
            (
                r"A model with a hidden cause $z$ gives $x$ the probability $p(x) = \int p(x \mid z)\,p(z)\,\mathrm{d}z$, which is out of reach where "
                r"$p(x \mid z)$ is a network. Take any density $q(z)$ and multiply $p(x) = p(x, z)/p(z \mid x)$ by $q/q$. The left side does not depend on $z$, so one may take the mean over $q$.",
                r"The last term is a divergence and at least 0: what is left is a lower bound on $\log p(x)$, the ELBO. Its gap says how far $q$ is from the true posterior. "
                r"The model of these checks is $x = 1.5\,z + 0.8\,\epsilon$, of which all is known.",
            ),
            (
                r"\log p(x) = \mathbb{E}_q\Big[\log\frac{p(x, z)}{q(z)}\Big] + \mathbb{E}_q\Big[\log\frac{q(z)}{p(z \mid x)}\Big]",
                r"= \mathrm{ELBO} + D_{\mathrm{KL}}(q(z) \,\|\, p(z \mid x)) \ge \mathrm{ELBO}",
            ),
            Check(
                r"ELBO of $q = \mathcal{N}(m, s^2)$, by draws, plus its divergence from the posterior",
                r"$\log p(x)$",
                _identity,
                (X, MEAN, STD, SEED),
            ),
            (Source(VAE, "eq. 1 and 2"),),
            ("lab/engine/variational.py:log_weights",),
            (Shown("inside", "A bound and its gap"),),
        ),
        Step(
            "vae",
            "Two terms: the variational autoencoder",
            (
                r"Split $p(x, z) = p(x \mid z)\,p(z)$. One term says how well codes drawn from $q$ explain $x$; the other is the price of those codes, their divergence from the prior.",
                r"The variational autoencoder lets one network choose $q$ for each $x$ (the encoder) and another be $p(x \mid z)$ (the decoder), and trains both by this sum.",
            ),
            (
                r"\mathrm{ELBO} = \mathbb{E}_{q(z \mid x)}[\log p(x \mid z)] - D_{\mathrm{KL}}(q(z \mid x) \,\|\, p(z))",
                r"D_{\mathrm{KL}}(\mathcal{N}(m, s^2) \,\|\, \mathcal{N}(0, 1)) = \tfrac12(m^2 + s^2 - 1) - \log s",
            ),
            Check(
                r"$\mathbb{E}_q[\log p(x, z) - \log q(z)]$, by draws",
                "reconstruction by the same draws, less the closed price",
                _two_terms,
                (X, MEAN, STD, SEED),
            ),
            (Source(VAE, "eq. 3 and 10"),),
            ("lab/engine/variational.py:reconstruction", "lab/engine/variational.py:kl_to_prior"),
            (Shown("inside", "A bound and its gap"),),
        ),
        Step(
            "reparameterisation",
            "A gradient through the draw",
            (
                r"To train the encoder one needs the slope of $\mathbb{E}_q[f(z)]$ by $m$ and $s$, but they sit in the density that is drawn from. Draw $\epsilon \sim \mathcal{N}(0,1)$ "
                r"and set $z = m + s\,\epsilon$: now the density is fixed, and the slope may go inside.",
                r"The check takes $f = \sin$: then $\mathbb{E}[\sin(m + s\epsilon)] = e^{-s^2/2}\sin m$ is known, since the mean of $e^{is\epsilon}$ is $e^{-s^2/2}$.",
            ),
            (
                r"\frac{\partial}{\partial s}\,\mathbb{E}[f(m + s\,\epsilon)] = \mathbb{E}[\epsilon\, f'(m + s\,\epsilon)]",
                r"\frac{\partial}{\partial m}\,\mathbb{E}[f(m + s\,\epsilon)] = \mathbb{E}[f'(m + s\,\epsilon)]",
            ),
            Check(
                r"$\mathbb{E}[\epsilon \cos(m + s\epsilon)]$, by draws",
                r"the slope of $e^{-s^2/2}\sin m$ by $s$",
                _reparameterisation,
                (MEAN, STD, SEED),
            ),
            (Source(VAE, "section 2.4"),),
            ("lab/models/bottleneck.py:Posterior.sample",),
        ),
        Step(
            "autoencoder",
            "The plain autoencoder",
            (
                r"With $p(x \mid z) = \mathcal{N}(D(z), s_x^2)$ the first term is a squared error. Leave out the price and let $q$ be a single code $E(x)$: that is the plain autoencoder. "
                r"Nothing keeps its codes together, so one cannot draw from it.",
                r"Where both networks are linear and the code is one number along a direction $u$ of length 1, the error is $\mathbb{E}\|x\|^2 - u^\top C u$. It is least along the axis in which the data vary most: "
                r"what is lost are the smaller eigenvalues of the covariance $C$. The check has two values of variance 1, whose eigenvalues are $1 \pm \rho$.",
            ),
            (
                r"-\log p(x \mid z) = \frac{\|x - D(z)\|^2}{2 s_x^2} + \mathrm{const}",
                r"\min_{u}\ \mathbb{E}\,\|x - u\,u^\top x\|^2 = \lambda_2 = 1 - |\rho|",
            ),
            Check(
                r"mean squared error through the best direction, by draws",
                r"$1 - |\rho|$",
                _autoencoder,
                (Number("correlation", r"\rho", 0.8, -0.99, 0.99), SEED),
            ),
            (Source("Hinton & Salakhutdinov 2006", "its first page"), Source("Baldi & Hornik 1989", "its main result")),
            ("lab/models/bottleneck.py:Bottleneck",),
            (Shown("inside", "Why latents pay"),),
        ),
        Step(
            "beta",
            "A dearer code: the beta-VAE",
            (
                r"Multiply the price by $\beta$. In the model of these checks, with $x = a z + s_x\epsilon$, the part of the objective with the variance $v$ of $q$ is "
                r"$-\frac{a^2 v}{2 s_x^2} - \frac{\beta}{2}(v - 1 - \log v)$. Its slope is 0 where $\frac{\beta}{v} = \frac{a^2}{s_x^2} + \beta$.",
                r"So a higher price widens the code. Where the decoder hardly uses a latent, $a \to 0$ and $v \to 1$: the code says nothing and costs nothing. The latent has died.",
            ),
            (
                r"\mathbb{E}_q[\log p(x \mid z)] - \beta\, D_{\mathrm{KL}}(q(z \mid x) \,\|\, p(z))",
                r"v = \frac{\beta s_x^2}{a^2 + \beta s_x^2}, \quad m = \frac{a\,x}{a^2 + \beta s_x^2}",
            ),
            Check(
                r"the $v$ of the largest objective, tried one after another",
                r"$\beta s_x^2 / (a^2 + \beta s_x^2)$",
                _best_code,
                (Number("beta", r"\beta", 4, 0.1, 50),),
            ),
            (Source(BETA, "its objective"), Source("Burgess et al. 2018", "on the information bottleneck")),
            ("lab/engine/variational.py:kl_to_prior",),
            (Shown("inside", "Latents die"),),
        ),
        Step(
            "weighted",
            "Several draws: a tighter bound",
            (
                r"The mean of $K$ weights $p(x, z_k)/q(z_k)$ has the mean $p(x)$, whatever $K$: each weight has it, as $\int q\,\frac{p(x,z)}{q}\,\mathrm{d}z = p(x)$. "
                r"By Jensen the mean of its logarithm lies below $\log p(x)$; for $K=1$ it is the ELBO.",
                r"The more draws, the less the mean of the weights wavers, and the closer the bound comes.",
            ),
            (
                r"\mathcal{L}_K = \mathbb{E}\Big[\log \tfrac1K \sum_{k=1}^K \frac{p(x, z_k)}{q(z_k)}\Big] \le \log p(x)",
                r"\mathbb{E}\Big[\tfrac1K \sum_{k=1}^K \frac{p(x, z_k)}{q(z_k)}\Big] = p(x)",
            ),
            Check(
                r"mean of the mean of $K$ weights, by draws",
                r"$p(x)$",
                _weighted,
                (X, MEAN, STD, Number("k", "K", 8, 1, 64, whole=True), SEED),
            ),
            (Source(IWAE, "eq. 8 and theorem 1"),),
            ("lab/engine/variational.py:importance_bounds",),
            (Shown("inside", "A bound and its gap"),),
        ),
    ),
)
