"""The bill of a picture against a loop over plain numbers, on Gaussian data, whose likelihood is known."""

import math

import pytest
import torch

from lab.engine.denoisers import by_row
from lab.engine.lanes import drive
from lab.engine.ledger import make_chain, survey, term_bits, walk
from lab.engine.likelihood import Posterior, prior_term
from lab.engine.noising import alphas_cumprod
from lab.engine.process import VariancePreserving
from tests.engine.gaussian import SHAPE, Gaussian

MEAN, DEVIATION = 0.1, 0.2  # black and white are far out
SHARE = 0.35  # of the way from log tilde-beta to log beta, that the toy says is its variance
SIZE = math.prod(SHAPE)


class Learned(Gaussian):
    """With a variance, as a network of Improved DDPM says it: v = 2 share - 1."""

    def __call__(self, x_t, t, conditioning):
        return torch.cat([super().__call__(x_t, t, conditioning), torch.full_like(x_t, 2 * SHARE - 1)], dim=1)


def eight_bit(seed=0):
    """A picture of the Gaussian data, rounded to bytes."""
    x = MEAN + DEVIATION * torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))
    return ((x.clamp(-1, 1) + 1) * 127.5).round() / 127.5 - 1


def chain_and_denoiser(schedule, calls, trained="cosine"):
    """A chain of a schedule, and a denoiser that was trained under another one or the same."""
    process = VariancePreserving(alphas_cumprod(trained, 1000).double())
    table = alphas_cumprod(schedule, 1000)
    return make_chain(table, calls, None if schedule == trained else process), Learned(
        process, "v_prediction", DEVIATION
    )


def bill_of(x_0, chain, denoiser, seed, rows=7):
    """The terms, the noisiest first, and how often the denoiser was called."""
    path = walk(x_0, chain, seed)
    lanes = survey([*zip(path.flip(0), chain.timesteps[::-1], strict=True)], MEAN, rows)
    terms = {}
    for record in drive(denoiser, lanes, max_rows=rows):
        if record.i < record.n:
            i = record.i * len(lanes) + record.lane
            k = len(chain) - 1 - i
            terms[i] = term_bits(chain.posterior(k), x_0, path[k], record.x_0, record.variance)
    return path, [terms[i] for i in range(len(chain))]


def kl(mean_a, variance_a, mean_b, variance_b):
    return 0.5 * (math.log(variance_b / variance_a) + (variance_a + (mean_a - mean_b) ** 2) / variance_b - 1)


def bin_mass(x, mean, variance):
    """Of N(mean, variance), on the byte's bin; black and white take in all that lies beyond."""

    def below(edge):
        return 0.5 * (1 + math.erf((edge - mean) / math.sqrt(2 * variance)))

    return (1.0 if x > 0.999 else below(x + 1 / 255)) - (0.0 if x < -0.999 else below(x - 1 / 255))


def loop_over_numbers(x_0, path, table):
    """calc_bpd of Ho et al. 2020 with the Gaussian's own posterior mean, value by value: bits of each term, the noisiest
    first, by variance."""
    places = [round(999 * k / (len(path) - 1)) for k in range(len(path))]
    bars = [float(table[place]) for place in places]
    bills = []
    for k in reversed(range(len(path))):
        a, before = bars[k], bars[k - 1] if k else 1.0
        beta = 1 - a / before
        tilde = beta * (1 - before) / (1 - a) if k else (1 - bars[1] / bars[0]) * (1 - bars[0]) / (1 - bars[1])
        variances = {"learned": beta**SHARE * tilde ** (1 - SHARE), "small": tilde, "large": beta}
        bits = dict.fromkeys(variances, 0.0)
        for clear, noisy in zip(x_0.flatten().tolist(), path[k].flatten().tolist(), strict=True):
            gain = math.sqrt(a) * DEVIATION**2 / (a * DEVIATION**2 + 1 - a)
            guess = MEAN + gain * (noisy - math.sqrt(a) * MEAN)
            mean, wanted = (
                (math.sqrt(before) * beta * x + math.sqrt(1 - beta) * (1 - before) * noisy) / (1 - a)
                for x in (guess, clear)
            )
            for name, variance in variances.items():
                nats = kl(wanted, tilde, mean, variance) if k else -math.log(bin_mass(clear, mean, variance))
                bits[name] += nats / math.log(2)
        bills.append(bits)
    return bills


@pytest.mark.parametrize("schedule", ["cosine", "linear"])
@pytest.mark.parametrize("calls", [2, 3, 10, 61, 1000])
def test_every_term_is_that_of_a_loop_over_plain_numbers(schedule, calls):
    """Under every variance, L_0 with its bins included; a chain of another schedule asks at the timesteps of equal SNR."""
    x_0 = eight_bit()
    chain, denoiser = chain_and_denoiser(schedule, calls)
    path, terms = bill_of(x_0, chain, denoiser, seed=1)
    assert len(denoiser.calls) == math.ceil(calls / 7)
    for got, want in zip(terms, loop_over_numbers(x_0, path, alphas_cumprod(schedule, 1000).double()), strict=True):
        assert got == pytest.approx(want, rel=2e-4, abs=1e-5 * SIZE)


@pytest.mark.parametrize("schedule", ["cosine", "linear"])
def test_the_path_is_one_of_the_forward_process(schedule):
    """Ho et al. 2020, equations 2 and 4: at every level a mean and a variance, and x_t is x_{t-1} with fresh noise."""
    x_0 = torch.full((3, 64, 64), 0.7)
    chain, _ = chain_and_denoiser(schedule, 12)
    path, size = walk(x_0, chain, 3).double(), x_0.numel()
    bars = [float(alphas_cumprod(schedule, 1000)[round(999 * k / 11)]) for k in range(12)]
    for k, a in enumerate(bars):
        fresh = (path[k] - a**0.5 * x_0) / (1 - a) ** 0.5
        assert abs(float(fresh.mean())) < 5 / size**0.5 and abs(float(fresh.var()) - 1) < 5 * (2 / size) ** 0.5
        if k:
            step = a / bars[k - 1]
            added = (path[k] - step**0.5 * path[k - 1]) / (1 - step) ** 0.5
            assert abs(float(added.var()) - 1) < 5 * (2 / size) ** 0.5
            assert abs(float((added * (path[k - 1] - path[k - 1].mean())).mean())) < 5 / size**0.5


def test_chains_that_meet_at_a_level_draw_its_noise_alike_and_seeds_differ():
    x_0, (short, long) = eight_bit(), (chain_and_denoiser("cosine", calls)[0] for calls in (4, 10))
    assert short.places == (0, 333, 666, 999) and long.places[::3] == short.places
    torch.testing.assert_close(walk(x_0, short, 0)[-1], walk(x_0, long, 0)[-1])
    assert float((walk(x_0, short, 0) - walk(x_0, short, 1)).abs().mean()) > 0.1


class Perfect(Gaussian):
    """With the variance that the true reverse step of a chain has: tilde-beta, and what is unknown of x_0."""

    chain = None

    def __call__(self, x_t, t, conditioning):
        rows = torch.tensor([self.chain.timesteps.index(float(one)) for one in t.double()])
        step, level = Posterior(self.chain.alphas_cumprod, rows), by_row(self.process.level(t.double()), x_t.double())
        tilde = step.log_variance.exp() * (rows > 0)[:, None, None, None]
        pull = step.mean(torch.ones(1), torch.zeros(1))
        variance = tilde + pull**2 * self.posterior_variance(level)
        share = (variance.log() - step.log_variance) / (step.beta.log() - step.log_variance)
        return torch.cat([super().__call__(x_t, t, conditioning), (2 * share - 1).float().expand(x_t.shape)], dim=1)


@pytest.mark.parametrize("calls", [2, 20, 300])
def test_with_the_true_reverse_steps_the_bill_is_the_known_likelihood(calls):
    """-log2 P of the bytes under N(m, deviation^2), whatever the number of steps (Sohl-Dickstein et al. 2015): the bound is
    tight where p is the true reverse of q. Fixed variances cost more, and the less the more steps there are."""
    chain, _ = chain_and_denoiser("cosine", calls)
    denoiser = Perfect(VariancePreserving(alphas_cumprod("cosine", 1000).double()), "v_prediction", DEVIATION)
    denoiser.chain = chain
    truth, totals = 0.0, dict.fromkeys(("learned", "small", "large"), 0.0)
    for seed in range(12):
        x_0 = eight_bit(seed)
        truth -= sum(math.log2(bin_mass(x, MEAN, DEVIATION**2)) for x in x_0.flatten().tolist())
        _, terms = bill_of(x_0, chain, denoiser, seed, rows=32)
        prior = SIZE * float(prior_term(x_0[None].double(), chain.alphas_cumprod))
        for name in totals:
            totals[name] += prior + sum(term[name] for term in terms)
    assert totals["learned"] == pytest.approx(truth, rel=0.01)
    assert totals["small"] > totals["learned"] < totals["large"]
