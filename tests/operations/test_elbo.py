"""The bound of a picture as the lab streams it, on small networks of random weights."""

import numpy as np
import pytest
import torch

from lab.engine.variational import effective_draws, importance_bounds
from lab.models.bottleneck import Bottleneck
from lab.models.families import LoadedFamily
from lab.operations.elbo import elbo
from lab.operations.ledger import ledger
from lab.requests.base import LabError, make_request
from lab.requests.bound import BATCH, BoundRequest, BoundTerms, BoundWeights, DiffusionBound
from lab.requests.ledger import LedgerPrior, LedgerRequest, LedgerTerm
from tests.operations.toys import Toy, make_house

PICTURE = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(1)
    return Bottleneck(latents=3, side=8, channels=(4, 4), hidden=6, beta=4.0, scale=0.3)


@pytest.fixture
def run(network):
    def run(**values):
        family = LoadedFamily({"drawings-4": network, "drawings-1": Bottleneck(3, 8, (4, 4), 6, variational=False)})
        house, _ = make_house(**{"beta-drawings": family, "pixel": Toy()})
        return list(elbo(BoundRequest(**{"picture": PICTURE, "beta": 4, "calls": 0} | values), house))

    return run


def of(events, kind):
    return [event for event in events if isinstance(event, kind)]


def test_the_terms_are_those_of_the_network(run, network):
    (terms,) = of(run(draws=1000, most=10, repeats=2), BoundTerms)
    with torch.inference_mode():
        x = torch.from_numpy(PICTURE).permute(2, 0, 1)[None].float() / 127.5 - 1
        q = network.encode(x)
        codes = q.sample(torch.randn(4000, 1, 3, generator=torch.Generator().manual_seed(5)))[:, 0]
        want = network.log_likelihood(x, codes).mean(0).sum(0)
    np.testing.assert_allclose(terms.kl, q.kl()[0].numpy(), atol=1e-5)
    np.testing.assert_allclose(terms.reconstruction, want.numpy(), atol=0.2)  # means over 1,000 draws and 4,000
    assert terms.scale == 0.3 and terms.dimensions == 192 and terms.title == ""
    assert np.array_equal(terms.picture, PICTURE) and terms.decoded.shape == PICTURE.shape


def test_weights_come_in_batches_and_their_mean_is_the_bound(run):
    events = run(draws=1000, most=1000, repeats=3)
    (terms,), weights = of(events, BoundTerms), of(events, BoundWeights)
    assert [one.i for one in weights] == list(range(6)) and {one.n for one in weights} == {6}
    assert all(len(one.log_weights) == BATCH for one in weights)
    found = torch.from_numpy(np.concatenate([one.log_weights for one in weights]))
    bound = terms.reconstruction.sum() - terms.kl.sum()
    assert float(found.mean()) == pytest.approx(bound, abs=4 * float(found.std()) / 1000**0.5)
    assert float(importance_bounds(found, 1000).mean()) > float(found.mean())
    assert len(of(run(most=10, repeats=3), BoundWeights)[0].log_weights) == 30


def test_what_the_draws_say_so_far_comes_with_them(run):
    first, *_, last = of(run(most=1000, repeats=3), BoundWeights)
    assert first.bounds.shape == (4, 3) and np.isnan(first.bounds[3]).all()  # 500 draws are no group of 1,000
    found = torch.from_numpy(np.concatenate([one.log_weights for one in of(run(most=1000, repeats=3), BoundWeights)]))
    for count, row in zip((1, 10, 100, 1000), last.bounds, strict=True):
        groups = importance_bounds(found, count).numpy()
        np.testing.assert_allclose(row, [groups.mean(), *np.quantile(groups, (0.05, 0.95))], rtol=1e-12)
    assert np.all(np.diff(last.bounds[:, 0]) >= 0)
    assert last.effective == pytest.approx(effective_draws(found[-1000:]))


def test_the_same_seed_draws_the_same_and_another_others(run):
    first, again, other = (of(run(most=10, seed=seed), BoundWeights)[0].log_weights for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.allclose(first, other)


def test_the_diffusion_bound_is_the_bill_of_the_ledger(run):
    (found,) = of(run(most=10, calls=6, seed=3), DiffusionBound)
    house, _ = make_house(pixel=Toy())
    bill = list(ledger(LedgerRequest(picture=PICTURE, schedule="cosine", calls=6, seed=3, frames=0), house))
    terms = sorted(of(bill, LedgerTerm), key=lambda term: term.i)
    assert found.prior == pytest.approx(of(bill, LedgerPrior)[0].bits)
    assert [*found.divergences, found.reconstruction] == pytest.approx([term.bits["small"] for term in terms])
    assert found.variance == "small"


def test_a_picture_of_the_set_says_what_it_is():
    torch.manual_seed(2)
    family = LoadedFamily({"shapes-1": Bottleneck(2, 32, (4, 4), 6)})
    house, _ = make_house(**{"beta-shapes": family})
    request = BoundRequest(family="beta-shapes", pictures="shapes", number=4800 + 7, draws=1, most=10, calls=0)
    (terms,) = of(list(elbo(request, house)), BoundTerms)
    data = family.data("shapes")
    assert np.array_equal(terms.picture, data.pixels[7]) and terms.title == data.titles[7]


def test_a_code_of_one_point_has_no_bound(run):
    with pytest.raises(LabError, match=r"no variational network for drawings under beta 1: it has .* another beta"):
        run(beta=1)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"family": "map", "beta": 4}, "No network of this family was trained under beta 4; choose one of 1"),
        ({"family": "beta-shapes"}, "This family learned shapes; choose one of these"),
        ({"calls": 1}, "A chain has 2 steps at least; take 2 calls or more, or 0"),
        ({"most": 7}, "Most is not possible here"),
    ],
)
def test_bad_requests_are_refused_in_words(values, message):
    with pytest.raises(LabError, match=message):
        make_request(BoundRequest, **values)
