"""Guides of a run: what they need, what they share, what is taken apart of them, and what scores what they pulled."""

import gc

import numpy as np
import pytest

from lab.catalog import ANY_LOSS, GUIDANCE, JUDGE, MODELS, SCORER
from lab.engine.lanes import drive
from lab.models.loaders import make_cache
from lab.operations import guides
from lab.operations.anatomy import anatomy
from lab.operations.guides import make_guides
from lab.operations.house import House
from lab.operations.pulls import ASKED, OTHERS
from lab.operations.sampling import sampling
from lab.requests.anatomy import Anatomy, AnatomyRequest
from lab.requests.base import LabError, Note
from lab.requests.fields import Condition, Forward, GuideSettings
from lab.requests.sampling import LaneResult, LaneSettings, SamplingRequest
from lab.settings import Settings

SETTINGS = Settings(device="cpu", cpu_engine="torch")
FACES, CATS = Condition(group="smileys-emotion"), Condition(prompt="cat")
GUIDED = [name for name, row in GUIDANCE.items() if row.guide]


@pytest.fixture(scope="module")
def house():
    return House(SETTINGS, make_cache(SETTINGS), drive)


def request(model, rules, condition=FACES, scale=3.0, steps=3, **more):
    lanes = [LaneSettings(rule=rule, guidance_scale=scale, steps=steps, seed=seed) for seed, rule in enumerate(rules)]
    return SamplingRequest(
        model=model, condition=condition, lanes=lanes, forward=Forward(schedule=MODELS[model].schedules[0]), **more
    )


def results(house, wanted):
    events = list(sampling(wanted, house))
    found = {event.lane: event for event in events if isinstance(event, LaneResult)}
    return [found[lane] for lane in range(len(wanted.lanes))], [e.text for e in events if isinstance(e, Note)]


def test_lanes_of_all_rules_in_one_run_end_where_they_end_alone(house):
    """Guides, plain halves and a second network in shared calls: each lane as if it were alone."""
    rules = [name for name in GUIDANCE if name != "threshold"]
    whole = request("pixel", rules, FACES.model_copy(update={"prompt": "smiling face"}))
    together, _ = results(house, whole)
    for lane, result in zip(whole.lanes, together, strict=True):
        (alone,), _ = results(house, whole.model_copy(update={"lanes": (lane,)}))
        assert np.abs(alone.picture.astype(int) - result.picture).max() <= 1, lane.rule


@pytest.mark.parametrize("rule", GUIDED)
def test_the_origin_of_a_guide_is_its_base_alone(house, rule):
    """At the scale where nothing pulls stands the plain half that the gradient is added to; of autoguidance, at 1."""
    row, condition = GUIDANCE[rule], FACES.model_copy(update={"prompt": "smiling face"})
    own = request("pixel", [rule], condition, row.origin if row.base else 1.0)
    plain = request("pixel", ["cfg"], condition, 0.0 if row.base == "unconditional" else 1.0)
    (guided,), _ = results(house, own)
    (expected,), _ = results(house, plain)
    assert np.array_equal(guided.picture, expected.picture)


def test_whoever_comes_meanwhile_shares_the_wrapper_and_nobody_keeps_it(house):
    with house.lease("exact-32") as model:
        denoiser, wanted = model.denoiser(Forward()), request("exact-32", ["symmetry"])
        first, second = (make_guides(wanted, model, denoiser, {}) for _ in range(2))
        assert first.denoiser is second.denoiser is not denoiser
        assert make_guides(request("exact-32", ["cfg"]), model, denoiser, {}).denoiser is denoiser
        before = len(guides._wrappers)
        del first, second
        gc.collect()
        assert len(guides._wrappers) < before


@pytest.mark.parametrize(
    ("model", "rule", "condition", "words"),
    [
        ("pixel", "classifier", Condition(), "choose one"),
        ("pixel", "clip", FACES, "write one"),
        ("exact-32", "classifier", Condition(), "something to tell apart"),
        ("text-to-image", "classifier", CATS, "nothing that guides 'Miniature latent diffusion' by classifier"),
    ],
)
def test_what_a_guide_lacks_is_said(house, model, rule, condition, words):
    with pytest.raises(LabError, match=words):
        list(sampling(request(model, [rule], condition), house))


def test_temperature_and_colour_change_the_pictures_of_their_rules_only(house):
    settings = GuideSettings(temperature=8.0, colour="#0000ff", region="right", brightness=0.0)
    rules = ["cfg", "classifier", "colour", "symmetry", "brightness"]
    plain, _ = results(house, request("pixel", rules, scale=8.0))
    changed, _ = results(house, request("pixel", rules, scale=8.0, guide=settings))
    same = [np.array_equal(a.picture, b.picture) for a, b in zip(plain, changed, strict=True)]
    assert same == [True, False, False, True, False]


def test_nothing_is_scored_by_what_guided_it(house):
    condition = Condition(prompt="red apple", group="food-drink")
    guided, notes = results(house, request("pixel", ["clip", "cfg"], condition, measure=True))
    assert all({"guide", "judge"} <= one.measures.keys() and "clip" not in one.measures for one in guided)
    assert not any("reads no prompt" in note for note in notes)
    plain, notes = results(house, request("pixel", ["cfg"], condition, measure=True))
    assert "clip" in plain[0].measures and any("reads no prompt" in note for note in notes)
    assert request("pixel", ["clip"], condition, measure=True).models() == ("pixel", "noised-clip", JUDGE)
    assert SCORER in request("pixel", ["cfg"], condition, measure=True).models()


# Taken apart


def steps_of(house, model, rule, condition=FACES, scale=3.0, steps=5, scales=(0, 1, 4)):
    lane = LaneSettings(rule=rule, guidance_scale=scale, steps=steps)
    wanted = AnatomyRequest(
        model=model, condition=condition, lane=lane, scales=scales, forward=Forward(schedule=MODELS[model].schedules[0])
    )
    return [event for event in anatomy(wanted, house) if isinstance(event, Anatomy)]


@pytest.mark.parametrize("rule", ["classifier", "classifier_conditional"])
def test_the_exact_classifier_pulls_where_classifier_free_guidance_does(house, rule):
    """Direction and size of both changes of eps, and x_0 at every scale, while there is anything to tell apart."""
    guided, plain = (steps_of(house, "exact-32", name, CATS) for name in (rule, "cfg"))
    for one, other in zip(guided, plain, strict=True):
        assert set(one.pull.beliefs) == {ASKED, OTHERS} and one.pull.wanted == ASKED
        assert sum(one.pull.beliefs.values()) == pytest.approx(1) and one.pull.potential <= 0
        if one.norms[2] > 1e-3:
            assert one.pull.cosine == pytest.approx(1, abs=1e-3)
            assert one.pull.rms == pytest.approx(one.norms[2], rel=1e-2)
        for a, b in zip(one.x_0, other.x_0, strict=True):
            assert np.abs(a.astype(int) - b).max() <= 1
    assert guided[0].norms[2] > 1e-3


@pytest.mark.parametrize("rule", GUIDED)
def test_every_step_of_a_guided_lane_is_taken_apart(house, rule):
    condition = FACES.model_copy(update={"prompt": "smiling face"})
    events = steps_of(house, "pixel", rule, condition)
    assert [event.i for event in events] == list(range(5))
    for event in events:
        pull = event.pull
        assert pull.picture.shape == (32, 32, 3) and pull.heat.shape == (32, 32) and pull.rms >= 0
        assert len(event.x_0) == 3 and (pull.cosine is None or -1.001 <= pull.cosine <= 1.001)
        assert (pull.potential is None) == (GUIDANCE[rule].guide == "weak")
        assert bool(pull.beliefs) == (GUIDANCE[rule].guide == "classifier")
        if pull.beliefs:
            assert sum(pull.beliefs.values()) == pytest.approx(1, abs=1e-5) and pull.wanted in pull.beliefs
    assert events[-1].pull.rms > 0
    if GUIDANCE[rule].guide in ANY_LOSS:
        assert events[-1].pull.potential <= 0


def test_plain_rules_have_no_pull(house):
    assert all(event.pull is None for event in steps_of(house, "exact-32", "cfg", CATS, steps=2))
