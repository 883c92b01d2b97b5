"""Loading the exact denoiser: what it offers the operations, and what it says where a condition cannot be met."""

import numpy as np
import pytest
import torch

from lab.backends.local import LocalBackend
from lab.catalog import GROUPS, HELPERS, Helper
from lab.engine.noising import alphas_cumprod
from lab.models.cache import nbytes_of
from lab.models.exact import ExactData
from lab.models.loaders import (
    FAMILIES,
    Family,
    LoadedExact,
    _nothing_matches,
    load,
    make_cache,
    pick_device,
    weigh,
)
from lab.models.pictures import PictureSet
from lab.requests.base import LabError
from lab.requests.fields import Condition, Forward
from lab.settings import ASSETS, Settings
from lab.vocabulary import nearest, suggested

CAPTIONS = ("red apple, flat style", "green apple, 3D style", "cat, flat style", "hidden dog, flat style")


@pytest.fixture(scope="module")
def pictures():
    pixels = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), np.uint8)
    return PictureSet(
        pixels=pixels,
        captions=CAPTIONS,
        styles=("flat", "3D", "flat", "flat"),
        groups=("food-drink", "food-drink", "animals-nature", "animals-nature"),
        concepts=("a", "b", "c", "d"),
        keywords=((), (), ("pet",), ("pet",)),
        held_out=np.array([False, False, False, True]),
    )


@pytest.fixture(scope="module")
def loaded(pictures):
    kept = pictures.select(~pictures.held_out)
    return LoadedExact(kept, ExactData(torch.tensor(kept.pixels).permute(0, 3, 1, 2) / 127.5 - 1))


def test_held_out_pictures_are_never_used():
    everything = PictureSet.load(ASSETS / "pictures")
    loaded = load("exact", Settings(device="cpu"))
    assert len(loaded.data) == len(everything) - everything.held_out.sum() < len(everything)
    assert not set(loaded.pictures.concepts) & set(everything.select(everything.held_out).concepts)


@pytest.mark.parametrize(
    ("condition", "wanted"),
    [
        (Condition(), [0, 1, 2]),
        (Condition(prompt="apple"), [0, 1]),
        (Condition(prompt="apple", style="3D"), [1]),
        (Condition(group="animals-nature"), [2]),
        (Condition(prompt="pet"), [2]),
    ],
)
def test_a_condition_restricts_the_set(loaded, condition, wanted):
    assert loaded.conditioning(condition).indices.tolist() == wanted


def test_equal_conditions_share_one_support_so_that_their_rows_share_a_product(loaded):
    assert loaded.conditioning(Condition(prompt="apple")) is loaded.conditioning(Condition(prompt="apple"))
    assert loaded.conditioning(Condition()) is loaded.unconditional()


def test_what_matches_nothing_is_answered_with_what_comes_near(loaded):
    with pytest.raises(LabError, match=r"No picture matches 'red aple' in Food and drink\. Did you mean red apple"):
        loaded.conditioning(Condition(prompt="red aple", group="food-drink"))
    with pytest.raises(
        LabError, match=r"No picture matches 'apple' in Animals and nature\. There are some in Food and drink\.$"
    ):
        loaded.conditioning(Condition(prompt="apple", group="animals-nature"))
    with pytest.raises(LabError, match="Try a single word"):
        loaded.conditioning(Condition(prompt="zzzzzz"))


def test_names_that_are_offered_lead_to_pictures_of_what_is_chosen():
    pictures = PictureSet.load(ASSETS / "pictures")
    near = nearest("Pikachu")
    assert len(near) > 1
    for group in GROUPS:
        offered = suggested(_nothing_matches(Condition(prompt="Pikachu", group=group), pictures))
        leading = [name for name in near if pictures.matching(name, group).any()]
        assert offered == (leading or near)  # where none of them is in the group, the nearest of all
    animals = suggested(_nothing_matches(Condition(prompt="Pikachu", group="animals-nature"), pictures))
    assert animals and set(animals) < set(near)


def test_one_denoiser_for_each_forward_process(loaded):
    cosine = loaded.denoiser(Forward(schedule="cosine", T=100))
    assert loaded.denoiser(Forward(schedule="cosine", T=100)) is cosine
    assert loaded.denoiser(Forward()) is not cosine
    torch.testing.assert_close(cosine.process.alphas_cumprod, alphas_cumprod("cosine", 100))


def test_pictures_go_in_and_come_out_unchanged(loaded, pictures):
    for picture in pictures.pixels:
        assert (loaded.to_picture(loaded.from_picture(picture)) == picture).all()
    x_0 = loaded.from_picture(np.full((200, 100, 3), 77, np.uint8))
    assert x_0.shape == (3, 64, 64)
    torch.testing.assert_close(x_0, torch.full((3, 64, 64), 77 / 127.5 - 1), atol=1e-3, rtol=0)


def test_nearest_names_the_picture(loaded, pictures):
    picture, caption, rms = loaded.nearest(loaded.from_picture(pictures.pixels[1]))
    assert (picture == pictures.pixels[1]).all() and caption == CAPTIONS[1]
    assert rms == pytest.approx(0, abs=1e-5)


def test_bytes_are_those_of_the_tensors(loaded):
    own = 4 * (3 * 12288 + 12288 + 3)
    loaded.data.to(torch.device("cpu"))  # forgets the supports
    assert nbytes_of(loaded.data) == own
    loaded.conditioning(Condition(prompt="cat"))
    assert nbytes_of(loaded.data) == own + 4 * (12288 + 1)


def test_the_shipped_set_loads_through_the_catalog():
    shipped = load("exact", Settings(device="cpu"))
    assert len(shipped.data) > 3000 and shipped.shape == (3, 64, 64)


def test_a_named_device_is_taken_at_its_word():
    assert pick_device(Settings(device="cpu")) == torch.device("cpu")


@pytest.mark.parametrize(
    "name",
    ["exact", "exact-32", "text-to-image", "edges", *(name for name, row in HELPERS.items() if "@" not in row.source)],
)
def test_what_a_model_is_said_to_weigh_is_what_its_tensors_take(name):
    """Exactly for the closed form; networks to a part in a thousand: buffers are made, not read."""
    settings = Settings(device="cpu", cpu_engine="torch")
    cache = make_cache(settings)
    with cache.lease(name):
        (held,) = cache.resident()
    assert weigh(name, settings) == pytest.approx(held.nbytes, rel=0 if "exact" in name else 1e-3)
    assert not cache.plan(name).fetch


def test_a_helper_network_is_a_row_and_a_loader(monkeypatch, tmp_path):
    """It is leased, weighed, named and shown like all others; a folder of this machine is its source."""

    def load_prior(row, settings, shelf, workshop):
        return shelf(row.source, lambda: torch.nn.Linear(5, 10))

    row = Helper("prior", "Prior", "prior", str(tmp_path), "A prior over embeddings.", when="a text needs a picture")
    monkeypatch.setitem(HELPERS, "prior", row)
    monkeypatch.setitem(FAMILIES, "prior", Family(load_prior, weigh=lambda row, folder, settings: 240))
    backend = LocalBackend(Settings(device="cpu"))
    assert (
        {plan.name: plan for plan in backend.status().plans}["prior"].nbytes == 240 == weigh("prior", backend.settings)
    )
    with backend.cache.lease("prior") as prior:
        assert prior(torch.zeros(1, 5)).shape == (1, 10)
        assert [(one.name, one.nbytes) for one in backend.status().resident] == [("prior", 240)]
    tmp_path.rmdir()
    assert "prior" not in {plan.name for plan in backend.status().plans}
    monkeypatch.setitem(FAMILIES, "prior", Family(lambda *_: 1 / 0))
    with pytest.raises(LabError, match="The helper network 'Prior' could not be loaded"):
        load("prior", backend.settings)


@pytest.mark.parametrize("prompt", ["", "  ", "\t"])
def test_what_restricts_nothing_copies_nothing(loaded, prompt):
    assert loaded.conditioning(Condition(prompt=prompt)) is loaded.unconditional(prompt) is loaded.data.everything
    assert loaded.data.support(torch.arange(3)) is loaded.data.everything
