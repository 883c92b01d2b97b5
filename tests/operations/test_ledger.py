"""Bills of pictures: what the memoriser pays, what company changes, pictures of another size, and what is refused."""

import math

import numpy as np
import pytest
import torch

from lab.backends.local import LocalBackend
from lab.engine.lanes import drive
from lab.engine.noising import alphas_cumprod, gaussian, stream_seed
from lab.models.loaders import make_cache
from lab.models.pictures import PictureSet
from lab.operations.house import House
from lab.operations.ledger import bills, framed, ledger, likelihood, opened_step
from lab.requests.base import LabError, Note
from lab.requests.fields import Forward
from lab.requests.ledger import (
    KINDS,
    Bill,
    BillsRequest,
    LedgerPrior,
    LedgerRequest,
    LedgerTerm,
    LikelihoodRequest,
    StepRequest,
)
from lab.settings import ASSETS, Settings

SETTINGS = Settings(device="cpu", cpu_engine="torch")
PICTURES = PictureSet.load(ASSETS / "pictures")
TRAINING = PICTURES.pixels[~PICTURES.held_out]
UNSEEN = PICTURES.pixels[PICTURES.held_out]
SMALL = PICTURES.resized(32).pixels[~PICTURES.held_out]


@pytest.fixture(scope="module")
def house():
    return House(SETTINGS, make_cache(SETTINGS), drive)


def bill(house, picture, **changes):
    """The prior, the terms in order and the notes of a bill."""
    events = [*ledger(LedgerRequest(picture=picture, **changes), house)]
    (prior,) = [event for event in events if isinstance(event, LedgerPrior)]
    terms = sorted((event for event in events if isinstance(event, LedgerTerm)), key=lambda term: term.i)
    return prior, terms, [event.text for event in events if isinstance(event, Note)]


def total(terms, variance):
    return sum(term.bits[variance] for term in terms)


@pytest.mark.parametrize("schedule", ["cosine", "linear"])
@pytest.mark.parametrize("calls", [2, 60])
def test_the_memoriser_pays_for_the_number_of_its_picture_and_no_more(house, calls, schedule):
    prior, terms, _ = bill(house, TRAINING[7], model="exact-32", calls=calls, schedule=schedule)
    assert (prior.pictures, prior.known, len(terms)) == (len(TRAINING), True, calls)
    assert total(terms, "exact") == pytest.approx(math.log2(len(TRAINING)), abs=1e-3)


def test_a_picture_that_the_memoriser_does_not_hold_has_no_probability(house):
    prior, terms, _ = bill(house, UNSEEN[3], model="exact-32", calls=60)
    costs = [term.bits["exact"] for term in terms]
    assert not prior.known and costs[-1] == math.inf
    assert costs[-2] > 100 * max(costs[:40]) and np.isfinite(costs[:-1]).all()


@pytest.mark.parametrize(("i", "variance"), [(3, "learned"), (11, "small"), (11, "large"), (19, "learned")])
def test_a_step_opened_is_the_term_of_the_bill(house, i, variance):
    """Its map adds up to the term's bits, and its pictures are those of the frame."""
    bill_request = LedgerRequest(picture=UNSEEN[0], calls=20, seed=4)
    (opened,) = opened_step(StepRequest(ledger=bill_request, i=i, variance=variance), house)
    _, terms, _ = bill(house, UNSEEN[0], calls=20, seed=4)
    assert opened.bits == pytest.approx(terms[i].bits[variance], rel=1e-4)
    assert np.abs(opened.guess.astype(int) - terms[i].x_0).max() <= 1 and (opened.x_t == terms[i].x_t).all()
    assert opened.kl_map.max() == 255
    assert opened.kl_map.sum() / 255 * opened.most_bits == pytest.approx(opened.bits, rel=0.02)


def test_the_variances_of_a_step_are_those_of_its_chain(house):
    """tilde-beta and beta from alpha-bar's ratio over the chain's own stride (Ho et al. 2020, eq. 7); what the network learned
    lies between them on the whole."""
    calls, i = 20, 15
    small, large, learned = (
        next(opened_step(StepRequest(ledger=LedgerRequest(picture=UNSEEN[0], calls=calls), i=i, variance=name), house))
        for name in ("small", "large", "learned")
    )
    table = alphas_cumprod("cosine", 1000).double()
    above, below = (float(table[round(999 * k / (calls - 1))]) for k in (calls - 1 - i, calls - 2 - i))
    beta = 1 - above / below
    assert small.t == round(999 * (calls - 1 - i) / (calls - 1))
    assert small.variance == pytest.approx(beta * (1 - below) / (1 - above), rel=1e-3)
    assert small.predicted_variance == pytest.approx((small.variance,) * 3)
    assert large.predicted_variance == pytest.approx((beta,) * 3, rel=1e-3) and (large.variance_map == 255).all()
    least, mean, most = learned.predicted_variance
    assert small.variance < mean < beta and least < mean < most and learned.variance_map.min() < 250


@pytest.mark.parametrize(
    ("model", "variance", "words"),
    [
        ("pixel", "exact", "knows no exact step"),
        ("exact-32", "exact", "is a mixture"),
        ("exact-32", "learned", "learned no variance"),
        ("text-to-image", "small", "works on an autoencoder's latents"),
    ],
)
def test_a_step_that_a_model_does_not_have_is_refused_in_words(house, model, variance, words):
    request = StepRequest(ledger=LedgerRequest(picture=UNSEEN[0], model=model), variance=variance)
    with pytest.raises(LabError, match=words):
        list(opened_step(request, house))


def test_company_changes_nothing():
    """The same bill alone and beside another run that shares its calls, on one worker."""
    alone, beside = (LocalBackend(SETTINGS) for _ in range(2))
    request = LedgerRequest(picture=UNSEEN[1], calls=30)
    other = beside.run(LedgerRequest(picture=TRAINING[0], calls=200, frames=0))
    next(other)
    want, got = (
        {event.i: event for event in backend.run(request) if isinstance(event, LedgerTerm)}
        for backend in (alone, beside)
    )
    other.close()
    for i, term in want.items():
        assert got[i].bits == pytest.approx(term.bits, rel=1e-4)


def test_bills_of_two_models_share_the_path_and_a_picture_of_another_size_is_brought_to_theirs(house):
    """A picture of the set is known by its full size, too: it is averaged down as the set was."""
    prior, network, notes = bill(house, TRAINING[5], calls=30, frames=30)
    exact_prior, exact, _ = bill(house, TRAINING[5], calls=30, frames=30, model="exact-32")
    assert prior.picture.shape == (32, 32, 3) and (prior.picture == exact_prior.picture).all()
    assert notes == ["The picture has 64 × 64 pixels; its bits are those of 32 × 32."]
    for ours, theirs in zip(network, exact, strict=True):
        assert np.abs(ours.x_t.astype(int) - theirs.x_t).max() <= 1


@pytest.mark.parametrize(
    ("frames", "places"), [(0, []), (1, [0]), (2, [0, 20]), (8, [0, 7, 13, 18, 20]), (40, [*range(21)])]
)
def test_frames_are_closer_towards_the_picture_both_ends_among_them(house, frames, places):
    _, terms, _ = bill(house, TRAINING[5], calls=21, frames=frames)
    assert [term.i for term in terms if term.x_0 is not None] == places


@pytest.mark.parametrize("n", [2, 3, 10, 99, 1000])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 40, 100])
def test_there_are_at_most_as_many_frames_as_were_wanted(n, count):
    found = framed(n, count)
    assert len(found) <= count and all(0 <= i < n for i in found)
    assert count < 2 or {0, n - 1} <= found


def independent_terms(network, schedule, picture, calls, seed):
    """calc_bpd of Improved DDPM, one call a term, in float64: bits per dimension under the learned and the fixed variances."""
    x_0 = torch.tensor(picture).permute(2, 0, 1).double() / 127.5 - 1
    own = network.denoiser(Forward(schedule="cosine"))
    table = (own.process.alphas_cumprod if schedule == "cosine" else alphas_cumprod(schedule, 1000)).double()
    places = [round(999 * k / (calls - 1)) for k in range(calls)]
    bars = [float(table[place]) for place in places]
    noise = [gaussian(seed, place, (3, 32, 32)).double() for place in places]
    x_t, found = bars[-1] ** 0.5 * x_0 + (1 - bars[-1]) ** 0.5 * noise[-1], []
    for k in reversed(range(calls)):
        a, before = bars[k], bars[k - 1] if k else 1.0
        beta = 1 - a / before
        tilde = beta * (1 - before) / (1 - a) if k else (1 - bars[1] / bars[0]) * (1 - bars[0]) / (1 - bars[1])
        sigmas = ((1 - own.process.alphas_cumprod.double()) / own.process.alphas_cumprod.double()).sqrt().numpy()
        t = float(np.interp(((1 - a) / a) ** 0.5, sigmas, np.arange(1000)))
        said = own(x_t[None].float(), torch.tensor([t]), [network.unconditional()])[0].double()
        guess = (a**0.5 * x_t - (1 - a) ** 0.5 * said[:3]).clamp(-1, 1)  # of v
        wanted, mean = (
            (before**0.5 * beta * x + (1 - beta) ** 0.5 * (1 - before) * x_t) / (1 - a) for x in (x_0, guess)
        )
        share = (said[3:] + 1) / 2
        learned = (share * math.log(beta) + (1 - share) * math.log(tilde)).exp()
        bits = {}
        for name, variance in (("learned", learned), ("small", torch.tensor(tilde)), ("large", torch.tensor(beta))):
            normal = torch.distributions.Normal(mean, variance.double().sqrt().expand(mean.shape))
            if k:
                posterior = torch.distributions.Normal(wanted, tilde**0.5)
                nats = torch.distributions.kl_divergence(posterior, normal)
            else:
                upper = torch.where(x_0 > 0.999, 1.0, normal.cdf(x_0 + 1 / 255))
                nats = -(upper - torch.where(x_0 < -0.999, 0.0, normal.cdf(x_0 - 1 / 255))).clamp(min=1e-12).log()
            bits[name] = float(nats.mean()) / math.log(2)
        found.append(bits)
        x_t = wanted + tilde**0.5 * noise[k - 1]
    return found


@pytest.mark.parametrize(("schedule", "calls"), [("cosine", 12), ("cosine", 40), ("linear", 12)])
def test_the_networks_terms_are_those_of_an_independent_loop(house, schedule, calls):
    """To 1e-4 bits per dimension, at every term."""
    _, terms, _ = bill(house, SMALL[11], calls=calls, schedule=schedule, seed=6, frames=0)
    with house.lease("pixel") as network:
        want = independent_terms(network, schedule, SMALL[11], calls, 6)
    for term, bits in zip(terms, want, strict=True):
        assert {name: value / 3072 for name, value in term.bits.items()} == pytest.approx(bits, abs=1e-4, rel=1e-4)


# Bills of several kinds


@pytest.mark.parametrize("model", ["pixel", "exact-32"])
def test_bills_are_those_of_the_pictures_one_by_one(house, model):
    request = BillsRequest(model=model, calls=8, each=2, seed=3, own=TRAINING[0])
    events = [event for event in bills(request, house) if isinstance(event, Bill)]
    assert [one.kind for one in events] == [kind for kind in KINDS for one in request.kinds if one == kind]
    assert [one.index for one in events] == [*range(13 if model == "pixel" else 11)]
    for one in (events[0], events[-1]):
        prior, terms, _ = bill(house, one.picture, model=model, calls=8, seed=3)
        for variance, bits in one.bits.items():
            assert bits == pytest.approx(prior.bits + total(terms, variance), rel=1e-4)
            assert one.bits_per_dimension[variance] == pytest.approx(bits / 3072)


def test_the_kinds_are_what_they_are_called(house):
    events = [event for event in bills(BillsRequest(calls=8, each=3), house) if isinstance(event, Bill)]
    costs = {kind: [one.bits["learned"] for one in events if one.kind == kind] for kind in KINDS}
    found = {one.kind: one for one in events}
    small = PICTURES.resized(32)
    for kind, held_out in (("training", False), ("held-out", True)):
        own = small.pixels[small.held_out == held_out]
        assert (own == found[kind].picture).all((1, 2, 3)).any()
    assert min(costs["noise"]) > max(costs["photograph"])
    assert all(styled < plain for styled, plain in zip(costs["styled"], costs["photograph"], strict=True))


def test_no_more_steps_than_a_run_may_take(house):
    with pytest.raises(LabError, match="13040 steps over all its lanes; at most 6000"):
        list(bills(BillsRequest(calls=1000, own=TRAINING[0]), house))


# A second opinion


def test_the_density_of_a_picture_of_the_set_is_that_of_its_blurred_point(house):
    """By the exact denoiser's ODE: one of N points with the noise of the first timestep, over the bin of each byte."""
    (found,) = likelihood(LikelihoodRequest(picture=SMALL[7], model="exact-32", seed=2), house)
    x_0 = torch.tensor(SMALL[7]).permute(2, 0, 1).double() / 127.5 - 1
    uniform = torch.rand(x_0.shape, generator=torch.Generator().manual_seed(stream_seed(2, 0))).double()
    a = alphas_cumprod("cosine", 1000).double()[0]
    blur = torch.distributions.Normal(0.0, ((1 - a) / a).sqrt())
    nats = blur.log_prob((uniform - 0.5) * 2 / 255).sum() - math.log(len(TRAINING))
    want = -float(nats) / math.log(2) - 3072 * math.log2(2 / 255)
    assert found.bits == pytest.approx(want, rel=0.02)
    assert found.bits_per_dimension == pytest.approx(found.bits / 3072)


def test_a_second_opinion_on_the_network_is_below_its_bound(house):
    """-log2 p is at most what the bound says; a few steps of each will do."""
    (found,) = likelihood(LikelihoodRequest(picture=SMALL[7], steps=10), house)
    prior, terms, _ = bill(house, SMALL[7], calls=100, frames=0)
    assert 0.3 < found.bits / (prior.bits + total(terms, "learned")) < 1


def test_a_model_without_a_density_is_refused_in_words(house):
    with pytest.raises(LabError, match="works on an autoencoder's latents"):
        list(likelihood(LikelihoodRequest(picture=SMALL[7], model="student"), house))
