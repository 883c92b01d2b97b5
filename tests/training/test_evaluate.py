"""Figures against cases whose answers are known, and the whole evaluation on the tiny models."""

import hashlib
import json
import re
from functools import partial

import numpy as np
import pytest
import torch

from lab.training.cards import flat, plot, write_card
from lab.training.classification import calibration_error, exact_classifier
from lab.training.editing import enlarged_figures, partial_masks
from lab.training.evaluate import MEASURES, NEAR, STRATA, evaluate, strata
from lab.training.export import export
from lab.training.recipes import recipes_of
from lab.training.scene import Scene
from lab.training.scores import edge_f1, foreground, nearest, overlap, recall
from lab.training.unclip import Plan


def test_recall_counts_own_columns():
    similar = torch.tensor([[0.9, 0.1, 0.0], [0.8, 0.5, 0.1], [0.2, 0.1, 0.3]])
    assert recall(similar, 1) == pytest.approx(2 / 3)
    assert recall(similar, 2) == 1


def test_edges_within_two_pixels_agree_and_further_ones_do_not():
    edges = np.zeros((20, 20), np.uint8)
    edges[:, 5] = 255
    assert edge_f1(edges, edges) == 1
    assert edge_f1(np.roll(edges, 2, axis=1), edges) == 1
    assert edge_f1(np.roll(edges, 5, axis=1), edges) == 0
    both = edges | np.roll(edges, 8, axis=1)
    assert edge_f1(both, edges) == pytest.approx(2 / 3)  # precision 1/2, recall 1
    assert edge_f1(np.zeros_like(edges), edges) == 0


def test_a_copied_training_picture_is_seen_as_one():
    training = np.random.default_rng(0).integers(0, 256, size=(6, 8, 8, 3), dtype=np.uint8)
    assert nearest(training[2:3], training)["smallest"] == pytest.approx(0, abs=0.05)
    assert nearest(255 - training[2:3], training[2:3])["smallest"] > 50


def test_the_foreground_is_what_differs_from_the_border():
    picture = np.full((16, 16, 3), (170, 210, 245), np.uint8)
    picture[4:12, 6:10] = (200, 30, 30)
    mask = np.zeros((16, 16), bool)
    mask[4:12, 6:10] = True
    assert overlap(foreground(picture), mask) == 1


@pytest.mark.parametrize("T", [NEAR + STRATA, 100, 1000, 4000])
def test_a_bound_is_looked_at_where_it_is_large_and_stands_for_all_its_terms(T):
    """Of terms that fall like a bound's, and of terms that are all alike, without bias."""
    steep = 1 / (1 + torch.arange(T, dtype=torch.float64)) ** 2
    for terms in (steep, torch.ones(T, dtype=torch.float64)):
        found = []
        for seed in range(200):
            t, weights = strata(T, torch.Generator().manual_seed(seed))
            assert len(t) == len(set(t.tolist())) == NEAR + STRATA and float(weights.sum()) == T
            found.append(float(terms[t] @ weights.double()))
        assert np.mean(found) == pytest.approx(float(terms.sum()), rel=1e-3)


def test_every_model_is_measured_and_gets_a_card(make, corpus, tmp_path, monkeypatch):
    for name in (recipe for folder in MEASURES for recipe in recipes_of(folder)):
        make.model(name)
    monkeypatch.setattr("lab.training.evaluate.SCALES", (0.0, 1.0, 3.0))
    few = partial(Plan, diversity_prompts=2, seeds=2, varied=2, variations=2, steps=2, prior_steps=2, scales=(1.0, 3.0))
    monkeypatch.setattr("lab.training.unclip.Plan", few)
    results = evaluate(Scene(corpus, make.model, prompts=4))
    assert set(results) == set(MEASURES)
    json.dumps(results, allow_nan=False)
    spread = {(point["way"], point["scale"]): point["diversity"] for point in results["unclip"]["diversity"]}
    assert len(spread) == 3 * 2 and spread["fixed", 1.0] != spread["each", 1.0]
    assert results["unclip"]["diversity_prompts"] == 2
    for name, figures in results.items():
        write_card(name, figures, make.model(name).parent.parent, tmp_path / name)
        card, recipes = (tmp_path / name / "README.md").read_text(), recipes_of(name)
        assert all(value in card for _, value in flat(figures))
        assert all(f"`python -m lab.training {recipe}`" in card for recipe in recipes)
        assert card.count("3 steps in ") == len(recipes) == len({*re.findall(r"\((loss.*png)\)", card)})
        assert all((tmp_path / name / picture).exists() for picture in re.findall(r"\((.*?\.png)\)", card))


def test_calibration_error_is_the_gap_of_confidence_and_accuracy():
    """Three in four right at 0.75 is calibrated; all right at 0.6 is 0.4 too modest; half and half, the mean of both."""
    sure = torch.tensor([[0.75, 0.25]] * 4)
    modest = torch.tensor([[0.4, 0.6]] * 4)
    assert calibration_error(sure, torch.tensor([0, 0, 0, 1])) == pytest.approx(0, abs=1e-6)
    assert calibration_error(modest, torch.ones(4, dtype=torch.long)) == pytest.approx(0.4)
    both = calibration_error(torch.cat([sure, modest]), torch.tensor([0, 0, 0, 1, 1, 1, 1, 1]))
    assert both == pytest.approx(0.2)
    assert calibration_error(torch.eye(2), torch.tensor([1, 0])) == 1


def test_the_exact_classifier_is_bayes_rule_over_the_pictures(corpus):
    """p(y) sum of normal densities, written out in float64; a picture with hardly any noise is of its own group."""
    few = corpus.drawings(4).select(np.arange(0, 30, 3))
    groups, alpha_bar = ["objects", "symbols"], torch.tensor([0.999, 0.3, 0.004])
    x_0 = torch.from_numpy(few.pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
    t = torch.tensor([0, 1, 1, 2])
    a = alpha_bar[t].reshape(-1, 1, 1, 1)
    x_t = a.sqrt() * x_0[:4] + (1 - a).sqrt() * torch.randn(4, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    beliefs = exact_classifier(few, groups, alpha_bar)(x_t, t)
    away = (x_t[:, None] - a[:, None].sqrt() * x_0).double().square().sum(dim=(2, 3, 4))
    density = (-away / (2 * (1 - a.reshape(-1, 1).double()))).exp()
    of_objects = torch.tensor([group == "objects" for group in few.groups])
    expected = density[:, of_objects].sum(1) / density.sum(1)
    torch.testing.assert_close(beliefs[:, 0].double(), expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(beliefs.sum(1), torch.ones(4))
    assert groups[int(beliefs[0].argmax())] == few.groups[0]


def test_a_loss_plot_falls_where_the_loss_falls():
    picture = plot([(step, 1 / step) for step in range(1, 200)])
    blue = picture[..., 2].astype(int) - picture[..., 0] > 60
    first, last = blue[:, 60:80], blue[:, -40:-20]
    assert np.nonzero(first)[0].mean() < np.nonzero(last)[0].mean()


def test_an_export_is_half_as_large_and_loads_alike(make, tmp_path):
    from diffusers import AutoencoderKL

    trained = make.model("autoencoder")
    export(trained, tmp_path / "autoencoder")
    files = list(tmp_path.rglob("*.safetensors"))
    sums = (tmp_path / "SHA256SUMS").read_text()
    assert sums == f"{hashlib.sha256(files[0].read_bytes()).hexdigest()}  {files[0].relative_to(tmp_path)}\n"
    assert all(file.stat().st_size < 9_000_000 for file in files)
    ours, shipped = (
        AutoencoderKL.from_pretrained(trained),
        AutoencoderKL.from_pretrained(tmp_path / "autoencoder").float(),
    )
    for a, b in zip(ours.state_dict().values(), shipped.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-3, rtol=1e-3)
    assert shipped.config.scaling_factor == ours.config.scaling_factor
    assert "_name_or_path" not in (tmp_path / "autoencoder" / "config.json").read_text()


def test_exports_are_sharded(tmp_path, monkeypatch):
    from transformers import CLIPTextConfig, CLIPTextModel

    monkeypatch.setattr("lab.training.export.SHARD", "40KB")
    model = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=100,
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=8,
            projection_dim=8,
        )
    )
    model.save_pretrained(tmp_path / "trained")
    export(tmp_path / "trained", tmp_path / "shipped")
    assert len(list((tmp_path / "shipped").glob("*.safetensors"))) > 1
    loaded = CLIPTextModel.from_pretrained(tmp_path / "shipped").float()
    tokens = torch.arange(8)[None]
    torch.testing.assert_close(
        loaded(tokens).last_hidden_state, model.eval()(tokens).last_hidden_state, atol=2e-2, rtol=0
    )


def test_masks_of_the_figures_leave_something_of_every_picture_and_are_the_same_each_time():
    masks = partial_masks(60, 32)
    assert masks.shape == (60, 32, 32) and masks.any(axis=(1, 2)).all() and not masks.all(axis=(1, 2)).any()
    assert np.array_equal(masks[:10], partial_masks(10, 32))


def test_figures_of_enlarged_pictures_are_means_and_a_share_of_all_energy():
    """A picture and itself, brighter by ten: PSNR of a known error, all its detail."""
    originals = np.random.default_rng(0).integers(0, 240, (3, 16, 16, 3), np.uint8)
    figures = enlarged_figures(originals + np.uint8(10), originals)
    assert figures["psnr_db"] == pytest.approx(20 * np.log10(25.5)) and figures["detail"] == pytest.approx(1)
    assert enlarged_figures(originals, originals)["ssim"] == pytest.approx(1)
    flat_ones = np.repeat(originals.mean(axis=(1, 2), keepdims=True).astype(np.uint8), 16, 1).repeat(16, 2)
    assert enlarged_figures(flat_ones, originals)["detail"] == 0
