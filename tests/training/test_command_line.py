"""The commands a person types: train, go on, ship, measure."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from lab.models.pictures import COLUMNS, INDEX_FIELDS
from lab.training import __main__ as command_line
from lab.training.train import CHECKPOINT

SMALL = ("--size", "32", "--channels", "8,8,8", "--batch", "2", "--people", "6")


@pytest.fixture
def pictures(tmp_path):
    """A picture folder of one sheet."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (64, 64 * COLUMNS, 3), dtype=np.uint8)).save(
        folder / "sheet.webp", lossless=True
    )
    rows = [
        ("sheet.webp", i, f"thing {i}, flat style", "flat", "objects", "tool", f"c{i}", "thing|it", "held-out" if i > 28 else "train", "test", f"t{i}")
        for i in range(COLUMNS)
    ]  # fmt: skip
    lines = [",".join(INDEX_FIELDS), *(",".join(f'"{value}"' for value in row) for row in rows)]
    (folder / "index.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_train_go_on_ship_and_measure(pictures, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command_line, "ASSETS", tmp_path / "assets")
    places = ("--data", str(pictures), "--runs", str(tmp_path / "runs"))
    command_line.main(["autoencoder", "--steps", "2", *SMALL, *places])
    command_line.main(["autoencoder", "--steps", "3", "--resume", *places])
    state = torch.load(tmp_path / "runs/autoencoder" / CHECKPOINT)
    assert state["step"] == 5
    assert state["options"]["channels"] == (8, 8, 8) and state["options"]["people"] == 6  # as they were

    command_line.main(["autoencoder", "--export", *places])
    assert list((tmp_path / "assets/autoencoder").glob("*.safetensors"))

    capsys.readouterr()
    command_line.main(["evaluate", "--only", "autoencoder", "--people", "6", *places])
    figures = json.loads(capsys.readouterr().out)["autoencoder"]
    assert figures["pictures"] == 3
    assert f"{figures['psnr_db']:.4g}" in (tmp_path / "assets/autoencoder/README.md").read_text()
