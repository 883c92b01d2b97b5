"""The two stages of unCLIP: what they begin from and are taught, and the folder that both ship into."""

import json
from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from diffusers import PriorTransformer, StableUnCLIPImg2ImgPipeline, StableUnCLIPPipeline, UNet2DConditionModel
from PIL import Image
from transformers import CLIPVisionModelWithProjection

from lab import unclip_curves
from lab.requests.unclip import Judged, Near
from lab.training.copies import COPIES, FAR, in_another_hue, with_varied_copies
from lab.training.curves import weights
from lab.training.export import export
from lab.training.recipes import RECIPES, folder_of, recipes_of
from lab.training.recipes.clip import embed_pictures
from lab.training.recipes.judge import plain_captions
from lab.training.recipes.unclip import with_class_embedding
from lab.training.unclip import COMMAND, drawn, ranks, right, write_curves
from lab.training.wording import MAX_TOKENS, tokenize
from lab.unclip_curves import COMPONENTS, SCALES, SPREADS, WAYS, Kept, Retrieval, Spread, UnclipCurves


@pytest.fixture(scope="module")
def folder(make, tmp_path_factory):
    """The folder of both, as they ship."""
    folder = tmp_path_factory.mktemp("assets") / folder_of("prior")
    for name in ("unclip", "prior"):
        export(make.model(name), folder)
    return folder


@pytest.fixture(scope="module")
def pipelines(folder):
    return [kind.from_pretrained(folder) for kind in (StableUnCLIPPipeline, StableUnCLIPImg2ImgPipeline)]


def test_both_recipes_ship_into_one_folder_and_the_others_into_their_own():
    assert folder_of("prior") == folder_of("unclip") == "unclip" and recipes_of("unclip") == ["prior", "unclip"]
    assert all(recipes_of(name) == [name] for name in RECIPES if name not in recipes_of("unclip"))


def test_both_pipelines_of_diffusers_open_the_folder_and_draw(pipelines, corpus):
    from_words, from_picture = pipelines
    arguments = {"num_inference_steps": 2, "generator": torch.manual_seed(0), "output_type": "np"}
    assert from_words("red square", prior_num_inference_steps=2, **arguments).images.shape == (1, 32, 32, 3)
    assert from_picture(Image.fromarray(corpus.pixels[0]), "", **arguments).images.shape == (1, 32, 32, 3)


def test_the_feature_extractor_prepares_pictures_as_the_recipe_does(make, pipelines, corpus):
    recipe = make("unclip")
    inputs = pipelines[1].feature_extractor(images=[*map(Image.fromarray, corpus.pixels[:4])], return_tensors="pt")
    with torch.no_grad():
        got = recipe.image(inputs.pixel_values).image_embeds
    torch.testing.assert_close(got, embed_pictures(recipe.image, corpus.pixels[:4]), atol=1e-6, rtol=1e-5)


def test_a_class_embedding_leaves_the_base_as_it_was_whatever_its_labels_hold(make):
    base = UNet2DConditionModel.from_pretrained(make.model("text-to-image"), subfolder="unet").eval()
    model, rng = with_class_embedding(base, 24).eval(), torch.Generator().manual_seed(0)
    x_t, labels = torch.randn(2, 4, 8, 8, generator=rng), 9 * torch.randn(2, 24, generator=rng)
    hidden = torch.randn(2, 5, base.config.cross_attention_dim, generator=rng)
    with torch.no_grad():
        expected = base(x_t, 300, encoder_hidden_states=hidden).sample
        got = model(x_t, 300, encoder_hidden_states=hidden, class_labels=labels).sample
    torch.testing.assert_close(got, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("level", [0, 400, 999])
def test_labels_are_what_the_pipeline_hands_over(make, level):
    recipe = make("unclip")
    embeddings, noise = recipe.embeddings[:3], torch.randn(3, 32, generator=torch.Generator().manual_seed(1))
    got = recipe.labels(embeddings, torch.full((3,), level), noise)
    with torch.no_grad():
        expected = recipe.pipeline(recipe.model).noise_image_embeddings(embeddings, level, noise)
    torch.testing.assert_close(got, expected, atol=1e-6, rtol=1e-6)


def test_some_embeddings_are_zero_and_a_batch_has_many_levels(make, monkeypatch):
    recipe, seen = make("unclip", batch=64), []

    def forward(x_t, t, encoder_hidden_states, class_labels):
        seen.append(class_labels)
        assert encoder_hidden_states.shape[1] == MAX_TOKENS + recipe.options.context
        return type("Output", (), {"sample": x_t})

    both = SimpleNamespace(context=recipe.model.context, unet=forward)
    recipe.loss(both, torch.Generator().manual_seed(0))
    (labels,) = seen
    zero = ~labels.any(dim=1)
    assert 0 < int(zero.sum()) < 20 and len({*labels[~zero, 40].tolist()}) > 30


def test_tokens_of_context_begin_as_those_of_captions(make):
    """Fitted, they are nearer to the hidden states of the pictures' captions than the mean of all of these is."""
    recipe = make("unclip", context_steps=300)
    n = len(recipe.training) // 2
    said = recipe.hidden(recipe.tokens[:n, 1])[:, : recipe.options.context]
    embeddings = recipe.embeddings[:n]
    labels = recipe.labels(embeddings, torch.zeros(n, dtype=torch.long), torch.zeros_like(embeddings))
    with torch.no_grad():
        error = (recipe.model.context(labels) - said).square().mean()
    assert error < 0.7 * (said - said.mean(0)).square().mean()


def test_the_prior_sees_the_tokens_that_the_tokenizer_counts(make):
    recipe = make("prior")
    texts = ["", "red square", " ".join(["square"] * 90)]
    expected = recipe.tokenizer(
        texts, padding="max_length", truncation=True, max_length=MAX_TOKENS, return_tensors="pt"
    ).attention_mask
    assert torch.equal(recipe.mask(tokenize(recipe.tokenizer, texts)), expected.bool())


def test_the_prior_learns_embeddings_of_mean_zero_and_deviation_one(make, folder):
    recipe = make("prior")
    image = CLIPVisionModelWithProjection.from_pretrained(make.model("clip") / "image_encoder").float().eval()
    expected = embed_pictures(image, recipe.training.pixels)
    torch.testing.assert_close(recipe.model.post_process_latents(recipe.embeddings), expected)
    torch.testing.assert_close(recipe.embeddings.std(0), torch.ones(32), atol=1e-4, rtol=0)
    shipped = PriorTransformer.from_pretrained(folder / "prior").float()
    torch.testing.assert_close(shipped.clip_mean[0], expected.mean(0), atol=1e-2, rtol=1e-2)
    assert not any(name.startswith("clip_") for name, one in recipe.model.named_parameters() if one.requires_grad)


def test_a_prior_needs_a_clip_whose_text_is_as_wide_as_its_projection(make, corpus, tmp_path):
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    recipe = make("prior")
    CLIPTextModelWithProjection(
        CLIPTextConfig(
            hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, projection_dim=8
        )
    ).save_pretrained(tmp_path / "text_encoder")
    recipe.tokenizer.save_pretrained(tmp_path / "tokenizer")
    with pytest.raises(ValueError, match="Train the recipe clip with the width of its text as its projection"):
        RECIPES["prior"].recipe(recipe.options, corpus, recipe.device, lambda name: tmp_path)


def test_copies_join_the_training_drawings_alone(corpus):
    varied, drawings = with_varied_copies(corpus), corpus.training.drawings(32)
    assert len(varied) == len(corpus) + COPIES * len(drawings)
    assert varied.captions[len(corpus) :] == COPIES * drawings.captions
    np.testing.assert_array_equal(varied.pixels[: len(corpus)], corpus.pixels)
    assert not varied.held_out[len(corpus) :].any()


def test_another_hue_keeps_greys_and_brightness_and_changes_colours():
    rng = np.random.default_rng(0)
    grey = np.full((4, 4, 3), 90, np.uint8)
    np.testing.assert_array_equal(in_another_hue(grey, rng), grey)
    red = np.zeros((4, 4, 3), np.uint8)
    red[...] = 200, 20, 20
    for _ in range(20):
        other = in_another_hue(red, rng).astype(int)
        assert other.max() == pytest.approx(200, abs=2) and abs(other - red).sum(-1).min() > 60


def test_a_moved_picture_keeps_its_ground():
    picture = np.full((32, 32, 3), 230, np.uint8)
    picture[12:20, 12:20] = 10, 60, 200
    moved = FAR(picture, np.random.default_rng(3))
    assert moved.shape == picture.shape and not np.array_equal(moved, picture)
    assert (moved[[0, 0, -1, -1], [0, -1, 0, -1]] == 230).all() and moved.min() < 60


def test_prompts_are_drawn_once_each_and_again_by_the_same_seed(corpus):
    captions = drawn(corpus, 5, seed=0).captions
    assert len({*captions}) == 5 and drawn(corpus, 5, seed=0).captions == captions != drawn(corpus, 5, seed=1).captions
    every = plain_captions(drawn(corpus, len(corpus), seed=0))
    assert sorted(every) == sorted({*plain_captions(corpus)})


def test_a_caption_ranks_behind_those_that_fit_better():
    captions = torch.eye(4)
    pictures = torch.tensor([[0.9, 0.4, 0.1, 0.0], [0.5, 0.5, 0.6, 0.4]])
    assert ranks(pictures, captions, [0, 3]).tolist() == [1, 4]
    assert ranks(pictures, captions, [2, 0]).tolist() == [3, 2]  # equal ones share a rank


def test_a_drawn_picture_is_right_where_its_nearest_has_the_group_or_the_caption(corpus):
    def judged(caption, group):
        return Judged(0, np.zeros(2, np.float32), Near(corpus.pixels[0], caption, group, 1.0))

    two = corpus.select(np.array([0, 1]))
    assert two.groups == ("symbols", "objects")
    nearest = [
        [judged("red square 0", "symbols"), judged("rocket", "symbols")],
        [judged("rocket", "symbols"), judged("green square 1", "objects")],
    ]
    assert right(two, nearest).tolist() == [[[True, True], [True, False]], [[False, False], [True, True]]]


def test_the_page_reads_the_figures_that_are_written(tmp_path, monkeypatch):
    """All but what the card alone has; with digests of the shipped weights."""
    rows = {
        "retrieval": [Retrieval("stack", "caption", 2.0, 0.5, 0.75)], "kept": [Kept(8, 0.6, 0.25)],
        "diversity": [Spread("fixed", 4.0, 0.3, 0.9)],
    }  # fmt: skip
    how = {
        "prompts": 64, "captions": 1500, "diversity_prompts": 8, "seeds": 8, "steps": 15, "prior_steps": 25,
        "prior_scale": 2.0, "kept_scale": 2.0,
    }  # fmt: skip
    card = {"parameters": {"prior": 1}, "originals": {}, "held_out": [], "prior": {}, "variations": {}}
    points = {name: [asdict(point) for point in own] for name, own in rows.items()}
    write_curves(points | how | card, tmp_path / "curves" / "unclip.json")
    monkeypatch.setattr(unclip_curves, "FILE", tmp_path / "curves" / "unclip.json")
    got = unclip_curves.unclip_curves.__wrapped__()
    assert got == UnclipCurves(**{name: tuple(own) for name, own in rows.items()}, **how, command=COMMAND)


def test_the_shipped_figures_are_of_the_shipped_weights():
    content, curves = json.loads(unclip_curves.FILE.read_text()), unclip_curves.unclip_curves()
    assert content["weights"] == weights(("unclip", "text-to-image", "judge"))
    assert curves is not None and curves.prompts >= 64
    by_caption = {(point.way, point.scale) for point in curves.retrieval if point.wording == "caption"}
    assert by_caption == {(way, scale) for way in WAYS for scale in SCALES}
    assert tuple(point.components for point in curves.kept) == COMPONENTS
    assert {point.way for point in curves.diversity} == {*SPREADS}
    shares = [share for point in curves.retrieval for share in (point.first, point.five)]
    assert all(0 <= share <= 1 for share in shares)
