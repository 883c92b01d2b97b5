"""A family from beta 0 to 16: its columns against the networks themselves, the textbook's divergence and the known factors."""

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from lab import shapes
from lab.disentanglement import mutual_information_gap
from lab.models.bottleneck import Bottleneck
from lab.models.families import Choice, Data, LoadedFamily
from lab.operations.betas import betas, measured_places
from lab.requests.base import Rest, Waiting
from lab.requests.betas import LIVING, VALUES, BetaColumn, BetaMeasures, BetaRequest, BetaSet
from lab.requests.bound import BETAS
from tests.operations.toys import make_house

LATENTS, SCALE = 4, 0.3
DRAWN = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), np.uint8)
OWN = np.random.default_rng(1).integers(0, 256, (70, 70, 3), np.uint8)


class Family(LoadedFamily):
    """Forty drawings, of which every fourth is held out."""

    def data(self, pictures):
        if pictures == "shapes":
            return super().data(pictures)
        held_out = np.arange(len(DRAWN)) % 4 == 1
        return Data(DRAWN, ("noise",) * len(DRAWN), tuple(f"picture {i}" for i in range(len(DRAWN))), held_out)


def make_family(pictures):
    """A network for each beta, whose last latent is the prior whatever the picture, and its first two far from it."""
    members = {}
    for beta in BETAS:
        torch.manual_seed(int(beta))
        network = Bottleneck(LATENTS, 32, (4, 6), 8, beta=float(beta), scale=SCALE)
        with torch.no_grad():
            network.to_code.weight *= 30
            for row in (LATENTS - 1, 2 * LATENTS - 1):
                network.to_code.weight[row] = network.to_code.bias[row] = 0
        members[f"{pictures}-{beta:g}"] = network
    return Family(members, Choice(), {"4": [0.1, 0.2]} if pictures == "shapes" else None)


FAMILIES = {name: make_family(name) for name in ("drawings", "shapes")}


@pytest.fixture(scope="module")
def house():
    return make_house(**{f"beta-{name}": family for name, family in FAMILIES.items()})[0]


@pytest.fixture(scope="module")
def runs(house):
    """The BetaSet and the columns of each kind of pictures."""
    return {
        name: drawn(BetaRequest(pictures=name, picture=OWN, seed=7, count=3), house) for name in ("drawings", "shapes")
    }


def drawn(request, house):
    """The events, without those that say what is being loaded."""
    return [event for event in betas(request, house) if not isinstance(event, Waiting)]


def parts(run):
    """The BetaSet of a run, its columns and its measures."""
    first, *rest = run
    return first, rest[: len(BETAS)], rest[len(BETAS) :]


def signed(pixels):
    return torch.tensor(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1


def posterior_of(name, beta, pixels):
    with torch.no_grad():
        network = FAMILIES[name].members[f"{name}-{beta:g}"]
        return network, network.encode(signed(pixels))


@pytest.mark.parametrize("name", ["drawings", "shapes"])
def test_a_run_is_the_pictures_and_then_a_column_for_each_beta(runs, name):
    first, *columns = runs[name]
    assert isinstance(first, BetaSet) and [event.beta for event in columns] == [*BETAS, *BETAS]
    assert [type(event) for event in columns] == [BetaColumn] * 6 + [BetaMeasures] * 6
    columns = columns[:6]
    assert first.pictures.shape == (4, 32, 32, 3) and first.titles[0] == "" and all(first.titles[1:])
    assert all(column.reconstructions.shape == column.samples.shape == (4, 32, 32, 3) for column in columns)


def test_drawings_are_those_that_none_has_learned_and_shapes_are_all(runs):
    first, *_ = runs["drawings"]
    held_out = DRAWN[1::4]
    assert first.measured == len(held_out) == 10 and not first.gaps and not first.entropies
    for picture in first.pictures[1:]:
        assert (picture == held_out).all((1, 2, 3)).any()
    first, *_ = runs["shapes"]
    assert first.measured == shapes.count() and first.gaps == {4.0: (0.1, 0.2)}
    assert list(first.entropies) == list(shapes.TITLES.values())
    np.testing.assert_allclose(list(first.entropies.values()), np.log(list(shapes.FACTORS.values())))
    nothing = np.zeros(5, bool)
    assert len(measured_places(Data(DRAWN[:5], (), (), nothing))) == 5  # none is held out: all


@pytest.mark.parametrize("name", ["drawings", "shapes"])
def test_pictures_go_through_the_network_and_back_and_samples_come_from_the_prior(runs, name):
    first, columns, _ = parts(runs[name])
    for column in columns:
        network, posterior = posterior_of(name, column.beta, first.pictures)
        generator = torch.Generator().manual_seed(7)
        with torch.no_grad():
            decoded = network.decode(posterior.mean)
            sampled = network.decode(torch.randn(4, LATENTS, generator=generator))
        for pixels, values in ((column.reconstructions, decoded), (column.samples, sampled)):
            wanted = (values.clamp(-1, 1) + 1) * 127.5
            np.testing.assert_allclose(pixels.transpose(0, 3, 1, 2), wanted.numpy(), atol=0.51)
        np.testing.assert_allclose(column.means, posterior.mean, atol=1e-5)


@pytest.mark.parametrize("name", ["drawings", "shapes"])
def test_rates_are_torchs_divergence_and_dead_latents_are_counted(runs, name):
    first, columns, measures = parts(runs[name])
    many = DRAWN[1::4] if name == "drawings" else shapes.pictures()
    for column, found in list(zip(columns, measures, strict=True))[::5]:
        _, posterior = posterior_of(name, column.beta, first.pictures)
        known = kl_divergence(Normal(posterior.mean, posterior.std), Normal(0.0, 1.0))
        np.testing.assert_allclose(column.kl, known, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(column.rates, known.sum(1), rtol=1e-4)
        _, posterior = posterior_of(name, column.beta, many)
        mean = kl_divergence(Normal(posterior.mean, posterior.std), Normal(0.0, 1.0)).mean(0).numpy()
        np.testing.assert_allclose(found.kl, mean, rtol=1e-3, atol=1e-5)
        assert found.rate == pytest.approx(mean.sum(), rel=1e-3)
        assert found.order[-1] == LATENTS - 1 and found.kl[-1] == pytest.approx(0, abs=1e-6)
        assert found.living == (mean > LIVING).sum() < LATENTS


def test_a_distortion_is_the_likelihood_of_draws_without_its_constant(runs):
    """Against as many draws of another generator: the mean over codes, in nats, and the RMS that goes with it."""
    first, columns, measures = parts(runs["drawings"])
    constant = 3072 * float(np.log(SCALE * np.sqrt(2 * np.pi)))
    for column in columns[::5]:
        network, posterior = posterior_of("drawings", column.beta, first.pictures)
        eps = torch.randn(64, 4, LATENTS, generator=torch.Generator().manual_seed(99))
        with torch.no_grad():
            found = [
                -network.log_likelihood(signed(first.pictures), code).flatten(1).sum(1)
                for code in posterior.sample(eps)
            ]
        np.testing.assert_allclose(column.distortions, torch.stack(found).mean(0) - constant, rtol=0.05)
        errors = 255 / 2 * SCALE * np.sqrt(2 * column.distortions / 3072)
        np.testing.assert_allclose(column.rms, errors, rtol=1e-5)
    for found in measures:
        assert found.rms == pytest.approx(255 / 2 * SCALE * np.sqrt(2 * found.distortion / 3072), rel=1e-5)


def test_information_is_that_of_the_means_of_all_shapes(runs):
    first, _, measures = parts(runs["shapes"])
    for column in measures[::5]:
        _, posterior = posterior_of("shapes", column.beta, shapes.pictures())
        assert column.information.shape == (LATENTS, 5)
        assert column.gap == pytest.approx(mutual_information_gap(posterior.mean.numpy(), shapes.factors()), abs=1e-3)
        assert (column.information <= np.array(list(first.entropies.values())) + 1e-9).all()
        assert (column.information[-1] < 1e-9).all()  # a constant tells of nothing
    assert all(column.information is None and column.gap is None for column in parts(runs["drawings"])[2])


@pytest.mark.parametrize(("name", "start"), [("drawings", 0), ("shapes", 1)])
def test_a_traversal_changes_one_latent_at_a_time_in_the_order_of_their_divergence(runs, name, start):
    first, columns, measures = parts(runs[name])
    for column, found in list(zip(columns, measures, strict=True))[::5]:
        network, _ = posterior_of(name, column.beta, first.pictures)
        assert found.traversal.shape == (found.living, len(VALUES), 32, 32, 3)
        for row, latent in enumerate(np.argsort(-found.kl)[: found.living]):
            for k in (0, 4):
                code = torch.tensor(column.means[start])[None].clone()
                code[0, latent] = VALUES[k]
                with torch.no_grad():
                    wanted = (network.decode(code)[0].clamp(-1, 1) + 1) * 127.5
                np.testing.assert_allclose(found.traversal[row, k].transpose(2, 0, 1), wanted, atol=0.51)


def test_without_a_picture_the_first_of_the_set_is_walked_from(house):
    request = BetaRequest(pictures="shapes", count=2)
    assert request.start == 0 and request.shown == 2 and request.public()
    first = next(event for event in betas(request, house) if isinstance(event, BetaSet))
    assert first.pictures.shape == (2, 32, 32, 3) and all(first.titles)
    assert BetaRequest(pictures="shapes", picture=OWN).start == 1 and not BetaRequest(picture=OWN).public()


def test_another_seed_chooses_other_pictures_and_codes_and_the_same_seed_the_same(house, runs):
    first, *columns = drawn(BetaRequest(pictures="drawings", picture=OWN, seed=8, count=3), house)
    assert not (first.pictures == runs["drawings"][0].pictures).all()
    assert not (columns[0].samples == runs["drawings"][1].samples).all()
    assert columns[6].distortion == runs["drawings"][7].distortion  # over all, whoever asks
    first, column, *_ = drawn(BetaRequest(pictures="drawings", picture=OWN, seed=7, count=3), house)
    assert (column.samples == runs["drawings"][1].samples).all()


def test_nothing_is_left_to_ask_once_every_column_has_come(runs):
    request = BetaRequest(picture=OWN)
    keys = {(type(event), event.key) for event in runs["drawings"]}
    assert request.rest(keys) is None and request.rest(keys - {(BetaMeasures, 4)}) == Rest(request)
