"""Chapter: schedules, and the variance of the reverse step."""

import math

import numpy as np
import torch

from lab.engine.likelihood import Posterior
from lab.engine.mixture import Mixture
from lab.engine.noising import alpha_bar
from lab.engine.plane_lanes import reverse_moments
from lab.notes.chapters.forward import SHARE, TIME, T, levels, reverse_by_bayes, step_of
from lab.notes.numerics import Array, at, mean_of, number
from lab.notes.step import SEED, STEPS, Chapter, Check, Number, Shown, Sides, Source, Step, drawn, exact

IMPROVED, DDPM, FLAWED = "Nichol & Dhariwal 2021", "Ho, Jain & Abbeel 2020", "Lin et al. 2023"
OFFSET = 0.008  # of the cosine schedule


def cosine(t: float) -> float:
    """f(t) of the cosine schedule."""
    return math.cos((t / T + OFFSET) / (1 + OFFSET) * math.pi / 2) ** 2


def betas(table: Array) -> Array:
    """beta at t = 1 .. T of alpha-bar at t = 0 .. T."""
    return 1 - table[1:] / table[:-1]


def term_weights() -> Array:
    """A bound's terms where the noise is guessed wrong by 1 everywhere, t = 2 .. T: (SNR(t-1) / SNR(t) - 1) / 2."""
    table = alpha_bar("linear", T)[1:]
    ratios = table / (1 - table)
    return 0.5 * (ratios[:-1] / ratios[1:] - 1)


def sharp_humps(share: float) -> Mixture:
    """Two sharp humps: from noise one is in much doubt which of them it is."""
    return Mixture(torch.tensor([[-1.0], [1.5]]), torch.tensor([share, 1 - share]), 0.1)


def _cosine(t: int) -> Sides:
    return exact(float(alpha_bar("cosine", T)[t]), cosine(t) / cosine(0), digits=1e-5)


def _other_lengths(percent: int, hundreds: int) -> Sides:
    own, other = alpha_bar("linear", T), alpha_bar("linear", 100 * hundreds)
    t, s = percent * T // 100, percent * hundreds
    # What the logarithm's square and the places where the betas are read may make.
    squares = (betas(own)[:t] ** 2).sum() + (betas(other)[:s] ** 2).sum()
    return Sides(
        math.log(own[t]), math.log(other[s]), float(0.6 * squares + betas(own)[t - 1] + betas(other)[s - 1]), STEPS
    )


def _no_leak(t: int) -> Sides:
    root = np.sqrt(alpha_bar("scaled_linear", T))
    mended = (root[t] - root[T]) * root[1] / (root[1] - root[T])
    return exact(float(alpha_bar("scaled_linear", T, zero_snr=True)[t]), mended**2, digits=1e-5)


def _two_ends(std: float, t: int) -> Sides:
    now, before = levels(t)
    alpha, beta = step_of(t)
    spread = before.signal**2 * std**2 + before.noise**2
    data = Mixture(torch.zeros(1, 1), std=std)
    variance = number(reverse_moments(data, at(0.3), now, before)[1])
    formula = spread * beta / (alpha * spread + beta)
    return Sides(variance, formula, 1e-6 * formula)


def _learned(v: float, t: int) -> Sides:
    steps = Posterior(torch.tensor(alpha_bar("linear", T)[1:]), torch.tensor([t - 1]))
    now, before = levels(t)
    beta = step_of(t)[1]
    small = beta * before.noise**2 / now.noise**2
    learned = steps.learned_log_variance(torch.full((1, 1, 1, 1), 2 * v - 1, dtype=torch.float64)).exp().item()
    return Sides(learned, beta**v * small ** (1 - v), 1e-6 * small)


def _best(x_t: float, t: int, share: float) -> Sides:
    now, before = levels(t)
    variance = number(reverse_moments(sharp_humps(share), at(x_t), now, before)[1])
    by_bayes = reverse_by_bayes(sharp_humps(share), x_t, t)[1]
    return Sides(by_bayes, variance, 1e-6 * variance)


def _sampled_terms(seed: int) -> Sides:
    terms = term_weights()
    chances = terms / terms.sum() * 0.5 + 0.5 / len(terms)
    places = np.random.default_rng(seed).random(40_000)
    drawn_terms = np.minimum(np.searchsorted(chances.cumsum(), places), len(terms) - 1)
    return drawn(mean_of(terms[drawn_terms] / chances[drawn_terms]), float(terms.sum()))


CHAPTER = Chapter(
    "variance",
    "Schedules and variances",
    "How fast the picture drowns is a choice, and so is how much noise a step back adds. Both have ends that can be derived.",
    (
        Step(
            "cosine",
            "The cosine schedule",
            (
                r"The linear schedule leaves little of the picture for the last third of its steps. Choose $\bar\alpha_t$ instead, and let the betas follow: "
                r"$\beta_t = 1 - \bar\alpha_t/\bar\alpha_{t-1}$, for the product of $1-\beta_t$ is then a product of quotients, in which all but $\bar\alpha_t/\bar\alpha_0$ cancels.",
                r"With $\bar\alpha = \cos^2\varphi$ the signal is $\cos\varphi$ and the noise $\sin\varphi$: a quarter turn, at even speed. The offset $s = 0.008$ keeps the first steps from being too small; "
                r"at the end $\beta_t$ is kept below 0.999, since the last quotient would be 0.",
            ),
            (
                r"\bar\alpha_t = \frac{f(t)}{f(0)}, \quad f(t) = \cos^2\Big(\frac{t/T + s}{1 + s}\cdot\frac{\pi}{2}\Big)",
                r"\beta_t = \min\Big(1 - \frac{\bar\alpha_t}{\bar\alpha_{t-1}},\ 0.999\Big)",
            ),
            Check(
                r"the lab's $\bar\alpha_t$, a product of betas",
                r"$f(t)/f(0)$",
                _cosine,
                (Number("t", "t", 500, 1, T - 1, whole=True),),
            ),
            (Source(IMPROVED, "eq. 17"),),
            ("lab/engine/noising.py:alpha_bar",),
            (Shown("noising", "Linear against cosine"),),
        ),
        Step(
            "lengths",
            "The same schedule in fewer steps",
            (
                r"Let the betas of a chain of $T'$ steps be $1000/T'$ times those of 1000. As $\log(1-\beta) = -\beta - \tfrac12\beta^2 - \dots$, $\log\bar\alpha$ is minus the sum of the betas, up to their squares, "
                r"and the sum of longer and fewer betas to the same share of the way is the same area under the same line.",
            ),
            (
                r"\log \bar\alpha_t = \sum_{s=1}^t \log(1-\beta_s) = -\sum_{s=1}^t \beta_s - O\Big(\sum_{s=1}^t \beta_s^2\Big)",
            ),
            Check(
                r"$\log\bar\alpha$ of 1000 steps at this share of the way",
                r"$\log\bar\alpha$ of $T'$ steps there",
                _other_lengths,
                (
                    Number("percent", r"100\,t/T", 50, 1, 100, whole=True),
                    Number("hundreds", "T'/100", 2, 1, 40, whole=True),
                ),
            ),
            (Source(IMPROVED, "section 4"),),
            ("lab/engine/noising.py:alpha_bar",),
            (Shown("ledger", "Fewer steps cost more"),),
        ),
        Step(
            "leak",
            "No leak at the end",
            (
                r"Stable Diffusion's schedule ends with $\sqrt{\bar\alpha_T} = 0.068$: training saw a trace of the picture there, sampling starts from none. "
                r"Shift $\sqrt{\bar\alpha_t}$ so that its last value is 0, and scale it so that its first one stays. A line through two points has these two numbers.",
            ),
            (
                r"\sqrt{\bar\alpha'_t} = \big(\sqrt{\bar\alpha_t} - \sqrt{\bar\alpha_T}\big)\,\frac{\sqrt{\bar\alpha_1}}{\sqrt{\bar\alpha_1} - \sqrt{\bar\alpha_T}}",
            ),
            Check(
                r"the lab's mended $\bar\alpha_t$",
                "the formula, squared",
                _no_leak,
                (Number("t", "t", 900, 1, T, whole=True),),
            ),
            (Source(FLAWED, "algorithm 1"),),
            ("lab/engine/noising.py:alpha_bar",),
            (Shown("noising", "The leak at t = T"),),
        ),
        Step(
            "ends",
            "Two ends for the variance of a step back",
            (
                r"Let the data be normal with variance $s^2$. Then $x_{t-1}$ has the variance $V = \bar\alpha_{t-1}s^2 + 1-\bar\alpha_{t-1}$, and Bayes' rule adds precisions: $1/V$ of what was known before, $\alpha_t/\beta_t$ of what $x_t$ says.",
                r"For $s = 0$, a single picture, $V = 1-\bar\alpha_{t-1}$ and this is $\tilde\beta_t$. For $s = 1$, as much spread as the noise has, $V = 1$ and it is $\beta_t$. Data lie between; these are the two choices of DDPM.",
            ),
            (
                r"\mathrm{Var}[x_{t-1} \mid x_t] = \Big(\frac1V + \frac{\alpha_t}{\beta_t}\Big)^{-1} = \frac{V \beta_t}{\alpha_t V + \beta_t}",
                r"\tilde\beta_t \le \mathrm{Var}[x_{t-1} \mid x_t] \le \beta_t \quad (0 \le s \le 1)",
            ),
            Check(
                "variance of the lab's true step back",
                r"$V\beta_t/(\alpha_t V + \beta_t)$",
                _two_ends,
                (Number("std", "s", 0.5, 0, 3), TIME),
            ),
            (Source(DDPM, "section 3.2"), Source("Sohl-Dickstein et al. 2015", "section 2.6")),
            ("lab/engine/plane_lanes.py:reverse_moments",),
            (Shown("ledger", "Three variances"),),
        ),
        Step(
            "learned",
            "A learned variance",
            (
                r"The network says a number $v$ between 0 and 1 for each pixel, and the variance lies between both ends on a scale of logarithms, since they differ by factors. "
                r"The simple loss does not see the variance, so a small share of the bound is added to it, whose gradient does not reach the mean.",
            ),
            (
                r"\Sigma_\theta = \exp\big(v\log\beta_t + (1-v)\log\tilde\beta_t\big)",
                r"L_{\mathrm{hybrid}} = L_{\mathrm{simple}} + 0.001\, L",
            ),
            Check(
                "the lab's variance",
                r"$\beta_t^{\,v}\,\tilde\beta_t^{\,1-v}$",
                _learned,
                (Number("v", "v", 0.3, 0, 1), TIME),
            ),
            (Source(IMPROVED, "eq. 15 and 16"),),
            ("lab/engine/likelihood.py:Posterior.learned_log_variance",),
            (Shown("samplers", "Few steps, noise or none"),),
        ),
        Step(
            "best",
            "The best variance",
            (
                r"Among normal densities with the right mean, the mean of $-\log\mathcal{N}$ is $\tfrac12\log\sigma^2 + \mathrm{Var}/(2\sigma^2)$ and a constant; its slope by $\sigma^2$ is 0 where $\sigma^2$ is the true variance.",
                r"That is the variance which the posterior has when the picture is known, plus that of its mean, as far as the picture is not known: $\tilde\mu_t$ has the factor $w = \sqrt{\bar\alpha_{t-1}}\,\beta_t/(1-\bar\alpha_t)$ before $x_0$. "
                r"The data of this check are two sharp humps.",
            ),
            (r"\sigma_t^{*2} = \mathrm{Var}[x_{t-1} \mid x_t] = \tilde\beta_t + w^2\,\mathrm{Var}[x_0 \mid x_t]",),
            Check(
                r"variance of $q(x_{t-1} \mid x_t)$, by Bayes' rule and quadrature",
                r"the lab's $\tilde\beta_t + w^2\,\mathrm{Var}[x_0 \mid x_t]$",
                _best,
                (Number("x_t", "x_t", 0.1, -3, 3), Number("t", "t", 700, 100, T, whole=True), SHARE),
            ),
            (Source("Bao et al. 2022", "which averages it over x_t"),),
            ("lab/engine/plane_lanes.py:reverse_moments", "lab/engine/mixture.py:Mixture.covariance"),
            (Shown("samplers", "Learned or perfect?"),),
        ),
        Step(
            "sampled",
            "Drawing the steps that cost most",
            (
                r"The terms of the bound differ by orders of magnitude, so an even draw of $t$ makes a wild gradient. Draw $t$ with chances $p_t$ and divide by them: the mean does not change, whatever the chances. "
                r"It wavers least where $p_t$ is in proportion to the root of $\mathbb{E}[L_t^2]$.",
                r"The check takes the terms of a network that guesses every noise wrong by 1, and chances half even, half in proportion.",
            ),
            (r"\sum_{t} L_t = \sum_t p_t\,\frac{L_t}{p_t} = \mathbb{E}_{t \sim p}\Big[\frac{L_t}{p_t}\Big]",),
            Check(r"$\mathbb{E}[L_t/p_t]$, by draws of $t$", r"$\sum_t L_t$", _sampled_terms, (SEED,)),
            (Source(IMPROVED, "section 3.3"),),
            ("lab/engine/ledger.py:make_chain",),
            (Shown("ledger", "The last steps cost most"),),
        ),
    ),
)
