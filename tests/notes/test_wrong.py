"""Steps that are made wrong on purpose (a sign, a factor, an index): their checks refuse them."""

import math
from dataclasses import replace

import pytest
import torch

from lab.engine.likelihood import Posterior, bound_nats, gaussian_kl, prior_term
from lab.engine.mixture import Mixture, guided
from lab.engine.noising import MarkovChain, alpha_bar
from lab.engine.plane_lanes import Pairs, beta, ddim, posterior, preserving
from lab.engine.plane_lanes import flow as straight
from lab.engine.predictions import join_prediction
from lab.engine.process import Level
from lab.engine.variational import importance_bounds, kl_to_prior
from lab.notes.chapters import STEPS
from lab.notes.checks import basics, dynamics, elbo, flow, forward, guidance, latent, loss, variance
from lab.notes.checks.dynamics import generalized, score_at, velocity
from lab.notes.checks.flow import marginal_velocity
from lab.notes.checks.guidance import pull
from lab.notes.checks.latent import loss as half_square
from lab.notes.checks.loss import model_evidence, snr, terms
from lab.notes.checks.variance import cosine
from lab.notes.numerics import density, draws, log_normal, normal, two_humps

sample, score = Mixture.sample, Mixture.score  # as they are


def posterior_of_next(x_t, x_0, t, s):
    """With alpha-bar of t where that of t - 1 belongs."""
    alpha, beta = (t.signal / s.signal) ** 2, 1 - (t.signal / s.signal) ** 2
    return (t.signal * beta * x_0 + math.sqrt(alpha) * t.noise**2 * x_t) / t.noise**2, beta


def known_share(self, count, generator):
    """Draws of a mixture, both humps as often."""
    return sample(Mixture(self.points, None, self.std), count, generator)


def nothing_learned(self, x_t, level):
    """The noisy picture itself for the best guess."""
    return x_t / level.signal


def known_picture(data, x_t, t, s):
    """The step back as if the picture were known, from a guess that is the mean of the data."""
    mean, variance = posterior(x_t, torch.full_like(x_t, 0.75), t, s)
    return mean, torch.full_like(x_t, variance)


def half_score(score, x, steps):
    return ddim(lambda place, level: score(place, level) / 2, x, steps)


WRONG = {
    # basics: another scale, equal shares, noise that is not normal, a mean of squares for a variance, shares forgotten, a sign, half a score
    "basics.picture": (basics, "to_tensor", lambda picture: torch.from_numpy(picture / 128 - 1).permute(2, 0, 1)),
    "basics.density": (Mixture, "sample", known_share),
    "basics.mean": (basics, "density", lambda data, x: density(two_humps(0.5), x)),
    "basics.normal": (basics, "gaussian", lambda seed, step, shape: 2 * torch.rand(shape) - 1),
    "basics.sum": (Mixture, "moments", lambda self: (self.weights @ self.points, self.weights @ self.points**2 + self.std**2)),
    "basics.bayes": (Mixture, "responsibilities", lambda self, x: Mixture(self.points, None, self.std)._logits(x)[0].softmax(1)),
    "basics.slope": (Mixture, "score", lambda self, x: -score(self, x)),
    "basics.walk": (basics, "ddim", half_score),
    # elbo: nats for bits, densities exchanged, less than one for a whole, the gap's sign, a factor of a half, noise of another width,
    # the divergence left out, a sum for a mean
    "elbo.entropy": (elbo, "bits_per_dimension", lambda nats, dimensions: -nats),
    "elbo.divergence": (elbo, "gaussian_kl", lambda m, v, n, w: gaussian_kl(n, w, m, v)),
    "elbo.jensen": (elbo, "normal", lambda *given: normal(*given) / 10),
    "elbo.bound": (elbo, "gaussian_kl", lambda *given: -gaussian_kl(*given)),
    "elbo.vae": (elbo, "kl_to_prior", lambda mean, std: 2 * kl_to_prior(mean, std)),
    "elbo.reparameterisation": (elbo, "draws", lambda *given: 2 * draws(*given)),
    "elbo.autoencoder": (elbo, "draws", lambda *given: 2 * draws(*given)),
    "elbo.beta": (elbo, "kl_to_prior", lambda mean, std: 0 * kl_to_prior(mean, std)),
    "elbo.weighted": (elbo, "importance_bounds", lambda weights, k: importance_bounds(weights, k) + math.log(k)),
    # forward: a square too many, a root forgotten, the data's own width, an index, a variance, places exchanged, the mean of all data
    "forward.step": (forward, "MarkovChain", lambda x, table, seed: MarkovChain(x, table**2, seed)),
    "forward.jump": (forward, "q_sample", lambda x_0, level, eps: x_0 * level.signal**2),
    "forward.marginal": (Mixture, "at", lambda data, level: Mixture(data.points * level.signal, data.weights, level.noise)),
    "forward.snr": (Level, "from_sigma", classmethod(lambda cls, sigma: Level(1.0, sigma**2))),
    "forward.posterior-mean": (forward, "posterior", posterior_of_next),
    "forward.posterior-variance": (Posterior, "log_variance", property(lambda self: self.beta.log())),
    "forward.there-and-back": (forward, "posterior", lambda x_t, x_0, t, s: posterior(x_0, x_t, t, s)),
    "forward.reverse-mean": (forward, "reverse_moments", known_picture),
    # loss: an evidence too small, a term forgotten, twice a term, a density for a probability, ratios one step later or their roots,
    # the noise's factor, a sign of v, the noisy picture for a guess, the score's sign and half of it
    "loss.bound": (loss, "model_evidence", lambda x_0: model_evidence(x_0) - 5),
    "loss.terms": (loss, "terms", lambda x_0: terms(x_0)[:-1]),
    "loss.prior": (loss, "prior_term", lambda *given: 2 * prior_term(*given)),
    "loss.pixels": (loss, "discretized_log_likelihood", lambda x, mean, log_std: torch.distributions.Normal(mean, log_std.exp()).log_prob(x)),
    "loss.mean": (loss, "bound_nats", lambda *given: 2 * bound_nats(*given)),
    "loss.picture": (loss, "snr", lambda t: snr(t + 1)),
    "loss.noise": (loss, "split_prediction", lambda eps, x_t, level, kind: ((x_t - level.noise**2 * eps) / level.signal, eps)),
    "loss.noise-loss": (loss, "bound_nats", lambda *given: 2 * bound_nats(*given)),
    "loss.simple": (loss, "snr", lambda t: snr(t) ** 0.5),
    "loss.v": (loss, "join_prediction", lambda x_0, x_t, level, kind: join_prediction(x_0, x_t, level, "epsilon")),
    "loss.best": (Mixture, "denoise", nothing_learned),
    "loss.score": (Mixture, "denoise", nothing_learned),
    "loss.tweedie": (loss, "denoised", lambda score, x_t, level: (x_t - level.noise**2 * score(x_t, level)) / level.signal),
    "loss.matching": (Mixture, "score_at", lambda self, x, level: score(self.at(level), x) / 2),
    # variance: a cosine without its square, another schedule, nothing mended, the picture known, a mean of variances
    "variance.cosine": (variance, "cosine", lambda t: cosine(t) ** 0.5),
    "variance.lengths": (variance, "alpha_bar", lambda name, steps: alpha_bar(name if steps == 1000 else "cosine", steps)),
    "variance.leak": (variance, "alpha_bar", lambda name, steps, zero_snr=False: alpha_bar(name, steps)),
    "variance.ends": (variance, "reverse_moments", known_picture),
    "variance.learned": (Posterior, "learned_log_variance", lambda self, v: ((v + 1) / 2 * self.beta + (1 - v) / 2 * self.log_variance.exp()).log()),
    "variance.best": (variance, "reverse_moments", known_picture),
    # dynamics: a root, twice the rate, twice the score, its sign, half of it, noise kept whole, noise not shrunk, a step left out
    "dynamics.limit": (dynamics, "preserving", lambda t: Level.from_alpha_bar(preserving(t).signal)),
    "dynamics.spread": (dynamics, "beta", lambda t: 2 * beta(t)),
    "dynamics.backwards": (dynamics, "backward_drift", lambda data, x, t: dynamics.beta(t) / 2 * (x + score_at(data, x, t))),
    "dynamics.ancestral": (dynamics, "score_at", lambda data, x, t: -score_at(data, x, t)),
    "dynamics.flow": (dynamics, "velocity", lambda data, x, t: -dynamics.beta(t) * (x / 2 + score_at(data, x, t))),
    "dynamics.quantile": (dynamics, "ddim", half_score),
    "dynamics.eta": (dynamics, "generalized", lambda x_t, x_0, t, s, deviation: generalized(x_t, x_0, t, s, 0.0)),
    "dynamics.euler": (dynamics, "generalized", lambda x_t, x_0, t, s, deviation: s.signal * x_0 + t.noise * (x_t - t.signal * x_0) / t.noise),
    "dynamics.one": (dynamics, "ddim", lambda score, x, steps: [*ddim(score, x, steps)][:-1]),
    # guidance: a sign, a deviation for a variance, a scale of another count, the wrong half, weights that do not add up to 1, four times a variance
    "guidance.bayes": (guidance, "pull", lambda data, x_t, t: -pull(data, x_t, t)),
    "guidance.noise": (guidance, "add_score", lambda noise, gradient, level, kind: noise + level.noise * gradient),
    "guidance.mean": (guidance, "log_normal", lambda x, mean, variance: log_normal(x, mean, variance**2)),
    "guidance.power": (guidance, "guided", lambda words, without, scale: guided(words, without, scale + 1)),
    "guidance.free": (guidance, "classifier_free", lambda words, without, scale: words + scale * (words - without)),
    "guidance.any": (guidance, "classifier_free", lambda words, without, scale: scale * words),
    "guidance.no-data": (guidance, "normal", lambda x, mean=0.0, variance=1.0: normal(x, mean, 4 * variance)),
    # latent: half an entropy, a square, a root forgotten, a guess, a layer that is not zero, twice a loss, and that of its first step
    "latent.bound": (latent, "log_normal", lambda *given: 4 * log_normal(*given)),
    "latent.scaled": (latent, "Level", lambda signal, noise: Level(signal**2, noise)),
    "latent.root": (latent, "draws", lambda *given: 2 * draws(*given)),
    "latent.denoiser": (Mixture, "denoise", nothing_learned),
    "latent.zero": (latent, "zero_module", lambda layer: torch.nn.Conv2d(1, 1, 1).apply(lambda one: torch.nn.init.ones_(one.weight))),
    "latent.gradient": (latent, "loss", lambda *given: 2 * half_square(*given)),
    "latent.inner": (latent, "loss", lambda *given: 2 * half_square(*given)),
    # flow: the guess for the end, the mean for it, half a velocity, none, its sign, what a place has, a time forgotten, pairs that stand still
    "flow.ends": (flow, "consistency", lambda x, sigma, m, s: m + s**2 / (s**2 + sigma**2) * (x - m)),
    "flow.consistency": (flow, "consistency", lambda x, sigma, m, s: m + s**2 / (s**2 + sigma**2) * (x - m)),
    "flow.no-end": (flow, "consistency", lambda x, sigma, m, s: m),
    "flow.marginal": (flow, "marginal_velocity", lambda data, x, t: marginal_velocity(data, x, t) / 2),
    "flow.matching": (Mixture, "velocity", lambda self, x_t, level: 0 * x_t),
    "flow.denoiser": (flow, "velocity_of", lambda denoise: lambda x, t: x - denoise(x, Level.from_flow_time(t))),
    "flow.path": (flow, "velocity", lambda data, x, t: velocity(data, x, t) / 2),
    "flow.equal": (flow, "marginal_velocity", lambda data, x, t: -marginal_velocity(data, x, t)),
    "flow.end": (flow, "flow", lambda speed, x, steps: straight(lambda place, t: speed(place, t) / 2, x, steps)),
    "flow.reflow": (Pairs, "velocity", lambda self, x, t: 0 * x),
}  # fmt: skip
INLINE = {"variance.sampled", "dynamics.family", "flow.cheaper"}  # their equation stands in the check itself


def test_every_step_has_a_wrong_version():
    assert STEPS.keys() - WRONG.keys() == INLINE


@pytest.mark.parametrize("name", STEPS)
def test_no_check_lets_a_tenth_more_or_less_pass(name):
    sides = STEPS[name].check.run({})
    if sides.relation == "≤":
        assert not replace(sides, left=sides.right, right=sides.left).agree
    else:
        apart = 0.1 * max(abs(sides.right), 1)
        assert not replace(sides, left=sides.left + apart).agree and not replace(sides, left=sides.left - apart).agree


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_step_is_refused(name, monkeypatch):
    owner, attribute, wrong = WRONG[name]
    assert STEPS[name].check.run({}).agree
    monkeypatch.setattr(owner, attribute, wrong)
    assert not STEPS[name].check.run({}).agree
