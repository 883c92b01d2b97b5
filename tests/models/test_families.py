"""Families of small autoencoders: what a folder must hold, what a code is, which drawings a family learned."""

import json
import math

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from torch.distributions import Independent, Normal, kl_divergence

from lab import shapes
from lab.catalog import GROUPS
from lab.models.bottleneck import Bottleneck, Posterior
from lab.models.families import FILE, Choice, read_autoencoder, read_family, write_family
from lab.models.pictures import PictureSet
from lab.requests.base import LabError
from lab.settings import ASSETS

TINY = {"latents": 3, "side": 32, "channels": (4, 6), "hidden": 8}


@pytest.fixture
def folder(tmp_path):
    """A family of two networks, one of them with a code of one point."""
    torch.manual_seed(0)
    Bottleneck(**TINY, variational=False).save_pretrained(tmp_path / "shapes-ae")
    Bottleneck(**TINY).save_pretrained(tmp_path / "drawings-4")
    write_family(tmp_path, Choice("3D", 5), {"4": [0.1, 0.3]})
    return tmp_path


def test_a_family_is_read_with_its_networks_and_what_they_learned(folder):
    family = read_family(folder)
    assert list(family.members) == ["drawings-4", "shapes-ae"] and family.gaps == {4.0: (0.1, 0.3)}
    data = family.data("drawings")
    assert set(data.labels) == set(GROUPS.values()) and len(data.pixels) == 5 * len(GROUPS) and not data.held_out.any()
    assert len(set(data.titles)) == len(data.titles) and data.pixels.shape[1:] == (32, 32, 3)
    assert family.data("shapes").pixels.shape == (shapes.count(), 32, 32, 3)


def test_networks_stand_in_the_order_of_beta(tmp_path):
    torch.manual_seed(0)
    for beta in ("16", "2", "ae", "0", "0.5"):
        Bottleneck(**TINY, variational=beta != "ae").save_pretrained(tmp_path / f"shapes-{beta}")
    write_family(tmp_path, Choice(), {"16": [0.2], "2": [0.1], "4": [0.3]})
    family = read_family(tmp_path)
    assert [name.partition("-")[2] for name in family.members] == ["ae", "0", "0.5", "2", "16"]
    assert list(family.gaps) == [2.0, 4.0, 16.0]


def test_what_the_familys_own_pictures_tell_is_found_once(folder):
    family, made = read_family(folder), []
    for value in (1, 2):
        assert family.once("codes", lambda value=value: made.append(value) or value) == 1
    assert family.once("other", lambda: 3) == 3 and made == [1]
    with pytest.raises(ZeroDivisionError):
        family.once("fault", lambda: 1 / 0)
    assert family.once("fault", lambda: 4) == 4


def test_pictures_go_through_a_network_as_through_the_network_itself(folder):
    family, pixels = read_family(folder), shapes.pictures()[::9][:300]  # more than go at once
    network = family.members["drawings-4"]
    values = torch.tensor(pixels).permute(0, 3, 1, 2) / 127.5 - 1
    with torch.no_grad():
        wanted = network.encode(values)
        decoded = network.decode(wanted.mean)
    posterior = family.encode("drawings-4", pixels)
    assert torch.allclose(posterior.mean, wanted.mean, atol=1e-6) and torch.allclose(
        posterior.std, wanted.std, atol=1e-6
    )
    assert torch.allclose(family.decode("drawings-4", posterior.mean), decoded, atol=1e-5)


def test_the_divergence_is_that_of_torch_and_the_likelihood_that_of_a_gaussian(folder):
    network = read_family(folder).members["drawings-4"]
    values = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.no_grad():
        posterior = network.encode(values)
        likelihood = network.log_likelihood(values, posterior.mean)
        known = Normal(network.decode(posterior.mean), network.config.scale).log_prob(values)
    known_kl = kl_divergence(Normal(posterior.mean, posterior.std), Normal(0.0, 1.0))
    assert torch.allclose(posterior.kl(), known_kl, atol=1e-5)
    assert torch.allclose(likelihood, known, atol=1e-5)
    assert Independent(Normal(posterior.mean, posterior.std), 1).batch_shape == (4,)


def test_a_draw_has_the_mean_and_the_deviation_of_the_posterior():
    posterior = Posterior(torch.tensor([[1.0, -2.0]]), torch.tensor([[0.5, 0.1]]))
    draws = posterior.sample(torch.randn(40_000, 1, 2, generator=torch.Generator().manual_seed(0)))
    assert torch.allclose(draws.mean(0), posterior.mean, atol=0.02)
    assert torch.allclose(draws.std(0), posterior.std, rtol=0.02)


def test_a_code_of_one_point_has_no_deviation(folder):
    posterior = read_family(folder).encode("shapes-ae", shapes.pictures()[:3])
    assert (posterior.std == 0).all() and posterior.kl().isinf().all()


@pytest.mark.parametrize("per_group", [0, 1, 7, 1000])
@pytest.mark.parametrize("style", ["", "3D"])
def test_of_each_group_as_many_are_chosen_as_there_are(style, per_group):
    pictures = PictureSet.load(ASSETS / "pictures")
    mask = Choice(style, per_group).mask(pictures.styles, pictures.groups, pictures.held_out)
    chosen, free = pictures.select(mask), pictures.select(~pictures.held_out)
    assert set(chosen.styles) <= ({style} if style else set(pictures.styles))
    if not per_group:
        assert (chosen.held_out.any() and len(chosen) == (np.array(pictures.styles) == style).sum()) or not style
        return
    assert not chosen.held_out.any()
    for group in set(pictures.groups):
        of_group = (np.array(free.groups) == group) & (np.isin(free.styles, [style]) if style else True)
        assert (np.array(chosen.groups) == group).sum() == min(per_group, of_group.sum())


def test_what_is_no_family_is_refused_in_words(folder, tmp_path):
    for name in ("drawings-4", "shapes-ae"):
        (folder / name / "config.json").rename(folder / name / "config.txt")
    with pytest.raises(LabError, match="no network"):
        read_family(folder)
    (folder / FILE).unlink()
    with pytest.raises(LabError, match="family"):
        read_family(folder)


def test_a_damaged_network_is_refused_by_name(folder):
    network = Bottleneck(**TINY)
    with torch.no_grad():
        network.to_map.weight.fill_(math.nan)
    network.save_pretrained(folder / "drawings-4")
    with pytest.raises(LabError, match=r"drawings-4.*damaged"):
        read_family(folder)
    config = json.loads((folder / "drawings-4" / "config.json").read_text())
    (folder / "drawings-4" / "config.json").write_text(json.dumps(config | {"latents": 4}))
    with pytest.raises(LabError):
        read_family(folder)


def test_an_autoencoder_gives_the_latents_of_diffusers(tmp_path):
    torch.manual_seed(0)
    blocks = {
        "down_block_types": ("DownEncoderBlock2D",) * 2,
        "up_block_types": ("UpDecoderBlock2D",) * 2,
        "block_out_channels": (8, 8),
    }
    AutoencoderKL(**blocks, layers_per_block=1, latent_channels=4, norm_num_groups=1, sample_size=16).save_pretrained(
        tmp_path
    )
    loaded, values = read_autoencoder(tmp_path), torch.rand(3, 16, 16) * 2 - 1
    assert (loaded.factor, loaded.shape, loaded.floats) == (2, (4, 8, 8), 256)
    with torch.no_grad():
        latents = loaded.autoencoder.encode(values[None]).latent_dist.mean
        decoded = loaded.autoencoder.decode(latents).sample[0]
    assert torch.allclose(loaded.encode(values), latents[0], atol=1e-6)
    assert torch.allclose(loaded.decode(latents[0]), decoded, atol=1e-6)
