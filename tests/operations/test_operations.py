"""Operations: guidance taken apart step by step, and two models drawn from the same noise."""

import itertools
import math
import threading
import time
from dataclasses import fields

import numpy as np
import pytest
import torch

from lab.catalog import GUIDANCE
from lab.engine.lanes import drive
from lab.models.cache import ModelCache
from lab.models.exact import ExactData, ExactDenoiser
from lab.operations import loading
from lab.operations.anatomy import anatomy
from lab.operations.house import House
from lab.operations.inversion import inversion
from lab.operations.noising import noising
from lab.operations.painter import PREVIEW_SHARE
from lab.operations.sampling import REFERENCE, REPLAY_SHARE, sampling
from lab.requests.anatomy import Anatomy, AnatomyRequest
from lab.requests.base import LabError, Waiting
from lab.requests.fields import Condition, Forward
from lab.requests.inversion import InversionRequest
from lab.requests.noising import NoisingRequest
from lab.requests.sampling import Decoded, LaneResult, LaneSettings, SamplingRequest, Step
from lab.settings import Settings
from tests.toys import Pictured

SHAPE = (3, 8, 8)
PROMPTS = {"": -0.2, "apple": 0.6, "blue": 0.3}  # the mean of the data that each stands for
PATTERN = torch.randn(SHAPE, generator=torch.Generator().manual_seed(9))
TYPES = ("epsilon", "v_prediction", "sample")


class Gaussian:
    """The exact denoiser of data N(m * pattern, 0.4^2 I), with a row's m by its prompt. Notes the rows of each call."""

    shape = SHAPE

    def __init__(self, prediction_type):
        self.prediction_type, self.calls = prediction_type, []
        self.alphas_cumprod = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 0)

    def __call__(self, x_t, t, conditioning):
        self.calls.append(list(conditioning))
        a = self.alphas_cumprod[t.long()].to(x_t)[:, None, None, None]
        mean = torch.tensor([PROMPTS[prompt] for prompt in conditioning])[:, None, None, None] * PATTERN
        x_0 = mean + a.sqrt() * 0.16 / (a * 0.16 + 1 - a) * (x_t - a.sqrt() * mean)
        eps = (x_t - a.sqrt() * x_0) / (1 - a).sqrt()
        return {"epsilon": eps, "v_prediction": a.sqrt() * eps - (1 - a).sqrt() * x_0, "sample": x_0}[
            self.prediction_type
        ]


class Toy(Pictured):
    """Of Gaussian data."""

    def __init__(self, prediction_type="epsilon", shape=SHAPE):
        self.shape, self.network = shape, Gaussian(prediction_type)

    def denoiser(self, forward):
        return self.network


def make_house(**models):
    records = []

    def watched(denoiser, lanes):
        for record in drive(denoiser, lanes):
            records.append(record)
            yield record

    return House(Settings(device="cpu"), ModelCache(lambda name, shelf: models[name]), watched), records


def taken_apart(toy, scales=(0, 1, 4), negative="", **lane):
    """(anatomies, records) of one lane."""
    house, records = make_house(exact=toy)
    request = AnatomyRequest(
        condition=Condition(prompt="apple"), negative=negative, scales=scales,
        lane=LaneSettings(**{"steps": 6, "guidance_scale": 3, **lane}),
    )  # fmt: skip
    return list(anatomy(request, house)), records


def picture(x):
    """As the toy shows it, in float64."""
    return (x.double().clamp(-1, 1).permute(1, 2, 0).numpy() + 1) * 127.5


def halves(toy, record, negative=""):
    """eps and x_0 of both halves in float64, from separate calls and the definitions."""
    a = float(toy.network.alphas_cumprod[int(record.t)])
    x_t = record.x_t.double()
    found = []
    for prompt in ("apple", negative):
        told = toy.network(record.x_t[None], torch.tensor([record.t]), [prompt])[0].double()
        x_0 = {
            "epsilon": (x_t - (1 - a) ** 0.5 * told) / a**0.5,
            "v_prediction": a**0.5 * x_t - (1 - a) ** 0.5 * told,
            "sample": told,
        }[toy.network.prediction_type]
        found.append((x_0, (x_t - a**0.5 * x_0) / (1 - a) ** 0.5))
    return found


@pytest.mark.parametrize("negative", ["", "blue"])
@pytest.mark.parametrize("prediction_type", TYPES)
def test_x_0_at_each_scale_is_the_formula_from_both_halves(prediction_type, negative):
    toy, scales = Toy(prediction_type), (0.0, 0.5, 1.0, 3.0, 7.5)
    events, records = taken_apart(toy, scales, negative)
    assert [event.i for event in events] == list(range(6)) and {event.n for event in events} == {6}
    for event, record in zip(events, records[:-1], strict=True):
        (clean, eps), (clean_u, eps_u) = halves(toy, record, negative)
        assert len(event.x_0) == len(scales)
        for scale, shown in zip(scales, event.x_0, strict=True):
            want = picture(clean_u + scale * (clean - clean_u))
            assert np.abs(shown - want).max() <= 1
        for shown, want in (
            (event.x_t, record.x_t / 2),
            (event.conditional, eps / 2),
            (event.unconditional, eps_u / 2),
        ):
            assert np.abs(shown - picture(want)).max() <= 1
        sizes = [float(part.square().mean() ** 0.5) for part in (eps_u, eps, eps - eps_u)]
        assert event.norms == pytest.approx(sizes, rel=1e-3, abs=1e-4)
        heat = (eps - eps_u).square().mean(0).sqrt().numpy()
        assert event.difference.shape == (8, 8) and event.difference.max() == 255
        assert np.abs(event.difference - heat / heat.max() * 255).max() <= 2
        assert event.t == record.t and event.log_snr == record.log_snr
    assert min(event.norms[2] for event in events) > 1e-3  # the halves do differ


@pytest.mark.parametrize("steps", [1, 7])
@pytest.mark.parametrize("rule", GUIDANCE)
@pytest.mark.parametrize("scale", [0.0, 1.0, 3.0])
def test_every_step_is_taken_apart_whatever_the_rule_and_scale(rule, scale, steps):
    """Also where the rule itself needs one half only; the lane still goes its rule's way."""
    toy = Toy()
    events, records = taken_apart(toy, rule=rule, guidance_scale=scale, steps=steps)
    assert len(events) == steps and all(call == ["apple", ""] for call in toy.network.calls)
    house, plain = make_house(exact=Toy())
    lane = LaneSettings(steps=steps, guidance_scale=scale, rule=rule)
    list(sampling(SamplingRequest(condition=Condition(prompt="apple"), lanes=[lane]), house))
    torch.testing.assert_close(records[-1].x_0, plain[-1].x_0, atol=1e-5, rtol=0)


@pytest.mark.parametrize("sampler", ["heun", "pndm", "euler_a"])
def test_a_call_is_an_event_for_samplers_that_call_more_often(sampler):
    events, records = taken_apart(Toy(), sampler=sampler, steps=5)
    assert len(events) == events[0].n == len(records) - 1
    assert [event.i for event in events] == list(range(events[0].n))


@pytest.mark.parametrize("count", [1, 12])
def test_one_to_twelve_scales(count):
    events, _ = taken_apart(Toy(), tuple(float(k) for k in range(count)))
    assert {len(event.x_0) for event in events} == {count}


def test_equal_halves_have_a_dark_difference():
    events, _ = taken_apart(Toy(), negative="apple")
    for event in events:
        assert not event.difference.any() and event.norms[2] == 0
        assert all((shown == event.x_0[0]).all() for shown in event.x_0)


def test_an_anatomy_holds_no_torch_object():
    (event, *_), _ = taken_apart(Toy())
    assert isinstance(event, Anatomy)
    for one in fields(event):
        value = getattr(event, one.name)
        values = value if isinstance(value, tuple) else (value,)
        assert all(isinstance(part, np.ndarray | int | float) for part in values), one.name
    assert event.log_snr == pytest.approx(math.log(4.0e-5), abs=0.1)  # alpha-bar(T) of the linear schedule


# Two models


def versus(house, *lanes, **more):
    request = SamplingRequest(
        condition=Condition(prompt="apple"), negative="blue", versus="exact-32", lanes=lanes, **more
    )
    return list(sampling(request, house))


def test_versus_draws_every_lane_again_with_the_other_model_from_the_same_noise():
    lanes = [LaneSettings(steps=5, seed=1, guidance_scale=2), LaneSettings(steps=8, seed=2, sampler="ddpm")]
    house, _ = make_house(exact=Toy(), **{"exact-32": Toy("v_prediction")})
    events = versus(house, *lanes, reference_steps=10)
    steps, results = ([event for event in events if isinstance(event, kind)] for kind in (Step, LaneResult))
    assert sorted(result.lane for result in results) == [0, 1, 2, 3]
    for index in (0, 1):
        own, other = ([step for step in steps if step.lane == k] for k in (index, index + 2))
        assert [step.i for step in own] == [step.i for step in other] == list(range(lanes[index].steps + 1))
        assert (own[0].x_t == other[0].x_t).all()
    # The other model is drawn plainly: without the negative prompt and the reference of the first.
    house, _ = make_house(**{"exact-32": Toy("v_prediction")})
    alone = list(sampling(SamplingRequest(model="exact-32", condition=Condition(prompt="apple"), lanes=lanes), house))
    pictures = {event.lane: event for event in results}
    for event in alone:
        if isinstance(event, LaneResult):
            assert np.abs(pictures[event.lane + 2].picture.astype(int) - event.picture).max() <= 1
            assert pictures[event.lane + 2].rms_to_reference is None
            assert pictures[event.lane].rms_to_reference is not None


def test_versus_needs_models_of_one_shape():
    house, records = make_house(exact=Toy(), **{"exact-32": Toy(shape=(3, 4, 4))})
    with pytest.raises(LabError, match="'Exact denoiser at 32 px' works on other shapes"):
        versus(house, LaneSettings(steps=2))
    assert records == []
    assert all(model.leases == 0 for model in house.cache.resident())


def test_stopping_a_run_of_two_models_gives_both_back():
    house, _ = make_house(exact=Toy(), **{"exact-32": Toy()})
    events = sampling(SamplingRequest(versus="exact-32", lanes=[LaneSettings(steps=50)]), house)
    next(events)
    assert {model.leases for model in house.cache.resident()} == {2}  # held for the run, and by its lanes
    events.close()
    assert {model.leases for model in house.cache.resident()} == {0}


# Numbers and limits


def test_results_carry_measures_where_asked_and_a_score_where_there_is_a_prompt():
    class Scorer:
        def score(self, picture, caption):
            assert picture.shape == (8, 8, 3)
            return 0.25 if caption == "apple" else -1

        def unread(self, caption):
            return ()

    house, _ = make_house(exact=Toy(), clip=Scorer())
    for prompt, names in (
        ("apple", {"saturation", "clipped", "contrast", "clip"}),
        (" ", {"saturation", "clipped", "contrast"}),
    ):
        PROMPTS.setdefault(prompt, 0.0)
        request = SamplingRequest(condition=Condition(prompt=prompt), lanes=[LaneSettings(steps=2)], measure=True)
        *_, result = sampling(request, house)
        assert result.measures.keys() == names
        assert result.measures.get("clip", 0.25) == 0.25
    *_, result = sampling(SamplingRequest(lanes=[LaneSettings(steps=2)]), house)
    assert result.measures == {}


@pytest.mark.parametrize(("loud", "clipped"), [(False, 0.0), (True, 0.5)])
def test_clipped_pixels_are_those_that_the_decoder_cut(loud, clipped):
    """Both pictures are white on paper and half of it ink: of the second, the ink was beyond black."""

    class Decoded(Toy):
        def to_values(self, x_0):
            values = torch.ones(3, 8, 8)
            values[:, :4] = -1.5 if loud else -1.0
            return values

    house, _ = make_house(exact=Decoded())
    *_, result = sampling(SamplingRequest(lanes=[LaneSettings(steps=2)], measure=True), house)
    assert result.measures["clipped"] == clipped
    assert np.array_equal(np.unique(result.picture), [0, 255])


def test_what_is_recovered_supposes_that_the_picture_is_known():
    """A picture that is not in the set comes back from a little noise, and another one of the set does not."""
    data = torch.rand(50, *SHAPE, generator=torch.Generator().manual_seed(1)) * 2 - 1
    mine = np.full((8, 8, 3), 200, np.uint8)

    class Known(Toy):
        def __init__(self):
            super().__init__()
            self.data = ExactData(data)
            table = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 0)
            self.network = ExactDenoiser(self.data, table)

        def knowing(self, x_0):
            return self.data.knowing(x_0)

    house, _ = make_house(exact=Known())
    for t in (0, 1, 300):
        (frame,) = noising(NoisingRequest(picture=mine, t=t, recover="exact", chain=False), house)
        assert np.abs(frame.recovered.astype(int) - 200).max() <= 1
    (gone,) = noising(NoisingRequest(picture=mine, t=1000, recover="exact", chain=False), house)
    assert np.abs(gone.recovered.astype(int) - 200).mean() > 20  # of pure noise not even its own picture is known


@pytest.mark.parametrize(
    "forward", [Forward(), Forward(schedule="scaled_linear", T=2000), Forward(schedule="scaled_linear", zero_snr=True)]
)
def test_a_trained_model_recovers_only_from_the_process_it_knows(forward):
    """Its table has a thousand timesteps: t = 2000 is not in it."""
    house, records = make_house(**{"text-to-image": Toy()})
    gone = NoisingRequest(
        picture=np.zeros((8, 8, 3), np.uint8), t=forward.T, forward=forward, recover="text-to-image", chain=False
    )
    with pytest.raises(LabError, match="was not made for this forward process"):
        list(noising(gone, house))
    assert records == []
    known = gone.model_copy(update={"forward": Forward(schedule="scaled_linear"), "t": 1000})
    (frame,) = noising(known, house)
    assert frame.recovered.shape == (8, 8, 3)


# Files that are not on this machine yet


def test_a_download_says_how_far_it_is_and_nobody_need_stay_for_it(monkeypatch):
    began, enough, got = threading.Event(), threading.Event(), []

    def fetch(name):
        began.set()
        assert enough.wait(60)
        got.append(name)

    monkeypatch.setattr(loading, "arrived", lambda name: 12_000_000 if began.is_set() else 0)
    monkeypatch.setattr(loading, "TELL_EVERY_S", 0.01)
    cache = ModelCache(lambda name, shelf: Toy(), fetch=fetch, absent=lambda name: not got)
    asked = SamplingRequest(
        model="text-to-image", lanes=(LaneSettings(steps=2),), forward={"schedule": "scaled_linear"}
    )

    impatient = sampling(asked, House(Settings(), cache, drive))
    said = [next(impatient).text for _ in range(3)]
    assert said[-1] == "Fetching the model 'Miniature latent diffusion': 12 MB so far …"
    impatient.close()
    assert not got

    patient = sampling(asked, House(Settings(), cache, drive))
    next(patient)
    enough.set()
    assert [event for event in patient if isinstance(event, LaneResult)]
    assert set(got) == {"text-to-image"}


def test_a_download_that_fails_is_told_in_its_words():
    def fetch(name):
        raise LabError("the hub did not give it")

    cache = ModelCache(lambda name, shelf: Toy(), fetch=fetch, absent=lambda name: True)
    asked = SamplingRequest(
        model="text-to-image", lanes=(LaneSettings(steps=2),), forward={"schedule": "scaled_linear"}
    )
    with pytest.raises(LabError, match="the hub did not give it"):
        list(sampling(asked, House(Settings(), cache, drive)))


def test_a_run_of_two_models_is_refused_and_announced_before_anything_is_fetched(monkeypatch):
    fetched = []
    cache = ModelCache(lambda name, shelf: Toy(), fetch=fetched.append, absent=lambda name: name not in fetched)
    house = House(Settings(), cache, drive)
    cosine = {"forward": {"schedule": "cosine"}, "lanes": (LaneSettings(steps=2, sampler="ddpm_learned"),)}
    with pytest.raises(LabError, match="needs a model that was trained for it; 'Exact denoiser at 32 px' is not"):
        list(sampling(SamplingRequest(model="pixel", versus="exact-32", **cosine), house))
    assert fetched == []

    monkeypatch.setattr(loading, "slow_to_load", lambda name, settings: True)
    asked = SamplingRequest(
        model="pixel", versus="exact-32", forward={"schedule": "cosine"}, lanes=(LaneSettings(steps=2),)
    )
    events = list(sampling(asked, house))
    said = [event.text for event in events if isinstance(event, Waiting)]
    first = next(k for k, event in enumerate(events) if isinstance(event, Step))
    assert not any(isinstance(event, Waiting) for event in events[first:])
    assert list(dict.fromkeys(fetched)) == ["pixel", "exact-32"]
    waits = [text for text in said if text.startswith("Loading")]
    assert ["Miniature pixel" in waits[0], "Exact denoiser at 32 px" in waits[1], len(waits)] == [True, True, 2]


# Previews of latent models


class LatentToy(Toy):
    """Whose decoded pictures are twice the size of its previews; notes what it decodes, and may take its time."""

    latent = True

    def __init__(self, clock, decode_s):
        super().__init__()
        self.clock, self.decode_s, self.decoded = clock, decode_s, []

    def to_values(self, x_0):
        self.clock[0] += self.decode_s
        self.decoded.append(x_0)
        return x_0.float().repeat_interleave(2, 1).repeat_interleave(2, 2)

    def to_picture(self, x_0):
        return super().to_picture(self.to_values(x_0))

    def preview(self, x):
        return super(Toy, self).to_picture(x)


LATENT = {"model": "text-to-image", "forward": Forward(schedule="scaled_linear")}


def latent_run(monkeypatch, operation, request, decode_s):
    """(toy, records, events) of a run on a clock that denoiser calls move by a second, and decodes by `decode_s`."""
    clock = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    toy = LatentToy(clock, decode_s)
    house, records = make_house(**{"text-to-image": toy})
    whole = toy.network.__call__

    def call(*arguments):
        clock[0] += 1
        return whole(*arguments)

    monkeypatch.setattr(Gaussian, "__call__", lambda self, *arguments: call(*arguments))
    return toy, records, list(operation(request, house))


@pytest.mark.parametrize("counts", [(1,), (7,), (20, 20), (4, 10, 40), (25,) * 8])
@pytest.mark.parametrize("decode_s", [0.001, 0.05, 0.3, 3.0])
def test_lanes_are_decoded_at_the_same_calls_for_a_small_share_of_a_run(monkeypatch, counts, decode_s):
    lanes = [LaneSettings(steps=n, seed=seed) for seed, n in enumerate(counts)]
    toy, records, events = latent_run(monkeypatch, sampling, SamplingRequest(**LATENT, lanes=lanes), decode_s)
    steps = [event for event in events if isinstance(event, Step)]
    for step, record in zip(steps, records, strict=True):
        whole = toy.preview(record.x_0)
        assert (step.x_0 == (whole.repeat(2, 0).repeat(2, 1) if step.decoded else whole)).all()
    assert all(step.decoded for step in steps if step.i == step.n)
    rounds = [
        {step.i for step in steps if step.lane == lane and step.decoded and step.i < step.n}
        for lane in range(len(counts))
    ]
    for n, mine in zip(counts, rounds, strict=True):
        assert mine == {i for i in set.union(*rounds) if i < n}
    previews = sum(map(len, rounds))
    total = max(step.elapsed_s for step in steps)
    assert decode_s * previews <= PREVIEW_SHARE * total + decode_s * len(counts)


def test_both_ways_of_an_inversion_have_decoded_previews(monkeypatch):
    asked = InversionRequest(**LATENT, picture=np.full((8, 8, 3), 90, np.uint8), steps=50)
    _, _, events = latent_run(monkeypatch, inversion, asked, 0.1)
    for lane in (0, 1):
        seen = [step for step in events if isinstance(step, Step) and step.lane == lane and step.i < step.n]
        decoded = [step.i for step in seen if step.decoded]
        assert len(seen) == 50 and len(decoded) >= 0.8 * PREVIEW_SHARE * 50 / 0.1
        assert max(b - a for a, b in itertools.pairwise([0, *decoded, 50])) <= 10
    elapsed = [step.elapsed_s for step in events if isinstance(step, Step)]
    assert elapsed == sorted(elapsed)


def test_the_hidden_reference_lane_is_never_decoded(monkeypatch):
    asked = SamplingRequest(**LATENT, lanes=(LaneSettings(steps=20),), reference_steps=60)
    toy, records, _ = latent_run(monkeypatch, sampling, asked, 0.05)
    reference = {id(record.x_0) for record in records if record.lane == REFERENCE}
    assert len(reference) == 61 and not reference & {id(x_0) for x_0 in toy.decoded}


@pytest.mark.parametrize("replay", [0, 1, 2, 5, 200])
@pytest.mark.parametrize("decode_s", [0.001, 0.1, 1.0])
def test_after_the_results_the_kept_steps_are_decoded_for_half_of_the_runs_time_at_most(monkeypatch, replay, decode_s):
    lanes = [LaneSettings(steps=25, seed=seed) for seed in range(3)]
    asked = SamplingRequest(**LATENT, lanes=lanes, replay=replay)
    toy, records, events = latent_run(monkeypatch, sampling, asked, decode_s)
    x_0 = {(record.lane, record.i): record.x_0 for record in records}
    result = max(k for k, event in enumerate(events) if isinstance(event, LaneResult))
    after = [event for event in events if isinstance(event, Decoded)]
    assert events[result + 1 :] == after
    for event in after:
        assert (event.x_0[::2, ::2] == toy.preview(x_0[event.lane, event.i])).all()
    assert len({(event.lane, event.i) for event in after}) == len(after) <= 3 * replay
    if decode_s == 0.001:  # there is time for all
        known = {(step.lane, step.i) for step in events if isinstance(step, Step) and step.decoded}
        kept = {round(i) for i in np.linspace(0, 24, min(replay, 25))}
        assert known | {(event.lane, event.i) for event in after} >= {(lane, i) for lane in range(3) for i in kept}
    ran_s = max(event.elapsed_s for event in events if isinstance(event, Step))
    assert decode_s * len(after) <= REPLAY_SHARE * ran_s + 4 * decode_s
    calls = list(dict.fromkeys(event.i for event in after))
    if len(calls) > 4:  # wherever it ends, what is there is spread over the lane
        assert max(calls[:4]) - min(calls[:4]) >= 12
