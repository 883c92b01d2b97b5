"""Chapter: many small steps become an equation; its way back with noise and without; DDIM."""

import math

import numpy as np
import torch

from lab.engine.mixture import Mixture
from lab.engine.plane_lanes import beta, ddim, denoised, posterior, preserving
from lab.engine.process import Level
from lab.notes.chapters.forward import SHARE, TIME, X_0, X_T, T, levels
from lab.notes.numerics import at, curvature, draws, mean_of, number, slope, two_humps
from lab.notes.step import SEED, STEPS, Chapter, Check, Number, Shown, Sides, Source, Step, drawn, exact

SDE, DDIM, EDM = "Song et al. 2020", "Song, Meng & Ermon 2020", "Karras et al. 2022"
PLACE = Number("x", "x", 0.5, -2.5, 2.5)
MOMENT = Number("t", "t", 0.3, 0.05, 0.95)


def density_at(data: Mixture, x: float, t: float) -> float:
    """q_t(x) under the variance-preserving SDE."""
    return number(data.at(preserving(t)).pdf(at(x)))


def score_at(data: Mixture, x: float, t: float) -> float:
    """The score there."""
    return number(data.score_at(at(x), preserving(t)))


def change(data: Mixture, x: float, t: float) -> float:
    """The slope of q_t(x) by t."""
    return slope(lambda moment: density_at(data, x, moment), t)


def backward_drift(data: Mixture, x: float, t: float) -> float:
    """What moves a particle while time runs back, besides noise."""
    return beta(t) * (x / 2 + score_at(data, x, t))


def velocity(data: Mixture, x: float, t: float) -> float:
    """Of the probability flow."""
    return -beta(t) / 2 * (x + score_at(data, x, t))


def below(data: Mixture, x: float) -> float:
    """The share of the data below x."""
    places, weights = data.points[:, 0].numpy(), data.weights.numpy()
    heights = [0.5 * (1 + math.erf((x - place) / (data.std * math.sqrt(2)))) for place in places]
    return float(weights @ np.array(heights))


def generalized(x_t: float, x_0: float, t: Level[float], s: Level[float], deviation: float) -> float:
    """Mean of DDIM's step back from t to s where x_0 is known."""
    eps = (x_t - t.signal * x_0) / t.noise
    return s.signal * x_0 + math.sqrt(max(0.0, s.noise**2 - deviation**2)) * eps


def _limit(t: float, steps: int) -> Sides:
    rates = np.array([beta(t * (i + 0.5) / steps) for i in range(steps)]) * t / steps
    chain = float(np.exp(np.log1p(-rates).sum()))
    return Sides(chain, preserving(t).alpha_bar, float((rates**2).sum()) * chain + 1e-9, STEPS)


def _spread(x: float, t: float, share: float) -> Sides:
    data = two_humps(share)
    shrink = slope(lambda place: place * density_at(data, place, t), x)
    blur = curvature(lambda place: density_at(data, place, t), x)
    return exact(change(data, x, t), beta(t) / 2 * (shrink + blur), digits=1e-4)


def _backwards(x: float, t: float, share: float) -> Sides:
    data = two_humps(share)
    drift = slope(lambda place: backward_drift(data, place, t) * density_at(data, place, t), x)
    blur = curvature(lambda place: density_at(data, place, t), x)
    return exact(-change(data, x, t), -drift + beta(t) / 2 * blur, digits=1e-4)


def _flow(x: float, t: float, share: float) -> Sides:
    data = two_humps(share)
    current = slope(lambda place: velocity(data, place, t) * density_at(data, place, t), x)
    return exact(change(data, x, t), -current, digits=1e-4)


def _quantile(x_t: float, share: float) -> Sides:
    data, start = two_humps(share), torch.tensor([[x_t]], dtype=torch.float64)
    ends = []
    for steps in (50, 100):
        *_, end = ddim(data.score_at, start, steps)
        ends.append(below(data, number(end)))
    return Sides(below(data.at(preserving(1.0)), x_t), ends[1], 2 * abs(ends[1] - ends[0]) + 1e-4, STEPS)


def _ancestral(x: float, t: float, share: float, step: float) -> Sides:
    data, now, before = two_humps(share), preserving(t), preserving(t - step)
    rate = beta(t) * step
    mean, _ = posterior(at(x), denoised(data.score_at, at(x), now), now, before)
    drift = x / 2 + score_at(data, x, t)
    error = rate * (abs(x) + abs(drift)) + step / t * abs(drift) * 4
    return Sides((number(mean) - x) / rate, drift, error, STEPS)


def _same_marginals(x_0: float, t: int, eta: float, seed: int) -> Sides:
    now, before = levels(t)
    deviation = eta * math.sqrt(posterior(at(0), at(0), now, before)[1])
    eps, again = draws(seed, 2)
    x_t = now.signal * x_0 + now.noise * eps
    kept = (x_t - now.signal * x_0) / now.noise
    back = before.signal * x_0 + math.sqrt(before.noise**2 - deviation**2) * kept + deviation * again
    return drawn(mean_of(back**2), before.alpha_bar * x_0**2 + before.noise**2)


def _ddpm_is_ddim(x_0: float, x_t: float, t: int) -> Sides:
    now, before = levels(t)
    mean, variance = posterior(at(x_t), at(x_0), now, before)
    return exact(generalized(x_t, x_0, now, before, math.sqrt(variance)), number(mean))


def _euler(x_t: float, t: int, left: float, share: float) -> Sides:
    now, before = levels(t)[0], levels(max(1, int(left * t)))[0]
    data = two_humps(share)
    x_0 = number(data.denoise(at(x_t), now))
    eps = (x_t - now.signal * x_0) / now.noise
    step = generalized(x_t, x_0, now, before, 0.0)
    return exact(step / before.signal, x_t / now.signal + (before.sigma - now.sigma) * eps)


def _one_picture(x_t: float, picture: float, steps: int) -> Sides:
    data = Mixture(torch.tensor([[picture]]))
    *_, end = ddim(data.score_at, torch.tensor([[x_t]], dtype=torch.float64), steps)
    return exact(number(end), picture, digits=1e-5)


CHAPTER = Chapter(
    "dynamics",
    "Equations of motion, and DDIM",
    "Let the steps become small and many: the chain becomes a stochastic differential equation. It can be run backwards, with noise or without, "
    "and DDIM turns out to be its way without.",
    (
        Step(
            "limit",
            "From steps to a differential equation",
            (
                r"Let a step last $\mathrm{d}t$ and add noise of variance $\beta(t)\,\mathrm{d}t$. Then $\sqrt{1-\beta\,\mathrm{d}t} = 1 - \tfrac12\beta\,\mathrm{d}t$ up to its square, and the chain becomes an equation for the path.",
                r"$\bar\alpha$ is a product of factors $1-\beta\,\mathrm{d}t$; its logarithm is a sum of $-\beta\,\mathrm{d}t$, which becomes an integral. The lab's rate on the plane rises from 0.1 to 20.",
            ),
            (
                r"\mathrm{d}x = -\tfrac12\beta(t)\,x\,\mathrm{d}t + \sqrt{\beta(t)}\,\mathrm{d}w",
                r"\bar\alpha(t) = \exp\Big(-\int_0^t \beta(s)\,\mathrm{d}s\Big)",
            ),
            Check(
                r"the product of $1 - \beta\,\mathrm{d}t$ over this many steps",
                r"the lab's $\bar\alpha(t)$",
                _limit,
                (Number("t", "t", 0.5, 0.01, 1), Number("steps", "n", 2000, 100, 10_000, whole=True)),
            ),
            (Source(SDE, "eq. 11, 29 and 33"),),
            ("lab/engine/plane_lanes.py:preserving", "lab/engine/plane_lanes.py:beta"),
            (Shown("samplers", "One formula"),),
        ),
        Step(
            "spread",
            "How the density moves",
            (
                r"In $\mathrm{d}t$ a particle at $y$ goes to $x = y - \tfrac12\beta y\,\mathrm{d}t$, and noise of variance $\beta\,\mathrm{d}t$ is added. For a smooth test function $h$, Taylor gives "
                r"$\mathrm{d}\,\mathbb{E}[h(x)] = \mathbb{E}\big[-\tfrac12\beta x\,h'(x) + \tfrac12\beta\,h''(x)\big]\,\mathrm{d}t$: the noise has mean 0, so its first order is gone, and the mean of its square is $\beta\,\mathrm{d}t$.",
                r"Write both sides as integrals with $q_t$ and move the derivatives from $h$ to $q_t$ by parts. As this holds for every $h$, the factors of $h$ are equal. That is the Fokker–Planck equation.",
            ),
            (
                r"\frac{\partial q_t}{\partial t} = \tfrac12\beta(t)\,\frac{\partial}{\partial x}\big(x\,q_t\big) + \tfrac12\beta(t)\,\frac{\partial^2 q_t}{\partial x^2}",
            ),
            Check(
                r"slope of the lab's density by $t$, by differences",
                r"the right side, by differences in $x$",
                _spread,
                (PLACE, MOMENT, SHARE),
            ),
            (Source(SDE, "appendix D.1"),),
            ("lab/engine/mixture.py:Mixture.pdf",),
            (Shown("score", "Four ways down"),),
        ),
        Step(
            "backwards",
            "The way back, with noise",
            (
                r"Let time run back, $\tau = -t$: the density has to obey $\partial q/\partial\tau = -\partial q/\partial t$. Look for a motion with the same noise and some drift $b$, for which Fokker–Planck says "
                r"$\partial q/\partial\tau = -\partial(b\,q)/\partial x + \tfrac12\beta\,\partial^2 q/\partial x^2$.",
                r"Set both equal: $\partial(b\,q)/\partial x = \partial\big(\tfrac12\beta\,x\,q + \beta\,\partial q/\partial x\big)/\partial x$. Since $\partial q/\partial x = q\,\nabla\log q$, $b = \tfrac12\beta\,x + \beta\,\nabla\log q_t$ does it.",
            ),
            (
                r"\mathrm{d}x = \beta(t)\big[\tfrac12 x + \nabla\log q_t(x)\big]\,\mathrm{d}\tau + \sqrt{\beta(t)}\,\mathrm{d}\bar w",
            ),
            Check(
                r"$-\partial q_t/\partial t$, by differences",
                "the change that this drift and noise make",
                _backwards,
                (PLACE, MOMENT, SHARE),
            ),
            (Source("Anderson 1982", "its main theorem"), Source(SDE, "eq. 6")),
            ("lab/engine/plane_lanes.py:reverse_sde",),
            (Shown("score", "Four ways down"),),
        ),
        Step(
            "ancestral",
            "DDPM's step is a step of it",
            (
                r"Put Tweedie's $\hat x_0 = (x_t + (1-\bar\alpha_t)\nabla\log q)/\sqrt{\bar\alpha_t}$ into $\tilde\mu_t$. The terms with $x_t$ add up to $x_t/\sqrt{\alpha_t}$, as for the noise, and the score is left with "
                r"$\beta_t/\sqrt{\alpha_t}$. With $\beta_t = \beta\,\mathrm{d}t$ and $1/\sqrt{\alpha_t} = 1 + \tfrac12\beta\,\mathrm{d}t$ up to squares, that is the drift above.",
            ),
            (
                r"\tilde\mu_t(x_t, \hat x_0) = \frac{x_t + \beta_t\,\nabla\log q_t(x_t)}{\sqrt{\alpha_t}}",
                r"= x_t + \beta\,\mathrm{d}t\,\big[\tfrac12 x_t + \nabla\log q_t(x_t)\big] + O(\mathrm{d}t^2)",
            ),
            Check(
                r"what the lab's DDPM step moves, over $\beta\,\mathrm{d}t$",
                r"$\tfrac12 x + \nabla\log q_t(x)$",
                _ancestral,
                (PLACE, MOMENT, SHARE, Number("step", r"\mathrm{d}t", 0.001, 0.0001, 0.01)),
            ),
            (Source(SDE, "eq. 4 and appendix E"),),
            ("lab/engine/plane_lanes.py:ddpm",),
            (Shown("samplers", "DDPM against DDIM"),),
        ),
        Step(
            "flow",
            "The way without noise",
            (
                r"Spreading by noise can be done by a current: $\tfrac12\beta\,\partial^2 q/\partial x^2 = \partial\big(\tfrac12\beta\,q\,\nabla\log q\big)/\partial x$. So Fokker–Planck is a continuity equation, "
                r"$\partial q/\partial t = -\partial(v\,q)/\partial x$, of a velocity that needs no noise.",
                r"Particles that move with $v$ have the density $q_t$ at every time, forwards and backwards, though each of them goes another way than with noise.",
            ),
            (r"\frac{\mathrm{d}x}{\mathrm{d}t} = v(x, t) = -\tfrac12\beta(t)\big[x + \nabla\log q_t(x)\big]",),
            Check(
                r"slope of the lab's density by $t$, by differences",
                r"$-\partial(v\,q_t)/\partial x$, by differences",
                _flow,
                (PLACE, MOMENT, SHARE),
            ),
            (Source(SDE, "eq. 13 and appendix D.1"),),
            ("lab/engine/mixture.py:Mixture.score_at", "lab/engine/likelihood.py:OdeDensity"),
            (Shown("samplers", "One formula"),),
        ),
        Step(
            "quantile",
            "On a line the flow keeps ranks",
            (
                r"Paths of a differential equation do not cross: from one place there is one way. On a line nobody can overtake, so the share of particles below one of them stays as it was. "
                r"Noise and picture have the same rank, which says where every start ends without any network.",
            ),
            (r"\int_{-\infty}^{x_0} q_0(x)\,\mathrm{d}x = \int_{-\infty}^{x_T} q_T(x)\,\mathrm{d}x",),
            Check(
                r"share of $q_T$ below the start",
                "share of the data below the end of the lab's DDIM in 100 steps",
                _quantile,
                (Number("x_t", "x_T", 0.4, -2, 2), SHARE),
            ),
            (Source(SDE, "section 4.3"),),
            ("lab/engine/plane_lanes.py:ddim",),
            (Shown("score", "Four ways down"),),
        ),
        Step(
            "family",
            "DDIM: other chains with the same marginals",
            (
                r"The loss only ever uses $q(x_t \mid x_0)$, not the chain. So take any step back that keeps these: from $x_t$ read off the noise that is in it, keep part of it, and add new noise of deviation $\sigma_t$ for the rest.",
                r"Where $x_t = \sqrt{\bar\alpha_t}\,x_0 + \sqrt{1-\bar\alpha_t}\,\epsilon$, the fraction below is $\epsilon$. Old and new noise are independent, their variances add to $1-\bar\alpha_{t-1}$: again $q(x_{t-1} \mid x_0)$, for each $\sigma_t$ that the root allows. By induction from $T$ downwards it holds for all $t$.",
            ),
            (
                r"x_{t-1} = \sqrt{\bar\alpha_{t-1}}\,x_0 + \sqrt{1-\bar\alpha_{t-1}-\sigma_t^2}\;\frac{x_t - \sqrt{\bar\alpha_t}\,x_0}{\sqrt{1-\bar\alpha_t}} + \sigma_t\,\epsilon'",
            ),
            Check(
                r"mean square of such an $x_{t-1}$, with $\sigma_t^2 = \eta^2\tilde\beta_t$, by draws",
                r"$\bar\alpha_{t-1}x_0^2 + 1-\bar\alpha_{t-1}$",
                _same_marginals,
                (X_0, TIME, Number("eta", r"\eta", 0.5, 0, 1), SEED),
            ),
            (Source(DDIM, "eq. 7 and lemma 1"),),
            ("lab/engine/samplers.py:DDIM",),
            (Shown("samplers", "The eta dial"),),
        ),
        Step(
            "eta",
            "At eta = 1 it is DDPM",
            (
                r"With $\sigma_t^2 = \tilde\beta_t$: $1-\bar\alpha_{t-1}-\tilde\beta_t = (1-\bar\alpha_{t-1})\frac{1-\bar\alpha_t-\beta_t}{1-\bar\alpha_t} = \frac{\alpha_t(1-\bar\alpha_{t-1})^2}{1-\bar\alpha_t}$, by $1-\bar\alpha_t-\beta_t = \alpha_t(1-\bar\alpha_{t-1})$. "
                r"Its root over $\sqrt{1-\bar\alpha_t}$ is the factor of $x_t$ in $\tilde\mu_t$.",
                r"The factor of $x_0$ is then $\sqrt{\bar\alpha_{t-1}} - \sqrt{\bar\alpha_t}\sqrt{\alpha_t}\frac{1-\bar\alpha_{t-1}}{1-\bar\alpha_t} = \sqrt{\bar\alpha_{t-1}}\,\frac{1-\bar\alpha_t-\alpha_t(1-\bar\alpha_{t-1})}{1-\bar\alpha_t}$, whose numerator is $\beta_t$.",
            ),
            (
                r"\sqrt{\bar\alpha_{t-1}}\,x_0 + \sqrt{1-\bar\alpha_{t-1}-\tilde\beta_t}\;\frac{x_t - \sqrt{\bar\alpha_t}\,x_0}{\sqrt{1-\bar\alpha_t}} = \tilde\mu_t(x_t, x_0)",
            ),
            Check(
                r"DDIM's mean with $\sigma_t^2 = \tilde\beta_t$",
                "the lab's posterior mean",
                _ddpm_is_ddim,
                (X_0, X_T, TIME),
            ),
            (Source(DDIM, "section 4.1"),),
            ("lab/engine/plane_lanes.py:posterior",),
            (Shown("samplers", "The eta dial"),),
        ),
        Step(
            "euler",
            "At eta = 0 it is Euler's step",
            (
                r"Without new noise, divide DDIM's step by $\sqrt{\bar\alpha_s}$ and write $\bar x = x/\sqrt{\bar\alpha}$, $\sigma = \sqrt{(1-\bar\alpha)/\bar\alpha}$. As $\hat x_0 = \bar x_t - \sigma_t\hat\epsilon$, what remains is a straight step along $\hat\epsilon$.",
                r"It is the flow's: from $v$ and $\mathrm{d}\sqrt{\bar\alpha} = -\tfrac12\beta\sqrt{\bar\alpha}\,\mathrm{d}t$ follows $\mathrm{d}\bar x = -\tfrac12\beta\,\nabla\log q\,\mathrm{d}t/\sqrt{\bar\alpha}$; from $\sigma^2 = 1/\bar\alpha - 1$ follows $\sigma\,\mathrm{d}\sigma = \tfrac12\beta\,\mathrm{d}t/\bar\alpha$. "
                r"With $\nabla\log q = -\hat\epsilon/\sqrt{1-\bar\alpha}$ their quotient is $\hat\epsilon$.",
            ),
            (
                r"\bar x_s = \bar x_t + (\sigma_s - \sigma_t)\,\hat\epsilon(x_t)",
                r"\frac{\mathrm{d}\bar x}{\mathrm{d}\sigma} = \hat\epsilon",
            ),
            Check(
                r"DDIM's step from $t$ to $s$, over $\sqrt{\bar\alpha_s}$",
                r"$\bar x_t + (\sigma_s - \sigma_t)\hat\epsilon$",
                _euler,
                (X_T, Number("t", "t", 600, 2, T, whole=True), Number("left", "s/t", 0.6, 0.01, 0.99), SHARE),
            ),
            (Source(DDIM, "eq. 13 and 14"), Source(EDM, "eq. 1 and 3")),
            ("lab/engine/plane_lanes.py:ddim",),
            (Shown("samplers", "There and back"),),
        ),
        Step(
            "one",
            "Why few steps can do",
            (
                r"If the data are a single picture, $\hat\epsilon = (\bar x - x_0)/\sigma$, and along the way $\bar x = x_0 + \sigma\epsilon$ it never changes: the path is straight in $(\bar x, \sigma)$, and one step is as good as a thousand.",
                r"Where data are many, paths bend as long as it is undecided which picture it will be, and are nearly straight after. Steps are needed where they bend.",
            ),
            (
                r"\frac{\mathrm{d}\hat\epsilon}{\mathrm{d}\sigma} = \frac{\hat\epsilon}{\sigma} - \frac{\bar x - x_0}{\sigma^2} = 0",
            ),
            Check(
                "end of the lab's DDIM in this many steps",
                "the only picture",
                _one_picture,
                (
                    Number("x_t", "x_T", 0.4, -4, 4),
                    Number("picture", "x_0", 1.5, -3, 3),
                    Number("steps", "n", 1, 1, 50, whole=True),
                ),
            ),
            (Source(EDM, "section 3"),),
            ("lab/engine/plane_lanes.py:ddim",),
            (Shown("samplers", "How few steps?"),),
        ),
    ),
)
