"""The script of factors, run on small networks: its PSNR and SSIM are the lab's."""

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel

from lab.capsules.factor_script import factor_script
from lab.models.families import LoadedAutoencoder
from lab.operations.factor import factor
from lab.requests.factor import Encoded, FactorRequest
from tests.operations.toys import Toy, make_house

PICTURE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)


def autoencoder(levels):
    torch.manual_seed(levels)
    blocks = {"down_block_types": ["DownEncoderBlock2D"] * levels, "up_block_types": ["UpDecoderBlock2D"] * levels}
    return AutoencoderKL(
        **blocks, block_out_channels=[4] * levels, norm_num_groups=1, mid_block_add_attention=False
    ).eval()


class Latent(Toy):
    def __init__(self, coder):
        super().__init__()
        self.autoencoder = coder
        self.network.by_torch = lambda x_t, t, rows: None


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path / "assets" / "models"


def test_its_numbers_are_those_of_the_lab(folder, capsys):
    coders = {2: autoencoder(2), 4: autoencoder(3), 8: autoencoder(4)}
    for factor_, name in ((2, "f2"), (4, "text-to-image/vae"), (8, "f8")):
        coders[factor_].save_pretrained(folder / name)
    UNet2DConditionModel(
        sample_size=16, in_channels=4, out_channels=4, layers_per_block=1, block_out_channels=(8, 8), norm_num_groups=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=4, attention_head_dim=2,
    ).save_pretrained(folder / "text-to-image" / "unet")  # fmt: skip
    house, _ = make_house(
        **{"f2": LoadedAutoencoder(coders[2]), "text-to-image": Latent(coders[4]), "f8": LoadedAutoencoder(coders[8])}
    )
    request = FactorRequest(picture=PICTURE, held_out=0, repeats=1)
    want = [event for event in factor(request, house) if isinstance(event, Encoded)]
    text = factor_script(request, want[0].picture)
    assert "lab." not in text.partition('"""')[2].partition('"""')[2]
    with torch.no_grad():
        exec(text, {})
    _, first, *rows = [line.split("\t") for line in capsys.readouterr().out.splitlines() if "\t" in line]
    assert first[:2] == ["1", "12288"] and [row[0] for row in rows] == ["2", "4", "8"]
    assert [int(row[1]) for row in rows] == [4096, 1024, 256]
    assert [float(row[2]) for row in rows] == pytest.approx([one.psnr for one in want], abs=1e-3)
    assert [float(row[3]) for row in rows] == pytest.approx([one.ssim for one in want], abs=1e-4)
    assert all(float(row[4]) > 0 for row in (first, *rows))
