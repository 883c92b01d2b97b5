"""The planes of two latents: codes, distances and shares against the networks themselves and against closed forms."""

import numpy as np
import pytest
import torch

from lab.engine.lanes import drive
from lab.models.bottleneck import Bottleneck
from lab.models.cache import ModelCache
from lab.models.families import Choice, LoadedFamily
from lab.operations.house import House
from lab.operations.latent_map import box_of, latent_map, lattice
from lab.requests.base import LabError
from lab.requests.latent_map import DRAWS, GRID, MapDraws, MapPictures, MapPlane, MapPoint, MapRequest
from lab.settings import Settings

PICTURE = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)


def family(latents=2):
    torch.manual_seed(1)
    nets = {"drawings-ae": False, "drawings-1": True}
    return LoadedFamily(
        {
            name: Bottleneck(latents, 32, (4, 4), 6, variational=variational).eval()
            for name, variational in nets.items()
        },
        Choice("3D", 3),
    )


def house_of(network, **settings):
    return House(Settings(device="cpu", **settings), ModelCache(lambda name, shelf: network), drive)


@pytest.fixture(scope="module")
def networks():
    return family()


@pytest.fixture(scope="module")
def events(networks):
    return list(latent_map(MapRequest(picture=PICTURE), house_of(networks)))


def of(events, kind, network):
    return next(event for event in events if isinstance(event, kind) and event.network == network)


def test_planes_come_first_then_ones_own_picture_then_the_draws(events):
    kinds = [type(event) for event in events]
    assert kinds == [MapPictures, MapPlane, MapPlane, MapPoint, MapPoint, MapDraws, MapDraws]
    pictures = events[0]
    assert len(pictures.pixels) == len(pictures.titles) == len(pictures.label) == 3 * len(pictures.labels)


@pytest.mark.parametrize("network", ["ae", "vae"])
def test_codes_and_errors_are_those_of_the_network(events, networks, network):
    bottleneck = networks.members[{"ae": "drawings-ae", "vae": "drawings-1"}[network]]
    plane, pixels = of(events, MapPlane, network), events[0].pixels
    values = torch.tensor(pixels).permute(0, 3, 1, 2) / 127.5 - 1
    with torch.no_grad():
        posterior = bottleneck.encode(values)
        rms = 127.5 * (bottleneck.decode(posterior.mean).clamp(-1, 1) - values).square().mean((1, 2, 3)).sqrt()
    np.testing.assert_allclose(plane.mean, posterior.mean, atol=1e-5)
    np.testing.assert_allclose(plane.std, posterior.std, atol=1e-5)
    np.testing.assert_allclose(plane.rms, rms, rtol=1e-4)
    if network == "ae":
        assert plane.kl is None and not plane.std.any()
    else:
        variance = plane.std.astype(float) ** 2
        closed = 0.5 * (plane.mean.astype(float) ** 2 + variance - np.log(variance) - 1).sum(1)
        np.testing.assert_allclose(plane.kl, closed, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("network", ["ae", "vae"])
def test_the_grid_is_decoded_at_the_middles_of_cells_y_upwards(events, networks, network):
    name, plane = {"ae": "drawings-ae", "vae": "drawings-1"}[network], of(events, MapPlane, network)
    x, y, half = plane.box
    places = lattice(plane.box)
    assert places[0, 0] == pytest.approx([x - half + half / GRID, y + half - half / GRID])
    assert places[-1, -1] == pytest.approx([x + half - half / GRID, y - half + half / GRID])
    for row, column in ((0, 0), (3, 11)):
        decoded = networks.decode(name, torch.tensor(places[row, column])[None])[0].clamp(-1, 1)
        pixels = ((decoded + 1) * 127.5).permute(1, 2, 0).numpy()
        tile = plane.grid[32 * row : 32 * row + 32, 32 * column : 32 * column + 32]
        assert np.abs(tile - pixels).max() <= 0.51
        distances = np.sqrt(np.square(pixels - events[0].pixels.astype(float)).mean((1, 2, 3)))
        assert plane.far[row, column] == pytest.approx(distances.min(), rel=1e-3)


def test_ones_own_picture_has_its_code_and_its_error(events, networks):
    point = of(events, MapPoint, "vae")
    bottleneck, values = networks.members["drawings-1"], torch.tensor(PICTURE).permute(2, 0, 1)[None] / 127.5 - 1
    with torch.no_grad():
        posterior = bottleneck.encode(values)
        back = bottleneck.decode(posterior.mean)
    np.testing.assert_array_equal(point.picture, PICTURE)
    np.testing.assert_allclose(point.mean, posterior.mean[0], atol=1e-5)
    assert point.rms == pytest.approx(127.5 * float((back.clamp(-1, 1) - values).square().mean().sqrt()), rel=1e-4)
    assert point.kl == pytest.approx(float(posterior.kl().sum()), rel=1e-4)


def test_draws_are_of_the_prior_and_known_pictures_count_as_near_as_often_as_is_said(events):
    draws = of(events, MapDraws, "ae")
    assert draws.codes.shape == (DRAWS, 2) and np.abs(draws.codes.mean(0)).max() < 0.2
    assert draws.codes.std(0) == pytest.approx([1, 1], abs=0.1)
    assert draws.share(draws.known) == pytest.approx(0.9, abs=0.05)
    np.testing.assert_array_equal(draws.codes, of(events, MapDraws, "vae").codes)


def test_what_is_near_is_counted_by_the_threshold_of_known_pictures():
    known = np.linspace(0, 10, 101)
    draws = MapDraws("ae", np.zeros((4, 2)), np.array([1.0, 8.9, 9.1, 50]), known, known)
    assert draws.threshold == pytest.approx(9) and draws.share(draws.prior) == 0.5


def test_a_box_holds_nearly_all_codes_and_the_prior():
    codes = np.random.default_rng(2).normal((5, -3), (2, 0.5), (2000, 2))
    x, y, half = box_of(codes)
    inside = (np.abs(codes - (x, y)) <= half).all(1).mean()
    assert inside >= 0.99 and max(abs(x), abs(y)) + 2.2 < half + max(abs(x), abs(y))
    assert x - half <= -2.2 and x + half >= 2.2 and y - half <= -2.2 and y + half >= 2.2
    assert box_of(np.zeros((9, 2))) == pytest.approx((0, 0, 2.2 * 1.06))


def test_a_family_without_such_networks_is_refused_in_words():
    for wrong in (family(latents=3), LoadedFamily({"shapes-1": family().members["drawings-1"]}, Choice("3D", 3))):
        with pytest.raises(LabError, match="drawings-ae"):
            list(latent_map(MapRequest(), house_of(wrong)))


def test_a_pass_through_each_network_counts_as_a_step_and_more_than_may_be_taken_is_refused(networks):
    assert MapRequest().load().steps == 2
    with pytest.raises(LabError, match="2 steps"):
        next(latent_map(MapRequest(), house_of(networks, max_lane_steps=1)))
    assert isinstance(list(latent_map(MapRequest(), house_of(networks, max_lane_steps=2)))[-1], MapDraws)


def test_a_run_with_a_visitors_picture_is_not_kept_for_others():
    assert MapRequest().public() and not MapRequest(picture=PICTURE).public()
