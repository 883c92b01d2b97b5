"""Steps that are made wrong on purpose (a sign, a factor, an index): their checks refuse them."""

import math

import pytest

from lab.engine.likelihood import Posterior, gaussian_kl
from lab.engine.mixture import Mixture
from lab.engine.plane_lanes import posterior
from lab.engine.predictions import join_prediction
from lab.engine.process import Level
from lab.engine.variational import kl_to_prior
from lab.notes.chapters import STEPS, dynamics, elbo, flow, forward, guidance, latent, loss, variance
from lab.notes.chapters.dynamics import generalized, score_at, velocity
from lab.notes.chapters.latent import loss as half_square
from lab.notes.chapters.loss import snr, terms
from lab.notes.chapters.variance import cosine


def posterior_of_next(x_t, x_0, t, s):
    """With alpha-bar of t where that of t - 1 belongs."""
    alpha, beta = (t.signal / s.signal) ** 2, 1 - (t.signal / s.signal) ** 2
    return (t.signal * beta * x_0 + math.sqrt(alpha) * t.noise**2 * x_t) / t.noise**2, beta


WRONG = {
    # forward: a root forgotten, the data's own width, a square too many, an index, a variance, two places exchanged
    "forward.jump": (forward, "q_sample", lambda x_0, level, eps: x_0 * level.signal**2),
    "forward.marginal": (Mixture, "at", lambda data, level: Mixture(data.points * level.signal, data.weights, level.noise)),
    "forward.snr": (Level, "from_sigma", classmethod(lambda cls, sigma: Level(1.0, sigma**2))),
    "forward.posterior-mean": (forward, "posterior", posterior_of_next),
    "forward.posterior-variance": (Posterior, "log_variance", property(lambda self: self.beta.log())),
    "forward.there-and-back": (forward, "posterior", lambda x_t, x_0, t, s: posterior(x_0, x_t, t, s)),
    # elbo: both densities exchanged, the gap's sign, a factor of a half, the price left out
    "elbo.divergence": (elbo, "gaussian_kl", lambda m, v, n, w: gaussian_kl(n, w, m, v)),
    "elbo.bound": (elbo, "gaussian_kl", lambda *given: -gaussian_kl(*given)),
    "elbo.vae": (elbo, "kl_to_prior", lambda mean, std: 2 * kl_to_prior(mean, std)),
    "elbo.beta": (elbo, "kl_to_prior", lambda mean, std: 0 * kl_to_prior(mean, std)),
    # loss: a term forgotten, ratios one step later, the noise's factor, a sign of v, the score's sign
    "loss.terms": (loss, "terms", lambda x_0: terms(x_0)[:-1]),
    "loss.picture": (loss, "snr", lambda t: snr(t + 1)),
    "loss.noise": (loss, "split_prediction", lambda eps, x_t, level, kind: ((x_t - level.noise**2 * eps) / level.signal, eps)),
    "loss.v": (loss, "join_prediction", lambda x_0, x_t, level, kind: join_prediction(x_0, x_t, level, "epsilon")),
    "loss.tweedie": (loss, "denoised", lambda score, x_t, level: (x_t - level.noise**2 * score(x_t, level)) / level.signal),
    # variance, dynamics: a cosine without its square, twice the score, its sign, noise that is kept whole
    "variance.cosine": (variance, "cosine", lambda t: cosine(t) ** 0.5),
    "dynamics.backwards": (dynamics, "backward_drift", lambda data, x, t: dynamics.beta(t) / 2 * (x + score_at(data, x, t))),
    "dynamics.flow": (dynamics, "velocity", lambda data, x, t: -dynamics.beta(t) * (x / 2 + score_at(data, x, t))),
    "dynamics.eta": (dynamics, "generalized", lambda x_t, x_0, t, s, deviation: generalized(x_t, x_0, t, s, 0.0)),
    # guidance, latent, flow: the wrong half, a gradient without its feature, the guess for the end, half a velocity
    "guidance.free": (guidance, "classifier_free", lambda words, without, scale: words + scale * (words - without)),
    "guidance.noise": (guidance, "add_score", lambda noise, gradient, level, kind: noise + level.noise * gradient),
    "latent.inner": (latent, "loss", lambda *given: 2 * half_square(*given)),
    "flow.consistency": (flow, "consistency", lambda x, sigma, m, s: m + s**2 / (s**2 + sigma**2) * (x - m)),
    "flow.path": (flow, "velocity", lambda data, x, t: velocity(data, x, t) / 2),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_step_is_refused(name, monkeypatch):
    owner, attribute, wrong = WRONG[name]
    assert STEPS[name].check.run({}).agree
    monkeypatch.setattr(owner, attribute, wrong)
    assert not STEPS[name].check.run({}).agree
