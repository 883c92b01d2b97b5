"""Edits of a picture: what each lane starts from, keeps and ends in, on exact pictures; and what is said of odd wishes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lab.catalog import MODELS
from lab.engine.lanes import drive
from lab.models.exact import ExactData
from lab.models.loaders import LoadedExact
from lab.models.pictures import PictureSet
from lab.operations.edit import AMONG, FULL, NONE_AGREES, NOT_IN_THE_SET, edit
from lab.requests.base import LabError, Note, make_request
from lab.requests.edit import INVERSION, EditLane, EditRequest, Original
from lab.requests.fields import Condition, Forward
from lab.requests.sampling import LaneResult, Step
from lab.settings import ASSETS
from tests.operations.toys import Toy, make_house

SIDE = 16
PICTURES = PictureSet.load(ASSETS / "pictures").resized(SIDE)
PICTURES = PICTURES.select(np.array(PICTURES.styles) == "flat")
PICTURE = PICTURES.pixels[PICTURES.captions.index("red apple, flat style")]
MASK = np.zeros((SIDE, SIDE), bool)
MASK[4:12, 8:] = True
HOLE_METHODS = ("paste", "replace", "blend", "repaint", "truth")


@pytest.fixture(scope="module")
def exact():
    return LoadedExact(PICTURES, ExactData(torch.from_numpy(PICTURES.pixels).permute(0, 3, 1, 2).float() / 127.5 - 1))


@pytest.fixture
def run(exact):
    def run(*lanes, **values):
        house, records = make_house(exact=exact, judge=Judge())
        values = {"picture": PICTURE, "model": "exact", "forward": Forward(), **values}
        request = EditRequest(lanes=lanes, **values)
        return list(edit(request, house)), records

    return run


class Judge:
    """Scores a picture by how red it is, and remembers what it was shown."""

    def __init__(self):
        self.shown = []

    def score(self, picture, caption):
        self.shown.append((picture, caption))
        return float(picture[..., 0].mean() / 255)


def lane(method, **values):
    return EditLane(method=method, **{"steps": 12, **values})


def of(kind, events):
    return [event for event in events if isinstance(event, kind)]


def notes(events):
    return [note.text for note in of(Note, events)]


def results(events):
    return {result.lane: result for result in of(LaneResult, events)}


def test_every_way_to_fill_a_hole_keeps_the_rest_and_truth_keeps_it_where_a_picture_of_the_set_does(run):
    events, _ = run(*(lane(method) for method in HOLE_METHODS), mask=MASK, measure=True)
    found = results(events)
    for index, method in enumerate(HOLE_METHODS):
        away = np.abs(found[index].picture.astype(int) - PICTURE)[~MASK].max()
        assert away <= (2 if method == "truth" else 0), method
        assert found[index].measures["known_rms"] <= 1
    truth = found[HOLE_METHODS.index("truth")]
    assert np.abs(truth.picture.astype(int) - PICTURE).max() <= 2  # no other picture has such a rest
    assert truth.nearest_caption.startswith("red apple")


def test_lanes_of_one_seed_start_from_one_noise_and_do_not_depend_on_their_company(run):
    methods = ("paste", "replace", "blend", "repaint", "truth")
    together, records = run(*(lane(method, seed=3) for method in methods), mask=MASK)
    starts = [record.x_t for record in records if record.i == 0]
    assert all(torch.equal(start, starts[0]) for start in starts)
    for index, method in enumerate(methods):
        alone, _ = run(lane(method, seed=3), mask=MASK)
        away = results(together)[index].picture.astype(int) - results(alone)[0].picture
        assert np.abs(away).max() <= 1


@pytest.mark.parametrize("steps", [1, 7, 20])
def test_sdedit_takes_the_share_of_the_steps_that_its_strength_says(run, steps):
    strengths = [round(0.05 * k, 2) for k in range(21)]
    lanes = [lane("sdedit", strength=strength, steps=steps) for strength in strengths]
    events, _ = run(*lanes)
    for index, strength in enumerate(strengths):
        calls = [step for step in of(Step, events) if step.lane == index and step.t >= 0]
        assert len(calls) == int(steps * strength) == lanes[index].calls == results(events)[index].calls
    assert (results(events)[0].picture == PICTURE).all()


def test_the_stronger_the_noise_the_less_is_left_of_the_picture(run):
    lanes = [lane("sdedit", strength=s, seed=2, steps=50) for s in (0.1, 0.3, 0.6, 1)]
    events, _ = run(*lanes, measure=True)
    away = [results(events)[index].measures["rms"] for index in range(4)]
    assert away == sorted(away) and away[0] < 1 and away[-1] > 30


def test_an_inversion_climbs_once_and_comes_down_to_the_picture_under_its_own_words(run):
    lanes = [lane("inverted", words=words, steps=60) for words in ("source", "target")]
    events, records = run(
        *lanes, condition=Condition(prompt="cat face"), source=Condition(prompt="red apple"), measure=True
    )
    up = [step for step in of(Step, events) if step.lane == INVERSION]
    assert len(up) == 61
    tops = {record.lane: record.x_t for record in records if record.i == 0 and record.lane >= 0}
    assert torch.equal(tops[0], tops[1])
    own, other = results(events)[0], results(events)[1]
    assert own.measures["rms"] < 6 < other.measures["rms"]
    assert "cat" in other.nearest_caption


def test_two_descriptions_are_met_each_in_its_view(run):
    two = {"condition": Condition(prompt="red apple"), "source": Condition(prompt="blue heart"), "picture": None}
    events, _ = run(lane("composed", steps=20), view="left-right", **two)
    picture = results(events)[0].picture.astype(int)
    left, right = picture[4:12, 3:7].mean((0, 1)), picture[4:12, 9:13].mean((0, 1))
    assert left[0] - left[2] > 60 and right[2] - right[0] > 60  # red and blue
    turned, _ = run(lane("composed", steps=20), view="flip", **{**two, "source": Condition(prompt="red apple")})
    once = results(turned)[0].picture.astype(int)
    assert np.abs(once - once[::-1]).mean() < 12  # told the same of both views, it is nearly its own mirror image


class Latents(LoadedExact):
    """Pictures that pass for latents: an autoencoder that changes nothing."""

    latent = True

    def from_values(self, values):
        return values


@pytest.mark.parametrize("view", ["flip", "negative"])
def test_anagrams_of_latents_are_the_mean_of_both_views_beside_lanes_of_another_method(exact, view):
    """A prompt that finds one picture predicts it in both: what is drawn is the mean of it and of what is seen as it."""
    house, records = make_house(**{"text-to-image": Latents(exact.pictures, exact.data)})
    words = Condition(prompt="red apple", style="flat")
    request = EditRequest(
        picture=PICTURE, condition=words, source=words, view=view,
        lanes=[lane("composed"), lane("sdedit", strength=0.5), lane("composed", seed=1)],
    )  # fmt: skip
    events = list(edit(request, house))
    seen = PICTURE[::-1] if view == "flip" else 255 - PICTURE
    want, found = (PICTURE.astype(float) + seen) / 2, results(events)
    for index in (0, 2):
        assert np.abs(found[index].picture - want).max() <= 1
    assert np.abs(found[1].picture.astype(int) - PICTURE).max() <= 1
    assert {record.x_0.shape[0] for record in records} == {3, 6}
    assert all(step.x_0.shape == step.x_t.shape == (SIDE, SIDE, 3) for step in of(Step, events))


def test_a_picture_is_judged_in_both_its_views(exact):
    judge = Judge()
    house, _ = make_house(exact=exact, judge=judge)
    request = EditRequest(
        model="exact", forward=Forward(), condition=Condition(prompt="red apple"), source=Condition(prompt="blue heart"),
        view="quarter", measure=True, lanes=[lane("composed")],
    )  # fmt: skip
    found = results(list(edit(request, house)))[0]
    (first, words), (second, other) = judge.shown
    assert (words, other) == ("red apple", "blue heart")
    assert (first == found.picture).all() and (second == np.rot90(found.picture)).all()
    assert found.measures.keys() == {"judge", "judge_source"}


def test_the_original_comes_first_as_the_model_sees_it(run):
    large = np.repeat(np.repeat(PICTURE, 3, 0), 3, 1)
    events, _ = run(lane("blend"), picture=large, mask=np.repeat(np.repeat(MASK, 3, 0), 3, 1))
    assert isinstance(events[0], Original)
    assert events[0].picture.shape == (SIDE, SIDE, 3) and (events[0].mask == MASK).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (90, 7), (1024, 3)])
def test_a_picture_of_any_size_can_be_edited(run, size):
    events, _ = run(lane("sdedit", strength=0.5), picture=np.full((*size, 3), 200, np.uint8))
    assert results(events)[0].picture.shape == (SIDE, SIDE, 3)


@pytest.mark.parametrize("method", HOLE_METHODS)
def test_a_mask_of_everything_is_said_and_draws_a_whole_picture(run, method):
    events, _ = run(lane(method), mask=np.ones((SIDE, SIDE), bool), measure=True)
    assert FULL in notes(events)
    assert "known_rms" not in results(events)[0].measures and "seam" not in results(events)[0].measures


def wrong(**values):
    given = {"model": "exact", "forward": Forward(), "picture": PICTURE, "mask": MASK, "lanes": (lane("blend"),)}
    with pytest.raises(LabError) as caught:
        make_request(EditRequest, **(given | values))
    return str(caught.value)


def test_what_is_missing_or_does_not_fit_is_said_with_what_to_do():
    assert wrong(picture=None) == "Blending changes a picture, and there is none; choose one."
    assert wrong(mask=None) == "Blending needs a mask; paint over what is to be drawn anew."
    assert "the mask is empty" in wrong(mask=np.zeros((SIDE, SIDE), bool)).lower()
    assert "the mask has 8 x 16 pixels and the picture 16 x 16" in wrong(mask=np.ones((16, 8), bool)).lower()
    assert "must be a (height, width) array of yes and no" in wrong(mask=MASK.astype(np.uint8))
    assert "between 1 and 1024 pixels" in wrong(mask=np.ones((1, 2000), bool))
    assert "Painted regions need a mask" in wrong(mask=None, view="painted", lanes=(lane("composed"),))
    for other in ({"steps": 4}, {"seed": 5}):
        words = wrong(lanes=(lane("inverted", steps=3), lane("inverted", **{"steps": 3, **other})))
        assert "have the same steps and seed" in words
    for steps, jump in ((1, 1), (5, 20), (10, 10)):
        with pytest.raises(LabError, match="take more steps, or a smaller jump"):
            make_request(
                EditRequest,
                picture=PICTURE,
                mask=MASK,
                lanes=({"method": "repaint", "steps": steps, "jump": jump, "resamplings": 2},),
            )
    with pytest.raises(LabError, match="a picture can be edited with DDIM"):
        make_request(EditRequest, picture=PICTURE, lanes=({"method": "sdedit", "sampler": "annealed"},))
    with pytest.raises(LabError, match="no way to edit named 'magic'"):
        make_request(EditRequest, picture=PICTURE, lanes=({"method": "magic"},))


def test_what_no_model_of_the_lab_can_do_is_refused_before_anything_is_drawn(run, monkeypatch):
    with pytest.raises(LabError, match="no twin that was taught to fill holes"):
        run(lane("nine"), mask=MASK)
    monkeypatch.setitem(MODELS, "exact", replace(MODELS["exact"], family="pixel"))
    with pytest.raises(LabError, match="no exact denoiser of the pictures of"):
        run(lane("truth"), mask=MASK)


def test_a_hole_smaller_than_a_place_of_the_latents_is_refused():
    house, _ = make_house(exact=Latent())
    mask = np.zeros((32, 32), bool)
    mask[1, 1] = True
    request = EditRequest(model="exact", picture=np.zeros((32, 32, 3), np.uint8), mask=mask, lanes=(lane("blend"),))
    with pytest.raises(LabError, match="smaller than one of the 8 x 8 places"):
        list(edit(request.model_copy(update={"forward": Forward()}), house))


class Latent(Toy):
    """A model whose x_0 has a quarter of the side of its pictures."""

    side = 32

    def from_picture(self, picture):
        return super().from_picture(picture[::4, ::4])


def test_a_hole_that_the_model_has_no_pixel_for_is_refused(run):
    mask = np.zeros((160, 160), bool)
    mask[3, 3] = True
    for method, view in (("blend", "flip"), ("paste", "flip"), ("composed", "painted")):
        with pytest.raises(LabError, match="smaller than a pixel of the model's 16 x 16"):
            run(lane(method), picture=np.zeros((160, 160, 3), np.uint8), mask=mask, view=view)


def test_the_exact_posterior_says_among_how_many_pictures_it_looks_beside_another_model_too(exact):
    house, _ = make_house(exact=exact, pixel=exact, **{"exact-32": exact})
    request = EditRequest(
        model="exact",
        forward=Forward(),
        picture=PICTURE,
        mask=MASK,
        condition=Condition(prompt="apple"),
        lanes=[lane("truth")],
    )
    count = len(exact.conditioning(Condition(prompt="apple")).indices)
    assert f"{AMONG} {count} pictures. {NONE_AGREES}" in notes(edit(request, house))
    beside = request.model_copy(
        update={"model": "pixel", "forward": Forward(schedule="cosine"), "lanes": (lane("blend"), lane("truth"))}
    )
    mixed = list(edit(beside.model_copy(update={"condition": Condition(group="animals-nature")}), house))
    assert any(text.startswith(AMONG) for text in notes(mixed))


def test_where_no_picture_of_the_set_fits_the_prompt_the_exact_posterior_says_so_and_takes_all(run):
    events, _ = run(lane("truth"), mask=MASK, condition=Condition(prompt="zeppelin"))
    assert NOT_IN_THE_SET in notes(events)
    assert results(events)[0].nearest_caption.startswith("red apple")


def test_stopping_a_run_gives_every_model_back(exact):
    house, _ = make_house(exact=exact)
    request = EditRequest(
        model="exact", forward=Forward(), picture=PICTURE, mask=MASK, lanes=[lane(m) for m in HOLE_METHODS]
    )
    events = edit(request, house)
    for _ in range(4):
        next(events)
    events.close()
    assert {model.leases for model in house.cache.resident()} == {0}


def test_lanes_of_a_run_share_calls(exact):
    house, _ = make_house(exact=exact)
    rows = []
    view = exact.denoiser(Forward())

    def counting(denoiser, lanes):
        class Counting:
            prediction_type, process, shape = denoiser.prediction_type, denoiser.process, denoiser.shape

            def __call__(self, x_t, t, conditioning):
                rows.append(len(x_t))
                return denoiser(x_t, t, conditioning)

        return drive(Counting(), lanes)

    request = EditRequest(
        model="exact",
        forward=Forward(),
        picture=PICTURE,
        mask=MASK,
        lanes=[lane(m) for m in ("paste", "blend", "replace")],
    )
    list(edit(request, replace(house, drive=counting)))
    assert view is exact.denoiser(Forward())
    assert rows[1:] == [3] * 11


def test_what_lanes_of_one_hole_share_is_made_once(exact, monkeypatch):
    made = []
    weigh = exact.data.agreeing
    monkeypatch.setattr(exact.data, "agreeing", lambda *given: made.append(weigh(*given)) or made[-1])
    house, _ = make_house(exact=exact)
    lanes = [lane("truth", seed=seed) for seed in range(3)]
    list(edit(EditRequest(model="exact", forward=Forward(), picture=PICTURE, mask=MASK, lanes=lanes), house))
    assert len(made) == 1
