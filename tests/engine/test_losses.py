"""Losses as guides: their values by arithmetic, their gradients against finite differences."""

import pytest
import torch

from lab.catalog import REGIONS
from lab.engine.losses import SPREAD, Brightness, MeanColour, Symmetry, part_of
from lab.engine.potentials import certainty
from lab.engine.process import Level

LEVELS = Level.from_alpha_bar(torch.tensor([0.9, 0.2, 1e-4], dtype=torch.float64))
LOSSES = [MeanColour((1.0, 0.2, -0.6)), Symmetry(), *(Brightness(region, -0.5) for region in REGIONS)]


def pictures(rows=3, side=6):
    return torch.rand(rows, 3, side, side, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_gradients_are_those_of_finite_differences(loss):
    x = pictures(side=4).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: loss(x, LEVELS), (x,), eps=1e-6, atol=1e-6)


def test_the_mean_colour_is_most_likely_where_it_is_met():
    x, wanted = pictures(), torch.tensor([1.0, 0.2, -0.6], dtype=torch.float64)
    met = x - x.mean(dim=(2, 3), keepdim=True) + wanted[:, None, None]
    assert MeanColour((1.0, 0.2, -0.6))(met, LEVELS).abs().max() < 1e-20
    apart = (x.mean(dim=(2, 3)) - wanted).square().sum(1)
    torch.testing.assert_close(
        MeanColour((1.0, 0.2, -0.6))(x, LEVELS), -certainty(LEVELS) * apart / (2 * SPREAD**2), atol=1e-12, rtol=1e-12
    )


def test_a_mirror_image_of_itself_is_most_symmetrical():
    x = pictures()
    assert Symmetry()((x + x.flip(3)) / 2, LEVELS).abs().max() < 1e-20
    rms = (x - x.flip(3)).square().mean(dim=(1, 2, 3))
    torch.testing.assert_close(Symmetry()(x, LEVELS), -certainty(LEVELS) * rms / (2 * SPREAD**2), atol=1e-12, rtol=0)


@pytest.mark.parametrize("side", [1, 2, 5, 32])
def test_regions_are_what_they_are_called(side):
    x = torch.arange(side * side, dtype=torch.float64).reshape(1, 1, side, side)
    assert part_of(x, "whole").equal(x)
    for one, other, axis in (("left", "right", 3), ("top", "bottom", 2)):
        assert torch.cat([part_of(x, one), part_of(x, other)], axis).equal(x)
    middle = part_of(x, "middle")
    assert middle.shape[2] == side - 2 * (side // 4) and middle.flip(2, 3).flatten()[0] == middle.flatten()[-1]
    with pytest.raises(KeyError):
        part_of(x, "somewhere")


def test_pure_noise_tells_nothing_and_the_picture_all():
    ends = Level(torch.tensor([0.0, 1.0]), torch.tensor([1.0, 0.0]))
    assert certainty(ends).tolist() == [0.0, 1.0]
    sure = certainty(Level.from_alpha_bar(torch.linspace(0, 1, 1001, dtype=torch.float64)))
    assert (sure.diff() > 0).all()
    faint = Level.from_alpha_bar(torch.tensor([1e-9], dtype=torch.float64))  # falls as the exact gradient's bound does
    torch.testing.assert_close(certainty(faint), 4 * faint.signal, rtol=1e-3, atol=0)
