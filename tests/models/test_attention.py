"""Cross-attention seen and edited, against hooks on diffusers' UNet: on random weights and on those that are shipped."""

from dataclasses import replace

import pytest
import torch
from diffusers.models.attention_processor import AttnProcessor

from lab.catalog import MODELS
from lab.engine.attention import align, of_words, reweighted
from lab.engine.lanes import drive
from lab.models.attention import AttentionDenoiser, EditedRow, Keeping, Source, twin_of
from lab.models.loaders import make_cache
from lab.operations.lanes import make_lane
from lab.requests.fields import Condition, Forward
from lab.requests.sampling import LaneSettings
from lab.settings import Settings
from tests.models import tiny

FORWARD = Forward(schedule="scaled_linear")
PROMPT, TARGET = "a person in a red shirt", "a person in a yellow shirt"
GUIDED = LaneSettings(steps=3, guidance_scale=3)


@pytest.fixture(scope="module", params=["tiny", "shipped", "xl"])
def model(request, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        if request.param != "shipped":
            root = tmp_path_factory.mktemp(request.param)
            folder = tiny.text_to_image(root / "model") if request.param == "tiny" else tiny.xl(root)
            row = replace(MODELS["text-to-image"], source=str(folder), size=tiny.SIDE, conditions=("prompt",))
            patch.setitem(MODELS, "text-to-image", row)
        with make_cache(Settings(device="cpu")).lease("text-to-image") as loaded:
            yield loaded


@pytest.fixture(scope="module")
def setting(model):
    """The denoiser, x_t of two rows, t, and the conditioning of the prompt."""
    denoiser = model.denoiser(FORWARD)
    x_t = torch.randn(2, *denoiser.shape, generator=torch.Generator().manual_seed(4))
    return denoiser, x_t, torch.tensor([700, 300]), model.conditioning(Condition(prompt=PROMPT))


def hooked(denoiser, x_t, t, row):
    """By layer, softmax(Q K^T / sqrt(d)) of the queries and keys that diffusers' UNet computes, (heads, pixels, tokens)."""
    unet, inputs, found, handles = denoiser.unet, {}, {}, []
    for name, module in unet.named_modules():
        if name.endswith("attn2"):
            for part in ("to_q", "to_k"):

                def keep(_module, _args, output, key=(name, part)):
                    inputs[key] = output

                handles.append(getattr(module, part).register_forward_hook(keep))
    try:
        added = dict(zip(("text_embeds", "time_ids"), (one[None] for one in row.prompt.added), strict=False))
        with torch.no_grad():
            unet(x_t[None], t, row.prompt.hidden[None], added_cond_kwargs=added or None)
    finally:
        for handle in handles:
            handle.remove()
    for name, module in unet.named_modules():
        if name.endswith("attn2"):
            query, key = (inputs[name, part][0].double() for part in ("to_q", "to_k"))
            width = query.shape[-1] // module.heads
            found[name] = torch.stack(
                [
                    (query[:, head * width : (head + 1) * width] @ key[:, head * width : (head + 1) * width].T / width**0.5)
                    .softmax(dim=-1)
                    for head in range(module.heads)
                ]
            )  # fmt: skip
    return found


def test_maps_sum_to_one_and_equal_a_hook_on_diffusers_unet(model, setting):
    denoiser, x_t, t, row = setting
    maps = {one.name: one.maps for one in AttentionDenoiser(denoiser).look(x_t[0], 700.0, row)}
    wanted = hooked(denoiser, x_t[0], t[0], row)
    assert set(maps) == set(wanted) and len(maps) > 1
    for name, own in maps.items():
        assert torch.allclose(own.sum(dim=0), torch.ones(own.shape[1:]), atol=1e-5)
        assert torch.allclose(own.flatten(1).T.double(), wanted[name].mean(dim=0), atol=1e-5)
        words = of_words(own, model.prompts.words(PROMPT))
        assert torch.allclose(words.sum(dim=0), torch.ones(own.shape[1:]), atol=1e-5)


def test_weight_one_and_the_same_source_change_nothing(setting):
    denoiser, x_t, t, row = setting
    watched, tokens = AttentionDenoiser(denoiser), len(row.prompt.hidden)
    same = Source(x_t[0], row, align_self(tokens), words=True, picture=True)
    wanted = denoiser(x_t, t, [row, row])
    got = watched(x_t, t, [EditedRow(row, torch.ones(tokens), same), EditedRow(row, torch.ones(tokens))])
    assert torch.allclose(got, wanted, atol=1e-5 * wanted.abs().max())


def align_self(tokens):
    from lab.engine.attention import Alignment

    return Alignment(torch.eye(tokens), torch.ones(tokens))


def test_a_plain_row_beside_edited_ones_is_the_plain_call(setting):
    denoiser, x_t, t, row = setting
    factors = torch.ones(len(row.prompt.hidden))
    factors[3:] = 0
    got = AttentionDenoiser(denoiser)(x_t[[0, 1, 0]], t[[0, 1, 0]], [EditedRow(row, factors), row, EditedRow(row)])
    assert torch.equal(got[1], denoiser(x_t[1:], t[1:], [row])[0])
    assert not torch.allclose(got[0], got[2], atol=1e-4)


class Masked(AttnProcessor):
    """diffusers' own processor whose probabilities of some tokens are set to zero after the softmax."""

    def __init__(self, tokens):
        super().__init__()
        self.tokens = tokens

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, **more):
        scores = attn.get_attention_scores

        def without(query, key, mask=None):
            probabilities = scores(query, key, mask)
            probabilities[..., self.tokens] = 0
            return probabilities

        attn.get_attention_scores = without
        try:
            return super().__call__(attn, hidden_states, encoder_hidden_states, **more)
        finally:
            attn.get_attention_scores = scores


def test_weight_zero_equals_diffusers_with_the_words_taken_out(model, setting):
    denoiser, x_t, t, row = setting
    (word,) = [word for word in model.prompts.words(PROMPT) if word.text == "red"]
    factors = torch.ones(len(row.prompt.hidden))
    factors[list(word.tokens)] = 0
    got = AttentionDenoiser(denoiser)(x_t, t, [EditedRow(row, factors)] * 2)
    twin = twin_of(denoiser.unet)
    twin.set_attn_processor(
        {
            name: Masked(list(word.tokens)) if name.endswith("attn2.processor") else AttnProcessor()
            for name in twin.attn_processors
        }
    )
    added = dict(zip(("text_embeds", "time_ids"), (torch.stack([one] * 2) for one in row.prompt.added), strict=False))
    with torch.no_grad():
        wanted = twin(x_t, t, torch.stack([row.prompt.hidden] * 2), added_cond_kwargs=added or None).sample
    assert torch.allclose(got, wanted, atol=1e-5 * wanted.abs().max())
    assert torch.allclose(reweighted(torch.ones(2, len(factors)), factors), factors.expand(2, -1))


def test_kept_attention_of_the_same_prompt_draws_the_same_picture(model):
    denoiser = model.denoiser(FORWARD)
    row, unconditional = model.conditioning(Condition(prompt=PROMPT)), model.unconditional()
    words, watched = model.prompts.words(PROMPT), AttentionDenoiser(denoiser)
    records = list(drive(denoiser, [make_lane(0, GUIDED, denoiser, row, unconditional)]))
    path = [record.x_t for record in records[:-1]]
    keeping = Keeping(row, row, path, align(words, words, len(row.prompt.hidden)), 1.0, 1.0)
    *_, end = drive(watched, [make_lane(0, GUIDED, watched, keeping, unconditional)])
    assert torch.allclose(end.x_0, records[-1].x_0, atol=1e-4)


def test_kept_attention_ends_with_its_share_of_the_calls(model):
    row, words = model.conditioning(Condition(prompt=PROMPT)), model.prompts.words(PROMPT)
    keeping = Keeping(row, row, [torch.zeros(1)] * 10, align(words, words, len(row.prompt.hidden)), 0.8, 0.3)
    rows = [keeping.at(i, 10) for i in range(10)]
    kept = [isinstance(one, EditedRow) and one.source.words for one in rows]
    picture = [isinstance(one, EditedRow) and one.source.picture for one in rows]
    assert kept == [True] * 8 + [False] * 2 and picture == [True] * 3 + [False] * 7
    assert rows[8] is row


@pytest.mark.parametrize("fails", [False, True])
def test_the_unet_of_other_runs_stays_as_it_is(setting, fails):
    denoiser, x_t, _, row = setting
    before = dict(denoiser.unet.attn_processors)
    watched = AttentionDenoiser(denoiser)
    if fails:
        with pytest.raises(RuntimeError):
            watched.look(x_t[0, :1], 5.0, row)
        assert watched.look(x_t[0], 5.0, row)  # and it can be used again
    else:
        watched.look(x_t[0], 5.0, row)
    after = denoiser.unet.attn_processors
    assert list(after) == list(before) and all(after[name] is one for name, one in before.items())
    assert {id(one) for one in twin_of(denoiser.unet).parameters()} == {id(one) for one in denoiser.unet.parameters()}


def test_words_have_every_token_of_the_window_once(model):
    words = model.prompts.words("red apple, on  a tablecloth!")
    assert [word.text for word in words] == ["start", "red", "apple", "on", "a", "tablecloth", "end and padding"]
    tokens = [token for word in words for token in word.tokens]
    assert tokens == list(range(len(model.conditioning(Condition(prompt="red")).prompt.hidden)))
    assert len(words[2].tokens) == 2  # its comma is one
    assert [word.text for word in model.prompts.words("")] == ["start", "end and padding"]
    long = model.prompts.words("apple " * 200)
    assert [token for word in long for token in word.tokens] == tokens
